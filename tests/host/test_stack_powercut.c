// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Power cuts. A log of records is stored through a mapping and made durable by msync; a mark in the disk's recording
 * says which record was acknowledged when. At every boundary of the recording, and between, images are made from what a
 * FLUSH had made durable plus subsets of every other write; e2fsck repairs each, and every record acknowledged before
 * the cut must be in it. The same with a disk that drops FLUSH must fail, or the test would prove nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/host/simlog.h"
#include "tests/host/stack.h"

#define RECORD 1000 // bytes: records straddle sectors, blocks and pages
#define RECORDS 60
#define LOG_LEN (RECORDS * RECORD)
#define SEEDS_PER_CUT 4 // 0: none of the volatile writes, 1: all, others: subsets

static const unsigned cuts[] = {[EFFORT_QUICK] = 6, [EFFORT_DEFAULT] = 25, [EFFORT_LONG] = 1000}; // of a recording

enum way { WAY_MAPPED, WAY_GROWING, WAY_WRITE };

static void record_fill(uint8_t *to, unsigned i)
{
	stack_fill(to, 100 + i, 0, RECORD);
}

static bool record_there(const uint8_t *at, unsigned i)
{
	return stack_differs(at, 100 + i, 0, RECORD) == RECORD;
}

/* Record i by a store into a preallocated mapping, one grown for it, or by write and fsync. */
static void append(enum way way, int fd, uint8_t *p, unsigned i)
{
	uint8_t record[RECORD];

	if (way == WAY_WRITE) {
		record_fill(record, i);
		assert_int_equal(fs_write(fd, record, RECORD), RECORD);
		assert_int_equal(fs_fsync(fd, i % 2), 0);
		return;
	}
	if (way == WAY_GROWING)
		assert_int_equal(fs_ftruncate(fd, (i + 1) * RECORD), 0);
	record_fill(p + (size_t)i * RECORD, i);
	assert_int_equal(
	    map_sync(align_down((vaddr_t)p + (size_t)i * RECORD, PAGE_SIZE), RECORD + (i * RECORD & PAGE_MASK), true),
	    0);
	if (way == WAY_GROWING)
		assert_int_equal(fs_fsync(fd, true), 0); // the size too
}

static void body(void *arg)
{
	enum way way = *(const enum way *)arg;
	uint8_t *p = NULL;
	int fd, dir;

	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/log", 0755), 0);
	fd = stack_open("/log/records", O_RDWR | O_CREAT);
	if (way == WAY_MAPPED)
		assert_int_equal(fs_fallocate(fd, 0, LOG_LEN), 0);
	if (way != WAY_WRITE)
		p = stack_map(fd, LOG_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	assert_int_equal(fs_fsync(fd, false), 0);
	dir = stack_open("/log", O_RDONLY | O_DIRECTORY);
	assert_int_equal(fs_fsync(dir, false), 0);
	for (unsigned i = 0; i < RECORDS; i++) {
		append(way, fd, p, i);
		simdisk_mark(i);
	}
	/* No unmount: the power goes. */
}

/* How many of the records 0..last are missing or wrong in the image. */
static unsigned records_lost(const char *image, unsigned last)
{
	size_t len;
	uint8_t *data = image_read(image, "/log/records", &len);
	unsigned lost = 0;

	if (!data)
		return last + 1;
	for (unsigned i = 0; i <= last; i++)
		lost += (size_t)(i + 1) * RECORD > len || !record_there(data + (size_t)i * RECORD, i);
	free(data);
	return lost;
}

static unsigned image_lost(const struct simlog *log, uint64_t tick, uint64_t seed)
{
	const char *cut = image_path("cut");
	uint64_t fact;

	simlog_cut(log, tick, seed, cut);
	if (image_e2fsck(cut, "-y") > 1)
		fail_msg("tick %llu, seed %llu: e2fsck cannot repair the card", (unsigned long long)tick,
			 (unsigned long long)seed);
	if (!simlog_fact(log, tick, &fact))
		return 0;
	return records_lost(cut, (unsigned)fact);
}

/* Records a run and cuts it everywhere; returns how many images lost something acknowledged. */
static unsigned cut_everywhere(enum way way, unsigned block, uint64_t seed, bool drop_flush)
{
	const char *record = image_path("record");
	char name[32];

	snprintf(name, sizeof(name), "cut-%u", block);
	const char *base = stack_image(name, "1M", block, 5000);

	harness_run(
	    &(struct harness){.frames = 2048,
			      .disk = {.image = base, .record = record, .seed = seed, .drop_flush = drop_flush}},
	    body, &way);

	struct simlog *log = simlog_open(record, base);
	uint64_t end = simlog_end(log), step = max_of(end / cuts[harness_effort()], (uint64_t)1);
	unsigned images = 0, bad = 0;

	if (!drop_flush)
		assert_true(simlog_flushes(log) >= RECORDS);
	for (uint64_t tick = end; tick > 0 && tick <= end; tick -= min_of(step, tick)) {
		for (uint64_t s = 0; s < SEEDS_PER_CUT; s++, images++) {
			unsigned lost = image_lost(log, tick, s < 2 ? s : tick * 31 + s + seed);

			if (lost && !drop_flush)
				print_error("way %d, block %u, seed %llu, tick %llu of %llu, subset %llu: %u lost\n",
					    way, block, (unsigned long long)seed, (unsigned long long)tick,
					    (unsigned long long)end, (unsigned long long)s, lost);
			bad += lost > 0;
		}
	}
	simlog_close(log);
	print_message("way %d, block %u, seed %llu: %u images, %u bad\n", way, block, (unsigned long long)seed, images,
		      bad);
	return bad;
}

static void test_mapped(void **state)
{
	(void)state;
	assert_int_equal(cut_everywhere(WAY_MAPPED, 1024, 0, false), 0);
	assert_int_equal(cut_everywhere(WAY_MAPPED, 4096, 5, false), 0);
}

static void test_growing(void **state)
{
	(void)state;
	assert_int_equal(cut_everywhere(WAY_GROWING, 1024, 0, false), 0);
	assert_int_equal(cut_everywhere(WAY_GROWING, 2048, 6, false), 0);
}

static void test_write(void **state)
{
	(void)state;
	assert_int_equal(cut_everywhere(WAY_WRITE, 1024, 7, false), 0);
}

static void test_dropped_flush_is_noticed(void **state)
{
	(void)state;
	assert_true(cut_everywhere(WAY_MAPPED, 1024, 0, true) > 0);
	assert_true(cut_everywhere(WAY_WRITE, 1024, 8, true) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mapped),
	    cmocka_unit_test(test_growing),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_dropped_flush_is_noticed),
	};

	return cmocka_run_group_tests_name("stack: power cuts", tests, NULL, NULL);
}
