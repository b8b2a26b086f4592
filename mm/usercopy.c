// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Pinning application pages. The entry is read and its page pinned under the address space's lock: entries are changed
 * under it, and frames are freed after that, so a page seen there does not go before the pin. Sleeps in faults and for
 * the page lock's owner never.
 */

#include "mm/usercopy.h"

#include <assert.h>
#include <errno.h>

#include "arch/uaccess.h"
#include "mm/pcache_internal.h"
#include "mm/vma.h"

/* Kernel memory as it is, if it is memory at all. */
static int pin_kernel(vaddr_t at, size_t len, struct user_pin *out)
{
	uint32_t word;

	if (at + len < at || !uaccess_peek32((const void *)align_down(at, 4ul), &word) ||
	    !uaccess_peek32((const void *)align_down(at + len - 1, 4ul), &word))
		return -EFAULT;
	out->kva = (void *)at;
	out->len = len;
	return 0;
}

/* Pins what the entry shows if it may be read. */
static bool pin_shown(vaddr_t va, struct user_pin *out)
{
	unsigned long flags = spin_lock(&space.lock);
	struct vma *vma = vma_find_locked(va);
	pte_t e = vma ? pt_get(va) : pte_none();
	bool shown = pte_is_present(e) && (pte_rights(e) & PT_R);

	if (shown) {
		out->page = entry_page(e);
		out->vma = vma;
		page_pin(out->page);
		vma_ref(vma);
	}
	spin_unlock(&space.lock, flags);
	return shown;
}

int user_pin(const void *app, size_t len, struct user_pin *out)
{
	const vaddr_t at = (vaddr_t)app;
	int error;

	assert(len > 0);
	*out = (struct user_pin){0};
	if (at < MMAP_MIN || at >= MMAP_MAX)
		return pin_kernel(at, len, out);
	while (!pin_shown(at, out)) {
		if (fault_serve(at, FAULT_READ, &error) != FAULT_OK)
			return -EFAULT;
	}
	out->kva = (char *)page_va(out->page) + (at & PAGE_MASK);
	out->len = min_of(len, PAGE_SIZE - (at & PAGE_MASK));
	return 0;
}

bool user_shows(const void *app, size_t len, const struct page *page)
{
	const vaddr_t ends[] = {(vaddr_t)app, (vaddr_t)app + len - 1};
	const struct pcache_object *obj = page->object;
	unsigned long flags = spin_lock(&space.lock);
	bool shows = false;

	for (size_t i = 0; obj && obj->mappings.root && i < array_size(ends); i++) {
		const struct vma *vma = vma_find_locked(ends[i]);

		shows |= vma && vma_is_shared(vma) && vma->object == obj && vma_index(vma, ends[i]) == page->index;
	}
	spin_unlock(&space.lock, flags);
	return shows;
}

void user_unpin(struct user_pin *pin)
{
	if (!pin->page)
		return;
	pcache_put(pin->page);
	vma_put(pin->vma);
	*pin = (struct user_pin){0};
}
