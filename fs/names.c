// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Changes to the tree of names (rename is in rename.c), whatever the file system: a name is looked up, what POSIX says
 * of it is checked, the file system changes its directory, and the dentry cache learns of it.
 *
 * Locks: the write gate, super.names_lock, then the operation locks of all inodes concerned, in any order. While
 * names_lock is held no name of the volume changes. Sleeps.
 */
#include "fs/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/dentry.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "mm/frame.h"
#include "mm/kmalloc.h"

/* Inodes without names take memory until the file system is settled, which is done after so many. */
#define FRAMES_PER_UNLINKED 32 // of RAM
#define UNLINKED_MIN 16

static atomic_uint mask = 022; // of new files' modes

mode_t fs_umask(mode_t value)
{
	return atomic_exchange(&mask, value & 0777);
}

bool name_is_dots(const struct last_name *last)
{
	return !strcmp(last->name, ".") || !strcmp(last->name, "..");
}

bool name_has_mount(struct inode *dir, const char *name, unsigned len)
{
	struct inode *root = mount_find(dir, name, len);

	inode_put(root);
	return root;
}

int name_parent(int at, const char *path, struct last_name *last)
{
	char *copy;
	int err = path_copy(path, &copy);

	if (err)
		return err;
	err = path_parent(at, copy, false, last);
	kfree(copy);
	return err;
}

int names_change_begin(struct inode *dir)
{
	int err = super_write_begin(dir->super);

	if (err)
		return err;
	mutex_lock(&dir->super->names_lock);
	if (atomic_load(&dir->super->read_only))
		err = -EROFS;
	else if (dir->links == 0)
		err = -ENOENT; // it was removed
	if (err) {
		mutex_unlock(&dir->super->names_lock);
		super_write_end(dir->super);
	}
	return err;
}

void names_change_end(struct inode *dir)
{
	struct super *super = dir->super;
	const size_t max = max_of(frame_total() / FRAMES_PER_UNLINKED, (size_t)UNLINKED_MIN);

	mutex_unlock(&super->names_lock);
	if (atomic_load_explicit(&super->unlinked, memory_order_relaxed) >= max) {
		atomic_store_explicit(&super->unlinked, 0, memory_order_relaxed);
		(void)super->ops->settle(super); // it is tried again, and whoever waits for it is told
	}
	super_write_end(super);
}

void names_unlinked(const struct inode *victim)
{
	if (victim && victim->links == 0)
		atomic_fetch_add_explicit(&victim->super->unlinked, 1, memory_order_relaxed);
}

bool names_settled(struct super *super, int err)
{
	bool settled;

	if (err != -ENOSPC && err != -EMLINK) // links of removed names count until then
		return false;
	mutex_unlock(&super->names_lock);
	settled = !super->ops->settle(super);
	mutex_lock(&super->names_lock);
	return settled;
}

/* ---- making ---- */

struct making {
	struct inode *dir;
	const char *name;
	unsigned len;
	mode_t mode;
	const char *target; // of a symbolic link
	bool exclusive;
};

/* names_lock held. What is there already is found unless that is an error. */
static int make_once(const struct making *m, struct inode **out)
{
	struct inode *dir = m->dir;
	int err = dir->links ? name_lookup(dir, m->name, m->len, out) : -ENOENT;

	if (!err && m->exclusive) {
		inode_put(*out);
		return -EEXIST;
	}
	if (err != -ENOENT || !dir->links)
		return err;
	if ((dir->flags & INODE_FROZEN) || !dir->ops->create)
		return -EPERM;
	mutex_lock(&dir->lock);
	err = dir->ops->create(dir, m->name, m->len, m->mode, m->target, out);
	if (err)
		dentry_remove(dir, m->name, m->len);
	else if (dir->super->dev)
		dentry_add(dir, m->name, m->len, *out);
	mutex_unlock(&dir->lock);
	return err;
}

static int make(const struct making *m, struct inode **out)
{
	int err = names_change_begin(m->dir);

	if (err == -EROFS && m->exclusive && !name_lookup(m->dir, m->name, m->len, out)) {
		inode_put(*out);
		return -EEXIST; // as on Linux
	}
	if (err)
		return err;
	err = make_once(m, out);
	if (names_settled(m->dir->super, err))
		err = make_once(m, out);
	names_change_end(m->dir);
	return err;
}

int name_create(struct last_name *last, mode_t mode, bool exclusive, struct inode **out)
{
	const struct making m = {.dir = last->dir,
				 .name = last->name,
				 .len = last->len,
				 .mode = S_IFREG | (mode & 07777 & ~atomic_load(&mask)),
				 .exclusive = exclusive};

	return last->slash || name_is_dots(last) ? -EISDIR : make(&m, out);
}

/* mode with its type. Takes over the name. */
static int make_new(struct last_name *last, mode_t mode, const char *target)
{
	const struct making m = {
	    .dir = last->dir, .name = last->name, .len = last->len, .mode = mode, .target = target, .exclusive = true};
	struct inode *inode;
	int err;

	if (name_is_dots(last) || name_has_mount(last->dir, last->name, last->len))
		err = -EEXIST;
	else if (last->slash && !S_ISDIR(mode))
		err = name_lookup(last->dir, last->name, last->len, &inode);
	else
		err = make(&m, &inode);
	if (!err)
		inode_put(inode);
	if (!err && last->slash && !S_ISDIR(mode))
		err = -EEXIST;
	inode_put(last->dir);
	return err;
}

int fs_mkdir(int at, const char *path, mode_t mode)
{
	struct last_name last;
	int err = name_parent(at, path, &last);

	return err ? err : make_new(&last, S_IFDIR | (mode & 01777 & ~atomic_load(&mask)), NULL);
}

int fs_mkfifo(int at, const char *path, mode_t mode)
{
	struct last_name last;
	int err = name_parent(at, path, &last);

	return err ? err : make_new(&last, S_IFIFO | (mode & 07777 & ~atomic_load(&mask)), NULL);
}

int fs_symlink(const char *target, int at, const char *path)
{
	struct last_name last;
	char *copy;
	int err = path_copy(target, &copy);

	if (err)
		return err;
	err = name_parent(at, path, &last);
	if (!err)
		err = make_new(&last, S_IFLNK | 0777, copy);
	kfree(copy);
	return err;
}

static int check_link(const struct inode *dir, const struct inode *inode)
{
	if (!inode->links || !dir->links)
		return -ENOENT;
	if (S_ISDIR(inode->mode) || (inode->flags & (INODE_FROZEN | INODE_APPEND)) || (dir->flags & INODE_FROZEN) ||
	    !dir->ops->link)
		return -EPERM;
	return 0;
}

/* In Linux's order: what is there already comes first. */
static int check_link_name(const struct last_name *last, const struct inode *inode)
{
	const struct super *super = last->dir->super;
	struct inode *there;
	int err;

	if (name_is_dots(last) || name_has_mount(last->dir, last->name, last->len))
		return -EEXIST;
	err = name_lookup(last->dir, last->name, last->len, &there);
	if (!err)
		inode_put(there);
	if (err != -ENOENT)
		return err ? err : -EEXIST;
	if (last->slash)
		return -ENOENT;
	if (atomic_load(&super->read_only))
		return -EROFS;
	return super == inode->super ? 0 : -EXDEV;
}

/* names_lock held. */
static int link_once(struct last_name *last, struct inode *inode)
{
	struct inode *dir = last->dir;
	int err = check_link_name(last, inode);

	if (!err)
		err = check_link(dir, inode);
	if (err)
		return err;
	mutex_lock(&dir->lock);
	mutex_lock(&inode->lock);
	err = dir->ops->link(dir, last->name, last->len, inode);
	mutex_unlock(&inode->lock);
	if (err)
		dentry_remove(dir, last->name, last->len);
	else if (dir->super->dev)
		dentry_add(dir, last->name, last->len, inode);
	mutex_unlock(&dir->lock);
	return err;
}

static int link_to(struct last_name *last, struct inode *inode)
{
	int err = check_link_name(last, inode);

	if (!err)
		err = names_change_begin(last->dir);
	if (err)
		return err;
	err = link_once(last, inode);
	if (names_settled(inode->super, err))
		err = link_once(last, inode);
	names_change_end(last->dir);
	return err;
}

int fs_link(int from_at, const char *from, int to_at, const char *to, int flags)
{
	struct last_name last;
	struct inode *inode;
	char *copy;
	int err;

	if (flags & ~AT_SYMLINK_FOLLOW)
		return -EINVAL;
	err = path_copy(from, &copy);
	if (err)
		return err;
	err = path_lookup(from_at, copy, flags & AT_SYMLINK_FOLLOW, &inode);
	kfree(copy);
	if (err)
		return err;
	err = name_parent(to_at, to, &last);
	if (!err) {
		err = link_to(&last, inode);
		inode_put(last.dir);
	}
	inode_put(inode);
	return err;
}

/* ---- taking away ---- */

int name_check_victim(const struct inode *dir, const struct inode *victim, bool directory)
{
	if (S_ISDIR(victim->mode) != directory)
		return directory ? -ENOTDIR : -EISDIR;
	if (victim == dir)
		return -EINVAL; // a damaged directory
	if ((dir->flags | victim->flags) & (INODE_FROZEN | INODE_APPEND) || !dir->ops->unlink)
		return -EPERM;
	return 0;
}

static int unlink_begun(struct last_name *last, bool directory)
{
	struct inode *dir = last->dir, *victim;
	int err = name_lookup(dir, last->name, last->len, &victim);

	if (err)
		return err;
	err = name_check_victim(dir, victim, directory);
	if (!err) {
		mutex_lock(&dir->lock);
		mutex_lock(&victim->lock);
		err = dir->ops->unlink(dir, last->name, last->len, victim);
		mutex_unlock(&victim->lock);
		dentry_remove(dir, last->name, last->len);
		mutex_unlock(&dir->lock);
		if (!err)
			names_unlinked(victim);
		if (!err && directory)
			dentry_forget_dir(victim);
	}
	inode_put(victim);
	return err;
}

static int unlink_checked(struct last_name *last, bool directory)
{
	int err;

	if (name_is_dots(last) && !directory)
		return -EISDIR;
	if (name_is_dots(last))
		return strcmp(last->name, ".") ? -ENOTEMPTY : -EINVAL;
	err = names_change_begin(last->dir);
	if (err)
		return err;
	if (name_has_mount(last->dir, last->name, last->len))
		err = directory ? -EBUSY : -EISDIR;
	else
		err = unlink_begun(last, directory);
	names_change_end(last->dir);
	return err;
}

/* With a slash behind the name, what is no directory is ENOTDIR whoever asks. */
static int check_slash(struct last_name *last)
{
	struct inode *inode;
	int err = name_is_dots(last) ? 0 : name_lookup(last->dir, last->name, last->len, &inode);

	if (err || name_is_dots(last))
		return err;
	err = S_ISDIR(inode->mode) ? -EISDIR : -ENOTDIR;
	inode_put(inode);
	return err;
}

int fs_unlink(int at, const char *path, int flags)
{
	const bool directory = flags & AT_REMOVEDIR;
	struct last_name last;
	int err;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	err = name_parent(at, path, &last);
	if (err == -EEXIST)
		return directory ? -EBUSY : -EISDIR; // the root
	if (err)
		return err;
	err = last.slash && !directory ? check_slash(&last) : 0;
	if (!err)
		err = unlink_checked(&last, directory);
	inode_put(last.dir);
	return err;
}
