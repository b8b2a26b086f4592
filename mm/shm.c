// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Memory objects, mm/shm.h. Their pages are in the object's tree like those of a file, shown and found by the same
 * code, but nothing is behind them: a page is uptodate and backed from its first moment until the object goes. Takes
 * the page lock; sleeps for memory.
 */

#include "mm/shm.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "mm/kmalloc.h"
#include "mm/pcache_internal.h"
#include "mm/reclaim.h"
#include "mm/vma.h"

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
	shm->object.memory = true;
	shm->charged = noreserve ? 0 : pages;
	atomic_init(&shm->refs, 1);
	*out = &shm->object;
	return 0;
}

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

int shm_get(struct pcache_object *obj, pgidx_t index, struct page **out)
{
	int err;

	assert(obj->memory && index < pages_in(obj->size));
	do {
		*out = pcache_find(obj, index);
		err = *out ? 0 : zeros_insert(obj, index, out);
	} while (err == -EEXIST || err == -EAGAIN); // another thread was first; there was no memory for the tree
	return err;
}
