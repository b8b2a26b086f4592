// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Taking blocks away from a file, one leaf of its tree a transaction, or a part of one that is in many pieces, from the
 * end of a range downwards; each transaction leaves a legal file. Indirect blocks that become empty go too. What goes
 * is free after the commit (I10).
 *
 * Locks: the operation lock held; the transaction, and below it the block map, taken inside. Sleeps.
 */
#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"

#define RUNS_MAX 16u // of adjacent blocks that one transaction frees, and a page's more

/* One transaction's worth. */
struct step {
	struct txn t;
	struct inode *inode;
	uint64_t first, end; // blocks of the file; end goes down as the range is done with
	uint64_t low;	     // where what this step took begins
	uint32_t freed, runs;
	bool more;
	fsblk_t path[3]; // indirect blocks on the way down, which are in use until the step ends
	unsigned depth;
};

/* 0, or -EUCLEAN for a pointer to what is not the file's own, or to an indirect block above itself. */
static int check_pointer(const struct step *s, fsblk_t block)
{
	bool own = ext2_block_valid(ext2_volume(s->inode), block);

	for (unsigned i = 0; i < s->depth; i++)
		own = own && s->path[i] != block;
	if (own)
		return 0;
	return ext2_damaged_at(ext2_volume(s->inode), s->inode->ino, block,
			       "inode %u points to block %u, which cannot be its own", s->inode->ino, block);
}

/* From `to` down to where it returns: `from`, or where a page begins, once there were enough runs. */
static uint32_t free_run(struct step *s, const uint32_t *table, uint32_t from, uint32_t to)
{
	const uint32_t page = PAGE_SIZE / ext2_volume(s->inode)->block_size;
	fsblk_t next = 0;

	for (uint32_t i = to; i > from; i--) {
		fsblk_t block = table[i - 1];

		if (s->runs >= RUNS_MAX && i % page == 0)
			return i;
		if (!block)
			continue;
		s->freed++;
		/* A damaged pointer is dropped and nothing freed. */
		if (check_pointer(s, block))
			continue;
		s->runs += block + 1 != next;
		next = block;
		if (S_ISREG(s->inode->mode))
			txn_free_blocks(&s->t, block, 1);
		else
			txn_free_metadata(&s->t, block);
	}
	return from;
}

static uint32_t last_used(const uint32_t *table, uint32_t from, uint32_t to)
{
	while (to > from && !table[to - 1])
		to--;
	return to;
}

/* Frees an indirect block itself; its pointer is *slot, in parent or in the inode. */
static void free_indirect(struct step *s, struct buffer *parent, uint32_t *slot)
{
	const fsblk_t block = *slot;

	if (parent)
		txn_access(&s->t, parent);
	*slot = 0;
	if (parent)
		txn_dirty(&s->t, parent, BUFFER_POINTER);
	s->freed++;
	txn_free_metadata(&s->t, block);
}

/* A table of pointers: the part of it that the range covers is [from, to). */
struct table {
	struct buffer *b;
	uint32_t *pointers;
	uint64_t base, below; // first block of the file under it, blocks under each pointer
	uint32_t from, to;
};

static int table_get(struct step *s, fsblk_t block, unsigned level, uint64_t base, struct table *out)
{
	const uint64_t p = ext2_volume(s->inode)->pointers;
	int err = check_pointer(s, block);

	*out = (struct table){.base = base, .below = 1};
	if (!err)
		err = buffer_get(s->t.vol->buffers, block, &out->b);
	if (err)
		return err;
	s->path[s->depth++] = block;
	out->pointers = out->b->data;
	for (unsigned i = 1; i < level; i++)
		out->below *= p;
	out->from = s->first > base ? (s->first - base) / out->below : 0;
	out->to = min_of((s->end - base + out->below - 1) / out->below, p);
	return 0;
}

/* What of a table can go, goes: a leaf's pointers in the range, and the table itself if it is empty then. */
static void table_cut(struct step *s, struct table *table, unsigned level, struct buffer *parent, uint32_t *slot)
{
	const uint32_t p = ext2_volume(s->inode)->pointers, before = s->freed;
	uint32_t *pointers = table->pointers;

	s->low = max_of(s->first, table->base);
	if (level == 1) {
		const uint32_t reached = free_run(s, pointers, table->from, table->to);

		if (reached > table->from)
			s->low = table->base + reached;
		table->from = reached;
	}
	if (last_used(pointers, 0, table->from) == 0 && last_used(pointers, table->to, p) == table->to) {
		/* The tables above are looked at once more: they may be empty now too. */
		buffer_put(table->b);
		table->b = NULL;
		free_indirect(s, parent, slot);
		return;
	}
	if (s->freed != before) {
		txn_access(&s->t, table->b);
		memset(&pointers[table->from], 0, (table->to - table->from) * sizeof(*pointers));
		txn_dirty(&s->t, table->b, BUFFER_POINTER);
	}
	s->end = s->low;
}

/*
 * The last leaf of the tree at *slot, of `level` levels, that has something in the range, or a table above it that has
 * nothing. Goes down along the last pointers, holding two buffers.
 */
static int unmap_tree(struct step *s, uint32_t *slot, unsigned level, uint64_t base)
{
	struct buffer *parent = NULL;
	struct table table;
	int err;

	for (;;) {
		uint32_t last;

		err = table_get(s, *slot, level, base, &table);
		last = err || level == 1 ? 0 : last_used(table.pointers, table.from, table.to);
		if (err || level == 1 || last <= table.from)
			break;
		buffer_put(parent);
		parent = table.b;
		slot = &table.pointers[last - 1];
		base += (last - 1) * table.below;
		level--;
	}
	if (!err)
		table_cut(s, &table, level, parent, slot);
	buffer_put(table.b);
	buffer_put(parent);
	s->depth = 0;
	return err;
}

static int unmap_step(struct step *s)
{
	struct inode *inode = s->inode;
	const uint64_t p = ext2_volume(inode)->pointers;
	const uint64_t start[4] = {0, EXT2_DIRECT, EXT2_DIRECT + p, EXT2_DIRECT + p + p * p};
	const uint64_t span[4] = {EXT2_DIRECT, p, p * p, p * p * p};

	for (unsigned level = 3; level > 0 && s->end > s->first; level--) {
		uint32_t *slot = &ext2_node(inode)->block[EXT2_DIRECT + level - 1];

		if (!*slot || s->end <= start[level] || s->first >= start[level] + span[level])
			continue;
		s->more = true;
		return unmap_tree(s, slot, level, start[level]);
	}
	if (s->first < min_of(s->end, (uint64_t)EXT2_DIRECT)) {
		const uint32_t from = s->first, to = min_of(s->end, (uint64_t)EXT2_DIRECT);

		(void)free_run(s, ext2_node(inode)->block, from, to); // all: it is fewer than RUNS_MAX
		memset(&ext2_node(inode)->block[from], 0, (to - from) * sizeof(ext2_node(inode)->block[0]));
	}
	s->low = s->end = s->first;
	return 0;
}

/*
 * Writes that began before the pointers went still go to those blocks. They end before a commit can give the blocks to
 * somebody else, since the transaction is held; later ones find holes.
 */
static void await_writes(struct inode *inode, uint64_t first, uint64_t end)
{
	const unsigned shift = ext2_volume(inode)->block_shift;

	if (S_ISREG(inode->mode) && end > first)
		pcache_write_wait(&inode->object, (first << shift) / PAGE_SIZE, ((end << shift) - 1) / PAGE_SIZE);
}

int ext2_unmap(struct inode *inode, uint32_t first, uint32_t *end, uint64_t size, uint32_t *low, bool *more)
{
	struct step s = {.inode = inode, .first = first, .end = *end, .low = *end};
	struct buffer *itable;
	uint64_t sectors;
	int err = txn_begin(&s.t, ext2_volume(inode), 3, RUNS_MAX + PAGE_SIZE / ext2_volume(inode)->block_size);

	*more = false;
	if (err)
		return err;
	err = ext2_inode_begin(&s.t, inode, &itable);
	if (!err) {
		mutex_lock(&ext2_node(inode)->bmap_lock);
		err = unmap_step(&s);
		sectors = (uint64_t)s.freed * ext2_volume(inode)->sectors_per_block;
		inode->sectors -= min_of(sectors, inode->sectors);
		ext2_node(inode)->goal = 0;
		ext2_windows_drop(ext2_volume(inode), inode->ino);
		inode->size = min_of(size, inode->size);
		mutex_unlock(&ext2_node(inode)->bmap_lock);
		ext2_inode_store(&s.t, inode, itable);
	}
	if (!err && s.freed)
		await_writes(inode, s.low, *end);
	txn_end(&s.t);
	*more = !err && s.more;
	*end = s.end;
	*low = err ? *low : min_of(*low, (uint32_t)s.low);
	return err;
}
