// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Reader-writer locks, handed over: whoever leaves last gives the lock to the next in turn under the spinlock, so a
 * waiter owns it when it wakes. Readers are let in by phase: all that waited when a writer left. Sleeps; thread
 * context, no spinlock held, except for the unlocking and the trying calls, which never sleep.
 */

#include <assert.h>

#include "arch/hart.h"
#include "kernel/mutex.h"
#include "kernel/thread.h"

void rwlock_init(struct rwlock *rw, const char *name)
{
	*rw = (struct rwlock)RWLOCK_INIT(*rw, name);
}

static void writer_set(struct rwlock *rw, struct thread *writer)
{
	__atomic_store_n(&rw->writer, writer, __ATOMIC_RELAXED);
}

static void rwlock_give_writer_locked(struct rwlock *rw)
{
	writer_set(rw, waitq_first(&rw->waitq_write));
	waitq_wake_one(&rw->waitq_write);
}

static void rwlock_give_readers_locked(struct rwlock *rw)
{
	rw->readers = rw->readers_waiting;
	rw->readers_waiting = 0;
	rw->phase++;
	waitq_wake_all(&rw->waitq_read);
}

void rwlock_lock_read(struct rwlock *rw)
{
	struct thread *self = thread_self();
	unsigned long flags;
	unsigned phase;

	assert(thread_may_sleep());
	lockcheck_take(&self->held, &rw->class, rw->lock.name);
	flags = spin_lock(&rw->lock);
	assert(rw->writer != self);
	if (!rw->writer && !rw->writers_waiting) {
		rw->readers++;
	} else {
		rw->readers_waiting++;
		for (phase = rw->phase; phase == rw->phase;) {
			wait_note_set((struct wait_note){.kind = "rwlock to read", .holder = &rw->writer});
			waitq_wait(&rw->waitq_read, &rw->lock, &flags);
		}
	}
	lockcheck_taken(&self->held, &rw->class, rw->lock.name);
	spin_unlock(&rw->lock, flags);
	thread_locks_add(self, 1);
}

bool rwlock_trylock_read(struct rwlock *rw)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&rw->lock);
	bool taken = !rw->writer && !rw->writers_waiting;

	if (taken) {
		rw->readers++;
		thread_locks_add(self, 1);
		lockcheck_taken(&self->held, &rw->class, rw->lock.name);
	}
	spin_unlock(&rw->lock, flags);
	return taken;
}

void rwlock_unlock_read(struct rwlock *rw)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&rw->lock);

	assert(rw->readers > 0);
	if (--rw->readers == 0)
		rwlock_give_writer_locked(rw);
	thread_locks_add(self, -1);
	lockcheck_given(&self->held, &rw->class, rw->lock.name);
	spin_unlock(&rw->lock, flags);
}

void rwlock_lock_write(struct rwlock *rw)
{
	struct thread *self = thread_self();
	unsigned long flags;

	assert(thread_may_sleep());
	lockcheck_take(&self->held, &rw->class, rw->lock.name);
	flags = spin_lock(&rw->lock);
	assert(rw->writer != self);
	if (!rw->writer && !rw->readers) {
		writer_set(rw, self);
	} else {
		rw->writers_waiting++;
		while (rw->writer != self) {
			wait_note_set((struct wait_note){.kind = "rwlock to write", .holder = &rw->writer});
			waitq_wait(&rw->waitq_write, &rw->lock, &flags);
		}
		rw->writers_waiting--;
	}
	lockcheck_taken(&self->held, &rw->class, rw->lock.name);
	spin_unlock(&rw->lock, flags);
	thread_locks_add(self, 1);
}

bool rwlock_trylock_write(struct rwlock *rw)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&rw->lock);
	bool taken = !rw->writer && !rw->readers;

	if (taken) {
		writer_set(rw, self);
		thread_locks_add(self, 1);
		lockcheck_taken(&self->held, &rw->class, rw->lock.name);
	}
	spin_unlock(&rw->lock, flags);
	return taken;
}

void rwlock_unlock_write(struct rwlock *rw)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&rw->lock);

	assert(rw->writer == self);
	writer_set(rw, NULL);
	if (rw->readers_waiting)
		rwlock_give_readers_locked(rw);
	else
		rwlock_give_writer_locked(rw);
	thread_locks_add(self, -1);
	lockcheck_given(&self->held, &rw->class, rw->lock.name);
	spin_unlock(&rw->lock, flags);
}

bool rwlock_owned_write(const struct rwlock *rw)
{
	/* Only this thread can make or end the equality, so no lock is needed to see it. */
	return __atomic_load_n(&rw->writer, __ATOMIC_RELAXED) == thread_self();
}
