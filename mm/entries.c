// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Page-table entries by range, for the mapping calls. What an entry shows is told by its frame: the zero page, a page
 * of the cache (it has an object), or private memory, of which the entry is the only record. Works in steps, so that
 * the address space's lock is never held for long, and frees frames only after the shootdown. Does not sleep; takes
 * space.lock.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "mm/pcache_internal.h"
#include "mm/vma.h"

#define STEP_ENTRIES 64
#define TABLE_SPAN (PAGE_SIZE / sizeof(pte_t) * PAGE_SIZE) // what one leaf table maps

struct page *zero_page;

int zero_page_init(void)
{
	zero_page = frame_alloc();
	if (!zero_page)
		return -ENOMEM;
	memset(page_va(zero_page), 0, PAGE_SIZE);
	return 0;
}

struct page *entry_page(pte_t e)
{
	struct page *page = pa_to_page(pte_pa(e));

	assert(page);
	return page;
}

bool page_is_cached(const struct page *page)
{
	return page->object != NULL;
}

/* Removes one entry. The page that must be freed once no hart can use it any more, or NULL. */
static struct page *entry_remove_locked(vaddr_t va, struct pt_batch *batch)
{
	struct page *page = entry_page(pt_exchange(va, pte_none()));

	pt_batch_add(batch, va);
	if (page == zero_page)
		return NULL;
	if (page_is_cached(page)) {
		assert(page->mapped > 0);
		page->mapped--;
		return NULL;
	}
	space.anon_frames--;
	return page;
}

void entries_remove(vaddr_t from, vaddr_t to)
{
	while (from < to) {
		struct page *freed[STEP_ENTRIES];
		struct pt_batch batch = PT_BATCH_INIT;
		unsigned long flags = spin_lock(&space.lock);
		size_t n = 0;

		for (size_t i = 0; i < STEP_ENTRIES && (from = pt_next(from, to)) < to; i++, from += PAGE_SIZE) {
			freed[n] = entry_remove_locked(from, &batch);
			n += freed[n] != NULL;
		}
		spin_unlock(&space.lock, flags);
		pt_batch_flush(&batch);
		for (size_t i = 0; i < n; i++) {
			if (page_unpin_locked(freed[i]))
				frame_free(freed[i]);
		}
	}
}

/* Private memory without rights is held; a page of the cache need not be shown at all. */
static void entry_narrow_locked(vaddr_t va, enum pt_rights keep, struct pt_batch *batch)
{
	pte_t e = pt_get(va);
	struct page *page = entry_page(e);

	if (!pte_is_present(e) || !(pte_rights(e) & ~keep))
		return;
	if ((pte_rights(e) & keep) || (page != zero_page && !page_is_cached(page))) {
		pt_exchange(va, pte_narrow(e, keep));
		pt_batch_add(batch, va);
	} else {
		entry_remove_locked(va, batch);
	}
}

void entries_narrow(vaddr_t from, vaddr_t to, enum pt_rights keep)
{
	while (from < to) {
		struct pt_batch batch = PT_BATCH_INIT;
		unsigned long flags = spin_lock(&space.lock);

		for (size_t i = 0; i < STEP_ENTRIES && (from = pt_next(from, to)) < to; i++, from += PAGE_SIZE)
			entry_narrow_locked(from, keep, &batch);
		spin_unlock(&space.lock, flags);
		pt_batch_flush(&batch);
	}
}

static void table_give(void *table)
{
	frame_free(pa_to_page(va_to_pa(table)));
}

static size_t prune_locked(vaddr_t from, vaddr_t to)
{
	return pt_prune(align_down(from, TABLE_SPAN), align_up(to, TABLE_SPAN), table_give);
}

void tables_prune(vaddr_t from, vaddr_t to)
{
	unsigned long flags = spin_lock(&space.lock);

	prune_locked(from, to);
	spin_unlock(&space.lock, flags);
}

size_t tables_prune_all(void)
{
	unsigned long flags = spin_lock(&space.lock);
	size_t freed = 0;

	for (struct vma *vma = vma_next_locked(0); vma; vma = vma_following_locked(vma))
		freed += prune_locked(vma_start(vma), vma->end);
	spin_unlock(&space.lock, flags);
	return freed;
}
