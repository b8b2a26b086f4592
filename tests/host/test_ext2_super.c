// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The superblock and the descriptors: their backups when the primary ones are damaged, what a mount, an error and an
 * unmount leave in them as Linux does, and the limits that revision and block size set. e2fsck and dumpe2fs read what
 * is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/clock.h"
#include "fs/fs.h"
#include "kernel/thread.h"
#include "tests/host/mountimage.h"

/* Each has several groups, so that there are backups. */
static const struct kind {
	const char *options, *size;
	unsigned block;
} kinds[] = {
    {"-b 1024", "33M", 1024},
    {"-b 2048 -I 256", "40M", 2048},
    {"-b 4096 -I 256", "136M", 4096},
    {"-b 1024 -r 0", "17M", 1024},
    {"-b 1024 -O none", "17M", 1024},
    {"-b 1024 -O sparse_super2,^resize_inode", "17M", 1024},
    {"-b 1024 -O ^sparse_super,^resize_inode", "17M", 1024},
};

/* debugfs, with "DATA" in the commands the name of a file of 700 bytes. */
static void edit(const char *image, const char *commands)
{
	const char *data = image_path("data"), *at;
	FILE *f = fopen(data, "w");
	char *all;
	size_t len;

	assert_non_null(f);
	for (unsigned n = 0; n < 700; n++)
		assert_int_not_equal(fputc('v', f), EOF);
	assert_int_equal(fclose(f), 0);
	f = open_memstream(&all, &len);
	assert_non_null(f);
	for (; (at = strstr(commands, "DATA")); commands = at + 4)
		fprintf(f, "%.*s%s", (int)(at - commands), commands, data);
	fputs(commands, f);
	assert_int_equal(fclose(f), 0);
	image_debugfs(image, all);
	free(all);
}

static const char *fresh(const struct kind *kind)
{
	const char *image = image_path("super");

	image_mke2fs(image, kind->size, kind->options);
	edit(image, "mkdir dir\nwrite DATA dir/file\n");
	return image;
}

static void fill(const char *image, uint64_t at, size_t len, int byte)
{
	uint8_t *data = malloc(len);

	assert_non_null(data);
	memset(data, byte, len);
	image_poke(image, at, data, len);
	free(data);
}

static void use(void *arg)
{
	int fd;

	harness_start();
	fd = fs_open(AT_FDCWD, "/dir/file", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_close(fd), 0);
	fd = fs_open(AT_FDCWD, "/dir/new", O_CREAT | O_RDWR, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fs_write(fd, "written", 7), 7);
	assert_int_equal(fs_close(fd), 0);
	if (arg) // a power cut instead
		assert_int_equal(fs_sync(), 0);
	else
		assert_int_equal(harness_stop(), 0);
}

/* Mounts it, changes something, unmounts: what was said. The card is then in "super-out". */
static const char *used(const char *image)
{
	struct harness h = {.frames = 4096, .disk = {.image = image, .save = image_path("super-out")}};
	const char *log;

	if (harness_status(&h, use, NULL, &log))
		fail_msg("the run failed:\n%s", log);
	return log;
}

static void check_mended(const char *log)
{
	const char *out = image_path("super-out");
	struct ext2_super super = mountimage_super(out);

	if (image_e2fsck(out, "-n"))
		fail_msg("e2fsck finds something after:\n%s", log);
	assert_int_equal(super.state, EXT2_STATE_VALID | EXT2_STATE_ERROR);
	assert_true(super.error_count > 0 && super.last_error.time > 0);
}

/* ---- backups ---- */

static void test_super_wiped(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(kinds); i++) {
		for (int byte = 0; byte < 256; byte += 255) {
			const char *image = fresh(&kinds[i]), *log;

			fill(image, EXT2_SUPER_OFFSET, EXT2_SUPER_SIZE, byte);
			log = used(image);
			mountimage_said(log, "magic number");
			mountimage_said(log, "its backup in block");
			check_mended(log);
		}
	}
}

static void test_super_impossible(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(kinds); i++) {
		const char *image = fresh(&kinds[i]), *log;

		POKE_SUPER(image, blocks_per_group, 12345);
		log = used(image);
		mountimage_said(log, "superblock: blocks per group 12345; its backup in block");
		check_mended(log);
	}
}

/* Groups 1 and 3 are of no use either. */
static void test_later_backup(void **state)
{
	const char *image = fresh(&kinds[0]), *log;

	(void)state;
	fill(image, EXT2_SUPER_OFFSET, EXT2_SUPER_SIZE, 0);
	fill(image, 8193 * 1024, 1024, 0);
	fill(image, 3 * 8192 * 1024 + 1024, 1024, 0);
	/* There are five groups: no other has one. */
	mountimage_check(image, false, -EINVAL, "no ext2");
	image_mke2fs(image, "64M", "-b 1024");
	edit(image, "mkdir dir\nwrite DATA dir/file\n");
	fill(image, EXT2_SUPER_OFFSET, EXT2_SUPER_SIZE, 0);
	fill(image, 8193 * 1024, 1024, 0);
	fill(image, 3 * 8192 * 1024 + 1024, 1024, 0x55);
	log = used(image);
	mountimage_said(log, "its backup in block 40961 is used");
	check_mended(log);
}

static void test_descriptors(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(kinds); i++) {
		const char *image = fresh(&kinds[i]), *log;
		const uint64_t at = kinds[i].block == 1024 ? 2048 : kinds[i].block;
		const uint32_t far = 0x7fffffff;

		image_poke(image, at + 32 + 8, &far, sizeof(far));
		log = used(image);
		mountimage_said(log, "descriptors: their backup in block");
		check_mended(log);
		assert_true(mountimage_super(image_path("super-out")).state & EXT2_STATE_ERROR);
	}
}

static void test_impossible_counts(void **state)
{
	const char *image = fresh(&kinds[0]), *log;
	const uint16_t many = 0xfff0;

	(void)state;
	for (unsigned at = 12; at <= 14; at += 2)
		image_poke(image, 2048 + at, &many, sizeof(many));
	log = used(image);
	mountimage_said(log, "the descriptor of group 0 has impossible counts");
	check_mended(log);
}

/* A mount that cannot be writes nothing. */
static void test_read_only(void **state)
{
	const char *image = fresh(&kinds[0]);

	(void)state;
	fill(image, EXT2_SUPER_OFFSET, EXT2_SUPER_SIZE, 0);
	mountimage_check(image, true, 0, "its backup in block 8193 is used");
	assert_int_equal(mountimage_super(image).magic, 0);
}

/* What outlived its volume: something else lies in the primary's place, or nothing does. */
static void test_outlived(void **state)
{
	const char *image;

	(void)state;
	for (size_t i = 0; i < array_size(kinds); i++) {
		image = fresh(&kinds[i]);
		fill(image, 0, 64 * 1024, 0);
		mountimage_check(image, false, -EINVAL, "has a backup of a superblock, but what it belonged to");
		image = fresh(&kinds[i]);
		fill(image, 0, 512 * 1024, 0xa5);
		mountimage_check(image, false, -EINVAL, "no ext2");
	}
}

/* A backup that is not one: a copy in the wrong place, as in a file that holds an image. */
static void test_not_a_backup(void **state)
{
	const char *image = fresh(&kinds[0]);
	struct ext2_super super = mountimage_super(image);

	(void)state;
	fill(image, EXT2_SUPER_OFFSET, EXT2_SUPER_SIZE, 0);
	super.block_group_nr = 0;
	image_poke(image, 8193 * 1024, &super, sizeof(super));
	super.block_group_nr = 1;
	image_poke(image, 3 * 8192 * 1024 + 1024, &super, sizeof(super));
	mountimage_check(image, false, -EINVAL, "no ext2");
}

static void unreadable(void *arg)
{
	struct blkdev *disk = harness_start_disk();
	int fd;

	(void)arg;
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	/* The first read of the mount is the superblock's. */
	simdisk_fail(&(struct simdisk_fault){.ops = 1 << BLK_READ, .from = 1, .count = 1});
	assert_int_equal(fs_mount_root(disk, false), 0);
	assert_int_equal(simdisk_fired(), 1);
	fd = fs_open(AT_FDCWD, "/dir/file", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_unmount_all(), 0);
}

static void unreadable_alone(void *arg)
{
	struct blkdev *disk = harness_start_disk();

	(void)arg;
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	simdisk_fail(&(struct simdisk_fault){.ops = 1 << BLK_READ, .from = 1, .count = UINT64_MAX});
	assert_int_equal(fs_mount_root(disk, false), -EIO);
	simdisk_fail(&(struct simdisk_fault){.ops = 0});
	assert_int_equal(fs_mount_root(disk, false), 0);
	assert_int_equal(fs_unmount_all(), 0);
}

static void test_super_unreadable(void **state)
{
	const char *out = image_path("super-out"), *log;
	struct harness h = {.frames = 4096, .disk = {.image = fresh(&kinds[0]), .save = out}};

	(void)state;
	if (harness_status(&h, unreadable, NULL, &log))
		fail_msg("%s", log);
	mountimage_said(log, "superblock: it cannot be read, error 5; its backup in block 8193 is used");
	check_mended(log);
	harness_run(&h, unreadable_alone, NULL);
}

/* The list of orphans is in the lost superblock; the large file's flag was never in the backup. */
static void test_what_only_the_primary_knew(void **state)
{
	const char *image = fresh(&kinds[0]), *log;

	(void)state;
	edit(image, "write DATA gone\nsif gone links_count 0\nsif gone dtime 0\nunlink gone\n"
		    "ssv last_orphan 14\n"
		    "write /dev/null large\nsif large size 0xc0000000\nssv feature_ro_compat 1\n");
	fill(image, EXT2_SUPER_OFFSET, EXT2_SUPER_SIZE, 0);
	log = used(image);
	mountimage_said(log, "1 inodes without a name removed");
	check_mended(log);
	assert_true(mountimage_super(image_path("super-out")).feature_ro_compat & EXT2_RO_LARGE_FILE);
}

/* ---- the list of orphans ---- */

static void test_orphan_list(void **state)
{
	static const char *const lists[] = {
	    "ssv last_orphan 5\n",
	    "ssv last_orphan 4000000000\n",
	    "write DATA a\nsif a links_count 0\nsif a dtime 14\nunlink a\nssv last_orphan 14\n", // a ring
	    "write DATA a\nsif a links_count 0\nsif a dtime 3\nunlink a\nssv last_orphan 14\n",
	};

	(void)state;
	for (size_t i = 0; i < array_size(lists); i++) {
		const char *image = fresh(&kinds[0]), *log;

		edit(image, lists[i]);
		log = used(image);
		mountimage_said(log, "the orphan list");
		check_mended(log);
		assert_int_equal(mountimage_super(image_path("super-out")).last_orphan, 0);
	}
}

/* ---- fields as Linux keeps them ---- */

static void test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(kinds); i++) {
		const char *image = fresh(&kinds[i]), *out = image_path("super-out"), *log;
		struct ext2_super before = mountimage_super(image), after;

		log = used(image);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
		after = mountimage_super(out);
		assert_int_equal(after.mount_count, before.mount_count + 1);
		assert_int_equal(after.state, EXT2_STATE_VALID);
		assert_int_equal(after.error_count, 0);
		assert_true(after.mount_time >= before.write_time && after.write_time >= after.mount_time);
		assert_non_null(strstr(after.last_mounted, "cairn"));
		assert_null(strstr(log, "recommended"));
		/* Nothing else, but for counts. */
		before.mount_count = after.mount_count;
		before.mount_time = after.mount_time;
		before.write_time = after.write_time;
		before.free_blocks = after.free_blocks;
		before.free_inodes = after.free_inodes;
		memcpy(before.last_mounted, after.last_mounted, sizeof(before.last_mounted));
		assert_memory_equal(&before, &after, sizeof(before));
	}
}

static void test_warnings(void **state)
{
	const char *image = fresh(&kinds[0]);

	(void)state;
	POKE_SUPER(image, mount_count, 20);
	POKE_SUPER(image, max_mount_count, 20);
	mountimage_check(image, false, 0, "maximal mount count reached, running e2fsck is recommended");
	POKE_SUPER(image, max_mount_count, 21);
	assert_null(strstr(used(image), "recommended"));
	POKE_SUPER(image, max_mount_count, 0);
	assert_null(strstr(used(image), "recommended"));
	POKE_SUPER(image, check_interval, 1);
	POKE_SUPER(image, last_check, 1000);
	mountimage_check(image, false, 0, "checktime reached, running e2fsck is recommended");
}

static void meet_damage(void *arg)
{
	uint8_t byte;
	int fd;

	harness_start();
	fd = fs_open(AT_FDCWD, "/a", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_pread(fd, &byte, 1, 0), -EUCLEAN);
	assert_int_equal(fs_pread(fd, &byte, 1, 4096), -EUCLEAN);
	if (arg) // they are on the card a while later, whatever comes then
		thread_sleep_until(clock_now() + 6 * NSEC_PER_SEC);
	else
		assert_int_equal(fs_unmount_all(), 0);
}

static void test_error_fields(void **state)
{
	enum { CONTINUE, KINDS_OF_ERRORS = 3 }; // then remount-ro and panic
	const char *out = image_path("super-out");

	(void)state;
	for (size_t i = 0; i < KINDS_OF_ERRORS; i++) {
		const char *image = fresh(&kinds[0]);
		struct ext2_super super;
		char command[256];
		struct harness h = {.frames = 4096, .disk = {.image = image, .save = out}};

		POKE_SUPER(image, errors, (uint32_t)i + 1);
		edit(image, "write DATA a\nsif a block[0] 99999999\nsif a size 9000\n"
			    "sif a block[4] 3\n");
		harness_run(&h, meet_damage, &h);
		super = mountimage_super(out);
		assert_true(super.error_count >= 2);
		assert_int_equal(super.state, EXT2_STATE_ERROR);
		harness_run(&h, meet_damage, NULL);
		super = mountimage_super(out);
		assert_true(super.error_count >= 2);
		assert_int_equal(super.first_error.block, 99999999);
		assert_int_equal(super.last_error.block, 3);
		assert_int_equal(super.first_error.ino, super.last_error.ino);
		assert_int_equal(super.last_error_code, EXT2_CODE_EUCLEAN);
		assert_int_equal(super.state, EXT2_STATE_ERROR | (i == CONTINUE ? EXT2_STATE_VALID : 0));
		snprintf(command, sizeof(command),
			 "PATH=$PATH:/sbin dumpe2fs -h %s 2>&1 | grep -qE 'First error block #: +99999999'", out);
		assert_int_equal(system(command), 0);
		/* e2fsck mends the file and clears them. */
		assert_int_equal(image_e2fsck(out, "-y"), 1);
		assert_int_equal(mountimage_super(out).error_count, 0);
	}
}

static void meet_io_error(void *arg)
{
	struct stat st;
	int fd;

	(void)arg;
	harness_start();
	simdisk_fail(&(struct simdisk_fault){.ops = 1 << BLK_READ, .from = 1, .count = 1});
	assert_int_equal(fs_stat(AT_FDCWD, "/dir/file", &st, 0), -EIO);
	assert_int_equal(fs_stat(AT_FDCWD, "/dir/file", &st, 0), 0);
	fd = fs_open(AT_FDCWD, "/new", O_CREAT | O_RDWR, 0644);
	if (harness_config()->seconds == 11)
		assert_int_equal(fd, -EROFS);
	else
		assert_true(fd >= 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_io_error(void **state)
{
	const char *image = fresh(&kinds[0]), *out = image_path("super-out");
	struct harness h = {.frames = 4096, .seconds = 10, .disk = {.image = image, .save = out}};

	(void)state;
	for (h.seconds = 10; h.seconds <= 11; h.seconds++) {
		struct ext2_super super;

		POKE_SUPER(image, errors, h.seconds - 9);
		harness_run(&h, meet_io_error, NULL);
		super = mountimage_super(out);
		assert_int_equal(super.error_count, 1);
		assert_int_equal(super.first_error_code, EXT2_CODE_EIO);
		assert_true(super.first_error.block > 0);
		assert_true(super.state & EXT2_STATE_ERROR);
	}
}

/* ---- limits ---- */

struct limit {
	uint64_t size;
	uint64_t beyond; // the first that is too large
};

static void reach_limit(void *arg)
{
	const struct limit *limit = arg;
	char text[5] = "";
	int fd;

	harness_start();
	fd = fs_open(AT_FDCWD, "/sparse", O_CREAT | O_RDWR, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fs_pwrite(fd, "ends", 4, (int64_t)limit->size - 4), 4);
	assert_int_equal(fs_pwrite(fd, "x", 1, (int64_t)limit->size), -EFBIG);
	assert_int_equal(fs_ftruncate(fd, (int64_t)limit->size), 0);
	assert_int_equal(fs_ftruncate(fd, (int64_t)limit->size + 1), -EFBIG);
	assert_int_equal(fs_close(fd), 0);
	fd = fs_open(AT_FDCWD, "/sparse", O_RDONLY, 0);
	assert_int_equal(fs_pread(fd, text, 4, (int64_t)limit->size - 4), 4);
	assert_string_equal(text, "ends");
	assert_int_equal(harness_stop(), 0);
}

static void test_limits(void **state)
{
	/* As Linux gives them for files without extents. */
	static const struct limit limits[] = {
	    {.size = 17247252480}, {.size = 275415851008}, {.size = 2196873666560},
	    {.size = INT32_MAX},   {.size = 17247252480},
	};

	(void)state;
	for (size_t i = 0; i < array_size(limits); i++) {
		const char *out = image_path("super-out");
		struct harness h = {.frames = 4096, .disk = {.image = fresh(&kinds[i]), .save = out}};

		harness_run(&h, reach_limit, (void *)&limits[i]);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
		assert_int_equal((mountimage_super(out).feature_ro_compat & EXT2_RO_LARGE_FILE) != 0,
				 limits[i].size > INT32_MAX);
	}
}

/* ---- attributes ---- */

static void remove_attributed(void *arg)
{
	int fd;

	harness_start();
	/* Changed, and what it has stays. */
	fd = fs_open(AT_FDCWD, "/a", O_RDWR, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_pwrite(fd, "x", 1, 40000), 1);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_rename(AT_FDCWD, "/a", AT_FDCWD, "/renamed", 0), 0);
	if (arg) {
		assert_int_equal(fs_unlink(AT_FDCWD, "/b", 0), 0);
		assert_int_equal(fs_sync(), 0);
	}
	assert_int_equal(harness_stop(), 0);
}

/* /a and /b share a block of attributes; /a has one in its inode too where that has room. */
static void test_attributes(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const char *image = fresh(&kinds[i]), *out = image_path("super-out");
		struct harness h = {.frames = 4096, .disk = {.image = image, .save = out}};
		char commands[512];
		uint32_t acl, refs = 2;
		FILE *f;

		edit(image, "write DATA a\nwrite DATA b\nea_set -f DATA a user.large\n");
		snprintf(
		    commands, sizeof(commands),
		    "PATH=$PATH:/sbin debugfs -R 'stat a' %s 2>&1 | sed -n 's/.*File ACL: *\\([0-9]*\\).*/\\1/p' > %s",
		    image, image_path("acl"));
		assert_int_equal(system(commands), 0);
		f = fopen(image_path("acl"), "r");
		assert_non_null(f);
		assert_int_equal(fscanf(f, "%u", &acl), 1);
		assert_int_equal(fclose(f), 0);
		assert_int_not_equal(acl, 0);
		snprintf(commands, sizeof(commands), "sif b file_acl %u\nsif b blocks %u\nea_set a user.small here\n",
			 acl, 2 * kinds[i].block / 512);
		image_poke(image, (uint64_t)acl * kinds[i].block + 4, &refs, sizeof(refs));
		edit(image, commands);
		assert_int_equal(image_e2fsck(image, "-n"), 0);
		for (uintptr_t gone = 0; gone < 2; gone++) {
			harness_run(&h, remove_attributed, gone ? &h : NULL);
			assert_int_equal(image_e2fsck(out, "-n"), 0);
			snprintf(commands, sizeof(commands),
				 "PATH=$PATH:/sbin debugfs -R 'ea_get renamed user.small' %s 2>&1 | grep -q here", out);
			assert_int_equal(system(commands), 0);
			snprintf(commands, sizeof(commands),
				 "PATH=$PATH:/sbin debugfs -R 'ea_get renamed user.large' %s 2>&1 | grep -q vvvvv",
				 out);
			assert_int_equal(system(commands), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_super_wiped),	      cmocka_unit_test(test_super_impossible),
	    cmocka_unit_test(test_later_backup),      cmocka_unit_test(test_descriptors),
	    cmocka_unit_test(test_impossible_counts), cmocka_unit_test(test_read_only),
	    cmocka_unit_test(test_outlived),	      cmocka_unit_test(test_not_a_backup),
	    cmocka_unit_test(test_super_unreadable),  cmocka_unit_test(test_what_only_the_primary_knew),
	    cmocka_unit_test(test_orphan_list),	      cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_warnings),	      cmocka_unit_test(test_error_fields),
	    cmocka_unit_test(test_io_error),	      cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_attributes),
	};

	return cmocka_run_group_tests_name("ext2: the superblock", tests, NULL, NULL);
}
