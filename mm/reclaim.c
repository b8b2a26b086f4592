// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The evictor. All pages of the cache are in one list, oldest first; it takes them from the front in small batches,
 * gives those used since the last look a second chance at the back, unmaps the clean rest, finishes the shootdown, and
 * frees what nobody took up again in between (I4). Dirty pages are left to the writeback thread, which whoever waits
 * for memory asks to write. A thread keeps some frames free ahead of need.
 *
 * Locks: evictor.mutex is held for a batch, and never while waiting for I/O: whoever destroys an object takes it once
 * after its last page has gone, so an object whose page the evictor has seen stays for the batch. lru.lock is after the
 * page lock, and nothing is taken under it.
 */

#include "mm/reclaim.h"

#include <assert.h>

#include "kernel/thread.h"
#include "mm/kmalloc.h"
#include "mm/pcache_internal.h"
#include "mm/shootdown.h"
#include "mm/tunable.h"
#include "mm/vma.h"

#define BATCH 16
#define MARGIN_MIN 4ul // frames
#define RECLAIMER_STACK_SIZE (16 * 1024)

static struct {
	struct spinlock lock;
	struct list_node pages; // struct page.lru
	size_t count;
} lru = {.lock = SPINLOCK_INIT("lru"), .pages = LIST_INIT(lru.pages)};

/* What a look at the pages takes: those not used since the last look, or used or not, or unmapped ones in any case. */
enum look { LOOK_OLD, LOOK_ANY, LOOK_UNMAPPED };

static struct {
	struct mutex mutex;
	struct list_node shrinkers; // added at start, never removed

	struct spinlock lock; // guards the thread's sleep
	struct waitq waitq;
	atomic_bool wanted;
	atomic_size_t low, high; // marks of free frames: it begins below one; 0 before the thread runs
} evictor = {
    .mutex = MUTEX_INIT(evictor.mutex, "evictor"),
    .shrinkers = LIST_INIT(evictor.shrinkers),
    .lock = SPINLOCK_INIT("evictor wait"),
    .waitq = WAITQ_INIT(evictor.waitq),
};

struct victim {
	struct page *page; // pinned
	struct pcache_object *obj;
};

void lru_add(struct page *page)
{
	unsigned long flags = spin_lock(&lru.lock);

	list_push_back(&lru.pages, &page->lru);
	lru.count++;
	spin_unlock(&lru.lock, flags);
}

void lru_remove(struct page *page)
{
	unsigned long flags = spin_lock(&lru.lock);

	list_remove(&page->lru);
	lru.count--;
	spin_unlock(&lru.lock, flags);
}

static void lru_to_front(struct page *page)
{
	unsigned long flags = spin_lock(&lru.lock);

	list_remove(&page->lru);
	list_push_front(&lru.pages, &page->lru);
	spin_unlock(&lru.lock, flags);
}

static size_t lru_count(void)
{
	unsigned long flags = spin_lock(&lru.lock);
	size_t count = lru.count;

	spin_unlock(&lru.lock, flags);
	return count;
}

/* The oldest pages, which are from now on the youngest. */
static size_t lru_take(struct victim *victims, size_t max)
{
	unsigned long flags = spin_lock(&lru.lock);
	size_t n = min_of(max, lru.count);

	for (size_t i = 0; i < n; i++) {
		struct list_node *node = list_pop_front(&lru.pages);
		struct page *page = list_entry(node, struct page, lru);

		list_push_back(&lru.pages, node);
		page_pin(page);
		victims[i] = (struct victim){page, page->object};
	}
	spin_unlock(&lru.lock, flags);
	return n;
}

/* Clean, and nobody's but the evictor's. */
static bool is_idle_locked(const struct victim *v)
{
	const unsigned busy = PAGE_FILLING | PAGE_DIRTY | PAGE_WRITING;

	return v->page->object == v->obj && atomic_load(&v->page->pins) == 1 && !(page_flags(v->page) & busy);
}

/* Whether it was used since the last look; it is not any more. */
static bool take_use_locked(const struct victim *v)
{
	bool used = page_flags(v->page) & PAGE_REFERENCED;

	if (used)
		page_state_change(v->obj, v->page, 0, PAGE_REFERENCED);
	return (page_mapped(v->page) && rmap_take_use(v->obj, v->page)) || used;
}

/* First step: unmaps it if it may go. */
static bool victim_unmap(const struct victim *v, struct pt_batch *batch, enum look look)
{
	unsigned long flags = spin_lock(&v->obj->lock);
	bool goes = is_idle_locked(v);

	if (goes && look == LOOK_UNMAPPED)
		goes = page_mapped(v->page) == 0;
	else if (goes && take_use_locked(v))
		goes = look == LOOK_ANY;
	goes = goes && !rmap_locked(v->obj, v->page);
	if (goes) {
		page_state_change(v->obj, v->page, PAGE_EVICTING, 0);
		rmap_unmap(v->obj, v->page, batch);
	}
	spin_unlock(&v->obj->lock, flags);
	return goes;
}

/*
 * Second step, after the shootdown: frees it unless it was taken up again. One that was shown meanwhile, and is not any
 * more, may still be used through that entry by another hart. Drops the pin either way.
 */
static bool victim_free(const struct victim *v, bool goes)
{
	unsigned long flags = spin_lock(&v->obj->lock);
	bool freed = goes && is_idle_locked(v) && page_flags(v->page) & PAGE_EVICTING, last;

	if (freed)
		page_detach_locked(v->obj, v->page);
	else if (goes && v->page->object == v->obj && page_flags(v->page) & PAGE_EVICTING)
		page_state_change(v->obj, v->page, 0, PAGE_EVICTING);
	last = page_unpin_locked(v->page);
	spin_unlock(&v->obj->lock, flags);
	if (last)
		frame_free(v->page);
	return freed;
}

/* evictor.mutex held, n at most BATCH. How many went. */
static size_t evict_victims(const struct victim *victims, size_t n, enum look look)
{
	bool goes[BATCH];
	struct pt_batch batch = PT_BATCH_INIT;
	size_t freed = 0;

	for (size_t i = 0; i < n; i++)
		goes[i] = victim_unmap(&victims[i], &batch, look);
	shootdown(&batch);
	for (size_t i = 0; i < n; i++)
		freed += victim_free(&victims[i], goes[i]);
	atomic_fetch_add_explicit(&cache_counts.evicted, freed, memory_order_relaxed);
	return freed;
}

/* evictor.mutex held. */
static size_t evict_batch(size_t max, enum look look, size_t *looked_at)
{
	struct victim victims[BATCH];

	*looked_at = lru_take(victims, min_of(max, (size_t)BATCH));
	return evict_victims(victims, *looked_at, look);
}

size_t reclaim_shrink(size_t want)
{
	size_t freed = 0;

	for (struct list_node *it = evictor.shrinkers.next; it != &evictor.shrinkers && freed < want; it = it->next)
		freed += list_entry(it, struct shrinker, node)->shrink(want - freed);
	return freed;
}

/* Once round the list. evictor.mutex held. */
static size_t evict(size_t want, enum look look)
{
	size_t freed = 0, looked_at;

	for (size_t left = lru_count(); left > 0 && freed < want; left -= min_of(left, looked_at)) {
		freed += evict_batch(left, look, &looked_at);
		if (looked_at == 0)
			break;
	}
	return freed;
}

size_t reclaim(size_t want)
{
	size_t freed;

	mutex_lock(&evictor.mutex);
	freed = evict(want, LOOK_OLD);
	if (freed < want)
		freed += evict(want - freed, LOOK_OLD); // what had its second chance in the first round
	if (freed == 0)
		freed = evict(want, LOOK_ANY);
	mutex_unlock(&evictor.mutex);
	if (freed < want)
		freed += reclaim_shrink(want - freed);
	if (freed == 0)
		freed = tables_prune_all();
	return freed;
}

size_t reclaim_drop_clean(void)
{
	size_t freed;

	mutex_lock(&evictor.mutex);
	freed = evict(SIZE_MAX, LOOK_UNMAPPED);
	mutex_unlock(&evictor.mutex);
	return freed;
}

/* Pages of the object at or after *index, pinned; *index moves behind them. */
static size_t object_take(struct pcache_object *obj, pgidx_t *index, pgidx_t last, struct victim *victims)
{
	unsigned long flags = spin_lock(&obj->lock);
	struct page *page;
	size_t n = 0;

	while (n < BATCH && *index <= last && (page = radix_next(&obj->pages, index)) && *index <= last) {
		page_pin(page);
		victims[n++] = (struct victim){page, obj};
		++*index;
	}
	spin_unlock(&obj->lock, flags);
	return n;
}

size_t reclaim_drop_range(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	struct victim victims[BATCH];
	size_t freed = 0, n;

	mutex_lock(&evictor.mutex);
	while ((n = object_take(obj, &first, last, victims)))
		freed += evict_victims(victims, n, LOOK_UNMAPPED);
	mutex_unlock(&evictor.mutex);
	return freed;
}

/* At most BATCH pages; false: there are no more. */
static bool make_old_step(struct pcache_object *obj, pgidx_t *index, pgidx_t last)
{
	unsigned long flags = spin_lock(&obj->lock);
	struct page *page = NULL;

	for (size_t n = 0; n < BATCH && *index <= last && (page = radix_next(&obj->pages, index)) && *index <= last;
	     n++, ++*index) {
		const struct victim v = {page, obj};

		if (page_mapped(page) > 1 || !(page_flags(page) & PAGE_UPTODATE))
			continue;
		(void)take_use_locked(&v);
		lru_to_front(page);
	}
	spin_unlock(&obj->lock, flags);
	return page && *index <= last;
}

void reclaim_make_old(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	while (make_old_step(obj, &first, last))
		;
}

void reclaim_quiesce(void)
{
	mutex_lock(&evictor.mutex);
	mutex_unlock(&evictor.mutex);
}

void shrinker_register(struct shrinker *s)
{
	list_push_back(&evictor.shrinkers, &s->node);
}

/* ---- memory for those who wait ---- */
bool reclaim_wait(size_t want)
{
	const uint64_t seen = writeback_progress(); // what ends from here on may be what reclaim just found busy

	return reclaim(want) > 0 || writeback_wait_progress(seen);
}

static struct page *get(struct page *(*alloc)(void))
{
	struct page *page;

	assert(thread_may_sleep());
	while (!(page = alloc())) {
		if (!reclaim_wait(BATCH))
			return alloc();
	}
	return page;
}

struct page *frame_get(void)
{
	return get(frame_alloc_normal);
}

struct page *frame_get_far(void)
{
	return get(frame_alloc_far_normal);
}

void *kmalloc_wait(size_t size)
{
	void *p;

	assert(thread_may_sleep());
	while (!(p = kmalloc(size))) {
		if (!reclaim_wait(BATCH))
			return kmalloc(size);
	}
	return p;
}

/* ---- ahead of need ---- */
bool reclaim_is_near(void)
{
	return frame_near_free_count() < atomic_load_explicit(&evictor.low, memory_order_relaxed);
}

void reclaim_poke(size_t free)
{
	unsigned long flags;

	if (free >= atomic_load_explicit(&evictor.low, memory_order_relaxed) ||
	    atomic_exchange_explicit(&evictor.wanted, true, memory_order_relaxed))
		return;
	flags = spin_lock(&evictor.lock);
	waitq_wake_one(&evictor.waitq);
	spin_unlock(&evictor.lock, flags);
}

void reclaim_marks_changed(void)
{
	const size_t margin = max_of(frame_near_total() * tunable(TUNE_WATERMARK_SCALE_FACTOR) / 10000, MARGIN_MIN);

	atomic_store(&evictor.high, frame_reserve() + 2 * margin);
	atomic_store(&evictor.low, frame_reserve() + margin);
	reclaim_poke(frame_near_free_count());
}

static void *reclaimer_main(void *arg)
{
	(void)arg;
	for (;;) {
		unsigned long flags = spin_lock(&evictor.lock);

		while (!atomic_exchange(&evictor.wanted, false))
			waitq_wait(&evictor.waitq, &evictor.lock, &flags);
		spin_unlock(&evictor.lock, flags);
		for (size_t free, high; (free = frame_near_free_count()) < (high = atomic_load(&evictor.high));) {
			if (!reclaim_wait(high - free))
				break;
		}
	}
	return NULL;
}

int reclaim_init(void)
{
	reclaim_marks_changed();
	return thread_create("reclaimer", RECLAIMER_STACK_SIZE, reclaimer_main, NULL, NULL);
}
