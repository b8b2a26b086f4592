// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Signals that a program raises itself. Without a handler (picolibc's signal keeps them) a signal ends the program with
 * status 128 + its number, after a backtrace.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "arch/trap.h"
#include "kernel/log.h"
#include "posix/process.h"
#include "posix/result.h"

int kill(pid_t pid, int sig)
{
	if (sig < 0 || sig >= NSIG)
		return (int)result_posix(-EINVAL);
	if (pid != getpid())
		return (int)result_posix(-ESRCH);
	if (sig != 0) {
		log_error("the application ends by signal %d", sig);
		backtrace_here();
		process_end(128 + sig, 'f', true);
	}
	return 0;
}

void abort(void)
{
	(void)raise(SIGABRT); // returns only if a handler does
	process_end(128 + SIGABRT, 'f', true);
}
