// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Making frames free: second chance over the page cache, clean pages first, dirty ones written. Called in the open,
 * with nothing locked that the evictor takes (I2).
 */
#pragma once

#include "mm/frame.h"

/* A frame, evicting and waiting for writeback as needed. NULL only if nothing can be evicted. May sleep. */
struct page *frame_get(void);
/* The same for what no device ever transfers: evicts only if there is no far frame either. */
struct page *frame_get_far(void);

/* Caches elsewhere (dentries, inodes, buffers) that can give memory back: called by the evictor, may only try-lock. */
struct shrinker {
	size_t (*shrink)(size_t frames_wanted); // frames really freed
	struct list_node node;
};
void shrinker_register(struct shrinker *s);
/* Asks them for so many frames; how many came free. May sleep. */
size_t reclaim_shrink(size_t want);

/* Frames in use by the page cache that the evictor can free now, at most about `want`: how many were. May sleep. */
size_t reclaim(size_t want);

/* Drops those of the object's pages [first, last] that are clean, unpinned and unmapped: how many. May sleep. */
size_t reclaim_drop_range(struct pcache_object *obj, pgidx_t first, pgidx_t last);

/* Those of the object's pages [first, last] that at most one mapping shows are the next to go unless they are used. */
void reclaim_make_old(struct pcache_object *obj, pgidx_t first, pgidx_t last);

/* As reclaim, waiting for writes if nothing is free to go. False: nothing more can be had. May sleep. */
bool reclaim_wait(size_t want);

/* kmalloc that makes memory free first if it must. NULL only if nothing can be evicted. May sleep. */
void *kmalloc_wait(size_t size);

/* Memory is so short that the evictor runs: nothing is allocated on speculation. */
bool reclaim_is_near(void);

/* Starts the thread that frees memory ahead of need. 0, -ENOMEM. */
int reclaim_init(void);

/* The allocator has `free` frames left: wakes the thread if that is too little. Any context. */
void reclaim_poke(size_t free);

/* The tunables that say how much is kept free have changed. Any context. */
void reclaim_marks_changed(void);
