// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The device and the requests of fakedev.h. Called with the queue's lock held or not at all, on one hart: no lock. */
#include "tests/host/fakedev.h"

#include <errno.h>
#include <string.h>

#include "arch/irq.h"
#include "arch/page.h"
#include "mm/frame.h"
#include "tests/host/harness.h"

struct fake fake;

static bool fake_has_data(const struct blk_request *req)
{
	return req->op == BLK_READ || req->op == BLK_WRITE;
}

static uint32_t fake_max_sectors(enum blk_op op)
{
	if (op == BLK_DISCARD)
		return fake.blk.max_discard_sectors;
	return op == BLK_WRITE_ZEROES ? fake.blk.max_zeroes_sectors : fake.blk.max_sectors;
}

static int fake_start(struct blkdev *dev, struct blk_request *req)
{
	uint64_t bytes = 0;

	assert_ptr_equal(dev, &fake.blk);
	fake.starts++;
	if (fake.start_error && (!fake.start_nth || fake.starts == fake.start_nth))
		return fake.start_error;
	if (fake.held_count >= fake.depth)
		return -EAGAIN;
	assert_true(req->segment_count <= dev->max_segments);
	assert_true(req->sectors <= fake_max_sectors(req->op));
	for (uint32_t i = 0; i < req->segment_count; i++) {
		assert_true(req->segments[i].len > 0);
		assert_int_equal(req->segments[i].len % dev->block_size, 0);
		assert_true(req->segments[i].len <= dev->max_segment_bytes);
		bytes += req->segments[i].len;
	}
	assert_int_equal(bytes, fake_has_data(req) ? (uint64_t)req->sectors * SECTOR_SIZE : 0);
	assert_true(req->sector + req->sectors <= SECTORS);
	if (fake.log_count < LOG_MAX)
		fake.log[fake.log_count++] = (struct started){req->op, req->sector, req->sectors, req->segment_count};
	fake.held[fake.held_count++] = req;
	return 0;
}

static void fake_move(struct blk_request *req)
{
	uint8_t *at = fake.data + req->sector * SECTOR_SIZE;

	if (req->op == BLK_DISCARD || req->op == BLK_WRITE_ZEROES)
		memset(at, req->op == BLK_DISCARD ? 0xdc : 0, (size_t)req->sectors * SECTOR_SIZE);
	for (uint32_t i = 0; i < req->segment_count; i++) {
		void *memory = pa_to_va(req->segments[i].pa);

		if (req->op == BLK_READ)
			memcpy(memory, at, req->segments[i].len);
		else
			memcpy(at, memory, req->segments[i].len);
		at += req->segments[i].len;
	}
}

void fake_end(unsigned i, int error)
{
	struct blk_request *req = fake.held[i];

	assert_true(i < fake.held_count);
	memmove(&fake.held[i], &fake.held[i + 1], (fake.held_count - i - 1) * sizeof(fake.held[0]));
	fake.held_count--;
	if (!error)
		fake_move(req);
	blk_complete(&fake.blk, req, error);
}

void fake_end_all(void)
{
	while (fake.held_count) {
		const struct blk_request *req = fake.held[0];
		bool bad = req->sectors && req->sector < fake.bad_to && req->sector + req->sectors > fake.bad_from;

		fake_end(0, bad ? -EIO : 0);
	}
}

static void fake_poll(struct blkdev *dev)
{
	(void)dev;
	fake.polls++;
	if (fake.poll_completes)
		fake_end_all();
}

static int fake_reset(struct blkdev *dev)
{
	struct blk_request *reqs[HELD_MAX];
	unsigned count = fake.held_count;

	(void)dev;
	fake.resets++;
	memcpy(reqs, fake.held, sizeof(reqs));
	fake.held_count = 0;
	for (unsigned i = 0; i < count; i++)
		blk_complete(&fake.blk, reqs[i], -EIO);
	return fake.reset_error;
}

static const struct blkdev_ops fake_ops = {.start = fake_start, .poll = fake_poll, .reset = fake_reset};

void fake_make(void)
{
	fake.blk = (struct blkdev){
	    .name = "fake",
	    .sectors = SECTORS,
	    .has_flush = true,
	    .max_segments = 8,
	    .max_sectors = 64,
	    .block_size = 512,
	    .ops = &fake_ops,
	};
	fake.depth = HELD_MAX;
}

void fake_register(void)
{
	unsigned long flags = irq_save();

	fake.poll_completes = true;
	assert_int_equal(blkdev_register(&fake.blk), 0);
	fake.poll_completes = false;
	fake.log_count = 0;
	irq_restore(flags);
}

/* ---- requests of the test's ---- */

void job_done(struct blk_request *req)
{
	struct job *job = req->arg;

	job->done++;
}

uint8_t *memory_take(size_t frames)
{
	struct page *page = frame_alloc_contig(frames, PAGE_SIZE);

	assert_non_null(page);
	return memset(page_va(page), 0, frames * PAGE_SIZE);
}

void job_prepare(struct job *job, enum blk_op op, sector_t sector, uint32_t sectors, void *memory)
{
	*job = (struct job){
	    .req = {.op = op, .sector = sector, .sectors = sectors, .done = job_done, .arg = job, .error = 1},
	};
	if (memory) {
		job->segments[0] = (struct blk_segment){.pa = va_to_pa(memory), .len = sectors * SECTOR_SIZE};
		job->req.segments = job->segments;
		job->req.segment_count = 1;
	}
}

void job_submit(struct blkdev *dev, struct job *job, enum blk_op op, sector_t sector, uint32_t sectors, void *memory)
{
	job_prepare(job, op, sector, sectors, memory);
	blk_submit(dev, &job->req);
}

void job_check(const struct job *job, int error)
{
	assert_int_equal(job->done, 1);
	assert_int_equal(job->req.error, error);
}

void started_check(unsigned i, enum blk_op op, sector_t sector, uint32_t sectors)
{
	assert_true(i < fake.log_count);
	assert_int_equal(fake.log[i].op, op);
	assert_int_equal(fake.log[i].sector, sector);
	assert_int_equal(fake.log[i].sectors, sectors);
}
