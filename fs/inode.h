// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Inodes in memory. One struct inode per inode of the card that is open, mapped or was lately used; it carries the
 * page-cache object of a regular file.
 *
 * Life: inode_get loads it (or finds it) with a reference; inode_put drops one. Without references it stays in the
 * LRU with its pages, until others push it out. One with no links left is deleted, in the open, by volume_settle.
 */
#pragma once

#include <sys/stat.h>

#include "fs/ext2/format.h"
#include "mm/pcache.h"

struct volume;

struct inode_time {
	int64_t sec;
	uint32_t nsec;
};

struct inode {
	struct volume *vol;
	uint32_t ino;

	/* Guarded by the inode cache's lock. */
	struct list_node hash_node, lru_node;
	unsigned refs;
	bool busy;   // being loaded or thrown out: others wait
	bool doomed; // in the list of those to delete

	/*
	 * Operation lock: held through each call that changes the file or, of a directory, reads it. Faults never take
	 * it. Before map_lock (I2); more than one only under volume.names_lock.
	 */
	struct mutex lock;
	struct pcache_object object; // regular files; its size is the file's size
	bool truncate_unfinished;    // blocks beyond the end are left from a failed truncate; must go before it grows

	/* Changed inside a transaction, with lock held unless said otherwise. */
	uint16_t mode;
	uint32_t uid, gid, flags, generation;
	atomic_uint links;	// names in memory's view; relaxed without lock: a hint
	uint32_t links_pending; // still counted on the card, docs/design.md section 7: taken away after the next commit
	struct list_node drop_node;
	struct list_node orphan_node; // in volume.orphans
	atomic_bool orphan;	      // it is there; relaxed outside of transactions
	/* As on the card: <= object.size, except for directories, which have only this. Relaxed without lock. */
	atomic_uint_least64_t size;
	/* As last encoded: another only while a change is under way, or after one failed. Relaxed without lock. */
	atomic_uint_least64_t size_stored;
	bool deleted; // on the card already
	uint32_t acl_block;
	atomic_uint_least64_t batch;  // last batch with a change of this inode
	atomic_uint_least64_t writes; // txn_log.writes at the end of its last data write

	/* Of a directory; guarded by lock. */
	bool unindexed; // its index is of no use, or could not be made
	bool listed;	// places of entries were handed out: it keeps them
	uint32_t room;	// its first block that may have room; a hint
	uint64_t stamp; // of the volume's listing if that is of it; 0: none

	/* Guarded by bmap_lock, and changed inside a transaction: faults allocate blocks too. */
	struct mutex bmap_lock;
	uint32_t block[EXT2_POINTERS];
	atomic_uint_least64_t sectors; // 512-byte units, indirect blocks included; relaxed without the lock
	fsblk_t goal;		       // after the block allocated last; 0: none

	/* Guarded by time_lock. */
	struct spinlock time_lock;
	struct inode_time atime, mtime, ctime, crtime;
	atomic_bool times_dirty; // newer than on the card; relaxed: without the lock it is a hint
};

static inline struct inode *inode_of(struct pcache_object *object)
{
	return container_of(object, struct inode, object);
}

/* Of a file or a directory, as of now. Any context. */
static inline uint64_t inode_size(const struct inode *inode)
{
	return atomic_load_explicit(S_ISREG(inode->mode) ? &inode->object.size : &inode->size, memory_order_relaxed);
}

/* 0, -EUCLEAN (no such inode, or a damaged one), -EIO, -ENOMEM. */
int inode_get(struct volume *vol, uint32_t ino, struct inode **out);
/* The same where no links are expected. */
int inode_get_orphan(struct volume *vol, uint32_t ino, struct inode **out);
/* The memory for a new one, before the transaction that makes it; kfree takes it back. NULL: none, even with eviction.
 */
struct inode *inode_make(struct volume *vol);
/* It gets its freshly allocated number and is found by it. 0, -EUCLEAN (the number is in use). */
int inode_add(struct inode *inode, uint32_t ino);
struct inode *inode_ref(struct inode *inode);
/* Never sleeps. NULL is fine. */
void inode_put(struct inode *inode);

/* mtime and ctime, or only ctime, are now. In memory. */
void inode_touch(struct inode *inode, bool modified);
/* Takes over what stores through mappings owe the time stamps. */
void inode_take_stores(struct inode *inode);

/* Those without links or references: deleted here. No lock held. 0 or the first error. */
int inodes_delete_doomed(struct volume *vol);
/* Those without links that are still open or mapped, at unmount: their contents go, the struct stays for its users. */
int inodes_delete_unlinked(struct volume *vol);
/* Unmounted: frees all that nobody references, naming what could not be written. -EBUSY: some are left. */
int inodes_forget_all(void);
bool inodes_doomed(void);

/* Calls visit for each inode in memory, with a reference and no lock; stops at an error. */
int inodes_visit(struct volume *vol, int (*visit)(struct inode *inode));
/* A FLUSH failed: tells every file written since the last good one. Does not sleep. */
void inodes_flush_failed(struct volume *vol, int err);
/* The same for one file, whatever it has written. */
void inode_flush_failed(struct volume *vol, uint32_t ino, int err);
/* Throws out unreferenced ones beyond `keep`, oldest first, writing what they have. */
int inodes_trim(unsigned keep);
void inodes_init(void);
