// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Who is told of writes that failed while nobody waited for them: each open file once, by msync of its mappings or by
 * fsync and close of its descriptors, whichever comes first, also when only mappings are left of it.
 */
#include <errno.h>

#include "tests/host/stack.h"

#define DATA_LEN (4 * PAGE_SIZE)

/* The background's write of what is dirty fails, and a later one, asked for by nobody who is told, does not. */
static void fail_in_background(uint8_t *p)
{
	assert_int_equal(harness_store(p, 1, NULL), FAULT_OK);
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_WRITE, .from = 1, .count = 1});
	assert_int_equal(pcache_write_all(), -EIO);
	simdisk_fail(&(struct simdisk_fault){0});
	assert_int_equal(pcache_write_all(), 0);
}

static int sync_map(const uint8_t *p, size_t pages)
{
	return map_sync((vaddr_t)p, pages * PAGE_SIZE, true);
}

/* Read-only, in place of what is there. */
static uint8_t *map_beside(int fd, const uint8_t *at, size_t page)
{
	struct map_request req = {.addr = (vaddr_t)at,
				  .len = PAGE_SIZE,
				  .prot = MAP_R,
				  .max_prot = MAP_R,
				  .kind = MAP_KIND_SHARED,
				  .fixed = true,
				  .offset = page * PAGE_SIZE};
	bool readable, writable;
	vaddr_t va;

	assert_int_equal(fs_object(fd, &req.object, &req.errors, &readable, &writable), 0);
	assert_int_equal(map_create(&req, &va), 0);
	req.object->ops->ref(req.object, -1);
	pcache_errors_put(req.errors);
	return (uint8_t *)va;
}

static void once_body(void *arg)
{
	struct map_info info;
	int fd, second_fd, reader;
	uint8_t *a, *b, *second, *again;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	second_fd = stack_open("/data", O_RDWR);
	reader = stack_open("/data", O_RDONLY);
	a = stack_map(fd, 2 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	b = stack_map(fd, 2 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	second = stack_map(second_fd, 2 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);

	/* One open file has two mappings and a descriptor; it is told once, of a page that neither of them asks about.
	 */
	fail_in_background(a);
	assert_int_equal(sync_map(b + PAGE_SIZE, 1), -EIO);
	assert_int_equal(sync_map(a, 2), 0);
	assert_int_equal(fs_fsync(fd, false), 0);
	/* Others are told themselves. */
	assert_int_equal(fs_fsync(second_fd, false), -EIO);
	assert_int_equal(sync_map(second, 2), 0);
	assert_int_equal(fs_fsync(reader, false), -EIO);

	/* Whoever mapped it lives on in the mapping. */
	assert_int_equal(fs_close(fd), 0);
	fail_in_background(a);
	assert_int_equal(sync_map(a, 2), -EIO);
	assert_int_equal(sync_map(b, 2), 0);
	assert_int_equal(fs_close(second_fd), -EIO);
	assert_int_equal(sync_map(second, 2), 0);
	/* Opened since: of what was before nothing is told. */
	fd = stack_open("/data", O_RDWR);
	again = stack_map(fd, 2 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	assert_int_equal(sync_map(again, 2), 0);

	/* Its own failures are told each time, and a good try ends them. */
	assert_int_equal(harness_store(a, 2, NULL), FAULT_OK);
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_WRITE, .from = 1, .count = 2});
	assert_int_equal(sync_map(a, 1), -EIO);
	assert_int_equal(sync_map(a, 1), -EIO);
	assert_int_equal(sync_map(a, 1), 0);
	assert_int_equal(simdisk_fired(), 2);
	/* So that which was not asked to be written is none of its failures. */
	assert_int_equal(harness_store(b + PAGE_SIZE, 2, NULL), FAULT_OK);
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_WRITE, .from = 1, .count = 1});
	assert_int_equal(sync_map(a, 1), 0);
	assert_int_equal(simdisk_fired(), 0);
	simdisk_fail(&(struct simdisk_fault){0});
	assert_int_equal(sync_map(b + PAGE_SIZE, 1), 0);

	/* Of the same pages side by side, those of one open file are one mapping, and those of two are not. */
	stack_unmap(b, 2 * PAGE_SIZE);
	assert_ptr_equal(map_beside(fd, a, 0), a);
	assert_ptr_equal(map_beside(fd, a + PAGE_SIZE, 1), a + PAGE_SIZE);
	assert_true(map_lookup((vaddr_t)a, &info) && info.end == (vaddr_t)a + 2 * PAGE_SIZE);
	assert_ptr_equal(map_beside(reader, a + PAGE_SIZE, 1), a + PAGE_SIZE);
	assert_true(map_lookup((vaddr_t)a, &info) && info.end == (vaddr_t)a + PAGE_SIZE);
	stack_unmap(a, 2 * PAGE_SIZE);
	stack_unmap(second, 2 * PAGE_SIZE);
	stack_unmap(again, 2 * PAGE_SIZE);
	assert_int_equal(fs_close(fd), -EIO);  // of the failures meanwhile
	assert_int_equal(fs_close(reader), 0); // has written nothing
	assert_int_equal(harness_stop(), 0);
}

static void test_told_once(void **state)
{
	struct harness h = {
	    .disk = {.image = stack_image("told", "4M", 1024, DATA_LEN), .save = image_path("told-out")}};

	(void)state;
	harness_run(&h, once_body, NULL);
	assert_int_equal(image_e2fsck(h.disk.save, "-n"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
