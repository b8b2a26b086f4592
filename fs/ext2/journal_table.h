// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What the replay of a journal knows of each block of the volume that the log names. One user, no locks. */
#pragma once

#include "lib/types.h"

struct journal_entry {
	fsblk_t block;
	uint32_t revoked_by; // newest transaction that revokes it, if `revoked`
	uint32_t at;	     // block of the journal with its newest contents; 0: none that count
	bool revoked;
	bool escaped; // what is at `at`
	bool used;    // else the slot is free
};

/* All zeros is an empty one. */
struct journal_table {
	struct journal_entry *slots;
	uint32_t size; // slots, a power of two
	uint32_t count;
};

/* The block's entry, made as zeros if there is none; valid until the next call. -ENOMEM: there is no memory, or it
 * would be more than a journal may take. */
int journal_table_add(struct journal_table *table, fsblk_t block, struct journal_entry **out);
struct journal_entry *journal_table_find(const struct journal_table *table, fsblk_t block); // or NULL
void journal_table_free(struct journal_table *table);
