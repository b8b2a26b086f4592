// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Changes to the tree of names, whatever the file system: a name is looked up, what POSIX says of it is checked, the
 * file system changes its directory, and the dentry cache learns of it.
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
#include "mm/kmalloc.h"

static atomic_uint mask = 022; // of new files' modes

mode_t fs_umask(mode_t value)
{
	return atomic_exchange(&mask, value & 0777);
}

static bool is_dots(const struct last_name *last)
{
	return !strcmp(last->name, ".") || !strcmp(last->name, "..");
}

static bool has_mount(struct inode *dir, const char *name, unsigned len)
{
	struct inode *root = mount_find(dir, name, len);

	inode_put(root);
	return root;
}

/* The last name's directory, of the application's path. */
static int parent_of(int at, const char *path, struct last_name *last)
{
	char *copy;
	int err = path_copy(path, &copy);

	if (err)
		return err;
	err = path_parent(at, copy, false, last);
	kfree(copy);
	return err;
}

/* Inside the gate with no name of the volume changing. The directory stays referenced if it fails, too. */
static int change_begin(struct inode *dir)
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

static void change_end(struct inode *dir)
{
	mutex_unlock(&dir->super->names_lock);
	super_write_end(dir->super);
}

/* Deleted files may not have given back what is missing. Outside of names_lock, inside the gate. */
static bool worth_settling(struct super *super, int err)
{
	bool settled;

	if (err != -ENOSPC)
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
	if (dir->flags & INODE_IMMUTABLE)
		return -EACCES;
	if (!dir->ops->create)
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
	int err = change_begin(m->dir);

	if (err)
		return err;
	err = make_once(m, out);
	if (worth_settling(m->dir->super, err))
		err = make_once(m, out);
	change_end(m->dir);
	return err;
}

int name_create(struct last_name *last, mode_t mode, bool exclusive, struct inode **out)
{
	const struct making m = {.dir = last->dir,
				 .name = last->name,
				 .len = last->len,
				 .mode = S_IFREG | (mode & 07777 & ~atomic_load(&mask)),
				 .exclusive = exclusive};

	return last->slash ? -EISDIR : make(&m, out);
}

/* mode with its type. Takes over the name. */
static int make_new(struct last_name *last, mode_t mode, const char *target)
{
	const struct making m = {
	    .dir = last->dir, .name = last->name, .len = last->len, .mode = mode, .target = target, .exclusive = true};
	struct inode *inode;
	int err;

	if (is_dots(last) || has_mount(last->dir, last->name, last->len))
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
	int err = parent_of(at, path, &last);

	return err ? err : make_new(&last, S_IFDIR | (mode & 01777 & ~atomic_load(&mask)), NULL);
}

int fs_symlink(const char *target, int at, const char *path)
{
	struct last_name last;
	char *copy;
	int err = path_copy(target, &copy);

	if (err)
		return err;
	err = parent_of(at, path, &last);
	if (!err)
		err = make_new(&last, S_IFLNK | 0777, copy);
	kfree(copy);
	return err;
}

static int check_link(const struct inode *dir, const struct inode *inode)
{
	if (S_ISDIR(inode->mode) || (inode->flags & (INODE_IMMUTABLE | INODE_APPEND)) || !dir->ops->link)
		return -EPERM;
	return inode->links ? 0 : -ENOENT;
}

/* names_lock held. */
static int link_once(struct last_name *last, struct inode *inode)
{
	struct inode *dir = last->dir, *there;
	int err = name_lookup(dir, last->name, last->len, &there);

	if (!err)
		inode_put(there);
	if (err != -ENOENT)
		return err ? err : -EEXIST;
	err = last->slash ? -ENOENT : check_link(dir, inode);
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
	int err;

	if (is_dots(last) || has_mount(last->dir, last->name, last->len))
		return -EEXIST;
	if (last->dir->super != inode->super)
		return -EXDEV;
	err = change_begin(last->dir);
	if (err)
		return err;
	err = link_once(last, inode);
	if (worth_settling(inode->super, err))
		err = link_once(last, inode);
	change_end(last->dir);
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
	err = parent_of(to_at, to, &last);
	if (!err) {
		err = link_to(&last, inode);
		inode_put(last.dir);
	}
	inode_put(inode);
	return err;
}

/* ---- taking away ---- */

static int check_victim(const struct inode *dir, const struct inode *victim, bool directory)
{
	if (S_ISDIR(victim->mode) != directory)
		return directory ? -ENOTDIR : -EISDIR;
	if (victim == dir)
		return -EINVAL; // a damaged directory
	if ((dir->flags | victim->flags) & (INODE_IMMUTABLE | INODE_APPEND) || !dir->ops->unlink)
		return -EPERM;
	return 0;
}

static int unlink_begun(struct last_name *last, bool directory)
{
	struct inode *dir = last->dir, *victim;
	int err = name_lookup(dir, last->name, last->len, &victim);

	if (err)
		return err;
	err = check_victim(dir, victim, directory);
	if (!err) {
		mutex_lock(&dir->lock);
		mutex_lock(&victim->lock);
		err = dir->ops->unlink(dir, last->name, last->len, victim);
		mutex_unlock(&victim->lock);
		dentry_remove(dir, last->name, last->len);
		mutex_unlock(&dir->lock);
		if (!err && directory)
			dentry_forget_dir(victim);
	}
	inode_put(victim);
	return err;
}

static int unlink_checked(struct last_name *last, bool directory)
{
	int err;

	if (is_dots(last) && !directory)
		return -EISDIR;
	if (is_dots(last))
		return strcmp(last->name, ".") ? -ENOTEMPTY : -EINVAL;
	if (has_mount(last->dir, last->name, last->len))
		return directory ? -EBUSY : -EISDIR;
	err = change_begin(last->dir);
	if (err)
		return err;
	err = unlink_begun(last, directory);
	change_end(last->dir);
	return err;
}

/* With a slash behind the name, what is no directory is ENOTDIR whoever asks. */
static int check_slash(struct last_name *last)
{
	struct inode *inode;
	int err = is_dots(last) ? 0 : name_lookup(last->dir, last->name, last->len, &inode);

	if (err || is_dots(last))
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
	err = parent_of(at, path, &last);
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

/* ---- renaming ---- */

/* Is it dir, or above it? names_lock held, so the answer stays true. */
static int is_above(struct inode *inode, struct inode *dir, bool *above)
{
	struct inode *at = inode_ref(dir);
	int err = 0;

	/* A ring of directories is damage; no path has so many names. */
	for (unsigned steps = 0; !err; steps++) {
		*above = at == inode;
		if (*above || at == at->super->root)
			break;
		err = steps < PATH_SIZE ? dir_above(at, &at) : -ELOOP;
	}
	inode_put(at);
	return err;
}

/* The types, and that no directory comes to lie in itself. victim may be NULL. */
static int check_rename(const struct rename *r, bool to_directory)
{
	const bool directory = S_ISDIR(r->inode->mode);
	bool above = false;
	int err = 0;

	if (to_directory && !directory)
		return -ENOTDIR;
	if (directory)
		err = is_above(r->inode, r->to, &above);
	if (err || above)
		return err ? err : -EINVAL;
	if (r->victim && S_ISDIR(r->victim->mode))
		err = is_above(r->victim, r->from, &above);
	if (err || above)
		return err ? err : r->exchange ? -EINVAL : -ENOTEMPTY;
	if ((r->from->flags | r->inode->flags) & (INODE_IMMUTABLE | INODE_APPEND) || (r->to->flags & INODE_IMMUTABLE) ||
	    !r->from->ops->rename)
		return -EPERM;
	if (!r->victim || r->exchange)
		return 0;
	return check_victim(r->to, r->victim, directory);
}

static void lock_all(const struct rename *r)
{
	mutex_lock(&r->from->lock);
	if (r->to != r->from)
		mutex_lock(&r->to->lock);
	if (r->inode != r->to)
		mutex_lock(&r->inode->lock);
	if (r->victim && r->victim != r->from)
		mutex_lock(&r->victim->lock);
}

static void unlock_all(const struct rename *r)
{
	if (r->victim && r->victim != r->from)
		mutex_unlock(&r->victim->lock);
	if (r->inode != r->to)
		mutex_unlock(&r->inode->lock);
	if (r->to != r->from)
		mutex_unlock(&r->to->lock);
	mutex_unlock(&r->from->lock);
}

/* With all locks. */
static int rename_locked(const struct rename *r)
{
	int err = r->from->ops->rename(r);

	dentry_remove(r->from, r->name, r->len);
	dentry_remove(r->to, r->to_name, r->to_len);
	if (!err && r->from->super->dev)
		dentry_add(r->to, r->to_name, r->to_len, r->inode);
	return err;
}

/* names_lock held. The last two of r are found here, and referenced. */
static int rename_once(struct rename *r, unsigned flags, bool to_directory)
{
	int err = name_lookup(r->from, r->name, r->len, &r->inode);

	if (err)
		return err;
	err = name_lookup(r->to, r->to_name, r->to_len, &r->victim);
	if (err == -ENOENT && !(flags & RENAME_EXCHANGE))
		err = 0;
	else if (!err && (flags & RENAME_NOREPLACE))
		err = -EEXIST;
	if (!err && (r->inode != r->victim || to_directory))
		err = check_rename(r, to_directory);
	if (!err && r->inode != r->victim) {
		lock_all(r);
		err = rename_locked(r);
		unlock_all(r);
		if (!err && r->victim && S_ISDIR(r->victim->mode) && !r->exchange)
			dentry_forget_dir(r->victim);
	}
	inode_put(r->inode);
	inode_put(r->victim);
	r->inode = r->victim = NULL;
	return err;
}

static int rename_names(struct last_name *old, struct last_name *new, unsigned flags)
{
	struct rename r = {.from = old->dir,
			   .to = new->dir,
			   .name = old->name,
			   .to_name = new->name,
			   .len = old->len,
			   .to_len = new->len,
			   .exchange = flags &RENAME_EXCHANGE};
	int err;

	if (old->dir->super != new->dir->super)
		return -EXDEV;
	if (is_dots(old) || is_dots(new))
		return flags & RENAME_NOREPLACE && is_dots(new) ? -EEXIST : -EBUSY;
	if (has_mount(old->dir, old->name, old->len) || has_mount(new->dir, new->name, new->len))
		return -EBUSY;
	err = change_begin(new->dir);
	if (err)
		return err;
	err = old->dir->links ? rename_once(&r, flags, old->slash || new->slash) : -ENOENT;
	if (worth_settling(new->dir->super, err))
		err = rename_once(&r, flags, old->slash || new->slash);
	change_end(new->dir);
	return err;
}

int fs_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	struct last_name old, new;
	int err;

	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	err = parent_of(from_at, from, &old);
	if (err)
		return err == -EEXIST ? -EBUSY : err;
	err = parent_of(to_at, to, &new);
	if (err == -EEXIST)
		err = flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	else if (!err) {
		err = rename_names(&old, &new, flags);
		inode_put(new.dir);
	}
	inode_put(old.dir);
	return err;
}
