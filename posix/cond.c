// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Condition variables and pthread_once over futexes. A signal changes the sequence; a waiter sleeps only if the
 * sequence is still what it was while it held the mutex. Waiting is a cancellation point: the mutex is held again when
 * the cleanup handlers run. May sleep; calls return a positive error number.
 */

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "posix/clock.h"
#include "posix/futex.h"

enum { ONCE_NEW, ONCE_RUNNING, ONCE_DONE };

int pthread_condattr_init(pthread_condattr_t *attr)
{
	*attr = (pthread_condattr_t){.clock = CLOCK_REALTIME, .shared = PTHREAD_PROCESS_PRIVATE};
	return 0;
}

int pthread_condattr_destroy(pthread_condattr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
		return EINVAL;
	attr->clock = (unsigned long)clock;
	return 0;
}

int pthread_condattr_getclock(const pthread_condattr_t *restrict attr, clockid_t *restrict clock)
{
	*clock = (clockid_t)attr->clock;
	return 0;
}

int pthread_cond_init(pthread_cond_t *restrict c, const pthread_condattr_t *restrict attr)
{
	*c = (pthread_cond_t){.clock = attr ? attr->clock : (unsigned long)CLOCK_REALTIME};
	return 0;
}

/* Waiters that were woken may not have left yet: after this the memory is the caller's. */
int pthread_cond_destroy(pthread_cond_t *c)
{
	const struct wait_note what = {.kind = "last waiter of pthread condition", .object = c};
	uint32_t waiters;

	while ((waiters = __atomic_load_n(&c->waiters, __ATOMIC_ACQUIRE)) != 0)
		(void)futex_wait(&c->waiters, waiters, NULL, &what); // the loop looks again in any case
	return 0;
}

static int wait_until(pthread_cond_t *c, pthread_mutex_t *m, const struct deadline *deadline)
{
	const struct wait_note what = {.kind = "pthread condition", .object = c};
	uint32_t sequence = __atomic_load_n(&c->sequence, __ATOMIC_RELAXED);
	int err, wait_err;

	pthread_testcancel();
	/* Ordered before futex_wait's look at the sequence; pairs with the order of the two in signal. */
	__atomic_fetch_add(&c->waiters, 1, __ATOMIC_SEQ_CST);
	err = pthread_mutex_unlock(m);
	wait_err = err ? 0 : futex_wait_cancel(&c->sequence, sequence, deadline, &what);
	/* Release pairs with the acquire in pthread_cond_destroy; after it only the address is used. */
	if (__atomic_fetch_sub(&c->waiters, 1, __ATOMIC_RELEASE) == 1)
		futex_wake(&c->waiters, FUTEX_ALL);
	if (err)
		return err;
	err = pthread_mutex_lock(m);
	if (wait_err == -EINTR)
		pthread_testcancel();
	if (!err && wait_err == -ETIMEDOUT)
		err = ETIMEDOUT;
	return err;
}

int pthread_cond_wait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m)
{
	return wait_until(c, m, NULL);
}

int pthread_cond_clockwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, clockid_t clock,
			   const struct timespec *restrict ts)
{
	struct deadline deadline;
	int err = clock_deadline(clock, ts, &deadline);

	return err ? err : wait_until(c, m, &deadline);
}

int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, const struct timespec *restrict ts)
{
	return pthread_cond_clockwait(c, m, (clockid_t)c->clock, ts);
}

static void signal_waiters(pthread_cond_t *c, unsigned count)
{
	__atomic_fetch_add(&c->sequence, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&c->waiters, __ATOMIC_SEQ_CST))
		futex_wake(&c->sequence, count);
}

int pthread_cond_signal(pthread_cond_t *c)
{
	signal_waiters(c, 1);
	return 0;
}

int pthread_cond_broadcast(pthread_cond_t *c)
{
	signal_waiters(c, FUTEX_ALL);
	return 0;
}

static void once_set(pthread_once_t *once, uint32_t state)
{
	__atomic_store_n(&once->state, state, __ATOMIC_RELEASE);
	futex_wake(&once->state, FUTEX_ALL);
}

/* init was cancelled: as if it had never been called. */
static void once_again(void *once)
{
	once_set(once, ONCE_NEW);
}

int pthread_once(pthread_once_t *once, void (*init)(void))
{
	const struct wait_note what = {.kind = "pthread_once", .object = once};
	uint32_t state;

	/* Acquire pairs with the release in once_set: who sees it done sees what it did. */
	while ((state = __atomic_load_n(&once->state, __ATOMIC_ACQUIRE)) != ONCE_DONE) {
		if (state == ONCE_RUNNING) {
			(void)futex_wait(&once->state, ONCE_RUNNING, NULL, &what); // the loop looks again in any case
			continue;
		}
		if (!__atomic_compare_exchange_n(&once->state, &state, ONCE_RUNNING, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		pthread_cleanup_push(once_again, once);
		init();
		pthread_cleanup_pop(false);
		once_set(once, ONCE_DONE);
	}
	return 0;
}
