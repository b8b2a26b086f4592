// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Memory objects: what MAP_SHARED maps where there is no file. A pcache_object whose pages are all there is of it, so
 * none is ever dirty, written or evicted; they count as private memory does. It lives as long as a mapping shows it.
 */
#pragma once

#include "mm/pcache.h"

/*
 * An object of so many pages, with one reference, which the caller drops by ops->ref. All of it is promised
 * (mm/commit.c), unless noreserve, until it goes. 0 or -ENOMEM. Sleeps for memory.
 */
int shm_create(size_t pages, bool noreserve, struct pcache_object **out);

/*
 * The page at index, inside the object, pinned; zeros if nobody has touched it yet. 0 or -ENOMEM. Sleeps for memory, no
 * lock held.
 */
int shm_get(struct pcache_object *obj, pgidx_t index, struct page **out);
