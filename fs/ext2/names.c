// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Operations on names: look up, create, mkdir, unlink, rmdir. What a removed name counted for is taken from
 * the inode on the card only after the removal has committed: links stay counted there as links_pending, and
 * volume_settle brings them down.
 *
 * Locks: volume.names_lock, so that several inodes can be locked in any order, then the operation locks. Sleeps.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "mm/kmalloc.h"

int ext2_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out)
{
	struct ext2_slot slot;
	int err;

	*out = NULL;
	mutex_lock(&dir->lock);
	err = dir->links ? ext2_dir_find(dir, name, len, &slot) : -ENOENT;
	/* Under the lock, so that the number is not given to another file first. */
	if (!err)
		err = inode_get(&ext2_volume(dir)->super, slot.ino, out);
	mutex_unlock(&dir->lock);
	return err;
}

void ext2_count_subdirectory(struct inode *dir, int change)
{
	if (dir->links == 1)
		return;
	if (change < 0 && dir->links <= 2)
		(void)ext2_damaged(ext2_volume(dir), "directory inode %u has too few links", dir->ino);
	else
		dir->links += change;
}

/* A failed creation: the number goes back. It was never on the card. */
static void abandon(struct inode *inode)
{
	inode->links = 0;
	inode_put(inode);
}

/* `inode` is from inode_make, and freed here if it comes to nothing. */
static int fresh_inode(struct txn *t, struct inode *dir, mode_t mode, struct inode *inode, struct buffer **itable)
{
	uint32_t ino;
	int err = ext2_inode_alloc(t, dir->ino, S_ISDIR(mode), &ino);

	if (!err)
		err = inode_add(inode, ino);
	if (err) {
		kfree(inode);
		return err;
	}
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
	}
	return err;
}

/* A transaction for a new inode, and the memory for that. */
static int fresh_begin(struct txn *t, struct volume *vol, struct inode **inode)
{
	int err;

	*inode = inode_make(vol);
	if (!*inode)
		return -ENOMEM;
	err = txn_begin(t, vol, 4, 0);
	if (err)
		kfree(*inode);
	return err;
}

static int create_locked(struct inode *dir, const char *name, unsigned len, mode_t mode, struct inode **out)
{
	struct buffer *itable, *dir_itable;
	struct inode *inode;
	struct txn t;
	int err = ext2_dir_make_room(dir, name, len);

	if (!err)
		err = fresh_begin(&t, ext2_volume(dir), &inode);
	if (err)
		return err;
	err = ext2_inode_begin(&t, dir, &dir_itable);
	if (err) {
		kfree(inode);
		goto end;
	}
	err = fresh_inode(&t, dir, mode, inode, &itable);
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
	struct volume *vol = ext2_volume(dir);
	struct ext2_slot slot;
	int err;

	*out = NULL;
	if (atomic_load(&vol->super.read_only))
		return -EROFS;
	mutex_lock(&vol->super.names_lock);
	mutex_lock(&dir->lock);
	err = dir->links ? ext2_dir_find(dir, name, len, &slot) : -ENOENT;
	if (!err)
		err = exclusive ? -EEXIST : inode_get(&vol->super, slot.ino, out);
	else if (err == -ENOENT && dir->links)
		err = create_locked(dir, name, len, mode, out);
	mutex_unlock(&dir->lock);
	mutex_unlock(&vol->super.names_lock);
	return err;
}

/* The directory's own inode and first block. On the card before any name leads there. */
static int make_directory(struct inode *parent, mode_t mode, struct inode **out)
{
	struct volume *vol = ext2_volume(parent);
	struct buffer *itable, *b;
	struct inode *inode;
	fsblk_t block;
	uint32_t count;
	struct txn t;
	int err = fresh_begin(&t, vol, &inode);

	if (err)
		return err;
	err = fresh_inode(&t, parent, mode, inode, &itable);
	if (err)
		goto end;
	err = ext2_blocks_alloc(&t, ext2_blocks_goal(vol, inode->ino), 1, &block, &count);
	if (!err) {
		buffer_get_zeroed(vol->buffers, block, &b);
		txn_access(&t, b);
		ext2_dir_init_first(vol, b->data, inode->ino, parent->ino);
		txn_dirty(&t, b, BUFFER_EARLY);
		buffer_put(b);
		ext2_node(inode)->block[0] = block;
		ext2_node(inode)->goal = block + 1;
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
	err = ext2_dir_make_room(dir, name, len);
	if (!err)
		err = make_directory(dir, mode, &inode);
	if (err)
		return err;
	err = txn_begin(&t, ext2_volume(dir), 2, 0);
	if (err) {
		abandon(inode);
		return err;
	}
	err = ext2_inode_begin(&t, dir, &itable);
	if (!err) {
		err = ext2_dir_add(&t, dir, name, len, inode->ino, mode);
		if (!err) {
			ext2_count_subdirectory(dir, 1);
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
	struct volume *vol = ext2_volume(dir);
	struct ext2_slot slot;
	int err;

	if (atomic_load(&vol->super.read_only))
		return -EROFS;
	mutex_lock(&vol->super.names_lock);
	mutex_lock(&dir->lock);
	err = dir->links ? ext2_dir_find(dir, name, len, &slot) : -ENOENT;
	if (!err)
		err = -EEXIST;
	else if (err == -ENOENT && dir->links)
		err = mkdir_locked(dir, name, len, mode);
	mutex_unlock(&dir->lock);
	mutex_unlock(&vol->super.names_lock);
	return err;
}

void ext2_drop_later(struct txn *t, struct inode *inode, uint32_t links)
{
	assert(inode->links >= links);
	inode->links -= links;
	ext2_node(inode)->links_pending += links;
	inode_touch(inode, false);
	/* It may wait for the batch before: then for this one instead. */
	if (list_empty(&ext2_node(inode)->drop_node))
		inode_ref(inode);
	list_remove(&ext2_node(inode)->drop_node);
	list_push_back(&t->vol->txn.unlinked, &ext2_node(inode)->drop_node);
	t->vol->txn.changed = true;
}

int ext2_check_victim(struct inode *victim, bool directory)
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
	int err = ext2_check_victim(victim, directory);

	if (!err)
		err = txn_begin(&t, ext2_volume(dir), 2, 0);
	if (err)
		return err;
	err = ext2_inode_begin(&t, dir, &itable);
	if (!err) {
		err = ext2_dir_remove(&t, dir, slot);
		if (!err) {
			ext2_drop_later(&t, victim, directory ? victim->links : 1);
			if (directory)
				ext2_count_subdirectory(dir, -1);
			inode_touch(dir, true);
		}
		ext2_inode_store(&t, dir, itable);
	}
	txn_end(&t);
	return err;
}

int ext2_unlink(struct inode *dir, const char *name, unsigned len, bool directory)
{
	struct volume *vol = ext2_volume(dir);
	struct inode *victim = NULL;
	struct ext2_slot slot;
	int err;

	if (atomic_load(&vol->super.read_only))
		return -EROFS;
	mutex_lock(&vol->super.names_lock);
	mutex_lock(&dir->lock);
	err = ext2_dir_find(dir, name, len, &slot);
	if (!err)
		err = slot.ino == dir->ino ? -EINVAL : inode_get(&vol->super, slot.ino, &victim);
	if (!err) {
		mutex_lock(&victim->lock);
		err = ext2_check_victim(victim, directory);
		if (!err && victim->links == 0)
			err = ext2_damaged(vol, "inode %u has too few links", victim->ino);
		if (!err)
			err = unlink_locked(dir, &slot, victim);
		mutex_unlock(&victim->lock);
	}
	mutex_unlock(&dir->lock);
	mutex_unlock(&vol->super.names_lock);
	inode_put(victim);
	return err;
}

int ext2_readlink(struct inode *inode, char *buf, size_t size)
{
	const uint32_t attribute_sectors = ext2_node(inode)->acl_block ? ext2_volume(inode)->sectors_per_block : 0;
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
			err = ext2_damaged(ext2_volume(inode), "symbolic link inode %u has no target", inode->ino);
		if (!err)
			err = buffer_get(ext2_volume(inode)->buffers, block, &b);
		target = b ? b->data : NULL;
	} else if (inode->size >= sizeof(ext2_node(inode)->block)) {
		err = ext2_damaged(ext2_volume(inode), "symbolic link inode %u is longer than it can be", inode->ino);
	}
	if (!err) {
		memcpy(buf, target, inode->size);
		buf[inode->size] = 0;
		if (strlen(buf) != inode->size)
			err = ext2_damaged(ext2_volume(inode), "symbolic link inode %u has a target with a NUL", inode->ino);
	}
	buffer_put(b);
	mutex_unlock(&inode->lock);
	return err ? err : (int)inode->size;
}
