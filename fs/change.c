// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Calls on an open file that change its size, or make it durable. Locks: the write gate, the inode's operation lock;
 * below it as fs/ext2/truncate.c says. Sleeps.
 */
#include <errno.h>
#include <fcntl.h>

#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "fs/namei.h"
#include "mm/kmalloc.h"

/* Inside the gate, with the lock of the file held, which is a regular one. */
static int change_begin(struct file *file)
{
	int err = super_write_begin(file->inode->super);

	if (!err)
		mutex_lock(&file->inode->lock);
	return err;
}

static void change_end(struct file *file)
{
	mutex_unlock(&file->inode->lock);
	super_write_end(file->inode->super);
}

static int inode_truncate(struct inode *inode, int64_t size)
{
	int err;

	if (inode->flags & (INODE_FROZEN | INODE_APPEND))
		return -EPERM;
	err = super_write_begin(inode->super);
	if (err)
		return err;
	mutex_lock(&inode->lock);
	err = inode->ops->resize(inode, (uint64_t)size);
	mutex_unlock(&inode->lock);
	super_write_end(inode->super);
	return err;
}

int fs_truncate(const char *path, int64_t size)
{
	struct inode *inode;
	char *copy;
	int err;

	if (size < 0)
		return -EINVAL;
	err = path_copy(path, &copy);
	if (err)
		return err;
	err = path_lookup(AT_FDCWD, copy, true, &inode);
	kfree(copy);
	if (err)
		return err;
	if (S_ISDIR(inode->mode))
		err = -EISDIR;
	else if (!S_ISREG(inode->mode) || inode->file_ops)
		err = -EINVAL;
	else if (atomic_load(&inode->super->read_only))
		err = -EROFS;
	else
		err = inode_truncate(inode, size);
	inode_put(inode);
	return err;
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
	if (!file_writable(file) || !S_ISREG(file->inode->mode) || file->ops)
		err = -EINVAL;
	else
		err = inode_truncate(file->inode, size);
	(void)file_put(file); // an error that this last close finds has no one to be told to
	return err;
}

/* In Linux's order. */
static int check_fallocate(const struct file *file, int mode, int64_t offset, int64_t len)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const struct inode *inode = file->inode;

	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (mode != punch && (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	if (!file_writable(file))
		return -EBADF;
	if (file_is_stream(file))
		return S_ISFIFO(inode->mode) ? -ESPIPE : -ENODEV;
	if (!inode->ops->fallocate || !inode_has_pages(inode))
		return -ENODEV;
	if ((inode->flags & INODE_APPEND) && (mode & ~FALLOC_FL_KEEP_SIZE))
		return -EPERM;
	if (offset > INT64_MAX - len || (uint64_t)(offset + len) > inode->super->size_max)
		return -EFBIG;
	return 0;
}

/* The lock held. */
static int fallocate_locked(struct inode *inode, int mode, uint64_t offset, uint64_t len)
{
	return atomic_load(&inode->super->read_only) ? -EROFS : inode->ops->fallocate(inode, mode, offset, len);
}

static int file_fallocate(struct file *file, int mode, int64_t offset, int64_t len)
{
	struct inode *inode = file->inode;
	bool settled;
	int err = change_begin(file);

	if (err)
		return err;
	err = fallocate_locked(inode, mode, offset, len);
	if (err == -ENOSPC) {
		/* As write does. */
		mutex_unlock(&inode->lock);
		settled = !inode->super->ops->settle(inode->super);
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
	struct inode *inode = file->inode;
	int err = super_write_begin(inode->super);

	if (err)
		return err;
	if (!data_only && inode->ops->write_times && !atomic_load(&inode->super->read_only))
		err = inode->ops->write_times(inode);
	if (inode_has_pages(inode)) {
		int data = pcache_sync_range(&inode->object, 0, PGIDX_MAX);
		int before = pcache_errors_take(&inode->object, file->errors);

		err = err ? err : data ? data : before;
	} else if (!err) {
		err = inode->ops->sync(inode);
	}
	super_write_end(inode->super);
	return err;
}

int fs_fsync(int fd, bool data_only)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	if (!file->ops)
		err = sync_inode(file, data_only);
	else
		err = file->ops->sync ? file->ops->sync(file) : -EINVAL;
	(void)file_put(file); // as above
	return err;
}

int fs_syncfs(int fd)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	err = super_sync(file->inode->super);
	(void)file_put(file); // as above
	return err;
}
