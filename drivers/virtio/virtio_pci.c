// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * virtio over PCI (virtio 1.1, section 4.1), modern devices, and transitional ones by their modern side: capabilities
 * say in which base address and where the registers, the places to notify, the interrupt's reason and the configuration
 * are. Finds the devices; the rest is virtio.c's. At start; no locks.
 */
#include <errno.h>

#include "arch/io.h"
#include "drivers/pci/pci.h"
#include "drivers/virtio/virtio.h"
#include "drivers/wired.h"
#include "kernel/log.h"

#define VENDOR_VIRTIO 0x1af4
#define DEVICE_MODERN 0x1040 // and virtio's number of the kind
#define DEVICE_LAST 0x107f
#define CONFIG_SUBSYSTEM 0x2e // of a transitional device: virtio's number of the kind

enum { CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_NOTIFY_UNIT = 16 };
enum { TYPE_COMMON = 1, TYPE_NOTIFY, TYPE_ISR, TYPE_DEVICE, TYPES };

static const struct virtio_layout layout = {
    .reg = {[VIRTIO_DEVICE_FEATURES_SEL] = {0, 4},
	    [VIRTIO_DEVICE_FEATURES] = {4, 4},
	    [VIRTIO_DRIVER_FEATURES_SEL] = {8, 4},
	    [VIRTIO_DRIVER_FEATURES] = {12, 4},
	    [VIRTIO_STATUS] = {20, 1},
	    [VIRTIO_GENERATION] = {21, 1},
	    [VIRTIO_QUEUE_SEL] = {22, 2},
	    [VIRTIO_QUEUE_NUM_MAX] = {24, 2}, // read before it is written
	    [VIRTIO_QUEUE_NUM] = {24, 2},
	    [VIRTIO_QUEUE_READY] = {28, 2},
	    [VIRTIO_QUEUE_NOTIFY_OFF] = {30, 2},
	    [VIRTIO_QUEUE_DESC] = {32, 4},
	    [VIRTIO_QUEUE_DRIVER] = {40, 4},
	    [VIRTIO_QUEUE_DEVICE] = {48, 4}},
    .notify_width = 2,
    .isr_clears = true,
};

/* How long each part must be; a part may be longer. */
static const uint32_t least[TYPES] = {[TYPE_COMMON] = 56, [TYPE_NOTIFY] = 2, [TYPE_ISR] = 1, [TYPE_DEVICE] = 0};

/* The first capability of a type whose base address is there: its offset, or 0. */
static unsigned part_find(const struct pci_device *pci, uint8_t type)
{
	for (unsigned at = 0; (at = pci_capability(pci, PCI_CAP_VENDOR, at));) {
		const unsigned bar = io_read8(pci->config, at + CAP_BAR);

		if (io_read8(pci->config, at + CAP_TYPE) == type && bar < PCI_BARS && pci->bar[bar].pa)
			return at;
	}
	return 0;
}

/* NULL: there is none, or it is too short. */
static volatile void *part_map(const struct pci_device *pci, uint8_t type, uint32_t *len)
{
	const unsigned at = part_find(pci, type);

	*len = at ? io_read32(pci->config, at + CAP_LENGTH) : 0;
	if (!at || *len < least[type] || !*len)
		return NULL;
	return pci_map(pci, io_read8(pci->config, at + CAP_BAR), io_read32(pci->config, at + CAP_OFFSET), *len);
}

static uint32_t kind_of(const struct pci_device *pci)
{
	if (pci->device >= DEVICE_MODERN)
		return pci->device - DEVICE_MODERN;
	return io_read16(pci->config, CONFIG_SUBSYSTEM);
}

static int virtio_pci_probe(struct pci_device *pci)
{
	struct virtio_dev *dev;
	uint32_t ignored;

	if (pci->device > DEVICE_LAST)
		return -ENODEV;
	dev = wired_alloc(sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	*dev = (struct virtio_dev){.name = pci->name, .layout = &layout, .pci = pci};
	dev->regs = part_map(pci, TYPE_COMMON, &ignored);
	dev->notify = part_map(pci, TYPE_NOTIFY, &dev->notify_len);
	dev->isr = part_map(pci, TYPE_ISR, &ignored);
	dev->config = part_map(pci, TYPE_DEVICE, &dev->config_len);
	if (!dev->regs || !dev->notify || !dev->isr) {
		log_error("%s: has no registers of virtio 1: with QEMU, disable-modern=off", pci->name);
		return -EINVAL;
	}
	if (!dev->config)
		dev->config_len = 0;
	dev->notify_unit = io_read32(pci->config, part_find(pci, TYPE_NOTIFY) + CAP_NOTIFY_UNIT);
	return virtio_probe(dev, kind_of(pci));
}

const struct pci_driver virtio_pci_driver = {.name = "virtio-pci", .vendor = VENDOR_VIRTIO, .probe = virtio_pci_probe};
