// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Block devices. A request is a run of sectors and a list of memory segments. It is submitted, merged with adjacent
 * ones where that helps, carried out by the driver with scatter-gather, and completed from the interrupt. FLUSH is a
 * request: its completion means that every write completed before it was submitted is on stable media (I7).
 * Time-outs and retries are here, in one place; a FLUSH is never retried, and the first one after a reset that may have
 * lost writes fails. Partitions are devices over a part of another.
 *
 * Requests are carried out in any order and beside each other: whoever needs one after another waits for the first.
 * Which goes first is said by their priority; one that has waited for long goes before others, so nothing starves.
 */
#pragma once

#include <stdatomic.h>

#include "kernel/wait.h"
#include "lib/list.h"
#include "lib/types.h"

/*
 * DISCARD: the range is of no use any more, and is anything when read until it is written. WRITE_ZEROES: it is zeros.
 * Both have no memory.
 */
enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_WRITE_ZEROES };
#define BLK_OPS 5

/*
 * BLK_URGENT: a thread cannot go on without it (a page fault's read); BLK_BACKGROUND: nobody waits. What is less
 * urgent has its turn all the same once it has waited for long (io.c). A FLUSH goes before all.
 */
enum blk_priority { BLK_NORMAL, BLK_URGENT, BLK_BACKGROUND };
#define BLK_PRIORITIES 3

struct blk_segment {
	paddr_t pa;
	uint32_t len; // bytes, a multiple of the device's block size
};

#define BLK_SEGMENTS_MAX 256 // a request's: 1 MiB of single frames
#define BLK_DEPTH_MAX 64

struct blkdev;

/*
 * Owned by the submitter before submission and from the start of `done`; by the block layer between. Memory of the
 * request and its segments stays valid and still between. `done` runs in interrupt context (or the submitter's, on a
 * polled path), must not sleep, and may free or reuse the request.
 */
struct blk_request {
	enum blk_op op;
	enum blk_priority priority;
	sector_t sector; // of the device submitted to
	uint32_t sectors;
	struct blk_segment *segments;
	uint32_t segment_count;
	void (*done)(struct blk_request *req);
	void *arg; // the submitter's
	int error; // set before done: 0, -EIO, -ENOSPC (device full), -EROFS, -ENODEV, -EINVAL (unaligned), -EFAULT
		   // (out of reach), -EOPNOTSUPP

	/*
	 * The driver's, of a read or write that it ends well, set before blk_complete: how the data went. Both are 0
	 * when it gets the request.
	 */
	uint32_t cpu_bytes; // moved by the CPU; the rest by DMA
	uint32_t bounced;   // frames that were copied, since the device could not transfer from or to them

	/* The block layer's. */
	struct blkdev *dev;
	struct list_node node;
	struct list_node age; // among those of its priority
	nsec_t since;	      // when it was submitted
	sector_t at;	      // where it starts on the whole device
	uint32_t issued;      // sectors that have become I/Os; less than `sectors` while the driver's limits split it
	uint32_t parts;	      // I/Os under way for parts of it
	unsigned attempts;
	nsec_t tried; // since when, if there were any
};

struct blkdev_ops {
	/*
	 * Starts req, whose segments respect the limits below, and which ends with blk_complete, not before this
	 * returns (the queue's lock is held). -EAGAIN: no room, the queue offers it again after the next completion.
	 */
	int (*start)(struct blkdev *dev, struct blk_request *req);
	/* Looks for completions without an interrupt; for time before interrupts are on and for panic. */
	void (*poll)(struct blkdev *dev);
	/*
	 * Brings a hung device back; completes every request under way with -EIO (the queue tries them again). 0, or
	 * -EIO: the device is given up. Thread context or a polled path, nothing locked.
	 */
	int (*reset)(struct blkdev *dev);
};

/* Requests that ended well, as they were submitted. */
struct blk_op_stats {
	uint64_t requests, sectors;
	uint64_t merged; // of the requests: went in one with another
	nsec_t time;	 // from when each was submitted to its end
};

/* What a device's driver met and went on after: damaged transfers, answers that did not come in time, errors that the
 * device itself reported, changes to a slower mode, new starts of the device. */
enum blk_trouble { BLK_DAMAGED, BLK_LATE, BLK_DEVICE_ERROR, BLK_SLOWER, BLK_RESTARTED };
#define BLK_TROUBLES 5

struct blkdev_stats {
	struct blk_op_stats op[BLK_OPS];
	uint64_t errors; // requests that failed
	nsec_t busy;	 // time with a request under way or waiting

	/* Of the whole device. */
	uint64_t commands[BLK_OPS]; // what the driver was given, each attempt
	uint64_t split, retries, resets;
	uint64_t unreachable; // requests refused because of memory beyond its reach
	uint64_t dma_bytes, cpu_bytes, bounced;
	uint64_t troubles[BLK_TROUBLES];
};

/* As of now; pending: requests that have not ended. Any context. */
void blk_stats(struct blkdev *dev, struct blkdev_stats *out, unsigned *pending);

/*
 * For who keeps in memory what a removable medium holds, a file system: how to tell that nobody changed that while it
 * was away. The driver looks when it is back, before anything else is read or written.
 */
struct blk_witness {
	sector_t sector; // that tells, of the device that it is set for
	/* Whether these SECTOR_SIZE bytes are as they were left. Does not sleep; the device's lock is held. */
	bool (*same)(const struct blk_witness *witness, const void *data);
};

struct blk_io; // what the driver has: merged requests, or a part of a large one

struct blkdev {
	/* The driver's, before blkdev_register; constant then. */
	char name[16];
	sector_t sectors;
	bool read_only;
	bool has_flush;		      // false: writes are stable when complete, FLUSH is a success at once
	uint32_t max_segments;	      // of one request to the driver, 1 .. BLK_SEGMENTS_MAX
	uint32_t max_segment_bytes;   // 0: any
	uint32_t max_sectors;	      // of one request to the driver
	uint32_t depth;		      // requests that the driver takes at once, up to BLK_DEPTH_MAX; 0: 16
	uint32_t max_discard_sectors; // of one DISCARD; 0: there is none
	uint32_t discard_unit;	      // sectors: a larger DISCARD is cut at multiples of it; 0: anywhere
	uint32_t max_zeroes_sectors;  // of one WRITE_ZEROES; 0: there is none
	uint32_t block_size;	      // logical, bytes: 512 .. 4096
	uint32_t physical_sectors;    // a request that is split is cut at multiples of it, where it can be; 0: anywhere
	nsec_t timeout;		      // of one request to the driver; 0: 30 s
	paddr_t reach;		      // last byte of memory that it can transfer from and to; 0: any
	const struct blkdev_ops *ops; // NULL for a partition
	void *driver;

	/* Partitions (partition.c); constant once announced. */
	struct blkdev *parent; // the whole device, and where it starts there
	sector_t start;
	uint32_t number; // 1.. for partitions, 0 for the whole
	uint8_t type_mbr;
	uint8_t uuid[16]; // GPT: unique partition GUID as on disk; MBR: disk signature and number
	char label[40];	  // GPT name, ASCII

	struct list_node node;		      // list of all devices, guarded by the list's lock
	atomic_uint_least64_t flush_failures; // of a whole device

	/* All below is guarded by lock, a partition's first two by the lock of its whole device. */
	struct spinlock lock;
	struct blkdev_stats stats;
	const struct blk_witness *witness;	  // NULL: nobody minds
	unsigned pending;			  // requests that have not ended,
	nsec_t busy_since;			  // and since when there are any
	struct list_node waiting[BLK_OPS];	  // requests; all but those of FLUSH sorted by sector,
	struct list_node aged[BLK_PRIORITIES];	  // and the same, oldest first
	unsigned queued[BLK_PRIORITIES][BLK_OPS]; // how many
	struct list_node ready;			  // I/Os to be tried again, which go first
	struct list_node started;		  // I/Os that the driver has
	struct list_node free;			  // I/Os
	unsigned in_flight;			  // length of started
	enum blk_op direction;			  // which of the operations has its turn,
	unsigned batch;				  // for how many I/Os already
	bool late_turn;				  // the last turn was of one that had waited for long
	sector_t head[BLK_OPS];			  // where the last one ended
	bool flushing;				  // one FLUSH at a time: those that come meanwhile share the next
	bool resetting;				  // nothing is started
	bool stalled;				  // the driver has no room: nothing is started before something ends
	bool dead;				  // reset failed: everything ends with -EIO
	bool unflushed;				  // a write completed since the last FLUSH started
	bool lost_writes;			  // a reset may have lost some of those: the next FLUSH must fail
};

/*
 * Announces a device: sees to it that memory for transfers is where it reaches, takes what its queue will ever need,
 * reads its partition table (MBR, GPT, or none) and
 * makes the partitions. 0, -ENOMEM, -EINVAL (limits). A table that cannot be read is logged and leaves no partitions.
 * May sleep.
 */
int blkdev_register(struct blkdev *dev);
struct blkdev *blkdev_find(const char *name);
/* Iteration in order of registration: NULL starts and ends. */
struct blkdev *blkdev_next(struct blkdev *after);

/*
 * Checks the range (-EIO through done if outside, -EROFS), queues, starts what can start. Any context. `done` may be
 * called before this returns.
 */
void blk_submit(struct blkdev *dev, struct blk_request *req);
/*
 * The same for all requests of a list (blk_request.node), which is left empty. Nothing is started before all are
 * queued, so that neighbours become one command: plugging.
 */
void blk_submit_list(struct blkdev *dev, struct list_node *requests);

/*
 * How many segments, of at most max, the pieces of a long run best have, so that merged ones fill what the driver takes
 * at once.
 */
uint32_t blk_piece_segments(const struct blkdev *dev, uint32_t max);

/*
 * One synchronous request on memory of the linear map. Sleeps, or polls the device where it cannot (start-up, panic).
 * For mount time, metadata and tests.
 */
int blk_read(struct blkdev *dev, sector_t sector, void *buf, uint32_t sectors);
int blk_write(struct blkdev *dev, sector_t sector, const void *buf, uint32_t sectors);
/* Completion of everything completed before this call is stable when it returns 0. */
int blk_flush(struct blkdev *dev);
/* -EOPNOTSUPP: the device cannot. */
int blk_discard(struct blkdev *dev, sector_t sector, uint32_t sectors);
int blk_write_zeroes(struct blkdev *dev, sector_t sector, uint32_t sectors);
/*
 * For a panic: one request, by polling, whoever holds which lock (spin_emergency). -ETIMEDOUT: it had not ended at the
 * deadline, and nothing may be asked for any more. buf is memory of the linear map, NULL for a FLUSH.
 */
int blk_run_polled(struct blkdev *dev, enum blk_op op, sector_t sector, void *buf, uint32_t sectors, nsec_t deadline);
/*
 * How many FLUSHes of the whole device have failed. Each failure is counted before another FLUSH starts: who saw the
 * same count before a write was submitted and after a good FLUSH knows that no failure came between.
 */
uint64_t blk_flush_failures(struct blkdev *dev);

/* For drivers: req, as given to start, is done; starts what waited. Any context, without the queue's lock. */
void blk_complete(struct blkdev *dev, struct blk_request *req, int error);

/*
 * For drivers, of a whole device: what was written since the last FLUSH began may be lost, since the device lost its
 * power. The next FLUSH fails. Any context, without the queue's lock.
 */
void blk_writes_lost(struct blkdev *dev);
/* Sets who tells, or NULL. It stays in place until another is set. Any context, without the queue's lock. */
void blk_witness_set(struct blkdev *dev, const struct blk_witness *witness);
/*
 * For drivers, of a whole device that is back: asks who tells, for it and its partitions, with one sector each from
 * `read` in `data`, of SECTOR_SIZE. 0; -ESTALE: it was changed; read's errors. Sleeps if read does.
 */
int blk_witness_check(struct blkdev *dev, int (*read)(struct blkdev *dev, sector_t sector, void *data), void *data);
/* For drivers: counts one. Any context, without the queue's lock. */
void blk_count_trouble(struct blkdev *dev, enum blk_trouble trouble);

/*
 * Time-outs as of `now`: a device that keeps a request for longer is polled, then reset. True if anything is under way.
 * The block layer's own thread calls it each second while there is I/O.
 */
bool blk_check_timeouts(nsec_t now);

/*
 * Test hook at the top of blk_submit, before the driver: NULL or a function that returns 0 to let the request pass or
 * a negative errno to fail it. Set only by tests.
 */
extern int (*blk_fault_hook)(struct blkdev *dev, const struct blk_request *req);
