// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The index of mappings against a map of one byte a page: where a mapping without a place goes, what is one mapping and
 * what is two; and the mappings of one file, by page.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mm/map.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define MAX_PAGES 8
#define WINDOW 200 // pages that the map covers
#define RX (MAP_R | MAP_X)

static vaddr_t base;
static uint8_t map[WINDOW]; // protection of what is mapped there, or NOTHING
#define NOTHING 0xff

static vaddr_t try_create(vaddr_t hint, size_t pages, enum map_prot prot)
{
	struct map_request req = {.addr = hint,
				  .len = pages * PAGE_SIZE,
				  .prot = prot,
				  .max_prot = MAP_R | MAP_W | MAP_X,
				  .kind = MAP_KIND_ANON};
	vaddr_t va;

	assert_int_equal(map_create(&req, &va), 0);
	return va;
}

static bool is_free(size_t at, size_t pages)
{
	for (size_t i = at; i < at + pages; i++) {
		if (map[i] != NOTHING)
			return false;
	}
	return true;
}

static size_t lowest_gap(size_t pages)
{
	size_t at = 0;

	while (at + pages <= WINDOW && !is_free(at, pages))
		at++;
	return at;
}

/* Mappings are as large as they can be: they end where the protection changes. */
static void check_extents(void)
{
	struct map_info info;

	for (size_t at = 0, end; at < WINDOW; at = end) {
		for (end = at + 1; end < WINDOW && map[end] == map[at];)
			end++;
		if (map[at] == NOTHING) {
			for (size_t i = at; i < end; i++)
				assert_false(map_lookup(base + i * PAGE_SIZE, &info));
			continue;
		}
		assert_true(map_lookup(base + at * PAGE_SIZE, &info));
		assert_int_equal(info.start, base + at * PAGE_SIZE);
		assert_int_equal(info.end, base + end * PAGE_SIZE);
		assert_int_equal(info.prot, map[at]);
	}
}

static bool is_mapped(size_t at, size_t pages)
{
	return !memchr(map + at, NOTHING, pages);
}

static void step(void)
{
	const size_t pages = 1 + (size_t)random() % MAX_PAGES, at = (size_t)random() % (WINDOW - pages);
	const enum map_prot prot = random() % 2 ? MAP_R : RX; // neither is promised memory: like mappings are alike
	size_t place;

	switch (random() % 6) {
	case 0:
		assert_int_equal(map_remove(base + at * PAGE_SIZE, pages * PAGE_SIZE), 0);
		memset(map + at, NOTHING, pages);
		return;
	case 1:
		assert_int_equal(map_protect(base + at * PAGE_SIZE, pages * PAGE_SIZE, prot),
				 is_mapped(at, pages) ? 0 : -ENOMEM);
		if (is_mapped(at, pages))
			memset(map + at, prot, pages);
		return;
	case 2:
		place = is_free(at, pages) ? at : lowest_gap(pages);
		if (place + pages > WINDOW)
			return;
		assert_int_equal(try_create(base + at * PAGE_SIZE, pages, prot), base + place * PAGE_SIZE);
		break;
	default:
		place = lowest_gap(pages);
		if (place + pages > WINDOW)
			return;
		assert_int_equal(try_create(0, pages, prot), base + place * PAGE_SIZE);
	}
	memset(map + place, prot, pages);
}

static void places_body(void *arg)
{
	(void)arg;
	harness_start_mm();
	base = try_create(0, 1, MAP_R);
	assert_int_equal(map_remove(base, PAGE_SIZE), 0);
	memset(map, NOTHING, sizeof(map));
	srandom((unsigned)harness_config()->seed);
	for (unsigned i = 0; i < 4000; i++) {
		step();
		check_extents();
	}
	assert_int_equal(map_remove(base, WINDOW * PAGE_SIZE), 0);
}

static void test_places(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		harness_run(&(struct harness){.seed = seed}, places_body, NULL);
}

/* Protection that comes and goes leaves one mapping, and each part of a mapping can go alone. */
static void split_body(void *arg)
{
	struct map_info info;
	vaddr_t p;

	(void)arg;
	harness_start_mm();
	p = try_create(0, 9, MAP_R | MAP_W);
	memset((void *)p, 7, 9 * PAGE_SIZE);
	assert_int_equal(map_protect(p + 3 * PAGE_SIZE, 3 * PAGE_SIZE, MAP_R), 0);
	assert_true(map_lookup(p, &info) && info.end == p + 3 * PAGE_SIZE);
	assert_true(map_lookup(p + 5 * PAGE_SIZE, &info) && info.start == p + 3 * PAGE_SIZE &&
		    info.end == p + 6 * PAGE_SIZE);
	assert_true(map_lookup(p + 8 * PAGE_SIZE, &info) && info.start == p + 6 * PAGE_SIZE);
	assert_int_equal(map_protect(p + 3 * PAGE_SIZE, 3 * PAGE_SIZE, MAP_R | MAP_W), 0);
	assert_true(map_lookup(p + 4 * PAGE_SIZE, &info) && info.start == p && info.end == p + 9 * PAGE_SIZE);
	assert_int_equal(map_remove(p + 4 * PAGE_SIZE, PAGE_SIZE), 0);
	assert_true(map_lookup(p, &info) && info.end == p + 4 * PAGE_SIZE);
	assert_true(map_lookup(p + 8 * PAGE_SIZE, &info) && info.start == p + 5 * PAGE_SIZE);
	assert_int_equal(*(uint8_t *)(p + 5 * PAGE_SIZE), 7);
	assert_int_equal(try_create(p + 4 * PAGE_SIZE, 1, MAP_R | MAP_W), p + 4 * PAGE_SIZE);
	assert_true(map_lookup(p, &info) && info.end == p + 9 * PAGE_SIZE);
	assert_int_equal(*(uint8_t *)(p + 4 * PAGE_SIZE), 0);
	assert_int_equal(map_remove(p, 9 * PAGE_SIZE), 0);
}

static void test_split_and_merge(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, split_body, NULL);
}

/* ---- by page ---- */
#define FILE_PAGES 64
#define MAPPINGS 200

static struct view {
	vaddr_t va;
	size_t first, pages; // 0: not mapped
	enum map_kind kind;
} views[MAPPINGS];

static void view_toggle(struct fakefile *file, struct view *view)
{
	struct map_request req = {.prot = MAP_R | MAP_W, .max_prot = MAP_R | MAP_W, .object = &file->object};

	if (view->pages) {
		assert_int_equal(map_remove(view->va, view->pages * PAGE_SIZE), 0);
		view->pages = 0;
		return;
	}
	view->first = (size_t)random() % FILE_PAGES;
	view->pages =
	    1 + (size_t)random() % min_of((size_t)FILE_PAGES - view->first, (size_t)(random() % 4 ? 3 : FILE_PAGES));
	view->kind = req.kind = random() % 4 ? MAP_KIND_SHARED : MAP_KIND_PRIVATE;
	req.len = view->pages * PAGE_SIZE;
	req.offset = view->first * PAGE_SIZE;
	assert_int_equal(map_create(&req, &view->va), 0);
}

/* Whatever maps a page is found when it is written, and when it is taken away; what is only near it is left alone. */
static void by_page_body(void *arg)
{
	struct fakefile *file;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(FILE_PAGES * PAGE_SIZE, false);
	srandom((unsigned)harness_config()->seed);
	for (unsigned round = 0; round < 3000; round++) {
		struct view *view = &views[random() % MAPPINGS];
		size_t page;

		if (!view->pages || random() % 4 == 0)
			view_toggle(file, view);
		if (!view->pages)
			continue;
		page = (size_t)random() % view->pages;
		if (random() % 2)
			*(volatile uint8_t *)(view->va + page * PAGE_SIZE) = 1;
		else
			(void)*(volatile uint8_t *)(view->va + page * PAGE_SIZE);
		if (random() % 8 == 0)
			assert_int_equal(pcache_write_range(&file->object, view->first, view->first + page), 0);
		if (round % 50 == 0) {
			const pgidx_t first = (pgidx_t)random() % FILE_PAGES;

			rwlock_lock_write(&file->object.map_lock);
			pcache_remove(&file->object, first, first + 3);
			rwlock_unlock_write(&file->object.map_lock);
		}
		if (round % 10 == 0)
			pcache_check(&file->object); // counts entries by way of the mappings
	}
	for (size_t i = 0; i < MAPPINGS; i++) {
		if (views[i].pages)
			view_toggle(file, &views[i]);
	}
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
}

static void test_by_page(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		harness_run(&(struct harness){.seed = seed}, by_page_body, NULL);
}

/* ---- msync over several mappings ---- */
static void sync_body(void *arg)
{
	struct map_request req = {
	    .len = 8 * PAGE_SIZE, .prot = MAP_R | MAP_W, .max_prot = MAP_R | MAP_W, .kind = MAP_KIND_SHARED};
	struct fakefile *file;
	vaddr_t p;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(8 * PAGE_SIZE, false);
	req.object = &file->object;
	assert_int_equal(map_create(&req, &p), 0);
	assert_int_equal(map_protect(p + PAGE_SIZE, PAGE_SIZE, MAP_R), 0);
	for (size_t i = 0; i < 8; i++) {
		if (i != 1)
			*(uint8_t *)(p + i * PAGE_SIZE) = 0xee;
	}
	assert_int_equal(map_remove(p + 3 * PAGE_SIZE, PAGE_SIZE), 0);
	/* What is there is written, up to the end of the range and not beyond, and the hole is told of. */
	assert_int_equal(map_sync(p, 6 * PAGE_SIZE, true), -ENOMEM);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(file->synced[i * PAGE_SIZE] == 0xee, i < 6 && i != 1 && i != 3);
	assert_int_equal(map_sync(p + 4 * PAGE_SIZE, 4 * PAGE_SIZE, true), 0);
	assert_int_equal(file->synced[7 * PAGE_SIZE], 0xee);
	assert_int_equal(map_sync(p + 8 * PAGE_SIZE, PAGE_SIZE, true), -ENOMEM);
	/* Of failures the first is told, and the rest is tried. */
	*(uint8_t *)(p + 2 * PAGE_SIZE) = *(uint8_t *)(p + 4 * PAGE_SIZE) = 0xdd;
	fakefile_fail(file, FAKE_WRITE, 1, 1, -EIO);
	assert_int_equal(map_sync(p, 5 * PAGE_SIZE, true), -EIO);
	assert_int_equal(file->synced[4 * PAGE_SIZE], 0xdd);
	assert_int_equal(map_sync(p + PAGE_SIZE, 2 * PAGE_SIZE, true), 0);
	assert_int_equal(file->synced[2 * PAGE_SIZE], 0xdd);

	assert_int_equal(map_invalidate(p, 3 * PAGE_SIZE), 0);
	assert_int_equal(map_invalidate(p, 8 * PAGE_SIZE), -ENOMEM);
	assert_int_equal(map_lock(p + 6 * PAGE_SIZE, PAGE_SIZE, true), 0);
	assert_int_equal(map_invalidate(p, 8 * PAGE_SIZE), -EBUSY);
	assert_int_equal(map_invalidate(p + 4 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	assert_int_equal(map_remove(p, 8 * PAGE_SIZE), 0);
	assert_int_equal(pcache_write_all(), 0); // what was in the hole
	assert_int_equal(file->data[3 * PAGE_SIZE], 0xee);
	fakefile_free(file);
}

static void test_sync(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, sync_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_split_and_merge),
	    cmocka_unit_test(test_by_page),
	    cmocka_unit_test(test_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
