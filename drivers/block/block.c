// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Block devices: the list of them, the checks that every request passes once (I8), partitions' requests moved onto the
 * whole device, the synchronous calls, and the thread that watches for requests that hang. The queue is queue.c.
 *
 * Locks: the list's; the watch's; a synchronous request's own. None is held across a call elsewhere.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "arch/irq.h"
#include "arch/page.h"
#include "drivers/block/partition.h"
#include "drivers/block/queue.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/frame.h"

#define BLK_SECTORS_MAX (1u << 16) // of one request to a driver: bounds the arithmetic, 32 MiB
#define WATCH_PERIOD NSEC_PER_SEC
#define WATCH_IDLE 10 // periods without I/O after which the watch sleeps until there is some

int (*blk_fault_hook)(struct blkdev *dev, const struct blk_request *req);

static struct spinlock list_lock = SPINLOCK_INIT("block devices");
static struct list_node devices = LIST_INIT(devices); // guarded by list_lock

static struct {
	atomic_bool armed; // false: the thread sleeps until it is woken
	struct spinlock lock;
	struct waitq waitq; // guarded by lock
	struct thread *thread;
} watch = {.lock = SPINLOCK_INIT("block watch"), .waitq = WAITQ_INIT(watch.waitq)};

static struct blkdev *blk_whole(struct blkdev *dev)
{
	return dev->parent ? dev->parent : dev;
}

/* ---- devices ---- */

static void blkdev_add(struct blkdev *dev)
{
	unsigned long flags = spin_lock(&list_lock);

	list_push_back(&devices, &dev->node);
	spin_unlock(&list_lock, flags);
}

struct blkdev *blkdev_next(struct blkdev *after)
{
	unsigned long flags = spin_lock(&list_lock);
	struct list_node *next = after ? after->node.next : devices.next;

	spin_unlock(&list_lock, flags);
	return next == &devices ? NULL : list_entry(next, struct blkdev, node);
}

struct blkdev *blkdev_find(const char *name)
{
	struct blkdev *dev = NULL;

	while ((dev = blkdev_next(dev)))
		if (!strcmp(dev->name, name))
			return dev;
	return NULL;
}

void blkdev_add_partition(struct blkdev *whole, struct blkdev *part)
{
	part->parent = whole;
	part->read_only = whole->read_only;
	part->has_flush = whole->has_flush;
	part->max_segments = whole->max_segments;
	part->max_segment_bytes = whole->max_segment_bytes;
	part->max_sectors = whole->max_sectors;
	part->max_discard_sectors = whole->max_discard_sectors;
	part->max_zeroes_sectors = whole->max_zeroes_sectors;
	part->block_size = whole->block_size;
	part->reach = whole->reach;
	blkdev_add(part);
}

/* The thread: a second's tick while there is I/O, asleep when there has been none for a while. */
static void *watch_main(void *arg)
{
	unsigned idle = 0;

	(void)arg;
	for (;;) {
		/*
		 * Sequentially consistent: pairs with watch_arm, where the count of requests under way goes up before
		 * `armed` is read. Either that reads false, or the check below sees the request.
		 */
		if (idle > WATCH_IDLE)
			atomic_store(&watch.armed, false);
		if (blk_check_timeouts(clock_now())) {
			idle = 0;
			atomic_store(&watch.armed, true);
		}
		unsigned long flags = spin_lock(&watch.lock);

		if (atomic_load(&watch.armed)) {
			waitq_wait_until(&watch.waitq, &watch.lock, &flags, clock_now() + WATCH_PERIOD);
			idle++;
		}
		while (!atomic_load(&watch.armed)) {
			waitq_wait(&watch.waitq, &watch.lock, &flags);
			idle = 0;
		}
		spin_unlock(&watch.lock, flags);
	}
	return NULL;
}

static void watch_arm(void)
{
	if (atomic_load(&watch.armed))
		return;
	unsigned long flags = spin_lock(&watch.lock);

	atomic_store(&watch.armed, true);
	waitq_wake_all(&watch.waitq);
	spin_unlock(&watch.lock, flags);
}

bool blk_check_timeouts(nsec_t now)
{
	struct blkdev *dev = NULL;
	bool busy = false;

	while ((dev = blkdev_next(dev)))
		if (!dev->parent)
			busy |= blk_queue_check(dev, now);
	return busy;
}

/* Powers of two from 512 on, and limits that let at least one block through. */
static bool blkdev_limits_good(const struct blkdev *dev)
{
	uint32_t bs = dev->block_size;

	return bs >= SECTOR_SIZE && bs <= 4096 && !(bs & (bs - 1)) && dev->sectors % (bs / SECTOR_SIZE) == 0 &&
	       dev->max_segments && dev->max_segments <= BLK_SEGMENTS_MAX && dev->max_segment_bytes &&
	       dev->max_sectors && dev->depth <= BLK_DEPTH_MAX && dev->sectors <= UINT64_MAX >> SECTOR_SHIFT;
}

/* Whole blocks, and no more than the arithmetic is for. */
static void blkdev_round_limits(struct blkdev *dev)
{
	const uint32_t block = dev->block_size / SECTOR_SIZE;

	dev->max_sectors = align_down(min_of(dev->max_sectors, BLK_SECTORS_MAX), block);
	dev->max_segment_bytes = align_down(dev->max_segment_bytes, dev->block_size);
	dev->max_discard_sectors = align_down(dev->max_discard_sectors, block);
	dev->max_zeroes_sectors = align_down(dev->max_zeroes_sectors, block);
}

int blkdev_register(struct blkdev *dev)
{
	assert(dev->ops && dev->ops->start && dev->ops->poll && dev->ops->reset && !dev->parent);
	if (!dev->max_segment_bytes)
		dev->max_segment_bytes = BLK_SECTORS_MAX << SECTOR_SHIFT;
	if (dev->block_size >= SECTOR_SIZE)
		blkdev_round_limits(dev);
	if (!blkdev_limits_good(dev)) {
		log_error("%s: block size %u, %llu sectors, %u segments of %u bytes: cannot work with these, "
			  "not used",
			  dev->name, (unsigned)dev->block_size, (unsigned long long)dev->sectors,
			  (unsigned)dev->max_segments, (unsigned)dev->max_segment_bytes);
		return -EINVAL;
	}
	int error = dev->reach ? frame_limit_reach(dev->reach) : 0;

	if (!error)
		error = blk_queue_init(dev);

	if (!error && !watch.thread)
		error = thread_create("blkwatch", THREAD_STACK_SIZE, watch_main, NULL, &watch.thread);
	if (error)
		return error;
	blkdev_add(dev);
	log_info("%s: %llu MiB%s, block size %u%s", dev->name,
		 (unsigned long long)(dev->sectors >> (20 - SECTOR_SHIFT)), dev->read_only ? ", read-only" : "",
		 (unsigned)dev->block_size, dev->has_flush ? "" : ", no write cache");
	partition_scan(dev);
	return 0;
}

/* ---- requests ---- */

static int blk_check_range(const struct blkdev *dev, const struct blk_request *req)
{
	const uint32_t block = dev->block_size / SECTOR_SIZE;

	if (!req->sectors || req->sector > dev->sectors || req->sectors > dev->sectors - req->sector) {
		log_error("%s: %u sectors at %llu lie beyond its end at %llu", dev->name, (unsigned)req->sectors,
			  (unsigned long long)req->sector, (unsigned long long)dev->sectors);
		return -EIO;
	}
	if (req->op != BLK_READ && dev->read_only)
		return -EROFS;
	return req->sector % block || req->sectors % block ? -EINVAL : 0;
}

static int blk_check_memory(const struct blkdev *dev, const struct blk_request *req)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < req->segment_count; i++) {
		if (dev->reach && req->segments[i].pa + req->segments[i].len - 1 > dev->reach)
			return -EFAULT;
		if (!req->segments[i].len || req->segments[i].len % dev->block_size)
			return -EINVAL;
		bytes += req->segments[i].len;
	}
	return bytes == (uint64_t)req->sectors << SECTOR_SHIFT ? 0 : -EINVAL;
}

static int blk_check(const struct blkdev *dev, const struct blk_request *req)
{
	int error;

	if (req->op == BLK_FLUSH)
		return 0;
	if ((req->op == BLK_DISCARD && !dev->max_discard_sectors) ||
	    (req->op == BLK_WRITE_ZEROES && !dev->max_zeroes_sectors))
		return -EOPNOTSUPP;
	error = blk_check_range(dev, req);
	if (error || req->op == BLK_DISCARD || req->op == BLK_WRITE_ZEROES)
		return error;
	return blk_check_memory(dev, req);
}

/* Memory of the kernel's own that is in the wrong zone: a mistake of ours, and the data is not there to be had. */
static void blk_count_unreachable(struct blkdev *whole)
{
	unsigned long flags = spin_lock(&whole->lock);
	const bool first = whole->stats.unreachable++ == 0;

	spin_unlock(&whole->lock, flags);
	if (first)
		log_error("%s: a request has memory above %#llx, which the device does not reach", whole->name,
			  (unsigned long long)whole->reach);
}

/* Ends a request that does not get to the queue. */
static void blk_refuse(struct blkdev *whole, struct blk_request *req, int error)
{
	if (error == -EFAULT)
		blk_count_unreachable(whole);
	if (error && req->op == BLK_FLUSH)
		atomic_fetch_add(&whole->flush_failures, 1);
	blk_request_end(req, error);
}

void blk_submit_list(struct blkdev *dev, struct list_node *requests)
{
	struct list_node good = LIST_INIT(good), *node;
	struct blkdev *whole = blk_whole(dev);

	while ((node = list_pop_front(requests))) {
		struct blk_request *req = list_entry(node, struct blk_request, node);
		int error = blk_fault_hook ? blk_fault_hook(dev, req) : 0;

		req->dev = dev;
		if (!error)
			error = blk_check(dev, req);
		if (error || (req->op == BLK_FLUSH && !dev->has_flush)) {
			blk_refuse(whole, req, error);
			continue;
		}
		req->at = req->sector + dev->start;
		list_push_back(&good, &req->node);
	}
	if (list_empty(&good))
		return;
	blk_queue_add(whole, &good);
	watch_arm();
}

void blk_submit(struct blkdev *dev, struct blk_request *req)
{
	struct list_node one = LIST_INIT(one);

	list_push_back(&one, &req->node);
	blk_submit_list(dev, &one);
}

uint32_t blk_piece_segments(const struct blkdev *dev, uint32_t max)
{
	const uint32_t pieces = (dev->max_segments + max - 1) / max;

	return dev->max_segments / pieces;
}

/* ---- synchronous calls ---- */

struct blk_sync {
	struct blk_request req;
	struct blk_segment segment;
	struct spinlock lock; // guards the two below
	struct waitq waitq;
	bool done;
};

static void blk_sync_done(struct blk_request *req)
{
	struct blk_sync *sync = req->arg;
	unsigned long flags = spin_lock(&sync->lock);

	sync->done = true;
	waitq_wake_all(&sync->waitq);
	spin_unlock(&sync->lock, flags);
}

static bool blk_sync_is_done(struct blk_sync *sync)
{
	unsigned long flags = spin_lock(&sync->lock);
	bool done = sync->done;

	spin_unlock(&sync->lock, flags);
	return done;
}

/* Where nobody may sleep, the waiter does what the interrupt and the watch would. */
static void blk_sync_wait(struct blkdev *whole, struct blk_sync *sync)
{
	if (thread_self() && irq_enabled() && !spin_depth()) {
		unsigned long flags = spin_lock(&sync->lock);

		while (!sync->done)
			waitq_wait(&sync->waitq, &sync->lock, &flags);
		spin_unlock(&sync->lock, flags);
		return;
	}
	while (!blk_sync_is_done(sync)) {
		whole->ops->poll(whole);
		blk_queue_check(whole, clock_now());
	}
}

static int blk_sync_run(struct blkdev *dev, enum blk_op op, sector_t sector, void *buf, uint32_t sectors)
{
	struct blk_sync sync = {
	    .req = {.op = op,
		    .priority = BLK_URGENT,
		    .sector = sector,
		    .sectors = sectors,
		    .done = blk_sync_done,
		    .arg = &sync},
	    .lock = SPINLOCK_INIT("block sync"),
	};

	if (buf && sectors > UINT32_MAX >> SECTOR_SHIFT)
		return -EINVAL;
	waitq_init(&sync.waitq);
	if (buf && sectors) {
		sync.segment = (struct blk_segment){.pa = va_to_pa(buf), .len = sectors << SECTOR_SHIFT};
		sync.req.segments = &sync.segment;
		sync.req.segment_count = 1;
	}
	blk_submit(dev, &sync.req);
	blk_sync_wait(blk_whole(dev), &sync);
	return sync.req.error;
}

int blk_read(struct blkdev *dev, sector_t sector, void *buf, uint32_t sectors)
{
	return blk_sync_run(dev, BLK_READ, sector, buf, sectors);
}

int blk_write(struct blkdev *dev, sector_t sector, const void *buf, uint32_t sectors)
{
	return blk_sync_run(dev, BLK_WRITE, sector, (void *)buf, sectors);
}

int blk_flush(struct blkdev *dev)
{
	return blk_sync_run(dev, BLK_FLUSH, 0, NULL, 0);
}

int blk_discard(struct blkdev *dev, sector_t sector, uint32_t sectors)
{
	return blk_sync_run(dev, BLK_DISCARD, sector, NULL, sectors);
}

int blk_write_zeroes(struct blkdev *dev, sector_t sector, uint32_t sectors)
{
	return blk_sync_run(dev, BLK_WRITE_ZEROES, sector, NULL, sectors);
}

static void blk_polled_done(struct blk_request *req)
{
	*(bool *)req->arg = true;
}

int blk_run_polled(struct blkdev *dev, enum blk_op op, sector_t sector, void *buf, uint32_t sectors, nsec_t deadline)
{
	static struct blk_segment segment; // these stay when it is given up
	static struct blk_request req;
	static bool done;
	struct blkdev *whole = blk_whole(dev);

	done = false;
	segment = (struct blk_segment){.pa = buf ? va_to_pa(buf) : 0, .len = sectors << SECTOR_SHIFT};
	req = (struct blk_request){.op = op,
				   .priority = BLK_URGENT,
				   .sector = sector,
				   .sectors = sectors,
				   .segments = &segment,
				   .segment_count = buf ? 1 : 0,
				   .done = blk_polled_done,
				   .arg = &done};
	blk_submit(dev, &req);
	while (!done && clock_now() < deadline) {
		whole->ops->poll(whole);
		(void)blk_queue_check(whole, clock_now()); // whether there is more under way does not matter
	}
	return done ? req.error : -ETIMEDOUT;
}

void blk_stats(struct blkdev *dev, struct blkdev_stats *out, unsigned *pending)
{
	struct blkdev *whole = blk_whole(dev);
	unsigned long flags = spin_lock(&whole->lock);

	*out = dev->stats;
	*pending = dev->pending;
	if (dev->pending)
		out->busy += clock_now() - dev->busy_since;
	spin_unlock(&whole->lock, flags);
}

uint64_t blk_flush_failures(struct blkdev *dev)
{
	return atomic_load(&blk_whole(dev)->flush_failures);
}
