// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Frames, the kernel heap, and the ordered tree of mappings, against simple models. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/page.h"
#include "lib/tree.h"
#include "mm/frame.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"
#include "tests/host/harness.h"

/* ---- frames ---- */
static void frames_body(void *arg)
{
	struct page *pages[64];
	size_t free = frame_free_count(), n;
	struct page *contig;

	(void)arg;
	assert_int_equal(free, frame_total());
	assert_in_range(free, 60, 64);
	for (n = 0; (pages[n] = frame_alloc_normal()); n++) {
		assert_int_equal(atomic_load(&pages[n]->pins), 1);
		assert_ptr_equal(pa_to_page(page_pa(pages[n])), pages[n]);
		assert_ptr_equal(page_va(pages[n]), pa_to_va(page_pa(pages[n])));
		memset(page_va(pages[n]), (int)n + 1, PAGE_SIZE);
	}
	assert_int_equal(frame_free_count(), frame_reserve());
	for (; (pages[n] = frame_alloc()); n++)
		memset(page_va(pages[n]), (int)n + 1, PAGE_SIZE);
	assert_int_equal(n, free);
	assert_int_equal(frame_free_count(), 0);
	assert_null(frame_alloc_contig(1, PAGE_SIZE));
	for (size_t i = 0; i < n; i++)
		for (size_t at = 0; at < PAGE_SIZE; at += 512)
			assert_int_equal(((uint8_t *)page_va(pages[i]))[at], i + 1);

	/* Every second one free: no two are adjacent. Then all but one. */
	for (size_t i = 0; i < n; i++)
		if (page_pa(pages[i]) / PAGE_SIZE % 2)
			frame_free(pages[i]);
	assert_null(frame_alloc_contig(2, PAGE_SIZE));
	for (size_t i = 0; i < n; i++)
		if (page_pa(pages[i]) / PAGE_SIZE % 2 == 0)
			frame_free(pages[i]);
	assert_int_equal(frame_free_count(), free);
	contig = frame_alloc_contig(8, 8 * PAGE_SIZE);
	assert_non_null(contig);
	assert_int_equal(page_pa(contig) % (8 * PAGE_SIZE), 0);
	memset(page_va(contig), 0xff, 8 * PAGE_SIZE);
	assert_int_equal(frame_free_count(), free - 8);
	for (size_t i = 0; i < 8; i++)
		frame_free(contig + i);
	assert_int_equal(frame_free_count(), free);
	assert_null(pa_to_page(0));
	assert_null(pa_to_page(UINT64_MAX - PAGE_MASK));
}

static void test_frames(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 64}, frames_body, NULL);
}

/* Alignment that skips untouched frames: they are free, not lost. */
static void skipped_body(void *arg)
{
	size_t free = frame_free_count(), n = 0;
	struct page *contig = frame_alloc_contig(16, 16 * PAGE_SIZE);

	(void)arg;
	assert_non_null(contig);
	assert_int_equal(page_pa(contig) % (16 * PAGE_SIZE), 0);
	while (frame_alloc())
		n++;
	assert_int_equal(n, free - 16);
}

static void test_skipped_frames(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 100}, skipped_body, NULL);
}

/* ---- the heap ---- */
#define BLOCKS 300

static void heap_body(void *arg)
{
	struct {
		uint8_t *p;
		size_t size;
		uint8_t value;
	} block[BLOCKS] = {0};
	size_t free = frame_free_count(), failed = 0;

	(void)arg;
	srand(5);
	for (int i = 0; i < 30000; i++) {
		size_t k = (size_t)rand() % BLOCKS;

		for (size_t at = 0; at < block[k].size; at += 1 + at / 7)
			assert_int_equal(block[k].p[at], block[k].value);
		kfree(block[k].p);
		block[k].size = (size_t)rand() % (rand() % 10 ? 700 : 9000);
		block[k].value = (uint8_t)rand();
		block[k].p = kmalloc(block[k].size);
		if (!block[k].p) {
			block[k].size = 0;
			failed++;
			continue;
		}
		assert_int_equal((uintptr_t)block[k].p % 16, 0);
		memset(block[k].p, block[k].value, block[k].size);
		assert_int_equal(free - frame_free_count(), kmalloc_used());
	}
	assert_true(failed > 0 && failed < 15000); // memory did run out, and came back
	for (size_t k = 0; k < BLOCKS; k++)
		kfree(block[k].p);
	assert_int_equal(kmalloc_used(), 0);
	assert_int_equal(frame_free_count(), free);
	assert_null(kmalloc(SIZE_MAX));
	assert_null(kmalloc((size_t)1 << 40));
	uint8_t *zeros = kzalloc(5000);

	for (size_t at = 0; at < 5000; at++)
		assert_int_equal(zeros[at], 0);
	kfree(zeros);
	kfree(NULL);
}

static void test_heap(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 64}, heap_body, NULL);
}

/* ---- giving memory back on demand ---- */
static struct page *hoard[256];
static size_t hoarded;

static size_t hoard_shrink(size_t wanted)
{
	size_t freed = 0;

	for (; freed < wanted && hoarded > 0; freed++)
		frame_free(hoard[--hoarded]);
	return freed;
}

static void shrink_body(void *arg)
{
	static struct shrinker shrinker = {.shrink = hoard_shrink};
	struct page *page;
	size_t n = 0;
	void *p;

	(void)arg;
	harness_start_mm();
	shrinker_register(&shrinker);
	while ((page = frame_alloc_normal()))
		hoard[hoarded++] = page;
	for (; n < 50; n++)
		assert_non_null(frame_get());
	p = kmalloc_wait(1000);
	assert_non_null(p);
	while (frame_get())
		n++;
	assert_int_equal(hoarded, 0);
	assert_null(frame_get()); // says so, and does not wait for ever
	assert_null(kmalloc_wait(5000));
}

static void test_shrinkers(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 200}, shrink_body, NULL);
}

/* ---- the tree ---- */
#define NODES 200

static void check_tree(const struct tree *tree, const struct tree_node *nodes, const bool *in)
{
	const struct tree_node *at = tree_first(tree), *before = NULL;

	for (size_t i = 0; i < NODES; i++) {
		const struct tree_node *floor = tree_floor(tree, nodes[i].key + 5);

		if (in[i]) {
			assert_ptr_equal(at, &nodes[i]);
			assert_ptr_equal(tree_prev(at), before);
			before = at;
			at = tree_next(at);
		}
		assert_ptr_equal(floor, before);
	}
	assert_null(at);
	assert_null(tree_floor(tree, 4));
}

static unsigned depth(const struct tree_node *node)
{
	unsigned a, b;

	if (!node)
		return 0;
	a = depth(node->child[0]);
	b = depth(node->child[1]);
	return 1 + (a > b ? a : b);
}

static void test_tree(void **state)
{
	static struct tree_node nodes[NODES];
	static bool in[NODES];
	struct tree tree = {0};

	(void)state;
	for (size_t i = 0; i < NODES; i++)
		nodes[i].key = 10 * (i + 1);
	for (size_t i = 0; i < NODES; i++) { // in order: the worst case of a tree without balance
		tree_insert(&tree, &nodes[i]);
		in[i] = true;
	}
	check_tree(&tree, nodes, in);
	assert_true(depth(tree.root) < 40);
	srand(1);
	for (int round = 0; round < 5000; round++) {
		size_t i = (size_t)rand() % NODES;

		if (in[i])
			tree_remove(&tree, &nodes[i]);
		else
			tree_insert(&tree, &nodes[i]);
		in[i] = !in[i];
		if (round % 50 == 0)
			check_tree(&tree, nodes, in);
	}
}

/* What reaches a value is found in order, whatever the keys' order and equality, while nodes come, go and change. */
static void check_reaching(const struct tree *tree, uint64_t value, size_t expected)
{
	const struct tree_node *found = tree_first_reaching(tree, value);

	for (const struct tree_node *at = tree_first(tree); at; at = tree_next(at)) {
		const struct tree_node *next = tree_next(at);

		assert_true(!next || at->key <= next->key);
		if (at->value >= value) {
			assert_ptr_equal(found, at);
			found = tree_next_reaching(found, value);
			expected--;
		} else if (found) {
			assert_ptr_equal(tree_next_reaching(at, value), found);
		}
	}
	assert_null(found);
	assert_int_equal(expected, 0);
}

static void test_tree_values(void **state)
{
	static struct tree_node nodes[NODES];
	static bool in[NODES];
	struct tree tree = {0};

	(void)state;
	check_reaching(&tree, 0, 0);
	srand(2);
	for (int round = 0; round < 20000; round++) {
		size_t i = (size_t)rand() % NODES, count = 0;
		const uint64_t value = (uint64_t)rand() % 100;

		if (!in[i]) {
			nodes[i].key = (uint64_t)rand() % 50;
			nodes[i].value = value;
			tree_insert(&tree, &nodes[i]);
		} else if (rand() % 2) {
			tree_value_set(&nodes[i], value);
			continue;
		} else {
			tree_remove(&tree, &nodes[i]);
		}
		in[i] = !in[i];
		for (size_t k = 0; k < NODES; k++)
			count += in[k] && nodes[k].value >= value;
		if (round % 10 == 0)
			check_reaching(&tree, value, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frames),    cmocka_unit_test(test_skipped_frames), cmocka_unit_test(test_heap),
	    cmocka_unit_test(test_shrinkers), cmocka_unit_test(test_tree),	     cmocka_unit_test(test_tree_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
