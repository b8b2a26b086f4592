// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Operations on names: look up, create, mkdir, unlink, rmdir, rename. What a removed name counted for is taken from
 * the inode on the card only after the removal has committed: links stay counted there as links_pending, and
 * volume_settle brings them down.
 *
 * Locks: volume.names_lock, so that several inodes can be locked in any order, then the operation locks. Sleeps.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"

int ext2_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out)
{
	struct ext2_slot slot;
	int err;

	*out = NULL;
	mutex_lock(&dir->lock);
	err = dir->links ? ext2_dir_find(dir, name, len, &slot) : -ENOENT;
	/* Under the lock, so that the number is not given to another file first. */
	if (!err)
		err = inode_get(dir->vol, slot.ino, out);
	mutex_unlock(&dir->lock);
	return err;
}

/* A subdirectory came (1) or went (-1). A count of 1 is "too many to count" (dir_nlink). */
static void count_subdirectory(struct inode *dir, int change)
{
	if (dir->links == 1)
		return;
	if (change < 0 && dir->links <= 2)
		(void)ext2_damaged(dir->vol, "directory inode %u has too few links", dir->ino);
	else
		dir->links += change;
}

/* A failed creation: the number goes back. It was never on the card. */
static void abandon(struct inode *inode)
{
	inode->links = 0;
	inode_put(inode);
}

static int fresh_inode(struct txn *t, struct inode *dir, mode_t mode, struct inode **out, struct buffer **itable)
{
	struct volume *vol = dir->vol;
	struct inode *inode;
	uint32_t ino;
	int err = ext2_inode_alloc(t, dir->ino, S_ISDIR(mode), &ino);

	if (err)
		return err;
	err = inode_new(vol, ino, &inode);
	if (err == -ENOMEM)
		(void)ext2_inode_release(t, ino, S_ISDIR(mode)); // its bitmap is at hand: cannot fail
	if (err)
		return err;
	inode->mode = mode;
	inode->links = S_ISDIR(mode) ? 2 : 1;
	inode_touch(inode, true);
	inode->atime = inode->crtime = inode->mtime;
	err = ext2_inode_begin(t, inode, itable);
	if (err) {
		abandon(inode);
		return err;
	}
	err = ext2_inode_wipe(inode, *itable);
	if (err) {
		buffer_put(*itable);
		inode->deleted = true; // another's: nothing of it may be freed
		abandon(inode);
		return err;
	}
	*out = inode;
	return 0;
}

static int create_locked(struct inode *dir, const char *name, unsigned len, mode_t mode, struct inode **out)
{
	struct buffer *itable, *dir_itable;
	struct inode *inode;
	struct txn t;
	int err = ext2_dir_make_room(dir, len);

	if (!err)
		err = txn_begin(&t, dir->vol, 4, 0);
	if (err)
		return err;
	err = ext2_inode_begin(&t, dir, &dir_itable);
	if (err)
		goto end;
	err = fresh_inode(&t, dir, mode, &inode, &itable);
	if (err)
		goto put;
	ext2_inode_store(&t, inode, itable);
	err = ext2_dir_add(&t, dir, name, len, inode->ino, mode);
	if (err) {
		abandon(inode);
		goto put;
	}
	inode_touch(dir, true);
	ext2_inode_store(&t, dir, dir_itable);
	txn_end(&t);
	*out = inode;
	return 0;
put:
	buffer_put(dir_itable);
end:
	txn_end(&t);
	return err;
}

int ext2_create(struct inode *dir, const char *name, unsigned len, mode_t mode, bool exclusive, struct inode **out)
{
	struct volume *vol = dir->vol;
	struct ext2_slot slot;
	int err;

	*out = NULL;
	if (atomic_load(&vol->read_only))
		return -EROFS;
	mutex_lock(&vol->names_lock);
	mutex_lock(&dir->lock);
	err = dir->links ? ext2_dir_find(dir, name, len, &slot) : -ENOENT;
	if (!err)
		err = exclusive ? -EEXIST : inode_get(vol, slot.ino, out);
	else if (err == -ENOENT && dir->links)
		err = create_locked(dir, name, len, mode, out);
	mutex_unlock(&dir->lock);
	mutex_unlock(&vol->names_lock);
	return err;
}

/* The directory's own inode and first block. On the card before any name leads there. */
static int make_directory(struct inode *parent, mode_t mode, struct inode **out)
{
	struct volume *vol = parent->vol;
	struct buffer *itable, *b;
	struct inode *inode;
	fsblk_t block;
	uint32_t count;
	struct txn t;
	int err = txn_begin(&t, vol, 4, 0);

	if (err)
		return err;
	err = fresh_inode(&t, parent, mode, &inode, &itable);
	if (err)
		goto end;
	err = ext2_blocks_alloc(&t, ext2_blocks_goal(vol, inode->ino), 1, &block, &count);
	if (!err) {
		buffer_get_zeroed(block, &b);
		txn_access(&t, b);
		ext2_dir_init_first(vol, b->data, inode->ino, parent->ino);
		txn_dirty(&t, b, BUFFER_EARLY);
		buffer_put(b);
		inode->block[0] = block;
		inode->goal = block + 1;
		inode->sectors = vol->sectors_per_block;
		inode->size = vol->block_size;
	}
	ext2_inode_store(&t, inode, itable);
	if (err)
		abandon(inode);
	else
		*out = inode;
end:
	txn_end(&t);
	return err;
}

static int mkdir_locked(struct inode *dir, const char *name, unsigned len, mode_t mode)
{
	struct buffer *itable;
	struct inode *inode;
	struct txn t;
	int err;

	if (dir->links >= EXT2_LINK_MAX)
		return -EMLINK;
	err = ext2_dir_make_room(dir, len);
	if (!err)
		err = make_directory(dir, mode, &inode);
	if (err)
		return err;
	err = txn_begin(&t, dir->vol, 2, 0);
	if (err) {
		abandon(inode);
		return err;
	}
	err = ext2_inode_begin(&t, dir, &itable);
	if (!err) {
		err = ext2_dir_add(&t, dir, name, len, inode->ino, mode);
		if (!err) {
			count_subdirectory(dir, 1);
			inode_touch(dir, true);
		}
		ext2_inode_store(&t, dir, itable);
	}
	txn_end(&t);
	if (err)
		abandon(inode);
	else
		inode_put(inode);
	return err;
}

int ext2_mkdir(struct inode *dir, const char *name, unsigned len, mode_t mode)
{
	struct volume *vol = dir->vol;
	struct ext2_slot slot;
	int err;

	if (atomic_load(&vol->read_only))
		return -EROFS;
	mutex_lock(&vol->names_lock);
	mutex_lock(&dir->lock);
	err = dir->links ? ext2_dir_find(dir, name, len, &slot) : -ENOENT;
	if (!err)
		err = -EEXIST;
	else if (err == -ENOENT && dir->links)
		err = mkdir_locked(dir, name, len, mode);
	mutex_unlock(&dir->lock);
	mutex_unlock(&vol->names_lock);
	return err;
}

/* A name of the inode is gone in this batch; `links` of its count go with it. The list takes a reference. */
static void drop_later(struct txn *t, struct inode *inode, uint32_t links)
{
	assert(inode->links >= links);
	inode->links -= links;
	inode->links_pending += links;
	inode_touch(inode, false);
	/* It may wait for the batch before: then for this one instead. */
	if (list_empty(&inode->drop_node))
		inode_ref(inode);
	list_remove(&inode->drop_node);
	list_push_back(&t->vol->txn.unlinked, &inode->drop_node);
	t->vol->txn.changed = true;
}

static int check_victim(struct inode *victim, bool directory)
{
	if (S_ISDIR(victim->mode) != directory)
		return directory ? -ENOTDIR : -EISDIR;
	return directory ? ext2_dir_is_empty(victim) : 0;
}

static int unlink_locked(struct inode *dir, const struct ext2_slot *slot, struct inode *victim)
{
	const bool directory = S_ISDIR(victim->mode);
	struct buffer *itable;
	struct txn t;
	int err = check_victim(victim, directory);

	if (!err)
		err = txn_begin(&t, dir->vol, 2, 0);
	if (err)
		return err;
	err = ext2_inode_begin(&t, dir, &itable);
	if (!err) {
		err = ext2_dir_remove(&t, dir, slot);
		if (!err) {
			drop_later(&t, victim, directory ? victim->links : 1);
			if (directory)
				count_subdirectory(dir, -1);
			inode_touch(dir, true);
		}
		ext2_inode_store(&t, dir, itable);
	}
	txn_end(&t);
	return err;
}

int ext2_unlink(struct inode *dir, const char *name, unsigned len, bool directory)
{
	struct volume *vol = dir->vol;
	struct inode *victim = NULL;
	struct ext2_slot slot;
	int err;

	if (atomic_load(&vol->read_only))
		return -EROFS;
	mutex_lock(&vol->names_lock);
	mutex_lock(&dir->lock);
	err = ext2_dir_find(dir, name, len, &slot);
	if (!err)
		err = slot.ino == dir->ino ? -EINVAL : inode_get(vol, slot.ino, &victim);
	if (!err) {
		mutex_lock(&victim->lock);
		err = check_victim(victim, directory);
		if (!err && victim->links == 0)
			err = ext2_damaged(vol, "inode %u has too few links", victim->ino);
		if (!err)
			err = unlink_locked(dir, &slot, victim);
		mutex_unlock(&victim->lock);
	}
	mutex_unlock(&dir->lock);
	mutex_unlock(&vol->names_lock);
	inode_put(victim);
	return err;
}

/* ---- rename ---- */

struct rename {
	struct inode *from, *to; // directories, locked; may be the same
	const char *name, *to_name;
	unsigned len, to_len;
	struct inode *inode, *victim; // victim: what the new name leads to now, or NULL
	struct ext2_slot slot, to_slot;
};

/* -EINVAL: the directory `inode` is dir or above it. names_lock keeps the tree as it is. */
static int check_not_inside(struct inode *inode, struct inode *dir)
{
	uint32_t ino = dir->ino;

	/* No path is longer than there are inodes. */
	for (uint32_t steps = 0; steps < dir->vol->inodes; steps++) {
		struct ext2_slot slot;
		struct inode *above;
		int err;

		if (ino == inode->ino)
			return -EINVAL;
		if (ino == EXT2_ROOT_INO)
			return 0;
		err = inode_get(dir->vol, ino, &above);
		if (err)
			return err;
		err = S_ISDIR(above->mode) ? ext2_dir_find(above, "..", 2, &slot) : -ENOTDIR;
		inode_put(above);
		if (err)
			return err;
		ino = slot.ino;
	}
	return ext2_damaged(dir->vol, "directory inode %u is not below the root", dir->ino);
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
		err = check_victim(r->victim, directory);
		if (!err && r->victim->links == 0)
			err = ext2_damaged(r->to->vol, "inode %u has too few links", r->victim->ino);
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
	int err = txn_begin(&t, r->to->vol, 3, 0);

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
		r->inode->links_pending++;
		inode_touch(r->inode, false);
		if (parent_changes)
			count_subdirectory(r->to, 1);
		if (r->victim && S_ISDIR(r->victim->mode))
			count_subdirectory(r->to, -1);
		if (r->victim)
			drop_later(&t, r->victim, S_ISDIR(r->victim->mode) ? r->victim->links : 1);
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
	int err = txn_begin(&t, r->from->vol, 3, 0);

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
		r->inode->links_pending--;
		drop_later(&t, r->inode, 1);
		if (parent_changes)
			count_subdirectory(r->from, -1);
		inode_touch(r->from, true);
	}
	ext2_inode_store(&t, r->from, itable);
end:
	txn_end(&t);
	return err;
}

static int rename_locked(struct rename *r)
{
	int err = rename_check(r), removed;

	if (!err && !r->victim)
		err = ext2_dir_make_room(r->to, r->to_len);
	if (!err)
		err = rename_add(r);
	if (err)
		return err;
	/* Both names are on the card before one goes: a cut leaves one, or two with a count that says so. */
	err = txn_commit(r->to->vol);
	removed = rename_remove(r);
	if (removed) {
		/* Then it has two names, and they are counted. */
		r->inode->links++;
		r->inode->links_pending--;
	}
	return err ? err : removed;
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

	if (atomic_load(&vol->read_only))
		return -EROFS;
	mutex_lock(&vol->names_lock);
	mutex_lock(&from->lock);
	lock_other(to, from, NULL);
	err = from->links && to->links ? ext2_dir_find(from, name, len, &r.slot) : -ENOENT;
	if (!err)
		err = inode_get(vol, r.slot.ino, &r.inode);
	if (!err && directory && !S_ISDIR(r.inode->mode))
		err = -ENOTDIR;
	if (!err) {
		err = ext2_dir_find(to, to_name, to_len, &r.to_slot);
		if (!err)
			err = inode_get(vol, r.to_slot.ino, &r.victim);
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
	unlock_other(to, from, NULL);
	mutex_unlock(&from->lock);
	mutex_unlock(&vol->names_lock);
	inode_put(r.inode);
	inode_put(r.victim);
	return err;
}

int ext2_readlink(struct inode *inode, char *buf, size_t size)
{
	const uint32_t attribute_sectors = inode->acl_block ? inode->vol->sectors_per_block : 0;
	struct buffer *b = NULL;
	const char *target = (const char *)inode->block;
	int err = 0;

	if (inode->size >= size)
		return -ENAMETOOLONG;
	mutex_lock(&inode->lock);
	if (inode->sectors != attribute_sectors) {
		fsblk_t block;
		uint32_t run;

		err = ext2_bmap(inode, 0, 1, &block, &run);
		if (!err && !block)
			err = ext2_damaged(inode->vol, "symbolic link inode %u has no target", inode->ino);
		if (!err)
			err = buffer_get(block, &b);
		target = b ? b->data : NULL;
	} else if (inode->size >= sizeof(inode->block)) {
		err = ext2_damaged(inode->vol, "symbolic link inode %u is longer than it can be", inode->ino);
	}
	if (!err) {
		memcpy(buf, target, inode->size);
		buf[inode->size] = 0;
		if (strlen(buf) != inode->size)
			err = ext2_damaged(inode->vol, "symbolic link inode %u has a target with a NUL", inode->ino);
	}
	buffer_put(b);
	mutex_unlock(&inode->lock);
	return err ? err : (int)inode->size;
}
