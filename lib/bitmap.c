// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Bitmaps, a word at a time: lib/bitmap.h. Any context. */
#include "lib/bitmap.h"

#include <assert.h>

#define WORD 64u

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read in place");

/* The bits of [from, end) that lie in the word of `from`. from < end. */
static uint64_t word_mask(uint32_t from, uint32_t end)
{
	const uint64_t mask = UINT64_MAX << from % WORD;

	return end / WORD > from / WORD ? mask : mask & ~(UINT64_MAX << end % WORD);
}

static uint32_t word_end(uint32_t bit)
{
	return align_down(bit, WORD) + WORD;
}

void bitmap_set(uint64_t *map, uint32_t first, uint32_t count)
{
	const uint32_t end = first + count;

	for (; first < end; first = word_end(first))
		map[first / WORD] |= word_mask(first, end);
}

uint32_t bitmap_clear(uint64_t *map, uint32_t first, uint32_t count)
{
	const uint32_t end = first + count;
	uint32_t cleared = 0;

	for (; first < end; first = word_end(first)) {
		const uint64_t mask = word_mask(first, end);

		cleared += (uint32_t)__builtin_popcountll(map[first / WORD] & mask);
		map[first / WORD] &= ~mask;
	}
	return cleared;
}

/* The first bit that differs from those of `than`. */
static uint32_t next_other(const uint64_t *map, uint32_t from, uint32_t end, uint64_t than)
{
	for (; from < end; from = word_end(from)) {
		const uint64_t found = (map[from / WORD] ^ than) & word_mask(from, end);

		if (found)
			return align_down(from, WORD) + (uint32_t)__builtin_ctzll(found);
	}
	return end;
}

uint32_t bitmap_next_set(const uint64_t *map, uint32_t from, uint32_t end)
{
	return next_other(map, from, end, 0);
}

uint32_t bitmap_next_clear(const uint64_t *map, uint32_t from, uint32_t end)
{
	return next_other(map, from, end, UINT64_MAX);
}

uint32_t bitmap_last_clear(const uint64_t *map, uint32_t from, uint32_t end)
{
	for (uint32_t to = end; to > from; to = align_down(to - 1, WORD)) {
		const uint32_t start = max_of(from, align_down(to - 1, WORD));
		const uint64_t found = ~map[start / WORD] & word_mask(start, to);

		if (found)
			return align_down(start, WORD) + 63 - (uint32_t)__builtin_clzll(found);
	}
	return end;
}
