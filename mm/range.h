// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mapping calls work on ranges that begin and end inside mappings: what they share. Inside mm/ only. */
#pragma once

#include "mm/vma.h"

/* Structures for the two mappings that cutting a range out can split, taken before space.change. */
struct spares {
	struct vma *vma[2];
};
int spares_take(struct spares *spares); // 0 or -ENOMEM
void spares_give(struct spares *spares);

/* addr is aligned and [addr, addr + len) lies where mappings can be; len is rounded up to pages. */
bool range_is_good(vaddr_t addr, size_t *len);

/* space.change held: */
/* A mapping crosses start or end. */
bool range_cuts(vaddr_t start, vaddr_t end);
/* Splits what crosses start and end. */
void range_isolate(vaddr_t start, vaddr_t end, struct spares *spares);
/* Unmaps all of it; the mappings go to the list. */
void range_remove(vaddr_t start, vaddr_t end, struct spares *spares, struct list_node *dead);
/* The end of a mapping that is out of the tree and has no entries: it goes to the list. */
void range_vma_dead(struct vma *vma, struct list_node *dead);
bool range_is_mapped(vaddr_t start, vaddr_t end);
bool range_is_free(vaddr_t start, size_t len);

/* One mapping after another, with no lock held in between. */
struct piece {
	struct vma *vma; // referenced
	vaddr_t start, end;
	enum map_prot prot;
	bool locked, on_fault;
	pgidx_t first, last; // of the object
};
/* Calls work for each piece; -ENOMEM for a hole, after the rest is done. The first error else. */
int each_piece(vaddr_t start, vaddr_t end, int (*work)(const struct piece *piece, void *arg), void *arg);
/* Ends at the first hole, -ENOMEM, or error. */
int each_piece_in_order(vaddr_t start, vaddr_t end, int (*work)(const struct piece *piece, void *arg), void *arg);
