// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Waiting for a condition that a spinlock guards. The waiter holds that lock, checks, and calls waitq_wait, which
 * queues the thread and gives the lock up in one step; the waker holds the same lock, so no wake-up is lost:
 *
 *	flags = spin_lock(&x->lock);
 *	while (!x->ready)
 *		waitq_wait(&x->waitq, &x->lock, &flags);
 *	spin_unlock(&x->lock, flags);
 */
#pragma once

#include "kernel/spinlock.h"
#include "lib/list.h"

struct thread;

struct waitq {
	struct list_node
	    waiters; // struct thread.wait_node, highest priority first; guarded by the spinlock that the callers hold
};

#define WAITQ_INIT(wq)                                                                                                 \
	{                                                                                                              \
		LIST_INIT((wq).waiters)                                                                                \
	}

void waitq_init(struct waitq *wq);

/*
 * What a thread waits for, for reports (kernel/report.c). Who knows more than the name of the queue's spinlock notes it
 * before waitq_wait; it is valid for that one wait.
 */
struct wait_note {
	const char *kind;   // "mutex"; NULL: a queue
	const char *name;   // waitq_wait's: of the spinlock; NULL: not in a queue
	const void *object; // NULL: the name tells it
	const void *holder; // address of a pointer to the thread that has it; may be the application's memory
};
void wait_note_set(struct wait_note note); // of the calling thread
/* Of a thread that may change it meanwhile: each field is whole, but they need not belong together. */
struct wait_note wait_note_get(const struct thread *t);

/* Sleeps until woken; the lock is held again on return. Loop on the condition: another thread may have been first. */
void waitq_wait(struct waitq *wq, struct spinlock *lock, unsigned long *flags);

/* As waitq_wait; -ETIMEDOUT when the clock passed deadline first, else 0. */
int waitq_wait_until(struct waitq *wq, struct spinlock *lock, unsigned long *flags, nsec_t deadline);

/* As waitq_wait_until; -EINTR when thread_interrupt came first. Woken goes before both. */
int waitq_wait_interruptible(struct waitq *wq, struct spinlock *lock, unsigned long *flags, nsec_t deadline);

/* The thread that waitq_wake_one would wake, or NULL: for locks that are handed over. */
struct thread *waitq_first(struct waitq *wq);

/* Caller holds the lock that the waiters gave up. Any context. */
void waitq_wake_one(struct waitq *wq);
void waitq_wake_all(struct waitq *wq);
