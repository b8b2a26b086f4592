// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The block layer over a device that does nothing by itself (fakedev.h): whose turn it is, what becomes one command,
 * and what is counted.
 */
#include <errno.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/page.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/fakedev.h"
#include "tests/host/harness.h"

/* ---- order ---- */

static void body_sweep(void *arg)
{
	static const sector_t at[] = {700, 100, 900, 300, 500};
	static const sector_t order[] = {700, 900, 100, 300, 500};
	uint8_t *memory = memory_take(1);
	struct job jobs[6];

	(void)arg;
	fake_make();
	fake_register();
	fake.depth = 1;
	job_submit(&fake.blk, &jobs[5], BLK_READ, 600, 1, memory);
	for (unsigned i = 0; i < 5; i++)
		job_submit(&fake.blk, &jobs[i], BLK_READ, at[i], 1, memory);
	fake_end_all();
	for (unsigned i = 0; i < 5; i++)
		started_check(i + 1, BLK_READ, order[i], 1);
}

/* Whoever submits reads without end cannot keep a write waiting, nor the other way round. */
static void body_turns(void *arg)
{
	uint8_t *memory = memory_take(1);
	static struct job jobs[201];

	(void)arg;
	for (int turned = 0; turned < 2; turned++) {
		enum blk_op many = turned ? BLK_WRITE : BLK_READ, one = turned ? BLK_READ : BLK_WRITE;

		if (!turned) {
			fake_make();
			fake_register();
		}
		fake.depth = 1;
		fake.log_count = 0;
		for (unsigned i = 0; i < 200; i++)
			job_submit(&fake.blk, &jobs[i], many, 4 * i, 1, memory);
		job_submit(&fake.blk, &jobs[200], one, 10, 1, memory);
		for (unsigned i = 0; i < 40; i++)
			fake_end(0, 0);
		job_check(&jobs[200], 0);
		assert_int_equal(jobs[199].done, 0);
		fake_end_all();
		for (unsigned i = 0; i < 200; i++)
			job_check(&jobs[i], 0);
	}
}

/* ---- priority ---- */

static void job_submit_as(struct job *job, enum blk_priority priority, enum blk_op op, sector_t sector,
			  uint32_t sectors, void *memory)
{
	job_prepare(job, op, sector, sectors, memory);
	job->req.priority = priority;
	blk_submit(&fake.blk, &job->req);
}

/* A page fault's read comes last and goes first; what somebody waits for goes before the background. */
static void body_priority(void *arg)
{
	uint8_t *memory = memory_take(1);
	struct job jobs[7];

	(void)arg;
	fake_make();
	fake_register();
	fake.depth = 1;
	job_submit(&fake.blk, &jobs[0], BLK_READ, 1000, 1, memory);
	for (unsigned i = 1; i < 4; i++)
		job_submit_as(&jobs[i], BLK_BACKGROUND, BLK_WRITE, 100 * i, 1, memory);
	job_submit_as(&jobs[4], BLK_NORMAL, BLK_WRITE, 50, 1, memory);
	job_submit_as(&jobs[5], BLK_NORMAL, BLK_READ, 60, 1, memory);
	job_submit_as(&jobs[6], BLK_URGENT, BLK_READ, 70, 1, memory);
	fake_end_all();
	started_check(1, BLK_READ, 70, 1);
	assert_true(fake.log[2].sector < 100 && fake.log[3].sector < 100 && fake.log[2].op != fake.log[3].op);
	for (unsigned i = 1; i < 4; i++)
		started_check(3 + i, BLK_WRITE, 100 * i, 1);
	for (unsigned i = 0; i < 7; i++)
		job_check(&jobs[i], 0);
}

/*
 * Urgent reads without end: what has waited for long is served nevertheless, in turn with them, the oldest first; and a
 * fault's read waits for one such at most.
 */
static void body_patience(void *arg)
{
	uint8_t *memory = memory_take(1);
	static struct job reads[60];
	struct job jobs[3];

	(void)arg;
	fake_make();
	fake_register();
	fake.depth = 1;
	for (unsigned i = 0; i < 60; i++)
		job_submit_as(&reads[i], BLK_URGENT, BLK_READ, 8 * i, 1, memory);
	job_submit_as(&jobs[0], BLK_BACKGROUND, BLK_WRITE, 1500, 1, memory);
	job_submit_as(&jobs[1], BLK_NORMAL, BLK_WRITE, 1600, 1, memory);
	job_submit_as(&jobs[2], BLK_NORMAL, BLK_READ, 1700, 1, memory);
	for (unsigned i = 0; i < 20; i++) {
		thread_sleep_until(clock_now() + NSEC_PER_MSEC);
		fake_end(0, 0);
	}
	assert_int_equal(jobs[0].done + jobs[1].done + jobs[2].done, 0);
	thread_sleep_until(clock_now() + NSEC_PER_SEC / 10);
	for (unsigned i = 0; i < 4; i++) // both normal ones are late
		fake_end(0, 0);
	assert_int_equal(jobs[1].done, 1);
	fake_end(0, 0);
	assert_int_equal(jobs[0].done, 0);
	assert_int_equal(jobs[2].done, 1);
	for (unsigned i = 1; i + 1 < fake.log_count; i++) // never two of them one after another
		assert_false(fake.log[i].sector >= 1500 && fake.log[i + 1].sector >= 1500);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	for (unsigned i = 0; i < 3; i++)
		fake_end(0, 0);
	assert_int_equal(jobs[0].done, 1);
	fake_end_all();
	for (unsigned i = 0; i < 60; i++)
		job_check(&reads[i], 0);
}

/* The background does not take all places of the driver: an urgent read need not wait for one. */
static void body_places(void *arg)
{
	uint8_t *memory = memory_take(1);
	static struct job writes[20];
	struct job read;

	(void)arg;
	fake_make();
	fake.blk.depth = 8;
	fake_register();
	for (unsigned i = 0; i < 20; i++)
		job_submit_as(&writes[i], BLK_BACKGROUND, BLK_WRITE, 10 * i, 1, memory);
	assert_int_equal(fake.held_count, 6);
	job_submit_as(&read, BLK_URGENT, BLK_READ, 1000, 1, memory);
	assert_int_equal(fake.held_count, 7);
	started_check(6, BLK_READ, 1000, 1);
	fake_end(6, 0);
	job_check(&read, 0);
	fake_end_all();
	for (unsigned i = 0; i < 20; i++)
		job_check(&writes[i], 0);
}

/* ---- plugging ---- */

/* Pieces of a run, submitted together, are as few commands as the limits allow, though the device is idle. */
static void body_list(void *arg)
{
	uint8_t *memory = memory_take(16);
	struct list_node list = LIST_INIT(list);
	struct job jobs[18];

	(void)arg;
	fake_make();
	fake.blk.max_segments = 4;
	fake_register();
	for (unsigned i = 0; i < 16; i++) { // every other way round, so that memory is not one piece
		job_prepare(&jobs[i], BLK_WRITE, 100 + 8 * i, 8, memory + 4096 * (i ^ 1));
		list_push_back(&list, &jobs[i].req.node);
	}
	job_prepare(&jobs[16], BLK_WRITE, SECTORS, 8, memory); // one is refused, and the others are not
	list_push_back(&list, &jobs[16].req.node);
	blk_submit_list(&fake.blk, &list);
	assert_true(list_empty(&list));
	job_check(&jobs[16], -EIO);
	assert_int_equal(fake.log_count, 4);
	for (unsigned i = 0; i < 4; i++)
		started_check(i, BLK_WRITE, 100 + 32 * i, 32);
	fake_end_all();
	for (unsigned i = 0; i < 16; i++) {
		job_check(&jobs[i], 0);
		assert_memory_equal(fake.data + (100 + 8 * i) * SECTOR_SIZE, memory + 4096 * (i ^ 1), 4096);
	}
	assert_int_equal(fake.blk.stats.op[BLK_WRITE].merged, 12);
	blk_submit_list(&fake.blk, &list); // none
}

/* ---- without memory ---- */

static void body_discard(void *arg)
{
	uint8_t *memory = memory_take(1);
	struct job job;

	(void)arg;
	fake_make();
	fake.blk.max_discard_sectors = 20;
	fake.blk.discard_unit = 8;
	fake.blk.max_zeroes_sectors = 30;
	fake_register();
	memset(fake.data, 0x11, sizeof(fake.data));
	job_submit(&fake.blk, &job, BLK_DISCARD, 5, 50, NULL);
	started_check(0, BLK_DISCARD, 5, 19); // up to 24, so that the next begin with whole units
	started_check(1, BLK_DISCARD, 24, 16);
	started_check(2, BLK_DISCARD, 40, 15);
	assert_int_equal(fake.log_count, 3);
	fake_end_all();
	job_check(&job, 0);
	assert_int_equal(fake.data[5 * SECTOR_SIZE - 1], 0x11);
	assert_int_equal(fake.data[5 * SECTOR_SIZE], 0xdc);
	assert_int_equal(fake.data[55 * SECTOR_SIZE - 1], 0xdc);
	assert_int_equal(fake.data[55 * SECTOR_SIZE], 0x11);

	job_submit(&fake.blk, &job, BLK_WRITE_ZEROES, 100, 70, NULL);
	started_check(3, BLK_WRITE_ZEROES, 100, 30);
	fake_end_all();
	job_check(&job, 0);
	assert_int_equal(fake.log_count, 6);
	assert_int_equal(fake.data[170 * SECTOR_SIZE - 1], 0);
	assert_int_equal(fake.data[170 * SECTOR_SIZE], 0x11);
	assert_int_equal(fake.blk.stats.op[BLK_DISCARD].sectors, 50);
	assert_int_equal(fake.blk.stats.commands[BLK_WRITE_ZEROES], 3);
	assert_int_equal(fake.blk.stats.dma_bytes,
			 SECTOR_SIZE * fake.blk.stats.commands[BLK_READ]); // the table's alone

	job_submit(&fake.blk, &job, BLK_DISCARD, SECTORS - 1, 2, NULL);
	job_check(&job, -EIO);
	job_submit(&fake.blk, &job, BLK_DISCARD, 0, 8, NULL);
	fake_end(0, -EOPNOTSUPP); // for good
	job_check(&job, -EOPNOTSUPP);
	fake.blk.read_only = true;
	job_submit(&fake.blk, &job, BLK_WRITE_ZEROES, 0, 8, NULL);
	job_check(&job, -EROFS);
	fake.blk.max_discard_sectors = fake.blk.max_zeroes_sectors = 0;
	assert_int_equal(blk_discard(&fake.blk, 0, 8), -EOPNOTSUPP);
	assert_int_equal(blk_write_zeroes(&fake.blk, 0, 8), -EOPNOTSUPP);

	/* They may be lost as a write may. */
	fake.blk.read_only = false;
	fake.blk.max_zeroes_sectors = 8;
	job_submit(&fake.blk, &job, BLK_FLUSH, 0, 0, NULL);
	fake_end_all();
	job_submit(&fake.blk, &job, BLK_WRITE_ZEROES, 0, 8, NULL);
	fake_end_all();
	job_submit(&fake.blk, &job, BLK_READ, 0, 1, memory);
	assert_true(blk_check_timeouts(clock_now() + 60 * NSEC_PER_SEC));
	fake_end_all();
	job_submit(&fake.blk, &job, BLK_FLUSH, 0, 0, NULL);
	fake_end_all();
	job_check(&job, -EIO);
}

/* ---- counters ---- */

static void body_counters(void *arg)
{
	uint8_t *memory = memory_take(4);
	struct blkdev_stats before, stats;
	struct job jobs[3];
	unsigned pending;

	(void)arg;
	fake_make();
	fake_register();
	blk_stats(&fake.blk, &before, &pending);
	assert_int_equal(pending, 0);
	job_submit(&fake.blk, &jobs[0], BLK_READ, 0, 8, memory);
	thread_sleep_until(clock_now() + 5 * NSEC_PER_MSEC);
	job_submit(&fake.blk, &jobs[1], BLK_WRITE, 100, 16, memory);
	thread_sleep_until(clock_now() + 7 * NSEC_PER_MSEC);
	blk_stats(&fake.blk, &stats, &pending);
	assert_int_equal(pending, 2);
	assert_true(stats.busy - before.busy >= 12 * NSEC_PER_MSEC);
	fake.held[0]->cpu_bytes = 4096; // the driver's word
	fake.held[1]->bounced = 1;
	fake_end_all();
	thread_sleep_until(clock_now() + 100 * NSEC_PER_MSEC);
	blk_stats(&fake.blk, &stats, &pending);
	assert_int_equal(pending, 0);
	assert_true(stats.busy - before.busy >= 12 * NSEC_PER_MSEC && stats.busy - before.busy < 100 * NSEC_PER_MSEC);
	assert_true(stats.op[BLK_READ].time - before.op[BLK_READ].time >= 12 * NSEC_PER_MSEC);
	assert_in_range(stats.op[BLK_WRITE].time, 7 * NSEC_PER_MSEC, 12 * NSEC_PER_MSEC - 1);
	assert_int_equal(stats.cpu_bytes - before.cpu_bytes, 4096);
	assert_int_equal(stats.dma_bytes - before.dma_bytes, 16 * SECTOR_SIZE);
	assert_int_equal(stats.bounced, 1);

	/* What failed moved nothing that counts, and what the driver said does not stay. */
	job_submit(&fake.blk, &jobs[2], BLK_READ, 0, 8, memory);
	assert_int_equal(fake.held[0]->cpu_bytes + fake.held[0]->bounced, 0);
	fake.held[0]->cpu_bytes = 512;
	fake_end(0, -ENODEV);
	blk_stats(&fake.blk, &stats, &pending);
	assert_int_equal(stats.cpu_bytes - before.cpu_bytes, 4096);
	assert_int_equal(stats.errors - before.errors, 1);
}

static void run(void (*body)(void *arg))
{
	harness_run(&(struct harness){0}, body, NULL);
}

#define TEST(name)                                                                                                     \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		run(body_##name);                                                                                      \
	}

TEST(sweep)
TEST(turns)
TEST(priority)
TEST(patience)
TEST(places)
TEST(list)
TEST(discard)
TEST(counters)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sweep),    cmocka_unit_test(test_turns),    cmocka_unit_test(test_priority),
	    cmocka_unit_test(test_patience), cmocka_unit_test(test_places),   cmocka_unit_test(test_list),
	    cmocka_unit_test(test_discard),  cmocka_unit_test(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
