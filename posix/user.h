// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Structures from and to the application's memory. 0, or -EFAULT: they cannot be reached, in part perhaps. May sleep.
 */
#pragma once

#include <errno.h>

#include "arch/uaccess.h"

static inline int user_copy(void *to, const void *from, size_t size)
{
	return uaccess_copy(to, from, size) ? -EFAULT : 0;
}

/* *to = *from, which is the application's; and *to, which is, = value. */
#define user_get(to, from) user_copy((to), 1 ? (from) : (to), sizeof(*(to)))
#define user_put(to, value) user_copy((to), (const __typeof__(*(to))[1]){value}, sizeof(*(to)))
