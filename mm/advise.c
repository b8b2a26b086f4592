// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * madvise. What alters mappings or empties them holds space.change; what reads, writes or evicts holds no lock of the
 * address space meanwhile. Sleeps.
 */

#include "mm/range.h"

#include <errno.h>

#include "mm/pcache_internal.h"
#include "mm/reclaim.h"

/* ---- how it will be read ---- */
static void set_pattern(vaddr_t start, vaddr_t end, enum map_advice advice)
{
	for (struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end; vma = vma_following_locked(vma)) {
		unsigned long flags = spin_lock(&space.lock);

		vma->ra.random = advice == MAP_ADV_RANDOM;
		vma->ra.sequential = advice == MAP_ADV_SEQUENTIAL;
		spin_unlock(&space.lock, flags);
	}
}

/* For these pages and no others: mappings are split for it. */
static int read_pattern(vaddr_t start, vaddr_t end, enum map_advice advice)
{
	struct list_node dead = LIST_INIT(dead);
	struct spares spares;
	int err = spares_take(&spares);

	if (err)
		return err;
	mutex_lock(&space.change);
	err = range_is_mapped(start, end) ? 0 : -ENOMEM;
	range_isolate(start, end, &spares);
	set_pattern(start, end, advice);
	vma_merge(start, end, &dead);
	mutex_unlock(&space.change);
	spares_give(&spares);
	vmas_put(&dead);
	return err;
}

static int will_need_piece(const struct piece *piece, void *arg)
{
	struct pcache_object *obj = piece->vma->object;

	(void)arg;
	if (obj && !obj->memory)
		pcache_will_need(obj, piece->first, piece->last);
	return 0;
}

/* ---- what is not needed ---- */
/*
 * Private memory goes, whoever asks for it later gets zeros, or the file's page; what is shared keeps its contents,
 * which are the object's. Only private anonymous memory may be FREE. Ends at the first mapping that refuses.
 */
static int give_up(vaddr_t start, vaddr_t end, enum map_advice advice)
{
	int err;

	mutex_lock(&space.change);
	err = range_is_mapped(start, end) ? 0 : -ENOMEM;
	for (const struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end;
	     vma = vma_following_locked(vma)) {
		if (vma->locked || (advice == MAP_ADV_FREE && vma->kind != MAP_KIND_ANON)) {
			err = -EINVAL;
			break;
		}
		entries_remove(max_of(start, vma_start(vma)), min_of(end, vma->end));
	}
	mutex_unlock(&space.change);
	return err;
}

static int cold_piece(const struct piece *piece, void *arg)
{
	struct pcache_object *obj = piece->vma->object;

	(void)arg;
	if (piece->locked)
		return -EINVAL;
	if (obj && !obj->memory)
		reclaim_make_old(obj, piece->first, piece->last);
	return 0;
}

/*
 * Private memory has nowhere to go. Pages that other mappings show stay. What fails to be written stays dirty, and is
 * reported to those who have the file open; the advice has been followed as far as it could.
 */
static int page_out_piece(const struct piece *piece, void *arg)
{
	struct pcache_object *obj = piece->vma->object;

	(void)arg;
	if (piece->locked)
		return -EINVAL;
	if (!obj || obj->memory)
		return 0;
	if (vma_is_shared(piece->vma))
		(void)pcache_write_range(obj, piece->first, piece->last);
	mutex_lock(&space.change);
	/* Unless it is another's by now, or locked. */
	if (vma_find_locked(piece->start) == piece->vma && !piece->vma->locked)
		entries_remove_cached(piece->start, min_of(piece->end, piece->vma->end));
	mutex_unlock(&space.change);
	reclaim_drop_range(obj, piece->first, piece->last);
	return 0;
}

int map_advise(vaddr_t addr, size_t len, enum map_advice advice)
{
	const vaddr_t end = addr + len;

	switch (advice) {
	case MAP_ADV_NORMAL:
	case MAP_ADV_RANDOM:
	case MAP_ADV_SEQUENTIAL:
		return read_pattern(addr, end, advice);
	case MAP_ADV_WILLNEED:
		return each_piece(addr, end, will_need_piece, NULL);
	case MAP_ADV_DONTNEED:
	case MAP_ADV_FREE:
		return give_up(addr, end, advice);
	case MAP_ADV_COLD:
		return each_piece(addr, end, cold_piece, NULL);
	case MAP_ADV_PAGEOUT:
		return each_piece(addr, end, page_out_piece, NULL);
	case MAP_ADV_POPULATE_READ:
		return populate(addr, end, POPULATE_READ);
	case MAP_ADV_POPULATE_WRITE:
		return populate(addr, end, POPULATE_WRITE);
	}
	return -EINVAL;
}
