// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mappings that grow down (MAP_GROWSDOWN), for stacks: a touch between such a mapping and what is below makes it reach
 * down to there. What it takes in is promised as at mmap. Called by a fault that found nothing, with space.change held;
 * takes space.lock; does not sleep.
 */

#include "mm/vma.h"

#include <assert.h>

#include "mm/tunable.h"

/* Keeps away from what could be hit by running over the end; what nobody can access is a guard itself. */
static bool is_clear_of_below(const struct vma *vma, vaddr_t start)
{
	const struct tree_node *node = tree_prev(&vma->node);
	const struct vma *below = node ? tree_entry(node, struct vma, node) : NULL;

	return !below || below->grows_down || !below->prot ||
	       start - below->end >= tunable(TUNE_STACK_GUARD_GAP) * PAGE_SIZE;
}

static int charge(const struct vma *vma, size_t pages)
{
	int err = vma->locked ? commit_lock(pages, "growing a stack") : 0;

	if (err || !vma->charged)
		return err;
	err = commit_charge(pages, "growing a stack");
	if (err && vma->locked)
		commit_unlock(pages);
	return err;
}

vaddr_t grow_to(vaddr_t va)
{
	const vaddr_t start = align_down(va, PAGE_SIZE);
	struct vma *vma = vma_next_locked(va);
	unsigned long flags;
	vaddr_t before;

	assert(mutex_owned(&space.change));
	if (!vma || !vma->grows_down || start < MMAP_MIN || vma->end - start > MAP_GROW_MAX ||
	    !is_clear_of_below(vma, start))
		return 0;
	before = vma_start(vma);
	assert(start < before);
	if (charge(vma, (before - start) / PAGE_SIZE))
		return 0;
	flags = spin_lock(&space.lock);
	vma_resize_locked(vma, start, vma->end);
	spin_unlock(&space.lock, flags);
	return before;
}
