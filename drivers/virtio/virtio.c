// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What devices have in common however they are reached (virtio 1.1, sections 2.1 and 3.1): a legacy device differs in
 * how a queue's memory is named and in who checks the features. No locks: a device belongs to one driver, which calls
 * from probe and reset, and notifies under its queue's lock. Waits for a reset in a loop; never sleeps.
 */
#include "drivers/virtio/virtio.h"

#include <errno.h>

#include "arch/barrier.h"
#include "arch/clock.h"
#include "arch/io.h"
#include "arch/page.h"
#include "drivers/irq.h"
#include "drivers/pci/pci.h"
#include "kernel/time.h"

#define RESET_TIMEOUT NSEC_PER_SEC
#define CONFIG_TRIES 100

/* Of legacy devices alone, all virtio-mmio. */
enum { REG_GUEST_PAGE_SIZE = 0x28, REG_QUEUE_ALIGN = 0x3c, REG_QUEUE_PFN = 0x40 };

enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_FAILED = 128 };
enum { ID_BLOCK = 2, ID_CONSOLE = 3, ID_ENTROPY = 4 };

static int (*const probes[])(struct virtio_dev *dev) = {
    [ID_BLOCK] = virtio_blk_probe, [ID_CONSOLE] = virtio_console_probe, [ID_ENTROPY] = virtio_rng_probe};

static uint32_t reg_read(struct virtio_dev *dev, enum virtio_reg reg)
{
	const size_t at = dev->layout->reg[reg].offset;

	switch (dev->layout->reg[reg].width) {
	case 1:
		return io_read8(dev->regs, at);
	case 2:
		return io_read16(dev->regs, at);
	default:
		return io_read32(dev->regs, at);
	}
}

static void reg_write(struct virtio_dev *dev, enum virtio_reg reg, uint32_t value)
{
	const size_t at = dev->layout->reg[reg].offset;

	switch (dev->layout->reg[reg].width) {
	case 1:
		io_write8(dev->regs, at, (uint8_t)value);
		break;
	case 2:
		io_write16(dev->regs, at, (uint16_t)value);
		break;
	default:
		io_write32(dev->regs, at, value);
	}
}

static void status_add(struct virtio_dev *dev, uint32_t bits)
{
	reg_write(dev, VIRTIO_STATUS, reg_read(dev, VIRTIO_STATUS) | bits);
}

static uint64_t features_offered(struct virtio_dev *dev)
{
	uint64_t features;

	reg_write(dev, VIRTIO_DEVICE_FEATURES_SEL, 0);
	features = reg_read(dev, VIRTIO_DEVICE_FEATURES);
	reg_write(dev, VIRTIO_DEVICE_FEATURES_SEL, 1);
	return features | (uint64_t)reg_read(dev, VIRTIO_DEVICE_FEATURES) << 32;
}

static void features_accept(struct virtio_dev *dev, uint64_t features)
{
	dev->features = features;
	reg_write(dev, VIRTIO_DRIVER_FEATURES_SEL, 0);
	reg_write(dev, VIRTIO_DRIVER_FEATURES, (uint32_t)features);
	reg_write(dev, VIRTIO_DRIVER_FEATURES_SEL, 1);
	reg_write(dev, VIRTIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

int virtio_stop(struct virtio_dev *dev)
{
	const nsec_t deadline = clock_now() + RESET_TIMEOUT;

	reg_write(dev, VIRTIO_STATUS, 0);
	while (reg_read(dev, VIRTIO_STATUS))
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
	features_accept(dev, features_offered(dev) & wanted);
	if (dev->legacy) {
		io_write32(dev->regs, REG_GUEST_PAGE_SIZE, PAGE_SIZE);
		return 0;
	}
	status_add(dev, STATUS_FEATURES_OK);
	if (!(dev->features & VIRTIO_F_VERSION_1) || !(reg_read(dev, VIRTIO_STATUS) & STATUS_FEATURES_OK)) {
		status_add(dev, STATUS_FAILED);
		return -EIO;
	}
	return 0;
}

uint16_t virtio_queue_max(struct virtio_dev *dev, uint16_t index)
{
	uint32_t max;

	reg_write(dev, VIRTIO_QUEUE_SEL, index);
	max = min_of(reg_read(dev, VIRTIO_QUEUE_NUM_MAX), (uint32_t)VIRTQUEUE_MAX);
	while (max & (max - 1))
		max &= max - 1;
	return (uint16_t)max;
}

static void write_pa(struct virtio_dev *dev, enum virtio_reg reg, paddr_t pa)
{
	const size_t at = dev->layout->reg[reg].offset;

	io_write32(dev->regs, at, (uint32_t)pa);
	io_write32(dev->regs, at + 4, (uint32_t)(pa >> 32));
}

static int queue_enable_legacy(struct virtio_dev *dev, const struct virtqueue *vq)
{
	if (io_read32(dev->regs, REG_QUEUE_PFN))
		return -EIO;
	if (vq->desc_pa >> (32 + PAGE_SHIFT))
		return -EINVAL;
	reg_write(dev, VIRTIO_QUEUE_NUM, vq->size);
	io_write32(dev->regs, REG_QUEUE_ALIGN, PAGE_SIZE);
	io_write32(dev->regs, REG_QUEUE_PFN, (uint32_t)(vq->desc_pa >> PAGE_SHIFT));
	return 0;
}

int virtio_queue_enable(struct virtio_dev *dev, struct virtqueue *vq)
{
	reg_write(dev, VIRTIO_QUEUE_SEL, vq->index);
	if (reg_read(dev, VIRTIO_QUEUE_NUM_MAX) < vq->size)
		return -EIO;
	vq->events = dev->features & VIRTIO_F_EVENT_INDEX;
	if (dev->legacy)
		return queue_enable_legacy(dev, vq);
	if (reg_read(dev, VIRTIO_QUEUE_READY))
		return -EIO;
	if (dev->layout->reg[VIRTIO_QUEUE_NOTIFY_OFF].width)
		vq->notify_at = reg_read(dev, VIRTIO_QUEUE_NOTIFY_OFF) * dev->notify_unit;
	if (vq->notify_at > dev->notify_len - dev->layout->notify_width)
		return -EIO; // beyond what it has shown
	reg_write(dev, VIRTIO_QUEUE_NUM, vq->size);
	write_pa(dev, VIRTIO_QUEUE_DESC, vq->desc_pa);
	write_pa(dev, VIRTIO_QUEUE_DRIVER, vq->avail_pa);
	write_pa(dev, VIRTIO_QUEUE_DEVICE, vq->used_pa);
	reg_write(dev, VIRTIO_QUEUE_READY, 1);
	return reg_read(dev, VIRTIO_QUEUE_READY) ? 0 : -EIO;
}

int virtio_ready(struct virtio_dev *dev)
{
	status_add(dev, STATUS_DRIVER_OK);
	return reg_read(dev, VIRTIO_STATUS) & STATUS_DRIVER_OK ? 0 : -EIO;
}

void virtio_notify(struct virtio_dev *dev, const struct virtqueue *vq)
{
	dma_wmb(); // the ring before the register: pairs with the device's read of the ring when notified
	if (dev->layout->notify_width == 2)
		io_write16(dev->notify, vq->notify_at, vq->index);
	else
		io_write32(dev->notify, vq->notify_at, vq->index);
}

int virtio_irq_request(struct virtio_dev *dev, void (*handler)(void *arg), void *arg, const char *name)
{
	return dev->pci ? pci_irq_request(dev->pci, handler, arg) : irq_request(dev->irq, handler, arg, name);
}

bool virtio_irq_ack(struct virtio_dev *dev)
{
	uint32_t why;

	if (dev->layout->isr_clears) {
		why = io_read8(dev->isr, 0);
	} else {
		why = io_read32(dev->isr, 0);
		io_write32(dev->isr, 4, why);
	}
	dma_mb(); // the acknowledgement before the look at the used ring: an entry after it interrupts again
	return why != 0;
}

uint32_t virtio_config32(struct virtio_dev *dev, size_t off)
{
	return off + 4 <= dev->config_len ? io_read32(dev->config, off) : 0;
}

/* A device counts the changes of its configuration, so that a torn read is noticed; a legacy one does not. */
uint64_t virtio_config64(struct virtio_dev *dev, size_t off)
{
	uint32_t before, after, low, high;
	unsigned tries = 0;

	do {
		before = dev->legacy ? 0 : reg_read(dev, VIRTIO_GENERATION);
		low = virtio_config32(dev, off);
		high = virtio_config32(dev, off + 4);
		after = dev->legacy ? 0 : reg_read(dev, VIRTIO_GENERATION);
	} while (before != after && ++tries < CONFIG_TRIES);
	return (uint64_t)high << 32 | low;
}

int virtio_probe(struct virtio_dev *dev, uint32_t id)
{
	return id < array_size(probes) && probes[id] ? probes[id](dev) : -ENODEV;
}
