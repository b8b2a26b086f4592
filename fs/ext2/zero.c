// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Zeros onto new blocks, around the page cache: one frame of zeros, shown many times in a request's segment list. One
 * request, for one caller at a time. Sleeps.
 */
#include "fs/ext2/zero.h"

#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"

static struct page *zero_frame;

/* Guarded by mutex, the last two by lock. */
static struct {
	struct mutex mutex;
	struct blk_request request;
	struct blk_segment segments[BLK_SEGMENTS_MAX];
	struct spinlock lock;
	struct waitq waitq;
	bool done;
} zeroing = {
    .mutex = MUTEX_INIT(zeroing.mutex, "zeros"), .lock = SPINLOCK_INIT("zeroing"), .waitq = WAITQ_INIT(zeroing.waitq)};

int ext2_zero_init(void)
{
	if (zero_frame)
		return 0;
	zero_frame = frame_alloc();
	if (!zero_frame)
		return -ENOMEM;
	frame_clear(zero_frame);
	return 0;
}

static void zeroing_done(struct blk_request *request)
{
	unsigned long flags = spin_lock(&zeroing.lock);

	(void)request;
	zeroing.done = true;
	waitq_wake_all(&zeroing.waitq);
	spin_unlock(&zeroing.lock, flags);
}

static int zero_piece(struct volume *vol, fsblk_t first, uint32_t count)
{
	uint32_t bytes = count * vol->block_size, segments = 0;
	unsigned long flags;

	while (bytes) {
		uint32_t len = min_of(bytes, (uint32_t)PAGE_SIZE);

		zeroing.segments[segments++] = (struct blk_segment){.pa = page_pa(zero_frame), .len = len};
		bytes -= len;
	}
	zeroing.done = false;
	zeroing.request = (struct blk_request){.op = BLK_WRITE,
					       .sector = (sector_t)first * vol->sectors_per_block,
					       .sectors = count * vol->sectors_per_block,
					       .segments = zeroing.segments,
					       .segment_count = segments,
					       .done = zeroing_done};
	blk_submit(vol->super.dev, &zeroing.request);
	flags = spin_lock(&zeroing.lock);
	while (!zeroing.done)
		waitq_wait(&zeroing.waitq, &zeroing.lock, &flags);
	spin_unlock(&zeroing.lock, flags);
	return zeroing.request.error;
}

int ext2_blocks_zero(struct volume *vol, fsblk_t first, uint32_t count)
{
	const uint32_t piece = BLK_SEGMENTS_MAX * PAGE_SIZE / vol->block_size;
	int err = 0;

	mutex_lock(&zeroing.mutex);
	while (count && !err) {
		uint32_t n = min_of(count, piece);

		err = zero_piece(vol, first, n);
		first += n;
		count -= n;
	}
	mutex_unlock(&zeroing.mutex);
	return err;
}
