// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The evictor. Pages of the cache are in two lists, oldest first: those used once or never, from whose front it takes
 * small batches, gives those used since the last look a second chance at the back, unmaps the clean rest, finishes the
 * shootdown, and frees what nobody took up again in between (I4); and those used twice, which are aged into the first
 * list while they are more than half. So a pass over a large file leaves a working set alone. Dirty pages are left to
 * the writeback thread, which whoever waits for memory asks to write. A thread keeps some frames free ahead of need.
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
#define LOOKS_MIN 64
#define AGE_PER 16     // pages evicted for each proven one that is looked at
#define MARGIN_MIN 4ul // frames
#define RECLAIMER_STACK_SIZE (16 * 1024)

/* Pages used once or never, and pages used twice (PAGE_PROVEN); a stream goes through the first list alone. */
struct lru_list {
	struct list_node pages; // struct page.lru, oldest first
	size_t count;
};

static struct {
	struct spinlock lock; // guards both
	struct lru_list fresh, proven;
} lru = {
    .lock = SPINLOCK_INIT("lru"),
    .fresh.pages = LIST_INIT(lru.fresh.pages),
    .proven.pages = LIST_INIT(lru.proven.pages),
};

/*
 * What a look takes: pages not used since the last one; also those found used for the first time, which may be by
 * fault-around; any; unmapped ones in any case.
 */
enum look { LOOK_OLD, LOOK_ONCE, LOOK_ANY, LOOK_UNMAPPED };

static struct {
	struct mutex mutex;
	size_t unaged;		    // pages evicted that age() has not followed yet; guarded by mutex
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

static void push_back_locked(struct lru_list *list, struct page *page)
{
	list_push_back(&list->pages, &page->lru);
	list->count++;
}

void lru_add(struct page *page)
{
	unsigned long flags = spin_lock(&lru.lock);

	push_back_locked(&lru.fresh, page);
	spin_unlock(&lru.lock, flags);
}

/* Its flags tell the list: page lock held. */
static struct lru_list *list_of(const struct page *page)
{
	return page_flags(page) & PAGE_PROVEN ? &lru.proven : &lru.fresh;
}

void lru_remove(struct page *page)
{
	unsigned long flags = spin_lock(&lru.lock);

	list_remove(&page->lru);
	list_of(page)->count--;
	spin_unlock(&lru.lock, flags);
}

/* Not used, and the next to be looked at. Page lock held. */
static void lru_to_front_locked(struct pcache_object *obj, struct page *page)
{
	unsigned long flags;

	lru_remove(page);
	page_state_change(obj, page, 0, PAGE_PROVEN | PAGE_USED | PAGE_REFERENCED);
	flags = spin_lock(&lru.lock);
	list_push_front(&lru.fresh.pages, &page->lru);
	lru.fresh.count++;
	spin_unlock(&lru.lock, flags);
}

static size_t lru_count(const struct lru_list *list)
{
	unsigned long flags = spin_lock(&lru.lock);
	size_t count = list->count;

	spin_unlock(&lru.lock, flags);
	return count;
}

/* The oldest pages of a list, which are from now on the youngest. */
static size_t lru_take(struct lru_list *list, struct victim *victims, size_t max)
{
	unsigned long flags = spin_lock(&lru.lock);
	size_t n = min_of(max, list->count);

	for (size_t i = 0; i < n; i++) {
		struct list_node *node = list_pop_front(&list->pages);
		struct page *page = list_entry(node, struct page, lru);

		list_push_back(&list->pages, node);
		page_pin(page);
		victims[i] = (struct victim){page, page->object};
	}
	spin_unlock(&lru.lock, flags);
	return n;
}

/* To the end of the other list; the first look at it there may come at once, and finds it used. Page lock held. */
static void lru_move_locked(const struct victim *v, bool proven)
{
	unsigned long flags;

	lru_remove(v->page);
	page_state_change(v->obj, v->page, proven ? PAGE_PROVEN | PAGE_REFERENCED : 0, proven ? 0 : PAGE_PROVEN);
	flags = spin_lock(&lru.lock);
	push_back_locked(list_of(v->page), v->page);
	spin_unlock(&lru.lock, flags);
}

/* Clean, and nobody's but the evictor's. */
static bool is_idle_locked(const struct victim *v)
{
	const unsigned busy = PAGE_FILLING | PAGE_DIRTY | PAGE_WRITING;

	return v->page->object == v->obj && atomic_load(&v->page->pins) == 1 && !(page_flags(v->page) & busy);
}

/*
 * Whether it was used since the last look; it is not any more. A second use moves it to the proven ones, a look without
 * use back.
 */
enum use { USE_NONE, USE_FIRST, USE_AGAIN };
static enum use take_use_locked(const struct victim *v)
{
	const unsigned state = page_flags(v->page);
	const bool shown_used = page_mapped(v->page) && rmap_take_use(v->obj, v->page);
	const bool again = state & PAGE_REFERENCED || (shown_used && state & PAGE_USED);

	if (shown_used || state & PAGE_REFERENCED)
		page_state_change(v->obj, v->page, PAGE_USED, PAGE_REFERENCED);
	if (again != ((state & PAGE_PROVEN) != 0))
		lru_move_locked(v, again);
	return again ? USE_AGAIN : shown_used ? USE_FIRST : USE_NONE;
}

static bool may_go_locked(const struct victim *v, enum look look)
{
	enum use use;

	if (!is_idle_locked(v))
		return false;
	if (look == LOOK_UNMAPPED)
		return page_mapped(v->page) == 0;
	use = take_use_locked(v);
	return look == LOOK_ANY || use == USE_NONE || (look == LOOK_ONCE && use == USE_FIRST);
}

/* First step: unmaps it if it may go. */
static bool victim_unmap(const struct victim *v, struct pt_batch *batch, enum look look)
{
	unsigned long flags = spin_lock(&v->obj->lock);
	bool goes = may_go_locked(v, look) && !rmap_locked(v->obj, v->page);

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

/* Of a proven page: drops the pin. */
static void look_at(const struct victim *v)
{
	unsigned long flags = spin_lock(&v->obj->lock);
	bool last;

	if (v->page->object == v->obj)
		(void)take_use_locked(v); // moves it
	last = page_unpin_locked(v->page);
	spin_unlock(&v->obj->lock, flags);
	if (last)
		frame_free(v->page);
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
static size_t evict_batch(struct lru_list *list, size_t max, enum look look, size_t *looked_at)
{
	struct victim victims[BATCH];

	*looked_at = lru_take(list, victims, min_of(max, (size_t)BATCH));
	return evict_victims(victims, *looked_at, look);
}

size_t reclaim_shrink(size_t want)
{
	size_t freed = 0;

	for (struct list_node *it = evictor.shrinkers.next; it != &evictor.shrinkers && freed < want; it = it->next)
		freed += list_entry(it, struct shrinker, node)->shrink(want - freed);
	return freed;
}

/* Once round a list, or as far as max pages. evictor.mutex held. */
static size_t evict(struct lru_list *list, size_t want, size_t max, enum look look)
{
	size_t freed = 0, looked_at;

	for (size_t left = min_of(lru_count(list), max); left > 0 && freed < want; left -= min_of(left, looked_at)) {
		freed += evict_batch(list, left, look, &looked_at);
		if (looked_at == 0)
			break;
	}
	return freed;
}

/*
 * Proven pages that are not used any more join the fresh ones: as many are looked at as have been evicted while the
 * fresh ones are the fewer, else one for AGE_PER, so that what was in use once does not stay for ever. evictor.mutex
 * held.
 */
static void age(size_t evicted)
{
	struct victim victims[BATCH];
	size_t left, n;

	evictor.unaged += evicted;
	left = lru_count(&lru.proven) > lru_count(&lru.fresh) ? evicted : evictor.unaged / AGE_PER;
	evictor.unaged %= AGE_PER;
	for (; left > 0 && (n = lru_take(&lru.proven, victims, min_of(left, (size_t)BATCH))) > 0; left -= n) {
		for (size_t i = 0; i < n; i++)
			look_at(&victims[i]);
	}
}

size_t reclaim(size_t want)
{
	size_t freed;

	mutex_lock(&evictor.mutex);
	/* Not far at once: if all were looked at, what is used most would seem as unused as the rest, and be the
	 * oldest. */
	freed = evict(&lru.fresh, want, LOOKS_MIN + 4 * want, LOOK_OLD);
	if (freed < want)
		freed += evict(&lru.fresh, want - freed, SIZE_MAX, LOOK_ONCE);
	if (freed < want)
		freed += evict(&lru.fresh, want - freed, SIZE_MAX, LOOK_OLD); // what had its second chance before
	if (freed == 0)
		freed = evict(&lru.fresh, want, SIZE_MAX, LOOK_ANY);
	if (freed == 0)
		freed = evict(&lru.proven, want, SIZE_MAX, LOOK_ANY);
	age(freed);
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
	freed = evict(&lru.fresh, SIZE_MAX, SIZE_MAX, LOOK_UNMAPPED);
	freed += evict(&lru.proven, SIZE_MAX, SIZE_MAX, LOOK_UNMAPPED);
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
		if (page_mapped(page) > 1 || !(page_flags(page) & PAGE_UPTODATE))
			continue;
		if (page_mapped(page))
			(void)rmap_take_use(obj, page); // which makes the entry old
		lru_to_front_locked(obj, page);
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
