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
	if (*sync)
		return pcache_sync_range(obj, piece->first, piece->last);
	pcache_write_start(obj, piece->first, piece->last);
	return 0;
}

int map_sync(vaddr_t addr, size_t len, bool sync)
{
	if (!range_is_good(addr, &len))
		return addr % PAGE_SIZE ? -EINVAL : -ENOMEM;
	return each_piece(addr, addr + len, sync_piece, &sync);
}
