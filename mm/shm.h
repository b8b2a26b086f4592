// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Memory objects: what MAP_SHARED maps where there is no file, and the files of a file system that is in memory. A
 * pcache_object whose pages are all there is of it, so none is ever dirty, written or evicted; they count as private
 * memory does. What is behind no file is promised as a whole, has one size, and lives as long as a mapping shows it; a
 * file is promised page by page, as they come, within a limit that it shares with others, and its file system owns it.
 */
#pragma once

#include "mm/pcache.h"

/* What a number of objects may have together, pages. Zeroed but for max, which is constant. */
struct shm_limit {
	size_t max;
	atomic_size_t used; // relaxed: it stands for itself
};

/*
 * An object of so many pages, with one reference, which the caller drops by ops->ref. All of it is promised
 * (mm/commit.c), unless noreserve, until it goes. 0 or -ENOMEM. Sleeps for memory.
 */
int shm_create(size_t pages, bool noreserve, struct pcache_object **out);

/* Makes a fresh object, whose ops are there, one of these. */
void shm_object_init(struct pcache_object *obj, struct shm_limit *limit);

/*
 * The page at index, inside the object, pinned; zeros if nobody has touched it yet. 0, -ENOMEM; -ENOSPC: the limit is
 * reached, or no more can be promised. Sleeps for memory; map_lock held unless the size is constant.
 */
int shm_get(struct pcache_object *obj, pgidx_t index, struct page **out);
/* The same to read: what nobody has touched is a page of zeros that is nobody's. Does not sleep. */
struct page *shm_peek(struct pcache_object *obj, pgidx_t index);

/*
 * All pages [first, last], also beyond the end. 0; -ENOSPC, and there is none more than before; -ENOMEM. map_lock
 * owned.
 */
int shm_fill(struct pcache_object *obj, pgidx_t first, pgidx_t last);
/* Bytes [from, to) are zeros, as far as there are pages. map_lock held. */
void shm_clear(struct pcache_object *obj, uint64_t from, uint64_t to);
/* The first of pages [*index, last] that is there, or is missing: *index. False: none. */
bool shm_next(struct pcache_object *obj, pgidx_t *index, pgidx_t last, bool missing);

/* So many pages of the object are gone. Any context. */
void shm_uncharge(struct pcache_object *obj, size_t pages);
