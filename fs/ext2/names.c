// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Operations on names: look up, create, mkdir, unlink, rmdir. With a journal, what a removed name counted for is taken
 * from the inode in the same transaction. On plain ext2 only after the removal has committed: links stay counted there
 * as links_pending, and volume_settle brings them down.
 *
 * Locks: held by the caller, as fs/inode.h says. Sleeps.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "mm/kmalloc.h"

int ext2_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out)
{
	struct ext2_slot slot;
	int err = ext2_dir_find(dir, name, len, &slot);

	if (!err)
		err = inode_get(dir->super, slot.ino, out);
	if (!err && len == 2 && !memcmp(name, "..", 2) && !S_ISDIR((*out)->mode)) {
		inode_put(*out);
		*out = NULL;
		err =
		    ext2_damaged_at(ext2_volume(dir), dir->ino, slot.block,
				    "directory inode %u has inode %u as .., which is no directory", dir->ino, slot.ino);
	}
	return err;
}

int ext2_next_entry(struct inode *dir, uint64_t *offset, struct dir_entry *entry)
{
	static const uint8_t types[] = {0, 8, 4, 2, 6, 1, 12, 10}; // DT_* by EXT2_FT_*
	struct ext2_name name;
	int r = ext2_dir_next(dir, offset, &name);

	if (r <= 0)
		return r;
	entry->ino = name.ino;
	entry->type = name.type < array_size(types) ? types[name.type] : 0;
	entry->len = name.len;
	memcpy(entry->name, name.name, name.len + 1);
	return 1;
}

void ext2_count_subdirectory(struct inode *dir, int change)
{
	if (dir->links == 1)
		return;
	if (change > 0 && dir->links >= EXT2_DIR_LINK_MAX)
		dir->links = 1;
	else if (change < 0 && dir->links <= 2)
		(void)ext2_damaged_at(ext2_volume(dir), dir->ino, 0, "directory inode %u has too few links", dir->ino);
	else
		dir->links += change;
}

bool ext2_subdirectories_full(const struct inode *dir)
{
	if (ext2_volume(dir)->es.feature_ro_compat & EXT2_RO_DIR_NLINK)
		return dir->links >= EXT2_DIR_LINK_MAX && !ext2_dir_indexed(dir);
	return dir->links >= EXT2_LINK_MAX;
}

/*
 * A failed creation, inside its transaction: the number goes back. On plain ext2 it was never on the card; with a
 * journal its batch may be committed before it is deleted.
 */
static void abandon(struct txn *t, struct inode *inode)
{
	struct buffer *itable;

	inode->links = 0;
	/* Its table is in the batch already. */
	if (is_journalled(t->vol) && !ext2_inode_begin(t, inode, &itable))
		(void)ext2_orphan_add(t, inode, itable);
	inode_put(inode);
}

/* `inode` is from inode_make, and freed here if it comes to nothing. */
static int fresh_inode(struct txn *t, struct inode *dir, mode_t mode, struct inode *inode, struct buffer **itable)
{
	uint32_t ino;
	int err = ext2_inode_alloc(t, dir, S_ISDIR(mode), &ino);

	if (err) {
		kfree(inode);
		return err;
	}
	inode->ino = ino;
	err = ext2_inode_begin(t, inode, itable);
	if (err) {
		(void)ext2_inode_release(t, ino, S_ISDIR(mode)); // its bitmap is at hand: cannot fail
		kfree(inode);
		return err;
	}
	/* Of another's number nothing is touched, in memory either, and it is not found to be free again. */
	err = ext2_inode_check_free(inode, *itable);
	if (!err && !inode_add(inode, ino, S_ISREG(mode) ? &ext2_data_ops : NULL))
		err = ext2_damaged_at(t->vol, ino, (*itable)->block, "inode %u is in use and free in its bitmap", ino);
	if (err) {
		buffer_put(*itable);
		kfree(inode);
		return err;
	}
	inode->mode = (uint16_t)mode;
	inode->links = S_ISDIR(mode) ? 2 : 1;
	inode_inherit(inode, dir);
	inode_touch_new(inode);
	ext2_inode_wipe(inode, *itable);
	return 0;
}

/* A file, or a link whose target lies in the inode. */
static int create_file(struct inode *dir, const char *name, unsigned len, mode_t mode, const char *target,
		       struct inode **out)
{
	struct buffer *itable, *dir_itable;
	struct inode *inode;
	struct txn t;
	int err = ext2_dir_make_room(dir, name, len);

	if (err)
		return err;
	inode = inode_make(dir->super);
	if (!inode)
		return -ENOMEM;
	err = txn_begin(&t, ext2_volume(dir), 4, 0);
	if (err) {
		kfree(inode);
		return err;
	}
	err = ext2_inode_begin(&t, dir, &dir_itable);
	if (err) {
		kfree(inode);
		goto end;
	}
	err = fresh_inode(&t, dir, mode, inode, &itable);
	if (err)
		goto put;
	if (target) {
		inode->size = strlen(target);
		memcpy(ext2_node(inode)->block, target, inode->size);
	}
	ext2_inode_store(&t, inode, itable);
	err = ext2_dir_add(&t, dir, name, len, inode->ino, mode);
	if (err) {
		abandon(&t, inode);
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

/*
 * A directory's, or a long link's, own inode and first block, on the card before any name leads there. target NULL: a
 * directory. `inode` is from inode_make, and given up if it comes to nothing.
 */
static int make_with_block(struct inode *parent, mode_t mode, const char *target, struct inode *inode)
{
	struct volume *vol = ext2_volume(parent);
	struct buffer *itable, *b;
	fsblk_t block;
	uint32_t count;
	struct txn t;
	int err = txn_begin(&t, vol, 4, 0);

	if (err) {
		kfree(inode);
		return err;
	}
	err = fresh_inode(&t, parent, mode, inode, &itable);
	if (err)
		goto end;
	err = ext2_blocks_alloc(&t, ext2_blocks_goal(vol, inode->ino), 1, &block, &count);
	if (!err) {
		buffer_get_zeroed(vol->buffers, block, &b);
		txn_access(&t, b);
		if (target)
			memcpy(b->data, target, strlen(target));
		else
			ext2_dir_init_first(vol, b->data, inode->ino, parent->ino);
		txn_dirty(&t, b, BUFFER_EARLY);
		buffer_put(b);
		ext2_node(inode)->block[0] = block;
		ext2_node(inode)->goal = block + 1;
		inode->sectors = vol->sectors_per_block;
		inode->size = target ? strlen(target) : vol->block_size;
	}
	ext2_inode_store(&t, inode, itable);
	if (err)
		abandon(&t, inode);
end:
	txn_end(&t);
	return err;
}

/* The name of what was made so. */
static int name_with_block(struct inode *dir, const char *name, unsigned len, bool directory, struct inode *inode)
{
	struct buffer *itable;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(dir), 2, 0);

	if (err) {
		/* Not inside an operation, where there is no error: on plain ext2, where it is not on the card. */
		inode->links = 0;
		inode_put(inode);
		return err;
	}
	err = ext2_inode_begin(&t, dir, &itable);
	if (!err) {
		err = ext2_dir_add(&t, dir, name, len, inode->ino, inode->mode);
		if (!err) {
			if (directory)
				ext2_count_subdirectory(dir, 1);
			inode_touch(dir, true);
		}
		ext2_inode_store(&t, dir, itable);
	}
	if (err)
		abandon(&t, inode);
	txn_end(&t);
	return err;
}

/* What has a block of its own. */
static int create_with_block(struct inode *dir, const char *name, unsigned len, mode_t mode, const char *target,
			     struct inode **out)
{
	struct volume *vol = ext2_volume(dir);
	struct inode *inode;
	int err;

	if (!target && ext2_subdirectories_full(dir))
		return -EMLINK;
	err = ext2_dir_make_room(dir, name, len);
	if (err)
		return err;
	inode = inode_make(dir->super);
	if (!inode)
		return -ENOMEM;
	err = txn_op_begin(vol);
	if (err) {
		kfree(inode);
		return err;
	}
	err = make_with_block(dir, mode, target, inode);
	if (!err)
		err = name_with_block(dir, name, len, !target, inode);
	txn_op_end(vol);
	if (!err)
		*out = inode;
	return err;
}

int ext2_create(struct inode *dir, const char *name, unsigned len, mode_t mode, const char *target, struct inode **out)
{
	if (target && strlen(target) >= ext2_volume(dir)->block_size)
		return -ENAMETOOLONG;
	if (S_ISDIR(mode) || (target && strlen(target) >= sizeof(ext2_node(dir)->block)))
		return create_with_block(dir, name, len, mode, target, out);
	return create_file(dir, name, len, mode, target, out);
}

int ext2_names_commit(struct inode *inode)
{
	struct volume *vol = ext2_volume(inode);

	return ext2_node(inode)->named_in == atomic_load(&vol->txn.running) ? txn_order(vol) : 0;
}

bool ext2_link_is_short(const struct inode *inode)
{
	const struct ext2_node *node = ext2_node(inode);

	return S_ISLNK(inode->mode) && inode->sectors == (node->acl_block ? ext2_volume(inode)->sectors_per_block : 0);
}

int ext2_link(struct inode *dir, const char *name, unsigned len, struct inode *inode)
{
	struct buffer *itable, *dir_itable;
	struct txn t;
	int err;

	if (inode->links + ext2_node(inode)->links_pending >= EXT2_LINK_MAX)
		return -EMLINK;
	err = ext2_dir_make_room(dir, name, len);
	if (!err)
		err = txn_begin(&t, ext2_volume(dir), 3, 0);
	if (err)
		return err;
	err = ext2_inode_begin(&t, dir, &dir_itable);
	if (err)
		goto end;
	err = ext2_inode_begin(&t, inode, &itable);
	if (err) {
		buffer_put(dir_itable);
		goto end;
	}
	/* Within a batch inodes are on the card before names: a cut leaves a link too many, never one too few. */
	err = ext2_dir_add(&t, dir, name, len, inode->ino, inode->mode);
	if (!err) {
		inode->links++;
		ext2_node(inode)->named_in = atomic_load(&t.vol->txn.running);
		inode_touch(inode, false);
		inode_touch(dir, true);
	}
	ext2_inode_store(&t, inode, itable);
	ext2_inode_store(&t, dir, dir_itable);
end:
	txn_end(&t);
	return err;
}

int ext2_drop_begin(struct txn *t, struct inode *inode, struct buffer **itable)
{
	*itable = NULL;
	return is_journalled(t->vol) ? ext2_inode_begin(t, inode, itable) : 0;
}

void ext2_drop(struct txn *t, struct inode *inode, uint32_t links, struct buffer *itable)
{
	assert(inode->links >= links);
	inode->links -= links;
	inode_touch(inode, false);
	if (itable && inode->links)
		ext2_inode_store(t, inode, itable);
	else if (itable)
		(void)ext2_orphan_add(t, inode, itable); // does not fail
	if (itable)
		return;
	ext2_inode_join(t, inode); // the name goes with this batch
	ext2_node(inode)->links_pending += links;
	/* It may wait for the batch before: then for this one instead. */
	if (list_empty(&ext2_node(inode)->drop_node))
		inode_ref(inode);
	list_remove(&ext2_node(inode)->drop_node);
	list_push_back(&t->vol->txn.unlinked, &ext2_node(inode)->drop_node);
	t->vol->txn.changed = true;
}

int ext2_unlink(struct inode *dir, const char *name, unsigned len, struct inode *victim)
{
	const bool directory = S_ISDIR(victim->mode);
	struct buffer *itable, *victim_itable;
	struct ext2_slot slot;
	struct txn t;
	int err = ext2_dir_find(dir, name, len, &slot);

	if (!err && victim->links == 0)
		err = ext2_damaged_at(ext2_volume(dir), victim->ino, 0, "inode %u has too few links", victim->ino);
	if (!err && directory)
		err = ext2_dir_is_empty(victim);
	if (!err)
		err = ext2_names_commit(victim);
	if (!err)
		err = txn_begin(&t, ext2_volume(dir), 3, 0);
	if (err)
		return err;
	err = ext2_drop_begin(&t, victim, &victim_itable);
	if (err)
		goto end;
	err = ext2_inode_begin(&t, dir, &itable);
	if (!err) {
		err = ext2_dir_remove(&t, dir, &slot);
		if (!err) {
			ext2_drop(&t, victim, directory ? victim->links : 1, victim_itable);
			victim_itable = NULL;
			if (directory)
				ext2_count_subdirectory(dir, -1);
			inode_touch(dir, true);
		}
		ext2_inode_store(&t, dir, itable);
	}
	buffer_put(victim_itable);
end:
	txn_end(&t);
	return err;
}

int ext2_readlink(struct inode *inode, char *buf, size_t size)
{
	struct buffer *b = NULL;
	const char *target = (const char *)ext2_node(inode)->block;
	int err = 0;

	if (inode->size >= size)
		return -ENAMETOOLONG;
	mutex_lock(&inode->lock);
	if (!ext2_link_is_short(inode)) {
		fsblk_t block;
		uint32_t run;

		err = ext2_bmap(inode, 0, 1, &block, &run);
		if (!err && !block)
			err = ext2_damaged_at(ext2_volume(inode), inode->ino, 0, "symbolic link inode %u has no target",
					      inode->ino);
		if (!err)
			err = buffer_get(ext2_volume(inode)->buffers, block, &b);
		target = b ? b->data : NULL;
	} else if (inode->size >= sizeof(ext2_node(inode)->block)) {
		err = ext2_damaged_at(ext2_volume(inode), inode->ino, 0,
				      "symbolic link inode %u is longer than it can be", inode->ino);
	}
	if (!err) {
		memcpy(buf, target, inode->size);
		buf[inode->size] = 0;
		if (strlen(buf) != inode->size)
			err = ext2_damaged_at(ext2_volume(inode), inode->ino, 0,
					      "symbolic link inode %u has a target with a NUL", inode->ino);
	}
	buffer_put(b);
	mutex_unlock(&inode->lock);
	return err ? err : (int)inode->size;
}
