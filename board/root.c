// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Choice of the root file system: what root= of the boot arguments names, or the first ext2 that there is. Thread
 * context; sleeps.
 */

#include "board/root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "drivers/block/blkdev.h"
#include "fs/fs.h"
#include "kernel/bootargs.h"
#include "kernel/log.h"
#include "mm/kmalloc.h"

#define SUPERBLOCK_SECTOR 2u // whatever the block size
#define MAGIC_OFFSET 56
#define MAGIC 0xef53
#define UUID_OFFSET 104
#define LABEL_OFFSET 120
#define LABEL_SIZE 16
#define PROBE_SECTORS 8u // a whole number of the largest logical blocks
#define UUID_TEXT 37	 // with the NUL

/* What an ext2 says of itself. */
struct ext2_id {
	char uuid[UUID_TEXT], label[LABEL_SIZE + 1];
};

static void uuid_text(const uint8_t *b, char *out)
{
	char *p = out;

	for (unsigned i = 0; i < 16; i++)
		p += snprintf(p, (size_t)(out + UUID_TEXT - p), "%s%02x",
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
}

/* As Linux writes it: of GPT, whose first three fields are little-endian, or disk and number of an MBR. */
static void partuuid_text(const struct blkdev *dev, char *out)
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	uint8_t bytes[16];
	uint32_t disk;

	memcpy(&disk, dev->uuid, sizeof(disk));
	for (unsigned i = 0; i < 16; i++)
		bytes[i] = dev->uuid[order[i]];
	if (dev->type_mbr)
		snprintf(out, UUID_TEXT, "%08x-%02x", (unsigned)disk, (unsigned)dev->number);
	else
		uuid_text(bytes, out);
}

/* 1: has an ext2 superblock, 0: has not, or the error of reading it. */
static int probe(struct blkdev *dev, struct ext2_id *id)
{
	const uint8_t *super;
	uint8_t *buf;
	int found;

	if (dev->sectors < PROBE_SECTORS)
		return 0;
	buf = kmalloc(PROBE_SECTORS * SECTOR_SIZE);
	if (!buf)
		return -ENOMEM;
	found = blk_read(dev, 0, buf, PROBE_SECTORS);
	super = buf + SUPERBLOCK_SECTOR * SECTOR_SIZE;
	if (!found)
		found = (super[MAGIC_OFFSET] | super[MAGIC_OFFSET + 1] << 8) == MAGIC;
	if (found > 0) {
		uuid_text(super + UUID_OFFSET, id->uuid);
		memcpy(id->label, super + LABEL_OFFSET, LABEL_SIZE);
		id->label[LABEL_SIZE] = 0;
	}
	kfree(buf);
	return found;
}

/* ---- what root= may say ---- */

static bool is_partuuid(struct blkdev *dev, const struct ext2_id *id, const char *value)
{
	char text[UUID_TEXT];

	(void)id;
	if (dev->number == 0)
		return false;
	partuuid_text(dev, text);
	return !strcasecmp(text, value);
}

static bool is_uuid(struct blkdev *dev, const struct ext2_id *id, const char *value)
{
	(void)dev;
	return !strcasecmp(id->uuid, value);
}

static bool is_label(struct blkdev *dev, const struct ext2_id *id, const char *value)
{
	(void)dev;
	return !strcmp(id->label, value);
}

static bool is_any(struct blkdev *dev, const struct ext2_id *id, const char *value)
{
	(void)dev;
	(void)id;
	(void)value;
	return true;
}

static const struct tag {
	const char *name;
	bool (*matches)(struct blkdev *dev, const struct ext2_id *id, const char *value);
	bool of_ext2; // others need not have one
} tags[] = {{"PARTUUID=", is_partuuid, false}, {"UUID=", is_uuid, true}, {"LABEL=", is_label, true}},
  any_ext2 = {"", is_any, true};

/* First of the partitions, or of the whole disks, that matches; NULL: none. */
static struct blkdev *first_of(bool partitions, const struct tag *tag, const char *value)
{
	for (struct blkdev *dev = blkdev_next(NULL); dev; dev = blkdev_next(dev)) {
		struct ext2_id id;
		int found;

		if ((dev->number > 0) != partitions)
			continue;
		found = tag->of_ext2 ? probe(dev, &id) : 1;
		if (found > 0 && tag->matches(dev, &id, value))
			return dev;
		if (found < 0)
			log_error("%s: cannot be read (error %d): is the card all right?", dev->name, -found);
	}
	return NULL;
}

static struct blkdev *first_matching(const struct tag *tag, const char *value)
{
	struct blkdev *dev = first_of(true, tag, value);

	return dev ? dev : first_of(false, tag, value);
}

/* NULL: nothing is so called. */
static struct blkdev *named(const char *name)
{
	for (size_t i = 0; i < array_size(tags); i++) {
		const size_t len = strlen(tags[i].name);

		if (!strncmp(name, tags[i].name, len))
			return first_matching(&tags[i], name + len);
	}
	return blkdev_find(strncmp(name, "/dev/", 5) ? name : name + 5);
}

static void devices_list(void)
{
	for (struct blkdev *dev = blkdev_next(NULL); dev; dev = blkdev_next(dev)) {
		char part[UUID_TEXT] = "";
		struct ext2_id id;
		const bool ext2 = probe(dev, &id) > 0;

		if (dev->number)
			partuuid_text(dev, part);
		log_error("%s: %lu KiB%s%s%s%s%s%s", dev->name, dev->sectors / 2,
			  dev->number ? ", a partition, PARTUUID=" : "", part, ext2 ? ", ext2, UUID=" : "",
			  ext2 ? id.uuid : "", ext2 && id.label[0] ? ", LABEL=" : "", ext2 ? id.label : "");
	}
}

/* What root= names, or NULL, which is said. */
static struct blkdev *root_named(int len, const char *name)
{
	struct blkdev *dev = len < 0 ? NULL : named(name);

	if (!dev) {
		log_error("root=%s: there is no such device; these there are:", len < 0 ? "(too long)" : name);
		devices_list();
	}
	return dev;
}

static bool has_word(const char *word)
{
	char value[2];

	return bootargs_get(word, value, sizeof(value)) != -ENOENT;
}

static int mount_device(struct blkdev *dev)
{
	const bool read_only = has_word("ro") && !has_word("rw");
	int err = fs_mount_root(dev, read_only);

	if (err == -EROFS && !read_only)
		err = fs_mount_root(dev, true);
	/* fs/ has named the trouble and the way out of it, but for this. */
	if (err == -ENOMEM)
		log_error("%s: not mounted: too little memory", dev->name);
	return err;
}

/* The first partition, or whole disk, that mounts by a backup of its superblock. */
static int mount_damaged(bool partitions)
{
	int err = -ENODEV;

	for (struct blkdev *dev = blkdev_next(NULL); dev && err; dev = blkdev_next(dev)) {
		if ((dev->number > 0) == partitions)
			err = mount_device(dev);
	}
	return err;
}

/* Without root=. */
static int mount_first(void)
{
	struct blkdev *dev = first_matching(&any_ext2, "");

	if (dev)
		return mount_device(dev);
	log_warning("no partition with an ext2 superblock: looking for backups of one");
	if (!mount_damaged(true) || !mount_damaged(false))
		return 0;
	log_error("no partition with ext2: make one with mke2fs, or a whole card with ./cairn image");
	devices_list();
	return -ENODEV;
}

int root_mount(void)
{
	struct blkdev *dev;
	char name[64];
	int len = bootargs_get("root", name, sizeof(name));

	if (!blkdev_next(NULL)) {
		log_error("no block device: put in a card, or give QEMU a disk (-device virtio-blk-device,drive=...)");
		return -ENODEV;
	}
	if (len == -ENOENT)
		return mount_first();
	dev = root_named(len, name);
	return dev ? mount_device(dev) : -ENODEV;
}
