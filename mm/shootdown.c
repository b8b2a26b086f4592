// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Batches of changed entries, mm/shootdown.h. Takes space.lock; does not sleep. */

#include "mm/shootdown.h"

#include "mm/vma.h"

static void batch_begin_locked(const struct pt_batch *batch)
{
	if (batch->count == 0)
		space.unflushed++;
}

static unsigned *changes_at(vaddr_t va)
{
	return &space.changes[va / PAGE_SIZE % array_size(space.changes)];
}

unsigned shootdown_changes_locked(vaddr_t va)
{
	return *changes_at(va);
}

void shootdown_add_locked(struct pt_batch *batch, vaddr_t va)
{
	batch_begin_locked(batch);
	++*changes_at(va);
	pt_batch_add(batch, va);
}

void shootdown_join_locked(struct pt_batch *batch)
{
	if (space.unflushed <= (batch->count > 0))
		return;
	batch_begin_locked(batch);
	pt_batch_add_all(batch);
}

void shootdown(struct pt_batch *batch)
{
	unsigned long flags;

	if (batch->count == 0)
		return;
	pt_batch_flush(batch);
	flags = spin_lock(&space.lock);
	space.unflushed--;
	spin_unlock(&space.lock, flags);
}
