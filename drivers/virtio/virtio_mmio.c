// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * virtio over memory-mapped registers (virtio 1.1, section 4.2): version 2, and the legacy version 1 that QEMU offers
 * unless told otherwise. Finds the devices of the tree; the rest is virtio.c's. At start; no locks.
 */
#include "drivers/virtio/virtio_mmio.h"

#include <errno.h>

#include "arch/io.h"
#include "drivers/virtio/virtio.h"
#include "drivers/wired.h"
#include "kernel/log.h"

#define VIRTIO_MAGIC 0x74726976u

enum {
	REG_MAGIC = 0x00,
	REG_VERSION = 0x04,
	REG_DEVICE_ID = 0x08,
	REG_QUEUE_NOTIFY = 0x50,
	REG_IRQ_STATUS = 0x60,
	REG_CONFIG = 0x100,
};

static const struct virtio_layout layout = {
    .reg = {[VIRTIO_DEVICE_FEATURES] = {0x10, 4},
	    [VIRTIO_DEVICE_FEATURES_SEL] = {0x14, 4},
	    [VIRTIO_DRIVER_FEATURES] = {0x20, 4},
	    [VIRTIO_DRIVER_FEATURES_SEL] = {0x24, 4},
	    [VIRTIO_STATUS] = {0x70, 4},
	    [VIRTIO_GENERATION] = {0xfc, 4},
	    [VIRTIO_QUEUE_SEL] = {0x30, 4},
	    [VIRTIO_QUEUE_NUM_MAX] = {0x34, 4},
	    [VIRTIO_QUEUE_NUM] = {0x38, 4},
	    [VIRTIO_QUEUE_READY] = {0x44, 4},
	    [VIRTIO_QUEUE_DESC] = {0x80, 4},
	    [VIRTIO_QUEUE_DRIVER] = {0x90, 4},
	    [VIRTIO_QUEUE_DEVICE] = {0xa0, 4}},
    .notify_width = 4,
};

static int virtio_mmio_probe(const struct device *node)
{
	struct virtio_dev *dev;

	if (!node->reg_count || node->reg[0].len < REG_CONFIG || !node->irq_count)
		return -EINVAL;
	volatile char *regs = io_map(node->reg[0].pa, node->reg[0].len);

	if (!regs)
		return -ENOMEM;
	uint32_t version = io_read32(regs, REG_VERSION), id = io_read32(regs, REG_DEVICE_ID);

	if (io_read32(regs, REG_MAGIC) != VIRTIO_MAGIC)
		return -EINVAL;
	if (id == 0)
		return -ENODEV; // an empty slot
	if (version != 1 && version != 2) {
		log_error("%s: virtio-mmio version %u is not known, only 1 and 2 are", node->name, (unsigned)version);
		return -EINVAL;
	}
	dev = wired_alloc(sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	*dev = (struct virtio_dev){.name = node->name,
				   .layout = &layout,
				   .regs = regs,
				   .config = regs + REG_CONFIG,
				   .config_len = (uint32_t)(node->reg[0].len - REG_CONFIG),
				   .notify = regs + REG_QUEUE_NOTIFY,
				   .notify_len = 4,
				   .isr = regs + REG_IRQ_STATUS,
				   .irq = node->irq[0],
				   .legacy = version == 1};
	return virtio_probe(dev, id);
}

static const char *const virtio_mmio_compatible[] = {"virtio,mmio", NULL};
const struct driver virtio_mmio_driver = {
    .name = "virtio-mmio", .compatible = virtio_mmio_compatible, .probe = virtio_mmio_probe};
