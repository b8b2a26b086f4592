// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Reader-writer locks. A waiting writer keeps new readers out, but not a thread that reads under some rwlock already,
 * so taking a read lock again cannot deadlock. When a writer leaves, or gives up waiting, all readers that wait are let
 * in at once, before the next writer: neither side starves. The lock is handed to the next writer, never left free for
 * whoever comes first, so writers do not starve each other either. May sleep; calls return a positive error number.
 */

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "posix/clock.h"
#include "posix/futex.h"
#include "posix/thread.h"

int pthread_rwlockattr_init(pthread_rwlockattr_t *attr)
{
	attr->shared = PTHREAD_PROCESS_PRIVATE;
	return 0;
}

int pthread_rwlockattr_destroy(pthread_rwlockattr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_rwlock_init(pthread_rwlock_t *restrict rw, const pthread_rwlockattr_t *restrict attr)
{
	(void)attr;
	*rw = (pthread_rwlock_t)PTHREAD_RWLOCK_INITIALIZER;
	return 0;
}

/* The lock inside is a normal mutex: locking it and unlocking it by its owner cannot fail. */
static void lock_inside(pthread_rwlock_t *rw)
{
	(void)pthread_mutex_lock(&rw->lock);
}

static void unlock_inside(pthread_rwlock_t *rw)
{
	(void)pthread_mutex_unlock(&rw->lock);
}

int pthread_rwlock_destroy(pthread_rwlock_t *rw)
{
	bool busy;

	lock_inside(rw);
	busy = rw->readers || rw->writer || rw->readers_waiting || rw->writers;
	unlock_inside(rw);
	return busy ? EBUSY : 0;
}

/* 0: a reader may enter; EBUSY, or what makes waiting vain. */
static int read_check_locked(const pthread_rwlock_t *rw, const struct posix_thread *self)
{
	if (rw->writer)
		return rw->writer == self->thread ? EDEADLK : EBUSY;
	if (rw->readers == UINT_MAX)
		return EAGAIN;
	return rw->writers && !self->read_locks ? EBUSY : 0;
}

static int write_check_locked(const pthread_rwlock_t *rw, const struct posix_thread *self)
{
	if (rw->writer == self->thread)
		return EDEADLK;
	return rw->writer || rw->readers ? EBUSY : 0;
}

/* All readers that wait have the lock from now on. True: they are to be woken. */
static bool admit_readers_locked(pthread_rwlock_t *rw)
{
	if (!rw->readers_waiting)
		return false;
	rw->readers += rw->readers_waiting;
	rw->readers_waiting = 0;
	__atomic_store_n(&rw->phase, rw->phase + 1, __ATOMIC_RELAXED);
	return true;
}

/* Gives up the lock inside while it waits for admission. 0 or ETIMEDOUT. */
static int read_wait_locked(pthread_rwlock_t *rw, const struct deadline *deadline)
{
	const struct wait_note what = {.kind = "pthread rwlock", .object = rw, .holder = &rw->writer};
	uint32_t phase = rw->phase;
	int err = 0;

	rw->readers_waiting++;
	while (rw->phase == phase && err != -ETIMEDOUT) {
		unlock_inside(rw);
		err = futex_wait(&rw->phase, phase, deadline, &what);
		lock_inside(rw);
	}
	if (rw->phase != phase)
		return 0;
	rw->readers_waiting--;
	return ETIMEDOUT;
}

/* clock < 0: does not wait; ts NULL: waits for ever. */
static int read_lock(pthread_rwlock_t *rw, clockid_t clock, const struct timespec *ts)
{
	struct posix_thread *self = posix_self();
	struct deadline deadline;
	int err, time_err = ts ? clock_deadline(clock, ts, &deadline) : 0;

	lock_inside(rw);
	err = read_check_locked(rw, self);
	if (!err)
		rw->readers++;
	else if (err == EBUSY)
		err = time_err ? time_err : read_wait_locked(rw, ts ? &deadline : NULL);
	unlock_inside(rw);
	if (!err)
		self->read_locks++;
	return err;
}

int pthread_rwlock_rdlock(pthread_rwlock_t *rw)
{
	return read_lock(rw, CLOCK_REALTIME, NULL);
}

int pthread_rwlock_tryrdlock(pthread_rwlock_t *rw)
{
	struct posix_thread *self = posix_self();
	int err;

	lock_inside(rw);
	err = read_check_locked(rw, self);
	if (!err)
		rw->readers++;
	unlock_inside(rw);
	if (!err)
		self->read_locks++;
	return err == EDEADLK ? EBUSY : err;
}

int pthread_rwlock_clockrdlock(pthread_rwlock_t *restrict rw, clockid_t clock, const struct timespec *restrict ts)
{
	return read_lock(rw, clock, ts);
}

int pthread_rwlock_timedrdlock(pthread_rwlock_t *restrict rw, const struct timespec *restrict ts)
{
	return read_lock(rw, CLOCK_REALTIME, ts);
}

/* A writer that waits, on its own stack. Guarded by the lock inside. */
struct rwlock_writer {
	struct rwlock_writer *next;
	struct thread *thread;
	unsigned priority;
	uint32_t has_it; // the word that it sleeps on
};

/* By priority, then in order. */
static struct rwlock_writer **place_of(pthread_rwlock_t *rw, unsigned priority)
{
	struct rwlock_writer **at = &rw->writers;

	while (*at && (*at)->priority >= priority)
		at = &(*at)->next;
	return at;
}

static void writer_remove_locked(pthread_rwlock_t *rw, const struct rwlock_writer *w)
{
	struct rwlock_writer **at = &rw->writers;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

/* The first of the writers has the lock from now on. The word to wake it by, or NULL: there is none. */
static uint32_t *hand_over_locked(pthread_rwlock_t *rw)
{
	struct rwlock_writer *w = rw->writers;

	if (!w)
		return NULL;
	rw->writers = w->next;
	rw->writer = w->thread;
	__atomic_store_n(&w->has_it, 1, __ATOMIC_RELAXED);
	return &w->has_it;
}

/* Gives up the lock inside while it waits. A writer that gives up lets in the readers whom it alone kept out. */
static int write_wait_locked(pthread_rwlock_t *rw, const struct posix_thread *self, const struct deadline *deadline)
{
	const struct wait_note what = {.kind = "pthread rwlock", .object = rw, .holder = &rw->writer};
	struct rwlock_writer w = {.thread = self->thread, .priority = thread_priority(self->thread)};
	struct rwlock_writer **place = place_of(rw, w.priority);
	int err = 0;

	w.next = *place;
	*place = &w;
	while (!w.has_it && err != -ETIMEDOUT) {
		unlock_inside(rw);
		err = futex_wait(&w.has_it, 0, deadline, &what);
		lock_inside(rw);
	}
	if (w.has_it)
		return 0;
	writer_remove_locked(rw, &w);
	if (!rw->writers && !rw->writer && admit_readers_locked(rw))
		futex_wake(&rw->phase, FUTEX_ALL);
	return ETIMEDOUT;
}

static int write_lock(pthread_rwlock_t *rw, clockid_t clock, const struct timespec *ts)
{
	struct posix_thread *self = posix_self();
	struct deadline deadline;
	int err, time_err = ts ? clock_deadline(clock, ts, &deadline) : 0;

	lock_inside(rw);
	err = write_check_locked(rw, self);
	if (err == EBUSY)
		err = time_err ? time_err : write_wait_locked(rw, self, ts ? &deadline : NULL);
	else if (!err)
		rw->writer = self->thread;
	unlock_inside(rw);
	return err;
}

int pthread_rwlock_wrlock(pthread_rwlock_t *rw)
{
	return write_lock(rw, CLOCK_REALTIME, NULL);
}

int pthread_rwlock_trywrlock(pthread_rwlock_t *rw)
{
	struct posix_thread *self = posix_self();
	bool free;

	lock_inside(rw);
	free = !write_check_locked(rw, self);
	if (free)
		rw->writer = self->thread;
	unlock_inside(rw);
	return free ? 0 : EBUSY;
}

int pthread_rwlock_clockwrlock(pthread_rwlock_t *restrict rw, clockid_t clock, const struct timespec *restrict ts)
{
	return write_lock(rw, clock, ts);
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t *restrict rw, const struct timespec *restrict ts)
{
	return write_lock(rw, CLOCK_REALTIME, ts);
}

/* After the lock inside is given up the rwlock may be gone, and the writer's stack too: only addresses are used. */
int pthread_rwlock_unlock(pthread_rwlock_t *rw)
{
	struct posix_thread *self = posix_self();
	uint32_t *writer = NULL;
	bool readers = false;
	int err = 0;

	lock_inside(rw);
	if (rw->writer == self->thread) {
		rw->writer = NULL;
		readers = admit_readers_locked(rw);
		if (!readers)
			writer = hand_over_locked(rw);
	} else if (!rw->writer && rw->readers && self->read_locks) {
		rw->readers--;
		self->read_locks--;
		if (!rw->readers)
			writer = hand_over_locked(rw);
	} else {
		err = EPERM;
	}
	unlock_inside(rw);
	if (readers)
		futex_wake(&rw->phase, FUTEX_ALL);
	if (writer)
		futex_wake(writer, 1);
	return err;
}
