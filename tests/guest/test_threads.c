// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Threads: life, preemption, thread-local storage, time. */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define MANY 100

static uint64_t now_ns(void)
{
	struct timespec ts;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void *twice(void *arg)
{
	return (void *)((intptr_t)arg * 2);
}

static void test_create_join(void)
{
	pthread_t threads[MANY];
	void *value;

	for (int round = 0; round < 3; round++) {
		for (intptr_t i = 0; i < MANY; i++)
			CHECK(pthread_create(&threads[i], NULL, twice, (void *)i) == 0);
		for (intptr_t i = 0; i < MANY; i++) {
			CHECK(pthread_join(threads[i], &value) == 0);
			CHECK((intptr_t)value == i * 2);
		}
	}
	CHECK(pthread_join(pthread_self(), NULL) == EDEADLK);
	CHECK(pthread_equal(pthread_self(), pthread_self()));
}

static atomic_int ended;

static void *count_and_exit(void *arg)
{
	atomic_fetch_add(&ended, 1);
	pthread_exit(arg);
}

/* More stacks than there is memory for at once: the dead ones' must come back. */
static void test_detached(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int made = 0;

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstacksize(&attr, 100) == EINVAL);
	CHECK(pthread_attr_setstacksize(&attr, 1024 * 1024) == 0);
	CHECK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0);
	ended = 0;
	while (made < 400 && pthread_create(&thread, &attr, count_and_exit, NULL) == 0) {
		made++;
		while (ended < made)
			sched_yield();
	}
	CHECK(made == 400);
	CHECK(pthread_attr_destroy(&attr) == 0);
}

static void *detach_self(void *arg)
{
	(void)arg;
	CHECK(pthread_detach(pthread_self()) == 0);
	atomic_fetch_add(&ended, 1);
	return NULL;
}

static void test_detach_later(void)
{
	pthread_t thread;

	ended = 0;
	CHECK(pthread_create(&thread, NULL, detach_self, NULL) == 0);
	while (ended < 1)
		sched_yield();
	CHECK(pthread_create(&thread, NULL, count_and_exit, NULL) == 0);
	CHECK(pthread_detach(thread) == 0);
	while (ended < 2)
		sched_yield();
}

static atomic_bool flag;

static void *set_flag(void *arg)
{
	(void)arg;
	flag = true;
	return NULL;
}

/* Never gives way by itself: only the timer can let the other thread run. */
static void test_preemption(void)
{
	pthread_t thread;
	uint64_t start = now_ns();

	flag = false;
	CHECK(pthread_create(&thread, NULL, set_flag, NULL) == 0);
	while (!flag && now_ns() - start < 2000000000u)
		;
	CHECK(flag);
	CHECK(pthread_join(thread, NULL) == 0);
}

#define SPINNERS 3

static void *spin_until_flag(void *arg)
{
	volatile uint64_t *turns = arg;

	while (!flag)
		++*turns;
	return NULL;
}

static void test_fair_slices(void)
{
	uint64_t turns[SPINNERS] = {0};
	pthread_t threads[SPINNERS];

	flag = false;
	for (int i = 0; i < SPINNERS; i++)
		CHECK(pthread_create(&threads[i], NULL, spin_until_flag, &turns[i]) == 0);
	CHECK(usleep(300000) == 0);
	flag = true;
	for (int i = 0; i < SPINNERS; i++) {
		CHECK(pthread_join(threads[i], NULL) == 0);
		CHECK(turns[i] > 0);
	}
}

static _Thread_local int tls_value = 42;
static _Thread_local char tls_zero[3000];
static _Thread_local __attribute__((aligned(64))) uint64_t tls_aligned = 7;

static void *tls_fresh(void *arg)
{
	int seed = (int)(intptr_t)arg;

	CHECK(tls_value == 42 && tls_aligned == 7);
	CHECK((uintptr_t)&tls_aligned % 64 == 0);
	for (size_t i = 0; i < sizeof(tls_zero); i++)
		CHECK(tls_zero[i] == 0);
	for (int i = 0; i < 2000; i++) {
		errno = tls_value = seed + i;
		memset(tls_zero, seed, sizeof(tls_zero));
		if (i % 50 == 0)
			sched_yield();
		CHECK(errno == seed + i && tls_value == seed + i && tls_zero[i] == (char)seed);
	}
	return NULL;
}

static void test_thread_local(void)
{
	pthread_t threads[8];

	for (intptr_t i = 0; i < 8; i++)
		CHECK(pthread_create(&threads[i], NULL, tls_fresh, (void *)(i * 10000)) == 0);
	for (int i = 0; i < 8; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void test_sleep(void)
{
	struct timespec ts = {.tv_nsec = 30000000};
	uint64_t start = now_ns(), taken;

	CHECK(nanosleep(&ts, NULL) == 0);
	taken = now_ns() - start;
	CHECK(taken >= 30000000u && taken < 1000000000u);
	ts.tv_nsec = 1000000000;
	errno = 0;
	CHECK(nanosleep(&ts, NULL) == -1 && errno == EINVAL);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	ts.tv_sec -= 1;
	start = now_ns();
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == 0);
	CHECK(now_ns() - start < 500000000u);
}

static atomic_int wake_order;

static void *sleep_and_number(void *arg)
{
	intptr_t ms = (intptr_t)arg;

	usleep((useconds_t)ms * 1000);
	return (void *)(intptr_t)atomic_fetch_add(&wake_order, 1);
}

static void test_sleepers_in_order(void)
{
	static const intptr_t ms[] = {200, 50, 350, 120};
	static const intptr_t order[] = {2, 0, 3, 1};
	pthread_t threads[4];
	void *place;

	wake_order = 0;
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, sleep_and_number, (void *)ms[i]) == 0);
	for (int i = 0; i < 4; i++) {
		CHECK(pthread_join(threads[i], &place) == 0);
		CHECK((intptr_t)place == order[i]);
	}
}

static void test_wall_clock(void)
{
	struct timespec set = {.tv_sec = 1700000000, .tv_nsec = 5}, got;

	CHECK(clock_settime(CLOCK_REALTIME, &set) == 0);
	CHECK(clock_gettime(CLOCK_REALTIME, &got) == 0);
	CHECK(got.tv_sec >= set.tv_sec && got.tv_sec < set.tv_sec + 5);
	CHECK(time(NULL) >= set.tv_sec);
	errno = 0;
	CHECK(clock_settime(CLOCK_MONOTONIC, &set) == -1 && errno == EINVAL);
}

static atomic_uint seen_harts; // bit i: hart i ran one of them

static void *be_seen(void *arg)
{
	const unsigned all = (1u << sysconf(_SC_NPROCESSORS_ONLN)) - 1;
	const uint64_t end = now_ns() + 20000000000u;

	while (atomic_load(&seen_harts) != all && now_ns() < end)
		atomic_fetch_or(&seen_harts, 1u << sched_getcpu());
	return arg;
}

/* As many as there are harts, and none of them waits: each gets one. */
static void test_harts(void)
{
	const long harts = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[8];

	CHECK(harts >= 1 && harts <= 8);
	for (long i = 0; i < harts; i++)
		CHECK(pthread_create(&threads[i], NULL, be_seen, NULL) == 0);
	for (long i = 0; i < harts; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(atomic_load(&seen_harts) == (1u << harts) - 1);
	printf("# %ld harts\n", harts);
}

TAP_MAIN({"all harts run threads", test_harts}, {"create and join", test_create_join},
	 {"detached threads give their stacks back", test_detached}, {"detach at any time", test_detach_later},
	 {"preemption by the timer", test_preemption}, {"slices for all who spin", test_fair_slices},
	 {"thread-local storage and errno", test_thread_local}, {"sleep", test_sleep},
	 {"sleepers wake in order", test_sleepers_in_order}, {"wall clock", test_wall_clock})
