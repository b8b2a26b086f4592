// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* A list that only grows. Its lock guards the links; sleeps never. */
#include "kernel/facts.h"

#include "kernel/spinlock.h"

static struct {
	struct spinlock lock;
	struct facts *first, **end;
} all = {.lock = SPINLOCK_INIT("facts"), .end = &all.first};

void facts_add(struct facts *facts)
{
	unsigned long flags = spin_lock(&all.lock);

	*all.end = facts;
	all.end = &facts->next;
	spin_unlock(&all.lock, flags);
}

struct facts *facts_next(const struct facts *after)
{
	unsigned long flags = spin_lock(&all.lock);
	struct facts *next = after ? after->next : all.first;

	spin_unlock(&all.lock, flags);
	return next;
}
