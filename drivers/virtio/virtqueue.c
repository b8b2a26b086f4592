// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Split virtqueue: see the header. The free descriptors form a chain through slots[].next. Never sleeps but in
 * virtqueue_alloc; the caller holds the queue's lock.
 */
#include "drivers/virtio/virtqueue.h"

#include <assert.h>
#include <errno.h>

#include "arch/barrier.h"
#include "arch/page.h"
#include "drivers/wired.h"
#include "kernel/log.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { RING_FLAGS, RING_INDEX, RING_ENTRIES }; // places in avail and used, 16 bits each
enum { USED_NO_NOTIFY = 1, AVAIL_NO_INTERRUPT = 1 };

static size_t avail_offset(uint16_t size)
{
	return size * sizeof(struct virtq_desc);
}

static size_t used_offset(uint16_t size)
{
	return align_up(avail_offset(size) + 6 + 2 * (size_t)size, PAGE_SIZE);
}

static size_t ring_bytes(uint16_t size)
{
	return used_offset(size) + 6 + 8 * (size_t)size;
}

int virtqueue_alloc(struct virtqueue *vq, uint16_t index, uint16_t size)
{
	if (!size || size > VIRTQUEUE_MAX || (size & (size - 1)))
		return -EINVAL;
	char *ring = wired_alloc(ring_bytes(size));

	if (!ring)
		return -ENOMEM;
	vq->index = index;
	vq->size = size;
	vq->desc = (volatile void *)ring;
	vq->avail = (volatile void *)(ring + avail_offset(size));
	vq->used = (volatile void *)(ring + used_offset(size));
	vq->desc_pa = va_to_pa(ring);
	vq->avail_pa = vq->desc_pa + avail_offset(size);
	vq->used_pa = vq->desc_pa + used_offset(size);
	virtqueue_reset(vq);
	return 0;
}

void virtqueue_reset(struct virtqueue *vq)
{
	memset((void *)vq->desc, 0, ring_bytes(vq->size));
	memset(vq->slots, 0, sizeof(vq->slots));
	for (uint16_t i = 0; i < vq->size; i++)
		vq->slots[i].next = (uint16_t)(i + 1);
	vq->free_head = 0;
	vq->free_count = vq->size;
	vq->avail_index = vq->used_index = vq->notified = 0;
	vq->broken = vq->reported = false;
}

void virtqueue_quiet(struct virtqueue *vq)
{
	vq->avail[RING_FLAGS] = AVAIL_NO_INTERRUPT;
}

static void table_fill(struct virtq_desc *table, const struct virtq_buf *bufs, unsigned out, unsigned total)
{
	for (unsigned i = 0; i < total; i++)
		table[i] = (struct virtq_desc){
		    .addr = bufs[i].pa,
		    .len = bufs[i].len,
		    .flags = (uint16_t)((i < out ? 0 : DESC_WRITE) | (i + 1 < total ? DESC_NEXT : 0)),
		    .next = (uint16_t)(i + 1),
		};
}

static void desc_write(struct virtqueue *vq, uint16_t i, paddr_t pa, uint32_t len, unsigned flags)
{
	vq->desc[i].addr = pa;
	vq->desc[i].len = len;
	vq->desc[i].flags = (uint16_t)flags;
	vq->desc[i].next = vq->slots[i].next;
}

int virtqueue_add(struct virtqueue *vq, const struct virtq_buf *bufs, unsigned out, unsigned in,
		  struct virtq_desc *table, void *token)
{
	unsigned total = out + in, count = table ? 1 : total;
	uint16_t head = vq->free_head, i = head;

	assert(total && token);
	if (count > vq->free_count)
		return -EAGAIN;
	vq->slots[head].in = 0;
	for (unsigned n = out; n < total; n++)
		vq->slots[head].in += bufs[n].len;
	if (table) {
		table_fill(table, bufs, out, total);
		desc_write(vq, head, va_to_pa(table), total * (uint32_t)sizeof(*table), DESC_INDIRECT);
		i = vq->slots[head].next;
	} else {
		for (unsigned n = 0; n < total; n++) {
			desc_write(vq, i, bufs[n].pa, bufs[n].len,
				   (n < out ? 0 : DESC_WRITE) | (n + 1 < total ? DESC_NEXT : 0));
			i = vq->slots[i].next;
		}
	}
	vq->free_head = i;
	vq->free_count = (uint16_t)(vq->free_count - count);
	vq->slots[head].token = token;
	vq->slots[head].count = (uint16_t)count;

	vq->avail[RING_ENTRIES + (vq->avail_index & (vq->size - 1))] = head;
	dma_wmb(); // descriptors and ring entry before the index: pairs with the device's read of the index
	vq->avail[RING_INDEX] = ++vq->avail_index;
	return 0;
}

bool virtqueue_must_notify(struct virtqueue *vq)
{
	const uint16_t from = vq->notified;

	vq->notified = vq->avail_index;
	dma_mb(); // index before flags: pairs with the device, which sets its flag, then looks at the index again
	if (!vq->events)
		return !(vq->used[RING_FLAGS] & USED_NO_NOTIFY);
	/* The index that the device waits for, behind its ring, is among what was added. */
	const uint16_t event = vq->used[RING_ENTRIES + 4 * vq->size];

	return (uint16_t)(vq->avail_index - event - 1) < (uint16_t)(vq->avail_index - from);
}

static void chain_free(struct virtqueue *vq, uint16_t head)
{
	uint16_t last = head;

	for (uint16_t n = 1; n < vq->slots[head].count; n++)
		last = vq->slots[last].next;
	vq->slots[last].next = vq->free_head;
	vq->free_head = head;
	vq->free_count = (uint16_t)(vq->free_count + vq->slots[head].count);
	vq->slots[head].token = NULL;
}

/* How many entries of the used ring are new; with none the device is asked to interrupt for the next. */
static uint16_t used_pending(struct virtqueue *vq)
{
	const uint16_t pending = (uint16_t)(vq->used[RING_INDEX] - vq->used_index);

	if (pending || !vq->events)
		return pending;
	vq->avail[RING_ENTRIES + vq->size] = vq->used_index; // behind the ring
	dma_mb(); // that before the index: pairs with the device, which puts an entry, then looks whether to interrupt
	return (uint16_t)(vq->used[RING_INDEX] - vq->used_index);
}

void *virtqueue_take(struct virtqueue *vq, uint32_t *written)
{
	const uint16_t pending = vq->broken ? 0 : used_pending(vq);

	if (!pending)
		return NULL;
	dma_rmb(); // index before entry: pairs with the device's writes, the entry first
	const volatile uint32_t *entry =
	    (const volatile uint32_t *)&vq->used[RING_ENTRIES] + 2 * (vq->used_index & (vq->size - 1));
	uint32_t id = entry[0], len = entry[1];

	if (pending > vq->size || id >= vq->size || !vq->slots[id].token || len > vq->slots[id].in) {
		vq->broken = true;
		return NULL;
	}
	void *token = vq->slots[id].token;

	vq->used_index++;
	chain_free(vq, (uint16_t)id);
	*written = len;
	return token;
}

void virtqueue_report(struct virtqueue *vq, const char *device)
{
	if (!vq->broken || vq->reported)
		return;
	vq->reported = true;
	log_error(
	    "%s: queue %u: the device returned a buffer that it was not given, or more bytes than fit: it is faulty",
	    device, (unsigned)vq->index);
}
