// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Physical memory, frame by frame. One descriptor a frame, made on first use so that start-up does not grow with
 * RAM. frame_alloc never reclaims and never sleeps: NULL means that the caller (page cache, private memory) calls the
 * evictor in the open, mm/reclaim.h.
 */
#pragma once

#include <stdatomic.h>

#include "arch/page.h"
#include "lib/list.h"

struct pcache_object;

/* States of a page-cache page, docs/design.md section 5. Changed only by page_state_change (mm/pcache.c). */
enum page_flags {
	PAGE_FILLING = 1 << 0,
	PAGE_UPTODATE = 1 << 1,
	PAGE_BACKED = 1 << 2, // its disk block is allocated: a store calls nothing in fs/
	PAGE_DIRTY = 1 << 3,
	PAGE_WRITING = 1 << 4,
	PAGE_CLEANING = 1 << 5,	 // a write is about to take it, and nothing was stored since its entries were narrowed
	PAGE_ERROR = 1 << 6,	 // its last write failed
	PAGE_WRITTEN = 1 << 7,	 // has been written since it was filled: a failed FLUSH makes it dirty again
	PAGE_STORING = 1 << 8,	 // pinned by somebody who stores through the linear map
	PAGE_OVERWRITE = 1 << 9, // filling, by a writer who replaces all of it
	PAGE_REFERENCED = 1 << 10, // used again by a call since the evictor last looked
	PAGE_FREE = 1 << 11,	   // in the allocator's list
	PAGE_EVICTING = 1 << 12,   // the evictor took its entries away, and none was made since
	PAGE_SPARSE = 1 << 13,	   // not backed, and may be dirty: where it has no block it is zeros, which need none
	PAGE_USED = 1 << 14,	   // used once, by a call, or as the evictor saw in an entry
	PAGE_PROVEN = 1 << 15,	   // used twice: the evictor takes others first
};

/* Descriptor of one frame. Which fields mean something depends on who owns the frame. */
struct page {
	atomic_uint flags; // enum page_flags; changed under the page lock, read at any time
	atomic_uint pins;  // not evicted, not freed while > 0
	union {
		struct {					// in the page cache
			_Atomic(struct pcache_object *) object; // NULL: not in the page cache (any more)
			pgidx_t index;
		};
		struct {		      // kernel heap, mm/kmalloc.c
			void *heap_free;      // its free pieces, linked
			uint16_t heap_class;  // size class
			uint16_t heap_used;   // pieces handed out
			uint32_t heap_frames; // of a block that is larger than a frame
		};
	};
	struct list_node lru;
	/*
	 * Page-table entries showing it; changed under the address space's lock, of a page of the cache upwards only
	 * under the page lock too. Relaxed: who has only the page lock may read more than there are, and relies on 0
	 * alone.
	 */
	atomic_uint mapped;
	uint16_t io_pending; // parts of a fill or write still under way; the pcache user's own count (atomic access)
	int16_t io_error;
};

/*
 * Hands a range of RAM to the allocator, whole frames of [start, end). Called at start only, the range with the
 * descriptors first (frame_init takes the space for all descriptors up to max_pa from the largest range).
 */
struct mem_range {
	paddr_t start, end;
};
void frame_init(const struct mem_range *ranges, size_t count);

/*
 * A device reaches nothing above the byte at `last`: frames from there on are far. Called at start, by whoever
 * registers a block device, once for each device of that kind. 0; -E2BIG: RAM is in too many pieces.
 */
int frame_limit_reach(paddr_t last);

/*
 * A frame with undefined contents, pins 1, flags 0, no object. NULL: none free. Any context. It is near: all block
 * devices reach it.
 */
struct page *frame_alloc(void);
/* The same, only above the reserve kept for page tables and writeback. */
struct page *frame_alloc_normal(void);
/* The same two for what no device ever transfers (page tables, private memory): a far frame if there is one. */
struct page *frame_alloc_far(void);
struct page *frame_alloc_far_normal(void);
/* `count` near frames adjacent in physical memory, aligned to `align` bytes (a power of two), above the
 * reserve. At start, for drivers and for large blocks of the heap. */
struct page *frame_alloc_contig(size_t count, size_t align);
/* Invariant I4: pins is 1 (the caller's), unmapped, not under I/O, no object. Any context. */
void frame_free(struct page *page);

/* Contents: zeros; those of another frame. */
void frame_clear(struct page *page);
void frame_copy(struct page *to_page, const struct page *from_page);

static inline unsigned page_mapped(const struct page *page)
{
	return atomic_load_explicit(&page->mapped, memory_order_relaxed);
}

/* The address space's lock held. */
static inline void page_mapped_add_locked(struct page *page, int n)
{
	atomic_store_explicit(&page->mapped, page_mapped(page) + (unsigned)n, memory_order_relaxed);
}

paddr_t page_pa(const struct page *page);
void *page_va(const struct page *page); // in the linear map
struct page *pa_to_page(paddr_t pa);	// NULL: not RAM of ours

size_t frame_total(void);
size_t frame_free_count(void);
/* Of the near ones, which reserve, watermarks and the page cache are about. */
size_t frame_near_total(void);
size_t frame_near_free_count(void);
size_t frame_reserve(void); // what frame_alloc_normal leaves: min_free_kbytes
