// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * virtio-blk and its queue against a device played by the test, which reads the rings by itself, and then lies: the
 * driver must neither touch memory by a number that the device made up, nor take a failure for data. The code is
 * included since the host build has no virtio of its own; what virtio_mmio.c does is played too.
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
	uint32_t size_max, seg_max, blk_size;
	bool deaf; // does not come back from a reset

	/* What it was told. */
	const struct virtqueue *vq;
	void (*handler)(void *arg);
	void *arg;
	bool ready;
	unsigned resets, notified;

	uint16_t seen, used; // of the available ring; put into the used ring
	uint16_t held[HELD_MAX];
	unsigned held_count;
	uint8_t data[SECTORS * SECTOR_SIZE];
} hw;

/* ---- what virtio_mmio.c and the interrupt controller would do ---- */

int virtio_stop(struct virtio_dev *dev)
{
	(void)dev;
	hw.resets++;
	hw.ready = false;
	hw.held_count = hw.seen = hw.used = 0;
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
	return index == 0 ? hw.queue_max : 0;
}

int virtio_queue_enable(struct virtio_dev *dev, const struct virtqueue *vq)
{
	(void)dev;
	hw.vq = vq;
	return 0;
}

int virtio_ready(struct virtio_dev *dev)
{
	(void)dev;
	hw.ready = true;
	return 0;
}

void virtio_irq_ack(struct virtio_dev *dev)
{
	(void)dev;
}

uint32_t virtio_config32(struct virtio_dev *dev, size_t off)
{
	(void)dev;
	return off == CONFIG_SIZE_MAX ? hw.size_max : off == CONFIG_SEG_MAX ? hw.seg_max : hw.blk_size;
}

uint64_t virtio_config64(struct virtio_dev *dev, size_t off)
{
	(void)dev;
	assert_int_equal(off, CONFIG_CAPACITY);
	return hw.capacity;
}

int irq_request(uint32_t irq, void (*handler)(void *arg), void *arg, const char *name)
{
	(void)irq;
	(void)name;
	hw.handler = handler;
	hw.arg = arg;
	return 0;
}

/* Takes what is new in the available ring. */
void virtio_notify(struct virtio_dev *dev, const struct virtqueue *vq)
{
	(void)dev;
	assert_true(hw.ready);
	hw.notified++;
	while (hw.seen != vq->avail[1]) {
		assert_true(hw.held_count < HELD_MAX);
		hw.held[hw.held_count++] = vq->avail[2 + hw.seen++ % vq->size];
	}
}

/* ---- the device's own reading of a chain ---- */

struct chain {
	struct virtq_desc desc[BUFS_MAX];
	unsigned count;
	bool indirect;
};

static struct chain chain_read(uint16_t head)
{
	struct chain c = {0};
	const struct virtq_desc *table = (const void *)(uintptr_t)hw.vq->desc;
	unsigned limit = hw.vq->size, i = head;

	assert_true(head < hw.vq->size);
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

static void used_put(uint32_t id, uint32_t len)
{
	uint32_t *entry = (uint32_t *)(uintptr_t)(hw.vq->used + 2) + (size_t)2 * (hw.used % hw.vq->size);

	entry[0] = id;
	entry[1] = len;
	hw.vq->used[1] = ++hw.used;
}

static void interrupt(void)
{
	unsigned long flags = irq_save();

	hw.handler(hw.arg);
	irq_restore(flags);
}

static uint16_t held_take(unsigned i)
{
	uint16_t head = hw.held[i];

	assert_true(i < hw.held_count);
	hw.held[i] = hw.held[--hw.held_count];
	return head;
}

/* Ends one request properly. */
static void finish(unsigned i, uint8_t status)
{
	uint16_t head = held_take(i);
	struct chain c = chain_read(head);

	used_put(head, chain_run(&c, status));
}

static void finish_all(void)
{
	while (hw.held_count) {
		finish(0, 0);
		interrupt();
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
	uint16_t head = hw.held[0];
	struct chain c = chain_read(head);

	switch (lie) {
	case LIE_ID_HUGE:
		used_put(0x10000u + hw.vq->size, 1);
		break;
	case LIE_ID_FREE:
		used_put((head + 1u) % hw.vq->size, 1);
		break;
	case LIE_ID_TWICE:
		finish(0, 0);
		used_put(head, 1);
		break;
	case LIE_LEN_HUGE:
		used_put(head, chain_run(&c, 0) + 1);
		break;
	case LIE_LEN_SHORT:
		held_take(0);
		used_put(head, chain_run(&c, 0) - 1);
		break;
	case LIE_INDEX_JUMP:
		hw.vq->used[1] = (uint16_t)(hw.used + hw.vq->size + 1);
		break;
	case LIE_INDEX_BACK:
		hw.vq->used[1] = (uint16_t)(hw.used - 1);
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
			volatile uint16_t *used = hw.vq->used;

			seed = seed * 1103515245u + 12345u;
			if (hw.held_count && seed & 0x10000)
				finish((seed >> 20) % hw.held_count, (seed >> 24) % 3 ? 0 : (uint8_t)(seed >> 18));
			else if (seed & 0x20000)
				used[2 + (seed >> 20) % (4 * hw.vq->size)] = (uint16_t)(seed >> 14);
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
	    cmocka_unit_test(test_honest),  cmocka_unit_test(test_small_queue), cmocka_unit_test(test_lies),
	    cmocka_unit_test(test_rubbish), cmocka_unit_test(test_deaf),	cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
