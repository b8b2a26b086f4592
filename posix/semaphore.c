// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Semaphores. Value and number of waiters are one word, so that after the post which may let the last user go, only
 * its address is used; waiters sleep on the half that is the value while that is 0. Waiting is a cancellation point.
 * Waiting calls sleep; sem_post does not.
 */

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "posix/clock.h"
#include "posix/futex.h"
#include "posix/result.h"

#define ONE_WAITER (1ull << 32)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the value is the first half");

static uint32_t value_of(uint64_t state)
{
	return (uint32_t)state;
}

static const uint32_t *value_word(const sem_t *sem)
{
	return (const uint32_t *)&sem->state;
}

/* Takes `amount`, which has 1 of the value in it, if the value is not 0. Acquire pairs with the release in sem_post. */
static bool take(sem_t *sem, uint64_t amount)
{
	uint64_t state = __atomic_load_n(&sem->state, __ATOMIC_RELAXED);

	while (value_of(state) > 0)
		if (__atomic_compare_exchange_n(&sem->state, &state, state - amount, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

int sem_init(sem_t *sem, int shared, unsigned value)
{
	(void)shared; // one process
	if (value > SEM_VALUE_MAX)
		return (int)result_posix(-EINVAL);
	__atomic_store_n(&sem->state, value, __ATOMIC_RELAXED);
	return 0;
}

int sem_destroy(sem_t *sem)
{
	return (int)result_posix(__atomic_load_n(&sem->state, __ATOMIC_RELAXED) >= ONE_WAITER ? -EBUSY : 0);
}

static int wait_until(sem_t *sem, const struct deadline *deadline)
{
	const struct wait_note what = {.kind = "semaphore", .object = sem};
	int err = 0;

	__atomic_fetch_add(&sem->state, ONE_WAITER, __ATOMIC_RELAXED);
	while (!take(sem, ONE_WAITER + 1)) {
		err = futex_wait_cancel(value_word(sem), 0, deadline, &what);
		if (err == -ETIMEDOUT || err == -EINTR) {
			__atomic_fetch_sub(&sem->state, ONE_WAITER, __ATOMIC_RELAXED);
			if (err == -EINTR)
				pthread_testcancel();
			return err;
		}
	}
	return 0;
}

int sem_wait(sem_t *sem)
{
	pthread_testcancel();
	return take(sem, 1) ? 0 : (int)result_posix(wait_until(sem, NULL));
}

int sem_trywait(sem_t *sem)
{
	return take(sem, 1) ? 0 : (int)result_posix(-EAGAIN);
}

/* The time is not looked at when there is no need to wait. */
int sem_clockwait(sem_t *restrict sem, clockid_t clock, const struct timespec *restrict ts)
{
	struct deadline deadline;
	int err;

	pthread_testcancel();
	if (take(sem, 1))
		return 0;
	err = -clock_deadline(clock, ts, &deadline);
	return (int)result_posix(err ? err : wait_until(sem, &deadline));
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict ts)
{
	return sem_clockwait(sem, CLOCK_REALTIME, ts);
}

int sem_post(sem_t *sem)
{
	uint64_t state = __atomic_load_n(&sem->state, __ATOMIC_RELAXED);

	do {
		if (value_of(state) == SEM_VALUE_MAX)
			return (int)result_posix(-EOVERFLOW);
	} while (
	    !__atomic_compare_exchange_n(&sem->state, &state, state + 1, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (state >= ONE_WAITER)
		futex_wake(value_word(sem), 1);
	return 0;
}

int sem_getvalue(sem_t *restrict sem, int *restrict value)
{
	*value = (int)value_of(__atomic_load_n(&sem->state, __ATOMIC_RELAXED));
	return 0;
}
