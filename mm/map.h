// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The mapping calls, below their POSIX faces (posix/mman.c checks flags and turns a descriptor into an object).
 * All may sleep; no lock held by the caller. Negative errno on failure.
 */
#pragma once

#include "arch/page.h"
#include "mm/pcache.h"

enum map_prot { MAP_R = 1, MAP_W = 2, MAP_X = 4 }; // same values as enum pt_rights

enum map_kind { MAP_KIND_ANON, MAP_KIND_SHARED, MAP_KIND_PRIVATE };

struct map_request {
	vaddr_t addr; // hint, or the place with fixed
	size_t len;   // bytes, > 0; rounded up to pages
	enum map_prot prot;
	enum map_prot
	    max_prot; // what mprotect may later give (a file opened read-only cannot be mapped shared writable)
	enum map_kind kind;
	bool fixed, noreplace; // MAP_FIXED; MAP_FIXED_NOREPLACE
	bool populate, locked, noreserve;
	bool cached_only;	      // populate: what is cached, without waiting for the card (MAP_NONBLOCK)
	bool low;		      // without fixed: below 4 GiB
	bool grows_down;	      // MAP_KIND_ANON only: a touch below makes it longer
	struct pcache_object *object; // NULL for MAP_KIND_ANON alone; the mapping takes its own reference
	struct pcache_errors *errors; // of the open file behind it, or NULL; the same
	uint64_t offset;	      // bytes, page aligned
};

#define MAP_GROW_MAX (8ul << 20) // bytes that a mapping that grows down may have

int map_init(void);
/*
 * -EINVAL, -EACCES; -EOVERFLOW: offset + len; -EEXIST: noreplace; -EPERM: fixed, below all mappings; -EAGAIN: more is
 * locked than may be; -ENOMEM: no place, or no memory to promise.
 */
int map_create(const struct map_request *req, vaddr_t *out);
int map_remove(vaddr_t addr, size_t len); // -EINVAL
/*
 * mremap. fixed: to addr, unmapping what is there; keep_old: the old place stays mapped, and empty (MREMAP_DONTUNMAP).
 * -EINVAL; -EFAULT: it is not all one mapping; -EAGAIN: more than may be locked; -ENOMEM. Nothing has changed then.
 */
struct map_remap {
	vaddr_t old;
	size_t old_len, new_len; // bytes; old_len 0: another mapping of the pages of a shared one
	bool may_move, fixed, keep_old;
	vaddr_t addr; // with fixed
};
int map_remap(const struct map_remap *req, vaddr_t *out);
int map_protect(vaddr_t addr, size_t len, enum map_prot prot); // -ENOMEM (hole), -EACCES, -EINVAL
/*
 * sync: msync(MS_SYNC), else MS_ASYNC. -ENOMEM: a part is not mapped (the rest is done). MS_SYNC tells of its own
 * failures every time, and of earlier ones that nobody waited for once an open file.
 */
int map_sync(vaddr_t addr, size_t len, bool sync);
/* MS_INVALIDATE, of which there is nothing to do: -EBUSY if some of it is locked, -ENOMEM. */
int map_invalidate(vaddr_t addr, size_t len);
/*
 * mlock, munlock; whole pages. -ENOMEM: a hole (nothing has changed then), or more than may be locked, or a page cannot
 * be had; -EAGAIN: there is no memory for it. What has been locked stays so when a page cannot be had.
 */
int map_lock(vaddr_t addr, size_t len, bool lock);
/* mlockall; 0: munlockall. -ENOMEM: more than may be locked. The values are POSIX's. */
enum map_lock_all { MAP_LOCK_CURRENT = 1, MAP_LOCK_FUTURE = 2, MAP_LOCK_ON_FAULT = 4 };
int map_lock_all(enum map_lock_all what);
/*
 * mincore: whether each of the pages from addr on is in memory, 0 or 1, in kernel memory. Returns how many are mapped
 * without a hole, at most `pages`.
 */
size_t map_in_core(vaddr_t addr, size_t pages, unsigned char *out);
/*
 * Faults in all of [addr, addr + len), which must be readable, writable and not shared with a file, so that accesses to
 * it never fault until it is unmapped, protected or given up by madvise: nothing takes such pages away. -EINVAL: it is
 * not all mapped so; -ENOMEM; an I/O error.
 */
int map_wire(vaddr_t addr, size_t len);
/*
 * madvise; whole pages, at least one. -ENOMEM: a hole (the rest is done), or no memory; -EINVAL: a mapping that may not
 * be advised so (locked; FREE: not private anonymous; POPULATE: no such right); -EFAULT: POPULATE would be a SIGBUS.
 */
enum map_advice {
	MAP_ADV_NORMAL,
	MAP_ADV_RANDOM,
	MAP_ADV_SEQUENTIAL,
	MAP_ADV_WILLNEED,
	MAP_ADV_DONTNEED,
	MAP_ADV_FREE,
	MAP_ADV_COLD,	 // the next to be evicted
	MAP_ADV_PAGEOUT, // written and evicted
	MAP_ADV_POPULATE_READ,
	MAP_ADV_POPULATE_WRITE,
};
int map_advise(vaddr_t addr, size_t len, enum map_advice advice);

/* Heap of the C library: grows by private anonymous memory. Returns the old end, or 0 when it cannot (ENOMEM). */
vaddr_t map_sbrk(intptr_t delta);

/* What covers addr, for the fault report: false if nothing does. */
struct map_info {
	vaddr_t start, end;
	enum map_prot prot;
	enum map_kind kind;
	bool grows_down;
	bool heap;
	uint64_t offset; // of start in the object
	struct pcache_object *object;
};
bool map_lookup(vaddr_t addr, struct map_info *out);
/*
 * Calls show for the first mapping that ends behind addr: as it was at a moment, with its object kept meanwhile, and
 * nothing locked. False: there is none.
 */
bool map_show(vaddr_t addr, void (*show)(const struct map_info *map, void *arg), void *arg);

/* Frames: of private memory and memory objects; of the latter; of locked mappings; promised; that can be promised. */
struct map_stats {
	size_t anon, shared, locked, committed, commit_limit;
};
void map_stats(struct map_stats *out);

/* For assertions: every page-table entry is as hardware without A and D updates needs it, and I3 holds; logs those that
 * are not. Takes space.lock. */
bool map_is_sound(void);

/* Promises frames for what is as private memory is, no page of which can be evicted. False: not so many. Any context.
 */
bool commit_try(size_t pages);
void commit_release(size_t pages);
