// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* From the kernel's way of reporting an error to POSIX's. */
#pragma once

#include <errno.h>

#include "lib/types.h"

/* r, or -1 with errno set if r is a negative errno. */
static inline long result_posix(long r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}
