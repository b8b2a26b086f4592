// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mutexes, condition variables, once, thread-specific data. */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "tap.h"

#define THREADS 6
#define ROUNDS 5000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int shared;

static struct timespec in_ms(clockid_t clock, long ms)
{
	struct timespec ts;

	CHECK(clock_gettime(clock, &ts) == 0);
	ts.tv_nsec += ms * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static bool is_past(clockid_t clock, const struct timespec *ts)
{
	struct timespec now;

	CHECK(clock_gettime(clock, &now) == 0);
	return now.tv_sec > ts->tv_sec || (now.tv_sec == ts->tv_sec && now.tv_nsec >= ts->tv_nsec);
}

static void run_all(void *(*function)(void *), void *arg)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, function, arg) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void *add_with_gap(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		int before;

		CHECK(pthread_mutex_lock(&mutex) == 0);
		before = shared;
		if (i % 7 == 0)
			sched_yield();
		shared = before + 1;
		CHECK(pthread_mutex_unlock(&mutex) == 0);
	}
	return NULL;
}

static void test_exclusion(void)
{
	shared = 0;
	run_all(add_with_gap, NULL);
	CHECK(shared == THREADS * ROUNDS);
}

static void make_mutex(pthread_mutex_t *m, int type)
{
	pthread_mutexattr_t attr;
	int got;

	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_settype(&attr, type) == 0);
	CHECK(pthread_mutexattr_gettype(&attr, &got) == 0 && got == type);
	CHECK(pthread_mutex_init(m, &attr) == 0);
	CHECK(pthread_mutexattr_destroy(&attr) == 0);
}

static void *others_view(void *arg)
{
	pthread_mutex_t *m = arg;

	CHECK(pthread_mutex_trylock(m) == EBUSY);
	CHECK(pthread_mutex_unlock(m) == EPERM);
	return NULL;
}

static void test_mutex_types(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;

	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_settype(&attr, 17) == EINVAL);

	make_mutex(&m, PTHREAD_MUTEX_RECURSIVE);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_mutex_lock(&m) == 0);
	CHECK(pthread_mutex_trylock(&m) == 0);
	run_all(others_view, &m);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_mutex_unlock(&m) == 0);
	CHECK(pthread_mutex_unlock(&m) == EPERM);
	CHECK(pthread_mutex_destroy(&m) == 0);

	make_mutex(&m, PTHREAD_MUTEX_ERRORCHECK);
	CHECK(pthread_mutex_unlock(&m) == EPERM);
	CHECK(pthread_mutex_lock(&m) == 0);
	CHECK(pthread_mutex_lock(&m) == EDEADLK);
	CHECK(pthread_mutex_destroy(&m) == EBUSY);
	run_all(others_view, &m);
	CHECK(pthread_mutex_unlock(&m) == 0);
	CHECK(pthread_mutex_destroy(&m) == 0);
}

static void *try_for_a_while(void *arg)
{
	struct timespec deadline = in_ms(CLOCK_REALTIME, 40);

	CHECK(pthread_mutex_timedlock(arg, &deadline) == ETIMEDOUT);
	CHECK(is_past(CLOCK_REALTIME, &deadline));
	deadline.tv_nsec = -1;
	CHECK(pthread_mutex_timedlock(arg, &deadline) == EINVAL);
	return NULL;
}

static void test_timed_lock(void)
{
	CHECK(pthread_mutex_lock(&mutex) == 0);
	run_all(try_for_a_while, &mutex);
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	CHECK(pthread_mutex_lock(&mutex) == 0); // nobody's giving up left it taken
	CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int queue[4], queued, taken_sum;

static void *producer(void *arg)
{
	(void)arg;
	for (int i = 1; i <= ROUNDS; i++) {
		CHECK(pthread_mutex_lock(&mutex) == 0);
		while (queued == 4)
			CHECK(pthread_cond_wait(&not_full, &mutex) == 0);
		queue[queued++] = 1;
		CHECK(pthread_cond_signal(&not_empty) == 0);
		CHECK(pthread_mutex_unlock(&mutex) == 0);
	}
	return NULL;
}

static void *consumer(void *arg)
{
	(void)arg;
	for (int i = 1; i <= ROUNDS; i++) {
		CHECK(pthread_mutex_lock(&mutex) == 0);
		while (queued == 0)
			CHECK(pthread_cond_wait(&not_empty, &mutex) == 0);
		taken_sum += queue[--queued];
		CHECK(pthread_cond_signal(&not_full) == 0);
		CHECK(pthread_mutex_unlock(&mutex) == 0);
	}
	return NULL;
}

static atomic_int role;

static void *half_and_half(void *arg)
{
	return atomic_fetch_add(&role, 1) % 2 ? producer(arg) : consumer(arg);
}

static void test_producers_consumers(void)
{
	queued = taken_sum = 0;
	run_all(half_and_half, NULL);
	CHECK(taken_sum == ROUNDS * THREADS / 2 && queued == 0);
}

static void test_timed_wait(void)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
	pthread_condattr_t attr;
	pthread_cond_t cond;
	clockid_t got;

	for (int i = 0; i < 2; i++) {
		struct timespec deadline = in_ms(clocks[i], 50);

		CHECK(pthread_condattr_init(&attr) == 0);
		CHECK(pthread_condattr_setclock(&attr, clocks[i]) == 0);
		CHECK(pthread_condattr_getclock(&attr, &got) == 0 && got == clocks[i]);
		CHECK(pthread_cond_init(&cond, &attr) == 0);
		CHECK(pthread_mutex_lock(&mutex) == 0);
		while (!is_past(clocks[i], &deadline)) {
			int err = pthread_cond_timedwait(&cond, &mutex, &deadline);

			CHECK(err == 0 || (err == ETIMEDOUT && is_past(clocks[i], &deadline)));
		}
		CHECK(pthread_mutex_trylock(&mutex) == EBUSY); // held again
		CHECK(pthread_mutex_unlock(&mutex) == 0);
		CHECK(pthread_cond_destroy(&cond) == 0);
	}
	CHECK(pthread_condattr_setclock(&attr, (clockid_t)99) == EINVAL);
}

static pthread_cond_t *gate;
static int waiting;
static bool open_now;

static void *wait_at_gate(void *arg)
{
	(void)arg;
	CHECK(pthread_mutex_lock(&mutex) == 0);
	waiting++;
	while (!open_now)
		CHECK(pthread_cond_wait(gate, &mutex) == 0);
	waiting--;
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	return NULL;
}

/* The condition variable's memory goes as soon as destroy returns, while the waiters may not have run yet. */
static void *open_gate(void *arg)
{
	bool all = false;

	while (!all) {
		CHECK(pthread_mutex_lock(&mutex) == 0);
		all = waiting == THREADS;
		if (all) {
			open_now = true;
			CHECK(pthread_cond_broadcast(gate) == 0);
		}
		CHECK(pthread_mutex_unlock(&mutex) == 0);
		sched_yield();
	}
	CHECK(pthread_cond_destroy(gate) == 0);
	memset(gate, 0xff, sizeof(*gate));
	free(gate);
	return arg;
}

static void test_broadcast(void)
{
	pthread_t opener;

	for (int round = 0; round < 20; round++) {
		gate = malloc(sizeof(*gate));
		waiting = 0;
		open_now = false;
		CHECK(gate && pthread_cond_init(gate, NULL) == 0);
		CHECK(pthread_create(&opener, NULL, open_gate, NULL) == 0);
		run_all(wait_at_gate, NULL);
		CHECK(pthread_join(opener, NULL) == 0);
		CHECK(waiting == 0);
	}
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int once_count;

static void init_slowly(void)
{
	for (int i = 0; i < 5; i++)
		sched_yield();
	once_count++;
}

static void *call_once(void *arg)
{
	CHECK(pthread_once(&once, init_slowly) == 0);
	CHECK(once_count == 1);
	return arg;
}

static void test_once(void)
{
	run_all(call_once, NULL);
	CHECK(once_count == 1);
}

static pthread_key_t key;
static atomic_int destroyed;

static void destroy_value(void *value)
{
	/* Set again once: POSIX calls the destructor again. */
	if (atomic_fetch_add(&destroyed, 1) < THREADS)
		CHECK(pthread_setspecific(key, value) == 0);
}

static void *use_key(void *arg)
{
	int mine;

	CHECK(pthread_getspecific(key) == NULL);
	CHECK(pthread_setspecific(key, &mine) == 0);
	sched_yield();
	CHECK(pthread_getspecific(key) == &mine);
	return arg;
}

static void test_keys(void)
{
	CHECK(pthread_key_create(&key, destroy_value) == 0);
	destroyed = 0;
	run_all(use_key, NULL);
	CHECK(destroyed >= THREADS && destroyed <= THREADS * PTHREAD_DESTRUCTOR_ITERATIONS);
	CHECK(pthread_setspecific(key, &key) == 0);
	CHECK(pthread_key_delete(key) == 0);
	CHECK(pthread_key_delete(key) == EINVAL);
	CHECK(pthread_key_create(&key, NULL) == 0);
	CHECK(pthread_getspecific(key) == NULL); // the deleted key's value is not the new one's
	CHECK(pthread_key_delete(key) == 0);
}

TAP_MAIN({"mutual exclusion under preemption", test_exclusion},
	 {"recursive and error-checking mutexes", test_mutex_types}, {"timed lock", test_timed_lock},
	 {"producers and consumers", test_producers_consumers}, {"timed wait on both clocks", test_timed_wait},
	 {"broadcast, then destroy and free", test_broadcast}, {"once", test_once}, {"thread-specific data", test_keys})
