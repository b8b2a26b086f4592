// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Power cuts in the midst of work on names, sizes and blocks. Each image that a cut may leave is looked at twice:
 * e2fsck finds no more than plain ext2 may leave (blocks and inodes that nobody uses, wrong counts, a directory under
 * two names, P2) and repairs it; and mounted as it is, without e2fsck, everything acknowledged is there, work goes on,
 * and after the unmount e2fsck finds nothing. With a journal, it is replayed by e2fsck, which then finds nothing at all
 * and all that was acknowledged is there; and by the mount, which has nothing to recount.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "fs/fs.h"
#include "tests/host/cutnames.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/simlog.h"

#define ROUNDS 12
static const unsigned cut_counts[] = {
    [EFFORT_QUICK] = 10, [EFFORT_DEFAULT] = 40, [EFFORT_LONG] = 1000}; // of a recording
#define SEEDS 3							       // none of the volatile writes, all, a subset
#define SECOND_IN 30						       // images of which one's mount is cut as well
#define SECOND_CUTS 4

static struct shared {
	unsigned buffers;
	bool journalled;
	bool acknowledged; // there is a fact
	uint64_t round;	   // it: rounds up to this one are durable
} * shared;

static size_t length_of(unsigned round)
{
	return 3000 + round * 7919 % 40000;
}

static uint8_t byte_of(unsigned round, size_t at)
{
	return (uint8_t)(round * 59 + at + (at >> 9) + 1);
}

/* /current is replaced by a whole new file in each round, and is never to be missing or mixed. */
static void replace(unsigned round)
{
	static uint8_t data[50000];
	int fd = fs_open(AT_FDCWD, "/new", O_CREAT | O_TRUNC | O_RDWR, 0644);

	assert_true(fd >= 0);
	for (size_t i = 0; i < length_of(round); i++)
		data[i] = byte_of(round, i);
	assert_int_equal(fs_write(fd, data, length_of(round)), length_of(round));
	assert_int_equal(fs_fsync(fd, round % 2), 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_rename(AT_FDCWD, "/new", AT_FDCWD, "/current", 0), 0);
}

/* Files deleted while they are open, closed in another order than they were deleted in. */
static void orphans(unsigned round)
{
	int fds[4];
	char path[32];

	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/orphan%u", i);
		fds[i] = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644);
		assert_true(fds[i] >= 0);
		assert_int_equal(fs_fallocate(fds[i], 0, 20000), 0);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
	}
	assert_int_equal(fs_sync(), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(fs_close(fds[(i * 3 + round) % 4]), 0);
		if (i == 1)
			assert_int_equal(fs_sync(), 0);
	}
}

static void churn(unsigned round)
{
	char path[64], other[64];
	int fd;

	snprintf(path, sizeof(path), "/d%u", round);
	assert_int_equal(fs_mkdir(AT_FDCWD, path, 0755), 0);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/d%u/a-name-that-takes-room-in-the-directory-%u", round, i);
		fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644);
		assert_true(fd >= 0);
		assert_int_equal(fs_fallocate(fd, 0, 5000 + i * 30000), 0);
		if (i == 3)
			assert_int_equal(fs_ftruncate(fd, 9000), 0);
		if (i == 0)
			assert_int_equal(fs_ftruncate(fd, 700), 0);
		assert_int_equal(fs_close(fd), 0);
	}
	if (round == 0)
		return;
	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/d%u/a-name-that-takes-room-in-the-directory-%u", round - 1, i);
		snprintf(other, sizeof(other), "/d%u/moved-%u", round, i);
		assert_int_equal(i % 2 ? fs_rename(AT_FDCWD, path, AT_FDCWD, other, 0) : fs_unlink(AT_FDCWD, path, 0),
				 0);
	}
	snprintf(path, sizeof(path), "/d%u", round - 1);
	if (round > 1) {
		for (unsigned i = 1; i < 4; i += 2) {
			snprintf(other, sizeof(other), "/d%u/moved-%u", round - 1, i);
			assert_int_equal(fs_unlink(AT_FDCWD, other, 0), 0);
		}
	}
	assert_int_equal(fs_unlink(AT_FDCWD, path, AT_REMOVEDIR), 0);
}

/* ---- holes and zeros: what a round writes into /holes, punches out of it, and makes zeros ---- */
#define HOLES_LEN 70000u

struct range {
	unsigned from, len;
};

static struct range range_of(unsigned round, unsigned n)
{
	const unsigned from = (round * 31 + n * 17 + 3) * 1021 % HOLES_LEN;

	return (struct range){from, min_of(HOLES_LEN - from, 2000 + (round * 13 + n * 7) * 499 % 30000)};
}

static bool in_range(struct range r, unsigned at)
{
	return at - r.from < r.len;
}

/* Never zero, nor what a file of other content has there. */
static uint8_t hole_byte(unsigned round, unsigned at)
{
	return (uint8_t)((round * 2 + 1) * 4 + at % 4);
}

static void holes(unsigned round)
{
	static uint8_t data[HOLES_LEN];
	const struct range written = range_of(round, 0), punched = range_of(round, 1), zeroed = range_of(round, 2);
	int fd = fs_open(AT_FDCWD, "/holes", O_CREAT | O_RDWR, 0644);

	assert_true(fd >= 0);
	if (round == 0)
		assert_int_equal(fs_ftruncate(fd, HOLES_LEN), 0);
	for (unsigned i = 0; i < written.len; i++)
		data[i] = hole_byte(round, written.from + i);
	assert_int_equal(fs_pwrite(fd, data, written.len, written.from), written.len);
	if (round % 3 == 1)
		assert_int_equal(fs_fsync(fd, true), 0);
	assert_int_equal(fs_fallocate_mode(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, punched.from, punched.len),
			 0);
	assert_int_equal(fs_fallocate_mode(fd, FALLOC_FL_ZERO_RANGE, zeroed.from, zeroed.len), 0);
	if (round % 3 == 2)
		assert_int_equal(fs_fsync(fd, true), 0);
	assert_int_equal(fs_close(fd), 0);
}

static uint8_t holes_after(unsigned round, unsigned at)
{
	if (in_range(range_of(round, 1), at) || in_range(range_of(round, 2), at))
		return 0;
	if (in_range(range_of(round, 0), at))
		return hole_byte(round, at);
	return round ? holes_after(round - 1, at) : 0;
}

/* Each byte is as it was when round `round` was acknowledged, or as the next one makes it. */
static void check_holes(unsigned round)
{
	static uint8_t data[HOLES_LEN + 1];
	const unsigned next = round + 1;
	int fd = fs_open(AT_FDCWD, "/holes", O_RDONLY, 0);

	assert_true(fd >= 0);
	assert_int_equal(fs_read(fd, data, sizeof(data)), HOLES_LEN);
	assert_int_equal(fs_close(fd), 0);
	for (unsigned at = 0; at < HOLES_LEN; at++) {
		bool is = data[at] == holes_after(round, at);

		is |= in_range(range_of(next, 0), at) && data[at] == hole_byte(next, at);
		is |= (in_range(range_of(next, 1), at) || in_range(range_of(next, 2), at)) && data[at] == 0;
		if (!is)
			fail_msg("/holes has %#x at %u after round %u", data[at], at, round);
	}
}

static void make(const char *format, unsigned i)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), format, i);
	fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fs_close(fd), 0);
}

#define FOREIGN 22u

/* A directory as others make them, with entries across sectors. */
static void make_foreign(const char *image)
{
	char commands[64 * (FOREIGN + 1)], *p = commands;

	p += sprintf(p, "mkdir names\n");
	for (unsigned i = 0; i < FOREIGN; i++)
		p += sprintf(p, "write /dev/null names/of-another-system-%u%s\n", i, i % 3 ? "" : "-and-longer");
	image_debugfs(image, commands);
}

/*
 * That directory, in which names go and come again, also elsewhere; and directories that move, on top of an empty one
 * too.
 */
static void names(unsigned round)
{
	char path[80], other[80];

	if (round == 0) {
		assert_int_equal(fs_mkdir(AT_FDCWD, "/tree", 0755), 0);
		assert_int_equal(fs_mkdir(AT_FDCWD, "/tree/left", 0755), 0);
		assert_int_equal(fs_mkdir(AT_FDCWD, "/tree/right", 0755), 0);
		assert_int_equal(fs_mkdir(AT_FDCWD, "/tree/left/moved", 0755), 0);
		make("/tree/left/moved/file%u", 0);
	}
	for (unsigned i = 0; i < 20; i++)
		make("/names/some-name-of-no-meaning-%u", round * 20 + i);
	if (round > 0) {
		for (unsigned i = (round - 1) * 2; i < min_of(round * 2, FOREIGN); i++) {
			snprintf(path, sizeof(path), "/names/of-another-system-%u%s", i, i % 3 ? "" : "-and-longer");
			assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
		}
		for (unsigned i = 0; i < 20; i += 1 + round % 3) {
			snprintf(path, sizeof(path), "/names/some-name-of-no-meaning-%u", (round - 1) * 20 + i);
			assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
			make("/names/longer-than-the-one-before-%u", (round - 1) * 20 + i);
			if (i % 4 == 1)
				make("/names/some-name-of-no-meaning-%u", (round - 1) * 20 + i);
		}
	}
	snprintf(path, sizeof(path), "/tree/%s/moved", round % 2 ? "right" : "left");
	snprintf(other, sizeof(other), "/tree/%s/moved", round % 2 ? "left" : "right");
	if (round % 3 == 0)
		assert_int_equal(fs_mkdir(AT_FDCWD, other, 0755), 0);
	assert_int_equal(fs_rename(AT_FDCWD, path, AT_FDCWD, other, 0), 0);
	make(round % 2 ? "/tree/left/moved/later%u" : "/tree/right/moved/later%u", round);
}

static void body(void *arg)
{
	(void)arg;
	buffer_cache_init(shared->buffers);
	harness_start();
	for (unsigned round = 0; round < ROUNDS; round++) {
		replace(round);
		churn(round);
		orphans(round);
		holes(round);
		names(round);
		cutnames_round(round);
		assert_int_equal(fs_sync(), 0);
		simdisk_mark(round);
	}
}

/* Which round's file /current is; fails the run if it is none's. */
static unsigned current_round(void)
{
	static uint8_t data[50000];
	int fd = fs_open(AT_FDCWD, "/current", O_RDONLY, 0);
	unsigned round;
	long n;

	if (fd < 0)
		fail_msg("/current: %d", fd);
	n = fs_read(fd, data, sizeof(data));
	for (round = 0; round < ROUNDS && (long)length_of(round) != n; round++)
		;
	assert_true(round < ROUNDS);
	for (long i = 0; i < n; i++)
		assert_int_equal(data[i], byte_of(round, (size_t)i));
	assert_int_equal(fs_close(fd), 0);
	return round;
}

static void mount_cut(void *arg)
{
	char path[64];
	struct stat st;

	(void)arg;
	harness_start();
	if (shared->acknowledged) {
		assert_true(current_round() >= shared->round);
		check_holes((unsigned)shared->round);
		cutnames_check((unsigned)shared->round);
		/* The round's own directory, or the next's, which takes its place. */
		snprintf(path, sizeof(path), "/d%llu", (unsigned long long)shared->round);
		if (fs_stat(AT_FDCWD, path, &st, 0)) {
			snprintf(path, sizeof(path), "/d%llu", (unsigned long long)shared->round + 1);
			assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
		}
	}
	/* Work goes on. */
	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/after%u", i);
		int fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644);

		assert_true(fd >= 0);
		assert_int_equal(fs_fallocate(fd, 0, 100000), 0);
		assert_int_equal(fs_close(fd), 0);
	}
	assert_int_equal(fs_unlink(AT_FDCWD, "/after1", 0), 0);
	assert_int_equal(harness_stop(), 0);
}

/* What e2fsck said, line by line, is only what P2 allows. */
static void check_words(const char *what)
{
	static const char *const allowed[] = {
	    "e2fsck ",
	    "Pass ",
	    "FILE SYSTEM WAS MODIFIED",
	    "files (",
	    "ix? yes",
	    "lear? yes",
	    "onnect to /lost+found? yes",
	    "Block bitmap differences:  -",
	    "Inode bitmap differences:  -",
	    "Free blocks count wrong",
	    "Free inodes count wrong",
	    "Directories count wrong",
	    "ref count is",
	    "Unattached inode",
	    "Unattached zero-length inode",
	    "Unconnected directory inode",
	    "is a link to directory", // it was being moved
	    "'..' in ",
	    "was not cleanly unmounted",
	    "orphaned inode",
	    "has zero dtime",
	    "i_blocks is",
	    "i_size is", // it was growing
	    "Padding at end",
	    "Problem in HTREE directory inode", // it was growing
	    "lear HTree index? yes",
	    "Optimizing directories",
	    "uplicate entry",
	};
	FILE *f = fopen(image_path("output"), "r");
	char line[4096];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		bool known = line[0] == '\n';

		for (size_t i = 0; i < array_size(allowed) && !known; i++)
			known = strstr(line, allowed[i]) != NULL;
		if (!known || strstr(line, " +"))
			fail_msg("%s: e2fsck says: %s", what, line);
	}
	assert_int_equal(fclose(f), 0);
}

/* Mounts, works, unmounts; then e2fsck finds nothing. record: of the disk's writes, or NULL. */
static void check_mount(const char *image, const char *record, const char *what)
{
	const char *mounted = image_path("mounted"), *said;
	struct harness h = {.frames = 2048, .disk = {.image = image, .save = mounted, .record = record}};
	int status = harness_status(&h, mount_cut, NULL, &said);

	if (status)
		fail_msg("%s: the mount run ended with %d\n%s", what, status, said);
	if (shared->journalled && strstr(said, "recounting"))
		fail_msg("%s: the mount had to recount\n%s", what, said);
	if (image_e2fsck(mounted, "-n"))
		fail_msg("%s: e2fsck finds something after a mount and an unmount\n%s", what, said);
}

/* The mount that puts right what a cut left is cut as well. */
static void check_second_cuts(const char *cut, const char *record, const char *what)
{
	struct simlog *log = simlog_open(record, cut);
	const uint64_t end = simlog_end(log);
	const char *twice = image_path("twice");
	char again[160];

	for (uint64_t i = 1; i <= SECOND_CUTS; i++) {
		snprintf(again, sizeof(again), "%s, and again at %llu", what,
			 (unsigned long long)(end * i / SECOND_CUTS));
		simlog_cut(log, end * i / SECOND_CUTS, 1 + i, twice);
		check_mount(twice, NULL, again);
	}
	simlog_close(log);
}

static void check_cut(const struct simlog *log, uint64_t tick, uint64_t seed, bool second)
{
	const char *cut = image_path("cut"), *record = image_path("record-mount");
	char what[64];

	snprintf(what, sizeof(what), "tick %llu, subset %llu", (unsigned long long)tick, (unsigned long long)seed);
	simlog_cut(log, tick, seed, cut);
	shared->acknowledged = simlog_fact(log, tick, &shared->round);
	check_mount(cut, second ? record : NULL, what);
	if (second)
		check_second_cuts(cut, record, what);
	if (shared->journalled) {
		if (image_replay(cut) > 1)
			fail_msg("%s: e2fsck cannot replay the journal", what);
		if (image_e2fsck(cut, "-n"))
			fail_msg("%s: e2fsck finds something after its replay", what);
		check_mount(cut, NULL, what);
		return;
	}
	if (image_e2fsck(cut, "-y") > 1)
		fail_msg("%s: e2fsck cannot repair the card", what);
	check_words(what);
}

static void make_image(const char *base, unsigned block, bool journalled)
{
	char options[32], size[16];

	shared->journalled = journalled;
	snprintf(options, sizeof(options), "-b %u -N 512%s", block, journalled ? " -j" : "");
	snprintf(size, sizeof(size), "%uK", journalled ? 3 * block : 2048);
	image_mke2fs(base, size, options);
	make_foreign(base);
}

static void cuts(unsigned block, unsigned buffers, uint64_t seed, bool journalled)
{
	const char *base = image_path("base"), *record = image_path("record");
	uint64_t images = 0;

	if (!shared)
		shared = harness_shared(sizeof(*shared));
	shared->buffers = buffers;
	make_image(base, block, journalled);
	harness_run(&(struct harness){.frames = 2048, .disk = {.image = base, .record = record, .seed = seed}}, body,
		    NULL);

	struct simlog *log = simlog_open(record, base);
	uint64_t end = simlog_end(log), step = max_of(end / cut_counts[harness_effort()], (uint64_t)1);

	for (uint64_t tick = end; tick > 0 && tick <= end; tick -= min_of(step, tick)) {
		for (uint64_t s = 0; s < SEEDS; s++, images++)
			check_cut(log, tick, s < 2 ? s : tick * 31 + seed, images % SECOND_IN == SECOND_IN - 1);
	}
	simlog_close(log);
	print_message("block %u, %u buffers%s: %llu images of %llu ticks\n", block, buffers,
		      journalled ? ", journal" : "", (unsigned long long)images, (unsigned long long)end);
	assert_true(images > 2 * cut_counts[harness_effort()]);
}

/* Names that come and go in the sectors of one batch. */
static void rename_in_place(void *arg)
{
	char path[80];

	(void)arg;
	harness_start();
	for (unsigned i = 0; i < 12; i++)
		make("/names/ours-%u", i);
	assert_int_equal(fs_sync(), 0);
	for (unsigned i = 1; i < FOREIGN; i += 3) {
		snprintf(path, sizeof(path), "/names/of-another-system-%u", i);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
		make("/names/s%u", i);
		make("/names/of-another-system-%u", i);
	}
	assert_int_equal(fs_sync(), 0);
}

/* Cuts while the last FLUSHes are not through. */
static void test_sectors(void **state)
{
	const char *base = image_path("base"), *record = image_path("record");
	struct simlog *log;

	(void)state;
	if (!shared)
		shared = harness_shared(sizeof(*shared));
	for (unsigned block = 1024; block <= 4096; block *= 4) {
		uint64_t tick;

		make_image(base, block, false);
		harness_run(&(struct harness){.frames = 2048, .disk = {.image = base, .record = record}},
			    rename_in_place, NULL);
		log = simlog_open(record, base);
		tick = simlog_end(log);
		for (unsigned i = 0; i < 8; i++) {
			tick = simlog_boundary(log, tick);
			for (uint64_t seed = 2; seed < 8; seed++)
				check_cut(log, tick, seed + tick, false);
		}
		simlog_close(log);
	}
}

static void test_1024(void **state)
{
	(void)state;
	cuts(1024, 0, 1, false);
}

static void test_4096(void **state)
{
	(void)state;
	cuts(4096, 0, 2, false);
}

static void test_fewest_buffers(void **state)
{
	(void)state;
	cuts(2048, BUFFERS_MIN, 3, false);
}

static void test_journal_1024(void **state)
{
	(void)state;
	cuts(1024, 0, 4, true);
}

static void test_journal_4096(void **state)
{
	(void)state;
	cuts(4096, 0, 5, true);
}

static void test_journal_fewest_buffers(void **state)
{
	(void)state;
	cuts(2048, BUFFERS_MIN, 6, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sectors),
	    cmocka_unit_test(test_1024),
	    cmocka_unit_test(test_4096),
	    cmocka_unit_test(test_fewest_buffers),
	    cmocka_unit_test(test_journal_1024),
	    cmocka_unit_test(test_journal_4096),
	    cmocka_unit_test(test_journal_fewest_buffers),
	};

	return cmocka_run_group_tests_name("fs: power cuts", tests, NULL, NULL);
}
