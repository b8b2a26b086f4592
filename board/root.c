// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Choice of the root file system. Thread context; sleeps. */

#include "board/root.h"

#include <errno.h>
#include <string.h>

#include "drivers/block/blkdev.h"
#include "fs/fs.h"
#include "kernel/bootargs.h"
#include "kernel/log.h"
#include "mm/kmalloc.h"

#define SUPERBLOCK_SECTOR 2u // whatever the block size
#define MAGIC_OFFSET 56
#define MAGIC 0xef53
#define PROBE_SECTORS 8u // a whole number of the largest logical blocks

/* 1: has an ext2 superblock, 0: has not, or the error of reading it. */
static int has_ext2(struct blkdev *dev)
{
	uint8_t *buf;
	const uint8_t *magic;
	int found;

	if (dev->sectors < PROBE_SECTORS)
		return 0;
	buf = kmalloc(PROBE_SECTORS * SECTOR_SIZE);
	if (!buf)
		return -ENOMEM;
	found = blk_read(dev, 0, buf, PROBE_SECTORS);
	magic = buf + SUPERBLOCK_SECTOR * SECTOR_SIZE + MAGIC_OFFSET;
	if (!found)
		found = (magic[0] | magic[1] << 8) == MAGIC;
	kfree(buf);
	return found;
}

/* First of the partitions, or of the whole disks, with an ext2; NULL: none. */
static struct blkdev *first_ext2(bool partitions)
{
	for (struct blkdev *dev = blkdev_next(NULL); dev; dev = blkdev_next(dev)) {
		int found;

		if ((dev->number > 0) != partitions)
			continue;
		found = has_ext2(dev);
		if (found > 0)
			return dev;
		if (found < 0)
			log_error("%s: cannot be read (error %d): is the card all right?", dev->name, -found);
	}
	return NULL;
}

static void devices_list(void)
{
	for (struct blkdev *dev = blkdev_next(NULL); dev; dev = blkdev_next(dev))
		log_error("%s: %lu KiB%s", dev->name, dev->sectors / 2, dev->number ? ", a partition" : "");
}

static struct blkdev *root_find(void)
{
	struct blkdev *dev;
	char name[sizeof(dev->name)];
	int len = bootargs_get("root", name, sizeof(name));

	if (!blkdev_next(NULL)) {
		log_error("no block device: put in a card, or give QEMU a disk (-device virtio-blk-device,drive=...)");
		return NULL;
	}
	if (len != -ENOENT) {
		dev = len < 0 ? NULL : blkdev_find(strncmp(name, "/dev/", 5) ? name : name + 5);
		if (!dev) {
			log_error("root=%s: there is no such device; these there are:", len < 0 ? "(too long)" : name);
			devices_list();
		}
		return dev;
	}
	dev = first_ext2(true);
	if (!dev)
		dev = first_ext2(false);
	if (!dev) {
		log_error("no partition with ext2: make one with mke2fs, or a whole card with ./cairn image");
		devices_list();
	}
	return dev;
}

int root_mount(void)
{
	struct blkdev *dev = root_find();
	int err;

	if (!dev)
		return -ENODEV;
	err = fs_mount_root(dev, false);
	if (err == -EROFS)
		err = fs_mount_root(dev, true);
	/* fs/ has named the trouble and the way out of it, but for this. */
	if (err == -ENOMEM)
		log_error("%s: not mounted: too little memory", dev->name);
	return err;
}
