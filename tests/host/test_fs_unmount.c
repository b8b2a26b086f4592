// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The volume is unmounted while threads change it in every way there is, at a time given by the seed. Each goes on
 * until a call fails as calls do after an unmount; before it began, none may. Then the card is clean to e2fsck, and
 * holds what was acknowledged.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "fs/buffer.h"
#include "fs/fs.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/stack.h"

#define CHANGERS 3
#define STORERS 2
#define FILES 4 // of a changer, open at once
#define FILE_MAX 200000
#define WRITE_MAX 30000
#define HOLES_LEN (120 * PAGE_SIZE)
#define LEDGER_STEP 300

static atomic_bool ending, ended;
static uint64_t *acknowledged; // bytes of /ledger; shared with the test

struct worker {
	unsigned self;
	uint64_t random;
	int fds[FILES]; // -1: closed
};

static uint64_t next(struct worker *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % below;
}

/* Whether a call that returned r found the volume unmounted. `allowed` is no error. */
static bool gone(long r, int allowed)
{
	if (r >= 0 || r == allowed)
		return false;
	if (!atomic_load(&ending) || (r != -EIO && r != -ENODEV))
		fail_msg("a call returned %ld%s", r, atomic_load(&ending) ? "" : " before the unmount");
	return true;
}

static long change_names(struct worker *w, const char *path, unsigned i)
{
	char other[32];

	switch (next(w, 4)) {
	case 0:
		snprintf(other, sizeof(other), "/shared/%u-%u", w->self, i);
		return fs_rename(AT_FDCWD, path, AT_FDCWD, other, 0);
	case 1:
		return fs_unlink(AT_FDCWD, path, 0);
	case 2:
		snprintf(other, sizeof(other), "/w%u/dir%u", w->self, i);
		return fs_mkdir(AT_FDCWD, other, 0755);
	default:
		snprintf(other, sizeof(other), "/w%u/dir%u", w->self, i);
		return fs_unlink(AT_FDCWD, other, AT_REMOVEDIR);
	}
}

/* One step of changes to the file i, which may have lost its name and be open still. */
static long change_file(struct worker *w, int *fd, const uint8_t *data)
{
	switch (next(w, 6)) {
	case 0:
		return fs_ftruncate(*fd, (int64_t)next(w, FILE_MAX));
	case 1:
		return fs_fallocate(*fd, (int64_t)next(w, FILE_MAX), (int64_t)next(w, WRITE_MAX) + 1);
	case 2:
		return fs_fsync(*fd, next(w, 2));
	case 3: {
		int closed = *fd;

		*fd = -1;
		return fs_close(closed);
	}
	default:
		return fs_pwrite(*fd, data, next(w, WRITE_MAX), (int64_t)next(w, FILE_MAX));
	}
}

static void *change(void *arg)
{
	struct worker *w = arg;
	uint8_t *data = malloc(WRITE_MAX);
	char path[32];
	bool over;

	stack_fill(data, w->self, 0, WRITE_MAX);
	do {
		const unsigned i = (unsigned)next(w, FILES);
		int *fd = &w->fds[i];

		snprintf(path, sizeof(path), "/w%u/file%u", w->self, i);
		over = false;
		if (next(w, 3) == 0) {
			long r = change_names(w, path, i);

			over = gone(r == -EEXIST ? -ENOENT : r, -ENOENT);
		} else if (*fd < 0) {
			*fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR | (next(w, 2) ? O_TRUNC : 0), 0644);
			over = gone(*fd, 0);
		} else {
			over = gone(change_file(w, fd, data), 0);
		}
	} while (!over);
	for (unsigned i = 0; i < FILES; i++)
		assert_true(w->fds[i] < 0 || fs_close(w->fds[i]) == 0);
	free(data);
	return NULL;
}

/* A store: whether the volume did not take it. Stores into what is backed go on after the unmount. */
static bool refused(uint8_t *to, uint8_t value)
{
	int error, r = harness_store(to, value, &error);

	if (r == FAULT_OK)
		return false;
	assert_true(atomic_load(&ending));
	assert_int_equal(r, FAULT_ADRERR);
	assert_true(error == EIO || error == 0); // 0: beyond the end of a file that was unlinked
	return true;
}

/* Stores and reads into holes of a file of its own, the odd ones' without a name, and makes them anew. */
static void *store(void *arg)
{
	struct worker *w = arg;
	bool over = false;
	char path[32];
	uint8_t *map;
	int fd;

	snprintf(path, sizeof(path), "/holes%u", w->self);
	fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644);
	if (gone(fd, 0))
		return NULL;
	map = stack_map(fd, HOLES_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	if (w->self % 2)
		over = gone(fs_unlink(AT_FDCWD, path, 0), 0);
	while (!over && !atomic_load(&ended)) {
		over = gone(fs_ftruncate(fd, 0), 0) || gone(fs_ftruncate(fd, HOLES_LEN), 0);
		for (unsigned i = 0; i < 40 && !over; i++)
			over = refused(map + next(w, HOLES_LEN), (uint8_t)i);
		if (!over) {
			long r = fs_pread(fd, map + next(w, HOLES_LEN / 2), PAGE_SIZE, (int64_t)next(w, HOLES_LEN / 2));

			over = gone(r == -EFAULT && atomic_load(&ending) ? -EIO : r, 0) ||
			       gone(map_sync((vaddr_t)map, HOLES_LEN, true), 0);
		}
	}
	while (!atomic_load(&ended)) {
		(void)refused(map + next(w, HOLES_LEN), 1); // both are right by now
		thread_yield();
	}
	assert_int_equal(map_sync((vaddr_t)map, HOLES_LEN, true), -EIO);
	stack_unmap(map, HOLES_LEN);
	assert_int_equal(fs_close(fd), 0);
	return NULL;
}

static void *sync_often(void *arg)
{
	struct fs_space space;

	(void)arg;
	while (!gone(fs_space(AT_FDCWD, "/", &space), 0)) {
		if (atomic_load(&ended))
			break; // nothing is mounted: nothing to sync
		(void)gone(fs_sync(), 0);
	}
	return NULL;
}

/* /ledger grows by steps; what fsync has acknowledged is noted. */
static void *keep_ledger(void *arg)
{
	uint8_t step[LEDGER_STEP];
	uint64_t size = 0;
	int fd = fs_open(AT_FDCWD, "/ledger", O_CREAT | O_WRONLY | O_APPEND, 0644);

	(void)arg;
	if (gone(fd, 0))
		return NULL;
	for (;;) {
		stack_fill(step, 9, size, sizeof(step));
		if (gone(fs_write(fd, step, sizeof(step)), 0) || gone(fs_fsync(fd, true), 0))
			break;
		size += sizeof(step);
		*acknowledged = size;
	}
	assert_int_equal(fs_close(fd), 0);
	return NULL;
}

static void *look(void *arg)
{
	struct fs_dirent entry;
	bool over = false;

	(void)arg;
	while (!over) {
		int fd = fs_open(AT_FDCWD, "/shared", O_RDONLY, 0), r = 0;

		over = gone(fd, 0);
		while (!over && (r = fs_readdir(fd, &entry)) > 0) {
			char path[300];
			struct stat st;

			snprintf(path, sizeof(path), "/shared/%s", entry.name);
			over = gone(fs_stat(AT_FDCWD, path, &st, 0), -ENOENT);
		}
		over = over || gone(r, 0);
		assert_true(fd < 0 || fs_close(fd) == 0);
	}
	return NULL;
}

static void body(void *arg)
{
	static struct worker workers[CHANGERS + STORERS];
	struct thread *threads[CHANGERS + STORERS + 3];
	struct worker main_random = {.random = *(uint64_t *)arg * 0x9e3779b97f4a7c15u + 1};
	unsigned n = 0;

	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/shared", 0755), 0);
	for (unsigned i = 0; i < CHANGERS + STORERS; i++) {
		struct worker *w = &workers[i];
		char dir[32];

		*w = (struct worker){.self = i, .random = main_random.random + i, .fds = {-1, -1, -1, -1}};
		snprintf(dir, sizeof(dir), "/w%u", i);
		assert_int_equal(fs_mkdir(AT_FDCWD, dir, 0755), 0);
		assert_int_equal(thread_create(i < CHANGERS ? "change" : "store", THREAD_STACK_SIZE,
					       i < CHANGERS ? change : store, w, &threads[n++]),
				 0);
	}
	assert_int_equal(thread_create("sync", THREAD_STACK_SIZE, sync_often, NULL, &threads[n++]), 0);
	assert_int_equal(thread_create("ledger", THREAD_STACK_SIZE, keep_ledger, NULL, &threads[n++]), 0);
	assert_int_equal(thread_create("look", THREAD_STACK_SIZE, look, NULL, &threads[n++]), 0);
	thread_sleep_until(clock_now() + next(&main_random, NSEC_PER_SEC / 2));
	atomic_store(&ending, true);
	assert_int_equal(harness_stop(), 0);
	atomic_store(&ended, true);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(thread_join(threads[i], NULL), 0);
}

static bool ledger_is_kept(const char *out)
{
	size_t len = 0;
	uint8_t *ledger = image_read(out, "/ledger", &len);
	bool kept = len >= *acknowledged && (!len || stack_differs(ledger, 9, 0, len) == len);

	free(ledger);
	return kept;
}

static bool run(unsigned block, unsigned buffers, size_t cache_pages, uint64_t seed)
{
	const char *image = image_path("unmount"), *out = image_path("unmount-out"), *log;
	struct harness h = {.frames = 4096,
			    .seed = seed,
			    .cache_pages = cache_pages,
			    .fs_buffers = buffers,
			    .disk = {.image = image, .save = out, .seed = seed}};
	char options[32];
	bool good;

	snprintf(options, sizeof(options), "-b %u", block);
	image_mke2fs(image, "8M", options);
	*acknowledged = 0;
	good = harness_status(&h, body, &seed, &log) == 0;
	if (!good)
		fprintf(stderr, "%s", log);
	good = good && image_e2fsck(out, "-n") == 0 && ledger_is_kept(out);
	if (!good)
		fprintf(stderr, "failed: block %u, %u buffers, %zu pages, seed %llu\n", block, buffers, cache_pages,
			(unsigned long long)seed);
	return good;
}

static void test_seeds(void **state)
{
	const unsigned seeds = harness_effort() == EFFORT_LONG ? 100 : harness_effort() == EFFORT_QUICK ? 6 : 8;
	unsigned failed = 0;

	(void)state;
	acknowledged = harness_shared(sizeof(*acknowledged));
	for (unsigned seed = 1; seed <= seeds; seed++) {
		failed += !run(1024u << seed % 3, 0, 0, seed);
		failed += !run(1024u << seed % 3, BUFFERS_MIN, 32, seed + 1000);
	}
	if (failed)
		fail_msg("%u of %u runs failed", failed, 2 * seeds);
}

/* ---- a truncation that failed in its midst ---- */
#define DEEP_LEN (400 * 1024) // of 1 KiB blocks: two trees of indirect ones
#define OTHERS 20

struct truncation {	 // shared by the runs and the test
	uint64_t nth;	 // read since the truncation began: it fails
	unsigned failed; // truncations that did
};

static void truncate_body(void *arg)
{
	struct truncation *run = arg;
	const struct simdisk_fault fault = {.ops = 1u << BLK_READ, .from = run->nth, .count = 1};
	uint8_t *data = malloc(DEEP_LEN);
	char path[32];
	int fd, err;

	harness_start();
	stack_fill(data, 1, 0, DEEP_LEN);
	fd = stack_open("/deep", O_CREAT | O_RDWR);
	assert_int_equal(fs_write(fd, data, DEEP_LEN), DEEP_LEN);
	for (unsigned i = 0; i < OTHERS; i++) {
		snprintf(path, sizeof(path), "/dir%u", i);
		assert_int_equal(fs_mkdir(AT_FDCWD, path, 0755), 0);
	}
	assert_int_equal(fs_sync(), 0);
	/* What finds the file leaves the few buffers. */
	for (unsigned i = 0; i < OTHERS; i++) {
		struct stat st;

		snprintf(path, sizeof(path), "/dir%u/none", i);
		assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), -ENOENT);
	}
	simdisk_fail(&fault);
	err = fs_ftruncate(fd, 1000);
	assert_true(err == -EIO || err == 0);
	run->failed += err != 0;
	simdisk_fail(&(struct simdisk_fault){0});
	assert_int_equal(harness_stop(), 0);
	assert_int_equal(fs_close(fd), 0);
	free(data);
}

/* The file has its name still, and may not stay in the list of orphans. */
static void test_truncate_is_finished(void **state)
{
	const char *image = image_path("truncate"), *out = image_path("truncate-out");
	struct truncation *truncation = harness_shared(sizeof(*truncation));

	(void)state;
	image_mke2fs(image, "4M", "-b 1024");
	for (truncation->nth = 1; truncation->nth <= 6; truncation->nth++) {
		struct harness h = {.fs_buffers = BUFFERS_MIN, .disk = {.image = image, .save = out}};

		harness_run(&h, truncate_body, truncation);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
	assert_true(truncation->failed >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds), cmocka_unit_test(test_truncate_is_finished)};

	return cmocka_run_group_tests_name("fs: unmounting while files change", tests, NULL, NULL);
}
