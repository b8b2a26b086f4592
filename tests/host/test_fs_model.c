// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Random operations against a model: every block size and inode size, with as many buffers and cache pages as one
 * could want and with as few as there can be. After each run e2fsck finds nothing, and debugfs reads what the model
 * says.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fs/buffer.h"
#include "fs/fs.h"
#include "tests/host/fsmodel.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"

struct variant {
	unsigned block, inode;
	size_t frames, buffers, cache_pages;
	const char *size;
	struct fsmodel_config model;
};

static void body(void *arg)
{
	const struct variant *v = arg;

	buffer_cache_init(v->buffers);
	harness_start();
	fsmodel_run(&v->model);
	fsmodel_verify();
	assert_int_equal(harness_stop(), 0);
	/* The same again from the card, nothing in memory. */
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), 0);
	fsmodel_verify();
	assert_int_equal(harness_stop(), 0);
}

static void run(const struct variant *v)
{
	const char *image = image_path("model"), *out = image_path("model-out");
	char options[64];

	print_message("block %u, inode %u, %zu frames, %zu buffers, %zu pages, %s, seed %llu\n", v->block, v->inode,
		      v->frames, v->buffers, v->cache_pages, v->size, (unsigned long long)v->model.seed);
	snprintf(options, sizeof(options), "-b %u -I %u", v->block, v->inode);
	image_mke2fs(image, v->size, options);
	fsmodel_init();
	struct harness h = {.frames = v->frames,
			    .fs_buffers = v->buffers,
			    .cache_pages = v->cache_pages,
			    .seconds = 120,
			    .seed = v->model.seed % 3,
			    .disk = {.image = image, .save = out, .seed = v->model.seed % 2}};

	harness_run(&h, body, (void *)(uintptr_t)v);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
	fsmodel_verify_image(out);
}

static void matrix(size_t frames, size_t buffers, size_t cache_pages, const char *size, bool full, unsigned steps)
{
	static const unsigned blocks[] = {1024, 2048, 4096}, inodes[] = {128, 256};
	uint64_t seed = frames + buffers + cache_pages + full;

	for (size_t b = 0; b < array_size(blocks); b++) {
		for (size_t i = 0; i < array_size(inodes); i++) {
			struct variant v = {.block = blocks[b],
					    .inode = inodes[i],
					    .frames = frames,
					    .buffers = buffers,
					    .cache_pages = cache_pages,
					    .size = size,
					    .model = {.seed = ++seed * 17,
						      .steps = steps,
						      .file_max = full ? 200000 : 600000,
						      .full = full,
						      .sync_every = i ? 100 : 0}};

			run(&v);
		}
	}
}

static void test_plenty(void **state)
{
	(void)state;
	matrix(4096, 0, 0, "32M", false, 1200);
}

static void test_fewest_buffers(void **state)
{
	(void)state;
	matrix(4096, 8, 0, "32M", false, 600);
}

static void test_fewest_pages(void **state)
{
	(void)state;
	matrix(4096, 0, 32, "32M", false, 600);
}

static void test_fewest_of_both(void **state)
{
	(void)state;
	matrix(4096, 8, 32, "32M", false, 600);
}

static void test_fewest_frames(void **state)
{
	(void)state;
	matrix(64, 0, 0, "32M", false, 600);
}

static void test_full_volume(void **state)
{
	(void)state;
	matrix(4096, 0, 0, "1M", true, 1200);
	matrix(4096, 8, 32, "1M", true, 600);
	matrix(64, 0, 0, "1M", true, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plenty),	  cmocka_unit_test(test_fewest_buffers),
	    cmocka_unit_test(test_fewest_pages),  cmocka_unit_test(test_fewest_of_both),
	    cmocka_unit_test(test_fewest_frames), cmocka_unit_test(test_full_volume),
	};

	return cmocka_run_group_tests_name("fs: model", tests, NULL, NULL);
}
