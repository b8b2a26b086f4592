// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Page-table entries by range, for the mapping calls. What an entry shows is told by its frame: the zero page, a page
 * of the cache (it has an object), or private memory, of which the entry is the only record. Works in steps, so that
 * the address space's lock is never held for long, and frees frames only after the shootdown. Sleeps only in
 * entries_move_prepare; takes space.lock.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "mm/pcache_internal.h"
#include "mm/reclaim.h"
#include "mm/shootdown.h"
#include "mm/vma.h"

#define STEP_ENTRIES 64	  // looked at under one hold of the lock
#define STEP_TABLES 16ul  // the same
#define REMOVED_MAX 1024u // frames that may wait for the shootdown
#define TABLE_ENTRIES (PAGE_SIZE / sizeof(pte_t))
#define TABLE_SPAN (TABLE_ENTRIES * PAGE_SIZE)	 // what one leaf table maps
#define MIDDLE_SPAN (TABLE_ENTRIES * TABLE_SPAN) // and one of the level above

struct page *zero_page;

int zero_page_init(void)
{
	zero_page = frame_alloc_far();
	if (!zero_page)
		return -ENOMEM;
	frame_clear(zero_page);
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

static bool shows_private(pte_t e)
{
	struct page *page = entry_page(e);

	return page != zero_page && !page_is_cached(page);
}

/* What was taken out of entries and may still be in use through them. */
struct removed {
	struct pt_batch batch;
	struct list_node frames; // struct page.lru: private memory, to be freed
	size_t count;
};

/* A page of the cache is its object's affair: whoever frees its frame has joined the shootdown. */
static void entry_remove_locked(vaddr_t va, struct removed *removed)
{
	struct page *page = entry_page(pt_exchange(va, pte_none()));

	shootdown_add_locked(&removed->batch, va);
	if (page == zero_page)
		return;
	if (page_is_cached(page)) {
		assert(page_mapped(page) > 0);
		page_mapped_add_locked(page, -1);
		return;
	}
	space.anon_frames--;
	list_push_back(&removed->frames, &page->lru);
	removed->count++;
}

static void removed_free(struct removed *removed)
{
	struct list_node *node;

	shootdown(&removed->batch);
	while ((node = list_pop_front(&removed->frames))) {
		struct page *page = list_entry(node, struct page, lru);

		if (page_unpin_locked(page))
			frame_free(page);
	}
	removed->count = 0;
}

void entries_remove(vaddr_t from, vaddr_t to)
{
	struct removed removed = {.frames = LIST_INIT(removed.frames)};

	while (from < to) {
		unsigned long flags = spin_lock(&space.lock);

		for (size_t i = 0; i < STEP_ENTRIES && (from = pt_next(from, to)) < to; i++, from += PAGE_SIZE)
			entry_remove_locked(from, &removed);
		if (from >= to)
			shootdown_join_locked(&removed.batch);
		spin_unlock(&space.lock, flags);
		if (removed.count >= REMOVED_MAX)
			removed_free(&removed);
	}
	removed_free(&removed);
}

void entries_remove_cached(vaddr_t from, vaddr_t to)
{
	struct removed removed = {.frames = LIST_INIT(removed.frames)};

	while (from < to) {
		unsigned long flags = spin_lock(&space.lock);

		for (size_t i = 0; i < STEP_ENTRIES && (from = pt_next(from, to)) < to; i++, from += PAGE_SIZE)
			if (!shows_private(pt_get(from)))
				entry_remove_locked(from, &removed);
		spin_unlock(&space.lock, flags);
	}
	removed_free(&removed); // of frames there are none
}

/* Private memory without rights is held; a page of the cache need not be shown at all. */
static void entry_narrow_locked(vaddr_t va, enum pt_rights keep, struct removed *removed)
{
	pte_t e = pt_get(va);

	if (!pte_is_present(e) || !(pte_rights(e) & ~keep))
		return;
	if ((pte_rights(e) & keep) || shows_private(e)) {
		pt_exchange(va, pte_narrow(e, keep));
		shootdown_add_locked(&removed->batch, va);
	} else {
		entry_remove_locked(va, removed);
	}
}

void entries_narrow(vaddr_t from, vaddr_t to, enum pt_rights keep)
{
	struct removed removed = {.frames = LIST_INIT(removed.frames)};

	while (from < to) {
		unsigned long flags = spin_lock(&space.lock);

		for (size_t i = 0; i < STEP_ENTRIES && (from = pt_next(from, to)) < to; i++, from += PAGE_SIZE)
			entry_narrow_locked(from, keep, &removed);
		if (from >= to)
			shootdown_join_locked(&removed.batch);
		spin_unlock(&space.lock, flags);
	}
	removed_free(&removed); // of frames there are none
}

/* ---- moving ---- */
/* First address in [from, to) that shows private memory, or to. */
static vaddr_t next_private(vaddr_t from, vaddr_t to)
{
	bool found = false;

	while (from < to && !found) {
		unsigned long flags = spin_lock(&space.lock);

		for (size_t i = 0; i < STEP_ENTRIES && !found && (from = pt_next(from, to)) < to; i++) {
			found = shows_private(pt_get(from));
			from += found ? 0 : PAGE_SIZE;
		}
		spin_unlock(&space.lock, flags);
	}
	return min_of(from, to);
}

/* Frames for tables of the new place; struct page.lru. Guarded by space.change. */
static struct list_node move_frames = LIST_INIT(move_frames);

static void *move_frame_take(void)
{
	struct list_node *node = list_pop_front(&move_frames);
	struct page *page;

	page =
	    node ? list_entry(node, struct page, lru) : frame_alloc_far(); // a table of the count was pruned meanwhile
	return page ? page_va(page) : NULL;
}

static void move_frames_free(void)
{
	struct list_node *node;

	while ((node = list_pop_front(&move_frames)))
		frame_free(list_entry(node, struct page, lru));
}

static int move_frames_get(size_t n)
{
	for (; n > 0; n--) {
		struct page *page = frame_get_far();

		if (!page) {
			move_frames_free();
			return -ENOMEM;
		}
		list_push_back(&move_frames, &page->lru);
	}
	return 0;
}

int entries_move_prepare(vaddr_t from, vaddr_t to, vaddr_t dest)
{
	const vaddr_t start = from;
	vaddr_t middle = MMAP_MAX; // whose table is counted already: none
	size_t n = 0;

	assert(mutex_owned(&space.change));
	while ((from = next_private(from, to)) < to) {
		const vaddr_t at = dest + (from - start);

		n += align_down(at, MIDDLE_SPAN) == middle ? 1 : 2;
		middle = align_down(at, MIDDLE_SPAN);
		from += align_down(at, TABLE_SPAN) + TABLE_SPAN - at;
	}
	return move_frames_get(n);
}

/* Private memory is held at its new place until no hart uses the old one; the rest is faulted in again. */
static void entry_move_locked(vaddr_t va, vaddr_t dest, struct removed *removed)
{
	const pte_t e = pt_get(va);

	if (!shows_private(e)) {
		entry_remove_locked(va, removed);
		return;
	}
	if (pt_prepare(dest, move_frame_take))
		assert(!"a table that entries_move_prepare did not count");
	pt_exchange(va, pte_none());
	shootdown_add_locked(&removed->batch, va);
	pt_exchange(dest, pte_hold(pte_pa(e)));
}

static void entries_show_held(vaddr_t from, vaddr_t to, enum pt_rights rights)
{
	while (from < to) {
		unsigned long flags = spin_lock(&space.lock);

		for (size_t i = 0; i < STEP_ENTRIES && (from = pt_next(from, to)) < to; i++, from += PAGE_SIZE)
			if (pte_is_held(pt_get(from)))
				pt_exchange(from, pte_make(pte_pa(pt_get(from)), rights));
		spin_unlock(&space.lock, flags);
	}
	pt_fence_tables(to - PAGE_SIZE);
}

void entries_move(vaddr_t from, vaddr_t to, vaddr_t dest, enum pt_rights rights)
{
	const vaddr_t start = from;
	struct removed removed = {.frames = LIST_INIT(removed.frames)};

	while (from < to) {
		unsigned long flags = spin_lock(&space.lock);

		for (size_t i = 0; i < STEP_ENTRIES && (from = pt_next(from, to)) < to; i++, from += PAGE_SIZE)
			entry_move_locked(from, dest + (from - start), &removed);
		if (from >= to)
			shootdown_join_locked(&removed.batch);
		spin_unlock(&space.lock, flags);
	}
	removed_free(&removed); // of frames there are none
	rights &= ~PT_X;	// which a fault gives
	if (rights)
		entries_show_held(dest, dest + (to - start), rights);
	move_frames_free();
}

/* ---- tables ---- */
static size_t tables_free(void *chain)
{
	size_t freed = 0;

	pt_pruned_flush(chain);
	while (chain) {
		struct page *page = pa_to_page(va_to_pa(chain));

		chain = *(void **)chain;
		frame_free(page);
		freed++;
	}
	return freed;
}

/* Looks at the tables of [from, to), whole ones, as many as go in one hold of the lock. Returns where it stopped. */
static vaddr_t prune_step_locked(vaddr_t from, vaddr_t to, void **chain)
{
	const vaddr_t end = to - from > STEP_TABLES * TABLE_SPAN ? from + STEP_TABLES * TABLE_SPAN : to;

	*chain = pt_prune(from, end, *chain);
	return end;
}

void tables_prune(vaddr_t from, vaddr_t to)
{
	void *chain = NULL;

	from = align_down(from, TABLE_SPAN);
	to = align_up(to, TABLE_SPAN);
	while (from < to) {
		unsigned long flags = spin_lock(&space.lock);

		from = prune_step_locked(from, to, &chain);
		spin_unlock(&space.lock, flags);
	}
	tables_free(chain);
}

/* Where there are mappings: munmap has pruned the rest. Each table is looked at once, however many have a part of it.
 */
size_t tables_prune_all(void)
{
	vaddr_t at = 0;
	void *chain = NULL;

	for (bool more = true; more;) {
		unsigned long flags = spin_lock(&space.lock);
		const struct vma *vma = vma_next_locked(at);

		more = vma;
		if (vma)
			at = prune_step_locked(align_down(max_of(at, vma_start(vma)), TABLE_SPAN),
					       align_up(vma->end, TABLE_SPAN), &chain);
		spin_unlock(&space.lock, flags);
	}
	return tables_free(chain);
}
