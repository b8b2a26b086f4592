// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A directory's names in an index made anew: all of its blocks are new ones, to which nothing leads until its inode
 * does, which lies in one sector; then the old ones go. So a cut leaves the one or the other. For a directory that
 * outgrows its first block, for one that came without an index, and for one whose index a cut has left wrong.
 *
 * Needs memory for all names and free blocks for all of the directory, while it lasts: without, the directory stays as
 * it is; so it does with a journal where that is more than one operation can hold. Locks: the directory's operation
 * lock. Sleeps on metadata I/O.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/dir.h"
#include "mm/kmalloc.h"

#define FREES_AT_ONCE (TXN_FREES_MAX / 2)
#define BLOCKS_AT_ONCE EXT2_DIRECT // in one operation: each with a bitmap, and no tables

struct build {
	struct inode *dir;
	unsigned version;
	uint32_t parent; // ..
	/* The names by hash, at multiples of four bytes into their entries. */
	struct dir_name *names;
	char *entries;
	size_t count, size;
	uint32_t *starts; // the first name of each leaf
	uint32_t leaves, nodes;
	fsblk_t *made; // the new blocks in the order of the directory, then their tables
	uint32_t made_count;
	fsblk_t *old;
	uint32_t old_count, old_max, old_runs;
};

/* ---- the names ---- */

static int visit_count(void *arg, const struct ext2_slot *slot, const char *name, unsigned len)
{
	struct build *b = arg;

	if (len == 2 && !memcmp(name, "..", 2))
		b->parent = slot->ino;
	if (len <= 2 && !memcmp(name, "..", len))
		return 0;
	b->count++;
	b->size += EXT2_DIRENT_SIZE(len);
	return 0;
}

static int visit_copy(void *arg, const struct ext2_slot *slot, const char *name, unsigned len)
{
	struct build *b = arg;
	struct ext2_dirent *e = (struct ext2_dirent *)(b->entries + b->size);

	if (len <= 2 && !memcmp(name, "..", len))
		return 0;
	b->names[b->count++] =
	    (struct dir_name){.hash = ext2_dir_hash(ext2_volume(b->dir), b->version, name, len), .at = b->size};
	*e = (struct ext2_dirent){.ino = slot->ino, .name_len = len, .type = slot->type};
	memcpy(e->name, name, len);
	b->size += EXT2_DIRENT_SIZE(len);
	return 0;
}

static int gather(struct build *b)
{
	int err = ext2_dir_visit(b->dir, visit_count, b);

	if (err)
		return err;
	if (!b->parent)
		return ext2_damaged_at(ext2_volume(b->dir), b->dir->ino, 0,
				       "directory inode %u does not begin with . and ..", b->dir->ino);
	b->names = kmalloc((b->count + 1) * sizeof(*b->names));
	b->entries = kmalloc(b->size + 1);
	b->starts = kmalloc((b->count + 2) * sizeof(*b->starts));
	if (!b->names || !b->entries || !b->starts)
		return -ENOMEM;
	b->count = b->size = 0;
	err = ext2_dir_visit(b->dir, visit_copy, b);
	if (!err)
		ext2_dir_sort(b->names, b->count);
	return err;
}

static const struct ext2_dirent *name_at(const struct build *b, uint32_t i)
{
	return (const struct ext2_dirent *)(b->entries + b->names[i].at);
}

/* Names from the first on into a block, three quarters of it, or what it holds: where the next leaf begins. */
static uint32_t fill_leaf(const struct build *b, uint32_t first, void *data)
{
	const uint32_t block_size = ext2_volume(b->dir)->block_size;
	struct dir_pack pack = {.data = data, .size = block_size};
	uint32_t i = first, size = 0;

	ext2_dir_init_block(ext2_volume(b->dir), data);
	for (; i < b->count; i++) {
		const struct ext2_dirent *e = name_at(b, i);

		size += EXT2_DIRENT_SIZE(ext2_dirent_len(ext2_volume(b->dir), e));
		if (size > block_size / 4 * 3 || !ext2_dir_pack(&pack, e, ext2_dirent_len(ext2_volume(b->dir), e)))
			break;
	}
	return i;
}

/* Which names go into which leaf, and how many nodes stand above those. -EOPNOTSUPP: more than an index can have. */
static int plan(struct build *b)
{
	const struct volume *vol = ext2_volume(b->dir);
	void *data = kmalloc(vol->block_size);
	uint32_t i = 0;

	if (!data)
		return -ENOMEM;
	do {
		b->starts[b->leaves++] = i;
		i = fill_leaf(b, i, data);
	} while (i < b->count);
	b->starts[b->leaves] = b->count;
	kfree(data);
	if (b->leaves > ext2_dx_limit(vol, true))
		b->nodes = (b->leaves - 1) / ext2_dx_limit(vol, false) + 1;
	return b->nodes > ext2_dx_limit(vol, true) ? -EOPNOTSUPP : 0;
}

/* ---- the blocks ---- */

/* A new block, zeros, held, in the running batch. Two credits. */
static int make_block(struct build *b, struct txn *t, struct buffer **out)
{
	struct volume *vol = ext2_volume(b->dir);
	const fsblk_t goal = b->made_count ? b->made[b->made_count - 1] + 1 : ext2_blocks_goal(vol, b->dir->ino);
	uint32_t count;
	fsblk_t block;
	int err = ext2_blocks_alloc(t, goal, 1, &block, &count);

	if (err)
		return err;
	b->made[b->made_count++] = block;
	buffer_get_zeroed(vol->buffers, block, out);
	txn_access(t, *out);
	txn_dirty(t, *out, BUFFER_EARLY);
	return 0;
}

static uint32_t leaf_hash(const struct build *b, uint32_t leaf)
{
	const uint32_t first = b->starts[leaf], hash = b->names[first].hash;

	return hash == b->names[first - 1].hash ? hash | 1 : hash;
}

/* The entries of a node above leaves, or with step above nodes of so many leaves. */
static void fill_node(const struct build *b, void *data, bool root, uint32_t leaf, uint32_t end, uint32_t step)
{
	struct ext2_dx_entry *entries = ext2_dx_entries(data, root);
	struct ext2_dx_head *head = (struct ext2_dx_head *)entries;
	uint32_t n = 0;

	for (uint32_t i = leaf; i < end; i += step, n++) {
		if (n)
			entries[n].hash = leaf_hash(b, i);
		entries[n].block = step > 1 ? 1 + i / step : 1 + b->nodes + i;
	}
	head->limit = ext2_dx_limit(ext2_volume(b->dir), root);
	head->count = n;
}

static void fill_root(const struct build *b, void *data)
{
	struct volume *vol = ext2_volume(b->dir);
	struct ext2_dx_root *info = (struct ext2_dx_root *)((char *)data + EXT2_DX_ROOT);
	struct ext2_dirent *dotdot = (struct ext2_dirent *)((char *)data + EXT2_DIRENT_SIZE(1));

	ext2_dir_init_first(vol, data, b->dir->ino, b->parent);
	dotdot->rec_len = vol->block_size - EXT2_DIRENT_SIZE(1);
	memset(info, 0, vol->block_size - EXT2_DX_ROOT);
	info->hash_version = b->version;
	info->info_length = sizeof(*info);
	info->levels = b->nodes > 0;
	fill_node(b, data, true, 0, b->leaves, b->nodes ? ext2_dx_limit(vol, false) : 1);
}

/* Block lblk of the directory to be. */
static void fill_block(const struct build *b, uint32_t lblk, void *data)
{
	const struct volume *vol = ext2_volume(b->dir);
	const uint32_t limit = ext2_dx_limit(vol, false);

	if (lblk == 0) {
		fill_root(b, data);
	} else if (lblk <= b->nodes) {
		((struct ext2_dirent *)data)->rec_len = vol->block_size;
		fill_node(b, data, false, (lblk - 1) * limit, min_of(lblk * limit, b->leaves), 1);
	} else {
		(void)fill_leaf(b, b->starts[lblk - 1 - b->nodes], data);
	}
}

static int make_directory(struct build *b)
{
	const uint32_t blocks = 1 + b->nodes + b->leaves;
	int err = 0;

	while (b->made_count < blocks && !err) {
		struct buffer *buffer;
		struct txn t;

		err = txn_begin(&t, ext2_volume(b->dir), 2, 0);
		if (err)
			break;
		err = make_block(b, &t, &buffer);
		if (!err) {
			fill_block(b, b->made_count - 1, buffer->data);
			buffer_put(buffer);
		}
		txn_end(&t);
	}
	return err;
}

/* A table of `count` pointers, at most a block of them. */
static int make_table(struct build *b, const fsblk_t *pointers, uint32_t count, fsblk_t *table)
{
	struct buffer *buffer;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(b->dir), 2, 0);

	if (err)
		return err;
	err = make_block(b, &t, &buffer);
	if (!err) {
		memcpy(buffer->data, pointers, count * sizeof(*pointers));
		*table = buffer->block;
		buffer_put(buffer);
	}
	txn_end(&t);
	return err;
}

/* The inode's pointers to all that was made. An index has fewer blocks than two levels of tables reach. */
static int make_tables(struct build *b, uint32_t *pointers)
{
	const uint32_t p = ext2_volume(b->dir)->pointers, blocks = b->made_count;
	uint32_t at = min_of(blocks, (uint32_t)EXT2_DIRECT);
	int err = 0;

	memset(pointers, 0, EXT2_POINTERS * sizeof(*pointers));
	memcpy(pointers, b->made, at * sizeof(*pointers));
	for (unsigned level = 1; at < blocks && level <= 2 && !err; level++) {
		const uint32_t from = b->made_count;

		for (uint32_t n = 0; at < blocks && n < (level == 1 ? 1 : p) && !err; n++) {
			const uint32_t count = min_of(blocks - at, p);

			err = make_table(b, b->made + at, count, &pointers[EXT2_DIRECT + level - 1]);
			at += count;
		}
		if (!err && level == 2)
			err = make_table(b, b->made + from, b->made_count - from, &pointers[EXT2_DIRECT + 1]);
	}
	return err;
}

/* ---- the old ones ---- */

static int note_old(struct build *b, fsblk_t block)
{
	const fsblk_t last = b->old_count ? b->old[b->old_count - 1] : 0;

	if (b->old_count == b->old_max || !ext2_block_valid(ext2_volume(b->dir), block))
		return ext2_damaged_at(ext2_volume(b->dir), b->dir->ino, 0,
				       "directory inode %u has blocks that it cannot have", b->dir->ino);
	b->old[b->old_count++] = block;
	b->old_runs += !last || (block != last + 1 && block + 1 != last);
	return 0;
}

static int note_tree(struct build *b, fsblk_t block, unsigned level)
{
	int err = note_old(b, block);

	for (uint32_t i = 0; level > 0 && i < ext2_volume(b->dir)->pointers && !err; i++) {
		struct buffer *table;
		fsblk_t next;

		/* Not held while going down: the pool may be as small as it gets. */
		err = buffer_get(ext2_volume(b->dir)->buffers, block, &table);
		if (err)
			return err;
		next = ((const uint32_t *)table->data)[i];
		buffer_put(table);
		if (next)
			err = note_tree(b, next, level - 1);
	}
	return err;
}

static int note_all_old(struct build *b)
{
	const struct inode *dir = b->dir;
	const uint32_t blocks = ext2_dir_blocks(dir);
	int err = 0;

	b->old_max = blocks + blocks / ext2_volume(dir)->pointers * 2 + 4;
	b->old = kmalloc(b->old_max * sizeof(*b->old));
	if (!b->old)
		return -ENOMEM;
	for (unsigned i = 0; i < EXT2_POINTERS && !err; i++) {
		if (ext2_node(dir)->block[i])
			err = note_tree(b, ext2_node(dir)->block[i], i < EXT2_DIRECT ? 0 : i - EXT2_DIRECT + 1);
	}
	return !err && b->old_runs > TXN_FREES_MAX ? -EOPNOTSUPP : err;
}

/* ---- one for the other ---- */

static int switch_over(struct build *b, uint32_t blocks, const uint32_t *pointers)
{
	struct inode *dir = b->dir;
	struct volume *vol = ext2_volume(dir);
	struct buffer *itable;
	struct txn t;
	int err = txn_begin(&t, vol, 1, b->old_runs);

	if (err)
		return err;
	err = ext2_inode_begin(&t, dir, &itable);
	if (!err) {
		mutex_lock(&ext2_node(dir)->bmap_lock);
		memcpy(ext2_node(dir)->block, pointers, sizeof(ext2_node(dir)->block));
		ext2_node(dir)->goal = b->made[b->made_count - 1] + 1;
		dir->sectors += ((uint64_t)b->made_count - b->old_count) * vol->sectors_per_block;
		dir->size = (uint64_t)blocks << vol->block_shift;
		dir->flags |= EXT2_FLAG_INDEX;
		ext2_node(dir)->room = 0;
		ext2_node(dir)->stamp = 0;
		mutex_unlock(&ext2_node(dir)->bmap_lock);
		ext2_inode_store(&t, dir, itable);
		for (uint32_t i = 0; i < b->old_count; i++) {
			txn_free_metadata(&t, b->old[i]);
		}
		b->made_count = 0;
	}
	txn_end(&t);
	return err;
}

/* What was made for nothing goes back. */
static void unmake(struct build *b)
{
	while (b->made_count) {
		struct txn t;

		if (txn_begin(&t, ext2_volume(b->dir), 0, min_of(b->made_count, (uint32_t)FREES_AT_ONCE))) {
			log_error("ext2: %s: %u blocks could not be given back: e2fsck does",
				  ext2_volume(b->dir)->super.dev->name, b->made_count);
			return;
		}
		for (unsigned i = 0; i < FREES_AT_ONCE && b->made_count; i++) {
			txn_free_metadata(&t, b->made[--b->made_count]);
		}
		txn_end(&t);
	}
}

static int build(struct build *b)
{
	struct volume *vol = ext2_volume(b->dir);
	uint32_t pointers[EXT2_POINTERS], blocks;
	int err = gather(b);

	if (!err)
		err = plan(b);
	if (!err)
		err = note_all_old(b);
	if (err)
		return err;
	blocks = 1 + b->nodes + b->leaves;
	if (is_journalled(vol) && (blocks > BLOCKS_AT_ONCE || b->old_runs > TXN_OP_FREES))
		return -EOPNOTSUPP;
	b->made = kmalloc((blocks + blocks / vol->pointers + 4) * sizeof(*b->made));
	if (!b->made)
		return -ENOMEM;
	/* The names' inodes are on the card before the new blocks. */
	err = txn_order(vol);
	if (!err)
		err = txn_op_begin(vol);
	if (err)
		return err;
	err = make_directory(b);
	if (!err)
		err = make_tables(b, pointers);
	if (!err)
		err = switch_over(b, blocks, pointers);
	unmake(b);
	txn_op_end(vol);
	/* And they may be reached before names of new ones come into them. */
	return err ? err : txn_order(vol);
}

int ext2_dir_build(struct inode *dir)
{
	struct build b = {.dir = dir, .version = ext2_dx_version(ext2_volume(dir))};
	int err;

	if (b.version == EXT2_HASH_VERSIONS || ext2_node(dir)->unindexed || ext2_node(dir)->listed)
		return -EOPNOTSUPP;
	err = build(&b);
	kfree(b.names);
	kfree(b.entries);
	kfree(b.starts);
	kfree(b.made);
	kfree(b.old);
	if (err == -ENOMEM || err == -ENOSPC || err == -EOPNOTSUPP) {
		ext2_node(dir)->unindexed = true;
		return -EOPNOTSUPP;
	}
	return err;
}
