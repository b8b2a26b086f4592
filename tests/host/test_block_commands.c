// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * How many commands a sequential pass over a file costs: the whole stack over a simulated disk whose limits are said,
 * against the number that these limits allow.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "drivers/block/blkdev.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/pcache.h"
#include "mm/tunable.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/stack.h"

#define MIB (1024u * 1024)
#define LENGTH (64 * MIB)
#define CHUNK (64 * 1024u)
#define RAMP 8	    // windows of a reader on the way to the largest one
#define INDIRECT 20 // blocks of pointers of a file of this length, in blocks of 4 KiB, and those of the inode
#define FRAMES (160 * MIB / PAGE_SIZE)

struct limits {
	uint32_t segments, sectors;
};

static struct blkdev *dev;
static uint8_t chunk[CHUNK];

static uint64_t commands(enum blk_op op)
{
	struct blkdev_stats stats;
	unsigned pending;

	blk_stats(dev, &stats, &pending);
	return stats.commands[op];
}

/* For runs of 1 MiB in single frames; frames that lie side by side are one segment, so it may be fewer. */
static uint64_t fewest(const struct limits *limits)
{
	const uint32_t each = min_of(limits->segments * PAGE_SIZE, limits->sectors * SECTOR_SIZE), run = MIB;

	return LENGTH / run * ((run + each - 1) / each);
}

static bool dirty(void)
{
	struct pcache_stats stats;

	pcache_stats(&stats);
	return stats.dirty + stats.writing > 0;
}

static void check(const char *what, uint64_t used, uint64_t least, uint64_t beside)
{
	printf("%s: %llu commands for 64 MiB, %llu are the fewest for single frames\n", what, (unsigned long long)used,
	       (unsigned long long)least);
	assert_true(used <= least + beside);
}

static void write_all(int fd)
{
	for (uint64_t at = 0; at < LENGTH; at += CHUNK)
		assert_int_equal(fs_pwrite(fd, chunk, CHUNK, (int64_t)at), CHUNK);
}

static int make_file(void)
{
	int fd = stack_open("/sequential", O_RDWR | O_CREAT);

	for (size_t i = 0; i < CHUNK; i++)
		chunk[i] = (uint8_t)(i * 7 + (i >> 9));
	assert_int_equal(fs_fallocate(fd, 0, LENGTH), 0);
	assert_int_equal(fs_fsync(fd, false), 0);
	return fd;
}

static void passes(void *arg)
{
	const struct limits *limits = arg;
	const uint64_t least = fewest(limits);
	uint64_t from;
	int fd;

	harness_start();
	dev = blkdev_find("sim0");
	assert_int_equal(tunable_set(TUNE_DIRTY_BACKGROUND_RATIO, 100), 0);
	assert_int_equal(tunable_set(TUNE_DIRTY_RATIO, 100), 0);
	assert_int_equal(tunable_set(TUNE_DIRTY_EXPIRE_CENTISECS, 8640000), 0);
	fd = make_file();

	write_all(fd); // all is dirty, then a thread waits for all of it
	from = commands(BLK_WRITE);
	assert_int_equal(fs_fsync(fd, true), 0);
	check("fdatasync", commands(BLK_WRITE) - from, least, 4);

	/* The first page, then the windows of a reader who was not told. */
	assert_true(pcache_drop_clean() > 0);
	from = commands(BLK_READ);
	for (uint64_t at = 0; at < LENGTH; at += CHUNK) {
		memset(chunk, 0, CHUNK);
		assert_int_equal(fs_pread(fd, chunk, CHUNK, (int64_t)at), CHUNK);
		for (size_t i = 0; i < CHUNK; i++)
			assert_true(chunk[i] == (uint8_t)(i * 7 + (i >> 9)));
	}
	check("read", commands(BLK_READ) - from, least, INDIRECT + RAMP);

	assert_true(pcache_drop_clean() > 0);
	from = commands(BLK_READ);
	{
		const uint8_t *p = stack_map(fd, LENGTH, MAP_R, MAP_KIND_SHARED);

		for (uint64_t at = 0; at < LENGTH; at += PAGE_SIZE)
			assert_int_equal(p[at + 1], (uint8_t)((at % CHUNK + 1) * 7 + ((at % CHUNK + 1) >> 9)));
		stack_unmap(p, LENGTH);
	}
	check("loads", commands(BLK_READ) - from, least, RAMP);

	/* Without anybody who waits: all is old enough at once. */
	write_all(fd);
	from = commands(BLK_WRITE);
	assert_int_equal(tunable_set(TUNE_DIRTY_EXPIRE_CENTISECS, 1), 0);
	for (unsigned i = 0; i < 1000 && dirty(); i++)
		thread_sleep_until(clock_now() + 10 * NSEC_PER_MSEC);
	assert_false(dirty());
	check("writeback", commands(BLK_WRITE) - from, least, 4);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void run(uint32_t segments, uint32_t sectors)
{
	struct limits limits = {segments, sectors};

	harness_run(&(struct harness){.frames = FRAMES,
				      .disk = {.image = stack_image("commands", "256M", 4096, 4096),
					       .max_segments = segments,
					       .max_sectors = sectors}},
		    passes, &limits);
}

/* 1 MiB of single frames, as virtio's; */
static void test_large(void **state)
{
	(void)state;
	run(256, 1u << 16);
}

/* a controller of 128 KiB; and one that takes few pieces. */
static void test_small(void **state)
{
	(void)state;
	run(64, 256);
}

/* One that is not a multiple of what a request of the file system has: three commands for each run of 1 MiB. */
static void test_odd(void **state)
{
	(void)state;
	run(126, 1u << 16);
}

static void test_pieces(void **state)
{
	(void)state;
	run(16, 1u << 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_small),
	    cmocka_unit_test(test_odd),
	    cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
