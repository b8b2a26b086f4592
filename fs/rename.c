// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Rename, whatever the file system. Locks and their order as in names.c. Sleeps.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/dentry.h"
#include "fs/fs.h"
#include "fs/names.h"

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

/* The types, and that no directory comes to lie in itself. victim may be NULL. Slashes follow the old, the new name. */
static int check_rename(const struct rename *r, bool slash, bool to_slash)
{
	const bool directory = S_ISDIR(r->inode->mode);
	bool above = false;
	int err = 0;

	/* What comes to lie under the new name is a directory, or there is one that an exchange takes away. */
	if ((slash && !directory) || (to_slash && !S_ISDIR(r->exchange ? r->victim->mode : r->inode->mode)))
		return -ENOTDIR;
	if (r->inode == r->from || (r->victim && r->victim == r->to))
		return -EINVAL; // a damaged directory, which leads to itself
	if (directory)
		err = is_above(r->inode, r->to, &above);
	if (err || above)
		return err ? err : -EINVAL;
	if (r->victim && S_ISDIR(r->victim->mode))
		err = is_above(r->victim, r->from, &above);
	if (err || above)
		return err ? err : r->exchange ? -EINVAL : -ENOTEMPTY;
	if ((r->from->flags | r->inode->flags) & (INODE_FROZEN | INODE_APPEND) || (r->to->flags & INODE_FROZEN) ||
	    !r->from->ops->rename)
		return -EPERM;
	if (!r->victim || r->exchange)
		return 0;
	return name_check_victim(r->to, r->victim, directory);
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
	if (err) {
		/* Not known how far it came. */
		dentry_forget_dir(r->from);
		dentry_forget_dir(r->to);
	}
	if (!err && r->from->super->dev)
		dentry_add(r->to, r->to_name, r->to_len, r->inode);
	return err;
}

/* names_lock held. The last two of r are found here, and referenced. */
static int rename_once(struct rename *r, unsigned flags, bool slash, bool to_slash)
{
	int err;

	/* Settling for space has let others in. */
	if (!r->from->links || !r->to->links)
		return -ENOENT;
	if (name_has_mount(r->from, r->name, r->len) || name_has_mount(r->to, r->to_name, r->to_len))
		return -EBUSY;
	err = name_lookup(r->from, r->name, r->len, &r->inode);
	if (err)
		return err;
	err = name_lookup(r->to, r->to_name, r->to_len, &r->victim);
	if (err == -ENOENT && !(flags & RENAME_EXCHANGE))
		err = 0;
	else if (!err && (flags & RENAME_NOREPLACE))
		err = -EEXIST;
	if (!err && (r->inode != r->victim || slash || to_slash))
		err = check_rename(r, slash, to_slash);
	if (!err && r->inode != r->victim) {
		lock_all(r);
		err = rename_locked(r);
		unlock_all(r);
		if (!err)
			names_unlinked(r->victim);
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
	if (name_is_dots(old))
		return -EBUSY;
	if (name_is_dots(new))
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	err = names_change_begin(new->dir);
	if (err)
		return err;
	err = old->dir->links ? rename_once(&r, flags, old->slash, new->slash) : -ENOENT;
	if (names_settled(new->dir->super, err))
		err = rename_once(&r, flags, old->slash, new->slash);
	names_change_end(new->dir);
	return err;
}

int fs_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	struct last_name old = {0}, new = {0};
	int err, to_err;

	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	/* That a path is the root's own is told once both are known to lead somewhere. */
	err = name_parent(from_at, from, &old);
	if (err && err != -EEXIST)
		return err;
	to_err = name_parent(to_at, to, &new);
	if (to_err && to_err != -EEXIST)
		err = to_err;
	else if (err)
		err = -EBUSY;
	else if (to_err)
		err = flags & RENAME_NOREPLACE && !name_is_dots(&old) ? -EEXIST : -EBUSY;
	else
		err = rename_names(&old, &new, flags);
	inode_put(new.dir);
	inode_put(old.dir);
	return err;
}
