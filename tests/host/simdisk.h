// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A simulated disk in memory: completions are delayed and reordered by seed, the nth transfer fails, writes stay
 * volatile until a FLUSH issued after their completion ends. Every start and end of a transfer has a number, the tick.
 * The recording of a run can be turned into the image that a power cut at any tick might have left (simlog.h).
 */
#pragma once

#include "drivers/block/blkdev.h"

/* What a disk is made with; all zero but one of image and sectors is fine. */
struct simdisk {
	const char *image;	  // file it starts with, not written to; NULL: zeros
	sector_t sectors;	  // 0: the image's
	uint32_t block_size;	  // 0: 512
	uint32_t max_segments;	  // 0: 16
	uint32_t max_sectors;	  // of a transfer; 0: 1024
	uint32_t queue_depth;	  // transfers under way before start says -EAGAIN; 0: 8
	size_t reach;		  // frames of RAM, from its start, that it transfers from and to; 0: all
	bool read_only, no_flush; // no_flush: the device has no volatile cache
	uint64_t seed;		  // delays, and whether data is taken at start or end; 0: constant delay, in order
	const char *save;	  // file that the contents are written to when the run's body returns; NULL: nowhere
	const char *record;	  // file for the recording; NULL: none
	bool drop_flush;	  // FLUSH succeeds and does nothing, in the recording's eyes
	bool lose_writes;	  // a FLUSH that fails loses what was written since the last good one
};

/* Makes and registers "sim0". In a run only, once. */
struct blkdev *simdisk_start(const struct simdisk *config);

/*
 * Of the requests of the kinds in ops (1 << op), those numbered from .. from+count-1 (the first after this call is 1)
 * end with `error`, or -EIO if that is 0. They are counted and failed where they enter the block layer; with `device`
 * in the device, where the block layer's retries see it too, and a write may have transferred half of its sectors
 * (torn).
 */
struct simdisk_fault {
	unsigned ops;
	uint64_t from, count;
	bool device, torn;
	int error; // negative errno; not in the device, where it is -EIO
};
void simdisk_fail(const struct simdisk_fault *fault);
uint64_t simdisk_fired(void);	      // how many have failed so since simdisk_fail
uint64_t simdisk_count(unsigned ops); // transfers of these kinds ended since the start

/* Transfers that start from now on do not end until released (true, then false). */
void simdisk_hold(bool hold);

/* The present contents (all writes that have ended). */
void simdisk_peek(sector_t sector, void *buf, size_t sectors);
void simdisk_poke(sector_t sector, const void *buf, size_t sectors);
void simdisk_save(const char *path);

/* Puts a fact of the test into the recording: from this tick on it must survive. */
void simdisk_mark(uint64_t fact);
