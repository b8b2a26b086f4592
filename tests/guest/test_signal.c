// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Signals that are sent: actions, masks, waiting, threads, calls that they end. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

static volatile sig_atomic_t caught, last_signal;
static pthread_t catcher;

static void count(int sig)
{
	caught++;
	last_signal = sig;
	catcher = pthread_self();
}

static void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	CHECK(sigaction(sig, &action, NULL) == 0);
	caught = last_signal = 0;
}

static sigset_t set_of(int sig)
{
	sigset_t set;

	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, sig) == 0);
	return set;
}

static void test_sets(void)
{
	sigset_t set;

	CHECK(sigemptyset(&set) == 0 && sigismember(&set, SIGUSR2) == 0);
	CHECK(sigaddset(&set, SIGUSR2) == 0 && sigismember(&set, SIGUSR2) == 1 && sigismember(&set, SIGUSR1) == 0);
	CHECK(sigdelset(&set, SIGUSR2) == 0 && sigismember(&set, SIGUSR2) == 0);
	CHECK(sigfillset(&set) == 0 && sigismember(&set, SIGINT) == 1 && sigismember(&set, SIGUSR2) == 1);
	errno = 0;
	CHECK(sigaddset(&set, 0) == -1 && errno == EINVAL);
	errno = 0;
	CHECK(sigismember(&set, NSIG) == -1 && errno == EINVAL);
}

static void test_every_signal(void)
{
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction action = {.sa_handler = count};

		if (sig == SIGKILL || sig == SIGSTOP) {
			errno = 0;
			CHECK(sigaction(sig, &action, NULL) == -1 && errno == EINVAL);
			continue;
		}
		handle(sig, count, 0);
		CHECK(raise(sig) == 0 && caught == 1 && last_signal == sig);
		CHECK(kill(getpid(), sig) == 0 && caught == 2 && last_signal == sig);
		CHECK(pthread_kill(pthread_self(), sig) == 0 && caught == 3 && last_signal == sig);
		CHECK(pthread_equal(catcher, pthread_self()));
		CHECK(signal(sig, SIG_IGN) == count);
		CHECK(raise(sig) == 0 && caught == 3);
		CHECK(signal(sig, SIG_DFL) == SIG_IGN);
	}
	CHECK(raise(SIGCHLD) == 0 && raise(SIGWINCH) == 0 && raise(SIGTSTP) == 0);
}

static void test_bad_arguments(void)
{
	struct sigaction action = {.sa_handler = count};
	sigset_t set = set_of(SIGUSR1);

	errno = 0;
	CHECK(sigaction(0, &action, NULL) == -1 && errno == EINVAL);
	errno = 0;
	CHECK(sigaction(NSIG, &action, NULL) == -1 && errno == EINVAL);
	errno = 0;
	CHECK(signal(SIGKILL, count) == SIG_ERR && errno == EINVAL);
	errno = 0;
	CHECK(raise(0) == -1 && errno == EINVAL);
	errno = 0;
	CHECK(kill(getpid() + 1, SIGUSR1) == -1 && errno == ESRCH);
	errno = 0;
	CHECK(kill(getpid(), NSIG) == -1 && errno == EINVAL);
	CHECK(kill(getpid(), 0) == 0);
	CHECK(pthread_kill(pthread_self(), -1) == EINVAL && pthread_kill(pthread_self(), 0) == 0);
	CHECK(pthread_sigmask(77, &set, NULL) == EINVAL);
	CHECK(pthread_sigmask(77, NULL, &set) == 0);
}

static siginfo_t seen;

static void keep_info(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	seen = *info;
	caught +=
	    info->si_signo == sig && sigismember(&uc->uc_sigmask, SIGUSR2) == 1 && uc->uc_mcontext.__gregs[REG_SP];
}

static void test_info_of_raise(void)
{
	struct sigaction action = {.sa_sigaction = keep_info, .sa_flags = SA_SIGINFO}, old;
	sigset_t set = set_of(SIGUSR2);

	caught = 0;
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0 && caught == 1);
	CHECK(seen.si_signo == SIGUSR1 && seen.si_code == SI_USER && seen.si_pid == getpid() && seen.si_errno == 0);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_sigaction == keep_info && old.sa_flags == SA_SIGINFO);
	CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
	CHECK(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
}

static void test_blocked_is_pending(void)
{
	sigset_t set = set_of(SIGUSR1), old, pending;

	handle(SIGUSR1, count, 0);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0 && sigismember(&old, SIGUSR1) == 0);
	CHECK(raise(SIGUSR1) == 0 && raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0 && caught == 0);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1 && sigismember(&pending, SIGUSR2) == 0);
	CHECK(sigprocmask(SIG_SETMASK, &old, &set) == 0 && sigismember(&set, SIGUSR1) == 1);
	CHECK(caught == 2); // once of the thread's, once of the process's: signals are not queued
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 0);
	set = set_of(SIGKILL);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && sigprocmask(SIG_BLOCK, NULL, &old) == 0);
	CHECK(sigismember(&old, SIGKILL) == 0);
}

/* What is ignored does not stay pending. */
static void test_ignored_is_forgotten(void)
{
	sigset_t set = set_of(SIGUSR1), pending;

	handle(SIGUSR1, count, 0);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGUSR1) == 0);
	CHECK(signal(SIGUSR1, SIG_IGN) == count && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 0);
	handle(SIGUSR1, count, 0);
	CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && caught == 0);
}

static void raise_again(int sig)
{
	int depth = ++caught;
	sigset_t mask;

	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
	last_signal = sigismember(&mask, sig);
	if (depth < 5)
		CHECK(raise(sig) == 0);
	if (last_signal == 0)
		CHECK(caught == 5);
	else
		CHECK(caught == depth);
}

static void test_nodefer(void)
{
	handle(SIGUSR1, raise_again, SA_NODEFER);
	CHECK(raise(SIGUSR1) == 0 && caught == 5 && last_signal == 0);
	handle(SIGUSR1, raise_again, 0);
	CHECK(raise(SIGUSR1) == 0 && caught == 5 && last_signal == 1);
}

static void test_mask_of_action(void)
{
	struct sigaction action = {.sa_handler = raise_again, .sa_mask = set_of(SIGUSR2)};
	sigset_t mask;

	handle(SIGUSR2, count, 0);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	caught = 4; // of raise_again: the last
	CHECK(raise(SIGUSR1) == 0 && caught == 5);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
	CHECK(sigismember(&mask, SIGUSR1) == 0 && sigismember(&mask, SIGUSR2) == 0);
}

static void test_resethand(void)
{
	struct sigaction old;

	handle(SIGUSR1, count, SA_RESETHAND);
	CHECK(raise(SIGUSR1) == 0 && caught == 1);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
}

static sigjmp_buf back;

static void jump(int sig)
{
	caught++;
	siglongjmp(back, sig);
}

/* With the mask saved the signal is not blocked after the jump, without it is. */
static void test_jump(void)
{
	volatile int rounds = 0;
	sigset_t mask;

	handle(SIGUSR1, jump, 0);
	if (sigsetjmp(back, 1) == 0 || ++rounds < 1000)
		CHECK(raise(SIGUSR1) != 0);
	CHECK(rounds == 1000 && caught == 1000);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR1) == 0);
	if (sigsetjmp(back, 0) == 0)
		CHECK(raise(SIGUSR1) != 0);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR1) == 1);
	mask = set_of(SIGUSR1);
	CHECK(sigprocmask(SIG_UNBLOCK, &mask, NULL) == 0);
}

/* ---- threads ---- */

static atomic_bool ready, stop;

static void *spin(void *arg)
{
	volatile uint64_t *turns = arg;

	ready = true;
	while (!stop)
		++*turns;
	return NULL;
}

static void note_and_stop(int sig)
{
	count(sig);
	stop = true;
}

/* A thread that makes no call is interrupted where it is. */
static void test_spinning_thread(void)
{
	uint64_t turns = 0;
	pthread_t thread;

	handle(SIGUSR1, note_and_stop, 0);
	ready = stop = false;
	CHECK(pthread_create(&thread, NULL, spin, &turns) == 0);
	while (!ready)
		sched_yield();
	CHECK(pthread_kill(thread, SIGUSR1) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(caught == 1 && pthread_equal(catcher, thread) && turns > 0);
}

/* At once after it was made, perhaps before it has run. */
static void test_new_thread(void)
{
	uint64_t turns = 0;
	pthread_t thread;

	handle(SIGUSR1, note_and_stop, 0);
	for (int i = 0; i < 50; i++) {
		stop = false;
		CHECK(pthread_create(&thread, NULL, spin, &turns) == 0);
		CHECK(pthread_kill(thread, SIGUSR1) == 0);
		CHECK(pthread_join(thread, NULL) == 0 && caught == i + 1);
	}
}

static void *wait_usr2(void *arg)
{
	sigset_t set = set_of(SIGUSR2);
	int sig = 0;

	(void)arg;
	ready = true;
	CHECK(sigwait(&set, &sig) == 0);
	return (void *)(intptr_t)sig;
}

/* Blocked in all threads: whoever waits for it has it, whatever the action. */
static void test_sigwait(void)
{
	sigset_t set = set_of(SIGUSR2), mask;
	struct timespec soon = {.tv_nsec = 1000000};
	pthread_t thread;
	siginfo_t info;
	void *value;

	CHECK(signal(SIGUSR2, SIG_DFL) != SIG_ERR);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	ready = false;
	CHECK(pthread_create(&thread, NULL, wait_usr2, NULL) == 0);
	while (!ready)
		sched_yield();
	CHECK(kill(getpid(), SIGUSR2) == 0);
	CHECK(pthread_join(thread, &value) == 0 && (intptr_t)value == SIGUSR2);
	errno = 0;
	CHECK(sigtimedwait(&set, &info, &soon) == -1 && errno == EAGAIN);
	CHECK(raise(SIGUSR2) == 0 && sigwaitinfo(&set, &info) == SIGUSR2 && info.si_signo == SIGUSR2);
	CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
	CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR2) == 0);
}

/* A signal of the process goes to a thread that does not block it. */
static void test_process_signal(void)
{
	sigset_t set = set_of(SIGUSR1);
	uint64_t turns = 0;
	pthread_t thread;

	handle(SIGUSR1, note_and_stop, 0);
	ready = stop = false;
	CHECK(pthread_create(&thread, NULL, spin, &turns) == 0);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(kill(getpid(), SIGUSR1) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(caught == 1 && pthread_equal(catcher, thread));
	CHECK(kill(getpid(), SIGUSR1) == 0 && caught == 1); // nobody is left to take it
	CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0 && caught == 2);
}

/* ---- calls that wait ---- */

static pthread_t main_thread;

/* Sends until told that it has arrived: a signal that comes before the wait would end nothing. */
static void *keep_sending(void *arg)
{
	(void)arg;
	while (!stop) {
		CHECK(pthread_kill(main_thread, SIGUSR1) == 0);
		usleep(2000);
	}
	return NULL;
}

static pthread_t sender_start(int flags)
{
	pthread_t thread;

	handle(SIGUSR1, count, flags);
	main_thread = pthread_self();
	stop = false;
	CHECK(pthread_create(&thread, NULL, keep_sending, NULL) == 0);
	return thread;
}

static void sender_stop(pthread_t thread)
{
	stop = true;
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(caught > 0);
}

static void test_sleep_ends(void)
{
	struct timespec ts = {.tv_sec = 1000}, rest = {0};
	pthread_t thread = sender_start(SA_RESTART);

	errno = 0;
	CHECK(nanosleep(&ts, &rest) == -1 && errno == EINTR && rest.tv_sec >= 990 && rest.tv_sec < 1000);
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &rest) == EINTR);
	ts.tv_sec += time(NULL);
	CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL) == EINTR);
	CHECK(sleep(1000) > 990);
	CHECK(usleep(1000000000) == -1 && errno == EINTR);
	sender_stop(thread);
}

static void test_pause(void)
{
	pthread_t thread = sender_start(SA_RESTART);

	errno = 0;
	CHECK(pause() == -1 && errno == EINTR && caught > 0);
	sender_stop(thread);
}

static void test_sigsuspend(void)
{
	sigset_t set = set_of(SIGUSR1), mask;

	handle(SIGUSR1, count, 0);
	CHECK(sigprocmask(SIG_BLOCK, &set, &mask) == 0);
	for (int i = 0; i < 20; i++) {
		CHECK(raise(SIGUSR1) == 0 && caught == i);
		errno = 0;
		CHECK(sigsuspend(&mask) == -1 && errno == EINTR && caught == i + 1);
		CHECK(sigprocmask(SIG_BLOCK, NULL, &set) == 0 && sigismember(&set, SIGUSR1) == 1);
	}
	CHECK(sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
}

static void *wait_a_while(void *arg)
{
	usleep(50000);
	return arg;
}

/* These do not fail by a signal: its handler runs, and they go on. */
static void test_waits_go_on(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	pthread_t sender = sender_start(0), thread;
	struct timespec deadline;
	void *value;
	int err;

	CHECK(pthread_create(&thread, NULL, wait_a_while, &mutex) == 0);
	CHECK(pthread_join(thread, &value) == 0 && value == &mutex && caught > 0);
	caught = 0;
	CHECK(clock_gettime(CLOCK_REALTIME, &deadline) == 0);
	deadline.tv_sec++;
	CHECK(pthread_mutex_lock(&mutex) == 0);
	while ((err = pthread_cond_timedwait(&cond, &mutex, &deadline)) == 0)
		;
	CHECK(err == ETIMEDOUT && caught > 0);
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	sender_stop(sender);
}

static atomic_uint handled;

static void count_handled(int sig)
{
	(void)sig;
	atomic_fetch_add(&handled, 1);
}

static void *write_file(void *arg)
{
	char block[512], name[] = "/signal0", back_block[512];
	FILE *file;

	name[7] = (char)('0' + (intptr_t)arg);
	for (int i = 0; !stop; i++) {
		memset(block, i, sizeof(block));
		file = fopen(name, "w+");
		CHECK(file && fwrite(block, sizeof(block), 1, file) == 1 && fseek(file, 0, SEEK_SET) == 0);
		CHECK(fread(back_block, sizeof(block), 1, file) == 1 && memcmp(block, back_block, sizeof(block)) == 0);
		CHECK(fclose(file) == 0);
	}
	CHECK(unlink(name) == 0);
	return NULL;
}

/* Threads in the middle of calls of the kernel: no call notices. */
static void test_storm(void)
{
	pthread_t threads[3];
	int rounds = tap_times(300, 1000, 3000);

	handle(SIGUSR1, count_handled, SA_RESTART);
	handled = 0;
	stop = false;
	for (intptr_t i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, write_file, (void *)i) == 0);
	for (int i = 0; i < rounds; i++) {
		CHECK(pthread_kill(threads[i % 3], SIGUSR1) == 0);
		if (i % 3 == 2)
			usleep(300);
	}
	stop = true;
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(handled > 10);
	printf("# %u of %d signals were delivered, the others while one was pending\n", handled, rounds);
}

#define JUMPERS 2
#define JUMP_FILE (256 * 1024)

static _Thread_local sigjmp_buf jumper_back;
static _Thread_local volatile bool jumper_ready;
static int jump_fd;
static atomic_uint jumps;

static void jump_out(int sig)
{
	if (!jumper_ready)
		return;
	atomic_fetch_add(&jumps, 1);
	siglongjmp(jumper_back, sig);
}

static void *read_and_jump(void *arg)
{
	char *buf = malloc(JUMP_FILE);

	(void)arg;
	CHECK(buf);
	if (sigsetjmp(jumper_back, 1) == 0)
		jumper_ready = true;
	while (!stop)
		CHECK(pread(jump_fd, buf, JUMP_FILE, 0) == JUMP_FILE);
	jumper_ready = false;
	free(buf);
	return NULL;
}

static fsblkcnt_t blocks_free(void)
{
	struct statvfs st;

	sync();
	CHECK(statvfs("/", &st) == 0);
	return st.f_bfree;
}

/* Threads that are nearly always in a call: each jump is after one, so the file goes when it is closed and unlinked. */
static void test_jump_among_calls(void)
{
	fsblkcnt_t before = blocks_free();
	pthread_t threads[JUMPERS];
	unsigned wanted = (unsigned)tap_times(50, 150, 500);

	jump_fd = open("/jump", O_CREAT | O_RDWR | O_TRUNC, 0644);
	CHECK(jump_fd >= 0 && posix_fallocate(jump_fd, 0, JUMP_FILE) == 0);
	handle(SIGUSR1, jump_out, 0);
	jumps = 0;
	stop = false;
	for (int i = 0; i < JUMPERS; i++)
		CHECK(pthread_create(&threads[i], NULL, read_and_jump, NULL) == 0);
	while (jumps < wanted) {
		for (int i = 0; i < JUMPERS; i++)
			CHECK(pthread_kill(threads[i], SIGUSR1) == 0);
		sched_yield();
	}
	stop = true;
	for (int i = 0; i < JUMPERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(close(jump_fd) == 0 && unlink("/jump") == 0);
	/* The thread that commits may hold the file for a moment; a call that was left would hold it for ever. */
	for (int i = 0; i < 500 && blocks_free() != before; i++)
		usleep(10000);
	CHECK(blocks_free() == before);
}

TAP_MAIN({"sets", test_sets}, {"every signal, handled and ignored", test_every_signal},
	 {"bad arguments", test_bad_arguments}, {"siginfo of raise", test_info_of_raise},
	 {"blocked is pending", test_blocked_is_pending}, {"ignored is forgotten", test_ignored_is_forgotten},
	 {"SA_NODEFER", test_nodefer}, {"sa_mask", test_mask_of_action}, {"SA_RESETHAND", test_resethand},
	 {"siglongjmp out of handlers", test_jump}, {"a thread that spins", test_spinning_thread},
	 {"a thread just made", test_new_thread}, {"sigwait", test_sigwait},
	 {"a signal of the process", test_process_signal}, {"sleeps end", test_sleep_ends}, {"pause", test_pause},
	 {"sigsuspend", test_sigsuspend}, {"waits that go on", test_waits_go_on},
	 {"signals among calls of the kernel", test_storm},
	 {"siglongjmp among calls of the kernel", test_jump_among_calls})
