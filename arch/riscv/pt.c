// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Page tables of the low half. Entries are changed by atomic operations, since hardware may set A and D in them, so
 * reading and changing entries needs no lock here; making and pruning tables is ordered by the caller's lock against
 * each other and against changes of entries they cover. Tables of the middle level stay once made. Never sleeps.
 */

#include "arch/pt.h"

#include <assert.h>
#include <errno.h>

#include "arch/riscv/pte.h"
#include "arch/riscv/riscv.h"

#define PTE_RWX (PTE_R | PTE_W | PTE_X)
#define PTE_AD (PTE_A | PTE_D)

typedef _Atomic(uint64_t) entry_t;

static atomic_size_t table_count;

/* ---- values ---- */
pte_t pte_none(void)
{
	return (pte_t){0};
}

pte_t pte_make(paddr_t pa, enum pt_rights rights)
{
	uint64_t v = pte_of(pa) | PTE_V | PTE_A;

	assert(rights && !(rights & PT_W && !(rights & PT_R)));
	if (rights & PT_R)
		v |= PTE_R;
	if (rights & PT_W)
		v |= PTE_W | PTE_D;
	if (rights & PT_X)
		v |= PTE_X;
	return (pte_t){v};
}

pte_t pte_hold(paddr_t pa)
{
	return (pte_t){pte_of(pa) | PTE_HELD};
}

bool pte_is_none(pte_t e)
{
	return e.v == 0;
}

bool pte_is_present(pte_t e)
{
	return e.v & PTE_V;
}

bool pte_is_held(pte_t e)
{
	return e.v & PTE_HELD;
}

paddr_t pte_pa(pte_t e)
{
	return pte_address(e.v);
}

enum pt_rights pte_rights(pte_t e)
{
	return (e.v & PTE_R ? PT_R : 0) | (e.v & PTE_W ? PT_W : 0) | (e.v & PTE_X ? PT_X : 0);
}

bool pte_young(pte_t e)
{
	return e.v & PTE_A;
}

bool pte_is_sound(pte_t e)
{
	return !(e.v & PTE_W) || (e.v & (PTE_R | PTE_D)) == (PTE_R | PTE_D);
}

pte_t pte_narrow(pte_t e, enum pt_rights keep)
{
	enum pt_rights rights = pte_rights(e) & keep;
	pte_t narrow;

	if (!rights)
		return pte_hold(pte_pa(e));
	narrow = pte_make(pte_pa(e), rights);
	narrow.v &= ~PTE_A | (e.v & PTE_A);
	return narrow;
}

/* ---- tables ---- */
/* The table of the level below, NULL if there is none. */
static entry_t *table_below(entry_t *table, vaddr_t va, unsigned level)
{
	/* Acquire pairs with the release in table_make: the new table is seen empty, not as the frame was before. */
	uint64_t e = atomic_load_explicit(&table[pte_index(va, level)], memory_order_acquire);

	return e ? pa_to_va(pte_address(e)) : NULL;
}

static entry_t *leaf_table(vaddr_t va)
{
	entry_t *table;

	assert(va < MMAP_MAX);
	table = table_below((entry_t *)pt_root, va, 2);
	return table ? table_below(table, va, 1) : NULL;
}

static entry_t *leaf_entry(vaddr_t va)
{
	entry_t *table = leaf_table(va);

	return table ? &table[pte_index(va, 0)] : NULL;
}

static entry_t *table_make(entry_t *table, vaddr_t va, unsigned level, void *(*take)(void))
{
	entry_t *below = table_below(table, va, level);

	if (below)
		return below;
	below = take();
	if (!below)
		return NULL;
	for (size_t i = 0; i < PTE_COUNT; i++)
		atomic_init(&below[i], 0);
	atomic_store_explicit(&table[pte_index(va, level)], pte_of(va_to_pa(below)) | PTE_V, memory_order_release);
	atomic_fetch_add_explicit(&table_count, 1, memory_order_relaxed);
	return below;
}

int pt_prepare(vaddr_t va, void *(*take)(void))
{
	entry_t *middle;

	assert(va < MMAP_MAX);
	middle = table_make((entry_t *)pt_root, va, 2, take);
	return middle && table_make(middle, va, 1, take) ? 0 : -ENOMEM;
}

bool pt_has_table(vaddr_t va)
{
	return leaf_table(va);
}

static bool table_is_empty(const entry_t *table)
{
	for (size_t i = 0; i < PTE_COUNT; i++) {
		if (atomic_load_explicit(&table[i], memory_order_relaxed))
			return false;
	}
	return true;
}

void *pt_prune(vaddr_t from, vaddr_t to, void *chain)
{
	for (vaddr_t va = align_up(from, pte_span(1)); va < to && to - va >= pte_span(1); va += pte_span(1)) {
		entry_t *middle = table_below((entry_t *)pt_root, va, 2);
		entry_t *leaf = middle ? table_below(middle, va, 1) : NULL;

		if (!leaf || !table_is_empty(leaf))
			continue;
		atomic_store_explicit(&middle[pte_index(va, 1)], 0, memory_order_relaxed);
		atomic_fetch_sub_explicit(&table_count, 1, memory_order_relaxed);
		/* A hart that still remembers the table finds an entry without V. */
		atomic_store_explicit(&leaf[0], (uint64_t)chain, memory_order_relaxed);
		chain = leaf;
	}
	return chain;
}

void pt_pruned_flush(void *chain)
{
	if (chain)
		tlb_flush_all();
}

size_t pt_table_count(void)
{
	return atomic_load_explicit(&table_count, memory_order_relaxed);
}

/* ---- entries ---- */
pte_t pt_get(vaddr_t va)
{
	entry_t *entry = leaf_entry(va);

	return (pte_t){entry ? atomic_load_explicit(entry, memory_order_acquire) : 0};
}

bool pt_replace(vaddr_t va, pte_t old, pte_t new)
{
	entry_t *entry = leaf_entry(va);
	uint64_t now;

	assert(entry);
	now = atomic_load_explicit(entry, memory_order_relaxed);
	do {
		if ((now ^ old.v) & ~PTE_AD)
			return false;
		/* Release: what was stored into the frame comes before the entry that shows it. */
	} while (
	    !atomic_compare_exchange_weak_explicit(entry, &now, new.v, memory_order_acq_rel, memory_order_relaxed));
	return true;
}

pte_t pt_exchange(vaddr_t va, pte_t new)
{
	entry_t *entry = leaf_entry(va);

	assert(entry);
	return (pte_t){atomic_exchange_explicit(entry, new.v, memory_order_acq_rel)};
}

/* A is touched only in entries that are present: in others the bit is part of nothing. */
void pt_make_old(vaddr_t va)
{
	entry_t *entry = leaf_entry(va);

	if (entry && atomic_load_explicit(entry, memory_order_relaxed) & PTE_V)
		atomic_fetch_and_explicit(entry, ~PTE_A, memory_order_relaxed);
}

void pt_make_young(vaddr_t va)
{
	entry_t *entry = leaf_entry(va);
	uint64_t now = entry ? atomic_load_explicit(entry, memory_order_relaxed) : 0;

	while (now & PTE_V && !atomic_compare_exchange_weak_explicit(entry, &now, now | PTE_A, memory_order_relaxed,
								     memory_order_relaxed))
		;
}

/* Where the span of the level around va ends. */
static vaddr_t next_span(vaddr_t va, unsigned level)
{
	return align_down(va, pte_span(level)) + pte_span(level);
}

vaddr_t pt_next(vaddr_t from, vaddr_t to)
{
	vaddr_t va = from;

	while (va < to) {
		entry_t *middle = table_below((entry_t *)pt_root, va, 2);
		entry_t *leaf = middle ? table_below(middle, va, 1) : NULL;

		if (!leaf) {
			va = next_span(va, middle ? 1 : 2);
			continue;
		}
		for (vaddr_t end = min_of(to, next_span(va, 1)); va < end; va += PAGE_SIZE) {
			if (atomic_load_explicit(&leaf[pte_index(va, 0)], memory_order_relaxed))
				return va;
		}
	}
	return to;
}

/* ---- what harts remember of entries ---- */
void pt_fence(vaddr_t va)
{
	tlb_fence(va);
}

void pt_fence_tables(vaddr_t va)
{
	(void)va;
	tlb_fence_all(); // with an address it would order leaf entries alone
}

void pt_batch_add(struct pt_batch *b, vaddr_t va)
{
	b->from = b->count ? min_of(b->from, va) : va;
	b->to = b->count ? max_of(b->to, va + PAGE_SIZE) : va + PAGE_SIZE;
	b->count++;
}

void pt_batch_add_all(struct pt_batch *b)
{
	b->from = 0;
	b->to = MMAP_MAX;
	b->count++;
}

void pt_batch_flush(struct pt_batch *b)
{
	if (b->count)
		tlb_flush(b->from, b->to);
	*b = (struct pt_batch)PT_BATCH_INIT;
}

/* ---- checking ---- */

static bool kernel_entry_is_sound(uint64_t e)
{
	return e & PTE_A && pte_is_sound((pte_t){e}) && (e & (PTE_W | PTE_X)) != (PTE_W | PTE_X);
}

/* All that lies below an entry of the table. */
static bool table_is_sound(const entry_t *table, size_t first, unsigned level)
{
	for (size_t i = first; i < PTE_COUNT; i++) {
		const uint64_t e = atomic_load_explicit(&table[i], memory_order_acquire); // pairs with table_make

		if (!(e & PTE_V))
			continue;
		if (e & PTE_RWX ? !kernel_entry_is_sound(e)
				: level == 0 || !table_is_sound(pa_to_va(pte_address(e)), 0, level - 1))
			return false;
	}
	return true;
}

bool pt_kernel_is_sound(void)
{
	return table_is_sound((const entry_t *)pt_root, PTE_COUNT / 2, 2);
}
