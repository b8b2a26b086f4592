// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Volumes of every kind that mke2fs makes: with blocks, inodes and features of ext2 they are written, and e2fsck finds
 * nothing then; with what is not known they are refused, or read only, and the feature is named.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fs.h"
#include "tests/host/mountimage.h"

#define MANY 150

static void write_file(const char *path, int64_t at, const char *text)
{
	int fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0640);

	assert_true(fd >= 0);
	assert_int_equal(fs_pwrite(fd, text, strlen(text), at), strlen(text));
	assert_int_equal(fs_fsync(fd, false), 0);
	assert_int_equal(fs_close(fd), 0);
}

static void check_file(const char *path, int64_t at, const char *text)
{
	char got[300] = "";
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0);

	if (fd < 0)
		fail_msg("%s: %d", path, fd);
	assert_int_equal(fs_pread(fd, got, strlen(text), at), strlen(text));
	assert_string_equal(got, text);
	assert_int_equal(fs_close(fd), 0);
}

static void many_name(char *name, size_t size, unsigned i)
{
	snprintf(name, size, "/many/%0*u", 1 + (int)(i * 7 % 200), i);
}

/* Beyond what the inodes hold, it is as near as can be. */
static const struct timespec times[] = {{INT32_MIN, 5},		  {-1, 999999999},  {INT32_MAX, 7},   {1ll << 31, 8},
					{15032385535, 999999999}, {15032385536, 1}, {-(1ll << 40), 3}};

static void check_times(uint32_t inode_size)
{
	const int64_t max = inode_size > 128 ? 15032385535 : INT32_MAX;

	for (size_t i = 0; i < array_size(times); i++) {
		const bool fits = times[i].tv_sec >= INT32_MIN && times[i].tv_sec <= max;
		char path[] = {'/', 't', (char)('0' + i), 0};
		struct stat st;

		assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
		assert_int_equal(st.st_mtim.tv_sec, fits ? times[i].tv_sec : times[i].tv_sec < 0 ? INT32_MIN : max);
		assert_int_equal(st.st_mtim.tv_nsec, fits && inode_size > 128 ? times[i].tv_nsec : 0);
	}
}

static void use(void *arg)
{
	char name[300], longest[256 + 2] = "/";
	struct stat st;

	(void)arg;
	harness_start();
	memset(longest + 1, 'n', 255);
	write_file(longest, 0, "longest");
	write_file("/there", 3000000, "after a hole");
	check_file("/there", 3000000, "after a hole");
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (unsigned i = 0; i < MANY; i++) {
		many_name(name, sizeof(name), i);
		write_file(name, 0, name);
	}
	for (unsigned i = 0; i < MANY; i += 3) {
		many_name(name, sizeof(name), i);
		assert_int_equal(fs_unlink(AT_FDCWD, name, 0), 0);
	}
	assert_int_equal(fs_symlink("many", AT_FDCWD, "/fast"), 0);
	assert_int_equal(fs_link(AT_FDCWD, "/there", AT_FDCWD, "/many/there", 0), 0);
	assert_int_equal(fs_rename(AT_FDCWD, "/there", AT_FDCWD, "/many/moved", 0), 0);
	assert_int_equal(fs_setattr(AT_FDCWD, "/many/moved",
				    &(struct fs_attr){.what = FS_ATTR_TIMES,
						      .atime = {.tv_sec = 1},
						      .mtime = {.tv_sec = INT32_MAX, .tv_nsec = 123456789}},
				    0),
			 0);
	assert_int_equal(fs_stat(AT_FDCWD, "/fast/there", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mtim.tv_sec, INT32_MAX);
	for (size_t i = 0; i < array_size(times); i++) {
		char path[] = {'/', 't', (char)('0' + i), 0};

		write_file(path, 0, "x");
		assert_int_equal(
		    fs_setattr(AT_FDCWD, path,
			       &(struct fs_attr){.what = FS_ATTR_TIMES, .atime = times[i], .mtime = times[i]}, 0),
		    0);
	}
	assert_int_equal(harness_stop(), 0);
}

static void look(void *arg)
{
	const struct ext2_super *super = arg;
	char name[300];

	harness_start();
	check_times(super->rev_level ? super->inode_size : 128);
	check_file("/many/moved", 3000000, "after a hole");
	for (unsigned i = 1; i < MANY; i += 3) {
		many_name(name, sizeof(name), i);
		check_file(name, 0, name);
	}
	assert_int_equal(harness_stop(), 0);
}

/* Everything but what a mount changes. */
static void check_same_kind(const struct ext2_super *before, const struct ext2_super *after)
{
	assert_int_equal(after->rev_level, before->rev_level);
	assert_int_equal(after->feature_compat, before->feature_compat);
	assert_int_equal(after->feature_incompat, before->feature_incompat);
	assert_int_equal(after->feature_ro_compat, before->feature_ro_compat);
	assert_int_equal(after->state, EXT2_STATE_VALID);
	assert_int_equal(after->error_count, 0);
}

static void written(const char *options, const char *size)
{
	const char *image = image_path("matrix"), *out = image_path("matrix-out");
	struct harness h = {.frames = 4096, .disk = {.image = image, .save = out}};
	struct ext2_super before, after;
	const char *log;

	image_mke2fs(image, size, options);
	before = mountimage_super(image);
	if (harness_status(&h, use, NULL, &log))
		fail_msg("mke2fs %s:\n%s", options, log);
	if (image_e2fsck(out, "-n"))
		fail_msg("mke2fs %s: e2fsck finds something", options);
	after = mountimage_super(out);
	check_same_kind(&before, &after);
	h.disk.image = out;
	h.disk.save = NULL;
	if (harness_status(&h, look, &after, &log))
		fail_msg("mke2fs %s, mounted again:\n%s", options, log);
}

/* What versions 1.46 and 1.47 make by default, and without features. */
static void test_sizes(void **state)
{
	static const char *const features[] = {"", "-O none", "-r 0"};
	static const unsigned inodes[] = {128, 256, 512, 1024};

	(void)state;
	for (unsigned block = 1024; block <= 4096; block *= 2) {
		for (size_t i = 0; i < array_size(inodes) && inodes[i] <= block; i++) {
			for (size_t f = 0; f < array_size(features); f++) {
				char options[100];

				if (f == 2 && inodes[i] != 128)
					continue; // revision 0 has no other
				if (harness_effort() == EFFORT_QUICK && i >= 2)
					continue;
				snprintf(options, sizeof(options), "-b %u -I %u -N 400 %s", block, inodes[i],
					 features[f]);
				written(options, "10M");
			}
		}
	}
}

/* One more and one less than the default. */
static void test_features(void **state)
{
	static const char *const features[] = {
	    "none,filetype",
	    "none,sparse_super",
	    "none,large_file",
	    "none,dir_index",
	    "none,ext_attr",
	    "none,sparse_super,resize_inode",
	    "none,filetype,sparse_super,large_file",
	    "^filetype",
	    "^sparse_super,^resize_inode",
	    "^resize_inode",
	    "^dir_index",
	    "^ext_attr",
	    "^large_file",
	    "dir_nlink,extra_isize",
	    "sparse_super2,^resize_inode",
	    "has_journal",
	    "stable_inodes",
	    "fast_commit",
	};

	(void)state;
	for (size_t i = 0; i < array_size(features); i++) {
		char options[100];

		snprintf(options, sizeof(options), "-b 1024 -I %u -N 400 -O %s", i % 2 ? 256 : 128, features[i]);
		written(options, "20M");
	}
}

/* Groups of an odd size, a last one that is short, reserved blocks, names and owners. */
static void test_shapes(void **state)
{
	static const char *const options[] = {
	    "-b 1024 -g 1024 -N 400",
	    "-b 4096 -g 2048 -N 400",
	    "-b 2048 -m 50 -N 400",
	    "-b 1024 -L name -M /mnt -e remount-ro -N 400",
	    "-b 4096 -E resize=1000000 -N 400",
	};

	(void)state;
	for (size_t i = 0; i < array_size(options); i++)
		written(options[i], "17003k");
}

static void test_unknown(void **state)
{
	static const struct {
		const char *features; // as mke2fs has them
		const char *named;
		int err; // of mounting it for writing; read-only it is the same, or 0 for -EROFS
	} cases[] = {
	    {"extents", "feature extents", -ENOTSUP},
	    {"extents,64bit", "feature 64bit", -ENOTSUP},
	    {"flex_bg", "feature flex_bg", -ENOTSUP},
	    {"meta_bg,^resize_inode", "feature meta_bg", -ENOTSUP},
	    {"mmp", "feature mmp", -ENOTSUP},
	    {"ea_inode", "feature ea_inode", -ENOTSUP},
	    {"large_dir", "feature large_dir", -ENOTSUP},
	    {"inline_data", "feature inline_data", -ENOTSUP},
	    {"encrypt", "feature encrypt", -ENOTSUP},
	    {"casefold", "feature casefold", -ENOTSUP},
	    {"journal_dev", "feature journal_dev", -ENOTSUP},
	    {"huge_file", "feature huge_file", -EROFS},
	    {"uninit_bg", "feature uninit_bg", -EROFS},
	    {"metadata_csum", "feature metadata_csum", -EROFS},
	    {"quota", "feature quota", -EROFS},
	    {"quota,project", "feature project", -EROFS},
	    {"verity", "feature verity", -EROFS},
	    {"extents,bigalloc", "feature extents", -ENOTSUP},
	    {"extents,huge_file,flex_bg,64bit,metadata_csum,dir_nlink,extra_isize,has_journal", "feature extents",
	     -ENOTSUP},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const char *image = image_path("matrix");
		char options[150];

		snprintf(options, sizeof(options), "-b 4096 -I 256 -O %s", cases[i].features);
		image_mke2fs(image, "20M", options);
		mountimage_check(image, false, cases[i].err, cases[i].named);
		mountimage_check(image, true, cases[i].err == -EROFS ? 0 : cases[i].err, cases[i].named);
		/* And what to do. */
		mountimage_check(image, false, cases[i].err, "mke2fs -t ext2");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_features),
	    cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests_name("ext2: what mke2fs makes", tests, NULL, NULL);
}
