// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Taking pages out of the cache: truncate, punch, the end of an object. Entries go first, then the shootdown, then the
 * frames (I4). Waits for transfers. Whoever owns map_lock knows that no fault, read or write brings a page back; a page
 * that somebody has pinned otherwise loses its object, and its frame goes with the last pin.
 */

#include <assert.h>
#include <string.h>

#include "mm/pcache_internal.h"
#include "mm/shm.h"
#include "mm/shootdown.h"

#define REMOVE_STEP 32

/*
 * Takes out pages from *index on, as many as go in one step. False: there are none left. A page under a transfer ends
 * the step and is waited for in the next.
 */
static bool remove_step(struct pcache_object *obj, pgidx_t *index, pgidx_t last)
{
	struct page *gone[REMOVE_STEP], *page, *under_way = NULL;
	struct pt_batch batch = PT_BATCH_INIT;
	unsigned long flags = spin_lock(&obj->lock);
	size_t n = 0;

	while (n < REMOVE_STEP && (page = radix_next(&obj->pages, index)) && *index <= last) {
		page_pin(page);
		if (page_flags(page) & (PAGE_FILLING | PAGE_WRITING)) {
			under_way = page;
			break;
		}
		rmap_unmap(obj, page, &batch);
		page_detach_locked(obj, page);
		gone[n++] = page;
	}
	spin_unlock(&obj->lock, flags);
	shootdown(&batch);
	for (size_t i = 0; i < n; i++)
		pcache_put(gone[i]);
	shm_uncharge(obj, n);
	if (under_way) {
		page_wait(under_way, PAGE_FILLING | PAGE_WRITING);
		pcache_put(under_way);
	}
	return n > 0 || under_way;
}

static void remove_pages(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	while (remove_step(obj, &first, last))
		;
}

void pcache_punch(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	assert(rwlock_owned_write(&obj->map_lock));
	remove_pages(obj, first, last);
}

void pcache_remove(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	pcache_punch(obj, first, last);
	while (rmap_remove_copies(obj, first, last))
		;
}

int pcache_zero(struct pcache_object *obj, uint64_t from, uint64_t to)
{
	struct page *page;
	int err;

	assert(from < to && from / PAGE_SIZE == (to - 1) / PAGE_SIZE);
	err = pcache_get(obj, from / PAGE_SIZE, NULL, &page);
	if (err)
		return err;
	err = pcache_make_dirty(page, NULL);
	if (!err)
		memset((char *)page_va(page) + from % PAGE_SIZE, 0, to - from);
	pcache_put(page);
	return err;
}

void pcache_zero_tail(struct pcache_object *obj)
{
	struct page *page;
	size_t used;

	rwlock_lock_read(&obj->map_lock);
	used = obj->size % PAGE_SIZE;
	page = used ? pcache_find(obj, obj->size / PAGE_SIZE) : NULL;
	if (page) {
		memset((char *)page_va(page) + used, 0, PAGE_SIZE - used);
		pcache_put(page);
	}
	rwlock_unlock_read(&obj->map_lock);
}

int pcache_clear(struct pcache_object *obj, uint64_t from, uint64_t to)
{
	struct pt_batch batch = PT_BATCH_INIT;
	unsigned long flags;
	struct page *page;
	int err;

	assert(rwlock_owned_write(&obj->map_lock));
	assert(from < to && from / PAGE_SIZE == (to - 1) / PAGE_SIZE);
	err = pcache_get(obj, from / PAGE_SIZE, NULL, &page);
	if (err)
		return err;
	flags = spin_lock(&obj->lock);
	page_state_change(obj, page, PAGE_SPARSE | PAGE_STORING, PAGE_BACKED);
	page_make_dirty_locked(obj, page);
	rmap_unmap(obj, page, &batch);
	spin_unlock(&obj->lock, flags);
	shootdown(&batch);
	memset((char *)page_va(page) + from % PAGE_SIZE, 0, to - from);
	pcache_put(page);
	return 0;
}

void pcache_object_destroy(struct pcache_object *obj)
{
	assert(!obj->mappings.root && obj->dirty_count == 0);
	remove_pages(obj, 0, PGIDX_MAX);
	assert(obj->page_count == 0);
	writeback_object_wait(obj);
	reclaim_quiesce();
}

size_t pcache_drop_clean(void)
{
	return reclaim_drop_clean();
}
