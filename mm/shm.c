// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Memory objects, mm/shm.h. Their pages are in the object's tree like those of a file, shown and found by the same
 * code, but nothing is behind them: a page is uptodate and backed from its first moment until it is taken out, or the
 * object goes. Takes the page lock; sleeps for memory.
 */

#include "mm/shm.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "mm/kmalloc.h"
#include "mm/pcache_internal.h"
#include "mm/reclaim.h"
#include "mm/vma.h"

/* Of an object behind no file. */
struct shm {
	struct pcache_object object;
	size_t charged;	  // pages promised; constant
	atomic_uint refs; // of mappings, and of who makes them
};

static void shm_ref(struct pcache_object *obj, int delta)
{
	struct shm *shm = container_of(obj, struct shm, object);

	/* Each drop releases what its owner did; the last acquires all of it before the memory goes. */
	if (atomic_fetch_add_explicit(&shm->refs, (unsigned)delta, memory_order_acq_rel) + (unsigned)delta > 0)
		return;
	pcache_object_destroy(obj);
	commit_release(shm->charged);
	kfree(shm);
}

/* Nothing is filled, reserved, written or synced. */
static const struct pcache_ops shm_ops = {.ref = shm_ref};

void shm_object_init(struct pcache_object *obj, struct shm_limit *limit)
{
	obj->memory = true;
	obj->limit = limit;
}

int shm_create(size_t pages, bool noreserve, struct pcache_object **out)
{
	struct shm *shm = kmalloc_wait(sizeof(*shm));
	int err = shm ? 0 : -ENOMEM;

	if (!err && !noreserve)
		err = commit_charge(pages, "mmap");
	if (err) {
		kfree(shm);
		return err;
	}
	pcache_object_init(&shm->object, &shm_ops, pages * PAGE_SIZE);
	shm_object_init(&shm->object, NULL);
	shm->charged = noreserve ? 0 : pages;
	atomic_init(&shm->refs, 1);
	*out = &shm->object;
	return 0;
}

/* ---- promises ---- */
static bool take_of(struct shm_limit *limit, size_t pages)
{
	size_t used = atomic_load_explicit(&limit->used, memory_order_relaxed);

	do {
		if (pages > limit->max - used)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&limit->used, &used, used + pages, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static int charge(struct pcache_object *obj, size_t pages)
{
	if (!obj->limit)
		return 0;
	if (!take_of(obj->limit, pages))
		return -ENOSPC;
	if (commit_try(pages))
		return 0;
	atomic_fetch_sub_explicit(&obj->limit->used, pages, memory_order_relaxed);
	return -ENOSPC;
}

void shm_uncharge(struct pcache_object *obj, size_t pages)
{
	if (!obj->limit || pages == 0)
		return;
	commit_release(pages);
	atomic_fetch_sub_explicit(&obj->limit->used, pages, memory_order_relaxed);
}

/* ---- pages ---- */
/* Charged. -EEXIST: another thread was first; -EAGAIN: there was no memory for the tree, and is by now. */
static int zeros_insert(struct pcache_object *obj, pgidx_t index, struct page **out)
{
	struct page *page = frame_get_far();
	unsigned long flags;
	int err;

	if (!page)
		return -ENOMEM;
	memset(page_va(page), 0, PAGE_SIZE);
	flags = spin_lock(&obj->lock);
	err = page_insert_locked(obj, index, page, PAGE_UPTODATE | PAGE_BACKED);
	spin_unlock(&obj->lock, flags);
	if (err) {
		frame_free(page);
		return err == -ENOMEM && reclaim_wait(1) ? -EAGAIN : err;
	}
	*out = page;
	return 0;
}

static int charge_and_insert(struct pcache_object *obj, pgidx_t index, struct page **out)
{
	int err = charge(obj, 1);

	if (err)
		return err;
	err = zeros_insert(obj, index, out);
	if (err)
		shm_uncharge(obj, 1);
	return err;
}

int shm_get(struct pcache_object *obj, pgidx_t index, struct page **out)
{
	int err;

	assert(obj->memory && index < pages_in(obj->size));
	do {
		*out = pcache_find(obj, index);
		err = *out ? 0 : charge_and_insert(obj, index, out);
	} while (err == -EEXIST || err == -EAGAIN);
	return err;
}

struct page *shm_peek(struct pcache_object *obj, pgidx_t index)
{
	struct page *page = pcache_find(obj, index);

	if (!page) {
		page = zero_page;
		page_pin(page);
	}
	return page;
}

static bool is_there(struct pcache_object *obj, pgidx_t index)
{
	unsigned long flags = spin_lock(&obj->lock);
	bool there = radix_get(&obj->pages, index);

	spin_unlock(&obj->lock, flags);
	return there;
}

static bool find_next(struct pcache_object *obj, pgidx_t *index)
{
	unsigned long flags = spin_lock(&obj->lock);
	bool found = radix_next(&obj->pages, index);

	spin_unlock(&obj->lock, flags);
	return found;
}

bool shm_next(struct pcache_object *obj, pgidx_t *index, pgidx_t last, bool missing)
{
	if (!missing)
		return find_next(obj, index) && *index <= last;
	while (*index <= last && is_there(obj, *index))
		++*index;
	return *index <= last;
}

int shm_fill(struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	size_t missing = last - first + 1;
	pgidx_t index;
	int err;

	assert(rwlock_owned_write(&obj->map_lock)); // no other thread brings pages, or takes them
	for (index = first; shm_next(obj, &index, last, false); index++)
		missing--;
	err = charge(obj, missing);
	if (err)
		return err;
	for (index = first; missing > 0 && shm_next(obj, &index, last, true);) {
		struct page *page;

		err = zeros_insert(obj, index, &page);
		if (!err) {
			pcache_put(page);
			missing--;
		} else if (err != -EAGAIN) {
			break;
		}
	}
	shm_uncharge(obj, missing);
	return missing ? err : 0;
}

void shm_clear(struct pcache_object *obj, uint64_t from, uint64_t to)
{
	pgidx_t index = from / PAGE_SIZE;

	while (from < to && shm_next(obj, &index, (to - 1) / PAGE_SIZE, false)) {
		const uint64_t start = max_of(from, index * PAGE_SIZE), end = min_of(to, (index + 1) * PAGE_SIZE);
		struct page *page = pcache_find(obj, index++);

		memset((char *)page_va(page) + start % PAGE_SIZE, 0, end - start);
		pcache_put(page);
	}
}
