// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Walking a path, one name at a time. A symbolic link's target takes the place of its name in the buffer that holds
 * what is left of the path, so that nothing recurses. Holds a reference to where it is, and no lock between steps.
 * Sleeps.
 */
#include "fs/namei.h"

#include <errno.h>
#include <string.h>

#include "arch/uaccess.h"
#include "fs/ext2/ext2.h"
#include "fs/mount.h"
#include "fs/synth.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

struct walk {
	char *path; // PATH_SIZE bytes
	char *rest; // in it: what is left
	unsigned links;
	struct node at;
};

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

void node_put(struct node *node)
{
	inode_put(node->inode);
	*node = (struct node){0};
}

static void node_set(struct node *node, struct node to)
{
	inode_put(node->inode);
	*node = to;
}

static int walk_to_root(struct walk *w)
{
	struct volume *vol = mount_root();
	struct inode *inode = NULL;
	int err = vol ? inode_get(vol, EXT2_ROOT_INO, &inode) : 0;

	/* Without a card there is a root with nothing but /dev and /proc in it: no node at all. */
	if (!err && inode && !S_ISDIR(inode->mode)) {
		err = ext2_damaged(vol, "the root is no directory");
		inode_put(inode);
		inode = NULL;
	}
	if (!err)
		node_set(&w->at, (struct node){.inode = inode});
	return err;
}

static bool at_root(const struct walk *w)
{
	return !w->at.synth && !w->at.device && (!w->at.inode || w->at.inode->ino == EXT2_ROOT_INO);
}

static int walk_start(struct walk *w, char *path)
{
	*w = (struct walk){.path = path, .rest = path};
	return walk_to_root(w);
}

/* The next name: 1 and copied, 0 at the end of the path. *last: only slashes follow. */
static int next_name(struct walk *w, char *name, unsigned *len, bool *last, bool *slash)
{
	char *end;

	w->rest += strspn(w->rest, "/");
	end = w->rest + strcspn(w->rest, "/");
	*len = end - w->rest;
	if (*len == 0)
		return 0;
	if (*len > EXT2_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, w->rest, *len);
	name[*len] = 0;
	*slash = *end == '/';
	w->rest = end + strspn(end, "/");
	*last = *w->rest == 0;
	return 1;
}

static bool is_directory(const struct walk *w)
{
	if (w->at.synth)
		return w->at.synth->nth;
	return !w->at.device && (!w->at.inode || S_ISDIR(w->at.inode->mode));
}

/* What `name` is in the directory where the walk is. */
static int find(struct walk *w, const char *name, unsigned len, struct node *found)
{
	*found = (struct node){0};
	if (w->at.synth)
		return synth_find(w->at.synth, name, found);
	if (at_root(w) && synth_root(name, found))
		return 0;
	if (!w->at.inode)
		return -ENODEV;
	return ext2_lookup(w->at.inode, name, len, &found->inode);
}

static int step_dots(struct walk *w, const char *name, bool *done)
{
	struct inode *above;
	int err;

	*done = true;
	if (!strcmp(name, "."))
		return 0;
	if (strcmp(name, "..")) {
		*done = false;
		return 0;
	}
	if (w->at.synth && w->at.synth->parent) {
		node_set(&w->at, (struct node){.synth = w->at.synth->parent});
		return 0;
	}
	if (w->at.synth)
		return walk_to_root(w);
	if (at_root(w))
		return 0;
	err = ext2_lookup(w->at.inode, "..", 2, &above);
	if (!err)
		node_set(&w->at, (struct node){.inode = above});
	return err;
}

/* The link's target takes its name's place before what is left of the path. */
static int follow_link(struct walk *w, struct inode *link)
{
	size_t rest = strlen(w->rest);
	char *target;
	int len;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	target = kmalloc_wait(PATH_SIZE);
	if (!target)
		return -ENOMEM;
	len = ext2_readlink(link, target, PATH_SIZE);
	if (len >= 0 && (size_t)len + 1 + rest + 1 > PATH_SIZE)
		len = -ENAMETOOLONG;
	if (len >= 0) {
		const bool more = rest || (w->rest > w->path && w->rest[-1] == '/');

		memmove(w->path + len + more, w->rest, rest + 1);
		memcpy(w->path, target, len);
		if (more)
			w->path[len] = '/';
		w->rest = w->path;
	}
	kfree(target);
	if (len < 0)
		return len;
	return w->path[0] == '/' ? walk_to_root(w) : 0;
}

int path_lookup(char *path, bool follow, struct node *out)
{
	char name[EXT2_NAME_MAX + 1];
	bool last = false, slash = true, done;
	struct walk w;
	unsigned len;
	int r, err = walk_start(&w, path);

	while (!err && (r = next_name(&w, name, &len, &last, &slash))) {
		struct node found;

		err = r < 0 ? r : !is_directory(&w) ? -ENOTDIR : step_dots(&w, name, &done);
		if (err || done)
			continue;
		err = find(&w, name, len, &found);
		if (err)
			break;
		if (found.inode && S_ISLNK(found.inode->mode) && (!last || follow || slash)) {
			err = follow_link(&w, found.inode);
			inode_put(found.inode);
		} else {
			node_set(&w.at, found);
		}
	}
	if (!err && slash && !is_directory(&w))
		err = -ENOTDIR;
	if (!err && !w.at.inode && !w.at.device && !w.at.synth)
		err = -ENODEV;
	if (err)
		node_put(&w.at);
	else
		*out = w.at;
	return err;
}

int path_parent(char *path, bool follow, struct last_name *out)
{
	bool last = false, done;
	struct node over;
	struct walk w;
	int r = 0, err = walk_start(&w, path);

	while (!err && (r = next_name(&w, out->name, &out->len, &last, &out->slash))) {
		struct node found;

		err = r < 0 ? r : is_directory(&w) ? 0 : -ENOTDIR;
		if (!err && last && !follow)
			break;
		if (!err)
			err = step_dots(&w, out->name, &done);
		if (err || (done && !last))
			continue;
		if (done)
			break;
		err = find(&w, out->name, out->len, &found);
		if (err == -ENOENT && last) {
			err = 0;
			break;
		}
		if (err)
			break;
		if (found.inode && S_ISLNK(found.inode->mode)) {
			err = follow_link(&w, found.inode);
			inode_put(found.inode);
		} else if (last) {
			node_put(&found);
			break;
		} else {
			node_set(&w.at, found);
		}
	}
	if (!err && r == 0)
		err = -EEXIST;
	if (!err && (w.at.synth || (at_root(&w) && synth_root(out->name, &over))))
		err = -EROFS;
	if (!err && !w.at.inode)
		err = -ENODEV;
	if (err)
		node_put(&w.at);
	else
		out->dir = w.at.inode;
	return err;
}
