// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Ends by signals, and handlers of the interrupt key. */

#include <assert.h>
#include <cairn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe.h"

#define WILD ((volatile char *)0x123456789000)

static void returns(int sig)
{
	(void)sig;
}

static void faults(int sig)
{
	(void)sig;
	*WILD = 1;
}

static volatile int frames_left = 1 << 30; // volatile: the compiler must not see that this is a loop

static int overflow(volatile char *above)
{
	volatile char frame[256];

	frame[0] = above ? above[0] : 1;
	return frames_left-- ? overflow(frame) + frame[0] : 0;
}

/* how: SIG_BLOCK or SIG_UNBLOCK. */
static int mask(int how, int sig)
{
	sigset_t set;

	return sigemptyset(&set) || sigaddset(&set, sig) || sigprocmask(how, &set, NULL);
}

static void print_wild(void *arg)
{
	(void)arg;
	fwrite((const void *)(uintptr_t)WILD, 1, 10, stdout); // with the stream's lock held
}

/* how: a signal's number, or what follows. */
int end_by_signal(const char *how)
{
	volatile int zero = 0;

	if (keep("before the signal\n"))
		return 1;
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "assert"))
		assert(zero != 0);
	if (!strcmp(how, "handled-abort")) {
		if (signal(SIGABRT, returns) == SIG_ERR || mask(SIG_BLOCK, SIGABRT))
			return fail("SIGABRT");
		abort();
	}
	if (!strcmp(how, "blocked")) {
		if (signal(SIGSEGV, returns) == SIG_ERR || mask(SIG_BLOCK, SIGSEGV))
			return fail("SIGSEGV");
		*WILD = 1;
	}
	if (!strcmp(how, "ignored")) {
		if (signal(SIGSEGV, SIG_IGN) == SIG_ERR)
			return fail("SIGSEGV");
		*WILD = 1;
	}
	if (!strcmp(how, "nested")) {
		if (signal(SIGSEGV, faults) == SIG_ERR)
			return fail("SIGSEGV");
		*WILD = 1;
	}
	if (!strcmp(how, "try-locked"))
		return cairn_try(print_wild, NULL) ? fail("a lock was left") : 1;
	if (!strcmp(how, "stack")) { // with a handler, and no room for it
		if (signal(SIGSEGV, returns) == SIG_ERR)
			return fail("SIGSEGV");
		return overflow(NULL);
	}
	return raise(atoi(how)) ? fail("raise") : 1;
}

/* ---- the interrupt key ---- */

static volatile sig_atomic_t interrupted;
static sigjmp_buf back;

static void note(int sig)
{
	interrupted = sig;
}

static void jump(int sig)
{
	siglongjmp(back, sig);
}

static int handle(void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	return sigaction(SIGINT, &action, NULL) ? fail("sigaction") : 0;
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

/* A key that is on its way shall find the application, not what comes after it. */
static int wait_for_end(void)
{
	char line[100];

	fflush(stdout);
	while (read(0, line, sizeof(line)) != 0)
		;
	return 0;
}

static int read_line(void)
{
	char line[100];
	ssize_t n = read(0, line, sizeof(line));

	if (n < 0)
		printf("read %d, interrupted %d\n", errno, (int)interrupted);
	else
		printf("read %zd, interrupted %d\n", n, (int)interrupted);
	return wait_for_end();
}

static void *wait_for_key(void *arg)
{
	sigset_t set;
	int sig = 0;

	(void)arg;
	if (sigemptyset(&set) || sigaddset(&set, SIGINT))
		return NULL;
	ready();
	return sigwait(&set, &sig) ? NULL : (void *)(intptr_t)sig;
}

static int wait_in_thread(void)
{
	pthread_t thread;
	void *sig;

	if (mask(SIG_BLOCK, SIGINT) || pthread_create(&thread, NULL, wait_for_key, NULL) || pthread_join(thread, &sig))
		return fail("thread");
	printf("sigwait %d\n", (int)(intptr_t)sig);
	return 0;
}

int be_interrupted(const char *how)
{
	if (!strcmp(how, "sigwait"))
		return wait_in_thread();
	if (!strcmp(how, "jump")) {
		int sig = sigsetjmp(back, 1);

		if (sig)
			return printf("jumped %d\n", sig) < 0;
		// a jump out of the C library's output would leave its buffer as it was: "ready" twice
		if (handle(jump, 0) || mask(SIG_BLOCK, SIGINT))
			return 1;
		ready();
		if (mask(SIG_UNBLOCK, SIGINT))
			return 1;
		for (;;)
			;
	}
	if (handle(!strcmp(how, "ignore") ? SIG_IGN : note, !strcmp(how, "restart") ? SA_RESTART : 0))
		return 1;
	ready();
	if (!strcmp(how, "sleep")) {
		printf("sleep %d\n", sleep(1000) > 900);
		return wait_for_end();
	}
	if (strcmp(how, "spin")) // read, restart, ignore
		return read_line();
	while (!interrupted)
		;
	printf("interrupted %d\n", (int)interrupted);
	return 0;
}
