// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Barriers, and spinlocks. The last to arrive at a barrier starts the next round and wakes the others; destroying waits
 * until all have left, so whoever was let go first may destroy at once. A spinlock's holder may have lost its hart, so
 * after some turns the one who waits gives way. May sleep; calls return a positive error number.
 */

#include <errno.h>
#include <pthread.h>

#include "arch/hart.h"
#include "kernel/thread.h"
#include "posix/futex.h"

#define SPINS 1000 // turns before giving way: some microseconds

int pthread_barrierattr_init(pthread_barrierattr_t *attr)
{
	attr->shared = PTHREAD_PROCESS_PRIVATE;
	return 0;
}

int pthread_barrierattr_destroy(pthread_barrierattr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_barrier_init(pthread_barrier_t *restrict b, const pthread_barrierattr_t *restrict attr, unsigned count)
{
	(void)attr;
	if (count == 0)
		return EINVAL;
	*b = (pthread_barrier_t){.lock = PTHREAD_MUTEX_INITIALIZER, .count = count};
	return 0;
}

int pthread_barrier_destroy(pthread_barrier_t *b)
{
	const struct wait_note what = {.kind = "pthread barrier", .object = b};
	uint32_t inside;
	bool busy;

	(void)pthread_mutex_lock(&b->lock); // normal mutex: cannot fail
	busy = b->arrived > 0;
	(void)pthread_mutex_unlock(&b->lock);
	if (busy)
		return EBUSY;
	/* Acquire pairs with the release in barrier_leave. */
	while ((inside = __atomic_load_n(&b->inside, __ATOMIC_ACQUIRE)) != 0)
		(void)futex_wait(&b->inside, inside, NULL, &what); // the loop looks again in any case
	return 0;
}

static void barrier_leave(pthread_barrier_t *b)
{
	if (__atomic_fetch_sub(&b->inside, 1, __ATOMIC_RELEASE) == 1)
		futex_wake(&b->inside, FUTEX_ALL); // of which only the address is used
}

int pthread_barrier_wait(pthread_barrier_t *b)
{
	const struct wait_note what = {.kind = "pthread barrier", .object = b};
	uint32_t round;
	bool last;

	__atomic_fetch_add(&b->inside, 1, __ATOMIC_RELAXED);
	(void)pthread_mutex_lock(&b->lock); // normal mutex: cannot fail
	round = b->round;
	last = ++b->arrived == b->count;
	if (last) {
		b->arrived = 0;
		/* Pairs with the acquire below; what the others did is seen through the mutex. */
		__atomic_store_n(&b->round, round + 1, __ATOMIC_RELEASE);
	}
	(void)pthread_mutex_unlock(&b->lock);
	if (last)
		futex_wake(&b->round, FUTEX_ALL);
	else
		while (__atomic_load_n(&b->round, __ATOMIC_ACQUIRE) == round)
			(void)futex_wait(&b->round, round, NULL, &what); // the loop looks again in any case
	barrier_leave(b);
	return last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

/* ---- spinlocks ---- */

int pthread_spin_init(pthread_spinlock_t *lock, int shared)
{
	if (shared != PTHREAD_PROCESS_PRIVATE && shared != PTHREAD_PROCESS_SHARED)
		return EINVAL;
	lock->owner = NULL;
	return 0;
}

int pthread_spin_destroy(pthread_spinlock_t *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) ? EBUSY : 0;
}

int pthread_spin_trylock(pthread_spinlock_t *lock)
{
	void *nobody = NULL;

	/* Acquire pairs with the release in pthread_spin_unlock. */
	return __atomic_compare_exchange_n(&lock->owner, &nobody, thread_self(), false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED)
		   ? 0
		   : EBUSY;
}

int pthread_spin_lock(pthread_spinlock_t *lock)
{
	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == thread_self())
		return EDEADLK;
	while (pthread_spin_trylock(lock)) {
		unsigned turns = 0;

		while (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) && turns++ < SPINS)
			;
		if (turns > SPINS)
			thread_yield();
	}
	return 0;
}

int pthread_spin_unlock(pthread_spinlock_t *lock)
{
	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != thread_self())
		return EPERM;
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELEASE);
	return 0;
}
