// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Walking a path, one name at a time. A symbolic link's target takes the place of its name in the buffer that holds
 * what is left of the path, so that nothing recurses. Holds a reference to where it is, and no lock between steps; a
 * name that the dentry cache knows takes no lock that is held across I/O.
 *
 * Lock: cwd.lock, a spinlock, guards the current directory. Sleeps.
 */
#include "fs/namei.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "arch/uaccess.h"
#include "fs/dentry.h"
#include "fs/file.h"
#include "fs/mount.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

struct walk {
	char *path; // PATH_SIZE bytes
	char *rest; // in it: what is left
	unsigned links;
	struct inode *at;

	/* The name that next_name found. */
	char name[NAME_BYTES_MAX + 1];
	unsigned len;
	bool last, slash; // only slashes follow; some do
};

static struct {
	struct spinlock lock;
	struct inode *dir; // a reference; NULL: the root
} cwd = {.lock = SPINLOCK_INIT("current directory")};

void namei_init(void)
{
	cwd.dir = NULL;
}

struct inode *cwd_get(void)
{
	unsigned long flags = spin_lock(&cwd.lock);
	struct inode *dir = cwd.dir ? inode_ref(cwd.dir) : NULL;

	spin_unlock(&cwd.lock, flags);
	return dir ? dir : mount_root();
}

void cwd_set(struct inode *dir)
{
	unsigned long flags;
	struct inode *before;

	atomic_fetch_add(&dir->super->users, 1);
	flags = spin_lock(&cwd.lock);
	before = cwd.dir;
	cwd.dir = dir;
	spin_unlock(&cwd.lock, flags);
	if (before)
		atomic_fetch_sub(&before->super->users, 1);
	inode_put(before);
}

int path_copy(const char *path, char **out)
{
	char *copy = kmalloc_wait(PATH_SIZE);
	long len;

	if (!copy)
		return -ENOMEM;
	len = uaccess_strncpy(copy, path, PATH_SIZE);
	if (len <= 0) {
		kfree(copy);
		return len ? (int)len : -ENOENT;
	}
	*out = copy;
	return 0;
}

int name_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out)
{
	const bool cached = dir->super->dev;
	int err;

	*out = NULL;
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	if (atomic_load_explicit(&dir->super->dead, memory_order_relaxed))
		return -EIO;
	if (cached && dentry_find(dir, name, len, out))
		return *out ? 0 : -ENOENT;
	mutex_lock(&dir->lock);
	/* Under the lock, so that the number is not given to another file first. */
	err = dir->links ? dir->ops->lookup(dir, name, len, out) : -ENOENT;
	if (cached && dir->links && (!err || err == -ENOENT))
		dentry_add(dir, name, len, *out);
	mutex_unlock(&dir->lock);
	return err;
}

int dir_above(struct inode *dir, struct inode **out)
{
	struct inode *above;
	int err;

	if (dir == dir->super->root) {
		*out = mount_above(dir);
		inode_put(dir);
		return 0;
	}
	mutex_lock(&dir->lock);
	err = dir->links ? dir->ops->lookup(dir, "..", 2, &above) : -ENOENT;
	mutex_unlock(&dir->lock);
	if (err)
		return err; // *out, which may be dir, stays
	inode_put(dir);
	*out = above;
	return 0;
}

static int start_dir(int at, bool absolute, struct inode **out)
{
	struct file *file;
	int err;

	if (absolute || at == AT_FDCWD) {
		*out = absolute ? mount_root() : cwd_get();
		return 0;
	}
	err = file_get(at, &file);
	if (err)
		return err;
	if (S_ISDIR(file->inode->mode))
		*out = inode_ref(file->inode);
	else
		err = -ENOTDIR;
	(void)file_put(file); // a directory's close finds no error
	return err;
}

static int walk_start(struct walk *w, int at, char *path)
{
	*w = (struct walk){.path = path, .rest = path, .slash = true};
	return start_dir(at, path[0] == '/', &w->at);
}

static void walk_to(struct walk *w, struct inode *inode)
{
	inode_put(w->at);
	w->at = inode;
}

/* The next name: 1, 0 at the end of the path. */
static int next_name(struct walk *w)
{
	char *end;

	w->rest += strspn(w->rest, "/");
	end = w->rest + strcspn(w->rest, "/");
	w->len = end - w->rest;
	if (w->len == 0)
		return 0;
	if (!S_ISDIR(w->at->mode))
		return -ENOTDIR;
	if (w->len > NAME_BYTES_MAX)
		return -ENAMETOOLONG;
	memcpy(w->name, w->rest, w->len);
	w->name[w->len] = 0;
	w->slash = *end == '/';
	w->rest = end + strspn(end, "/");
	w->last = *w->rest == 0;
	return 1;
}

/* What the name is in the directory where the walk is. */
static int find(struct walk *w, struct inode **found)
{
	struct inode *dir = w->at;

	if (dir == dir->super->root || atomic_load_explicit(&dir->mounts, memory_order_relaxed)) {
		*found = mount_find(dir, w->name, w->len);
		if (*found)
			return 0;
	}
	return name_lookup(dir, w->name, w->len, found);
}

static int step_dots(struct walk *w, bool *done)
{
	*done = !strcmp(w->name, ".") || !strcmp(w->name, "..");
	return *done && w->len == 2 ? dir_above(w->at, &w->at) : 0;
}

/* The link's target takes its name's place before what is left of the path. */
static int follow_link(struct walk *w, struct inode *link)
{
	const size_t rest = strlen(w->rest);
	const bool more = rest || (w->rest > w->path && w->rest[-1] == '/');
	char *target;
	int len;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	target = kmalloc_wait(PATH_SIZE);
	if (!target)
		return -ENOMEM;
	len = link->ops->readlink(link, target, PATH_SIZE);
	if (len >= 0 && (size_t)len + more + rest + 1 > PATH_SIZE)
		len = -ENAMETOOLONG;
	if (len >= 0) {
		memmove(w->path + len + more, w->rest, rest + 1);
		memcpy(w->path, target, len);
		if (more)
			w->path[len] = '/';
		w->rest = w->path;
	}
	kfree(target);
	if (len < 0)
		return len;
	if (w->path[0] == '/')
		walk_to(w, mount_root());
	return 0;
}

int path_lookup(int at, char *path, bool follow, struct inode **out)
{
	bool done;
	struct walk w;
	int r, err = walk_start(&w, at, path);

	while (!err && (r = next_name(&w))) {
		struct inode *found;

		err = r < 0 ? r : step_dots(&w, &done);
		if (err || done)
			continue;
		err = find(&w, &found);
		if (err)
			break;
		if (S_ISLNK(found->mode) && (!w.last || follow || w.slash)) {
			err = follow_link(&w, found);
			inode_put(found);
		} else {
			walk_to(&w, found);
		}
	}
	if (!err && w.slash && !S_ISDIR(w.at->mode))
		err = -ENOTDIR;
	if (err)
		inode_put(w.at);
	else
		*out = w.at;
	return err;
}

/* With the last name found, or not: 0 and *done, or on with the link that it is. */
static int parent_step(struct walk *w, bool *done)
{
	struct inode *found;
	int err = find(w, &found);

	*done = w->last;
	if (err == -ENOENT && w->last)
		return 0;
	if (err)
		return err;
	if (S_ISLNK(found->mode)) {
		*done = false;
		err = follow_link(w, found);
		inode_put(found);
	} else if (w->last) {
		inode_put(found);
	} else {
		walk_to(w, found);
	}
	return err;
}

int path_parent(int at, char *path, bool follow, struct last_name *out)
{
	bool done = false, dots;
	struct walk w;
	int r = 0, err = walk_start(&w, at, path);

	while (!err && !done && (r = next_name(&w))) {
		err = r < 0 ? r : 0;
		dots = !strcmp(w.name, ".") || !strcmp(w.name, "..");
		if (!err && w.last && (dots || !follow))
			break;
		if (!err)
			err = dots ? step_dots(&w, &dots) : parent_step(&w, &done);
	}
	if (!err && r == 0)
		err = -EEXIST;
	if (err) {
		inode_put(w.at);
		return err;
	}
	out->dir = w.at;
	out->len = w.len;
	out->slash = w.slash;
	memcpy(out->name, w.name, w.len + 1);
	return 0;
}

/* ---- from a directory back to its path ---- */

/* The name that leads to the directory in the one above. */
static int name_of(struct inode *dir, struct inode *above, char *name)
{
	struct dir_entry entry;
	uint64_t offset = 0;
	int r;

	if (dir == dir->super->root)
		return mount_name(dir, name) ? 0 : -ENOENT;
	mutex_lock(&above->lock);
	/* Removed since: what its entries need may be gone. */
	while ((r = above->links ? above->ops->next_entry(above, &offset, &entry) : 0) > 0) {
		if (entry.ino == dir->ino && strcmp(entry.name, ".") && strcmp(entry.name, ".."))
			break;
	}
	mutex_unlock(&above->lock);
	if (r <= 0)
		return r ? r : -ENOENT;
	memcpy(name, entry.name, entry.len + 1);
	return 0;
}

/* One name in front of what *start points to. */
static int prepend(struct inode **at, char *buf, char **start)
{
	struct inode *dir = inode_ref(*at);
	char name[NAME_BYTES_MAX + 1];
	size_t len;
	int err = dir_above(*at, at);

	if (!err)
		err = name_of(dir, *at, name);
	inode_put(dir);
	if (err)
		return err;
	len = strlen(name);
	if ((size_t)(*start - buf) < len + 1)
		return -ENAMETOOLONG;
	*start -= len;
	memcpy(*start, name, len);
	*--*start = '/';
	return 0;
}

int dir_path(struct inode *dir, char *buf, size_t size)
{
	struct inode *root = mount_root(), *at = inode_ref(dir);
	char *start = buf + size - 1;
	int err = 0;

	*start = 0;
	while (!err && at != root)
		err = prepend(&at, buf, &start);
	if (!err && *start == 0)
		*--start = '/';
	if (!err)
		memmove(buf, start, strlen(start) + 1);
	inode_put(at);
	inode_put(root);
	return err;
}
