// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What is mounted where. A mount is on a name in a directory: path walks look here when they step
 * to a name in the root, where the kernel's own file systems are whatever the card has there, or in a directory that
 * says that it has mounts. Under everything lies a root without files, for a board without a card.
 *
 * Locks: mounts.mutex, before all others of fs/, is held by whoever mounts and unmounts; mounts.lock, a spinlock,
 * guards the list, which is changed under both. Sleeps where the header does not say otherwise.
 */
#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "fs/blkfile.h"
#include "fs/crash.h"
#include "fs/dentry.h"
#include "fs/ext2/ext2.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/namei.h"
#include "fs/pipe.h"
#include "fs/synth.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

struct mount {
	struct list_node node;
	struct super *super;
	struct inode *dir; // a reference; NULL: the root, whatever that is
	const char *name;  // in it; NULL: it is the root
	const char *path;
	char text[]; // both
};

static struct {
	struct mutex mutex;
	struct spinlock lock;
	struct list_node list;	    // in order of mounting
	struct list_node unmounted; // their inodes are still in use
} mounts = {.mutex = MUTEX_INIT(mounts.mutex, "mounting"),
	    .lock = SPINLOCK_INIT("mounts"),
	    .list = LIST_INIT(mounts.list),
	    .unmounted = LIST_INIT(mounts.unmounted)};

/* ---- finding ---- */

static struct mount *root_locked(void)
{
	list_for_each (&mounts.list, it) {
		struct mount *m = list_entry(it, struct mount, node);

		if (!m->name)
			return m;
	}
	return NULL;
}

static struct inode *root_inode_locked(void)
{
	struct mount *m = root_locked();

	return m ? m->super->root : synth_empty_root();
}

/* Of several, one over the other, the last. */
static struct mount *find_locked(const struct inode *dir, const char *name, unsigned len)
{
	const bool root = dir == root_inode_locked();

	for (struct list_node *it = mounts.list.prev; it != &mounts.list; it = it->prev) {
		struct mount *m = list_entry(it, struct mount, node);

		if ((m->dir ? m->dir == dir : root) && m->name && strlen(m->name) == len && !memcmp(m->name, name, len))
			return m;
	}
	return NULL;
}

struct inode *mount_root(void)
{
	unsigned long flags = spin_lock(&mounts.lock);
	struct inode *root = inode_ref(root_inode_locked());

	spin_unlock(&mounts.lock, flags);
	return root;
}

struct inode *mount_find(struct inode *dir, const char *name, unsigned len)
{
	unsigned long flags = spin_lock(&mounts.lock);
	struct mount *m = find_locked(dir, name, len);
	struct inode *root = m ? inode_ref(m->super->root) : NULL;

	spin_unlock(&mounts.lock, flags);
	return root;
}

struct inode *mount_above(const struct inode *root)
{
	unsigned long flags = spin_lock(&mounts.lock);
	struct inode *above = NULL;

	list_for_each (&mounts.list, it) {
		struct mount *m = list_entry(it, struct mount, node);

		if (m->super->root == root)
			above = m->dir;
	}
	above = inode_ref(above ? above : root_inode_locked());
	spin_unlock(&mounts.lock, flags);
	return above;
}

bool mount_name(const struct inode *root, char *name)
{
	unsigned long flags = spin_lock(&mounts.lock);
	bool found = false;

	list_for_each (&mounts.list, it) {
		struct mount *m = list_entry(it, struct mount, node);

		if (m->super->root != root || !m->name)
			continue;
		snprintf(name, NAME_BYTES_MAX + 1, "%s", m->name);
		found = true;
	}
	spin_unlock(&mounts.lock, flags);
	return found;
}

bool mount_nth(unsigned n, struct mount_info *out)
{
	unsigned long flags = spin_lock(&mounts.lock);
	bool found = false;

	list_for_each (&mounts.list, it) {
		struct mount *m = list_entry(it, struct mount, node);

		if (n-- > 0)
			continue;
		found = true;
		snprintf(out->device, sizeof(out->device), "%s%s", m->super->dev ? "/dev/" : "", m->super->name);
		snprintf(out->path, sizeof(out->path), "%s", m->path);
		snprintf(out->type, sizeof(out->type), "%s", m->super->ops->type);
		out->read_only = atomic_load(&m->super->read_only);
		break;
	}
	spin_unlock(&mounts.lock, flags);
	return found;
}

/* ---- mounting ---- */

void mounts_lock(void)
{
	mutex_lock(&mounts.mutex);
}

void mounts_unlock(void)
{
	mutex_unlock(&mounts.mutex);
}

void mounts_release(void)
{
	list_for_each_safe (&mounts.unmounted, it, next) {
		struct mount *m = list_entry(it, struct mount, node);

		dentry_forget(m->super); // of a walk that was under way
		if (inodes_forget(m->super, true))
			continue;
		list_remove(&m->node);
		m->super->ops->release(m->super);
		kfree(m);
	}
}

int mount_add(struct super *super, struct inode *dir, const char *name, const char *path)
{
	const size_t name_size = name ? strlen(name) + 1 : 0, path_size = strlen(path) + 1;
	struct mount *m = kmalloc_wait(sizeof(*m) + name_size + path_size);
	unsigned long flags;
	bool busy;

	if (!m)
		return -ENOMEM;
	*m = (struct mount){.super = super, .dir = dir, .name = name ? m->text : NULL, .path = m->text + name_size};
	if (name)
		memcpy(m->text, name, name_size);
	memcpy(m->text + name_size, path, path_size);
	flags = spin_lock(&mounts.lock);
	busy = !name && root_locked();
	if (!busy) {
		list_push_back(&mounts.list, &m->node);
		if (dir) {
			inode_ref(dir);
			atomic_fetch_add(&dir->mounts, 1);
			atomic_fetch_add(&dir->super->users, 1);
		}
	}
	spin_unlock(&mounts.lock, flags);
	if (!busy)
		return 0;
	kfree(m);
	return -EBUSY;
}

/* ---- unmounting ---- */

/* mounts.mutex held; the mount is given up whatever comes. */
static int unmount(struct mount *m)
{
	struct super *super = m->super;
	unsigned long flags;
	int err;

	dentry_forget(super);
	err = super->ops->unmount(super);
	if (super->dev)
		blkfile_unclaim(super->dev);
	flags = spin_lock(&mounts.lock);
	list_remove(&m->node);
	spin_unlock(&mounts.lock, flags);
	if (m->dir) {
		atomic_fetch_sub(&m->dir->mounts, 1);
		atomic_fetch_sub(&m->dir->super->users, 1);
		inode_put(m->dir);
		m->dir = NULL;
	}
	dentry_forget(super); // of walks under way
	inode_put(super->root);
	super->root = NULL;
	list_push_back(&mounts.unmounted, &m->node);
	mounts_release();
	return err;
}

/* The mount with this root, or NULL. mounts.mutex held. */
static struct mount *mount_of(const struct inode *root)
{
	list_for_each (&mounts.list, it) {
		struct mount *m = list_entry(it, struct mount, node);

		if (m->super->root == root)
			return m;
	}
	return NULL;
}

static int unmount_checked(const struct inode *inode, int flags)
{
	struct mount *m = mount_of(inode);

	if (!m)
		return -EINVAL;
	/* The kernel's own stay, and so does the root. */
	if (!m->dir)
		return -EBUSY;
	if (!(flags & (MNT_FORCE | MNT_DETACH)) && atomic_load(&m->super->users))
		return -EBUSY;
	/* Nobody could find what is mounted below. */
	list_for_each (&mounts.list, it) {
		const struct mount *below = list_entry(it, struct mount, node);

		if (below->dir && below->dir->super == m->super)
			return -EBUSY;
	}
	return unmount(m);
}

int fs_umount(const char *target, int flags)
{
	struct inode *inode;
	char *path;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW))
		return -EINVAL;
	err = path_copy(target, &path);
	if (err)
		return err;
	mutex_lock(&mounts.mutex);
	err = path_lookup(AT_FDCWD, path, !(flags & UMOUNT_NOFOLLOW), &inode);
	kfree(path);
	if (!err) {
		inode_put(inode); // the mount has one
		err = unmount_checked(inode, flags);
	}
	mutex_unlock(&mounts.mutex);
	return err;
}

int fs_unmount_all(void)
{
	int first = 0, err;

	crash_forget();
	mutex_lock(&mounts.mutex);
	/* The last mounted first; the kernel's own have nothing to write, and stay. */
	for (struct list_node *it = mounts.list.prev, *before; it != &mounts.list; it = before) {
		struct mount *m = list_entry(it, struct mount, node);

		before = it->prev;
		if (!m->super->dev)
			continue;
		err = unmount(m);
		first = first ? first : err;
	}
	mutex_unlock(&mounts.mutex);
	return first;
}

/* ---- all of them ---- */

/* The nth mounted file system with something to write, kept from being unmounted; NULL behind the last. */
static struct super *writable_nth(unsigned n)
{
	struct super *super = NULL;
	unsigned long flags = spin_lock(&mounts.lock);

	list_for_each (&mounts.list, it) {
		struct mount *m = list_entry(it, struct mount, node);

		if ((m->super->dev || !atomic_load(&m->super->read_only)) && n-- == 0) {
			super = m->super;
			break;
		}
	}
	spin_unlock(&mounts.lock, flags);
	return super;
}

int fs_sync(void)
{
	struct super *super;
	int first = 0, err;

	mutex_lock(&mounts.mutex); // none goes meanwhile
	for (unsigned n = 0; (super = writable_nth(n)); n++) {
		err = super_sync(super);
		first = first ? first : err;
	}
	mutex_unlock(&mounts.mutex);
	return first;
}

bool fs_settle(void)
{
	struct super *super;
	bool any = false;

	mutex_lock(&mounts.mutex); // none goes meanwhile
	for (unsigned n = 0; (super = writable_nth(n)); n++) {
		if (super_write_begin(super))
			continue;
		if (!atomic_load(&super->read_only))
			any |= !super->ops->settle(super);
		super_write_end(super);
	}
	mutex_unlock(&mounts.mutex);
	return any;
}

int fs_init(void)
{
	int err;

	inodes_init();
	dentry_init();
	namei_init();
	pipe_init();
	blkfiles_init();
	err = ext2_data_init() ? -ENOMEM : synth_init();
	return err ? err : mount_tmp();
}
