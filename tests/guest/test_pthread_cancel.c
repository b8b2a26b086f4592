// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Cancellation: its states, its points, cleanup handlers and the order of what happens at a thread's end. */

#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pthreads.h"

#define FOREVER_S 100000

static atomic_int started, may_go;

/* ---- cancellation points: a request that is there already, and one that comes while the thread waits ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static pthread_t sleeper;
static int fd;
static char *mapping;
static struct timespec far; // CLOCK_REALTIME

static void unlock_mutex(void *arg)
{
	CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
	CHECK(pthread_mutex_unlock(&mutex) == 0); // EPERM if it had not been taken again
	*(int *)arg += 1;
}

static int cleaned;

static void at_cond_wait(void)
{
	CHECK(pthread_mutex_lock(&mutex) == 0);
	pthread_cleanup_push(unlock_mutex, &cleaned);
	for (;;)
		CHECK(pthread_cond_wait(&cond, &mutex) == 0);
	pthread_cleanup_pop(0);
}

static void at_cond_timedwait(void)
{
	CHECK(pthread_mutex_lock(&mutex) == 0);
	pthread_cleanup_push(unlock_mutex, &cleaned);
	for (;;)
		CHECK(pthread_cond_timedwait(&cond, &mutex, &far) == 0);
	pthread_cleanup_pop(0);
}

static void at_cond_clockwait(void)
{
	struct timespec ts = now(CLOCK_MONOTONIC);

	ts.tv_sec += FOREVER_S;
	CHECK(pthread_mutex_lock(&mutex) == 0);
	pthread_cleanup_push(unlock_mutex, &cleaned);
	for (;;)
		CHECK(pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &ts) == 0);
	pthread_cleanup_pop(0);
}

static void at_join(void)
{
	CHECK(pthread_join(sleeper, NULL) == 0);
}

static void at_sem_wait(void)
{
	CHECK(sem_wait(&sem) == 0);
}

static void at_sem_timedwait(void)
{
	CHECK(sem_timedwait(&sem, &far) == 0);
}

static void at_sleep(void)
{
	CHECK(sleep(FOREVER_S) == 0);
}

static void at_usleep(void)
{
	CHECK(usleep(4000000000u) == 0);
}

static void at_nanosleep(void)
{
	CHECK(nanosleep(&(struct timespec){.tv_sec = FOREVER_S}, NULL) == 0);
}

static void at_clock_nanosleep(void)
{
	CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &far, NULL) == 0);
}

/* These do not wait, so only a request that is there already ends them. */
static void at_testcancel(void)
{
	pthread_testcancel();
}

static void at_open(void)
{
	CHECK(open("/made", O_CREAT | O_RDWR, 0600) < 0);
}

static void at_creat(void)
{
	CHECK(creat("/made", 0600) < 0);
}

static void at_read(void)
{
	char byte;

	CHECK(read(fd, &byte, 1) < 0);
}

static void at_write(void)
{
	CHECK(write(fd, "x", 1) < 0);
}

static void at_pread(void)
{
	char byte;

	CHECK(pread(fd, &byte, 1, 0) < 0);
}

static void at_pwrite(void)
{
	CHECK(pwrite(fd, "x", 1, 0) < 0);
}

static void at_close(void)
{
	CHECK(close(fd) < 0);
}

static void at_fsync(void)
{
	CHECK(fsync(fd) < 0);
}

static void at_fdatasync(void)
{
	CHECK(fdatasync(fd) < 0);
}

static void at_msync(void)
{
	CHECK(msync(mapping, 4096, MS_SYNC) < 0);
}

static const struct point {
	const char *name;
	void (*call)(void);
	bool waits;
	bool cleans;
} points[] = {
    {"pthread_testcancel", at_testcancel, false, false},
    {"open", at_open, false, false},
    {"creat", at_creat, false, false},
    {"read", at_read, false, false},
    {"write", at_write, false, false},
    {"pread", at_pread, false, false},
    {"pwrite", at_pwrite, false, false},
    {"close", at_close, false, false},
    {"fsync", at_fsync, false, false},
    {"fdatasync", at_fdatasync, false, false},
    {"msync", at_msync, false, false},
    {"pthread_cond_wait", at_cond_wait, true, true},
    {"pthread_cond_timedwait", at_cond_timedwait, true, true},
    {"pthread_cond_clockwait", at_cond_clockwait, true, true},
    {"pthread_join", at_join, true, false},
    {"sem_wait", at_sem_wait, true, false},
    {"sem_timedwait", at_sem_timedwait, true, false},
    {"sleep", at_sleep, true, false},
    {"usleep", at_usleep, true, false},
    {"nanosleep", at_nanosleep, true, false},
    {"clock_nanosleep", at_clock_nanosleep, true, false},
};

/* Waits for main's request without being in a cancellation point, then calls. */
static void *call_point(void *arg)
{
	const struct point *point = arg;

	atomic_fetch_add(&started, 1);
	wait_for(&may_go, 1);
	point->call();
	return NULL;
}

static void *sleep_for_ever(void *arg)
{
	(void)arg;
	sleep(FOREVER_S);
	return NULL;
}

static void begin_points(void)
{
	far = now(CLOCK_REALTIME);
	far.tv_sec += FOREVER_S;
	CHECK(sem_init(&sem, 0, 0) == 0);
	sleeper = start(sleep_for_ever, NULL);
	fd = open("/cancel", O_CREAT | O_TRUNC | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
	mapping = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mapping != MAP_FAILED);
	cleaned = 0;
}

static void end_points(void)
{
	struct timespec ts = {0};

	CHECK(access("/made", F_OK) < 0);
	CHECK(lseek(fd, 0, SEEK_END) == 4096 && lseek(fd, 0, SEEK_SET) == 0);
	CHECK(munmap(mapping, 4096) == 0 && close(fd) == 0);
	CHECK(pthread_cancel(sleeper) == 0); // nobody has joined it
	CHECK(join(sleeper) == PTHREAD_CANCELED);
	CHECK(sem_destroy(&sem) == 0); // nobody waits
	CHECK(sem_timedwait(&sem, &ts) < 0 && errno == ETIMEDOUT);
}

static void test_pending_request(void)
{
	int cleaning = 0;

	begin_points();
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		pthread_t thread;
		bool cancelled;

		started = may_go = 0;
		thread = start(call_point, (void *)&points[i]);
		wait_for(&started, 1);
		CHECK(pthread_cancel(thread) == 0);
		may_go = 1;
		cancelled = join(thread) == PTHREAD_CANCELED;
		if (!cancelled)
			printf("# %s is no cancellation point\n", points[i].name);
		CHECK(cancelled);
		cleaning += points[i].cleans;
	}
	CHECK(cleaned == cleaning);
	end_points();
}

/* However far the thread has come. */
static void test_request_while_waiting(void)
{
	int cleaning = 0;

	begin_points();
	may_go = 1;
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		for (int yields = 0; points[i].waits && yields < 20; yields++) {
			pthread_t thread;

			started = 0;
			thread = start(call_point, (void *)&points[i]);
			for (int n = 0; n < yields / 2; n++)
				sched_yield();
			CHECK(pthread_cancel(thread) == 0);
			CHECK(join(thread) == PTHREAD_CANCELED);
			cleaning += points[i].cleans && started;
		}
	}
	CHECK(cleaned == cleaning);
	end_points();
}

/* ---- states ---- */

static atomic_int requested;

static void *refuse_then_allow(void *arg)
{
	int old;

	CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old) == 0 && old == PTHREAD_CANCEL_ENABLE);
	CHECK(pthread_setcancelstate(17, &old) == EINVAL && pthread_setcanceltype(17, &old) == EINVAL);
	atomic_fetch_add(&started, 1);
	wait_for(&requested, 1);
	CHECK(usleep(1000) == 0); // a point that is none now, and no wait that ends early
	pthread_testcancel();
	*(int *)arg = 1;
	CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old) == 0 && old == PTHREAD_CANCEL_DISABLE);
	*(int *)arg = 2; // deferred: enabling is no cancellation point
	CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old) == 0 && old == PTHREAD_CANCEL_DEFERRED);
	pthread_testcancel();
	*(int *)arg = 3;
	return NULL;
}

static void test_states(void)
{
	int came_to = 0;
	pthread_t thread;

	started = requested = 0;
	thread = start(refuse_then_allow, &came_to);
	wait_for(&started, 1);
	CHECK(pthread_cancel(thread) == 0);
	requested = 1;
	CHECK(join(thread) == PTHREAD_CANCELED && came_to == 2);
}

static void *cancel_self(void *arg)
{
	CHECK(pthread_cancel(pthread_self()) == 0); // deferred
	*(int *)arg = 1;
	pthread_testcancel();
	*(int *)arg = 2;
	return NULL;
}

static void test_self(void)
{
	int came_to = 0;

	CHECK(join(start(cancel_self, &came_to)) == PTHREAD_CANCELED && came_to == 1);
}

static void *just_end(void *arg)
{
	atomic_fetch_add(&started, 1);
	return arg;
}

/* One that has ended and was not joined still has its handle. */
static void test_after_end(void)
{
	pthread_t thread;
	int value;

	started = 0;
	thread = start(just_end, &value);
	wait_for(&started, 1);
	CHECK(pthread_cancel(thread) == 0);
	CHECK(join(thread) == &value);
}

/* ---- handlers ---- */

static char order[16];
static atomic_int order_len;
static pthread_key_t key;

static void note(void *arg)
{
	order[order_len++] = (char)(intptr_t)arg;
}

static void note_and_testcancel(void *arg)
{
	note(arg);
	pthread_testcancel(); // the thread ends already: not again
	CHECK(usleep(1) == 0);
}

static void *push_and_end(void *arg)
{
	pthread_cleanup_push(note, (void *)'c');
	pthread_cleanup_push(note, (void *)'x');
	pthread_cleanup_pop(0);
	pthread_cleanup_push(note, (void *)'a');
	pthread_cleanup_pop(1);
	CHECK(pthread_setspecific(key, (void *)'d') == 0);
	pthread_cleanup_push(note_and_testcancel, (void *)'b');
	if (arg)
		pthread_cancel(pthread_self());
	pthread_testcancel();
	pthread_exit((void *)1);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
}

static void test_cleanup_order(void)
{
	CHECK(pthread_key_create(&key, note) == 0);
	for (intptr_t cancel = 0; cancel < 2; cancel++) {
		order_len = 0;
		CHECK(join(start(push_and_end, (void *)cancel)) == (cancel ? PTHREAD_CANCELED : (void *)1));
		CHECK(order_len == 4 && memcmp(order, "abcd", 4) == 0);
	}
	CHECK(pthread_key_delete(key) == 0);
}

static void *return_with_pushed(void *arg)
{
	pthread_cleanup_push(note, (void *)'x');
	pthread_cleanup_pop(0);
	return arg;
}

static void test_no_cleanup_at_return(void)
{
	order_len = 0;
	join(start(return_with_pushed, NULL));
	CHECK(order_len == 0);
}

/* ---- what must not be lost or spent ---- */

static int tokens;

static void unlock_only(void *arg)
{
	CHECK(pthread_mutex_unlock(arg) == 0);
}

static void *take_token(void *arg)
{
	CHECK(pthread_mutex_lock(&mutex) == 0);
	pthread_cleanup_push(unlock_only, &mutex);
	atomic_fetch_add(&started, 1);
	while (tokens == 0)
		CHECK(pthread_cond_wait(&cond, &mutex) == 0);
	tokens--;
	pthread_cleanup_pop(1);
	return arg;
}

/* Two wait, one is cancelled as one signal comes: the other is not left waiting with the token there. */
static void test_signal_not_spent(void)
{
	for (int round = 0; round < 200; round++) {
		pthread_t victim, other;
		void *value;

		started = 0;
		victim = start(take_token, &victim);
		other = start(take_token, &other);
		wait_for(&started, 2);
		CHECK(pthread_mutex_lock(&mutex) == 0); // so both are in the wait
		tokens = 1;
		if (round % 2) {
			CHECK(pthread_cond_signal(&cond) == 0);
			CHECK(pthread_cancel(victim) == 0);
		} else {
			CHECK(pthread_cancel(victim) == 0);
			CHECK(pthread_cond_signal(&cond) == 0);
		}
		CHECK(pthread_mutex_unlock(&mutex) == 0);
		value = join(victim);
		if (value == &victim) { // it took the token before it was cancelled
			CHECK(pthread_mutex_lock(&mutex) == 0);
			tokens++;
			CHECK(pthread_cond_signal(&cond) == 0);
			CHECK(pthread_mutex_unlock(&mutex) == 0);
		} else {
			CHECK(value == PTHREAD_CANCELED);
		}
		CHECK(join(other) == &other && tokens == 0);
	}
}

static void *wait_for_post(void *arg)
{
	atomic_fetch_add(&started, 1);
	CHECK(sem_wait(&sem) == 0);
	return arg;
}

/* A post is either the cancelled thread's, which then returns, or still there. */
static void test_post_not_lost(void)
{
	CHECK(sem_init(&sem, 0, 0) == 0);
	for (int round = 0; round < 200; round++) {
		pthread_t thread;
		void *value;
		int left;

		started = 0;
		thread = start(wait_for_post, &thread);
		wait_for(&started, round % 3 ? 1 : 0);
		if (round % 2) {
			CHECK(sem_post(&sem) == 0);
			CHECK(pthread_cancel(thread) == 0);
		} else {
			CHECK(pthread_cancel(thread) == 0);
			CHECK(sem_post(&sem) == 0);
		}
		value = join(thread);
		CHECK(value == &thread || value == PTHREAD_CANCELED);
		CHECK(sem_getvalue(&sem, &left) == 0 && left == (value == PTHREAD_CANCELED));
		if (left)
			CHECK(sem_trywait(&sem) == 0);
	}
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int inits;

static void cancelled_at_first(void)
{
	if (atomic_fetch_add(&inits, 1) == 0) {
		pthread_cancel(pthread_self());
		pthread_testcancel();
	}
}

static void *use_once(void *arg)
{
	CHECK(pthread_once(&once, cancelled_at_first) == 0);
	return arg;
}

static void test_once_cancelled(void)
{
	CHECK(join(start(use_once, &inits)) == PTHREAD_CANCELED);
	CHECK(join(start(use_once, &inits)) == &inits);
	CHECK(join(start(use_once, &inits)) == &inits && inits == 2);
}

/* A stream's lock is not left behind. */
static void *print_until_cancelled(void *arg)
{
	FILE *f = arg;

	atomic_fetch_add(&started, 1);
	for (;;) {
		CHECK(fputs("line\n", f) >= 0);
		CHECK(fflush(f) == 0);
		pthread_testcancel();
	}
	return NULL;
}

static void test_streams(void)
{
	FILE *f = fopen("/stream", "w");
	pthread_t thread;

	CHECK(f != NULL);
	started = 0;
	thread = start(print_until_cancelled, f);
	wait_for(&started, 1);
	CHECK(pthread_cancel(thread) == 0);
	CHECK(join(thread) == PTHREAD_CANCELED);
	CHECK(fputs("end\n", f) >= 0 && fclose(f) == 0);
}

static void *wait_detached(void *arg)
{
	pthread_cleanup_push(note, (void *)'d');
	CHECK(pthread_detach(pthread_self()) == 0);
	atomic_fetch_add(&started, 1);
	sleep(FOREVER_S);
	pthread_cleanup_pop(0);
	return arg;
}

static void test_detached(void)
{
	pthread_t thread;

	started = order_len = 0;
	thread = start(wait_detached, NULL);
	wait_for(&started, 1);
	CHECK(pthread_cancel(thread) == 0);
	wait_for(&order_len, 1);
}

TAP_MAIN({"cancellation points act on a request that is there", test_pending_request},
	 {"a request ends a wait", test_request_while_waiting}, {"disabled, enabled, deferred", test_states},
	 {"a thread cancels itself", test_self}, {"a thread that has ended", test_after_end},
	 {"handlers, then destructors, innermost first", test_cleanup_order},
	 {"returning calls no handler", test_no_cleanup_at_return},
	 {"a cancelled waiter spends no signal", test_signal_not_spent},
	 {"a cancelled waiter loses no post", test_post_not_lost}, {"once, cancelled", test_once_cancelled},
	 {"streams stay usable", test_streams}, {"a detached thread", test_detached})
