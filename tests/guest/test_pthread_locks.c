// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mutexes, reader-writer locks, spinlocks and barriers: one test for each statement of the standard. */

#include "pthreads.h"

#define THREADS 5

static atomic_int started, ended;

static void run_all(void *(*function)(void *), void *arg)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		threads[i] = start(function, arg);
	for (int i = 0; i < THREADS; i++)
		join(threads[i]);
}

static void make_mutex(pthread_mutex_t *m, int type)
{
	pthread_mutexattr_t attr;

	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_settype(&attr, type) == 0);
	CHECK(pthread_mutex_init(m, &attr) == 0);
	CHECK(pthread_mutexattr_destroy(&attr) == 0);
}

/* ---- mutexes ---- */

static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
			    PTHREAD_MUTEX_DEFAULT};

static void *not_mine(void *arg)
{
	CHECK(pthread_mutex_unlock(arg) == EPERM);
	CHECK(pthread_mutex_trylock(arg) == EBUSY);
	return arg;
}

static void test_unlock_of_what_is_not_held(void)
{
	for (int i = 0; i < 4; i++) {
		pthread_mutex_t m;

		make_mutex(&m, kinds[i]);
		CHECK(pthread_mutex_unlock(&m) == EPERM);
		CHECK(pthread_mutex_lock(&m) == 0);
		join(start(not_mine, &m));
		CHECK(pthread_mutex_unlock(&m) == 0);
		CHECK(pthread_mutex_unlock(&m) == EPERM);
		CHECK(pthread_mutex_destroy(&m) == 0);
	}
}

static void test_destroy_of_a_held_mutex(void)
{
	for (int i = 0; i < 4; i++) {
		pthread_mutex_t m;

		make_mutex(&m, kinds[i]);
		CHECK(pthread_mutex_lock(&m) == 0);
		CHECK(pthread_mutex_destroy(&m) == EBUSY);
		CHECK(pthread_mutex_unlock(&m) == 0);
		CHECK(pthread_mutex_destroy(&m) == 0);
	}
}

static void test_relock(void)
{
	struct timespec soon = in_us(CLOCK_REALTIME, 2000);
	pthread_mutex_t m = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

	CHECK(pthread_mutex_lock(&m) == 0);
	CHECK(pthread_mutex_lock(&m) == EDEADLK);
	CHECK(pthread_mutex_trylock(&m) == EBUSY);
	CHECK(pthread_mutex_timedlock(&m, &soon) == EDEADLK);
	CHECK(pthread_mutex_unlock(&m) == 0);

	m = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	CHECK(pthread_mutex_lock(&m) == 0);
	CHECK(pthread_mutex_trylock(&m) == 0);
	CHECK(pthread_mutex_timedlock(&m, &soon) == 0);
	CHECK(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &soon) == 0);
	join(start(not_mine, &m));
	for (int i = 0; i < 4; i++)
		CHECK(pthread_mutex_unlock(&m) == 0);
	CHECK(pthread_mutex_unlock(&m) == EPERM);

	/* A normal one deadlocks: so that the test goes on, with a time. */
	m = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	CHECK(pthread_mutex_lock(&m) == 0);
	CHECK(pthread_mutex_trylock(&m) == EBUSY);
	soon = in_us(CLOCK_REALTIME, 2000);
	CHECK(pthread_mutex_timedlock(&m, &soon) == ETIMEDOUT && is_past(CLOCK_REALTIME, &soon));
	CHECK(pthread_mutex_unlock(&m) == 0);
}

static void *time_out(void *arg)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
	struct timespec ts;

	for (int i = 0; i < 2; i++) {
		ts = in_us(clocks[i], 700);
		CHECK(pthread_mutex_clocklock(arg, clocks[i], &ts) == ETIMEDOUT && is_past(clocks[i], &ts));
		ts.tv_sec = 0; // long past
		CHECK(pthread_mutex_clocklock(arg, clocks[i], &ts) == ETIMEDOUT);
		ts.tv_nsec = 1000000000;
		CHECK(pthread_mutex_clocklock(arg, clocks[i], &ts) == EINVAL);
	}
	CHECK(pthread_mutex_clocklock(arg, (clockid_t)99, &ts) == EINVAL);
	return arg;
}

static void test_timed_mutex(void)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	struct timespec bad = {.tv_nsec = -1};

	CHECK(pthread_mutex_timedlock(&m, &bad) == 0); // free: the time is not looked at
	join(start(time_out, &m));
	CHECK(pthread_mutex_unlock(&m) == 0);
	CHECK(pthread_mutex_trylock(&m) == 0);
	CHECK(pthread_mutex_unlock(&m) == 0);
}

static void test_shared_attribute(void)
{
	pthread_mutexattr_t m;
	pthread_condattr_t c;
	pthread_rwlockattr_t rw;
	pthread_barrierattr_t b;
	int shared[4];

	CHECK(pthread_mutexattr_init(&m) == 0 && pthread_condattr_init(&c) == 0);
	CHECK(pthread_rwlockattr_init(&rw) == 0 && pthread_barrierattr_init(&b) == 0);
	for (int want = PTHREAD_PROCESS_PRIVATE; want <= PTHREAD_PROCESS_SHARED; want++) {
		CHECK(pthread_mutexattr_getpshared(&m, &shared[0]) == 0);
		CHECK(pthread_condattr_getpshared(&c, &shared[1]) == 0);
		CHECK(pthread_rwlockattr_getpshared(&rw, &shared[2]) == 0);
		CHECK(pthread_barrierattr_getpshared(&b, &shared[3]) == 0);
		for (int i = 0; i < 4; i++)
			CHECK(shared[i] == want);
		CHECK(pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED) == 0);
		CHECK(pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED) == 0);
		CHECK(pthread_rwlockattr_setpshared(&rw, PTHREAD_PROCESS_SHARED) == 0);
		CHECK(pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED) == 0);
	}
	CHECK(pthread_mutexattr_setpshared(&m, 2) == EINVAL && pthread_barrierattr_setpshared(&b, -1) == EINVAL);
	CHECK(pthread_rwlockattr_destroy(&rw) == 0 && pthread_barrierattr_destroy(&b) == 0);
	CHECK(pthread_mutexattr_destroy(&m) == 0 && pthread_condattr_destroy(&c) == 0);
}

/* ---- reader-writer locks ---- */

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int readers, writers;

static void *try_both(void *arg)
{
	CHECK(pthread_rwlock_tryrdlock(&rwlock) == (arg ? EBUSY : 0));
	if (!arg)
		CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	CHECK(pthread_rwlock_trywrlock(&rwlock) == EBUSY);
	CHECK(pthread_rwlock_unlock(&rwlock) == EPERM);
	return NULL;
}

static void test_rwlock_states(void)
{
	CHECK(pthread_rwlock_unlock(&rwlock) == EPERM);
	CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
	CHECK(pthread_rwlock_rdlock(&rwlock) == 0); // as often as one likes
	CHECK(pthread_rwlock_tryrdlock(&rwlock) == 0);
	CHECK(pthread_rwlock_trywrlock(&rwlock) == EBUSY);
	join(start(try_both, NULL));
	CHECK(pthread_rwlock_destroy(&rwlock) == EBUSY);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	CHECK(pthread_rwlock_unlock(&rwlock) == EPERM);

	CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
	CHECK(pthread_rwlock_wrlock(&rwlock) == EDEADLK);
	CHECK(pthread_rwlock_rdlock(&rwlock) == EDEADLK);
	CHECK(pthread_rwlock_tryrdlock(&rwlock) == EBUSY && pthread_rwlock_trywrlock(&rwlock) == EBUSY);
	join(start(try_both, &rwlock));
	CHECK(pthread_rwlock_destroy(&rwlock) == EBUSY);
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	CHECK(pthread_rwlock_destroy(&rwlock) == 0);
	CHECK(pthread_rwlock_init(&rwlock, NULL) == 0);
}

static void *mix(void *arg)
{
	struct timespec ts;

	(void)arg;
	for (int i = 0; i < 400; i++) {
		if (i % 5 == 0) {
			ts = in_us(CLOCK_REALTIME, 100);
			if (i % 2)
				CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
			else if (pthread_rwlock_timedwrlock(&rwlock, &ts))
				continue;
			CHECK(readers == 0 && atomic_fetch_add(&writers, 1) == 0);
			sched_yield();
			atomic_fetch_sub(&writers, 1);
		} else {
			ts = in_us(CLOCK_MONOTONIC, 100);
			if (i % 2)
				CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
			else if (pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &ts))
				continue;
			atomic_fetch_add(&readers, 1);
			CHECK(writers == 0);
			sched_yield();
			atomic_fetch_sub(&readers, 1);
		}
		CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	}
	return NULL;
}

static void test_rwlock_exclusion(void)
{
	readers = writers = 0;
	run_all(mix, NULL);
	CHECK(pthread_rwlock_trywrlock(&rwlock) == 0);
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
}

static pthread_barrier_t barrier;

static void *read_together(void *arg)
{
	CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
	pthread_barrier_wait(&barrier); // returns only if all read at once
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	return arg;
}

static void test_readers_share(void)
{
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	run_all(read_together, NULL);
	CHECK(pthread_barrier_destroy(&barrier) == 0);
}

static void *time_out_rwlock(void *arg)
{
	struct timespec ts = in_us(CLOCK_REALTIME, 700), mono = in_us(CLOCK_MONOTONIC, 700), bad = {.tv_nsec = -1};

	if (arg) {
		CHECK(pthread_rwlock_timedrdlock(&rwlock, &ts) == ETIMEDOUT && is_past(CLOCK_REALTIME, &ts));
		CHECK(pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
		CHECK(is_past(CLOCK_MONOTONIC, &mono));
		CHECK(pthread_rwlock_timedrdlock(&rwlock, &bad) == EINVAL);
	} else {
		CHECK(pthread_rwlock_timedrdlock(&rwlock, &bad) == 0); // the time is not looked at
		CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	}
	ts = in_us(CLOCK_REALTIME, 700);
	mono = in_us(CLOCK_MONOTONIC, 700);
	CHECK(pthread_rwlock_timedwrlock(&rwlock, &ts) == ETIMEDOUT && is_past(CLOCK_REALTIME, &ts));
	CHECK(pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
	CHECK(is_past(CLOCK_MONOTONIC, &mono));
	CHECK(pthread_rwlock_timedwrlock(&rwlock, &bad) == EINVAL);
	return NULL;
}

static void test_rwlock_times(void)
{
	CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
	join(start(time_out_rwlock, NULL));
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
	join(start(time_out_rwlock, &rwlock));
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
}

static void *write_until(void *arg)
{
	CHECK(pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, arg) == ETIMEDOUT);
	return arg;
}

static void *read_once(void *arg)
{
	CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
	atomic_fetch_add(&started, 1);
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	return arg;
}

/* A writer waits for so long, and a reader comes. True: it was kept out, and came in when the writer gave up. */
static bool read_behind_writer(long us)
{
	struct timespec deadline = in_us(CLOCK_MONOTONIC, us);
	pthread_t writer, reader;
	bool kept_out = false;

	CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
	started = 0;
	writer = start(write_until, &deadline);
	while (!rwlock.writers && !is_past(CLOCK_MONOTONIC, &deadline))
		sched_yield();
	reader = start(read_once, NULL);
	while (!started)
		kept_out |= rwlock.readers_waiting > 0;
	CHECK(!kept_out || is_past(CLOCK_MONOTONIC, &deadline)); // this thread has read all the time
	join(writer);
	join(reader);
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	return kept_out;
}

/* It keeps readers out until it gives up, and then they must not stay out. */
static void test_writer_gives_up(void)
{
	long us = 5000;

	while (!read_behind_writer(us))
		us *= 2; // on a slow machine the reader came too late
}

static void *write_once(void *arg)
{
	CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
	atomic_fetch_add(&ended, 1);
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	return arg;
}

/* One that reads already may read again beside a writer that waits: else it would wait for itself. */
static void test_read_again(void)
{
	pthread_t writer;

	ended = 0;
	CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
	writer = start(write_once, NULL);
	while (!rwlock.writers)
		sched_yield();
	CHECK(pthread_rwlock_rdlock(&rwlock) == 0 && ended == 0);
	CHECK(pthread_rwlock_unlock(&rwlock) == 0 && ended == 0);
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	join(writer);
	CHECK(ended == 1);
}

static atomic_bool stop;

static void *hold_writing(void *arg)
{
	while (!stop) {
		CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
		sched_yield();
		CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	}
	return arg;
}

static void *hold_reading(void *arg)
{
	while (!stop) {
		CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
		sched_yield();
		CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	}
	return arg;
}

/* Others take it again and again: a reader and a writer come through all the same. */
static void test_nobody_starves(void)
{
	void *(*const holders[])(void *) = {hold_writing, hold_reading};

	for (int i = 0; i < 2; i++) {
		pthread_t holding[3];

		stop = false;
		for (int n = 0; n < 3; n++)
			holding[n] = start(holders[i], NULL);
		for (int n = 0; n < 20; n++) {
			join(start(read_once, NULL));
			join(start(write_once, NULL));
		}
		stop = true;
		for (int n = 0; n < 3; n++)
			join(holding[n]);
	}
}

/* ---- spinlocks ---- */

static pthread_spinlock_t spinlock;
static int counter;

static void *count_spinning(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		int before;

		CHECK(pthread_spin_lock(&spinlock) == 0);
		before = counter;
		if (i % 64 == 0)
			sched_yield();
		counter = before + 1;
		CHECK(pthread_spin_unlock(&spinlock) == 0);
	}
	return arg;
}

static void *spin_not_mine(void *arg)
{
	CHECK(pthread_spin_trylock(&spinlock) == EBUSY);
	CHECK(pthread_spin_unlock(&spinlock) == EPERM);
	return arg;
}

static void test_spinlock(void)
{
	CHECK(pthread_spin_init(&spinlock, 17) == EINVAL);
	CHECK(pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE) == 0);
	counter = 0;
	run_all(count_spinning, NULL);
	CHECK(counter == THREADS * 2000);
	CHECK(pthread_spin_trylock(&spinlock) == 0);
	CHECK(pthread_spin_lock(&spinlock) == EDEADLK);
	CHECK(pthread_spin_destroy(&spinlock) == EBUSY);
	join(start(spin_not_mine, NULL));
	CHECK(pthread_spin_unlock(&spinlock) == 0);
	CHECK(pthread_spin_destroy(&spinlock) == 0);
}

/* ---- barriers ---- */

static atomic_int serial, arrived;

#define BARRIER_ROUNDS 200

static void *meet(void *arg)
{
	for (int round = 1; round <= BARRIER_ROUNDS; round++) {
		int r;

		atomic_fetch_add(&arrived, 1);
		r = pthread_barrier_wait(&barrier);
		CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
		CHECK(arrived >= round * THREADS);
		serial += r == PTHREAD_BARRIER_SERIAL_THREAD;
	}
	return arg;
}

static void test_barrier(void)
{
	serial = arrived = 0;
	CHECK(pthread_barrier_init(&barrier, NULL, 0) == EINVAL);
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	run_all(meet, NULL);
	CHECK(serial == BARRIER_ROUNDS);
	CHECK(pthread_barrier_destroy(&barrier) == 0);
	CHECK(pthread_barrier_init(&barrier, NULL, 1) == 0);
	CHECK(pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD);
	CHECK(pthread_barrier_destroy(&barrier) == 0);
}

static void *wait_at(void *arg)
{
	pthread_barrier_t *b = arg;

	if (pthread_barrier_wait(b) == PTHREAD_BARRIER_SERIAL_THREAD) {
		CHECK(pthread_barrier_destroy(b) == 0); // others may be on their way out
		memset(b, 0xff, sizeof(*b));
		free(b);
	}
	return NULL;
}

static void test_barrier_destroy(void)
{
	pthread_barrier_t *b;
	pthread_t thread;

	for (int round = 0; round < 50; round++) {
		b = malloc(sizeof(*b));
		CHECK(b && pthread_barrier_init(b, NULL, THREADS) == 0);
		run_all(wait_at, b);
	}
	b = malloc(sizeof(*b));
	CHECK(b && pthread_barrier_init(b, NULL, 2) == 0);
	thread = start(wait_at, b);
	while (!__atomic_load_n(&b->arrived, __ATOMIC_RELAXED))
		sched_yield();
	CHECK(pthread_barrier_destroy(b) == EBUSY);
	wait_at(b);
	join(thread);
}

TAP_MAIN({"unlocking what is not held", test_unlock_of_what_is_not_held},
	 {"destroying a held mutex", test_destroy_of_a_held_mutex}, {"locking again, by kind", test_relock},
	 {"timed locking on both clocks", test_timed_mutex}, {"process-shared attributes", test_shared_attribute},
	 {"rwlock: who may have it with whom", test_rwlock_states},
	 {"rwlock: exclusion, with times", test_rwlock_exclusion}, {"rwlock: readers share", test_readers_share},
	 {"rwlock: times on both clocks", test_rwlock_times}, {"rwlock: a writer that gives up", test_writer_gives_up},
	 {"rwlock: reading again beside a waiting writer", test_read_again},
	 {"rwlock: nobody starves", test_nobody_starves}, {"spinlock", test_spinlock},
	 {"barrier: rounds, one serial thread", test_barrier},
	 {"barrier: destroyed as soon as it opened", test_barrier_destroy})
