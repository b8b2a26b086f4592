// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * RAM in pieces, as boards have it: what lies between them costs no descriptors, each frame is handed out once, and
 * addresses and descriptors belong together throughout.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/host/host.h"
#include "kernel/thread.h"
#include "mm/frame.h"
#include "tests/host/harness.h"

#define MIB (1ul << 20)
#define SPAN (4096 * MIB)
#define PIECES_MAX 12

struct layout {
	size_t count;
	struct {
		unsigned long start, len; // MiB
	} piece[PIECES_MAX];
	size_t lost_max; // KiB that may go to descriptors
};

static const struct layout layouts[] = {
    {.count = 1, .piece = {{0, 32}}, .lost_max = 512},
    {.count = 2, .piece = {{0, 16}, {4000, 32}}, .lost_max = 768},	  // Icicle: two, gigabytes apart
    {.count = 2, .piece = {{4000, 16}, {0, 32}}, .lost_max = 768},	  // told in the other order
    {.count = 3, .piece = {{0, 16}, {17, 15}, {40, 8}}, .lost_max = 768}, // small holes
    {.count = 12,							  // more of them than there can be banks
     .piece = {{0, 8},
	       {100, 8},
	       {200, 8},
	       {300, 8},
	       {400, 8},
	       {500, 8},
	       {600, 8},
	       {700, 8},
	       {800, 8},
	       {900, 8},
	       {1000, 8},
	       {1100, 32}},
     .lost_max = 10 << 10},
};

static bool in_layout(const struct layout *l, paddr_t base, paddr_t pa)
{
	for (size_t i = 0; i < l->count; i++)
		if (pa >= base + l->piece[i].start * MIB && pa < base + (l->piece[i].start + l->piece[i].len) * MIB)
			return true;
	return false;
}

static void check_holes(const struct layout *l, paddr_t base)
{
	for (unsigned long mib = 0; mib < SPAN / MIB; mib++) {
		paddr_t pa = base + mib * MIB;

		if (!in_layout(l, base, pa))
			assert_null(pa_to_page(pa));
	}
}

static void check(const struct layout *l, paddr_t base)
{
	size_t given = 0, got = 0;
	struct page *page, *adjacent;
	struct list_node held = LIST_INIT(held);

	for (size_t i = 0; i < l->count; i++)
		given += l->piece[i].len * MIB / PAGE_SIZE;
	assert_true(frame_total() < given);
	assert_true((given - frame_total()) * PAGE_SIZE <= l->lost_max << 10);
	check_holes(l, base);
	adjacent = frame_alloc_contig(64, 64 * PAGE_SIZE);
	assert_non_null(adjacent);
	for (size_t i = 0; i < 64; i++)
		assert_ptr_equal(pa_to_page(page_pa(adjacent) + i * PAGE_SIZE), adjacent + i);
	while ((page = frame_alloc())) {
		paddr_t pa = page_pa(page);

		assert_true(in_layout(l, base, pa));
		assert_ptr_equal(pa_to_page(pa), page);
		assert_true(pa < page_pa(adjacent) || pa >= page_pa(adjacent + 64));
		*(uint64_t *)page_va(page) = pa; // nobody else has it: looked at below
		list_push_back(&held, &page->lru);
		got++;
	}
	assert_int_equal(got + 64, frame_total());
	list_for_each (&held, it) {
		page = list_entry(it, struct page, lru);
		assert_int_equal(*(uint64_t *)page_va(page), page_pa(page));
	}
}

/* Not the harness: that gives the kernel one range. */
static void run(const struct layout *l)
{
	struct mem_range ranges[PIECES_MAX];
	paddr_t base, end;

	setenv("CMOCKA_TEST_ABORT", "1", 1);
	assert_int_equal(host_memory_init(SPAN / PAGE_SIZE, &base, &end), 0);
	for (size_t i = 0; i < l->count; i++) {
		ranges[i].start = base + l->piece[i].start * MIB;
		ranges[i].end = ranges[i].start + l->piece[i].len * MIB;
	}
	frame_init(ranges, l->count);
	sched_init();
	check(l, base);
	_exit(0);
}

static void test_layouts(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(layouts); i++) {
		int status;
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child)
			run(&layouts[i]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_layouts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
