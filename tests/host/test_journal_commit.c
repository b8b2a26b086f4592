// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What cairn writes into a journal, in the corners that other tests meet by chance: a log that wraps, journals with
 * checksums and wide tags, blocks that were freed and hold data now, blocks that begin like the journal's own. Each is
 * replayed by the mount and by e2fsck. And the replay of such a log, with a card that fails, or is gone, from some
 * transfer on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "tests/host/journalimage.h"
#include "tests/host/mountimage.h"
#include "tests/host/replaycase.h"
#include "tests/host/simlog.h"
#include "tests/host/stack.h"

#define READS (1u << BLK_READ)
#define WRITES (1u << BLK_WRITE)
#define FLUSHES (1u << BLK_FLUSH)

static struct shared {
	unsigned rounds, round; // of the work; and what was acknowledged of it
	size_t len;		// of /data,
	bool good;		// which is as it was written
	uint32_t inodes;	// of a group
	struct simdisk_fault fault;
	uint64_t fired;
	int mounted; // what the mount said
} * shared;

static int setup(void **state)
{
	(void)state;
	shared = harness_shared(sizeof(*shared));
	return 0;
}

static const char *make_image(const char *options)
{
	const char *image = image_path("base");

	image_mke2fs(image, "3M", options);
	return image;
}

static const char *name_of(unsigned round)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "/file-of-round-%u", round);
	return path;
}

/* ---- the work: a file a round, the one of two rounds before goes, a directory grows and goes ---- */

static size_t length_of(unsigned round)
{
	return 500 + round * 997 % 20000;
}

static void one_round(unsigned round)
{
	static uint8_t data[20500];
	char path[64];
	int fd = stack_open(name_of(round), O_CREAT | O_EXCL | O_RDWR);

	stack_fill(data, round, 0, length_of(round));
	assert_int_equal(fs_write(fd, data, length_of(round)), length_of(round));
	if (round > 1)
		assert_int_equal(fs_unlink(AT_FDCWD, name_of(round - 2), 0), 0);
	(void)snprintf(path, sizeof(path), "/dir%u", round % 8);
	if (round >= 8)
		assert_int_equal(fs_unlink(AT_FDCWD, path, AT_REMOVEDIR), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, path, 0755), 0);
	assert_int_equal(fs_fsync(fd, false), 0);
	assert_int_equal(fs_close(fd), 0);
	simdisk_mark(round);
}

static void work(void *arg)
{
	(void)arg;
	harness_start();
	for (unsigned i = 0; i < shared->rounds; i++)
		one_round(i);
}

/* The file of the round that was acknowledged is there, or the two that come after it. */
static void check_round(void)
{
	static uint8_t data[20500];
	int fd = fs_open(AT_FDCWD, name_of(shared->round), O_RDONLY, 0);
	const size_t len = length_of(shared->round);

	if (fd == -ENOENT) {
		fd = stack_open(name_of(shared->round + 2), O_RDONLY);
		assert_int_equal(fs_close(fd), 0);
		return;
	}
	assert_true(fd >= 0);
	assert_int_equal(fs_read(fd, data, sizeof(data)), len);
	assert_int_equal(stack_differs(data, shared->round, 0, len), len);
	assert_int_equal(fs_close(fd), 0);
}

static void look(void *arg)
{
	(void)arg;
	harness_start();
	check_round();
	assert_int_equal(harness_stop(), 0);
}

/* Mounts, looks, unmounts; nothing is left to be repaired. */
static void check_mount(const char *image, void (*body)(void *arg))
{
	const char *out = image_path("mounted");

	harness_run(&(struct harness){.frames = 2048, .disk = {.image = image, .save = out}}, body, NULL);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
}

/* By the mount, and by e2fsck, after which it is mounted. */
static void check_image(const char *image, void (*body)(void *arg))
{
	const char *copy = image_path("copy");

	check_mount(image, body);
	replaycase_copy(image, copy);
	assert_in_range(image_replay(copy), 0, 1);
	assert_int_equal(image_e2fsck(copy, "-n"), 0);
	check_mount(copy, body);
}

/* The work on this image, then so many cuts. */
static void check_work(const char *base, unsigned rounds, unsigned buffers, unsigned cuts)
{
	const char *record = image_path("record"), *cut = image_path("cut");
	struct simlog *log;

	shared->rounds = rounds;
	harness_run(&(struct harness){.frames = 2048,
				      .fs_buffers = buffers,
				      .disk = {.image = base, .record = record, .save = image_path("worked")}},
		    work, NULL);
	log = simlog_open(record, base);
	for (unsigned i = 1; i <= cuts; i++) {
		const uint64_t tick = simlog_end(log) * i / cuts;
		uint64_t fact;

		if (!simlog_fact(log, tick, &fact))
			continue;
		shared->round = (unsigned)fact;
		simlog_cut(log, tick, i % 3 == 2 ? tick : i % 3, cut);
		check_image(cut, look);
	}
	simlog_close(log);
}

/* ---- the log ---- */

/* The newest transaction is before an older one. */
static bool has_wrapped(const char *image)
{
	struct journalimage ji;
	uint32_t low = 0, high = UINT32_MAX;

	journalimage_open(&ji, image);
	for (uint32_t n = 1; n < ji.maxlen; n++) {
		const struct journal_header *header = journalimage_block(&ji, n);
		const uint32_t sequence = be32_get(header->sequence);

		if (be32_get(header->magic) != JOURNAL_MAGIC || be32_get(header->type) != JOURNAL_COMMIT)
			continue;
		if (n < ji.maxlen / 2)
			low = max_of(low, sequence);
		else
			high = min_of(high, sequence);
	}
	journalimage_drop(&ji);
	return low > high && high != UINT32_MAX;
}

static void test_wrap(void **state)
{
	const unsigned cuts[] = {[EFFORT_QUICK] = 8, [EFFORT_DEFAULT] = 30, [EFFORT_LONG] = 600};

	(void)state;
	check_work(make_image("-b 1024 -N 128 -j"), 500, 0, cuts[harness_effort()]);
	assert_true(has_wrapped(image_path("worked")));
	check_work(make_image("-b 1024 -N 128 -j"), 300, BUFFERS_MIN, cuts[harness_effort()]);
}

static void test_features(void **state)
{
	static const uint32_t features[] = {JOURNAL_INCOMPAT_64BIT, JOURNAL_INCOMPAT_CSUM_V2,
					    JOURNAL_INCOMPAT_CSUM_V2 | JOURNAL_INCOMPAT_64BIT, JOURNAL_INCOMPAT_CSUM_V3,
					    JOURNAL_INCOMPAT_CSUM_V3 | JOURNAL_INCOMPAT_64BIT};

	(void)state;
	for (size_t i = 0; i < array_size(features); i++) {
		struct journalimage ji;
		const char *base = make_image("-b 1024 -N 128 -j");

		replaycase_features(base, 0, features[i]);
		check_work(base, 20, 0, harness_effort() == EFFORT_LONG ? 60 : 4);
		journalimage_open(&ji, image_path("worked"));
		assert_int_equal(be32_get(journalimage_super(&ji)->feature_incompat) & features[i], features[i]);
		journalimage_drop(&ji);
	}
}

/* ---- what was freed is not brought back ---- */

#define NAMES 60u

/* A directory of several blocks and a file with indirect ones, committed and freed; data where they were. */
static void reuse(void *arg)
{
	static uint8_t data[65536];
	char path[96];
	long n;
	int fd;

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir", 0755), 0);
	for (unsigned i = 0; i < NAMES; i++) {
		(void)snprintf(path, sizeof(path), "/dir/%u-a-name-that-takes-much-room-in-its-directory", i);
		assert_int_equal(fs_symlink("x", AT_FDCWD, path), 0);
	}
	fd = stack_open("/indirect", O_CREAT | O_RDWR);
	assert_int_equal(fs_fallocate(fd, 0, 600000), 0);
	assert_int_equal(fs_sync(), 0);
	for (unsigned i = 0; i < NAMES; i++) {
		(void)snprintf(path, sizeof(path), "/dir/%u-a-name-that-takes-much-room-in-its-directory", i);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
	}
	assert_int_equal(fs_unlink(AT_FDCWD, "/dir", AT_REMOVEDIR), 0);
	assert_int_equal(fs_ftruncate(fd, 0), 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_sync(), 0);
	fd = stack_open("/data", O_CREAT | O_RDWR);
	for (shared->len = 0;; shared->len += (size_t)n) {
		stack_fill(data, 7, shared->len, sizeof(data));
		n = fs_write(fd, data, sizeof(data));
		if (n == -ENOSPC)
			break;
		assert_true(n > 0);
	}
	assert_int_equal(fs_fsync(fd, false), 0);
}

static void read_data(void *arg)
{
	uint8_t *data = malloc(shared->len + 1);
	int fd;

	(void)arg;
	assert_non_null(data);
	harness_start();
	fd = stack_open("/data", O_RDONLY);
	assert_int_equal(fs_read(fd, data, shared->len + 1), shared->len);
	shared->good = stack_differs(data, 7, 0, shared->len) == shared->len;
	free(data);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static bool data_is_good(const char *image)
{
	harness_run(&(struct harness){.frames = 2048, .disk = {.image = image}}, read_data, NULL);
	return shared->good;
}

/* Each revoke block then names no blocks. How many there were. */
static unsigned leave_out_revokes(const char *image)
{
	struct journalimage ji;
	unsigned count = 0;

	journalimage_open(&ji, image);
	for (uint32_t n = 1; n < ji.maxlen; n++) {
		struct journal_revoke *revoke = journalimage_block(&ji, n);

		if (be32_get(revoke->header.magic) != JOURNAL_MAGIC || be32_get(revoke->header.type) != JOURNAL_REVOKE)
			continue;
		revoke->size = be32_of(sizeof(*revoke));
		count++;
	}
	journalimage_save(&ji);
	return count;
}

static void test_revokes(void **state)
{
	const char *record = image_path("record"), *cut = image_path("cut"), *copy = image_path("copy");
	const char *base = make_image("-b 1024 -N 128 -j");
	struct simlog *log;

	(void)state;
	harness_run(&(struct harness){.frames = 2048, .disk = {.image = base, .record = record}}, reuse, NULL);
	log = simlog_open(record, base);
	for (uint64_t seed = 0; seed < 2; seed++) {
		simlog_cut(log, simlog_end(log), seed, cut);
		replaycase_copy(cut, copy);
		assert_true(data_is_good(cut));
		assert_in_range(image_replay(copy), 0, 1);
		assert_int_equal(image_e2fsck(copy, "-n"), 0);
		assert_true(data_is_good(copy));
		/* It is the revokes that did it. */
		assert_true(leave_out_revokes(cut) > 0);
		assert_false(data_is_good(cut));
	}
	simlog_close(log);
}

/* ---- blocks that begin with the journal's magic number ---- */

static const uint8_t magic[] = {0xc0, 0x3b, 0x39, 0x98};

/*
 * The bitmap of inodes of the second group begins so, and the target of a link. All inodes are taken, then some given
 * back.
 */
static void magic_blocks(void *arg)
{
	char target[200];
	int fd;

	(void)arg;
	harness_start();
	memset(target, 'x', sizeof(target));
	memcpy(target, magic, sizeof(magic));
	target[sizeof(target) - 1] = 0;
	assert_int_equal(fs_symlink(target, AT_FDCWD, "/link"), 0);
	for (unsigned i = 0; (fd = fs_open(AT_FDCWD, name_of(i), O_CREAT | O_EXCL | O_RDWR, 0644)) != -ENOSPC; i++) {
		assert_true(fd >= 0);
		assert_int_equal(fs_close(fd), 0);
		shared->rounds = i + 1;
	}
	for (unsigned i = 0; i < shared->rounds; i++) {
		struct stat st;
		unsigned at;

		assert_int_equal(fs_stat(AT_FDCWD, name_of(i), &st, 0), 0);
		at = (unsigned)(st.st_ino - 1 - shared->inodes);
		if (at < 8 * sizeof(magic) && !(magic[at / 8] & 1u << at % 8))
			assert_int_equal(fs_unlink(AT_FDCWD, name_of(i), 0), 0);
	}
	assert_int_equal(fs_sync(), 0);
}

static void look_at_link(void *arg)
{
	char target[200];

	(void)arg;
	harness_start();
	assert_int_equal(fs_readlink(AT_FDCWD, "/link", target, sizeof(target)), sizeof(target) - 1);
	assert_memory_equal(target, magic, sizeof(magic));
	assert_int_equal(harness_stop(), 0);
}

/* Blocks in the log that are tagged as escaped. */
static unsigned count_escaped(const char *image)
{
	struct journalimage ji;
	unsigned count = 0;

	journalimage_open(&ji, image);
	for (uint32_t n = 1; n < ji.maxlen; n++) {
		const uint8_t *block = journalimage_block(&ji, n);
		const struct journal_header *header = (const void *)block;
		uint32_t at = sizeof(*header), flags = 0;

		if (be32_get(header->magic) != JOURNAL_MAGIC || be32_get(header->type) != JOURNAL_DESCRIPTOR)
			continue;
		for (; !(flags & JOURNAL_TAG_LAST); at += 8 + (flags & JOURNAL_TAG_SAME_UUID ? 0 : JOURNAL_UUID_SIZE)) {
			flags = be16_get(((const struct journal_tag *)(block + at))->flags);
			count += (flags & JOURNAL_TAG_ESCAPED) != 0;
		}
	}
	journalimage_drop(&ji);
	return count;
}

static void test_escapes(void **state)
{
	const char *record = image_path("record"), *cut = image_path("cut"), *copy = image_path("copy");
	const char *base = make_image("-b 1024 -g 1024 -N 128 -j");
	struct journalimage ji;
	const struct ext2_group *groups;
	struct simlog *log;

	(void)state;
	shared->inodes = mountimage_super(base).inodes_per_group;
	harness_run(&(struct harness){.frames = 2048, .disk = {.image = base, .record = record}}, magic_blocks, NULL);
	log = simlog_open(record, base);
	simlog_cut(log, simlog_end(log), 0, cut);
	simlog_close(log);
	assert_true(count_escaped(cut) >= 2);
	check_image(cut, look_at_link);
	for (unsigned by_e2fsck = 0; by_e2fsck < 2; by_e2fsck++) {
		replaycase_copy(cut, copy);
		if (by_e2fsck)
			replaycase_e2fsck(copy);
		else
			(void)replaycase_mount(cut, copy, 0);
		journalimage_open(&ji, copy);
		groups = journalimage_fs(&ji, 2);
		assert_memory_equal(journalimage_fs(&ji, groups[1].inode_bitmap), magic, sizeof(magic));
		journalimage_drop(&ji);
	}
}

/* ---- replay ---- */

/* A card whose log is to be replayed. */
static const char *unreplayed(void)
{
	shared->rounds = 30;
	shared->round = shared->rounds - 1;
	harness_run(&(struct harness){.frames = 2048,
				      .disk = {.image = make_image("-b 1024 -N 128 -j"), .save = image_path("worked")}},
		    work, NULL);
	return image_path("worked");
}

static void failing_mount(void *arg)
{
	struct blkdev *disk = harness_start_disk();

	(void)arg;
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	simdisk_fail(&shared->fault);
	shared->mounted = fs_mount_root(disk, false);
	shared->fired = simdisk_fired();
	if (!shared->fired)
		assert_int_equal(shared->mounted, 0);
}

/* From the nth transfer of the mount on all fail, for every n: nothing is lost, and the next mount does it. */
static void fail_mounts(const char *image, unsigned ops, int error)
{
	const unsigned steps[] = {[EFFORT_QUICK] = 5, [EFFORT_DEFAULT] = 2, [EFFORT_LONG] = 1};
	const unsigned step = (ops & READS && harness_effort() != EFFORT_LONG ? 5 : 1) * steps[harness_effort()];
	const char *out = image_path("failed");
	uint64_t n = 1;

	for (shared->fired = 1; shared->fired; n += step) {
		shared->fault = (struct simdisk_fault){.ops = ops, .from = n, .count = UINT64_MAX, .error = error};
		harness_run(&(struct harness){.frames = 2048, .disk = {.image = image, .save = out}}, failing_mount,
			    NULL);
		check_image(out, look);
	}
	print_message("ops %#x: %llu transfers could fail\n", ops, (unsigned long long)(n - step - 1));
	assert_true(n > 2 * step);
}

/* test_journal_cuts has those that fail once. */
static void test_replay_errors(void **state)
{
	const char *image = unreplayed();

	(void)state;
	fail_mounts(image, READS, 0);
	fail_mounts(image, WRITES, 0);
	fail_mounts(image, FLUSHES, 0);
	fail_mounts(image, READS | WRITES | FLUSHES, -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wrap),    cmocka_unit_test(test_features),	  cmocka_unit_test(test_revokes),
	    cmocka_unit_test(test_escapes), cmocka_unit_test(test_replay_errors),
	};

	return cmocka_run_group_tests_name("journal: what is written, and its replay", tests, setup, NULL);
}
