// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A volume that was not unmounted. A cut leaves blocks marked used that no inode has, and counts that are wrong, so
 * all bitmaps and counts are made anew from the inodes; then the orphan list is finished, and links are made to agree
 * with names (links.c). Anything else that is wrong is no work of a cut: the mount is refused and e2fsck asked for.
 * Runs at mount, alone. Sleeps.
 *
 * Memory, while it lasts: one bit a block, three bytes an inode, eight a directory.
 */
#include "fs/ext2/recover.h"

#include <errno.h>
#include <string.h>

#include "kernel/time.h"
#include "lib/bitmap.h"
#include "mm/kmalloc.h"

static int make_maps(struct recovery *rec)
{
	struct volume *vol = rec->vol;

	rec->used = kzalloc(vol->groups * sizeof(*rec->used));
	rec->found = kzalloc(vol->groups * sizeof(*rec->found));
	if (!rec->used || !rec->found)
		return -ENOMEM;
	for (uint32_t group = 0; group < vol->groups; group++) {
		const struct ext2_group *g = ext2_group(vol, group);
		const uint32_t start = ext2_group_start(vol, group), blocks = ext2_group_blocks(vol, group);

		rec->used[group] = kzalloc(vol->block_size);
		rec->found[group] = kzalloc(vol->inodes_per_group * sizeof(*rec->found[group]));
		if (!rec->used[group] || !rec->found[group])
			return -ENOMEM;
		if (ext2_group_has_super(vol, group))
			bitmap_set(rec->used[group], 0,
				   min_of(blocks, 1 + vol->gdt_blocks + vol->es.reserved_gdt_blocks));
		bitmap_set(rec->used[group], g->block_bitmap - start, 1);
		bitmap_set(rec->used[group], g->inode_bitmap - start, 1);
		bitmap_set(rec->used[group], g->inode_table - start,
			   vol->inodes_per_group * vol->inode_size / vol->block_size);
		bitmap_set(rec->used[group], blocks, vol->block_size * 8 - blocks);
	}
	return 0;
}

static void free_maps(struct recovery *rec)
{
	for (uint32_t group = 0; rec->used && group < rec->vol->groups; group++)
		kfree(rec->used[group]);
	for (uint32_t group = 0; rec->found && group < rec->vol->groups; group++)
		kfree(rec->found[group]);
	kfree(rec->used);
	kfree(rec->found);
}

static int claim(struct recovery *rec, fsblk_t block, bool shared)
{
	struct volume *vol = rec->vol;
	uint32_t group, offset;

	if (!rec->reserved && !ext2_block_valid(vol, block))
		return ext2_damaged_at(vol, rec->ino, block, "inode %u points to block %u, which cannot be its own",
				       rec->ino, block);
	if (block < vol->first_block || block >= vol->blocks)
		return ext2_damaged_at(vol, rec->ino, block, "inode %u points to block %u of %u", rec->ino, block,
				       vol->blocks);
	group = (block - vol->first_block) / vol->blocks_per_group;
	offset = (block - vol->first_block) % vol->blocks_per_group;
	if (bitmap_test(rec->used[group], offset) && !rec->reserved && !shared)
		return ext2_damaged_at(vol, rec->ino, block, "block %u belongs to inode %u and to another", block,
				       rec->ino);
	bitmap_set(rec->used[group], offset, 1);
	rec->blocks++;
	return 0;
}

/* What the indirect blocks of the lowest level point to. */
static int claim_leaf(struct recovery *rec, fsblk_t block, uint32_t lblk)
{
	const uint32_t *pointers;
	struct buffer *b;
	int err = buffer_get(rec->vol->buffers, block, &b);

	if (err)
		return err;
	pointers = b->data;
	for (uint32_t i = 0; i < rec->vol->pointers && !err; i++) {
		if (!pointers[i])
			continue;
		err = claim(rec, pointers[i], false);
		rec->end = lblk + i + 1;
	}
	buffer_put(b);
	return err;
}

/* All blocks below an indirect block, itself included, from the file's block lblk on. Depth is at most three. */
static int claim_tree(struct recovery *rec, fsblk_t block, unsigned level, uint32_t lblk)
{
	uint32_t below = 1;
	struct buffer *b;
	int err = claim(rec, block, false);

	if (!err && level == 0)
		rec->end = lblk + 1;
	if (!err && level == 1)
		err = claim_leaf(rec, block, lblk);
	if (err || level <= 1)
		return err;
	for (unsigned i = 1; i < level; i++)
		below *= rec->vol->pointers;
	for (uint32_t i = 0; i < rec->vol->pointers && !err; i++) {
		fsblk_t next;

		/* Not held while going down: the pool may be as small as it gets. */
		err = buffer_get(rec->vol->buffers, block, &b);
		if (err)
			return err;
		next = ((const uint32_t *)b->data)[i];
		buffer_put(b);
		if (next)
			err = claim_tree(rec, next, level - 1, lblk + i * below);
	}
	return err;
}

static int claim_inode(struct recovery *rec, const struct ext2_inode *raw)
{
	const uint32_t attribute_sectors = raw->file_acl ? rec->vol->sectors_per_block : 0, p = rec->vol->pointers;
	uint32_t lblk = 0;
	int err = 0;

	rec->blocks = rec->end = 0;
	if (raw->file_acl)
		err = claim(rec, raw->file_acl, true);
	if (rec->reserved ? raw->blocks == 0 : !S_ISREG(raw->mode) && !S_ISDIR(raw->mode) && !S_ISLNK(raw->mode))
		return err;
	if (S_ISLNK(raw->mode) && raw->blocks == attribute_sectors)
		return err;
	for (unsigned i = 0; i < EXT2_POINTERS && !err; i++) {
		const unsigned level = i < EXT2_DIRECT ? 0 : i - EXT2_DIRECT + 1;

		if (raw->block[i])
			err = claim_tree(rec, raw->block[i], level, lblk);
		lblk += level == 0 ? 1 : level == 1 ? p : p * p;
	}
	return err;
}

/*
 * An inode and an indirect block that changed together may be on the card one without the other: the count of blocks is
 * made right, and of a directory, the size where its last block is missing, which holds nothing yet.
 */
static int correct_inode(struct recovery *rec, const struct ext2_inode *raw)
{
	struct volume *vol = rec->vol;
	const uint32_t sectors = rec->blocks * vol->sectors_per_block;
	const bool short_directory = S_ISDIR(raw->mode) && rec->end && rec->end + 1 == raw->size >> vol->block_shift;
	struct ext2_inode *place;
	uint32_t offset;
	struct buffer *b;
	struct txn t;
	int err;

	if (raw->blocks == sectors && !short_directory)
		return 0;
	err = txn_begin(&t, vol, 1, 0);
	if (err)
		return err;
	err = buffer_get(vol->buffers, ext2_inode_place(vol, rec->ino, &offset), &b);
	if (!err) {
		place = (struct ext2_inode *)((char *)b->data + offset);
		txn_access(&t, b);
		place->blocks = sectors;
		if (short_directory)
			place->size -= vol->block_size;
		txn_dirty(&t, b, BUFFER_POINTER);
		buffer_put(b);
	}
	txn_end(&t);
	return err;
}

/* What is known of a linked inode before its names are counted. */
static int note_inode(struct recovery *rec, const struct ext2_inode *raw)
{
	struct volume *vol = rec->vol;
	struct found *found = recovery_found(rec, rec->ino);
	uint64_t size = raw->size;

	found->state = ext2_file_type(raw->mode) | FOUND_LINKED;
	found->surplus = -raw->links;
	if (!(found->state & FOUND_TYPE))
		return ext2_damaged_at(vol, rec->ino, 0, "inode %u has the impossible mode %o", rec->ino, raw->mode);
	rec->directories += S_ISDIR(raw->mode);
	if (S_ISREG(raw->mode))
		size |= (uint64_t)raw->size_high << 32;
	/* Linux sets these in the primary superblock alone. */
	if (S_ISREG(raw->mode) && size > INT32_MAX && vol->dynamic)
		vol->es.feature_ro_compat |= EXT2_RO_LARGE_FILE;
	if (raw->file_acl && vol->dynamic)
		vol->es.feature_compat |= EXT2_COMPAT_EXT_ATTR;
	if ((S_ISREG(raw->mode) || S_ISDIR(raw->mode)) &&
	    (raw->dtime || rec->end > (size + vol->block_size - 1) >> vol->block_shift))
		found->state |= FOUND_TAIL;
	return correct_inode(rec, raw);
}

/* *deleted: the bitmap has it in use, and it is not. */
static int recount_inode(struct recovery *rec, const struct ext2_inode *raw, bool used, uint32_t *directories,
			 bool *deleted)
{
	struct volume *vol = rec->vol;
	int err;

	*deleted = false;
	if (!used && raw->links)
		return ext2_damaged_at(vol, rec->ino, 0, "inode %u is in use and free in its bitmap", rec->ino);
	if (!used)
		return 0;
	if (rec->reserved)
		return claim_inode(rec, raw);
	*deleted = raw->links == 0 && (raw->mode == 0 || raw->dtime > vol->inodes);
	if (*deleted)
		return 0;
	*directories += S_ISDIR(raw->mode);
	rec->newest = max_of(rec->newest, raw->ctime);
	err = claim_inode(rec, raw);
	if (err || raw->links)
		return err ? err : note_inode(rec, raw);
	/* Its blocks go with it, when it is deleted. */
	recovery_found(rec, rec->ino)->state = FOUND_ORPHAN;
	return 0;
}

/* A number that a cut left in use, of an inode that was not written yet or is deleted. */
static int free_number(struct recovery *rec)
{
	struct txn t;
	int err = txn_begin(&t, rec->vol, 1, 0);

	if (err)
		return err;
	err = ext2_inode_release(&t, rec->ino, false);
	txn_end(&t);
	return err;
}

static int bits_of_block(struct volume *vol, uint32_t group, uint32_t first, uint32_t count, bool *used, uint32_t *free)
{
	struct buffer *b;
	int err = buffer_get(vol->buffers, ext2_group(vol, group)->inode_bitmap, &b);

	for (uint32_t i = 0; i < count && !err; i++) {
		used[i] = bitmap_test(b->data, first + i);
		*free += !used[i];
	}
	buffer_put(b);
	return err;
}

/* The inodes of one block of the table, which is not read if none is in use. */
static int recount_block(struct recovery *rec, uint32_t group, uint32_t first, uint32_t *free, uint32_t *directories)
{
	struct volume *vol = rec->vol;
	const uint32_t count = vol->block_size / vol->inode_size, free_before = *free;
	bool used[4096 / EXT2_OLD_INODE_SIZE], deleted;
	int err = bits_of_block(vol, group, first, count, used, free);

	if (*free - free_before == count)
		return err;
	for (uint32_t i = 0; i < count && !err; i++) {
		struct ext2_inode raw;
		struct buffer *b;
		uint32_t offset;

		rec->ino = group * vol->inodes_per_group + first + i + 1;
		rec->reserved = rec->ino < vol->first_ino && rec->ino != EXT2_ROOT_INO;
		err = buffer_get(vol->buffers, ext2_inode_place(vol, rec->ino, &offset), &b);
		if (err)
			break;
		memcpy(&raw, (const char *)b->data + offset, EXT2_OLD_INODE_SIZE);
		buffer_put(b);
		err = recount_inode(rec, &raw, used[i], directories, &deleted);
		if (!err && deleted && rec->ino >= vol->first_ino) {
			err = free_number(rec);
			++*free;
		}
	}
	return err;
}

/* The inodes of a group: their blocks claimed, and what the descriptor counts of them counted. */
static int recount_inodes(struct recovery *rec, uint32_t group)
{
	struct volume *vol = rec->vol;
	uint32_t free = 0, directories = 0;
	int err = 0;

	for (uint32_t i = 0; i < vol->inodes_per_group && !err; i += vol->block_size / vol->inode_size)
		err = recount_block(rec, group, i, &free, &directories);
	if (!err) {
		ext2_group(vol, group)->free_inodes = free;
		ext2_group(vol, group)->used_dirs = directories;
		ext2_group_changed(vol, group);
	}
	return err;
}

static int correct_bitmap(struct recovery *rec, uint32_t group)
{
	struct volume *vol = rec->vol;
	uint32_t free = 0, blocks = ext2_group_blocks(vol, group);
	bool change = false;
	struct buffer *b;
	struct txn t;
	int err = txn_begin(&t, vol, 1, 0);

	if (err)
		return err;
	err = buffer_get(vol->buffers, ext2_group(vol, group)->block_bitmap, &b);
	if (!err) {
		for (uint32_t i = 0; i < blocks; i++) {
			const bool is = bitmap_test(b->data, i), ought = bitmap_test(rec->used[group], i);

			rec->leaked += is && !ought;
			rec->missing += ought && !is;
			change |= is != ought;
			free += !ought;
		}
		if (change) {
			txn_access(&t, b);
			memcpy(b->data, rec->used[group], vol->block_size);
			txn_dirty(&t, b, BUFFER_EARLY);
		}
		buffer_put(b);
		ext2_group(vol, group)->free_blocks = free;
		ext2_group_changed(vol, group);
	}
	txn_end(&t);
	return err;
}

static int recount(struct recovery *rec)
{
	struct volume *vol = rec->vol;
	uint64_t free_blocks = 0, free_inodes = 0;
	int err = make_maps(rec);

	for (uint32_t group = 0; group < vol->groups && !err; group++)
		err = recount_inodes(rec, group);
	for (uint32_t group = 0; group < vol->groups && !err; group++)
		err = correct_bitmap(rec, group);
	if (err)
		return err;
	/* The superblock's own times are older if there was no more to write than inodes. */
	time_set_wall((uint64_t)rec->newest * NSEC_PER_SEC, CLOCK_FS);
	for (uint32_t group = 0; group < vol->groups; group++) {
		free_blocks += ext2_group(vol, group)->free_blocks;
		free_inodes += ext2_group(vol, group)->free_inodes;
	}
	vol->es.free_blocks = free_blocks;
	vol->es.free_inodes = free_inodes;
	log_info("ext2: %s: recounted: %u leaked blocks freed, %u missing from the bitmaps", vol->super.name,
		 rec->leaked, rec->missing);
	return txn_commit_all(vol);
}

/* It began with inodes that were gone, or is damaged. */
static int empty_list(struct volume *vol)
{
	struct txn t;
	int err = txn_begin(&t, vol, 0, 0);

	if (err)
		return err;
	vol->es.last_orphan = 0;
	txn_super(&t);
	txn_end(&t);
	return txn_commit(vol);
}

int ext2_recover(struct volume *vol, bool remove)
{
	struct recovery rec = {.vol = vol};
	int err;

	list_init(&rec.fixes);
	list_init(&rec.indices);
	err = recount(&rec);
	if (!err)
		err = ext2_names_count(&rec);
	if (!err) {
		err = ext2_orphans_process(vol);
		/* What a damaged list does not lead to has no name either. */
		if (err == -EUCLEAN && !atomic_load(&vol->super.read_only))
			err = empty_list(vol);
	}
	if (!err)
		err = ext2_names_apply(&rec, remove);
	ext2_names_forget(&rec);
	free_maps(&rec);
	if (err == -ENOMEM)
		log_error("ext2: %s: not enough memory to recount %u blocks; run e2fsck", vol->super.name, vol->blocks);
	return err;
}

/* The number that follows in the list, from the card. *gone: this one was deleted already, and the list ends. */
static int next_orphan(struct volume *vol, uint32_t ino, uint32_t *next, bool *gone)
{
	const struct ext2_inode *raw;
	struct buffer *b;
	uint32_t offset;
	int err;

	if (ino < vol->first_ino || ino > vol->inodes)
		return ext2_mended(vol, 0, "the orphan list has inode %u", ino);
	err = buffer_get(vol->buffers, ext2_inode_place(vol, ino, &offset), &b);
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

int ext2_orphans_process(struct volume *vol)
{
	uint32_t ino = vol->es.last_orphan, next = 0, deleted = 0, truncated = 0;
	bool gone = false;
	int err = 0;

	/* All into memory first, in the order of the card; each keeps its reference until it is done. */
	while (ino && !err) {
		struct inode *inode;

		err = next_orphan(vol, ino, &next, &gone);
		if (gone)
			break;
		if (!err)
			err = inode_get_orphan(&vol->super, ino, &inode);
		if (err)
			break;
		if (atomic_load_explicit(&ext2_node(inode)->orphan, memory_order_relaxed)) {
			err = ext2_mended(vol, 0, "the orphan list is a ring at inode %u", ino);
			inode_put(inode);
			break;
		}
		list_push_back(&vol->orphans, &ext2_node(inode)->orphan_node);
		atomic_store_explicit(&ext2_node(inode)->orphan, true, memory_order_relaxed);
		ino = next;
	}
	while (!list_empty(&vol->orphans)) {
		struct inode *inode = &list_entry(vol->orphans.next, struct ext2_node, orphan_node)->inode;

		if (!err && inode->links) {
			truncated++;
			err = finish_truncate(inode);
		} else if (!err) {
			deleted++;
			mutex_lock(&inode->lock);
			err = ext2_inode_delete(inode);
			inode->removed = true;
			mutex_unlock(&inode->lock);
		}
		list_remove(&ext2_node(inode)->orphan_node);
		atomic_store_explicit(&ext2_node(inode)->orphan, false, memory_order_relaxed);
		inode_put(inode);
	}
	if (deleted || truncated)
		log_info("ext2: %s: %u deleted files removed, %u truncations finished", vol->super.name, deleted,
			 truncated);
	if (!err && vol->es.last_orphan)
		err = empty_list(vol);
	if (!err)
		err = volume_settle(vol);
	return err;
}
