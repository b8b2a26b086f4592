// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A card full of old content, on which a FLUSH fails once and loses what was written since the last good one, the zeros
 * of new blocks with it. Tried again, all goes well; and whenever the power is cut, a file shows its own bytes or
 * zeros, never the old content, and what fsync acknowledged is there (I6).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "mm/pcache.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/simlog.h"
#include "tests/host/stack.h"

#define OLD 0xa5
#define OLD_LEN (1700 * 1024) // nearly all of the card
#define FROM 20000	      // the part of /file that is stored; the rest is zeros or a hole
#define TO 40000
#define LEN 60000
#define OTHER_LEN (4 * PAGE_SIZE)
#define SEEDS 3 // none of the volatile writes, all, a subset

enum way { WAY_FALLOCATE, WAY_HOLE, WAY_WRITE, WAYS };

/* Whose FLUSH is the first: the file's own fsync, another file's msync without a commit, a commit for what was deleted.
 */
enum first { FIRST_OWN, FIRST_OTHER, FIRST_SETTLE, FIRSTS };

struct order {
	enum way way;
	uint64_t nth; // FLUSH that fails
	enum first first;
	bool evict; // data is written, and its pages thrown out, before the commit
};

static const char *const firsts[] = {"", ", of another file", ", of a commit"};
static const unsigned cuts[] = {[EFFORT_QUICK] = 2, [EFFORT_DEFAULT] = 6, [EFFORT_LONG] = 1000}; // of a recording

static uint8_t expected(uint64_t at)
{
	return at >= FROM && at < TO ? stack_byte(5, at) : 0;
}

static void put_data(enum way way, int fd, uint8_t *map)
{
	uint8_t data[TO - FROM];

	stack_fill(data, 5, FROM, sizeof(data));
	if (way == WAY_WRITE)
		assert_int_equal(fs_pwrite(fd, data, sizeof(data), FROM), sizeof(data));
	else
		memcpy(map + FROM, data, sizeof(data));
}

/* Until it succeeds; an application that heard of an error has to store again what may be lost. */
static void sync_file(const struct order *o, int fd, uint8_t *map)
{
	unsigned tries = 0;
	int err;

	while ((err = fs_fsync(fd, false))) {
		assert_int_equal(err, -EIO);
		assert_true(++tries <= 2);
		if (o->evict)
			put_data(o->way, fd, map);
	}
}

static void body(void *arg)
{
	const struct order *o = arg;
	uint8_t *map = NULL, *other_map;
	struct fs_space space;
	int fd, other, err;

	harness_start();
	other = stack_open("/other", O_CREAT | O_RDWR);
	assert_int_equal(fs_fallocate(other, 0, OTHER_LEN), 0);
	assert_int_equal(fs_close(stack_open("/gone", O_CREAT | O_RDWR)), 0);
	other_map = stack_map(other, OTHER_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	assert_int_equal(fs_sync(), 0);
	simdisk_mark(0);
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_FLUSH, .from = o->nth, .count = 1});

	fd = stack_open("/file", O_CREAT | O_RDWR);
	if (o->way == WAY_FALLOCATE)
		assert_int_equal(fs_fallocate(fd, 0, LEN), 0);
	else if (o->way == WAY_HOLE)
		assert_int_equal(fs_ftruncate(fd, LEN), 0);
	if (o->way != WAY_WRITE)
		map = stack_map(fd, LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	put_data(o->way, fd, map);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir", 0755), 0);
	if (o->evict) {
		assert_int_equal(pcache_write_all(), 0);
		(void)pcache_drop_clean();
	}
	if (o->first == FIRST_OTHER) {
		other_map[1] = 1;
		err = map_sync((vaddr_t)other_map, OTHER_LEN, true);
		assert_int_equal(err, o->nth == 1 ? -EIO : 0);
	} else if (o->first == FIRST_SETTLE) {
		assert_int_equal(fs_unlink(AT_FDCWD, "/gone", 0), 0);
		err = fs_space(AT_FDCWD, "/", &space);
		assert_true(err == 0 || err == -EIO);
	}
	sync_file(o, fd, map);
	simdisk_mark(1);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/after", 0755), 0);
	err = fs_sync();
	assert_true(err == 0 || (err == -EIO && simdisk_fired() == 1));
	assert_int_equal(simdisk_fired(), o->nth <= 3);
	/* No unmount: the power goes. */
}

static bool image_is_good(const char *image, bool synced)
{
	size_t len = 0, at = 0;
	uint8_t *file;
	bool good;

	if (image_e2fsck(image, "-y") > 1)
		return false;
	file = image_read(image, "/file", &len);
	while (at < len && (file[at] == expected(at) || (!synced && file[at] == 0)))
		at++;
	good = at == len && (!synced || len >= TO);
	if (!good)
		print_error("byte %zu of %zu is %02x%s\n", at, len, file ? file[at] : 0, synced ? ", synced" : "");
	free(file);
	return good;
}

/* How many of the images are bad. */
static unsigned cut_everywhere(const struct order *o)
{
	const char *base = image_path("flush"), *record = image_path("flush-record"), *cut = image_path("flush-cut");
	struct order order = *o;
	unsigned bad = 0;

	harness_run(&(struct harness){.disk = {.image = base, .record = record, .lose_writes = true}}, body, &order);
	struct simlog *log = simlog_open(record, base);
	const uint64_t end = simlog_end(log), step = max_of(end / cuts[harness_effort()], (uint64_t)1);

	for (uint64_t tick = end; tick > 0 && tick <= end; tick -= min_of(step, tick)) {
		uint64_t fact;

		if (!simlog_fact(log, tick, &fact))
			break; // before there was anything to lose
		for (uint64_t s = 0; s < SEEDS; s++) {
			simlog_cut(log, tick, s < 2 ? s : tick * 31 + s, cut);
			if (image_is_good(cut, fact >= 1))
				continue;
			bad++;
			print_error("way %d, FLUSH %llu%s%s, tick %llu of %llu, subset %llu\n", o->way,
				    (unsigned long long)o->nth, firsts[o->first], o->evict ? ", evicted" : "",
				    (unsigned long long)tick, (unsigned long long)end, (unsigned long long)s);
		}
	}
	simlog_close(log);
	return bad;
}

/* A file that filled it was deleted. */
static void old_card(unsigned block)
{
	const char *image = image_path("flush"), *old = image_path("old");
	char text[512];
	FILE *f = fopen(old, "wb");

	assert_non_null(f);
	for (size_t i = 0; i < OLD_LEN; i++)
		assert_int_equal(fputc(OLD, f), OLD);
	assert_int_equal(fclose(f), 0);
	snprintf(text, sizeof(text), "-b %u -N 512", block);
	image_mke2fs(image, "2M", text);
	snprintf(text, sizeof(text), "write %s old\nrm old\n", old);
	image_debugfs(image, text);
}

static void test_lost_zeros(void **state)
{
	const unsigned block_max = harness_effort() == EFFORT_QUICK ? 1024 : 4096;
	unsigned runs = 0, bad = 0;

	(void)state;
	for (unsigned block = 1024; block <= block_max; block *= 4) {
		old_card(block);
		for (struct order o = {.way = 0}; o.way < WAYS; o.way++) {
			for (o.nth = 1; o.nth <= 3; o.nth++) {
				for (unsigned kind = 0; kind < 2 * FIRSTS; kind++, runs++) {
					o.first = kind / 2;
					o.evict = kind % 2;
					bad += cut_everywhere(&o) > 0;
				}
			}
		}
	}
	if (bad)
		fail_msg("%u of %u runs left bad images", bad, runs);
}

/* ---- a file that is forgotten before its blocks are committed ---- */
#define MANY 300 // more inodes than are kept

static void forgotten_body(void *arg)
{
	uint8_t *other_map, back[TO];
	char path[32];
	struct stat st;
	int fd, other;

	(void)arg;
	harness_start();
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "/many%u", i);
		assert_int_equal(fs_close(stack_open(path, O_CREAT | O_RDWR)), 0);
	}
	assert_int_equal(harness_stop(), 0);
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), 0); // none of them in memory
	other = stack_open("/other", O_CREAT | O_RDWR);
	assert_int_equal(fs_fallocate(other, 0, OTHER_LEN), 0);
	other_map = stack_map(other, OTHER_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	assert_int_equal(fs_sync(), 0);
	fd = stack_open("/file", O_CREAT | O_RDWR);
	put_data(WAY_WRITE, fd, NULL);
	assert_int_equal(fs_close(fd), 0);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "/many%u", i);
		assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
	}
	/* The FLUSH that fails is none that its data waits for. */
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_FLUSH, .from = 1, .count = 1});
	other_map[1] = 1;
	assert_int_equal(map_sync((vaddr_t)other_map, OTHER_LEN, true), -EIO);
	assert_int_equal(fs_sync(), 0);
	fd = stack_open("/file", O_RDONLY);
	assert_int_equal(fs_pread(fd, back, TO, 0), TO);
	for (uint64_t at = 0; at < TO; at++)
		assert_int_equal(back[at], expected(at));
}

static void test_forgotten(void **state)
{
	(void)state;
	old_card(1024);
	harness_run(&(struct harness){.disk = {.image = image_path("flush"), .lose_writes = true}}, forgotten_body,
		    NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lost_zeros), cmocka_unit_test(test_forgotten)};

	return cmocka_run_group_tests_name("fs: a FLUSH fails and loses writes", tests, NULL, NULL);
}
