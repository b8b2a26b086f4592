// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What follows a commit: links whose names are gone from the card are taken from their inodes, files without any are
 * deleted, and with the next commit their blocks are free. Called by the mount's thread, by sync and unmount, and where
 * space is short.
 *
 * Locks: volume.settle_lock, one at a time; then as each step says. Called with nothing locked. Sleeps.
 */
#include <errno.h>

#include "fs/ext2/ext2.h"

int volume_sync(struct volume *vol)
{
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	int err = txn_zero_again(vol), first = err; // due zeros before the data

	err = pcache_write_all();
	first = first ? first : err;
	if (atomic_load(&vol->super.read_only))
		return first;
	err = inodes_visit(vol, ext2_inode_write_times);
	first = first ? first : err;
	err = volume_settle(vol);
	first = first ? first : err;
	err = txn_commit_all(vol);
	first = first ? first : err;
	if (atomic_load(&vol->txn.writes) > atomic_load(&vol->txn.flushed)) {
		err = txn_flush(vol);
		first = first ? first : err;
	}
	/* Another thread may have been told of a FLUSH that lost what was written here. */
	if (!first && blk_flush_failures(vol->super.dev) != failures)
		first = -EIO;
	return first;
}

static int drop_links(struct inode *inode)
{
	struct buffer *itable;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(inode), 1, 0);

	if (err)
		return err;
	err = ext2_inode_begin(&t, inode, &itable);
	if (!err) {
		ext2_node(inode)->links_pending = 0;
		if (inode->links == 0)
			err = ext2_orphan_add(&t, inode, itable);
		else
			ext2_inode_store(&t, inode, itable);
	}
	txn_end(&t);
	return err;
}

/* Links whose names are gone from the card. */
static int drop_all(struct volume *vol)
{
	int err = 0;

	while (!err) {
		struct list_node *node;
		struct inode *inode;
		bool again;

		mutex_lock(&vol->txn.lock);
		node = list_pop_front(&vol->txn.droppable);
		mutex_unlock(&vol->txn.lock);
		if (!node)
			break;
		inode = &list_entry(node, struct ext2_node, drop_node)->inode;
		mutex_lock(&inode->lock);
		/* It may be in the list for the running batch again; then all of it waits for that. */
		mutex_lock(&vol->txn.lock);
		again = !list_empty(&ext2_node(inode)->drop_node);
		mutex_unlock(&vol->txn.lock);
		if (!again)
			err = drop_links(inode);
		if (err) {
			mutex_lock(&vol->txn.lock);
			list_push_front(&vol->txn.droppable, &ext2_node(inode)->drop_node);
			mutex_unlock(&vol->txn.lock);
		}
		mutex_unlock(&inode->lock);
		if (!err)
			inode_put(inode);
	}
	return err;
}

int volume_settle(struct volume *vol)
{
	int err = 0;

	mutex_lock(&vol->settle_lock);
	while (!err && (txn_frees_pending(vol) || inodes_doomed())) {
		err = txn_commit(vol);
		if (!err)
			err = drop_all(vol);
		if (!err)
			err = inodes_delete_doomed(vol);
	}
	mutex_unlock(&vol->settle_lock);
	return err;
}
