// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Changing how long a file is. Shrinking takes pages out of the cache and of mappings, then gives blocks back from
 * the end, one leaf of the tree a transaction, with the inode in the orphan list so that a cut in between is finished
 * later. Growing zeroes what the cache has beyond the old end before the new size shows it, and finishes a
 * shrinking that failed, so that old contents never come back.
 *
 * Locks: the operation lock held; object.map_lock owned around every change of object.size (I2). Sleeps.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"

static uint32_t blocks_of(const struct volume *vol, uint64_t size)
{
	return (size + vol->block_size - 1) >> vol->block_shift;
}

/* One transaction's worth of freeing. */
struct step {
	struct txn t;
	struct inode *inode;
	uint32_t freed;
	bool more;	 // there may be another leaf
	fsblk_t path[3]; // indirect blocks on the way down, which are in use until the step ends
	unsigned depth;
};

/* 0, or -EUCLEAN for a pointer to what is not the file's own, or to an indirect block above itself. */
static int check_pointer(const struct step *s, fsblk_t block)
{
	bool own = ext2_block_valid(s->inode->vol, block);

	for (unsigned i = 0; i < s->depth; i++)
		own = own && s->path[i] != block;
	if (own)
		return 0;
	return ext2_damaged(s->inode->vol, "inode %u points to block %u, which cannot be its own", s->inode->ino,
			    block);
}

static void free_run(struct step *s, const uint32_t *table, uint32_t from, uint32_t to)
{
	for (uint32_t i = to; i > from; i--) {
		fsblk_t block = table[i - 1];

		if (!block)
			continue;
		s->freed++;
		/* A damaged pointer is dropped and nothing freed. */
		if (check_pointer(s, block))
			continue;
		if (!S_ISREG(s->inode->mode))
			buffer_forget(block);
		txn_free_blocks(&s->t, block, 1);
	}
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
	buffer_forget(block);
	txn_free_blocks(&s->t, block, 1);
}

/* Index in the indirect block `level` steps above the data from which pointers go. `first` counts from its start. */
static uint32_t cut_index(const struct volume *vol, unsigned level, uint64_t first)
{
	uint64_t below = 1;

	for (unsigned i = 1; i < level; i++)
		below *= vol->pointers;
	return min_of((first + below - 1) / below, (uint64_t)vol->pointers);
}

/*
 * Frees the last leaf of the tree at slot[0], of `level` levels, that reaches beyond `first`; parent holds the slot.
 * Goes down along the last pointers, holding two buffers.
 */
static int trim_tree(struct step *s, uint32_t *slot, unsigned level, uint64_t first)
{
	struct volume *vol = s->inode->vol;
	struct buffer *parent = NULL, *b = NULL;
	uint32_t *table = NULL;
	uint32_t from = 0, end;
	int err = 0;

	for (;;) {
		uint64_t below = 1;

		err = check_pointer(s, *slot);
		if (!err)
			err = buffer_get(*slot, &b);
		if (err)
			break;
		s->path[s->depth++] = *slot;
		table = b->data;
		for (unsigned i = 1; i < level; i++)
			below *= vol->pointers;
		from = first / below;
		end = last_used(table, min_of(from, vol->pointers), vol->pointers);
		if (level == 1 || end <= from) {
			from = cut_index(vol, level, first);
			break;
		}
		/* Into the last child that holds something from `first` on. */
		first = end - 1 == from ? first - from * below : 0;
		buffer_put(parent);
		parent = b;
		b = NULL;
		slot = &table[end - 1];
		level--;
	}
	if (!err && level == 1) {
		uint32_t before = s->freed;

		free_run(s, table, from, vol->pointers);
		if (from > 0 && s->freed != before) {
			txn_access(&s->t, b);
			memset(&table[from], 0, (vol->pointers - from) * sizeof(*table));
			txn_dirty(&s->t, b, BUFFER_POINTER);
		}
	}
	if (!err && from == 0) {
		buffer_put(b);
		b = NULL;
		free_indirect(s, parent, slot);
	}
	buffer_put(b);
	buffer_put(parent);
	s->depth = 0;
	return err;
}

static int trim(struct step *s, uint32_t first)
{
	struct inode *inode = s->inode;
	struct volume *vol = inode->vol;
	const uint64_t p = vol->pointers;
	const uint64_t start[4] = {0, EXT2_DIRECT, EXT2_DIRECT + p, EXT2_DIRECT + p + p * p};

	for (unsigned level = 3; level > 0; level--) {
		uint32_t *slot = &inode->block[EXT2_DIRECT + level - 1];
		int err;

		if (!*slot)
			continue;
		err = trim_tree(s, slot, level, first > start[level] ? first - start[level] : 0);
		s->more = s->freed;
		if (err || s->more)
			return err;
	}
	if (first < EXT2_DIRECT) {
		free_run(s, inode->block, first, EXT2_DIRECT);
		memset(&inode->block[first], 0, (EXT2_DIRECT - first) * sizeof(inode->block[0]));
	}
	return 0;
}

/* The size goes with the pointers that it is about: a file that is not deep loses both at once. */
static int truncate_step(struct inode *inode, uint32_t first, uint64_t size, bool *more)
{
	struct step s = {.inode = inode};
	struct buffer *itable;
	uint64_t sectors;
	int err = txn_begin(&s.t, inode->vol, 3, inode->vol->pointers + 4);

	*more = false;
	if (err)
		return err;
	err = ext2_inode_begin(&s.t, inode, &itable);
	if (!err) {
		mutex_lock(&inode->bmap_lock);
		err = trim(&s, first);
		sectors = (uint64_t)s.freed * inode->vol->sectors_per_block;
		inode->sectors -= min_of(sectors, inode->sectors);
		inode->goal = 0;
		inode->size = size;
		mutex_unlock(&inode->bmap_lock);
		ext2_inode_store(&s.t, inode, itable);
	}
	txn_end(&s.t);
	*more = s.more;
	return err;
}

/* With several steps to go: the size on the card first, and the orphan list. */
static int truncate_open(struct inode *inode, uint64_t size)
{
	const bool deep = inode->block[EXT2_DIRECT] || inode->block[EXT2_DIRECT + 1] || inode->block[EXT2_DIRECT + 2];
	struct buffer *itable;
	struct txn t;
	int err;

	if (!deep)
		return 0;
	err = txn_begin(&t, inode->vol, 1, 0);
	if (err)
		return err;
	err = ext2_inode_begin(&t, inode, &itable);
	if (!err) {
		inode->size = size;
		err = ext2_orphan_add(&t, inode, itable);
	}
	txn_end(&t);
	return err;
}

static int truncate_close(struct inode *inode)
{
	struct buffer *itable;
	struct txn t;
	int err;

	if (!atomic_load_explicit(&inode->orphan, memory_order_relaxed) || inode->links == 0)
		return 0;
	err = txn_begin(&t, inode->vol, 2, 0);
	if (err)
		return err;
	err = ext2_inode_begin(&t, inode, &itable);
	if (!err) {
		err = ext2_orphan_remove(&t, inode);
		ext2_inode_store(&t, inode, itable);
	}
	txn_end(&t);
	return err;
}

int ext2_truncate_blocks(struct inode *inode, uint64_t size)
{
	const uint32_t first = blocks_of(inode->vol, size);
	bool more = true;
	int err;

	size = min_of(size, inode->size);
	inode->truncate_unfinished = true;
	err = truncate_open(inode, size);
	while (!err && more)
		err = truncate_step(inode, first, size, &more);
	if (!err)
		err = truncate_close(inode);
	if (!err)
		inode->truncate_unfinished = false;
	return err;
}

/* The cached page of `size`, where that is in a hole, still has what lies behind: zeros, which need no block. */
static int zero_unbacked_tail(struct pcache_object *object, uint64_t size)
{
	struct page *page;
	int err = pcache_get(object, size / PAGE_SIZE, NULL, &page);

	if (err)
		return err;
	memset((char *)page_va(page) + size % PAGE_SIZE, 0, PAGE_SIZE - size % PAGE_SIZE);
	pcache_put(page);
	return 0;
}

static int shrink(struct inode *inode, uint64_t size)
{
	const pgidx_t keep = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	struct pcache_object *object = &inode->object;
	const uint64_t before = object->size;
	fsblk_t block = 0;
	uint32_t run;
	int err = 0;

	/* The part of the last page that goes must be zeros should the file grow again. */
	if (size % PAGE_SIZE) {
		err = ext2_bmap(inode, size >> inode->vol->block_shift, 1, &block, &run);
		if (!err && !block && inode->vol->block_size < PAGE_SIZE)
			err = zero_unbacked_tail(object, size);
		if (err)
			return err;
	}
	object->size = size;
	if (block && size < before) {
		err = pcache_zero(object, size, min_of(before, (uint64_t)keep * PAGE_SIZE));
		if (err) {
			object->size = before;
			return err;
		}
	}
	pcache_remove(object, keep, PGIDX_MAX);
	/* A write of the last page that began before may still go to blocks that are given back now. */
	if (block && inode->vol->block_size < PAGE_SIZE)
		err = pcache_write_range(object, keep - 1, keep - 1);
	inode_touch(inode, true);
	if (err)
		inode->truncate_unfinished = true;
	else
		err = ext2_truncate_blocks(inode, size);
	return err;
}

int ext2_extend_tail(struct inode *inode, uint64_t size)
{
	struct volume *vol = inode->vol;
	const uint64_t old = inode->object.size, page_end = align_up(old, (uint64_t)PAGE_SIZE);
	fsblk_t block;
	uint32_t run;
	int err = 0;

	if (inode->truncate_unfinished)
		err = ext2_truncate_blocks(inode, old);
	if (err || old % PAGE_SIZE == 0)
		return err;
	err = ext2_bmap(inode, (old - 1) >> vol->block_shift, 1, &block, &run);
	if (err || !block)
		return err;
	err = pcache_zero(&inode->object, old, min_of(size, page_end));
	/* The page is backed, and stays so: the rest of its blocks come with the new size. */
	if (!err)
		err = ext2_bmap_alloc_range(inode, blocks_of(vol, old), blocks_of(vol, min_of(size, page_end)), size,
					    &run);
	return err;
}

void ext2_extend_undo(struct inode *inode)
{
	int err = ext2_truncate_blocks(inode, inode->object.size);

	if (err)
		log_error("ext2: %s: inode %u keeps blocks beyond its end for now (%d)", inode->vol->dev->name,
			  inode->ino, err);
}

static int grow(struct inode *inode, uint64_t size)
{
	int err = ext2_extend_tail(inode, size);

	if (err) {
		ext2_extend_undo(inode);
		return err;
	}
	inode->object.size = size;
	inode->size = size;
	inode_touch(inode, true);
	return ext2_inode_write(inode);
}

int ext2_resize(struct inode *inode, uint64_t size)
{
	struct pcache_object *object = &inode->object;
	int err;

	if (size > inode->vol->size_max)
		return -EFBIG;
	if (atomic_load(&inode->vol->read_only))
		return -EROFS;
	rwlock_lock_write(&object->map_lock);
	if (size < object->size || (size == object->size && inode->truncate_unfinished))
		err = shrink(inode, size);
	else if (size > object->size)
		err = grow(inode, size);
	else
		err = 0;
	rwlock_unlock_write(&object->map_lock);
	return err;
}

int ext2_truncate_finish(struct inode *inode)
{
	struct pcache_object *object = &inode->object;
	int err = 0;

	mutex_lock(&inode->lock);
	if (S_ISREG(inode->mode) && inode->links && inode->truncate_unfinished) {
		rwlock_lock_write(&object->map_lock);
		err = ext2_truncate_blocks(inode, object->size);
		rwlock_unlock_write(&object->map_lock);
	}
	mutex_unlock(&inode->lock);
	return err;
}

/* One piece: owns map_lock only for as long as its zeros take. */
static int fallocate_piece(struct inode *inode, uint64_t from, uint64_t to)
{
	struct pcache_object *object = &inode->object;
	struct volume *vol = inode->vol;
	uint32_t reached = from >> vol->block_shift;
	int err = 0;

	rwlock_lock_write(&object->map_lock);
	if (to > object->size)
		err = ext2_extend_tail(inode, to);
	if (!err)
		err = ext2_bmap_alloc_range(inode, reached, blocks_of(vol, to), to, &reached);
	if (to > object->size) {
		uint64_t size = err ? min_of((uint64_t)reached << vol->block_shift, to) : to;

		if (size > object->size) {
			object->size = size;
			inode->size = max_of(inode->size, size);
			inode_touch(inode, true);
		}
		if (err)
			ext2_extend_undo(inode);
		else
			err = ext2_inode_write(inode);
	}
	rwlock_unlock_write(&object->map_lock);
	return err;
}

int ext2_fallocate(struct inode *inode, uint64_t offset, uint64_t len)
{
	const uint64_t end = offset + len, piece = 1 << 20;
	int err = 0;

	if (end > inode->vol->size_max)
		return -EFBIG;
	/* From the end of the file on, so that the size can follow what is there. */
	if (offset > inode->object.size) {
		err = ext2_resize(inode, offset);
		if (err)
			return err;
	}
	while (offset < end && !err) {
		uint64_t to = min_of(end, align_down(offset, piece) + piece);

		err = fallocate_piece(inode, offset, to);
		offset = to;
	}
	return err;
}

/* Extended attributes may be shared: the last user frees their block. One credit. */
static int release_attributes(struct txn *t, struct inode *inode)
{
	struct header {
		uint32_t magic, refs;
	} * header;
	struct buffer *b;
	int err;

	if (!inode->acl_block)
		return 0;
	if (!ext2_block_valid(inode->vol, inode->acl_block)) {
		inode->acl_block = 0;
		return 0;
	}
	err = buffer_get(inode->acl_block, &b);
	if (err)
		return err;
	header = b->data;
	if (header->magic != 0xea020000 || header->refs == 0) {
		(void)ext2_damaged(inode->vol, "attribute block %u of inode %u is none", inode->acl_block, inode->ino);
		buffer_put(b);
		return 0;
	}
	if (header->refs > 1) {
		txn_access(t, b);
		header->refs--;
		txn_dirty(t, b, BUFFER_POINTER);
		buffer_put(b);
	} else {
		buffer_put(b);
		buffer_forget(inode->acl_block);
		txn_free_blocks(t, inode->acl_block, 1);
	}
	inode->acl_block = 0;
	inode->sectors -= min_of((uint64_t)inode->vol->sectors_per_block, inode->sectors);
	return 0;
}

int ext2_inode_delete(struct inode *inode)
{
	const bool directory = S_ISDIR(inode->mode);
	const bool has_blocks = S_ISREG(inode->mode) || directory || (S_ISLNK(inode->mode) && inode->sectors);
	struct buffer *itable;
	struct txn t;
	int err = 0;

	assert(inode->links == 0 && inode->links_pending == 0);
	if (S_ISREG(inode->mode)) {
		rwlock_lock_write(&inode->object.map_lock);
		inode->object.size = 0;
		pcache_remove(&inode->object, 0, PGIDX_MAX);
		rwlock_unlock_write(&inode->object.map_lock);
	}
	inode_touch(inode, false);
	if (has_blocks)
		err = ext2_truncate_blocks(inode, 0);
	if (err)
		return err;
	inode->size = 0;
	err = txn_begin(&t, inode->vol, 3, 2);
	if (err)
		return err;
	err = ext2_inode_begin(&t, inode, &itable);
	if (!err) {
		err = release_attributes(&t, inode);
		if (!err)
			err = ext2_orphan_remove(&t, inode);
		if (err) {
			buffer_put(itable);
		} else {
			ext2_inode_store(&t, inode, itable);
			txn_free_inode(&t, inode->ino, directory);
			inode->deleted = true;
		}
	}
	txn_end(&t);
	return err;
}
