// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Faulting ranges in ahead of their use: for mlock, MAP_POPULATE, MADV_POPULATE_READ and _WRITE, and for stacks that
 * the application supplies. Files are read in large runs, which are under way while the pages before them are mapped.
 * Holds no lock of the address space while pages are fetched. Sleeps.
 */

#include "mm/range.h"

#include <errno.h>

#include "mm/pcache_internal.h"
#include "mm/tunable.h"

#define AHEAD 256u // pages of a file that are asked for at once

/* -EINVAL: the mapping gives no such right. */
static int access_for(const struct piece *piece, enum populate how, enum fault_access *access)
{
	*access = how == POPULATE_WRITE ? FAULT_WRITE : FAULT_READ;
	if (how != POPULATE_LOCK)
		return piece->prot & (how == POPULATE_WRITE ? MAP_W : MAP_R) ? 0 : -EINVAL;
	if (piece->prot & MAP_W && !vma_is_shared(piece->vma))
		*access = FAULT_WRITE; // its own copy; what is shared would be dirty for nothing
	else if (!(prot_rights(piece->prot) & PT_R))
		*access = FAULT_EXEC;
	return piece->prot ? 0 : -EINVAL;
}

/* Has the file's next pages read, each time AHEAD of them have been mapped. */
static void read_ahead(const struct piece *piece, size_t page)
{
	struct pcache_object *obj = piece->vma->object;
	const size_t left = piece->last - piece->first + 1 - page;

	if (!obj || obj->memory || page % AHEAD)
		return;
	rwlock_lock_read(&obj->map_lock);
	pcache_readahead(obj, piece->first + page, min_of(left, (size_t)2 * AHEAD));
	rwlock_unlock_read(&obj->map_lock);
}

static int fault_in(vaddr_t va, enum fault_access access)
{
	int error;

	switch (fault_serve(va, access, &error)) {
	case FAULT_OK:
		return 0;
	case FAULT_ADRERR:
		return error == ENOMEM ? -ENOMEM : -EFAULT;
	default:
		return -EINVAL; // unmapped or protected meanwhile
	}
}

static int populate_piece(const struct piece *piece, void *arg)
{
	const enum populate *how = arg;
	enum fault_access access;
	int err = access_for(piece, *how, &access);

	if (*how == POPULATE_LOCK && piece->on_fault)
		return 0;
	for (size_t page = 0; !err && piece->start + page * PAGE_SIZE < piece->end; page++) {
		read_ahead(piece, page);
		err = fault_in(piece->start + page * PAGE_SIZE, access);
	}
	return err;
}

int populate(vaddr_t start, vaddr_t end, enum populate how)
{
	return each_piece_in_order(start, end, populate_piece, &how);
}

static int populate_locked_piece(const struct piece *piece, void *arg)
{
	return piece->locked ? populate_piece(piece, arg) : 0;
}

void populate_locked(vaddr_t start, vaddr_t end)
{
	enum populate how = POPULATE_LOCK;

	(void)each_piece(start, end, populate_locked_piece, &how); // what is not there now is faulted in later
}

static int populate_cached_piece(const struct piece *piece, void *arg)
{
	const size_t around = tunable(TUNE_FAULT_AROUND_KBYTES) * 1024;
	int err = 0;

	(void)arg;
	for (vaddr_t va = piece->start; !err && va < piece->end; va = align_down(va, around) + around)
		err = fault_show_cached(piece->vma, va);
	return err;
}

int populate_cached(vaddr_t start, vaddr_t end)
{
	return each_piece_in_order(start, end, populate_cached_piece, NULL);
}

/* A file's shared page is read-only whenever it is clean, or can be truncated away. */
static int wire_piece(const struct piece *piece, void *arg)
{
	int error;

	(void)arg;
	if ((vma_is_shared(piece->vma) && vma_is_file(piece->vma)) ||
	    (piece->prot & (MAP_R | MAP_W)) != (MAP_R | MAP_W))
		return -EINVAL;
	for (vaddr_t va = piece->start; va < piece->end; va += PAGE_SIZE) {
		if (fault_serve(va, FAULT_WRITE, &error) != FAULT_OK)
			return error ? -error : -ENOMEM;
	}
	return 0;
}

int map_wire(vaddr_t addr, size_t len)
{
	vaddr_t start = align_down(addr, PAGE_SIZE);
	bool mapped;

	if (len > MMAP_MAX)
		return -EINVAL;
	len += addr - start;
	if (!range_is_good(start, &len))
		return -EINVAL;
	mutex_lock(&space.change);
	mapped = range_is_mapped(start, start + len);
	mutex_unlock(&space.change);
	return mapped ? each_piece(start, start + len, wire_piece, NULL) : -EINVAL;
}
