// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The queue of a block device. What the driver is given is an I/O from a fixed pool, with a segment list of its own
 * (io.c): either whole requests that lie one after another (merged), or a part of one request that is larger than the
 * driver's limits. So a driver sees one request, and every submitter gets the completion of its own.
 *
 *	waiting <-> (no room with the driver)
 *	waiting -> started -> done
 *	              \-> waiting or ready, to be tried again -> started
 *
 * An -EIO is tried again, BLK_ATTEMPTS times in all, unless that has taken BLK_PATIENCE already; merged requests are
 * taken apart first, so that one bad sector fails one request. A failed FLUSH is never tried again: a later good one
 * would prove nothing about the writes that the failed one was to cover. After a reset it is the same: the next FLUSH
 * fails if writes may have been lost.
 *
 * Lock: blkdev.lock, in the order's last place but one (I2); the driver's own lock nests inside. Completions call
 * `done` with nothing locked. Nothing here sleeps but blk_queue_init.
 */
#include <assert.h>
#include <errno.h>

#include "arch/clock.h"
#include "drivers/block/io.h"
#include "drivers/block/queue.h"
#include "drivers/wired.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define BLK_DEPTH 16 // I/Os of a device that does not say: more wait, and may merge
#define BLK_ATTEMPTS 3
#define BLK_PATIENCE (10 * NSEC_PER_SEC)
#define BLK_TIMEOUT (30 * NSEC_PER_SEC)

static const char *const op_names[] = {"read", "write", "flush", "discard", "write of zeroes"};

int blk_queue_init(struct blkdev *dev)
{
	const size_t size = sizeof(struct blk_io) + dev->max_segments * sizeof(struct blk_segment);
	char *pool;

	if (!dev->depth)
		dev->depth = BLK_DEPTH;
	pool = wired_alloc(dev->depth * size);
	if (!pool)
		return -ENOMEM;
	spin_init(&dev->lock, "block queue");
	for (unsigned i = 0; i < array_size(dev->waiting); i++)
		list_init(&dev->waiting[i]);
	for (unsigned i = 0; i < array_size(dev->aged); i++)
		list_init(&dev->aged[i]);
	list_init(&dev->ready);
	list_init(&dev->started);
	list_init(&dev->free);
	for (unsigned i = 0; i < dev->depth; i++) {
		struct blk_io *io = (struct blk_io *)(pool + i * size);

		list_init(&io->requests);
		list_push_back(&dev->free, &io->req.node);
	}
	dev->direction = BLK_READ;
	return 0;
}

/* ---- start and completion ---- */

static void blk_started_locked(struct blkdev *dev, const struct blk_io *io)
{
	dev->stats.commands[io->req.op]++;
	if (io->req.op == BLK_FLUSH) {
		dev->unflushed = false;
	} else if (!io->req.attempts) {
		dev->head[io->req.op] = io->req.sector + io->req.sectors;
		dev->late_turn = io->late;
		dev->stats.split += io->part_of != NULL;
	}
}

/* Hands the driver all it takes. An I/O that it refused is returned, with the error. */
static struct blk_io *blk_start_locked(struct blkdev *dev, int *error)
{
	const nsec_t now = clock_now();
	struct blk_io *io;

	while ((io = blk_io_next_locked(dev, now))) {
		list_push_back(&dev->started, &io->req.node);
		dev->in_flight++;
		io->started = now;
		if (!io->req.attempts)
			io->req.tried = now;
		io->req.cpu_bytes = io->req.bounced = 0;
		io->overdue = false;
		*error = dev->dead ? -EIO : dev->ops->start(dev, &io->req);
		if (*error == -EAGAIN && dev->in_flight > 1) {
			list_remove(&io->req.node);
			dev->in_flight--;
			blk_io_return_locked(dev, io);
			break;
		}
		if (*error)
			return io;
		blk_started_locked(dev, io);
	}
	return NULL;
}

void blk_request_end(struct blk_request *req, int error)
{
	req->error = error;
	req->done(req);
}

/* A request is there, or has ended: counted for the whole device, and for the partition that it was submitted to. */
static void blk_pending_locked(struct blkdev *dev, const struct blk_request *req, int change, nsec_t now)
{
	for (struct blkdev *d = req->dev;; d = dev) {
		if (d->pending == 0)
			d->busy_since = now;
		d->pending += (unsigned)change;
		if (d->pending == 0)
			d->stats.busy += now - d->busy_since;
		if (d == dev)
			return;
	}
}

static void blk_account_locked(struct blkdev *dev, const struct blk_request *req, bool merged, nsec_t now)
{
	blk_pending_locked(dev, req, -1, now);
	for (struct blkdev *d = req->dev;; d = dev) {
		struct blk_op_stats *stats = &d->stats.op[req->op];

		if (req->error) {
			d->stats.errors++;
		} else {
			stats->requests++;
			stats->sectors += req->sectors;
			stats->merged += merged;
			stats->time += now - req->since;
		}
		if (d == dev)
			return;
	}
}

static void io_count_data_locked(struct blkdev *dev, const struct blk_io *io)
{
	const uint64_t bytes = (uint64_t)io->req.sectors << SECTOR_SHIFT;

	assert(io->req.cpu_bytes <= bytes);
	dev->stats.cpu_bytes += io->req.cpu_bytes;
	dev->stats.dma_bytes += bytes - io->req.cpu_bytes;
	dev->stats.bounced += io->req.bounced;
}

/*
 * An I/O that failed and may be tried again: the merged ones each by itself. One that a reset cut off, and that was not
 * its reason, has not had its attempt.
 */
static bool io_retry_locked(struct blkdev *dev, struct blk_io *io, int error)
{
	struct list_node *node;

	if (error != -EIO || dev->dead || io->req.op == BLK_FLUSH)
		return false;
	if ((!dev->resetting || io->overdue) && ++io->req.attempts >= BLK_ATTEMPTS)
		return false;
	if (!dev->resetting && clock_now() - io->req.tried >= BLK_PATIENCE)
		return false;
	dev->stats.retries++;
	if (io->count <= 1) {
		list_push_back(&dev->ready, &io->req.node);
		return true;
	}
	while ((node = list_pop_front(&io->requests))) {
		blk_request_of(node)->attempts = io->req.attempts;
		blk_request_of(node)->tried = io->req.tried;
		blk_request_of(node)->issued = 0;
		blk_insert_locked(dev, blk_request_of(node));
	}
	list_push_front(&dev->free, &io->req.node);
	return true;
}

/* Takes a finished I/O apart: the requests that are done with it go to `done`, with their errors. */
static void io_end_locked(struct blkdev *dev, struct blk_io *io, int error, struct list_node *done)
{
	struct blk_request *part_of = io->part_of;
	const nsec_t now = clock_now();
	struct list_node *node;

	if (io->req.op == BLK_FLUSH) {
		dev->flushing = false;
		if (dev->lost_writes && !error)
			error = -EIO;
		dev->lost_writes = false;
		if (error)
			atomic_fetch_add(&dev->flush_failures, 1);
	}
	if (io->req.op != BLK_READ && (io->req.op != BLK_FLUSH || error))
		dev->unflushed = true;
	if (blk_op_has_data(io->req.op) && !error)
		io_count_data_locked(dev, io);
	while ((node = list_pop_front(&io->requests))) {
		blk_request_of(node)->error = error;
		list_push_back(done, node);
	}
	if (part_of) {
		if (error) {
			if (!part_of->error)
				part_of->error = error;
			if (part_of->issued < part_of->sectors)
				blk_remove_locked(dev, part_of); // the rest is not worth asking for
			part_of->issued = part_of->sectors;
		}
		if (--part_of->parts == 0 && part_of->issued == part_of->sectors)
			list_push_back(done, &part_of->node);
	}
	list_push_front(&dev->free, &io->req.node);
	list_for_each (done, it)
		blk_account_locked(dev, blk_request_of(it), io->count > 1 && it != done->next, now);
}

static void io_finish(struct blkdev *dev, struct blk_io *io, int error)
{
	struct list_node done = LIST_INIT(done), *node;
	enum blk_op op = io->req.op;
	sector_t sector = io->req.sector;
	uint32_t sectors = io->req.sectors;
	unsigned long flags = spin_lock(&dev->lock);

	assert(dev->in_flight > 0);
	list_remove(&io->req.node);
	dev->in_flight--;
	dev->stalled = false;
	bool again = io_retry_locked(dev, io, error), dead = dev->dead;

	if (!again)
		io_end_locked(dev, io, error, &done);
	spin_unlock(&dev->lock, flags);

	if (again)
		log_warning("%s: %s of %u sectors at %llu failed (error %d), trying again", dev->name, op_names[op],
			    (unsigned)sectors, (unsigned long long)sector, -error);
	else if (error && !dead)
		log_error("%s: %s of %u sectors at %llu failed (error %d): the device may be failing, copy its data",
			  dev->name, op_names[op], (unsigned)sectors, (unsigned long long)sector, -error);
	while ((node = list_pop_front(&done)))
		blk_request_of(node)->done(blk_request_of(node));
}

static void blk_queue_run(struct blkdev *dev)
{
	struct blk_io *refused;
	int error;

	do {
		unsigned long flags = spin_lock(&dev->lock);

		refused = blk_start_locked(dev, &error);
		spin_unlock(&dev->lock, flags);
		if (refused)
			io_finish(dev, refused, error == -EAGAIN ? -EIO : error);
	} while (refused);
}

void blk_count_trouble(struct blkdev *dev, enum blk_trouble trouble)
{
	unsigned long flags = spin_lock(&dev->lock);

	dev->stats.troubles[trouble]++;
	spin_unlock(&dev->lock, flags);
}

void blk_writes_lost(struct blkdev *dev)
{
	unsigned long flags = spin_lock(&dev->lock);

	dev->lost_writes |= dev->has_flush && (dev->unflushed || dev->flushing);
	spin_unlock(&dev->lock, flags);
}

void blk_complete(struct blkdev *dev, struct blk_request *req, int error)
{
	io_finish(dev, blk_io_of(req), error);
	blk_queue_run(dev);
}

void blk_queue_add(struct blkdev *dev, struct list_node *requests)
{
	unsigned long flags = spin_lock(&dev->lock);
	const nsec_t now = clock_now();
	struct list_node *node;

	while ((node = list_pop_front(requests))) {
		struct blk_request *req = blk_request_of(node);

		req->issued = req->parts = req->attempts = 0;
		req->error = 0;
		req->since = now;
		blk_pending_locked(dev, req, 1, now);
		blk_insert_locked(dev, req);
	}
	spin_unlock(&dev->lock, flags);
	blk_queue_run(dev);
}

/* ---- time-outs ---- */

static bool blk_overdue_locked(struct blkdev *dev, nsec_t now)
{
	nsec_t timeout = dev->timeout ? dev->timeout : BLK_TIMEOUT;
	bool any = false;

	list_for_each (&dev->started, it) {
		struct blk_io *io = blk_io_of(blk_request_of(it));

		io->overdue = io->started + timeout <= now;
		any |= io->overdue;
	}
	return any;
}

static void blk_reset(struct blkdev *dev)
{
	log_error("%s: no answer for too long, resetting the device", dev->name);
	int error = dev->ops->reset(dev);
	unsigned long flags = spin_lock(&dev->lock);

	dev->stats.resets++;
	dev->resetting = false;
	dev->lost_writes |= dev->has_flush && dev->unflushed;
	dev->dead = error != 0;
	assert(!error || list_empty(&dev->started));
	spin_unlock(&dev->lock, flags);
	if (error)
		log_error("%s: the device does not come back, giving it up: check the card and its contacts",
			  dev->name);
}

bool blk_queue_check(struct blkdev *dev, nsec_t now)
{
	unsigned long flags = spin_lock(&dev->lock);
	bool overdue = !dev->resetting && blk_overdue_locked(dev, now), busy;

	spin_unlock(&dev->lock, flags);
	if (overdue) {
		dev->ops->poll(dev); // an interrupt may have got lost
		flags = spin_lock(&dev->lock);
		overdue = !dev->resetting && blk_overdue_locked(dev, now);
		dev->resetting |= overdue;
		spin_unlock(&dev->lock, flags);
		if (overdue) {
			blk_reset(dev);
			blk_queue_run(dev);
		}
	}
	flags = spin_lock(&dev->lock);
	busy = dev->in_flight || !list_empty(&dev->ready);
	spin_unlock(&dev->lock, flags);
	return busy;
}
