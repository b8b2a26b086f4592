// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * tmpfs when the kernel's heap is out: each allocation of each call fails in its turn, the error is ENOMEM, nothing has
 * changed then, nothing stays promised, and the call works the next time.
 */
#include <errno.h>
#include <string.h>

#include "mm/map.h"
#include "tests/host/allocfail.h"
#include "tests/host/stack.h"

static int file;

static long done(long r)
{
	allocfail_disarm();
	return r;
}

static long make_directory(void)
{
	long r = done(fs_mkdir(AT_FDCWD, "/m/new", 0755));

	return r ? r : fs_unlink(AT_FDCWD, "/m/new", AT_REMOVEDIR);
}

static long make_file(void)
{
	int fd = (int)done(fs_open(AT_FDCWD, "/m/new", O_CREAT | O_EXCL | O_RDWR, 0644));

	if (fd < 0) {
		/* It may have been made, and only not be opened. */
		long r = fs_unlink(AT_FDCWD, "/m/new", 0);

		return r && r != -ENOENT ? r : fd;
	}
	return fs_close(fd) || fs_unlink(AT_FDCWD, "/m/new", 0) ? -EINVAL : 0;
}

static long make_symlink(void)
{
	long r = done(fs_symlink("target", AT_FDCWD, "/m/new"));

	return r ? r : fs_unlink(AT_FDCWD, "/m/new", 0);
}

static long make_link(void)
{
	long r = done(fs_link(AT_FDCWD, "/m/file", AT_FDCWD, "/m/new", 0));

	return r ? r : fs_unlink(AT_FDCWD, "/m/new", 0);
}

static long move(void)
{
	long r = done(fs_rename(AT_FDCWD, "/m/file", AT_FDCWD, "/m/dir/a-long-name-of-its-own", 0));

	return r ? r : fs_rename(AT_FDCWD, "/m/dir/a-long-name-of-its-own", AT_FDCWD, "/m/file", 0);
}

/* Far out, so that the tree of pages needs nodes. */
static long write_far(void)
{
	long r = done(fs_pwrite(file, "x", 1, (int64_t)1 << 40));

	if (r < 0)
		return r;
	return r == 1 ? fs_ftruncate(file, 0) : -EINVAL;
}

static long allocate(void)
{
	long r = done(fs_fallocate(file, (int64_t)1 << 30, 3 * PAGE_SIZE));

	return fs_ftruncate(file, 0) ? -EINVAL : r;
}

static long mount_one(void)
{
	long r = done(fs_mount("none", "/m/dir", "tmpfs", 0, "size=1m"));

	return r ? r : fs_umount("/m/dir", 0);
}

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {
    {"mkdir", make_directory}, {"open", make_file},  {"symlink", make_symlink}, {"link", make_link},
    {"rename", move},	       {"write", write_far}, {"fallocate", allocate},	{"mount", mount_one},
};

static void check_nothing_left(const char *name, const struct fs_space *space, size_t committed)
{
	struct fs_space now;
	struct map_stats map;

	assert_int_equal(fs_space(AT_FDCWD, "/m", &now), 0);
	map_stats(&map);
	if (now.blocks_free != space->blocks_free || now.inodes_free != space->inodes_free ||
	    map.committed != committed)
		fail_msg("%s: something is left", name);
}

/* All allocations from the nth on fail, so that reclaim finds none either. How many there are. */
static unsigned fail_each(const char *name, long (*call)(void))
{
	struct fs_space space;
	struct map_stats map;

	assert_int_equal(fs_space(AT_FDCWD, "/m", &space), 0);
	map_stats(&map);
	for (unsigned n = 1;; n++) {
		uint64_t fired;
		long r;

		allocfail_arm(n, UINT64_MAX / 2);
		r = call();
		fired = allocfail_fired();
		if (!fired) {
			assert_int_equal(r, 0);
			return n - 1;
		}
		if (r != -ENOMEM)
			fail_msg("%s, allocation %u: %ld", name, n, r);
		check_nothing_left(name, &space, map.committed);
		assert_int_equal(call(), 0);
		check_nothing_left(name, &space, map.committed);
	}
}

static void body(void *arg)
{
	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m", 0755), 0);
	assert_int_equal(fs_mount("none", "/m", "tmpfs", 0, NULL), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m/dir", 0755), 0);
	file = stack_open("/m/file", O_CREAT | O_RDWR);
	for (size_t i = 0; i < array_size(calls); i++) {
		assert_int_equal(calls[i].call(), 0);
		assert_true(fail_each(calls[i].name, calls[i].call) > 0);
	}
	assert_int_equal(harness_stop(), 0);
}

static void test_memory(void **state)
{
	(void)state;
	harness_run(&(struct harness){.disk = {.image = stack_image("memory", "8M", 4096, PAGE_SIZE)}}, body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
