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

#include "arch/uaccess.h"
#include "kernel/wait.h"
#include "posix/call.h"

#define BUCKETS 64

struct futex_waiter {
	struct list_node node; // in the bucket, in order of arrival
	const uint32_t *word;
	bool woken;
	struct waitq waitq;
};

static struct futex_bucket {
	struct spinlock lock;
	struct list_node waiters; // struct futex_waiter.node; prev NULL: not yet made
} buckets[BUCKETS];

static struct futex_bucket *bucket_lock(const uint32_t *word, unsigned long *flags)
{
	struct futex_bucket *b = &buckets[((vaddr_t)word >> 2 ^ (vaddr_t)word >> 12) % BUCKETS];

	*flags = spin_lock(&b->lock);
	if (!b->waiters.prev)
		list_init(&b->waiters);
	return b;
}

static int wait_interruptible(const uint32_t *word, uint32_t expected, nsec_t deadline)
{
	struct futex_waiter self = {.word = word};
	struct futex_bucket *b;
	unsigned long flags;
	uint32_t value;
	int err = 0;

	waitq_init(&self.waitq);
	for (;;) {
		if (__atomic_load_n(word, __ATOMIC_RELAXED) != expected)
			return -EAGAIN;
		b = bucket_lock(word, &flags);
		if (uaccess_peek32(word, &value))
			break;
		spin_unlock(&b->lock, flags);
	}
	if (value != expected) {
		spin_unlock(&b->lock, flags);
		return -EAGAIN;
	}
	list_push_back(&b->waiters, &self.node);
	while (!self.woken && !err)
		err = waitq_wait_interruptible(&self.waitq, &b->lock, &flags, deadline);
	if (self.woken)
		err = 0;
	else
		list_remove(&self.node);
	spin_unlock(&b->lock, flags);
	return err;
}

int futex_wait(const uint32_t *word, uint32_t expected, nsec_t deadline)
{
	struct thread *caller;
	int err;

	/* A word that cannot be had is a signal's to tell, which is too late inside the call. */
	if (__atomic_load_n(word, __ATOMIC_RELAXED) != expected)
		return -EAGAIN;
	caller = call_begin();
	err = wait_interruptible(word, expected, deadline);
	return call_end(caller) != SIGNAL_EINTR && err == -EINTR ? -EAGAIN : err;
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
