// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Replays that are cut off, fail, or come twice; and what comes with one: orphans, errors of the journal and of the
 * volume, a superblock that is lost, a device that cannot be written, too little memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "tests/host/journalimage.h"
#include "tests/host/mountimage.h"
#include "tests/host/replaycase.h"
#include "tests/host/simlog.h"

#define ORPHANS                                                                                                        \
	"sif old/other links_count 0\nsif old/other dtime @17\nunlink old/other\n"                                     \
	"sif new/sh size 5000\nssv last_orphan 14\n"

static struct shared {
	bool read_only;
	struct simdisk_fault fault;
	int result;
	uint64_t fired;
} * shared;

static void body(void *arg)
{
	struct blkdev *disk = harness_start_disk();

	(void)arg;
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	simdisk_fail(&shared->fault);
	shared->result = fs_mount_root(disk, shared->read_only);
	shared->fired = simdisk_fired();
	simdisk_fail(&(struct simdisk_fault){0});
	if (shared->result == 0)
		assert_int_equal(fs_unmount_all(), 0);
}

static const char *run(const struct harness *h)
{
	const char *log;

	if (harness_status(h, body, NULL, &log))
		fail_msg("the run failed:\n%s", log);
	return log;
}

/* A journal with a volume's metadata, and in "reference" what becomes of it. */
static struct replaycase_pair pair;

static void make_log(const char *commands, uint32_t incompat)
{
	replaycase_pair_make(&pair, 4096, commands);
	replaycase_pair_log(&pair, image_path("log"), 0, incompat);
	(void)replaycase_mount(image_path("log"), image_path("reference"), 0);
	replaycase_same(image_path("reference"), pair.after, pair.block_size, false);
}

static void is_as_reference(const char *image)
{
	replaycase_same(image, image_path("reference"), pair.block_size, true);
}

/* How many of the images that a cut may leave do not become the reference. */
static unsigned cut_all(bool drop_flush)
{
	static const unsigned steps[] = {[EFFORT_QUICK] = 5, [EFFORT_DEFAULT] = 2, [EFFORT_LONG] = 1};
	static const unsigned seeds[] = {[EFFORT_QUICK] = 3, [EFFORT_DEFAULT] = 3, [EFFORT_LONG] = 20};
	const struct harness h = {
	    .frames = 2048,
	    .disk = {.image = image_path("log"), .record = image_path("record"), .drop_flush = drop_flush, .seed = 5}};
	unsigned images = 0, bad = 0;
	struct simlog *log;
	int result;

	make_log("", JOURNAL_INCOMPAT_CSUM_V3);
	*shared = (struct shared){.read_only = true};
	(void)run(&h);
	assert_int_equal(shared->result, 0);
	log = simlog_open(image_path("record"), image_path("log"));
	for (uint64_t tick = 1; tick <= simlog_end(log); tick += steps[harness_effort()]) {
		for (unsigned seed = 0; seed < seeds[harness_effort()]; seed++) {
			simlog_cut(log, tick, seed < 2 ? seed : tick * 100 + seed, image_path("cut"));
			(void)mountimage_run(image_path("cut"), true, image_path("again"), &result);
			bad += result || !replaycase_is_same(image_path("again"), image_path("reference"));
			images++;
		}
	}
	simlog_close(log);
	print_message("%u crash images, %u bad\n", images, bad);
	return bad;
}

static void test_cuts(void **state)
{
	(void)state;
	assert_int_equal(cut_all(false), 0);
}

/* The order is what makes them good: without FLUSH there is none. */
static void test_cuts_without_flush(void **state)
{
	(void)state;
	assert_true(cut_all(true) > 0);
}

/* The nth of them fails: the mount does, or it was not needed; the next one makes all good. */
static bool fail_one(unsigned ops, uint64_t n, bool read_only)
{
	const struct harness h = {
	    .frames = 2048, .disk = {.image = image_path("log"), .save = image_path("failed"), .lose_writes = true}};
	const char *log;
	int result;

	*shared = (struct shared){.read_only = read_only, .fault = {.ops = ops, .from = n, .count = 1}};
	log = run(&h);
	if (!shared->fired)
		return false;
	if (shared->result == -EUCLEAN) // descriptors, of which this volume has no backup
		mountimage_said(log, "cannot be read");
	else if (shared->result != 0)
		assert_int_equal(shared->result, -EIO);
	else if (!(ops & 1u << BLK_READ))
		fail_msg("transfer %llu failed, and the mount did not:\n%s", (unsigned long long)n, log);
	if (read_only) {
		(void)replaycase_mount(image_path("failed"), image_path("again"), 0);
		is_as_reference(image_path("again"));
		return true;
	}
	log = mountimage_run(image_path("failed"), false, image_path("again"), &result);
	if (result != 0)
		fail_msg("%d after transfer %llu failed:\n%s", result, (unsigned long long)n, log);
	assert_int_equal(image_e2fsck(image_path("again"), "-n"), 0);
	return true;
}

static void test_failures(void **state)
{
	static const unsigned steps[] = {[EFFORT_QUICK] = 7, [EFFORT_DEFAULT] = 2, [EFFORT_LONG] = 1};
	static const unsigned ops[] = {1u << BLK_READ, 1u << BLK_WRITE, 1u << BLK_FLUSH};

	(void)state;
	make_log(ORPHANS, JOURNAL_INCOMPAT_CSUM_V3);
	for (unsigned writable = 0; writable < 2; writable++) {
		for (size_t i = 0; i < array_size(ops); i++) {
			uint64_t n = 1;

			while (fail_one(ops[i], n, !writable))
				n += ops[i] == 1u << BLK_FLUSH ? 1 : steps[harness_effort()];
			assert_in_range(n, 4, 1000);
		}
	}
}

static void test_twice(void **state)
{
	struct journalimage before, after;

	(void)state;
	make_log("", 0);
	replaycase_copy(image_path("reference"), image_path("twice"));
	journalimage_open(&before, image_path("log"));
	journalimage_open(&after, image_path("twice"));
	memcpy(journalimage_block(&after, 0), journalimage_block(&before, 0), pair.block_size);
	journalimage_save(&after);
	journalimage_drop(&before);
	POKE_SUPER(image_path("twice"), feature_incompat, EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_RECOVER);
	mountimage_said(replaycase_mount(image_path("twice"), image_path("again"), 0), "replayed: 1 transactions");
	is_as_reference(image_path("again"));
	/* And an empty one. */
	POKE_SUPER(image_path("again"), feature_incompat, EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_RECOVER);
	(void)replaycase_mount(image_path("again"), image_path("twice"), 0);
	is_as_reference(image_path("twice"));
}

static void test_orphans(void **state)
{
	const char *log;
	int result;
	size_t len;
	uint8_t *data;

	(void)state;
	make_log(ORPHANS, 0);
	log = mountimage_run(image_path("log"), false, image_path("again"), &result);
	if (result != 0)
		fail_msg("%d:\n%s", result, log);
	mountimage_said(log, "1 deleted files removed, 1 truncations finished");
	if (strstr(log, "recount"))
		fail_msg("it was recounted:\n%s", log);
	assert_int_equal(image_e2fsck(image_path("again"), "-n"), 0);
	assert_int_equal(mountimage_super(image_path("again")).last_orphan, 0);
	data = image_read(image_path("again"), "new/sh", &len);
	assert_non_null(data);
	assert_int_equal(len, 5000);
	free(data);
}

/* A list that leads nowhere is no reason to lose anything: the volume is recounted. */
static void test_bad_orphans(void **state)
{
	static const char *const bad[] = {"ssv last_orphan 5\n", "ssv last_orphan 100000\n",
					  ORPHANS "sif new/sh dtime @14\n"};
	int result;

	(void)state;
	for (size_t i = 0; i < array_size(bad); i++) {
		make_log(bad[i], 0);
		mountimage_said(mountimage_run(image_path("log"), false, image_path("again"), &result), "recount");
		assert_int_equal(result, 0);
		assert_int_equal(image_e2fsck(image_path("again"), "-n"), 0);
	}
}

static void test_errors(void **state)
{
	struct journalimage ji;
	struct ext2_super super;

	(void)state;
	make_log("", JOURNAL_INCOMPAT_CSUM_V2);
	journalimage_open(&ji, image_path("log"));
	journalimage_super(&ji)->error = be32_of((uint32_t)-EIO);
	journalimage_seal(&ji);
	journalimage_save(&ji);
	POKE_SUPER(image_path("log"), error_count, 3);
	POKE_SUPER(image_path("log"), last_error.ino, 77);
	mountimage_said(replaycase_mount(image_path("log"), image_path("again"), 0),
			"the journal was given up because of an error (-5)");
	super = mountimage_super(image_path("again"));
	assert_int_equal(super.state, EXT2_STATE_VALID | EXT2_STATE_ERROR);
	assert_int_equal(super.error_count, 3);
	assert_int_equal(super.last_error.ino, 77);
	journalimage_open(&ji, image_path("again"));
	assert_int_equal(be32_get(journalimage_super(&ji)->error), 0);
	journalimage_drop(&ji);
	/* Without anything to be replayed it is the same. */
	journalimage_open(&ji, image_path("again"));
	journalimage_super(&ji)->error = be32_of((uint32_t)-EIO);
	journalimage_seal(&ji);
	journalimage_save(&ji);
	POKE_SUPER(image_path("again"), state, EXT2_STATE_VALID);
	(void)replaycase_mount(image_path("again"), image_path("twice"), 0);
	assert_int_equal(mountimage_super(image_path("twice")).state, EXT2_STATE_VALID | EXT2_STATE_ERROR);
}

static void test_read_only_device(void **state)
{
	const struct harness h = {.frames = 2048, .disk = {.image = image_path("log"), .read_only = true}};

	(void)state;
	make_log("", 0);
	*shared = (struct shared){.read_only = true};
	mountimage_said(run(&h), "its journal is to be replayed, and the device is read-only");
	assert_int_equal(shared->result, -EROFS);
}

static void test_lost_superblock(void **state)
{
	static const uint8_t zeros[1024];
	const char *image = image_path("lost");
	struct journalimage ji;
	uint8_t super[1024], data[1024];
	struct journalimage_block blocks[] = {{.block = 1, .data = super}, {.block = 12000, .data = data}};

	(void)state;
	memset(data, 'x', sizeof(data));
	image_mke2fs(image, "12M", "-O has_journal -b 1024");
	journalimage_open(&ji, image);
	journalimage_start(&ji, 0, 0, 10, 3);
	memcpy(super, journalimage_fs(&ji, 1), sizeof(super));
	journalimage_descriptor(&ji, blocks, 2);
	journalimage_commit(&ji, 1000);
	journalimage_save(&ji);
	image_poke(image, EXT2_SUPER_OFFSET, zeros, sizeof(zeros));
	mountimage_said(replaycase_mount(image, image_path("again"), 0), "its backup in block 8193 is used");
	assert_int_equal(mountimage_super(image_path("again")).magic, EXT2_MAGIC);
	assert_int_equal(mountimage_super(image_path("again")).feature_incompat, EXT2_INCOMPAT_FILETYPE);
	assert_int_equal(mountimage_super(image_path("again")).state, EXT2_STATE_VALID);
	journalimage_open(&ji, image_path("again"));
	assert_memory_equal(journalimage_fs(&ji, 12000), data, sizeof(data));
	journalimage_drop(&ji);
}

/* What a volume without the mark has in its log is of no use. */
static void test_stale_log(void **state)
{
	(void)state;
	make_log("", 0);
	POKE_SUPER(image_path("log"), feature_incompat, EXT2_INCOMPAT_FILETYPE);
	(void)replaycase_mount(image_path("log"), image_path("again"), 0);
	replaycase_same(image_path("again"), image_path("log"), pair.block_size, true);
}

static void test_memory(void **state)
{
	const struct harness h = {
	    .frames = 512, .fs_buffers = 8, .disk = {.image = image_path("memory"), .save = image_path("again")}};
	uint32_t blocks[250];
	struct journalimage ji;

	(void)state;
	image_mke2fs(image_path("memory"), "64M", "-O has_journal -b 1024");
	journalimage_open(&ji, image_path("memory"));
	journalimage_start(&ji, 0, JOURNAL_INCOMPAT_REVOKE, 1, 1);
	for (unsigned i = 0; i < 240; i++) {
		for (unsigned n = 0; n < 120; n++)
			blocks[n] = 1000 + i * 120 + n;
		journalimage_revoke(&ji, blocks, 120);
	}
	journalimage_commit(&ji, 1000);
	journalimage_save(&ji);
	*shared = (struct shared){.read_only = true};
	mountimage_said(run(&h), "not enough memory to replay the journal");
	assert_int_equal(shared->result, -ENOMEM);
	replaycase_same(image_path("again"), image_path("memory"), 1024, true);
	mountimage_said(replaycase_mount(image_path("memory"), image_path("again"), 0), "28800 revoked");
}

static int setup(void **state)
{
	(void)state;
	shared = harness_shared(sizeof(*shared));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cuts),
	    cmocka_unit_test(test_cuts_without_flush),
	    cmocka_unit_test(test_failures),
	    cmocka_unit_test(test_twice),
	    cmocka_unit_test(test_orphans),
	    cmocka_unit_test(test_bad_orphans),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_read_only_device),
	    cmocka_unit_test(test_lost_superblock),
	    cmocka_unit_test(test_stale_log),
	    cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
