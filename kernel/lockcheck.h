// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The order of locks (I2), checked in debug builds and not there in release ones. A lock's class is its name, and
 * kernel/lockrank.h lists the names in the order in which they are taken: whoever takes a lock that does not stand
 * behind all that it holds panics, and both names are said. What a try-lock took counts as held but need not stand in
 * the order, as it cannot wait. Interrupts need no rule of their own: while a spinlock is held there are none, and
 * every spinlock stands behind every lock that sleeps. A name that is not in the list is not checked; tests/style sees
 * to it that only tests have such.
 */
#pragma once

#include "lib/types.h"

#ifdef NDEBUG

struct lockclass {
};
struct lockcheck_held {
};

#define LOCKCLASS_INNER                                                                                                \
	{                                                                                                              \
	}

static inline void lockcheck_take(struct lockcheck_held *held, struct lockclass *class, const char *name)
{
	(void)held;
	(void)class;
	(void)name;
}

static inline void lockcheck_taken(struct lockcheck_held *held, struct lockclass *class, const char *name)
{
	(void)held;
	(void)class;
	(void)name;
}

static inline void lockcheck_given(struct lockcheck_held *held, struct lockclass *class, const char *name)
{
	(void)held;
	(void)class;
	(void)name;
}

static inline void lockcheck_fault(const struct lockcheck_held *held)
{
	(void)held;
}

static inline const char *lockcheck_name(const struct lockcheck_held *held, unsigned i)
{
	(void)held;
	(void)i;
	return NULL;
}

#else

#include <stdatomic.h>

#define LOCKCHECK_HELD_MAX 16
#define LOCKRANK_INNER 255
#define LOCKRANK_FREE 254 // of a name that is not in the list

/* In every lock. */
struct lockclass {
	atomic_uchar rank; // 0: not looked for yet; relaxed, since everybody finds the same
};

/* In every thread, which alone changes it, with interrupts masked; count and names relaxed, for a report on any hart.
 */
struct lockcheck_held {
	unsigned count;
	struct {
		const char *name;
		unsigned char rank;
		unsigned char highest; // rank up to here that counts; LOCKRANK_FREE does not
	} locks[LOCKCHECK_HELD_MAX];
};

/* Of the spinlock inside a lock that sleeps: only the scheduler's is taken under it. Neither checked nor counted. */
#define LOCKCLASS_INNER                                                                                                \
	{                                                                                                              \
		.rank = LOCKRANK_INNER                                                                                 \
	}

/* The rank of the name, and it is kept in the class. */
unsigned lockcheck_find(struct lockclass *class, const char *name);
/* One at least of those held does not stand before it: panics unless the list allows several of the name. */
void lockcheck_doubt(const struct lockcheck_held *held, unsigned rank, const char *name);
/* It is not the last one taken. */
void lockcheck_remove(struct lockcheck_held *held, unsigned rank, const char *name);
/* Panics. */
void lockcheck_too_many(const char *name);

static inline unsigned lockcheck_rank(struct lockclass *class, const char *name)
{
	unsigned rank = atomic_load_explicit(&class->rank, memory_order_relaxed);

	return rank ? rank : lockcheck_find(class, name);
}

/* Before the thread waits for the lock. held NULL, here and below: there are no threads yet, nothing is checked. */
static inline void lockcheck_take(struct lockcheck_held *held, struct lockclass *class, const char *name)
{
	unsigned rank = lockcheck_rank(class, name);

	if (rank < LOCKRANK_FREE && held && held->count && held->locks[held->count - 1].highest >= rank)
		lockcheck_doubt(held, rank, name);
}

/* The thread has it: also after a try-lock. Interrupts are masked, here and below. */
static inline void lockcheck_taken(struct lockcheck_held *held, struct lockclass *class, const char *name)
{
	unsigned rank = lockcheck_rank(class, name), counts = rank == LOCKRANK_FREE ? 0 : rank, n;

	if (rank == LOCKRANK_INNER || !held)
		return;
	n = held->count;
	if (n == LOCKCHECK_HELD_MAX) {
		lockcheck_too_many(name);
		return;
	}
	__atomic_store_n(&held->locks[n].name, name, __ATOMIC_RELAXED);
	held->locks[n].rank = (unsigned char)rank;
	held->locks[n].highest =
	    n && held->locks[n - 1].highest > counts ? held->locks[n - 1].highest : (unsigned char)counts;
	__atomic_store_n(&held->count, n + 1, __ATOMIC_RELAXED);
}

static inline void lockcheck_given(struct lockcheck_held *held, struct lockclass *class, const char *name)
{
	unsigned rank = lockcheck_rank(class, name);

	if (rank == LOCKRANK_INNER || !held)
		return;
	if (rank < LOCKRANK_FREE && held->count && held->locks[held->count - 1].rank == rank)
		__atomic_store_n(&held->count, held->count - 1, __ATOMIC_RELAXED);
	else
		lockcheck_remove(held, rank, name);
}

/* A page fault may come here: what the thread holds stands before what serving one takes. */
void lockcheck_fault(const struct lockcheck_held *held);

/* The i-th lock that the thread holds, for reports; NULL: there are no more. */
static inline const char *lockcheck_name(const struct lockcheck_held *held, unsigned i)
{
	return i < __atomic_load_n(&held->count, __ATOMIC_RELAXED) && i < LOCKCHECK_HELD_MAX
		   ? __atomic_load_n(&held->locks[i].name, __ATOMIC_RELAXED)
		   : NULL;
}

#endif
