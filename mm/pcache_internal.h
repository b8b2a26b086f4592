// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Between the files of the page cache: pcache.c (states, look-up), pcache_read.c (filling), pcache_write.c (writing),
 * pcache_remove.c, writeback.c (the thread), reclaim.c (the evictor), rmap.c (entries that show a page).
 *
 * Pins: 0 for a page at rest. Whoever uses a page outside the page lock has pinned it; a transfer pins its pages. A
 * page that is taken out of the cache while pinned has object NULL, and the last pin frees its frame.
 */
#pragma once

#include "arch/pt.h"
#include "mm/pcache.h"

/* ---- pcache.c. _locked: the page lock is held ---- */
struct cache_counts {
	atomic_size_t pages, filling, dirty, writing; // states, of all objects but memory; mm/pcache.c
	atomic_size_t memory;			      // pages of memory objects: as private memory, no cache
	atomic_size_t limit;			      // pcache_limit
	atomic_uint_least64_t hits, fills, writes, evicted;
};
extern struct cache_counts cache_counts;

static inline unsigned page_flags(const struct page *page)
{
	/* Acquire pairs with the release in page_state_change: what a fill brought is seen once it is uptodate. */
	return atomic_load_explicit(&page->flags, memory_order_acquire);
}

/* The one function that changes states; asserts that the step is legal. Tags, counts and lists follow. */
void page_state_change(struct pcache_object *obj, struct page *page, unsigned set, unsigned clear);
/* A page of a memory object stays as it is. */
void page_make_dirty_locked(struct pcache_object *obj, struct page *page);

/* Fresh frame into the cache, pinned once by the caller of frame_get. 0, -EEXIST, -ENOMEM. */
int page_insert_locked(struct pcache_object *obj, pgidx_t index, struct page *page, unsigned state);
/* Out of the cache; waiters and pins keep the frame. Clean (dirty contents are dropped), no transfer, unmapped. */
void page_detach_locked(struct pcache_object *obj, struct page *page);

void page_pin(struct page *page);
/* Drops a pin. True: the page was detached and this was the last, the caller frees the frame once nothing is locked. */
bool page_unpin_locked(struct page *page);

/* Waits until none of the flags is set. The page is pinned. */
void page_wait(struct page *page, unsigned flags);
void page_wake(struct page *page);

/* Reserves the blocks behind a pinned page, which is backed then, unless it is. map_lock held. */
int page_reserve(struct pcache_object *obj, struct page *page);

static inline pgidx_t pages_in(uint64_t bytes)
{
	return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

/* ---- pcache_read.c ---- */
/* A frame for the cache, within the limit. NULL: nothing can be evicted. */
struct page *cache_frame_get(void);
/* Whoever reads the page, which is cached, is near enough to what has not been asked for yet: pcache_get would ask. */
bool readahead_is_due(const struct readahead *ra, pgidx_t index);

/* ---- pcache_write.c ---- */
/*
 * Starts writing dirty pages from *index on, up to max (PCACHE_RUN_MAX), and moves *index behind them. Pages that are
 * being written already are waited for, or passed over. Returns how many pages; 0: there are none up to last.
 */
size_t write_batch(struct pcache_object *obj, pgidx_t *index, pgidx_t last, size_t max, bool wait);

/* ---- rmap.c: with the page lock held; the address space's lock is taken inside ---- */
void rmap_narrow(struct pcache_object *obj, struct page *page, struct pt_batch *batch);
void rmap_unmap(struct pcache_object *obj, struct page *page, struct pt_batch *batch);
/* Used through a mapping since the last call. */
bool rmap_take_use(struct pcache_object *obj, struct page *page);
/* Belongs to a mapping that is locked in memory, which shows it, or would at the next touch (not a copy of it). */
bool rmap_locked(struct pcache_object *obj, struct page *page);
/* For assertions: some entry lets stores through; the entries that show it are as many as page->mapped. */
bool rmap_writable(struct pcache_object *obj, struct page *page);
bool rmap_count_is_right(struct pcache_object *obj, struct page *page);
/*
 * Removes the private copies that mappings have of pages first .. last, a bounded number at a time; true: there may be
 * more. No lock held.
 */
bool rmap_remove_copies(struct pcache_object *obj, pgidx_t first, pgidx_t last);

/* ---- writeback.c ---- */
int writeback_init(void);
/* The tunables that say how much may be dirty, and for how long, have changed. Any context. */
void writeback_limits_changed(void);
/* The object has its first, or no more, pages dirty or writing. Page lock held. */
void writeback_object_dirty(struct pcache_object *obj);
void writeback_object_clean(struct pcache_object *obj);
/* A page became dirty; a transfer ended. Any context. */
void writeback_dirtied(void);
void writeback_transfer_ended(bool well);
/* So many pages begin to be written; the write of one has ended, which is a transfer. Any context. */
void writeback_begins(size_t pages);
void writeback_ended(bool well);
/* A write of the object ended: failed ones are tried again later and later. Page lock held. */
void writeback_object_written(struct pcache_object *obj, int err);
/* Waits until the writeback thread lets the object go. */
void writeback_object_wait(struct pcache_object *obj);
/*
 * Asks for writes and waits until a transfer has ended well since writeback_progress returned `seen`. False: none has
 * and none is under way, so waiting longer frees nothing. No spinlock held.
 */
uint64_t writeback_progress(void);
bool writeback_wait_progress(uint64_t seen);
/*
 * Lets a thread that makes a page dirty go on at the pace at which the card takes them. 0, or the error of the last
 * failed write: too much is dirty and the card takes no more. Sleeps.
 */
int writeback_throttle(void);
/* Calls visit for each object with dirty pages, once; the first error. */
int writeback_each_object(int (*visit)(struct pcache_object *obj));

/* ---- reclaim.c ---- */
void lru_add(struct page *page);
void lru_remove(struct page *page);
/* Waits until the evictor has let go of all objects. */
void reclaim_quiesce(void);
size_t reclaim_drop_clean(void);
