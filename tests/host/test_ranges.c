// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Lists of memory ranges against a map of one byte a page. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "board/memory.h"

#define PAGES 96
#define ROUNDS 3000

/* Ranges do not overlap and cover exactly the pages of the map. */
static void assert_covers(const struct range_list *list, const bool *map)
{
	bool seen[PAGES] = {false};

	for (size_t i = 0; i < list->count; i++) {
		assert_true(list->range[i].start < list->range[i].end);
		assert_int_equal((list->range[i].start | list->range[i].end) & PAGE_MASK, 0);
		for (paddr_t page = list->range[i].start / PAGE_SIZE; page < list->range[i].end / PAGE_SIZE; page++) {
			assert_false(seen[page]);
			seen[page] = true;
		}
	}
	assert_memory_equal(seen, map, sizeof(seen));
}

static void test_remove_at_random(void **state)
{
	(void)state;
	srandom(1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct range_list list = {.count = 0};
		bool map[PAGES] = {false};

		for (size_t from = 0; from < PAGES; from += PAGES / 4) {
			size_t end = from + 1 + (size_t)random() % (PAGES / 4 - 1);

			assert_int_equal(ranges_add(&list, from * PAGE_SIZE, end * PAGE_SIZE), 0);
			memset(map + from, true, end - from);
		}
		for (unsigned i = 0; i < 6; i++) {
			paddr_t start = (paddr_t)random() % (PAGES * PAGE_SIZE - 1);
			paddr_t end = start + 1 + (paddr_t)random() % min_of(PAGES * PAGE_SIZE - start, 20 * PAGE_SIZE);
			size_t first = start / PAGE_SIZE, last = min_of((end - 1) / PAGE_SIZE, (paddr_t)PAGES - 1);

			/* Whoever reserves a byte reserves its page. */
			assert_int_equal(ranges_remove(&list, start, end), 0);
			memset(map + first, false, last - first + 1);
			assert_covers(&list, map);
		}
	}
}

static void test_edges(void **state)
{
	struct range_list list = {.count = 0};

	(void)state;
	/* RAM shrinks to whole pages; less than one is none. */
	assert_int_equal(ranges_add(&list, 1, 2 * PAGE_SIZE - 1), 0);
	assert_int_equal(list.count, 0);
	assert_int_equal(ranges_add(&list, 1, 3 * PAGE_SIZE - 1), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.range[0].start, PAGE_SIZE);
	assert_int_equal(list.range[0].end, 2 * PAGE_SIZE);
	assert_int_equal(ranges_remove(&list, PAGE_SIZE, UINT64_MAX), 0);
	assert_int_equal(list.count, 0);

	for (paddr_t i = 0; i < RANGES_MAX; i++)
		assert_int_equal(ranges_add(&list, 4 * i * PAGE_SIZE, (4 * i + 3) * PAGE_SIZE), 0);
	assert_int_equal(ranges_add(&list, 0, PAGE_SIZE), -E2BIG);
	assert_int_equal(ranges_remove(&list, PAGE_SIZE, 2 * PAGE_SIZE), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_remove_at_random),
	    cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
