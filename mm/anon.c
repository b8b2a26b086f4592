// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Private memory: the zero page until the first store, then a frame of its own. The page-table entry is the only record
 * of the frame. Sleeps for frames; takes space.lock.
 */

#include <errno.h>
#include <string.h>

#include "arch/cache.h"
#include "mm/reclaim.h"
#include "mm/shootdown.h"
#include "mm/vma.h"

/*
 * What the entry shows is taken away before a frame of its own replaces it, and is gone from all harts then: or one of
 * them might still read the old page when another has stored into the new one.
 */
static enum fault_step make_way_locked(const struct fault *f, struct pt_batch *batch)
{
	enum fault_step step = fault_recheck_locked(f);
	pte_t old = pt_get(f->va);
	struct page *shown = pte_is_none(old) ? NULL : entry_page(old);

	if (step != FAULT_STEP_DONE || !shown)
		return step;
	if (shown != zero_page && !page_is_cached(shown))
		return FAULT_STEP_AGAIN; // another thread was first
	pt_exchange(f->va, pte_none());
	shootdown_add_locked(batch, f->va);
	if (page_is_cached(shown))
		page_mapped_add_locked(shown, -1);
	return step;
}

enum fault_step anon_install(const struct fault *f, struct page *frame)
{
	struct pt_batch batch = PT_BATCH_INIT;
	unsigned changes = 0; // at the last look
	enum fault_step step;

	for (bool first = true;; first = false) {
		unsigned long flags = spin_lock(&space.lock);

		step = make_way_locked(f, &batch);
		/* Others may have taken it away: before the first look, or have shown it and taken it away since. */
		if (first || changes != shootdown_changes_locked(f->va))
			shootdown_join_locked(&batch);
		changes = shootdown_changes_locked(f->va);
		if (step == FAULT_STEP_DONE && batch.count == 0) {
			pt_exchange(f->va, pte_make(page_pa(frame), f->rights));
			pt_fence(f->va);
			space.anon_frames++;
			frame = NULL;
		}
		spin_unlock(&space.lock, flags);
		if (batch.count == 0)
			break;
		shootdown(&batch);
	}
	if (frame)
		frame_free(frame);
	return step;
}

static enum fault_step show_zeros(const struct fault *f)
{
	enum fault_step step;
	unsigned long flags;
	pte_t old;

	if (f->access == FAULT_EXEC)
		icache_sync();
	flags = spin_lock(&space.lock);
	step = fault_recheck_locked(f);
	old = pt_get(f->va);
	/* Zeros may be shown with fewer rights than the mapping gives by now. Else another thread was first. */
	if (step == FAULT_STEP_DONE && (pte_is_none(old) || entry_page(old) == zero_page)) {
		pt_exchange(f->va, pte_make(page_pa(zero_page), (f->rights & ~PT_W) | pte_rights(old)));
		pt_fence(f->va);
	}
	spin_unlock(&space.lock, flags);
	return step;
}

enum fault_step anon_make_executable(const struct fault *f)
{
	const enum pt_rights rights = f->rights | pte_rights(f->shown);
	enum fault_step step;
	unsigned long flags;

	icache_sync();
	flags = spin_lock(&space.lock);
	step = fault_recheck_locked(f);
	if (step == FAULT_STEP_DONE && !pt_replace(f->va, f->shown, pte_make(pte_pa(f->shown), rights)))
		step = FAULT_STEP_AGAIN; // it is other memory by now, or was made executable
	pt_fence(f->va);
	spin_unlock(&space.lock, flags);
	return step;
}

enum fault_step fault_anon(const struct fault *f, int *error)
{
	const bool store = f->access == FAULT_WRITE;
	struct page *frame = store ? frame_get_far() : NULL;

	if (store && !frame) {
		*error = ENOMEM;
		return FAULT_STEP_FAILED;
	}
	if (fault_prepare_table(f)) {
		if (frame)
			frame_free(frame);
		*error = ENOMEM;
		return FAULT_STEP_FAILED;
	}
	if (!store)
		return show_zeros(f);
	frame_clear(frame);
	return anon_install(f, frame);
}
