// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * virtio block device (virtio 1.1, section 5.2), named vda, vdb... in the order of probing. A request is a header, the
 * segments, and a status byte; with indirect descriptors it takes one place in the queue. Each request under way has
 * a slot, which holds the memory that the device reads and writes beside the data. Where the device has several queues,
 * as many are used as there may be harts, and a request goes into the queue of the hart that starts it, so that whoever
 * carries them out can do so side by side.
 *
 * virtio_blk.lock guards the queues and the slots; it nests inside the block queue's lock (start), which harts meet
 * before it: a lock for each queue would gain nothing. Completions are handed up without it. Never sleeps after the
 * probe; the poll and reset paths may run with interrupts masked.
 */
#include <errno.h>
#include <stdio.h>

#include "arch/cache.h"
#include "arch/hart.h"
#include "arch/page.h"
#include "drivers/block/blkdev.h"
#include "drivers/virtio/virtio.h"
#include "drivers/wired.h"
#include "kernel/cpu.h"
#include "kernel/log.h"

#define BLK_F_SIZE_MAX (1ull << 1)
#define BLK_F_SEG_MAX (1ull << 2)
#define BLK_F_RO (1ull << 5)
#define BLK_F_BLK_SIZE (1ull << 6)
#define BLK_F_FLUSH (1ull << 9)
#define BLK_F_TOPOLOGY (1ull << 10)
#define BLK_F_MQ (1ull << 12)
#define BLK_F_DISCARD (1ull << 13)
#define BLK_F_WRITE_ZEROES (1ull << 14)
#define BLK_FEATURES                                                                                                   \
	(BLK_F_SIZE_MAX | BLK_F_SEG_MAX | BLK_F_RO | BLK_F_BLK_SIZE | BLK_F_FLUSH | BLK_F_TOPOLOGY | BLK_F_MQ |        \
	 BLK_F_DISCARD | BLK_F_WRITE_ZEROES | VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_INDEX)

enum {
	CONFIG_CAPACITY = 0,
	CONFIG_SIZE_MAX = 8,
	CONFIG_SEG_MAX = 12,
	CONFIG_BLK_SIZE = 20,
	CONFIG_TOPOLOGY = 24, // 8 bits: log2 of the logical blocks in a physical one
	CONFIG_QUEUES = 32,   // the upper 16 bits
	CONFIG_DISCARD_SECTORS = 36,
	CONFIG_DISCARD_UNIT = 44,
	CONFIG_ZEROES_SECTORS = 48,
};
enum { STATUS_OK = 0, STATUS_UNSUPPORTED = 2, STATUS_NONE = 0xff };

static const uint32_t types[BLK_OPS] = {
    [BLK_READ] = 0, [BLK_WRITE] = 1, [BLK_FLUSH] = 4, [BLK_DISCARD] = 11, [BLK_WRITE_ZEROES] = 13};

#define SLOTS 32
#define QUEUES_MAX 4
#define BUFS_MAX (BLK_SEGMENTS_MAX + 2) // with header and status
#define PHYSICAL_SHIFT_MAX 8		// larger ones are not believed

struct virtio_blk_slot {
	struct virtq_desc table[BUFS_MAX]; // for an indirect request
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} range; // of a request without memory
	volatile uint8_t status;

	struct blk_request *req; // NULL: free
	uint32_t in;		 // bytes that the device writes when all is well
};

struct virtio_blk {
	struct virtio_dev *dev;
	struct blkdev blk;
	unsigned queue_count;

	struct spinlock lock; // guards all below
	struct virtqueue queues[QUEUES_MAX];
	struct virtq_buf bufs[BUFS_MAX]; // while a request is built
	struct virtio_blk_slot slots[SLOTS];
};

static unsigned disks_found;

static int virtio_blk_up(struct virtio_blk *vb)
{
	int error = virtio_start(vb->dev, BLK_FEATURES);

	for (unsigned i = 0; i < vb->queue_count && !error; i++)
		error = virtio_queue_enable(vb->dev, &vb->queues[i]);
	return error ? error : virtio_ready(vb->dev);
}

/* ---- requests ---- */

static void sync_segments(const struct blk_request *req, bool to_device)
{
	enum dma_dir dir = req->op == BLK_READ ? DMA_FROM_DEVICE : DMA_TO_DEVICE;

	for (uint32_t i = 0; i < req->segment_count; i++) {
		if (to_device)
			dma_sync_for_device(req->segments[i].pa, req->segments[i].len, dir);
		else
			dma_sync_for_cpu(req->segments[i].pa, req->segments[i].len, dir);
	}
}

/* Puts together what the device reads, then what it writes; returns how many of each. */
static void slot_fill_locked(struct virtio_blk *vb, struct virtio_blk_slot *slot, const struct blk_request *req,
			     unsigned *out, unsigned *in)
{
	unsigned n = 0;

	slot->header.type = types[req->op];
	slot->header.reserved = 0;
	slot->header.sector = req->op == BLK_READ || req->op == BLK_WRITE ? req->sector : 0;
	slot->status = STATUS_NONE;
	slot->in = 1 + (req->op == BLK_READ ? req->sectors << SECTOR_SHIFT : 0);

	vb->bufs[n++] = (struct virtq_buf){.pa = va_to_pa(&slot->header), .len = sizeof(slot->header)};
	for (uint32_t i = 0; i < req->segment_count; i++)
		vb->bufs[n++] = (struct virtq_buf){.pa = req->segments[i].pa, .len = req->segments[i].len};
	if (req->op == BLK_DISCARD || req->op == BLK_WRITE_ZEROES) {
		slot->range.sector = req->sector;
		slot->range.sectors = req->sectors;
		slot->range.flags = 0;
		vb->bufs[n++] = (struct virtq_buf){.pa = va_to_pa(&slot->range), .len = sizeof(slot->range)};
	}
	*out = req->op == BLK_READ ? 1 : n;
	vb->bufs[n++] = (struct virtq_buf){.pa = va_to_pa((void *)&slot->status), .len = 1};
	*in = n - *out;
}

static int slot_send_locked(struct virtio_blk *vb, struct virtqueue *vq, struct virtio_blk_slot *slot,
			    struct blk_request *req)
{
	unsigned out, in;
	int error;

	slot_fill_locked(vb, slot, req, &out, &in);
	sync_segments(req, true);
	error = virtqueue_add(vq, vb->bufs, out, in, vb->dev->features & VIRTIO_F_INDIRECT ? slot->table : NULL, slot);
	if (!error && virtqueue_must_notify(vq))
		virtio_notify(vb->dev, vq);
	return error;
}

static int virtio_blk_start(struct blkdev *blk, struct blk_request *req)
{
	struct virtio_blk *vb = blk->driver;
	struct virtio_blk_slot *slot = NULL;
	unsigned long flags = spin_lock(&vb->lock);
	struct virtqueue *vq = &vb->queues[hart_self()->index % vb->queue_count];
	int error = -EAGAIN;

	for (unsigned i = 0; i < SLOTS && !slot; i++)
		if (!vb->slots[i].req)
			slot = &vb->slots[i];
	if (slot) {
		/* Nothing can be said to a broken queue: the request waits for the time-out, which resets it. */
		error = vq->broken ? 0 : slot_send_locked(vb, vq, slot, req);
		if (!error)
			slot->req = req;
	}
	spin_unlock(&vb->lock, flags);
	return error;
}

static int status_error(uint8_t status)
{
	if (status == STATUS_OK)
		return 0;
	return status == STATUS_UNSUPPORTED ? -EOPNOTSUPP : -EIO;
}

/* The next request of a queue that the device is done with, or NULL. */
static struct blk_request *virtio_blk_take(struct virtio_blk *vb, struct virtqueue *vq, int *error)
{
	unsigned long flags = spin_lock(&vb->lock);
	uint32_t written;
	struct virtio_blk_slot *slot = virtqueue_take(vq, &written);
	struct blk_request *req = NULL;
	uint8_t status = STATUS_OK;
	bool whole = true;

	if (slot) {
		req = slot->req;
		status = slot->status;
		whole = written == slot->in;
		slot->req = NULL;
		sync_segments(req, false);
	}
	spin_unlock(&vb->lock, flags);
	virtqueue_report(vq, vb->blk.name);
	*error = status == STATUS_OK && !whole ? -EIO : status_error(status);
	if (status == STATUS_OK && !whole)
		log_error("%s: the device says that a request went well, but wrote %u bytes", vb->blk.name,
			  (unsigned)written);
	return req;
}

static void virtio_blk_poll(struct blkdev *blk)
{
	struct virtio_blk *vb = blk->driver;
	struct blk_request *req;
	int error;

	for (unsigned i = 0; i < vb->queue_count; i++)
		while ((req = virtio_blk_take(vb, &vb->queues[i], &error)))
			blk_complete(blk, req, error);
}

static void virtio_blk_irq(void *arg)
{
	struct virtio_blk *vb = arg;

	if (virtio_irq_ack(vb->dev))
		virtio_blk_poll(&vb->blk);
}

static int virtio_blk_reset(struct blkdev *blk)
{
	struct virtio_blk *vb = blk->driver;
	struct blk_request *reqs[SLOTS];
	unsigned count = 0;
	unsigned long flags = spin_lock(&vb->lock);
	int error = virtio_stop(vb->dev);

	for (unsigned i = 0; i < SLOTS; i++)
		if (vb->slots[i].req) {
			reqs[count++] = vb->slots[i].req;
			vb->slots[i].req = NULL;
		}
	if (!error) {
		for (unsigned i = 0; i < vb->queue_count; i++)
			virtqueue_reset(&vb->queues[i]);
		error = virtio_blk_up(vb);
	}
	spin_unlock(&vb->lock, flags);
	for (unsigned i = 0; i < count; i++)
		blk_complete(blk, reqs[i], -EIO);
	return error ? -EIO : 0;
}

static const struct blkdev_ops virtio_blk_ops = {
    .start = virtio_blk_start,
    .poll = virtio_blk_poll,
    .reset = virtio_blk_reset,
};

/* ---- probe ---- */

/* What of the device's limits is about discarding and zeroing. */
static void virtio_blk_configure_ranges(struct virtio_blk *vb)
{
	struct virtio_dev *dev = vb->dev;
	struct blkdev *blk = &vb->blk;

	if (dev->features & BLK_F_DISCARD) {
		blk->max_discard_sectors = virtio_config32(dev, CONFIG_DISCARD_SECTORS);
		blk->discard_unit = virtio_config32(dev, CONFIG_DISCARD_UNIT);
	}
	if (dev->features & BLK_F_WRITE_ZEROES)
		blk->max_zeroes_sectors = virtio_config32(dev, CONFIG_ZEROES_SECTORS);
}

static void virtio_blk_configure(struct virtio_blk *vb)
{
	struct virtio_dev *dev = vb->dev;
	struct blkdev *blk = &vb->blk;
	uint32_t segments = BLK_SEGMENTS_MAX, shift = 0;

	if (!(dev->features & VIRTIO_F_INDIRECT) && segments > vb->queues[0].size - 2u)
		segments = vb->queues[0].size - 2u;
	if (dev->features & BLK_F_SEG_MAX)
		segments = min_of(segments, virtio_config32(dev, CONFIG_SEG_MAX));
	if (dev->features & BLK_F_TOPOLOGY)
		shift = virtio_config32(dev, CONFIG_TOPOLOGY) & 0xff;
	blk->sectors = virtio_config64(dev, CONFIG_CAPACITY);
	blk->read_only = dev->features & BLK_F_RO;
	blk->has_flush = dev->features & BLK_F_FLUSH;
	blk->max_segments = segments;
	blk->max_segment_bytes = dev->features & BLK_F_SIZE_MAX ? max_of(virtio_config32(dev, CONFIG_SIZE_MAX), 1u) : 0;
	blk->max_sectors = UINT32_MAX;
	blk->depth = SLOTS;
	blk->block_size = dev->features & BLK_F_BLK_SIZE ? virtio_config32(dev, CONFIG_BLK_SIZE) : SECTOR_SIZE;
	if (shift <= PHYSICAL_SHIFT_MAX)
		blk->physical_sectors = (blk->block_size / SECTOR_SIZE) << shift;
	virtio_blk_configure_ranges(vb);
	blk->ops = &virtio_blk_ops;
	blk->driver = vb;
}

/* How many queues the device has, after the first agreement on features. Those that are too small are not used. */
static unsigned queues_wanted(struct virtio_dev *dev)
{
	const uint32_t offered = dev->features & BLK_F_MQ ? virtio_config32(dev, CONFIG_QUEUES) >> 16 : 1;

	const uint32_t useful = min_of(cpu_possible(), (unsigned)QUEUES_MAX);

	return max_of(min_of(offered, useful), 1u);
}

/* Header, one segment, status: the least of a queue. */
static int queues_alloc(struct virtio_blk *vb)
{
	const unsigned wanted = queues_wanted(vb->dev);
	int error = 0;

	for (unsigned i = 0; i < wanted && !error; i++) {
		const uint16_t size = virtio_queue_max(vb->dev, (uint16_t)i);

		error = size < 4 ? -EINVAL : virtqueue_alloc(&vb->queues[i], (uint16_t)i, size);
		if (!error && i > 0 && size < vb->queues[0].size)
			error = -EINVAL; // the limit of segments is that of the first
	}
	if (!error)
		vb->queue_count = wanted;
	return error;
}

int virtio_blk_probe(struct virtio_dev *dev)
{
	struct virtio_blk *vb = wired_alloc(sizeof(*vb));
	int error = virtio_start(dev, BLK_FEATURES);

	if (!vb)
		return -ENOMEM;
	vb->dev = dev;
	spin_init(&vb->lock, "virtio-blk");
	snprintf(vb->blk.name, sizeof(vb->blk.name), "vd%c", (char)('a' + disks_found));
	if (!error)
		error = disks_found == 26 ? -EINVAL : queues_alloc(vb); // vdz
	if (!error)
		error = virtio_blk_up(vb);
	if (!error) {
		virtio_blk_configure(vb);
		error = virtio_irq_request(dev, virtio_blk_irq, vb, vb->blk.name);
	}
	if (!error)
		error = blkdev_register(&vb->blk);
	if (error) {
		int stopped = virtio_stop(dev);

		if (stopped)
			log_error("%s: the device does not stop (error %d)", dev->name, -stopped);
		return error;
	}
	disks_found++;
	return 0;
}
