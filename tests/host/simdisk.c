// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The simulated disk's device side: slots for transfers under way, each an event that fires when its delay is over.
 * Contents are a private mapping of the image. A spinlock guards the slots and the contents; start is called with the
 * queue's lock held, so the order is that one -> this one, and completions are called with neither.
 */
#include "tests/host/simdisk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/clock.h"
#include "arch/host/host.h"
#include "arch/irq.h"
#include "arch/page.h"
#include "kernel/spinlock.h"
#include "tests/host/simlog.h"

#define SLOTS 32
#define DELAY_MIN 20000	 // ns
#define DELAY_MAX 400000 // ns

enum slot_state { SLOT_FREE, SLOT_HELD, SLOT_POSTED };

struct slot {
	struct host_event event;
	enum slot_state state;
	struct blk_request *req;
	uint64_t started; // tick
	bool fail, torn;
	uint8_t *early; // data of a write, taken at its start
};

/* What a write replaced, should it be lost. */
struct undo {
	struct undo *older;
	uint64_t ended; // tick
	sector_t sector;
	uint32_t sectors;
	uint8_t data[];
};

static struct {
	struct simdisk config;
	struct blkdev dev;
	struct spinlock lock; // guards what is below
	uint8_t *contents;
	struct slot slots[SLOTS];
	uint64_t tick, random;
	bool hold;
	FILE *record;
	struct undo *volatile_writes; // youngest first

	struct simdisk_fault fault;
	uint64_t fault_seen, fault_fired;
	uint64_t ended[BLK_OPS]; // by enum blk_op
} sim = {.lock = SPINLOCK_INIT("sim0's device")};

static uint64_t sim_random(void)
{
	sim.random ^= sim.random << 13;
	sim.random ^= sim.random >> 7;
	sim.random ^= sim.random << 17;
	return sim.random;
}

static bool fault_due_locked(const struct simdisk_fault *fault, enum blk_op op)
{
	if (!(fault->ops & 1u << op))
		return false;
	sim.fault_seen++;
	if (sim.fault_seen < fault->from || sim.fault_seen - fault->from >= fault->count)
		return false;
	sim.fault_fired++;
	return true;
}

static void record_put(const struct simlog_entry *entry, const void *data)
{
	if (!sim.record)
		return;
	if (fwrite(entry, sizeof(*entry), 1, sim.record) != 1 ||
	    (entry->sectors && fwrite(data, SECTOR_SIZE, entry->sectors, sim.record) != entry->sectors) ||
	    fflush(sim.record) != 0)
		host_die("recording");
}

/* Of writes that ended before the tick nothing can be lost any more. */
static void undo_forget(uint64_t tick)
{
	struct undo **at = &sim.volatile_writes;

	while (*at && (*at)->ended >= tick)
		at = &(*at)->older;
	while (*at) {
		struct undo *durable = *at;

		*at = durable->older;
		free(durable);
	}
}

static void undo_note(sector_t sector, uint32_t sectors)
{
	const size_t len = (size_t)sectors * SECTOR_SIZE;
	struct undo *undo;

	if (!sim.config.lose_writes)
		return;
	undo = malloc(sizeof(*undo) + len);
	if (!undo)
		host_die("malloc");
	*undo = (struct undo){.older = sim.volatile_writes, .ended = sim.tick, .sector = sector, .sectors = sectors};
	memcpy(undo->data, sim.contents + sector * SECTOR_SIZE, len);
	sim.volatile_writes = undo;
}

/* A FLUSH has failed. */
static void lose_writes_locked(void)
{
	if (!sim.config.lose_writes)
		return;
	for (const struct undo *undo = sim.volatile_writes; undo; undo = undo->older)
		memcpy(sim.contents + undo->sector * SECTOR_SIZE, undo->data, (size_t)undo->sectors * SECTOR_SIZE);
	undo_forget(UINT64_MAX);
	sim.tick++;
	record_put(&(struct simlog_entry){.kind = SIMLOG_LOSS, .started = sim.tick, .ended = sim.tick}, NULL);
}

/* Requests as the file system submits them; the block layer does not try these again. */
static int fail_request(struct blkdev *dev, const struct blk_request *req)
{
	unsigned long flags = spin_lock(&sim.lock);
	bool due = fault_due_locked(&sim.fault, req->op);
	const int error = sim.fault.error ? sim.fault.error : -EIO;

	(void)dev;
	if (due && req->op == BLK_FLUSH)
		lose_writes_locked();
	spin_unlock(&sim.lock, flags);
	return due ? error : 0;
}

/* As a device reads: no sanitizer sees it, for a store into a page that is being written is no mistake (P4). */
static void dma_read(void *to, const void *from, size_t len)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len)::"memory");
}

/* Beyond its reach it would transfer something else. */
static void check_reach(const struct blk_request *req)
{
	for (uint32_t i = 0; i < req->segment_count && sim.dev.reach; i++)
		assert(req->segments[i].pa + req->segments[i].len - 1 <= sim.dev.reach);
}

static void gather(const struct blk_request *req, uint8_t *to)
{
	check_reach(req);
	for (uint32_t i = 0; i < req->segment_count; to += req->segments[i++].len)
		dma_read(to, pa_to_va(req->segments[i].pa), req->segments[i].len);
}

static void scatter(const struct blk_request *req, const uint8_t *from)
{
	check_reach(req);
	for (uint32_t i = 0; i < req->segment_count; from += req->segments[i++].len)
		memcpy(pa_to_va(req->segments[i].pa), from, req->segments[i].len);
}

static void write_carry_out(struct slot *slot)
{
	const struct blk_request *req = slot->req;
	uint32_t sectors = slot->fail ? (slot->torn ? req->sectors / 2 : 0) : req->sectors;
	uint8_t *data = slot->early ? slot->early : malloc((size_t)req->sectors * SECTOR_SIZE);

	if (!data)
		host_die("malloc");
	if (!slot->early)
		gather(req, data);
	undo_note(req->sector, sectors);
	memcpy(sim.contents + req->sector * SECTOR_SIZE, data, (size_t)sectors * SECTOR_SIZE);
	record_put(&(struct simlog_entry){.kind = SIMLOG_WRITE,
					  .started = slot->started,
					  .ended = sim.tick,
					  .sector = req->sector,
					  .sectors = sectors},
		   data);
	free(data);
	slot->early = NULL;
}

static void flush_carry_out(const struct slot *slot)
{
	if (slot->fail) {
		lose_writes_locked();
		return;
	}
	undo_forget(slot->started);
	if (!sim.config.drop_flush)
		record_put(&(struct simlog_entry){.kind = SIMLOG_FLUSH, .started = slot->started, .ended = sim.tick},
			   NULL);
}

/* Ends the slot's transfer; the caller completes the request once the lock is given up. */
static struct blk_request *slot_carry_out_locked(struct slot *slot, int *error)
{
	struct blk_request *req = slot->req;

	slot->state = SLOT_FREE;
	sim.tick++;
	if (req->op == BLK_READ && !slot->fail)
		scatter(req, sim.contents + req->sector * SECTOR_SIZE);
	else if (req->op == BLK_WRITE)
		write_carry_out(slot);
	else if (req->op == BLK_FLUSH)
		flush_carry_out(slot);
	sim.ended[req->op]++;
	*error = slot->fail ? -EIO : 0;
	return req;
}

static void slot_fire(struct host_event *event)
{
	unsigned long flags = spin_lock(&sim.lock);
	int error;
	struct blk_request *req = slot_carry_out_locked(container_of(event, struct slot, event), &error);

	spin_unlock(&sim.lock, flags);
	blk_complete(&sim.dev, req, error);
}

static nsec_t delay(void)
{
	return sim.config.seed ? DELAY_MIN + sim_random() % (DELAY_MAX - DELAY_MIN) : DELAY_MIN;
}

static void slot_post(struct slot *slot)
{
	slot->state = SLOT_POSTED;
	slot->event.fire = slot_fire;
	host_event_post(&slot->event, clock_now() + delay());
}

static struct slot *slot_take(void)
{
	struct slot *found = NULL;
	uint32_t busy = 0;

	for (size_t i = 0; i < SLOTS; i++) {
		if (sim.slots[i].state == SLOT_FREE)
			found = &sim.slots[i];
		else
			busy++;
	}
	return busy < sim.config.queue_depth ? found : NULL;
}

static int start_locked(struct blk_request *req)
{
	struct slot *slot = slot_take();

	if (!slot)
		return -EAGAIN;
	*slot = (struct slot){.req = req, .started = ++sim.tick};
	slot->fail = sim.fault.device && fault_due_locked(&sim.fault, req->op);
	slot->torn = slot->fail && sim.fault.torn;
	if (req->op == BLK_WRITE && sim.config.seed && sim_random() % 2) {
		slot->early = malloc((size_t)req->sectors * SECTOR_SIZE);
		if (!slot->early)
			host_die("malloc");
		gather(req, slot->early);
	}
	if (sim.hold)
		slot->state = SLOT_HELD;
	else
		slot_post(slot);
	return 0;
}

static int sim_start(struct blkdev *dev, struct blk_request *req)
{
	unsigned long flags = spin_lock(&sim.lock);
	int error = start_locked(req);

	(void)dev;
	spin_unlock(&sim.lock, flags);
	return error;
}

/*
 * Ends the slot's transfer now, if it is in one of the states (1 << state). False: its event fires just now, on another
 * hart, and ends it.
 */
static bool slot_end(struct slot *slot, unsigned states, bool fail)
{
	unsigned long flags = spin_lock(&sim.lock);
	bool wanted = states & 1u << slot->state, fires;
	struct blk_request *req = NULL;
	int error = 0;

	if (wanted)
		slot->fail |= fail;
	fires = wanted && slot->state == SLOT_POSTED && !host_event_cancel(&slot->event);
	if (wanted && !fires)
		req = slot_carry_out_locked(slot, &error);
	spin_unlock(&sim.lock, flags);
	if (req)
		blk_complete(&sim.dev, req, error);
	return !fires;
}

static void sim_poll(struct blkdev *dev)
{
	unsigned long flags = irq_save();

	(void)dev;
	for (size_t i = 0; i < SLOTS; i++)
		(void)slot_end(&sim.slots[i], 1u << SLOT_POSTED, false); // false: it ends as well
	irq_restore(flags);
}

static int sim_reset(struct blkdev *dev)
{
	unsigned long flags = spin_lock(&sim.lock);

	(void)dev;
	sim.hold = false;
	spin_unlock(&sim.lock, flags);
	flags = irq_save();
	for (size_t i = 0; i < SLOTS; i++)
		while (!slot_end(&sim.slots[i], 1u << SLOT_POSTED | 1u << SLOT_HELD, true))
			;
	irq_restore(flags);
	return 0;
}

static const struct blkdev_ops sim_ops = {.start = sim_start, .poll = sim_poll, .reset = sim_reset};

void simdisk_fail(const struct simdisk_fault *fault)
{
	unsigned long flags = spin_lock(&sim.lock);

	sim.fault = *fault;
	sim.fault_seen = sim.fault_fired = 0;
	spin_unlock(&sim.lock, flags);
	blk_fault_hook = fault->ops && !fault->device ? fail_request : NULL;
}

uint64_t simdisk_fired(void)
{
	unsigned long flags = spin_lock(&sim.lock);
	uint64_t fired = sim.fault_fired;

	spin_unlock(&sim.lock, flags);
	return fired;
}

uint64_t simdisk_count(unsigned ops)
{
	unsigned long flags = spin_lock(&sim.lock);
	uint64_t count = 0;

	for (unsigned op = 0; op < array_size(sim.ended); op++)
		count += ops & 1u << op ? sim.ended[op] : 0;
	spin_unlock(&sim.lock, flags);
	return count;
}

void simdisk_hold(bool hold)
{
	unsigned long flags = spin_lock(&sim.lock);

	sim.hold = hold;
	for (size_t i = 0; i < SLOTS; i++)
		if (!hold && sim.slots[i].state == SLOT_HELD)
			slot_post(&sim.slots[i]);
	spin_unlock(&sim.lock, flags);
}

void simdisk_peek(sector_t sector, void *buf, size_t sectors)
{
	unsigned long flags = spin_lock(&sim.lock);

	memcpy(buf, sim.contents + sector * SECTOR_SIZE, sectors * SECTOR_SIZE);
	spin_unlock(&sim.lock, flags);
}

void simdisk_poke(sector_t sector, const void *buf, size_t sectors)
{
	unsigned long flags = spin_lock(&sim.lock);

	memcpy(sim.contents + sector * SECTOR_SIZE, buf, sectors * SECTOR_SIZE);
	spin_unlock(&sim.lock, flags);
}

void simdisk_save(const char *path)
{
	const size_t size = sim.dev.sectors * SECTOR_SIZE, piece = PAGE_SIZE;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		host_die(path);
	/* Zeros stay a hole. */
	for (size_t at = 0, len; at < size; at += len) {
		const uint8_t *from = sim.contents + at;

		len = min_of(piece, size - at);
		if ((*from || memcmp(from, from + 1, len - 1)) && pwrite(fd, from, len, (off_t)at) != (ssize_t)len)
			host_die(path);
	}
	if (close(fd) < 0)
		host_die(path);
}

void simdisk_mark(uint64_t fact)
{
	unsigned long flags = spin_lock(&sim.lock);

	sim.tick++;
	record_put(&(struct simlog_entry){.kind = SIMLOG_MARK, .started = sim.tick, .ended = sim.tick, .sector = fact},
		   NULL);
	spin_unlock(&sim.lock, flags);
}

static void contents_map(void)
{
	int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;

	if (sim.config.image) {
		struct stat st;

		fd = open(sim.config.image, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			host_die(sim.config.image);
		flags = MAP_PRIVATE;
		sim.config.sectors = (sector_t)st.st_size / SECTOR_SIZE;
	}
	sim.contents =
	    mmap(NULL, sim.config.sectors * SECTOR_SIZE, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
	if (sim.contents == MAP_FAILED)
		host_die("the disk's contents");
	if (fd >= 0 && close(fd) < 0)
		host_die(sim.config.image);
}

struct blkdev *simdisk_start(const struct simdisk *config)
{
	int err;

	sim.config = *config;
	if (!sim.config.queue_depth)
		sim.config.queue_depth = 8;
	sim.random = config->seed * 0x9e3779b97f4a7c15u + 1;
	contents_map();
	if (config->record) {
		sim.record = fopen(config->record, "wb");
		if (!sim.record)
			host_die(config->record);
	}
	sim.dev = (struct blkdev){.name = "sim0",
				  .sectors = sim.config.sectors,
				  .read_only = config->read_only,
				  .has_flush = !config->no_flush,
				  .max_segments = config->max_segments ? config->max_segments : 16,
				  .max_sectors = config->max_sectors ? config->max_sectors : 1024,
				  .block_size = config->block_size ? config->block_size : SECTOR_SIZE,
				  .reach = config->reach ? HOST_MEMORY_START + config->reach * PAGE_SIZE - 1 : 0,
				  .ops = &sim_ops};
	err = blkdev_register(&sim.dev);
	if (err) {
		errno = -err;
		host_die("registering the simulated disk");
	}
	return &sim.dev;
}
