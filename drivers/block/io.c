// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the driver gets next, and how it is put together.
 *
 * Order: FLUSH first, and only one at a time, shared by all that wait for one; reads and writes take turns of BLK_BATCH
 * I/Os, each sweeping upwards over the device and starting over at the lowest sector, so that nothing starves.
 *
 * The caller holds blkdev.lock. Nothing here sleeps or allocates.
 */
#include "drivers/block/io.h"

#include <assert.h>

#define BLK_BATCH 16

void blk_insert_locked(struct blkdev *dev, struct blk_request *req)
{
	struct list_node *head = &dev->waiting[req->op], *prev = head->prev;

	while (req->op != BLK_FLUSH && prev != head && blk_request_of(prev)->at > req->at)
		prev = prev->prev;
	list_insert(prev, prev->next, &req->node);
}

/* Adds the memory [pa, pa + len) to the I/O as far as the driver's limits allow; returns the bytes taken. */
static uint32_t io_add_memory(const struct blkdev *dev, struct blk_io *io, paddr_t pa, uint32_t len)
{
	uint32_t limit = dev->max_segment_bytes, taken = 0;
	struct blk_request *r = &io->req;

	while (taken < len) {
		struct blk_segment *last = r->segment_count ? &io->segments[r->segment_count - 1] : NULL;

		if (!last || last->pa + last->len != pa + taken || last->len == limit) {
			if (r->segment_count == dev->max_segments)
				break;
			last = &io->segments[r->segment_count++];
			*last = (struct blk_segment){.pa = pa + taken};
		}
		uint32_t n = min_of(len - taken, limit - last->len);

		last->len += n;
		taken += n;
	}
	return taken;
}

/* Adds req from its sector `issued` on, as far as the limits allow; returns the sectors taken. */
static uint32_t io_add(const struct blkdev *dev, struct blk_io *io, const struct blk_request *req)
{
	uint64_t skip = (uint64_t)req->issued << SECTOR_SHIFT;
	uint32_t room = min_of(dev->max_sectors - io->req.sectors, req->sectors - req->issued), taken = 0;

	for (uint32_t i = 0; i < req->segment_count && taken < room; i++) {
		const struct blk_segment *s = &req->segments[i];

		if (skip >= s->len) {
			skip -= s->len;
			continue;
		}
		uint32_t want = min_of(s->len - (uint32_t)skip, (room - taken) << SECTOR_SHIFT);
		uint32_t got = io_add_memory(dev, io, s->pa + skip, want);

		skip = 0;
		taken += got >> SECTOR_SHIFT;
		if (got < want)
			break;
	}
	io->req.sectors += taken;
	return taken;
}

/* Takes the last sectors off the I/O again. */
static void io_trim(struct blk_io *io, uint32_t sectors)
{
	uint32_t bytes = sectors << SECTOR_SHIFT;

	io->req.sectors -= sectors;
	while (bytes) {
		struct blk_segment *last = &io->segments[io->req.segment_count - 1];
		uint32_t n = min_of(bytes, last->len);

		last->len -= n;
		bytes -= n;
		if (!last->len)
			io->req.segment_count--;
	}
}

/* Adds a whole request, or nothing. */
static bool io_add_whole(const struct blkdev *dev, struct blk_io *io, struct blk_request *req)
{
	uint32_t taken = io_add(dev, io, req);

	if (taken < req->sectors) {
		io_trim(io, taken);
		return false;
	}
	req->issued = req->sectors;
	list_remove(&req->node);
	list_push_back(&io->requests, &req->node);
	io->count++;
	return true;
}

static struct blk_io *io_take_locked(struct blkdev *dev, enum blk_op op, sector_t sector)
{
	struct blk_io *io = blk_io_of(blk_request_of(list_pop_front(&dev->free)));

	assert(list_empty(&io->requests));
	io->part_of = NULL;
	io->count = 0;
	io->req = (struct blk_request){.op = op, .sector = sector, .at = sector, .segments = io->segments};
	list_init(&io->req.node);
	return io;
}

static struct blk_io *io_build_flush_locked(struct blkdev *dev)
{
	struct blk_io *io = io_take_locked(dev, BLK_FLUSH, 0);
	struct list_node *node;

	while ((node = list_pop_front(&dev->waiting[BLK_FLUSH])))
		list_push_back(&io->requests, node);
	dev->flushing = true;
	return io;
}

/* The first request of a request list at or above the sector where the sweep is, else the lowest. */
static struct blk_request *blk_sweep_locked(struct blkdev *dev, enum blk_op op)
{
	list_for_each (&dev->waiting[op], it)
		if (blk_request_of(it)->at + blk_request_of(it)->issued >= dev->head[op])
			return blk_request_of(it);
	return blk_request_of(list_first(&dev->waiting[op]));
}

static struct blk_io *io_build_locked(struct blkdev *dev, enum blk_op op)
{
	struct blk_request *req = blk_sweep_locked(dev, op);
	struct blk_io *io = io_take_locked(dev, op, req->at + req->issued);
	struct list_node *next = req->node.next;

	io->req.attempts = req->attempts;
	if (!req->issued && io_add_whole(dev, io, req)) {
		while (!io->req.attempts && next != &dev->waiting[op]) {
			req = blk_request_of(next);
			next = next->next;
			if (req->issued || req->attempts || req->at != io->req.sector + io->req.sectors ||
			    !io_add_whole(dev, io, req))
				break;
		}
	} else {
		uint32_t taken = io_add(dev, io, req);

		assert(taken);
		req->issued += taken;
		req->parts++;
		io->part_of = req;
		if (req->issued == req->sectors)
			list_remove(&req->node);
	}
	return io;
}

struct blk_io *blk_io_next_locked(struct blkdev *dev)
{
	bool reads = !list_empty(&dev->waiting[BLK_READ]), writes = !list_empty(&dev->waiting[BLK_WRITE]);

	if (dev->resetting || dev->stalled)
		return NULL;
	if (!list_empty(&dev->ready))
		return blk_io_of(blk_request_of(list_pop_front(&dev->ready)));
	if (list_empty(&dev->free))
		return NULL;
	if (!dev->flushing && !list_empty(&dev->waiting[BLK_FLUSH]))
		return io_build_flush_locked(dev);
	if (!reads && !writes)
		return NULL;
	if (!reads || !writes || dev->batch == BLK_BATCH) {
		enum blk_op other = dev->direction == BLK_READ ? BLK_WRITE : BLK_READ;

		dev->direction = reads && writes ? other : reads ? BLK_READ : BLK_WRITE;
		dev->batch = 0;
	}
	dev->batch++;
	return io_build_locked(dev, dev->direction);
}

void blk_io_return_locked(struct blkdev *dev, struct blk_io *io)
{
	struct blk_request *part_of = io->part_of;
	struct list_node *node;

	dev->stalled = true;
	if (io->req.attempts) {
		list_push_front(&dev->ready, &io->req.node);
		return;
	}
	while ((node = list_pop_front(&io->requests))) {
		blk_request_of(node)->issued = 0;
		blk_insert_locked(dev, blk_request_of(node));
	}
	if (part_of) {
		if (part_of->issued == part_of->sectors)
			blk_insert_locked(dev, part_of);
		part_of->issued -= io->req.sectors;
		part_of->parts--;
	}
	if (io->req.op == BLK_FLUSH)
		dev->flushing = false;
	list_push_front(&dev->free, &io->req.node);
}
