// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Bitmaps that are searched a word at a time, against ones that are looked at bit by bit: random contents from empty to
 * full, random ranges, and all ranges of a few words. What lies behind a range is poison to the searches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitmap.h"

#define BITS 4096u

static uint64_t map[BITS / 64], before[BITS / 64];

static bool bit_of(const uint64_t *words, uint32_t bit)
{
	return ((const uint8_t *)words)[bit / 8] & 1u << bit % 8;
}

static uint32_t slow_next(uint32_t from, uint32_t end, bool set)
{
	while (from < end && bit_of(map, from) != set)
		from++;
	return from;
}

static uint32_t slow_last_clear(uint32_t from, uint32_t end)
{
	for (uint32_t bit = end; bit > from; bit--) {
		if (!bit_of(map, bit - 1))
			return bit - 1;
	}
	return end;
}

static void check_searches(uint32_t from, uint32_t end)
{
	assert_int_equal(bitmap_next_set(map, from, end), slow_next(from, end, true));
	assert_int_equal(bitmap_next_clear(map, from, end), slow_next(from, end, false));
	assert_int_equal(bitmap_last_clear(map, from, end), slow_last_clear(from, end));
	if (from < end)
		assert_int_equal(bitmap_test(map, from), bit_of(map, from));
}

/* All bits are what they were, but those of the range, which are `set`. */
static void check_change(uint32_t first, uint32_t count, bool set)
{
	for (uint32_t bit = 0; bit < BITS; bit++) {
		const bool inside = bit >= first && bit < first + count;

		if (bit_of(map, bit) != (inside ? set : bit_of(before, bit)))
			fail_msg("bit %u after changing %u from %u on", bit, count, first);
	}
}

static void check_changes(uint32_t first, uint32_t end)
{
	uint32_t were = 0;

	memcpy(before, map, sizeof(map));
	for (uint32_t bit = first; bit < end; bit++)
		were += bit_of(map, bit);
	assert_int_equal(bitmap_clear(map, first, end - first), were);
	check_change(first, end - first, false);
	memcpy(map, before, sizeof(map));
	bitmap_set(map, first, end - first);
	check_change(first, end - first, true);
	memcpy(map, before, sizeof(map));
}

/* One bit in `one_in` is clear; 0: none. */
static void fill(unsigned one_in)
{
	for (uint32_t bit = 0; bit < BITS; bit++) {
		uint8_t *byte = &((uint8_t *)map)[bit / 8];

		if (one_in && rand() % one_in == 0)
			*byte &= (uint8_t) ~(1u << bit % 8);
		else
			*byte |= (uint8_t)(1u << bit % 8);
	}
}

static void test_random(void **state)
{
	static const unsigned densities[] = {0, 1, 2, 3, 8, 64, 100, 1000, 4000};

	(void)state;
	srand(7);
	for (unsigned i = 0; i < 200; i++) {
		fill(densities[i % 9]);
		for (unsigned j = 0; j < 200; j++) {
			const uint32_t from = (uint32_t)rand() % (BITS + 1);
			const uint32_t end = from + (uint32_t)rand() % (BITS - from + 1);

			check_searches(from, end);
		}
		check_searches(0, BITS);
		check_changes((uint32_t)rand() % 2000, 2000 + (uint32_t)rand() % 2000);
	}
}

static void test_all_ranges(void **state)
{
	(void)state;
	for (unsigned one_in = 0; one_in < 3; one_in++) {
		fill(one_in);
		for (uint32_t from = 0; from <= 200; from++) {
			for (uint32_t end = from; end <= 200; end++)
				check_searches(from, end);
		}
		for (uint32_t first = 0; first <= 130; first += 3) {
			for (uint32_t end = first; end <= 130; end++)
				check_changes(first, end);
		}
	}
}

/* The one free bit of a range, wherever it is, with free ones right before and behind. */
static void test_ends(void **state)
{
	(void)state;
	for (uint32_t end = 100; end <= 260; end++) {
		for (uint32_t bit = 64; bit < end; bit++) {
			memset(map, 0, sizeof(map));
			bitmap_set(map, 64, end - 64);
			assert_int_equal(bitmap_next_clear(map, 64, end), end);
			assert_int_equal(bitmap_last_clear(map, 64, end), end);
			assert_int_equal(bitmap_clear(map, bit, 1), 1);
			assert_int_equal(bitmap_next_clear(map, 64, end), bit);
			assert_int_equal(bitmap_last_clear(map, 64, end), bit);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_all_ranges),
	    cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests_name("bitmaps", tests, NULL, NULL);
}
