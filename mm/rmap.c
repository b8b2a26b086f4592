// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * From a page of the cache to the page-table entries that show it: each mapping of its object is asked for the one
 * address where it would be. Called with the page lock held, which keeps new entries for the page out; takes the
 * address space's lock inside. Entries that are removed or narrowed go into the caller's batch, which is shot down once
 * no spinlock is held; so do those that others removed or narrowed and have not shot down yet. Never sleeps.
 */

#include <assert.h>

#include "mm/pcache_internal.h"
#include "mm/shootdown.h"
#include "mm/vma.h"

#define COPIES_MAX 32 // removed in one step

static bool covers(const struct vma *vma, const struct page *page)
{
	return page->index >= vma->pgoff && page->index - vma->pgoff < vma_pages(vma);
}

/* Address at which the mapping shows the page, if it does: its entry is *e. */
static bool shown_by(const struct vma *vma, const struct page *page, vaddr_t *va, pte_t *e)
{
	if (!covers(vma, page))
		return false;
	*va = vma_start(vma) + (page->index - vma->pgoff) * PAGE_SIZE;
	*e = pt_get(*va);
	return pte_is_present(*e) && pte_pa(*e) == page_pa(page);
}

void rmap_narrow(struct pcache_object *obj, struct page *page, struct pt_batch *batch)
{
	unsigned long flags = spin_lock(&space.lock);

	assert(spin_held(&obj->lock));
	for (struct list_node *it = obj->mappings.next; page_mapped(page) && it != &obj->mappings; it = it->next) {
		vaddr_t va;
		pte_t e;

		if (!shown_by(list_entry(it, struct vma, mapping_node), page, &va, &e) || !(pte_rights(e) & PT_W))
			continue;
		/* Fails only if A or D changed in between, which the comparison leaves out: so it does not fail. */
		if (!pt_replace(va, e, pte_narrow(e, PT_R | PT_X)))
			assert(!"an entry changed under the address space's lock");
		shootdown_add_locked(batch, va);
	}
	shootdown_join_locked(batch);
	spin_unlock(&space.lock, flags);
}

void rmap_unmap(struct pcache_object *obj, struct page *page, struct pt_batch *batch)
{
	unsigned long flags = spin_lock(&space.lock);

	assert(spin_held(&obj->lock));
	for (struct list_node *it = obj->mappings.next; page_mapped(page) && it != &obj->mappings; it = it->next) {
		vaddr_t va;
		pte_t e;

		if (!shown_by(list_entry(it, struct vma, mapping_node), page, &va, &e))
			continue;
		pt_exchange(va, pte_none());
		page_mapped_add_locked(page, -1);
		shootdown_add_locked(batch, va);
	}
	assert(page_mapped(page) == 0);
	shootdown_join_locked(batch);
	spin_unlock(&space.lock, flags);
}

bool rmap_take_use(struct pcache_object *obj, struct page *page)
{
	unsigned long flags = spin_lock(&space.lock);
	bool used = false;

	for (struct list_node *it = obj->mappings.next; page_mapped(page) && it != &obj->mappings; it = it->next) {
		vaddr_t va;
		pte_t e;

		if (!shown_by(list_entry(it, struct vma, mapping_node), page, &va, &e) || !pte_young(e))
			continue;
		used = true;
		pt_make_old(va);
	}
	spin_unlock(&space.lock, flags);
	return used;
}

bool rmap_locked(struct pcache_object *obj, struct page *page)
{
	unsigned long flags = spin_lock(&space.lock);
	bool locked = false;

	for (struct list_node *it = obj->mappings.next; space.locked && !locked && it != &obj->mappings;
	     it = it->next) {
		const struct vma *vma = list_entry(it, struct vma, mapping_node);
		vaddr_t va;
		pte_t e;

		if (vma->locked && covers(vma, page))
			locked |= shown_by(vma, page, &va, &e) || pte_is_none(e);
	}
	spin_unlock(&space.lock, flags);
	return locked;
}

bool rmap_writable(struct pcache_object *obj, struct page *page)
{
	unsigned long flags = spin_lock(&space.lock);
	bool writable = false;

	list_for_each (&obj->mappings, it) {
		vaddr_t va;
		pte_t e;

		if (shown_by(list_entry(it, struct vma, mapping_node), page, &va, &e))
			writable |= (pte_rights(e) & PT_W) != 0;
	}
	spin_unlock(&space.lock, flags);
	return writable;
}

bool rmap_count_is_right(struct pcache_object *obj, struct page *page)
{
	unsigned long flags = spin_lock(&space.lock);
	uint32_t count = 0;
	bool right;

	list_for_each (&obj->mappings, it) {
		vaddr_t va;
		pte_t e;

		count += shown_by(list_entry(it, struct vma, mapping_node), page, &va, &e);
	}
	right = count == page_mapped(page);
	spin_unlock(&space.lock, flags);
	return right;
}

/* Takes private entries out of one mapping's [from, to), until freed[] is full. Returns how many it has then. */
static size_t copies_take_locked(vaddr_t from, vaddr_t to, struct page **freed, size_t n, struct pt_batch *batch)
{
	for (vaddr_t va = pt_next(from, to); va < to && n < COPIES_MAX; va = pt_next(va + PAGE_SIZE, to)) {
		struct page *page = entry_page(pt_get(va));

		if (page_is_cached(page))
			continue;
		pt_exchange(va, pte_none());
		shootdown_add_locked(batch, va);
		freed[n++] = page;
		space.anon_frames--;
	}
	return n;
}

bool rmap_remove_copies(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	struct page *freed[COPIES_MAX];
	struct pt_batch batch = PT_BATCH_INIT;
	unsigned long flags = spin_lock(&space.lock);
	size_t n = 0;

	list_for_each (&obj->mappings, it) {
		const struct vma *vma = list_entry(it, struct vma, mapping_node);
		const pgidx_t end = vma->pgoff + vma_pages(vma);

		if (vma->kind != MAP_KIND_PRIVATE || last < vma->pgoff || first >= end)
			continue;
		n = copies_take_locked(vma_start(vma) + (max_of(first, vma->pgoff) - vma->pgoff) * PAGE_SIZE,
				       vma_start(vma) + (min_of(last, end - 1) - vma->pgoff + 1) * PAGE_SIZE, freed, n,
				       &batch);
	}
	shootdown_join_locked(&batch);
	spin_unlock(&space.lock, flags);
	shootdown(&batch);
	for (size_t i = 0; i < n; i++) {
		if (page_unpin_locked(freed[i]))
			frame_free(freed[i]);
	}
	return n == COPIES_MAX;
}
