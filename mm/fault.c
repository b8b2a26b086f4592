// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The page fault, docs/design.md section 4: find the mapping and decide (fault_find), fetch the page (fault_file,
 * fault_memory, fault_anon), look whether the world is still as it was found, install the entry (install,
 * anon_install).
 *
 * While it waits for a frame or for the card it holds no lock of the address space: the mapping is pinned, which keeps
 * its object, and told again by its generation. It holds the object's map_lock shared from before the page is got until
 * the entry stands, so that no truncate comes between (I2); only what finds its page in the cache does without. Runs as
 * a call of the faulting thread, may sleep, does not nest.
 *
 * The right to execute is in an entry only once somebody has executed there, and all harts fetch the page as it was
 * then (icache_sync); so other faults need not care. What is stored later is fetched after the application's own fence.
 */

#include <assert.h>
#include <errno.h>

#include "arch/cache.h"
#include "arch/hart.h"
#include "kernel/thread.h"
#include "mm/pcache_internal.h"
#include "mm/reclaim.h"
#include "mm/shm.h"
#include "mm/tunable.h"
#include "mm/vma.h"

static enum pt_rights rights_for(enum fault_access access)
{
	switch (access) {
	case FAULT_READ:
		return PT_R;
	case FAULT_WRITE:
		return PT_W;
	default:
		return PT_X;
	}
}

static bool entry_is_private(pte_t e)
{
	struct page *page;

	if (pte_is_none(e))
		return false;
	page = entry_page(e);
	return page != zero_page && !page_is_cached(page);
}

/* True if the entry, perhaps after a touch, serves the access: nothing has to be fetched. */
static bool serve_by_entry_locked(struct fault *f, enum pt_rights needed)
{
	const pte_t e = pt_get(f->va);
	const bool private = entry_is_private(e);

	f->shown = pte_none();
	if (pte_is_present(e) && (pte_rights(e) & needed)) {
		/* The access came before the entry, from a hart that remembered an older one, or found A clear. */
		pt_make_young(f->va);
	} else if (private && f->access == FAULT_EXEC) {
		f->shown = e;
		return false;
	} else if (private) {
		/* It is held, or was shown with fewer rights than the mapping gives by now. */
		pt_exchange(f->va, pte_make(pte_pa(e), f->rights | pte_rights(e)));
	} else {
		return false;
	}
	pt_fence_tables(f->va);
	return true;
}

static enum fault_result find_locked(struct fault *f)
{
	const enum pt_rights needed = rights_for(f->access);
	struct vma *vma = vma_find_locked(f->va);

	f->vma = NULL;
	if (!vma)
		return FAULT_MAPERR;
	f->rights = prot_rights(vma->prot);
	if (!(f->rights & needed))
		return FAULT_ACCERR;
	if (f->access != FAULT_EXEC)
		f->rights &= ~PT_X;
	if (serve_by_entry_locked(f, needed))
		return FAULT_OK;
	vma_ref(vma);
	f->vma = vma;
	f->generation = vma->generation;
	f->has_table = pt_has_table(f->va);
	f->index = vma_index(vma, f->va);
	f->ra = vma->ra;
	return FAULT_OK;
}

/* Finds and decides. FAULT_OK with f->vma NULL: served already. */
static enum fault_result fault_find(struct fault *f)
{
	unsigned long flags = spin_lock(&space.lock);
	enum fault_result result = find_locked(f);

	spin_unlock(&space.lock, flags);
	if (result == FAULT_OK)
		return FAULT_OK;
	/* A mapping call may be half done: what it leaves decides. */
	mutex_lock(&space.change);
	flags = spin_lock(&space.lock);
	result = find_locked(f);
	spin_unlock(&space.lock, flags);
	if (result == FAULT_MAPERR && (f->grown_to = grow_to(f->va))) {
		flags = spin_lock(&space.lock);
		result = find_locked(f);
		spin_unlock(&space.lock, flags);
	}
	mutex_unlock(&space.change);
	return result;
}

static void *table_take(void)
{
	struct page *page = frame_alloc_far(); // may use the reserve

	return page ? page_va(page) : NULL;
}

int fault_prepare_table(const struct fault *f)
{
	if (f->has_table)
		return 0;
	for (;;) {
		unsigned long flags = spin_lock(&space.lock);
		int err = pt_prepare(f->va, table_take);
		struct page *page;

		spin_unlock(&space.lock, flags);
		if (!err)
			return 0;
		page = frame_get_far();
		if (!page)
			return -ENOMEM;
		frame_free(page); // now the reserve has one for the next try
	}
}

enum fault_step fault_recheck_locked(const struct fault *f)
{
	if (f->vma->generation != f->generation)
		return FAULT_STEP_AGAIN; // unmapped, replaced or protected meanwhile
	if (!pt_has_table(f->va))
		return FAULT_STEP_AGAIN; // an unmapping beside it freed the empty table
	return FAULT_STEP_DONE;
}

/* ---- files ---- */
/* Shows a page of the cache where nothing was, or with more rights than before. */
static void show_locked(vaddr_t va, struct page *page, enum pt_rights rights)
{
	pte_t old = pt_exchange(va, pte_make(page_pa(page), rights));

	assert(pte_is_none(old) || pte_pa(old) == page_pa(page));
	if (pte_is_none(old))
		page_mapped_add_locked(page, 1);
	if (page_flags(page) & PAGE_EVICTING)
		page_state_change(page->object, page, 0, PAGE_EVICTING);
	pt_fence(va);
}

/*
 * Maps cached neighbours, if they may be read; not what a hole may be under way in. Tells readahead how far the reader
 * will come without a fault.
 */
static void map_around_locked(struct fault *f, struct pcache_object *obj)
{
	const size_t around = tunable(TUNE_FAULT_AROUND_KBYTES) * 1024;
	const vaddr_t window = align_down(f->va, around);
	const vaddr_t from = max_of(window, vma_start(f->vma));
	const vaddr_t to = min_of(window + around, f->vma->end);

	for (vaddr_t va = from; va < to; va += PAGE_SIZE) {
		struct page *page = pte_is_none(pt_get(va)) ? radix_get(&obj->pages, vma_index(f->vma, va)) : NULL;

		if (page && (page_flags(page) & (PAGE_UPTODATE | PAGE_SPARSE)) == PAGE_UPTODATE && f->rights & PT_R)
			show_locked(va, page, PT_R);
	}
	if (f->ra.next == f->index + 1)
		while (f->va + (f->ra.next - f->index) * PAGE_SIZE < to &&
		       !pte_is_none(pt_get(f->va + (f->ra.next - f->index) * PAGE_SIZE)))
			f->ra.next++;
}

int fault_show_cached(struct vma *vma, vaddr_t va)
{
	struct pcache_object *obj = vma->object;
	struct fault f = {.va = va, .access = FAULT_READ, .vma = vma};
	unsigned long flags, inner;

	if (!obj)
		return 0;
	if (fault_prepare_table(&f))
		return -ENOMEM;
	flags = spin_lock(&obj->lock);
	inner = spin_lock(&space.lock);
	f.rights = prot_rights(vma->prot);
	if (vma_find_locked(va) == vma && f.rights & PT_R && pt_has_table(va)) {
		f.index = vma_index(vma, va);
		map_around_locked(&f, obj);
	}
	spin_unlock(&space.lock, inner);
	spin_unlock(&obj->lock, flags);
	return 0;
}

/*
 * Shows a pinned page of the mapping's object: writable, then a file's is dirty from here on (I3), or for reading. The
 * page lock keeps writeback from cleaning it in between. Pages with one of the flags `refused` are left to who has
 * map_lock.
 */
static enum fault_step install(struct fault *f, struct page *page, bool store, unsigned refused)
{
	struct pcache_object *obj = f->vma->object;
	const enum pt_rights rights = store ? f->rights : f->rights & ~PT_W;
	unsigned long flags, inner;
	enum fault_step step;
	pte_t old;

	if (f->access == FAULT_EXEC)
		icache_sync();
	flags = spin_lock(&obj->lock);
	if (page->object != obj || (store && !(page_flags(page) & PAGE_BACKED)) || page_flags(page) & refused) {
		spin_unlock(&obj->lock, flags);
		return FAULT_STEP_AGAIN; // without map_lock: truncated or cut meanwhile
	}
	inner = spin_lock(&space.lock);
	step = fault_recheck_locked(f);
	if (step == FAULT_STEP_DONE) {
		old = pt_get(f->va);
		if (!pte_is_none(old) && pte_pa(old) != page_pa(page)) {
			step = FAULT_STEP_AGAIN; // another thread made a private copy
		} else if (store) {
			page_make_dirty_locked(obj, page);
			atomic_store_explicit(&obj->stored, true, memory_order_relaxed);
			show_locked(f->va, page, rights | pte_rights(old));
		} else {
			/* It may be shown with fewer rights than the mapping gives by now. */
			if (rights & ~pte_rights(old))
				show_locked(f->va, page, rights | pte_rights(old));
			map_around_locked(f, obj);
		}
		f->ra.random = f->vma->ra.random; // may have been advised meanwhile
		f->ra.sequential = f->vma->ra.sequential;
		f->vma->ra = f->ra;
	}
	spin_unlock(&space.lock, inner);
	spin_unlock(&obj->lock, flags);
	return step;
}

/* The page is pinned and good. */
static enum fault_step show_or_copy(struct fault *f, struct page *page, int *error)
{
	bool shared = vma_is_shared_file(f->vma), store = f->access == FAULT_WRITE;
	struct page *copy = NULL;
	int err = 0;

	if (store && shared)
		err = page_reserve(f->vma->object, page);
	else if (store && !(copy = frame_get_far()))
		err = -ENOMEM;
	if (!err)
		err = fault_prepare_table(f);
	if (err) {
		if (copy)
			frame_free(copy);
		*error = -err;
		return FAULT_STEP_FAILED;
	}
	if (!copy)
		return install(f, page, store, 0);
	frame_copy(copy, page);
	return anon_install(f, copy);
}

/*
 * A load of a page that is cached, and a store into one that is backed too, takes no lock that anybody holds across
 * I/O, map_lock included (P4): the page lock is enough, since truncate takes pages out under it. *resident: the page
 * was there.
 */
static enum fault_step show_resident(struct fault *f, bool store, bool *resident)
{
	struct page *page = pcache_find(f->vma->object, f->index);
	enum fault_step step = FAULT_STEP_AGAIN;

	*resident = page;
	if (!page)
		return step;
	if (f->ra.next == f->index)
		f->ra.next++; // the next miss is still part of a sequence
	if (!store || page_flags(page) & PAGE_BACKED)
		step = install(f, page, store, PAGE_SPARSE);
	pcache_put(page);
	return step;
}

/* FAULT_STEP_AGAIN: more is to be done than showing a page. */
static enum fault_step fault_resident(struct fault *f, int *error)
{
	const bool store = f->access == FAULT_WRITE, shared = vma_is_shared_file(f->vma);
	bool resident;
	int err = 0;

	if (store ? !shared : !f->has_table || readahead_is_due(&f->ra, f->index))
		return FAULT_STEP_AGAIN;
	if (show_resident(f, store, &resident) == FAULT_STEP_DONE)
		return FAULT_STEP_DONE;
	/* Only a store that needs a new frame keeps pace with the card (P4). */
	if (store && !resident)
		err = writeback_throttle();
	*error = -err;
	return err ? FAULT_STEP_FAILED : FAULT_STEP_AGAIN;
}

static enum fault_step fault_file(struct fault *f, int *error)
{
	struct pcache_object *obj = f->vma->object;
	enum fault_step step = fault_resident(f, error);
	struct page *page;
	int err = 0;

	if (step != FAULT_STEP_AGAIN)
		return step;
	step = FAULT_STEP_FAILED;
	rwlock_lock_read(&obj->map_lock);
	if (f->index < pages_in(obj->size)) {
		err = pcache_get(obj, f->index, &f->ra, &page);
		if (!err) {
			step = show_or_copy(f, page, error);
			pcache_put(page);
		}
	} // else beyond the last page: no error number tells more
	rwlock_unlock_read(&obj->map_lock);
	if (err)
		*error = -err;
	return step;
}

/* ---- memory objects ---- */
/*
 * Writable at once if the mapping is: nothing is to be learnt from the first store, but by a file, whose time stamps
 * follow it.
 */
static enum fault_step show_memory(struct fault *f, struct page *page, int *error)
{
	const bool store = f->access == FAULT_WRITE || !vma_is_file(f->vma);
	const int err = fault_prepare_table(f);

	*error = -err;
	return err ? FAULT_STEP_FAILED : install(f, page, store, 0);
}

static enum fault_step fault_memory(struct fault *f, int *error)
{
	struct pcache_object *obj = f->vma->object;
	struct page *page = pcache_find(obj, f->index);
	enum fault_step step = FAULT_STEP_FAILED;
	int err = 0;

	if (page) { // without map_lock: as show_resident
		step = show_memory(f, page, error);
		pcache_put(page);
		return step;
	}
	rwlock_lock_read(&obj->map_lock);
	if (f->index < pages_in(obj->size)) {
		err = shm_get(obj, f->index, &page);
		if (!err) {
			step = show_memory(f, page, error);
			pcache_put(page);
		}
	} // else as beyond the end of a file
	rwlock_unlock_read(&obj->map_lock);
	if (err)
		*error = -err;
	return step;
}

/* ---- the call ---- */
static enum fault_step fault_step_of(struct fault *f, int *error)
{
	if (!pte_is_none(f->shown))
		return anon_make_executable(f);
	if (!f->vma->object)
		return fault_anon(f, error);
	return vma_is_shared(f->vma) && f->vma->object->memory ? fault_memory(f, error) : fault_file(f, error);
}

enum fault_result fault_serve(vaddr_t va, enum fault_access access, int *error)
{
	struct fault f;
	enum fault_result result;
	enum fault_step step;

	*error = 0;
	f.va = align_down(va, PAGE_SIZE);
	f.access = access;
	f.grown_to = 0;
	do {
		result = fault_find(&f);
		if (result != FAULT_OK || !f.vma)
			return result;
		step = fault_step_of(&f, error);
		vma_put(f.vma);
	} while (step == FAULT_STEP_AGAIN);
	/* A stack is there before the kernel runs on it. What cannot be had now is faulted in later. */
	if (f.grown_to)
		(void)populate(f.va + PAGE_SIZE, f.grown_to, POPULATE_WRITE);
	return step == FAULT_STEP_DONE ? FAULT_OK : FAULT_ADRERR;
}

enum fault_result trap_page_fault(vaddr_t va, enum fault_access access, int *error)
{
	struct thread *self = thread_self();
	enum fault_result result;

	assert(thread_may_sleep());	// I1
	assert(self->fault_depth == 0); // kernel memory never faults
	lockcheck_fault(&self->held);
	self->fault_depth++;
	result = fault_serve(va, access, error);
	self->fault_depth--;
	return result;
}
