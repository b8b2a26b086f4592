// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Where an open file reads and writes next. SEEK_DATA and SEEK_HOLE ask the file system, with the inode's operation
 * lock held. Locks: file.lock, then inode.lock. Sleeps.
 */
#include <errno.h>
#include <unistd.h>

#include "fs/file.h"
#include "fs/fs.h"

/* SEEK_DATA, SEEK_HOLE: the new offset. The end of the file is a hole. */
static int64_t seek_data(struct inode *inode, int64_t offset, bool hole)
{
	uint64_t at = (uint64_t)offset;
	int err;

	if (offset < 0 || at >= inode_size(inode))
		return -ENXIO;
	if (!inode->ops->next_data)
		return hole ? (int64_t)inode_size(inode) : offset;
	mutex_lock(&inode->lock);
	err = at < inode_size(inode) ? inode->ops->next_data(inode, &at, hole) : -ENXIO;
	mutex_unlock(&inode->lock);
	return err ? err : (int64_t)at;
}

static int64_t seek_locked(struct file *file, int64_t offset, int whence)
{
	struct inode *inode = file->inode;
	int64_t base;

	switch (whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		base = file->offset;
		break;
	case SEEK_END:
		base = (int64_t)inode_size(inode);
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		return inode_has_pages(inode) ? seek_data(inode, offset, whence == SEEK_HOLE) : -EINVAL;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, offset, &offset) || offset < 0)
		return -EINVAL;
	/* As on Linux, where a file cannot reach. */
	if (S_ISREG(inode->mode) && inode_has_pages(inode) && (uint64_t)offset > inode->super->size_max)
		return -EINVAL;
	return offset;
}

int64_t fs_lseek(int fd, int64_t offset, int whence)
{
	struct file *file;
	int64_t r = file_get(fd, &file);

	if (r)
		return r;
	if (file_is_stream(file)) {
		r = whence < SEEK_SET || whence > SEEK_HOLE ? -EINVAL : -ESPIPE;
	} else if (S_ISCHR(file->inode->mode)) {
		r = 0; // as on Linux, whatever was asked for
	} else {
		mutex_lock(&file->lock);
		r = seek_locked(file, offset, whence);
		if (r >= 0)
			file->offset = r;
		mutex_unlock(&file->lock);
	}
	(void)file_put(file); // the descriptor still has it, or its close reports
	return r;
}
