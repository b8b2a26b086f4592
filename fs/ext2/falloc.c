// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * fallocate: blocks for a range, holes, zeros.
 *
 * A hole is punched with map_lock owned from beginning to end. The pages that it begins and ends in become zeros there,
 * and no mapping shows them; then the blocks go, leaf by leaf; and last the pages that lie in the hole. So a step that
 * fails leaves what it did not reach as it was, dirty pages included. Who stores into such a page meanwhile has stored
 * before the call, until the page is gone: then the store waits, and allocates anew.
 *
 * Locks: the operation lock held; object.map_lock taken inside. Sleeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"

#define PIECE ((uint64_t)1 << 20) // of a range, while map_lock is owned

/* ---- blocks ---- */

/* Owns map_lock only for as long as its zeros take. Whole pages: one is stored into once all of it has blocks. */
static int fallocate_piece(struct inode *inode, uint64_t from, uint64_t to)
{
	struct pcache_object *object = &inode->object;
	struct volume *vol = ext2_volume(inode);
	uint32_t reached = align_down(from, (uint64_t)PAGE_SIZE) >> vol->block_shift;
	uint64_t end;
	int err = 0;

	rwlock_lock_write(&object->map_lock);
	end = max_of(to, min_of(align_up(to, (uint64_t)PAGE_SIZE), (uint64_t)object->size));
	if (to > object->size)
		err = ext2_extend_tail(inode, to);
	if (!err)
		err = ext2_bmap_alloc_range(inode, reached, ext2_blocks_of(vol, end), end, EXT2_ZEROS, &reached);
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
	const uint64_t end = offset + len;
	int err = 0;

	if (end > ext2_volume(inode)->super.size_max)
		return -EFBIG;
	/* From the end of the file on, so that the size can follow what is there. */
	if (offset > inode->object.size) {
		err = ext2_resize(inode, offset);
		if (err)
			return err;
	}
	while (offset < end && !err) {
		uint64_t to = min_of(end, align_down(offset, PIECE) + PIECE);

		err = fallocate_piece(inode, offset, to);
		offset = to;
	}
	return err;
}

/* The block that holds the file's end may be allocated whole; one beyond it may not. */
static int check_inside(const struct inode *inode, uint64_t end)
{
	return ext2_blocks_of(ext2_volume(inode), end) > ext2_blocks_of(ext2_volume(inode), inode->object.size)
		   ? -EOPNOTSUPP
		   : 0;
}

int ext2_fallocate_inside(struct inode *inode, uint64_t offset, uint64_t len)
{
	const uint64_t size = inode->object.size;
	int err = check_inside(inode, offset + len);

	if (err)
		return err;
	offset = min_of(offset, size - 1);
	return ext2_fallocate(inode, offset, min_of(offset + len, size) - offset);
}

/* ---- holes ---- */

/* The parts of pages at the ends of the range. */
static int clear_ends(struct inode *inode, uint64_t from, uint64_t to)
{
	const uint64_t head_end = min_of(to, align_up(from, (uint64_t)PAGE_SIZE));
	const uint64_t tail = max_of(head_end, align_down(to, (uint64_t)PAGE_SIZE));
	int err = 0;

	if (head_end > from)
		err = pcache_clear(&inode->object, from, head_end);
	if (!err && to > tail)
		err = pcache_clear(&inode->object, tail, to);
	return err;
}

static int punch_locked(struct inode *inode, uint64_t from, uint64_t to)
{
	struct pcache_object *object = &inode->object;
	const struct volume *vol = ext2_volume(inode);
	const uint32_t first = ext2_blocks_of(vol, from);
	uint32_t reached, low;
	pgidx_t page;
	bool more;
	int err;

	if (to >= object->size)
		to = align_up((uint64_t)object->size, (uint64_t)PAGE_SIZE); // nothing lies behind
	if (from >= to)
		return 0;
	inode_touch(inode, true);
	err = clear_ends(inode, from, to);
	if (err)
		return err;
	reached = low = to >> vol->block_shift;
	more = first < reached;
	while (!err && more)
		err = ext2_unmap(inode, first, &reached, UINT64_MAX, &low, &more);
	/* A page does not outlive its blocks. Leaves begin where pages do. */
	page = max_of(from, err ? (uint64_t)low << vol->block_shift : 0);
	page = align_up(page, (uint64_t)PAGE_SIZE) / PAGE_SIZE;
	if (page < to / PAGE_SIZE)
		pcache_punch(object, page, to / PAGE_SIZE - 1);
	return err;
}

int ext2_punch(struct inode *inode, uint64_t offset, uint64_t len)
{
	int err;

	rwlock_lock_write(&inode->object.map_lock);
	err = punch_locked(inode, offset, offset + len);
	rwlock_unlock_write(&inode->object.map_lock);
	return err;
}

/* ---- zeros ---- */

/* Of one page, as a write would store them. map_lock held. */
static int zero_in_page(struct pcache_object *object, uint64_t from, uint64_t to)
{
	struct page *page;
	int err;

	if (from % PAGE_SIZE || (to % PAGE_SIZE && to < object->size))
		return pcache_zero(object, from, to);
	err = pcache_get_overwrite(object, from / PAGE_SIZE, &page);
	if (err)
		return err;
	err = pcache_make_dirty(page, NULL);
	if (!err)
		memset(page_va(page), 0, PAGE_SIZE);
	pcache_put(page);
	return err;
}

/*
 * From *at on, up to `to`: what is a hole, which gets blocks of zeros, and so does the rest of the pages that it begins
 * and ends in; or what is left of a page. *at moves behind it.
 */
static int zero_next(struct inode *inode, uint64_t *at, uint64_t to)
{
	struct pcache_object *object = &inode->object;
	const struct volume *vol = ext2_volume(inode);
	const uint64_t page = align_down(*at, (uint64_t)PAGE_SIZE), page_end = min_of(to, page + PAGE_SIZE);
	const uint32_t lblk = *at >> vol->block_shift, last = ext2_blocks_of(vol, to);
	uint32_t run, reached;
	fsblk_t block;
	uint64_t end;
	int err = ext2_bmap(inode, lblk, last - lblk, &block, &run);

	if (err)
		return err;
	end = min_of(to, (uint64_t)(lblk + run) << vol->block_shift);
	if (!block && end >= page_end) {
		const uint64_t whole = min_of(align_up(end, (uint64_t)PAGE_SIZE), (uint64_t)object->size);

		err = ext2_bmap_alloc_range(inode, page >> vol->block_shift, ext2_blocks_of(vol, whole), whole,
					    EXT2_ZEROS, &reached);
	} else {
		end = page_end;
		err = zero_in_page(object, *at, end);
	}
	if (!err)
		*at = end;
	return err;
}

int ext2_zero_range(struct inode *inode, uint64_t offset, uint64_t len, bool keep_size)
{
	struct pcache_object *object = &inode->object;
	const uint64_t size = object->size; // only this thread, which has the operation lock, changes it
	uint64_t end = offset + len;
	int err = 0;

	if (keep_size)
		err = check_inside(inode, end);
	else if (end > size)
		err = ext2_fallocate(inode, max_of(offset, size), end - max_of(offset, size));
	end = min_of(end, size);
	if (err || offset >= end)
		return err;
	inode_touch(inode, true);
	while (offset < end && !err) {
		rwlock_lock_read(&object->map_lock);
		err = zero_next(inode, &offset, end);
		rwlock_unlock_read(&object->map_lock);
	}
	return err;
}

int ext2_fallocate_mode(struct inode *inode, int mode, uint64_t offset, uint64_t len)
{
	switch (mode) {
	case 0:
		return ext2_fallocate(inode, offset, len);
	case FALLOC_FL_KEEP_SIZE:
		return ext2_fallocate_inside(inode, offset, len);
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
		return ext2_punch(inode, offset, len);
	default:
		return ext2_zero_range(inode, offset, len, mode & FALLOC_FL_KEEP_SIZE);
	}
}

int ext2_next_data(struct inode *inode, uint64_t *offset, bool hole)
{
	const struct volume *vol = ext2_volume(inode);
	const uint64_t size = inode->object.size;
	uint32_t lblk = *offset >> vol->block_shift;
	const uint32_t end = ext2_blocks_of(vol, size);

	while (lblk < end) {
		fsblk_t block;
		uint32_t run;
		int err = ext2_bmap(inode, lblk, end - lblk, &block, &run);

		if (err)
			return err;
		if (hole != (block != 0)) {
			*offset = max_of(*offset, (uint64_t)lblk << vol->block_shift);
			return 0;
		}
		lblk += run;
	}
	if (!hole)
		return -ENXIO;
	*offset = size;
	return 0;
}
