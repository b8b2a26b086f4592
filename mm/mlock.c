// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * mlock, and faulting ranges in. Holds space.change while it alters mappings, and no lock of the address space while
 * pages are fetched. Sleeps.
 */

#include "mm/range.h"

#include <errno.h>

static size_t pages_not(bool locked, vaddr_t start, vaddr_t end)
{
	size_t pages = 0;

	for (const struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end;
	     vma = vma_following_locked(vma)) {
		if (vma->locked != locked)
			pages += (min_of(end, vma->end) - max_of(start, vma_start(vma))) / PAGE_SIZE;
	}
	return pages;
}

static void lock_range(vaddr_t start, vaddr_t end, bool lock)
{
	unsigned long flags = spin_lock(&space.lock);

	for (struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end; vma = vma_following_locked(vma))
		vma->locked = lock;
	spin_unlock(&space.lock, flags);
}

int map_lock(vaddr_t addr, size_t len, bool lock)
{
	struct list_node dead = LIST_INIT(dead);
	struct spares spares;
	int err;

	len += addr % PAGE_SIZE;
	addr = align_down(addr, PAGE_SIZE);
	if (!range_is_good(addr, &len))
		return len ? -ENOMEM : -EINVAL;
	if (len == 0)
		return 0;
	err = spares_take(&spares);
	if (err)
		return err;
	mutex_lock(&space.change);
	if (!range_is_mapped(addr, addr + len))
		err = -ENOMEM;
	else if (lock)
		err = commit_lock(pages_not(true, addr, addr + len), "mlock");
	else
		commit_unlock(pages_not(false, addr, addr + len));
	if (!err) {
		range_isolate(addr, addr + len, &spares);
		lock_range(addr, addr + len, lock);
		vma_merge(addr, addr + len, &dead);
	}
	mutex_unlock(&space.change);
	spares_give(&spares);
	vmas_put(&dead);
	return !err && lock ? populate(addr, addr + len) : err;
}

/* ---- faulting in ---- */
static int populate_piece(const struct piece *piece, void *arg)
{
	enum fault_access access = FAULT_READ;

	(void)arg;
	if (piece->prot == 0)
		return 0;
	if (piece->prot & MAP_W && !vma_is_shared(piece->vma))
		access = FAULT_WRITE;
	else if (!(prot_rights(piece->prot) & PT_R))
		access = FAULT_EXEC;
	for (vaddr_t va = piece->start; va < piece->end; va += PAGE_SIZE) {
		int error;

		if (fault_serve(va, access, &error) != FAULT_OK)
			return error ? -error : -ENOMEM;
	}
	return 0;
}

int populate(vaddr_t start, vaddr_t end)
{
	return each_piece(start, end, populate_piece, NULL);
}

/* A file's shared page is read-only whenever it is clean. */
static int wire_piece(const struct piece *piece, void *arg)
{
	int error;

	(void)arg;
	if (vma_is_shared_file(piece->vma) || (piece->prot & (MAP_R | MAP_W)) != (MAP_R | MAP_W))
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
