// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Where files and directories are put, as debugfs sees it on the card afterwards: files that grow at the same time stay
 * in long pieces, however they are written; what was kept for one and not used is others' again; files lie beside their
 * directory, directories of the root apart. e2fsck finds nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "mm/pcache.h"
#include "tests/host/stack.h"

#define MIB (1024u * 1024)
#define LOGS 4

static const unsigned blocks[] = {1024, 2048, 4096};

static unsigned next(unsigned i)
{
	return i + (harness_effort() == EFFORT_QUICK ? 2 : 1);
}

static struct {
	unsigned block;
	const char *out;
} run;

static void run_on(unsigned block, const char *size, const char *options, size_t frames, void (*body)(void *))
{
	const char *image = image_path("alloc");
	char all[64];

	run.block = block;
	run.out = image_path("alloc-out");
	snprintf(all, sizeof(all), "-b %u %s", block, options);
	image_mke2fs(image, size, all);
	harness_run(&(struct harness){.frames = frames, .disk = {.image = image, .save = run.out}}, body, NULL);
	assert_int_equal(image_e2fsck(run.out, "-n"), 0);
}

static void write_whole(int fd, const void *data, size_t len)
{
	assert_int_equal(fs_write(fd, data, len), len);
}

static const char *log_name(unsigned i)
{
	static char path[32];

	snprintf(path, sizeof(path), "/log%u", i);
	return path;
}

/* ---- logs that grow beside each other ---- */

static size_t log_size(void)
{
	return harness_effort() == EFFORT_QUICK ? 16 * MIB : 64 * MIB;
}

/* Records of all lengths; a log is synced now and then. */
static void write_logs(void *arg)
{
	static uint8_t data[40000];
	size_t done[LOGS] = {0};
	int fd[LOGS];
	bool more = true;

	(void)arg;
	harness_start();
	for (unsigned i = 0; i < LOGS; i++)
		fd[i] = stack_open(log_name(i), O_CREAT | O_RDWR);
	for (unsigned n = 0; more; n++) {
		more = false;
		for (unsigned i = 0; i < LOGS; i++) {
			const size_t len = min_of(1 + (n * 7919u + i * 104729u) % sizeof(data), log_size() - done[i]);

			if (!len)
				continue;
			more = true;
			write_whole(fd[i], data, len);
			done[i] += len;
			if ((n + i) % 50 == 0)
				assert_int_equal(fs_fsync(fd[i], 1), 0);
		}
	}
	for (unsigned i = 0; i < LOGS; i++)
		assert_int_equal(fs_close(fd[i]), 0);
	assert_int_equal(harness_stop(), 0);
}

/* The same through mappings of holes, a page at a time; the descriptors are closed meanwhile. */
static void store_logs(void *arg)
{
	uint8_t *p[LOGS];

	(void)arg;
	harness_start();
	for (unsigned i = 0; i < LOGS; i++) {
		int fd = stack_open(log_name(i), O_CREAT | O_RDWR);

		assert_int_equal(fs_ftruncate(fd, (int64_t)log_size()), 0);
		p[i] = stack_map(fd, log_size(), MAP_R | MAP_W, MAP_KIND_SHARED);
		assert_int_equal(fs_close(fd), 0);
	}
	for (size_t at = 0; at < log_size(); at += PAGE_SIZE) {
		for (unsigned i = 0; i < LOGS; i++)
			assert_int_equal(harness_store(p[i] + at, (uint8_t)(i + 1), NULL), FAULT_OK);
	}
	for (unsigned i = 0; i < LOGS; i++)
		stack_unmap(p[i], log_size());
	assert_int_equal(harness_stop(), 0);
}

static void check_logs(const char *how)
{
	for (unsigned i = 0; i < LOGS; i++) {
		const struct image_extents e = image_extents(run.out, log_name(i));

		print_message("block %u, %s: %s: %u blocks in %u extents, %u KiB each\n", run.block, how, log_name(i),
			      e.blocks, e.count, (unsigned)(log_size() / 1024 / e.count));
		assert_int_equal(e.blocks, log_size() / run.block);
		/* Where it has had little more than its first windows, less is to be expected. */
		if (log_size() / e.count < (harness_effort() == EFFORT_QUICK ? MIB / 2 : MIB))
			fail_msg("%s is in pieces", log_name(i));
	}
}

static void logs_on_all(void (*body)(void *), const char *how)
{
	for (unsigned i = 0; i < array_size(blocks); i = next(i)) {
		run_on(blocks[i], harness_effort() == EFFORT_QUICK ? "96M" : "320M", "", 4096, body);
		check_logs(how);
	}
}

static void test_logs_written(void **state)
{
	(void)state;
	logs_on_all(write_logs, "written");
}

static void test_logs_stored(void **state)
{
	(void)state;
	logs_on_all(store_logs, "stored");
}

/* ---- windows come and go ---- */

/* The first file grows far enough to have a window; what becomes of that shows where the second goes. */
enum fate { WINDOW_STAYS, WINDOW_CUT, WINDOW_CLOSED, FATES };
static enum fate fate;

static void window_body(void *arg)
{
	static uint8_t data[16384];
	int fd, other;

	(void)arg;
	harness_start();
	fd = stack_open(log_name(0), O_CREAT | O_RDWR);
	for (unsigned i = 0; i < 16; i++)
		write_whole(fd, data, sizeof(data));
	if (fate == WINDOW_CUT)
		assert_int_equal(fs_ftruncate(fd, 15 * sizeof(data)), 0);
	if (fate == WINDOW_CLOSED)
		assert_int_equal(fs_close(fd), 0);
	other = stack_open(log_name(1), O_CREAT | O_RDWR);
	write_whole(other, data, sizeof(data));
	if (fate == WINDOW_CLOSED)
		fd = stack_open(log_name(0), O_WRONLY | O_APPEND);
	write_whole(fd, data, sizeof(data));
	assert_int_equal(fs_close(other), 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_windows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < array_size(blocks); i = next(i)) {
		for (fate = 0; fate < FATES; fate++) {
			struct image_extents first, second;

			run_on(blocks[i], "32M", "", 0, window_body);
			first = image_extents(run.out, log_name(0));
			second = image_extents(run.out, log_name(1));
			assert_int_equal(second.count, 1);
			/* The cut piece is free only after a commit, so the second one lies right behind it. */
			assert_int_equal(first.count, fate == WINDOW_STAYS ? 1 : 2);
			assert_in_range(second.first - first.first, 16 * 16384 / run.block,
					fate == WINDOW_STAYS ? MIB / run.block : 16 * 16384 / run.block);
		}
	}
}

#define SMALL_FILES 70 // more than there are windows

/* A log that grows now and then, while small files are made all the time. */
static void small_body(void *arg)
{
	static uint8_t data[16384];
	char path[64];
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open(log_name(0), O_CREAT | O_RDWR);
	for (unsigned n = 0; n < MIB / sizeof(data); n++) {
		write_whole(fd, data, sizeof(data));
		for (unsigned i = 0; i < SMALL_FILES; i++) {
			int small;

			snprintf(path, sizeof(path), "/small%u", n * SMALL_FILES + i);
			small = stack_open(path, O_CREAT | O_RDWR);
			write_whole(small, data, 1 + (n * 31 + i * 7) % 9000);
			assert_int_equal(fs_close(small), 0);
		}
	}
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_small_files(void **state)
{
	(void)state;
	for (unsigned i = 0; i < array_size(blocks); i = next(i)) {
		struct image_extents e;

		run_on(blocks[i], "96M", "-N 8192", 0, small_body);
		e = image_extents(run.out, log_name(0));
		print_message("block %u, beside small files: %u blocks in %u extents\n", run.block, e.blocks, e.count);
		/* Windows of 64 KiB and on, and what came before the first. */
		assert_in_range(e.count, 1, 8);
	}
}

/* ---- directories ---- */

#define DIRECTORIES 6
#define GROUP_INODES 128u

static unsigned group_at(const char *path)
{
	struct stat st;

	assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
	return (unsigned)((st.st_ino - 1) / GROUP_INODES);
}

static void make_file(const char *path)
{
	const int fd = stack_open(path, O_CREAT | O_RDWR);

	write_whole(fd, path, 4);
	assert_int_equal(fs_close(fd), 0);
}

static void directories_body(void *arg)
{
	bool seen[8] = {false};
	char path[64], home[64];
	unsigned away = 0;

	(void)arg;
	harness_start();
	for (unsigned d = 0; d < DIRECTORIES; d++) {
		snprintf(home, sizeof(home), "/d%u", d);
		assert_int_equal(fs_mkdir(AT_FDCWD, home, 0755), 0);
		/* Those of the root are spread. */
		assert_false(seen[group_at(home)]);
		seen[group_at(home)] = true;
		/* What is in them lies beside them. */
		for (unsigned i = 0; i < 4; i++) {
			snprintf(path, sizeof(path), "/d%u/sub%u", d, i);
			assert_int_equal(fs_mkdir(AT_FDCWD, path, 0755), 0);
			away += group_at(path) != group_at(home);
			for (unsigned j = 0; j < 8; j++) {
				snprintf(path, sizeof(path), "/d%u/f%u-%u", d, i, j);
				make_file(path);
				assert_int_equal(group_at(path), group_at(home));
			}
		}
		assert_int_equal(away, 0);
	}
	/* One group's inodes are too few for this; all find a place, and most in one other group. */
	for (unsigned i = 0; i < 2 * GROUP_INODES; i++) {
		snprintf(path, sizeof(path), "/d0/more%u", i);
		make_file(path);
		away += group_at(path) != group_at("/d0");
	}
	assert_in_range(away, GROUP_INODES, 2 * GROUP_INODES - 1);
	assert_int_equal(harness_stop(), 0);
}

/* Files of each directory begin in its group. */
static void test_directories(void **state)
{
	(void)state;
	run_on(1024, "64M", "-N 1024 -I 256", 0, directories_body);
	for (unsigned d = 1; d < DIRECTORIES; d++) {
		char path[64];
		struct image_extents directory, file;

		snprintf(path, sizeof(path), "/d%u", d);
		directory = image_extents(run.out, path);
		snprintf(path, sizeof(path), "/d%u/f3-7", d);
		file = image_extents(run.out, path);
		assert_int_equal(directory.blocks, 1);
		assert_int_equal((file.first - 1) / 8192, (directory.first - 1) / 8192);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_logs_written), cmocka_unit_test(test_logs_stored), cmocka_unit_test(test_windows),
	    cmocka_unit_test(test_small_files),	 cmocka_unit_test(test_directories),
	};

	return cmocka_run_group_tests_name("ext2: where files lie", tests, NULL, NULL);
}
