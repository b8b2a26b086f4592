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

#define GROW_AHEAD (1024 * 1024) // a long write allocates so far ahead of itself

/* With several steps to go: the size on the card first, and the orphan list. */
static int truncate_open(struct inode *inode, uint64_t size)
{
	const bool deep = ext2_node(inode)->block[EXT2_DIRECT] || ext2_node(inode)->block[EXT2_DIRECT + 1] ||
			  ext2_node(inode)->block[EXT2_DIRECT + 2];
	struct buffer *itable;
	struct txn t;
	int err;

	if (!deep)
		return 0;
	err = txn_begin(&t, ext2_volume(inode), 1, 0);
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

	if (!atomic_load_explicit(&ext2_node(inode)->orphan, memory_order_relaxed) || inode->links == 0)
		return 0;
	err = txn_begin(&t, ext2_volume(inode), 2, 0);
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
	const uint32_t first = ext2_blocks_of(ext2_volume(inode), size);
	uint32_t end = UINT32_MAX, low = end;
	bool more = true;
	int err;

	size = min_of(size, inode->size);
	ext2_node(inode)->truncate_unfinished = true;
	err = truncate_open(inode, size);
	while (!err && more)
		err = ext2_unmap(inode, first, &end, size, &low, &more);
	if (!err)
		err = truncate_close(inode);
	if (!err)
		ext2_node(inode)->truncate_unfinished = false;
	return err;
}

static int shrink(struct inode *inode, uint64_t size)
{
	const pgidx_t keep = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	struct pcache_object *object = &inode->object;
	int err;

	/* The part of the last page that goes must be zeros should the file grow again. */
	if (size < min_of((uint64_t)object->size, (uint64_t)keep * PAGE_SIZE)) {
		err = pcache_clear(object, size, min_of((uint64_t)object->size, (uint64_t)keep * PAGE_SIZE));
		if (err)
			return err;
	}
	object->size = size;
	pcache_remove(object, keep, PGIDX_MAX);
	inode_touch(inode, true);
	return ext2_truncate_blocks(inode, size);
}

int ext2_extend_tail(struct inode *inode, uint64_t size)
{
	struct volume *vol = ext2_volume(inode);
	const uint64_t old = inode->object.size, page_end = align_up(old, (uint64_t)PAGE_SIZE);
	fsblk_t block;
	uint32_t run;
	int err = 0;

	if (ext2_node(inode)->truncate_unfinished)
		err = ext2_truncate_blocks(inode, old);
	if (err || old % PAGE_SIZE == 0)
		return err;
	err = ext2_bmap(inode, (old - 1) >> vol->block_shift, 1, &block, &run);
	if (err || !block)
		return err;
	err = pcache_zero(&inode->object, old, min_of(size, page_end));
	/* The page is backed, and stays so: the rest of its blocks come with the new size. */
	if (!err)
		err = ext2_bmap_alloc_range(inode, ext2_blocks_of(vol, old),
					    ext2_blocks_of(vol, min_of(size, page_end)), size, EXT2_PAGE, &run);
	return err;
}

void ext2_extend_undo(struct inode *inode)
{
	int err = ext2_truncate_blocks(inode, inode->object.size);

	if (err)
		log_error("ext2: %s: inode %u keeps blocks beyond its end until it is cut or grows (%d)",
			  ext2_volume(inode)->super.name, inode->ino, err);
}

int ext2_grow(struct inode *inode, uint64_t at, size_t *len, uint64_t end)
{
	const struct volume *vol = ext2_volume(inode);
	const uint64_t size = at + *len;
	const uint64_t ahead = max_of(size, min_of(end, align_down(at, (uint64_t)GROW_AHEAD) + GROW_AHEAD));
	uint32_t reached = 0;
	int err;

	/* The write's next piece. */
	if (at == inode->object.size && size <= ext2_node(inode)->grown_to) {
		inode->size = max_of(inode->size, size);
		return 0;
	}
	err = ext2_extend_tail(inode, size);

	/* The page's earlier blocks too: a page is stored into once all of it is backed. */
	if (!err)
		err = ext2_bmap_alloc_range(inode, align_down(at, (uint64_t)PAGE_SIZE) >> vol->block_shift,
					    ext2_blocks_of(vol, ahead), ahead, EXT2_PAGE, &reached);
	if (err && (uint64_t)reached << vol->block_shift <= at) {
		ext2_extend_undo(inode);
		return err;
	}
	if (err)
		*len = min_of((uint64_t)*len, ((uint64_t)reached << vol->block_shift) - at);
	inode->size = max_of(inode->size, at + *len);
	ext2_node(inode)->grown_to = err ? (uint64_t)reached << vol->block_shift : ahead;
	return 0;
}

int ext2_grow_end(struct inode *inode)
{
	const struct volume *vol = ext2_volume(inode);

	if (ext2_blocks_of(vol, ext2_node(inode)->grown_to) > ext2_blocks_of(vol, inode->object.size))
		ext2_extend_undo(inode);
	ext2_node(inode)->grown_to = 0;
	return ext2_inode_write(inode);
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

/* To the size that it has: POSIX stamps it all the same. */
static int touch(struct inode *inode)
{
	inode_touch(inode, true);
	return ext2_inode_write(inode);
}

int ext2_resize(struct inode *inode, uint64_t size)
{
	struct pcache_object *object = &inode->object;
	int err = 0;

	if (size > ext2_volume(inode)->super.size_max)
		return -EFBIG;
	if (atomic_load(&ext2_volume(inode)->super.read_only))
		return -EROFS;
	rwlock_lock_write(&object->map_lock);
	if (size < object->size || (size == object->size && ext2_node(inode)->truncate_unfinished))
		err = shrink(inode, size);
	else if (size > object->size)
		err = grow(inode, size);
	else
		err = touch(inode);
	rwlock_unlock_write(&object->map_lock);
	return err;
}

int ext2_truncate_finish(struct inode *inode)
{
	struct pcache_object *object = &inode->object;
	int err = 0;

	mutex_lock(&inode->lock);
	if (S_ISREG(inode->mode) && inode->links && ext2_node(inode)->truncate_unfinished) {
		rwlock_lock_write(&object->map_lock);
		err = ext2_truncate_blocks(inode, object->size);
		rwlock_unlock_write(&object->map_lock);
	}
	mutex_unlock(&inode->lock);
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

	if (!ext2_node(inode)->acl_block)
		return 0;
	if (!ext2_block_valid(ext2_volume(inode), ext2_node(inode)->acl_block)) {
		(void)ext2_damaged_at(ext2_volume(inode), inode->ino, ext2_node(inode)->acl_block,
				      "inode %u has its attributes in block %u, which cannot be its own", inode->ino,
				      ext2_node(inode)->acl_block);
		ext2_node(inode)->acl_block = 0;
		return 0;
	}
	err = buffer_get(t->vol->buffers, ext2_node(inode)->acl_block, &b);
	if (err)
		return err;
	header = b->data;
	if (header->magic != 0xea020000 || header->refs == 0) {
		(void)ext2_damaged_at(ext2_volume(inode), inode->ino, ext2_node(inode)->acl_block,
				      "attribute block %u of inode %u is none", ext2_node(inode)->acl_block,
				      inode->ino);
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
		txn_free_metadata(t, ext2_node(inode)->acl_block);
	}
	ext2_node(inode)->acl_block = 0;
	inode->sectors -= min_of((uint64_t)ext2_volume(inode)->sectors_per_block, inode->sectors);
	return 0;
}

int ext2_inode_delete(struct inode *inode)
{
	const bool directory = S_ISDIR(inode->mode);
	const bool has_blocks =
	    S_ISREG(inode->mode) || directory || (S_ISLNK(inode->mode) && !ext2_link_is_short(inode));
	struct buffer *itable;
	struct txn t;
	int err = 0;

	assert(inode->links == 0 && ext2_node(inode)->links_pending == 0);
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
	err = txn_begin(&t, ext2_volume(inode), 3, 2);
	if (err)
		return err;
	err = ext2_inode_begin(&t, inode, &itable);
	if (!err) {
		err = ext2_orphan_remove(&t, inode);
		if (err) {
			buffer_put(itable);
		} else {
			if (release_attributes(&t, inode))
				log_error(
				    "ext2: %s: attribute block %u of inode %u cannot be read and is not given back; "
				    "run e2fsck",
				    t.vol->super.name, ext2_node(inode)->acl_block, inode->ino);
			ext2_inode_store(&t, inode, itable);
			txn_free_inode(&t, inode->ino, directory);
			inode->removed = true;
		}
	}
	txn_end(&t);
	return err;
}
