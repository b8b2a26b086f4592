// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The list of inodes that a cut would leave half gone: without a name but open, or being truncated. It starts in the
 * superblock and goes on through each inode's dtime; the next mount, or e2fsck, finishes the work. In memory it is
 * volume.orphans in the same order. Runs inside a transaction.
 */
#include "fs/ext2/ext2.h"

static bool is_orphan(const struct inode *inode)
{
	return atomic_load_explicit(&ext2_node(inode)->orphan, memory_order_relaxed);
}

static void orphan_set(struct inode *inode, bool orphan)
{
	atomic_store_explicit(&ext2_node(inode)->orphan, orphan, memory_order_relaxed);
}

static struct inode *neighbour(struct volume *vol, struct list_node *node)
{
	return node == &vol->orphans ? NULL : &list_entry(node, struct ext2_node, orphan_node)->inode;
}

uint32_t ext2_orphan_next(struct inode *inode)
{
	struct inode *next = neighbour(ext2_volume(inode), ext2_node(inode)->orphan_node.next);

	return next ? next->ino : 0;
}

int ext2_orphan_add(struct txn *t, struct inode *inode, struct buffer *itable)
{
	if (!is_orphan(inode)) {
		list_push_front(&t->vol->orphans, &ext2_node(inode)->orphan_node);
		orphan_set(inode, true);
		t->vol->es.last_orphan = inode->ino;
		txn_super(t);
	}
	ext2_inode_store(t, inode, itable);
	return 0;
}

int ext2_orphan_remove(struct txn *t, struct inode *inode)
{
	struct inode *before;
	struct buffer *itable;
	int err;

	if (!is_orphan(inode))
		return 0;
	before = neighbour(t->vol, ext2_node(inode)->orphan_node.prev);
	if (!before) {
		t->vol->es.last_orphan = ext2_orphan_next(inode);
		txn_super(t);
		list_remove(&ext2_node(inode)->orphan_node);
		orphan_set(inode, false);
		return 0;
	}
	err = ext2_inode_begin(t, before, &itable);
	if (err)
		return err;
	list_remove(&ext2_node(inode)->orphan_node);
	orphan_set(inode, false);
	ext2_inode_store(t, before, itable);
	return 0;
}
