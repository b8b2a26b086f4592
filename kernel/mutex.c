// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Sleeping locks over wait queues. An unlocked mutex is free for whoever comes first, which spares a switch when the
 * same thread takes it again; but a waiter that was woken and found it taken marks it starved, and the next unlock
 * hands it over. The holder inherits its waiters' priorities (kernel/pi.h). Sleeps; thread context, no spinlock held,
 * except for the unlocking and the trying calls, which never sleep.
 */

#include "kernel/mutex.h"

#include <assert.h>

#include "arch/hart.h"
#include "kernel/thread.h"

void mutex_init(struct mutex *m, const char *name)
{
	*m = (struct mutex)MUTEX_INIT(*m, name);
}

static void owner_set(struct mutex *m, struct thread *owner)
{
	__atomic_store_n(&m->owner, owner, __ATOMIC_RELAXED);
}

void mutex_lock(struct mutex *m)
{
	struct thread *self = thread_self();
	unsigned long flags;
	bool woken = false;

	assert(thread_may_sleep());
	lockcheck_take(&self->held, &m->class, m->lock.name);
	flags = spin_lock(&m->lock);
	assert(m->owner != self);
	while (m->owner && m->owner != self) {
		m->starved |= woken;
		wait_note_set((struct wait_note){.kind = "mutex", .holder = &m->owner});
		pi_wait(&m->pi, m->owner);
		waitq_wait(&m->waitq, &m->lock, &flags);
		woken = true;
	}
	owner_set(m, self);
	if (woken || waitq_first(&m->waitq))
		pi_acquire(&m->pi, waitq_first(&m->waitq));
	lockcheck_taken(&self->held, &m->class, m->lock.name);
	spin_unlock(&m->lock, flags);
	thread_locks_add(self, 1);
}

bool mutex_trylock(struct mutex *m)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&m->lock);
	bool taken = !m->owner;

	if (taken) {
		owner_set(m, self);
		if (waitq_first(&m->waitq))
			pi_acquire(&m->pi, waitq_first(&m->waitq));
		thread_locks_add(self, 1);
		lockcheck_taken(&self->held, &m->class, m->lock.name);
	}
	spin_unlock(&m->lock, flags);
	return taken;
}

void mutex_unlock(struct mutex *m)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&m->lock);

	assert(m->owner == self);
	owner_set(m, m->starved ? waitq_first(&m->waitq) : NULL);
	m->starved = false;
	/* First, or who is woken finds this thread's hart busy with a priority that is none of its own. */
	if (pi_in_use(&m->pi))
		pi_release(&m->pi);
	waitq_wake_one(&m->waitq);
	thread_locks_add(self, -1);
	lockcheck_given(&self->held, &m->class, m->lock.name);
	spin_unlock(&m->lock, flags);
}

bool mutex_owned(const struct mutex *m)
{
	/* Only this thread can make or end the equality, so no lock is needed to see it. */
	return __atomic_load_n(&m->owner, __ATOMIC_RELAXED) == thread_self();
}

void cond_init(struct cond *c, const char *name)
{
	*c = (struct cond)COND_INIT(*c, name);
}

int cond_wait_until(struct cond *c, struct mutex *m, nsec_t deadline)
{
	unsigned long flags;
	int err;

	assert(thread_may_sleep());
	flags = spin_lock(&c->lock);
	mutex_unlock(m);
	wait_note_set((struct wait_note){.kind = "condition"});
	err = waitq_wait_until(&c->waitq, &c->lock, &flags, deadline);
	spin_unlock(&c->lock, flags);
	mutex_lock(m);
	return err;
}

void cond_wait(struct cond *c, struct mutex *m)
{
	int err = cond_wait_until(c, m, UINT64_MAX);

	assert(err == 0);
	(void)err;
}

void cond_signal(struct cond *c)
{
	unsigned long flags = spin_lock(&c->lock);

	waitq_wake_one(&c->waitq);
	spin_unlock(&c->lock, flags);
}

void cond_broadcast(struct cond *c)
{
	unsigned long flags = spin_lock(&c->lock);

	waitq_wake_all(&c->waitq);
	spin_unlock(&c->lock, flags);
}
