// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Priority inheritance, kernel/pi.h. A thread's priority is the highest of its own (thread.base_priority) and of the
 * tops of what it holds and others wait for (thread.pi_held). One spinlock for all of that, taken only where somebody
 * waits; order: a lock's own spinlock -> it -> run queues.
 */

#include "kernel/pi.h"

#include <assert.h>

#include "arch/hart.h"
#include "kernel/sched.h"

static struct spinlock pi_lock = SPINLOCK_INIT("priorities");

static unsigned wanted_locked(const struct thread *t)
{
	unsigned priority = t->base_priority;

	list_for_each (&t->pi_held, it)
		priority = max_of(priority, list_entry(it, struct pi, node)->top);
	return priority;
}

/*
 * The thread's priority may have changed: that of whom it waits for rises with it, and so on. It does not sink with it:
 * that comes when the lock is released.
 */
static void raise_locked(struct thread *t)
{
	while (t) {
		unsigned priority = wanted_locked(t);
		struct pi *pi = t->pi_waits;

		if (priority != thread_priority(t))
			sched_set_priority(t, priority);
		if (!pi || pi->top >= priority)
			return;
		pi->top = priority;
		t = pi->owner;
	}
}

static void leave_owner_locked(struct pi *pi)
{
	struct thread *owner = pi->owner;

	if (!owner)
		return;
	list_remove(&pi->node);
	pi->owner = NULL;
	pi->top = 0;
	sched_set_priority(owner, wanted_locked(owner));
}

static void join_owner_locked(struct pi *pi, struct thread *owner)
{
	leave_owner_locked(pi);
	pi->owner = owner;
	pi->top = 0; // it may have risen with that of a thread that was woken
	list_push_back(&owner->pi_held, &pi->node);
}

void pi_wait(struct pi *pi, struct thread *owner)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&pi_lock);

	if (pi->owner != owner)
		join_owner_locked(pi, owner);
	self->pi_waits = pi;
	raise_locked(self);
	spin_unlock(&pi_lock, flags);
}

void pi_give_up(struct pi *pi, const struct thread *first)
{
	struct thread *owner;
	unsigned long flags = spin_lock(&pi_lock);

	thread_self()->pi_waits = NULL;
	owner = pi->owner;
	if (owner && !first)
		leave_owner_locked(pi);
	if (owner && first) {
		pi->top = thread_priority(first);
		sched_set_priority(owner, wanted_locked(owner));
	}
	spin_unlock(&pi_lock, flags);
}

void pi_acquire(struct pi *pi, const struct thread *first)
{
	struct thread *self = thread_self();
	unsigned long flags = spin_lock(&pi_lock);

	self->pi_waits = NULL;
	if (first) {
		join_owner_locked(pi, self);
		pi->top = thread_priority(first);
		raise_locked(self);
	}
	spin_unlock(&pi_lock, flags);
}

void pi_release(struct pi *pi)
{
	unsigned long flags = spin_lock(&pi_lock);

	leave_owner_locked(pi);
	spin_unlock(&pi_lock, flags);
}

void thread_set_priority(struct thread *t, unsigned priority)
{
	unsigned long flags = spin_lock(&pi_lock);

	assert(priority < THREAD_PRIORITIES);
	t->base_priority = priority;
	raise_locked(t);
	spin_unlock(&pi_lock, flags);
}
