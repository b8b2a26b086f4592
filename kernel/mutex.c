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

void mutex_lock(struct mutex *m)
{
	struct thread *self = thread_self();
	unsigned long flags;
	bool woken = false;

	assert(thread_may_sleep());
	flags = spin_lock(&m->lock);
	assert(m->owner != self);
	while (m->owner && m->owner != self) {
		m->starved |= woken;
		self->note = (struct wait_note){.kind = "mutex", .holder = &m->owner};
		pi_wait(&m->pi, m->owner);
		waitq_wait(&m->waitq, &m->lock, &flags);
		woken = true;
	}
	m->owner = self;
	if (woken || waitq_first(&m->waitq))
		pi_acquire(&m->pi, waitq_first(&m->waitq));
	spin_unlock(&m->lock, flags);
	self->locks_held++;
}

bool mutex_trylock(struct mutex *m)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&m->lock);
	bool taken = !m->owner;

	if (taken) {
		m->owner = self;
		if (waitq_first(&m->waitq))
			pi_acquire(&m->pi, waitq_first(&m->waitq));
		self->locks_held++;
	}
	spin_unlock(&m->lock, flags);
	return taken;
}

void mutex_unlock(struct mutex *m)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&m->lock);

	assert(m->owner == self);
	m->owner = m->starved ? waitq_first(&m->waitq) : NULL;
	m->starved = false;
	waitq_wake_one(&m->waitq);
	if (pi_in_use(&m->pi))
		pi_release(&m->pi);
	self->locks_held--;
	spin_unlock(&m->lock, flags);
}

bool mutex_owned(const struct mutex *m)
{
	/* Only this thread can make or end the equality, so no lock is needed to see it. */
	return *(struct thread *const volatile *)&m->owner == thread_self();
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
	thread_self()->note.kind = "condition";
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
