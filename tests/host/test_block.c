// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The block layer over a device that does nothing by itself (fakedev.h), so that each decision of the queue can be
 * seen. Whose turn it is: test_block_order.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/page.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/fakedev.h"
#include "tests/host/harness.h"

/* ---- registration ---- */

static void body_limits(void *arg)
{
	struct blkdev good, *dev = &fake.blk;

	(void)arg;
	fake_make();
	good = *dev;
	dev->block_size = 768;
	assert_int_equal(blkdev_register(dev), -EINVAL);
	*dev = good, dev->block_size = 8192;
	assert_int_equal(blkdev_register(dev), -EINVAL);
	*dev = good, dev->block_size = 0;
	assert_int_equal(blkdev_register(dev), -EINVAL);
	*dev = good, dev->max_segments = 0;
	assert_int_equal(blkdev_register(dev), -EINVAL);
	*dev = good, dev->max_segments = BLK_SEGMENTS_MAX + 1;
	assert_int_equal(blkdev_register(dev), -EINVAL);
	*dev = good, dev->max_sectors = 0;
	assert_int_equal(blkdev_register(dev), -EINVAL);
	*dev = good, dev->max_segment_bytes = 511;
	assert_int_equal(blkdev_register(dev), -EINVAL);
	*dev = good, dev->block_size = 4096, dev->sectors = 2047;
	assert_int_equal(blkdev_register(dev), -EINVAL);
	*dev = good, dev->block_size = 4096, dev->max_sectors = 7;
	assert_int_equal(blkdev_register(dev), -EINVAL);
	*dev = good;
	fake_register();
	assert_ptr_equal(blkdev_find("fake"), dev);
	assert_null(blkdev_find("fak"));
	assert_ptr_equal(blkdev_next(NULL), dev);
	assert_null(blkdev_next(dev));
}

/* ---- checks at the door ---- */

static void body_door(void *arg)
{
	uint8_t *memory = memory_take(4);
	struct job job;

	(void)arg;
	fake_make();
	fake.blk.block_size = 1024;
	fake_register();
	job_submit(&fake.blk, &job, BLK_READ, SECTORS, 2, memory);
	job_check(&job, -EIO);
	job_submit(&fake.blk, &job, BLK_READ, SECTORS - 2, 4, memory);
	job_check(&job, -EIO);
	job_submit(&fake.blk, &job, BLK_READ, UINT64_MAX - 1, 2, memory);
	job_check(&job, -EIO);
	job_submit(&fake.blk, &job, BLK_READ, 0, 0, memory);
	job_check(&job, -EIO);
	job_submit(&fake.blk, &job, BLK_READ, 1, 2, memory);
	job_check(&job, -EINVAL);
	job_submit(&fake.blk, &job, BLK_READ, 0, 3, memory);
	job_check(&job, -EINVAL);
	job_submit(&fake.blk, &job, BLK_DISCARD, 0, 2, memory);
	job_check(&job, -EOPNOTSUPP);

	/* Segments that do not add up. */
	job = (struct job){
	    .req = {.op = BLK_READ, .sectors = 4, .segments = job.segments, .segment_count = 1, .done = job_done},
	};
	job.req.arg = &job;
	job.segments[0] = (struct blk_segment){.pa = va_to_pa(memory), .len = 1024};
	blk_submit(&fake.blk, &job.req);
	job_check(&job, -EINVAL);
	assert_int_equal(fake.log_count, 0);

	job_submit(&fake.blk, &job, BLK_READ, SECTORS - 2, 2, memory);
	fake_end_all();
	job_check(&job, 0);

	fake.blk.read_only = true;
	job_submit(&fake.blk, &job, BLK_WRITE, 0, 2, memory);
	job_check(&job, -EROFS);
}

static int hook_error;
static unsigned hook_calls, hook_nth;

static int fault_hook(struct blkdev *dev, const struct blk_request *req)
{
	(void)dev;
	(void)req;
	return ++hook_calls == hook_nth ? hook_error : 0;
}

static void body_hook(void *arg)
{
	uint8_t *memory = memory_take(1);
	struct job jobs[3];

	(void)arg;
	fake_make();
	fake_register();
	hook_error = -EIO;
	blk_fault_hook = fault_hook;
	for (hook_nth = 1; hook_nth <= 4; hook_nth++) {
		hook_calls = 0;
		for (unsigned i = 0; i < 3; i++)
			job_submit(&fake.blk, &jobs[i], BLK_READ, 100 * i, 1, memory + 512 * i);
		fake_end_all();
		for (unsigned i = 0; i < 3; i++)
			job_check(&jobs[i], i + 1 == hook_nth ? -EIO : 0);
	}
	assert_int_equal(hook_calls, 3);
	blk_fault_hook = NULL;
}

/* ---- merging and splitting ---- */

static void body_merge(void *arg)
{
	uint8_t *memory = memory_take(16);
	struct job jobs[8];

	(void)arg;
	fake_make();
	fake_register();
	fake.depth = 1;
	for (unsigned i = 0; i < SECTORS; i++)
		fake.data[i * SECTOR_SIZE] = (uint8_t)i;
	job_submit(&fake.blk, &jobs[0], BLK_READ, 0, 1, memory);
	/* While the device is busy: three neighbours out of order, a stranger, a write beside them, a neighbour of it.
	 */
	job_submit(&fake.blk, &jobs[1], BLK_READ, 24, 8, memory + 3 * 4096);
	job_submit(&fake.blk, &jobs[2], BLK_READ, 8, 8, memory + 1 * 8192);
	job_submit(&fake.blk, &jobs[3], BLK_READ, 16, 8, memory + 4 * 4096);
	job_submit(&fake.blk, &jobs[4], BLK_READ, 100, 1, memory + 5 * 4096);
	job_submit(&fake.blk, &jobs[5], BLK_WRITE, 32, 8, memory + 6 * 4096);
	job_submit(&fake.blk, &jobs[6], BLK_WRITE, 40, 8, memory + 7 * 4096);
	fake_end_all();
	for (unsigned i = 0; i < 7; i++)
		job_check(&jobs[i], 0);
	assert_int_equal(fake.log_count, 4);
	started_check(0, BLK_READ, 0, 1);
	started_check(1, BLK_READ, 8, 24);
	assert_int_equal(fake.log[1].segments, 3);
	started_check(2, BLK_READ, 100, 1);
	started_check(3, BLK_WRITE, 32, 16);
	assert_int_equal(fake.log[3].segments, 1); // adjacent in memory too
	assert_int_equal(memory[1 * 8192], 8);
	assert_int_equal(memory[4 * 4096], 16);
	assert_int_equal(memory[3 * 4096], 24);
	assert_int_equal(memory[3 * 4096 + 7 * 512], 31);
	assert_int_equal(fake.blk.stats.op[BLK_READ].merged, 2);
	assert_int_equal(fake.blk.stats.op[BLK_READ].requests, 5 + 1); // with the partition table's
	assert_int_equal(fake.blk.stats.op[BLK_WRITE].requests, 2);
	assert_int_equal(fake.blk.stats.op[BLK_WRITE].merged, 1);
	assert_int_equal(fake.blk.stats.op[BLK_WRITE].sectors, 16);
	assert_int_equal(fake.blk.stats.commands[BLK_READ], 3 + 1);
	assert_int_equal(fake.blk.stats.commands[BLK_WRITE], 1);
}

static void body_merge_limits(void *arg)
{
	uint8_t *memory = memory_take(32);
	struct job jobs[17];

	(void)arg;
	fake_make();
	fake.blk.max_segments = 4;
	fake.blk.max_sectors = 20;
	fake_register();
	fake.depth = 1;
	job_submit(&fake.blk, &jobs[16], BLK_READ, 1000, 1, memory);
	for (unsigned i = 0; i < 6; i++) // every other frame: a segment each
		job_submit(&fake.blk, &jobs[i], BLK_READ, i, 1, memory + i * 8192);
	for (unsigned i = 6; i < 12; i++) // one after another in memory, too long together
		job_submit(&fake.blk, &jobs[i], BLK_READ, 100 + i * 8, 8, memory + 49152 + i * 4096);
	fake_end_all();
	for (unsigned i = 0; i < 12; i++)
		job_check(&jobs[i], 0);
	started_check(1, BLK_READ, 0, 4);
	started_check(2, BLK_READ, 4, 2);
	started_check(3, BLK_READ, 148, 16);
	started_check(4, BLK_READ, 164, 16);
	started_check(5, BLK_READ, 180, 16);
	assert_int_equal(fake.log_count, 6);
}

static void body_split(void *arg)
{
	uint8_t *memory = memory_take(16), *back = memory_take(16);
	struct job job;

	(void)arg;
	fake_make();
	fake.blk.max_sectors = 16;
	fake.blk.max_segments = 3;
	fake.blk.max_segment_bytes = 2048;
	fake_register();
	for (unsigned i = 0; i < 100 * SECTOR_SIZE; i++)
		memory[i] = (uint8_t)(i * 7 + (i >> 9));
	job_submit(&fake.blk, &job, BLK_WRITE, 5, 100, memory);
	assert_int_equal(fake.held_count, 9); // 12 sectors each: three segments of four
	while (fake.held_count > 1)
		fake_end(fake.held_count / 2, 0);
	assert_int_equal(job.done, 0);
	fake_end(0, 0);
	job_check(&job, 0);
	assert_memory_equal(fake.data + 5 * SECTOR_SIZE, memory, 100 * SECTOR_SIZE);

	/* Several segments of odd lengths, cut anywhere. */
	job = (struct job){.req = {.op = BLK_READ, .sector = 5, .sectors = 100, .done = job_done, .arg = &job}};
	static const uint32_t lengths[] = {1, 7, 30, 2, 60};
	uint8_t *at = back;

	for (unsigned i = 0; i < array_size(lengths); i++) {
		job.segments[i] = (struct blk_segment){.pa = va_to_pa(at), .len = lengths[i] * SECTOR_SIZE};
		at += lengths[i] * SECTOR_SIZE + 1024;
	}
	job.req.segments = job.segments;
	job.req.segment_count = array_size(lengths);
	fake.depth = 2;
	blk_submit(&fake.blk, &job.req);
	fake_end_all();
	job_check(&job, 0);
	at = back;
	for (unsigned i = 0, n = 0; i < array_size(lengths); i++) {
		assert_memory_equal(at, memory + n * SECTOR_SIZE, lengths[i] * SECTOR_SIZE);
		n += lengths[i];
		at += lengths[i] * SECTOR_SIZE + 1024;
	}

	/* A part fails for good: one error, when the device has let go of all parts. */
	fake.depth = 4;
	job_submit(&fake.blk, &job, BLK_WRITE, 5, 100, memory);
	for (unsigned i = 0; i < 3; i++) {
		fake_end(0, -EIO);
		assert_int_equal(fake.held_count, 4);
	}
	while (fake.held_count) {
		bool bad = fake.held[0]->sector == 5;

		assert_int_equal(job.done, 0);
		fake_end(0, bad ? -EIO : 0);
	}
	job_check(&job, -EIO);
}

/* ---- errors ---- */

static void body_retry(void *arg)
{
	uint8_t *memory = memory_take(8);
	struct job jobs[4];

	(void)arg;
	fake_make();
	fake_register();
	job_submit(&fake.blk, &jobs[0], BLK_WRITE, 7, 1, memory);
	fake_end(0, -EIO);
	fake_end(0, -EIO);
	assert_int_equal(jobs[0].done, 0);
	fake_end(0, 0);
	job_check(&jobs[0], 0);

	job_submit(&fake.blk, &jobs[0], BLK_WRITE, 7, 1, memory);
	for (unsigned i = 0; i < 3; i++)
		fake_end(0, -EIO);
	assert_int_equal(fake.held_count, 0);
	job_check(&jobs[0], -EIO);

	job_submit(&fake.blk, &jobs[0], BLK_WRITE, 7, 1, memory);
	fake_end(0, -ENOSPC);
	job_check(&jobs[0], -ENOSPC);
	assert_int_equal(fake.blk.stats.errors, 2);
	assert_int_equal(fake.blk.stats.retries, 4);

	/* One bad sector among merged requests fails one request. */
	fake.depth = 1;
	fake.bad_from = 18, fake.bad_to = 19;
	fake.log_count = 0;
	job_submit(&fake.blk, &jobs[0], BLK_WRITE, 1000, 1, memory);
	for (unsigned i = 1; i < 4; i++)
		job_submit(&fake.blk, &jobs[i], BLK_WRITE, i * 8, 8, memory + i * 4096);
	fake_end_all();
	started_check(1, BLK_WRITE, 8, 24);
	for (unsigned i = 0; i < 4; i++)
		job_check(&jobs[i], i == 2 ? -EIO : 0);
	assert_int_equal(fake.log_count, 1 + 1 + 1 + 2 + 1);

	/* The driver cannot start it. */
	fake.start_error = -EIO;
	job_submit(&fake.blk, &jobs[0], BLK_READ, 0, 1, memory);
	job_check(&jobs[0], -EIO);
	fake.start_error = -ENODEV;
	job_submit(&fake.blk, &jobs[0], BLK_READ, 0, 1, memory);
	job_check(&jobs[0], -ENODEV);
	fake.start_error = -EAGAIN; // with nothing under way nobody would ever ask again
	job_submit(&fake.blk, &jobs[0], BLK_READ, 0, 1, memory);
	job_check(&jobs[0], -EIO);
}

/* The nth start fails, for every n until there is none: tried again, or, for good and for a FLUSH, reported. */
static void body_nth_start(void *arg)
{
	static const int errors[] = {-EIO, -ENODEV};
	uint8_t *memory = memory_take(16);
	struct job jobs[8];

	(void)arg;
	fake_make();
	fake.blk.max_sectors = 8;
	fake_register();
	for (unsigned e = 0; e < array_size(errors); e++) {
		fake.start_error = errors[e];
		for (fake.start_nth = 1;; fake.start_nth++) {
			unsigned failed = 0;

			fake.starts = 0;
			fake.depth = 1 + fake.start_nth % 3;
			for (unsigned i = 0; i < 6; i++)
				job_submit(&fake.blk, &jobs[i], i & 1 ? BLK_WRITE : BLK_READ, 4 * i, 4 * (1 + i % 4),
					   memory + 8192 * i);
			job_submit(&fake.blk, &jobs[6], BLK_FLUSH, 0, 0, NULL);
			fake_end_all();
			for (unsigned i = 0; i < 7; i++) {
				assert_int_equal(jobs[i].done, 1);
				failed += jobs[i].req.error != 0;
				if (jobs[i].req.error)
					assert_int_equal(jobs[i].req.error, errors[e]);
			}
			if (fake.starts < fake.start_nth) {
				assert_int_equal(failed, 0);
				break;
			}
			if (errors[e] == -EIO)
				assert_int_equal(failed, jobs[6].req.error != 0);
			else
				assert_true(failed >= 1);
		}
		assert_true(fake.start_nth > 6);
	}
}

/* ---- FLUSH ---- */

static void body_flush(void *arg)
{
	uint8_t *memory = memory_take(8);
	struct job write, flushes[4];

	(void)arg;
	fake_make();
	fake_register();
	/* It goes before what waits; those that come while one is under way share the next. */
	fake.depth = 1;
	job_submit(&fake.blk, &write, BLK_WRITE, 0, 1, memory);
	job_submit(&fake.blk, &flushes[0], BLK_FLUSH, 0, 0, NULL);
	fake_end(0, 0);
	started_check(1, BLK_FLUSH, 0, 0);
	for (unsigned i = 1; i < 4; i++)
		job_submit(&fake.blk, &flushes[i], BLK_FLUSH, 0, 0, NULL);
	job_submit(&fake.blk, &write, BLK_WRITE, 1, 1, memory);
	fake_end(0, 0);
	job_check(&flushes[0], 0);
	assert_int_equal(flushes[1].done, 0);
	started_check(2, BLK_FLUSH, 0, 0);
	fake_end(0, 0);
	for (unsigned i = 1; i < 4; i++)
		job_check(&flushes[i], 0);
	fake_end_all();
	assert_int_equal(fake.log_count, 4);
	assert_int_equal(fake.blk.stats.op[BLK_FLUSH].requests, 4);

	/* A later good one proves nothing: no second try. */
	job_submit(&fake.blk, &flushes[0], BLK_FLUSH, 0, 0, NULL);
	fake_end(0, -EIO);
	job_check(&flushes[0], -EIO);
	assert_int_equal(fake.held_count, 0);

	fake.blk.has_flush = false;
	job_submit(&fake.blk, &flushes[0], BLK_FLUSH, 0, 0, NULL);
	job_check(&flushes[0], 0);
	assert_int_equal(fake.held_count, 0);
}

/* ---- time-outs ---- */

static void body_timeout(void *arg)
{
	uint8_t *memory = memory_take(8);
	struct job write, flush;

	(void)arg;
	fake_make();
	fake.blk.timeout = 5 * NSEC_PER_SEC;
	fake_register();
	nsec_t now = clock_now();

	assert_false(blk_check_timeouts(now + 100 * NSEC_PER_SEC));
	job_submit(&fake.blk, &write, BLK_WRITE, 3, 1, memory);
	fake.polls = 0;
	assert_true(blk_check_timeouts(now + 4 * NSEC_PER_SEC));
	assert_int_equal(fake.polls + fake.resets, 0);

	/* The interrupt was lost: looking is enough. */
	fake.poll_completes = true;
	assert_false(blk_check_timeouts(now + 6 * NSEC_PER_SEC));
	fake.poll_completes = false;
	job_check(&write, 0);
	assert_int_equal(fake.resets, 0);

	/* Hung: reset and tried again. What had been written may be gone, so the next FLUSH fails, once. */
	job_submit(&fake.blk, &write, BLK_WRITE, 4, 1, memory);
	assert_true(blk_check_timeouts(clock_now() + 6 * NSEC_PER_SEC));
	assert_int_equal(fake.resets, 1);
	assert_int_equal(write.done, 0);
	fake_end_all();
	job_check(&write, 0);
	job_submit(&fake.blk, &flush, BLK_FLUSH, 0, 0, NULL);
	fake_end_all();
	job_check(&flush, -EIO);
	job_submit(&fake.blk, &flush, BLK_FLUSH, 0, 0, NULL);
	fake_end_all();
	job_check(&flush, 0);

	/* Hung again with nothing written since: nothing can be gone. */
	job_submit(&fake.blk, &write, BLK_READ, 4, 1, memory);
	assert_true(blk_check_timeouts(clock_now() + 6 * NSEC_PER_SEC));
	fake_end_all();
	job_check(&write, 0);
	job_submit(&fake.blk, &flush, BLK_FLUSH, 0, 0, NULL);
	fake_end_all();
	job_check(&flush, 0);

	/* Hung for good: bounded. */
	job_submit(&fake.blk, &write, BLK_WRITE, 4, 1, memory);
	for (unsigned i = 0; i < 3; i++)
		blk_check_timeouts(clock_now() + 6 * NSEC_PER_SEC);
	job_check(&write, -EIO);

	/* One hangs, for good; what the resets cut off beside it loses no attempt. */
	struct job beside;

	job_submit(&fake.blk, &write, BLK_WRITE, 4, 1, memory);
	for (unsigned i = 0; i < 3; i++) {
		thread_sleep_until(clock_now() + 4 * NSEC_PER_SEC);
		if (i == 0)
			job_submit(&fake.blk, &beside, BLK_WRITE, 400, 1, memory);
		blk_check_timeouts(clock_now() + 2 * NSEC_PER_SEC);
	}
	job_check(&write, -EIO);
	assert_int_equal(beside.done, 0);
	fake_end_all();
	job_check(&beside, 0);

	/* A reset that fails: all ends, and whatever comes. */
	fake.reset_error = -EIO;
	job_submit(&fake.blk, &write, BLK_WRITE, 4, 1, memory);
	job_submit(&fake.blk, &flush, BLK_FLUSH, 0, 0, NULL);
	assert_false(blk_check_timeouts(clock_now() + 6 * NSEC_PER_SEC));
	job_check(&write, -EIO);
	job_check(&flush, -EIO);
	job_submit(&fake.blk, &write, BLK_READ, 4, 1, memory);
	job_check(&write, -EIO);
	assert_int_equal(fake.held_count, 0);
}

/* Threads that sleep in the synchronous calls while the device says nothing: the block layer's own thread looks. */
static void *sync_main(void *arg)
{
	assert_int_equal(blk_write(&fake.blk, 8, arg, 8), 0);
	assert_int_equal(blk_flush(&fake.blk), 0);
	return arg;
}

static void body_watch(void *arg)
{
	uint8_t *memory = memory_take(2);
	struct thread *thread;
	void *result;
	nsec_t before;

	(void)arg;
	fake_make();
	fake.blk.timeout = NSEC_PER_SEC;
	fake_register();
	for (unsigned round = 0; round < 2; round++) {
		memset(memory, 0x5a + (int)round, 4096);
		fake.poll_completes = true;
		before = clock_now();
		assert_int_equal(thread_create("sync", THREAD_STACK_SIZE, sync_main, memory, &thread), 0);
		assert_int_equal(thread_join(thread, &result), 0);
		assert_true(clock_now() - before < 8 * NSEC_PER_SEC);
		assert_memory_equal(fake.data + 8 * SECTOR_SIZE, memory, 4096);
		thread_sleep_until(clock_now() + 60 * NSEC_PER_SEC); // the watch goes to sleep
	}
	assert_int_equal(fake.resets, 0);
	assert_int_equal(blk_read(&fake.blk, 8, memory + 4096, 8), 0);
	assert_memory_equal(memory, memory + 4096, 4096);
	assert_int_equal(blk_read(&fake.blk, SECTORS, memory, 8), -EIO);
}

/* ---- partitions forward ---- */

static void body_partition(void *arg)
{
	uint8_t *memory = memory_take(2);
	struct blkdev *part;
	struct job job;

	(void)arg;
	fake_make();
	fake.data[510] = 0x55, fake.data[511] = 0xaa;
	fake.data[446 + 4] = 0x83;
	fake.data[446 + 8] = 100;
	fake.data[446 + 12] = 50;
	fake_register();
	part = blkdev_find("fake1");
	assert_non_null(part);
	assert_ptr_equal(part->parent, &fake.blk);
	assert_int_equal(part->start, 100);
	assert_int_equal(part->sectors, 50);
	memset(memory, 0x77, 4096);
	job_submit(part, &job, BLK_WRITE, 42, 8, memory);
	started_check(0, BLK_WRITE, 142, 8);
	fake_end_all();
	job_check(&job, 0);
	assert_int_equal(job.req.sector, 42);
	assert_memory_equal(fake.data + 142 * SECTOR_SIZE, memory, 4096);
	job_submit(part, &job, BLK_WRITE, 43, 8, memory);
	job_check(&job, -EIO);
	job_submit(part, &job, BLK_FLUSH, 0, 0, NULL);
	fake_end_all();
	job_check(&job, 0);
	assert_int_equal(part->stats.op[BLK_WRITE].requests, 1);
	assert_int_equal(part->stats.op[BLK_FLUSH].requests, 1);
	assert_int_equal(part->stats.errors, 0);
}

/* ---- everything at once, by seed, against a plain copy of the disk ---- */

#define AREAS 24 // requests under way, each with sectors of its own
#define AREA 80

static unsigned next_random(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 12) % below;
}

static void body_random(void *arg)
{
	unsigned seed = *(unsigned *)arg, errors = 0;
	uint8_t *memory = memory_take(AREAS * AREA / 8), *model = calloc(SECTORS, SECTOR_SIZE);
	static struct job jobs[AREAS];
	bool busy[AREAS] = {0};

	assert_non_null(model);
	fake_make();
	fake.blk.max_segments = 1 + next_random(&seed, 8);
	fake.blk.max_sectors = 1 + next_random(&seed, 40);
	fake.blk.max_segment_bytes = 512 << next_random(&seed, 6);
	fake_register();
	fake.depth = 1 + next_random(&seed, 6);
	for (unsigned step = 0; step < 4000; step++) {
		unsigned i = next_random(&seed, AREAS), area = i * AREA;
		struct job *job = &jobs[i];

		if (!busy[i]) {
			unsigned skip = next_random(&seed, 40), n = 1 + next_random(&seed, AREA - skip);
			uint8_t *at = memory + (area + skip) * SECTOR_SIZE;
			bool write = next_random(&seed, 2);

			for (unsigned b = 0; b < n * SECTOR_SIZE; b += 64)
				at[b] = (uint8_t)next_random(&seed, 256);
			busy[i] = true;
			if (next_random(&seed, 20) == 0)
				job_submit(&fake.blk, job, BLK_FLUSH, 0, 0, NULL);
			else
				job_submit(&fake.blk, job, write ? BLK_WRITE : BLK_READ, area + skip, n, at);
		} else if (job->done) {
			size_t at = job->req.sector * SECTOR_SIZE, len = job->req.sectors * SECTOR_SIZE;

			assert_int_equal(job->done, 1);
			busy[i] = false;
			if (job->req.error) {
				errors++;
				memcpy(model + at, fake.data + at, len);
			} else if (job->req.op == BLK_WRITE) {
				memcpy(model + at, memory + at, len);
			}
			assert_memory_equal(fake.data + at, model + at, len);
			if (!job->req.error)
				assert_memory_equal(memory + at, model + at, len);
		} else if (fake.held_count) {
			fake_end(next_random(&seed, fake.held_count), next_random(&seed, 5) ? 0 : -EIO);
		}
	}
	fake_end_all();
	for (unsigned i = 0; i < AREAS; i++)
		if (busy[i])
			assert_int_equal(jobs[i].done, 1);
	assert_true(errors > 0);
	assert_true(fake.blk.stats.retries > 0);
	assert_true(fake.blk.stats.split > 0);
	free(model);
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

TEST(limits)
TEST(door)
TEST(hook)
TEST(merge)
TEST(merge_limits)
TEST(split)
TEST(retry)
TEST(nth_start)
TEST(flush)
TEST(timeout)
TEST(watch)
TEST(partition)

static void test_random(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		unsigned value = seed;

		harness_run(&(struct harness){0}, body_random, &value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_limits),  cmocka_unit_test(test_door),	 cmocka_unit_test(test_hook),
	    cmocka_unit_test(test_merge),   cmocka_unit_test(test_merge_limits), cmocka_unit_test(test_split),
	    cmocka_unit_test(test_retry),   cmocka_unit_test(test_nth_start),	 cmocka_unit_test(test_flush),
	    cmocka_unit_test(test_timeout), cmocka_unit_test(test_watch),	 cmocka_unit_test(test_partition),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
