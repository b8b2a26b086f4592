// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Rename, in two transactions with a commit between: the new name first, with the inode counting it on the card, then
 * the old one away. So a cut leaves the one, the other, or both; what the new name led to before is replaced in one
 * write of a sector. Where that commit fails, the new name goes again.
 *
 * Locks: volume.names_lock, then the operation locks of all inodes concerned. Sleeps.
 */
#include <errno.h>

#include "fs/ext2/ext2.h"

struct rename {
	struct inode *from, *to; // directories, locked; may be the same
	const char *name, *to_name;
	unsigned len, to_len;
	struct inode *inode, *victim; // victim: what the new name leads to now, or NULL
	uint32_t victim_links;	      // taken from it
	struct ext2_slot slot, to_slot;
};

/* -EINVAL: the directory `inode` is dir or above it. names_lock keeps the tree as it is. */
static int check_not_inside(struct inode *inode, struct inode *dir)
{
	uint32_t ino = dir->ino;

	/* No path is longer than there are inodes. */
	for (uint32_t steps = 0; steps < ext2_volume(dir)->inodes; steps++) {
		struct ext2_slot slot;
		struct inode *above;
		int err;

		if (ino == inode->ino)
			return -EINVAL;
		if (ino == EXT2_ROOT_INO)
			return 0;
		err = inode_get(&ext2_volume(dir)->super, ino, &above);
		if (err)
			return err;
		err = S_ISDIR(above->mode) ? ext2_dir_find(above, "..", 2, &slot) : -ENOTDIR;
		inode_put(above);
		if (err)
			return err;
		ino = slot.ino;
	}
	return ext2_damaged(ext2_volume(dir), "directory inode %u is not below the root", dir->ino);
}

static int rename_check(struct rename *r)
{
	const bool directory = S_ISDIR(r->inode->mode);
	int err = 0;

	if (directory && r->from != r->to)
		err = check_not_inside(r->inode, r->to);
	else if (directory && r->inode == r->to)
		err = -EINVAL;
	if (!err && r->victim) {
		err = ext2_check_victim(r->victim, directory);
		if (!err && r->victim->links == 0)
			err = ext2_damaged(ext2_volume(r->to), "inode %u has too few links", r->victim->ino);
	} else if (!err && directory && r->from != r->to && r->to->links >= EXT2_LINK_MAX) {
		err = -EMLINK;
	}
	return err;
}

/* The new name, counted for on the card. */
static int rename_add(struct rename *r)
{
	const bool parent_changes = S_ISDIR(r->inode->mode) && r->from != r->to;
	struct buffer *itable, *to_itable;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(r->to), 3, 0);

	if (err)
		return err;
	err = ext2_inode_begin(&t, r->to, &to_itable);
	if (err)
		goto end;
	err = ext2_inode_begin(&t, r->inode, &itable);
	if (err) {
		buffer_put(to_itable);
		goto end;
	}
	if (r->victim)
		err = ext2_dir_replace(&t, r->to, &r->to_slot, r->inode->ino, r->inode->mode);
	else
		err = ext2_dir_add(&t, r->to, r->to_name, r->to_len, r->inode->ino, r->inode->mode);
	if (!err) {
		ext2_node(r->inode)->links_pending++;
		inode_touch(r->inode, false);
		if (parent_changes)
			ext2_count_subdirectory(r->to, 1);
		if (r->victim && S_ISDIR(r->victim->mode))
			ext2_count_subdirectory(r->to, -1);
		if (r->victim) {
			r->victim_links = S_ISDIR(r->victim->mode) ? r->victim->links : 1;
			ext2_drop_later(&t, r->victim, r->victim_links);
		}
		inode_touch(r->to, true);
	}
	ext2_inode_store(&t, r->inode, itable);
	ext2_inode_store(&t, r->to, to_itable);
end:
	txn_end(&t);
	return err;
}

/* The old name away; a directory learns of its new parent. */
static int rename_remove(struct rename *r)
{
	const bool parent_changes = S_ISDIR(r->inode->mode) && r->from != r->to;
	struct ext2_slot dotdot;
	struct buffer *itable;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(r->from), 3, 0);

	if (err)
		return err;
	err = ext2_inode_begin(&t, r->from, &itable);
	if (err)
		goto end;
	/* Found again: the new name may have split the entry that held it. */
	err = ext2_dir_find(r->from, r->name, r->len, &r->slot);
	if (!err && parent_changes)
		err = ext2_dir_find(r->inode, "..", 2, &dotdot);
	if (!err && parent_changes)
		err = ext2_dir_replace(&t, r->inode, &dotdot, r->to->ino, S_IFDIR);
	if (!err)
		err = ext2_dir_remove(&t, r->from, &r->slot);
	if (!err) {
		/* The extra count of rename_add goes as any removed name's does. */
		r->inode->links++;
		ext2_node(r->inode)->links_pending--;
		ext2_drop_later(&t, r->inode, 1);
		if (parent_changes)
			ext2_count_subdirectory(r->from, -1);
		inode_touch(r->from, true);
	}
	ext2_inode_store(&t, r->from, itable);
end:
	txn_end(&t);
	return err;
}

/* What rename_add did, as far as it goes: the batch with it is not on the card, or not known to be. */
static int rename_undo(struct rename *r)
{
	const bool parent_changes = S_ISDIR(r->inode->mode) && r->from != r->to;
	struct buffer *itable;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(r->to), 3, 0);

	if (err)
		return err;
	err = ext2_inode_begin(&t, r->to, &itable);
	if (err)
		goto end;
	err = ext2_dir_find(r->to, r->to_name, r->to_len, &r->to_slot);
	if (!err && r->victim)
		err = ext2_dir_replace(&t, r->to, &r->to_slot, r->victim->ino, r->victim->mode);
	else if (!err)
		err = ext2_dir_remove(&t, r->to, &r->to_slot);
	if (!err) {
		r->inode->links++;
		ext2_node(r->inode)->links_pending--;
		ext2_drop_later(&t, r->inode, 1);
		if (parent_changes)
			ext2_count_subdirectory(r->to, -1);
		if (r->victim) {
			/* The card counts them still; whoever drops those pending finds none of these. */
			r->victim->links += r->victim_links;
			ext2_node(r->victim)->links_pending -= r->victim_links;
			if (S_ISDIR(r->victim->mode))
				ext2_count_subdirectory(r->to, 1);
		}
	}
	ext2_inode_store(&t, r->to, itable);
end:
	txn_end(&t);
	return err;
}

static int rename_locked(struct rename *r)
{
	const bool moves = S_ISDIR(r->inode->mode) && r->from != r->to;
	int err = rename_check(r), failed;

	/* A move before this one is not half there when this one is: together they could make a ring. */
	if (!err && moves)
		err = txn_commit(ext2_volume(r->to));
	if (!err && !r->victim)
		err = ext2_dir_make_room(r->to, r->to_name, r->to_len);
	if (!err)
		err = rename_add(r);
	if (err)
		return err;
	/* Both names are on the card before one goes: a cut leaves one, or two with a count that says so. */
	err = txn_commit(ext2_volume(r->to));
	failed = err ? rename_undo(r) : rename_remove(r);
	if (failed) {
		/* Then it has two names, and they are counted. */
		r->inode->links++;
		ext2_node(r->inode)->links_pending--;
	}
	return err ? err : failed;
}

static void lock_other(struct inode *inode, const struct inode *a, const struct inode *b)
{
	if (inode && inode != a && inode != b)
		mutex_lock(&inode->lock);
}

static void unlock_other(struct inode *inode, const struct inode *a, const struct inode *b)
{
	if (inode && inode != a && inode != b)
		mutex_unlock(&inode->lock);
}

int ext2_rename(struct inode *from, const char *name, unsigned len, struct inode *to, const char *to_name,
		unsigned to_len, bool directory)
{
	struct rename r = {.from = from, .to = to, .name = name, .to_name = to_name, .len = len, .to_len = to_len};
	struct volume *vol = from->vol;
	int err;

	if (atomic_load(&vol->super.read_only))
		return -EROFS;
	mutex_lock(&vol->super.names_lock);
	mutex_lock(&from->lock);
	if (to != from)
		mutex_lock(&to->lock);
	err = from->links && to->links ? ext2_dir_find(from, name, len, &r.slot) : -ENOENT;
	if (!err)
		err = inode_get(&vol->super, r.slot.ino, &r.inode);
	if (!err && directory && !S_ISDIR(r.inode->mode))
		err = -ENOTDIR;
	if (!err) {
		err = ext2_dir_find(to, to_name, to_len, &r.to_slot);
		if (!err)
			err = inode_get(&vol->super, r.to_slot.ino, &r.victim);
		else if (err == -ENOENT)
			err = 0;
	}
	if (!err && r.inode != r.victim) {
		lock_other(r.inode, from, to);
		lock_other(r.victim, from, to);
		err = rename_locked(&r);
		unlock_other(r.victim, from, to);
		unlock_other(r.inode, from, to);
	}
	if (to != from)
		mutex_unlock(&to->lock);
	mutex_unlock(&from->lock);
	mutex_unlock(&vol->super.names_lock);
	inode_put(r.inode);
	inode_put(r.victim);
	return err;
}
