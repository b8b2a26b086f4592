// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mounting: which kinds of file systems there are, and what the calls say, turned into what is mounted where. Locks: of
 * all mounts, fs/mount.h. Sleeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "fs/blkfile.h"
#include "fs/ext2/ext2.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "fs/namei.h"
#include "fs/tmpfs/tmpfs.h"
#include "mm/kmalloc.h"

static int mount_ext2(struct blkdev *dev, const char *options, bool read_only, struct super **out)
{
	return options && *options ? -EINVAL : ext2_mount(dev, read_only, out);
}

static int mount_tmpfs(struct blkdev *dev, const char *options, bool read_only, struct super **out)
{
	(void)dev;
	return tmpfs_mount(options, read_only, out);
}

/* Kinds that mount(2) knows. */
static const struct fs_type {
	const char *name;
	bool needs_device;
	int (*mount)(struct blkdev *dev, const char *options, bool read_only, struct super **out);
} types[] = {{"ext2", true, mount_ext2}, {"tmpfs", false, mount_tmpfs}};

/* What is to be mounted. */
struct mounting {
	const struct fs_type *type;
	struct blkdev *dev;  // NULL: it needs none
	const char *options; // or NULL
	bool read_only;
};

/* Where it is to be mounted: on a name in a directory, or as the root. */
struct mount_place {
	struct inode *above; // NULL: the root
	const char *name, *path;
	struct inode *there; // the directory that has the name; NULL: another mount's root
};

/* While names stay as they are, so that what is mounted on is there, and who removes or renames it sees the mount. */
static int place(struct super *super, const struct mount_place *at)
{
	struct inode *there = NULL;
	int err = 0;

	if (!at->above)
		return mount_add(super, NULL, at->name, at->path);
	mutex_lock(&at->above->super->names_lock);
	if (at->there) {
		err = name_lookup(at->above, at->name, (unsigned)strlen(at->name), &there);
		if (!err && there != at->there)
			err = -ENOENT; // renamed meanwhile
		inode_put(there);
	}
	if (!err)
		err = mount_add(super, at->above, at->name, at->path);
	mutex_unlock(&at->above->super->names_lock);
	return err;
}

/* Mounts locked. */
static int mount_on(const struct mounting *what, const struct mount_place *at)
{
	struct super *super;
	int err;

	mounts_release();
	err = what->dev ? blkfile_claim(what->dev) : 0;
	if (err)
		return err;
	err = what->type->mount(what->dev, what->options, what->read_only, &super);
	if (!err) {
		err = place(super, at);
		if (err) {
			(void)super->ops->unmount(super); // nobody has changed anything
			super->ops->release(super);
		}
	}
	if (err && what->dev)
		blkfile_unclaim(what->dev);
	return err;
}

int fs_mount_root(struct blkdev *dev, bool read_only)
{
	const struct mounting what = {.type = &types[0], .dev = dev, .read_only = read_only};
	int err;

	mounts_lock();
	err = mount_on(&what, &(struct mount_place){.path = "/"});
	mounts_unlock();
	return err;
}

const char *mount_type_nth(unsigned n, bool *needs_device)
{
	if (n >= array_size(types))
		return NULL;
	*needs_device = types[n].needs_device;
	return types[n].name;
}

static const struct fs_type *type_find(const char *name)
{
	for (size_t i = 0; i < array_size(types); i++) {
		if (!strcmp(types[i].name, name))
			return &types[i];
	}
	return NULL;
}

/* source is scratch. */
static int source_find(char *source, struct blkdev **dev)
{
	struct inode *inode;
	int err = path_lookup(AT_FDCWD, source, true, &inode);

	if (err)
		return err;
	if (!S_ISBLK(inode->mode))
		err = -ENOTBLK;
	else if (!inode->device)
		err = -ENXIO; // a special file of another system's, on a card
	else
		*dev = inode->device;
	inode_put(inode);
	return err;
}

/* Over a directory, which may be another mount's root. path: PATH_SIZE bytes, scratch. Mounts locked. */
static int mount_over(const struct mounting *what, struct inode *dir, char *path)
{
	struct mount_place at = {.path = path};
	int err = S_ISDIR(dir->mode) ? dir_path(dir, path, PATH_SIZE) : -ENOTDIR;

	if (err)
		return err;
	at.name = strrchr(path, '/') + 1;
	if (!*at.name)
		return -EBUSY; // the root
	at.there = dir != dir->super->root ? dir : NULL;
	at.above = inode_ref(dir);
	err = dir_above(at.above, &at.above);
	if (!err)
		err = mount_on(what, &at);
	inode_put(at.above);
	return err;
}

static int find_kind(struct mounting *what, char *source, const char *type)
{
	what->type = type_find(type);
	if (!what->type)
		return -ENODEV;
	if (!what->type->needs_device)
		return 0;
	return source ? source_find(source, &what->dev) : -EFAULT;
}

/* All of them kernel memory; source may be NULL. In Linux's order. */
static int mount_named(struct mounting *what, char *source, char *target, const char *type)
{
	struct inode *dir;
	int err;

	mounts_lock();
	err = path_lookup(AT_FDCWD, target, true, &dir);
	if (!err) {
		err = find_kind(what, source, type);
		if (!err)
			err = mount_over(what, dir, target);
		inode_put(dir);
	}
	mounts_unlock();
	return err;
}

static int copy_or_null(const char *path, char **out)
{
	int err = path ? path_copy(path, out) : 0;

	return err == -ENOENT ? 0 : err; // empty: as good as none
}

int fs_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *options)
{
	const unsigned long known =
	    MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_NOATIME | MS_SILENT;
	char *kind = NULL, *from = NULL, *path = NULL, *text = NULL;
	struct mounting what = {.read_only = flags & MS_RDONLY};
	int err;

	if (flags & ~known)
		return -EINVAL;
	err = type ? copy_or_null(type, &kind) : -EFAULT;
	if (!err)
		err = path_copy(target, &path);
	if (!err)
		err = copy_or_null(source, &from);
	if (!err)
		err = copy_or_null(options, &text);
	what.options = text;
	if (!err)
		err = mount_named(&what, from, path, kind ? kind : "");
	kfree(kind);
	kfree(from);
	kfree(path);
	kfree(text);
	return err;
}

int mount_tmp(void)
{
	struct super *super;
	int err = tmpfs_init();

	if (!err)
		err = tmpfs_mount(NULL, false, &super);
	return err ? err : mount_add(super, NULL, "tmp", "/tmp");
}
