// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Directories and symbolic links of tmpfs. The names of a directory are in two trees: by a hash of the name, and by the
 * order in which they came, whose number is what readdir goes on from, so that it sees each name that stays once,
 * whatever is added and removed meanwhile.
 *
 * Locks: held by the caller, as fs/inode.h says. Sleeps for memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/tmpfs/node.h"

#define FIRST_ORDER 2 // behind "." and ".."

/* FNV-1a. */
static uint64_t hash_name(const char *name, unsigned len)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (unsigned i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3u;
	return hash;
}

static size_t entry_size(unsigned len)
{
	return sizeof(struct tmpfs_entry) + len;
}

static struct tmpfs_entry *entry_find(struct inode *dir, const char *name, unsigned len)
{
	const uint64_t hash = hash_name(name, len);

	for (struct tree_node *it = tree_floor(&tmpfs_node(dir)->by_name, hash); it && it->key == hash;
	     it = tree_prev(it)) {
		struct tmpfs_entry *entry = tree_entry(it, struct tmpfs_entry, by_name);

		if (entry->len == len && !memcmp(entry->name, name, len))
			return entry;
	}
	return NULL;
}

static int entry_make(struct inode *dir, const char *name, unsigned len, struct tmpfs_entry **out)
{
	struct tmpfs_entry *entry;
	void *p;
	int err = tmpfs_alloc(tmpfs_of(dir->super), entry_size(len), &p);

	if (err)
		return err;
	entry = p;
	memset(entry, 0, sizeof(*entry));
	entry->len = len;
	memcpy(entry->name, name, len);
	*out = entry;
	return 0;
}

/* In no tree. Its reference is the caller's affair. */
static void entry_free(struct inode *dir, struct tmpfs_entry *entry)
{
	tmpfs_free(tmpfs_of(dir->super), entry, entry_size(entry->len));
}

/* Takes over a reference to the inode. */
static void entry_add(struct inode *dir, struct tmpfs_entry *entry, struct inode *inode)
{
	struct tmpfs_node *node = tmpfs_node(dir);

	entry->inode = inode;
	entry->by_name.key = hash_name(entry->name, entry->len);
	entry->by_order.key = FIRST_ORDER + node->next_order++;
	tree_insert(&node->by_name, &entry->by_name);
	tree_insert(&node->by_order, &entry->by_order);
}

static void entry_remove(struct inode *dir, struct tmpfs_entry *entry)
{
	tree_remove(&tmpfs_node(dir)->by_name, &entry->by_name);
	tree_remove(&tmpfs_node(dir)->by_order, &entry->by_order);
	entry_free(dir, entry);
}

static bool is_empty(struct inode *dir)
{
	return !tmpfs_node(dir)->by_name.root;
}

void tmpfs_dir_clear(struct inode *dir)
{
	struct tree_node *first;

	while ((first = tree_first(&tmpfs_node(dir)->by_order))) {
		struct tmpfs_entry *entry = tree_entry(first, struct tmpfs_entry, by_order);

		inode_put(entry->inode);
		entry_remove(dir, entry);
	}
}

/* ---- reading ---- */

static int lookup(struct inode *dir, const char *name, unsigned len, struct inode **out)
{
	struct inode *parent = tmpfs_node(dir)->parent;
	struct tmpfs_entry *entry;

	if (!parent)
		return -EIO; // unmounted
	if (len == 2 && !memcmp(name, "..", 2)) {
		*out = inode_ref(parent);
		return 0;
	}
	entry = entry_find(dir, name, len);
	if (!entry)
		return -ENOENT;
	*out = inode_ref(entry->inode);
	return 0;
}

/* NULL: no more. */
static struct tmpfs_entry *entry_from(struct inode *dir, uint64_t order)
{
	struct tree *tree = &tmpfs_node(dir)->by_order;
	struct tree_node *before = tree_floor(tree, order - 1);
	struct tree_node *it = before ? tree_next(before) : tree_first(tree);

	return it ? tree_entry(it, struct tmpfs_entry, by_order) : NULL;
}

static int next_entry(struct inode *dir, uint64_t *offset, struct dir_entry *out)
{
	struct inode *parent = tmpfs_node(dir)->parent;
	struct tmpfs_entry *entry;

	if (!parent)
		return -EIO; // unmounted
	if (*offset < FIRST_ORDER) {
		out->ino = *offset == 0 ? dir->ino : parent->ino;
		out->type = S_IFDIR >> 12; // DT_* are the types of modes
		out->len = (unsigned)snprintf(out->name, sizeof(out->name), "%s", *offset == 0 ? "." : "..");
		++*offset;
		return 1;
	}
	entry = entry_from(dir, *offset);
	if (!entry)
		return 0;
	*offset = entry->by_order.key + 1;
	out->ino = entry->inode->ino;
	out->type = (uint8_t)(entry->inode->mode >> 12);
	out->len = entry->len;
	memcpy(out->name, entry->name, entry->len);
	out->name[entry->len] = 0;
	return 1;
}

static int readlink(struct inode *inode, char *buf, size_t size)
{
	int r = -EIO; // unmounted

	mutex_lock(&inode->lock);
	if (tmpfs_node(inode)->target) {
		r = inode->size < size ? (int)inode->size : -ENAMETOOLONG;
		if (r >= 0)
			memcpy(buf, tmpfs_node(inode)->target, (size_t)r + 1);
	}
	mutex_unlock(&inode->lock);
	return r;
}

/* ---- changes ---- */

static int create(struct inode *dir, const char *name, unsigned len, mode_t mode, const char *target,
		  struct inode **out)
{
	struct tmpfs_entry *entry;
	int err = entry_make(dir, name, len, &entry);

	if (err)
		return err;
	err = tmpfs_node_make(tmpfs_of(dir->super), mode, target, out);
	if (err) {
		entry_free(dir, entry);
		return err;
	}
	inode_inherit(*out, dir);
	if (S_ISDIR(mode)) {
		tmpfs_node(*out)->parent = dir;
		dir->links++;
	}
	entry_add(dir, entry, inode_ref(*out));
	inode_touch(dir, true);
	return 0;
}

static int link(struct inode *dir, const char *name, unsigned len, struct inode *inode)
{
	struct tmpfs_entry *entry;
	int err = entry_make(dir, name, len, &entry);

	if (err)
		return err;
	entry_add(dir, entry, inode_ref(inode));
	inode->links++;
	inode_touch(inode, false);
	inode_touch(dir, true);
	return 0;
}

/* One name less leads to it, the last one to a directory. The name's reference goes; the caller has another. */
static void drop_link(struct inode *dir, struct inode *victim)
{
	if (S_ISDIR(victim->mode)) {
		victim->links = 0;
		dir->links--;
	} else {
		victim->links--;
	}
	inode_touch(victim, false);
	inode_put(victim);
}

static int unlink(struct inode *dir, const char *name, unsigned len, struct inode *victim)
{
	if (S_ISDIR(victim->mode) && !is_empty(victim))
		return -ENOTEMPTY;
	entry_remove(dir, entry_find(dir, name, len));
	drop_link(dir, victim);
	inode_touch(dir, true);
	return 0;
}

/* It has left `from` for `to`. */
static void moved(struct inode *inode, struct inode *from, struct inode *to)
{
	if (S_ISDIR(inode->mode)) {
		from->links--;
		to->links++;
		tmpfs_node(inode)->parent = to;
	}
	inode_touch(inode, false);
}

static int rename_move(const struct rename *r, struct tmpfs_entry *entry, struct tmpfs_entry *to_entry)
{
	int err;

	if (r->victim && S_ISDIR(r->victim->mode) && !is_empty(r->victim))
		return -ENOTEMPTY;
	if (r->victim) {
		to_entry->inode = r->inode;
		drop_link(r->to, r->victim);
	} else {
		err = entry_make(r->to, r->to_name, r->to_len, &to_entry);
		if (err)
			return err;
		entry_add(r->to, to_entry, r->inode);
	}
	entry_remove(r->from, entry);
	moved(r->inode, r->from, r->to);
	return 0;
}

static int rename_names(const struct rename *r)
{
	struct tmpfs_entry *entry = entry_find(r->from, r->name, r->len);
	struct tmpfs_entry *to_entry = entry_find(r->to, r->to_name, r->to_len);
	int err = 0;

	if (r->exchange) {
		entry->inode = r->victim;
		to_entry->inode = r->inode;
		moved(r->inode, r->from, r->to);
		moved(r->victim, r->to, r->from);
	} else {
		err = rename_move(r, entry, to_entry);
	}
	if (err)
		return err;
	inode_touch(r->from, true);
	inode_touch(r->to, true);
	return 0;
}

/* Memory is all there is. */
int tmpfs_store(struct inode *inode)
{
	(void)inode;
	return 0;
}

int tmpfs_sync(struct inode *inode)
{
	(void)inode;
	return 0;
}

const struct inode_ops tmpfs_names_ops = {
    .lookup = lookup,
    .create = create,
    .link = link,
    .unlink = unlink,
    .rename = rename_names,
    .next_entry = next_entry,
    .readlink = readlink,
    .store = tmpfs_store,
    .sync = tmpfs_sync,
};
