// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Signals on the host build, with an application's eyes: handlers of faults on the application's stack, registers
 * over them, and signals that end waiting, in many orders of threads.
 */
#include "posix/host_names.h"
#undef main

#include <errno.h>

#include "posix/process.h"
#include "tests/host/harness.h"

#define PAGE 4096ul
#define WILD ((volatile char *)0x20000000)

static volatile int caught;
static siginfo_t seen;
static sigjmp_buf back;

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	assert_int_equal(sigaction(sig, &action, NULL), 0);
	caught = 0;
}

static void leave(int sig, siginfo_t *info, void *context)
{
	(void)context;
	seen = *info;
	caught++;
	siglongjmp(back, sig);
}

static void begin(void)
{
	harness_start_mm();
	process_begin();
}

static void fault_body(void *arg)
{
	(void)arg;
	begin();
	handle(SIGSEGV, leave, 0);
	for (volatile int i = 0; i < 2000; i++) {
		int sig = sigsetjmp(back, 1);

		if (sig == 0)
			WILD[i] = 1;
		assert_int_equal(sig, SIGSEGV);
		assert_int_equal(seen.si_code, SEGV_MAPERR);
		assert_ptr_equal(seen.si_addr, WILD + i);
	}
	assert_int_equal(caught, 2000);
}

static void test_fault(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, fault_body, NULL);
}

/* x86 traps it. */
static void division_body(void *arg)
{
	int sig;

	(void)arg;
	begin();
	handle(SIGFPE, leave, 0);
	sig = sigsetjmp(back, 1);
	if (sig == 0)
		__asm__ volatile("xor %%edx, %%edx; div %%edx" ::"a"(1) : "edx");
	assert_int_equal(sig, SIGFPE);
	assert_int_equal(seen.si_code, FPE_INTDIV);
	handle(SIGILL, leave, 0);
	sig = sigsetjmp(back, 1);
	if (sig == 0)
		__asm__ volatile("ud2");
	assert_int_equal(sig, SIGILL);
}

static void test_other_exceptions(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, division_body, NULL);
}

static void repair(int sig, siginfo_t *info, void *context)
{
	volatile double x = 1.25;

	(void)sig;
	(void)context;
	for (int i = 0; i < 20; i++)
		x = x * 1.5;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7" ::: "xmm0", "xmm7");
	caught++;
	assert_int_equal(mprotect((void *)((uintptr_t)info->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE), 0);
}

/* What a store at `at` does to registers: 0, or which were lost. */
static uint64_t registers_lost(char *at)
{
	uint64_t a = 1, c = 3, d = 4, x0, x7;

	__asm__ volatile("movq %[five], %%xmm0; movq %[nine], %%xmm7\n"
			 "movb $1, (%[at])\n"
			 "movq %%xmm0, %[x0]; movq %%xmm7, %[x7]"
			 : "+a"(a), "+c"(c), "+d"(d), [x0] "=r"(x0), [x7] "=r"(x7)
			 : [at] "r"(at), [five] "r"(5ul), [nine] "r"(9ul)
			 : "xmm0", "xmm7", "memory");
	return (a ^ 1) | (c ^ 3) | (d ^ 4) | (x0 ^ 5) | (x7 ^ 9);
}

static void repair_body(void *arg)
{
	char *p;

	(void)arg;
	begin();
	p = mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	handle(SIGSEGV, repair, 0);
	for (size_t i = 0; i < 64; i++) {
		assert_int_equal(registers_lost(p + i * PAGE), 0);
		assert_int_equal(p[i * PAGE], 1);
	}
	assert_int_equal(caught, 64);
}

static void test_repair(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, repair_body, NULL);
}

static char alternate[256 * 1024];
static volatile int frames_left = 1 << 30;

static int overflow(volatile char *above)
{
	volatile char frame[1024];

	frame[0] = above ? above[0] : 1;
	return frames_left-- ? overflow(frame) + frame[0] : 0;
}

static void leave_alternate(int sig, siginfo_t *info, void *context)
{
	char *here = __builtin_frame_address(0);

	assert_true(here > alternate && here <= alternate + sizeof(alternate));
	leave(sig, info, context);
}

static void *overflow_often(void *arg)
{
	const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};

	assert_int_equal(sigaltstack(&stack, NULL), 0);
	for (volatile int i = 0; i < 5; i++)
		if (sigsetjmp(back, 1) == 0)
			(void)overflow(NULL);
	return arg;
}

static void overflow_body(void *arg)
{
	pthread_t thread;

	(void)arg;
	begin();
	handle(SIGSEGV, leave_alternate, SA_ONSTACK);
	assert_int_equal(pthread_create(&thread, NULL, overflow_often, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(caught, 5);
}

static void test_stack_overflow(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, overflow_body, NULL);
}

/* ---- waiting ---- */

#define ROUNDS 20

static pthread_t first_thread;

static void count(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	caught++;
}

static void *suspend(void *arg)
{
	sigset_t none, set;

	(void)arg;
	assert_int_equal(sigemptyset(&none) | sigemptyset(&set) | sigaddset(&set, SIGUSR1), 0);
	for (int i = 1; i <= ROUNDS; i++) {
		assert_int_equal(sigsuspend(&none), -1);
		assert_int_equal(caught, i);
		assert_int_equal(pthread_kill(first_thread, SIGUSR2), 0);
	}
	return NULL;
}

/* Two threads that send each other signals and wait for them: one that is lost stops both. */
static void ping_pong_body(void *arg)
{
	sigset_t set;
	pthread_t thread;
	int sig;

	(void)arg;
	begin();
	first_thread = pthread_self();
	handle(SIGUSR1, count, 0);
	assert_int_equal(sigemptyset(&set) | sigaddset(&set, SIGUSR1) | sigaddset(&set, SIGUSR2), 0);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, suspend, NULL), 0);
	assert_int_equal(sigdelset(&set, SIGUSR1), 0);
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
		assert_int_equal(sigwait(&set, &sig), 0);
		assert_int_equal(sig, SIGUSR2);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void for_all_seeds(void (*body)(void *))
{
	const unsigned seeds = harness_effort() == EFFORT_QUICK ? 20 : 200;

	for (unsigned seed = 0; seed < seeds; seed++)
		harness_run(&(struct harness){.seed = seed, .preempt_in = 3}, body, NULL);
}

static void test_ping_pong(void **state)
{
	(void)state;
	for_all_seeds(ping_pong_body);
}

static volatile bool slept;

static void *sleep_long(void *arg)
{
	struct timespec ts = {.tv_sec = 1000000}, rest;

	assert_int_equal(nanosleep(&ts, &rest), -1);
	assert_int_equal(errno, EINTR);
	slept = true;
	return arg;
}

/* Sent until it has ended the sleep: what comes before it began ends nothing. */
static void sleep_body(void *arg)
{
	pthread_t thread;

	(void)arg;
	begin();
	slept = false;
	handle(SIGUSR1, count, SA_RESTART);
	assert_int_equal(pthread_create(&thread, NULL, sleep_long, NULL), 0);
	while (!slept) {
		assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
		assert_int_equal(usleep(10), 0);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(caught > 0);
}

static void test_sleep(void **state)
{
	(void)state;
	for_all_seeds(sleep_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fault),     cmocka_unit_test(test_other_exceptions),
	    cmocka_unit_test(test_repair),    cmocka_unit_test(test_stack_overflow),
	    cmocka_unit_test(test_ping_pong), cmocka_unit_test(test_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
