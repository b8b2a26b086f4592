// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* madvise over fake files and private memory: what is read, what is evicted, what stays. */
#include <errno.h>
#include <string.h>

#include "mm/map.h"
#include "mm/reclaim.h"
#include "mm/vma.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define PAGES 100
#define RW (MAP_R | MAP_W)

static uint8_t *map(struct fakefile *file, size_t pages, enum map_prot prot, enum map_kind kind)
{
	struct map_request req = {.len = pages * PAGE_SIZE,
				  .prot = prot,
				  .max_prot = RW | MAP_X,
				  .kind = kind,
				  .object = file ? &file->object : NULL};
	vaddr_t va = 0;

	assert_int_equal(map_create(&req, &va), 0);
	return (uint8_t *)va;
}

static void unmap(const uint8_t *p, size_t pages)
{
	assert_int_equal(map_remove((vaddr_t)p, pages * PAGE_SIZE), 0);
}

static int advise(const uint8_t *p, size_t pages, enum map_advice advice)
{
	return map_advise((vaddr_t)p, pages * PAGE_SIZE, advice);
}

static void touch(const uint8_t *p, size_t page)
{
	assert_int_equal(p[page * PAGE_SIZE], fakefile_byte(page * PAGE_SIZE));
}

static size_t mappings(void)
{
	size_t count = 0;

	for (const struct vma *vma = vma_next_locked(0); vma; vma = vma_following_locked(vma))
		count++;
	return count;
}

static bool is_cached(struct fakefile *file, pgidx_t index)
{
	struct page *page = pcache_find(&file->object, index);

	if (page)
		pcache_put(page);
	return page;
}

static size_t cached(struct fakefile *file, pgidx_t first, pgidx_t last)
{
	size_t count = 0;

	for (pgidx_t i = first; i <= last; i++)
		count += is_cached(file, i);
	return count;
}

/* By the mapping at p. */
static size_t shown(const uint8_t *p, pgidx_t first, pgidx_t last)
{
	size_t count = 0;

	for (pgidx_t i = first; i <= last; i++)
		count += !pte_is_none(pt_get((vaddr_t)p + i * PAGE_SIZE));
	return count;
}

static size_t frames_at_start;

static void start(void)
{
	harness_start_mm();
	frames_at_start = frame_free_count();
}

static void end(void)
{
	assert_int_equal(mappings(), 0);
	assert_int_equal(frame_free_count(), frames_at_start);
}

static void run(void (*body)(void *))
{
	harness_run(&(struct harness){0}, body, NULL);
}

/* ---- how it will be read ---- */
static void patterns_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p;

	(void)arg;
	start();
	file = fakefile_make(400 * PAGE_SIZE, false);
	p = map(file, 400, RW, MAP_KIND_SHARED);
	/* To the page: what is beside it is read as before. */
	assert_int_equal(advise(p + 100 * PAGE_SIZE, 100, MAP_ADV_RANDOM), 0);
	assert_int_equal(advise(p + 200 * PAGE_SIZE, 100, MAP_ADV_SEQUENTIAL), 0);
	assert_int_equal(mappings(), 4);
	for (size_t i = 100; i < 110; i++)
		touch(p, i);
	assert_int_equal(cached(file, 0, 399), 10);
	for (size_t i = 0; i < 2; i++)
		touch(p, i);
	assert_in_range(cached(file, 0, 99), 4, 8); // a small window that grows
	touch(p, 200);				    // by itself, a beginning is no sequence
	touch(p, 201);
	assert_in_range(cached(file, 200, 299), 60, 70); // the largest window at once
	assert_int_equal(cached(file, 300, 399), 0);
	assert_int_equal(advise(p + 100 * PAGE_SIZE, 200, MAP_ADV_NORMAL), 0);
	assert_int_equal(mappings(), 1); // alike again
	unmap(p + 50 * PAGE_SIZE, 1);
	assert_int_equal(advise(p, 400, MAP_ADV_RANDOM), -ENOMEM); // and done where there is something
	assert_int_equal(advise(p, 50, MAP_ADV_RANDOM), 0);
	assert_int_equal(mappings(), 2);
	unmap(p, 400);
	fakefile_free(file);
	end();
}

static void test_patterns(void **state)
{
	(void)state;
	run(patterns_body);
}

static void will_need_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(file, PAGES + 10, MAP_R, MAP_KIND_PRIVATE);
	file->hold = true;
	assert_int_equal(advise(p + 10 * PAGE_SIZE, 20, MAP_ADV_WILLNEED), 0); // does not wait
	fakefile_release(file);
	assert_int_equal(cached(file, 0, PAGES - 1), 20);
	assert_int_equal(cached(file, 10, 29), 20);
	assert_int_equal(advise(p + 90 * PAGE_SIZE, 20, MAP_ADV_WILLNEED), 0); // beyond the end there is nothing
	assert_int_equal(cached(file, 0, PAGES - 1), 30);
	unmap(p + 40 * PAGE_SIZE, 1);
	assert_int_equal(advise(p + 39 * PAGE_SIZE, 3, MAP_ADV_WILLNEED), -ENOMEM);
	assert_true(is_cached(file, 39) && is_cached(file, 41));
	unmap(p, PAGES + 10);
	p = map(NULL, 4, RW, MAP_KIND_ANON);
	assert_int_equal(advise(p, 4, MAP_ADV_WILLNEED), 0);
	unmap(p, 4);
	fakefile_free(file);
	end();
}

static void test_will_need(void **state)
{
	(void)state;
	run(will_need_body);
}

/* ---- giving up ---- */
static void give_up_body(void *arg)
{
	static const enum map_advice advices[] = {MAP_ADV_DONTNEED, MAP_ADV_FREE};
	struct fakefile *file;
	uint8_t *p, *q;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	for (size_t i = 0; i < array_size(advices); i++) {
		p = map(NULL, 10, RW, MAP_KIND_ANON);
		memset(p, 1, 10 * PAGE_SIZE);
		assert_int_equal(advise(p + 2 * PAGE_SIZE, 3, advices[i]), 0);
		assert_int_equal(space.anon_frames, 7);
		assert_int_equal(p[2 * PAGE_SIZE], 0);
		assert_int_equal(p[5 * PAGE_SIZE], 1);
		unmap(p + 6 * PAGE_SIZE, 1);
		assert_int_equal(advise(p, 10, advices[i]), -ENOMEM);
		assert_int_equal(space.anon_frames, 0); // up to the end
		memset(p, 1, 6 * PAGE_SIZE);
		assert_int_equal(map_lock((vaddr_t)p + 3 * PAGE_SIZE, PAGE_SIZE, true), 0);
		assert_int_equal(advise(p, 10, advices[i]), -EINVAL);
		assert_int_equal(p[0], 0); // up to what refuses
		assert_int_equal(p[3 * PAGE_SIZE], 1);
		unmap(p, 10);
	}
	p = map(file, PAGES, RW, MAP_KIND_PRIVATE);
	q = map(file, PAGES, RW, MAP_KIND_SHARED);
	p[0] = q[1] = 77;
	assert_int_equal(advise(p, 1, MAP_ADV_FREE), -EINVAL);
	assert_int_equal(advise(q, 1, MAP_ADV_FREE), -EINVAL);
	assert_int_equal(p[0], 77);
	assert_int_equal(advise(p, PAGES, MAP_ADV_DONTNEED), 0);
	assert_int_equal(advise(q, PAGES, MAP_ADV_DONTNEED), 0);
	assert_int_equal(p[0], fakefile_byte(0));
	assert_int_equal(q[1], 77);
	pcache_check(&file->object);
	unmap(p, PAGES);
	unmap(q, PAGES);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	end();
}

static void test_give_up(void **state)
{
	(void)state;
	run(give_up_body);
}

/* What is cold goes first, unless it is used again, or by another mapping as well. */
static void cold_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p, *q;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(file, PAGES, RW, MAP_KIND_SHARED);
	for (size_t i = 0; i < PAGES; i++)
		touch(p, i);
	assert_int_equal(advise(p + 40 * PAGE_SIZE, 20, MAP_ADV_COLD), 0);
	touch(p, 45);
	assert_in_range(reclaim(10), 10, 19); // by batches
	assert_int_equal(cached(file, 0, 39) + cached(file, 60, PAGES - 1), PAGES - 20);
	assert_true(is_cached(file, 45));

	/* Pages that another mapping shows too are left alone. */
	q = map(file, PAGES, MAP_R, MAP_KIND_SHARED);
	touch(q, 10); // and around it
	assert_int_equal(advise(p, 32, MAP_ADV_COLD), 0);
	while (cached(file, 0, 31) > shown(q, 0, 31)) {
		assert_int_equal(cached(file, 60, PAGES - 1), PAGES - 60);
		assert_true(reclaim(1) > 0);
	}
	assert_in_range(cached(file, 0, 31), 1, 16);
	p[0] = 1;
	assert_int_equal(map_lock((vaddr_t)p, PAGE_SIZE, true), 0);
	assert_int_equal(advise(p, 2, MAP_ADV_COLD), -EINVAL);
	unmap(p, PAGES);
	unmap(q, PAGES);
	p = map(NULL, 2, RW, MAP_KIND_ANON);
	p[0] = 1;
	assert_int_equal(advise(p, 2, MAP_ADV_COLD), 0);
	assert_int_equal(p[0], 1);
	unmap(p, 2);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	end();
}

static void test_cold(void **state)
{
	(void)state;
	run(cold_body);
}

static void page_out_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p, *q;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(file, PAGES, RW, MAP_KIND_SHARED);
	for (size_t i = 0; i < PAGES; i++)
		touch(p, i);
	p[5 * PAGE_SIZE + 1] = 7;
	p[50 * PAGE_SIZE + 1] = 8;
	assert_int_equal(advise(p, 20, MAP_ADV_PAGEOUT), 0);
	assert_int_equal(cached(file, 0, 19), 0);
	assert_int_equal(cached(file, 20, PAGES - 1), PAGES - 20);
	assert_int_equal(file->data[5 * PAGE_SIZE + 1], 7);
	assert_int_equal(file->data[50 * PAGE_SIZE + 1], fakefile_byte(50 * PAGE_SIZE + 1));
	assert_int_equal(p[5 * PAGE_SIZE + 1], 7);
	pcache_check(&file->object);

	/* What others show stays; so does what cannot be written, which is for those to know who have the file open. */
	q = map(file, PAGES, MAP_R, MAP_KIND_SHARED);
	touch(q, 32);
	fakefile_fail(file, FAKE_WRITE, 0, 1000, -EIO);
	assert_int_equal(advise(p + 20 * PAGE_SIZE, PAGES - 20, MAP_ADV_PAGEOUT), 0);
	assert_in_range(shown(q, 20, PAGES - 1), 1, 16);
	assert_int_equal(cached(file, 20, PAGES - 1), shown(q, 20, PAGES - 1) + 1);
	assert_int_equal(p[50 * PAGE_SIZE + 1], 8);
	fakefile_fail(file, FAKE_WRITE, 0, 0, 0);
	assert_int_equal(map_sync((vaddr_t)p, PAGES * PAGE_SIZE, true), 0);
	unmap(q, PAGES);

	/* Private copies have nowhere to go. */
	q = map(file, PAGES, RW, MAP_KIND_PRIVATE);
	q[0] = 99;
	touch(q, 1);
	unmap(p, PAGES);
	assert_int_equal(advise(q, PAGES, MAP_ADV_PAGEOUT), 0);
	assert_int_equal(q[0], 99);
	assert_int_equal(cached(file, 2, PAGES - 1), 0);
	touch(q, 1);
	pcache_check(&file->object);
	assert_int_equal(map_lock((vaddr_t)q, PAGE_SIZE, true), 0);
	assert_int_equal(advise(q, 1, MAP_ADV_PAGEOUT), -EINVAL);
	unmap(q, PAGES);
	(void)pcache_drop_clean();
	fakefile_free(file);
	end();
}

static void test_page_out(void **state)
{
	(void)state;
	run(page_out_body);
}

/* ---- populating ---- */
static void populate_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, true);
	p = map(file, PAGES + 2, RW, MAP_KIND_SHARED);
	assert_int_equal(advise(p, PAGES, MAP_ADV_POPULATE_READ), 0);
	assert_int_equal(cached(file, 0, PAGES - 1), PAGES);
	assert_int_equal(file->fail[FAKE_RESERVE].seen, 0);
	assert_int_equal(advise(p, 10, MAP_ADV_POPULATE_WRITE), 0);
	assert_int_equal(file->fail[FAKE_RESERVE].seen, 10); // as stores would
	fakefile_fail(file, FAKE_RESERVE, 3, 1, -ENOSPC);
	assert_int_equal(advise(p + 10 * PAGE_SIZE, 10, MAP_ADV_POPULATE_WRITE), -EFAULT);
	fakefile_fail(file, FAKE_RESERVE, 0, 0, 0);
	assert_int_equal(advise(p, PAGES + 1, MAP_ADV_POPULATE_READ), -EFAULT); // beyond the end
	assert_int_equal(map_protect((vaddr_t)p, PAGE_SIZE, MAP_R), 0);
	assert_int_equal(advise(p, 2, MAP_ADV_POPULATE_WRITE), -EINVAL);
	assert_int_equal(map_protect((vaddr_t)p, PAGE_SIZE, MAP_X), 0);
	assert_int_equal(advise(p, 2, MAP_ADV_POPULATE_READ), -EINVAL);
	unmap(p + 5 * PAGE_SIZE, 1);
	assert_int_equal(advise(p + 4 * PAGE_SIZE, 4, MAP_ADV_POPULATE_READ), -ENOMEM);
	unmap(p, PAGES + 2);
	p = map(NULL, 10, RW, MAP_KIND_ANON);
	assert_int_equal(advise(p, 5, MAP_ADV_POPULATE_WRITE), 0);
	assert_int_equal(space.anon_frames, 5);
	assert_int_equal(advise(p, 10, MAP_ADV_POPULATE_READ), 0);
	assert_int_equal(space.anon_frames, 5);
	unmap(p, 10);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	end();
}

static void test_populate(void **state)
{
	(void)state;
	run(populate_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patterns), cmocka_unit_test(test_will_need), cmocka_unit_test(test_give_up),
	    cmocka_unit_test(test_cold),     cmocka_unit_test(test_page_out),  cmocka_unit_test(test_populate),
	};

	return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
