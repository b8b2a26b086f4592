// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The page cache over a fake file, without mappings: states, errors, writeback, throttling, eviction. Where it matters,
 * with transfers that end at once, later, and out of order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/map.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define PAGES 40

static struct page *get(struct fakefile *file, pgidx_t index)
{
	struct page *page = NULL;

	rwlock_lock_read(&file->object.map_lock);
	assert_int_equal(pcache_get(&file->object, index, NULL, &page), 0);
	rwlock_unlock_read(&file->object.map_lock);
	return page;
}

static uint8_t load(struct fakefile *file, uint64_t at)
{
	struct page *page = get(file, at / PAGE_SIZE);
	uint8_t byte = ((uint8_t *)page_va(page))[at % PAGE_SIZE];

	pcache_put(page);
	return byte;
}

static int store(struct fakefile *file, uint64_t at, uint8_t byte)
{
	struct page *page = get(file, at / PAGE_SIZE);
	int err;

	rwlock_lock_read(&file->object.map_lock);
	err = pcache_make_dirty(page, NULL);
	if (!err)
		((uint8_t *)page_va(page))[at % PAGE_SIZE] = byte;
	rwlock_unlock_read(&file->object.map_lock);
	pcache_put(page);
	return err;
}

static struct pcache_stats stats(void)
{
	struct pcache_stats s;

	pcache_stats(&s);
	return s;
}

/* ---- filling ---- */
static void fill_body(void *arg)
{
	struct fakefile *file;
	size_t frames;

	(void)arg;
	harness_start_mm();
	frames = frame_free_count();
	file = fakefile_make(PAGES * PAGE_SIZE - 100, false);
	for (uint64_t at = 0; at < PAGES * PAGE_SIZE - 100; at += 1001)
		assert_int_equal(load(file, at), fakefile_byte(at));
	assert_int_equal(load(file, PAGES * PAGE_SIZE - 1), 0);
	assert_int_equal(stats().fills, PAGES);
	assert_int_equal(stats().pages, PAGES);
	assert_int_equal(pcache_drop_clean(), PAGES);
	assert_int_equal(load(file, 5), fakefile_byte(5));
	assert_int_equal(stats().fills, PAGES + 1);
	fakefile_free(file);
	assert_int_equal(frame_free_count(), frames);
}

static void test_fill(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, fill_body, NULL);
}

static void fill_error_body(void *arg)
{
	struct fakefile *file;
	size_t frames;

	(void)arg;
	harness_start_mm();
	frames = frame_free_count();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	file->delay = 1000;
	for (pgidx_t n = 1; n <= PAGES; n++) {
		struct page *page = NULL;

		fakefile_fail(file, FAKE_FILL, n, 1, -EIO);
		rwlock_lock_read(&file->object.map_lock);
		for (pgidx_t index = 0; index < PAGES; index++) {
			int err = pcache_get(&file->object, index, NULL, &page);

			assert_int_equal(err, index + 1 == n ? -EIO : 0);
			if (!err)
				pcache_put(page);
		}
		rwlock_unlock_read(&file->object.map_lock);
		assert_int_equal(file->fail[FAKE_FILL].fired, 1);
		assert_int_equal(load(file, (n - 1) * PAGE_SIZE), fakefile_byte((n - 1) * PAGE_SIZE)); // not cached
		pcache_check(&file->object);
		assert_int_equal(pcache_drop_clean(), PAGES);
	}
	fakefile_free(file);
	assert_int_equal(frame_free_count(), frames);
}

static void test_fill_errors(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, fill_error_body, NULL);
}

static void *load_thread(void *arg)
{
	struct fakefile *file = arg;
	struct page *page;
	intptr_t err;

	rwlock_lock_read(&file->object.map_lock);
	err = pcache_get(&file->object, 3, NULL, &page);
	if (!err)
		pcache_put(page);
	rwlock_unlock_read(&file->object.map_lock);
	return (void *)err;
}

/* Everyone who waits for one fill gets its outcome, and it is one fill. */
static void shared_fill_body(void *arg)
{
	const int *error = arg;
	struct thread *t[5];
	struct fakefile *file;

	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	file->hold = true;
	fakefile_fail(file, FAKE_FILL, 1, 1, *error);
	for (size_t i = 0; i < array_size(t); i++)
		assert_int_equal(thread_create("load", 0, load_thread, file, &t[i]), 0);
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	assert_int_equal(file->fail[FAKE_FILL].seen, 1);
	fakefile_release(file);
	for (size_t i = 0; i < array_size(t); i++) {
		void *result;

		assert_int_equal(thread_join(t[i], &result), 0);
		assert_int_equal((intptr_t)result, *error);
	}
	assert_int_equal(file->fail[FAKE_FILL].seen, 1);
	assert_int_equal(stats().pages, *error ? 0 : 1);
	fakefile_free(file);
}

static void test_shared_fill(void **state)
{
	int errors[] = {0, -EIO};

	(void)state;
	harness_run(&(struct harness){0}, shared_fill_body, &errors[0]);
	harness_run(&(struct harness){0}, shared_fill_body, &errors[1]);
}

static void readahead_body(void *arg)
{
	struct readahead ra = {0}, random = {.random = true};
	struct fakefile *file;
	struct page *page;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(400 * PAGE_SIZE, false);
	file->delay = 100000;
	rwlock_lock_read(&file->object.map_lock);
	for (pgidx_t index = 0; index < 200; index++) {
		assert_int_equal(pcache_get(&file->object, index, &ra, &page), 0);
		assert_int_equal(*(uint8_t *)page_va(page), fakefile_byte(index * PAGE_SIZE));
		pcache_put(page);
		assert_true(stats().pages <= index + 1 + 2 * 64);
	}
	assert_true(stats().pages > 200 + 16); // ahead of the reader
	for (pgidx_t index = 399; index > 390; index--) {
		assert_int_equal(pcache_get(&file->object, index, &random, &page), 0);
		pcache_put(page);
	}
	rwlock_unlock_read(&file->object.map_lock);
	assert_int_equal(stats().fills, stats().pages); // none twice
	fakefile_free(file);				// waits for what is still under way
}

static void test_readahead(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, readahead_body, NULL);
}

/* ---- writing ---- */
static void write_body(void *arg)
{
	struct fakefile *file;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, true);
	file->delay = 1000;
	for (pgidx_t i = 0; i < PAGES; i++)
		assert_int_equal(store(file, i * PAGE_SIZE + i, (uint8_t)(i + 1)), 0);
	assert_int_equal(file->fail[FAKE_RESERVE].seen, PAGES);
	assert_int_equal(pcache_sync_range(&file->object, 3, 7), 0);
	for (pgidx_t i = 0; i < PAGES; i++)
		assert_int_equal(file->synced[i * PAGE_SIZE + i], i >= 3 && i <= 7 ? i + 1 : 0);
	assert_int_equal(stats().dirty, PAGES - 5);
	assert_int_equal(pcache_write_all(), 0);
	assert_int_equal(stats().dirty + stats().writing, 0);
	for (pgidx_t i = 0; i < PAGES; i++)
		assert_int_equal(file->data[i * PAGE_SIZE + i], i + 1);
	assert_int_equal(store(file, 0, 9), 0);
	assert_int_equal(file->fail[FAKE_RESERVE].seen, PAGES); // backed already
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
}

static void test_write(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, write_body, NULL);
}

static void write_error_body(void *arg)
{
	struct fakefile *file;
	struct pcache_errors seen = {0}, other = {0};

	(void)arg;
	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	for (pgidx_t n = 1; n <= PAGES; n++) {
		for (pgidx_t i = 0; i < PAGES; i++)
			assert_int_equal(store(file, i * PAGE_SIZE, (uint8_t)(n + i)), 0);
		fakefile_fail(file, FAKE_WRITE, n, 1, -EIO);
		assert_int_equal(pcache_sync_range(&file->object, 0, PGIDX_MAX), -EIO);
		assert_int_equal(file->fail[FAKE_WRITE].fired, 1);
		assert_int_equal(stats().dirty, 1); // what failed is still there
		pcache_check(&file->object);
		assert_int_equal(pcache_errors_take(&file->object, &seen), -EIO);
		assert_int_equal(pcache_errors_take(&file->object, &seen), 0); // once for each
		assert_int_equal(pcache_sync_range(&file->object, 0, PGIDX_MAX), 0);
		for (pgidx_t i = 0; i < PAGES; i++)
			assert_int_equal(file->synced[i * PAGE_SIZE], (uint8_t)(n + i));
	}
	assert_int_equal(pcache_errors_take(&file->object, &other), -EIO);
	fakefile_fail(file, FAKE_RESERVE, 1, 1, -ENOSPC);
	file->backed[5] = false;
	assert_int_equal(pcache_drop_clean(), PAGES);
	assert_int_equal(store(file, 5 * PAGE_SIZE, 1), -ENOSPC);
	assert_int_equal(stats().dirty, 0);
	assert_int_equal(store(file, 5 * PAGE_SIZE, 1), 0);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
}

static void test_write_errors(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, write_error_body, NULL);
}

/* A failed FLUSH makes what was written dirty again; a later good one alone proves nothing. */
static void flush_error_body(void *arg)
{
	struct fakefile *file;
	struct pcache_errors seen = {0};

	(void)arg;
	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	load(file, 9 * PAGE_SIZE);
	for (pgidx_t i = 0; i < 4; i++)
		assert_int_equal(store(file, i * PAGE_SIZE, 0xaa), 0);
	fakefile_fail(file, FAKE_SYNC, 1, 1, -EIO);
	assert_int_equal(pcache_sync_range(&file->object, 0, 0), -EIO);
	assert_int_equal(file->fail[FAKE_SYNC].fired, 1);
	assert_int_equal(stats().dirty, 4); // 0 again, and the three not asked for
	assert_int_equal(pcache_errors_take(&file->object, &seen), -EIO);
	memset(file->data, 0, 4 * PAGE_SIZE); // the card lost it
	assert_int_equal(pcache_sync_range(&file->object, 0, PGIDX_MAX), 0);
	for (pgidx_t i = 0; i < 4; i++)
		assert_int_equal(file->synced[i * PAGE_SIZE], 0xaa);

	/* In the background: those that were evicted cannot be written again, so the next sync is told. */
	assert_int_equal(store(file, 0, 0xbb), 0);
	assert_int_equal(pcache_write_all(), 0);
	(void)pcache_drop_clean();
	pcache_flush_failed(&file->object, -EIO);
	assert_int_equal(pcache_sync_range(&file->object, 0, PGIDX_MAX), -EIO);
	assert_int_equal(pcache_sync_range(&file->object, 0, PGIDX_MAX), 0);

	/* A page that is being written then is written once more. */
	assert_int_equal(store(file, 12 * PAGE_SIZE, 0xcc), 0);
	file->hold = true;
	pcache_write_start(&file->object, 12, 12);
	assert_int_equal(stats().writing, 1);
	pcache_flush_failed(&file->object, -EIO);
	fakefile_release(file);
	assert_int_equal(stats().dirty, 1);
	assert_int_equal(pcache_sync_range(&file->object, 0, PGIDX_MAX), -EIO);
	assert_int_equal(stats().dirty, 0);
	fakefile_free(file);
}

static void test_flush_error(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, flush_error_body, NULL);
}

static void *sync_thread(void *arg)
{
	struct fakefile *file = arg;

	return (void *)(intptr_t)pcache_sync_range(&file->object, 0, PGIDX_MAX);
}

/* Stores during a write go on, are not part of what it makes clean, and the next sync writes them. */
static void store_while_writing_body(void *arg)
{
	struct fakefile *file;
	struct page *page;
	struct thread *t;
	void *result;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	file->shuffled = true;
	assert_int_equal(store(file, 0, 1), 0);
	file->hold = true;
	assert_int_equal(thread_create("sync", 0, sync_thread, file, &t), 0);
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	assert_int_equal(stats().writing, 1);
	assert_int_equal(store(file, 0, 2), 0); // does not wait
	assert_int_equal(stats().dirty, 1);
	fakefile_release(file);
	assert_int_equal(thread_join(t, &result), 0);
	assert_null(result);
	assert_int_equal(stats().dirty, 1);
	assert_int_equal(pcache_sync_range(&file->object, 0, 0), 0);
	assert_int_equal(file->synced[0], 2);

	/* A pin that stores throughout a write, and after it. */
	page = get(file, 0);
	rwlock_lock_read(&file->object.map_lock);
	assert_int_equal(pcache_make_dirty(page, NULL), 0);
	rwlock_unlock_read(&file->object.map_lock);
	assert_int_equal(pcache_sync_range(&file->object, 0, 0), 0);
	assert_int_equal(stats().dirty, 0);
	*(uint8_t *)page_va(page) = 3;
	pcache_put(page);
	assert_int_equal(stats().dirty, 1);
	assert_int_equal(pcache_sync_range(&file->object, 0, 0), 0);
	assert_int_equal(file->synced[0], 3);
	load(file, 0);
	assert_int_equal(stats().dirty, 0); // only who stores makes dirty
	fakefile_free(file);
}

static void test_store_while_writing(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, store_while_writing_body, NULL);
}

/* A sync that begins while a page is written waits, and writes what was stored since that write began. */
static void sync_while_writing_body(void *arg)
{
	struct thread *first, *second;
	struct fakefile *file;
	void *result;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	for (int i = 0; i < 20; i++) {
		srand((unsigned)i);
		file->shuffled = true; // the first write may take its bytes at its start
		assert_int_equal(store(file, 0, (uint8_t)(2 * i)), 0);
		file->hold = true;
		assert_int_equal(thread_create("sync", 0, sync_thread, file, &first), 0);
		thread_sleep_until(clock_now() + NSEC_PER_MSEC);
		assert_int_equal(store(file, 0, (uint8_t)(2 * i + 1)), 0);
		assert_int_equal(thread_create("sync", 0, sync_thread, file, &second), 0);
		thread_sleep_until(clock_now() + NSEC_PER_MSEC);
		fakefile_release(file);
		assert_int_equal(thread_join(second, &result), 0);
		assert_null(result);
		assert_int_equal(file->synced[0], 2 * i + 1);
		assert_int_equal(thread_join(first, &result), 0);
		assert_null(result);
	}
	fakefile_free(file);
}

static void test_sync_while_writing(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, sync_while_writing_body, NULL);
}

/* ---- overwriting ---- */
static void overwrite_body(void *arg)
{
	struct fakefile *file;
	struct page *page;
	struct thread *t;
	void *result;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	rwlock_lock_read(&file->object.map_lock);
	assert_int_equal(pcache_get_overwrite(&file->object, 3, &page), 0);
	assert_int_equal(thread_create("load", 0, load_thread, file, &t), 0);
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	assert_null(pcache_find(&file->object, 3)); // nobody sees it before it is whole
	assert_int_equal(pcache_make_dirty(page, NULL), 0);
	memset(page_va(page), 0x77, PAGE_SIZE);
	pcache_put(page);
	assert_int_equal(thread_join(t, &result), 0);
	assert_null(result);
	assert_int_equal(stats().fills, 0);
	assert_int_equal(stats().dirty, 1);
	assert_int_equal(pcache_sync_range(&file->object, 0, PGIDX_MAX), 0);
	assert_int_equal(file->synced[3 * PAGE_SIZE + 5], 0x77);

	/* No space: the page is not kept, who waited for it reads what is on the card. */
	assert_int_equal(pcache_drop_clean(), 1);
	fakefile_fail(file, FAKE_RESERVE, 1, 1, -ENOSPC);
	assert_int_equal(pcache_get_overwrite(&file->object, 3, &page), 0);
	assert_int_equal(thread_create("load", 0, load_thread, file, &t), 0);
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	assert_int_equal(pcache_make_dirty(page, NULL), -ENOSPC);
	memset(page_va(page), 0x55, PAGE_SIZE);
	pcache_put(page);
	rwlock_unlock_read(&file->object.map_lock);
	assert_int_equal(thread_join(t, &result), 0);
	assert_null(result);
	assert_int_equal(load(file, 3 * PAGE_SIZE), 0x77);
	assert_int_equal(stats().dirty, 0);
	fakefile_free(file);
}

static void test_overwrite(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, overwrite_body, NULL);
}

/* ---- removing ---- */
static void remove_body(void *arg)
{
	struct fakefile *file;
	struct page *pinned;
	size_t frames;

	(void)arg;
	harness_start_mm();
	frames = frame_free_count();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	file->delay = NSEC_PER_MSEC;
	for (pgidx_t i = 0; i < PAGES; i++)
		assert_int_equal(store(file, i * PAGE_SIZE, 0xaa), 0);
	pcache_write_start(&file->object, 0, PGIDX_MAX);
	assert_int_equal(stats().writing, PAGES);
	pinned = get(file, 20);
	rwlock_lock_write(&file->object.map_lock);
	pcache_remove(&file->object, 10, PGIDX_MAX); // waits for the writes
	rwlock_unlock_write(&file->object.map_lock);
	assert_int_equal(stats().pages, 10);
	pcache_check(&file->object);
	assert_int_equal(*(uint8_t *)page_va(pinned), 0xaa); // its frame stays for the pin
	pcache_put(pinned);
	file->delay = 0;
	assert_int_equal(load(file, 20 * PAGE_SIZE), 0xaa); // from the card

	/* Dirty contents are dropped; a punch leaves both sides. */
	for (pgidx_t i = 0; i < 10; i++)
		assert_int_equal(store(file, i * PAGE_SIZE, 0xbb), 0);
	rwlock_lock_write(&file->object.map_lock);
	pcache_remove(&file->object, 2, 4);
	rwlock_unlock_write(&file->object.map_lock);
	assert_int_equal(pcache_write_all(), 0);
	for (pgidx_t i = 0; i < 10; i++)
		assert_int_equal(file->data[i * PAGE_SIZE], i >= 2 && i <= 4 ? 0xaa : 0xbb);

	rwlock_lock_write(&file->object.map_lock);
	assert_int_equal(pcache_zero(&file->object, 7 * PAGE_SIZE + 1, 8 * PAGE_SIZE), 0);
	rwlock_unlock_write(&file->object.map_lock);
	assert_int_equal(pcache_write_all(), 0);
	assert_int_equal(file->data[7 * PAGE_SIZE], 0xbb);
	assert_int_equal(file->data[7 * PAGE_SIZE + 1], 0);
	assert_int_equal(file->data[8 * PAGE_SIZE - 1], 0);
	assert_int_equal(file->data[8 * PAGE_SIZE], 0xbb);
	fakefile_free(file);
	assert_int_equal(frame_free_count(), frames);
}

static void test_remove(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, remove_body, NULL);
}

/* ---- in the background ---- */
static void age_body(void *arg)
{
	struct fakefile *file;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	file->delay = 1000;
	assert_int_equal(store(file, 0, 1), 0);
	thread_sleep_until(clock_now() + 4 * NSEC_PER_SEC);
	assert_int_equal(stats().dirty, 1);
	thread_sleep_until(clock_now() + 2 * NSEC_PER_SEC);
	assert_int_equal(stats().dirty + stats().writing, 0);
	assert_int_equal(file->data[0], 1);

	/* A write that fails is tried again, later and later, until it goes. */
	fakefile_fail(file, FAKE_WRITE, 1, 3, -EIO);
	assert_int_equal(store(file, 0, 2), 0);
	thread_sleep_until(clock_now() + 6 * NSEC_PER_SEC);
	assert_int_equal(file->fail[FAKE_WRITE].fired, 1);
	assert_int_equal(stats().dirty, 1);
	thread_sleep_until(clock_now() + 60 * NSEC_PER_SEC);
	assert_int_equal(file->fail[FAKE_WRITE].fired, 3);
	assert_int_equal(stats().dirty, 0);
	assert_int_equal(file->data[0], 2);
	fakefile_free(file);
}

static void test_age(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, age_body, NULL);
}

/* Writers are held to the card's pace before memory is full, and no write waits longer than a few transfers. */
static void throttle_body(void *arg)
{
	struct fakefile *file;
	nsec_t longest = 0;

	(void)arg;
	harness_start_mm();
	pcache_limit(1000);
	file = fakefile_make(4000 * PAGE_SIZE, false);
	file->delay = 200000;
	for (pgidx_t i = 0; i < 4000; i++) {
		nsec_t start = clock_now();

		assert_int_equal(store(file, i * PAGE_SIZE, (uint8_t)i), 0);
		longest = max_of(longest, clock_now() - start);
		assert_true(stats().dirty + stats().writing <= 401);
		assert_true(stats().pages <= 1000);
	}
	assert_true(longest < 20 * NSEC_PER_MSEC);
	assert_int_equal(pcache_write_all(), 0);
	for (pgidx_t i = 0; i < 4000; i++)
		assert_int_equal(file->data[i * PAGE_SIZE], (uint8_t)i);
	fakefile_free(file);
}

static void test_throttle(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, throttle_body, NULL);
}

/* A card that takes nothing any more: writers are told, readers go on, nobody waits for ever, nothing is lost. */
static void dead_card_body(void *arg)
{
	struct fakefile *file;
	unsigned failed = 0;
	struct page *page;

	(void)arg;
	harness_start_mm();
	pcache_limit(50);
	file = fakefile_make(200 * PAGE_SIZE, false);
	file->delay = 1000;
	fakefile_fail(file, FAKE_WRITE, 1, UINT64_MAX, -EIO);
	for (pgidx_t i = 0; i < 100; i++)
		failed += store(file, i * PAGE_SIZE, 0xaa) != 0;
	assert_in_range(failed, 70, 90);
	for (uint64_t at = 0; at < 200 * PAGE_SIZE; at += PAGE_SIZE)
		assert_true(load(file, at) == fakefile_byte(at) || load(file, at) == 0xaa);
	(void)pcache_drop_clean();
	rwlock_lock_read(&file->object.map_lock);
	assert_int_equal(pcache_get_overwrite(&file->object, 150, &page), 0);
	memset(page_va(page), 0x55, PAGE_SIZE);
	assert_int_equal(pcache_make_dirty(page, NULL), -EIO);
	pcache_put(page); // refused: what the frame held is nobody's data
	rwlock_unlock_read(&file->object.map_lock);
	assert_int_equal(load(file, 150 * PAGE_SIZE), fakefile_byte(150 * PAGE_SIZE));
	assert_int_equal(pcache_write_all(), -EIO);
	fakefile_fail(file, FAKE_WRITE, 0, 0, 0);
	assert_int_equal(pcache_write_all(), 0);
	for (pgidx_t i = 0; i < 100 - failed; i++)
		assert_int_equal(file->data[i * PAGE_SIZE], 0xaa);
	fakefile_free(file);
}

static void test_dead_card(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, dead_card_body, NULL);
}

/* ---- little memory ---- */
struct work {
	struct fakefile *file;
	uint8_t *model;
	unsigned id, seed;
};

/* Each thread owns the bytes whose number modulo 4 is its id. */
static void *work_thread(void *arg)
{
	struct work *w = arg;
	unsigned state = w->seed;

	for (int i = 0; i < 1500; i++) {
		uint64_t at = ((uint64_t)rand_r(&state) % (w->file->object.size / 4)) * 4 + w->id;

		if (rand_r(&state) % 3 == 0) {
			assert_int_equal(store(w->file, at, (uint8_t)i), 0);
			w->model[at] = (uint8_t)i;
		} else {
			assert_int_equal(load(w->file, at), w->model[at]);
		}
		if (i % 500 == 250)
			assert_int_equal(pcache_write_range(&w->file->object, at / PAGE_SIZE, at / PAGE_SIZE + 10), 0);
	}
	return NULL;
}

static void work_body(void *arg)
{
	const size_t size = 300 * PAGE_SIZE;
	struct work work[4];
	struct thread *t[4];
	struct fakefile *file;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(size, false);
	file->delay = 50000;
	file->shuffled = true;
	for (unsigned i = 0; i < 4; i++) {
		work[i] = (struct work){file, malloc(size), i, i + 1};
		assert_non_null(work[i].model);
		memcpy(work[i].model, file->data, size);
		assert_int_equal(thread_create("work", 0, work_thread, &work[i], &t[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	pcache_check(&file->object);
	assert_int_equal(pcache_sync_range(&file->object, 0, PGIDX_MAX), 0);
	for (size_t at = 0; at < size; at++)
		assert_int_equal(file->synced[at], work[at % 4].model[at]);
	assert_true(stats().evicted > 300);
	fakefile_free(file);
}

static void test_little_memory(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		harness_run(&(struct harness){.frames = 64, .seed = seed}, work_body, NULL);
		harness_run(&(struct harness){.frames = 4096, .cache_pages = 6, .seed = seed}, work_body, NULL);
		harness_run(&(struct harness){.frames = 4096, .cache_pages = 100, .seed = seed}, work_body, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fill),
	    cmocka_unit_test(test_fill_errors),
	    cmocka_unit_test(test_shared_fill),
	    cmocka_unit_test(test_readahead),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_write_errors),
	    cmocka_unit_test(test_flush_error),
	    cmocka_unit_test(test_store_while_writing),
	    cmocka_unit_test(test_sync_while_writing),
	    cmocka_unit_test(test_overwrite),
	    cmocka_unit_test(test_remove),
	    cmocka_unit_test(test_age),
	    cmocka_unit_test(test_throttle),
	    cmocka_unit_test(test_dead_card),
	    cmocka_unit_test(test_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
