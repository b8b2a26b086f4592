// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Power cuts while names of a file come and go in one batch, and after a transfer that failed in the middle of an
 * operation. Whatever is cut: the card mounts, each file that was acknowledged before is found by some name with its
 * contents, and no directory has a name twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/simlog.h"

#define NAMES_MAX 128u

struct scenario {
	const char *name, *mke2fs;
	void (*change)(void); // what is cut; told of errors by note()
	unsigned files;	      // made in /a beforehand, empty
	unsigned ops, faults; // the nth of these transfers fails, for n up to `faults`; 0: none does
};

static const unsigned cut_counts[] = {[EFFORT_QUICK] = 12, [EFFORT_DEFAULT] = 14, [EFFORT_LONG] = 400};

static struct shared {
	const struct scenario *scenario;
	struct simdisk_fault fault;
	bool failed;   // the fault was told of
	bool found[2]; // files with X and Y in them
	unsigned twice;
} * shared;

static int make(const char *path, const char *text)
{
	int fd = fs_open(AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR, 0644);

	if (fd < 0)
		return fd;
	if (*text) {
		assert_int_equal(fs_write(fd, text, 1), 1);
		assert_int_equal(fs_fsync(fd, false), 0);
	}
	return fs_close(fd);
}

static int make_nth(unsigned n)
{
	char path[64];

	snprintf(path, sizeof(path), "/a/a-name-that-is-not-so-short-%u", n);
	return make(path, "");
}

/* Cuts are made from the first failure on, or from the mark of a run without. */
static void note(int err)
{
	if (!err || shared->failed)
		return;
	shared->failed = true;
	simdisk_mark(1);
}

/* ---- what is cut ---- */

static void link_and_unlink(void)
{
	note(fs_link(AT_FDCWD, "/a/x", AT_FDCWD, "/b/x", 0));
	note(fs_unlink(AT_FDCWD, "/a/x", 0));
}

/* As who keeps a backup does. */
static void link_and_replace(void)
{
	note(fs_link(AT_FDCWD, "/a/x", AT_FDCWD, "/b/old", 0));
	note(fs_rename(AT_FDCWD, "/b/y", AT_FDCWD, "/a/x", 0));
}

static void make_directory(void)
{
	note(fs_mkdir(AT_FDCWD, "/d", 0755));
	note(fs_sync());
	(void)make("/d/f", "");
}

static void exchange(void)
{
	note(fs_rename(AT_FDCWD, "/a/x", AT_FDCWD, "/b/y", RENAME_EXCHANGE));
}

/* Until it fails, and a little more. */
static void fill_directory(void)
{
	for (unsigned n = shared->scenario->files, more = 0; n < 90 && more < 3; n++) {
		note(make_nth(n));
		more += shared->failed;
	}
}

static void body(void *arg)
{
	const struct scenario *s = shared->scenario;

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/a", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/b", 0755), 0);
	assert_int_equal(make("/a/x", "X"), 0);
	assert_int_equal(make("/b/y", "Y"), 0);
	for (unsigned n = 0; n < s->files; n++)
		assert_int_equal(make_nth(n), 0);
	assert_int_equal(fs_sync(), 0);
	if (s->faults)
		simdisk_fail(&shared->fault);
	else
		simdisk_mark(1);
	s->change();
	if (s->faults)
		(void)fs_sync();
	else
		assert_int_equal(fs_sync(), 0);
}

/* ---- what is left ---- */

static void look_at_file(const char *path)
{
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0);
	char c = 0;

	assert_true(fd >= 0);
	if (fs_read(fd, &c, 1) == 1 && (c == 'X' || c == 'Y'))
		shared->found[c - 'X'] = true;
	assert_int_equal(fs_close(fd), 0);
}

static unsigned list(const char *dir, char (*names)[256])
{
	int fd = fs_open(AT_FDCWD, *dir ? dir : "/", O_RDONLY | O_DIRECTORY, 0), r;
	struct fs_dirent entry;
	unsigned count = 0;

	assert_true(fd >= 0);
	while ((r = fs_readdir(fd, &entry)) > 0) {
		if (!strcmp(entry.name, ".") || !strcmp(entry.name, ".."))
			continue;
		for (unsigned i = 0; i < count; i++)
			shared->twice += !strcmp(names[i], entry.name);
		assert_true(count < NAMES_MAX);
		strcpy(names[count++], entry.name);
	}
	assert_int_equal(r, 0);
	assert_int_equal(fs_close(fd), 0);
	return count;
}

static void look_below(const char *dir)
{
	char(*names)[256] = malloc(NAMES_MAX * sizeof(*names));
	const unsigned count = list(dir, names);
	struct stat st;

	for (unsigned i = 0; i < count; i++) {
		char path[600];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
		if (S_ISDIR(st.st_mode))
			look_below(path);
		else
			look_at_file(path);
	}
	free(names);
}

static void look(void *arg)
{
	(void)arg;
	harness_start();
	memset(shared->found, 0, sizeof(shared->found));
	shared->twice = 0;
	look_below("");
	assert_int_equal(harness_stop(), 0);
}

/* ---- cutting ---- */

/* From the mark to the end; the number of cuts. */
static unsigned cut_all(struct simlog *log)
{
	const char *cut = image_path("links-cut");
	uint64_t tick = simlog_end(log), fact;
	unsigned cuts = 0;

	for (; tick > 0 && cuts < cut_counts[harness_effort()] && simlog_fact(log, tick, &fact) && fact == 1; tick--) {
		for (uint64_t seed = 0; seed < 4; seed++, cuts++) {
			simlog_cut(log, tick, seed < 2 ? seed : tick * 31 + seed, cut);
			harness_run(&(struct harness){.frames = 4096, .disk = {.image = cut}}, look, NULL);
			assert_true(shared->found[0] && shared->found[1]);
			assert_int_equal(shared->twice, 0);
		}
	}
	return cuts;
}

static void run(const struct scenario *s, unsigned nth)
{
	const char *base = image_path("links-base"), *record = image_path("links-record");
	struct simlog *log;
	unsigned cuts;

	shared->fault = (struct simdisk_fault){.ops = s->ops, .from = nth, .count = 1};
	shared->failed = false;
	harness_run(&(struct harness){.frames = 4096, .disk = {.image = base, .record = record, .seed = 1}}, body,
		    NULL);
	if (s->faults && !shared->failed)
		return; // it hit what came after
	log = simlog_open(record, base);
	cuts = cut_all(log);
	simlog_close(log);
	print_message("%s: %u cuts, transfer %u failed\n", s->name, cuts, nth);
	assert_true(cuts > 0);
}

static void test_scenarios(void **state)
{
	static const struct scenario scenarios[] = {
	    {"link, unlink", "-b 1024", link_and_unlink, 0, 0, 0},
	    {"link, replace", "-b 1024", link_and_replace, 0, 0, 0},
	    {"mkdir, FLUSH", "-b 1024", make_directory, 0, 1u << BLK_FLUSH, 3},
	    {"exchange, FLUSH", "-b 1024", exchange, 0, 1u << BLK_FLUSH, 5},
	    {"exchange, write", "-b 1024", exchange, 0, 1u << BLK_WRITE, 9},
	    {"growth, FLUSH", "-b 1024", fill_directory, 30, 1u << BLK_FLUSH, 14},
	    {"linear growth, FLUSH", "-b 1024 -O ^dir_index", fill_directory, 30, 1u << BLK_FLUSH, 3},
	};

	char options[128];

	(void)state;
	shared = harness_shared(sizeof(*shared));
	for (size_t i = 0; i < array_size(scenarios); i++) {
		shared->scenario = &scenarios[i];
		snprintf(options, sizeof(options), "%s -E hash_seed=00112233-4455-6677-8899-aabbccddeeff",
			 scenarios[i].mke2fs);
		image_mke2fs(image_path("links-base"), "6M", options);
		for (unsigned nth = scenarios[i].faults ? 1 : 0; nth <= scenarios[i].faults; nth++)
			run(&scenarios[i], nth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_scenarios)};

	return cmocka_run_group_tests_name("cut_links", tests, NULL, NULL);
}
