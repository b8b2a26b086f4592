// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The harness itself: a test that cannot fail proves nothing, so here it is seen to fail where it should; runs repeat
 * for a seed; time is virtual; the simulated disk fails, delays and forgets as asked.
 */
#include "tests/host/harness.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/mutex.h"
#include "kernel/thread.h"
#include "mm/frame.h"
#include "tests/host/image.h"
#include "tests/host/simlog.h"

static const struct harness defaults;

/* ---- runs end as they should ---- */

static void good_body(void *arg)
{
	*(int *)arg = 42;
}

static void failing_body(void *arg)
{
	(void)arg;
	assert_int_equal(1, 2);
}

static void wild_body(void *arg)
{
	volatile int *volatile wild = arg;

	*wild = 1;
}

static void deadlock_body(void *arg)
{
	struct mutex m = MUTEX_INIT(m, "test");
	struct cond c = COND_INIT(c, "test");

	(void)arg;
	mutex_lock(&m);
	for (;;)
		cond_wait(&c, &m);
}

static void endless_body(void *arg)
{
	(void)arg;
	for (;;)
		(void)clock_now();
}

static void test_ends(void **state)
{
	int *shared = harness_shared(sizeof(*shared));
	const char *log;

	(void)state;
	harness_run(&defaults, good_body, shared);
	assert_int_equal(*shared, 42);
	assert_int_equal(harness_status(&defaults, failing_body, NULL, NULL), 128 + 6);
	assert_int_equal(harness_status(&defaults, wild_body, (void *)64, &log), 139);
	assert_non_null(strstr(log, "0x40"));
	assert_int_equal(harness_status(&defaults, deadlock_body, NULL, &log), 128 + 6);
	assert_non_null(strstr(log, "boot: waiting"));
	assert_int_equal(harness_status(&(struct harness){.seconds = 1}, endless_body, NULL, NULL), 128 + 14);
}

/* ---- time and order ---- */

#define TURNS 400

struct trace {
	unsigned count;
	uint8_t turn[4 * TURNS];
};

static struct mutex trace_mutex = MUTEX_INIT(trace_mutex, "trace");
static struct trace *trace;

static void *tracer(void *arg)
{
	for (int i = 0; i < TURNS; i++) {
		mutex_lock(&trace_mutex);
		trace->turn[trace->count++] = (uint8_t)(uintptr_t)arg;
		mutex_unlock(&trace_mutex);
	}
	return NULL;
}

static void trace_body(void *arg)
{
	struct thread *threads[4];

	trace = arg;
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(thread_create("tracer", THREAD_STACK_SIZE, tracer, (void *)i, &threads[i]), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(thread_join(threads[i], NULL), 0);
	assert_int_equal(trace->count, 4 * TURNS);
}

static void test_seeds_repeat(void **state)
{
	struct trace *traces = harness_shared(4 * sizeof(*traces));
	static const uint64_t seeds[] = {0, 5, 5, 6};

	(void)state;
	for (int i = 0; i < 4; i++)
		harness_run(&(struct harness){.seed = seeds[i]}, trace_body, &traces[i]);
	assert_memory_equal(&traces[1], &traces[2], sizeof(*traces));
	assert_memory_not_equal(&traces[0], &traces[1], sizeof(*traces));
	assert_memory_not_equal(&traces[1], &traces[3], sizeof(*traces));
}

static void sleep_body(void *arg)
{
	nsec_t start = clock_now(), hour = 3600 * 1000000000ull;

	(void)arg;
	thread_sleep_until(start + hour);
	assert_true(clock_now() >= start + hour);
	assert_true(clock_now() < start + hour + 1000000000u);
}

static void test_time_is_virtual(void **state)
{
	(void)state;
	harness_run(&(struct harness){.seconds = 5}, sleep_body, NULL);
}

/* ---- touching application memory ---- */

static void uaccess_body(void *arg)
{
	char text[] = "twelve bytes", copy[16] = "";
	uint32_t word;

	(void)arg;
	assert_int_equal(uaccess_copy(copy, text, sizeof(text)), 0);
	assert_string_equal(copy, text);
	assert_int_equal(uaccess_copy(copy, (void *)(MMAP_MIN + PAGE_SIZE), 16), 16);
	assert_int_equal(uaccess_copy((void *)(MMAP_MIN + PAGE_SIZE), copy, 16), 16);
	assert_int_equal(uaccess_copy(copy, (void *)8, 16), 16);
	assert_int_equal(uaccess_strncpy(copy, text, sizeof(copy)), 12);
	assert_int_equal(uaccess_strncpy(copy, text, 12), -ENAMETOOLONG);
	assert_int_equal(uaccess_strncpy(copy, (char *)MMAP_MIN, 12), -EFAULT);
	assert_true(uaccess_peek32(text, &word));
	assert_memory_equal(&word, text, sizeof(word));
	assert_false(uaccess_peek32((void *)MMAP_MIN, &word));
}

static void test_uaccess(void **state)
{
	(void)state;
	harness_run(&defaults, uaccess_body, NULL);
}

/* ---- the disk ---- */

static uint8_t *sector_buffer(void)
{
	struct page *page = frame_alloc();

	assert_non_null(page);
	return page_va(page);
}

static void fault_body(void *arg)
{
	struct blkdev *disk = harness_start_disk();
	uint8_t *buf = sector_buffer();

	(void)arg;
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_WRITE, .from = 2, .count = 1});
	memset(buf, 1, SECTOR_SIZE);
	assert_int_equal(blk_write(disk, 8, buf, 1), 0);
	memset(buf, 2, SECTOR_SIZE);
	assert_int_equal(blk_write(disk, 8, buf, 1), -EIO);
	assert_int_equal(simdisk_fired(), 1);
	assert_int_equal(blk_read(disk, 8, buf, 1), 0);
	assert_int_equal(buf[0], 1);
	memset(buf, 3, SECTOR_SIZE);
	assert_int_equal(blk_write(disk, 8, buf, 1), 0);
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_FLUSH, .from = 1, .count = 1, .device = true});
	assert_int_equal(blk_flush(disk), -EIO);
	assert_int_equal(simdisk_fired(), 1);
}

static void test_disk_fails(void **state)
{
	(void)state;
	harness_run(&(struct harness){.disk = {.sectors = 64}}, fault_body, NULL);
}

/* Sector i gets the byte i+1; 0 and 1 are flushed and marked, 2 and 3 are not. */
static void cut_body(void *arg)
{
	struct blkdev *disk = harness_start_disk();
	uint8_t *buf = sector_buffer();

	(void)arg;
	for (unsigned i = 0; i < 4; i++) {
		memset(buf, (int)i + 1, SECTOR_SIZE);
		assert_int_equal(blk_write(disk, i, buf, 1), 0);
		if (i == 1) {
			assert_int_equal(blk_flush(disk), 0);
			simdisk_mark(7);
		}
	}
}

static void cut_read(const struct simlog *log, uint64_t tick, uint64_t seed, uint8_t first[4])
{
	uint8_t image[64 * SECTOR_SIZE];
	const char *path = image_path("cut");
	FILE *f;

	simlog_cut(log, tick, seed, path);
	f = fopen(path, "rb");
	assert_non_null(f);
	assert_int_equal(fread(image, 1, sizeof(image), f), sizeof(image));
	assert_int_equal(fclose(f), 0);
	for (unsigned i = 0; i < 4; i++)
		first[i] = image[i * SECTOR_SIZE];
}

static void test_power_cuts(void **state)
{
	const char *base = image_path("zeros"), *record = image_path("record");
	uint8_t zeros[64 * SECTOR_SIZE] = {0}, first[4];
	bool kept = false, lost = false;
	FILE *f = fopen(base, "wb");
	uint64_t fact;

	(void)state;
	assert_non_null(f);
	assert_int_equal(fwrite(zeros, 1, sizeof(zeros), f), sizeof(zeros));
	assert_int_equal(fclose(f), 0);
	harness_run(&(struct harness){.disk = {.image = base, .record = record}}, cut_body, NULL);

	struct simlog *log = simlog_open(record, base);
	uint64_t end = simlog_end(log), mark = simlog_boundary(log, end);

	assert_int_equal(simlog_flushes(log), 1);
	assert_true(simlog_fact(log, end, &fact));
	assert_int_equal(fact, 7);
	assert_false(simlog_fact(log, mark, &fact));
	cut_read(log, end, 1, first);
	assert_memory_equal(first, "\1\2\3\4", 4);
	cut_read(log, end, 0, first);
	assert_memory_equal(first, "\1\2\0\0", 4);
	cut_read(log, simlog_boundary(log, mark), 0, first); // just before the FLUSH ended
	assert_memory_equal(first, "\0\0\0\0", 4);
	for (uint64_t seed = 2; seed < 40; seed++) {
		cut_read(log, end, seed, first);
		assert_memory_equal(first, "\1\2", 2);
		kept |= first[2] == 3;
		lost |= first[2] == 0;
	}
	assert_true(kept && lost);
	simlog_close(log);
}

/* Sector i holds i + 1 after the good FLUSH; of what comes later the failed one leaves nothing. */
static void loss_body(void *arg)
{
	struct blkdev *dev = harness_start_disk();
	uint8_t sector[SECTOR_SIZE] = {0};

	(void)arg;
	for (unsigned i = 0; i < 2; i++) {
		sector[0] = (uint8_t)(i + 1);
		assert_int_equal(blk_write(dev, i, sector, 1), 0);
	}
	assert_int_equal(blk_flush(dev), 0);
	for (unsigned i = 1; i < 4; i++) {
		sector[0] = (uint8_t)(i + 10);
		assert_int_equal(blk_write(dev, i, sector, 1), 0);
	}
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_FLUSH, .from = 1, .count = 1});
	assert_int_equal(blk_flush(dev), -EIO);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(blk_read(dev, i, sector, 1), 0);
		assert_int_equal(sector[0], i < 2 ? i + 1 : 0);
	}
	simdisk_mark(1);
	sector[0] = 4;
	assert_int_equal(blk_write(dev, 3, sector, 1), 0);
	assert_int_equal(blk_flush(dev), 0);
}

static void test_lost_writes(void **state)
{
	const char *base = image_path("zeros"), *record = image_path("record");
	uint8_t first[4];

	(void)state;
	harness_run(&(struct harness){.disk = {.image = base, .record = record, .lose_writes = true}}, loss_body, NULL);

	struct simlog *log = simlog_open(record, base);
	uint64_t end = simlog_end(log);

	cut_read(log, end, 1, first);
	assert_memory_equal(first, "\1\2\0\4", 4);
	cut_read(log, end, 0, first);
	assert_memory_equal(first, "\1\2\0\4", 4);
	for (unsigned i = 0; i < 3; i++)
		end = simlog_boundary(log, end); // FLUSH, mark, loss: just before that
	cut_read(log, end, 1, first);
	assert_memory_equal(first, "\1\13\14\15", 4);
	simlog_close(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_seeds_repeat),
	    cmocka_unit_test(test_time_is_virtual),
	    cmocka_unit_test(test_uaccess),
	    cmocka_unit_test(test_disk_fails),
	    cmocka_unit_test(test_power_cuts),
	    cmocka_unit_test(test_lost_writes),
	};

	return cmocka_run_group_tests_name("harness", tests, NULL, NULL);
}
