// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /var/crash: made, found again, protected; written around the file system, whoever holds the locks; and left alone
 * where a block of it might be another file's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arch/clock.h"
#include "drivers/block/blkdev.h"
#include "fs/crash.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/simdisk.h"
#include "tests/host/stack.h"

#define AFTER "after.img"
#define BEFORE "before.img"

/* What is left is AFTER, from which another run may begin. */
static void run(void (*body)(void *arg), void *arg, const char *image, bool read_only)
{
	if (!strcmp(image, image_path(AFTER))) {
		image = image_path(BEFORE);
		assert_int_equal(rename(image_path(AFTER), image), 0);
	}
	harness_run(&(struct harness){.disk = {.image = image, .save = image_path(AFTER), .read_only = read_only}},
		    body, arg);
}

/* A card with block size `block`, on which the file is. */
static const char *prepared(unsigned block);

static uint64_t blocks_written(void)
{
	return simdisk_count(1u << BLK_WRITE);
}

static void say_much(unsigned lines)
{
	for (unsigned i = 0; i < lines; i++)
		log_debug("line %05u of those that are to be kept, which are a little more than fit", i);
	log_debug("the last words");
}

/* The text of an image's file; *units with a mark. */
static char *kept(const char *image, unsigned *units)
{
	size_t len, at = 0;
	const struct crash_unit *unit = (const struct crash_unit *)image_read(image, CRASH_PATH, &len);
	char *text = calloc(1, CRASH_SIZE + 1);

	assert_non_null(unit);
	assert_non_null(text);
	assert_int_equal(len, CRASH_SIZE);
	*units = 0;
	for (uint32_t i = 0; i < CRASH_UNITS; i++) {
		if (memcmp(unit[i].mark, CRASH_MARK, 8) || unit[i].index != i)
			continue;
		++*units;
		assert_true(unit[i].length <= CRASH_TEXT);
		assert_int_equal(unit[i].time, unit[0].time);
		memcpy(text + at, unit[i].text, unit[i].length);
		at += unit[i].length;
	}
	free((void *)unit);
	return text;
}

static void check_text(const char *image, unsigned lines)
{
	unsigned units, first, n = 0;
	char *text = kept(image, &units), *line = strstr(text, "line ");

	assert_int_equal(units, CRASH_UNITS);
	assert_int_equal(text[0], '[');
	assert_non_null(line);
	first = (unsigned)atoi(line + 5);
	for (; line; line = strstr(line + 5, "line "), n++)
		assert_int_equal(atoi(line + 5), first + n);
	assert_int_equal(first + n, lines);
	if (lines > 1000) // all that is kept, but for a level a line
		assert_in_range(strlen(text) + n, 65536 - 320, 65536);
	assert_non_null(strstr(text, "the last words\n"));
	assert_non_null(strstr(text, "keeping this in " CRASH_PATH "\n"));
	free(text);
}

/* ---- one life ---- */

static void life(void *arg)
{
	const unsigned *lines = arg;

	harness_start();
	crash_prepare();
	say_much(*lines);
	crash_keep();
	crash_keep(); // no more: it was kept
	crash_forget();
	assert_int_equal(harness_stop(), 0);
}

static void test_keeps(void **state)
{
	static const unsigned blocks[] = {1024, 2048, 4096}, counts[] = {0, 10, 3000};

	(void)state;
	for (unsigned b = 0; b < array_size(blocks); b++) {
		char name[32];

		snprintf(name, sizeof(name), "crash%u", blocks[b]);
		for (unsigned c = 0; c < array_size(counts); c++) {
			unsigned lines = counts[c];

			run(life, &lines, c ? image_path(AFTER) : stack_image(name, "8M", blocks[b], 4096), false);
			assert_int_equal(image_e2fsck(image_path(AFTER), "-n"), 0);
			if (lines)
				check_text(image_path(AFTER), lines);
		}
	}
}

/* ---- what may not be done to it ---- */

static void protected(void *arg)
{
	struct stat st;

	(void)arg;
	harness_start();
	crash_prepare();
	assert_int_equal(fs_stat(AT_FDCWD, CRASH_PATH, &st, 0), 0);
	assert_int_equal(st.st_size, CRASH_SIZE);
	assert_int_equal(fs_open(AT_FDCWD, CRASH_PATH, O_RDWR, 0), -EPERM);
	assert_int_equal(fs_open(AT_FDCWD, CRASH_PATH, O_RDONLY | O_TRUNC, 0), -EPERM);
	assert_int_equal(fs_truncate(CRASH_PATH, 0), -EPERM);
	assert_int_equal(fs_unlink(AT_FDCWD, CRASH_PATH, 0), -EPERM);
	assert_int_equal(fs_rename(AT_FDCWD, "/data", AT_FDCWD, CRASH_PATH, 0), -EPERM);
	assert_int_equal(fs_rename(AT_FDCWD, CRASH_PATH, AT_FDCWD, "/data", 0), -EPERM);
	crash_forget();
	assert_int_equal(fs_unlink(AT_FDCWD, CRASH_PATH, 0), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_protected(void **state)
{
	(void)state;
	run(protected, NULL, stack_image("crash1024", "8M", 1024, 4096), false);
	assert_int_equal(image_e2fsck(image_path(AFTER), "-n"), 0); // nothing of it stays in the inode
}

/* ---- locks of the dead, and a device that hangs ---- */

static void locked(void *arg)
{
	struct blkdev *dev;
	unsigned long flags;

	(void)arg;
	harness_start();
	dev = blkdev_find("sim0");
	crash_prepare();
	say_much(20);
	flags = spin_lock(&dev->lock);
	spin_emergency();
	crash_keep();
	(void)flags; // a panic ends here
}

static void hung(void *arg)
{
	uint64_t before;

	(void)arg;
	harness_start();
	crash_prepare();
	before = blocks_written();
	simdisk_hold(true);
	crash_keep();
	assert_int_equal(blocks_written(), before);
	simdisk_hold(false);
	crash_forget();
	assert_int_equal(harness_stop(), 0);
}

static void test_locked(void **state)
{
	(void)state;
	run(locked, NULL, stack_image("crash4096", "8M", 4096, 4096), false);
	check_text(image_path(AFTER), 20);
}

static void test_hung(void **state)
{
	(void)state;
	run(hung, NULL, stack_image("crash4096", "8M", 4096, 4096), false);
}

/* ---- where it is not written ---- */

static void refused(void *arg)
{
	uint64_t before;

	(void)arg;
	harness_start();
	crash_prepare();
	before = blocks_written();
	crash_keep();
	assert_int_equal(blocks_written(), before);
	assert_int_equal(harness_stop(), 0);
}

static const char *prepared(unsigned block)
{
	unsigned lines = 1;
	char name[32];

	snprintf(name, sizeof(name), "crash%u", block);
	run(life, &lines, stack_image(name, "8M", block, 4096), false);
	return image_path(AFTER);
}

/* Its third block is another file's. */
static void test_shared(void **state)
{
	const char *image = prepared(4096);
	struct image_extents data = image_extents(image, "/data");
	char command[128];
	uint8_t *content;
	size_t len;

	(void)state;
	snprintf(command, sizeof(command), "set_inode_field " CRASH_PATH " block[2] %u\n", data.first);
	image_debugfs(image, command);
	run(refused, NULL, image, false);
	content = image_read(image_path(AFTER), "/data", &len);
	assert_int_equal(stack_differs(content, 1, 0, len), len);
	free(content);
}

/* A block twice; one that is not in the volume; one short. */
static void test_damaged(void **state)
{
	static const char *const damages[] = {
	    "set_inode_field " CRASH_PATH " block[2] 0\n",
	    "set_inode_field " CRASH_PATH " block[2] 0x7fffffff\n",
	    "set_inode_field " CRASH_PATH " size 4096\n",
	};
	struct image_extents extents;
	char command[128];

	(void)state;
	for (unsigned i = 0; i < array_size(damages); i++) {
		image_debugfs(prepared(4096), damages[i]);
		run(refused, NULL, image_path(AFTER), false);
	}
	extents = image_extents(prepared(4096), CRASH_PATH);
	snprintf(command, sizeof(command), "set_inode_field " CRASH_PATH " block[2] %u\n", extents.first);
	image_debugfs(image_path(AFTER), command);
	run(refused, NULL, image_path(AFTER), false);
}

static void full(void *arg)
{
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/full", O_RDWR | O_CREAT);
	while (fs_fallocate(fd, (int64_t)0, 7 * 1024 * 1024) == 0)
		break;
	assert_int_equal(fs_close(fd), 0);
	crash_prepare();
	assert_int_equal(fs_open(AT_FDCWD, CRASH_PATH, O_RDONLY, 0), -ENOENT);
	crash_keep();
	assert_int_equal(harness_stop(), 0);
}

static void test_no_room(void **state)
{
	(void)state;
	run(full, NULL, stack_image("crash1024", "8M", 1024, 4096), false);
	run(refused, NULL, stack_image("crash1024", "8M", 1024, 4096), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keeps),   cmocka_unit_test(test_protected), cmocka_unit_test(test_locked),
	    cmocka_unit_test(test_hung),    cmocka_unit_test(test_shared),    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
