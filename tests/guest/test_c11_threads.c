// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* C11's <threads.h>. */

#include <pthread.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

#include "tap.h"

#define THREADS 5
#define ROUNDS 2000

static mtx_t mutex;
static cnd_t cond;
static tss_t key;
static once_flag once = ONCE_FLAG_INIT;
static int shared;
static atomic_int calls;
static thread_local int own = 11;

static void run_all(thrd_start_t function, int expected)
{
	thrd_t threads[THREADS];
	int result;

	for (int i = 0; i < THREADS; i++)
		CHECK(thrd_create(&threads[i], function, &threads[i]) == thrd_success);
	for (int i = 0; i < THREADS; i++) {
		result = -1;
		CHECK(thrd_join(threads[i], &result) == thrd_success && result == expected);
	}
}

static int check_self(void *arg)
{
	CHECK(thrd_equal(thrd_current(), thrd_current()));
	CHECK(own == 11);
	own = 12;
	if (arg)
		thrd_exit(42);
	return 7;
}

static int detach_self(void *arg)
{
	CHECK(thrd_detach(thrd_current()) == thrd_success);
	atomic_fetch_add(&calls, 1);
	return arg != NULL;
}

static void test_threads(void)
{
	thrd_t thread;
	int result;

	run_all(check_self, 42);
	CHECK(thrd_create(&thread, check_self, NULL) == thrd_success);
	CHECK(!thrd_equal(thread, thrd_current()));
	CHECK(thrd_join(thread, &result) == thrd_success && result == 7);
	CHECK(thrd_join(thrd_current(), NULL) == thrd_error);
	CHECK(own == 11);
	calls = 0;
	CHECK(thrd_create(&thread, detach_self, NULL) == thrd_success);
	while (calls < 1)
		thrd_yield();
}

static int count(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		int before;

		CHECK(mtx_lock(&mutex) == thrd_success);
		before = shared;
		if (i % 16 == 0)
			thrd_yield();
		shared = before + 1;
		CHECK(mtx_unlock(&mutex) == thrd_success);
	}
	return 0;
}

static int busy(void *arg)
{
	struct timespec ts;

	(void)arg;
	CHECK(mtx_trylock(&mutex) == thrd_busy);
	CHECK(timespec_get(&ts, TIME_UTC) == TIME_UTC);
	CHECK(mtx_timedlock(&mutex, &ts) == thrd_timedout);
	CHECK(mtx_unlock(&mutex) == thrd_error);
	return 3;
}

static void test_mutexes(void)
{
	CHECK(mtx_init(&mutex, 99) == thrd_error);
	CHECK(mtx_init(&mutex, mtx_plain) == thrd_success);
	shared = 0;
	run_all(count, 0);
	CHECK(shared == THREADS * ROUNDS);
	mtx_destroy(&mutex);
	CHECK(mtx_init(&mutex, mtx_timed | mtx_recursive) == thrd_success);
	CHECK(mtx_lock(&mutex) == thrd_success && mtx_trylock(&mutex) == thrd_success);
	run_all(busy, 3);
	CHECK(mtx_unlock(&mutex) == thrd_success && mtx_unlock(&mutex) == thrd_success);
	CHECK(mtx_unlock(&mutex) == thrd_error);
	mtx_destroy(&mutex);
}

static int take(void *arg)
{
	(void)arg;
	CHECK(mtx_lock(&mutex) == thrd_success);
	while (shared == 0)
		CHECK(cnd_wait(&cond, &mutex) == thrd_success);
	shared--;
	CHECK(mtx_unlock(&mutex) == thrd_success);
	return 0;
}

static int give(void *arg)
{
	for (int i = 0; i < THREADS; i++) {
		CHECK(mtx_lock(&mutex) == thrd_success);
		shared++;
		CHECK((i % 2 ? cnd_signal(&cond) : cnd_broadcast(&cond)) == thrd_success);
		CHECK(mtx_unlock(&mutex) == thrd_success);
		thrd_yield();
	}
	return arg != NULL;
}

static void test_conditions(void)
{
	struct timespec ts, after;
	thrd_t giver;

	CHECK(mtx_init(&mutex, mtx_plain) == thrd_success && cnd_init(&cond) == thrd_success);
	shared = 0;
	CHECK(thrd_create(&giver, give, NULL) == thrd_success);
	run_all(take, 0);
	CHECK(thrd_join(giver, NULL) == thrd_success && shared == 0);

	CHECK(mtx_lock(&mutex) == thrd_success);
	CHECK(timespec_get(&ts, TIME_UTC) == TIME_UTC);
	ts.tv_nsec += 500000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	CHECK(cnd_timedwait(&cond, &mutex, &ts) == thrd_timedout);
	CHECK(timespec_get(&after, TIME_UTC) == TIME_UTC);
	CHECK(after.tv_sec > ts.tv_sec || (after.tv_sec == ts.tv_sec && after.tv_nsec >= ts.tv_nsec));
	CHECK(mtx_unlock(&mutex) == thrd_success);
	cnd_destroy(&cond);
	mtx_destroy(&mutex);
}

static void count_call(void *value)
{
	CHECK(value == &shared);
	atomic_fetch_add(&calls, 1);
}

static int use_key(void *arg)
{
	(void)arg;
	CHECK(tss_get(key) == NULL);
	CHECK(tss_set(key, &shared) == thrd_success);
	CHECK(tss_get(key) == &shared);
	return 0;
}

static void test_keys(void)
{
	calls = 0;
	CHECK(tss_create(&key, count_call) == thrd_success);
	run_all(use_key, 0);
	CHECK(calls == THREADS);
	tss_delete(key);
	CHECK(tss_set(key, &shared) == thrd_error);
}

static void init(void)
{
	thrd_yield();
	atomic_fetch_add(&calls, 1);
}

static int use_once(void *arg)
{
	(void)arg;
	call_once(&once, init);
	CHECK(calls == 1);
	return 0;
}

static void test_once(void)
{
	calls = 0;
	run_all(use_once, 0);
	CHECK(calls == 1);
}

static void test_time(void)
{
	struct timespec ts = {.tv_nsec = 200000}, bad = {.tv_nsec = -1}, at, wall;

	CHECK(thrd_sleep(&ts, NULL) == 0);
	CHECK(thrd_sleep(&bad, NULL) < -1);
	CHECK(timespec_get(&at, 77) == 0);
	CHECK(clock_gettime(CLOCK_REALTIME, &wall) == 0 && timespec_get(&at, TIME_UTC) == TIME_UTC);
	CHECK(at.tv_sec - wall.tv_sec >= 0 && at.tv_sec - wall.tv_sec < 60);
}

TAP_MAIN({"threads", test_threads}, {"mutexes", test_mutexes}, {"condition variables", test_conditions},
	 {"thread-specific storage", test_keys}, {"call_once", test_once}, {"time", test_time})
