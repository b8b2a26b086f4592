// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The page cache: file data only, keyed by (object, index). It knows frames, indexes, page states, and the mappings
 * that show an object; not inodes, blocks or descriptors. An object is embedded in an in-core inode, whose file
 * system serves it through pcache_ops.
 *
 * A page's life:  absent -> filling -> uptodate [backed] -> dirty -> writing -> clean ... -> evicted.
 * Dirty and writing are independent: a store during a write sets dirty again and goes on at once (P4).
 *
 * Locks, in order (design section 12, I2): inode operation lock (fs) -> object map_lock -> transaction (fs) -> page
 * lock (pcache_object.lock, for all pages of the object) -> address space (mm/vma.h, with the mapping lists and all
 * page-table entries). The last two are spinlocks.
 */
#pragma once

#include "kernel/mutex.h"
#include "lib/radix.h"
#include "lib/tree.h"
#include "mm/frame.h"

struct pcache_object;
struct shm_limit;

/* A file system's side. All but ref may sleep. Errors are negative errno. A memory object has ref alone, and sync
 * where it is a file (mm/shm.h). */
struct pcache_ops {
	/*
	 * Starts reading pages first .. first+n-1 (filling, pinned by the cache) and returns; each ends with
	 * pcache_fill_done exactly once, from any context, also when this returns. Holes become zeros; `backed` is
	 * told to fill_done. Pages beyond end of file are not asked for; the tail of the last page is zeroed by fill.
	 * Called with map_lock held, no page lock. An error that kept it from starting goes to fill_done too.
	 * `awaited`: a thread waits for the first of them.
	 */
	void (*fill)(struct pcache_object *obj, pgidx_t first, struct page **pages, size_t n, bool awaited);

	/*
	 * Starts writing pages (writing, backed) and returns; each ends with pcache_write_done exactly once. Bytes past
	 * end of file are not written, whatever the frame has there. Allocates no memory. Called with no lock.
	 * `awaited`: a thread waits for all of them.
	 */
	void (*write)(struct pcache_object *obj, pgidx_t first, struct page **pages, size_t n, bool awaited);

	/*
	 * Allocates the disk block(s) behind a page that is about to be stored into. 0, -ENOSPC, -EIO, -EROFS...
	 * Called with map_lock held shared, no page lock. The page's frame is given: blocks that were holes are zero
	 * there. *end is more than index: how far the caller goes on; it becomes how far the pages have their blocks,
	 * as far as that was seen, and is still more than index.
	 */
	int (*reserve)(struct pcache_object *obj, pgidx_t index, pgidx_t *end);

	/*
	 * Makes durable what was written, and the metadata needed to find it: ends with a FLUSH of the device if
	 * anything of the object completed after the last good FLUSH was issued (I7). 0 or the error. Called with no
	 * lock.
	 */
	int (*sync)(struct pcache_object *obj);

	/* Takes (+1) or drops (-1) a reference to the inode around the object. Dropping may sleep. */
	void (*ref)(struct pcache_object *obj, int delta);
};

struct pcache_object {
	/* Constant. */
	const struct pcache_ops *ops;
	bool memory;		 // its pages are all there is of it, never dirty, never evicted (mm/shm.h)
	struct shm_limit *limit; // of memory that is promised page by page; NULL: it is promised as a whole

	struct rwlock map_lock; // fault, read and write share it; truncate, punch and extend own it
	/* Bytes; changed with map_lock owned. Relaxed without it: what a change under way makes of it is not known. */
	atomic_uint_least64_t size;

	/* Guarded by lock, the page lock. */
	struct spinlock lock;
	struct radix pages; // index -> struct page; tags below
	size_t page_count;
	atomic_size_t dirty_count; // pages dirty or writing; relaxed: without the lock it is a hint

	struct tree mappings; // struct vma.mapping_node, by page; guarded by the address space's lock

	/* Guarded by the writeback thread's lock, mm/writeback.c. */
	struct list_node dirty_node; // list of objects with pages dirty or writing
	nsec_t dirty_since;
	nsec_t retry_at;	 // a write failed: not tried again in the background before
	unsigned retry_shift;	 // doubles the wait
	pgidx_t writeback_next;	 // where the next pass under pressure goes on; the thread's own, as
	pgidx_t sweep_next;	 // where the sweep over an aged object goes on; 0: none is under way
	nsec_t sweep_from;	 // when it began,
	pgidx_t sweep_last;	 // and where it ends: the file was so long then
	unsigned writeback_pins; // the object may not go
	uint64_t visit;		 // last walk over all dirty objects that came by

	atomic_bool stored;	  // a store through a mapping dirtied a page since fs last took this (time stamps)
	atomic_uint write_errseq; // counts failed writes and failed FLUSHes: each open file compares with what it saw
	atomic_int write_errno;	  // of the last one (negative)
	atomic_uint flush_errseq; // counts failed FLUSHes alone,
	atomic_uint flush_told;	  // and how many of them a sync has returned
};

enum pcache_tag { PCACHE_TAG_DIRTY, PCACHE_TAG_WRITING };
#define PCACHE_RUN_MAX 256 // pages of one ops->write, and made ready together

/* Mount-time set-up: starts the writeback thread. */
int pcache_init(void);

void pcache_object_init(struct pcache_object *obj, const struct pcache_ops *ops, uint64_t size);
/* The inode goes: no mapping, no dirty page is left (asserted); frees all pages. Sleeps until nobody looks at it. */
void pcache_object_destroy(struct pcache_object *obj);

/*
 * The page at index, uptodate and pinned. Missing: filled, with readahead when `ra` says so. Sleeps. Errors: those of
 * fill (nothing is cached then), -ENOMEM; of a memory object those of shm_get. Caller holds map_lock shared and index
 * is inside the file. pcache_put unpins.
 */
struct readahead {
	pgidx_t next;	 // where a sequential reader would go on
	uint32_t window; // pages; 0: off
	pgidx_t ahead;	 // first page not yet asked for
	bool random;	 // advised: never read ahead;
	bool sequential; // or with the largest window at once
	uint64_t end;	 // byte behind the last read
};
int pcache_get(struct pcache_object *obj, pgidx_t index, struct readahead *ra, struct page **out);

/*
 * As pcache_get for a page that the caller is about to overwrite whole: not read; others wait for it until pcache_put.
 * If pcache_make_dirty failed or was not called by then, the page is not kept.
 */
int pcache_get_overwrite(struct pcache_object *obj, pgidx_t index, struct page **out);

/*
 * A pinned page has been used by a call, which no entry tells of. Used once it may be part of a stream that does not
 * come back; pages used twice are evicted after those.
 */
void pcache_mark_used(struct page *page);

/* How many pages it has. Any context. */
size_t pcache_count(struct pcache_object *obj);

/* Cached and uptodate: pinned; else NULL. Does not sleep. */
struct page *pcache_find(struct pcache_object *obj, pgidx_t index);
void pcache_put(struct page *page);

/* Starts reading those of n pages that are missing; as far as memory is plentiful. map_lock held shared. */
void pcache_readahead(struct pcache_object *obj, pgidx_t first, size_t n);
/* The same for advice about pages first .. last, any number: takes map_lock itself, for a while at a time. No lock
 * held. */
void pcache_will_need(struct pcache_object *obj, pgidx_t first, pgidx_t last);

/* Where a caller stores into one page after the other, upwards, and nobody can take blocks away meanwhile. */
struct pcache_stretch {
	pgidx_t end;   // behind the last page that it is going to store into
	pgidx_t known; // the pages up to here have their blocks; 0 at first
};

/*
 * Makes a pinned page storable: reserves its blocks unless backed, waits while too much is dirty, marks it dirty. Call
 * before storing into the frame; pcache_put marks it again if it was written meanwhile. Caller holds map_lock shared.
 * stretch: which the page belongs to, or NULL.
 * 0, reserve's error, or that of a card that takes no more writes when too much is dirty.
 */
int pcache_make_dirty(struct page *page, struct pcache_stretch *stretch);

/* For fs: ends of fill and write. Any context. err 0 or negative errno. */
void pcache_fill_done(struct page *page, int err, bool backed);
void pcache_write_done(struct page *page, int err);

/*
 * Writes the dirty pages in [first, last] and waits until none of them is dirty-since-before or being written.
 * Returns the first failure of these writes. Does not call ops->sync. No lock held.
 */
int pcache_write_range(struct pcache_object *obj, pgidx_t first, pgidx_t last);
/* Starts writing and returns. */
void pcache_write_start(struct pcache_object *obj, pgidx_t first, pgidx_t last);

/*
 * msync(MS_SYNC) and the data part of fsync: pcache_write_range, then ops->sync; reports every failure of its own, and
 * each pcache_flush_failed since the last sync of the object at least once: what it was about may be evicted.
 */
int pcache_sync_range(struct pcache_object *obj, pgidx_t first, pgidx_t last);

/* Waits until the writes of [first, last] that are under way have ended. A spinlock is not held; map_lock and a
 * transaction may be. */
void pcache_write_wait(struct pcache_object *obj, pgidx_t first, pgidx_t last);

/*
 * Removes pages [first, last] from the cache and from every mapping that shows them; dirty contents are dropped; waits
 * for I/O on them. map_lock owned.
 */
void pcache_punch(struct pcache_object *obj, pgidx_t first, pgidx_t last);
/* The same, and private copies with them: truncate. */
void pcache_remove(struct pcache_object *obj, pgidx_t first, pgidx_t last);
#define PGIDX_MAX (~(pgidx_t)0)

/*
 * Zeroes [from, to) inside one page, filled if need be, and marks it dirty (reserving its blocks): old tail on truncate
 * and extend. map_lock held, from is inside the file. 0 or the error of fill or reserve.
 */
int pcache_zero(struct pcache_object *obj, uint64_t from, uint64_t to);

/* What was stored beyond the file's end in its last page is gone: for a new mapping. map_lock taken inside. */
void pcache_zero_tail(struct pcache_object *obj);

/*
 * Zeroes [from, to) inside one page, filled if need be, for a caller that takes blocks of this part of it away;
 * reserves none. Nothing shows the page: who uses it waits for map_lock, and stores reserve anew. It is dirty: blocks
 * that it keeps are written. map_lock owned, from is inside the file. 0 or the error of fill.
 */
int pcache_clear(struct pcache_object *obj, uint64_t from, uint64_t to);

/*
 * A FLUSH of the device under obj failed: recorded as a failed write, and all pages written since they were filled, or
 * being written, are dirty again. Any context.
 */
void pcache_flush_failed(struct pcache_object *obj, int err);

/*
 * Which failed writes of an object an open file has been told of: each once, by whichever of its descriptors and
 * mappings asks first. They share the structure; with the last it goes. `make` sleeps for memory: NULL if there is
 * none.
 */
struct pcache_errors {
	atomic_uint seen; // of the object's write_errseq
	atomic_uint refs;
};
struct pcache_errors *pcache_errors_make(const struct pcache_object *obj);
void pcache_errors_ref(struct pcache_errors *errors);
void pcache_errors_put(struct pcache_errors *errors); // NULL is fine
/* Tells of those since the last call: 0, or the last one's errno (negative). */
int pcache_errors_take(struct pcache_object *obj, struct pcache_errors *errors);

/* All objects: writes everything dirty, waits; first error. For sync and unmount. */
int pcache_write_all(void);

/* Drops every clean, unpinned, unmapped page (benchmarks, tests). Returns how many. */
size_t pcache_drop_clean(void);

struct pcache_stats {
	size_t pages, dirty, writing;
	uint64_t hits, fills, writes, evicted;
};
void pcache_stats(struct pcache_stats *out);

/* Tests: limits the cache to so many pages (0: RAM). */
void pcache_limit(size_t pages);

/* Tests: asserts all that must be true of the object's pages, tags, counts and mappings (I3). */
void pcache_check(struct pcache_object *obj);
