// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Waiting for any of several things that say when they change, all through one queue:
 *
 *	do {
 *		seen = poll_seen();
 *		...look at each; return if one is ready...
 *		err = poll_wait(seen, deadline);
 *	} while (!err);
 */
#pragma once

#include "lib/types.h"

/* Where the changes stand; before one looks. Any context. */
uint64_t poll_seen(void);

/*
 * Sleeps until something has changed since. 0; -ETIMEDOUT: the clock passed the deadline first; -EINTR: the thread was
 * interrupted. Thread context, no spinlock held.
 */
int poll_wait(uint64_t seen, nsec_t deadline);

/* Something that others look at has changed, just now. Any context, under any lock but a run queue's. */
void poll_wake(void);
