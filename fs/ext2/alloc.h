// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the allocators of blocks and inodes remember in memory; nothing of it is on the card. Guarded by the
 * transaction, unless said otherwise.
 */
#pragma once

#include "fs/ext2/ext2.h"

#define WINDOWS_MAX 64u
#define WINDOWS_PER_FILE 4u // places at which one file grows at a time

/*
 * A place at which a file grows, and the reservation window that keeps others away from there: free blocks behind the
 * one allocated last. Without a window (count 0) it says where the file goes on.
 */
struct window {
	atomic_uint ino; // 0: not in use. Relaxed without the transaction: a hint
	/* A writer of the file has closed it: as if not in use. Set without the transaction, relaxed. */
	atomic_bool over;
	uint32_t lblk;	// the file's block that comes next,
	fsblk_t first;	// and where it ought to be
	uint32_t count; // free blocks from there
	uint32_t size;	// of its last window, blocks; 0: it has had none
	uint64_t used;	// ext2_alloc.clock then
};

struct group_hint {
	uint16_t longest; // no run of free blocks outside of windows is longer
	uint8_t debt;	  // directories made here that no files have followed yet, as the Orlov allocator counts them
};

struct ext2_alloc {
	struct window windows[WINDOWS_MAX];
	uint64_t clock; // allocations by windows
	struct group_hint groups[];
};

/* A run that is looked for, and what was found. */
struct run_search {
	struct txn *t;
	fsblk_t goal;	 // as near behind it as can be
	uint32_t length; // blocks that are free, if there are so many together anywhere
	uint32_t want;	 // of which so many, or fewer, are allocated
	fsblk_t first;
	uint32_t count; // free blocks that were found, at most length
	uint32_t taken; // and how many of them are allocated now
};

/* ---- balloc.c ---- */
/* 0, -ENOSPC, -EIO. One credit. */
int ext2_run_alloc(struct run_search *s);
/* Takes up to `want` free blocks from `first` on, in one group: *count of them, 0: it is not free. -EIO. One credit. */
int ext2_run_take(struct txn *t, fsblk_t first, uint32_t want, uint32_t *count);
/* So many adjacent blocks of the group may be used for others again. */
void ext2_run_returned(struct volume *vol, fsblk_t first, uint32_t count);

/* ---- window.c ---- */
/* The first blocks of [*first, end) that are in nobody's window: how many, *first moves there. 0: none. */
uint32_t ext2_window_outside(const struct volume *vol, fsblk_t *first, fsblk_t end);
/* The window that the block lies in, or NULL. */
const struct window *ext2_window_at(const struct volume *vol, fsblk_t block);
/* Gives back all of them. */
void ext2_windows_steal(struct volume *vol);
