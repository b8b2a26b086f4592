// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The page cache's pages: their states, look-up, pins, and waiting for a state. A page's state changes in
 * page_state_change only, under the object's page lock, which asserts that the step is legal and keeps the tags, the
 * counts and the list of dirty objects in step.
 *
 * Waiting: a waiter checks the flags under the lock of its page's bucket; whoever changed them takes that lock after
 * the change. So no wake-up is lost, and the page lock is not needed to wait. Only page_wait sleeps here.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "kernel/wait.h"
#include "mm/kmalloc.h"
#include "mm/pcache_internal.h"
#include "mm/reclaim.h"

#define WAIT_BUCKETS 64

struct cache_counts cache_counts;

static struct wait_bucket {
	struct spinlock lock;
	struct waitq waitq;
} buckets[WAIT_BUCKETS];

int pcache_init(void)
{
	int err;

	radix_set_allocator(kmalloc, kfree);
	for (size_t i = 0; i < WAIT_BUCKETS; i++) {
		spin_init(&buckets[i].lock, "page waiters");
		waitq_init(&buckets[i].waitq);
	}
	err = writeback_init();
	return err ? err : reclaim_init();
}

void pcache_object_init(struct pcache_object *obj, const struct pcache_ops *ops, uint64_t size)
{
	memset(obj, 0, sizeof(*obj));
	obj->ops = ops;
	obj->size = size;
	rwlock_init(&obj->map_lock, "map");
	spin_init(&obj->lock, "page");
	radix_init(&obj->pages);
	list_init(&obj->dirty_node);
}

/* ---- states ---- */
static inline bool state_is_legal(unsigned state)
{
	if (!(state & ~PAGE_REFERENCED))
		return true; // leaves the cache
	if (state & PAGE_FILLING)
		return !(state &
			 (PAGE_UPTODATE | PAGE_DIRTY | PAGE_WRITING | PAGE_CLEANING | PAGE_ERROR | PAGE_SPARSE)) &&
		       (!(state & PAGE_BACKED) || state & PAGE_OVERWRITE);
	if (!(state & PAGE_UPTODATE) || state & PAGE_OVERWRITE)
		return false;
	if (state & (PAGE_DIRTY | PAGE_WRITING) && !(state & (PAGE_BACKED | PAGE_SPARSE)))
		return false;
	if ((state & (PAGE_BACKED | PAGE_SPARSE)) == (PAGE_BACKED | PAGE_SPARSE))
		return false;
	if (state & PAGE_CLEANING && (~state & (PAGE_DIRTY | PAGE_WRITING)))
		return false;
	return !(state & PAGE_ERROR) || state & (PAGE_DIRTY | PAGE_WRITING);
}

/* One write of a page is in flight at a time; contents once good stay so. */
static inline bool step_is_legal(unsigned old, unsigned now)
{
	if (old & PAGE_WRITING && now & PAGE_CLEANING && !(old & PAGE_CLEANING))
		return false;
	return !(old & PAGE_UPTODATE) || now & PAGE_UPTODATE || !(now & ~PAGE_REFERENCED);
}

static void count_step(atomic_size_t *count, bool old, bool now)
{
	if (old != now)
		atomic_fetch_add_explicit(count, now ? 1 : (size_t)-1, memory_order_relaxed);
}

/* A transfer is filling it, not a writer. */
static bool is_filling(unsigned state)
{
	return (state & (PAGE_FILLING | PAGE_OVERWRITE)) == PAGE_FILLING;
}

static void tag_step(struct pcache_object *obj, pgidx_t index, unsigned old, unsigned now, unsigned flag,
		     enum pcache_tag tag)
{
	if (!((old ^ now) & flag))
		return;
	if (now & flag)
		radix_tag_set(&obj->pages, index, tag);
	else
		radix_tag_clear(&obj->pages, index, tag);
}

void page_state_change(struct pcache_object *obj, struct page *page, unsigned set, unsigned clear)
{
	const unsigned busy = PAGE_DIRTY | PAGE_WRITING;
	unsigned old = atomic_load_explicit(&page->flags, memory_order_relaxed);
	unsigned now = (old | set) & ~clear;

	assert(spin_held(&obj->lock) && page->object == obj);
	assert(state_is_legal(now) && step_is_legal(old, now));
	assert(!obj->memory || !(now & (busy | PAGE_FILLING | PAGE_EVICTING)));
	assert(!(old & ~now & PAGE_DIRTY) || page_mapped(page) == 0 || !rmap_writable(obj, page)); // I3
	tag_step(obj, page->index, old, now, PAGE_DIRTY, PCACHE_TAG_DIRTY);
	tag_step(obj, page->index, old, now, PAGE_WRITING, PCACHE_TAG_WRITING);
	count_step(&cache_counts.filling, is_filling(old), is_filling(now));
	count_step(&cache_counts.dirty, old & PAGE_DIRTY, now & PAGE_DIRTY);
	count_step(&cache_counts.writing, old & PAGE_WRITING, now & PAGE_WRITING);
	/* Release: pairs with page_flags. */
	atomic_store_explicit(&page->flags, now, memory_order_release);
	if (!(old & busy) && now & busy) {
		if (obj->dirty_count++ == 0)
			writeback_object_dirty(obj);
	} else if (old & busy && !(now & busy)) {
		if (--obj->dirty_count == 0)
			writeback_object_clean(obj);
	}
	if (now & ~old & PAGE_DIRTY)
		writeback_dirtied();
}

/* The page is backed, or sparse. A write that is about to take it does not make it clean then. */
void page_make_dirty_locked(struct pcache_object *obj, struct page *page)
{
	if (!obj->memory)
		page_state_change(obj, page, PAGE_DIRTY, PAGE_CLEANING);
}

static atomic_size_t *count_of(const struct pcache_object *obj)
{
	return obj->memory ? &cache_counts.memory : &cache_counts.pages;
}

/* The flag that one more use sets. */
static unsigned next_use(const struct page *page)
{
	return page_flags(page) & PAGE_USED ? PAGE_REFERENCED : PAGE_USED;
}

void pcache_mark_used(struct page *page)
{
	struct pcache_object *obj = page->object;
	unsigned long flags;

	if (!obj || page_flags(page) & PAGE_REFERENCED)
		return;
	flags = spin_lock(&obj->lock);
	if (page->object == obj)
		page_state_change(obj, page, next_use(page), 0);
	spin_unlock(&obj->lock, flags);
}

int page_insert_locked(struct pcache_object *obj, pgidx_t index, struct page *page, unsigned state)
{
	int err = radix_insert(&obj->pages, index, page);

	if (err)
		return err;
	page->object = obj;
	page->index = index;
	page->io_error = 0;
	obj->page_count++;
	atomic_fetch_add_explicit(count_of(obj), 1, memory_order_relaxed);
	page_state_change(obj, page, state, 0);
	if (!obj->memory)
		lru_add(page);
	return 0;
}

void page_detach_locked(struct pcache_object *obj, struct page *page)
{
	struct page *removed;

	assert(page_mapped(page) == 0 && !(page_flags(page) & PAGE_WRITING) && atomic_load(&page->pins) > 0); // I4
	if (!obj->memory)
		lru_remove(page);
	page_state_change(obj, page, 0, ~0u);
	removed = radix_remove(&obj->pages, page->index);
	assert(removed == page);
	(void)removed;
	obj->page_count--;
	atomic_fetch_sub_explicit(count_of(obj), 1, memory_order_relaxed);
	page->object = NULL;
}

/* ---- pins ---- */
void page_pin(struct page *page)
{
	atomic_fetch_add_explicit(&page->pins, 1, memory_order_relaxed);
}

bool page_unpin_locked(struct page *page)
{
	/* Release: pairs with the acquire of whoever sees the last pin go and frees or evicts. */
	unsigned left = atomic_fetch_sub_explicit(&page->pins, 1, memory_order_acq_rel) - 1;

	if (left > 0)
		return false;
	if (page->object) {
		atomic_fetch_and_explicit(&page->flags, ~(unsigned)PAGE_STORING, memory_order_relaxed);
		return false;
	}
	atomic_store_explicit(&page->pins, 1, memory_order_relaxed);
	return true;
}

/* The writer of a whole page is done with it: it is good and dirty, or never was. */
static void overwrite_end_locked(struct pcache_object *obj, struct page *page)
{
	if (page_flags(page) & PAGE_BACKED) {
		page_state_change(obj, page, PAGE_UPTODATE | PAGE_DIRTY, PAGE_FILLING | PAGE_OVERWRITE);
	} else {
		page->io_error = -EAGAIN; // whoever waits fills it
		page_detach_locked(obj, page);
	}
}

void pcache_put(struct page *page)
{
	struct pcache_object *obj = page->object; // the pin's owner keeps it alive
	bool last, wake = false;
	unsigned long flags;

	if (obj) {
		flags = spin_lock(&obj->lock);
		if (page->object == obj) {
			unsigned state = page_flags(page);

			wake = state & PAGE_OVERWRITE;
			if (wake)
				overwrite_end_locked(obj, page);
			else if (state & PAGE_STORING && state & (PAGE_BACKED | PAGE_SPARSE))
				page_make_dirty_locked(obj, page); // it may have been written since the store began
		}
		if (wake)
			page_wake(page);
		last = page_unpin_locked(page);
		spin_unlock(&obj->lock, flags);
	} else {
		last = page_unpin_locked(page); // detached for good: nothing else is looked at
	}
	if (last)
		frame_free(page);
}

size_t pcache_count(struct pcache_object *obj)
{
	unsigned long flags = spin_lock(&obj->lock);
	size_t count = obj->page_count;

	spin_unlock(&obj->lock, flags);
	return count;
}

struct page *pcache_find(struct pcache_object *obj, pgidx_t index)
{
	unsigned long flags = spin_lock(&obj->lock);
	struct page *page = radix_get(&obj->pages, index);

	if (page && page_flags(page) & PAGE_UPTODATE)
		page_pin(page);
	else
		page = NULL;
	spin_unlock(&obj->lock, flags);
	return page;
}

/* ---- waiting ---- */
static struct wait_bucket *bucket_of(const struct page *page)
{
	return &buckets[(uintptr_t)page / sizeof(*page) % WAIT_BUCKETS];
}

void page_wait(struct page *page, unsigned flags)
{
	struct wait_bucket *bucket = bucket_of(page);
	unsigned long irq = spin_lock(&bucket->lock);

	while (page_flags(page) & flags)
		waitq_wait(&bucket->waitq, &bucket->lock, &irq);
	spin_unlock(&bucket->lock, irq);
}

void page_wake(struct page *page)
{
	struct wait_bucket *bucket = bucket_of(page);
	unsigned long irq = spin_lock(&bucket->lock);

	waitq_wake_all(&bucket->waitq);
	spin_unlock(&bucket->lock, irq);
}

/* ---- storing ---- */
int page_reserve(struct pcache_object *obj, struct page *page)
{
	pgidx_t end = page->index + 1;
	unsigned long flags;
	int err;

	if (page_flags(page) & PAGE_BACKED)
		return 0;
	err = obj->ops->reserve(obj, page->index, &end);
	if (err)
		return err;
	flags = spin_lock(&obj->lock);
	page_state_change(obj, page, PAGE_BACKED, PAGE_SPARSE);
	spin_unlock(&obj->lock, flags);
	return 0;
}

/* The page's blocks, unless the stretch has seen that they are there. */
static int reserve_in(struct page *page, struct pcache_stretch *stretch)
{
	struct pcache_object *obj = page->object;
	pgidx_t end = page->index + 1;
	int err;

	if (page_flags(page) & PAGE_BACKED || (stretch && page->index < stretch->known))
		return 0;
	if (stretch)
		end = max_of(end, stretch->end);
	err = obj->ops->reserve(obj, page->index, &end);
	if (!err && stretch)
		stretch->known = end;
	return err;
}

int pcache_make_dirty(struct page *page, struct pcache_stretch *stretch)
{
	struct pcache_object *obj = page->object;
	const bool was_dirty = page_flags(page) & PAGE_DIRTY;
	unsigned long flags;
	unsigned set = PAGE_BACKED;
	int err;

	assert(obj && atomic_load(&page->pins) > 0);
	if (obj->memory)
		return 0;
	/* Last what makes it backed: pcache_put takes a backed page that was to be overwritten for good. */
	err = was_dirty ? 0 : writeback_throttle();
	if (!err)
		err = reserve_in(page, stretch);
	if (err)
		return err;
	flags = spin_lock(&obj->lock);
	if (!was_dirty) // many small writes in a row are one use
		set |= next_use(page);
	if (page_flags(page) & PAGE_OVERWRITE)
		page_state_change(obj, page, set, PAGE_SPARSE);
	else
		page_state_change(obj, page, set | PAGE_STORING | PAGE_DIRTY, PAGE_SPARSE | PAGE_CLEANING);
	spin_unlock(&obj->lock, flags);
	return 0;
}

/* ---- figures and checks ---- */
void pcache_stats(struct pcache_stats *out)
{
	*out = (struct pcache_stats){
	    .pages = atomic_load(&cache_counts.pages),
	    .dirty = atomic_load(&cache_counts.dirty),
	    .writing = atomic_load(&cache_counts.writing),
	    .hits = atomic_load(&cache_counts.hits),
	    .fills = atomic_load(&cache_counts.fills),
	    .writes = atomic_load(&cache_counts.writes),
	    .evicted = atomic_load(&cache_counts.evicted),
	};
}

void pcache_check(struct pcache_object *obj)
{
	unsigned long flags = spin_lock(&obj->lock);
	size_t count = 0, busy = 0;

	for (pgidx_t index = 0;; index++) {
		struct page *page = radix_next(&obj->pages, &index);
		unsigned state;

		if (!page)
			break;
		state = page_flags(page);
		count++;
		busy += (state & (PAGE_DIRTY | PAGE_WRITING)) != 0;
		assert(page->object == obj && page->index == index && list_empty(&page->lru) == obj->memory);
		assert(state & ~PAGE_REFERENCED && state_is_legal(state));
		assert(radix_tag_get(&obj->pages, index, PCACHE_TAG_DIRTY) == ((state & PAGE_DIRTY) != 0));
		assert(radix_tag_get(&obj->pages, index, PCACHE_TAG_WRITING) == ((state & PAGE_WRITING) != 0));
		assert(state & PAGE_DIRTY || obj->memory || !rmap_writable(obj, page)); // I3
		assert(rmap_count_is_right(obj, page));
	}
	assert(count == obj->page_count && count == obj->pages.count && busy == obj->dirty_count);
	assert((busy == 0) == list_empty(&obj->dirty_node));
	(void)count;
	(void)busy;
	spin_unlock(&obj->lock, flags);
}
