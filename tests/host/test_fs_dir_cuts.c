// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Directories whose index is made, grows by leaves, nodes and a level, and is made anew, while the power is cut, and
 * while transfers fail. After each cut the card is looked at twice: by e2fsck -fy, and by a mount of ours without it.
 * Both ways every acknowledged name is there, once, and none that was acknowledged to be gone; work goes on, and in the
 * end e2fsck finds nothing, with the directory indexed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "fs/fs.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/simlog.h"

static const unsigned cut_counts[] = {[EFFORT_QUICK] = 6, [EFFORT_DEFAULT] = 6, [EFFORT_LONG] = 1500};
#define SEEDS 3 // none of the volatile writes, all, a subset
#define ROUNDS_MAX 64

#define FAULT_NAMES 260

enum must { ANY, THERE, GONE };

struct plan {
	unsigned block, buffers, rounds, each, len;
	unsigned foreign; // names that the directory has when it comes
	bool sync_all;	  // after each name; else after a round
};

static struct shared {
	struct plan plan;
	bool acknowledged; // there is a fact
	uint64_t round;	   // it: rounds up to this one are durable
	/* A run with a fault. */
	struct simdisk_fault fault;
	uint64_t fired, transfers; // failed ones, and all of that kind
	unsigned failed;	   // calls
	bool stopped;
	struct {
		enum must is, durable; // what it is, and what a sync has acknowledged
	} names[FAULT_NAMES];
} * shared;

/* Each round makes `each` names and takes away every third of the round before. */
static void name_of(unsigned round, unsigned i, char *path)
{
	const struct plan *p = &shared->plan;
	unsigned n = (unsigned)sprintf(path, "/many/%u-%u", round, i);
	const unsigned end = 6 + (p->len ? p->len : 10 + (round + i) * 37 % 50);

	for (; n < end; n++)
		path[n] = (char)('a' + (i + n) % 26);
	path[n] = 0;
}

static int make(const char *path)
{
	int fd = fs_open(AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR, 0644);

	return fd < 0 ? fd : fs_close(fd);
}

static void body(void *arg)
{
	const struct plan *p = &shared->plan;
	char path[300];

	(void)arg;
	buffer_cache_init(p->buffers);
	harness_start();
	if (!p->foreign)
		assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (unsigned round = 0; round < p->rounds; round++) {
		for (unsigned i = 0; i < p->each; i++) {
			name_of(round, i, path);
			/* A directory too: it has a .. that leads back. */
			assert_int_equal(i == 5 ? fs_mkdir(AT_FDCWD, path, 0755) : make(path), 0);
			if (p->sync_all)
				assert_int_equal(fs_sync(), 0);
		}
		for (unsigned i = 0; i < p->each && round > 0; i += 3) {
			name_of(round - 1, i, path);
			assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
		}
		assert_int_equal(fs_sync(), 0);
		simdisk_mark(round);
	}
}

/* What a name has to be when rounds up to this one are acknowledged and the next was under way. */
static enum must must_be(unsigned round, unsigned i)
{
	const uint64_t done = shared->acknowledged ? shared->round + 1 : 0; // rounds

	if (round + 1 < done)
		return i % 3 ? THERE : GONE;
	if (round + 1 == done)
		return i % 3 ? THERE : ANY;
	return round == done ? ANY : GONE;
}

static unsigned times_listed(char (*names)[256], unsigned count, const char *name)
{
	unsigned times = 0;

	for (unsigned i = 0; i < count; i++)
		times += !strcmp(names[i], name);
	return times;
}

static unsigned list_many(char (*names)[256], unsigned max)
{
	int fd = fs_open(AT_FDCWD, "/many", O_RDONLY, 0), r;
	struct fs_dirent entry;
	unsigned count = 0;

	assert_true(fd >= 0);
	while ((r = fs_readdir(fd, &entry)) > 0) {
		assert_true(count < max);
		strcpy(names[count++], entry.name);
	}
	assert_int_equal(r, 0);
	assert_int_equal(fs_close(fd), 0);
	return count;
}

static void check_names(void)
{
	const struct plan *p = &shared->plan;
	const unsigned max = p->rounds * p->each + p->foreign + 100;
	char(*names)[256] = malloc(max * sizeof(*names)), path[300];
	unsigned count, there = 2 + p->foreign;
	struct stat st;

	if (!p->foreign && fs_stat(AT_FDCWD, "/many", &st, 0)) {
		assert_false(shared->acknowledged);
		assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	}
	count = list_many(names, max);
	for (unsigned round = 0; round < p->rounds; round++) {
		for (unsigned i = 0; i < p->each; i++) {
			enum must must = must_be(round, i);
			unsigned listed;
			int err;

			name_of(round, i, path);
			listed = times_listed(names, count, path + 6);
			err = fs_stat(AT_FDCWD, path, &st, 0);
			assert_true(err == 0 || err == -ENOENT);
			assert_int_equal(listed, err == 0);
			if (err == 0)
				assert_int_equal(st.st_nlink, i == 5 ? 2 : 1);
			if ((must == THERE && err) || (must == GONE && !err))
				fail_msg("%s: %d", path, err);
			there += err == 0;
		}
	}
	for (unsigned i = 0; i < p->foreign; i++) {
		sprintf(path, "/many/of-another-system-%u", i);
		assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
		assert_int_equal(times_listed(names, count, path + 6), 1);
	}
	assert_int_equal(count, there);
	free(names);
}

static void mount_cut(void *arg)
{
	char path[300];

	(void)arg;
	harness_start();
	check_names();
	for (unsigned i = 0; i < 120; i++) {
		name_of(ROUNDS_MAX, i, path);
		assert_int_equal(make(path), 0);
	}
	for (unsigned i = 0; i < 120; i++) {
		name_of(ROUNDS_MAX, i, path);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
	}
	check_names();
	assert_int_equal(harness_stop(), 0);
}

/* Nothing is put right on a card that is only read: no index may be believed. */
static void read_cut(void *arg)
{
	const struct plan *p = &shared->plan;
	char path[300];
	struct stat st;

	(void)arg;
	harness_start();
	for (unsigned round = 0; round < p->rounds; round++) {
		for (unsigned i = 0; i < p->each; i++) {
			enum must must = must_be(round, i);
			int err;

			name_of(round, i, path);
			err = fs_stat(AT_FDCWD, path, &st, 0);
			if ((must == THERE && err) || (must == GONE && !err))
				fail_msg("%s: %d", path, err);
		}
	}
	assert_int_equal(harness_stop(), 0);
}

static void check_read(const char *image, const char *what)
{
	const char *said;
	struct harness h = {.frames = 4096, .disk = {.image = image, .read_only = true}};
	int status = harness_status(&h, read_cut, NULL, &said);

	if (status)
		fail_msg("%s: the read-only run ended with %d\n%s", what, status, said);
}

static bool is_indexed(const char *image)
{
	char line[4096];
	bool indexed = false;
	FILE *f;

	image_debugfs(image, "stat /many\n");
	f = fopen(image_path("output"), "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		indexed |= strstr(line, "Flags: 0x1000") != NULL;
	assert_int_equal(fclose(f), 0);
	return indexed;
}

static void check_mount(const char *image, const char *what)
{
	const char *mounted = image_path("mounted"), *said;
	struct harness h = {
	    .frames = 4096, .fs_buffers = shared->plan.buffers, .disk = {.image = image, .save = mounted}};
	int status = harness_status(&h, mount_cut, NULL, &said);

	if (status)
		fail_msg("%s: the mount run ended with %d\n%s", what, status, said);
	if (image_e2fsck(mounted, "-n"))
		fail_msg("%s: e2fsck finds something after a mount and an unmount\n%s", what, said);
	/* One that came without gets it when it grows, unless it was listed before. */
	if ((!shared->plan.foreign || shared->acknowledged) && !is_indexed(mounted))
		fail_msg("%s: the directory has no index", what);
}

/* Only what the index has to do with, and what the other test of power cuts allows. */
static void check_words(const char *what, unsigned *indices, unsigned *twins)
{
	/* An inode that the list of orphans does not lead to any more is one that leaked (docs/design.md, 7). */
	static const char leaked[] = "Inodes that were part of a corrupted orphan linked list";
	static const char *const forbidden[] = {"corrupted",	   "deleted/unused",   "Salvage",    "nvalid inode",
						"uplicate blocks", "Multiply-claimed", "make unique"};
	FILE *f = fopen(image_path("output"), "r");
	char line[4096];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		*indices += strstr(line, "Clear HTree index?") != NULL;
		*twins += strstr(line, "uplicate entry") != NULL;
		for (size_t i = 0; i < array_size(forbidden); i++) {
			if (strstr(line, forbidden[i]) && !strstr(line, leaked))
				fail_msg("%s: e2fsck says: %s", what, line);
		}
	}
	assert_int_equal(fclose(f), 0);
}

/* A directory as others make them, which has no index and entries across sectors. */
static void make_foreign(const char *image, unsigned count)
{
	char *commands = malloc(80 * (count + 1)), *p = commands;

	p += sprintf(p, "mkdir many\ncd many\n");
	for (unsigned i = 0; i < count; i++)
		p += sprintf(p, "mknod of-another-system-%u p\n", i);
	image_debugfs(image, commands);
	free(commands);
}

static void make_base(const char *base)
{
	const struct plan *p = &shared->plan;
	char options[64];

	snprintf(options, sizeof(options), "-b %u -N 4096", p->block);
	image_mke2fs(base, "6M", options);
	if (p->foreign)
		make_foreign(base, p->foreign);
}

static void cuts(struct plan plan, uint64_t seed)
{
	const char *base = image_path("base"), *record = image_path("record"), *cut = image_path("cut");
	const char *whole = image_path("whole");
	unsigned images = 0, indices = 0, twins = 0;

	if (!shared)
		shared = harness_shared(sizeof(*shared));
	shared->plan = plan;
	make_base(base);
	harness_run(&(struct harness){.frames = 4096,
				      .fs_buffers = plan.buffers,
				      .disk = {.image = base, .record = record, .save = whole, .seed = seed}},
		    body, NULL);

	struct simlog *log = simlog_open(record, base);
	uint64_t end = simlog_end(log), step = max_of(end / cut_counts[harness_effort()], (uint64_t)1);

	for (uint64_t tick = end; tick > 0 && tick <= end; tick -= min_of(step, tick)) {
		for (uint64_t s = 0; s < SEEDS; s++, images++) {
			char what[64];

			snprintf(what, sizeof(what), "tick %llu, subset %llu", (unsigned long long)tick,
				 (unsigned long long)s);
			simlog_cut(log, tick, s < 2 ? s : tick * 31 + seed, cut);
			shared->acknowledged = simlog_fact(log, tick, &shared->round);
			check_mount(cut, what);
			if (s == 2)
				check_read(cut, what);
			if (image_e2fsck(cut, "-y") > 1)
				fail_msg("%s: e2fsck cannot repair the card", what);
			check_words(what, &indices, &twins);
			check_mount(cut, what);
		}
	}
	simlog_close(log);
	print_message("block %u: %u images of %llu ticks, %u with an index for e2fsck, %u names twice\n", plan.block,
		      images, (unsigned long long)end, indices, twins);
}

/* Leaves, and a level. */
static void test_1024(void **state)
{
	(void)state;
	cuts((struct plan){.block = 1024, .rounds = 24, .each = 40}, 1);
}

/* Two levels: nodes are divided too. */
static void test_long_names(void **state)
{
	(void)state;
	cuts((struct plan){.block = 1024, .rounds = 12, .each = 60, .len = 255}, 2);
}

static void test_4096(void **state)
{
	(void)state;
	cuts((struct plan){.block = 4096, .rounds = 24, .each = 60}, 3);
}

static void test_fewest_buffers(void **state)
{
	(void)state;
	cuts((struct plan){.block = 2048, .buffers = BUFFERS_MIN, .rounds = 12, .each = 40, .sync_all = true}, 4);
}

static void test_foreign(void **state)
{
	(void)state;
	cuts((struct plan){.block = 1024, .rounds = 6, .each = 40, .foreign = 300}, 5);
}

/* ---- transfers that fail ---- */

static const unsigned fault_counts[] = {[EFFORT_QUICK] = 12, [EFFORT_DEFAULT] = 20, [EFFORT_LONG] = 5000};

static void fault_set(unsigned i, int err, enum must is)
{
	shared->failed += err != 0;
	shared->names[i].is = err ? ANY : is;
	shared->names[i].durable = ANY;
}

static void fault_sync(void)
{
	int err = fs_sync();

	shared->failed += err != 0;
	for (unsigned i = 0; i < FAULT_NAMES && !err; i++)
		shared->names[i].durable = shared->names[i].is;
}

/* Whatever has failed, a name that is there is listed once. */
static void fault_list(void)
{
	char(*names)[256] = malloc((FAULT_NAMES + 100) * sizeof(*names)), path[300];
	const unsigned count = list_many(names, FAULT_NAMES + 100);
	struct stat st;

	for (unsigned i = 0; i < FAULT_NAMES; i++) {
		int err;

		name_of(0, i, path);
		err = fs_stat(AT_FDCWD, path, &st, 0);
		assert_true(err == 0 || err == -ENOENT);
		assert_int_equal(times_listed(names, count, path + 6), err == 0);
		if ((shared->names[i].is == THERE && err) || (shared->names[i].is == GONE && !err))
			fail_msg("%s: %d", path, err);
	}
	free(names);
}

static void faulty(void *arg)
{
	char path[300];

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	assert_int_equal(fs_sync(), 0);
	simdisk_fail(&shared->fault);
	shared->transfers = simdisk_count(shared->fault.ops);
	for (unsigned i = 0; i < FAULT_NAMES; i++) {
		name_of(0, i, path);
		fault_set(i, make(path), THERE);
		if (i % 10 == 9) {
			name_of(0, i - 5, path);
			fault_set(i - 5, fs_unlink(AT_FDCWD, path, 0), GONE);
		}
		if (i % 50 == 49)
			fault_sync();
	}
	shared->fired = simdisk_fired();
	shared->transfers = simdisk_count(shared->fault.ops) - shared->transfers;
	simdisk_fail(&(struct simdisk_fault){.ops = 0}); // a thread that commits by time makes runs differ a little
	fault_list();
	fault_sync();
	shared->stopped = harness_stop() == 0;
}

static void after_fault(void *arg)
{
	char path[300];
	struct stat st;

	(void)arg;
	harness_start();
	for (unsigned i = 0; i < FAULT_NAMES; i++) {
		int err;

		name_of(0, i, path);
		err = fs_stat(AT_FDCWD, path, &st, 0);
		if ((shared->names[i].durable == THERE && err) || (shared->names[i].durable == GONE && !err))
			fail_msg("%s: %d", path, err);
	}
	memset(shared->names, 0, sizeof(shared->names));
	fault_list();
	assert_int_equal(harness_stop(), 0);
}

static void check_fault(const char *base, const char *out, uint64_t n, unsigned ops)
{
	memset(shared->names, 0, sizeof(shared->names));
	shared->fault = (struct simdisk_fault){.ops = ops, .from = n, .count = 1};
	shared->failed = 0;
	harness_run(&(struct harness){.frames = 4096, .fs_buffers = BUFFERS_MIN, .disk = {.image = base, .save = out}},
		    faulty, NULL);
	if (shared->stopped && image_e2fsck(out, "-n"))
		fail_msg("transfer %llu of %#x: the unmount said yes, and e2fsck finds faults", (unsigned long long)n,
			 ops);
	harness_run(&(struct harness){.frames = 4096, .disk = {.image = out}}, after_fault, NULL);
}

static void test_faults(void **state)
{
	static const unsigned ops[] = {1u << BLK_READ, 1u << BLK_WRITE, 1u << BLK_FLUSH};
	const char *base = image_path("base"), *out = image_path("fault-out");

	(void)state;
	if (!shared)
		shared = harness_shared(sizeof(*shared));
	shared->plan = (struct plan){.block = 1024};
	make_base(base);
	for (unsigned i = 0; i < array_size(ops); i++) {
		unsigned fired = 0, told = 0;
		uint64_t step;

		check_fault(base, out, UINT32_MAX, ops[i]); // none
		assert_true(shared->stopped && !shared->failed);
		step = max_of(shared->transfers / fault_counts[harness_effort()], (uint64_t)1);
		for (uint64_t n = 1 + step / 2; n <= shared->transfers; n += step) {
			check_fault(base, out, n, ops[i]);
			fired += shared->fired > 0;
			told += shared->failed > 0;
		}
		print_message("ops %#x: %u transfers failed, %u were told\n", ops[i], fired, told);
		assert_true(fired > 2 && told > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_1024),	   cmocka_unit_test(test_long_names), cmocka_unit_test(test_4096),
	    cmocka_unit_test(test_fewest_buffers), cmocka_unit_test(test_foreign),    cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests_name("fs: power cuts in directories", tests, NULL, NULL);
}
