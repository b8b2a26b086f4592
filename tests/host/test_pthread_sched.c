// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Priorities of POSIX threads, seen from below: who is woken first, and with which priority a mutex's holder runs. */
#include "posix/host_names.h"

#undef exit
#undef main

#include "tests/host/harness.h"

#include <errno.h>

#include "kernel/thread.h"

#define WAITERS 5

static sem_t gate;
static int passed[WAITERS], passed_count;
static pthread_mutex_t outer, inner;

static pthread_t start_at(int priority, void *(*function)(void *), void *arg)
{
	struct sched_param param = {.sched_priority = priority};
	pthread_attr_t attr;
	pthread_t thread;

	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED), 0);
	assert_int_equal(pthread_attr_setschedpolicy(&attr, priority ? SCHED_RR : SCHED_OTHER), 0);
	assert_int_equal(pthread_attr_setschedparam(&attr, &param), 0);
	assert_int_equal(pthread_create(&thread, &attr, function, arg), 0);
	return thread;
}

/* It has got to where it waits. Yielding would not do: this thread's priority may be the higher. */
static void wait_asleep(pthread_t thread)
{
	while (thread->state != THREAD_WAITING && thread->state != THREAD_INTERRUPTIBLE)
		usleep(1);
}

static void join_all(pthread_t *threads, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* ---- who is woken first ---- */

static void *pass(void *arg)
{
	sem_wait(&gate);
	passed[passed_count++] = *(int *)arg;
	return arg;
}

static void order_body(void *arg)
{
	static int numbers[WAITERS] = {0, 1, 2, 3, 4};
	static const int priorities[WAITERS] = {3, 9, 6, 0, 9}, order[WAITERS] = {1, 4, 2, 0, 3};
	pthread_t threads[WAITERS];

	(void)arg;
	assert_int_equal(sem_init(&gate, 0, 0), 0);
	for (int i = 0; i < WAITERS; i++) {
		threads[i] = start_at(priorities[i], pass, &numbers[i]);
		wait_asleep(threads[i]);
	}
	for (int i = 0; i < WAITERS; i++) {
		assert_int_equal(sem_post(&gate), 0);
		while (__atomic_load_n(&passed_count, __ATOMIC_RELAXED) <= i)
			sched_yield();
		assert_int_equal(passed[i], order[i]);
	}
	join_all(threads, WAITERS);
}

static void test_wake_order(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, order_body, NULL);
}

/* ---- inheritance ---- */

static void make_inheriting(pthread_mutex_t *m)
{
	pthread_mutexattr_t attr;

	assert_int_equal(pthread_mutexattr_init(&attr), 0);
	assert_int_equal(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT), 0);
	assert_int_equal(pthread_mutex_init(m, &attr), 0);
}

/* Waits for `inner` with `outer` in hand. */
static void *nest(void *arg)
{
	pthread_mutex_lock(&outer);
	pthread_mutex_lock(&inner);
	pthread_mutex_unlock(&inner);
	pthread_mutex_unlock(&outer);
	return arg;
}

static void *want_outer(void *arg)
{
	pthread_mutex_lock(&outer);
	pthread_mutex_unlock(&outer);
	return arg;
}

static void *want_outer_for_a_while(void *arg)
{
	struct timespec *ts = arg;

	clock_gettime(CLOCK_MONOTONIC, ts);
	ts->tv_sec += 10; // of virtual time
	return (void *)(intptr_t)pthread_mutex_clocklock(&outer, CLOCK_MONOTONIC, ts);
}

static void chain_body(void *arg)
{
	const struct thread *self = pthread_self();
	pthread_t threads[2], impatient;
	struct timespec ts;
	void *err;

	(void)arg;
	make_inheriting(&outer);
	make_inheriting(&inner);
	assert_int_equal(pthread_mutex_lock(&inner), 0);
	assert_int_equal(thread_priority(self), 0);
	threads[0] = start_at(4, nest, NULL);
	wait_asleep(threads[0]);
	assert_int_equal(thread_priority(self), 4);
	impatient = start_at(20, want_outer_for_a_while, &ts);
	wait_asleep(impatient);
	assert_int_equal(thread_priority(threads[0]), 20);
	assert_int_equal(thread_priority(self), 20); // through the one in the middle
	threads[1] = start_at(11, want_outer, NULL);
	wait_asleep(threads[1]);
	assert_int_equal(thread_priority(self), 20);

	assert_int_equal(pthread_join(impatient, &err), 0);
	assert_int_equal((intptr_t)err, ETIMEDOUT);
	assert_int_equal(thread_priority(threads[0]), 11); // what is left
	assert_int_equal(pthread_setschedprio(threads[0], 15), 0);
	assert_int_equal(thread_priority(threads[0]), 15);
	assert_true(thread_priority(self) >= 15);

	assert_int_equal(pthread_mutex_unlock(&inner), 0);
	assert_int_equal(thread_priority(self), 0);
	join_all(threads, 2);
	assert_int_equal(pthread_mutex_destroy(&outer), 0);
	assert_int_equal(pthread_mutex_destroy(&inner), 0);
}

static void test_chain(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, chain_body, NULL);
}

/* ---- a deadline on the wall clock, which is set ---- */

static void *want_until_wall(void *arg)
{
	return (void *)(intptr_t)pthread_mutex_timedlock(&outer, arg);
}

static void clock_body(void *arg)
{
	struct timespec ts;
	pthread_t thread;
	void *err;

	(void)arg;
	make_inheriting(&outer);
	assert_int_equal(pthread_mutex_lock(&outer), 0);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &ts), 0);
	ts.tv_sec += 1000000;
	thread = start_at(3, want_until_wall, &ts);
	wait_asleep(thread);
	assert_int_equal(clock_settime(CLOCK_REALTIME, &ts), 0);
	assert_int_equal(pthread_join(thread, &err), 0);
	assert_int_equal((intptr_t)err, ETIMEDOUT);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	assert_true(ts.tv_sec < 1000000);
}

static void test_clock_is_set(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, clock_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wake_order),
	    cmocka_unit_test(test_chain),
	    cmocka_unit_test(test_clock_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
