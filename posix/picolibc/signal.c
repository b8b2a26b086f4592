// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Signals that a program raises itself, and the interrupt key. picolibc's signal keeps the handlers; without one a
 * signal ends the program with status 128 + its number, after a backtrace unless somebody asked for the end. A handler
 * of SIGINT runs on the console's thread.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arch/trap.h"
#include "drivers/console.h"
#include "kernel/log.h"
#include "posix/process.h"
#include "posix/result.h"

void application_assert_failed(const char *file, int line, const char *function, const char *expression)
    __attribute__((noreturn));

int kill(pid_t pid, int sig)
{
	bool asked_for = sig == SIGINT || sig == SIGTERM;

	if (sig < 0 || sig >= NSIG)
		return (int)result_posix(-EINVAL);
	if (pid != getpid())
		return (int)result_posix(-ESRCH);
	if (sig == 0)
		return 0;
	if (!asked_for) {
		log_error("the application ends by signal %d", sig);
		backtrace_here();
	}
	process_end(128 + sig, asked_for ? 'e' : 'f', true);
}

void abort(void)
{
	(void)raise(SIGABRT); // returns only if a handler does
	process_end(128 + SIGABRT, 'f', true);
}

/* assert() of applications, which are compiled with this name for it; the kernel's panics. */
void application_assert_failed(const char *file, int line, const char *function, const char *expression)
{
	fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
	abort();
}

static void interrupt_key(void)
{
	(void)raise(SIGINT); // fails only for a number that is no signal
}

static void __attribute__((constructor)) interrupt_key_init(void)
{
	console_set_interrupt(interrupt_key);
}
