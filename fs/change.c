// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Calls on an open file that change its size, or make it durable. Locks: the write gate, the inode's operation lock;
 * below it as fs/ext2/truncate.c says. Sleeps.
 */
#include <errno.h>

#include "fs/ext2/ext2.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"

/* A regular file open for writing, inside the gate and with its lock held. */
static int change_begin(int fd, struct file **out)
{
	int err = file_get(fd, out);
	const struct node *node;

	if (err)
		return err;
	node = &(*out)->node;
	if (!file_writable(*out))
		err = -EBADF;
	else if (!node->inode)
		err = -EINVAL;
	else
		err = volume_write_begin(node->inode->vol);
	if (err)
		(void)file_put(*out); // an error that this last close finds has no one to be told to
	else
		mutex_lock(&node->inode->lock);
	return err;
}

static void change_end(struct file *file)
{
	mutex_unlock(&file->node.inode->lock);
	volume_write_end(file->node.inode->vol);
	(void)file_put(file); // as above
}

int fs_ftruncate(int fd, int64_t size)
{
	struct file *file;
	int err;

	if (size < 0)
		return -EINVAL;
	err = change_begin(fd, &file);
	if (!err) {
		err = ext2_resize(file->node.inode, size);
		change_end(file);
	}
	return err;
}

int fs_fallocate(int fd, int64_t offset, int64_t len)
{
	struct file *file;
	struct volume *vol;
	bool settled;
	int err;

	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (offset > INT64_MAX - len)
		return -EFBIG;
	err = change_begin(fd, &file);
	if (err)
		return err;
	vol = file->node.inode->vol;
	err = ext2_fallocate(file->node.inode, offset, len);
	if (err == -ENOSPC) {
		/* As write does. */
		mutex_unlock(&file->node.inode->lock);
		settled = !volume_settle(vol);
		mutex_lock(&file->node.inode->lock);
		if (settled)
			err = ext2_fallocate(file->node.inode, offset, len);
	}
	change_end(file);
	return err;
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
