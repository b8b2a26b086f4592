// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * From block numbers of a file to blocks of the volume: twelve direct pointers in the inode, then trees of one, two and
 * three levels of indirect blocks. Each pointer read from the card is checked before use (I8); an indirect block
 * that cannot be read is an error, never a hole (I9).
 *
 * Look-ups hold bmap_lock, allocation the transaction and then bmap_lock (I2). A look-up holds one buffer at a time.
 * Sleeps on metadata I/O; allocation may also write zeros.
 */
#include <assert.h>
#include <errno.h>

#include "fs/ext2/ext2.h"

struct walk {
	unsigned depth;	   // pointers on the way: 1 .. 4
	uint32_t index[4]; // the first in the inode
	uint64_t below[4]; // blocks that one pointer of this level covers
};

static int walk_plan(const struct volume *vol, uint32_t lblk, struct walk *w)
{
	const uint64_t p = vol->pointers;
	const uint64_t spans[4] = {1, p, p * p, p * p * p};
	uint64_t rest = lblk;

	if (rest < EXT2_DIRECT) {
		*w = (struct walk){.depth = 1, .index = {lblk}, .below = {1}};
		return 0;
	}
	rest -= EXT2_DIRECT;
	for (unsigned level = 1; level <= 3; level++) {
		if (rest >= spans[level]) {
			rest -= spans[level];
			continue;
		}
		w->depth = level + 1;
		w->index[0] = EXT2_DIRECT + level - 1;
		w->below[0] = spans[level];
		for (unsigned i = 1; i <= level; i++) {
			w->below[i] = spans[level - i];
			w->index[i] = rest / spans[level - i];
			rest %= spans[level - i];
		}
		return 0;
	}
	return -EFBIG;
}

/* Blocks from the one looked for to the end of what the pointer at `level` covers. */
static uint64_t span_left(const struct walk *w, unsigned level)
{
	uint64_t passed = 0;

	for (unsigned i = level + 1; i < w->depth; i++)
		passed += w->index[i] * w->below[i];
	return w->below[level] - passed;
}

static int check_pointer(struct inode *inode, fsblk_t block)
{
	if (ext2_block_valid(ext2_volume(inode), block))
		return 0;
	return ext2_damaged_at(ext2_volume(inode), inode->ino, block,
			       "inode %u points to block %u, which cannot be its own", inode->ino, block);
}

static int bmap_locked(struct inode *inode, uint32_t lblk, uint32_t max, fsblk_t *block, uint32_t *run)
{
	const uint32_t *table = ext2_node(inode)->block;
	uint32_t limit = EXT2_DIRECT, at, n = 1;
	struct buffer *b = NULL;
	struct walk w;
	int err = walk_plan(ext2_volume(inode), lblk, &w);

	if (err)
		return err;
	for (unsigned level = 0; level + 1 < w.depth; level++) {
		fsblk_t next = table[w.index[level]];

		buffer_put(b);
		b = NULL;
		if (!next) {
			*block = 0;
			*run = min_of((uint64_t)max, span_left(&w, level));
			return 0;
		}
		err = check_pointer(inode, next);
		if (!err)
			err = buffer_get(ext2_volume(inode)->buffers, next, &b);
		if (err)
			return err;
		table = b->data;
		limit = ext2_volume(inode)->pointers;
	}
	at = w.index[w.depth - 1];
	*block = table[at];
	while (n < max && at + n < limit && table[at + n] == (*block ? *block + n : 0))
		n++;
	if (*block && !ext2_run_valid(ext2_volume(inode), *block, n)) {
		for (uint32_t i = 0; i < n && !err; i++)
			err = check_pointer(inode, *block + i);
	}
	*run = n;
	buffer_put(b);
	return err;
}

int ext2_bmap(struct inode *inode, uint32_t lblk, uint32_t max, fsblk_t *block, uint32_t *run)
{
	int err;

	mutex_lock(&ext2_node(inode)->bmap_lock);
	err = bmap_locked(inode, lblk, max, block, run);
	mutex_unlock(&ext2_node(inode)->bmap_lock);
	return err;
}

/* ---- allocation: one indirect block, or one run of the file's own, in a transaction ---- */

struct place {
	uint32_t *slot;	  // the empty pointer
	uint32_t left;	  // empty pointers from there, 1 .. max
	bool leaf;	  // it points to the file's own block
	struct buffer *b; // holding the slot, or NULL: in the inode
	fsblk_t goal;
	bool follows; // the file has the block before
	enum ext2_contents contents;
};

/*
 * Where a block would be best: where the file goes on, else behind the one before it, else behind what was allocated
 * last, else in the group of the inode. What cannot be read gives no goal, and is told to who needs it.
 */
static void choose_goal(struct inode *inode, uint32_t lblk, struct place *place)
{
	fsblk_t before = 0;
	uint32_t run;

	place->goal = ext2_window_goal(ext2_volume(inode), inode->ino, lblk);
	place->follows = true;
	if (place->goal)
		return;
	place->follows = lblk && !bmap_locked(inode, lblk - 1, 1, &before, &run) && before;
	if (place->follows)
		place->goal = before + 1;
	else
		place->goal =
		    ext2_node(inode)->goal ? ext2_node(inode)->goal : ext2_blocks_goal(ext2_volume(inode), inode->ino);
}

/* Finds the first empty pointer on the way. -EEXIST: none, *run says how far not. */
static int find_place(struct inode *inode, uint32_t lblk, uint32_t max, struct place *place, uint32_t *run)
{
	uint32_t *table = ext2_node(inode)->block;
	uint32_t limit = EXT2_DIRECT, at, n = 1;
	struct buffer *b = NULL;
	struct walk w;
	int err = walk_plan(ext2_volume(inode), lblk, &w);

	if (err)
		return err;
	for (unsigned level = 0;; level++) {
		fsblk_t next;

		at = w.index[level];
		next = table[at];
		if (level + 1 == w.depth || !next) {
			place->leaf = level + 1 == w.depth;
			break;
		}
		buffer_put(b);
		b = NULL;
		err = check_pointer(inode, next);
		if (!err)
			err = buffer_get(ext2_volume(inode)->buffers, next, &b);
		if (err)
			return err;
		table = b->data;
		limit = ext2_volume(inode)->pointers;
	}
	if (table[at]) {
		while (n < max && at + n < limit && table[at + n])
			n++;
		*run = n;
		buffer_put(b);
		return -EEXIST;
	}
	while (place->leaf && n < max && at + n < limit && !table[at + n])
		n++;
	place->slot = &table[at];
	place->left = place->leaf ? n : 1;
	place->b = b;
	return 0;
}

/* Contents of the new blocks. A directory's are metadata, as indirect blocks are. */
static int fill_new(struct txn *t, struct inode *inode, const struct place *place, fsblk_t first, uint32_t count)
{
	struct buffer *b;

	if (place->leaf && !S_ISDIR(inode->mode)) {
		if (place->contents == EXT2_ZEROS)
			return new_blocks_add_zeros(t->vol, inode->ino, first, count);
		new_blocks_add(t->vol, inode->ino, first, count);
		return 0;
	}
	buffer_get_zeroed(t->vol->buffers, first, &b);
	txn_access(t, b);
	if (place->leaf)
		ext2_dir_init_block(t->vol, b->data);
	txn_dirty(t, b, BUFFER_EARLY);
	buffer_put(b);
	return 0;
}

/* Indirect blocks lie apart, or they would cut a growing file's blocks into pieces as long as each covers. */
static int alloc_blocks(struct txn *t, struct inode *inode, uint32_t lblk, const struct place *place, fsblk_t *first,
			uint32_t *count)
{
	const uint32_t want = S_ISDIR(inode->mode) ? 1 : min_of(place->left, NEW_BLOCKS_AT_ONCE);
	int err;

	if (place->leaf) {
		err = ext2_window_alloc(t, inode->ino, lblk, place->goal, place->follows, want, first, count);
	} else {
		*count = 1;
		err = ext2_block_alloc_apart(t, place->goal, first);
	}
	if (err)
		return err;
	err = fill_new(t, inode, place, *first, *count);
	if (err) {
		(void)ext2_blocks_release(t, *first, *count); // its bitmap is at hand: cannot fail
		ext2_windows_drop(t->vol, inode->ino);
	}
	return err;
}

static void note_new(struct inode *inode, uint32_t first, uint32_t last)
{
	const uint64_t running = atomic_load(&ext2_volume(inode)->txn.running);
	struct ext2_node *node = ext2_node(inode);
	const bool more = node->new_in == running;

	node->new_first = more ? min_of(node->new_first, first) : first;
	node->new_last = more ? max_of(node->new_last, last) : last;
	node->new_in = running;
}

static int alloc_at(struct txn *t, struct inode *inode, uint32_t lblk, uint64_t size, struct place *place,
		    uint32_t *count)
{
	struct volume *vol = t->vol;
	struct buffer *itable;
	fsblk_t first;
	int err = ext2_inode_begin(t, inode, &itable);

	if (err)
		return err;
	err = alloc_blocks(t, inode, lblk, place, &first, count);
	if (err) {
		buffer_put(itable);
		return err;
	}
	if (place->b)
		txn_access(t, place->b);
	for (uint32_t i = 0; i < *count; i++)
		place->slot[i] = first + i;
	if (place->b)
		txn_dirty(t, place->b, BUFFER_POINTER);
	inode->sectors += (uint64_t)*count * vol->sectors_per_block;
	if (place->leaf) {
		uint64_t end = min_of(size, ((uint64_t)lblk + *count) << vol->block_shift);

		ext2_node(inode)->goal = first + *count;
		inode->size = max_of(inode->size, end);
		if (place->contents == EXT2_PAGE)
			note_new(inode, lblk, lblk + *count - 1);
	}
	ext2_inode_store(t, inode, itable);
	return 0;
}

int ext2_bmap_alloc(struct inode *inode, uint32_t lblk, uint32_t max, uint64_t size, enum ext2_contents contents,
		    uint32_t *run)
{
	struct place place = {.contents = contents};
	int err = 0;

	while (!err && !place.leaf) {
		struct txn t;
		uint32_t count = 0;

		err = txn_begin(&t, ext2_volume(inode), 4, 0);
		if (err)
			return err;
		mutex_lock(&ext2_node(inode)->bmap_lock);
		choose_goal(inode, lblk, &place);
		err = find_place(inode, lblk, max, &place, run);
		if (!err) {
			err = alloc_at(&t, inode, lblk, size, &place, &count);
			buffer_put(place.b);
			*run = count;
		}
		mutex_unlock(&ext2_node(inode)->bmap_lock);
		txn_end(&t);
	}
	return err == -EEXIST ? 0 : err;
}

int ext2_bmap_alloc_range(struct inode *inode, uint32_t first, uint32_t end, uint64_t size, enum ext2_contents contents,
			  uint32_t *reached)
{
	int err = 0;

	while (first < end && !err) {
		uint32_t run = 0;

		/* So that no commit finds many unwritten: a long write goes at the card's pace. */
		if (contents == EXT2_PAGE && new_blocks_many(&ext2_volume(inode)->txn.new_blocks))
			(void)ext2_write_new_of(inode);
		err = ext2_bmap_alloc(inode, first, end - first, size, contents, &run);
		if (err == -ENOSPC && txn_frees_pending(ext2_volume(inode))) {
			/* What is being freed may do. */
			err = txn_commit(ext2_volume(inode));
			if (!err)
				err = ext2_bmap_alloc(inode, first, end - first, size, contents, &run);
		}
		if (!err)
			first += run;
	}
	*reached = first;
	return err;
}

int ext2_place(struct inode *inode, uint64_t offset, uint64_t *at, uint64_t *len)
{
	const struct volume *vol = ext2_volume(inode);
	const uint32_t lblk = (uint32_t)(offset >> vol->block_shift), end = ext2_blocks_of(vol, inode_size(inode));
	const uint64_t inside = offset - ((uint64_t)lblk << vol->block_shift);
	fsblk_t block;
	uint32_t run;
	int err = ext2_bmap(inode, lblk, end - lblk, &block, &run);

	if (err)
		return err;
	if (!block)
		return -ENXIO;
	*at = ((uint64_t)block << vol->block_shift) + inside;
	*len = ((uint64_t)run << vol->block_shift) - inside;
	return 0;
}
