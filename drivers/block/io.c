// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the driver gets next, and how it is put together.
 *
 * Order: FLUSH first, and only one at a time, shared by all that wait for one. Then what is urgent, what is normal,
 * what is in the background, which leaves the driver room for what may come. Whoever has waited for longer than his
 * priority's patience goes first, in turn with the urgent ones. Within a priority the operations take turns of
 * BLK_BATCH I/Os, each sweeping upwards over the device and starting over at the lowest sector. What lies behind an I/O
 * that is being built goes with it, whatever its priority.
 *
 * The caller holds blkdev.lock. Nothing here sleeps or allocates.
 */
#include "drivers/block/io.h"

#include <assert.h>

#include "kernel/time.h"

#define BLK_BATCH 16

/* An urgent one is late at once. */
static const nsec_t patience[BLK_PRIORITIES] = {
    [BLK_NORMAL] = NSEC_PER_SEC / 10,
    [BLK_BACKGROUND] = NSEC_PER_SEC,
};

static struct blk_request *blk_aged(struct list_node *node)
{
	return list_entry(node, struct blk_request, age);
}

void blk_insert_locked(struct blkdev *dev, struct blk_request *req)
{
	struct list_node *head = &dev->waiting[req->op], *prev = head->prev;
	struct list_node *ages = &dev->aged[req->priority], *older = ages->prev;

	while (req->op != BLK_FLUSH && prev != head && blk_request_of(prev)->at > req->at)
		prev = prev->prev;
	list_insert(prev, prev->next, &req->node);
	if (req->op == BLK_FLUSH)
		return;
	while (older != ages && blk_aged(older)->since > req->since)
		older = older->prev;
	list_insert(older, older->next, &req->age);
	dev->queued[req->priority][req->op]++;
}

void blk_remove_locked(struct blkdev *dev, struct blk_request *req)
{
	list_remove(&req->node);
	list_remove(&req->age);
	dev->queued[req->priority][req->op]--;
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

static uint32_t io_max_sectors(const struct blkdev *dev, enum blk_op op)
{
	return op == BLK_DISCARD	? dev->max_discard_sectors
	       : op == BLK_WRITE_ZEROES ? dev->max_zeroes_sectors
					: dev->max_sectors;
}

/* By how many of the sectors from `at` on an I/O goes beyond a multiple of the unit, where that can be cut off. */
static uint32_t io_over_unit(sector_t at, uint32_t sectors, uint32_t unit)
{
	const uint32_t over = unit ? (uint32_t)((at + sectors) % unit) : 0;

	return over < sectors ? over : 0;
}

/* Adds req from its sector `issued` on, as far as the limits allow; returns the sectors taken. */
static uint32_t io_add(const struct blkdev *dev, struct blk_io *io, const struct blk_request *req)
{
	uint64_t skip = (uint64_t)req->issued << SECTOR_SHIFT;
	const uint32_t left = req->sectors - req->issued;
	uint32_t room = min_of(io_max_sectors(dev, req->op) - io->req.sectors, left), taken = 0;

	if (!blk_op_has_data(req->op)) {
		if (room < left && req->op == BLK_DISCARD)
			room -= io_over_unit(req->at + req->issued, room, dev->discard_unit);
		io->req.sectors += room;
		return room;
	}
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
	while (bytes && blk_op_has_data(io->req.op)) {
		struct blk_segment *last = &io->segments[io->req.segment_count - 1];
		uint32_t n = min_of(bytes, last->len);

		last->len -= n;
		bytes -= n;
		if (!last->len)
			io->req.segment_count--;
	}
}

/* Adds a whole request, or nothing. */
static bool io_add_whole(struct blkdev *dev, struct blk_io *io, struct blk_request *req)
{
	uint32_t taken = io_add(dev, io, req);

	if (taken < req->sectors) {
		io_trim(io, taken);
		return false;
	}
	req->issued = req->sectors;
	blk_remove_locked(dev, req);
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
	io->late = false;
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

/* Of the requests of a kind, which are some, the first at or above the sector where the sweep is, else the lowest. */
static struct blk_request *blk_sweep_locked(struct blkdev *dev, enum blk_op op, enum blk_priority priority)
{
	struct blk_request *lowest = NULL;

	list_for_each (&dev->waiting[op], it) {
		struct blk_request *req = blk_request_of(it);

		if (req->priority != priority)
			continue;
		if (req->at + req->issued >= dev->head[op])
			return req;
		lowest = lowest ? lowest : req;
	}
	return lowest;
}

static struct blk_io *io_build_locked(struct blkdev *dev, struct blk_request *req)
{
	const enum blk_op op = req->op;
	struct blk_io *io = io_take_locked(dev, op, req->at + req->issued);
	struct list_node *next = req->node.next;

	io->req.attempts = req->attempts;
	io->req.tried = req->tried;
	if (!req->issued && io_add_whole(dev, io, req)) {
		while (!io->req.attempts && next != &dev->waiting[op]) {
			req = blk_request_of(next);
			next = next->next;
			if (req->issued || req->attempts || req->at != io->req.sector + io->req.sectors ||
			    !io_add_whole(dev, io, req))
				break;
		}
	} else {
		uint32_t taken = io_add(dev, io, req), over;

		assert(taken);
		if (taken < req->sectors - req->issued && blk_op_has_data(op)) {
			over = io_over_unit(io->req.sector, taken, dev->physical_sectors);
			io_trim(io, over);
			taken -= over;
		}
		req->issued += taken;
		req->parts++;
		io->part_of = req;
		if (req->issued == req->sectors)
			blk_remove_locked(dev, req);
	}
	return io;
}

/* ---- whose turn it is ---- */

/* The one that has waited for the longest beyond its patience, or NULL. */
static struct blk_request *blk_late_locked(struct blkdev *dev, nsec_t now)
{
	struct blk_request *late = NULL;
	nsec_t since = now + 1;

	for (unsigned p = 0; p < BLK_PRIORITIES; p++) {
		struct list_node *node = p == BLK_URGENT ? NULL : list_first(&dev->aged[p]);

		if (!node || blk_aged(node)->since + patience[p] >= since)
			continue;
		late = blk_aged(node);
		since = late->since + patience[p];
	}
	return late;
}

static bool blk_any_locked(const struct blkdev *dev, enum blk_priority priority)
{
	return !list_empty(&dev->aged[priority]);
}

/* What is in the background leaves a quarter of the driver's places, one at least, to others. */
static bool blk_background_may_locked(const struct blkdev *dev)
{
	return dev->in_flight == 0 || dev->in_flight + max_of(dev->depth / 4, 1u) < dev->depth;
}

/* The operation whose turn it is among the requests of a priority, which are some. */
static enum blk_op blk_turn_locked(struct blkdev *dev, enum blk_priority priority)
{
	if (dev->batch == BLK_BATCH || !dev->queued[priority][dev->direction]) {
		dev->batch = 0;
		do
			dev->direction = (dev->direction + 1) % BLK_OPS;
		while (!dev->queued[priority][dev->direction]);
	}
	dev->batch++;
	return dev->direction;
}

static struct blk_request *blk_choose_locked(struct blkdev *dev, nsec_t now, bool *is_late)
{
	struct blk_request *late = blk_late_locked(dev, now);
	const bool urgent = blk_any_locked(dev, BLK_URGENT);

	*is_late = late && !(urgent && dev->late_turn);
	if (*is_late)
		return late;
	if (urgent)
		return blk_sweep_locked(dev, blk_aged(dev->aged[BLK_URGENT].next)->op, BLK_URGENT);
	if (blk_any_locked(dev, BLK_NORMAL))
		return blk_sweep_locked(dev, blk_turn_locked(dev, BLK_NORMAL), BLK_NORMAL);
	if (blk_any_locked(dev, BLK_BACKGROUND) && blk_background_may_locked(dev))
		return blk_sweep_locked(dev, blk_turn_locked(dev, BLK_BACKGROUND), BLK_BACKGROUND);
	return NULL;
}

struct blk_io *blk_io_next_locked(struct blkdev *dev, nsec_t now)
{
	struct blk_request *req;
	struct blk_io *io;
	bool late;

	if (dev->resetting || dev->stalled)
		return NULL;
	if (!list_empty(&dev->ready))
		return blk_io_of(blk_request_of(list_pop_front(&dev->ready)));
	if (list_empty(&dev->free))
		return NULL;
	if (!dev->flushing && !list_empty(&dev->waiting[BLK_FLUSH]))
		return io_build_flush_locked(dev);
	req = blk_choose_locked(dev, now, &late);
	if (!req)
		return NULL;
	io = io_build_locked(dev, req);
	io->late = late;
	return io;
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
