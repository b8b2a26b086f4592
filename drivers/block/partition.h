// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "drivers/block/blkdev.h"

/* Reads the partition table of a whole device and announces what it says; logs what is wrong with it. Sleeps. */
void partition_scan(struct blkdev *whole);

/* block.c: announces a partition; name, start, sectors, number and what identifies it are set. */
void blkdev_add_partition(struct blkdev *whole, struct blkdev *part);
