// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Private memory: the zero page until the first store, then a frame of its own. The page-table entry is the only record
 * of the frame. Sleeps for frames; takes space.lock.
 */

#include <errno.h>
#include <string.h>

#include "mm/reclaim.h"
#include "mm/vma.h"

enum fault_step anon_install(const struct fault *f, struct page *frame)
{
	struct pt_batch batch = PT_BATCH_INIT;
	unsigned long flags = spin_lock(&space.lock);
	enum fault_step step = fault_recheck_locked(f);
	pte_t old = pt_get(f->va);
	struct page *shown = pte_is_none(old) ? zero_page : entry_page(old);

	if (step == FAULT_STEP_DONE && shown != zero_page && !page_is_cached(shown)) {
		step = FAULT_STEP_AGAIN; // another thread was first
	} else if (step == FAULT_STEP_DONE) {
		pt_exchange(f->va, pte_make(page_pa(frame), f->rights));
		if (page_is_cached(shown))
			shown->mapped--;
		if (pte_is_none(old))
			pt_fence(f->va);
		else
			pt_batch_add(&batch, f->va); // nobody may go on reading the page that was shown
		space.anon_frames++;
		frame = NULL;
	}
	spin_unlock(&space.lock, flags);
	pt_batch_flush(&batch);
	if (frame)
		frame_free(frame);
	return step;
}

static enum fault_step show_zeros(const struct fault *f)
{
	unsigned long flags = spin_lock(&space.lock);
	enum fault_step step = fault_recheck_locked(f);

	if (step == FAULT_STEP_DONE && pte_is_none(pt_get(f->va))) { // else another thread was first
		pt_exchange(f->va, pte_make(page_pa(zero_page), f->rights & ~PT_W));
		pt_fence(f->va);
	}
	spin_unlock(&space.lock, flags);
	return step;
}

enum fault_step fault_anon(const struct fault *f, int *error)
{
	struct page *frame;

	if (fault_prepare_table(f->va)) {
		*error = ENOMEM;
		return FAULT_STEP_FAILED;
	}
	if (f->access != FAULT_WRITE)
		return show_zeros(f);
	frame = frame_get();
	if (!frame) {
		*error = ENOMEM;
		return FAULT_STEP_FAILED;
	}
	memset(page_va(frame), 0, PAGE_SIZE);
	return anon_install(f, frame);
}
