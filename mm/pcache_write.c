// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Writing pages. How a page is made clean without losing a store (I3):
 *
 *   1. page lock: set writing and cleaning, narrow every entry that shows the page
 *   2. no lock:   shootdown. A store through a stale entry until here is part of the write; from here on stores fault
 *   3. page lock: if cleaning is still set, clear dirty. Whoever made the page storable since step 1 has cleared
 *      cleaning: then it stays dirty, and will be written once more
 *   4. no lock:   ops->write, which takes the bytes from here on
 *
 * A writer through the linear map (PAGE_STORING) may go on storing throughout: its pcache_put makes the page dirty
 * again. Writing excludes a second write of the page; nothing here waits for memory.
 */

#include <assert.h>
#include <errno.h>

#include "mm/pcache_internal.h"
#include "mm/shootdown.h"

#define LOCKED_PAGES 16ul // made ready under one hold of the page lock

/* The first dirty page at or after *index; those that are being written are passed over, or not. */
static struct page *find_dirty_locked(struct pcache_object *obj, pgidx_t *index, pgidx_t last, bool pass)
{
	struct page *page;

	for (;; ++*index) {
		page = radix_next_tagged(&obj->pages, index, PCACHE_TAG_DIRTY);
		if (!page || *index > last)
			return NULL;
		if (!pass || !(page_flags(page) & PAGE_WRITING))
			return page;
	}
}

/*
 * Step 1 for dirty pages from *index on, wherever they lie, so that one shootdown does for all; *index is moved behind
 * them. With `wait` a page that is being written ends the batch, and is handed out, pinned, if it is the first. Stores
 * wait for the page lock, so only a few pages are looked at under one hold of it. Returns how many are ready.
 */
static size_t batch_begin(struct pcache_object *obj, pgidx_t *index, pgidx_t last, size_t max, bool wait,
			  struct page **pages, struct pt_batch *batch, struct page **busy)
{
	size_t n = 0, end;

	*busy = NULL;
	do {
		unsigned long flags = spin_lock(&obj->lock);
		struct page *page;

		end = min_of(n + LOCKED_PAGES, max);
		while (n < end && (page = find_dirty_locked(obj, index, last, !wait))) {
			if (page_flags(page) & PAGE_WRITING) {
				*busy = n ? NULL : page;
				break;
			}
			page_pin(page);
			page_state_change(obj, page, PAGE_WRITING | PAGE_CLEANING, 0);
			rmap_narrow(obj, page, batch);
			pages[n++] = page;
			++*index;
		}
		if (*busy)
			page_pin(*busy);
		spin_unlock(&obj->lock, flags);
	} while (n == end && n < max);
	return n;
}

/* Step 3. */
static void batch_clean(struct pcache_object *obj, struct page **pages, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned long flags = spin_lock(&obj->lock);

		for (const size_t end = min_of(n, i + LOCKED_PAGES); i < end; i++) {
			if (page_flags(pages[i]) & PAGE_CLEANING)
				page_state_change(obj, pages[i], 0, PAGE_DIRTY | PAGE_CLEANING);
		}
		spin_unlock(&obj->lock, flags);
	}
}

size_t write_batch(struct pcache_object *obj, pgidx_t *index, pgidx_t last, size_t max, bool wait)
{
	struct page *pages[PCACHE_RUN_MAX], *busy;
	struct pt_batch batch = PT_BATCH_INIT;
	size_t n, run;

	while ((n = batch_begin(obj, index, last, max, wait, pages, &batch, &busy)) == 0 && busy) {
		page_wait(busy, PAGE_WRITING);
		pcache_put(busy);
	}
	shootdown(&batch);
	batch_clean(obj, pages, n);
	atomic_fetch_add_explicit(&cache_counts.writes, n, memory_order_relaxed);
	writeback_begins(n);
	for (size_t i = 0; i < n; i += run) {
		const pgidx_t first = pages[i]->index;

		for (run = 1; i + run < n && pages[i + run]->index == first + run; run++)
			;
		obj->ops->write(obj, first, pages + i, run, wait);
	}
	return n;
}

static void record_error(struct pcache_object *obj, int err)
{
	atomic_store(&obj->write_errno, err);
	atomic_fetch_add(&obj->write_errseq, 1);
}

void pcache_write_done(struct page *page, int err)
{
	struct pcache_object *obj = page->object; // stays while it is written
	unsigned long flags = spin_lock(&obj->lock);

	assert(err <= 0 && page_flags(page) & PAGE_WRITING);
	if (err) {
		page_state_change(obj, page, PAGE_DIRTY | PAGE_ERROR, PAGE_WRITING | PAGE_CLEANING);
		record_error(obj, err);
	} else {
		page_state_change(obj, page, PAGE_WRITTEN, PAGE_WRITING | PAGE_ERROR);
	}
	writeback_object_written(obj, err);
	page_wake(page);
	page_unpin_locked(page);
	spin_unlock(&obj->lock, flags);
	writeback_ended(!err);
}

/* ---- by range ---- */
/* Pinned; dirty or being written, at or after *index. */
static struct page *find_busy(struct pcache_object *obj, pgidx_t *index, pgidx_t last)
{
	unsigned long flags = spin_lock(&obj->lock);
	pgidx_t dirty_at = *index, writing_at = *index;
	struct page *dirty = radix_next_tagged(&obj->pages, &dirty_at, PCACHE_TAG_DIRTY);
	struct page *page = radix_next_tagged(&obj->pages, &writing_at, PCACHE_TAG_WRITING);

	*index = writing_at;
	if (!page || (dirty && dirty_at < writing_at)) {
		page = dirty;
		*index = dirty_at;
	}
	if (page && *index <= last)
		page_pin(page);
	else
		page = NULL;
	spin_unlock(&obj->lock, flags);
	return page;
}

int pcache_write_range(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	pgidx_t index = first;
	struct page *page;
	int err = 0;

	while (write_batch(obj, &index, last, PCACHE_RUN_MAX, true) > 0)
		;
	/*
	 * Each page of these writes is now in one of four states: written well, and possibly dirty anew; being written;
	 * failed; failed and being tried again, which decides. The error flag stays until a write ends well.
	 */
	for (index = first; (page = find_busy(obj, &index, last)); index++) {
		if (page_flags(page) & (PAGE_WRITING | PAGE_ERROR))
			page_wait(page, PAGE_WRITING);
		if (!err && page_flags(page) & PAGE_ERROR)
			err = atomic_load(&obj->write_errno);
		pcache_put(page);
	}
	return err;
}

void pcache_write_start(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	while (write_batch(obj, &first, last, PCACHE_RUN_MAX, false) > 0)
		;
}

void pcache_write_wait(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	for (pgidx_t index = first;; index++) {
		unsigned long flags = spin_lock(&obj->lock);
		struct page *page = radix_next_tagged(&obj->pages, &index, PCACHE_TAG_WRITING);

		if (page && index <= last)
			page_pin(page);
		else
			page = NULL;
		spin_unlock(&obj->lock, flags);
		if (!page)
			break;
		page_wait(page, PAGE_WRITING);
		pcache_put(page);
	}
}

int pcache_sync_range(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	const unsigned told = atomic_load(&obj->flush_told);
	int err = pcache_write_range(obj, first, last);
	int sync_err = obj->ops->sync(obj); // also without anything to write: I7
	const unsigned failed = atomic_load(&obj->flush_errseq);

	/* Of syncs beside each other all are told: any of them may have relied on what was lost. */
	if (failed != told)
		atomic_store(&obj->flush_told, failed);
	if (failed != told && !sync_err)
		sync_err = atomic_load(&obj->write_errno);
	return err ? err : sync_err;
}

static int write_whole(struct pcache_object *obj)
{
	return pcache_write_range(obj, 0, PGIDX_MAX);
}

int pcache_write_all(void)
{
	return writeback_each_object(write_whole);
}

/* ---- errors ---- */
void pcache_flush_failed(struct pcache_object *obj, int err)
{
	unsigned long flags = spin_lock(&obj->lock);

	for (pgidx_t index = 0;; index++) {
		struct page *page = radix_next(&obj->pages, &index);

		if (!page)
			break;
		if (page_flags(page) & (PAGE_WRITTEN | PAGE_WRITING) && page_flags(page) & (PAGE_BACKED | PAGE_SPARSE))
			page_make_dirty_locked(obj, page);
	}
	record_error(obj, err);
	atomic_fetch_add(&obj->flush_errseq, 1);
	spin_unlock(&obj->lock, flags);
}
