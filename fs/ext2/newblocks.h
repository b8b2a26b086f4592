// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The new blocks of files' data that the running batch makes reachable, and which of them the card does not have yet:
 * there, old content of the card would show after a cut. A block gets there by the write of its page, or as zeros,
 * by the commit that would make it reachable. In between, it is read as zeros.
 *
 * A block is unwritten, under way (its page is being written: one write at a time), or written. Only a commit writes
 * zeros, and only onto unwritten blocks; a page's write to one of these waits for that. Who has writes under way that
 * are not submitted may wait for zeros, for a block map and for metadata, and none of these waits for it: nobody begins
 * or commits a transaction with a block map locked or a buffer held.
 */
#pragma once

#include <stdatomic.h>

#include "drivers/block/blkdev.h"
#include "kernel/spinlock.h"
#include "kernel/wait.h"
#include "lib/types.h"

struct volume;

#define NEW_RUNS_MAX 1024
#define NEW_RUN_BLOCKS 64u	 // of a run that is not all written
#define NEW_BLOCKS_AT_ONCE 1024u // blocks for which a handle has room
#define NEW_RUNS_MANY 64u	 // so many with unwritten blocks are many

struct new_run {
	uint32_t ino;
	fsblk_t first;
	uint32_t count;
	uint64_t unwritten, under_way; // bit n: block first + n
};

struct new_blocks {
	/* Changed by who holds the transaction, and then under lock. */
	unsigned count;
	uint64_t failures; // blk_flush_failures when none of them was written yet

	struct spinlock lock;		   // guards the rest; a leaf; taken in interrupts
	struct new_run runs[NEW_RUNS_MAX]; // by block
	fsblk_t zeroing;		   // first of those that zeros are being written onto,
	uint32_t zeros;			   // and how many
	struct waitq waitq;

	atomic_uint open; // runs with blocks that are not written; relaxed: ordered by the file's bmap_lock
};

void new_blocks_init(struct new_blocks *n);
/* Room for NEW_BLOCKS_AT_ONCE more? Holds the transaction. */
bool new_blocks_room(const struct new_blocks *n);
/* Of which the card has nothing yet; at most NEW_BLOCKS_AT_ONCE. Holds the transaction. */
void new_blocks_add(struct volume *vol, uint32_t ino, fsblk_t first, uint32_t count);
/* Any number, as zeros, written before this returns: 0, or the error of that, and nothing is remembered. The same. */
int new_blocks_add_zeros(struct volume *vol, uint32_t ino, fsblk_t first, uint32_t count);
/* Has the batch some of this file? The same. */
bool new_blocks_of(const struct new_blocks *n, uint32_t ino);

/* Are there some that are not written? Then new_blocks_begin and _unwritten look closer. */
static inline bool new_blocks_open(const struct new_blocks *n)
{
	return atomic_load_explicit(&n->open, memory_order_relaxed);
}
/* So many that somebody should write some. */
static inline bool new_blocks_many(const struct new_blocks *n)
{
	return atomic_load_explicit(&n->open, memory_order_relaxed) > NEW_RUNS_MANY;
}
/*
 * A page's write to these blocks is about to be submitted. True: some are new, and new_blocks_written is to be called
 * when it has ended. Sleeps.
 */
bool new_blocks_begin(struct volume *vol, fsblk_t first, uint32_t count);
/* Any context. */
void new_blocks_written(struct volume *vol, fsblk_t first, uint32_t count, int err);
/* Is the first unwritten? *count shrinks to how many are like it. */
bool new_blocks_unwritten(struct volume *vol, fsblk_t first, uint32_t *count);

/* These are free once the batch is durable: nobody needs what is unwritten of them. Holds the transaction. */
void new_blocks_drop(struct new_blocks *n, fsblk_t first, uint32_t count);
/*
 * Puts zeros onto the unwritten ones and waits for those under way; and where a FLUSH has failed since, which may have
 * lost some, zeros onto all: what had been written there is dirty again if it is cached, and its files are told in
 * any case. Holds the transaction. Sleeps. 0, or an error; then it is to be done once more.
 */
int new_blocks_finish(struct volume *vol);
/* The second half of that alone. */
int new_blocks_again(struct volume *vol);
/* They are durable, or zeros are. */
void new_blocks_forget(struct new_blocks *n);
