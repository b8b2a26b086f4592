// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * madvise. Sleeps.
 */

#include "mm/range.h"

#include <errno.h>

#include "mm/pcache_internal.h"

static int will_need_piece(const struct piece *piece, void *arg)
{
	struct pcache_object *obj = piece->vma->object;

	(void)arg;
	if (!obj || obj->memory)
		return 0;
	rwlock_lock_read(&obj->map_lock);
	pcache_readahead(obj, piece->first, piece->last - piece->first + 1);
	rwlock_unlock_read(&obj->map_lock);
	return 0;
}

/* What is shared keeps its contents, which are the object's. */
static int dont_need(vaddr_t start, vaddr_t end)
{
	int err;

	mutex_lock(&space.change);
	err = range_is_mapped(start, end) ? 0 : -ENOMEM;
	for (const struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end;
	     vma = vma_following_locked(vma)) {
		if (vma->locked)
			err = err ? err : -EINVAL;
		else
			entries_remove(max_of(start, vma_start(vma)), min_of(end, vma->end));
	}
	mutex_unlock(&space.change);
	return err;
}

/* How whole mappings are read; a hint, so it is not worth splitting them. */
static int read_pattern_piece(const struct piece *piece, void *arg)
{
	const enum map_advice *advice = arg;
	unsigned long flags = spin_lock(&space.lock);

	piece->vma->ra.random = *advice == MAP_ADV_RANDOM;
	piece->vma->ra.sequential = *advice == MAP_ADV_SEQUENTIAL;
	spin_unlock(&space.lock, flags);
	return 0;
}

int map_advise(vaddr_t addr, size_t len, enum map_advice advice)
{
	if (!range_is_good(addr, &len))
		return -EINVAL;
	switch (advice) {
	case MAP_ADV_WILLNEED:
		return each_piece(addr, addr + len, will_need_piece, NULL);
	case MAP_ADV_DONTNEED:
		return dont_need(addr, addr + len);
	case MAP_ADV_NORMAL:
	case MAP_ADV_RANDOM:
	case MAP_ADV_SEQUENTIAL:
		return each_piece(addr, addr + len, read_pattern_piece, &advice);
	}
	return -EINVAL;
}
