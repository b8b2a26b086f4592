// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * virtio block device (virtio 1.1, section 5.2), named vda, vdb... in the order of probing. A request is a header, the
 * segments, and a status byte; with indirect descriptors it takes one place in the queue. Each request under way has
 * a slot, which holds the memory that the device reads and writes beside the data.
 *
 * virtio_blk.lock guards the queue and the slots; it nests inside the block queue's lock (start). Completions are
 * handed up without it. Never sleeps after the probe; the poll and reset paths may run with interrupts masked.
 */
#include <errno.h>
#include <stdio.h>

#include "arch/cache.h"
#include "arch/page.h"
#include "drivers/block/blkdev.h"
#include "drivers/irq.h"
#include "drivers/virtio/virtio.h"
#include "drivers/wired.h"
#include "kernel/log.h"

#define BLK_F_SIZE_MAX (1ull << 1)
#define BLK_F_SEG_MAX (1ull << 2)
#define BLK_F_RO (1ull << 5)
#define BLK_F_BLK_SIZE (1ull << 6)
#define BLK_F_FLUSH (1ull << 9)
#define BLK_FEATURES (BLK_F_SIZE_MAX | BLK_F_SEG_MAX | BLK_F_RO | BLK_F_BLK_SIZE | BLK_F_FLUSH | VIRTIO_F_INDIRECT)

enum { CONFIG_CAPACITY = 0, CONFIG_SIZE_MAX = 8, CONFIG_SEG_MAX = 12, CONFIG_BLK_SIZE = 20 };
enum { REQ_IN = 0, REQ_OUT = 1, REQ_FLUSH = 4 };
enum { STATUS_OK = 0, STATUS_NONE = 0xff };

#define SLOTS 16
#define BUFS_MAX (BLK_SEGMENTS_MAX + 2) // with header and status

struct virtio_blk_slot {
	struct virtq_desc table[BUFS_MAX]; // for an indirect request
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	volatile uint8_t status;

	struct blk_request *req; // NULL: free
	uint32_t in;		 // bytes that the device writes when all is well
};

struct virtio_blk {
	struct virtio_dev *dev;
	struct blkdev blk;

	struct spinlock lock; // guards all below
	struct virtqueue vq;
	struct virtq_buf bufs[BUFS_MAX]; // while a request is built
	struct virtio_blk_slot slots[SLOTS];
};

static unsigned disks_found;

static int virtio_blk_up(struct virtio_blk *vb)
{
	int error = virtio_start(vb->dev, BLK_FEATURES);

	if (!error)
		error = virtio_queue_enable(vb->dev, &vb->vq);
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

static int slot_send_locked(struct virtio_blk *vb, struct virtio_blk_slot *slot, struct blk_request *req)
{
	unsigned out = 1, in = 1, n = 0;

	slot->header.type = req->op == BLK_READ ? REQ_IN : req->op == BLK_WRITE ? REQ_OUT : REQ_FLUSH;
	slot->header.reserved = 0;
	slot->header.sector = req->op == BLK_FLUSH ? 0 : req->sector;
	slot->status = STATUS_NONE;
	slot->in = 1 + (req->op == BLK_READ ? req->sectors << SECTOR_SHIFT : 0);

	vb->bufs[n++] = (struct virtq_buf){.pa = va_to_pa(&slot->header), .len = sizeof(slot->header)};
	for (uint32_t i = 0; i < req->segment_count; i++)
		vb->bufs[n++] = (struct virtq_buf){.pa = req->segments[i].pa, .len = req->segments[i].len};
	vb->bufs[n] = (struct virtq_buf){.pa = va_to_pa((void *)&slot->status), .len = 1};
	*(req->op == BLK_READ ? &in : &out) += req->segment_count;
	sync_segments(req, true);
	return virtqueue_add(&vb->vq, vb->bufs, out, in, vb->dev->features & VIRTIO_F_INDIRECT ? slot->table : NULL,
			     slot);
}

static int virtio_blk_start(struct blkdev *blk, struct blk_request *req)
{
	struct virtio_blk *vb = blk->driver;
	struct virtio_blk_slot *slot = NULL;
	unsigned long flags = spin_lock(&vb->lock);
	int error = -EAGAIN;

	for (unsigned i = 0; i < SLOTS && !slot; i++)
		if (!vb->slots[i].req)
			slot = &vb->slots[i];
	if (slot) {
		/* Nothing can be said to a broken queue: the request waits for the time-out, which resets it. */
		error = vb->vq.broken ? 0 : slot_send_locked(vb, slot, req);
		if (!error)
			slot->req = req;
		if (!error && !vb->vq.broken && virtqueue_must_notify(&vb->vq))
			virtio_notify(vb->dev, &vb->vq);
	}
	spin_unlock(&vb->lock, flags);
	return error;
}

/* The next request that the device is done with, or NULL. */
static struct blk_request *virtio_blk_take(struct virtio_blk *vb, int *error)
{
	unsigned long flags = spin_lock(&vb->lock);
	uint32_t written;
	struct virtio_blk_slot *slot = virtqueue_take(&vb->vq, &written);
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
	virtqueue_report(&vb->vq, vb->blk.name);
	*error = status == STATUS_OK && whole ? 0 : -EIO;
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

	while ((req = virtio_blk_take(vb, &error)))
		blk_complete(blk, req, error);
}

static void virtio_blk_irq(void *arg)
{
	struct virtio_blk *vb = arg;

	virtio_irq_ack(vb->dev);
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
		virtqueue_reset(&vb->vq);
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

static void virtio_blk_configure(struct virtio_blk *vb)
{
	struct virtio_dev *dev = vb->dev;
	struct blkdev *blk = &vb->blk;
	uint32_t segments = BLK_SEGMENTS_MAX;

	if (!(dev->features & VIRTIO_F_INDIRECT) && segments > vb->vq.size - 2u)
		segments = vb->vq.size - 2u;
	if (dev->features & BLK_F_SEG_MAX)
		segments = min_of(segments, virtio_config32(dev, CONFIG_SEG_MAX));
	blk->sectors = virtio_config64(dev, CONFIG_CAPACITY);
	blk->read_only = dev->features & BLK_F_RO;
	blk->has_flush = dev->features & BLK_F_FLUSH;
	blk->max_segments = segments;
	blk->max_segment_bytes = dev->features & BLK_F_SIZE_MAX ? max_of(virtio_config32(dev, CONFIG_SIZE_MAX), 1u) : 0;
	blk->max_sectors = UINT32_MAX;
	blk->block_size = dev->features & BLK_F_BLK_SIZE ? virtio_config32(dev, CONFIG_BLK_SIZE) : SECTOR_SIZE;
	blk->ops = &virtio_blk_ops;
	blk->driver = vb;
}

int virtio_blk_probe(struct virtio_dev *dev)
{
	struct virtio_blk *vb = wired_alloc(sizeof(*vb));
	uint16_t size = virtio_queue_max(dev, 0);

	if (!vb)
		return -ENOMEM;
	if (size < 4 || disks_found == 26) // header, one segment, status; vdz
		return -EINVAL;
	vb->dev = dev;
	spin_init(&vb->lock, "virtio-blk");
	snprintf(vb->blk.name, sizeof(vb->blk.name), "vd%c", (char)('a' + disks_found));
	int error = virtqueue_alloc(&vb->vq, 0, size);

	if (!error)
		error = virtio_blk_up(vb);
	if (error)
		return error;
	virtio_blk_configure(vb);
	error = irq_request(dev->irq, virtio_blk_irq, vb, vb->blk.name);
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
