// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What files are, and changes of that: stat, access, modes, owners, times, space. Locks: the write gate and the inode's
 * operation lock where something is changed. Sleeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "arch/page.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "fs/namei.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"

/* What a path, or with AT_EMPTY_PATH the descriptor itself, leads to. */
static int inode_at(int at, const char *path, int flags, struct inode **out)
{
	struct file *file;
	char *copy;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = path_copy(path, &copy);
	if (!err) {
		err = path_lookup(at, copy, !(flags & AT_SYMLINK_NOFOLLOW), out);
		kfree(copy);
		return err;
	}
	if (err != -ENOENT || !(flags & AT_EMPTY_PATH))
		return err;
	if (at == AT_FDCWD) {
		*out = cwd_get();
		return 0;
	}
	err = file_get(at, &file);
	if (err)
		return err;
	*out = inode_ref(file->inode);
	(void)file_put(file); // the descriptor still has it, or its close reports
	return 0;
}

static int inode_of_fd(int fd, struct inode **out)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	*out = inode_ref(file->inode);
	(void)file_put(file); // as above
	return 0;
}

/* ---- stat ---- */

static struct timespec timespec_of(struct inode_time time)
{
	return (struct timespec){.tv_sec = time.sec, .tv_nsec = time.nsec};
}

/* In units of 512 bytes. */
static blkcnt_t blocks_of(struct inode *inode)
{
	if (inode_has_pages(inode) && inode->object.memory)
		return (blkcnt_t)(pcache_count(&inode->object) * (PAGE_SIZE / SECTOR_SIZE));
	return (blkcnt_t)atomic_load_explicit(&inode->sectors, memory_order_relaxed);
}

/* Without the inode's locks, which are held across I/O: each figure is one that was true, or will be. */
static void stat_inode(struct inode *inode, struct stat *st)
{
	unsigned long flags;

	memset(st, 0, sizeof(*st));
	inode_take_stores(inode);
	st->st_dev = (dev_t)inode->super->id;
	st->st_ino = inode->ino;
	st->st_mode = inode->mode;
	st->st_nlink = atomic_load_explicit(&inode->links, memory_order_relaxed);
	st->st_uid = (uid_t)inode->uid;
	st->st_gid = (gid_t)inode->gid;
	st->st_rdev = (dev_t)inode->rdev;
	st->st_size = S_ISBLK(inode->mode) ? 0 : (off_t)inode_size(inode);
	st->st_blksize = PAGE_SIZE;
	st->st_blocks = blocks_of(inode);
	flags = spin_lock(&inode->time_lock);
	st->st_atim = timespec_of(inode->atime);
	st->st_mtim = timespec_of(inode->mtime);
	st->st_ctim = timespec_of(inode->ctime);
	spin_unlock(&inode->time_lock, flags);
}

int fs_fstat(int fd, struct stat *st)
{
	struct inode *inode;
	int err = inode_of_fd(fd, &inode);

	if (err)
		return err;
	stat_inode(inode, st);
	inode_put(inode);
	return 0;
}

int fs_stat(int at, const char *path, struct stat *st, int flags)
{
	struct inode *inode;
	int err = inode_at(at, path, flags, &inode);

	if (err)
		return err;
	stat_inode(inode, st);
	inode_put(inode);
	return 0;
}

/* There is one user, who may all that anybody may do. */
static int check_access(const struct inode *inode, int mode)
{
	if ((mode & X_OK) && !S_ISDIR(inode->mode) && !(inode->mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return -EACCES;
	if (inode->file_ops && S_ISREG(inode->mode)) // a text file: each way may be missing
		return ((mode & R_OK) && !(inode->mode & 0444)) || ((mode & W_OK) && !(inode->mode & 0222)) ? -EACCES
													    : 0;
	if (!(mode & W_OK) || S_ISFIFO(inode->mode) || (inode->file_ops && !S_ISREG(inode->mode)))
		return 0;
	if (atomic_load(&inode->super->read_only))
		return -EROFS;
	return inode->flags & INODE_FROZEN ? -EPERM : 0;
}

int fs_access(int at, const char *path, int mode, int flags)
{
	struct inode *inode;
	int err;

	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	err = inode_at(at, path, flags & ~AT_EACCESS, &inode);
	if (err)
		return err;
	err = check_access(inode, mode);
	inode_put(inode);
	return err;
}

/* ---- changes ---- */

static bool time_is_good(const struct timespec *time)
{
	return time->tv_nsec == UTIME_NOW || time->tv_nsec == UTIME_OMIT ||
	       (time->tv_nsec >= 0 && time->tv_nsec < (long)NSEC_PER_SEC);
}

static void time_change(struct inode_time *time, const struct timespec *to, struct inode_time now)
{
	if (to->tv_nsec == UTIME_OMIT)
		return;
	*time = to->tv_nsec == UTIME_NOW ? now : (struct inode_time){.sec = to->tv_sec, .nsec = (uint32_t)to->tv_nsec};
}

static void times_change(struct inode *inode, const struct fs_attr *attr)
{
	unsigned long flags;

	inode_take_stores(inode);
	inode_touch(inode, false); // ctime: now
	flags = spin_lock(&inode->time_lock);
	time_change(&inode->atime, &attr->atime, inode->ctime);
	time_change(&inode->mtime, &attr->mtime, inode->ctime);
	spin_unlock(&inode->time_lock, flags);
}

static int check_setattr(const struct inode *inode, const struct fs_attr *attr)
{
	if (attr->what == FS_ATTR_TIMES && (!time_is_good(&attr->atime) || !time_is_good(&attr->mtime)))
		return -EINVAL;
	if (atomic_load(&inode->super->read_only))
		return -EROFS;
	if (!inode->ops->store || (inode->flags & (INODE_FROZEN | INODE_APPEND)))
		return -EPERM;
	if (attr->what == FS_ATTR_MODE && S_ISLNK(inode->mode))
		return -EOPNOTSUPP; // links have none
	return 0;
}

/* The operation lock held. */
static int setattr_locked(struct inode *inode, const struct fs_attr *attr)
{
	switch (attr->what) {
	case FS_ATTR_MODE:
		inode->mode = (uint16_t)((inode->mode & S_IFMT) | (attr->mode & 07777));
		inode_touch(inode, false);
		break;
	case FS_ATTR_OWNER:
		if (attr->uid != (uid_t)-1)
			inode->uid = attr->uid;
		if (attr->gid != (gid_t)-1)
			inode->gid = attr->gid;
		if (!S_ISDIR(inode->mode)) // as on Linux
			inode->mode &= inode->mode & S_IXGRP ? ~(S_ISUID | S_ISGID) : ~S_ISUID;
		inode_touch(inode, false);
		break;
	case FS_ATTR_TIMES:
		if (attr->atime.tv_nsec == UTIME_OMIT && attr->mtime.tv_nsec == UTIME_OMIT)
			return 0;
		times_change(inode, attr);
		break;
	}
	return inode->ops->store(inode);
}

static int inode_setattr(struct inode *inode, const struct fs_attr *attr)
{
	int err = super_write_begin(inode->super);

	if (err)
		return err;
	err = check_setattr(inode, attr);
	if (!err) {
		mutex_lock(&inode->lock);
		err = setattr_locked(inode, attr);
		mutex_unlock(&inode->lock);
	}
	super_write_end(inode->super);
	return err;
}

int fs_setattr(int at, const char *path, const struct fs_attr *attr, int flags)
{
	struct inode *inode;
	int err = inode_at(at, path, flags, &inode);

	if (err)
		return err;
	err = inode_setattr(inode, attr);
	inode_put(inode);
	return err;
}

int fs_fsetattr(int fd, const struct fs_attr *attr)
{
	struct inode *inode;
	int err = inode_of_fd(fd, &inode);

	if (err)
		return err;
	err = inode_setattr(inode, attr);
	inode_put(inode);
	return err;
}

/* ---- space ---- */

static int inode_space(struct inode *inode, struct fs_space *out)
{
	struct super *super = inode->super;
	int err = 0;

	/* What was deleted counts as free. */
	if (!atomic_load(&super->read_only)) {
		err = super_write_begin(super);
		if (!err) {
			err = super->ops->settle(super);
			super_write_end(super);
		}
	}
	if (!err)
		err = super->ops->space(super, out);
	out->read_only = atomic_load(&super->read_only);
	out->id = super->id;
	return err;
}

int fs_space(int at, const char *path, struct fs_space *out)
{
	struct inode *inode;
	int err = inode_at(at, path, 0, &inode);

	if (err)
		return err;
	err = inode_space(inode, out);
	inode_put(inode);
	return err;
}

int fs_fspace(int fd, struct fs_space *out)
{
	struct inode *inode;
	int err = inode_of_fd(fd, &inode);

	if (err)
		return err;
	err = inode_space(inode, out);
	inode_put(inode);
	return err;
}
