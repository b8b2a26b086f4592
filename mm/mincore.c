// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* mincore: what is in memory at this moment. Sleeps only to let go of mappings. */

#include "mm/range.h"

#include "mm/pcache_internal.h"

struct in_core {
	unsigned char *out;
	size_t pages; // told so far
};

static bool has_entry(vaddr_t va)
{
	unsigned long flags = spin_lock(&space.lock);
	bool has = !pte_is_none(pt_get(va));

	spin_unlock(&space.lock, flags);
	return has;
}

static bool is_cached(struct pcache_object *obj, pgidx_t index)
{
	struct page *page = pcache_find(obj, index);

	if (page)
		pcache_put(page);
	return page;
}

static int in_core_piece(const struct piece *piece, void *arg)
{
	struct pcache_object *obj = piece->vma->object;
	struct in_core *told = arg;

	for (pgidx_t i = 0; i <= piece->last - piece->first; i++)
		told->out[told->pages++] =
		    has_entry(piece->start + i * PAGE_SIZE) || (obj && is_cached(obj, piece->first + i));
	return 0;
}

size_t map_in_core(vaddr_t addr, size_t pages, unsigned char *out)
{
	struct in_core told = {.out = out};

	(void)each_piece_in_order(addr, addr + pages * PAGE_SIZE, in_core_piece, &told); // a hole: it ends there
	return told.pages;
}
