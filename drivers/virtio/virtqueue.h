// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Split virtqueue (virtio 1.1, section 2.6), in the memory layout that legacy devices demand and others accept. It
 * keeps what it knows in memory that the device is never told of, and checks every number that the device writes.
 * Locking is the user's: one lock around all calls on a queue.
 */
#pragma once

#include "lib/types.h"

#define VIRTQUEUE_MAX 256 // descriptors of one queue

/* A piece of memory for one descriptor. */
struct virtq_buf {
	paddr_t pa;
	uint32_t len;
};

struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct virtqueue {
	uint16_t index;	    // the device's number for it
	uint16_t size;	    // a power of two
	bool broken;	    // the device wrote nonsense: nothing is taken from it until the next reset
	bool reported;	    // virtqueue_report has said so
	bool events;	    // each side says at which index it wants to hear of the other (VIRTIO_F_EVENT_INDEX)
	uint32_t notify_at; // bytes: where in the device's window it is notified

	volatile struct virtq_desc *desc;
	volatile uint16_t *avail; // flags, index, ring
	volatile uint16_t *used;  // flags, index, then pairs of 32 bits
	paddr_t desc_pa, avail_pa, used_pa;

	uint16_t free_head, free_count;
	uint16_t avail_index, used_index; // free-running
	uint16_t notified;		  // avail_index at the last virtqueue_must_notify
	struct {
		void *token; // NULL: not the head of a chain under way
		uint32_t in; // bytes that the device may write
		uint16_t next, count;
	} slots[VIRTQUEUE_MAX];
};

/* Takes memory for at most `size` descriptors, good for every later reset too. 0, -ENOMEM, -EINVAL (size). */
int virtqueue_alloc(struct virtqueue *vq, uint16_t index, uint16_t size);
/* Empty, as the device sees it after a reset. */
void virtqueue_reset(struct virtqueue *vq);

/* For a driver that looks by itself: the device need not interrupt. Until the next reset. */
void virtqueue_quiet(struct virtqueue *vq);

/*
 * Offers `out` buffers that the device reads, then `in` that it writes. With a table (memory of the linear map, out +
 * in entries, the request's own) they take one descriptor of the queue, else one each. -EAGAIN: no room.
 */
int virtqueue_add(struct virtqueue *vq, const struct virtq_buf *bufs, unsigned out, unsigned in,
		  struct virtq_desc *table, void *token);
/* True if the device wants to be notified of what was added since the last such call. */
bool virtqueue_must_notify(struct virtqueue *vq);

/*
 * Next chain that the device is done with: its token, and how many bytes were written (at most what it may write); NULL
 * if there is none; then the device interrupts for the next. Nonsense breaks the queue.
 */
void *virtqueue_take(struct virtqueue *vq, uint32_t *written);
/* Logs once that a queue is broken. Without the lock, which the console's way to the log may need. */
void virtqueue_report(struct virtqueue *vq, const char *device);
