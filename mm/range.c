// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The mapping calls that work on a range of what is mapped: protect, lock, advise, sync; and cutting a range out. Each
 * holds space.change while it alters mappings, and no lock of the address space while it waits for the card. Sleeps.
 */

#include "mm/range.h"

#include <assert.h>
#include <errno.h>

#include "mm/kmalloc.h"
#include "mm/pcache_internal.h"

int spares_take(struct spares *spares)
{
	*spares = (struct spares){{vma_alloc(), vma_alloc()}};
	if (spares->vma[0] && spares->vma[1])
		return 0;
	spares_give(spares);
	return -ENOMEM;
}

void spares_give(struct spares *spares)
{
	for (size_t i = 0; i < array_size(spares->vma); i++) {
		kfree(spares->vma[i]);
		spares->vma[i] = NULL;
	}
}

bool range_is_good(vaddr_t addr, size_t *len)
{
	const size_t rounded = align_up(*len, PAGE_SIZE);

	if (addr % PAGE_SIZE || addr < MMAP_MIN || addr >= MMAP_MAX || rounded < *len || rounded > MMAP_MAX - addr)
		return false;
	*len = rounded;
	return true;
}

static void split_at(vaddr_t at, struct vma **spare)
{
	struct vma *vma = vma_find_locked(at);

	if (!vma || vma_start(vma) == at)
		return;
	assert(*spare);
	vma_split(vma, at, *spare);
	*spare = NULL;
}

void range_isolate(vaddr_t start, vaddr_t end, struct spares *spares)
{
	split_at(start, &spares->vma[0]);
	split_at(end, &spares->vma[1]);
}

bool range_is_mapped(vaddr_t start, vaddr_t end)
{
	vaddr_t at = start;

	for (const struct vma *vma = vma_find_locked(at); vma && vma_start(vma) <= at && at < end;
	     vma = vma_following_locked(vma))
		at = vma->end;
	return at >= end;
}

void range_remove(vaddr_t start, vaddr_t end, struct spares *spares, struct list_node *dead)
{
	struct list_node removed = LIST_INIT(removed);
	struct list_node *node;
	struct vma *vma, *next;

	range_isolate(start, end, spares);
	for (vma = vma_next_locked(start); vma && vma_start(vma) < end; vma = next) {
		next = vma_following_locked(vma);
		vma_detach(vma); // from here on no fault brings an entry back
		list_push_back(&removed, &vma->dead_node);
	}
	while ((node = list_pop_front(&removed))) {
		vma = list_entry(node, struct vma, dead_node);
		entries_remove(vma_start(vma), vma->end);
		vma_forget_object(vma);
		vma_uncharge(vma);
		list_push_back(dead, node);
	}
	tables_prune(start, end);
	if (start < space.cursor)
		space.cursor = max_of(start, (vaddr_t)MAP_AREA_BASE);
}

/* ---- mprotect ---- */
/* Pages that the change makes private and writable. -EACCES: some mapping does not allow prot. */
static int protect_check(vaddr_t start, vaddr_t end, enum map_prot prot, size_t *charge)
{
	*charge = 0;
	if (!range_is_mapped(start, end))
		return -ENOMEM;
	for (const struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end;
	     vma = vma_following_locked(vma)) {
		if (prot & ~vma->max_prot)
			return -EACCES;
		if (!vma->charged && vma_needs_charge(vma, prot))
			*charge += (min_of(end, vma->end) - max_of(start, vma_start(vma))) / PAGE_SIZE;
	}
	return 0;
}

static void protect_range(vaddr_t start, vaddr_t end, enum map_prot prot)
{
	for (struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end; vma = vma_following_locked(vma)) {
		unsigned long flags = spin_lock(&space.lock);

		vma->charged = vma->charged || vma_needs_charge(vma, prot);
		vma->prot = prot;
		vma->generation = ++space.generation;
		spin_unlock(&space.lock, flags);
	}
	entries_narrow(start, end, prot_rights(prot));
}

int map_protect(vaddr_t addr, size_t len, enum map_prot prot)
{
	struct list_node dead = LIST_INIT(dead);
	struct spares spares;
	size_t charge;
	int err;

	if (!range_is_good(addr, &len))
		return -EINVAL;
	if (len == 0)
		return 0;
	err = spares_take(&spares);
	if (err)
		return err;
	mutex_lock(&space.change);
	err = protect_check(addr, addr + len, prot, &charge);
	if (!err && charge)
		err = commit_charge(charge, "mprotect");
	if (!err) {
		range_isolate(addr, addr + len, &spares);
		protect_range(addr, addr + len, prot);
		vma_merge(addr, addr + len, &dead);
	}
	mutex_unlock(&space.change);
	spares_give(&spares);
	vmas_put(&dead);
	return err;
}

/* ---- mlock ---- */
static size_t pages_not(bool locked, vaddr_t start, vaddr_t end)
{
	size_t pages = 0;

	for (const struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end;
	     vma = vma_following_locked(vma)) {
		if (vma->locked != locked)
			pages += (min_of(end, vma->end) - max_of(start, vma_start(vma))) / PAGE_SIZE;
	}
	return pages;
}

static void lock_range(vaddr_t start, vaddr_t end, bool lock)
{
	unsigned long flags = spin_lock(&space.lock);

	for (struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end; vma = vma_following_locked(vma))
		vma->locked = lock;
	spin_unlock(&space.lock, flags);
}

int map_lock(vaddr_t addr, size_t len, bool lock)
{
	struct list_node dead = LIST_INIT(dead);
	struct spares spares;
	int err;

	len += addr % PAGE_SIZE;
	addr = align_down(addr, PAGE_SIZE);
	if (!range_is_good(addr, &len))
		return len ? -ENOMEM : -EINVAL;
	if (len == 0)
		return 0;
	err = spares_take(&spares);
	if (err)
		return err;
	mutex_lock(&space.change);
	if (!range_is_mapped(addr, addr + len))
		err = -ENOMEM;
	else if (lock)
		err = commit_lock(pages_not(true, addr, addr + len), "mlock");
	else
		commit_unlock(pages_not(false, addr, addr + len));
	if (!err) {
		range_isolate(addr, addr + len, &spares);
		lock_range(addr, addr + len, lock);
		vma_merge(addr, addr + len, &dead);
	}
	mutex_unlock(&space.change);
	spares_give(&spares);
	vmas_put(&dead);
	return !err && lock ? populate(addr, addr + len) : err;
}

/* ---- one mapping after another, with no lock held in between ---- */
struct piece {
	struct vma *vma; // referenced
	vaddr_t start, end;
	enum map_prot prot;
	pgidx_t first, last; // of the object
};

/* The part of the range at or after `at` that the next mapping covers. False: none is left. */
static bool piece_next(vaddr_t at, vaddr_t end, struct piece *out)
{
	unsigned long flags = spin_lock(&space.lock);
	struct vma *vma = vma_next_locked(at);
	bool found = vma && vma_start(vma) < end;

	if (found) {
		vma_ref(vma);
		out->vma = vma;
		out->start = max_of(at, vma_start(vma));
		out->end = min_of(end, vma->end);
		out->prot = vma->prot;
		out->first = vma_index(vma, out->start);
		out->last = vma_index(vma, out->end - 1);
	}
	spin_unlock(&space.lock, flags);
	return found;
}

/* Calls work for each piece; -ENOMEM for a hole, after the rest is done. The first error else. */
static int each_piece(vaddr_t start, vaddr_t end, int (*work)(const struct piece *piece, void *arg), void *arg)
{
	struct piece piece;
	vaddr_t at = start;
	bool hole = false;
	int first = 0;

	while (at < end && piece_next(at, end, &piece)) {
		int err = work(&piece, arg);

		vma_put(piece.vma);
		first = first ? first : err;
		hole |= piece.start > at;
		at = piece.end;
	}
	if (first)
		return first;
	return hole || at < end ? -ENOMEM : 0;
}

static int sync_piece(const struct piece *piece, void *arg)
{
	const bool *sync = arg;
	struct pcache_object *obj = piece->vma->object;

	if (!vma_is_shared_file(piece->vma))
		return 0;
	if (*sync)
		return pcache_sync_range(obj, piece->first, piece->last);
	pcache_write_start(obj, piece->first, piece->last);
	return 0;
}

int map_sync(vaddr_t addr, size_t len, bool sync)
{
	if (!range_is_good(addr, &len))
		return addr % PAGE_SIZE ? -EINVAL : -ENOMEM;
	return each_piece(addr, addr + len, sync_piece, &sync);
}

static int populate_piece(const struct piece *piece, void *arg)
{
	enum fault_access access = FAULT_READ;

	(void)arg;
	if (piece->prot == 0)
		return 0;
	if (piece->prot & MAP_W && !vma_is_shared_file(piece->vma))
		access = FAULT_WRITE;
	else if (!(prot_rights(piece->prot) & PT_R))
		access = FAULT_EXEC;
	for (vaddr_t va = piece->start; va < piece->end; va += PAGE_SIZE) {
		int error;

		if (fault_serve(va, access, &error) != FAULT_OK)
			return error ? -error : -ENOMEM;
	}
	return 0;
}

int populate(vaddr_t start, vaddr_t end)
{
	return each_piece(start, end, populate_piece, NULL);
}

/* A shared page is read-only whenever it is clean. */
static int wire_piece(const struct piece *piece, void *arg)
{
	int error;

	(void)arg;
	if (vma_is_shared_file(piece->vma) || (piece->prot & (MAP_R | MAP_W)) != (MAP_R | MAP_W))
		return -EINVAL;
	for (vaddr_t va = piece->start; va < piece->end; va += PAGE_SIZE) {
		if (fault_serve(va, FAULT_WRITE, &error) != FAULT_OK)
			return error ? -error : -ENOMEM;
	}
	return 0;
}

int map_wire(vaddr_t addr, size_t len)
{
	vaddr_t start = align_down(addr, PAGE_SIZE);
	bool mapped;

	if (len > MMAP_MAX)
		return -EINVAL;
	len += addr - start;
	if (!range_is_good(start, &len))
		return -EINVAL;
	mutex_lock(&space.change);
	mapped = range_is_mapped(start, start + len);
	mutex_unlock(&space.change);
	return mapped ? each_piece(start, start + len, wire_piece, NULL) : -EINVAL;
}

/* ---- madvise ---- */
static int will_need_piece(const struct piece *piece, void *arg)
{
	struct pcache_object *obj = piece->vma->object;

	(void)arg;
	if (!obj)
		return 0;
	rwlock_lock_read(&obj->map_lock);
	pcache_readahead(obj, piece->first, piece->last - piece->first + 1);
	rwlock_unlock_read(&obj->map_lock);
	return 0;
}

/* What is shared keeps its contents: a file's are in the cache, shared anonymous memory has only its entries. */
static int dont_need(vaddr_t start, vaddr_t end)
{
	int err;

	mutex_lock(&space.change);
	err = range_is_mapped(start, end) ? 0 : -ENOMEM;
	for (const struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end;
	     vma = vma_following_locked(vma)) {
		if (vma->locked)
			err = err ? err : -EINVAL;
		else if (vma->object || vma->kind == MAP_KIND_ANON)
			entries_remove(max_of(start, vma_start(vma)), min_of(end, vma->end));
	}
	mutex_unlock(&space.change);
	return err;
}

/* How whole mappings are read; a hint, so it is not worth splitting them. */
static int read_pattern_piece(const struct piece *piece, void *arg)
{
	const enum map_advice *advice = arg;
	unsigned long flags = spin_lock(&space.lock);

	piece->vma->ra.random = *advice == MAP_ADV_RANDOM;
	spin_unlock(&space.lock, flags);
	return 0;
}

int map_advise(vaddr_t addr, size_t len, enum map_advice advice)
{
	if (!range_is_good(addr, &len))
		return -EINVAL;
	switch (advice) {
	case MAP_ADV_WILLNEED:
		return each_piece(addr, addr + len, will_need_piece, NULL);
	case MAP_ADV_DONTNEED:
		return dont_need(addr, addr + len);
	case MAP_ADV_NORMAL:
	case MAP_ADV_RANDOM:
	case MAP_ADV_SEQUENTIAL:
		return each_piece(addr, addr + len, read_pattern_piece, &advice);
	}
	return -EINVAL;
}
