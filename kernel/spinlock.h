// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Short critical sections, also against interrupts. The holder runs with interrupts masked, does not sleep, does
 * not fault, does not wait for another hart (invariant I1).
 */
#pragma once

#include <stdatomic.h>

#include "kernel/lockcheck.h"
#include "lib/types.h"

struct spinlock {
	atomic_uint next, serving;    // ticket lock; acquire on serving pairs with the release in spin_unlock
	_Atomic(const void *) holder; // hart, for assertions
	const char *name;
	struct lockclass class;
};

#define SPINLOCK_INIT(what)                                                                                            \
	{                                                                                                              \
		.name = (what)                                                                                         \
	}

/* Of the spinlock inside a lock that sleeps. */
#define SPINLOCK_INNER_INIT(what)                                                                                      \
	{                                                                                                              \
		.name = (what), .class = LOCKCLASS_INNER                                                               \
	}

void spin_init(struct spinlock *lock, const char *name);
unsigned long spin_lock(struct spinlock *lock); // returns the interrupt state for spin_unlock
bool spin_trylock(struct spinlock *lock, unsigned long *flags);
void spin_unlock(struct spinlock *lock, unsigned long flags);
bool spin_held(const struct spinlock *lock); // for assertions: by anybody

/*
 * For the last that runs in a panic, all other harts stopped: from now on a lock that somebody holds is taken all the
 * same, and the order of locks is not checked. What it guards may be half changed.
 */
void spin_emergency(void);
bool spin_is_emergency(void);

/* Spinlocks that the current thread or interrupt holds; 0 is "may sleep" together with irq_depth 0. */
unsigned spin_depth(void);
