// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The superblock and the group descriptors as a mount reads them, every number checked here and trusted after (I8).
 * What is damaged is taken from a backup (backup.c); counts are not to be believed then, nor is a backup's list of
 * orphans, so the volume is recounted as one that was not unmounted. Runs at mount, alone. Sleeps.
 */
#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"
#include "mm/kmalloc.h"

#define LOG_BLOCK_SIZE_MAX 6 // of the format

struct feature {
	uint32_t bit;
	const char *name;
};

static const struct feature incompat_names[] = {
    {0x1, "compression"},  {0x2, "filetype"},	    {0x4, "needs_recovery"}, {0x8, "journal_dev"},
    {0x10, "meta_bg"},	   {0x40, "extents"},	    {0x80, "64bit"},	     {0x100, "mmp"},
    {0x200, "flex_bg"},	   {0x400, "ea_inode"},	    {0x1000, "dirdata"},     {0x2000, "metadata_csum_seed"},
    {0x4000, "large_dir"}, {0x8000, "inline_data"}, {0x10000, "encrypt"},    {0x20000, "casefold"},
};

static const struct feature ro_names[] = {
    {0x4, "btree_dir"},		 {0x8, "huge_file"},	    {0x10, "uninit_bg"},
    {0x80, "snapshot"},		 {0x100, "quota"},	    {0x200, "bigalloc"},
    {0x400, "metadata_csum"},	 {0x800, "replica"},	    {0x1000, "read-only"},
    {0x2000, "project"},	 {0x4000, "shared_blocks"}, {0x8000, "verity"},
    {0x10000, "orphan_present"},
};

static void log_features(const struct blkdev *dev, const char *what, uint32_t bits, const struct feature *names,
			 size_t count)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		const char *name = "unknown";

		if (!(bits & 1u << bit))
			continue;
		for (size_t i = 0; i < count; i++) {
			if (names[i].bit == 1u << bit)
				name = names[i].name;
		}
		log_error("ext2: %s: feature %s (bit %u) %s", dev->name, name, bit, what);
	}
}

struct ext2_group *ext2_group(struct volume *vol, uint32_t group)
{
	const uint32_t per_block = vol->block_size / sizeof(struct ext2_group);

	return &vol->group_blocks[group / per_block][group % per_block];
}

static bool is_power_of(uint32_t n, uint32_t base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

bool ext2_group_has_super(const struct volume *vol, uint32_t group)
{
	const struct ext2_super *s = &vol->es;

	if (group == 0)
		return true;
	if (vol->dynamic && (s->feature_compat & EXT2_COMPAT_SPARSE_SUPER2))
		return group == s->backup_groups[0] || group == s->backup_groups[1];
	if (!vol->dynamic || !(s->feature_ro_compat & EXT2_RO_SPARSE_SUPER) || group == 1)
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

static int impossible(const char **what, unsigned long *value, const char *name, unsigned long number)
{
	*what = name;
	*value = number;
	return -EUCLEAN;
}

/* The longest file whose blocks, indirect ones included, the inode's count of 512-byte units can hold. */
static uint64_t longest_file(const struct volume *vol)
{
	const uint64_t p = vol->pointers, tree = EXT2_DIRECT + p + p * p + p * p * p;
	const uint64_t most = UINT32_MAX / vol->sectors_per_block;
	uint64_t deep, indirect;

	if (tree + 1 + 1 + p + 1 + p + p * p <= most)
		return tree << vol->block_shift;
	/* What lies in the third tree, as if the count were of data alone: a few blocks less than there could be. */
	deep = most - (EXT2_DIRECT + p + p * p);
	indirect = 1 + 1 + p + 1 + (deep + p - 1) / p + (deep + p * p - 1) / (p * p);
	return (most - indirect) << vol->block_shift;
}

static int check_groups(const struct volume *vol, const char **what, unsigned long *value)
{
	const struct ext2_super *s = &vol->es;
	const uint32_t bits = vol->block_size * 8;

	if (s->blocks_per_group == 0 || s->blocks_per_group > bits || s->blocks_per_group % 8)
		return impossible(what, value, "blocks per group", s->blocks_per_group);
	if (vol->inode_size < EXT2_OLD_INODE_SIZE || vol->inode_size > vol->block_size ||
	    (vol->inode_size & (vol->inode_size - 1)))
		return impossible(what, value, "inode size", vol->inode_size);
	if (s->inodes_per_group == 0 || s->inodes_per_group > bits ||
	    s->inodes_per_group % (vol->block_size / vol->inode_size) ||
	    (uint64_t)s->inodes_per_group * vol->inode_size / vol->block_size >= s->blocks_per_group)
		return impossible(what, value, "inodes per group", s->inodes_per_group);
	if ((uint64_t)vol->groups * s->inodes_per_group != s->inodes_count)
		return impossible(what, value, "number of inodes", s->inodes_count);
	if (vol->first_ino < EXT2_OLD_FIRST_INO || vol->first_ino > s->inodes_per_group)
		return impossible(what, value, "first inode", vol->first_ino);
	if (s->reserved_gdt_blocks > vol->block_size / 4)
		return impossible(what, value, "reserved descriptor blocks", s->reserved_gdt_blocks);
	if (1 + vol->gdt_blocks + s->reserved_gdt_blocks >= s->blocks_per_group)
		return impossible(what, value, "number of groups", vol->groups);
	if (s->reserved_blocks > s->blocks_count)
		return impossible(what, value, "reserved blocks", s->reserved_blocks);
	return 0;
}

static int check_size(const struct volume *vol, const char **what, unsigned long *value)
{
	const struct ext2_super *s = &vol->es;
	const uint64_t sectors = (uint64_t)s->blocks_count * vol->sectors_per_block;

	if (s->first_data_block != (vol->block_size == 1024))
		return impossible(what, value, "first block", s->first_data_block);
	if (s->blocks_count <= s->first_data_block + 8)
		return impossible(what, value, "number of blocks", s->blocks_count);
	if (sectors > vol->super.dev->sectors)
		return impossible(what, value,
				  "number of blocks, more than the device has (a card too small for it, "
				  "or an image that was cut?),",
				  s->blocks_count);
	return 0;
}

int ext2_geometry_set(struct volume *vol, const char **what, unsigned long *value)
{
	const struct ext2_super *s = &vol->es;
	int err;

	if (s->rev_level > EXT2_REV_DYNAMIC)
		return impossible(what, value, "revision", s->rev_level);
	if (s->log_block_size > LOG_BLOCK_SIZE_MAX)
		return impossible(what, value, "binary logarithm of the block size", s->log_block_size);
	if (s->log_block_size > 2) {
		log_error("ext2: %s: blocks of 1024 << %u bytes are not supported; use mke2fs -b 1024, 2048 or 4096",
			  vol->super.name, s->log_block_size);
		return -ENOTSUP;
	}
	vol->dynamic = s->rev_level == EXT2_REV_DYNAMIC;
	vol->block_size = 1024u << s->log_block_size;
	vol->super.block_size = vol->block_size;
	vol->block_shift = 10 + s->log_block_size;
	vol->sectors_per_block = vol->block_size / SECTOR_SIZE;
	vol->pointers = vol->block_size / 4;
	vol->blocks = s->blocks_count;
	vol->first_block = s->first_data_block;
	vol->blocks_per_group = s->blocks_per_group;
	vol->inodes = s->inodes_count;
	vol->inodes_per_group = s->inodes_per_group;
	vol->inode_size = vol->dynamic ? s->inode_size : EXT2_OLD_INODE_SIZE;
	vol->first_ino = vol->dynamic ? s->first_ino : EXT2_OLD_FIRST_INO;
	vol->filetype = vol->dynamic && (s->feature_incompat & EXT2_INCOMPAT_FILETYPE);
	/* Without features there is none that says that files may be larger. */
	vol->super.size_max = vol->dynamic ? longest_file(vol) : INT32_MAX;
	err = check_size(vol, what, value);
	if (!err && vol->blocks_per_group) {
		vol->groups = (vol->blocks - vol->first_block - 1) / vol->blocks_per_group + 1;
		vol->gdt_blocks = (vol->groups - 1) / (vol->block_size / sizeof(struct ext2_group)) + 1;
	}
	return err ? err : check_groups(vol, what, value);
}

struct ext2_super_place ext2_super_at(const struct volume *vol, uint64_t byte)
{
	const uint32_t unit = max_of(vol->super.dev->block_size, (uint32_t)EXT2_SUPER_SIZE);

	return (struct ext2_super_place){
	    .sector = byte / unit * (unit / SECTOR_SIZE), .sectors = unit / SECTOR_SIZE, .offset = byte % unit};
}

/* The primary one. -EINVAL: it is none. */
static int read_super(struct volume *vol, const char **what, unsigned long *value)
{
	const struct ext2_super_place at = ext2_super_at(vol, EXT2_SUPER_OFFSET);
	int err = blk_read(vol->super.dev, at.sector, vol->super_block, at.sectors);

	if (err) {
		memset(vol->super_block, 0, PAGE_SIZE);
		(void)impossible(what, value, "it cannot be read, error", -err);
		return err;
	}
	memcpy(&vol->es, (char *)vol->super_block + at.offset, sizeof(vol->es));
	if (vol->es.magic == EXT2_MAGIC)
		return 0;
	(void)impossible(what, value, "magic number", vol->es.magic);
	return -EINVAL;
}

/* Features that are not known: -ENOTSUP, or -EROFS. */
static int check_features(const struct volume *vol, bool read_only)
{
	const struct ext2_super *s = &vol->es;
	const struct blkdev *dev = vol->super.dev;
	const bool dynamic = s->rev_level >= EXT2_REV_DYNAMIC;
	const uint32_t incompat = dynamic ? s->feature_incompat & ~EXT2_INCOMPAT_KNOWN : 0;
	const uint32_t ro = dynamic ? s->feature_ro_compat & ~EXT2_RO_KNOWN : 0;

	log_features(dev, "is not supported; make the volume with mke2fs -t ext2", incompat, incompat_names,
		     array_size(incompat_names));
	if (incompat)
		return -ENOTSUP;
	if (dynamic && (s->feature_incompat & EXT2_INCOMPAT_RECOVER) &&
	    !(s->feature_compat & EXT2_COMPAT_HAS_JOURNAL)) {
		log_error("ext2: %s: says that its journal is to be replayed, but has none; run e2fsck", dev->name);
		return -EUCLEAN;
	}
	log_features(dev, "is not supported for writing", ro, ro_names, array_size(ro_names));
	if (!read_only && (ro || dev->read_only)) {
		log_error("ext2: %s: %s", dev->name,
			  ro ? "can be mounted read-only; to write, make the volume with mke2fs -t ext2"
			     : "the device is read-only: is the card's lock on?");
		return -EROFS;
	}
	return 0;
}

/* Counts that cannot be are no reason not to mount: they are made anew. */
static bool is_sound(struct volume *vol, uint32_t group)
{
	struct ext2_group *g = ext2_group(vol, group);
	const uint32_t start = ext2_group_start(vol, group), blocks = ext2_group_blocks(vol, group);
	const uint32_t itable = vol->inodes_per_group * vol->inode_size / vol->block_size;
	const uint32_t head = ext2_group_has_super(vol, group) ? 1 + vol->gdt_blocks + vol->es.reserved_gdt_blocks : 0;
	const uint32_t bb = g->block_bitmap - start, ib = g->inode_bitmap - start, it = g->inode_table - start;

	return bb >= head && ib >= head && it >= head && bb < blocks && ib < blocks && it < blocks &&
	       itable <= blocks - it && bb != ib && bb - it >= itable && ib - it >= itable;
}

static void check_counts(struct volume *vol, uint32_t group)
{
	struct ext2_group *g = ext2_group(vol, group);
	const uint32_t blocks = ext2_group_blocks(vol, group);

	if (g->free_blocks <= blocks && g->free_inodes <= vol->inodes_per_group)
		return;
	(void)ext2_mended(vol, vol->first_block + 1 + group / (vol->block_size / sizeof(*g)),
			  "the descriptor of group %u has impossible counts", group);
	g->free_blocks = min_of(g->free_blocks, (uint16_t)blocks);
	g->free_inodes = min_of(g->free_inodes, (uint16_t)vol->inodes_per_group);
	vol->recount = true;
}

bool ext2_descriptors_sound(struct volume *vol, uint32_t block)
{
	const uint32_t per_block = vol->block_size / sizeof(struct ext2_group);
	const uint32_t end = min_of((block + 1) * per_block, vol->groups);

	for (uint32_t group = block * per_block; group < end; group++) {
		if (!is_sound(vol, group))
			return false;
	}
	return true;
}

/* One block of them. */
static int read_descriptors(struct volume *vol, uint32_t block)
{
	const uint32_t per_block = vol->block_size / sizeof(struct ext2_group);
	const fsblk_t at = vol->first_block + 1 + block;
	int err = blk_read(vol->super.dev, (sector_t)at * vol->sectors_per_block, vol->group_blocks[block],
			   vol->sectors_per_block);

	if (!err && ext2_descriptors_sound(vol, block))
		return 0;
	log_error("ext2: %s: the descriptors from group %u on, block %u, %s", vol->super.name, block * per_block, at,
		  err ? "cannot be read" : "are damaged");
	return ext2_backup_descriptors(vol, block);
}

static int read_groups(struct volume *vol)
{
	uint64_t free_blocks = 0, free_inodes = 0;
	int err = 0;

	vol->group_blocks = kzalloc(vol->gdt_blocks * sizeof(*vol->group_blocks));
	vol->group_dirty = kzalloc(vol->gdt_blocks * sizeof(*vol->group_dirty));
	if (!vol->group_blocks || !vol->group_dirty)
		return -ENOMEM;
	for (uint32_t i = 0; i < vol->gdt_blocks && !err; i++) {
		vol->group_blocks[i] = kzalloc(vol->block_size);
		err = vol->group_blocks[i] ? read_descriptors(vol, i) : -ENOMEM;
	}
	for (uint32_t group = 0; group < vol->groups && !err; group++) {
		check_counts(vol, group);
		free_blocks += ext2_group(vol, group)->free_blocks;
		free_inodes += ext2_group(vol, group)->free_inodes;
	}
	vol->es.free_blocks = free_blocks;
	vol->es.free_inodes = free_inodes;
	return err;
}

int ext2_layout_read(struct volume *vol, bool read_only)
{
	const char *what = NULL; // is wrong with the primary superblock
	unsigned long value = 0;
	int err;

	if (vol->super.dev->sectors < PAGE_SIZE / SECTOR_SIZE) {
		log_error("ext2: %s: a device of %llu sectors holds no file system", vol->super.name,
			  (unsigned long long)vol->super.dev->sectors);
		return -EINVAL;
	}
	vol->super_block = kzalloc(PAGE_SIZE);
	if (!vol->super_block)
		return -ENOMEM;
	err = read_super(vol, &what, &value);
	/* What is not understood is not called damaged. */
	if (!err)
		err = check_features(vol, read_only);
	if (!err)
		err = ext2_geometry_set(vol, &what, &value);
	if (err && what) {
		err = ext2_backup_super(vol, err, what, value);
		if (!err)
			err = check_features(vol, read_only);
	}
	if (!err && vol->block_size < vol->super.dev->block_size) {
		log_error("ext2: %s: blocks of %u bytes on a device with sectors of %u; use mke2fs -b 4096",
			  vol->super.name, vol->block_size, vol->super.dev->block_size);
		err = -ENOTSUP;
	}
	return err ? err : read_groups(vol);
}

void ext2_layout_free(struct volume *vol)
{
	for (uint32_t i = 0; vol->group_blocks && i < vol->gdt_blocks; i++)
		kfree(vol->group_blocks[i]);
	kfree(vol->group_blocks);
	kfree(vol->group_dirty);
	kfree(vol->super_block);
	vol->group_blocks = NULL;
	vol->group_dirty = NULL;
	vol->super_block = NULL;
	vol->recount = vol->rescued = vol->from_backup = false;
	vol->errors = (struct ext2_errors){0};
}
