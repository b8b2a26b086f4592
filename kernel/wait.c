// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Wait queues. A waiter enters the queue and becomes WAITING before it gives up the caller's lock, and a waker holds
 * that lock, so no wake-up is lost. A time-out comes from the timer, which does not know the caller's lock: it only
 * makes the thread runnable, and the thread takes itself out of the queue when it has the lock again. If a waker took
 * it out first, it was woken and not timed out: a wake-up is never spent on a thread that then reports -ETIMEDOUT.
 * An interruption is like a time-out.
 */

#include "kernel/wait.h"

#include <assert.h>
#include <errno.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "kernel/sched.h"

void waitq_init(struct waitq *wq)
{
	list_init(&wq->waiters);
}

/* By priority, then in order. A priority that changes while its thread waits moves nobody. */
static void waiter_insert_locked(struct waitq *wq, struct thread *t)
{
	struct list_node *at = wq->waiters.prev;

	while (at != &wq->waiters && thread_priority(list_entry(at, struct thread, wait_node)) < thread_priority(t))
		at = at->prev;
	list_insert(at, at->next, &t->wait_node);
}

/* Relaxed: a field's value is all that is told. */
void wait_note_set(struct wait_note note)
{
	struct wait_note *to = &thread_self()->note;

	__atomic_store_n(&to->kind, note.kind, __ATOMIC_RELAXED);
	__atomic_store_n(&to->name, note.name, __ATOMIC_RELAXED);
	__atomic_store_n(&to->object, note.object, __ATOMIC_RELAXED);
	__atomic_store_n(&to->holder, note.holder, __ATOMIC_RELAXED);
}

struct wait_note wait_note_get(const struct thread *t)
{
	return (struct wait_note){
	    .kind = __atomic_load_n(&t->note.kind, __ATOMIC_RELAXED),
	    .name = __atomic_load_n(&t->note.name, __ATOMIC_RELAXED),
	    .object = __atomic_load_n(&t->note.object, __ATOMIC_RELAXED),
	    .holder = __atomic_load_n(&t->note.holder, __ATOMIC_RELAXED),
	};
}

static int wait_as(enum thread_state state, struct waitq *wq, struct spinlock *lock, unsigned long *flags,
		   nsec_t deadline)
{
	struct thread *self = thread_self();

	assert(self && self->spin_depth == 1 && spin_held(lock) && self->preempt_off == 0);
	assert(hart_self()->irq_depth == 0); // I1
	if (deadline != NEVER && deadline <= clock_now()) {
		wait_note_set((struct wait_note){0});
		return -ETIMEDOUT;
	}
	__atomic_store_n(&self->note.name, lock->name, __ATOMIC_RELAXED);
	waiter_insert_locked(wq, self);
	sched_block(state, deadline, lock, *flags);
	*flags = spin_lock(lock);
	wait_note_set((struct wait_note){0});
	if (list_empty(&self->wait_node))
		return 0;
	list_remove(&self->wait_node);
	if (state == THREAD_INTERRUPTIBLE && atomic_load_explicit(&self->interrupted, memory_order_relaxed))
		return -EINTR;
	return -ETIMEDOUT;
}

int waitq_wait_until(struct waitq *wq, struct spinlock *lock, unsigned long *flags, nsec_t deadline)
{
	return wait_as(THREAD_WAITING, wq, lock, flags, deadline);
}

int waitq_wait_interruptible(struct waitq *wq, struct spinlock *lock, unsigned long *flags, nsec_t deadline)
{
	return wait_as(THREAD_INTERRUPTIBLE, wq, lock, flags, deadline);
}

void waitq_wait(struct waitq *wq, struct spinlock *lock, unsigned long *flags)
{
	int err = waitq_wait_until(wq, lock, flags, NEVER);

	assert(err == 0);
	(void)err;
}

struct thread *waitq_first(struct waitq *wq)
{
	struct list_node *node = list_first(&wq->waiters);

	return node ? list_entry(node, struct thread, wait_node) : NULL;
}

void waitq_wake_one(struct waitq *wq)
{
	struct list_node *node = list_pop_front(&wq->waiters);

	if (node)
		sched_wake(list_entry(node, struct thread, wait_node));
}

void waitq_wake_all(struct waitq *wq)
{
	while (!list_empty(&wq->waiters))
		waitq_wake_one(wq);
}
