// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Checks of the order of locks: what is too rare to be inline in kernel/lockcheck.h. Debug builds only. Never sleeps;
 * any context.
 */

#include "kernel/lockcheck.h"

#include <string.h>

#include "kernel/lockrank.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"

unsigned lockcheck_find(struct lockclass *class, const char *name)
{
	unsigned rank = LOCKRANK_FREE;

	_Static_assert(array_size(lockranks) + 1 < LOCKRANK_FREE, "ranks begin at 1");
	for (unsigned i = 0; name && i < array_size(lockranks); i++)
		if (strcmp(name, lockranks[i].name) == 0)
			rank = i + 1;
	atomic_store_explicit(&class->rank, (unsigned char)rank, memory_order_relaxed);
	return rank;
}

static bool holds(const struct lockcheck_held *held, const char *name)
{
	for (unsigned i = 0; i < held->count; i++)
		if (held->locks[i].name && strcmp(held->locks[i].name, name) == 0)
			return true;
	return false;
}

void lockcheck_doubt(const struct lockcheck_held *held, unsigned rank, const char *name)
{
	const char *under = lockranks[rank - 1].several_under;

	for (unsigned i = 0; i < held->count; i++) {
		unsigned other = held->locks[i].rank;

		if (other == LOCKRANK_FREE || other < rank || (other == rank && under && holds(held, under)) ||
		    spin_is_emergency())
			continue;
		panic("lock order (I2): \"%s\" is taken while \"%s\" is held", name, held->locks[i].name);
	}
}

/*
 * The last of that rank; of a name without one, the last of that name. It may be missing: the scheduler's lock is taken
 * by one thread and given up by the one switched to, which has it on record from its own switch, but not if it is new.
 */
void lockcheck_remove(struct lockcheck_held *held, unsigned rank, const char *name)
{
	unsigned i = held->count, highest;

	while (i > 0 &&
	       !(held->locks[i - 1].rank == rank && (rank != LOCKRANK_FREE || held->locks[i - 1].name == name)))
		i--;
	if (i == 0)
		return;
	highest = i > 1 ? held->locks[i - 2].highest : 0;
	__atomic_store_n(&held->count, held->count - 1, __ATOMIC_RELAXED);
	for (; i <= held->count; i++) {
		__atomic_store_n(&held->locks[i - 1].name, held->locks[i].name, __ATOMIC_RELAXED);
		held->locks[i - 1].rank = held->locks[i].rank;
		if (held->locks[i].rank != LOCKRANK_FREE)
			highest = max_of(highest, (unsigned)held->locks[i].rank);
		held->locks[i - 1].highest = (unsigned char)highest;
	}
}

void lockcheck_too_many(const char *name)
{
	if (!spin_is_emergency())
		panic("lock order (I2): \"%s\" is one lock more than a thread may hold", name);
}

void lockcheck_fault(const struct lockcheck_held *held)
{
	static struct lockclass class;
	unsigned first = lockcheck_rank(&class, LOCKRANK_FAULT);

	for (unsigned i = 0; i < held->count; i++)
		if (held->locks[i].rank >= first && held->locks[i].rank != LOCKRANK_FREE)
			panic("lock order (I2): a page fault while \"%s\" is held", held->locks[i].name);
}
