// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A virtio device as its driver sees it, whatever it is reached through: virtio_mmio.c and virtio_pci.c find devices
 * and say where their registers are, virtio.c does the rest. Order of use, at probe and after each reset: virtio_start,
 * virtio_queue_enable for each queue, virtio_ready.
 */
#pragma once

#include "drivers/virtio/virtqueue.h"

#define VIRTIO_F_INDIRECT (1ull << 28)
#define VIRTIO_F_EVENT_INDEX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

/* The registers that both kinds have. */
enum virtio_reg {
	VIRTIO_DEVICE_FEATURES,
	VIRTIO_DEVICE_FEATURES_SEL,
	VIRTIO_DRIVER_FEATURES,
	VIRTIO_DRIVER_FEATURES_SEL,
	VIRTIO_STATUS,
	VIRTIO_GENERATION,
	VIRTIO_QUEUE_SEL,
	VIRTIO_QUEUE_NUM_MAX,
	VIRTIO_QUEUE_NUM,
	VIRTIO_QUEUE_READY,
	VIRTIO_QUEUE_NOTIFY_OFF, // in units of notify_unit; width 0: there is none
	VIRTIO_QUEUE_DESC,	 // these three: low half, high half
	VIRTIO_QUEUE_DRIVER,
	VIRTIO_QUEUE_DEVICE,
	VIRTIO_REGS
};

struct pci_device;

struct virtio_layout {
	struct {
		uint16_t offset;
		uint8_t width; // bytes
	} reg[VIRTIO_REGS];
	uint8_t notify_width;
	bool isr_clears; // reading it acknowledges; else what was read is written to the register behind it
};

/* Constant once it is probed, but for features. */
struct virtio_dev {
	const char *name; // node name or PCI place, for messages
	const struct virtio_layout *layout;
	volatile void *regs, *config, *notify, *isr;
	uint32_t notify_unit; // bytes between the places that queues are notified at; 0: one place
	uint32_t notify_len, config_len;
	struct pci_device *pci; // NULL: its interrupt is
	uint32_t irq;
	bool legacy;	   // virtio-mmio of version 1
	uint64_t features; // agreed
};

/* Resets, and agrees on those of the features `wanted` that the device offers. 0; -EIO: it refuses, or hangs. */
int virtio_start(struct virtio_dev *dev, uint64_t wanted);
/* Largest size of a queue, a power of two up to VIRTQUEUE_MAX; 0: there is no such queue. */
uint16_t virtio_queue_max(struct virtio_dev *dev, uint16_t index);
int virtio_queue_enable(struct virtio_dev *dev, struct virtqueue *vq); // -EIO, -EINVAL: unreachable memory
int virtio_ready(struct virtio_dev *dev);			       // -EIO
void virtio_notify(struct virtio_dev *dev, const struct virtqueue *vq);
/* irq_request's, or pci_irq_request's, errors. */
int virtio_irq_request(struct virtio_dev *dev, void (*handler)(void *arg), void *arg, const char *name);
/* Acknowledges the device's interrupt. False: it has none (the line is shared). */
bool virtio_irq_ack(struct virtio_dev *dev);
/* Stops the device for good: it touches no memory after. -EIO: it does not answer. */
int virtio_stop(struct virtio_dev *dev);

/* What lies beyond the device's configuration reads as 0. */
uint32_t virtio_config32(struct virtio_dev *dev, size_t off);
uint64_t virtio_config64(struct virtio_dev *dev, size_t off);

/* Hands a device of this kind (virtio's number) to its driver. 0, an error, or -ENODEV: there is none for it. */
int virtio_probe(struct virtio_dev *dev, uint32_t id);

/* Drivers; dev stays for good. 0, -ENODEV, or an error. */
int virtio_blk_probe(struct virtio_dev *dev);
int virtio_console_probe(struct virtio_dev *dev);
int virtio_rng_probe(struct virtio_dev *dev);
