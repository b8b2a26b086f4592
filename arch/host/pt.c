// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Page-table entries on the host. The entries are a table of our own: leaf tables are frames, as on the board, so that
 * memory runs out in the same places. An entry that is present and young is *shown*: its page of the memfd is mapped at
 * its address. Clearing A hides it, so that the next access faults, as on hardware that does not set A itself. At most
 * HOST_PAGES_SHOWN_MAX pages are shown; beyond, others are hidden, keep their entry, and come back by a fault.
 * Changes show at once, on all harts: a batch has nothing left to do. Nothing sleeps.
 *
 * One lock guards all here: the harts' faults look at entries beside whoever changes them, as the hardware's walks do.
 * It is no lock of the kernel's, and this file is not compiled with the thread sanitizer: it orders nothing that the
 * board's tables do not.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/host/host.h"
#include "arch/pt.h"

enum {
	PTE_R = PT_R,
	PTE_W = PT_W,
	PTE_X = PT_X,
	PTE_RIGHTS = PTE_R | PTE_W | PTE_X,
	PTE_PRESENT = 1 << 3,
	PTE_HELD = 1 << 4,
	PTE_A = 1 << 5,
	PTE_D = 1 << 6,
	PTE_SHOWN = 1 << 7, // never leaves this file
};

#define LEAF_ENTRIES (PAGE_SIZE / sizeof(uint64_t))
#define LEAF_SPAN (LEAF_ENTRIES * PAGE_SIZE)
#define LEAVES ((MMAP_MAX - MMAP_MIN) / LEAF_SPAN)

static struct host_lock tables; // guards all below, and the leaf tables
static uint64_t *leaves[LEAVES];
static size_t leaf_count;
static size_t shown_count;
static vaddr_t hide_hand = MMAP_MIN;

static bool in_window(vaddr_t va)
{
	return va >= MMAP_MIN && va < MMAP_MAX;
}

static uint64_t **leaf_slot(vaddr_t va)
{
	assert(in_window(va));
	return &leaves[(va - MMAP_MIN) / LEAF_SPAN];
}

static uint64_t *entry_at(vaddr_t va)
{
	uint64_t *leaf = *leaf_slot(va);

	return leaf ? &leaf[va / PAGE_SIZE % LEAF_ENTRIES] : NULL;
}

pte_t pte_none(void)
{
	return (pte_t){0};
}

pte_t pte_make(paddr_t pa, enum pt_rights rights)
{
	assert(rights && (pa & PAGE_MASK) == 0);
	return (pte_t){pa | rights | PTE_PRESENT | PTE_A | (rights & PT_W ? PTE_D : 0)};
}

bool pte_is_sound(pte_t e)
{
	return !(e.v & PTE_W) || (e.v & (PTE_R | PTE_D)) == (PTE_R | PTE_D);
}

pte_t pte_hold(paddr_t pa)
{
	return (pte_t){pa | PTE_HELD};
}

bool pte_is_none(pte_t e)
{
	return e.v == 0;
}

bool pte_is_present(pte_t e)
{
	return e.v & PTE_PRESENT;
}

bool pte_is_held(pte_t e)
{
	return e.v & PTE_HELD;
}

paddr_t pte_pa(pte_t e)
{
	return e.v & ~PAGE_MASK;
}

enum pt_rights pte_rights(pte_t e)
{
	return e.v & PTE_RIGHTS;
}

bool pte_young(pte_t e)
{
	return e.v & PTE_A;
}

pte_t pte_narrow(pte_t e, enum pt_rights keep)
{
	uint64_t rights = e.v & PTE_RIGHTS & keep;

	if (rights == 0)
		return pte_hold(pte_pa(e));
	return (pte_t){(e.v & ~(uint64_t)(PTE_RIGHTS | PTE_D)) | rights | (rights & PTE_W ? PTE_D : 0)};
}

/* Linux maps no page without read access that is writable, nor does RISC-V. */
static int host_prot(uint64_t e)
{
	return (e & (PTE_R | PTE_W) ? PROT_READ : 0) | (e & PTE_W ? PROT_WRITE : 0) | (e & PTE_X ? PROT_EXEC : 0);
}

static void page_hide_locked(vaddr_t va, uint64_t *e)
{
	if (!(*e & PTE_SHOWN))
		return;
	host_mmap(align_down(va, PAGE_SIZE), PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	*e &= ~(uint64_t)PTE_SHOWN;
	shown_count--;
}

static vaddr_t next_locked(vaddr_t from, vaddr_t to)
{
	vaddr_t va = max_of(align_down(from, PAGE_SIZE), MMAP_MIN);

	while (va < to && in_window(va)) {
		if (!*leaf_slot(va))
			va = align_down(va, LEAF_SPAN) + LEAF_SPAN;
		else if (*entry_at(va))
			return va;
		else
			va += PAGE_SIZE;
	}
	return to;
}

/* Hides the next shown page in address order, going round. There is one. */
static void hide_another_locked(void)
{
	for (;;) {
		uint64_t *e;

		hide_hand = next_locked(hide_hand, MMAP_MAX);
		if (hide_hand == MMAP_MAX) {
			hide_hand = MMAP_MIN;
			continue;
		}
		e = entry_at(hide_hand);
		if (*e & PTE_SHOWN) {
			page_hide_locked(hide_hand, e);
			return;
		}
		hide_hand += PAGE_SIZE;
	}
}

static void page_show_locked(vaddr_t va, uint64_t *e)
{
	if (*e & PTE_SHOWN || !(*e & PTE_PRESENT) || !(*e & PTE_A))
		return;
	if (shown_count == HOST_PAGES_SHOWN_MAX)
		hide_another_locked();
	host_mmap(align_down(va, PAGE_SIZE), PAGE_SIZE, host_prot(*e), MAP_SHARED, host_memfd, pte_pa((pte_t){*e}));
	*e |= PTE_SHOWN;
	shown_count++;
}

/* Hides what is shown of the old value, shows the new one. Returns the old one. */
static pte_t entry_change_locked(vaddr_t va, uint64_t *e, pte_t new)
{
	pte_t old = {*e & ~(uint64_t)PTE_SHOWN};

	page_hide_locked(va, e);
	*e = new.v;
	page_show_locked(va, e);
	return old;
}

bool pt_has_table(vaddr_t va)
{
	bool has;

	host_lock(&tables);
	has = *leaf_slot(va);
	host_unlock(&tables);
	return has;
}

int pt_prepare(vaddr_t va, void *(*take)(void))
{
	uint64_t **slot = leaf_slot(va), *leaf;

	if (pt_has_table(va))
		return 0;
	leaf = take(); // the caller's lock keeps others from making it too
	if (!leaf)
		return -ENOMEM;
	memset(leaf, 0, PAGE_SIZE);
	host_lock(&tables);
	*slot = leaf;
	leaf_count++;
	host_unlock(&tables);
	return 0;
}

static bool leaf_empty(const uint64_t *leaf)
{
	for (size_t i = 0; i < LEAF_ENTRIES; i++)
		if (leaf[i])
			return false;
	return true;
}

void *pt_prune(vaddr_t from, vaddr_t to, void *chain)
{
	host_lock(&tables);
	for (vaddr_t va = align_up(from, LEAF_SPAN); va + LEAF_SPAN <= to; va += LEAF_SPAN) {
		uint64_t **slot = leaf_slot(va);

		if (!*slot || !leaf_empty(*slot))
			continue;
		*(void **)*slot = chain;
		chain = *slot;
		*slot = NULL;
		leaf_count--;
	}
	host_unlock(&tables);
	return chain;
}

void pt_pruned_flush(void *chain)
{
	(void)chain;
}

/* The kernel is the process, whose tables are Linux's. */
bool pt_kernel_is_sound(void)
{
	return true;
}

size_t pt_table_count(void)
{
	size_t count;

	host_lock(&tables);
	count = leaf_count;
	host_unlock(&tables);
	return count;
}

pte_t pt_get(vaddr_t va)
{
	const uint64_t *e;
	pte_t value;

	host_lock(&tables);
	e = in_window(va) ? entry_at(va) : NULL;
	value = (pte_t){e ? *e & ~(uint64_t)PTE_SHOWN : 0};
	host_unlock(&tables);
	return value;
}

bool pt_replace(vaddr_t va, pte_t old, pte_t new)
{
	uint64_t *e;
	bool same;

	host_lock(&tables);
	e = entry_at(va);
	assert(e);
	same = ((*e ^ old.v) & ~(uint64_t)(PTE_A | PTE_D | PTE_SHOWN)) == 0;
	if (same)
		entry_change_locked(va, e, new);
	host_unlock(&tables);
	return same;
}

pte_t pt_exchange(vaddr_t va, pte_t new)
{
	uint64_t *e;
	pte_t old;

	host_lock(&tables);
	e = entry_at(va);
	assert(e);
	old = entry_change_locked(va, e, new);
	host_unlock(&tables);
	return old;
}

void pt_make_old(vaddr_t va)
{
	uint64_t *e;

	host_lock(&tables);
	e = entry_at(va);
	if (e && *e & PTE_PRESENT) {
		page_hide_locked(va, e);
		*e &= ~(uint64_t)PTE_A;
	}
	host_unlock(&tables);
}

void pt_make_young(vaddr_t va)
{
	uint64_t *e;

	host_lock(&tables);
	e = entry_at(va);
	if (e && *e & PTE_PRESENT) {
		*e |= PTE_A;
		page_show_locked(va, e);
	}
	host_unlock(&tables);
}

vaddr_t pt_next(vaddr_t from, vaddr_t to)
{
	vaddr_t next;

	host_lock(&tables);
	next = next_locked(from, to);
	host_unlock(&tables);
	return next;
}

void pt_fence(vaddr_t va)
{
	uint64_t *e;

	host_lock(&tables);
	e = entry_at(va);
	if (e)
		page_show_locked(va, e);
	host_unlock(&tables);
}

void pt_fence_tables(vaddr_t va)
{
	pt_fence(va);
}

void pt_batch_add(struct pt_batch *b, vaddr_t va)
{
	if (b->count++ == 0) {
		b->from = va;
		b->to = va + PAGE_SIZE;
	} else {
		b->from = min_of(b->from, va);
		b->to = max_of(b->to, va + PAGE_SIZE);
	}
}

void pt_batch_add_all(struct pt_batch *b)
{
	b->from = MMAP_MIN;
	b->to = MMAP_MAX;
	b->count++;
}

void pt_batch_flush(struct pt_batch *b)
{
	*b = (struct pt_batch)PT_BATCH_INIT;
}

bool host_page_permits(vaddr_t va, enum fault_access access)
{
	static const uint64_t needed[] = {[FAULT_READ] = PTE_R, [FAULT_WRITE] = PTE_W, [FAULT_EXEC] = PTE_X};
	uint64_t *e;
	bool permits;

	host_lock(&tables);
	e = in_window(va) ? entry_at(va) : NULL;
	permits = e && *e & PTE_A && *e & needed[access];
	if (permits) {
		assert(!(*e & PTE_SHOWN) || host_is_parallel()); // else another hart may have shown it meanwhile
		page_show_locked(va, e);
	}
	host_unlock(&tables);
	return permits;
}

size_t host_pages_shown(void)
{
	size_t count;

	host_lock(&tables);
	count = shown_count;
	host_unlock(&tables);
	return count;
}
