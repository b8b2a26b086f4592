// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* From the kernel's way of reporting an error to POSIX's. */
#pragma once

#include <errno.h>

#include "lib/types.h"
#include "posix/process.h"

/*
 * r, or -1 with errno set if r is a negative errno. An error while another thread ends the process does not return: it
 * may be of the file system's being unmounted.
 */
static inline long result_posix(long r)
{
	if (r >= 0)
		return r;
	process_stop_if_ending();
	errno = (int)-r;
	return -1;
}
