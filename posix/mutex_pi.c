// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mutexes whose holder inherits its waiters' priorities (kernel/pi.h). They lie in kernel memory, since that is
 * followed from thread to thread under spinlocks. A waiter that was woken in vain is handed the mutex next, as with the
 * kernel's own. Order: the list's lock -> a mutex's -> kernel/pi.c's. Locking sleeps, the other calls do not.
 */

#include "posix/mutex_pi.h"

#include <errno.h>

#include "arch/hart.h"
#include "kernel/pi.h"
#include "mm/kmalloc.h"

struct pi_mutex {
	struct spinlock lock; // guards the rest
	struct thread *owner; // NULL: free, or abandoned
	bool abandoned;	      // the owner has ended: nobody gets it any more
	bool starved;	      // a waiter was woken in vain: the next unlock hands the mutex to the first of the queue
	bool handed;	      // to the owner, who does not know yet
	struct waitq waitq;
	struct pi pi;

	struct list_node held_node; // in the owner's posix_thread.pi_held; own use of the owner
	struct list_node all_node;  // guarded by the list's lock
};

static struct {
	struct spinlock lock;
	struct list_node mutexes; // struct pi_mutex.all_node
} all = {.lock = SPINLOCK_INIT("pi mutexes"), .mutexes = LIST_INIT(all.mutexes)};

struct pi_mutex *pi_mutex_make(void)
{
	struct pi_mutex *m = kzalloc(sizeof(*m));
	unsigned long flags;

	if (!m)
		return NULL;
	spin_init(&m->lock, "pi mutex");
	waitq_init(&m->waitq);
	list_init(&m->held_node);
	flags = spin_lock(&all.lock);
	list_push_back(&all.mutexes, &m->all_node);
	spin_unlock(&all.lock, flags);
	return m;
}

int pi_mutex_destroy(struct pi_mutex *m)
{
	unsigned long all_flags = spin_lock(&all.lock), flags = spin_lock(&m->lock);
	bool busy = m->owner || m->abandoned;

	if (!busy)
		list_remove(&m->all_node);
	spin_unlock(&m->lock, flags);
	spin_unlock(&all.lock, all_flags);
	if (busy)
		return EBUSY;
	kfree(m);
	return 0;
}

static void acquire_locked(struct pi_mutex *m, bool waited)
{
	m->owner = thread_self();
	m->handed = false;
	if (waited || waitq_first(&m->waitq))
		pi_acquire(&m->pi, waitq_first(&m->waitq));
}

static void note_held(struct pi_mutex *m)
{
	list_push_back(&posix_self()->pi_held, &m->held_node);
}

int pi_mutex_trylock(struct pi_mutex *m)
{
	unsigned long flags = spin_lock(&m->lock);
	bool taken = !m->owner && !m->abandoned;

	if (taken)
		acquire_locked(m, false);
	spin_unlock(&m->lock, flags);
	if (taken)
		note_held(m);
	return taken ? 0 : EBUSY;
}

/* Somebody has it (this thread's own waiting for it is a deadlock, as it should be), or nobody gets it. */
static bool is_taken_locked(const struct pi_mutex *m)
{
	return m->abandoned || (m->owner && !(m->handed && m->owner == thread_self()));
}

int pi_mutex_lock(struct pi_mutex *m, const struct deadline *deadline)
{
	unsigned long flags = spin_lock(&m->lock);
	bool waited = false, taken;
	int err = 0;

	while ((taken = is_taken_locked(m)) && !err) {
		m->starved |= waited;
		wait_note_set((struct wait_note){.kind = "pthread mutex", .object = m, .holder = &m->owner});
		if (m->owner)
			pi_wait(&m->pi, m->owner);
		err = waitq_wait_until(&m->waitq, &m->lock, &flags, deadline ? deadline_now(deadline) : UINT64_MAX);
		waited = true;
	}
	if (!taken)
		acquire_locked(m, waited);
	else if (waited)
		pi_give_up(&m->pi, waitq_first(&m->waitq));
	spin_unlock(&m->lock, flags);
	if (taken)
		return ETIMEDOUT;
	note_held(m);
	return 0;
}

void pi_mutex_unlock(struct pi_mutex *m)
{
	unsigned long flags;

	list_remove(&m->held_node);
	flags = spin_lock(&m->lock);
	m->owner = m->starved ? waitq_first(&m->waitq) : NULL;
	m->handed = m->owner;
	m->starved = false;
	if (pi_in_use(&m->pi))
		pi_release(&m->pi); // before, as in mutex_unlock
	waitq_wake_one(&m->waitq);
	spin_unlock(&m->lock, flags); // after which it may be gone
}

void pi_mutexes_abandon(struct posix_thread *self)
{
	struct list_node *node;

	while ((node = list_pop_front(&self->pi_held))) {
		struct pi_mutex *m = list_entry(node, struct pi_mutex, held_node);
		unsigned long flags = spin_lock(&m->lock);

		m->owner = NULL;
		m->abandoned = true;
		if (pi_in_use(&m->pi))
			pi_release(&m->pi);
		spin_unlock(&m->lock, flags);
	}
}

void pi_mutexes_clock_set(void)
{
	unsigned long all_flags = spin_lock(&all.lock);

	list_for_each (&all.mutexes, it) {
		struct pi_mutex *m = list_entry(it, struct pi_mutex, all_node);
		unsigned long flags = spin_lock(&m->lock);

		waitq_wake_all(&m->waitq);
		spin_unlock(&m->lock, flags);
	}
	spin_unlock(&all.lock, all_flags);
}
