// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The pace of writing back to a slow card, in virtual time, over a fake file: how long writers wait, whether each of
 * them and who syncs gets on, how long a page stays dirty that is stored into all the time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/tunable.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define WRITERS 4
#define EACH 1000 // pages
#define CACHE 800 // pages; the hard share is 320 of them
#define PACE (NSEC_PER_MSEC)

static struct fakefile *file;
static atomic_bool stop;

static struct writer {
	struct thread *thread;
	pgidx_t first;
	unsigned log2[48];
	nsec_t longest, ended;
	unsigned stores;
} writers[WRITERS];

/* A whole page, as write does it. */
static void store(pgidx_t index, uint8_t byte)
{
	struct page *page;

	rwlock_lock_read(&file->object.map_lock);
	assert_int_equal(pcache_get_overwrite(&file->object, index, &page), 0);
	assert_int_equal(pcache_make_dirty(page, NULL), 0);
	memset(page_va(page), byte, PAGE_SIZE);
	rwlock_unlock_read(&file->object.map_lock);
	pcache_put(page);
}

static void timed_store(struct writer *w, pgidx_t index)
{
	nsec_t begin = clock_now(), took;

	store(index, (uint8_t)w->stores);
	took = clock_now() - begin;
	w->log2[63 - __builtin_clzll(took | 1)]++;
	w->longest = max_of(w->longest, took);
	w->stores++;
}

static void *write_each(void *arg)
{
	struct writer *w = arg;

	for (pgidx_t i = 0; i < EACH; i++)
		timed_store(w, w->first + i);
	w->ended = clock_now();
	return NULL;
}

static void *write_on(void *arg)
{
	struct writer *w = arg;

	for (pgidx_t i = 0; !atomic_load(&stop); i = (i + 1) % EACH)
		timed_store(w, w->first + i);
	return NULL;
}

static void begin(void *(*work)(void *))
{
	harness_start_mm();
	pcache_limit(CACHE);
	file = fakefile_make(WRITERS * EACH * PAGE_SIZE, false);
	file->pace = PACE;
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].first = i * EACH;
		assert_int_equal(thread_create("writer", 0, work, &writers[i], &writers[i].thread), 0);
	}
}

static void print_histogram(void)
{
	unsigned sum[48] = {0};

	for (unsigned i = 0; i < WRITERS; i++)
		for (size_t b = 0; b < array_size(sum); b++)
			sum[b] += writers[i].log2[b];
	for (size_t b = 0; b < array_size(sum); b++)
		if (sum[b])
			print_message("# 2^%zu ns: %u\n", b, sum[b]);
}

/* Four writers share the card: none is far behind, and no store waits for more than a few of the card's writes. */
static void writers_body(void *arg)
{
	nsec_t first = UINT64_MAX, last = 0, longest = 0, start;

	(void)arg;
	start = clock_now();
	begin(write_each);
	for (unsigned i = 0; i < WRITERS; i++) {
		assert_int_equal(thread_join(writers[i].thread, NULL), 0);
		first = min_of(first, writers[i].ended - start);
		last = max_of(last, writers[i].ended - start);
		longest = max_of(longest, writers[i].longest);
	}
	print_histogram();
	print_message("# longest %llu us; the first ended after %llu ms, the last after %llu ms\n",
		      (unsigned long long)longest / 1000, (unsigned long long)(first / NSEC_PER_MSEC),
		      (unsigned long long)(last / NSEC_PER_MSEC));
	assert_true(longest < 50 * NSEC_PER_MSEC);
	assert_true(last - first < last / 5);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
}

static void test_writers(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, writers_body, NULL);
}

/* Who syncs one page waits for what is in the card's queue, not for all that the others make dirty. */
static void sync_body(void *arg)
{
	nsec_t longest = 0;

	(void)arg;
	begin(write_on);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	for (unsigned i = 0; i < 20; i++) {
		nsec_t start = clock_now();
		pgidx_t index = (i % WRITERS) * EACH + 17;

		assert_int_equal(pcache_sync_range(&file->object, index, index), 0);
		longest = max_of(longest, clock_now() - start);
		store(index, (uint8_t)i);
		thread_sleep_until(clock_now() + 30 * NSEC_PER_MSEC);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < WRITERS; i++) {
		assert_int_equal(thread_join(writers[i].thread, NULL), 0);
		assert_true(writers[i].stores > 50);
	}
	print_message("# longest sync of a page %llu ms\n", (unsigned long long)(longest / NSEC_PER_MSEC));
	assert_true(longest < 600 * NSEC_PER_MSEC);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
}

static void test_sync(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, sync_body, NULL);
}

/* What is stored into the file reaches the card in about the time that is set, also when it is stored all the time. */
static void age_body(void *arg)
{
	const nsec_t *expire = arg;
	uint8_t value = 0;
	nsec_t stored[256] = {0}, oldest = 0;

	harness_start_mm();
	file = fakefile_make(64 * PAGE_SIZE, false);
	file->pace = PACE;
	assert_int_equal(tunable_set(TUNE_DIRTY_EXPIRE_CENTISECS, *expire / (NSEC_PER_SEC / 100)), 0);
	memset(file->data, 0, 64 * PAGE_SIZE);
	for (unsigned step = 0; step < 200; step++) {
		const uint8_t on_card = file->data[9 * PAGE_SIZE];

		value++;
		store(9, value);
		store(step % 64, step % 64 == 9 ? value : 1);
		stored[value] = clock_now();
		if (on_card != (uint8_t)(value - 1)) // the next one was stored then
			oldest = max_of(oldest, clock_now() - stored[(uint8_t)(on_card + 1)]);
		thread_sleep_until(clock_now() + *expire / 10);
	}
	print_message("# expire %llu ms: the oldest that was not written was %llu ms old\n",
		      (unsigned long long)(*expire / NSEC_PER_MSEC), (unsigned long long)(oldest / NSEC_PER_MSEC));
	assert_true(oldest > *expire / 2);
	assert_true(oldest < *expire + *expire / 4 + 200 * PACE);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
}

static void test_age(void **state)
{
	nsec_t times[] = {5 * NSEC_PER_SEC, NSEC_PER_SEC / 2};

	(void)state;
	for (size_t i = 0; i < array_size(times); i++)
		harness_run(&(struct harness){0}, age_body, &times[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_writers),
	    cmocka_unit_test(test_sync),
	    cmocka_unit_test(test_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
