// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A virtio device as its driver sees it, whatever it is reached through (virtio_mmio.c so far). Order of use, at
 * probe and after each reset: virtio_start, virtio_queue_enable for each queue, virtio_ready.
 */
#pragma once

#include "drivers/virtio/virtqueue.h"

#define VIRTIO_F_INDIRECT (1ull << 28)
#define VIRTIO_F_VERSION_1 (1ull << 32)

struct virtio_dev {
	const char *name; // node name, for messages
	volatile void *regs;
	uint32_t irq;
	bool legacy;
	uint64_t features; // agreed
};

/* Resets, and agrees on those of the features `wanted` that the device offers. 0; -EIO: it refuses, or hangs. */
int virtio_start(struct virtio_dev *dev, uint64_t wanted);
/* Largest size of a queue, a power of two up to VIRTQUEUE_MAX; 0: there is no such queue. */
uint16_t virtio_queue_max(struct virtio_dev *dev, uint16_t index);
int virtio_queue_enable(struct virtio_dev *dev, const struct virtqueue *vq); // -EIO, -EINVAL: unreachable memory
int virtio_ready(struct virtio_dev *dev);				     // -EIO
void virtio_notify(struct virtio_dev *dev, const struct virtqueue *vq);
/* Acknowledges the device's interrupt. */
void virtio_irq_ack(struct virtio_dev *dev);
/* Stops the device for good: it touches no memory after. -EIO: it does not answer. */
int virtio_stop(struct virtio_dev *dev);

uint32_t virtio_config32(struct virtio_dev *dev, size_t off);
uint64_t virtio_config64(struct virtio_dev *dev, size_t off);

/* Drivers; dev stays for good. 0, -ENODEV, or an error. */
int virtio_blk_probe(struct virtio_dev *dev);
int virtio_console_probe(struct virtio_dev *dev);
int virtio_rng_probe(struct virtio_dev *dev);
