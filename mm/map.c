// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Making and removing mappings, and the heap. Each call allocates what it may need, then holds space.change while it
 * alters the tree, and drops mappings (whose last reference may sleep in the file system) after that. A replacing
 * mapping (MAP_FIXED) is removed and made under one hold of the mutex, where faults that find nothing wait.
 */

#include "mm/map.h"

#include <assert.h>
#include <errno.h>

#include "mm/kmalloc.h"
#include "mm/pcache_internal.h"
#include "mm/range.h"
#include "mm/tunable.h"
#include "mm/vma.h"

/* The heap has the lower part to itself, so that it can grow. */
#define HEAP_BASE (MMAP_MIN + (1ul << 30))
#define LOW_END (4ul << 30) // MAP_32BIT

static struct mutex heap_mutex = MUTEX_INIT(heap_mutex, "heap"); // before space.change

int map_init(void)
{
	space.heap_end = HEAP_BASE;
	return zero_page_init();
}

/* ---- places ---- */
static int place_fixed(const struct map_request *req, size_t len)
{
	if (req->addr % PAGE_SIZE)
		return -EINVAL;
	if (req->addr < MMAP_MIN)
		return -EPERM;
	if (req->addr >= MMAP_MAX || len > MMAP_MAX - req->addr)
		return -ENOMEM;
	return req->noreplace && !range_is_free(req->addr, len) ? -EEXIST : 0;
}

/* The hint is taken if nothing is there, nor in the guard of a mapping above that grows. 0: it is not. */
static vaddr_t place_hint(const struct map_request *req, size_t len, vaddr_t limit)
{
	const vaddr_t hint = align_down(req->addr, PAGE_SIZE), start = max_of(hint, MMAP_MIN);
	const struct vma *above = vma_next_locked(start);
	const size_t guard = above && above->grows_down ? tunable(TUNE_STACK_GUARD_GAP) * PAGE_SIZE : 0;

	if (!hint || start >= limit || len > limit - start || !range_is_free(start, len))
		return 0;
	return above && vma_start(above) - (start + len) < guard ? 0 : start;
}

/* What grows down gets room to do so. */
static vaddr_t place_anywhere(const struct map_request *req, size_t len, vaddr_t from, vaddr_t to)
{
	const size_t room = req->grows_down ? MAP_GROW_MAX - min_of(len, MAP_GROW_MAX) + GROW_GUARD : 0;
	const vaddr_t at = vma_gap_locked(len + room, from, to);

	return at ? at + room : vma_gap_locked(len, from, to);
}

static int place(const struct map_request *req, size_t len, vaddr_t *start)
{
	const vaddr_t limit = req->low ? min_of(LOW_END, MMAP_MAX) : MMAP_MAX;

	*start = req->addr;
	if (req->fixed || req->noreplace)
		return place_fixed(req, len);
	*start = place_hint(req, len, limit);
	if (!*start && req->low)
		*start = place_anywhere(req, len, MMAP_MIN, min_of(HEAP_BASE, limit));
	if (!*start) // also low: what is mapped last is the heap
		*start = place_anywhere(req, len, req->low ? HEAP_BASE : MAP_AREA_BASE, limit);
	return *start ? 0 : -ENOMEM;
}

/* ---- map_create ---- */
static int check(const struct map_request *req, size_t len)
{
	if (req->len == 0 || req->offset % PAGE_SIZE || (req->kind != MAP_KIND_ANON) != (req->object != NULL))
		return -EINVAL;
	if (req->grows_down && req->kind != MAP_KIND_ANON)
		return -EINVAL;
	if (len < req->len || len > MMAP_MAX - MMAP_MIN)
		return -ENOMEM;
	if (req->offset > INT64_MAX || len > INT64_MAX - req->offset)
		return -EOVERFLOW;
	return req->prot & ~req->max_prot ? -EACCES : 0;
}

/* As asked, or as mlockall has asked for all that comes. */
static void vma_set_locked(struct vma *vma, bool asked)
{
	unsigned long flags = spin_lock(&space.lock);

	vma->locked = asked || space.lock_future;
	vma->on_fault = !asked && space.lock_future_on_fault;
	spin_unlock(&space.lock, flags);
}

/* What the mappings in the way count, which comes free when they go. */
static void count_replaced(vaddr_t start, vaddr_t end, size_t *charged, size_t *locked)
{
	*charged = *locked = 0;
	for (const struct vma *vma = vma_next_locked(start); vma && vma_start(vma) < end;
	     vma = vma_following_locked(vma)) {
		const size_t pages = (min_of(end, vma->end) - max_of(start, vma_start(vma))) / PAGE_SIZE;

		*charged += vma->charged ? pages : 0;
		*locked += vma->locked ? pages : 0;
	}
}

/* Counts a mapping that is about to take the place of what is at start. space.change held. */
static int vma_charge(struct vma *vma, vaddr_t start, bool locked)
{
	const size_t pages = vma_pages(vma);
	size_t to_charge = vma_needs_charge(vma, vma->prot) ? pages : 0, to_lock, old_charged, old_locked;

	vma_set_locked(vma, locked);
	to_lock = vma->locked ? pages : 0;
	count_replaced(start, start + pages * PAGE_SIZE, &old_charged, &old_locked);
	old_charged = min_of(old_charged, to_charge);
	old_locked = min_of(old_locked, to_lock);
	if (commit_lock(to_lock - old_locked, "mmap"))
		return -EAGAIN;
	if (commit_charge(to_charge - old_charged, "mmap")) {
		commit_unlock(to_lock - old_locked);
		return -ENOMEM;
	}
	commit_take_over(old_charged, old_locked);
	vma->charged = to_charge;
	return 0;
}

/* mmap succeeds: what is not there now is faulted in later. */
static void fault_in(const struct map_request *req, vaddr_t start, vaddr_t end, bool locked)
{
	if (locked || (req->populate && !req->cached_only))
		(void)populate(start, end, POPULATE_LOCK);
	else if (req->populate)
		(void)populate_cached(start, end);
}

static struct vma *vma_make(const struct map_request *req, size_t len)
{
	struct vma *vma = vma_alloc();

	if (!vma)
		return NULL;
	vma->kind = req->kind;
	vma->max_prot = req->max_prot;
	vma->noreserve = req->noreserve;
	vma->grows_down = req->grows_down;
	vma->prot = req->prot;
	vma->pgoff = req->offset / PAGE_SIZE;
	vma->end = len; // until it has its place
	vma->object = req->object;
	if (vma->object)
		vma->object->ops->ref(vma->object, 1);
	vma->errors = req->errors;
	if (vma->errors)
		pcache_errors_ref(vma->errors);
	return vma;
}

/* The mapping may be joined with another at once: where it is, and whether it is locked, is *out and *locked. */
static int insert(const struct map_request *req, struct vma *vma, struct spares *spares, struct list_node *dead,
		  vaddr_t *out, bool *locked)
{
	const size_t len = vma->end;
	vaddr_t start;
	int err;

	mutex_lock(&space.change);
	err = place(req, len, &start);
	if (!err)
		err = vma_charge(vma, start, req->locked);
	if (!err) {
		*locked = vma->locked;
		if (!range_is_free(start, len))
			range_remove(start, start + len, spares, dead);
		vma->node.key = start;
		vma->end = start + len;
		vma_insert(vma);
		vma_merge(start, start + len, dead);
		*out = start;
	}
	mutex_unlock(&space.change);
	return err;
}

int map_create(const struct map_request *req, vaddr_t *out)
{
	const size_t len = align_up(req->len, PAGE_SIZE);
	struct list_node dead = LIST_INIT(dead);
	struct spares spares = {0};
	struct vma *vma;
	vaddr_t start;
	bool locked;
	int err;

	err = check(req, len);
	if (err)
		return err;
	vma = vma_make(req, len);
	if (!vma)
		return -ENOMEM;
	err = spares_take(&spares);
	if (err)
		goto drop;
	if (vma->object)
		pcache_zero_tail(vma->object);
	err = insert(req, vma, &spares, &dead, &start, &locked);
	if (err)
		goto drop;
	spares_give(&spares);
	vmas_put(&dead);
	fault_in(req, start, start + len, locked);
	*out = start;
	return 0;
drop:
	spares_give(&spares);
	vma_put(vma);
	return err;
}

/* ---- map_remove ---- */
int map_remove(vaddr_t addr, size_t len)
{
	struct list_node dead = LIST_INIT(dead);
	struct spares spares;
	int err;

	if (len > 0 && addr < MMAP_MIN && addr % PAGE_SIZE == 0) {
		/* Nothing is ever mapped there, and unmapping nothing succeeds. */
		if (len <= MMAP_MIN - addr)
			return 0;
		len -= MMAP_MIN - addr;
		addr = MMAP_MIN;
	}
	if (len == 0 || !range_is_good(addr, &len))
		return -EINVAL;
	err = spares_take(&spares);
	mutex_lock(&space.change);
	/* Whole mappings can be removed with no memory left, which is how there comes to be some. */
	if (err && !range_cuts(addr, addr + len))
		err = 0;
	if (!err)
		range_remove(addr, addr + len, &spares, &dead);
	mutex_unlock(&space.change);
	spares_give(&spares);
	vmas_put(&dead);
	return err;
}

/* ---- the heap ---- */
static int heap_resize(vaddr_t from, vaddr_t to)
{
	const vaddr_t old = align_up(from, PAGE_SIZE), wanted = align_up(to, PAGE_SIZE);
	struct map_request req = {
	    .addr = old,
	    .len = wanted - old,
	    .prot = MAP_R | MAP_W,
	    .max_prot = MAP_R | MAP_W,
	    .kind = MAP_KIND_ANON,
	    .noreplace = true,
	};
	vaddr_t start;

	if (wanted < old)
		return map_remove(wanted, old - wanted);
	return wanted > old ? map_create(&req, &start) : 0;
}

vaddr_t map_sbrk(intptr_t delta)
{
	vaddr_t old, end;
	bool possible;

	mutex_lock(&heap_mutex);
	old = space.heap_end;
	end = old + (vaddr_t)delta;
	possible = delta < 0 ? end <= old && end >= HEAP_BASE : end >= old && end <= MAP_AREA_BASE;
	if (possible && heap_resize(old, end) == 0)
		space.heap_end = end;
	else
		old = 0;
	mutex_unlock(&heap_mutex);
	return old;
}

/* ---- map_lookup ---- */
static struct map_info info_locked(const struct vma *vma)
{
	return (struct map_info){
	    .start = vma_start(vma),
	    .end = vma->end,
	    .prot = vma->prot,
	    .kind = vma->kind,
	    .grows_down = vma->grows_down,
	    .heap = vma->kind == MAP_KIND_ANON && vma_start(vma) >= HEAP_BASE && vma->end <= MAP_AREA_BASE,
	    .offset = vma->pgoff * PAGE_SIZE,
	    .object = vma->object,
	};
}

bool map_lookup(vaddr_t addr, struct map_info *out)
{
	unsigned long flags = spin_lock(&space.lock);
	const struct vma *vma = vma_find_locked(addr);

	if (vma)
		*out = info_locked(vma);
	spin_unlock(&space.lock, flags);
	return vma;
}

bool map_show(vaddr_t addr, void (*show)(const struct map_info *map, void *arg), void *arg)
{
	unsigned long flags = spin_lock(&space.lock);
	struct vma *vma = vma_next_locked(addr);
	struct map_info info;

	if (vma) {
		info = info_locked(vma);
		vma_ref(vma);
	}
	spin_unlock(&space.lock, flags);
	if (!vma)
		return false;
	show(&info, arg);
	vma_put(vma);
	return true;
}
