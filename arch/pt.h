// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Page-table entries of the low half (what mmap hands out). Only mm/ calls this. An entry is a value of pte_t,
 * built and asked with the functions below and changed atomically, since hardware may set A and D meanwhile.
 *
 * Kinds of entry:
 *   none      nothing is mapped
 *   present   frame with rights; A is set when mapping, D with every writable entry (design section 3)
 *   held      frame without access (PROT_NONE over a private page)
 *
 * No call sleeps. A table that is missing reads as none; pt_prepare makes it.
 */
#pragma once

#include "arch/page.h"

enum pt_rights { PT_R = 1, PT_W = 2, PT_X = 4 };

typedef struct {
	uint64_t v;
} pte_t;

pte_t pte_none(void);
pte_t pte_make(paddr_t pa, enum pt_rights rights);
pte_t pte_hold(paddr_t pa);
bool pte_is_none(pte_t e);
bool pte_is_present(pte_t e);
bool pte_is_held(pte_t e);
paddr_t pte_pa(pte_t e);			// present or held
enum pt_rights pte_rights(pte_t e);		// 0 unless present
bool pte_young(pte_t e);			// accessed since pt_make_old
bool pte_is_sound(pte_t e);			// present: stores that it permits fault on no hardware: D and R are set
pte_t pte_narrow(pte_t e, enum pt_rights keep); // same frame, rights & keep; no rights left: held

/*
 * Tables. pt_prepare makes the leaf table for va, taking frames from `take` (returns NULL when there is none; the
 * caller then makes memory free and tries again). 0 or -ENOMEM.
 */
int pt_prepare(vaddr_t va, void *(*take)(void));

bool pt_has_table(vaddr_t va); // the leaf table is there

/*
 * Takes out the leaf tables inside [from, to) that are wholly empty: their frames, each with a pointer to the next at
 * its start, before those of `chain`. pt_pruned_flush then, with no spinlock held, makes sure that no hart uses them.
 */
void *pt_prune(vaddr_t from, vaddr_t to, void *chain);
void pt_pruned_flush(void *chain);

/* Frames that are page tables now. */
size_t pt_table_count(void);

pte_t pt_get(vaddr_t va);
/* Writes new if the entry is old (A and D ignored in the comparison). True when written. Table must exist. */
bool pt_replace(vaddr_t va, pte_t old, pte_t new);
/* Writes new, returns what was there with its A and D as they were at that moment. */
pte_t pt_exchange(vaddr_t va, pte_t new);
/* Clears A; the next access sets it, in hardware or by a fault that mm answers with pt_make_young. */
void pt_make_old(vaddr_t va);
void pt_make_young(vaddr_t va);

/* For assertions: no entry outside the low half makes any hardware fault (A, and D where it is writable), or is
 * writable and executable. Walks all of them. */
bool pt_kernel_is_sound(void);

/* First va in [from, to) whose entry is not none, or to. Skips missing tables quickly. */
vaddr_t pt_next(vaddr_t from, vaddr_t to);

/* After installing an entry where there was none: this hart's view (another hart's stale fault fences itself). */
void pt_fence(vaddr_t va);
/* After an access that the entry permits has faulted: this hart may also remember that there was no table. */
void pt_fence_tables(vaddr_t va);

/*
 * Shootdown: after entries were removed or narrowed, before their frames are used for anything else. Collect with
 * pt_batch_add, then one pt_batch_flush, which returns when no hart uses the old entries. Never under a spinlock.
 */
struct pt_batch {
	vaddr_t from, to;
	size_t count;
};
#define PT_BATCH_INIT                                                                                                  \
	{                                                                                                              \
		0                                                                                                      \
	}
void pt_batch_add(struct pt_batch *b, vaddr_t va);
void pt_batch_add_all(struct pt_batch *b); // every address
void pt_batch_flush(struct pt_batch *b);
