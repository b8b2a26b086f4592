// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Priority inheritance: whoever holds a lock runs with at least the priority of those who wait for it, and so does
 * whoever holds what that one waits for. A lock embeds a struct pi, which is idle as long as nobody waits. All calls
 * are for the current thread and made under the lock's own spinlock; they never sleep.
 */
#pragma once

#include "lib/list.h"

struct thread;

struct pi {
	/* Guarded by the lock of kernel/pi.c. */
	struct thread *owner;  // NULL: nobody waits, or it is free
	struct list_node node; // in the owner's thread.pi_held while somebody waits; prev NULL: never used
	unsigned top;	       // the highest priority of those who wait
};

/* Is about to wait for what the owner holds. */
void pi_wait(struct pi *pi, struct thread *owner);
/* Does not wait any more, and has not got it: `first` is who waits with the highest priority now, or NULL. */
void pi_give_up(struct pi *pi, const struct thread *first);
/* Has got it, while `first` waits for it (NULL: nobody does). */
void pi_acquire(struct pi *pi, const struct thread *first);
/* Gives it up. */
void pi_release(struct pi *pi);

/* Somebody waits, or did: pi_release must be called. */
static inline bool pi_in_use(const struct pi *pi)
{
	return pi->owner;
}
