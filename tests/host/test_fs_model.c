// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Random operations on a tree against a model: every block size and inode size, with as many buffers, cache pages and
 * names as one could want and with as few as there can be; what mke2fs can be asked for; full volumes; transfers that
 * fail.
 */
#include <stdlib.h>

#include "fs/buffer.h"
#include "tests/host/fscase.h"
#include "tests/host/harness.h"

static unsigned long operations(unsigned long quick, unsigned long usual, unsigned long more)
{
	const enum harness_effort effort = harness_effort();

	return effort == EFFORT_QUICK ? quick : effort == EFFORT_LONG ? more : usual;
}

static void test_plenty(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		fscase_run(&(struct fscase){.block = 1024u << i % 3,
					    .inode = 128u << i / 3,
					    .disk = i % 2,
					    .seed = i + 1,
					    .ops = operations(1000, 5000, 150000)});
	fscase_check_kinds();
}

static void test_fewest(void **state)
{
	static const struct fscase cases[] = {
	    {.block = 1024, .inode = 128, .buffers = BUFFERS_MIN, .dentries = 2, .idle = 1},
	    {.block = 2048, .inode = 256, .frames = 112, .preempt = 1},
	    {.block = 4096, .inode = 256, .cache = 16, .buffers = BUFFERS_MIN, .dentries = 16, .idle = 4, .preempt = 2},
	    {.block = 1024, .inode = 256, .frames = 104, .buffers = BUFFERS_MIN, .dentries = 1, .idle = 2, .disk = 3},
	    {.block = 4096, .inode = 128, .frames = 112, .cache = 16, .buffers = BUFFERS_MIN},
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		struct fscase c = cases[i];

		c.seed = 101 + i;
		c.ops = operations(600, 3000, 100000);
		fscase_run(&c);
	}
}

static void test_features(void **state)
{
	static const char *const features[] = {
	    "-O none",
	    "-O ^dir_index",
	    "-O ^filetype",
	    "-r 0",
	    "-O ^resize_inode",
	    "-O ^sparse_super,^resize_inode",
	    "-O ^ext_attr,^large_file",
	    "-m 0 -g 1024 -N 4096",
	};

	(void)state;
	for (unsigned i = 0; i < array_size(features); i++)
		fscase_run(&(struct fscase){.block = 1024u << i % 3,
					    .inode = i == 3 ? 128 : 128u << i % 2, // revision 0 has no others
					    .features = features[i],
					    .seed = 201 + i,
					    .ops = operations(400, 2500, 50000)});
}

static void test_journal(void **state)
{
	static const struct fscase cases[] = {
	    {.block = 1024, .inode = 128},
	    {.block = 2048, .inode = 256, .buffers = BUFFERS_MIN, .dentries = 2, .idle = 1},
	    {.block = 4096, .inode = 256, .cache = 16, .dentries = 16, .idle = 4, .preempt = 2},
	    {.block = 1024, .inode = 256, .frames = 160, .buffers = BUFFERS_MIN, .dentries = 1, .idle = 2, .disk = 3},
	    {.block = 1024, .inode = 128, .size = "4M", .full = true},
	    {.block = 2048, .inode = 128, .size = "6M", .buffers = BUFFERS_MIN, .dentries = 8, .idle = 2, .full = true},
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		struct fscase c = cases[i];

		c.features = "-j";
		c.seed = 601 + i;
		c.ops = operations(600, 3000, 100000);
		fscase_run(&c);
	}
}

static void test_full(void **state)
{
	static const struct fscase cases[] = {
	    {.block = 1024, .inode = 128, .size = "1M"},
	    {.block = 4096, .inode = 256, .size = "2M", .features = "-N 256"},
	    {.block = 2048, .inode = 128, .size = "1M", .buffers = BUFFERS_MIN, .dentries = 8, .idle = 2},
	    {.block = 1024, .inode = 256, .size = "4M", .features = "-N 64 -m 5", .frames = 112},
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		struct fscase c = cases[i];

		c.full = true;
		c.seed = 301 + i;
		c.ops = operations(800, 4000, 100000);
		fscase_run(&c);
	}
}

static void test_tmpfs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		fscase_run(&(struct fscase){.block = 4096,
					    .inode = 256,
					    .frames = i ? 512 : 0,
					    .full = true,
					    .tmpfs = true,
					    .seed = 501 + i,
					    .ops = operations(800, 4000, 100000)});
}

/* Reads, writes and FLUSHes, of the first one, the second, and so on, further and further apart. */
static void test_failures(void **state)
{
	(void)state;
	for (unsigned op = BLK_READ; op <= BLK_FLUSH; op++) {
		unsigned long nth = 1;

		for (unsigned i = 0; i < operations(6, 20, 200); i++) {
			fscase_run(&(struct fscase){.block = 1024u << i % 3,
						    .inode = 256,
						    .buffers = i % 2 ? BUFFERS_MIN : 0,
						    .cache = i % 2 ? 16 : 0,
						    .dentries = i % 2 ? 4 : 0,
						    .idle = i % 2 ? 2 : 0,
						    .size = "16M",
						    .seed = 401 + i,
						    .ops = operations(200, 300, 1000),
						    .fail_ops = 1u << op,
						    .fail_nth = nth});
			nth += 1 + nth / 4;
		}
	}
}

static void test_repeat(void **state)
{
	(void)state;
	assert_true(fscase_repeat());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plenty),   cmocka_unit_test(test_fewest), cmocka_unit_test(test_features),
	    cmocka_unit_test(test_journal),  cmocka_unit_test(test_full),   cmocka_unit_test(test_tmpfs),
	    cmocka_unit_test(test_failures),
	};
	const struct CMUnitTest one[] = {cmocka_unit_test(test_repeat)};

	if (getenv("CAIRN_FSMODEL"))
		return cmocka_run_group_tests_name("fs: model", one, NULL, NULL);
	return cmocka_run_group_tests_name("fs: model", tests, NULL, NULL);
}
