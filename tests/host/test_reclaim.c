// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What stays cached and what is read ahead: a working set beside a pass over a file larger than memory; how many
 * requests a stream needs, and how much of its time it waits. Over fake files, in virtual time, by look-up and by
 * mapping.
 */
#include <errno.h>
#include <string.h>

#include "arch/clock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/map.h"
#include "mm/tunable.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define CACHE 400
#define HOT 120
#define LARGE 4000

static struct fakefile *make(size_t pages)
{
	struct fakefile *file = fakefile_make(pages * PAGE_SIZE, false);

	file->delay = 20000;
	return file;
}

static const uint8_t *map(struct fakefile *file)
{
	struct map_request req = {.len = file->pages * PAGE_SIZE,
				  .prot = MAP_R,
				  .max_prot = MAP_R,
				  .kind = MAP_KIND_SHARED,
				  .object = &file->object};
	vaddr_t va;

	assert_int_equal(map_create(&req, &va), 0);
	return (const uint8_t *)va;
}

static void unmap(const uint8_t *p, const struct fakefile *file)
{
	assert_int_equal(map_remove((vaddr_t)p, file->pages * PAGE_SIZE), 0);
}

/* As a read of the whole page. */
static void read_page(struct fakefile *file, pgidx_t index, struct readahead *ra)
{
	struct page *page;

	rwlock_lock_read(&file->object.map_lock);
	assert_int_equal(pcache_get(&file->object, index, ra, &page), 0);
	rwlock_unlock_read(&file->object.map_lock);
	pcache_mark_used(page);
	assert_int_equal(*(uint8_t *)page_va(page), fakefile_byte(index * PAGE_SIZE));
	pcache_put(page);
}

/* ---- the working set ---- */
static size_t cached(struct fakefile *file)
{
	size_t count = 0;

	for (pgidx_t i = 0; i < file->pages; i++) {
		struct page *page = pcache_find(&file->object, i);

		count += page != NULL;
		if (page)
			pcache_put(page);
	}
	return count;
}

enum how { BY_READ, BY_MAPPING };

static void touch_all(struct fakefile *file, const uint8_t *p, enum how how)
{
	struct readahead ra = {0};

	for (pgidx_t i = 0; i < file->pages; i++) {
		if (how == BY_READ)
			read_page(file, i, &ra);
		else
			assert_int_equal(p[i * PAGE_SIZE], fakefile_byte(i * PAGE_SIZE));
	}
}

/* Used several times before the pass, and now and then while it goes on; the stream's pages are used once each. */
static void hot_body(void *arg)
{
	const enum how *hows = arg;
	struct fakefile *hot, *large;
	const uint8_t *hot_map, *large_map;
	struct readahead ra = {0};
	size_t left;

	harness_start_mm();
	pcache_limit(CACHE);
	hot = make(HOT);
	large = make(LARGE);
	hot_map = map(hot);
	large_map = map(large);
	for (unsigned i = 0; i < 4; i++)
		touch_all(hot, hot_map, hows[0]);
	for (pgidx_t i = 0; i < LARGE; i++) {
		if (hows[1] == BY_READ)
			read_page(large, i, &ra);
		else
			assert_int_equal(large_map[i * PAGE_SIZE], fakefile_byte(i * PAGE_SIZE));
		/* An entry tells only that it was used since the last look, so it must be before the next. */
		if (i % (hows[0] == BY_READ ? 800 : 100) == 99)
			touch_all(hot, hot_map, hows[0]);
	}
	left = cached(hot);
	print_message("# hot by %s, stream by %s: %zu of %d pages left, %llu read\n",
		      hows[0] == BY_READ ? "read" : "mapping", hows[1] == BY_READ ? "read" : "mapping", left, HOT,
		      (unsigned long long)hot->fail[FAKE_FILL].seen);
	assert_true(left >= HOT * 95 / 100);
	assert_in_range(hot->fail[FAKE_FILL].seen, HOT, HOT * 3 / 2);
	assert_true(cached(large) >= CACHE / 3); // and the stream had its share
	unmap(hot_map, hot);
	unmap(large_map, large);
	fakefile_free(hot);
	fakefile_free(large);
}

static void test_hot(void **state)
{
	static enum how hows[][2] = {
	    {BY_READ, BY_READ}, {BY_READ, BY_MAPPING}, {BY_MAPPING, BY_READ}, {BY_MAPPING, BY_MAPPING}};

	(void)state;
	for (size_t i = 0; i < array_size(hows); i++)
		harness_run(&(struct harness){0}, hot_body, hows[i]);
}

/* What was hot once makes place for what is hot now. */
static void change_body(void *arg)
{
	struct fakefile *old, *new;
	uint64_t fills;

	(void)arg;
	harness_start_mm();
	pcache_limit(CACHE);
	old = make(CACHE * 9 / 10);
	new = make(CACHE * 8 / 10);
	for (unsigned i = 0; i < 6; i++)
		touch_all(old, NULL, BY_READ);
	for (unsigned i = 0; i < 16; i++)
		touch_all(new, NULL, BY_READ);
	fills = new->fail[FAKE_FILL].seen;
	for (unsigned i = 0; i < 4; i++)
		touch_all(new, NULL, BY_READ);
	print_message("# the new set: %llu read in its first 16 rounds, %llu in 4 more\n", (unsigned long long)fills,
		      (unsigned long long)(new->fail[FAKE_FILL].seen - fills));
	assert_true(new->fail[FAKE_FILL].seen - fills < new->pages / 10);
	fakefile_free(old);
	fakefile_free(new);
}

static void test_change(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, change_body, NULL);
}

/* ---- streams ---- */
/* Reads or touches pages, with something to do after each that takes as long as the card for a page. */
static void stream(struct fakefile *file, pgidx_t from, pgidx_t to, enum how how)
{
	const uint8_t *p = map(file);
	struct readahead ra = {0};
	nsec_t start = clock_now(), took;
	const size_t n = to - from;
	uint64_t pages, window;

	file->fills = file->fail[FAKE_FILL].seen = 0;
	for (pgidx_t i = from; i < to; i++) {
		if (how == BY_READ)
			read_page(file, i, &ra);
		else
			assert_int_equal(p[i * PAGE_SIZE], fakefile_byte(i * PAGE_SIZE));
		thread_sleep_until(clock_now() + file->pace);
	}
	took = clock_now() - start;
	pages = file->fail[FAKE_FILL].seen;
	window = tunable(TUNE_READAHEAD_KBYTES) / 4;
	print_message("# %zu pages from %llu by %s: %llu read by %llu requests, %llu us a page of %llu\n", n,
		      (unsigned long long)from, how == BY_READ ? "read" : "mapping", (unsigned long long)pages,
		      (unsigned long long)file->fills, (unsigned long long)(took / n / 1000),
		      (unsigned long long)(file->pace / 1000));
	assert_in_range(pages, n, n + 2 * window);
	assert_true(file->fills <= n / window + 12);
	assert_true(took < n * file->pace * 23 / 20); // reading and doing beside each other; else twice as long
	unmap(p, file);
}

static void stream_body(void *arg)
{
	const enum how *how = arg;
	struct fakefile *file;

	harness_start_mm();
	file = fakefile_make(2600 * PAGE_SIZE, false);
	file->pace = NSEC_PER_MSEC / 10;
	stream(file, 0, 1200, *how);
	stream(file, 1333, 2533, *how); // from the middle
	fakefile_free(file);
}

static void test_stream(void **state)
{
	static enum how hows[] = {BY_READ, BY_MAPPING};

	(void)state;
	for (size_t i = 0; i < array_size(hows); i++)
		harness_run(&(struct harness){0}, stream_body, &hows[i]);
}

/* Streams of several open files over one file do not disturb each other. */
static void interleaved_body(void *arg)
{
	struct readahead ra[4] = {0};
	struct fakefile *file;

	(void)arg;
	harness_start_mm();
	file = make(4000);
	for (pgidx_t i = 0; i < 800; i++)
		for (size_t s = 0; s < array_size(ra); s++)
			read_page(file, s * 1000 + i, &ra[s]);
	print_message("# four streams of 800 pages: %llu requests\n", (unsigned long long)file->fills);
	assert_true(file->fills <= 4 * (800 / 64 + 8));
	fakefile_free(file);
}

static void test_interleaved(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, interleaved_body, NULL);
}

/* Here and there: a page each, and nothing else. */
static void random_body(void *arg)
{
	struct readahead ra = {0};
	struct fakefile *file;
	const uint8_t *p;

	(void)arg;
	harness_start_mm();
	file = make(4000);
	p = map(file);
	for (pgidx_t i = 1; i <= 500; i++)
		read_page(file, i * 1777 % 4000, &ra);
	assert_int_equal(file->fail[FAKE_FILL].seen, 500);
	(void)pcache_drop_clean();
	for (pgidx_t i = 1; i <= 500; i++)
		assert_int_equal(p[i * 1777 % 4000 * PAGE_SIZE], fakefile_byte(i * 1777 % 4000 * PAGE_SIZE));
	assert_int_equal(file->fail[FAKE_FILL].seen, 1000);
	unmap(p, file);
	fakefile_free(file);
}

static void test_random(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, random_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hot),	   cmocka_unit_test(test_change),      cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_random), cmocka_unit_test(test_interleaved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
