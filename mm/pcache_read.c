// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Getting pages: from the cache, or filled by the object's file system, with readahead. Pages under way are in the
 * tree, filling and pinned by the transfer; others who want them wait for the flag. A failed fill takes its page out of
 * the cache again: the waiters have pins and find the error in it.
 *
 * Sleeps: for frames and for fills. Called with map_lock held, so pages inside the file do not go away but by
 * eviction, which leaves pinned ones alone.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "mm/pcache_internal.h"
#include "mm/reclaim.h"
#include "mm/shm.h"
#include "mm/tunable.h"

#define FILL_RUN_MAX 256 // pages of one ops->fill; on the fault's stack
#define WINDOW_MIN 4u
#define WILL_NEED_STEP 256u // pages under one hold of map_lock

struct page *cache_frame_get(void)
{
	size_t limit = atomic_load(&cache_counts.limit);

	while (limit && atomic_load(&cache_counts.pages) >= limit) {
		if (!reclaim_wait(1))
			return NULL;
	}
	return frame_get();
}

/* A frame for a page that nobody has asked for yet: only from plenty. */
static struct page *spare_frame(void)
{
	size_t limit = atomic_load(&cache_counts.limit);

	if (limit && atomic_load(&cache_counts.pages) >= limit)
		return NULL;
	return reclaim_is_near() ? NULL : frame_alloc_normal();
}

/* ---- filling ---- */
void pcache_fill_done(struct page *page, int err, bool backed)
{
	struct pcache_object *obj = page->object;
	unsigned long flags = spin_lock(&obj->lock);
	bool last;

	assert(err <= 0);
	if (err) {
		page->io_error = (int16_t)err;
		page_detach_locked(obj, page);
	} else {
		page_state_change(obj, page, PAGE_UPTODATE | (backed ? PAGE_BACKED : 0), PAGE_FILLING);
	}
	page_wake(page);
	last = page_unpin_locked(page);
	spin_unlock(&obj->lock, flags);
	if (last)
		frame_free(page);
	writeback_transfer_ended(true);
}

/* Adds missing pages behind run[0], up to n in all, as far as frames are plentiful. Returns how many run has. */
static size_t run_extend_locked(struct pcache_object *obj, pgidx_t first, struct page **run, size_t n)
{
	size_t count = 1;

	for (; count < n; count++) {
		struct page *page;

		if (radix_get(&obj->pages, first + count))
			break;
		page = spare_frame();
		if (!page)
			break;
		if (page_insert_locked(obj, first + count, page, PAGE_FILLING)) {
			frame_free(page);
			break;
		}
		run[count] = page;
	}
	return count;
}

/*
 * Puts a page at index, filling, and reads it and up to n-1 that follow. *out is pinned by the caller. -EEXIST: it is
 * in the cache now. *read is how many pages were asked for.
 */
static int fill_start(struct pcache_object *obj, pgidx_t index, size_t n, bool awaited, struct page *page, size_t *read)
{
	struct page *run[FILL_RUN_MAX];
	unsigned long flags = spin_lock(&obj->lock);
	int err = page_insert_locked(obj, index, page, PAGE_FILLING);

	if (err) {
		spin_unlock(&obj->lock, flags);
		return err;
	}
	page_pin(page); // the transfer's, beside the caller's
	run[0] = page;
	*read = run_extend_locked(obj, index, run, min_of(n, (size_t)FILL_RUN_MAX));
	spin_unlock(&obj->lock, flags);
	atomic_fetch_add_explicit(&cache_counts.fills, *read, memory_order_relaxed);
	obj->ops->fill(obj, index, run, *read, awaited);
	return 0;
}

/* A frame and, since the tree may need a node, memory for the heap: tries until there is both. */
static int insert_missing(struct pcache_object *obj, pgidx_t index, size_t n, struct page **out, size_t *read)
{
	for (;;) {
		struct page *page = cache_frame_get();
		int err;

		if (!page)
			return -ENOMEM;
		err = fill_start(obj, index, n, true, page, read);
		if (!err) {
			*out = page;
			return 0;
		}
		frame_free(page);
		if (err != -ENOMEM)
			return err;
		if (!reclaim_wait(1))
			return -ENOMEM;
	}
}

void pcache_readahead(struct pcache_object *obj, pgidx_t first, size_t n)
{
	const pgidx_t end = min_of(first + n, pages_in(obj->size));

	for (pgidx_t index = first; index < end;) {
		struct page *cached = NULL, *page;
		unsigned long flags = spin_lock(&obj->lock);
		size_t read = 1;
		int err;

		cached = radix_get(&obj->pages, index);
		spin_unlock(&obj->lock, flags);
		if (!cached) {
			page = spare_frame();
			if (!page)
				return;
			err = fill_start(obj, index, end - index, false, page, &read);
			if (!err)
				pcache_put(page);
			else
				frame_free(page);
			if (err && err != -EEXIST)
				return;
		}
		index += read;
	}
}

void pcache_will_need(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	while (first <= last && !reclaim_is_near() &&
	       first < pages_in(atomic_load_explicit(&obj->size, memory_order_relaxed))) {
		const size_t n = min_of(last - first, (pgidx_t)WILL_NEED_STEP - 1) + 1;

		rwlock_lock_read(&obj->map_lock);
		pcache_readahead(obj, first, n);
		rwlock_unlock_read(&obj->map_lock);
		first += n;
	}
}

/* ---- readahead ---- */
/* A sequential reader's next window, pages: it doubles. 0: readahead is switched off. */
static uint32_t window_next(const struct readahead *ra)
{
	const uint32_t max = (uint32_t)tunable_pages(TUNE_READAHEAD_KBYTES);

	if (ra->window)
		return min_of(ra->window * 2, max);
	return ra->sequential ? max : min_of(WINDOW_MIN, max);
}

/* How many pages to read where index is missing. */
static size_t window_on_miss(struct readahead *ra, const struct pcache_object *obj, pgidx_t index)
{
	bool sequential = ra && !ra->random && index == ra->next;

	if (!ra)
		return 1;
	if (!sequential)
		ra->window = 0;
	else
		ra->window = window_next(ra);
	return min_of((pgidx_t)max_of(ra->window, 1u), pages_in(obj->size) - index);
}

bool readahead_is_due(const struct readahead *ra, pgidx_t index)
{
	return ra->window && !ra->random && index == ra->next && index + ra->window >= ra->ahead;
}

/* Keeps a sequential reader's next window under way while it is in the present one. */
static void read_on(struct readahead *ra, struct pcache_object *obj, pgidx_t index)
{
	if (!ra)
		return;
	if (readahead_is_due(ra, index)) {
		ra->window = window_next(ra);
		ra->ahead = max_of(ra->ahead, index + 1);
		pcache_readahead(obj, ra->ahead, ra->window);
		ra->ahead += ra->window;
	}
	ra->next = index + 1;
}

/* ---- getting ---- */
/* Pinned, in whatever state; NULL: missing. */
static struct page *find_any(struct pcache_object *obj, pgidx_t index)
{
	unsigned long flags = spin_lock(&obj->lock);
	struct page *page = radix_get(&obj->pages, index);

	if (page)
		page_pin(page);
	spin_unlock(&obj->lock, flags);
	return page;
}

/* Waits for a pinned page; with an error it is unpinned. */
static int await_fill(struct page *page)
{
	int err;

	page_wait(page, PAGE_FILLING);
	if (page_flags(page) & PAGE_UPTODATE)
		return 0;
	err = page->io_error;
	assert(err < 0);
	pcache_put(page);
	return err;
}

int pcache_get(struct pcache_object *obj, pgidx_t index, struct readahead *ra, struct page **out)
{
	struct page *page;
	size_t read;
	int err;

	assert(index < pages_in(obj->size));
	if (obj->memory)
		return shm_get(obj, index, out);
	do {
		page = find_any(obj, index);
		if (page) {
			atomic_fetch_add_explicit(&cache_counts.hits, 1, memory_order_relaxed);
			read_on(ra, obj, index);
			err = await_fill(page);
			continue;
		}
		err = insert_missing(obj, index, window_on_miss(ra, obj, index), &page, &read);
		if (err)
			continue;
		if (ra) {
			ra->next = index + 1;
			ra->ahead = index + read;
		}
		err = await_fill(page);
	} while (err == -EEXIST || err == -EAGAIN);
	if (!err)
		*out = page;
	return err;
}

int pcache_get_overwrite(struct pcache_object *obj, pgidx_t index, struct page **out)
{
	struct page *page;
	unsigned long flags;
	int err;

	if (obj->memory)
		return shm_get(obj, index, out);
	do {
		page = find_any(obj, index);
		if (page) {
			err = await_fill(page);
			continue;
		}
		page = cache_frame_get();
		if (!page)
			return -ENOMEM;
		flags = spin_lock(&obj->lock);
		err = page_insert_locked(obj, index, page, PAGE_FILLING | PAGE_OVERWRITE);
		spin_unlock(&obj->lock, flags);
		if (!err)
			break;
		frame_free(page);
		if (err == -ENOMEM && reclaim_wait(1))
			err = -EAGAIN;
	} while (err == -EEXIST || err == -EAGAIN);
	if (!err)
		*out = page;
	return err;
}

void pcache_limit(size_t pages)
{
	atomic_store(&cache_counts.limit, pages);
}
