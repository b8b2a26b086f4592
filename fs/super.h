// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* A mounted file system, whatever its kind. */
#pragma once

#include "drivers/block/blkdev.h"
#include "kernel/mutex.h"
#include "lib/list.h"

struct inode;
struct fs_space;
struct super;

/* What a kind of file system does with its volumes and inodes. No lock is held, and all may sleep, unless said. */
struct super_ops {
	const char *type; // as in /proc/mounts

	/* Memory for an inode, at whose beginning is a zeroed struct inode: kfree takes it back. NULL: none. */
	struct inode *(*make)(struct super *super);
	/*
	 * Fills in the inode with this number: ops, mode, and what else is known; size of a regular file in
	 * inode->size. orphan: one without links is what is looked for. -EUCLEAN, -EIO.
	 */
	int (*load)(struct inode *inode, bool orphan);
	/* Nobody has it: it is about to be forgotten, and what it has not written yet is written now. */
	int (*write_out)(struct inode *inode);
	/* It must stay in memory: work on the card is left. Under a spinlock. */
	bool (*keeps)(const struct inode *inode);
	/* It has no links, and nobody has it: its contents go. */
	int (*remove)(struct inode *inode);
	/* An inode without links has lost its last user: remove is due soon. Under a spinlock. */
	void (*kick)(struct super *super);

	/* Everything that was changed is durable after it. Inside the write gate. */
	int (*sync)(struct super *super);
	/* Makes free what was deleted. Inside the write gate. */
	int (*settle)(struct super *super);
	int (*space)(struct super *super, struct fs_space *out);
	/* The last sync; what comes later finds the volume dead. The memory stays until `release`. */
	int (*unmount)(struct super *super);
	void (*release)(struct super *super);
};

struct super {
	/* Constant while mounted. */
	const struct super_ops *ops;
	struct blkdev *dev;  // NULL: none
	const char *name;    // of the device, or of the kind
	unsigned id;	     // st_dev
	uint32_t block_size; // bytes
	uint64_t size_max;   // of a file, bytes
	struct inode *root;  // a reference

	atomic_bool read_only; // no change is accepted
	atomic_bool dead;      // unmounted: every call fails
	atomic_uint users;     // open files, mappings, the current directory, mounts on its directories

	atomic_uint unlinked; // inodes that lost their last name since they were last seen to; relaxed

	/* The write gate (fs/mount.h). Before everything; an unmount owns it, writers share it. */
	struct rwlock gate;
	/* Names change under it, so that an operation may lock several inodes. Before any inode lock. */
	struct mutex names_lock;

	/* Guarded by the inode cache's lock. */
	struct list_node doomed; // inodes to remove
	unsigned inodes;	 // in memory
};

/* Sets up what is generic, with the caller's ops, dev, name, block_size, size_max. */
void super_init(struct super *super, bool read_only);
