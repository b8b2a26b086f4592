// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Telling a medium that comes back as it went from one that was changed elsewhere. Nobody waits for anybody: what tells
 * is looked up under the device's lock, its sector read without, and what tells then is asked under the lock again. See
 * blkdev.h.
 */
#include <errno.h>

#include "drivers/block/blkdev.h"

static struct blkdev *whole_of(struct blkdev *dev)
{
	return dev->parent ? dev->parent : dev;
}

void blk_witness_set(struct blkdev *dev, const struct blk_witness *witness)
{
	struct blkdev *whole = whole_of(dev);
	unsigned long flags = spin_lock(&whole->lock);

	dev->witness = witness;
	spin_unlock(&whole->lock, flags);
}

/* The sector on the whole device; false: nobody tells. */
static bool witness_sector(struct blkdev *dev, sector_t *sector)
{
	struct blkdev *whole = whole_of(dev);
	unsigned long flags = spin_lock(&whole->lock);
	const struct blk_witness *witness = dev->witness;

	if (witness)
		*sector = dev->start + witness->sector;
	spin_unlock(&whole->lock, flags);
	return witness;
}

static bool witness_same(struct blkdev *dev, const void *data)
{
	struct blkdev *whole = whole_of(dev);
	unsigned long flags = spin_lock(&whole->lock);
	const struct blk_witness *witness = dev->witness;
	const bool same = !witness || witness->same(witness, data);

	spin_unlock(&whole->lock, flags);
	return same;
}

int blk_witness_check(struct blkdev *dev, int (*read)(struct blkdev *dev, sector_t sector, void *data), void *data)
{
	struct blkdev *d = NULL;

	while ((d = blkdev_next(d))) {
		sector_t sector;
		int error;

		if (whole_of(d) != dev || !witness_sector(d, &sector))
			continue;
		error = read(dev, sector, data);
		if (error)
			return error;
		if (!witness_same(d, data))
			return -ESTALE;
	}
	return 0;
}
