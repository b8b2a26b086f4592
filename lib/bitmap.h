// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Bitmaps as file systems keep them: bit n is bit n % 64 of the 64-bit little-endian word n / 64. Searches look at a
 * word at a time. The memory goes to the end of the last word; what lies there beyond the range that a call names is
 * neither believed nor changed. Locking is the user's.
 */
#pragma once

#include "lib/types.h"

static inline bool bitmap_test(const uint64_t *map, uint32_t bit)
{
	return map[bit / 64] >> bit % 64 & 1;
}

void bitmap_set(uint64_t *map, uint32_t first, uint32_t count);
/* How many of them were set. */
uint32_t bitmap_clear(uint64_t *map, uint32_t first, uint32_t count);

/* The first set, or clear, bit of [from, end); end if there is none. */
uint32_t bitmap_next_set(const uint64_t *map, uint32_t from, uint32_t end);
uint32_t bitmap_next_clear(const uint64_t *map, uint32_t from, uint32_t end);
/* The last clear bit of [from, end); end if there is none. */
uint32_t bitmap_last_clear(const uint64_t *map, uint32_t from, uint32_t end);
