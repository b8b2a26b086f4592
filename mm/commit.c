// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Promises of memory. There is no swap, so private writable memory is promised when it is mapped, a memory object when
 * it is made, and a fault later does not fail for want of a frame: mmap does, now, with a line that says why. Files in
 * memory are promised as they grow. What can be promised is RAM less the kernel's own, the reserve and a smallest page
 * cache; mm/tunable.h. Takes space.lock; does not sleep.
 */

#include <errno.h>

#include "kernel/log.h"
#include "mm/pcache_internal.h"
#include "mm/tunable.h"
#include "mm/vma.h"

/* This share of the frames that could be private memory; those neither free nor cached nor private are the kernel's. */
static size_t limit_locked(enum tunable_id percent)
{
	size_t usable = frame_free_count() + atomic_load(&cache_counts.pages) + atomic_load(&cache_counts.memory) +
			space.anon_frames;
	size_t keep = frame_reserve() + tunable_pages(TUNE_CACHE_RESERVE_KBYTES);

	return usable > keep ? (usable - keep) * tunable(percent) / 100 : 0;
}

static bool promise(size_t pages, size_t *limit, size_t *promised)
{
	unsigned long flags = spin_lock(&space.lock);
	bool fits;

	*limit = limit_locked(TUNE_OVERCOMMIT_RATIO);
	*promised = space.committed;
	fits = *promised <= *limit && pages <= *limit - *promised;
	if (fits)
		space.committed += pages;
	spin_unlock(&space.lock, flags);
	return fits;
}

bool commit_try(size_t pages)
{
	size_t limit, promised;

	return promise(pages, &limit, &promised);
}

int commit_charge(size_t pages, const char *what)
{
	size_t limit, promised;

	if (promise(pages, &limit, &promised))
		return 0;
	log_warning("%s: no memory for %zu KiB more: %zu of %zu KiB of RAM are promised to private memory "
		    "(MAP_NORESERVE maps without a promise)",
		    what, pages * PAGE_SIZE >> 10, promised * PAGE_SIZE >> 10, limit * PAGE_SIZE >> 10);
	return -ENOMEM;
}

void commit_release(size_t pages)
{
	unsigned long flags = spin_lock(&space.lock);

	space.committed -= pages;
	spin_unlock(&space.lock, flags);
}

/* Of frames that devices reach, which is where files' pages are, and the kernel's: locked pages may be all of these. */
static size_t lock_limit_locked(void)
{
	const size_t near = frame_near_free_count() + atomic_load(&cache_counts.pages);
	const size_t keep = frame_reserve() + tunable_pages(TUNE_CACHE_RESERVE_KBYTES);
	const size_t limit = limit_locked(TUNE_MLOCK_RATIO);

	if (frame_near_total() == frame_total())
		return limit;
	return min_of(limit, near > keep ? (near - keep) * tunable(TUNE_MLOCK_RATIO) / 100 : 0);
}

int commit_lock(size_t pages, const char *what)
{
	unsigned long flags = spin_lock(&space.lock);
	size_t limit = lock_limit_locked(), locked = space.locked;
	bool fits = locked <= limit && pages <= limit - locked;

	if (fits)
		space.locked += pages;
	spin_unlock(&space.lock, flags);
	if (fits)
		return 0;
	log_warning("%s: no memory to lock %zu KiB more: %zu KiB are locked, and at most %zu KiB may be", what,
		    pages * PAGE_SIZE >> 10, locked * PAGE_SIZE >> 10, limit * PAGE_SIZE >> 10);
	return -ENOMEM;
}

void commit_unlock(size_t pages)
{
	unsigned long flags = spin_lock(&space.lock);

	space.locked -= pages;
	spin_unlock(&space.lock, flags);
}

void commit_take_over(size_t promised, size_t locked)
{
	unsigned long flags = spin_lock(&space.lock);

	space.committed += promised;
	space.locked += locked;
	spin_unlock(&space.lock, flags);
}

/* Private memory that can be written is promised; what is shared has a file behind it, or is promised with its object.
 */
bool vma_needs_charge(const struct vma *vma, enum map_prot prot)
{
	return prot & MAP_W && !vma->noreserve && !vma_is_shared(vma);
}

void vma_uncharge(struct vma *vma)
{
	if (vma->charged)
		commit_release(vma_pages(vma));
	if (vma->locked)
		commit_unlock(vma_pages(vma));
	vma->charged = vma->locked = vma->on_fault = false;
}

void map_stats(struct map_stats *out)
{
	unsigned long flags = spin_lock(&space.lock);

	*out = (struct map_stats){.anon = space.anon_frames + atomic_load(&cache_counts.memory),
				  .shared = atomic_load(&cache_counts.memory),
				  .locked = space.locked,
				  .committed = space.committed,
				  .commit_limit = limit_locked(TUNE_OVERCOMMIT_RATIO)};
	spin_unlock(&space.lock, flags);
}
