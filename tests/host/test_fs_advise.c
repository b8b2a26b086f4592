// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Advice about open files, reading ahead, writing ranges: what each asks of the card and leaves in the cache. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/stack.h"

#define PAGES 200
#define DATA_LEN (PAGES * PAGE_SIZE - 100)

#define READS (1u << BLK_READ)
#define WRITES (1u << BLK_WRITE)
#define FLUSHES (1u << BLK_FLUSH)

static void run(void (*body)(void *arg))
{
	const char *out = image_path("advise-out");

	for (unsigned block = 1024; block <= 4096; block *= 4) {
		char name[32];

		snprintf(name, sizeof(name), "advise-%u", block);
		harness_run(&(struct harness){.disk = {.image = stack_image(name, "8M", block, DATA_LEN), .save = out}},
			    body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

static size_t cached(void)
{
	struct pcache_stats stats;

	pcache_stats(&stats);
	return stats.pages;
}

static size_t dirty(void)
{
	struct pcache_stats stats;

	pcache_stats(&stats);
	return stats.dirty + stats.writing;
}

static uint64_t fills(void)
{
	struct pcache_stats stats;

	pcache_stats(&stats);
	return stats.fills;
}

static void arguments(void *arg)
{
	int fd, ro, wo, dir, null;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	ro = stack_open("/data", O_RDONLY);
	wo = stack_open("/data", O_WRONLY);
	dir = stack_open("/", O_RDONLY);
	null = stack_open("/dev/null", O_RDWR);

	assert_int_equal(fs_fadvise(99, 0, -1, 77), -EBADF);
	assert_int_equal(fs_fadvise(fd, 0, -1, POSIX_FADV_NORMAL), -EINVAL);
	assert_int_equal(fs_fadvise(null, 0, -1, POSIX_FADV_NORMAL), -EINVAL);
	for (int i = 0; i < 4; i++) {
		const int fds[] = {fd, wo, dir, null};

		for (int advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE; advice++) {
			assert_int_equal(fs_fadvise(fds[i], 0, 0, advice), 0);
			assert_int_equal(fs_fadvise(fds[i], -1, 10, advice), 0); // as on Linux
			assert_int_equal(fs_fadvise(fds[i], INT64_MAX, INT64_MAX, advice), 0);
		}
		assert_int_equal(fs_fadvise(fds[i], 0, 0, POSIX_FADV_NOREUSE + 1), -EINVAL);
		assert_int_equal(fs_fadvise(fds[i], 0, 0, -1), -EINVAL);
	}

	assert_int_equal(fs_readahead(99, 0, 1), -EBADF);
	assert_int_equal(fs_readahead(wo, 0, 1), -EBADF);
	assert_int_equal(fs_readahead(dir, 0, 1), -EINVAL);
	assert_int_equal(fs_readahead(null, 0, 1), -EINVAL);
	assert_int_equal(fs_readahead(fd, 0, SIZE_MAX), -EINVAL);
	assert_int_equal(fs_readahead(fd, 1 << 30, 10), 0);

	assert_int_equal(fs_sync_range(99, -1, 0, 99), -EBADF);
	assert_int_equal(fs_sync_range(fd, 0, 0, 8), -EINVAL);
	assert_int_equal(fs_sync_range(fd, -1, 0, 2), -EINVAL);
	assert_int_equal(fs_sync_range(fd, 0, -1, 2), -EINVAL);
	assert_int_equal(fs_sync_range(fd, INT64_MAX, 1, 2), -EINVAL);
	assert_int_equal(fs_sync_range(null, 0, 0, 99), -EINVAL);
	assert_int_equal(fs_sync_range(null, 0, 0, 2), -ESPIPE);
	assert_int_equal(fs_sync_range(dir, 0, 0, 7), 0);
	for (unsigned flags = 0; flags < 8; flags++)
		assert_int_equal(fs_sync_range(ro, 0, 0, flags), 0);
	assert_int_equal(harness_stop(), 0);
	assert_int_equal(fs_fadvise(fd, 0, 0, POSIX_FADV_NORMAL), -EIO);
	assert_int_equal(fs_readahead(fd, 0, 1), -EIO);
	assert_int_equal(fs_sync_range(fd, 0, 0, 2), -EIO);
}

static void test_arguments(void **state)
{
	(void)state;
	run(arguments);
}

/* How many pages the first read of a file brings in. */
static uint64_t first_read(int fd, int advice)
{
	uint64_t before;
	char c;

	/* What is still being read does not go. */
	while (cached()) {
		thread_sleep_until(clock_now() + NSEC_PER_SEC);
		assert_int_equal(fs_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	}
	assert_int_equal(fs_fadvise(fd, 0, 0, advice), 0);
	assert_int_equal(fs_lseek(fd, 0, SEEK_SET), 0);
	before = fills();
	assert_int_equal(fs_read(fd, &c, 1), 1);
	return fills() - before;
}

static void patterns(void *arg)
{
	int fd = 0;
	uint64_t normal, before;
	char c;

	(void)arg;
	harness_start();
	for (unsigned i = 0; i < 3; i++) {
		fd = stack_open("/data", O_RDONLY);
		switch (i) {
		case 0:
			normal = first_read(fd, POSIX_FADV_NORMAL);
			assert_true(normal > 1);
			break;
		case 1:
			assert_true(first_read(fd, POSIX_FADV_SEQUENTIAL) >= 4 * normal);
			break;
		default:
			assert_int_equal(first_read(fd, POSIX_FADV_RANDOM), 1);
			/* pread keeps to it, and on a stream of its own. */
			before = fills();
			for (int64_t page = 1; page < 20; page++)
				assert_int_equal(fs_pread(fd, &c, 1, page * PAGE_SIZE), 1);
			assert_int_equal(fills() - before, 19);
			assert_int_equal(fs_fadvise(fd, 0, 0, POSIX_FADV_NORMAL), 0);
			before = fills();
			for (int64_t page = 20; page < 25; page++)
				assert_int_equal(fs_pread(fd, &c, 1, page * PAGE_SIZE), 1);
			assert_true(fills() - before > 5);
		}
		assert_int_equal(fs_close(fd), 0);
	}
	assert_int_equal(harness_stop(), 0);
}

static void test_patterns(void **state)
{
	(void)state;
	run(patterns);
}

static void will_need(void *arg)
{
	const uint8_t *p;
	uint64_t before;
	int fd, wo;
	char c;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDONLY);
	wo = stack_open("/data", O_WRONLY);
	/* Returns with the card holding everything back, and reads no more than was asked for. */
	assert_int_equal(fs_pread(fd, &c, 1, 199 * PAGE_SIZE), 1);
	simdisk_hold(true);
	before = fills();
	assert_int_equal(fs_fadvise(wo, 5 * PAGE_SIZE + 1, 2 * PAGE_SIZE, POSIX_FADV_WILLNEED), 0); // pages 5, 6, 7
	assert_int_equal(fs_readahead(fd, 10 * PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(fills() - before, 4);
	simdisk_hold(false);
	assert_int_equal(fs_readahead(fd, 190 * PAGE_SIZE, 1000 * PAGE_SIZE), 0);
	assert_int_equal(fills() - before, 13);
	assert_int_equal(fs_fadvise(fd, 20 * PAGE_SIZE, 0, POSIX_FADV_WILLNEED), 0); // the rest
	assert_int_equal(fills() - before, 183);
	p = stack_map(fd, DATA_LEN, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(stack_differs(p + 20 * PAGE_SIZE, 1, 20 * PAGE_SIZE, 100 * PAGE_SIZE), 100 * PAGE_SIZE);
	assert_int_equal(fills() - before, 183);
	stack_unmap(p, DATA_LEN);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_close(wo), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_will_need(void **state)
{
	(void)state;
	run(will_need);
}

static void dont_need(void *arg)
{
	uint8_t *p;
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	p = stack_map(fd, DATA_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	for (size_t page = 0; page < PAGES; page++)
		p[page * PAGE_SIZE] = 1;
	assert_int_equal(cached(), PAGES);
	assert_int_equal(dirty(), PAGES);
	/* Writes what is dirty; keeps what is mapped. */
	assert_int_equal(fs_fadvise(fd, 0, 50 * PAGE_SIZE, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(fs_sync_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE), 0);
	assert_int_equal(dirty(), PAGES - 50);
	assert_int_equal(cached(), PAGES);
	stack_unmap(p, DATA_LEN);
	/* What is dirty, and what is only touched by the range, stays. */
	assert_int_equal(fs_fadvise(fd, PAGE_SIZE + 1, 10 * PAGE_SIZE, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(cached(), PAGES - 9);
	assert_int_equal(fs_fadvise(fd, 0, 40 * PAGE_SIZE, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(cached(), PAGES - 40);
	simdisk_hold(true);
	assert_int_equal(fs_fadvise(fd, 40 * PAGE_SIZE, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(cached(), PAGES - 50);
	simdisk_hold(false);
	assert_int_equal(fs_sync_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE), 0);
	assert_int_equal(dirty(), 0);
	/* The last page, of which the file has a part. */
	assert_int_equal(fs_fadvise(fd, 60 * PAGE_SIZE, DATA_LEN - 60 * PAGE_SIZE, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(cached(), 10);
	assert_int_equal(fs_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(cached(), 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_dont_need(void **state)
{
	(void)state;
	run(dont_need);
}

static void sync_range(void *arg)
{
	uint64_t writes, flushes;
	uint8_t *p, value;
	int fd, other;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	other = stack_open("/data", O_RDWR);
	p = stack_map(fd, DATA_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	assert_int_equal(harness_load(p, &value, NULL), FAULT_OK);
	for (size_t page = 0; page < PAGES; page++)
		p[page * PAGE_SIZE] = 1;
	writes = simdisk_count(WRITES);
	flushes = simdisk_count(FLUSHES);
	/* Nothing is under way: nothing to wait for. */
	assert_int_equal(fs_sync_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER), 0);
	assert_int_equal(dirty(), PAGES);
	/* Starting does not wait. */
	simdisk_hold(true);
	assert_int_equal(fs_sync_range(fd, 3 * PAGE_SIZE + 5, 2 * PAGE_SIZE, SYNC_FILE_RANGE_WRITE), 0);
	assert_int_equal(simdisk_count(WRITES), writes);
	simdisk_hold(false);
	assert_int_equal(fs_sync_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_AFTER), 0);
	assert_int_equal(dirty(), PAGES - 3);
	assert_int_equal(simdisk_count(WRITES) - writes, 1);
	assert_int_equal(fs_sync_range(fd, 10 * PAGE_SIZE, PAGE_SIZE, 7), 0);
	assert_int_equal(dirty(), PAGES - 4);
	assert_int_equal(fs_sync_range(fd, 100 * PAGE_SIZE, 0, 7), 0);
	assert_int_equal(dirty(), 96);
	/* Data alone, and no promise. */
	assert_int_equal(simdisk_count(FLUSHES), flushes);
	assert_true(simdisk_count(WRITES) - writes <= 2 + 100 / 8);

	/* An error is told by the call that wrote, and once to each other open file. */
	p[0] = 2;
	simdisk_fail(&(struct simdisk_fault){.ops = WRITES, .from = 1, .count = 1});
	assert_int_equal(fs_sync_range(fd, 0, PAGE_SIZE, 7), -EIO);
	assert_int_equal(simdisk_fired(), 1);
	assert_int_equal(fs_sync_range(fd, 0, PAGE_SIZE, SYNC_FILE_RANGE_WAIT_AFTER), 0);
	assert_int_equal(fs_sync_range(other, 0, PAGE_SIZE, SYNC_FILE_RANGE_WRITE), 0);
	assert_int_equal(fs_sync_range(other, 0, PAGE_SIZE, SYNC_FILE_RANGE_WAIT_AFTER), -EIO);
	assert_int_equal(fs_sync_range(other, 0, PAGE_SIZE, 7), 0);
	assert_int_equal(dirty(), 95);
	stack_unmap(p, DATA_LEN);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_close(other), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_sync_range(void **state)
{
	(void)state;
	run(sync_range);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_arguments), cmocka_unit_test(test_patterns),	 cmocka_unit_test(test_will_need),
	    cmocka_unit_test(test_dont_need), cmocka_unit_test(test_sync_range),
	};

	return cmocka_run_group_tests_name("fs: advice and ranges", tests, NULL, NULL);
}
