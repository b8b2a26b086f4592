// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * mprotect. Holds space.change while it alters mappings. Sleeps.
 */

#include "mm/range.h"

#include <assert.h>
#include <errno.h>

/*
 * Pages that the change makes private and writable; whether some of them are locked, and so are copied now. -EACCES:
 * some mapping does not allow prot.
 */
static int protect_check(vaddr_t start, vaddr_t end, enum map_prot prot, size_t *charge, bool *copies)
{
	*charge = 0;
	*copies = false;
	if (!range_is_mapped(start, end))
		return -ENOMEM;
	for (const struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end;
	     vma = vma_following_locked(vma)) {
		if (prot & ~vma->max_prot)
			return -EACCES;
		*copies |= vma->locked && prot & MAP_W && !(vma->prot & MAP_W) && !vma_is_shared(vma);
		if (!vma->charged && vma_needs_charge(vma, prot))
			*charge += (min_of(end, vma->end) - max_of(start, vma_start(vma))) / PAGE_SIZE;
	}
	return 0;
}

static void protect_range(vaddr_t start, vaddr_t end, enum map_prot prot)
{
	for (struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end; vma = vma_following_locked(vma)) {
		unsigned long flags = spin_lock(&space.lock);

		vma->charged = vma->charged || vma_needs_charge(vma, prot);
		vma->prot = prot;
		vma->generation = ++space.generation;
		spin_unlock(&space.lock, flags);
	}
	entries_narrow(start, end, prot_rights(prot));
}

int map_protect(vaddr_t addr, size_t len, enum map_prot prot)
{
	struct list_node dead = LIST_INIT(dead);
	struct spares spares;
	size_t charge;
	bool copies;
	int err;

	if (!range_is_good(addr, &len))
		return addr % PAGE_SIZE ? -EINVAL : -ENOMEM;
	if (len == 0)
		return 0;
	err = spares_take(&spares);
	if (err)
		return err;
	mutex_lock(&space.change);
	err = protect_check(addr, addr + len, prot, &charge, &copies);
	if (!err && charge)
		err = commit_charge(charge, "mprotect");
	if (!err) {
		range_isolate(addr, addr + len, &spares);
		protect_range(addr, addr + len, prot);
		vma_merge(addr, addr + len, &dead);
	}
	mutex_unlock(&space.change);
	spares_give(&spares);
	vmas_put(&dead);
	if (!err && copies)
		populate_locked(addr, addr + len);
	return err;
}
