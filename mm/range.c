// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the mapping calls share: cutting a range out of the mappings, and walking over the mappings of a range. Sleeps;
 * the walk holds no lock of the address space while it works.
 */

#include "mm/range.h"

#include <assert.h>
#include <errno.h>

#include "mm/kmalloc.h"
#include "mm/pcache_internal.h"

int spares_take(struct spares *spares)
{
	*spares = (struct spares){{vma_alloc(), vma_alloc()}};
	if (spares->vma[0] && spares->vma[1])
		return 0;
	spares_give(spares);
	return -ENOMEM;
}

void spares_give(struct spares *spares)
{
	for (size_t i = 0; i < array_size(spares->vma); i++) {
		kfree(spares->vma[i]);
		spares->vma[i] = NULL;
	}
}

bool range_is_good(vaddr_t addr, size_t *len)
{
	const size_t rounded = align_up(*len, PAGE_SIZE);

	if (addr % PAGE_SIZE || addr < MMAP_MIN || addr >= MMAP_MAX || rounded < *len || rounded > MMAP_MAX - addr)
		return false;
	*len = rounded;
	return true;
}

static void split_at(vaddr_t at, struct vma **spare)
{
	struct vma *vma = vma_find_locked(at);

	if (!vma || vma_start(vma) == at)
		return;
	assert(*spare);
	vma_split(vma, at, *spare);
	*spare = NULL;
}

static bool cuts_at(vaddr_t at)
{
	const struct vma *vma = vma_find_locked(at);

	return vma && vma_start(vma) < at;
}

bool range_cuts(vaddr_t start, vaddr_t end)
{
	return cuts_at(start) || cuts_at(end);
}

void range_isolate(vaddr_t start, vaddr_t end, struct spares *spares)
{
	split_at(start, &spares->vma[0]);
	split_at(end, &spares->vma[1]);
}

bool range_is_mapped(vaddr_t start, vaddr_t end)
{
	vaddr_t at = start;

	for (const struct vma *vma = vma_find_locked(at); vma && vma_start(vma) <= at && at < end;
	     vma = vma_following_locked(vma))
		at = vma->end;
	return at >= end;
}

bool range_is_free(vaddr_t start, size_t len)
{
	const struct vma *vma = vma_next_locked(start);

	return !vma || vma_start(vma) >= start + len;
}

void range_vma_dead(struct vma *vma, struct list_node *dead)
{
	vma_forget_object(vma);
	vma_uncharge(vma);
	list_push_back(dead, &vma->dead_node);
}

void range_remove(vaddr_t start, vaddr_t end, struct spares *spares, struct list_node *dead)
{
	struct list_node removed = LIST_INIT(removed);
	struct list_node *node;
	struct vma *vma, *next;

	range_isolate(start, end, spares);
	for (vma = vma_next_locked(start); vma && vma_start(vma) < end; vma = next) {
		next = vma_following_locked(vma);
		vma_detach(vma); // from here on no fault brings an entry back
		list_push_back(&removed, &vma->dead_node);
	}
	while ((node = list_pop_front(&removed))) {
		vma = list_entry(node, struct vma, dead_node);
		entries_remove(vma_start(vma), vma->end);
		range_vma_dead(vma, dead);
	}
	tables_prune(start, end);
}

/* ---- one mapping after another, with no lock held in between ---- */
/* The part of the range at or after `at` that the next mapping covers. False: none is left. */
static bool piece_next(vaddr_t at, vaddr_t end, struct piece *out)
{
	unsigned long flags = spin_lock(&space.lock);
	struct vma *vma = vma_next_locked(at);
	bool found = vma && vma_start(vma) < end;

	if (found) {
		vma_ref(vma);
		out->vma = vma;
		out->start = max_of(at, vma_start(vma));
		out->end = min_of(end, vma->end);
		out->prot = vma->prot;
		out->locked = vma->locked;
		out->on_fault = vma->on_fault;
		out->first = vma_index(vma, out->start);
		out->last = vma_index(vma, out->end - 1);
	}
	spin_unlock(&space.lock, flags);
	return found;
}

int each_piece(vaddr_t start, vaddr_t end, int (*work)(const struct piece *piece, void *arg), void *arg)
{
	struct piece piece;
	vaddr_t at = start;
	bool hole = false;
	int first = 0;

	while (at < end && piece_next(at, end, &piece)) {
		int err = work(&piece, arg);

		vma_put(piece.vma);
		first = first ? first : err;
		hole |= piece.start > at;
		at = piece.end;
	}
	if (first)
		return first;
	return hole || at < end ? -ENOMEM : 0;
}

int each_piece_in_order(vaddr_t start, vaddr_t end, int (*work)(const struct piece *piece, void *arg), void *arg)
{
	struct piece piece;

	for (vaddr_t at = start; at < end; at = piece.end) {
		int err;

		if (!piece_next(at, end, &piece))
			return -ENOMEM;
		err = piece.start > at ? -ENOMEM : work(&piece, arg);
		vma_put(piece.vma);
		if (err)
			return err;
	}
	return 0;
}
