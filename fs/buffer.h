// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Metadata blocks in memory: of each mounted volume a fixed pool, keyed by block. File data never comes here. A buffer
 * is got (referenced), used and put; a changed one stays until it is written and proved durable. Contents are changed
 * only inside a transaction (fs/txn.h), of which there is one at a time.
 */
#pragma once

#include "drivers/block/blkdev.h"
#include "lib/types.h"

#define BUFFERS_MAX 256
#define BUFFERS_MIN 8
/* Never dirty: what look-ups (which hold one at a time) need to go on while a transaction waits for its commit. */
#define BUFFERS_KEPT 4

/* What must be on the card before what: a class is written once the ones before it are durable. */
enum buffer_class {
	BUFFER_EARLY,	// bitmaps with what was allocated; new blocks that nothing points to yet
	BUFFER_POINTER, // inodes and indirect blocks
	BUFFER_NAME,	// directories
	BUFFER_CLASSES,
	BUFFER_CLEAN = BUFFER_CLASSES,
};

struct buffer_pool;

struct buffer {
	void *data; // block_size bytes in the linear map
	struct buffer_pool *pool;
	fsblk_t block;

	/* Guarded by the pool's lock. */
	struct list_node hash_node, lru_node;
	unsigned refs;
	bool valid, busy; // busy: being read or written
	bool forgotten;	  // out of the hash: goes back to the free ones with its last reference
	int error;	  // of the transfer that just ended
	enum buffer_class class;
	bool logged; // the journal has a change of it that its own place has not: stays in memory until that is written

	struct blk_request request;
	struct blk_segment segment;
};

/* Test hook: size of the pools made from now on, BUFFERS_MIN .. BUFFERS_MAX; 0: by the RAM there is. */
void buffer_cache_init(unsigned count);

/*
 * Takes the memory for one volume, for at least `least` buffers. failed is told of each block that could not be read,
 * and of the first of several that could not be written, with nothing of the pool's locked. 0, -ENOMEM.
 */
int buffer_pool_make(struct blkdev *dev, uint32_t block_size, unsigned least,
		     void (*failed)(void *arg, fsblk_t block, bool write, int err), void *arg,
		     struct buffer_pool **out);
/* All references are gone; dirty contents are dropped. NULL is fine. */
void buffer_pool_free(struct buffer_pool *pool);

/* How many may be dirty or logged at once, and are. */
unsigned buffer_pinned_max(const struct buffer_pool *pool);
unsigned buffer_pinned(struct buffer_pool *pool);

/* Reads the block unless it is here. 0, -EIO: nothing is cached then. Waits for a free buffer. */
int buffer_get(struct buffer_pool *pool, fsblk_t block, struct buffer **out);
/* The same for a block whose contents do not matter: zeros, not read. */
void buffer_get_zeroed(struct buffer_pool *pool, fsblk_t block, struct buffer **out);
void buffer_put(struct buffer *b); // NULL is fine
/* Somebody has a reference, and it has contents. For assertions. */
bool buffer_held(const struct buffer *b);

/* The block was freed: its contents will never be written. True: the journal has them. */
bool buffer_forget(struct buffer_pool *pool, fsblk_t block);

/* An early buffer stays early until it is clean. */
void buffer_set_dirty(struct buffer *b, enum buffer_class class);

bool buffer_is_early(struct buffer *b); // it is held
bool buffer_any(struct buffer_pool *pool, enum buffer_class class);
/* Writes all dirty ones of a class and waits: the first error. */
int buffer_write(struct buffer_pool *pool, enum buffer_class class);
/* What was written of a class is durable. */
void buffer_clean(struct buffer_pool *pool, enum buffer_class class);

/* Of a journal (fs/ext2/commit.c): the dirty ones, at most buffer_pinned_max, which stay as they are meanwhile. */
unsigned buffer_list_dirty(struct buffer_pool *pool, struct buffer **list);
/* The journal has them: all that were dirty are logged. */
void buffer_log_all(struct buffer_pool *pool);
/* Writes all logged ones to their own places and waits; none is dirty. The first error. */
int buffer_write_logged(struct buffer_pool *pool);
/* That is durable: they are clean. */
void buffer_clean_logged(struct buffer_pool *pool);
