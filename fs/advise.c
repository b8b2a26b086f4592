// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What a program says about how it will use an open file, and the writing of a range of it. Errors, and their order,
 * are Linux's; so is that of files without pages, devices and directories, advice is checked and not taken.
 *
 * Locks: the write gate where something is written; the file's lock, the object's map_lock. Sleeps.
 */
#include <errno.h>
#include <fcntl.h>

#include "arch/page.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "mm/reclaim.h"

/* The regular file's pages, or NULL. */
static struct pcache_object *object_of(const struct file *file)
{
	return inode_has_pages(file->inode) ? &file->inode->object : NULL;
}

/* Bytes [from, to); to is beyond the last one for a length of 0, or one that is too long. */
struct span {
	uint64_t from, to;
};

static struct span span_of(int64_t offset, uint64_t len)
{
	const uint64_t from = offset;

	return (struct span){from, len == 0 || from + len < from ? UINT64_MAX : from + len};
}

static void set_pattern(struct file *file, int advice)
{
	mutex_lock(&file->lock);
	file->readahead.random = advice == POSIX_FADV_RANDOM;
	file->readahead.sequential = advice == POSIX_FADV_SEQUENTIAL;
	mutex_unlock(&file->lock);
}

/* Starts reading what is missing. */
static void will_need(struct pcache_object *object, struct span span)
{
	if (span.from < span.to)
		pcache_will_need(object, span.from / PAGE_SIZE, (span.to - 1) / PAGE_SIZE);
}

/* Starts writing what is dirty, and drops pages that are wholly in the range, clean, and not mapped. */
static int dont_need(struct inode *inode, struct span span)
{
	struct pcache_object *object = &inode->object;
	const uint64_t first = span.from / PAGE_SIZE + (span.from % PAGE_SIZE != 0);
	uint64_t end = span.to / PAGE_SIZE;
	int err = super_write_begin(inode->super);

	if (err)
		return err;
	pcache_write_start(object, span.from / PAGE_SIZE, (span.to - 1) / PAGE_SIZE);
	if (span.to >= atomic_load_explicit(&object->size, memory_order_relaxed))
		end = PGIDX_MAX; // the last page may be a part
	if (first < end)
		(void)reclaim_drop_range(object, first, end - 1);
	super_write_end(inode->super);
	return 0;
}

static int file_advise(struct file *file, int64_t offset, int64_t len, int advice)
{
	struct pcache_object *object = object_of(file);

	if (len < 0)
		return -EINVAL;
	if (object && object->memory)
		object = NULL; // there is nothing to read, and none to drop
	switch (advice) {
	case POSIX_FADV_NORMAL:
	case POSIX_FADV_RANDOM:
	case POSIX_FADV_SEQUENTIAL:
		set_pattern(file, advice);
		return 0;
	case POSIX_FADV_WILLNEED:
		if (object)
			will_need(object, span_of(offset, len));
		return 0;
	case POSIX_FADV_DONTNEED:
		return object ? dont_need(inode_of(object), span_of(offset, len)) : 0;
	case POSIX_FADV_NOREUSE:
		return 0;
	default:
		return -EINVAL;
	}
}

int fs_fadvise(int fd, int64_t offset, int64_t len, int advice)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	err = S_ISFIFO(file->inode->mode) ? -ESPIPE : file_advise(file, offset, len, advice);
	(void)file_put(file); // an error that this last close finds has no one to be told to
	return err;
}

int fs_readahead(int fd, int64_t offset, size_t count)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	if (!file_readable(file))
		err = -EBADF;
	else if (!object_of(file))
		err = -EINVAL;
	else
		err = file_advise(file, offset, (int64_t)count, POSIX_FADV_WILLNEED);
	(void)file_put(file); // as above
	return err;
}

/* ---- writing a range ---- */

#define ALL_STEPS (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)

/* What the writes of others meet is told once for each open file, as fsync does. */
static int write_steps(struct file *file, struct span span, unsigned flags)
{
	struct pcache_object *object = object_of(file);
	const pgidx_t first = span.from / PAGE_SIZE, last = (span.to - 1) / PAGE_SIZE;
	int err = 0, before = 0;

	if (flags == ALL_STEPS) {
		err = pcache_write_range(object, first, last);
	} else {
		if (flags & SYNC_FILE_RANGE_WAIT_BEFORE)
			pcache_write_wait(object, first, last);
		if (flags & SYNC_FILE_RANGE_WRITE)
			pcache_write_start(object, first, last);
		if (flags & SYNC_FILE_RANGE_WAIT_AFTER)
			pcache_write_wait(object, first, last);
	}
	if (flags & (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER))
		before = pcache_errors_take(object, file->errors);
	return err ? err : before;
}

static int file_sync_range(struct file *file, int64_t offset, int64_t len, unsigned flags)
{
	struct inode *inode = file->inode;
	int err;

	if ((flags & ~ALL_STEPS) || offset < 0 || len < 0 || offset > INT64_MAX - len)
		return -EINVAL;
	if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISBLK(inode->mode))
		return -ESPIPE;
	if (!inode_has_pages(inode))
		return 0; // a directory, a text
	err = super_write_begin(inode->super);
	if (!err) {
		err = write_steps(file, span_of(offset, len), flags);
		super_write_end(inode->super);
	}
	return err;
}

int fs_sync_range(int fd, int64_t offset, int64_t len, unsigned flags)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	err = file_sync_range(file, offset, len, flags);
	(void)file_put(file); // as above
	return err;
}
