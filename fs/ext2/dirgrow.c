// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * An index that grows: a leaf or a node is split in two, or the root gets a level below it. Each takes a new block, in
 * three commits:
 *
 * 1. the block, empty, at the directory's end (with all that the batch had, so that every name has its inode);
 * 2. what moves, copied into it;
 * 3. the entry that leads there, and what has moved taken out of where it was.
 *
 * So a name is in one block or in two with the same inode, never in none. A cut between the first commit and the last
 * leaves an index that does not know the block or has names out of its order, which the next mount (dircheck.c) and
 * e2fsck see and make anew, names found twice then being one. All states are good directories for who reads them
 * through. Where a step fails, the block is emptied and the index given up. With a journal all of it is one operation.
 *
 * Locks: the directory's operation lock, volume.names_lock. Sleeps on metadata I/O.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/dir.h"
#include "mm/kmalloc.h"

struct growth {
	struct inode *dir;
	const struct dx_path *path;
	uint32_t source, parent, fresh; // blocks: what is divided, what leads there, the new one
	uint32_t hash;			// of the new entry
	/* Of a leaf: the names by hash, those from `first` on move. */
	struct dir_name *names;
	unsigned count, first;
};

struct kind {
	bool node;
	void (*copy)(const struct growth *g, const void *source, void *fresh);
	void (*link)(const struct growth *g, void *parent, void *source);
};

static struct ext2_dx_head *head_of(void *data, bool root)
{
	return (struct ext2_dx_head *)ext2_dx_entries(data, root);
}

static void insert_entry(void *data, bool root, uint32_t at, uint32_t hash, uint32_t block)
{
	struct ext2_dx_entry *entries = ext2_dx_entries(data, root);
	struct ext2_dx_head *head = head_of(data, root);

	memmove(&entries[at + 1], &entries[at], (head->count - at) * sizeof(*entries));
	entries[at] = (struct ext2_dx_entry){.hash = hash, .block = block};
	head->count++;
}

/* A node with these entries, the first's hash of no account. */
static void fill_node(const struct growth *g, void *fresh, const struct ext2_dx_entry *entries, uint32_t count)
{
	struct ext2_dx_head *head = head_of(fresh, false);

	memcpy(head, entries, count * sizeof(*entries));
	head->limit = ext2_dx_limit(ext2_volume(g->dir), false);
	head->count = count;
}

/* ---- a leaf ---- */

static void leaf_copy(const struct growth *g, const void *source, void *fresh)
{
	const struct volume *vol = ext2_volume(g->dir);
	struct dir_pack pack = {.data = fresh, .size = vol->block_size};

	for (unsigned i = g->first; i < g->count; i++) {
		const struct ext2_dirent *e = (const struct ext2_dirent *)((const char *)source + g->names[i].at);

		(void)ext2_dir_pack(&pack, e, ext2_dirent_len(vol, e)); // fits: split_point
	}
}

static void leaf_link(const struct growth *g, void *parent, void *source)
{
	struct ext2_dirent *e, *before = NULL;
	uint8_t moves[DIR_NAMES_MAX * EXT2_DIRENT_SIZE(1) / 4 / 8 + 1] = {0};
	uint32_t rec_len;

	for (unsigned i = g->first; i < g->count; i++)
		moves[g->names[i].at / 32] |= 1u << g->names[i].at / 4 % 8;
	for (uint32_t at = 0; at < ext2_volume(g->dir)->block_size; at += rec_len) {
		e = (struct ext2_dirent *)((char *)source + at);
		rec_len = e->rec_len;
		if (!(moves[at / 32] & 1u << at / 4 % 8) || !ext2_dirent_remove(source, before, e))
			before = e;
	}
	insert_entry(parent, g->parent == 0, g->path->frames[g->path->levels].at + 1, g->hash, g->fresh);
	ext2_dir_moved(g->dir);
}

static const struct kind leaf_kind = {.node = false, .copy = leaf_copy, .link = leaf_link};

/* ---- a node ---- */

static void node_copy(const struct growth *g, const void *source, void *fresh)
{
	const struct ext2_dx_entry *entries = ext2_dx_entries((void *)source, false);

	fill_node(g, fresh, entries + g->first, g->count - g->first);
}

static void node_link(const struct growth *g, void *parent, void *source)
{
	const uint32_t hash = ext2_dx_entries(source, false)[g->first].hash;

	insert_entry(parent, true, g->path->frames[0].at + 1, hash, g->fresh);
	head_of(source, false)->count = g->first;
}

static const struct kind node_kind = {.node = true, .copy = node_copy, .link = node_link};

/* ---- a level: what the root had goes below it ---- */

static void level_copy(const struct growth *g, const void *source, void *fresh)
{
	fill_node(g, fresh, ext2_dx_entries((void *)source, true), g->count);
}

/* A change of the root's first sector. */
static void level_link(const struct growth *g, void *parent, void *source)
{
	struct ext2_dx_root *info = (struct ext2_dx_root *)((char *)source + EXT2_DX_ROOT);
	struct ext2_dx_head *head = head_of(source, true);

	(void)parent;
	info->levels++;
	head->count = 1;
	head->block = g->fresh;
}

static const struct kind level_kind = {.node = true, .copy = level_copy, .link = level_link};

/* ---- the steps ---- */

int ext2_dir_drop_index(struct inode *dir)
{
	int err;

	ext2_node(dir)->unindexed = true;
	/* First what the batch has of its blocks: names that were taken back from one must not be found twice. */
	err = txn_order(ext2_volume(dir));
	if (err)
		return err;
	dir->flags &= ~EXT2_FLAG_INDEX;
	inode_touch(dir, false);
	err = ext2_inode_write(dir);
	if (err)
		dir->flags |= EXT2_FLAG_INDEX; // whoever adds a name tries again
	return err;
}

/* A block of the directory, inside the transaction, about to be changed. */
static int get_block(struct txn *t, struct inode *dir, uint32_t lblk, struct buffer **b)
{
	int err = ext2_dir_block(dir, lblk, b);

	if (!err)
		txn_access(t, *b);
	return err;
}

/* For nodes the one entry is as long as the block before anything is behind it: for who reads it through it is empty.
 */
static int begin_node(struct inode *dir, uint32_t lblk)
{
	struct buffer *b;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(dir), 1, 0);

	if (err)
		return err;
	err = get_block(&t, dir, lblk, &b);
	if (!err) {
		((struct ext2_dirent *)b->data)->rec_len = ext2_volume(dir)->block_size;
		txn_dirty(&t, b, BUFFER_NAME);
		buffer_put(b);
	}
	txn_end(&t);
	return err;
}

static int append(struct growth *g, bool node)
{
	struct inode *dir = g->dir;
	const uint64_t size = dir->size + ext2_volume(dir)->block_size;
	uint32_t run;
	int err;

	g->fresh = ext2_dir_blocks(dir);
	if (size > INT32_MAX)
		return -ENOSPC;
	err = ext2_bmap_alloc(dir, g->fresh, 1, size, EXT2_PAGE, &run);
	if (!err && node)
		err = begin_node(dir, g->fresh);
	return err ? err : txn_order(ext2_volume(dir));
}

static int copy_step(const struct growth *g, const struct kind *kind)
{
	struct buffer *source, *fresh;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(g->dir), 1, 0);

	if (err)
		return err;
	err = ext2_dir_block(g->dir, g->source, &source);
	if (!err) {
		err = get_block(&t, g->dir, g->fresh, &fresh);
		if (!err) {
			kind->copy(g, source->data, fresh->data);
			txn_dirty(&t, fresh, BUFFER_NAME);
			buffer_put(fresh);
		}
		buffer_put(source);
	}
	txn_end(&t);
	return err;
}

static int link_step(const struct growth *g, const struct kind *kind)
{
	struct buffer *source, *parent;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(g->dir), 2, 0);

	if (err)
		return err;
	err = get_block(&t, g->dir, g->source, &source);
	if (!err) {
		err = get_block(&t, g->dir, g->parent, &parent);
		if (!err) {
			kind->link(g, parent->data, source->data);
			ext2_node(g->dir)->stamp = 0;
			txn_dirty(&t, parent, BUFFER_NAME);
			txn_dirty(&t, source, BUFFER_NAME);
			buffer_put(parent);
		}
		buffer_put(source);
	}
	txn_end(&t);
	return err;
}

/* The new block without names again. dirty: it is in the running batch. */
static int empty_fresh(const struct growth *g, bool dirty)
{
	struct buffer *b;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(g->dir), dirty ? 0 : 1, 0);

	if (err)
		return err;
	err = get_block(&t, g->dir, g->fresh, &b);
	if (!err) {
		ext2_dir_init_block(ext2_volume(g->dir), b->data);
		txn_dirty(&t, b, BUFFER_NAME);
		buffer_put(b);
	}
	txn_end(&t);
	return err;
}

static int grow_in_steps(struct growth *g, const struct kind *kind)
{
	struct inode *dir = g->dir;
	bool copied = false, committed = false;
	int err = append(g, kind->node);

	if (!err) {
		err = copy_step(g, kind);
		copied = !err;
	}
	if (!err) {
		err = txn_order(ext2_volume(dir));
		committed = !err;
	}
	if (!err)
		err = link_step(g, kind);
	if (!err)
		return txn_order(ext2_volume(dir));
	if (copied && !kind->node && empty_fresh(g, !committed))
		(void)ext2_damaged_at(ext2_volume(dir), dir->ino, 0,
				      "directory inode %u: names of block %u are in block %u too", dir->ino, g->source,
				      g->fresh);
	/* An index must know all blocks. */
	if (ext2_dir_blocks(dir) > g->fresh)
		(void)ext2_dir_drop_index(dir);
	return err;
}

static int grow(struct growth *g, const struct kind *kind)
{
	int err = txn_op_begin(ext2_volume(g->dir));

	if (err)
		return err;
	err = grow_in_steps(g, kind);
	txn_op_end(ext2_volume(g->dir));
	return err;
}

/* ---- how a leaf is divided ---- */

static uint32_t size_of(const struct growth *g, const void *data, unsigned i)
{
	return EXT2_DIRENT_SIZE(
	    ext2_dirent_len(ext2_volume(g->dir), (const struct ext2_dirent *)((const char *)data + g->names[i].at)));
}

/*
 * The first name to move: half a block of names goes, which fits into a block whatever their lengths, as two sectors
 * that follow each other are together more than one when a third is begun. If it can be, names of one hash stay
 * together.
 */
static void split_point(struct growth *g, const void *data)
{
	const struct dir_name *n = g->names;
	uint32_t size = size_of(g, data, g->count - 1);
	unsigned i = g->count - 1;

	while (i > 1 && size + size_of(g, data, i - 1) <= ext2_volume(g->dir)->block_size / 2)
		size += size_of(g, data, --i);
	g->first = i;
	while (i < g->count && n[i].hash == n[i - 1].hash)
		i++;
	if (i == g->count) {
		g->hash = n[g->first].hash | 1;
		return;
	}
	/* Between the two, so that what is left behind by a cut is out of order. */
	g->first = i;
	g->hash = n[i - 1].hash + ((n[i].hash - n[i - 1].hash) / 2 & ~1u);
	if (g->hash == n[i - 1].hash)
		g->hash = n[i].hash;
}

static int plan_leaf(struct growth *g)
{
	struct inode *dir = g->dir;
	struct ext2_dirent *e;
	struct buffer *b;
	int err = ext2_dir_block(dir, g->source, &b);

	if (err)
		return err;
	for (uint32_t at = 0; at < ext2_volume(dir)->block_size; at += e->rec_len) {
		e = ext2_dirent_at(dir, b, at, &err);
		if (!e)
			break;
		if (e->ino)
			g->names[g->count++] =
			    (struct dir_name){.hash = ext2_dir_hash(ext2_volume(dir), g->path->version, e->name,
								    ext2_dirent_len(ext2_volume(dir), e)),
					      .at = at};
	}
	if (!err && g->count < 2)
		err = ext2_dx_unusable(dir, g->source, "has names that leave no room");
	if (!err) {
		ext2_dir_sort(g->names, g->count);
		split_point(g, b->data);
		if (g->names[0].hash < (g->path->start & ~1u) ||
		    (!g->path->last && g->names[g->count - 1].hash >= g->path->end))
			err = ext2_dx_unusable(dir, g->source, "has names out of order");
	}
	buffer_put(b);
	return err;
}

static int grow_leaf(struct growth *g)
{
	int err;

	g->names = kmalloc(DIR_NAMES_MAX * sizeof(*g->names));
	if (!g->names)
		return -ENOMEM;
	err = plan_leaf(g);
	if (!err)
		err = grow(g, &leaf_kind);
	kfree(g->names);
	return err;
}

int ext2_dx_grow(struct inode *dir, const struct dx_path *path)
{
	const struct dx_frame *root = &path->frames[0], *node = &path->frames[path->levels];
	struct growth g = {.dir = dir, .path = path, .source = path->leaf, .parent = node->lblk};

	if (node->count < node->limit)
		return grow_leaf(&g);
	g.source = node->lblk;
	g.parent = 0;
	g.count = node->count;
	if (path->levels == 0)
		return grow(&g, &level_kind);
	if (root->count == root->limit)
		return ext2_dx_unusable(dir, 0, "is full");
	g.first = g.count / 2;
	return grow(&g, &node_kind);
}
