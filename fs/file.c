// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Open files and the table of descriptors, one for the one process there is. Lock: table.lock, a spinlock, guards it;
 * a file lives as long as descriptors and calls refer to it. Closing may sleep.
 */
#include "fs/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs/dev.h"
#include "fs/fs.h"
#include "fs/locks.h"
#include "fs/mount.h"
#include "fs/pipe.h"
#include "lib/bitmap.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

static struct {
	struct spinlock lock;				    // guards the rest
	struct file *files[FDS_MAX];			    // NULL: free
	uint64_t used[FDS_MAX / 64], cloexec[FDS_MAX / 64]; // a bit each
} table = {.lock = SPINLOCK_INIT("descriptors")};

bool file_readable(const struct file *file)
{
	return (atomic_load(&file->flags) & O_ACCMODE) != O_WRONLY;
}

bool file_writable(const struct file *file)
{
	return (atomic_load(&file->flags) & O_ACCMODE) != O_RDONLY;
}

bool file_is_stream(const struct file *file)
{
	return file->ops && file->ops->stream;
}

void file_set_flags(struct file *file, int which, int flags)
{
	int old = atomic_load(&file->flags);

	while (!atomic_compare_exchange_weak(&file->flags, &old, (old & ~which) | (flags & which)))
		;
}

/* ---- the table; its lock is held ---- */

static void set_bit(uint64_t *map, int fd, bool value)
{
	if (value)
		bitmap_set(map, (uint32_t)fd, 1);
	else
		(void)bitmap_clear(map, (uint32_t)fd, 1);
}

/* What was there before. */
static struct file *put_locked(int fd, struct file *file, bool cloexec)
{
	struct file *before = table.files[fd];

	table.files[fd] = file;
	set_bit(table.used, fd, file);
	set_bit(table.cloexec, fd, cloexec);
	return before;
}

int file_install(struct file *file, int from, bool cloexec)
{
	unsigned long flags = spin_lock(&table.lock);
	int fd = (int)bitmap_next_clear(table.used, (uint32_t)from, FDS_MAX);

	if (fd < FDS_MAX)
		(void)put_locked(fd, file, cloexec); // nothing was
	spin_unlock(&table.lock, flags);
	if (fd < FDS_MAX)
		return fd;
	(void)file_put(file); // nothing was done with it, or others have it
	return -EMFILE;
}

/* ---- open files ---- */

static int file_set_up(struct file *file)
{
	if (inode_has_pages(file->inode)) {
		file->errors = pcache_errors_make(&file->inode->object);
		if (!file->errors)
			return -ENOMEM;
	}
	if (file->inode->ops->open)
		return file->inode->ops->open(file->inode, file_writable(file));
	return file->ops && file->ops->open ? file->ops->open(file) : 0;
}

int file_make(struct inode *inode, int flags, struct file **out)
{
	struct file *file = kmalloc_wait(sizeof(*file));
	int err = -ENOMEM;

	if (file) {
		memset(file, 0, sizeof(*file));
		mutex_init(&file->lock, "file");
		file->inode = inode;
		file->ops = inode->file_ops ? inode->file_ops : S_ISFIFO(inode->mode) ? &fifo_ops : NULL;
		file->channel = 1;
		atomic_store(&file->flags, flags);
		atomic_store(&file->refs, 1);
		atomic_fetch_add(&inode->super->users, 1); // before it may wait for a fifo's other end
		err = file_set_up(file);
		if (err)
			atomic_fetch_sub(&inode->super->users, 1);
	}
	if (err) {
		if (file)
			pcache_errors_put(file->errors);
		kfree(file);
		inode_put(inode);
		return err;
	}
	*out = file;
	return 0;
}

static struct file *file_of(int fd)
{
	struct file *file = NULL;
	unsigned long flags = spin_lock(&table.lock);

	if (fd >= 0 && fd < FDS_MAX)
		file = table.files[fd];
	if (file)
		atomic_fetch_add(&file->refs, 1);
	spin_unlock(&table.lock, flags);
	return file;
}

int file_get(int fd, struct file **out)
{
	struct file *file = file_of(fd);

	if (!file)
		return -EBADF;
	if (atomic_load(&file->inode->super->dead)) {
		(void)file_put(file);
		return -EIO;
	}
	*out = file;
	return 0;
}

/* The time stamps of a file that was written, and with tell what its closer has to hear. */
static int close_written(struct file *file, bool tell)
{
	struct inode *inode = file->inode;
	int err = super_write_begin(inode->super);

	if (err)
		return 0; // unmounted: it was told then
	if (inode->ops->closed)
		inode->ops->closed(inode);
	if (inode->ops->write_times && !atomic_load(&inode->super->read_only) &&
	    atomic_load_explicit(&inode->links, memory_order_relaxed)) // unlinked just now: as well
		err = inode->ops->write_times(inode);
	if (!err && tell)
		err = pcache_errors_take(&inode->object, file->errors);
	super_write_end(inode->super);
	return err;
}

/* tell: whoever closes it hears of earlier failed writes; else they stay for a mapping that shares them. */
static int file_close(struct file *file, bool tell)
{
	struct inode *inode = file->inode;
	int err = 0;

	if (inode_has_pages(inode) && file_writable(file))
		err = close_written(file, tell);
	locks_release(file);
	if (file->ops && file->ops->release)
		file->ops->release(file);
	if (inode->ops->close) {
		int closed = inode->ops->close(inode, file_writable(file));

		err = err ? err : closed;
	}
	atomic_fetch_sub(&inode->super->users, 1);
	inode_put(inode);
	pcache_errors_put(file->errors);
	kfree(file);
	return err;
}

static int file_drop(struct file *file, bool tell)
{
	return atomic_fetch_sub(&file->refs, 1) == 1 ? file_close(file, tell) : 0;
}

int file_put(struct file *file)
{
	return file_drop(file, false);
}

int fd_reserve(void)
{
	unsigned long flags = spin_lock(&table.lock);
	int fd = (int)bitmap_next_clear(table.used, 0, FDS_MAX);

	if (fd < FDS_MAX)
		set_bit(table.used, fd, true);
	spin_unlock(&table.lock, flags);
	return fd < FDS_MAX ? fd : -EMFILE;
}

void fd_fill(int fd, struct file *file, bool cloexec)
{
	unsigned long flags = spin_lock(&table.lock);

	(void)put_locked(fd, file, cloexec); // nothing was
	spin_unlock(&table.lock, flags);
}

void fd_give_back(int fd)
{
	fd_fill(fd, NULL, false);
}

static struct file *fd_take(int fd)
{
	struct file *file = NULL;
	unsigned long flags = spin_lock(&table.lock);

	if (fd >= 0 && fd < FDS_MAX && table.files[fd]) // it may be reserved
		file = put_locked(fd, NULL, false);
	spin_unlock(&table.lock, flags);
	return file;
}

int fs_close(int fd)
{
	struct file *file = fd_take(fd);

	if (!file)
		return -EBADF;
	locks_close(file->inode);
	return file_drop(file, true);
}

static int dup_from(int fd, int from, bool cloexec)
{
	struct file *file = file_of(fd);

	if (!file)
		return -EBADF;
	if (from >= 0 && from < FDS_MAX)
		return file_install(file, from, cloexec);
	(void)file_put(file); // not the last reference: the old descriptor has one
	return -EINVAL;
}

int fs_dup(int fd)
{
	return dup_from(fd, 0, false);
}

int fs_dup3(int fd, int to, int flags)
{
	struct file *file, *before;
	unsigned long irq;
	bool reserved;

	if (fd == to || (flags & ~O_CLOEXEC))
		return -EINVAL;
	if (to < 0 || to >= FDS_MAX)
		return -EBADF;
	file = file_of(fd);
	if (!file)
		return -EBADF;
	irq = spin_lock(&table.lock);
	reserved = bitmap_test(table.used, (uint32_t)to) && !table.files[to];
	before = reserved ? NULL : put_locked(to, file, flags & O_CLOEXEC);
	spin_unlock(&table.lock, irq);
	if (reserved) {
		(void)file_put(file); // not the last reference, unless a close just came between
		return -EBUSY;	      // an open is under way, as on Linux
	}
	if (before) {
		locks_close(before->inode);
		(void)file_put(before); // it has no way to tell of what an unnoticed close finds
	}
	return to;
}

static int fd_flags(int fd, bool set, int value)
{
	unsigned long flags;
	int r = -EBADF;

	if (fd < 0 || fd >= FDS_MAX)
		return r;
	flags = spin_lock(&table.lock);
	if (table.files[fd]) {
		if (set)
			set_bit(table.cloexec, fd, value & FD_CLOEXEC);
		r = !set && bitmap_test(table.cloexec, (uint32_t)fd) ? FD_CLOEXEC : 0;
	}
	spin_unlock(&table.lock, flags);
	return r;
}

int fs_fcntl(int fd, int cmd, long arg)
{
	struct file *file;
	int r = 0;

	switch (cmd) {
	case F_GETFD:
		return fd_flags(fd, false, 0);
	case F_SETFD:
		return fd_flags(fd, true, (int)arg);
	case F_DUPFD:
		return dup_from(fd, arg < 0 || arg > FDS_MAX ? -1 : (int)arg, false);
	case F_DUPFD_CLOEXEC:
		return dup_from(fd, arg < 0 || arg > FDS_MAX ? -1 : (int)arg, true);
	case F_GETFL:
	case F_SETFL:
		break;
	default:
		r = fd_flags(fd, false, 0);
		return r < 0 ? r : -EINVAL;
	}
	file = file_of(fd);
	if (!file)
		return -EBADF;
	if (cmd == F_GETFL)
		r = atomic_load(&file->flags);
	else if ((file->inode->flags & INODE_APPEND) && !(arg & O_APPEND))
		r = -EPERM; // that is all one may do with it
	else
		file_set_flags(file, O_APPEND | O_NONBLOCK | O_DIRECT, (int)arg);
	(void)file_put(file); // not the last reference, unless a close just came between
	return r;
}

int fs_open_std(void)
{
	for (int fd = 0; fd < 3; fd++) {
		struct inode *console;
		struct file *file;
		int err = dev_open("console", &console);

		if (!err)
			err = file_make(console, fd == 0 ? O_RDONLY : O_WRONLY, &file);
		if (err)
			return err;
		file->channel = fd == 2 ? 2 : 1;
		err = file_install(file, fd, false);
		if (err != fd)
			return err < 0 ? err : -EBUSY;
	}
	return 0;
}
