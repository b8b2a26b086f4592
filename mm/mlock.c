// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * mlock, munlock and mlockall: mappings whose pages are not evicted. Holds space.change while it alters mappings, and
 * no lock of the address space while pages are fetched. Sleeps.
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

static void mark_range(vaddr_t start, vaddr_t end, bool lock, bool on_fault)
{
	for (struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end; vma = vma_following_locked(vma)) {
		unsigned long flags = spin_lock(&space.lock);

		vma->locked = lock;
		vma->on_fault = lock && on_fault;
		spin_unlock(&space.lock, flags);
	}
}

/* What is locked already counts once: locks do not stack. */
static int lock_range(vaddr_t start, vaddr_t end, bool lock, bool on_fault, struct list_node *dead)
{
	int err = 0;

	if (lock)
		err = commit_lock(pages_not(true, start, end), "mlock");
	else
		commit_unlock(pages_not(false, start, end));
	if (err)
		return err;
	mark_range(start, end, lock, on_fault);
	vma_merge(start, end, dead);
	return 0;
}

int map_lock(vaddr_t addr, size_t len, bool lock)
{
	struct list_node dead = LIST_INIT(dead);
	struct spares spares;
	int err;

	err = spares_take(&spares);
	if (err)
		return err;
	mutex_lock(&space.change);
	if (range_is_mapped(addr, addr + len)) {
		range_isolate(addr, addr + len, &spares);
		err = lock_range(addr, addr + len, lock, false, &dead);
		if (err)
			vma_merge(addr, addr + len, &dead);
	} else {
		err = -ENOMEM;
	}
	mutex_unlock(&space.change);
	spares_give(&spares);
	vmas_put(&dead);
	if (err || !lock)
		return err;
	err = populate(addr, addr + len, POPULATE_LOCK);
	return err == -ENOMEM ? -EAGAIN : err ? -ENOMEM : 0;
}

static void lock_future(bool lock, bool on_fault)
{
	unsigned long flags = spin_lock(&space.lock);

	space.lock_future = lock;
	space.lock_future_on_fault = lock && on_fault;
	spin_unlock(&space.lock, flags);
}

int map_lock_all(enum map_lock_all what)
{
	const bool on_fault = what & MAP_LOCK_ON_FAULT;
	struct list_node dead = LIST_INIT(dead);
	int err = 0;

	mutex_lock(&space.change);
	if (what & MAP_LOCK_CURRENT || !what)
		err = lock_range(MMAP_MIN, MMAP_MAX, what, on_fault, &dead);
	if (!err)
		lock_future(what & MAP_LOCK_FUTURE, on_fault);
	mutex_unlock(&space.change);
	vmas_put(&dead);
	if (!err && what & MAP_LOCK_CURRENT)
		populate_locked(MMAP_MIN, MMAP_MAX);
	return err;
}
