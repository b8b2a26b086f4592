// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Physical memory. Each range has a part that has been handed out at least once, whose descriptors are made, and a part
 * never touched; free frames of the first part are in one list. So start-up touches nothing, and allocation is O(1)
 * but for adjacent frames once no range has an untouched part left that is large enough.
 *
 * Descriptors lie side by side, bank by bank: a bank is RAM without large holes, so a hole of gigabytes costs none.
 *
 * There are two zones: near frames, which every block device reaches, and far ones, above what some device reaches.
 * Each range lies in one of them. Without such a device there are no far frames, and nothing is asked that costs.
 *
 * One spinlock, last in the order; never sleeps, any context.
 */

#include "mm/frame.h"

#include <assert.h>
#include <errno.h>

#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "mm/reclaim.h"
#include "mm/tunable.h"

#define RANGES_MAX 64 // of RAM, and a few more where a zone ends within one
#define SPLITS_MAX 4
#define BANKS_MAX 8
#define BANK_HOLE_MAX (16ul << 20) // bytes; its descriptors are a hundredth of that

struct range {
	paddr_t start, next, end; // [next, end) has never been touched
};

struct bank {
	paddr_t start, end;
	struct page *pages, *pages_end; // of start, of end
};

struct zone {
	struct list_node free; // struct page.lru
	atomic_size_t free_count;
};

static struct {
	struct spinlock lock;
	struct zone near, far;
	struct range ranges[RANGES_MAX + SPLITS_MAX];
	size_t range_count;
	paddr_t reach; // where the far zone begins; constant once devices are there, as is near_total
	size_t near_total;

	/* Constant after frame_init. */
	struct bank banks[BANKS_MAX]; // in order of address
	size_t bank_count;
	size_t total;
} frames = {
    .lock = SPINLOCK_INIT("frames"),
    .near = {.free = LIST_INIT(frames.near.free)},
    .far = {.free = LIST_INIT(frames.far.free)},
    .reach = UINT64_MAX,
};

static struct zone *zone_at(paddr_t pa)
{
	return pa < frames.reach ? &frames.near : &frames.far;
}

static void sort_ranges(void)
{
	for (size_t i = 1; i < frames.range_count; i++)
		for (size_t j = i; j > 0 && frames.ranges[j].start < frames.ranges[j - 1].start; j--) {
			struct range r = frames.ranges[j];

			frames.ranges[j] = frames.ranges[j - 1];
			frames.ranges[j - 1] = r;
		}
}

/* Ranges that lie close together are one bank; so are all that come when there can be no more banks. */
static void make_banks(void)
{
	for (const struct range *r = frames.ranges; r < frames.ranges + frames.range_count; r++) {
		struct bank *last = frames.bank_count ? &frames.banks[frames.bank_count - 1] : NULL;

		if (last && (r->start - last->end <= BANK_HOLE_MAX || frames.bank_count == BANKS_MAX))
			last->end = r->end;
		else
			frames.banks[frames.bank_count++] = (struct bank){.start = r->start, .end = r->end};
	}
}

/* Cuts the memory for all descriptors off the end of the largest range. */
static void place_descriptors(void)
{
	struct range *largest = &frames.ranges[0];
	struct page *next;
	size_t size = 0;

	for (size_t i = 0; i < frames.bank_count; i++)
		size += (frames.banks[i].end - frames.banks[i].start) / PAGE_SIZE * sizeof(struct page);
	size = align_up(size, PAGE_SIZE);
	for (struct range *r = frames.ranges; r < frames.ranges + frames.range_count; r++)
		if (r->end - r->start > largest->end - largest->start)
			largest = r;
	if (size >= largest->end - largest->start)
		panic("memory: no room for the %zu KiB of frame descriptors", size >> 10);
	largest->end -= size;
	next = pa_to_va(largest->end);
	for (struct bank *b = frames.banks; b < frames.banks + frames.bank_count; b++) {
		b->pages = next;
		next += (b->end - b->start) / PAGE_SIZE;
		b->pages_end = next;
	}
}

void frame_init(const struct mem_range *ranges, size_t count)
{
	size_t total = 0;

	if (count > RANGES_MAX)
		log_warning("memory: only the first %d of %zu ranges of RAM are used", RANGES_MAX, count);
	for (size_t i = 0; i < min_of(count, (size_t)RANGES_MAX); i++) {
		paddr_t start = align_up(ranges[i].start, PAGE_SIZE), end = align_down(ranges[i].end, PAGE_SIZE);

		if (start < end)
			frames.ranges[frames.range_count++] = (struct range){start, start, end};
	}
	if (frames.range_count == 0)
		panic("memory: there is none");
	sort_ranges();
	make_banks();
	place_descriptors();
	for (size_t i = 0; i < frames.range_count; i++)
		total += (frames.ranges[i].end - frames.ranges[i].start) / PAGE_SIZE;
	frames.total = frames.near_total = total;
	tunables_init(total);
	atomic_store(&frames.near.free_count, total);
}

/* ---- zones ---- */
/* Makes a border between ranges of one within a range. */
static int split_locked(paddr_t at)
{
	for (size_t i = 0; i < frames.range_count; i++) {
		struct range *r = &frames.ranges[i];

		if (at <= r->start || at >= r->end)
			continue;
		if (frames.range_count == array_size(frames.ranges))
			return -E2BIG;
		frames.ranges[frames.range_count++] =
		    (struct range){.start = at, .next = at < r->next ? r->next : at, .end = r->end};
		r->next = min_of(at, r->next);
		r->end = at;
		return 0;
	}
	return 0;
}

/* Free frames go to the list of the zone that they are in by now. */
static void sort_free_locked(void)
{
	struct list_node all = LIST_INIT(all), *node;

	while ((node = list_pop_front(&frames.near.free)) || (node = list_pop_front(&frames.far.free)))
		list_push_back(&all, node);
	atomic_store(&frames.near.free_count, 0);
	atomic_store(&frames.far.free_count, 0);
	frames.near_total = 0;
	while ((node = list_pop_front(&all))) {
		struct zone *zone = zone_at(page_pa(list_entry(node, struct page, lru)));

		list_push_back(&zone->free, node);
		atomic_fetch_add(&zone->free_count, 1);
	}
	for (const struct range *r = frames.ranges; r < frames.ranges + frames.range_count; r++) {
		struct zone *zone = zone_at(r->start);

		atomic_fetch_add(&zone->free_count, (r->end - r->next) / PAGE_SIZE);
		if (zone == &frames.near)
			frames.near_total += (r->end - r->start) / PAGE_SIZE;
	}
}

int frame_limit_reach(paddr_t last)
{
	const paddr_t reach = align_down(last, PAGE_SIZE) + ((last & PAGE_MASK) == PAGE_MASK ? PAGE_SIZE : 0);
	unsigned long flags = spin_lock(&frames.lock);
	int err = 0;

	if (reach && reach < frames.reach) {
		err = split_locked(reach);
		if (!err) {
			frames.reach = reach;
			sort_free_locked();
			tunables_init(frames.near_total); // the reserve and the cache are of these
		}
	}
	spin_unlock(&frames.lock, flags);
	return err;
}

enum { LINE = 16 }; // words cleared or copied in a row

/*
 * Without a loop's overhead for each word or two, which the C library's functions have. The barriers keep the compiler
 * from calling those.
 */
void frame_clear(struct page *page)
{
	uint64_t *word = page_va(page);

	for (const uint64_t *end = word + PAGE_SIZE / sizeof(*word); word < end; word += LINE) {
#pragma GCC unroll LINE
		for (size_t i = 0; i < LINE; i++)
			word[i] = 0;
		__asm__ volatile("" ::: "memory");
	}
}

/* A page of a file may be stored into meanwhile: each byte is as it was or as it becomes, and that is no mistake. */
__attribute__((no_sanitize("thread"))) void frame_copy(struct page *to_page, const struct page *from_page)
{
	const uint64_t *from = page_va(from_page);
	uint64_t *to = page_va(to_page);

	for (const uint64_t *end = from + PAGE_SIZE / sizeof(*from); from < end; from += LINE, to += LINE) {
#pragma GCC unroll LINE
		for (size_t i = 0; i < LINE; i++)
			to[i] = from[i];
		__asm__ volatile("" ::: "memory");
	}
}

paddr_t page_pa(const struct page *page)
{
	const struct bank *b = frames.banks;

	while (page >= b->pages_end)
		b++;
	return b->start + (paddr_t)(page - b->pages) * PAGE_SIZE;
}

/* For an address within a range. */
static struct page *page_at(paddr_t pa)
{
	const struct bank *b = frames.banks;

	while (pa >= b->end)
		b++;
	return &b->pages[(pa - b->start) / PAGE_SIZE];
}

void *page_va(const struct page *page)
{
	return pa_to_va(page_pa(page));
}

struct page *pa_to_page(paddr_t pa)
{
	for (size_t i = 0; i < frames.range_count; i++) {
		if (pa >= frames.ranges[i].start && pa < frames.ranges[i].end)
			return page_at(pa);
	}
	return NULL;
}

static void page_reset(struct page *page)
{
	*page = (struct page){.pins = 1};
	list_init(&page->lru);
}

/* The first untouched frame, from now on touched. */
static struct page *take_untouched_locked(struct range *r)
{
	struct page *page = page_at(r->next);

	r->next += PAGE_SIZE;
	page_reset(page);
	return page;
}

static struct page *take_locked(struct zone *zone)
{
	struct list_node *node = list_pop_front(&zone->free);

	if (node) {
		struct page *page = list_entry(node, struct page, lru);

		page_reset(page);
		return page;
	}
	for (struct range *r = frames.ranges; r < frames.ranges + frames.range_count; r++) {
		if (r->next < r->end && zone_at(r->start) == zone)
			return take_untouched_locked(r);
	}
	return NULL;
}

static struct page *frame_take(struct zone *zone, size_t keep)
{
	unsigned long flags = spin_lock(&frames.lock);
	size_t free = atomic_load_explicit(&zone->free_count, memory_order_relaxed);
	struct page *page = NULL;

	if (free > keep) {
		page = take_locked(zone);
		atomic_store_explicit(&zone->free_count, --free, memory_order_relaxed);
	}
	spin_unlock(&frames.lock, flags);
	if (zone == &frames.near)
		reclaim_poke(free);
	return page;
}

struct page *frame_alloc(void)
{
	return frame_take(&frames.near, 0);
}

struct page *frame_alloc_normal(void)
{
	return frame_take(&frames.near, frame_reserve());
}

/* A far frame, if there is one. */
static struct page *far_take(void)
{
	bool any = atomic_load_explicit(&frames.far.free_count, memory_order_relaxed);

	return any ? frame_take(&frames.far, 0) : NULL;
}

struct page *frame_alloc_far(void)
{
	struct page *page = far_take();

	return page ? page : frame_alloc();
}

struct page *frame_alloc_far_normal(void)
{
	struct page *page = far_take();

	return page ? page : frame_alloc_normal();
}

static void put_free_locked(struct page *page)
{
	atomic_store_explicit(&page->flags, PAGE_FREE, memory_order_relaxed);
	list_push_front(&zone_at(page_pa(page))->free, &page->lru);
}

static bool adjacent_are_free(const struct range *r, paddr_t from, size_t count)
{
	for (paddr_t pa = from; pa < from + count * PAGE_SIZE; pa += PAGE_SIZE) {
		const struct page *page = page_at(pa);

		if (pa < r->next && !(atomic_load_explicit(&page->flags, memory_order_relaxed) & PAGE_FREE))
			return false;
	}
	return true;
}

/* Where in the range `count` adjacent free frames are: untouched ones if there are, for that takes no search. */
static bool find_adjacent_locked(const struct range *r, size_t count, size_t align, paddr_t *found)
{
	const paddr_t size = count * PAGE_SIZE;
	paddr_t from = align_up(r->next, align);

	if (from < r->end && r->end - from >= size) {
		*found = from;
		return true;
	}
	for (from = align_up(r->start, align); from < r->end && r->end - from >= size; from += align) {
		if (adjacent_are_free(r, from, count)) {
			*found = from;
			return true;
		}
	}
	return false;
}

static void take_adjacent_locked(struct range *r, paddr_t from, size_t count)
{
	while (r->next < from) {
		struct page *page = take_untouched_locked(r);

		put_free_locked(page);
	}
	for (paddr_t pa = from; pa < from + count * PAGE_SIZE; pa += PAGE_SIZE) {
		struct page *page = page_at(pa);

		if (pa == r->next) {
			take_untouched_locked(r);
			continue;
		}
		list_remove(&page->lru);
		page_reset(page);
	}
}

struct page *frame_alloc_contig(size_t count, size_t align)
{
	unsigned long flags = spin_lock(&frames.lock);
	size_t free = atomic_load_explicit(&frames.near.free_count, memory_order_relaxed);
	struct page *page = NULL;
	paddr_t from;

	assert(count > 0 && (align & (align - 1)) == 0);
	align = max_of(align, PAGE_SIZE);
	for (size_t i = 0; i < frames.range_count && !page && count + frame_reserve() <= free; i++) {
		if (zone_at(frames.ranges[i].start) == &frames.far ||
		    !find_adjacent_locked(&frames.ranges[i], count, align, &from))
			continue;
		take_adjacent_locked(&frames.ranges[i], from, count);
		page = page_at(from);
		free -= count;
	}
	atomic_store_explicit(&frames.near.free_count, free, memory_order_relaxed);
	spin_unlock(&frames.lock, flags);
	reclaim_poke(free);
	return page;
}

void frame_free(struct page *page)
{
	unsigned long flags;

	assert(atomic_load(&page->pins) == 1 && page_mapped(page) == 0 && list_empty(&page->lru)); // I4
	assert(!(atomic_load(&page->flags) & (PAGE_FREE | PAGE_FILLING | PAGE_WRITING)));
	flags = spin_lock(&frames.lock);
	put_free_locked(page);
	atomic_fetch_add_explicit(&zone_at(page_pa(page))->free_count, 1, memory_order_relaxed);
	spin_unlock(&frames.lock, flags);
}

size_t frame_total(void)
{
	return frames.total;
}

size_t frame_free_count(void)
{
	return atomic_load_explicit(&frames.near.free_count, memory_order_relaxed) +
	       atomic_load_explicit(&frames.far.free_count, memory_order_relaxed);
}

size_t frame_near_total(void)
{
	return frames.near_total;
}

size_t frame_near_free_count(void)
{
	return atomic_load_explicit(&frames.near.free_count, memory_order_relaxed);
}

size_t frame_reserve(void)
{
	return tunable_pages(TUNE_MIN_FREE_KBYTES);
}
