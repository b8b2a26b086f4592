// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Structures from and to the application's memory. 0, or -EFAULT: they cannot be reached, in part perhaps. May sleep.
 */
#pragma once

#include <errno.h>

#include "arch/uaccess.h"

#define user_get(to, from)                                                                                             \
	({                                                                                                             \
		const __typeof__(*(to)) *from_ = (from);                                                               \
                                                                                                                       \
		uaccess_copy((to), from_, sizeof(*(to))) ? -EFAULT : 0;                                                \
	})

#define user_put(to, value)                                                                                            \
	({                                                                                                             \
		const __typeof__(*(to)) value_ = (value);                                                              \
                                                                                                                       \
		uaccess_copy((to), &value_, sizeof(value_)) ? -EFAULT : 0;                                             \
	})
