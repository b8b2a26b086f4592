// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Opening files, where the application is in the tree, and reading directories and links. Each call copies its path out
 * of the application first, with nothing locked. Sleeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "arch/uaccess.h"
#include "fs/dev.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "fs/names.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

static int check_open(const struct inode *inode, int flags)
{
	const bool writes = (flags & O_ACCMODE) != O_RDONLY, reads = (flags & O_ACCMODE) != O_WRONLY;

	if (S_ISDIR(inode->mode))
		return writes || (flags & (O_CREAT | O_TRUNC)) ? -EISDIR : 0;
	if (S_ISLNK(inode->mode))
		return flags & O_DIRECTORY ? -ENOTDIR : -ELOOP;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (inode->file_ops) {
		/* A device whatever its mode; of a text file each way may be missing. */
		if (S_ISREG(inode->mode) && ((reads && !(inode->mode & 0444)) || (writes && !(inode->mode & 0222))))
			return -EACCES;
		return 0;
	}
	if (S_ISFIFO(inode->mode))
		return 0;
	if (!inode_has_pages(inode))
		return -ENXIO; // a device of another system
	if (!writes && !(flags & O_TRUNC))
		return 0;
	if (S_ISREG(inode->mode) && atomic_load(&inode->super->read_only))
		return -EROFS;
	if (inode->flags & INODE_FROZEN)
		return -EPERM;
	if ((inode->flags & INODE_APPEND) && (!(flags & O_APPEND) || (flags & O_TRUNC)))
		return -EPERM;
	return 0;
}

static int create(int at, char *path, int flags, mode_t mode, struct inode **out)
{
	const bool exclusive = flags & O_EXCL;
	struct last_name last;
	int err = path_parent(at, path, !exclusive && !(flags & O_NOFOLLOW), &last);

	if (err)
		return err;
	err = name_create(&last, mode, exclusive, out);
	inode_put(last.dir);
	return err;
}

static int truncate_opened(struct inode *inode)
{
	int err = super_write_begin(inode->super);

	if (err)
		return err;
	mutex_lock(&inode->lock);
	err = inode->ops->resize(inode, 0);
	mutex_unlock(&inode->lock);
	super_write_end(inode->super);
	return err;
}

/* -EISDIR: a name that a slash follows, whatever it is; no file can be made of that. path is used up. */
static int ends_as_folder(int at, char *path)
{
	struct last_name last;
	int err;

	if (path[strlen(path) - 1] != '/')
		return 0;
	err = path_parent(at, path, false, &last);
	if (err)
		return err == -EEXIST ? 0 : err; // the root
	err = strcmp(last.name, ".") && strcmp(last.name, "..") ? -EISDIR : 0;
	inode_put(last.dir);
	return err;
}

/* Finds or makes what the path names. What is there is found even where nothing can be made. */
static int find_or_create(int at, char *path, int flags, mode_t mode, struct inode **out)
{
	char *copy;
	int err;

	if (!(flags & O_CREAT))
		return path_lookup(at, path, !(flags & O_NOFOLLOW), out);
	copy = kmalloc_wait(PATH_SIZE);
	if (!copy)
		return -ENOMEM;
	strcpy(copy, path);
	err = ends_as_folder(at, copy);
	strcpy(copy, path);
	if (!err)
		err = path_lookup(at, copy, !(flags & (O_NOFOLLOW | O_EXCL)), out);
	kfree(copy);
	if (!err && (flags & O_EXCL)) {
		inode_put(*out);
		err = -EEXIST;
	} else if (err == -ENOENT) {
		err = create(at, path, flags, mode, out);
	}
	return err;
}

/* path is used as scratch. */
static int open_file(int at, char *path, int flags, mode_t mode, struct file **out)
{
	struct inode *inode;
	int err = find_or_create(at, path, flags, mode, &inode);

	if (err)
		return err;
	err = check_open(inode, flags);
	if (err) {
		inode_put(inode);
		return err;
	}
	err = file_make(inode, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY),
			out);
	/* Last: who cannot open the file cuts nothing. */
	if (!err && (flags & O_TRUNC) && inode_has_pages(inode) && S_ISREG(inode->mode)) {
		err = truncate_opened(inode);
		if (err)
			(void)file_put(*out); // the error to report is the earlier one
	}
	return err;
}

int fs_open(int at, const char *path, int flags, mode_t mode)
{
	struct file *file;
	char *copy;
	int err, fd;

	if ((flags & O_ACCMODE) == O_ACCMODE || ((flags & O_CREAT) && (flags & O_DIRECTORY)))
		return -EINVAL;
	err = path_copy(path, &copy);
	if (err)
		return err;
	fd = fd_reserve(); // without one nothing is made, or cut
	if (fd >= 0) {
		err = open_file(at, copy, flags, mode, &file);
		if (err)
			fd_give_back(fd);
		else
			fd_fill(fd, file, flags & O_CLOEXEC);
	}
	kfree(copy);
	return err ? err : fd;
}

int fs_isatty(int fd)
{
	struct file *file;
	int r = file_get(fd, &file);

	if (r)
		return r;
	r = file->ops && file->ops->is_tty && file->ops->is_tty(file) ? 1 : -ENOTTY;
	(void)file_put(file); // the descriptor still has it, or its close reports
	return r;
}

int fs_object(int fd, struct pcache_object **object, struct pcache_errors **errors, bool *readable, bool *writable)
{
	struct file *file;
	struct inode *inode;
	int err = file_get(fd, &file);

	if (err)
		return err;
	inode = file->inode;
	*readable = file_readable(file);
	*writable = file_writable(file) && !(inode->flags & INODE_APPEND);
	if (!inode_has_pages(inode) && !dev_is_zero(inode))
		err = -ENODEV;
	else if (!*readable)
		err = -EACCES; // POSIX: also for a mapping that only writes
	*object = NULL;
	if (!err && inode_has_pages(inode)) {
		*object = &inode->object;
		inode->object.ops->ref(&inode->object, 1);
	}
	*errors = err ? NULL : file->errors;
	if (*errors)
		pcache_errors_ref(*errors);
	(void)file_put(file); // as above
	return err;
}

/* ---- where the application is ---- */

static int change_directory(struct inode *dir)
{
	if (S_ISDIR(dir->mode)) {
		cwd_set(dir);
		return 0;
	}
	inode_put(dir);
	return -ENOTDIR;
}

int fs_chdir(const char *path)
{
	struct inode *dir;
	char *copy;
	int err = path_copy(path, &copy);

	if (err)
		return err;
	err = path_lookup(AT_FDCWD, copy, true, &dir);
	kfree(copy);
	return err ? err : change_directory(dir);
}

int fs_fchdir(int fd)
{
	struct inode *dir;
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	dir = inode_ref(file->inode);
	(void)file_put(file); // as above
	return change_directory(dir);
}

int fs_getcwd(char *buf, size_t size)
{
	struct inode *dir = cwd_get();
	int err = dir_path(dir, buf, size);

	inode_put(dir);
	return err;
}

/* The path of a name in a directory. */
static int path_below(struct last_name *last, char *buf)
{
	size_t len;
	int err = dir_path(last->dir, buf, PATH_SIZE);

	if (err)
		return err;
	len = strlen(buf);
	if (len == 1)
		len = 0; // the root's slash
	if (len + 1 + last->len >= PATH_SIZE)
		return -ENAMETOOLONG;
	buf[len] = '/';
	memcpy(buf + len + 1, last->name, last->len + 1);
	return 0;
}

/* path is used as scratch. */
static int real_path(char *path, char *buf)
{
	struct last_name last;
	struct inode *inode;
	int err;

	strcpy(buf, path);
	err = path_lookup(AT_FDCWD, path, true, &inode);
	if (err)
		return err;
	if (S_ISDIR(inode->mode)) {
		err = dir_path(inode, buf, PATH_SIZE);
	} else {
		strcpy(path, buf);
		err = path_parent(AT_FDCWD, path, true, &last);
		if (!err) {
			err = path_below(&last, buf);
			inode_put(last.dir);
		}
	}
	inode_put(inode);
	return err;
}

int fs_realpath(const char *path, char *buf)
{
	char *copy;
	int err = path_copy(path, &copy);

	if (err)
		return err;
	err = real_path(copy, buf);
	kfree(copy);
	return err;
}

/* ---- links and directories ---- */

long fs_readlink(int at, const char *path, char *buf, size_t size)
{
	struct inode *inode;
	char *copy;
	long r;

	if (size == 0)
		return -EINVAL;
	r = path_copy(path, &copy);
	if (r)
		return r;
	r = path_lookup(at, copy, false, &inode);
	if (!r) {
		r = S_ISLNK(inode->mode) ? inode->ops->readlink(inode, copy, PATH_SIZE) : -EINVAL;
		inode_put(inode);
	}
	if (r > 0) {
		r = (long)min_of((size_t)r, size);
		if (uaccess_copy(buf, copy, (size_t)r))
			r = -EFAULT;
	}
	kfree(copy);
	return r;
}

/* File lock held. */
static int readdir_locked(struct file *file, struct fs_dirent *out)
{
	struct inode *dir = file->inode;
	uint64_t offset = (uint64_t)file->offset;
	struct dir_entry entry;
	int r;

	mutex_lock(&dir->lock);
	r = dir->links ? dir->ops->next_entry(dir, &offset, &entry) : 0;
	mutex_unlock(&dir->lock);
	file->offset = (int64_t)offset;
	if (r <= 0)
		return r;
	out->ino = entry.ino;
	out->next = file->offset;
	out->type = entry.type;
	memcpy(out->name, entry.name, entry.len + 1);
	return 1;
}

int fs_readdir(int fd, struct fs_dirent *entry)
{
	struct file *file;
	int r = file_get(fd, &file);

	if (r)
		return r;
	if (S_ISDIR(file->inode->mode)) {
		mutex_lock(&file->lock);
		r = readdir_locked(file, entry);
		mutex_unlock(&file->lock);
	} else {
		r = -ENOTDIR;
	}
	(void)file_put(file); // as above
	return r;
}
