// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Radix tree from a 64-bit index to a pointer, 64 slots a node, with two tags a slot so that runs of tagged entries
 * are found without visiting the others. Nodes come from the user's allocator; insertion can be prepared before a lock
 * is taken. Locking is the user's.
 */
#pragma once

#include "lib/types.h"

struct radix_node;

struct radix {
	struct radix_node *root;
	unsigned height;
	size_t count;
};

/* Node memory: NULL when out of memory. Set once at start; sizes are always radix_node_size(). */
void radix_set_allocator(void *(*alloc)(size_t), void (*release)(void *));
size_t radix_node_size(void);

void radix_init(struct radix *r);
void *radix_get(const struct radix *r, uint64_t index);
/* 0, -ENOMEM, -EEXIST. */
int radix_insert(struct radix *r, uint64_t index, void *value);
void *radix_remove(struct radix *r, uint64_t index); // what was there, or NULL; frees empty nodes

/* First entry at or after *index: its value, and *index is where; NULL if none. */
void *radix_next(const struct radix *r, uint64_t *index);
/* The same for entries that carry the tag (0 or 1). */
void *radix_next_tagged(const struct radix *r, uint64_t *index, unsigned tag);
void radix_tag_set(struct radix *r, uint64_t index, unsigned tag);
void radix_tag_clear(struct radix *r, uint64_t index, unsigned tag);
bool radix_tag_get(const struct radix *r, uint64_t index, unsigned tag);
