// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Backups of the superblock and the descriptors: mke2fs puts them at the beginning of groups 1 and 3, 5, 7 and their
 * powers, or of all. Only what never changes is taken from them; counts, the state and the list of orphans are those of
 * long ago. A backup may also have outlived its volume: so it must say where it lies, all its numbers and descriptors
 * must be possible, there must be something left of the volume in the primary's place, and its root be a directory.
 * Runs at mount, alone. Sleeps.
 */
#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"
#include "mm/kmalloc.h"

static const uint32_t likely_groups[] = {1, 3, 5, 7, 9, 25, 27, 49};

struct search {
	struct volume *vol;
	struct ext2_super primary; // as far as it could be read
	void *block;		   // memory for one
};

static int read_block(const struct search *s, fsblk_t block)
{
	const struct volume *vol = s->vol;

	return blk_read(vol->super.dev, (sector_t)block * vol->sectors_per_block, s->block, vol->sectors_per_block);
}

/* Into vol->super, with its geometry: whether there is one in this group, of groups of the usual size. */
static bool load(struct search *s, unsigned log_block_size, uint32_t group)
{
	struct volume *vol = s->vol;
	const uint32_t block_size = 1024u << log_block_size;
	const uint64_t block = (block_size == 1024) + (uint64_t)group * block_size * 8;
	const struct ext2_super_place at = ext2_super_at(vol, block * block_size);
	unsigned long value;
	const char *what;

	if (at.sector + at.sectors > vol->super.dev->sectors ||
	    blk_read(vol->super.dev, at.sector, s->block, at.sectors))
		return false;
	memcpy(&vol->es, (char *)s->block + at.offset, sizeof(vol->es));
	return vol->es.magic == EXT2_MAGIC && vol->es.log_block_size == log_block_size &&
	       vol->es.block_group_nr == group && !ext2_geometry_set(vol, &what, &value) &&
	       vol->blocks_per_group == block_size * 8 && group < vol->groups && ext2_group_has_super(vol, group);
}

static bool same_places(const struct ext2_group *a, const struct ext2_group *b)
{
	return a->block_bitmap == b->block_bitmap && a->inode_bitmap == b->inode_bitmap &&
	       a->inode_table == b->inode_table;
}

/*
 * The first block of descriptors beside the backup, which *descriptors gets, can be; *agree: the primary one says the
 * same, or nothing.
 */
static bool look_at_descriptors(struct search *s, uint32_t group, struct ext2_group *descriptors, bool *agree)
{
	struct volume *vol = s->vol;
	struct ext2_group *blocks[1] = {descriptors}, **saved = vol->group_blocks;
	const uint32_t count = min_of(vol->groups, (uint32_t)(vol->block_size / sizeof(*descriptors)));
	const struct ext2_group *primary = s->block;
	bool sound;

	if (read_block(s, ext2_group_start(vol, group) + 1))
		return false;
	memcpy(descriptors, s->block, vol->block_size);
	vol->group_blocks = blocks;
	sound = ext2_descriptors_sound(vol, 0);
	vol->group_blocks = saved;
	*agree = true;
	if (!read_block(s, vol->first_block + 1)) {
		for (uint32_t i = 0; i < count && *agree; i++)
			*agree = same_places(&primary[i], &descriptors[i]);
	}
	return sound;
}

static bool has_root(struct search *s, const struct ext2_group *first)
{
	const struct volume *vol = s->vol;
	const uint32_t at = (EXT2_ROOT_INO - 1) * vol->inode_size;
	const struct ext2_inode *raw = (const struct ext2_inode *)((const char *)s->block + at % vol->block_size);

	return !read_block(s, first->inode_table + at / vol->block_size) && S_ISDIR(raw->mode) && raw->links &&
	       raw->block[0] >= vol->first_block && raw->block[0] < vol->blocks;
}

/* Erased, or never read: all bytes are the same. */
static bool is_blank(const void *data, size_t size)
{
	const uint8_t *byte = data;

	while (size && byte[size - 1] == byte[0])
		size--;
	return !size;
}

static bool is_of_this_volume(struct search *s, uint32_t group, struct ext2_group *descriptors)
{
	static const uint8_t none[16];
	const uint8_t *uuid = s->vol->es.uuid;
	bool agree, same;

	if (!look_at_descriptors(s, group, descriptors, &agree))
		return false;
	same = memcmp(uuid, none, sizeof(none)) && !memcmp(uuid, s->primary.uuid, sizeof(none));
	/* Where something else lies, it is no longer this volume: another system may have made that of it. */
	if (!same && (!agree || (s->primary.magic != EXT2_MAGIC && !is_blank(&s->primary, sizeof(s->primary)))))
		return false;
	return has_root(s, descriptors);
}

/* What a backup says that was true only when it was written. */
static void forget_stale(struct volume *vol)
{
	struct ext2_super *s = &vol->es;

	s->block_group_nr = 0;
	s->state &= ~EXT2_STATE_VALID;
	s->last_orphan = 0;
	vol->recount = vol->rescued = vol->from_backup = true;
}

/* 0, or -ENOENT: *stale is where one is that belongs to nothing, or 0. */
static int search(struct search *s, void *descriptors, fsblk_t *stale)
{
	*stale = 0;
	for (unsigned log = 0; log <= 2; log++) {
		for (size_t i = 0; i < array_size(likely_groups); i++) {
			if (!load(s, log, likely_groups[i]))
				continue;
			*stale = ext2_group_start(s->vol, likely_groups[i]);
			if (is_of_this_volume(s, likely_groups[i], descriptors))
				return 0;
		}
	}
	return -ENOENT;
}

static void say_none(const struct search *s, int err, const char *why, unsigned long value, fsblk_t stale)
{
	const char *const name = s->vol->super.name;

	if (err == -EINVAL)
		log_error("ext2: %s: no ext2 file system here; make one with mke2fs -t ext2, or a whole card with "
			  "./cairn image",
			  name);
	else
		log_error("ext2: %s: damaged superblock: %s %lu; run e2fsck, or e2fsck -b with a backup of it", name,
			  why, value);
	if (stale)
		log_error("ext2: %s: block %u has a backup of a superblock, but what it belonged to is not all there",
			  name, stale);
}

int ext2_backup_super(struct volume *vol, int err, const char *why, unsigned long value)
{
	struct search s = {.vol = vol, .primary = vol->es, .block = kmalloc(PAGE_SIZE)};
	void *descriptors = kmalloc(PAGE_SIZE);
	fsblk_t found = 0;

	if (!s.block || !descriptors) {
		err = -ENOMEM;
	} else if (search(&s, descriptors, &found)) {
		say_none(&s, err, why, value, found);
	} else {
		forget_stale(vol);
		(void)ext2_mended(vol, vol->first_block, "superblock: %s %lu; its backup in block %u is used", why,
				  value, found);
		err = 0;
	}
	kfree(descriptors);
	kfree(s.block);
	return err;
}

int ext2_backup_descriptors(struct volume *vol, uint32_t block)
{
	for (uint32_t group = 1; group < vol->groups; group++) {
		const fsblk_t at = ext2_group_start(vol, group) + 1 + block;

		if (!ext2_group_has_super(vol, group) || at >= vol->blocks ||
		    blk_read(vol->super.dev, (sector_t)at * vol->sectors_per_block, vol->group_blocks[block],
			     vol->sectors_per_block) ||
		    !ext2_descriptors_sound(vol, block))
			continue;
		vol->recount = vol->rescued = true;
		(void)ext2_mended(vol, vol->first_block + 1 + block, "descriptors: their backup in block %u is used",
				  at);
		return 0;
	}
	log_error("ext2: %s: damaged descriptors, and no backup of them is any better; run e2fsck", vol->super.name);
	return -EUCLEAN;
}
