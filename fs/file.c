// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Open files and the table of descriptors, one for the one process there is. Lock: table.lock, a spinlock, guards the
 * slots; a file lives as long as slots and calls refer to it. Closing may sleep.
 */
#include "fs/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

struct slot {
	struct file *file; // NULL: free
	bool cloexec;
};

static struct {
	struct spinlock lock;
	struct slot slots[FDS_MAX];
} table = {.lock = SPINLOCK_INIT("descriptors")};

bool file_readable(const struct file *file)
{
	return (atomic_load(&file->flags) & O_ACCMODE) != O_WRONLY;
}

bool file_writable(const struct file *file)
{
	return (atomic_load(&file->flags) & O_ACCMODE) != O_RDONLY;
}

/* The lowest free one from `from` on; takes over a reference. */
static int fd_install(struct file *file, int from, bool cloexec)
{
	unsigned long flags = spin_lock(&table.lock);
	int fd = from;

	while (fd < FDS_MAX && table.slots[fd].file)
		fd++;
	if (fd < FDS_MAX)
		table.slots[fd] = (struct slot){.file = file, .cloexec = cloexec};
	else
		fd = -EMFILE;
	spin_unlock(&table.lock, flags);
	return fd;
}

static int file_make(const struct node *node, int flags, struct file **out)
{
	struct file *file = kmalloc_wait(sizeof(*file));

	if (!file)
		return -ENOMEM;
	memset(file, 0, sizeof(*file));
	mutex_init(&file->lock, "file");
	file->node = *node;
	file->channel = 1;
	atomic_store(&file->flags, flags);
	atomic_store(&file->refs, 1);
	if (node->inode && S_ISREG(node->inode->mode)) {
		file->errors = pcache_errors_make(&node->inode->object);
		if (!file->errors) {
			kfree(file);
			return -ENOMEM;
		}
	}
	*out = file;
	return 0;
}

int file_open(const struct node *node, int flags, int *fd)
{
	struct file *file;
	int err = file_make(node, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC), &file);

	if (err)
		return err;
	*fd = fd_install(file, 0, flags & O_CLOEXEC);
	if (*fd < 0) {
		pcache_errors_put(file->errors);
		kfree(file);
		return *fd;
	}
	return 0;
}

static struct file *file_of(int fd)
{
	struct file *file = NULL;
	unsigned long flags = spin_lock(&table.lock);

	if (fd >= 0 && fd < FDS_MAX)
		file = table.slots[fd].file;
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
	if (file->node.inode && atomic_load(&file->node.inode->vol->dead)) {
		(void)file_put(file);
		return -EIO;
	}
	*out = file;
	return 0;
}

/* tell: whoever closes it hears of earlier failed writes; else they stay for a mapping that shares them. */
static int file_close(struct file *file, bool tell)
{
	struct inode *inode = file->node.inode;
	int err = 0;

	if (inode && S_ISREG(inode->mode) && file_writable(file) && !volume_write_begin(inode->vol)) {
		if (!atomic_load(&inode->vol->read_only) &&
		    atomic_load_explicit(&inode->links, memory_order_relaxed)) // unlinked just now: as well
			err = ext2_inode_write_times(inode);
		if (!err && tell)
			err = pcache_errors_take(&inode->object, file->errors);
		volume_write_end(inode->vol);
	}
	node_put(&file->node);
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

static struct file *fd_take(int fd)
{
	struct file *file = NULL;
	unsigned long flags = spin_lock(&table.lock);

	if (fd >= 0 && fd < FDS_MAX) {
		file = table.slots[fd].file;
		table.slots[fd].file = NULL;
	}
	spin_unlock(&table.lock, flags);
	return file;
}

int fs_close(int fd)
{
	struct file *file = fd_take(fd);

	return file ? file_drop(file, true) : -EBADF;
}

static int dup_from(int fd, int from, bool cloexec)
{
	struct file *file = file_of(fd);
	int to;

	if (!file)
		return -EBADF;
	to = from < 0 || from >= FDS_MAX ? -EINVAL : fd_install(file, from, cloexec);
	if (to < 0)
		(void)file_put(file); // not the last reference: the old descriptor has one
	return to;
}

int fs_dup(int fd)
{
	return dup_from(fd, 0, false);
}

int fs_dup2(int fd, int to)
{
	struct file *file = file_of(fd), *before;
	unsigned long flags;

	if (!file)
		return -EBADF;
	if (to < 0 || to >= FDS_MAX || fd == to) {
		(void)file_put(file);
		return fd == to ? fd : -EBADF;
	}
	flags = spin_lock(&table.lock);
	before = table.slots[to].file;
	table.slots[to] = (struct slot){.file = file};
	spin_unlock(&table.lock, flags);
	if (before)
		(void)file_put(before); // dup2 has no way to tell of what an unnoticed close finds
	return to;
}

static int fd_flags(int fd, bool set, int value)
{
	unsigned long flags;
	int r = -EBADF;

	if (fd < 0 || fd >= FDS_MAX)
		return r;
	flags = spin_lock(&table.lock);
	if (table.slots[fd].file) {
		if (set)
			table.slots[fd].cloexec = value & FD_CLOEXEC;
		r = set ? 0 : table.slots[fd].cloexec ? FD_CLOEXEC : 0;
	}
	spin_unlock(&table.lock, flags);
	return r;
}

int fs_fcntl(int fd, int cmd, long arg)
{
	const int settable = O_APPEND | O_NONBLOCK;
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
		return -EINVAL;
	}
	file = file_of(fd);
	if (!file)
		return -EBADF;
	if (cmd == F_GETFL)
		r = atomic_load(&file->flags);
	else
		atomic_store(&file->flags, (atomic_load(&file->flags) & ~settable) | ((int)arg & settable));
	(void)file_put(file); // not the last reference, unless a close just came between
	return r;
}

int fs_open_std(void)
{
	struct chardev *console = dev_find("console");

	if (!console)
		return -ENODEV;
	for (int fd = 0; fd < 3; fd++) {
		const struct node node = {.device = console};
		struct file *file;
		int err = file_make(&node, fd == 0 ? O_RDONLY : O_WRONLY, &file);

		if (err)
			return err;
		file->channel = fd == 2 ? 2 : 1;
		if (fd_install(file, fd, false) != fd) {
			(void)fs_close(fd);
			return -EBUSY;
		}
	}
	return 0;
}
