// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mutexes over futexes: the word is 0 free, 1 held, 2 held and perhaps waited for, so a lock nobody waits for is taken
 * and given up by one atomic operation and no call. Every kind knows its owner, so that unlocking what one does not
 * hold is EPERM. With PTHREAD_PRIO_INHERIT the word's place is taken by posix/mutex_pi.c. May sleep; calls return a
 * positive error number.
 */

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "arch/hart.h"
#include "kernel/thread.h"
#include "posix/call.h"
#include "posix/clock.h"
#include "posix/futex.h"
#include "posix/mutex_pi.h"

enum { FREE, HELD, CONTENDED };

int pthread_mutexattr_init(pthread_mutexattr_t *attr)
{
	*attr = (pthread_mutexattr_t){
	    .type = PTHREAD_MUTEX_DEFAULT,
	    .shared = PTHREAD_PROCESS_PRIVATE,
	    .protocol = PTHREAD_PRIO_NONE,
	};
	return 0;
}

int pthread_mutexattr_destroy(pthread_mutexattr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_mutexattr_settype(pthread_mutexattr_t *attr, int type)
{
	if (type != PTHREAD_MUTEX_NORMAL && type != PTHREAD_MUTEX_RECURSIVE && type != PTHREAD_MUTEX_ERRORCHECK)
		return EINVAL;
	attr->type = type;
	return 0;
}

int pthread_mutexattr_gettype(const pthread_mutexattr_t *restrict attr, int *restrict type)
{
	*type = attr->type;
	return 0;
}

int pthread_mutexattr_setprotocol(pthread_mutexattr_t *attr, int protocol)
{
	if (protocol == PTHREAD_PRIO_PROTECT)
		return ENOTSUP;
	if (protocol != PTHREAD_PRIO_NONE && protocol != PTHREAD_PRIO_INHERIT)
		return EINVAL;
	attr->protocol = protocol;
	return 0;
}

int pthread_mutexattr_getprotocol(const pthread_mutexattr_t *restrict attr, int *restrict protocol)
{
	*protocol = attr->protocol;
	return 0;
}

int pthread_mutex_init(pthread_mutex_t *restrict m, const pthread_mutexattr_t *restrict attr)
{
	struct pi_mutex *inheriting = NULL;

	if (attr && attr->protocol == PTHREAD_PRIO_INHERIT) {
		inheriting = KERNEL_CALL(pi_mutex_make());
		if (!inheriting)
			return ENOMEM;
	}
	*m = (pthread_mutex_t){.type = attr ? attr->type : PTHREAD_MUTEX_DEFAULT, .inheriting = inheriting};
	return 0;
}

int pthread_mutex_destroy(pthread_mutex_t *m)
{
	if (m->inheriting)
		return KERNEL_CALL(pi_mutex_destroy(m->inheriting));
	return __atomic_load_n(&m->state, __ATOMIC_RELAXED) == FREE ? 0 : EBUSY;
}

static bool word_try(pthread_mutex_t *m)
{
	uint32_t expected = FREE;

	if (m->inheriting)
		return KERNEL_CALL(pi_mutex_trylock(m->inheriting)) == 0;
	/* Acquire pairs with the release in pthread_mutex_unlock. */
	return __atomic_compare_exchange_n(&m->state, &expected, HELD, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* 0 or -ETIMEDOUT. Whoever has waited takes the lock as contended, since it cannot know whether others still wait. */
static int word_wait(pthread_mutex_t *m, const struct deadline *deadline)
{
	const struct wait_note what = {.kind = "pthread mutex", .object = m, .holder = &m->owner};
	int err = 0;

	if (m->inheriting)
		return -KERNEL_CALL(pi_mutex_lock(m->inheriting, deadline));
	while (__atomic_exchange_n(&m->state, CONTENDED, __ATOMIC_ACQUIRE) != FREE) {
		err = futex_wait(&m->state, CONTENDED, deadline, &what);
		if (err == -ETIMEDOUT)
			return err;
	}
	return 0;
}

/* A mutex that the thread holds already: EDEADLK, EAGAIN, 0 taken once more, or -1: not the case. */
static int relock(pthread_mutex_t *m)
{
	if (m->type == PTHREAD_MUTEX_NORMAL || __atomic_load_n(&m->owner, __ATOMIC_RELAXED) != thread_self())
		return -1;
	if (m->type == PTHREAD_MUTEX_ERRORCHECK)
		return EDEADLK;
	if (m->depth == UINT_MAX)
		return EAGAIN;
	m->depth++;
	return 0;
}

static int lock_until(pthread_mutex_t *m, const struct deadline *deadline)
{
	int err = relock(m);

	if (err >= 0)
		return err;
	if (!word_try(m) && word_wait(m, deadline))
		return ETIMEDOUT;
	__atomic_store_n(&m->owner, thread_self(), __ATOMIC_RELAXED);
	return 0;
}

int pthread_mutex_lock(pthread_mutex_t *m)
{
	return lock_until(m, NULL);
}

int pthread_mutex_trylock(pthread_mutex_t *m)
{
	int err = relock(m);

	if (err >= 0)
		return err == EDEADLK ? EBUSY : err;
	if (!word_try(m))
		return EBUSY;
	__atomic_store_n(&m->owner, thread_self(), __ATOMIC_RELAXED);
	return 0;
}

/* The time is not looked at when there is no need to wait. */
int pthread_mutex_clocklock(pthread_mutex_t *restrict m, clockid_t clock, const struct timespec *restrict ts)
{
	struct deadline deadline;
	int err = pthread_mutex_trylock(m);

	if (err != EBUSY)
		return err;
	err = relock(m);
	if (err >= 0)
		return err;
	err = clock_deadline(clock, ts, &deadline);
	return err ? err : lock_until(m, &deadline);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict m, const struct timespec *restrict ts)
{
	return pthread_mutex_clocklock(m, CLOCK_REALTIME, ts);
}

int pthread_mutex_unlock(pthread_mutex_t *m)
{
	if (__atomic_load_n(&m->owner, __ATOMIC_RELAXED) != thread_self())
		return EPERM;
	if (m->depth > 0) {
		m->depth--;
		return 0;
	}
	__atomic_store_n(&m->owner, NULL, __ATOMIC_RELAXED);
	if (m->inheriting)
		return KERNEL_CALL((pi_mutex_unlock(m->inheriting), 0));
	/* Release pairs with the acquire in word_try and word_wait. After it the mutex may be gone: only its address
	   is used. */
	if (__atomic_exchange_n(&m->state, FREE, __ATOMIC_RELEASE) == CONTENDED)
		futex_wake(&m->state, 1);
	return 0;
}
