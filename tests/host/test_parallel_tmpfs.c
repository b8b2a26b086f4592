// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /tmp on several harts that run at once: names made, moved and taken away, files written, mapped, cut and deleted, in
 * a volume that is too small for all of it. Each finds what it wrote, nobody waits for ever, and all memory comes back.
 * Built with the address sanitizer and with the thread sanitizer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/thread.h"
#include "mm/map.h"
#include "tests/host/stack.h"

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define WORKERS 4
#define FILE_PAGES 24 // of which the volume has room for two files

static unsigned rounds;
static atomic_uint working, full;
static int shared_fd;
static uint8_t *shared;

/* Own files, one after the other: what is written is read, and what lacks space says so. */
static void *files(void *arg)
{
	const unsigned self = (unsigned)(uintptr_t)arg;
	uint8_t page[PAGE_SIZE], back[PAGE_SIZE];
	char path[32], moved[32];

	snprintf(path, sizeof(path), "/m/file-%u", self);
	snprintf(moved, sizeof(moved), "/m/dir/moved-%u", self);
	for (unsigned i = 0; i < rounds; i++) {
		int fd = stack_open(path, O_CREAT | O_EXCL | O_RDWR);
		unsigned n = 0;

		stack_fill(page, self + i, 0, sizeof(page));
		while (n < FILE_PAGES && fs_pwrite(fd, page, sizeof(page), n * PAGE_SIZE) == PAGE_SIZE)
			n++;
		if (n < FILE_PAGES)
			atomic_fetch_add(&full, 1);
		assert_int_equal(fs_rename(AT_FDCWD, path, AT_FDCWD, moved, 0), 0);
		while (n-- > 0) {
			assert_int_equal(fs_pread(fd, back, sizeof(back), n * PAGE_SIZE), sizeof(back));
			assert_memory_equal(back, page, sizeof(page));
		}
		assert_int_equal(fs_unlink(AT_FDCWD, moved, 0), 0);
		assert_int_equal(fs_close(fd), 0);
		thread_yield(); // where the hart takes interrupts
	}
	atomic_fetch_sub(&working, 1);
	return NULL;
}

/* One file, mapped by all, whose pages go and come back: a store is there, or was taken away, or there is no room. */
static void *stores(void *arg)
{
	const size_t mine = (uintptr_t)arg * 8;

	for (unsigned i = 0; i < 20 * rounds; i++) {
		uint8_t *at = shared + i * 7 % FILE_PAGES * PAGE_SIZE + mine, value = 0;
		const uint8_t stored = (uint8_t)(1 + i % 255);
		int error = 0;

		if (harness_store(at, stored, &error) == FAULT_OK && harness_load(at, &value, &error) == FAULT_OK)
			assert_true(value == stored || value == 0);
		else
			assert_true(error == 0 || error == ENOSPC); // beyond the end; full
		thread_yield();
	}
	atomic_fetch_sub(&working, 1);
	return NULL;
}

/* Beside them: cuts, holes, and lists of what there is. */
static void *changes(void *arg)
{
	struct fs_dirent entry;
	int dir = stack_open("/m/dir", O_RDONLY);

	for (unsigned i = 0; atomic_load(&working); i++) {
		assert_int_equal(fs_ftruncate(shared_fd, i % 2 ? FILE_PAGES * PAGE_SIZE : (i % 20) * 1000), 0);
		assert_int_equal(fs_fallocate_mode(shared_fd, PUNCH, 3000, 10000), 0);
		assert_int_equal(fs_lseek(dir, 0, SEEK_SET), 0);
		while (fs_readdir(dir, &entry) == 1)
			;
		thread_yield();
	}
	assert_int_equal(fs_close(dir), 0);
	return arg;
}

static void body(void *arg)
{
	struct thread *t[2 * WORKERS + 1];
	struct fs_space space;
	struct map_stats before, after;

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m", 0755), 0);
	map_stats(&before);
	assert_int_equal(fs_mount("none", "/m", "tmpfs", 0, "size=200k"), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m/dir", 0755), 0);
	shared_fd = stack_open("/m/shared", O_CREAT | O_RDWR);
	shared = stack_map(shared_fd, FILE_PAGES * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	atomic_store(&working, 2 * WORKERS);
	for (uintptr_t i = 0; i < 2 * WORKERS; i++)
		assert_int_equal(thread_create("worker", THREAD_STACK_SIZE, i % 2 ? files : stores, (void *)i, &t[i]),
				 0);
	assert_int_equal(thread_create("changes", THREAD_STACK_SIZE, changes, NULL, &t[2 * WORKERS]), 0);
	for (unsigned i = 0; i < 2 * WORKERS + 1; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	assert_true(atomic_load(&full) > 0);

	stack_unmap(shared, FILE_PAGES * PAGE_SIZE);
	assert_int_equal(fs_close(shared_fd), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/m/shared", 0), 0);
	assert_int_equal(fs_space(AT_FDCWD, "/m", &space), 0);
	assert_int_equal(space.blocks_free, space.blocks);
	assert_int_equal(space.inodes_free, space.inodes - 2); // the root, and dir
	assert_int_equal(fs_umount("/m", 0), 0);
	map_stats(&after);
	assert_int_equal(after.committed, before.committed);
	assert_int_equal(after.shared, 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_tmpfs(void **state)
{
	const enum harness_effort effort = harness_effort();

	(void)state;
	rounds = effort == EFFORT_QUICK ? 30 : effort == EFFORT_LONG ? 1000 : 100;
	for (unsigned harts = 2; harts <= 4; harts += 2)
		harness_run(&(struct harness){.frames = 2048,
					      .harts = harts,
					      .seed = harts,
					      .preempt_in = 50,
					      .disk = {.image = stack_image("small", "4M", 1024, 4096)}},
			    body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tmpfs)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
