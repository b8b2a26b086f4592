// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What the host's C library has of signals by itself: sets of them, and the end of an application by assert(). */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "posix/result.h"

void application_assert_failed(const char *file, int line, const char *function, const char *expression)
    __attribute__((noreturn));

int sigemptyset(sigset_t *set)
{
	*set = 0;
	return 0;
}

int sigfillset(sigset_t *set)
{
	*set = ~(sigset_t)0;
	return 0;
}

int sigaddset(sigset_t *set, int sig)
{
	if (sig <= 0 || sig >= NSIG)
		return (int)result_posix(-EINVAL);
	*set |= (sigset_t)1 << sig;
	return 0;
}

int sigdelset(sigset_t *set, int sig)
{
	if (sig <= 0 || sig >= NSIG)
		return (int)result_posix(-EINVAL);
	*set &= ~((sigset_t)1 << sig);
	return 0;
}

int sigismember(const sigset_t *set, int sig)
{
	if (sig <= 0 || sig >= NSIG)
		return (int)result_posix(-EINVAL);
	return (int)(*set >> sig & 1);
}

/* assert() of applications, which are compiled with this name for it; the kernel's panics. */
void application_assert_failed(const char *file, int line, const char *function, const char *expression)
{
	fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
	abort();
}
