// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Block devices. A request is a run of sectors and a list of memory segments. It is submitted, merged with adjacent
 * ones where that helps, carried out by the driver with scatter-gather, and completed from the interrupt. FLUSH is a
 * request: its completion means that every write completed before it was submitted is on stable media (I7).
 * Time-outs and retries are here, in one place. Partitions are devices over a part of another.
 */
#pragma once

#include "kernel/wait.h"
#include "lib/list.h"
#include "lib/types.h"

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD };

struct blk_segment {
	paddr_t pa;
	uint32_t len; // bytes, a multiple of 512
};

#define BLK_SEGMENTS_MAX 128 // a request's: 512 KiB of single frames

struct blkdev;

/*
 * Owned by the submitter before submission and from the start of `done`; by the block layer between. Memory of the
 * request and its segments stays valid and still between. `done` runs in interrupt context (or the submitter's, on a
 * polled path), must not sleep, and may free or reuse the request.
 */
struct blk_request {
	enum blk_op op;
	sector_t sector; // of the device submitted to
	uint32_t sectors;
	struct blk_segment *segments;
	uint32_t segment_count;
	void (*done)(struct blk_request *req);
	void *arg; // the submitter's
	int error; // set before done: 0, -EIO, -ENOSPC (device full), -EROFS, -ENODEV

	/* The block layer's. */
	struct blkdev *dev;
	struct list_node node;
	nsec_t submitted;
	unsigned attempts;
};

struct blkdev_ops {
	/*
	 * Starts req; -EAGAIN: no room, the queue offers it again after the next completion. Called with the queue's
	 * lock held. Ends with blk_complete.
	 */
	int (*start)(struct blkdev *dev, struct blk_request *req);
	/* Looks for completions without an interrupt; for time before interrupts are on and for panic. */
	void (*poll)(struct blkdev *dev);
	/* Brings a hung device back; every request under way is completed with -EIO or started again. 0 or -EIO. */
	int (*reset)(struct blkdev *dev);
};

struct blkdev_stats {
	uint64_t reads, read_sectors, writes, write_sectors, flushes, errors, merged;
};

struct blkdev {
	char name[16];
	sector_t sectors;
	bool read_only;
	bool has_flush;		      // false: writes are stable when complete, FLUSH is a success at once
	uint32_t max_segments;	      // of the driver, <= BLK_SEGMENTS_MAX
	uint32_t max_sectors;	      // of one request
	uint32_t block_size;	      // logical, bytes: 512 .. 4096
	const struct blkdev_ops *ops; // NULL for a partition
	void *driver;

	struct blkdev *parent; // partition: the whole device and where it starts there
	sector_t start;
	uint32_t number; // 1.. for partitions, 0 for the whole
	uint8_t type_mbr;
	uint8_t uuid[16]; // GPT: unique partition GUID as on disk; MBR: disk signature and number
	char label[40];	  // GPT name, ASCII

	struct spinlock lock;	// guards all below
	struct list_node queue; // waiting, sorted by sector within their direction
	struct list_node started;
	unsigned in_flight;
	struct blkdev_stats stats;
	struct list_node node; // list of all devices
};

/* Announces a device: reads its partition table (MBR, GPT, or none) and makes the partitions. May sleep. */
int blkdev_register(struct blkdev *dev);
struct blkdev *blkdev_find(const char *name);
/* Iteration in order of registration: NULL starts and ends. */
struct blkdev *blkdev_next(struct blkdev *after);

/* Checks the range (-EIO through done if outside, -EROFS), queues, starts what can start. Any context. */
void blk_submit(struct blkdev *dev, struct blk_request *req);

/* One synchronous request on memory of the linear map. May sleep. For mount time, metadata and tests. */
int blk_read(struct blkdev *dev, sector_t sector, void *buf, uint32_t sectors);
int blk_write(struct blkdev *dev, sector_t sector, const void *buf, uint32_t sectors);
/* Completion of everything completed before this call is stable when it returns 0. */
int blk_flush(struct blkdev *dev);

/* For drivers: req is done; starts what waited. Any context, without the queue's lock. */
void blk_complete(struct blkdev *dev, struct blk_request *req, int error);

/*
 * Test hook at the top of blk_submit, before the driver: NULL or a function that returns 0 to let the request pass or
 * a negative errno to fail it. Set only by tests.
 */
extern int (*blk_fault_hook)(struct blkdev *dev, const struct blk_request *req);
