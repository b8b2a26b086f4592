// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * From a page of the cache to the page-table entries that show it: each mapping that covers it is asked for the one
 * address where it would be. Called with the page lock held, which keeps new entries for the page out; takes the
 * address space's lock inside. Entries that are removed or narrowed go into the caller's batch, which is shot down once
 * no spinlock is held; so do those that others removed or narrowed and have not shot down yet. Never sleeps.
 */

#include <assert.h>

#include "mm/pcache_internal.h"
#include "mm/shootdown.h"
#include "mm/vma.h"

#define COPIES_MAX 1024 // removed in one step

/* Address at which a mapping that covers the page shows it, if it does: its entry is *e. */
static bool shown_by(const struct vma *vma, const struct page *page, vaddr_t *va, pte_t *e)
{
	assert(page->index >= vma->pgoff && page->index - vma->pgoff < vma_pages(vma));
	*va = vma_start(vma) + (page->index - vma->pgoff) * PAGE_SIZE;
	*e = pt_get(*va);
	return pte_is_present(*e) && pte_pa(*e) == page_pa(page);
}

static struct vma *first_covering(const struct pcache_object *obj, const struct page *page)
{
	return vma_first_showing_locked(obj, page->index, page->index);
}

static struct vma *next_covering(const struct vma *vma, const struct page *page)
{
	return vma_next_showing_locked(vma, page->index, page->index);
}

void rmap_narrow(struct pcache_object *obj, struct page *page, struct pt_batch *batch)
{
	unsigned long flags = spin_lock(&space.lock);

	assert(spin_held(&obj->lock));
	for (struct vma *vma = first_covering(obj, page); vma && page_mapped(page); vma = next_covering(vma, page)) {
		vaddr_t va;
		pte_t e;

		if (!shown_by(vma, page, &va, &e) || !(pte_rights(e) & PT_W))
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
	for (struct vma *vma = first_covering(obj, page); vma && page_mapped(page); vma = next_covering(vma, page)) {
		vaddr_t va;
		pte_t e;

		if (!shown_by(vma, page, &va, &e))
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

	for (struct vma *vma = first_covering(obj, page); vma && page_mapped(page); vma = next_covering(vma, page)) {
		vaddr_t va;
		pte_t e;

		if (!shown_by(vma, page, &va, &e) || !pte_young(e))
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

	for (struct vma *vma = first_covering(obj, page); vma && space.locked && !locked;
	     vma = next_covering(vma, page)) {
		vaddr_t va;
		pte_t e;

		if (vma->locked)
			locked = shown_by(vma, page, &va, &e) || pte_is_none(e);
	}
	spin_unlock(&space.lock, flags);
	return locked;
}

bool rmap_writable(struct pcache_object *obj, struct page *page)
{
	unsigned long flags = spin_lock(&space.lock);
	bool writable = false;

	for (struct vma *vma = first_covering(obj, page); vma; vma = next_covering(vma, page)) {
		vaddr_t va;
		pte_t e;

		if (shown_by(vma, page, &va, &e))
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

	for (struct vma *vma = first_covering(obj, page); vma; vma = next_covering(vma, page)) {
		vaddr_t va;
		pte_t e;

		count += shown_by(vma, page, &va, &e);
	}
	right = count == page_mapped(page);
	spin_unlock(&space.lock, flags);
	return right;
}

/* Takes private entries of [from, to) into the list, up to `max`. Returns how many. */
static size_t copies_take_locked(vaddr_t from, vaddr_t to, size_t max, struct list_node *taken, struct pt_batch *batch)
{
	size_t n = 0;

	for (vaddr_t va = pt_next(from, to); va < to && n < max; va = pt_next(va + PAGE_SIZE, to)) {
		struct page *page = entry_page(pt_get(va));

		if (page_is_cached(page))
			continue;
		pt_exchange(va, pte_none());
		shootdown_add_locked(batch, va);
		list_push_back(taken, &page->lru);
		space.anon_frames--;
		n++;
	}
	return n;
}

bool rmap_remove_copies(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	struct list_node taken = LIST_INIT(taken), *node;
	struct pt_batch batch = PT_BATCH_INIT;
	unsigned long flags = spin_lock(&space.lock);
	size_t n = 0;

	for (struct vma *vma = vma_first_showing_locked(obj, first, last); vma && n < COPIES_MAX;
	     vma = vma_next_showing_locked(vma, first, last)) {
		const pgidx_t from = max_of(first, vma->pgoff), to = min_of(last, vma_index(vma, vma->end - 1));

		if (vma->kind == MAP_KIND_PRIVATE)
			n += copies_take_locked(vma_start(vma) + (from - vma->pgoff) * PAGE_SIZE,
						vma_start(vma) + (to - vma->pgoff + 1) * PAGE_SIZE, COPIES_MAX - n,
						&taken, &batch);
	}
	shootdown_join_locked(&batch);
	spin_unlock(&space.lock, flags);
	shootdown(&batch);
	while ((node = list_pop_front(&taken))) {
		struct page *page = list_entry(node, struct page, lru);

		if (page_unpin_locked(page))
			frame_free(page);
	}
	return n == COPIES_MAX;
}
