// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Calls on paths and on what they name: open, stat, the tree's changes, reading directories. Each copies its path out
 * of the application first, with nothing locked. Sleeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "arch/page.h"
#include "fs/dev.h"
#include "fs/ext2/ext2.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "fs/synth.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

static bool node_is_directory(const struct node *node)
{
	return node->synth ? node->synth->nth != NULL : node->inode && S_ISDIR(node->inode->mode);
}

static int check_open(const struct node *node, int flags)
{
	const bool writes = (flags & O_ACCMODE) != O_RDONLY, reads = (flags & O_ACCMODE) != O_WRONLY;
	const struct inode *inode = node->inode;

	if (node_is_directory(node))
		return writes || (flags & O_CREAT) ? -EISDIR : 0;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (node->synth && ((reads && !node->synth->show) || (writes && !node->synth->store)))
		return -EACCES;
	if (!inode)
		return 0;
	if (S_ISLNK(inode->mode))
		return -ELOOP;
	if (!S_ISREG(inode->mode))
		return -ENXIO;
	if (writes && atomic_load(&inode->vol->read_only))
		return -EROFS;
	if (writes && (inode->flags & EXT2_FLAG_IMMUTABLE))
		return -EPERM;
	return 0;
}

static int create(char *path, int flags, mode_t mode, struct node *out)
{
	const bool exclusive = flags & O_EXCL;
	struct last_name last;
	int err = path_parent(path, !exclusive && !(flags & O_NOFOLLOW), &last);

	if (err)
		return err == -EROFS ? -EACCES : err;
	*out = (struct node){0};
	err = last.slash ? -EISDIR : volume_write_begin(last.dir->vol);
	if (!err) {
		err = ext2_create(last.dir, last.name, last.len, S_IFREG | (mode & 07777), exclusive, &out->inode);
		volume_write_end(last.dir->vol);
	}
	inode_put(last.dir);
	return err;
}

static int truncate_opened(struct inode *inode)
{
	int err = volume_write_begin(inode->vol);

	if (err)
		return err;
	mutex_lock(&inode->lock);
	err = ext2_resize(inode, 0);
	mutex_unlock(&inode->lock);
	volume_write_end(inode->vol);
	return err;
}

/* Finds or makes what the path names. What is there is found even where nothing can be made. */
static int find_or_create(char *path, int flags, mode_t mode, struct node *out)
{
	char *copy;
	int err;

	if (!(flags & O_CREAT))
		return path_lookup(path, !(flags & O_NOFOLLOW), out);
	copy = kmalloc_wait(PATH_SIZE);
	if (!copy)
		return -ENOMEM;
	strcpy(copy, path); // both PATH_SIZE, and walks use them up
	err = path_lookup(copy, !(flags & (O_NOFOLLOW | O_EXCL)), out);
	kfree(copy);
	if (!err && (flags & O_EXCL)) {
		node_put(out);
		err = -EEXIST;
	} else if (err == -ENOENT) {
		err = create(path, flags, mode, out);
	}
	return err;
}

int fs_open(const char *path, int flags, mode_t mode)
{
	struct node node;
	char *copy;
	int fd, err = path_copy(path, &copy);

	if (err)
		return err;
	err = find_or_create(copy, flags, mode, &node);
	kfree(copy);
	if (err)
		return err;
	err = check_open(&node, flags);
	if (!err && (flags & O_TRUNC) && node.inode && (flags & O_ACCMODE) != O_RDONLY)
		err = truncate_opened(node.inode);
	if (!err)
		err = file_open(&node, flags, &fd);
	if (err) {
		node_put(&node);
		return err;
	}
	return fd;
}

/* ---- stat ---- */

static struct timespec timespec_of(struct inode_time time)
{
	return (struct timespec){.tv_sec = time.sec, .tv_nsec = time.nsec};
}

/* Without the inode's locks, which are held across I/O: each figure is one that was true, or will be. */
static void stat_inode(struct inode *inode, struct stat *st)
{
	unsigned long flags;

	inode_take_stores(inode);
	st->st_dev = 1;
	st->st_ino = inode->ino;
	st->st_mode = inode->mode;
	st->st_nlink = atomic_load_explicit(&inode->links, memory_order_relaxed);
	st->st_uid = inode->uid;
	st->st_gid = inode->gid;
	st->st_size = (off_t)inode_size(inode);
	st->st_blksize = PAGE_SIZE;
	st->st_blocks = (blkcnt_t)atomic_load_explicit(&inode->sectors, memory_order_relaxed);
	flags = spin_lock(&inode->time_lock);
	st->st_atim = timespec_of(inode->atime);
	st->st_mtim = timespec_of(inode->mtime);
	st->st_ctim = timespec_of(inode->ctime);
	spin_unlock(&inode->time_lock, flags);
}

static void stat_node(const struct node *node, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	if (node->inode) {
		stat_inode(node->inode, st);
	} else if (node->device) {
		st->st_ino = dev_ino(node->device);
		st->st_mode = S_IFCHR | 0666;
		st->st_nlink = 1;
	} else {
		const struct synth *synth = node->synth;

		st->st_ino = synth->ino;
		st->st_mode =
		    synth->nth ? S_IFDIR | 0555 : S_IFREG | (synth->show ? 0444 : 0) | (synth->store ? 0200 : 0);
		st->st_nlink = synth->nth ? 2 : 1;
	}
}

int fs_fstat(int fd, struct stat *st)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	stat_node(&file->node, st);
	(void)file_put(file); // the descriptor still has it, or its close reports
	return 0;
}

int fs_stat(const char *path, struct stat *st, bool follow)
{
	struct node node;
	char *copy;
	int err = path_copy(path, &copy);

	if (err)
		return err;
	err = path_lookup(copy, follow, &node);
	kfree(copy);
	if (err)
		return err;
	stat_node(&node, st);
	node_put(&node);
	return 0;
}

int fs_isatty(int fd)
{
	struct file *file;
	int r = file_get(fd, &file);

	if (r)
		return r;
	r = file->node.device && atomic_load_explicit(&file->node.device->is_tty, memory_order_relaxed) ? 1 : -ENOTTY;
	(void)file_put(file); // as in fs_fstat
	return r;
}

int fs_object(int fd, struct pcache_object **object, struct pcache_errors **errors, bool *readable, bool *writable)
{
	struct file *file;
	struct inode *inode;
	int err = file_get(fd, &file);

	if (err)
		return err;
	inode = file->node.inode;
	*readable = file_readable(file);
	*writable = file_writable(file) && !(inode && (inode->flags & EXT2_FLAG_APPEND));
	if (inode ? !S_ISREG(inode->mode) : !dev_is_zero(file->node.device))
		err = -ENODEV;
	else if (!*readable)
		err = -EACCES; // POSIX: also for a mapping that only writes
	if (!err)
		*object = inode ? &inode_ref(inode)->object : NULL;
	*errors = err ? NULL : file->errors;
	if (*errors)
		pcache_errors_ref(*errors);
	(void)file_put(file); // as in fs_fstat
	return err;
}

/* ---- the tree ---- */

static bool is_dots(const struct last_name *last)
{
	return !strcmp(last->name, ".") || !strcmp(last->name, "..");
}

/* The last name's directory, of the application's path. */
static int parent_of(const char *path, struct last_name *last)
{
	char *copy;
	int err = path_copy(path, &copy);

	if (err)
		return err;
	err = path_parent(copy, false, last);
	kfree(copy);
	return err;
}

/* Deleted files may not have given back what is missing. */
static bool worth_settling(struct volume *vol, int err)
{
	return err == -ENOSPC && !atomic_load(&vol->read_only) && !volume_settle(vol);
}

/* Calls that change the tree are inside the gate from the walk's end on. */
static int parent_begin(const char *path, struct last_name *last)
{
	int err = parent_of(path, last);

	if (!err) {
		err = volume_write_begin(last->dir->vol);
		if (err)
			inode_put(last->dir);
	}
	return err;
}

static void parent_end(struct last_name *last)
{
	volume_write_end(last->dir->vol);
	inode_put(last->dir);
}

int fs_mkdir(const char *path, mode_t mode)
{
	struct last_name last;
	int err = parent_begin(path, &last);

	mode = S_IFDIR | (mode & 07777);
	if (err)
		return err;
	if (is_dots(&last))
		err = -EEXIST;
	else
		err = ext2_mkdir(last.dir, last.name, last.len, mode);
	if (worth_settling(last.dir->vol, err))
		err = ext2_mkdir(last.dir, last.name, last.len, mode);
	parent_end(&last);
	return err;
}

int fs_rmdir(const char *path)
{
	struct last_name last;
	int err = parent_begin(path, &last);

	if (err)
		return err == -EEXIST || err == -EROFS ? -EBUSY : err;
	if (is_dots(&last))
		err = strcmp(last.name, ".") ? -ENOTEMPTY : -EINVAL;
	else
		err = ext2_unlink(last.dir, last.name, last.len, true);
	parent_end(&last);
	return err;
}

int fs_unlink(const char *path)
{
	struct last_name last;
	int err = parent_begin(path, &last);

	if (err)
		return err == -EEXIST ? -EISDIR : err;
	if (is_dots(&last))
		err = -EISDIR;
	else if (last.slash)
		err = -ENOTDIR;
	else
		err = ext2_unlink(last.dir, last.name, last.len, false);
	parent_end(&last);
	return err;
}

int fs_rename(const char *from, const char *to)
{
	struct last_name old, new;
	int err = parent_of(from, &old);

	if (err)
		return err == -EEXIST ? -EBUSY : err;
	err = parent_begin(to, &new);
	if (!err) {
		if (is_dots(&old) || is_dots(&new))
			err = -EBUSY;
		else
			err =
			    ext2_rename(old.dir, old.name, old.len, new.dir, new.name, new.len, old.slash || new.slash);
		parent_end(&new);
	}
	inode_put(old.dir);
	return err == -EEXIST ? -EBUSY : err;
}

/* ---- reading directories ---- */

static int readdir_synth(struct file *file, struct fs_dirent *entry)
{
	const struct synth *dir = file->node.synth;
	struct node node = {.synth = dir};
	const char *name = file->offset == 0 ? "." : "..";

	if (file->offset == 1 && dir->parent)
		node.synth = dir->parent;
	if (file->offset >= 2) {
		if (!dir->nth(dir, (unsigned)file->offset - 2, &node))
			return 0;
		name = synth_name(&node);
	}
	file->offset++;
	entry->ino = synth_ino(&node);
	entry->type = node.device ? 2 : node.synth->nth ? 4 : 8; // DT_CHR, DT_DIR, DT_REG
	strncpy(entry->name, name, sizeof(entry->name) - 1);
	entry->name[sizeof(entry->name) - 1] = 0;
	return 1;
}

static int readdir_inode(struct file *file, struct fs_dirent *entry)
{
	static const uint8_t types[] = {0, 8, 4, 2, 6, 1, 12, 10}; // DT_* by EXT2_FT_*
	struct inode *dir = file->node.inode;
	uint64_t offset = file->offset;
	struct ext2_name name;
	int r;

	mutex_lock(&dir->lock);
	r = ext2_dir_next(dir, &offset, &name);
	mutex_unlock(&dir->lock);
	file->offset = offset;
	if (r <= 0)
		return r;
	entry->ino = name.ino;
	entry->type = name.type < array_size(types) ? types[name.type] : 0;
	memcpy(entry->name, name.name, name.len + 1);
	return 1;
}

/* A directory, or -ENOTDIR. */
static int directory_get(int fd, struct file **out)
{
	int err = file_get(fd, out);

	if (!err && !node_is_directory(&(*out)->node)) {
		(void)file_put(*out); // as in fs_fstat
		err = -ENOTDIR;
	}
	return err;
}

int fs_readdir(int fd, struct fs_dirent *entry)
{
	struct file *file;
	int r = directory_get(fd, &file);

	if (r)
		return r;
	mutex_lock(&file->lock);
	r = file->node.synth ? readdir_synth(file, entry) : readdir_inode(file, entry);
	mutex_unlock(&file->lock);
	(void)file_put(file); // as in fs_fstat
	return r;
}

int fs_rewinddir(int fd)
{
	struct file *file;
	int err = directory_get(fd, &file);

	if (err)
		return err;
	mutex_lock(&file->lock);
	file->offset = 0;
	mutex_unlock(&file->lock);
	(void)file_put(file); // as in fs_fstat
	return 0;
}
