// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A walk over all page tables, for assertions: what QEMU's processors forgive and a board's do not. Takes space.lock
 * for a step at a time, so it may run beside threads that fault.
 */
#include "kernel/log.h"
#include "mm/pcache_internal.h"
#include "mm/vma.h"

#define STEP_ENTRIES 256 // looked at under one hold of the lock

/* I3: stores into a page of a file go on only while it is dirty. Its state changes under the page lock, entries first.
 */
static bool is_sound_locked(pte_t e)
{
	const struct page *page;

	if (!pte_is_present(e))
		return true;
	if (!pte_is_sound(e))
		return false;
	page = entry_page(e);
	return !(pte_rights(e) & PT_W) || !page_is_cached(page) || page->object->memory ||
	       page_flags(page) & PAGE_DIRTY;
}

bool map_is_sound(void)
{
	vaddr_t va = 0;
	bool sound = pt_kernel_is_sound();

	if (!sound)
		log_error("check: an entry of the kernel's lacks A or D, or lets what can be stored be executed");
	while (va < MMAP_MAX) {
		unsigned long flags = spin_lock(&space.lock);
		vaddr_t bad = 0;
		uint64_t value = 0;

		for (size_t i = 0; i < STEP_ENTRIES && !bad && (va = pt_next(va, MMAP_MAX)) < MMAP_MAX;
		     i++, va += PAGE_SIZE) {
			value = pt_get(va).v;
			bad = is_sound_locked((pte_t){value}) ? 0 : va;
		}
		spin_unlock(&space.lock, flags);
		if (bad)
			log_error("check: the entry %#llx for address %#lx is not sound", (unsigned long long)value,
				  bad);
		sound &= !bad;
	}
	return sound;
}
