// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * virtio over memory-mapped registers (virtio 1.1, section 4.2): version 2, and the legacy version 1 that QEMU offers
 * unless told otherwise. They differ in how a queue's memory is named and in who checks the features. No locks: a
 * device belongs to one driver, which calls from probe and reset, and notifies under its queue's lock.
 */
#include "drivers/virtio/virtio_mmio.h"

#include <errno.h>

#include "arch/barrier.h"
#include "arch/clock.h"
#include "arch/io.h"
#include "arch/page.h"
#include "drivers/virtio/virtio.h"
#include "drivers/wired.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define VIRTIO_MAGIC 0x74726976u
#define RESET_TIMEOUT NSEC_PER_SEC
#define CONFIG_TRIES 100

enum {
	REG_MAGIC = 0x00,
	REG_VERSION = 0x04,
	REG_DEVICE_ID = 0x08,
	REG_DEVICE_FEATURES = 0x10,
	REG_DEVICE_FEATURES_SEL = 0x14,
	REG_DRIVER_FEATURES = 0x20,
	REG_DRIVER_FEATURES_SEL = 0x24,
	REG_GUEST_PAGE_SIZE = 0x28, // legacy
	REG_QUEUE_SEL = 0x30,
	REG_QUEUE_NUM_MAX = 0x34,
	REG_QUEUE_NUM = 0x38,
	REG_QUEUE_ALIGN = 0x3c, // legacy
	REG_QUEUE_PFN = 0x40,	// legacy
	REG_QUEUE_READY = 0x44,
	REG_QUEUE_NOTIFY = 0x50,
	REG_IRQ_STATUS = 0x60,
	REG_IRQ_ACK = 0x64,
	REG_STATUS = 0x70,
	REG_QUEUE_DESC = 0x80,
	REG_QUEUE_DRIVER = 0x90,
	REG_QUEUE_DEVICE = 0xa0,
	REG_CONFIG_GENERATION = 0xfc,
	REG_CONFIG = 0x100,
};

enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_FAILED = 128 };
enum { ID_BLOCK = 2, ID_CONSOLE = 3, ID_ENTROPY = 4 };

static int (*const probes[])(struct virtio_dev *dev) = {
    [ID_BLOCK] = virtio_blk_probe, [ID_CONSOLE] = virtio_console_probe, [ID_ENTROPY] = virtio_rng_probe};

static void status_add(struct virtio_dev *dev, uint32_t bits)
{
	io_write32(dev->regs, REG_STATUS, io_read32(dev->regs, REG_STATUS) | bits);
}

static uint64_t features_offered(struct virtio_dev *dev)
{
	uint64_t features;

	io_write32(dev->regs, REG_DEVICE_FEATURES_SEL, 0);
	features = io_read32(dev->regs, REG_DEVICE_FEATURES);
	io_write32(dev->regs, REG_DEVICE_FEATURES_SEL, 1);
	return features | (uint64_t)io_read32(dev->regs, REG_DEVICE_FEATURES) << 32;
}

int virtio_stop(struct virtio_dev *dev)
{
	nsec_t deadline = clock_now() + RESET_TIMEOUT;

	io_write32(dev->regs, REG_STATUS, 0);
	while (io_read32(dev->regs, REG_STATUS))
		if (clock_now() > deadline)
			return -EIO;
	return 0;
}

int virtio_start(struct virtio_dev *dev, uint64_t wanted)
{
	int error = virtio_stop(dev);

	if (error)
		return error;
	status_add(dev, STATUS_ACKNOWLEDGE);
	status_add(dev, STATUS_DRIVER);
	if (!dev->legacy)
		wanted |= VIRTIO_F_VERSION_1;
	dev->features = features_offered(dev) & wanted;
	io_write32(dev->regs, REG_DRIVER_FEATURES_SEL, 0);
	io_write32(dev->regs, REG_DRIVER_FEATURES, (uint32_t)dev->features);
	io_write32(dev->regs, REG_DRIVER_FEATURES_SEL, 1);
	io_write32(dev->regs, REG_DRIVER_FEATURES, (uint32_t)(dev->features >> 32));
	if (dev->legacy) {
		io_write32(dev->regs, REG_GUEST_PAGE_SIZE, PAGE_SIZE);
		return 0;
	}
	status_add(dev, STATUS_FEATURES_OK);
	if (!(dev->features & VIRTIO_F_VERSION_1) || !(io_read32(dev->regs, REG_STATUS) & STATUS_FEATURES_OK)) {
		status_add(dev, STATUS_FAILED);
		return -EIO;
	}
	return 0;
}

uint16_t virtio_queue_max(struct virtio_dev *dev, uint16_t index)
{
	uint32_t max;

	io_write32(dev->regs, REG_QUEUE_SEL, index);
	max = min_of(io_read32(dev->regs, REG_QUEUE_NUM_MAX), (uint32_t)VIRTQUEUE_MAX);
	while (max & (max - 1))
		max &= max - 1;
	return (uint16_t)max;
}

static void write_pa(struct virtio_dev *dev, size_t reg, paddr_t pa)
{
	io_write32(dev->regs, reg, (uint32_t)pa);
	io_write32(dev->regs, reg + 4, (uint32_t)(pa >> 32));
}

int virtio_queue_enable(struct virtio_dev *dev, const struct virtqueue *vq)
{
	io_write32(dev->regs, REG_QUEUE_SEL, vq->index);
	if (io_read32(dev->regs, dev->legacy ? REG_QUEUE_PFN : REG_QUEUE_READY) ||
	    io_read32(dev->regs, REG_QUEUE_NUM_MAX) < vq->size)
		return -EIO;
	io_write32(dev->regs, REG_QUEUE_NUM, vq->size);
	if (dev->legacy) {
		if (vq->desc_pa >> (32 + PAGE_SHIFT))
			return -EINVAL;
		io_write32(dev->regs, REG_QUEUE_ALIGN, PAGE_SIZE);
		io_write32(dev->regs, REG_QUEUE_PFN, (uint32_t)(vq->desc_pa >> PAGE_SHIFT));
		return 0;
	}
	write_pa(dev, REG_QUEUE_DESC, vq->desc_pa);
	write_pa(dev, REG_QUEUE_DRIVER, vq->avail_pa);
	write_pa(dev, REG_QUEUE_DEVICE, vq->used_pa);
	io_write32(dev->regs, REG_QUEUE_READY, 1);
	return io_read32(dev->regs, REG_QUEUE_READY) ? 0 : -EIO;
}

int virtio_ready(struct virtio_dev *dev)
{
	status_add(dev, STATUS_DRIVER_OK);
	return io_read32(dev->regs, REG_STATUS) & STATUS_DRIVER_OK ? 0 : -EIO;
}

void virtio_notify(struct virtio_dev *dev, const struct virtqueue *vq)
{
	dma_wmb(); // the ring before the register: pairs with the device's read of the ring when notified
	io_write32(dev->regs, REG_QUEUE_NOTIFY, vq->index);
}

void virtio_irq_ack(struct virtio_dev *dev)
{
	io_write32(dev->regs, REG_IRQ_ACK, io_read32(dev->regs, REG_IRQ_STATUS));
	dma_mb(); // the acknowledgement before the look at the used ring: an entry after it interrupts again
}

uint32_t virtio_config32(struct virtio_dev *dev, size_t off)
{
	return io_read32(dev->regs, REG_CONFIG + off);
}

/* A version 2 device counts the changes of its configuration, so that a torn read is noticed. */
uint64_t virtio_config64(struct virtio_dev *dev, size_t off)
{
	uint32_t before, after, low, high;
	unsigned tries = 0;

	do {
		before = dev->legacy ? 0 : io_read32(dev->regs, REG_CONFIG_GENERATION);
		low = virtio_config32(dev, off);
		high = virtio_config32(dev, off + 4);
		after = dev->legacy ? 0 : io_read32(dev->regs, REG_CONFIG_GENERATION);
	} while (before != after && ++tries < CONFIG_TRIES);
	return (uint64_t)high << 32 | low;
}

static int virtio_mmio_probe(const struct device *node)
{
	struct virtio_dev *dev;

	if (!node->reg_count || node->reg[0].len < REG_CONFIG || !node->irq_count)
		return -EINVAL;
	volatile void *regs = io_map(node->reg[0].pa, node->reg[0].len);

	if (!regs)
		return -ENOMEM;
	uint32_t version = io_read32(regs, REG_VERSION), id = io_read32(regs, REG_DEVICE_ID);

	if (io_read32(regs, REG_MAGIC) != VIRTIO_MAGIC)
		return -EINVAL;
	if (id >= array_size(probes) || !probes[id])
		return -ENODEV; // an empty slot has the id 0
	if (version != 1 && version != 2) {
		log_error("%s: virtio-mmio version %u is not known, only 1 and 2 are", node->name, (unsigned)version);
		return -EINVAL;
	}
	dev = wired_alloc(sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	*dev = (struct virtio_dev){.name = node->name, .regs = regs, .irq = node->irq[0], .legacy = version == 1};
	return probes[id](dev);
}

static const char *const virtio_mmio_compatible[] = {"virtio,mmio", NULL};
const struct driver virtio_mmio_driver = {
    .name = "virtio-mmio", .compatible = virtio_mmio_compatible, .probe = virtio_mmio_probe};
