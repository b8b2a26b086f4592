// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Corners of names and attributes, where the oracle's programs found that Linux answers otherwise. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fs.h"
#include "kernel/time.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"

static void run(void (*body)(void *))
{
	const char *image = image_path("corners"), *out = image_path("corners-out");

	image_mke2fs(image, "8M", "-b 4096 -I 256 -N 128");
	harness_run(&(struct harness){.frames = 2048, .disk = {.image = image, .save = out}}, body, NULL);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
}

static void put_file(const char *path)
{
	int fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fs_close(fd), 0);
}

static int open_result(const char *path, int flags)
{
	int fd = fs_open(AT_FDCWD, path, flags, 0644);

	return fd < 0 ? fd : fs_close(fd);
}

static int rename_result(const char *from, const char *to, unsigned flags)
{
	return fs_rename(AT_FDCWD, from, AT_FDCWD, to, flags);
}

/* A slash behind a name asks for a directory. */
static void slashes(void *arg)
{
	static const char *const names[] = {"/file/", "/dir/", "/dir//", "/to-file/", "/to-dir/", "/loop/", "/absent/"};

	(void)arg;
	harness_start();
	put_file("/file");
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir", 0755), 0);
	assert_int_equal(fs_symlink("file", AT_FDCWD, "/to-file"), 0);
	assert_int_equal(fs_symlink("dir", AT_FDCWD, "/to-dir"), 0);
	assert_int_equal(fs_symlink("loop", AT_FDCWD, "/loop"), 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(open_result(names[i], O_CREAT | O_WRONLY), -EISDIR);
		assert_int_equal(open_result(names[i], O_CREAT | O_EXCL | O_WRONLY), -EISDIR);
	}
	assert_int_equal(open_result("/dir/./", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
	assert_int_equal(open_result("/", O_CREAT | O_WRONLY), -EISDIR);
	assert_int_equal(open_result("/", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
	assert_int_equal(open_result("/absent/new/", O_CREAT | O_WRONLY), -ENOENT);
	assert_int_equal(open_result("/file/new/", O_CREAT | O_WRONLY), -ENOTDIR);
	assert_int_equal(open_result("/dir", O_RDONLY | O_TRUNC), -EISDIR);

	assert_int_equal(rename_result("/file", "/dir/", RENAME_EXCHANGE), 0); // and the names stand for the other's
	assert_int_equal(rename_result("/dir/", "/file", RENAME_EXCHANGE), -ENOTDIR);
	assert_int_equal(rename_result("/file/", "/dir", RENAME_EXCHANGE), 0);
	assert_int_equal(rename_result("/dir", "/file/", RENAME_EXCHANGE), -ENOTDIR);
	assert_int_equal(rename_result("/file", "/new/", 0), -ENOTDIR);
	assert_int_equal(rename_result("/file/", "/new", 0), -ENOTDIR);
	assert_int_equal(rename_result("/dir", "/new/", 0), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_slashes(void **state)
{
	(void)state;
	run(slashes);
}

/* The longest target that a link can be given. */
static void long_target(void *arg)
{
	char target[4096];

	(void)arg;
	harness_start();
	put_file("/file");
	memset(target, '/', sizeof(target));
	strcpy(target + sizeof(target) - 5, "file");
	assert_int_equal(fs_symlink(target, AT_FDCWD, "/to"), 0);
	assert_int_equal(open_result("/to", O_RDONLY), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_long_target(void **state)
{
	(void)state;
	run(long_target);
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
	return st;
}

/* To the size that it has already. */
static void stamps(void *arg)
{
	const struct fs_attr old = {.what = FS_ATTR_TIMES, .atime = {.tv_sec = 5}, .mtime = {.tv_sec = 5}};
	int fd;

	(void)arg;
	harness_start();
	put_file("/file");
	assert_int_equal(fs_setattr(AT_FDCWD, "/file", &old, 0), 0);
	fd = fs_open(AT_FDCWD, "/file", O_RDWR, 0);
	assert_true(fd >= 0);
	assert_int_equal(stat_of("/file").st_mtim.tv_sec, 5);
	assert_int_equal(fs_ftruncate(fd, 0), 0);
	assert_int_not_equal(stat_of("/file").st_mtim.tv_sec, 5);
	assert_int_equal(fs_fsetattr(fd, &old), 0);
	assert_int_equal(open_result("/file", O_WRONLY | O_TRUNC), 0);
	assert_int_not_equal(stat_of("/file").st_mtim.tv_sec, 5);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_stamps(void **state)
{
	(void)state;
	run(stamps);
}

static void groups(void *arg)
{
	struct fs_attr owner = {.what = FS_ATTR_OWNER, .uid = (uid_t)-1, .gid = 70000};
	struct fs_attr mode = {.what = FS_ATTR_MODE, .mode = 02755};

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir", 0755), 0);
	assert_int_equal(fs_setattr(AT_FDCWD, "/dir", &owner, 0), 0);
	put_file("/dir/before");
	assert_int_equal(stat_of("/dir/before").st_gid, 0);
	assert_int_equal(fs_setattr(AT_FDCWD, "/dir", &mode, 0), 0);
	put_file("/dir/file");
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir/sub", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir/sub/sub", 0755), 0);
	assert_int_equal(stat_of("/dir/file").st_gid, (gid_t)owner.gid);
	assert_int_equal(stat_of("/dir/file").st_mode, S_IFREG | 0644);
	assert_int_equal(stat_of("/dir/sub").st_mode, S_IFDIR | 02755);
	assert_int_equal(stat_of("/dir/sub/sub").st_mode, S_IFDIR | 02755);
	assert_int_equal(stat_of("/dir/sub/sub").st_gid, (gid_t)owner.gid);
	assert_int_equal(harness_stop(), 0);
}

static void test_groups(void **state)
{
	(void)state;
	run(groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slashes),
	    cmocka_unit_test(test_long_target),
	    cmocka_unit_test(test_stamps),
	    cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests_name("fs: corners", tests, NULL, NULL);
}
