// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Calls on an open file that change its size, or make it durable. Locks: the write gate, the inode's operation lock;
 * below it as fs/ext2/truncate.c says. Sleeps.
 */
#include <errno.h>
#include <fcntl.h>

#include "fs/ext2/ext2.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"

/* Inside the gate, with the lock of the file held, which is a regular one. */
static int change_begin(struct file *file)
{
	int err = volume_write_begin(file->node.inode->vol);

	if (!err)
		mutex_lock(&file->node.inode->lock);
	return err;
}

static void change_end(struct file *file)
{
	mutex_unlock(&file->node.inode->lock);
	volume_write_end(file->node.inode->vol);
}

int fs_ftruncate(int fd, int64_t size)
{
	struct file *file;
	int err;

	if (size < 0)
		return -EINVAL;
	err = file_get(fd, &file);
	if (err)
		return err;
	if (!file_writable(file) || !file->node.inode)
		err = -EINVAL;
	else
		err = change_begin(file);
	if (!err) {
		err = ext2_resize(file->node.inode, size);
		change_end(file);
	}
	(void)file_put(file); // an error that this last close finds has no one to be told to
	return err;
}

/* In Linux's order. */
static int check_fallocate(const struct file *file, int mode, int64_t offset, int64_t len)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const struct inode *inode = file->node.inode;

	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (mode != punch && (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	if (!file_writable(file))
		return -EBADF;
	if (!inode)
		return -ENODEV;
	if ((inode->flags & EXT2_FLAG_APPEND) && (mode & ~FALLOC_FL_KEEP_SIZE))
		return -EPERM;
	if (offset > INT64_MAX - len || (uint64_t)(offset + len) > inode->vol->size_max)
		return -EFBIG;
	return 0;
}

/* The lock held. */
static int fallocate_locked(struct inode *inode, int mode, uint64_t offset, uint64_t len)
{
	if (atomic_load(&inode->vol->read_only))
		return -EROFS;
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

static int file_fallocate(struct file *file, int mode, int64_t offset, int64_t len)
{
	struct inode *inode = file->node.inode;
	bool settled;
	int err = change_begin(file);

	if (err)
		return err;
	err = fallocate_locked(inode, mode, offset, len);
	if (err == -ENOSPC) {
		/* As write does. */
		mutex_unlock(&inode->lock);
		settled = !volume_settle(inode->vol);
		mutex_lock(&inode->lock);
		if (settled)
			err = fallocate_locked(inode, mode, offset, len);
	}
	change_end(file);
	return err;
}

int fs_fallocate_mode(int fd, int mode, int64_t offset, int64_t len)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	err = check_fallocate(file, mode, offset, len);
	if (!err)
		err = file_fallocate(file, mode, offset, len);
	(void)file_put(file); // as above
	return err;
}

int fs_fallocate(int fd, int64_t offset, int64_t len)
{
	return fs_fallocate_mode(fd, 0, offset, len);
}

static int sync_inode(struct file *file, bool data_only)
{
	struct inode *inode = file->node.inode;
	int err;

	err = volume_write_begin(inode->vol);
	if (err)
		return err;
	if (!data_only && !atomic_load(&inode->vol->read_only))
		err = ext2_inode_write_times(inode);
	if (S_ISREG(inode->mode)) {
		int data = pcache_sync_range(&inode->object, 0, PGIDX_MAX);
		int before = pcache_errors_take(&inode->object, file->errors);

		err = err ? err : data ? data : before;
	} else if (!err) {
		err = ext2_sync(inode);
	}
	volume_write_end(inode->vol);
	return err;
}

int fs_fsync(int fd, bool data_only)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	if (file->node.device)
		err = file->node.device->drain(file->node.device);
	else if (file->node.inode)
		err = sync_inode(file, data_only);
	(void)file_put(file); // as above
	return err;
}
