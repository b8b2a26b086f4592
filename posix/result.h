// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* From the kernel's way of reporting an error to POSIX's. */
#pragma once

#include <errno.h>
#include <signal.h>

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

/* The same of something that was written: a pipe without a reader is a signal, too. */
static inline long result_written(long r)
{
	if (r == -EPIPE)
		(void)raise(SIGPIPE); // a thread of the kernel has none
	return result_posix(r);
}
