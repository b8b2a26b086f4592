// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * One queue for all who wait for one of several things: whoever changes one counts and wakes them all, and they look
 * again. They are few, and each looks at few. Lock: pollers.lock, behind those of what changes.
 */
#include "kernel/poll.h"

#include "kernel/wait.h"

static struct {
	struct spinlock lock; // guards the rest
	uint64_t changes;
	struct waitq waitq;
} pollers = {.lock = SPINLOCK_INIT("poll"), .waitq = WAITQ_INIT(pollers.waitq)};

uint64_t poll_seen(void)
{
	unsigned long flags = spin_lock(&pollers.lock);
	uint64_t changes = pollers.changes;

	spin_unlock(&pollers.lock, flags);
	return changes;
}

int poll_wait(uint64_t seen, nsec_t deadline)
{
	unsigned long flags = spin_lock(&pollers.lock);
	int err = 0;

	while (!err && pollers.changes == seen)
		err = waitq_wait_interruptible(&pollers.waitq, &pollers.lock, &flags, deadline);
	spin_unlock(&pollers.lock, flags);
	return err;
}

void poll_wake(void)
{
	unsigned long flags = spin_lock(&pollers.lock);

	pollers.changes++;
	waitq_wake_all(&pollers.waitq);
	spin_unlock(&pollers.lock, flags);
}
