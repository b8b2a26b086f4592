// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The radix tree against a sorted array with random operations, and with every allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/radix.h"

#define MODEL_MAX 512

static long nodes;    // allocated now
static long fail_at;  // the allocation that fails; 0: none
static long attempts; // allocations asked for

static void *node_alloc(size_t size)
{
	assert_int_equal(size, radix_node_size());
	if (++attempts == fail_at)
		return NULL;
	nodes++;
	return malloc(size);
}

static void node_release(void *node)
{
	nodes--;
	free(node);
}

static int setup(void **state)
{
	(void)state;
	nodes = fail_at = attempts = 0;
	radix_set_allocator(node_alloc, node_release);
	return 0;
}

/* ---- a model: entries sorted by index ---- */
struct entry {
	uint64_t index;
	void *value;
	bool tag[2];
};

struct model {
	struct entry entry[MODEL_MAX];
	size_t count;
};

/* Of the first entry at or after index. */
static size_t model_at(const struct model *m, uint64_t index)
{
	size_t i = 0;

	while (i < m->count && m->entry[i].index < index)
		i++;
	return i;
}

static struct entry *model_get(struct model *m, uint64_t index)
{
	size_t i = model_at(m, index);

	return i < m->count && m->entry[i].index == index ? &m->entry[i] : NULL;
}

static void model_insert(struct model *m, uint64_t index, void *value)
{
	size_t i = model_at(m, index);

	memmove(&m->entry[i + 1], &m->entry[i], (m->count - i) * sizeof(m->entry[0]));
	m->entry[i] = (struct entry){.index = index, .value = value};
	m->count++;
}

static void model_remove(struct model *m, uint64_t index)
{
	size_t i = model_at(m, index);

	m->count--;
	memmove(&m->entry[i], &m->entry[i + 1], (m->count - i) * sizeof(m->entry[0]));
}

/* The first entry at or after index that carries the tag (any for -1). */
static struct entry *model_next(struct model *m, uint64_t index, int tag)
{
	for (size_t i = model_at(m, index); i < m->count; i++)
		if (tag < 0 || m->entry[i].tag[tag])
			return &m->entry[i];
	return NULL;
}

static void check_next(struct model *m, const struct radix *r, uint64_t from, int tag)
{
	const struct entry *e = model_next(m, from, tag);
	uint64_t index = from;
	void *value = tag < 0 ? radix_next(r, &index) : radix_next_tagged(r, &index, (unsigned)tag);

	assert_ptr_equal(value, e ? e->value : NULL);
	if (e)
		assert_int_equal(index, e->index);
	else
		assert_int_equal(index, from);
}

/* Dense runs, sparse spreads, and the ends of the range of numbers. */
static uint64_t random_index(void)
{
	static const unsigned bits[] = {4, 7, 13, 20, 33, 47, 64};
	unsigned b = bits[rand() % 7];
	uint64_t x = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();

	x = b < 64 ? x & ((1ull << b) - 1) : x;
	return rand() % 8 == 0 ? ~x : x;
}

static void step(struct model *m, struct radix *r)
{
	uint64_t index = m->count && rand() % 2 ? m->entry[rand() % m->count].index : random_index();
	struct entry *e = model_get(m, index);
	unsigned tag = (unsigned)rand() % 2;
	void *value = (void *)(uintptr_t)(index * 16 + 8);

	switch (rand() % 6) {
	case 0:
	case 1:
		if (e) {
			assert_int_equal(radix_insert(r, index, value), -EEXIST);
		} else if (m->count < MODEL_MAX) {
			if (!value)
				value = m;
			assert_int_equal(radix_insert(r, index, value), 0);
			model_insert(m, index, value);
		}
		break;
	case 2:
		assert_ptr_equal(radix_remove(r, index), e ? e->value : NULL);
		if (e)
			model_remove(m, index);
		break;
	case 3:
		if (e) {
			radix_tag_set(r, index, tag);
			e->tag[tag] = true;
		}
		break;
	case 4:
		radix_tag_clear(r, index, tag);
		if (e)
			e->tag[tag] = false;
		break;
	default:
		assert_ptr_equal(radix_get(r, index), e ? e->value : NULL);
		assert_int_equal(radix_tag_get(r, index, tag), e && e->tag[tag]);
	}
	assert_int_equal(r->count, m->count);
	for (int kind = -1; kind < 2; kind++) {
		check_next(m, r, index, kind);
		check_next(m, r, random_index(), kind);
	}
}

static void test_model(void **state)
{
	static struct model m;
	struct radix r;

	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++) {
		srand(seed);
		radix_init(&r);
		m.count = 0;
		for (int i = 0; i < 5000; i++)
			step(&m, &r);
		assert_true(m.count > 10);
		while (m.count) {
			assert_ptr_equal(radix_remove(&r, m.entry[0].index), m.entry[0].value);
			model_remove(&m, m.entry[0].index);
		}
		assert_null(r.root);
		assert_int_equal(nodes, 0);
	}
}

static void test_dense_uses_few_nodes(void **state)
{
	struct radix r;

	(void)state;
	radix_init(&r);
	for (uint64_t i = 0; i < 4096; i++)
		assert_int_equal(radix_insert(&r, i, &r), 0);
	assert_int_equal(nodes, 65);
	for (uint64_t i = 1; i < 4096; i++)
		assert_ptr_equal(radix_remove(&r, i), &r);
	assert_int_equal(nodes, 1); // the high root went
	assert_ptr_equal(radix_remove(&r, 0), &r);
	assert_int_equal(nodes, 0);
}

/* Each allocation on the way fails once: nothing changes but the count of attempts. */
static void test_no_memory(void **state)
{
	static const uint64_t before[] = {5, 70, 4096 * 3}, added[] = {6, 64 * 64 * 64 + 1, UINT64_MAX, 1ull << 40};

	(void)state;
	for (size_t a = 0; a < sizeof(added) / sizeof(added[0]); a++) {
		for (size_t used = 0; used <= sizeof(before) / sizeof(before[0]); used++) {
			bool fired = true;

			for (long n = 1; fired; n++) {
				struct radix r;
				long nodes_before;
				int err;

				radix_init(&r);
				for (size_t i = 0; i < used; i++)
					assert_int_equal(radix_insert(&r, before[i], &r), 0);
				nodes_before = nodes;
				attempts = 0;
				fail_at = n;
				err = radix_insert(&r, added[a], &r);
				fired = attempts >= n;
				fail_at = 0;
				assert_int_equal(err, fired ? -ENOMEM : 0);
				if (fired) {
					assert_int_equal(nodes, nodes_before);
					assert_null(radix_get(&r, added[a]));
					assert_int_equal(r.count, used);
				}
				for (size_t i = 0; i < used; i++)
					assert_ptr_equal(radix_remove(&r, before[i]), &r);
				assert_ptr_equal(radix_remove(&r, added[a]), fired ? NULL : &r);
				assert_int_equal(nodes, 0);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_model, setup),
	    cmocka_unit_test_setup(test_dense_uses_few_nodes, setup),
	    cmocka_unit_test_setup(test_no_memory, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
