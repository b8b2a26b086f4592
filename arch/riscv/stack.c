// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Wired stacks in the STACK window, each with unmapped pages below it. The window is cut into slots of powers of two
 * pages. Free slots of one size form a list whose links lie in the entries of their first pages, which belong to the
 * guard and are invalid to the hardware in any case. A few stacks that were freed stay
 * mapped for the next thread. A slot in hand is its owner's; fences are made without the lock.
 * Does not sleep.
 */

#include <assert.h>
#include <errno.h>

#include "arch/context.h"
#include "arch/riscv/pte.h"
#include "arch/riscv/riscv.h"
#include "arch/upcall.h"

#define SLOT_CLASSES 19 // up to 1 GiB

#define CACHE_ENTRIES 8
#define CACHE_PAGES_MAX 160 // two stacks of threads by default, or as many kernel stacks as there are entries

struct stack {
	vaddr_t base, top; // 0: none
	size_t guard;
};

static struct {
	atomic_flag lock;		   // guards all here and the window's entries
	struct stack cache[CACHE_ENTRIES]; // freed, and still mapped
	size_t cache_pages;
	vaddr_t next; // the window is untouched from here
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

/* Takes the pages of a slot from `from` to `to` away, in two steps: no hart may know them when they are given back. */
static void pages_hide_locked(vaddr_t from, vaddr_t to)
{
	for (vaddr_t va = from; va < to; va += PAGE_SIZE)
		*entry_locked(va) &= ~PTE_V;
}

static void slot_give_locked(unsigned class, vaddr_t slot, vaddr_t from, vaddr_t to)
{
	uint64_t *guard = entry_locked(slot);

	assert(guard);
	for (vaddr_t va = from; va < to; va += PAGE_SIZE) {
		uint64_t *entry = entry_locked(va);

		upcall_frame_give(pa_to_va(pte_address(*entry)));
		*entry = 0;
	}
	*guard = stacks.free[class]; // page aligned, so V is clear
	stacks.free[class] = slot;
}

static void slot_give(unsigned class, vaddr_t slot, vaddr_t from, vaddr_t to)
{
	unsigned long flags = arch_lock(&stacks.lock);

	pages_hide_locked(from, to);
	arch_unlock(&stacks.lock, flags);
	tlb_flush(from, to);
	flags = arch_lock(&stacks.lock);
	slot_give_locked(class, slot, from, to);
	arch_unlock(&stacks.lock, flags);
}

/* Maps frames from `va` on, up to `to` or until there are none. Returns how far. */
static vaddr_t pages_show_locked(vaddr_t va, vaddr_t to)
{
	for (; va < to; va += PAGE_SIZE) {
		uint64_t *entry = entry_locked(va);
		void *frame = entry ? upcall_frame_take() : NULL;

		if (!frame)
			break;
		*entry = pte_of(va_to_pa(frame)) | PTE_V | PTE_R | PTE_W | PTE_G | PTE_A | PTE_D;
	}
	return va;
}

static size_t stack_pages(const struct stack *stack)
{
	return (stack->top - stack->base) / PAGE_SIZE;
}

/* One of that size, as it was left; no hart has anything to forget. */
static bool cache_take(size_t size, size_t guard, vaddr_t *base, vaddr_t *top)
{
	unsigned long flags = arch_lock(&stacks.lock);
	bool found = false;

	for (struct stack *s = stacks.cache; s < stacks.cache + CACHE_ENTRIES && !found; s++) {
		if (!s->base || s->top - s->base != size || s->guard != guard)
			continue;
		found = true;
		stacks.cache_pages -= stack_pages(s);
		*base = s->base;
		*top = s->top;
		*s = (struct stack){0};
	}
	arch_unlock(&stacks.lock, flags);
	return found;
}

static bool cache_put(const struct stack *stack)
{
	unsigned long flags = arch_lock(&stacks.lock);
	bool put = false;

	for (struct stack *s = stacks.cache; s < stacks.cache + CACHE_ENTRIES && !put; s++) {
		if (s->base || stacks.cache_pages + stack_pages(stack) > CACHE_PAGES_MAX)
			continue;
		put = true;
		stacks.cache_pages += stack_pages(stack);
		*s = *stack;
	}
	arch_unlock(&stacks.lock, flags);
	return put;
}

int stack_alloc(size_t size, size_t guard, vaddr_t *base, vaddr_t *top)
{
	vaddr_t slot, end = 0, reached = 0;
	unsigned long flags;
	unsigned class;
	int err;

	if (size > STACK_SIZE || guard > STACK_SIZE - size)
		return -ENOMEM;
	if (cache_take(size, guard, base, top))
		return 0;
	class = slot_class((size + guard) / PAGE_SIZE);
	if (class >= SLOT_CLASSES)
		return -ENOMEM;
	flags = arch_lock(&stacks.lock);
	err = slot_take_locked(class, &slot);
	if (!err) {
		end = slot + guard + size;
		reached = pages_show_locked(slot + guard, end);
	}
	arch_unlock(&stacks.lock, flags);
	if (err)
		return err;
	if (reached < end) {
		slot_give(class, slot, slot + guard, reached);
		return -ENOMEM;
	}
	/* A hart may remember that there was nothing, and kernel memory must not fault. */
	tlb_flush(slot + guard, end);
	*base = slot + guard;
	*top = end;
	return 0;
}

void stack_free(vaddr_t base, vaddr_t top, size_t guard)
{
	vaddr_t slot = base - guard;

	if (cache_put(&(struct stack){base, top, guard}))
		return;
	slot_give(slot_class((top - slot) / PAGE_SIZE), slot, base, top);
}
