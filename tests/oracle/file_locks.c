// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* flock: whole files, held by open files. */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>

#include "files.h"

#define NAME "flock.data"

static int one, two;

static const char *try(int fd, int operation)
{
	return ret(flock(fd, operation | LOCK_NB));
}

/* What another open file could have. */
static const char *left(void)
{
	int fd = open(NAME, O_RDONLY);
	const char *seen;

	MUST(fd >= 0);
	seen = !flock(fd, LOCK_EX | LOCK_NB) ? "all" : !flock(fd, LOCK_SH | LOCK_NB) ? "shared" : "nothing";
	must_close(fd);
	return seen;
}

static void open_both(void)
{
	put(NAME, "content");
	one = open(NAME, O_RDWR);
	two = open(NAME, O_RDONLY);
	MUST(one >= 0 && two >= 0);
}

static void close_both(void)
{
	must_close(one);
	must_close(two);
}

static void held(void)
{
	int twin, third;

	open_both();
	STEPS("shared", try(one, LOCK_SH), left(), try(two, LOCK_SH), left(), try(two, LOCK_EX), left());
	STEPS("exclusive, of a reader", try(one, LOCK_UN), try(two, LOCK_EX), left(), try(one, LOCK_SH),
	      try(one, LOCK_EX));
	STEPS("again", try(two, LOCK_EX), try(two, LOCK_EX), left());
	STEPS("made shared", try(two, LOCK_SH), left(), try(one, LOCK_SH));
	STEPS("unlocked", try(two, LOCK_UN), left(), try(one, LOCK_UN), left(), try(one, LOCK_UN));
	MUST(flock(one, LOCK_EX) == 0);
	twin = dup(one);
	STEPS("a dup holds it too", try(twin, LOCK_EX), left(), ret(close(one)), left());
	STEPS("a dup unlocks", try(twin, LOCK_UN), left());
	one = open(NAME, O_RDWR);
	STEPS("the last close unlocks", try(twin, LOCK_EX), left(), ret(close(twin)), left());
	third = open(NAME, O_RDONLY);
	STEPS("another's close does not", try(one, LOCK_EX), ret(close(third)), left());
	STEPS("a file without a name", ret(unlink(NAME)), try(two, LOCK_SH), try(one, LOCK_UN), try(two, LOCK_EX));
	close_both();
}

/* Locks of fcntl are others. */
static void beside_fcntl(void)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	open_both();
	STEPS("beside fcntl's", try(two, LOCK_EX), ret(fcntl(one, F_SETLK, &all)), ret(fcntl(one, F_OFD_SETLK, &all)),
	      left());
	STEPS("beside fcntl's: unlocked", try(two, LOCK_UN), left(), try(one, LOCK_EX), try(two, LOCK_SH));
	close_both();
}

static void errors(void)
{
	int dir = open(".", O_RDONLY), ends[2];

	MUST(dir >= 0 && pipe(ends) == 0);
	open_both();
	STEPS("no operation", ret(flock(one, 0)), ret(flock(one, LOCK_NB)));
	STEPS("unknown operation", ret(flock(one, 16)), ret(flock(one, LOCK_SH | LOCK_EX)),
	      ret(flock(one, LOCK_EX | LOCK_UN)));
	STEPS("none", ret(flock(-1, LOCK_SH)), ret(flock(99, LOCK_UN)));
	STEPS("folder", try(dir, LOCK_EX), try(dir, LOCK_UN));
	STEPS("pipe", try(ends[0], LOCK_EX), try(ends[1], LOCK_EX), try(ends[0], LOCK_UN));
	must_close(dir);
	must_close(ends[0]);
	must_close(ends[1]);
	close_both();
}

static atomic_int state, handled; // 0 not begun, 1 about to lock, 2 has returned
static char waited[40];

static void *wait_for_lock(void *arg)
{
	atomic_store(&state, 1);
	snprintf(waited, sizeof(waited), "%s", ret(flock(two, *(int *)arg)));
	atomic_store(&state, 2);
	return NULL;
}

static void waiting(void)
{
	static int shared = LOCK_SH, exclusive = LOCK_EX;
	pthread_t thread;

	open_both();
	for (int i = 0; i < 3; i++) {
		MUST(flock(one, i == 2 ? LOCK_SH : LOCK_EX) == 0);
		atomic_store(&state, 0);
		MUST(pthread_create(&thread, NULL, wait_for_lock, i == 1 ? &shared : &exclusive) == 0);
		while (atomic_load(&state) == 0)
			sched_yield();
		for (int turn = 0; turn < 100; turn++)
			sched_yield();
		check(text("wait %d: has it before", i), "%s", atomic_load(&state) == 2 ? "yes" : "no");
		MUST(flock(one, LOCK_UN) == 0 && pthread_join(thread, NULL) == 0);
		STEPS(text("wait %d: has it after", i), waited, left());
		MUST(flock(two, LOCK_UN) == 0);
	}
	close_both();
}

static void on_signal(int sig)
{
	atomic_fetch_add(&handled, sig == SIGUSR1);
}

/* Signals are sent until the wait has ended, since the first may come before it. */
static void interrupted(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	static int exclusive = LOCK_EX;
	pthread_t thread;

	sigemptyset(&action.sa_mask);
	MUST(sigaction(SIGUSR1, &action, NULL) == 0);
	open_both();
	MUST(flock(one, LOCK_SH) == 0);
	atomic_store(&state, 0);
	MUST(pthread_create(&thread, NULL, wait_for_lock, &exclusive) == 0);
	while (atomic_load(&state) != 2) {
		if (atomic_load(&state) == 1)
			MUST(pthread_kill(thread, SIGUSR1) == 0);
		sched_yield();
	}
	MUST(pthread_join(thread, NULL) == 0);
	STEPS("interrupted wait", waited, atomic_load(&handled) ? "handled" : "not handled", left());
	close_both();
}

int main(void)
{
	enter("file_locks");
	held();
	beside_fcntl();
	errors();
	waiting();
	interrupted();
	return done();
}
