// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A volume that was not unmounted. A cut leaves blocks marked used that no inode has, and counts that are wrong, so
 * all bitmaps and counts are made anew from the inodes; then the orphan list is finished. Anything else that is
 * wrong is no work of a cut: the mount is refused and e2fsck asked for. Runs at mount, alone. Sleeps.
 *
 * Memory: one bit a block, while it lasts.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"

struct recount {
	struct volume *vol;
	uint8_t **used; // a bitmap for each group
	uint32_t ino;	// being walked
	bool reserved;	// it is one of the volume's own, which may have metadata blocks
	uint32_t leaked, missing;
	uint32_t newest; // time of a change of an inode, seconds since 1970, read as reaching to 2106
};

static void mark_run(struct recount *rc, uint32_t group, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		rc->used[group][i / 8] |= 1u << i % 8;
}

static int make_maps(struct recount *rc)
{
	struct volume *vol = rc->vol;

	rc->used = kzalloc(vol->groups * sizeof(*rc->used));
	if (!rc->used)
		return -ENOMEM;
	for (uint32_t group = 0; group < vol->groups; group++) {
		const struct ext2_group *g = ext2_group(vol, group);
		const uint32_t start = ext2_group_start(vol, group), blocks = ext2_group_blocks(vol, group);

		rc->used[group] = kzalloc(vol->block_size);
		if (!rc->used[group])
			return -ENOMEM;
		if (ext2_group_has_super(vol, group))
			mark_run(rc, group, 0, min_of(blocks, 1 + vol->gdt_blocks + vol->super.reserved_gdt_blocks));
		mark_run(rc, group, g->block_bitmap - start, 1);
		mark_run(rc, group, g->inode_bitmap - start, 1);
		mark_run(rc, group, g->inode_table - start, vol->inodes_per_group * vol->inode_size / vol->block_size);
		mark_run(rc, group, blocks, vol->block_size * 8 - blocks);
	}
	return 0;
}

static void free_maps(struct recount *rc)
{
	for (uint32_t group = 0; rc->used && group < rc->vol->groups; group++)
		kfree(rc->used[group]);
	kfree(rc->used);
}

static int claim(struct recount *rc, fsblk_t block, bool shared)
{
	struct volume *vol = rc->vol;
	uint32_t group, offset;
	uint8_t *byte;

	if (!rc->reserved && !ext2_block_valid(vol, block))
		return ext2_damaged(vol, "inode %u points to block %u, which cannot be its own", rc->ino, block);
	if (block < vol->first_block || block >= vol->blocks)
		return ext2_damaged(vol, "inode %u points to block %u of %u", rc->ino, block, vol->blocks);
	group = (block - vol->first_block) / vol->blocks_per_group;
	offset = (block - vol->first_block) % vol->blocks_per_group;
	byte = &rc->used[group][offset / 8];
	if (*byte & 1u << offset % 8 && !rc->reserved && !shared)
		return ext2_damaged(vol, "block %u belongs to inode %u and to another", block, rc->ino);
	*byte |= 1u << offset % 8;
	return 0;
}

/* All blocks below an indirect block, itself included. Depth is at most three. */
static int claim_tree(struct recount *rc, fsblk_t block, unsigned level)
{
	struct buffer *b;
	int err = claim(rc, block, false);

	if (err || level == 0)
		return err;
	for (uint32_t i = 0; i < rc->vol->pointers && !err; i++) {
		fsblk_t next;

		/* Not held while going down: the pool may be as small as it gets. */
		err = buffer_get(block, &b);
		if (err)
			return err;
		next = ((const uint32_t *)b->data)[i];
		buffer_put(b);
		if (next)
			err = claim_tree(rc, next, level - 1);
	}
	return err;
}

static int claim_inode(struct recount *rc, const struct ext2_inode *raw)
{
	const uint32_t attribute_sectors = raw->file_acl ? rc->vol->sectors_per_block : 0;
	int err = 0;

	if (raw->file_acl)
		err = claim(rc, raw->file_acl, true);
	if (rc->reserved ? raw->blocks == 0 : !S_ISREG(raw->mode) && !S_ISDIR(raw->mode) && !S_ISLNK(raw->mode))
		return err;
	if (S_ISLNK(raw->mode) && raw->blocks == attribute_sectors)
		return err;
	for (unsigned i = 0; i < EXT2_POINTERS && !err; i++) {
		if (raw->block[i])
			err = claim_tree(rc, raw->block[i], i < EXT2_DIRECT ? 0 : i - EXT2_DIRECT + 1);
	}
	return err;
}

static int recount_inode(struct recount *rc, const struct ext2_inode *raw, bool used, uint32_t *directories)
{
	if (!used && raw->links)
		return ext2_damaged(rc->vol, "inode %u is in use and free in its bitmap", rc->ino);
	/* Without links it is an orphan, whose blocks go with it when the list is finished. */
	if (!used || (raw->links == 0 && raw->dtime > rc->vol->inodes))
		return 0;
	*directories += S_ISDIR(raw->mode) && raw->links;
	rc->newest = max_of(rc->newest, raw->ctime);
	return claim_inode(rc, raw);
}

static int bits_of_block(struct volume *vol, uint32_t group, uint32_t first, uint32_t count, bool *used, uint32_t *free)
{
	struct buffer *b;
	int err = buffer_get(ext2_group(vol, group)->inode_bitmap, &b);

	for (uint32_t i = 0; i < count && !err; i++) {
		used[i] = ((const uint8_t *)b->data)[(first + i) / 8] & 1u << (first + i) % 8;
		*free += !used[i];
	}
	buffer_put(b);
	return err;
}

/* The inodes of one block of the table, which is not read if none is in use. */
static int recount_block(struct recount *rc, uint32_t group, uint32_t first, uint32_t *free, uint32_t *directories)
{
	struct volume *vol = rc->vol;
	const uint32_t count = vol->block_size / vol->inode_size, free_before = *free;
	bool used[4096 / EXT2_OLD_INODE_SIZE];
	int err = bits_of_block(vol, group, first, count, used, free);

	for (uint32_t i = 0; i < count && !err && *free - free_before < count; i++) {
		struct ext2_inode raw;
		struct buffer *b;
		uint32_t offset;

		rc->ino = group * vol->inodes_per_group + first + i + 1;
		rc->reserved = rc->ino < vol->first_ino && rc->ino != EXT2_ROOT_INO;
		err = buffer_get(ext2_inode_place(vol, rc->ino, &offset), &b);
		if (err)
			break;
		memcpy(&raw, (const char *)b->data + offset, EXT2_OLD_INODE_SIZE);
		buffer_put(b);
		err = recount_inode(rc, &raw, used[i], directories);
	}
	return err;
}

/* The inodes of a group: their blocks claimed, and what the descriptor counts of them counted. */
static int recount_inodes(struct recount *rc, uint32_t group)
{
	struct volume *vol = rc->vol;
	uint32_t free = 0, directories = 0;
	int err = 0;

	for (uint32_t i = 0; i < vol->inodes_per_group && !err; i += vol->block_size / vol->inode_size)
		err = recount_block(rc, group, i, &free, &directories);
	if (!err) {
		ext2_group(vol, group)->free_inodes = free;
		ext2_group(vol, group)->used_dirs = directories;
		ext2_group_changed(vol, group);
	}
	return err;
}

static int correct_bitmap(struct recount *rc, uint32_t group)
{
	struct volume *vol = rc->vol;
	uint32_t free = 0, blocks = ext2_group_blocks(vol, group);
	bool change = false;
	struct buffer *b;
	struct txn t;
	uint8_t *map;
	int err = txn_begin(&t, vol, 1, 0);

	if (err)
		return err;
	err = buffer_get(ext2_group(vol, group)->block_bitmap, &b);
	if (!err) {
		map = b->data;
		for (uint32_t i = 0; i < blocks; i++) {
			const bool is = map[i / 8] & 1u << i % 8, ought = rc->used[group][i / 8] & 1u << i % 8;

			rc->leaked += is && !ought;
			rc->missing += ought && !is;
			change |= is != ought;
			free += !ought;
		}
		if (change) {
			txn_access(&t, b);
			memcpy(map, rc->used[group], vol->block_size);
			txn_dirty(&t, b, BUFFER_EARLY);
		}
		buffer_put(b);
		ext2_group(vol, group)->free_blocks = free;
		ext2_group_changed(vol, group);
	}
	txn_end(&t);
	return err;
}

int ext2_recount(struct volume *vol)
{
	struct recount rc = {.vol = vol};
	uint64_t free_blocks = 0, free_inodes = 0;
	int err = make_maps(&rc);

	for (uint32_t group = 0; group < vol->groups && !err; group++)
		err = recount_inodes(&rc, group);
	for (uint32_t group = 0; group < vol->groups && !err; group++)
		err = correct_bitmap(&rc, group);
	free_maps(&rc);
	if (err == -ENOMEM)
		log_error("ext2: %s: not enough memory to recount %u blocks; run e2fsck", vol->dev->name, vol->blocks);
	if (err)
		return err;
	/* The superblock's own times are older if there was no more to write than inodes. */
	time_set_wall((uint64_t)rc.newest * NSEC_PER_SEC, CLOCK_FS);
	for (uint32_t group = 0; group < vol->groups; group++) {
		free_blocks += ext2_group(vol, group)->free_blocks;
		free_inodes += ext2_group(vol, group)->free_inodes;
	}
	vol->super.free_blocks = free_blocks;
	vol->super.free_inodes = free_inodes;
	log_info("ext2: %s: recounted: %u leaked blocks freed, %u missing from the bitmaps", vol->dev->name, rc.leaked,
		 rc.missing);
	return txn_commit_all(vol);
}

/* The number that follows in the list, from the card. *gone: this one was deleted already, and the list ends. */
static int next_orphan(struct volume *vol, uint32_t ino, uint32_t *next, bool *gone)
{
	const struct ext2_inode *raw;
	struct buffer *b;
	uint32_t offset;
	int err;

	if (ino < vol->first_ino || ino > vol->inodes)
		return ext2_damaged(vol, "the orphan list has inode %u", ino);
	err = buffer_get(ext2_inode_place(vol, ino, &offset), &b);
	if (err)
		return err;
	raw = (const struct ext2_inode *)((const char *)b->data + offset);
	*next = raw->dtime;
	*gone = raw->mode == 0 || (raw->links == 0 && raw->dtime > vol->inodes);
	buffer_put(b);
	return 0;
}

static int finish_truncate(struct inode *inode)
{
	int err;

	mutex_lock(&inode->lock);
	err = ext2_truncate_blocks(inode, inode->size);
	mutex_unlock(&inode->lock);
	return err;
}

/* It began with inodes that were gone. */
static int empty_list(struct volume *vol)
{
	struct txn t;
	int err = txn_begin(&t, vol, 0, 0);

	if (err)
		return err;
	vol->super.last_orphan = 0;
	txn_super(&t);
	txn_end(&t);
	return txn_commit(vol);
}

int ext2_orphans_process(struct volume *vol)
{
	uint32_t ino = vol->super.last_orphan, next = 0, deleted = 0, truncated = 0;
	bool gone = false;
	int err = 0;

	/* All into memory first, in the order of the card; each keeps its reference until it is done. */
	while (ino && !err) {
		struct inode *inode;

		err = next_orphan(vol, ino, &next, &gone);
		if (gone)
			break;
		if (!err)
			err = inode_get_orphan(vol, ino, &inode);
		if (err)
			break;
		if (!list_empty(&inode->orphan_node)) {
			err = ext2_damaged(vol, "the orphan list is a ring at inode %u", ino);
			inode_put(inode);
			break;
		}
		list_push_back(&vol->orphans, &inode->orphan_node);
		ino = next;
	}
	while (!list_empty(&vol->orphans)) {
		struct inode *inode = list_entry(vol->orphans.next, struct inode, orphan_node);

		if (!err && inode->links) {
			truncated++;
			err = finish_truncate(inode);
		} else if (!err) {
			deleted++;
			mutex_lock(&inode->lock);
			err = ext2_inode_delete(inode);
			inode->deleted = true;
			mutex_unlock(&inode->lock);
		}
		list_remove(&inode->orphan_node);
		inode_put(inode);
	}
	if (deleted || truncated)
		log_info("ext2: %s: %u deleted files removed, %u truncations finished", vol->dev->name, deleted,
			 truncated);
	if (!err && vol->super.last_orphan)
		err = empty_list(vol);
	if (!err)
		err = volume_settle(vol);
	return err;
}
