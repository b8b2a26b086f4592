// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Wired stacks in the STACK window, each with unmapped pages below it. The window is cut into slots of powers of two
 * pages. Free slots of one size form a list whose links lie in the entries of their first pages, which belong to the
 * guard and are invalid to the hardware in any case. Does not sleep.
 */

#include <assert.h>
#include <errno.h>

#include "arch/context.h"
#include "arch/riscv/pte.h"
#include "arch/riscv/riscv.h"
#include "arch/upcall.h"

#define SLOT_CLASSES 19 // up to 1 GiB

static struct {
	atomic_flag lock; // guards all here and the window's entries
	vaddr_t next;	  // the window is untouched from here
	vaddr_t free[SLOT_CLASSES];
} stacks = {.lock = ATOMIC_FLAG_INIT, .next = STACK_BASE};

/* The entry of a page of the window, making tables on the way; NULL: no memory. */
static uint64_t *entry_locked(vaddr_t va)
{
	uint64_t *table = pt_root;

	for (unsigned level = 2; level > 0; level--) {
		uint64_t *entry = &table[pte_index(va, level)];

		if (!*entry) {
			uint64_t *new = upcall_frame_take();

			if (!new)
				return NULL;
			for (size_t i = 0; i < PTE_COUNT; i++)
				new[i] = 0;
			*entry = pte_of(va_to_pa(new)) | PTE_V;
		}
		table = pa_to_va(pte_address(*entry));
	}
	return &table[pte_index(va, 0)];
}

/* Smallest class whose slots hold so many pages. */
static unsigned slot_class(size_t pages)
{
	unsigned class = 0;

	while ((1ul << class) < pages)
		class ++;
	return class;
}

static int slot_take_locked(unsigned class, vaddr_t *slot)
{
	uint64_t *guard;
	vaddr_t start = stacks.free[class];

	if (start) {
		guard = entry_locked(start);
		assert(guard);
		stacks.free[class] = *guard;
		*guard = 0;
	} else {
		start = stacks.next;
		if (start + (PAGE_SIZE << class) > STACK_BASE + STACK_SIZE || !entry_locked(start))
			return -ENOMEM;
		stacks.next = start + (PAGE_SIZE << class);
	}
	*slot = start;
	return 0;
}

/* Unmaps the pages of a slot from `from` to `to` and gives them back, then the slot itself. */
static void slot_give_locked(unsigned class, vaddr_t slot, vaddr_t from, vaddr_t to)
{
	uint64_t *guard = entry_locked(slot);

	assert(guard);
	/* A frame is given back only when no entry in the hart shows it: so twice over the pages. */
	for (vaddr_t va = from; va < to; va += PAGE_SIZE)
		*entry_locked(va) &= ~PTE_V;
	__asm__ volatile("sfence.vma" ::: "memory");
	for (vaddr_t va = from; va < to; va += PAGE_SIZE) {
		uint64_t *entry = entry_locked(va);

		upcall_frame_give(pa_to_va(pte_address(*entry)));
		*entry = 0;
	}
	*guard = stacks.free[class]; // page aligned, so V is clear
	stacks.free[class] = slot;
}

int stack_alloc(size_t size, size_t guard, vaddr_t *base, vaddr_t *top)
{
	unsigned long flags;
	unsigned class;
	vaddr_t slot, va;
	int err;

	if (size > STACK_SIZE || guard > STACK_SIZE - size)
		return -ENOMEM;
	class = slot_class((size + guard) / PAGE_SIZE);
	if (class >= SLOT_CLASSES)
		return -ENOMEM;
	flags = arch_lock(&stacks.lock);
	err = slot_take_locked(class, &slot);
	if (err)
		goto unlock;
	for (va = slot + guard; va < slot + guard + size; va += PAGE_SIZE) {
		uint64_t *entry = entry_locked(va);
		void *frame = entry ? upcall_frame_take() : NULL;

		if (!frame) {
			slot_give_locked(class, slot, slot + guard, va);
			err = -ENOMEM;
			goto unlock;
		}
		*entry = pte_of(va_to_pa(frame)) | PTE_V | PTE_R | PTE_W | PTE_G | PTE_A | PTE_D;
	}
	__asm__ volatile("sfence.vma" ::: "memory");
	*base = slot + guard;
	*top = va;
unlock:
	arch_unlock(&stacks.lock, flags);
	return err;
}

void stack_free(vaddr_t base, vaddr_t top, size_t guard)
{
	vaddr_t slot = base - guard;
	unsigned long flags = arch_lock(&stacks.lock);

	slot_give_locked(slot_class((top - slot) / PAGE_SIZE), slot, base, top);
	arch_unlock(&stacks.lock, flags);
}
