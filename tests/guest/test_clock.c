// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The wall clock set while others wait for it, by clock_settime and settimeofday, forwards and back. The machine's
 * clock device gives the time at the start.
 */
#include <cairn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define HOUR 3600
#define SECOND 1000000000ll

static int64_t ns_of(clockid_t clock)
{
	struct timespec ts;

	CHECK(clock_gettime(clock, &ts) == 0);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static struct timespec wall_in(int64_t ns)
{
	ns += ns_of(CLOCK_REALTIME);
	return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static void set_wall_by(int64_t ns)
{
	struct timespec to = wall_in(ns);

	CHECK(clock_settime(CLOCK_REALTIME, &to) == 0);
}

static void test_source(void)
{
	CHECK(cairn_clock_source() == CAIRN_CLOCK_DEVICE);
	CHECK(time(NULL) > 1700000000);
	set_wall_by(0);
	CHECK(cairn_clock_source() == CAIRN_CLOCK_SET);
}

static void test_set(void)
{
	struct timeval tv = {.tv_sec = 1800000000, .tv_usec = 999999}, got;
	struct timespec ts = {.tv_sec = 1800000000, .tv_nsec = 1000000000};
	int64_t before = ns_of(CLOCK_MONOTONIC);

	CHECK(settimeofday(&tv, NULL) == 0);
	CHECK(ns_of(CLOCK_REALTIME) >= 1800000000 * SECOND + 999999000);
	CHECK(gettimeofday(&got, NULL) == 0 && got.tv_sec >= 1800000000 && got.tv_sec < 1800000010);
	CHECK(settimeofday(NULL, NULL) == 0);
	set_wall_by(-3 * HOUR * SECOND);
	CHECK(time(NULL) < 1800000000);
	CHECK(ns_of(CLOCK_MONOTONIC) - before >= 0 && ns_of(CLOCK_MONOTONIC) - before < 10 * SECOND);

	errno = 0;
	CHECK(clock_settime(CLOCK_REALTIME, &ts) == -1 && errno == EINVAL);
	ts.tv_nsec = -1;
	CHECK(clock_settime(CLOCK_REALTIME, &ts) == -1);
	ts = (struct timespec){.tv_sec = -1};
	CHECK(clock_settime(CLOCK_REALTIME, &ts) == -1);
	ts = (struct timespec){.tv_sec = 1ll << 40};
	CHECK(clock_settime(CLOCK_REALTIME, &ts) == -1);
	CHECK(clock_settime(CLOCK_MONOTONIC, &ts) == -1);
	tv.tv_usec = 1000000;
	errno = 0;
	CHECK(settimeofday(&tv, NULL) == -1 && errno == EINVAL);
	CHECK(time(NULL) < 1800000000);
}

/* ---- waiters ---- */

enum how { BY_SLEEP, BY_COND, BY_MUTEX, BY_MONOTONIC_COND, HOWS };

static struct {
	pthread_mutex_t mutex, taken;
	pthread_cond_t cond[HOWS];
	struct timespec until; // of the wall clock
	atomic_int started, ended;
	int64_t at[HOWS]; // ns of the monotonic clock at the end
	int64_t wall_at[HOWS];
} waiters = {.mutex = PTHREAD_MUTEX_INITIALIZER, .taken = PTHREAD_MUTEX_INITIALIZER};

static int wait_on_cond(enum how how, const struct timespec *until)
{
	int err = 0;

	CHECK(pthread_mutex_lock(&waiters.mutex) == 0);
	waiters.started++;
	while (!err)
		err = pthread_cond_timedwait(&waiters.cond[how], &waiters.mutex, until);
	CHECK(pthread_mutex_unlock(&waiters.mutex) == 0);
	return err;
}

static void *wait_somehow(void *arg)
{
	enum how how = (enum how)(intptr_t)arg;
	struct timespec soon;

	switch (how) {
	case BY_SLEEP:
		waiters.started++;
		CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &waiters.until, NULL) == 0);
		break;
	case BY_COND:
		CHECK(wait_on_cond(how, &waiters.until) == ETIMEDOUT);
		break;
	case BY_MUTEX:
		waiters.started++;
		CHECK(pthread_mutex_timedlock(&waiters.taken, &waiters.until) == ETIMEDOUT);
		break;
	default:
		CHECK(clock_gettime(CLOCK_MONOTONIC, &soon) == 0);
		soon.tv_sec += 1;
		CHECK(wait_on_cond(how, &soon) == ETIMEDOUT);
		break;
	}
	waiters.at[how] = ns_of(CLOCK_MONOTONIC);
	waiters.wall_at[how] = ns_of(CLOCK_REALTIME);
	waiters.ended++;
	return NULL;
}

/* Starts one of each kind, lets them come to wait for so long from now, sets the clock, waits for their ends. */
static void run_waiters(int64_t for_ns, int64_t set_by)
{
	pthread_t threads[HOWS];
	pthread_condattr_t attr;

	CHECK(pthread_condattr_init(&attr) == 0);
	for (int how = 0; how < HOWS; how++) {
		CHECK(pthread_condattr_setclock(&attr, how == BY_MONOTONIC_COND ? CLOCK_MONOTONIC : CLOCK_REALTIME) ==
		      0);
		CHECK(pthread_cond_init(&waiters.cond[how], &attr) == 0);
	}
	CHECK(pthread_mutex_lock(&waiters.taken) == 0);
	waiters.started = waiters.ended = 0;
	waiters.until = wall_in(for_ns);
	for (intptr_t how = 0; how < HOWS; how++)
		CHECK(pthread_create(&threads[how], NULL, wait_somehow, (void *)how) == 0);
	while (waiters.started < HOWS)
		sched_yield();
	usleep(50000); // some wait by now; the others must find the new time themselves
	CHECK(waiters.ended == 0);
	set_wall_by(set_by);
	for (int how = 0; how < HOWS; how++)
		CHECK(pthread_join(threads[how], NULL) == 0);
	CHECK(pthread_mutex_unlock(&waiters.taken) == 0);
	for (int how = 0; how < HOWS; how++)
		CHECK(pthread_cond_destroy(&waiters.cond[how]) == 0);
}

static int64_t until_ns(void)
{
	return waiters.until.tv_sec * SECOND + waiters.until.tv_nsec;
}

static void test_forward(void)
{
	int64_t start = ns_of(CLOCK_MONOTONIC);

	run_waiters(HOUR * SECOND, 2 * HOUR * SECOND);
	for (int how = 0; how < BY_MONOTONIC_COND; how++) {
		CHECK(waiters.wall_at[how] >= until_ns());
		CHECK(waiters.at[how] - start < 60 * SECOND);
	}
	CHECK(waiters.at[BY_MONOTONIC_COND] - start >= SECOND);
}

static void test_back(void)
{
	int64_t start = ns_of(CLOCK_MONOTONIC);

	run_waiters(SECOND / 2, -2 * SECOND);
	for (int how = 0; how < BY_MONOTONIC_COND; how++) {
		CHECK(waiters.wall_at[how] >= until_ns()); // not when it would have been
		CHECK(waiters.at[how] - start >= 2 * SECOND);
	}
	CHECK(waiters.at[BY_MONOTONIC_COND] - start >= SECOND);
}

TAP_MAIN({"the clock device gives the time", test_source}, {"setting the clock", test_set},
	 {"waiters of a clock set forward", test_forward}, {"waiters of a clock set back", test_back})
