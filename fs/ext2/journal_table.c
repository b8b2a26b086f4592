// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* A hash table with open addressing, at most half full, twice as large when it is. Sleeps never. */
#include "fs/ext2/journal_table.h"

#include <errno.h>

#include "mm/kmalloc.h"

#define SIZE_FIRST 256u
#define SIZE_MAX_SLOTS (1u << 20) // 16 MiB: half a million blocks

static struct journal_entry *slot_of(const struct journal_table *table, fsblk_t block)
{
	const uint32_t mask = table->size - 1;
	uint32_t at = block * 2654435761u >> 7 & mask; // 2^32 divided by the golden ratio: neighbours lie apart

	while (table->slots[at].used && table->slots[at].block != block)
		at = (at + 1) & mask;
	return &table->slots[at];
}

static int grow(struct journal_table *table)
{
	const uint32_t size = max_of(2 * table->size, SIZE_FIRST);
	struct journal_table larger = {.size = size, .count = table->count};

	if (size > SIZE_MAX_SLOTS)
		return -ENOMEM;
	larger.slots = kzalloc(size * sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->size; i++) {
		if (table->slots[i].used)
			*slot_of(&larger, table->slots[i].block) = table->slots[i];
	}
	kfree(table->slots);
	*table = larger;
	return 0;
}

int journal_table_add(struct journal_table *table, fsblk_t block, struct journal_entry **out)
{
	int err;

	*out = journal_table_find(table, block);
	if (*out)
		return 0;
	if (2 * table->count >= table->size) {
		err = grow(table);
		if (err)
			return err;
	}
	*out = slot_of(table, block);
	**out = (struct journal_entry){.block = block, .used = true};
	table->count++;
	return 0;
}

struct journal_entry *journal_table_find(const struct journal_table *table, fsblk_t block)
{
	struct journal_entry *entry = table->size ? slot_of(table, block) : NULL;

	return entry && entry->used ? entry : NULL;
}

void journal_table_free(struct journal_table *table)
{
	kfree(table->slots);
	*table = (struct journal_table){0};
}
