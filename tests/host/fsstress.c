// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/fsstress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "fs/fs.h"
#include "kernel/thread.h"
#include "mm/pcache.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/stack.h"

#define WORKERS 3
#define STORERS 3
#define HOLES_LEN (200 * PAGE_SIZE)

static uint8_t *holes;
static atomic_uint working;
static unsigned rounds;

static void *work(void *arg)
{
	const unsigned self = (unsigned)(uintptr_t)arg;
	uint8_t *data = malloc(40000), *back = malloc(40000);
	char dir[32], path[64], other[64];

	snprintf(dir, sizeof(dir), "/w%u", self);
	assert_int_equal(fs_mkdir(AT_FDCWD, dir, 0755), 0);
	for (unsigned i = 0; i < rounds; i++) {
		const size_t len = 1 + (self * 7001 + i * 3001) % 40000;
		int fd;

		snprintf(path, sizeof(path), "%s/file%u", dir, i);
		fd = fs_open(AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR, 0644);
		assert_true(fd >= 0);
		stack_fill(data, self * 1000 + i, 0, len);
		assert_int_equal(fs_write(fd, data, len), len);
		if (i % 3 == 0)
			assert_int_equal(fs_fsync(fd, i % 2), 0);
		snprintf(other, sizeof(other), "/shared/%u-%u", self, i);
		assert_int_equal(fs_rename(AT_FDCWD, path, AT_FDCWD, other, 0), 0);
		assert_int_equal(fs_pread(fd, back, len, 0), len);
		assert_memory_equal(back, data, len);
		assert_int_equal(fs_ftruncate(fd, (int64_t)len / 2), 0);
		assert_int_equal(fs_close(fd), 0);
		if (i % 4)
			assert_int_equal(fs_unlink(AT_FDCWD, other, 0), 0);
	}
	free(data);
	free(back);
	atomic_fetch_sub(&working, 1);
	return NULL;
}

/* Storers share pages, each with bytes of its own, so that two may reserve the same block at once. */
static void *store(void *arg)
{
	const unsigned self = (unsigned)(uintptr_t)arg;

	for (uint64_t at = self; at < HOLES_LEN; at += 1021 * STORERS)
		holes[at] = (uint8_t)(at + 1);
	atomic_fetch_sub(&working, 1);
	return NULL;
}

static void *sync_often(void *arg)
{
	(void)arg;
	while (atomic_load(&working)) {
		assert_int_equal(fs_sync(), 0);
		(void)pcache_drop_clean();
		thread_yield();
	}
	return NULL;
}

static void *open_often(void *arg)
{
	struct fs_dirent entry;

	(void)arg;
	while (atomic_load(&working)) {
		int fd = fs_open(AT_FDCWD, "/shared", O_RDONLY, 0), r;

		assert_true(fd >= 0);
		while ((r = fs_readdir(fd, &entry)) > 0) {
			char path[300];
			struct stat st;
			int err;

			snprintf(path, sizeof(path), "/shared/%s", entry.name);
			err = fs_stat(AT_FDCWD, path, &st, 0);
			assert_true(err == 0 || err == -ENOENT);
		}
		assert_int_equal(r, 0);
		assert_int_equal(fs_close(fd), 0);
	}
	return NULL;
}

static void body(void *arg)
{
	const struct fsstress *how = arg;
	struct thread *threads[WORKERS + STORERS + 2];
	unsigned n = 0;
	int fd;

	buffer_cache_init(how->buffers);
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/shared", 0755), 0);
	fd = fs_open(AT_FDCWD, "/holes", O_CREAT | O_RDWR, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fs_ftruncate(fd, HOLES_LEN), 0);
	holes = stack_map(fd, HOLES_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	rounds = how->rounds;
	atomic_store(&working, WORKERS + STORERS);
	for (uintptr_t i = 0; i < WORKERS; i++)
		assert_int_equal(thread_create("worker", THREAD_STACK_SIZE, work, (void *)i, &threads[n++]), 0);
	for (uintptr_t i = 0; i < STORERS; i++)
		assert_int_equal(thread_create("storer", THREAD_STACK_SIZE, store, (void *)i, &threads[n++]), 0);
	assert_int_equal(thread_create("sync", THREAD_STACK_SIZE, sync_often, NULL, &threads[n++]), 0);
	assert_int_equal(thread_create("open", THREAD_STACK_SIZE, open_often, NULL, &threads[n++]), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(thread_join(threads[i], NULL), 0);
	for (unsigned self = 0; self < STORERS; self++) {
		for (uint64_t at = self; at < HOLES_LEN; at += 1021 * STORERS)
			assert_int_equal(holes[at], (uint8_t)(at + 1));
	}
	stack_unmap(holes, HOLES_LEN);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

void fsstress(const struct fsstress *how)
{
	const char *image = image_path("threads"), *out = image_path("threads-out");
	char options[32];

	print_message("block %u, %u buffers, %zu pages, seed %llu, harts %u%s\n", how->block, how->buffers,
		      how->cache_pages, (unsigned long long)how->seed, how->harts, how->journal ? ", journal" : "");
	snprintf(options, sizeof(options), "-b %u%s", how->block, how->journal ? " -j" : "");
	image_mke2fs(image, how->journal ? "12M" : "8M", options);
	harness_run(&(struct harness){.frames = 4096,
				      .harts = how->harts,
				      .seed = how->seed,
				      .cache_pages = how->cache_pages,
				      .disk = {.image = image, .save = out, .seed = how->seed}},
		    body, (void *)how);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
}
