// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Ticket spinlocks. Taking one masks interrupts on this hart first, so that an interrupt's code can never spin on a
 * lock that the code it interrupted holds. The depth is counted in the thread, or in the thread that was interrupted;
 * before there are threads nothing is counted. Never sleeps; any context.
 */

#include "kernel/spinlock.h"

#include <assert.h>

#include "arch/hart.h"
#include "arch/irq.h"
#include "kernel/thread.h"

static atomic_bool emergency; // relaxed: set and read by the same hart, in the end

void spin_init(struct spinlock *lock, const char *name)
{
	*lock = (struct spinlock)SPINLOCK_INIT(name);
}

static void spin_entered(struct spinlock *lock, struct thread *self)
{
	atomic_store_explicit(&lock->holder, hart_self(), memory_order_relaxed);
	if (self)
		self->spin_depth++;
	lockcheck_taken(self ? &self->held : NULL, &lock->class, lock->name);
}

/* Apart, so that taking a free lock saves no registers. */
static __attribute__((noinline)) void spin_wait(struct spinlock *lock, unsigned ticket)
{
	/* Nobody else could release what this hart holds: a sure deadlock. */
	do {
		if (spin_is_emergency()) {
			atomic_store_explicit(&lock->serving, ticket, memory_order_relaxed);
			return;
		}
		assert(atomic_load_explicit(&lock->holder, memory_order_relaxed) != hart_self());
		hart_relax();
		/* Pairs with the release in spin_unlock. */
	} while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket);
}

unsigned long spin_lock(struct spinlock *lock)
{
	unsigned long flags = irq_save();
	struct thread *self = thread_self();
	unsigned ticket;

	lockcheck_take(self ? &self->held : NULL, &lock->class, lock->name);
	ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
	/* Pairs with the release in spin_unlock. */
	if (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket)
		spin_wait(lock, ticket);
	spin_entered(lock, self);
	return flags;
}

bool spin_trylock(struct spinlock *lock, unsigned long *flags)
{
	unsigned ticket;

	*flags = irq_save();
	/* Pairs with the release in spin_unlock: if next is serving's value, the lock is free and seen as left. */
	ticket = atomic_load_explicit(&lock->serving, memory_order_acquire);
	if (!atomic_compare_exchange_strong_explicit(&lock->next, &ticket, ticket + 1, memory_order_relaxed,
						     memory_order_relaxed)) {
		irq_restore(*flags);
		return false;
	}
	spin_entered(lock, thread_self());
	return true;
}

void spin_unlock(struct spinlock *lock, unsigned long flags)
{
	struct thread *self = thread_self();
	unsigned ticket = atomic_load_explicit(&lock->serving, memory_order_relaxed);

	assert(spin_held(lock));
	if (self)
		self->spin_depth--;
	lockcheck_given(self ? &self->held : NULL, &lock->class, lock->name);
	atomic_store_explicit(&lock->holder, NULL, memory_order_relaxed);
	/* Pairs with the acquire in spin_lock. The lock is not touched after: it may be freed by the next holder. */
	atomic_store_explicit(&lock->serving, ticket + 1, memory_order_release);
	irq_restore(flags);
}

bool spin_held(const struct spinlock *lock)
{
	return atomic_load_explicit(&lock->next, memory_order_relaxed) !=
	       atomic_load_explicit(&lock->serving, memory_order_relaxed);
}

void spin_emergency(void)
{
	atomic_store_explicit(&emergency, true, memory_order_relaxed);
}

bool spin_is_emergency(void)
{
	return atomic_load_explicit(&emergency, memory_order_relaxed);
}

unsigned spin_depth(void)
{
	struct thread *self = thread_self();

	return self ? self->spin_depth : 0;
}
