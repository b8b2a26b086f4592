// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Transactions: every metadata change happens between txn_begin and txn_end. One handle is open at a time; changes
 * gather in a batch until it is committed, which makes all of it durable.
 *
 * With a journal a batch is on the card as a whole or not at all. An operation that takes several handles is then one
 * handle around them (txn_op_begin), so that no batch ends within it; what it takes away is given back by the commit
 * of the same batch, and can be had again by the next one.
 *
 * On plain ext2 a commit goes in the order of enum buffer_class, and operations put commits between their handles
 * (txn_order). A cut leaves leaked blocks and inodes and wrong counts, nothing worse. What an operation takes away
 * (blocks, inodes, links) is given back only once the batch that removed the last pointer or name has committed (I10).
 */
#pragma once

#include "fs/buffer.h"
#include "fs/ext2/newblocks.h"
#include "kernel/mutex.h"

struct volume;

#define TXN_CREDITS 4	   // buffers that one handle may change
#define TXN_FREES_MAX 2048 // runs of freed blocks that a batch can hold
/* The same of an operation: of all its handles together. */
#define TXN_OP_CREDITS 32
#define TXN_OP_FREES 24

enum txn_free_kind { TXN_FREE_BLOCKS, TXN_FREE_FILE, TXN_FREE_DIRECTORY };

struct txn_free {
	enum txn_free_kind kind;
	uint32_t first, count; // blocks; or the inode's number
};

/* A volume's transactions. Guarded by lock: whoever holds it has the handle, or commits. */
struct txn_log {
	struct mutex lock;
	bool changed;		   // the running batch has something in it
	bool failing;		   // the last commit failed, which was said
	struct list_node unlinked; // struct inode.drop_node: links to take away once the running batch has committed
	struct list_node droppable;
	struct txn_free frees[TXN_FREES_MAX];
	unsigned free_count;
	struct new_blocks new_blocks; // whose locks it says itself

	atomic_uint_least64_t running; // number of the running batch: those before it are durable
	atomic_uint_least64_t writes;  // data writes completed so far,
	atomic_uint_least64_t flushed; // and how many of them the last good FLUSH covers (I7)

	/* Of the device's failed FLUSHes, how many all files have been told of. Changed under flush_lock, a leaf. */
	atomic_uint_least64_t failures_told;
	struct mutex flush_lock;
};

struct txn {
	struct volume *vol;
	unsigned credits;
	bool inside; // an operation, which has the lock
};

void txn_log_init(struct txn_log *log);

/*
 * Opens a handle that may change `credits` buffers and free `frees` runs; commits the running batch first if it has no
 * room. 0, -EROFS, -EIO while another thread unmounts and after, or the commit's error. Holder may read metadata, no
 * more: no data I/O, no page, no map_lock; but see ext2_unmap, which waits for writes that are under way.
 */
int txn_begin(struct txn *t, struct volume *vol, unsigned credits, unsigned frees);
/*
 * With a journal: a handle around several, of this thread, that are one operation, with TXN_OP_CREDITS and TXN_OP_FREES
 * for all of them. What holds for a handle holds until its end; no commit may be asked for but by txn_order. On plain
 * ext2: nothing. 0 or as txn_begin.
 */
int txn_op_begin(struct volume *vol);
void txn_op_end(struct volume *vol);
/* What was changed so far is on the card before what is changed from here on. On plain ext2: commits. No handle open.
 */
int txn_order(struct volume *vol);

/* Before contents change. The buffer is held. */
void txn_access(struct txn *t, struct buffer *b);
/* After: the change is part of the batch. */
void txn_dirty(struct txn *t, struct buffer *b, enum buffer_class class);
/* Blocks that nothing on the card will point to once the batch is durable. */
void txn_free_blocks(struct txn *t, fsblk_t first, uint32_t count);
/* The same of one that held metadata, whose buffer goes. */
void txn_free_metadata(struct txn *t, fsblk_t block);
void txn_free_inode(struct txn *t, uint32_t ino, bool directory);
/* The superblock changed in a way that the next commit must write. */
void txn_super(struct txn *t);
void txn_end(struct txn *t);

/*
 * Makes the running batch durable. 0, or the first error; then all of it is still dirty and the next commit tries
 * again, except that a journal that cannot be written ends all writing (fs/ext2/commit.h).
 */
int txn_commit(struct volume *vol);
/* The same, only if the batch with this number is still the running one. */
int txn_commit_batch(struct volume *vol, uint64_t batch);
/* With the counts in group descriptors and superblock too, which other commits on plain ext2 leave to it. */
int txn_commit_all(struct volume *vol);
/* With a journal: the superblock too, if there are errors that it does not tell of. */
int txn_commit_super(struct volume *vol);
/* With a journal: all of it in its own places too. The volume is being unmounted, or was just recovered. */
int txn_checkpoint(struct volume *vol);
/* The same, only if the running batch has new blocks of this file: before it is forgotten. */
int txn_commit_new(struct volume *vol, uint32_t ino);
/* new_blocks_again for who has no transaction. 0, or an error; then the next commit, which begins with it, tries again.
 */
int txn_zero_again(struct volume *vol);
/* The last commit failed: what it had to write is still to be written. */
bool txn_failing(struct volume *vol);
/* Something was changed that no commit has made durable. */
bool txn_pending(struct volume *vol);
/* Something freed will come back with a commit. */
bool txn_frees_pending(struct volume *vol);

/*
 * FLUSH: all data writes completed before this call are durable when it returns 0, unless their files were told of a
 * failed FLUSH before. An error is told to all files, also that of somebody else's FLUSH since the last call.
 */
int txn_flush(struct volume *vol);
