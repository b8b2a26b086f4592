// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What mounts, what does not, and what is said about it; what a mount and an unmount leave on the card; repairing a
 * volume that was not unmounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/buffer.h"
#include "fs/ext2/format.h"
#include "fs/fs.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/mountimage.h"

static int *result; // shared with runs

static const char *mount_image(const char *image, bool read_only, const char *save)
{
	if (!result)
		result = harness_shared(sizeof(*result));
	return mountimage_run(image, read_only, save, result);
}

static const char *fresh(const char *options)
{
	const char *image = image_path("mount");

	image_mke2fs(image, "4M", options);
	return image;
}

static void test_features(void **state)
{
	static const struct {
		uint32_t incompat, ro;
		const char *name;
	} cases[] = {
	    {0x40, 0, "extents"},
	    {0x80, 0, "64bit"},
	    {0x200, 0, "flex_bg"},
	    {0x8000, 0, "inline_data"},
	    {0x20000000, 0, "unknown (bit 29)"},
	    {0, 0x400, "metadata_csum"},
	    {0, 0x10, "uninit_bg"},
	    {0, 0x8, "huge_file"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const char *image = fresh("-b 1024");

		POKE_SUPER(image, feature_incompat, EXT2_INCOMPAT_FILETYPE | cases[i].incompat);
		POKE_SUPER(image, feature_ro_compat, EXT2_RO_SPARSE_SUPER | cases[i].ro);
		mountimage_check(image, false, cases[i].incompat ? -ENOTSUP : -EROFS, cases[i].name);
		mountimage_check(image, true, cases[i].incompat ? -ENOTSUP : 0, cases[i].name);
	}
}

static void test_journal(void **state)
{
	const char *image;

	(void)state;
	image = fresh("-b 1024 -O has_journal");
	mountimage_check(image, false, 0, NULL);
	image = fresh("-b 1024");
	POKE_SUPER(image, feature_incompat, EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_RECOVER);
	mountimage_check(image, false, -EUCLEAN, "its journal is to be replayed, but has none");
}

static void test_ext4(void **state)
{
	(void)state;
	mountimage_check(fresh("-O extents,flex_bg,metadata_csum"), false, -ENOTSUP, "extents");
}

static void test_bad_geometry(void **state)
{
	(void)state;
#define BAD(field, value, expected, said)                                                                              \
	do {                                                                                                           \
		const char *image_ = fresh("-b 1024");                                                                 \
		POKE_SUPER(image_, field, value);                                                                      \
		mountimage_check(image_, false, expected, said);                                                       \
	} while (0)
	BAD(magic, 0, -EINVAL, "no ext2");
	BAD(log_block_size, 6, -ENOTSUP, "not supported");
	BAD(log_block_size, 0xffffffff, -EUCLEAN, "block size");
	BAD(blocks_count, 1 << 20, -EUCLEAN, "too small");
	BAD(blocks_count, 0, -EUCLEAN, "number of blocks");
	BAD(blocks_per_group, 0, -EUCLEAN, "blocks per group");
	BAD(blocks_per_group, 7, -EUCLEAN, "blocks per group");
	BAD(inodes_per_group, 0, -EUCLEAN, "inodes per group");
	BAD(inodes_count, 3, -EUCLEAN, "number of inodes");
	BAD(inode_size, 100, -EUCLEAN, "inode size");
	BAD(inode_size, 0, -EUCLEAN, "inode size");
	BAD(first_data_block, 0, -EUCLEAN, "first block");
	BAD(first_ino, 1, -EUCLEAN, "first inode");
	BAD(reserved_gdt_blocks, 0xffff, -EUCLEAN, "descriptor");
	BAD(rev_level, 7, -EUCLEAN, "revision");
#undef BAD
}

static void test_bad_descriptor(void **state)
{
	(void)state;
	for (uint32_t at = 0; at < 12; at += 4) {
		const char *image = fresh("-b 1024");
		const uint32_t far = 100000;

		image_poke(image, 2048 + at, &far, sizeof(far));
		mountimage_check(image, false, -EUCLEAN, "descriptors from group 0 on, block 2, are damaged");
	}
}

static const char *blank(off_t size)
{
	const char *image = image_path("blank");
	FILE *f = fopen(image, "wb");

	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(truncate(image, size), 0);
	return image;
}

static void test_nothing_there(void **state)
{
	(void)state;
	mountimage_check(blank(2048), false, -EINVAL, "holds no file system");
	mountimage_check(blank(4 << 20), false, -EINVAL, "no ext2");
	mountimage_check(blank(1 << 30), false, -EINVAL, "no ext2");
}

static void mount_device_read_only(void *arg)
{
	int fd;

	(void)arg;
	struct blkdev *disk = harness_start_disk();

	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	assert_int_equal(fs_mount_root(disk, false), -EROFS);
	assert_int_equal(fs_mount_root(disk, true), 0);
	assert_int_equal(fs_open(AT_FDCWD, "/new", O_CREAT | O_RDWR, 0644), -EROFS);
	assert_int_equal(fs_open(AT_FDCWD, "/lost+found", O_RDWR, 0), -EISDIR);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/d", 0755), -EROFS);
	assert_int_equal(fs_unlink(AT_FDCWD, "/lost+found", 0), -EROFS);
	assert_int_equal(fs_rename(AT_FDCWD, "/lost+found", AT_FDCWD, "/l", 0), -EROFS);
	fd = fs_open(AT_FDCWD, "/", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_fsync(fd, false), 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_sync(), 0);
	assert_int_equal(fs_unmount_all(), 0);
}

static void test_read_only_device(void **state)
{
	struct harness h = {.frames = 2048, .disk = {.image = fresh("-b 4096"), .read_only = true}};

	(void)state;
	harness_run(&h, mount_device_read_only, NULL);
}

static void test_mark(void **state)
{
	const char *image = fresh("-b 2048"), *out = image_path("mount-out");
	struct ext2_super super;

	(void)state;
	mount_image(image, false, out);
	super = mountimage_super(out);
	assert_int_equal(super.state, EXT2_STATE_VALID);
	assert_int_equal(super.mount_count, 1);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
}

static void mount_and_leave(void *arg)
{
	int fd;

	(void)arg;
	harness_start();
	fd = fs_open(AT_FDCWD, "/kept", O_CREAT | O_RDWR, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fs_fallocate(fd, 0, 300000), 0);
	assert_int_equal(fs_pwrite(fd, "acknowledged", 12, 100000), 12);
	assert_int_equal(fs_fsync(fd, false), 0);
	/* Deleted but open, and being written: the cut comes with both. */
	fd = fs_open(AT_FDCWD, "/gone", O_CREAT | O_RDWR, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fs_fallocate(fd, 0, 500000), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/gone", 0), 0);
	assert_int_equal(fs_sync(), 0);
}

static void mount_after_cut(void *arg)
{
	char text[13] = "";
	struct fs_space space;
	int fd;

	(void)arg;
	harness_start();
	fd = fs_open(AT_FDCWD, "/kept", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_pread(fd, text, 12, 100000), 12);
	assert_string_equal(text, "acknowledged");
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_open(AT_FDCWD, "/gone", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_space(AT_FDCWD, "/", &space), 0);
	*result = (int)space.blocks_free;
	assert_int_equal(harness_stop(), 0);
}

static void test_unclean(void **state)
{
	static const char *const options[] = {"-b 1024", "-b 2048 -I 256", "-b 4096"};

	(void)state;
	if (!result)
		result = harness_shared(sizeof(*result));
	for (size_t i = 0; i < array_size(options); i++) {
		const char *image = fresh(options[i]), *cut = image_path("mount-cut"), *out = image_path("mount-out");
		struct harness h = {.frames = 2048, .disk = {.image = image, .save = cut}};
		const char *log;

		harness_run(&h, mount_and_leave, NULL);
		assert_int_equal(mountimage_super(cut).state & EXT2_STATE_VALID, 0);
		h.disk.image = cut;
		h.disk.save = out;
		if (harness_status(&h, mount_after_cut, NULL, &log))
			fail_msg("%s", log);
		assert_non_null(strstr(log, "was not unmounted"));
		assert_non_null(strstr(log, "1 deleted files removed"));
		assert_int_equal(image_e2fsck(out, "-n"), 0);
		assert_int_equal(mountimage_super(out).free_blocks, *result);
	}
}

/* Leaked blocks and wrong counts, as a cut leaves them, made by hand. */
static void test_recount(void **state)
{
	const char *image = fresh("-b 1024"), *out = image_path("mount-out");
	const uint8_t ones[64] = {[0 ... 63] = 0xff};
	struct ext2_super super = mountimage_super(image);
	struct ext2_group group;
	FILE *f = fopen(image, "rb");
	const char *log;

	(void)state;
	assert_non_null(f);
	assert_int_equal(fseek(f, 2048, SEEK_SET), 0);
	assert_int_equal(fread(&group, sizeof(group), 1, f), 1);
	assert_int_equal(fclose(f), 0);
	image_poke(image, group.block_bitmap * 1024ull + 256, ones, sizeof(ones));
	POKE_SUPER(image, free_blocks, super.free_blocks - 999);
	POKE_SUPER(image, free_inodes, 1);
	POKE_SUPER(image, state, 0);
	log = mount_image(image, false, out);
	assert_int_equal(*result, 0);
	assert_non_null(strstr(log, "512 leaked blocks freed"));
	assert_int_equal(image_e2fsck(out, "-n"), 0);
	assert_int_equal(mountimage_super(out).free_blocks, super.free_blocks);
}

static void test_recount_refuses(void **state)
{
	const char *image = fresh("-b 1024");

	(void)state;
	image_debugfs(image, "write /proc/self/exe a\nwrite /proc/self/exe b\n");
	/* Both claim the first block of a. */
	image_debugfs(image, "sif a block[0] 900\nsif b block[0] 900\nssv state 0\n");
	mountimage_check(image, false, -EUCLEAN, "block 900 belongs to inode");
}

/* ---- names and links, as a cut of ours leaves them, made by hand ---- */

/* An image of a mount of ours that was cut: what debugfs changes in it then is this mount's doing. */
static const char *cut_image(const char *options, const char *commands)
{
	const char *image = fresh(options), *cut = image_path("mount-cut");
	struct harness h = {.frames = 2048, .disk = {.image = image, .save = cut}};

	if (!result)
		result = harness_shared(sizeof(*result));
	harness_run(&h, mount_and_leave, NULL);
	image_debugfs(cut, commands);
	return cut;
}

/* Mounts it, unmounts it, and e2fsck finds nothing: what was said. */
static const char *recovered(const char *cut)
{
	const char *out = image_path("mount-out"), *log = mount_image(cut, false, out);

	if (*result)
		fail_msg("mount: %d\n%s", *result, log);
	if (image_e2fsck(out, "-n"))
		fail_msg("e2fsck finds something after:\n%s", log);
	assert_int_equal(mountimage_super(out).state, EXT2_STATE_VALID);
	return log;
}

static bool is_there(const char *path)
{
	size_t len;
	uint8_t *data = image_read(image_path("mount-out"), path, &len);

	free(data);
	return data != NULL;
}

static const char *const sizes[] = {"-b 1024", "-b 2048 -I 256", "-b 4096"};

static void test_unnamed(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(sizes); i++) {
		struct ext2_super before;
		const char *log;

		log = recovered(cut_image(sizes[i], "mkdir keep\n"));
		before = mountimage_super(image_path("mount-out"));
		log = recovered(cut_image(sizes[i], "mkdir keep\nwrite /proc/self/exe file\nunlink file\n"
						    "mkdir dir\nmkdir dir/sub\nwrite /proc/self/exe dir/sub/a\n"
						    "ln keep dir/keep\nunlink dir\nsif / links_count 5\n"));
		mountimage_said(log, "4 inodes without a name removed");
		assert_true(is_there("/kept"));
		assert_int_equal(mountimage_super(image_path("mount-out")).free_blocks, before.free_blocks);
		assert_int_equal(mountimage_super(image_path("mount-out")).free_inodes, before.free_inodes);
	}
}

static void test_link_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(sizes); i++) {
		const char *log;

		log = recovered(cut_image(sizes[i], "write /proc/version high\nsif high links_count 7\n"
						    "write /proc/version low\nln low low2\nln low low3\n"
						    "sif low links_count 2\n"
						    "write /proc/version two\nln two again\nsif two links_count 1\n"
						    "mkdir dir\nmkdir dir/sub\nsif dir links_count 9\n"
						    "sif kept links_count 300\n"));
		mountimage_said(log, "5 links and ends set right");
		assert_true(is_there("/high") && is_there("/low") && is_there("/low2") && is_there("/low3"));
		assert_true(is_there("/two") && is_there("/again") && is_there("/kept"));
	}
}

/* Inodes that the orphan list does not lead to any more, a number that is nobody's, counts of blocks, blocks too many.
 */
static void test_half_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(sizes); i++) {
		char commands[1024];
		const char *log;

		snprintf(commands, sizeof(commands),
			 "write /proc/self/exe lost\nsif lost links_count 0\nsif lost dtime 0\nunlink lost\n"
			 "write /proc/self/exe lost2\nsif lost2 links_count 0\nsif lost2 dtime 12\nunlink lost2\n"
			 "seti <60>\nseti <61>\n"
			 "write /proc/self/exe blocks\nsif blocks blocks 2\n"
			 "write /proc/self/exe long\nsif long size 3000\n"
			 "write /proc/self/exe dtime\nsif dtime dtime 15\n"
			 "mkdir dir\nwrite /dev/null dir/fifo\nsif dir/fifo mode 010644\nsif dir size %u\n",
			 2048u << i);
		log = recovered(cut_image(sizes[i], commands));
		mountimage_said(log, "2 inodes without a name removed, 2 links and ends set right, 1 names");
		assert_true(is_there("/kept") && is_there("/long") && is_there("/dtime") && is_there("/blocks"));
	}
}

/* Both names of a directory that was moving, and .. of either. */
static void test_moved_directory(void **state)
{
	static const char *const parents[] = {"from", "to"};

	(void)state;
	for (size_t i = 0; i < array_size(sizes) * 2; i++) {
		char commands[400];

		snprintf(commands, sizeof(commands),
			 "mkdir from\nmkdir to\nmkdir from/dir\nwrite /proc/version from/dir/file\n"
			 "ln from/dir to/dir\nunlink from/dir/..\nln %s from/dir/..\n"
			 "sif from/dir links_count 3\nsif to links_count 3\n",
			 parents[i % 2]);
		mountimage_said(recovered(cut_image(sizes[i / 2], commands)), "names");
		assert_true(is_there("/from/dir/file") != is_there("/to/dir/file"));
	}
}

/* Deeper than any stack. */
static void test_deep_tree(void **state)
{
	enum { DEPTH = 700 };
	char *commands = malloc(DEPTH * 32), *p = commands;

	(void)state;
	for (size_t i = 0; i < array_size(sizes); i++) {
		p = commands;
		for (unsigned level = 0; level < DEPTH; level++)
			p += sprintf(p, "mkdir d\ncd d\n");
		sprintf(p, "write /proc/version bottom\nsif bottom links_count 3\n");
		mountimage_said(recovered(cut_image(sizes[i], commands)), "1 links and ends set right");
	}
	free(commands);
}

static void test_names_refused(void **state)
{
	static const struct {
		const char *commands, *said;
	} cases[] = {
	    {"mkdir a\nmkdir a/b\nln a a/b/c\n", "in which it lies"},
	    {"mkdir a\nln a a/a\n", "in which it lies"},
	    {"mkdir a\nln / a/root\n", "in which it lies"},
	    {"write /proc/version a\nclri a\n", "which is free"},
	    {"write /proc/version a\nsif a links_count 0\nsif a dtime 2000000000\n", "which is free"},
	    {"mkdir a\nunlink a/.\n", "does not begin with"},
	    {"mkdir a\nln a b\nunlink a/..\n", "does not begin with"},
	    {"ln <8> journal\n", "which is free"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const char *cut, *log, *line;
		char commands[256];
		unsigned lines = 0;

		/* What has no name stays where anything is wrong. */
		snprintf(commands, sizeof(commands), "%swrite /proc/version unnamed\nunlink unnamed\n",
			 cases[i].commands);
		cut = cut_image("-b 1024", commands);
		log = mount_image(cut, false, image_path("mount-out"));
		if (*result != -EUCLEAN)
			fail_msg("case %zu: mount: %d\n%s", i, *result, log);
		mountimage_said(log, cases[i].said);
		for (line = log; (line = strstr(line, "damaged:")); line++)
			lines++;
		assert_int_equal(lines, 1);
		assert_null(strstr(log, "removed"));
		assert_int_equal(mountimage_super(image_path("mount-out")).state & EXT2_STATE_VALID, 0);
		/* e2fsck finds the file that has no name. */
		assert_int_equal(image_e2fsck(image_path("mount-out"), "-y"), 1);
		image_debugfs(image_path("mount-out"), "ls lost+found\n");
	}
}

/* On a card that another system left, a file without a name may be somebody's. */
static void test_unnamed_of_others(void **state)
{
	const char *image = fresh("-b 1024"), *out = image_path("mount-out"), *again = image_path("mount-again"), *log;

	(void)state;
	image_debugfs(image, "write /proc/version a\nunlink a\nmkdir d\nsif d links_count 5\nssv state 0\n");
	log = mount_image(image, false, out);
	assert_int_equal(*result, 0);
	mountimage_said(log, "1 inodes have no name");
	assert_int_equal(mountimage_super(out).state & EXT2_STATE_VALID, 0);
	/* Nor is it ours because it was mounted here. */
	log = mount_image(out, false, again);
	assert_int_equal(*result, 0);
	mountimage_said(log, "1 inodes have no name");
	assert_int_equal(image_e2fsck(again, "-y"), 1);
	log = mount_image(again, false, out);
	assert_null(strstr(log, "was not unmounted"));
}

/* Where another system's cut left none, the next cut is ours. */
static void test_becomes_ours(void **state)
{
	const char *image = fresh("-b 1024"), *cut = image_path("mount-cut");
	struct harness h = {.frames = 2048, .disk = {.image = image, .save = cut}};

	(void)state;
	image_debugfs(image, "ssv state 0\n");
	harness_run(&h, mount_and_leave, NULL);
	image_debugfs(cut, "write /proc/version a\nunlink a\n");
	mountimage_said(recovered(cut), "inodes without a name removed");
}

static void damaged_in_use(void *arg)
{
	const bool continues = arg != NULL;
	uint8_t byte;
	int fd;

	harness_start();
	fd = fs_open(AT_FDCWD, "/a", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_pread(fd, &byte, 1, 0), -EUCLEAN);
	assert_int_equal(fs_pread(fd, &byte, 1, 4096), 1);
	assert_int_equal(fs_close(fd), 0);
	fd = fs_open(AT_FDCWD, "/new", O_CREAT | O_RDWR, 0644);
	if (continues)
		assert_int_equal(fs_close(fd), 0);
	else
		assert_int_equal(fd, -EROFS);
	assert_int_equal(fs_unmount_all(), 0);
}

/* A pointer out of range is found where it is used, remembered in the superblock, and errors= is honoured. */
static void test_bad_pointer(void **state)
{
	static const char *const errors[] = {"-e remount-ro", "-e continue"};

	(void)state;
	for (uintptr_t i = 0; i < 2; i++) {
		char options[64];
		const char *image, *out = image_path("mount-out"), *log;
		struct harness h = {.frames = 2048};

		snprintf(options, sizeof(options), "-b 1024 %s", errors[i]);
		image = fresh(options);
		image_debugfs(image, "write /proc/self/exe a\nsif a block[0] 99999999\n");
		h.disk = (struct simdisk){.image = image, .save = out};
		if (harness_status(&h, damaged_in_use, i ? &h : NULL, &log))
			fail_msg("%s", log);
		assert_non_null(strstr(log, "points to block 99999999"));
		/* Where it went read-only, what had not been written was given up. */
		assert_int_equal(mountimage_super(out).state, EXT2_STATE_ERROR | (i ? EXT2_STATE_VALID : 0));
		/* The same on a volume that was damaged before. */
		POKE_SUPER(image, state, EXT2_STATE_ERROR | EXT2_STATE_VALID);
		image_debugfs(image, "sif a block[0] 0\n");
		mountimage_check(image, false, 0, "was not unmounted");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_features),
	    cmocka_unit_test(test_journal),
	    cmocka_unit_test(test_ext4),
	    cmocka_unit_test(test_bad_geometry),
	    cmocka_unit_test(test_bad_descriptor),
	    cmocka_unit_test(test_nothing_there),
	    cmocka_unit_test(test_read_only_device),
	    cmocka_unit_test(test_mark),
	    cmocka_unit_test(test_unclean),
	    cmocka_unit_test(test_recount),
	    cmocka_unit_test(test_recount_refuses),
	    cmocka_unit_test(test_unnamed),
	    cmocka_unit_test(test_link_counts),
	    cmocka_unit_test(test_half_done),
	    cmocka_unit_test(test_moved_directory),
	    cmocka_unit_test(test_deep_tree),
	    cmocka_unit_test(test_names_refused),
	    cmocka_unit_test(test_unnamed_of_others),
	    cmocka_unit_test(test_becomes_ours),
	    cmocka_unit_test(test_bad_pointer),
	};

	return cmocka_run_group_tests_name("ext2: mounting", tests, NULL, NULL);
}
