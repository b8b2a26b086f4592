// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Regular files of tmpfs: memory objects, whose pages are promised and counted as they come and go (mm/shm.c), by a
 * write, a fault or fallocate. There is none beyond the end of a file, and what was stored beyond it in the last page
 * is zeros for whoever extends the file.
 *
 * Locks: the operation lock held; object.map_lock taken inside, but for grow. Sleeps for memory.
 */
#include <errno.h>
#include <fcntl.h>

#include "arch/page.h"
#include "fs/tmpfs/node.h"

static pgidx_t pages_in(uint64_t bytes)
{
	return bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
}

/* What the last page has beyond the end. map_lock owned. */
static void clear_tail(struct pcache_object *object)
{
	shm_clear(object, object->size, align_up((uint64_t)object->size, (uint64_t)PAGE_SIZE));
}

/* map_lock owned. */
static void set_size(struct inode *inode, uint64_t size)
{
	struct pcache_object *object = &inode->object;
	const bool shrinks = size < object->size;

	if (size > object->size)
		clear_tail(object);
	object->size = size;
	inode->size = size;
	if (shrinks) {
		clear_tail(object);
		pcache_remove(object, pages_in(size), PGIDX_MAX);
	}
}

static int resize(struct inode *inode, uint64_t size)
{
	if (size > inode->super->size_max)
		return -EFBIG;
	if (atomic_load(&inode->super->read_only))
		return -EROFS;
	rwlock_lock_write(&inode->object.map_lock);
	set_size(inode, size);
	rwlock_unlock_write(&inode->object.map_lock);
	inode_touch(inode, true);
	return 0;
}

/* The pages come as they are written. */
static int grow(struct inode *inode, uint64_t at, size_t *len, uint64_t end)
{
	(void)len;
	(void)end;
	if (at > inode->object.size)
		clear_tail(&inode->object);
	return 0;
}

static int grow_end(struct inode *inode)
{
	inode->size = inode->object.size;
	return 0;
}

/* ---- fallocate ---- */

/* map_lock owned. */
static int allocate(struct inode *inode, uint64_t from, uint64_t to)
{
	const uint64_t old_size = inode->object.size;
	int err;

	if (to > old_size)
		set_size(inode, to);
	err = shm_fill(&inode->object, from / PAGE_SIZE, pages_in(to) - 1);
	if (err && to > old_size)
		set_size(inode, old_size);
	return err;
}

/* map_lock owned. Private copies stay, as on Linux. */
static void punch(struct inode *inode, uint64_t from, uint64_t to)
{
	const pgidx_t first = pages_in(from), end = to / PAGE_SIZE;

	shm_clear(&inode->object, from, min_of(to, first * PAGE_SIZE));
	if (first <= end)
		shm_clear(&inode->object, end * PAGE_SIZE, to);
	if (first < end)
		pcache_punch(&inode->object, first, end - 1);
}

/* Whole pages beyond the end of a file are none's; one who asks for them is told that before anything has changed. */
static int check_inside(const struct inode *inode, uint64_t end)
{
	return pages_in(end) > pages_in(inode->object.size) ? -EOPNOTSUPP : 0;
}

static int fallocate_locked(struct inode *inode, int mode, uint64_t from, uint64_t to)
{
	const uint64_t size = inode->object.size;
	int err = 0;

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		punch(inode, from, min_of(to, align_up(size, (uint64_t)PAGE_SIZE)));
		return 0;
	}
	if (mode & FALLOC_FL_KEEP_SIZE) {
		err = check_inside(inode, to);
		to = min_of(to, size);
	}
	if (!err && from < to)
		err = allocate(inode, from, to);
	if (!err && mode & FALLOC_FL_ZERO_RANGE)
		shm_clear(&inode->object, from, to);
	return err;
}

static int tmpfs_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t len)
{
	int err;

	rwlock_lock_write(&inode->object.map_lock);
	err = fallocate_locked(inode, mode, offset, offset + len);
	rwlock_unlock_write(&inode->object.map_lock);
	if (!err)
		inode_touch(inode, true);
	return err;
}

static int next_data(struct inode *inode, uint64_t *offset, bool hole)
{
	const uint64_t size = inode->object.size;
	pgidx_t index = *offset / PAGE_SIZE;

	if (shm_next(&inode->object, &index, pages_in(size) - 1, hole))
		*offset = max_of(*offset, index * PAGE_SIZE);
	else if (hole)
		*offset = size;
	else
		return -ENXIO;
	return 0;
}

void tmpfs_data_drop(struct inode *inode)
{
	rwlock_lock_write(&inode->object.map_lock);
	set_size(inode, 0);
	rwlock_unlock_write(&inode->object.map_lock);
}

/* Nothing is behind it. */
static int data_sync(struct pcache_object *object)
{
	(void)object;
	return 0;
}

const struct pcache_ops tmpfs_data_ops = {.sync = data_sync, .ref = inode_object_ref};

const struct inode_ops tmpfs_file_ops = {
    .store = tmpfs_store,
    .resize = resize,
    .fallocate = tmpfs_fallocate,
    .next_data = next_data,
    .grow = grow,
    .grow_end = grow_end,
    .sync = tmpfs_sync,
};
