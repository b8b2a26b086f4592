// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A block device that does nothing by itself: it keeps what it is given until the test completes it, in any order, with
 * any error. And requests of a test's, which count how often they ended. For one hart.
 */
#pragma once

#include "drivers/block/blkdev.h"

#define SECTORS 2048
#define HELD_MAX 64
#define LOG_MAX 256
#define SEGMENTS 8

extern struct fake {
	struct blkdev blk;
	unsigned depth;	 // requests it takes before -EAGAIN
	int start_error; // what start returns instead, always if start_nth is 0, else that time only
	unsigned start_nth, starts;
	int reset_error;	   // what reset returns
	bool poll_completes;	   // poll ends everything
	sector_t bad_from, bad_to; // requests that touch these sectors end with -EIO when polled
	unsigned polls, resets;

	struct blk_request *held[HELD_MAX];
	unsigned held_count;
	struct started {
		enum blk_op op;
		sector_t sector;
		uint32_t sectors, segments;
	} log[LOG_MAX];
	unsigned log_count;
	uint8_t data[SECTORS * SECTOR_SIZE];
} fake;

/* Limits that a test may change before it registers. */
void fake_make(void);
/* Registers; the partition table is read by polling. From then on nothing ends by itself. */
void fake_register(void);
/* Ends the request at place i of those that the device keeps; all of them, in order. */
void fake_end(unsigned i, int error);
void fake_end_all(void);

struct job {
	struct blk_request req;
	struct blk_segment segments[SEGMENTS];
	unsigned done;
};

uint8_t *memory_take(size_t frames);
void job_done(struct blk_request *req); // counts
/* What job_submit submits. Without memory it has no segments. */
void job_prepare(struct job *job, enum blk_op op, sector_t sector, uint32_t sectors, void *memory);
void job_submit(struct blkdev *dev, struct job *job, enum blk_op op, sector_t sector, uint32_t sectors, void *memory);
void job_check(const struct job *job, int error);
/* What the device was given as its ith since it was registered. */
void started_check(unsigned i, enum blk_op op, sector_t sector, uint32_t sectors);
