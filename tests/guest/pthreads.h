// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What tests of threads share. */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "tap.h"

static inline pthread_t start_with(const pthread_attr_t *attr, void *(*function)(void *), void *arg)
{
	pthread_t thread = NULL;

	CHECK(pthread_create(&thread, attr, function, arg) == 0);
	return thread;
}

static inline pthread_t start(void *(*function)(void *), void *arg)
{
	return start_with(NULL, function, arg);
}

static inline void *join(pthread_t thread)
{
	void *value = NULL;

	CHECK(pthread_join(thread, &value) == 0);
	return value;
}

static inline struct timespec now(clockid_t clock)
{
	struct timespec ts = {0};

	CHECK(clock_gettime(clock, &ts) == 0);
	return ts;
}

static inline struct timespec in_us(clockid_t clock, long us)
{
	struct timespec ts = now(clock);

	ts.tv_nsec += us * 1000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static inline bool is_past(clockid_t clock, const struct timespec *ts)
{
	struct timespec at = now(clock);

	return at.tv_sec > ts->tv_sec || (at.tv_sec == ts->tv_sec && at.tv_nsec >= ts->tv_nsec);
}

static inline void wait_for(const atomic_int *value, int at_least)
{
	while (atomic_load(value) < at_least)
		sched_yield();
}

#define TOP 31 // the highest priority

/* The calling thread's policy and priority. */
static inline void set_own(int policy, int priority)
{
	struct sched_param param = {.sched_priority = priority};

	CHECK(pthread_setschedparam(pthread_self(), policy, &param) == 0);
}

/* A thread that begins with these. */
static inline pthread_t start_at(int policy, int priority, void *(*function)(void *), void *arg)
{
	struct sched_param param = {.sched_priority = priority};
	pthread_attr_t attr;

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED) == 0);
	CHECK(pthread_attr_setschedpolicy(&attr, policy) == 0);
	CHECK(pthread_attr_setschedparam(&attr, &param) == 0);
	return start_with(&attr, function, arg);
}
