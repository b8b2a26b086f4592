// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * msync: writing what mappings show. Holds no lock of the address space while it waits for the card. Sleeps.
 */

#include "mm/range.h"

#include <errno.h>

#include "mm/pcache_internal.h"

static int sync_piece(const struct piece *piece, void *arg)
{
	const bool *sync = arg;
	struct pcache_object *obj = piece->vma->object;

	if (!vma_is_shared_file(piece->vma))
		return 0;
	if (*sync) {
		int err = pcache_sync_range(obj, piece->first, piece->last);
		int before = piece->vma->errors ? pcache_errors_take(obj, piece->vma->errors) : 0;

		return err ? err : before;
	}
	pcache_write_start(obj, piece->first, piece->last);
	return 0;
}

int map_sync(vaddr_t addr, size_t len, bool sync)
{
	if (!range_is_good(addr, &len))
		return addr % PAGE_SIZE ? -EINVAL : -ENOMEM;
	return each_piece(addr, addr + len, sync_piece, &sync);
}

/* Mappings show the cache's own pages: nothing that they have seen is ever out of date. */
static int invalidate_piece(const struct piece *piece, void *arg)
{
	(void)arg;
	return piece->locked ? -EBUSY : 0;
}

int map_invalidate(vaddr_t addr, size_t len)
{
	if (!range_is_good(addr, &len))
		return addr % PAGE_SIZE ? -EINVAL : -ENOMEM;
	return each_piece(addr, addr + len, invalidate_piece, NULL);
}
