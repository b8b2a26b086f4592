// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Block devices as files: /dev/<name> of each device and partition, in the page cache, readable, writable, mappable.
 * What is mounted is not written by others: a device is mounted, or open for writing. Its pages, and so what they say,
 * live as long as it is open or mapped: what was written is on the card after the last close, and who opens it sees the
 * card as it is then.
 */
#pragma once

#include "fs/synth.h"

#define BLKFILE_MAJOR 120u // of st_rdev; the minor is the number of the device, in order of registration
#define BLKFILES_MAX 64u   // devices that are shown

/* The nth device's row in /dev, or NULL. Does not sleep. */
const struct synth *blkfile_nth(unsigned n);
/* Of st_rdev. */
static inline unsigned blkfile_rdev(unsigned n)
{
	return BLKFILE_MAJOR << 8 | n;
}

/*
 * Before a mount of the device: from now on nobody opens it, its whole disk or a part of it for writing. -EBUSY:
 * somebody has, or has mapped it writable; or a part of it is mounted. blkfile_unclaim ends it. Neither sleeps for I/O.
 */
int blkfile_claim(const struct blkdev *dev);
void blkfile_unclaim(const struct blkdev *dev);

void blkfiles_init(void);
