// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A file ten times as large as memory, mapped shared: four threads store into each of its pages once, all over the
 * file; it is read back by read and through the mapping. With the smallest caches, at block sizes, in orders by seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "kernel/thread.h"
#include "tests/host/stack.h"

#define THREADS 4

struct variant {
	unsigned block;
	size_t frames, cache;
	uint64_t seed;
};

static size_t pages; // of the file
static uint32_t *order;
static atomic_size_t taken;
static uint8_t *map;

static void shuffle(void)
{
	order = realloc(order, pages * sizeof(*order));
	assert_non_null(order);
	for (size_t i = 0; i < pages; i++) {
		size_t j = (size_t)rand() % (i + 1);

		order[i] = order[j];
		order[j] = (uint32_t)i;
	}
	atomic_store(&taken, 0);
}

static uint8_t byte_of(size_t page)
{
	return stack_byte(3, page * 8 + page % 8);
}

/* A few bytes of each page: each store may fault anew, the page being cleaned all the time. */
static void *fill(void *arg)
{
	size_t n;

	(void)arg;
	while ((n = atomic_fetch_add(&taken, 1)) < pages) {
		uint8_t *p = map + order[n] * PAGE_SIZE;
		int error = 0;

		for (size_t at = 0; at < PAGE_SIZE; at += 1023) {
			if (harness_store(p + at, byte_of(order[n]) ^ (uint8_t)at, &error) != FAULT_OK)
				fail_msg("page %u: a store failed: error %d", order[n], error);
		}
	}
	return NULL;
}

static size_t differs(const uint8_t *p, size_t page)
{
	size_t wrong = 0;

	for (size_t at = 0; at < PAGE_SIZE; at++)
		wrong += p[at] != (at % 1023 ? 0 : byte_of(page) ^ (uint8_t)at);
	return wrong;
}

static void body(void *arg)
{
	const struct variant *v = arg;
	struct thread *threads[THREADS];
	static uint8_t buf[PAGE_SIZE];
	int fd;

	srand((unsigned)v->seed);
	pages = v->frames * 10;
	harness_start();
	fd = stack_open("/tenfold", O_RDWR | O_CREAT);
	assert_int_equal(fs_ftruncate(fd, (int64_t)(pages * PAGE_SIZE)), 0);
	map = stack_map(fd, pages * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	shuffle();
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(thread_create("fill", 0, fill, NULL, &threads[i]), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(thread_join(threads[i], NULL), 0);
	for (size_t page = 0; page < pages; page++) {
		assert_int_equal(fs_read(fd, buf, PAGE_SIZE), PAGE_SIZE);
		assert_int_equal(differs(buf, page), 0);
	}
	shuffle();
	for (size_t i = 0; i < pages; i++)
		assert_int_equal(differs(map + order[i] * PAGE_SIZE, order[i]), 0);
	stack_unmap(map, pages * PAGE_SIZE);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_tenfold(void **state)
{
	static const unsigned blocks[] = {1024, 4096};
	const size_t frames = harness_effort() == EFFORT_QUICK ? 288 : 1024;
	const uint64_t seeds = harness_effort() == EFFORT_DEFAULT ? 2 : 4;

	(void)state;
	for (size_t b = 0; b < array_size(blocks); b++) {
		char name[32];

		snprintf(name, sizeof(name), "tenfold-%u", blocks[b]);
		const char *image = stack_image(name, "64M", blocks[b], 1), *out = image_path("tenfold-out");

		for (uint64_t seed = 0; seed < seeds; seed++) {
			struct variant v = {blocks[b], frames, seed % 2 ? 8 : 0, seed};

			harness_run(&(struct harness){.frames = frames,
						      .cache_pages = v.cache,
						      .fs_buffers = BUFFERS_MIN,
						      .seed = seed,
						      .disk = {.image = image, .seed = seed, .save = out}},
				    body, &v);
			assert_int_equal(image_e2fsck(out, "-n"), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tenfold)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
