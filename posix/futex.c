// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Futexes: a hashed table of waiters. The word is application memory and may not be resident, and it must be looked at
 * under the bucket's spinlock, since a waker changes the word before it takes that lock. So it is touched first, which
 * may fault and sleep, and then read without serving a fault; if it has gone meanwhile, again from the start.
 */

#include "posix/futex.h"

#include <errno.h>
#include <limits.h>

#include "arch/hart.h"
#include "kernel/thread.h"
#include "posix/call.h"
#include "posix/thread.h"
#include "posix/user.h"

#define BUCKETS 64

struct futex_waiter {
	const uint32_t *word; // constant

	/* Guarded by the bucket's lock. */
	struct list_node node; // in the bucket, by priority and then in order of arrival
	unsigned priority;
	bool woken, interrupted, wall;
	struct waitq waitq;
};

static struct futex_bucket {
	struct spinlock lock;
	struct list_node waiters; // struct futex_waiter.node; prev NULL: not yet made
} buckets[BUCKETS] = {[0 ... BUCKETS - 1] = {.lock = SPINLOCK_INIT("futex")}};

static struct futex_bucket *bucket_lock(const uint32_t *word, unsigned long *flags)
{
	struct futex_bucket *b = &buckets[((vaddr_t)word >> 2 ^ (vaddr_t)word >> 12) % BUCKETS];

	*flags = spin_lock(&b->lock);
	if (!b->waiters.prev)
		list_init(&b->waiters);
	return b;
}

/*
 * Leaves with the bucket locked and 0 if the word is as expected, unlocked and -EAGAIN otherwise; also if it cannot be
 * had any more, for the caller looks at it again, outside the call.
 */
static int wait_begin(const uint32_t *word, uint32_t expected, struct futex_bucket **b, unsigned long *flags)
{
	uint32_t value;

	for (;;) {
		if (user_get(&value, word) || value != expected)
			return -EAGAIN;
		*b = bucket_lock(word, flags);
		if (uaccess_peek32(word, &value))
			break;
		spin_unlock(&(*b)->lock, *flags);
	}
	if (value == expected)
		return 0;
	spin_unlock(&(*b)->lock, *flags);
	return -EAGAIN;
}

static void waiter_insert_locked(struct futex_bucket *b, struct futex_waiter *w)
{
	struct list_node *at = b->waiters.prev;

	w->priority = thread_priority(thread_self());
	while (at != &b->waiters && list_entry(at, struct futex_waiter, node)->priority < w->priority)
		at = at->prev;
	list_insert(at, at->next, &w->node);
}

/* A wake-up counts before an interruption, and that before the time. */
static int wait_as(struct futex_waiter *self, uint32_t expected, const struct deadline *deadline,
		   const struct wait_note *what)
{
	struct futex_bucket *b;
	unsigned long flags;
	int err = wait_begin(self->word, expected, &b, &flags);

	if (err)
		return err;
	waiter_insert_locked(b, self);
	while (!self->woken && !self->interrupted && !err) {
		wait_note_set(*what);
		err = waitq_wait_interruptible(&self->waitq, &b->lock, &flags,
					       deadline ? deadline_now(deadline) : UINT64_MAX);
	}
	if (!self->woken)
		list_remove(&self->node);
	if (self->woken)
		err = 0;
	else if (self->interrupted)
		err = -EINTR;
	spin_unlock(&b->lock, flags);
	return err;
}

/* As the call that it is: true if the word is as expected. One that cannot be had is a signal's to tell, before that.
 */
static bool word_is(const uint32_t *word, uint32_t expected)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED) == expected;
}

/* After the handlers; one of them that restarts calls leaves it to the caller to look again. */
static int wait_end(struct thread *caller, int err, bool cancelled)
{
	return call_end(caller) != SIGNAL_EINTR && err == -EINTR && !cancelled ? -EAGAIN : err;
}

int futex_wait(const uint32_t *word, uint32_t expected, const struct deadline *deadline, const struct wait_note *what)
{
	struct futex_waiter self = {.word = word, .wall = deadline && deadline->wall};
	struct thread *caller;

	if (!word_is(word, expected))
		return -EAGAIN;
	waitq_init(&self.waitq);
	caller = call_begin();
	return wait_end(caller, wait_as(&self, expected, deadline, what), false);
}

/* Shown to futex_interrupt before the look at the request: one of the two sees the other. */
static int wait_cancel(const uint32_t *word, uint32_t expected, const struct deadline *deadline,
		       const struct wait_note *what)
{
	struct posix_thread *t = posix_self();
	struct futex_waiter self = {.word = word, .wall = deadline && deadline->wall};
	unsigned long flags;
	int err = -EINTR;

	waitq_init(&self.waitq);
	if (!cancel_enabled(t))
		return wait_as(&self, expected, deadline, what);
	flags = spin_lock(&t->wait_lock);
	t->waiter = &self;
	spin_unlock(&t->wait_lock, flags);
	if (!cancel_requested(t))
		err = wait_as(&self, expected, deadline, what);
	flags = spin_lock(&t->wait_lock);
	t->waiter = NULL;
	spin_unlock(&t->wait_lock, flags);
	return err;
}

int futex_wait_cancel(const uint32_t *word, uint32_t expected, const struct deadline *deadline,
		      const struct wait_note *what)
{
	struct posix_thread *t = posix_self();
	struct thread *caller;
	int err;

	if (!word_is(word, expected))
		return -EAGAIN;
	caller = call_begin();
	err = wait_cancel(word, expected, deadline, what);
	return wait_end(caller, err, cancel_enabled(t) && cancel_requested(t));
}

void futex_interrupt(struct posix_thread *t)
{
	unsigned long flags = spin_lock(&t->wait_lock), bucket_flags;
	struct futex_bucket *b;

	if (t->waiter) {
		b = bucket_lock(t->waiter->word, &bucket_flags);
		t->waiter->interrupted = true;
		waitq_wake_one(&t->waiter->waitq);
		spin_unlock(&b->lock, bucket_flags);
	}
	spin_unlock(&t->wait_lock, flags);
}

void futex_wake(const uint32_t *word, unsigned count)
{
	unsigned long flags;
	struct futex_bucket *b = bucket_lock(word, &flags);

	list_for_each_safe (&b->waiters, it, next) {
		struct futex_waiter *w = list_entry(it, struct futex_waiter, node);

		if (w->word != word)
			continue;
		if (count-- == 0)
			break;
		list_remove(&w->node);
		w->woken = true;
		waitq_wake_one(&w->waitq);
	}
	spin_unlock(&b->lock, flags);
}

/* Whoever turned the deadline into a time-out before the clock was set is in a bucket by now, or holds its lock. */
void futex_clock_set(void)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		unsigned long flags = spin_lock(&buckets[i].lock);

		if (buckets[i].waiters.prev) {
			list_for_each (&buckets[i].waiters, it) {
				struct futex_waiter *w = list_entry(it, struct futex_waiter, node);

				if (w->wall)
					waitq_wake_one(&w->waitq);
			}
		}
		spin_unlock(&buckets[i].lock, flags);
	}
}
