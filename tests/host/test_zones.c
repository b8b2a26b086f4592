// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A disk that reaches only a part of RAM: what it transfers lies there, private memory elsewhere as long as there is
 * some, and neither starves the other. The simulated disk asserts its reach at each transfer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mm/pcache.h"
#include "mm/reclaim.h"
#include "mm/tunable.h"
#include "tests/host/stack.h"

#define FRAMES 4096
#define REACH 1024

static bool is_near(const struct page *page)
{
	return page_pa(page) < page_pa(pa_to_page(blkdev_find("sim0")->reach)) + PAGE_SIZE;
}

/* ---- the allocator ---- */
static void alloc_body(void *arg)
{
	const size_t *reach = arg;
	size_t total = frame_total(), early = 0, n = 0, far = 0;
	static struct page *held[FRAMES], *before[40];
	struct page *page;
	paddr_t limit;

	for (; early < array_size(before); early++) // some lie on either side of the limit
		before[early] = frame_alloc();
	frame_free(before[3]);
	frame_free(before[33]);
	limit = page_pa(before[0]) + *reach * PAGE_SIZE;
	assert_int_equal(frame_limit_reach(limit - 1), 0);
	assert_int_equal(frame_limit_reach(limit + 100 * PAGE_SIZE), 0); // reaches more: nothing changes
	assert_int_equal(frame_total(), total);
	assert_int_equal(frame_near_total(), *reach);
	assert_int_equal(frame_free_count(), total - array_size(before) + 2);

	while (frame_near_free_count() < frame_free_count()) {
		held[n] = frame_alloc_far();
		assert_true(page_pa(held[n]) >= limit);
		n++;
	}
	far = n;
	assert_int_equal(far, total - *reach - (*reach < 40 ? 40 - *reach : 0) + (*reach <= 33));
	while ((page = frame_alloc_far_normal())) {
		assert_true(page_pa(page) < limit);
		held[n++] = page;
	}
	assert_int_equal(frame_near_free_count(), min_of(frame_reserve(), frame_near_free_count()));
	while ((page = frame_alloc()))
		held[n++] = page;
	assert_int_equal(frame_free_count(), 0);
	while (n > 0)
		frame_free(held[--n]);
	assert_null(frame_alloc_contig(*reach + 1, PAGE_SIZE));
	page = frame_alloc_contig(8, PAGE_SIZE);
	assert_true(!page || page_pa(page + 7) < limit);
	assert_int_equal(frame_free_count() + (page ? 8 : 0), total - array_size(before) + 2);
}

static void test_alloc(void **state)
{
	size_t reaches[] = {REACH, 20, FRAMES - 300};

	(void)state;
	for (size_t i = 0; i < array_size(reaches); i++)
		harness_run(&(struct harness){.frames = FRAMES}, alloc_body, &reaches[i]);
}

/* ---- the stack above ---- */
static void fill_private(uint8_t *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE_SIZE] = (uint8_t)i;
}

static void check_file(int fd, size_t pages)
{
	uint8_t byte;

	for (size_t i = 0; i < pages; i++) {
		assert_int_equal(fs_pread(fd, &byte, 1, (int64_t)(i * PAGE_SIZE)), 1);
		assert_int_equal(byte, (uint8_t)(i * 3 + 1));
	}
}

/* A file larger than the disk reaches, and private memory for all the rest. */
static void stack_body(void *arg)
{
	const size_t pages = REACH * 2;
	struct map_stats map;
	uint8_t *shared, *private;
	size_t most;
	int fd;

	(void)arg;
	harness_start();
	assert_in_range(frame_near_total(), REACH / 2, REACH);
	fd = stack_open("/file", O_RDWR | O_CREAT);
	assert_int_equal(fs_ftruncate(fd, (int64_t)(pages * PAGE_SIZE)), 0);
	shared = stack_map(fd, pages * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	for (size_t i = 0; i < pages; i++)
		shared[i * PAGE_SIZE] = (uint8_t)(i * 3 + 1);
	assert_true(frame_free_count() - frame_near_free_count() > FRAMES - REACH - 200); // the far ones are left alone
	map_stats(&map);
	most = map.commit_limit - map.committed;
	assert_true(most > FRAMES - REACH);
	private = stack_map(-1, most * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_ANON);
	fill_private(private, most); // promised: takes near frames in the end, which the cache gives up
	assert_int_equal(frame_free_count(), frame_near_free_count());
	assert_true(frame_near_free_count() >= frame_reserve() / 2);
	check_file(fd, pages); // with what is left to the cache
	for (size_t i = 0; i < most; i++)
		assert_int_equal(private[i * PAGE_SIZE], (uint8_t)i);
	stack_unmap(private, most * PAGE_SIZE);
	assert_true(frame_free_count() - frame_near_free_count() > FRAMES - REACH - 200);
	check_file(fd, pages);
	stack_unmap(shared, pages * PAGE_SIZE);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(blkdev_find("sim0")->stats.unreachable, 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_stack(void **state)
{
	const char *image = stack_image("zones", "32M", 4096, 1), *out = image_path("zones-out");

	(void)state;
	for (uint64_t seed = 0; seed < 2; seed++) {
		harness_run(&(struct harness){.frames = FRAMES,
					      .seed = seed,
					      .disk = {.image = image, .seed = seed, .reach = REACH, .save = out}},
			    stack_body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

/* What is out of reach is refused and counted. */
static void refuse_body(void *arg)
{
	struct blkdev *disk;
	struct page *near, *far;

	(void)arg;
	disk = harness_start_disk();
	near = frame_alloc();
	far = frame_alloc_far();
	assert_true(is_near(near) && !is_near(far));
	assert_int_equal(blk_read(disk, 0, page_va(near), 8), 0);
	assert_int_equal(blk_write(disk, 0, page_va(near), 8), 0);
	assert_int_equal(disk->stats.unreachable, 0);
	assert_int_equal(blk_read(disk, 0, page_va(far), 8), -EFAULT);
	assert_int_equal(blk_write(disk, 0, page_va(far), 8), -EFAULT);
	assert_int_equal(disk->stats.unreachable, 2);
}

static void test_refuse(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = FRAMES, .disk = {.sectors = 1024, .reach = REACH}}, refuse_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alloc),
	    cmocka_unit_test(test_stack),
	    cmocka_unit_test(test_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
