// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * virtio-blk and its queue against a device played by the test, which reads the rings by itself, and then lies: the
 * driver must neither touch memory by a number that the device made up, nor take a failure for data. The code is
 * included since the host build has no virtio of its own; what virtio.c does is played too.
 */
#include "drivers/virtio/virtio_blk.c"
#include "drivers/virtio/virtqueue.c"

#include <stdlib.h>

#include "arch/clock.h"
#include "arch/irq.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/harness.h"

#define SECTORS 1024
#define HELD_MAX 32

static struct {
	/* What the device is. */
	uint64_t features;
	uint16_t queue_max;
	uint64_t capacity;
	uint32_t size_max, seg_max, blk_size, physical_shift, queues, discard_max, discard_unit, zeroes_max;
	bool deaf; // does not come back from a reset

	/* What it was told. */
	struct virtqueue *vqs[4];
	unsigned vq_count;
	void (*handler)(void *arg);
	void *arg;
	bool ready;
	unsigned resets, notified;

	uint16_t seen[4], used[4]; // of the available ring; put into the used ring
	struct held {
		struct virtqueue *vq;
		uint16_t head;
	} held[HELD_MAX];
	unsigned held_count;
	unsigned interrupts; // that the driver wanted
	uint8_t data[SECTORS * SECTOR_SIZE];
} hw;

/* ---- what virtio.c and the interrupt controller would do ---- */

int virtio_stop(struct virtio_dev *dev)
{
	(void)dev;
	hw.resets++;
	hw.ready = false;
	hw.held_count = hw.vq_count = 0;
	memset(hw.seen, 0, sizeof(hw.seen));
	memset(hw.used, 0, sizeof(hw.used));
	return hw.deaf ? -EIO : 0;
}

int virtio_start(struct virtio_dev *dev, uint64_t wanted)
{
	dev->features = hw.features & wanted;
	return virtio_stop(dev);
}

uint16_t virtio_queue_max(struct virtio_dev *dev, uint16_t index)
{
	(void)dev;
	return index < max_of(hw.queues, 1u) ? hw.queue_max : 0;
}

int virtio_queue_enable(struct virtio_dev *dev, struct virtqueue *vq)
{
	assert_int_equal(vq->index, hw.vq_count);
	hw.vqs[hw.vq_count++] = vq;
	vq->events = dev->features & VIRTIO_F_EVENT_INDEX;
	return 0;
}

int virtio_ready(struct virtio_dev *dev)
{
	(void)dev;
	hw.ready = true;
	return 0;
}

bool virtio_irq_ack(struct virtio_dev *dev)
{
	(void)dev;
	return true;
}

uint32_t virtio_config32(struct virtio_dev *dev, size_t off)
{
	(void)dev;
	switch (off) {
	case CONFIG_SIZE_MAX:
		return hw.size_max;
	case CONFIG_SEG_MAX:
		return hw.seg_max;
	case CONFIG_BLK_SIZE:
		return hw.blk_size;
	case CONFIG_TOPOLOGY:
		return hw.physical_shift | 0x123400; // what is beside it is no affair of ours
	case CONFIG_QUEUES:
		return hw.queues << 16 | 0x7f01;
	case CONFIG_DISCARD_SECTORS:
		return hw.discard_max;
	case CONFIG_DISCARD_UNIT:
		return hw.discard_unit;
	case CONFIG_ZEROES_SECTORS:
		return hw.zeroes_max;
	default:
		fail_msg("there is nothing at %zu", off);
		return 0;
	}
}

uint64_t virtio_config64(struct virtio_dev *dev, size_t off)
{
	(void)dev;
	assert_int_equal(off, CONFIG_CAPACITY);
	return hw.capacity;
}

int virtio_irq_request(struct virtio_dev *dev, void (*handler)(void *arg), void *arg, const char *name)
{
	(void)dev;
	(void)name;
	hw.handler = handler;
	hw.arg = arg;
	return 0;
}

/* Takes what is new in the available ring; asks to hear of the next. */
static void rings_look(void)
{
	for (unsigned i = 0; i < hw.vq_count; i++) {
		struct virtqueue *vq = hw.vqs[i];

		while (hw.seen[i] != vq->avail[1]) {
			assert_true(hw.held_count < HELD_MAX);
			hw.held[hw.held_count++] = (struct held){vq, vq->avail[2 + hw.seen[i]++ % vq->size]};
		}
		vq->used[2 + 4 * vq->size] = hw.seen[i];
	}
}

void virtio_notify(struct virtio_dev *dev, const struct virtqueue *vq)
{
	(void)dev;
	assert_true(hw.ready);
	assert_ptr_equal(vq, hw.vqs[vq->index]);
	hw.notified++;
	rings_look();
}

/* ---- the device's own reading of a chain ---- */

struct chain {
	struct virtq_desc desc[BUFS_MAX];
	unsigned count;
	bool indirect;
};

static struct chain chain_read(struct held held)
{
	struct chain c = {0};
	const struct virtq_desc *table = (const void *)(uintptr_t)held.vq->desc;
	unsigned limit = held.vq->size, i = held.head, head = held.head;

	assert_true(head < held.vq->size);
	if (table[head].flags & 4) {
		c.indirect = true;
		limit = table[head].len / sizeof(*table);
		table = pa_to_va(table[head].addr);
		i = 0;
	}
	for (;;) {
		assert_true(i < limit && c.count < BUFS_MAX);
		c.desc[c.count++] = table[i];
		if (!(table[i].flags & 1))
			return c;
		i = table[i].next;
	}
}

/* Carries a chain out; returns the bytes it wrote. */
static uint32_t chain_run(const struct chain *c, uint8_t status)
{
	const uint32_t *header = pa_to_va(c->desc[0].addr);
	uint64_t sector;
	uint32_t written = 1;
	uint8_t *at;

	memcpy(&sector, header + 2, sizeof(sector));
	at = hw.data + sector * SECTOR_SIZE;
	assert_int_equal(c->desc[0].len, 16);
	assert_int_equal(c->desc[c->count - 1].len, 1);
	assert_true(c->desc[c->count - 1].flags & 2);
	if (header[0] == 4) {
		assert_int_equal(c->count, 2);
	} else if (header[0] == 11 || header[0] == 13) {
		const uint32_t *range = pa_to_va(c->desc[1].addr);

		assert_int_equal(c->count, 3);
		assert_int_equal(c->desc[1].len, 16);
		assert_int_equal(c->desc[1].flags & 2, 0);
		assert_int_equal(range[1] | range[3], 0);
		assert_true(range[0] + range[2] <= SECTORS);
		assert_true(range[2] <= (header[0] == 11 ? hw.discard_max : hw.zeroes_max));
		if (status == 0)
			memset(hw.data + range[0] * SECTOR_SIZE, header[0] == 11 ? 0xdc : 0,
			       (size_t)range[2] * SECTOR_SIZE);
	} else {
		assert_true(header[0] <= 1 && c->count > 2);
		for (unsigned i = 1; i + 1 < c->count; i++) {
			bool in = c->desc[i].flags & 2;

			assert_int_equal(in, header[0] == 0);
			assert_true(at + c->desc[i].len <= hw.data + sizeof(hw.data));
			if (status == 0 && in)
				memcpy(pa_to_va(c->desc[i].addr), at, c->desc[i].len);
			else if (status == 0)
				memcpy(at, pa_to_va(c->desc[i].addr), c->desc[i].len);
			at += c->desc[i].len;
			written += in ? c->desc[i].len : 0;
		}
	}
	*(uint8_t *)pa_to_va(c->desc[c->count - 1].addr) = status;
	return written;
}

static void used_put(struct virtqueue *vq, uint32_t id, uint32_t len)
{
	uint16_t *used = &hw.used[vq->index];
	uint32_t *entry = (uint32_t *)(uintptr_t)(vq->used + 2) + (size_t)2 * (*used % vq->size);

	entry[0] = id;
	entry[1] = len;
	hw.interrupts += vq->events ? vq->avail[2 + vq->size] == *used : 1;
	vq->used[1] = ++*used;
}

static void interrupt(void)
{
	unsigned long flags = irq_save();

	hw.handler(hw.arg);
	irq_restore(flags);
}

static struct held held_take(unsigned i)
{
	struct held held = hw.held[i];

	assert_true(i < hw.held_count);
	hw.held[i] = hw.held[--hw.held_count];
	return held;
}

/* Ends one request properly. */
static void finish(unsigned i, uint8_t status)
{
	struct held held = held_take(i);
	struct chain c = chain_read(held);

	used_put(held.vq, held.head, chain_run(&c, status));
}

static void finish_all(void)
{
	while (hw.held_count) {
		finish(0, 0);
		interrupt();
		rings_look();
	}
}

/* ---- the other side ---- */

struct job {
	struct blk_request req;
	struct blk_segment segments[16];
	unsigned done;
};

static void job_done(struct blk_request *req)
{
	((struct job *)req->arg)->done++;
}

/* Sectors in pieces of a frame's half each. */
static void job_submit(struct job *job, enum blk_op op, sector_t sector, unsigned pieces, uint8_t *memory)
{
	*job = (struct job){.req = {.op = op, .sector = sector, .done = job_done, .error = 1, .arg = job}};
	job->req.segments = job->segments;
	job->req.segment_count = pieces;
	job->req.sectors = pieces * 4;
	for (unsigned i = 0; i < pieces; i++)
		job->segments[i] = (struct blk_segment){.pa = va_to_pa(memory + (size_t)i * 4096), .len = 2048};
	blk_submit(blkdev_find("vda"), &job->req);
}

static void job_check(const struct job *job, int error)
{
	assert_int_equal(job->done, 1);
	assert_int_equal(job->req.error, error);
}

/* The table is read by a thread that sleeps: this one plays the device beside it. */
static void *probe_main(void *arg)
{
	assert_int_equal(virtio_blk_probe(arg), 0);
	return NULL;
}

static struct blkdev *start(uint64_t features, uint16_t queue_max)
{
	static struct virtio_dev dev = {.name = "virtio_mmio@10008000"};
	struct thread *thread;
	void *result;

	hw.features = features;
	hw.queue_max = queue_max;
	hw.capacity = SECTORS;
	assert_int_equal(thread_create("probe", THREAD_STACK_SIZE, probe_main, &dev, &thread), 0);
	for (unsigned i = 0; i < 10; i++) {
		thread_sleep_until(clock_now() + NSEC_PER_MSEC);
		if (hw.held_count)
			finish_all();
	}
	assert_int_equal(thread_join(thread, &result), 0);
	return blkdev_find("vda");
}

/* ---- an honest device ---- */

static void body_honest(void *arg)
{
	bool indirect = *(bool *)arg;
	struct blkdev *dev = start(VIRTIO_F_INDIRECT * indirect | BLK_F_FLUSH, 64);
	uint8_t *memory = wired_alloc(64 * 4096);
	struct job jobs[4], flush;

	assert_non_null(dev);
	assert_int_equal(dev->sectors, SECTORS);
	assert_int_equal(dev->block_size, 512);
	assert_true(dev->has_flush && !dev->read_only);
	assert_int_equal(dev->max_segments, indirect ? BLK_SEGMENTS_MAX : 62);
	for (unsigned i = 0; i < 64 * 4096; i++)
		memory[i] = (uint8_t)(i * 5 + (i >> 12));
	for (unsigned i = 0; i < 4; i++)
		job_submit(&jobs[i], BLK_WRITE, i * 100, 1 + i, memory + i * 16 * 4096);
	rings_look();
	assert_int_equal(hw.held_count, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(chain_read(hw.held[i]).indirect, indirect);
	finish(2, 0);
	finish(0, 0);
	interrupt();
	job_check(&jobs[2], 0);
	job_check(&jobs[0], 0);
	assert_int_equal(jobs[1].done + jobs[3].done, 0);
	finish_all();
	for (unsigned i = 0; i < 4; i++) {
		job_check(&jobs[i], 0);
		for (unsigned s = 0; s <= i; s++)
			assert_memory_equal(hw.data + (i * 100 + s * 4) * 512, memory + (i * 16 + s) * 4096, 2048);
	}
	for (unsigned i = 0; i < 4; i++)
		job_submit(&jobs[i], BLK_READ, i * 100, 1 + i, memory + (i * 16 + 8) * 4096);
	finish_all();
	for (unsigned i = 0; i < 4; i++)
		for (unsigned s = 0; s <= i; s++)
			assert_memory_equal(memory + (i * 16 + s) * 4096, memory + (i * 16 + 8 + s) * 4096, 2048);
	job_submit(&flush, BLK_FLUSH, 0, 0, NULL);
	finish_all();
	job_check(&flush, 0);

	/* Errors and a status that does not exist are no success. */
	for (unsigned status = 1; status < 256; status += 127) {
		job_submit(&jobs[0], BLK_READ, 0, 1, memory);
		for (unsigned i = 0; i < 3; i++) {
			finish(0, (uint8_t)status);
			interrupt();
		}
		job_check(&jobs[0], -EIO);
	}
}

/* Each side hears of the other once, however much there is, and of all. */
static void body_events(void *arg)
{
	uint8_t *memory = wired_alloc(32 * 4096);
	struct job jobs[24];

	(void)arg;
	start(VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_INDEX, 64);
	for (unsigned round = 0; round < 100; round++) { // indices run over several times
		hw.notified = hw.interrupts = 0;
		for (unsigned i = 0; i < 24; i++) {
			job_submit(&jobs[i], BLK_WRITE, i * 32, 1, memory + i * 4096);
			if (i == 0)
				hw.vqs[0]->used[2 + 4 * 64] = (uint16_t)(hw.seen[0] - 1); // looking anyway
		}
		assert_int_equal(hw.notified, 1);
		rings_look();
		assert_int_equal(hw.held_count, 24);
		for (unsigned i = 0; i < 24; i++)
			finish(0, 0);
		assert_int_equal(hw.interrupts, 1);
		interrupt();
		for (unsigned i = 0; i < 24; i++)
			job_check(&jobs[i], 0);
	}
}

/* A request goes into the queue of its hart, as far as there are queues; what is in the others is seen too. */
static void body_queues(void *arg)
{
	uint8_t *memory = wired_alloc(16 * 4096);
	struct job jobs[8];

	(void)arg;
	cpu_set_possible(3);
	hw.queues = 6;
	start(VIRTIO_F_INDIRECT | BLK_F_MQ, 16);
	assert_int_equal(hw.vq_count, 3);
	for (unsigned i = 0; i < 8; i++) {
		unsigned long flags = irq_save();

		hart_self()->index = i % 4;
		job_submit(&jobs[i], BLK_WRITE, i * 32, 1, memory + i * 4096);
		hart_self()->index = 0;
		irq_restore(flags);
		assert_int_equal(hw.held[i].vq->index, i % 4 % 3);
	}
	finish_all();
	for (unsigned i = 0; i < 8; i++)
		job_check(&jobs[i], 0);
	/* After a reset all are there again. */
	blkdev_find("vda")->timeout = NSEC_PER_SEC;
	job_submit(&jobs[0], BLK_READ, 0, 1, memory);
	thread_sleep_until(clock_now() + 3 * NSEC_PER_SEC);
	assert_int_equal(hw.vq_count, 3);
	rings_look();
	finish_all();
	job_check(&jobs[0], 0);
}

/* Limits as the device says them; what it cannot is not asked for. */
static void body_ranges(void *arg)
{
	struct blkdev *dev;
	uint8_t *memory = wired_alloc(32 * 4096);
	struct job job;

	(void)arg;
	hw.discard_max = 40, hw.discard_unit = 8, hw.zeroes_max = 100;
	hw.blk_size = 512, hw.physical_shift = 3, hw.seg_max = 3;
	dev = start(VIRTIO_F_INDIRECT | BLK_F_DISCARD | BLK_F_WRITE_ZEROES | BLK_F_TOPOLOGY | BLK_F_SEG_MAX, 16);
	memset(hw.data, 0x11, sizeof(hw.data));
	job_submit(&job, BLK_DISCARD, 3, 0, memory);
	job_check(&job, -EIO); // of no sectors
	job = (struct job){.req = {.op = BLK_DISCARD, .sector = 3, .sectors = 90, .done = job_done, .arg = &job}};
	blk_submit(dev, &job.req);
	rings_look();
	assert_int_equal(hw.held_count, 3); // up to 40, to 80, to 93
	finish_all();
	job_check(&job, 0);
	for (unsigned i = 0; i < 96; i++)
		assert_int_equal(hw.data[i * SECTOR_SIZE + 511], i >= 3 && i < 93 ? 0xdc : 0x11);
	job = (struct job){.req = {.op = BLK_WRITE_ZEROES, .sector = 3, .sectors = 90, .done = job_done, .arg = &job}};
	blk_submit(dev, &job.req);
	rings_look();
	assert_int_equal(hw.held_count, 1);
	finish(0, 2); // not supported after all: not tried again
	interrupt();
	assert_int_equal(hw.held_count, 0);
	job_check(&job, -EOPNOTSUPP);

	/* A write of nine segments from sector 2 on, of three a command: cut where a physical block ends. */
	job_submit(&job, BLK_WRITE, 2, 9, memory);
	rings_look();
	assert_int_equal(hw.held_count, 5);
	for (unsigned i = 0; i < 4; i++) {
		struct chain c = chain_read(hw.held[i]);
		const uint64_t *sector = (const uint64_t *)pa_to_va(c.desc[0].addr) + 1;

		assert_int_equal(*sector % 8, i == 0 ? 2 : 0);
	}
	finish_all();
	job_check(&job, 0);
}

/* More than the queue holds waits, and nothing is lost. */
static void body_small_queue(void *arg)
{
	uint8_t *memory = wired_alloc(16 * 4096);
	struct blkdev *dev = start(0, 8);
	struct job jobs[12];

	(void)arg;
	assert_int_equal(dev->max_segments, 6);
	for (unsigned i = 0; i < 12; i++)
		job_submit(&jobs[i], BLK_WRITE, i * 50, 1 + i % 9, memory);
	assert_true(hw.held_count < 4);
	finish_all();
	for (unsigned i = 0; i < 12; i++)
		job_check(&jobs[i], 0);
}

/* ---- a device that lies ---- */

enum lie { LIE_ID_HUGE, LIE_ID_FREE, LIE_ID_TWICE, LIE_LEN_HUGE, LIE_LEN_SHORT, LIE_INDEX_JUMP, LIE_INDEX_BACK, LIES };

static void lie_tell(enum lie lie)
{
	struct virtqueue *vq = hw.held[0].vq;
	uint16_t head = hw.held[0].head;
	struct chain c = chain_read(hw.held[0]);

	switch (lie) {
	case LIE_ID_HUGE:
		used_put(vq, 0x10000u + vq->size, 1);
		break;
	case LIE_ID_FREE:
		used_put(vq, (head + 1u) % vq->size, 1);
		break;
	case LIE_ID_TWICE:
		finish(0, 0);
		used_put(vq, head, 1);
		break;
	case LIE_LEN_HUGE:
		used_put(vq, head, chain_run(&c, 0) + 1);
		break;
	case LIE_LEN_SHORT:
		held_take(0);
		used_put(vq, head, chain_run(&c, 0) - 1);
		break;
	case LIE_INDEX_JUMP:
		vq->used[1] = (uint16_t)(hw.used[0] + vq->size + 1);
		break;
	case LIE_INDEX_BACK:
		vq->used[1] = (uint16_t)(hw.used[0] - 1);
		break;
	default:
		fail_msg("no such lie");
	}
	interrupt();
}

static void body_lie(void *arg)
{
	enum lie lie = *(enum lie *)arg;
	struct blkdev *dev = start(VIRTIO_F_INDIRECT | BLK_F_FLUSH, 16);
	uint8_t *memory = wired_alloc(16 * 4096);
	struct job first, second;
	unsigned resets = hw.resets;

	memset(hw.data, 0x42, sizeof(hw.data));
	dev->timeout = NSEC_PER_SEC;
	job_submit(&first, BLK_READ, 0, 3, memory);
	lie_tell(lie);
	assert_int_equal(first.done, lie == LIE_ID_TWICE); // else tried again, or waiting for the reset
	job_submit(&second, BLK_READ, 64, 3, memory + 8 * 4096);
	for (unsigned i = 0; i < 5; i++) {
		finish_all();
		thread_sleep_until(clock_now() + 2 * NSEC_PER_SEC);
	}
	job_check(&first, 0);
	job_check(&second, 0);
	assert_int_equal(hw.resets > resets, lie != LIE_LEN_SHORT);
	for (unsigned s = 0; s < 3; s++)
		assert_int_equal(memory[s * 4096 + 2047] + memory[(8 + s) * 4096], 2 * 0x42);
}

/* The rings full of rubbish, over and over; then it behaves again. */
static void body_rubbish(void *arg)
{
	unsigned seed = *(unsigned *)arg;
	struct blkdev *dev = start((seed & 1) * VIRTIO_F_INDIRECT, 16);
	uint8_t *memory = wired_alloc(16 * 4096);
	struct job jobs[8];
	unsigned good = 0;

	dev->timeout = NSEC_PER_SEC;
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 8; i++)
			job_submit(&jobs[i], i & 1 ? BLK_WRITE : BLK_READ, i * 32, 1 + i % 3, memory + i * 8192);
		for (unsigned n = 0; n < 10; n++) {
			volatile uint16_t *used = hw.vqs[0]->used;

			seed = seed * 1103515245u + 12345u;
			if (hw.held_count && seed & 0x10000)
				finish((seed >> 20) % hw.held_count, (seed >> 24) % 3 ? 0 : (uint8_t)(seed >> 18));
			else if (seed & 0x20000)
				used[2 + (seed >> 20) % (4 * hw.vqs[0]->size)] = (uint16_t)(seed >> 14);
			else if (seed & 0x40000)
				used[1] = (uint16_t)(used[1] + (seed >> 26));
			interrupt();
		}
		for (unsigned n = 0; n < 20; n++) {
			thread_sleep_until(clock_now() + 2 * NSEC_PER_SEC);
			finish_all();
		}
		for (unsigned i = 0; i < 8; i++) {
			assert_int_equal(jobs[i].done, 1);
			good += !jobs[i].req.error;
		}
	}
	assert_true(good > 100);
}

/* A device that does not come back from its reset is given up, and all that waits ends. */
static void body_deaf(void *arg)
{
	struct blkdev *dev = start(0, 16);
	uint8_t *memory = wired_alloc(16 * 4096);
	struct job jobs[8];

	(void)arg;
	dev->timeout = NSEC_PER_SEC;
	hw.deaf = true;
	for (unsigned i = 0; i < 8; i++)
		job_submit(&jobs[i], BLK_READ, i * 32, 3, memory);
	thread_sleep_until(clock_now() + 5 * NSEC_PER_SEC);
	for (unsigned i = 0; i < 8; i++)
		job_check(&jobs[i], -EIO);
}

/* ---- configurations that cannot be ---- */

static void body_config(void *arg)
{
	struct virtio_dev dev = {.name = "virtio_mmio@10008000"};

	(void)arg;
	hw.capacity = SECTORS;
	hw.queue_max = 2;
	assert_int_equal(virtio_blk_probe(&dev), -EINVAL);
	hw.queue_max = 0;
	assert_int_equal(virtio_blk_probe(&dev), -EINVAL);
	hw.queue_max = 16;
	hw.features = BLK_F_BLK_SIZE;
	static const uint32_t sizes[] = {0, 1, 511, 513, 1536, 8192, 0x80000000};

	for (unsigned i = 0; i < array_size(sizes); i++) {
		hw.blk_size = sizes[i];
		assert_int_equal(virtio_blk_probe(&dev), -EINVAL);
	}
	hw.features = BLK_F_SEG_MAX;
	assert_int_equal(virtio_blk_probe(&dev), -EINVAL);
	hw.features = BLK_F_SIZE_MAX;
	assert_int_equal(virtio_blk_probe(&dev), -EINVAL);
	hw.size_max = 511;
	assert_int_equal(virtio_blk_probe(&dev), -EINVAL);
	hw.features = 0;
	hw.capacity = UINT64_MAX;
	assert_int_equal(virtio_blk_probe(&dev), -EINVAL);
	assert_false(hw.ready); // it was stopped each time
	assert_null(blkdev_next(NULL));
}

static void test_honest(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		harness_run(&(struct harness){0}, body_honest, &(bool){i == 1});
}

static void test_events(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_events, NULL);
}

static void test_queues(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_queues, NULL);
}

static void test_ranges(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_ranges, NULL);
}

static void test_small_queue(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_small_queue, NULL);
}

static void test_lies(void **state)
{
	(void)state;
	for (enum lie lie = 0; lie < LIES; lie++)
		harness_run(&(struct harness){0}, body_lie, &lie);
}

static void test_rubbish(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 30; seed++)
		harness_run(&(struct harness){0}, body_rubbish, &seed);
}

static void test_deaf(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_deaf, NULL);
}

static void test_config(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_config, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_honest),  cmocka_unit_test(test_small_queue), cmocka_unit_test(test_events),
	    cmocka_unit_test(test_queues),  cmocka_unit_test(test_ranges),	cmocka_unit_test(test_lies),
	    cmocka_unit_test(test_rubbish), cmocka_unit_test(test_deaf),	cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
