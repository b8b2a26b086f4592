// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Volumes that are filled to the end, in all the ways that take blocks, several files growing at a time: ENOSPC comes
 * when not a block is left but the reserved ones, what was written is there, and after deletion all of it can be had
 * again, at once. Short last groups, free blocks in ones and twos, bitmaps that lie. e2fsck finds nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/buffer.h"
#include "mm/pcache.h"
#include "tests/host/stack.h"

#define MIB (1 << 20)
#define FILES 4
#define SMALL_MAX 16384u

/* Small groups, the last one short. */
static const struct volume_kind {
	unsigned block;
	const char *size, *options;
} kinds[] = {
    {1024, "9900K", "-g 2048 -m 5 -N 1600"},
    {2048, "9900K", "-g 1024 -m 0 -N 1600"},
    {4096, "11212K", "-g 512 -m 10 -N 1600"},
};

static const struct volume_kind *kind;

static struct fs_space space_now(void)
{
	struct fs_space space;

	assert_int_equal(fs_space(AT_FDCWD, "/", &space), 0);
	return space;
}

static const char *name_of(const char *format, unsigned i)
{
	static char name[64];

	snprintf(name, sizeof(name), format, i);
	return name;
}

static int make(const char *format, unsigned i)
{
	return stack_open(name_of(format, i), O_CREAT | O_RDWR);
}

static void close_all(const int *fd)
{
	for (unsigned i = 0; i < FILES; i++)
		assert_int_equal(fs_close(fd[i]), 0);
}

/* ---- ways to fill ---- */

/* Files appended to in turn with all lengths, short writes taken on; what is in them is checked. */
static void fill_by_appends(void)
{
	static uint8_t data[50000], back[50000];
	uint64_t size[FILES] = {0};
	unsigned full = 0;
	int fd[FILES];

	for (unsigned i = 0; i < FILES; i++)
		fd[i] = make("/append%u", i);
	for (unsigned n = 0; full != (1u << FILES) - 1; n++) {
		const unsigned i = n % FILES;
		const size_t len = 1 + n * 7919u % sizeof(data);
		long r;

		stack_fill(data, i, size[i], len);
		r = fs_write(fd[i], data, len);
		if (r == -ENOSPC)
			full |= 1u << i;
		else if (r <= 0)
			fail_msg("write: %ld", r);
		size[i] += r > 0 ? (uint64_t)r : 0;
	}
	for (unsigned i = 0; i < FILES; i++) {
		for (uint64_t at = 0; at < size[i]; at += sizeof(back)) {
			const size_t len = min_of(sizeof(back), (size_t)(size[i] - at));

			assert_int_equal(fs_pread(fd[i], back, sizeof(back), (int64_t)at), len);
			assert_int_equal(stack_differs(back, i, at, len), len);
		}
		/* No block has room left: a byte at the end of a block needs another. */
		assert_int_equal(fs_pwrite(fd[i], data, 1, (int64_t)align_up(size[i], (uint64_t)kind->block)), -ENOSPC);
	}
	close_all(fd);
}

/* Prepared in pieces that shrink; a part of each may be there after it failed. */
static void fill_by_fallocate(void)
{
	int64_t size[FILES] = {0};
	int fd[FILES];

	for (unsigned i = 0; i < FILES; i++)
		fd[i] = make("/prepared%u", i);
	for (int64_t piece = 1 << 20; piece >= kind->block; piece /= 4) {
		for (unsigned i = 0; i < FILES; i++) {
			int err;

			while (!(err = fs_fallocate(fd[i], size[i], piece)))
				size[i] += piece;
			assert_int_equal(err, -ENOSPC);
			size[i] = fs_lseek(fd[i], 0, SEEK_END);
		}
	}
	close_all(fd);
}

/* As the application's store: once what was deleted is free, it is tried again. */
static bool store(uint8_t *p)
{
	int error;

	if (harness_store(p, 1, &error) == FAULT_OK)
		return true;
	assert_int_equal(error, ENOSPC);
	assert_true(fs_settle());
	if (harness_store(p, 1, &error) == FAULT_OK)
		return true;
	assert_int_equal(error, ENOSPC);
	return false;
}

/* Pages of holes, in an order that is none; each file in two halves at a time. */
static void fill_by_stores(void)
{
	const size_t len = 8 << 20, pages = len / PAGE_SIZE;
	unsigned failed = 0;

	for (unsigned i = 0; i < FILES; i++) {
		const int fd = make("/hole%u", i);
		uint8_t *p;

		assert_int_equal(fs_ftruncate(fd, (int64_t)len), 0);
		p = stack_map(fd, len, MAP_R | MAP_W, MAP_KIND_SHARED);
		for (size_t n = 0; n < pages && failed < 8; n++) {
			const size_t page = i == 0 ? n * 769 % pages : n / 2 + n % 2 * pages / 2;

			failed += !store(p + page * PAGE_SIZE);
		}
		stack_unmap(p, len);
		assert_int_equal(fs_close(fd), 0);
	}
	assert_true(failed > 0);
}

/* Small files in a few directories, until there are no blocks, or no inodes: then the rest goes to one. */
static void fill_by_files(void)
{
	static uint8_t data[3000];
	unsigned n;

	for (unsigned i = 0; i < FILES; i++) // while there are inodes
		assert_int_equal(fs_close(make("/append%u", i)), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fs_mkdir(AT_FDCWD, name_of("/dir%u", i), 0755), 0);
	for (n = 0; n < SMALL_MAX; n++) {
		char path[64];
		int fd;
		long r;

		snprintf(path, sizeof(path), "/dir%u/%u-with-a-name-that-takes-room-in-its-directory", n % 5, n);
		fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644);
		if (fd == -ENOSPC)
			break;
		assert_true(fd >= 0);
		r = fs_write(fd, data, 1 + n * 97 % sizeof(data));
		assert_int_equal(fs_close(fd), 0);
		if (r == -ENOSPC)
			break;
		assert_true(r > 0);
	}
	assert_true(n < SMALL_MAX);
	fill_by_appends();
}

/* Nearly full, with one block free here and there: one file takes them all. */
static void fill_by_pieces(void)
{
	static uint8_t data[1024];
	unsigned count = 0;

	for (; count < 600; count++) {
		const int fd = make("/piece%u", count);

		assert_int_equal(fs_pwrite(fd, data, 1, 0), 1);
		assert_int_equal(fs_close(fd), 0);
	}
	fill_by_fallocate();
	for (unsigned i = 0; i < count; i += 3)
		assert_int_equal(fs_unlink(AT_FDCWD, name_of("/piece%u", i), 0), 0);
	fill_by_appends();
}

/* ---- what all have in common ---- */

static void remove_tree(const char *path)
{
	const int fd = stack_open(path, O_RDONLY | O_DIRECTORY);
	struct fs_dirent *entry = malloc(sizeof(*entry));
	char inside[512];

	while (fs_readdir(fd, entry) == 1) {
		if (entry->name[0] == '.' || !strcmp(entry->name, "lost+found"))
			continue;
		snprintf(inside, sizeof(inside), "%s%s%s", path, path[1] ? "/" : "", entry->name);
		if (entry->type == 4) {
			remove_tree(inside);
			assert_int_equal(fs_unlink(AT_FDCWD, inside, AT_REMOVEDIR), 0);
		} else {
			assert_int_equal(fs_unlink(AT_FDCWD, inside, 0), 0);
		}
	}
	free(entry);
	assert_int_equal(fs_close(fd), 0);
}

static const struct way {
	const char *name;
	void (*fill)(void);
} ways[] = {
    {"appends", fill_by_appends}, {"fallocate", fill_by_fallocate}, {"stores", fill_by_stores},
    {"files", fill_by_files},	  {"pieces", fill_by_pieces},
};

static const struct way *way;

/* Twice: deleting gives all of it back, and nothing needs to be waited for. */
static void full_body(void *arg)
{
	struct fs_space before, full, after;

	(void)arg;
	harness_start();
	before = space_now();
	for (unsigned round = 0; round < 2; round++) {
		way->fill();
		full = space_now();
		assert_int_equal(full.blocks_avail, 0);
		assert_int_equal(full.blocks_free, before.blocks_free - before.blocks_avail);
		if (round == 1)
			break;
		remove_tree("/");
		/* Not asked how much is free: that would give back first. */
		way->fill();
		assert_int_equal(space_now().blocks_avail, 0);
		remove_tree("/");
		after = space_now();
		/* The root keeps the blocks that its names took. */
		assert_in_range(before.blocks_free - after.blocks_free, 0, 40);
		assert_int_equal(after.inodes_free, before.inodes_free);
		before = after;
	}
	assert_int_equal(harness_stop(), 0);
}

static void test_full(void **state)
{
	(void)state;
	for (kind = kinds; kind < kinds + array_size(kinds); kind++) {
		for (way = ways; way < ways + array_size(ways); way++) {
			const char *image = image_path("full"), *out = image_path("full-out");
			char options[64];

			snprintf(options, sizeof(options), "-b %u %s", kind->block, kind->options);
			image_mke2fs(image, kind->size, options);
			harness_run(&(struct harness){.disk = {.image = image, .save = out}}, full_body, NULL);
			if (image_e2fsck(out, "-n"))
				fail_msg("block %u, %s", kind->block, way->name);
		}
	}
}

/* ---- nearly full ---- */

#define ONE_IN 97 // blocks is free

static unsigned reads_now(void)
{
	return (unsigned)simdisk_count(1u << BLK_READ);
}

/*
 * Whoever wants many blocks where only single ones are free. A group is looked through for more than it has once, and
 * not for each allocation: with as few buffers as can be, each look would be a read of its bitmap.
 */
static void sparse_body(void *arg)
{
	static uint8_t data[65536];
	unsigned reads, got = 0;
	int fd, other;
	long r;

	(void)arg;
	harness_start();
	fd = make("/most", 0);
	other = make("/rest", 0);
	for (int64_t at = 0; !fs_fallocate(fd, at, MIB); at += MIB)
		;
	for (int64_t at = 0; at < fs_lseek(fd, 0, SEEK_END); at += ONE_IN * (int64_t)kind->block)
		assert_int_equal(fs_fallocate_mode(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, kind->block), 0);
	assert_int_equal(fs_sync(), 0);
	reads = reads_now();
	while ((r = fs_write(other, data, sizeof(data))) > 0)
		got += (unsigned)r / kind->block;
	assert_int_equal(r, -ENOSPC);
	reads = reads_now() - reads;
	print_message("block %u: %u blocks in ones, %u reads\n", kind->block, got, reads);
	assert_int_equal(space_now().blocks_avail, 0);
	assert_true(got > 300);
	assert_in_range(reads, 0, got);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_close(other), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_sparse(void **state)
{
	static const struct volume_kind sparse[] = {{1024, "60M", "-g 512 -m 0 -N 4096"},
						    {4096, "180M", "-g 512 -m 0 -N 4096 -O ^resize_inode"}};

	(void)state;
	for (kind = sparse; kind < sparse + array_size(sparse); kind++) {
		const char *image = image_path("sparse"), *out = image_path("sparse-out");
		char options[64];

		snprintf(options, sizeof(options), "-b %u %s", kind->block, kind->options);
		image_mke2fs(image, kind->size, options);
		harness_run(&(struct harness){.fs_buffers = BUFFERS_MIN, .disk = {.image = image, .save = out}},
			    sparse_body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

/* ---- bitmaps that lie ---- */

static const struct lie {
	const char *name, *commands; // of debugfs
	const char *said;	     // by whoever meets it; NULL: nothing may be
} lies[] = {
    /* 1 KiB blocks, groups of 2048: superblock and descriptors, bitmaps, inode table; in the first and a later group.
     */
    {"first metadata is free", "freeb 1 20\n", "metadata block"},
    {"all metadata is free", "freeb 1 200\nfreeb 4097 80\n", "metadata block"},
    {"more is counted than there is", "setb 7000 1000\n", "and has none"},
    {"a group is counted free and has nothing", "set_bg 2 free_blocks_count 2000\nsetb 4097 2048\n", "and has none"},
    {"a group is counted full and is not", "set_bg 1 free_blocks_count 0\n", NULL},
};

static void lies_body(void *arg)
{
	static uint8_t data[20000];
	uint64_t size = 0;
	long r;
	int fd;

	(void)arg;
	harness_start();
	fd = make("/big", 0);
	do {
		stack_fill(data, 5, size, sizeof(data));
		r = fs_write(fd, data, sizeof(data));
		size += r > 0 ? (uint64_t)r : 0;
	} while (r > 0);
	assert_int_equal(r, -ENOSPC);
	(void)pcache_drop_clean();
	for (uint64_t at = 0; at < size; at += sizeof(data)) {
		r = fs_pread(fd, data, sizeof(data), (int64_t)at);
		assert_int_equal(r, min_of((uint64_t)sizeof(data), size - at));
		assert_int_equal(stack_differs(data, 5, at, (size_t)r), r);
	}
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

/* Metadata is never given to a file, nothing hangs, and what e2fsck puts right are bitmaps and counts. */
static void test_lies(void **state)
{
	(void)state;
	for (const struct lie *lie = lies; lie < lies + array_size(lies); lie++) {
		const char *image = image_path("lies"), *out = image_path("lies-out"), *log;
		uint8_t *data;
		size_t len;

		image_mke2fs(image, "9900K", "-b 1024 -g 2048 -m 0 -N 1600");
		image_debugfs(image, lie->commands);
		if (harness_status(&(struct harness){.disk = {.image = image, .save = out}}, lies_body, NULL, &log))
			fail_msg("%s:\n%s", lie->name, log);
		if (lie->said ? !strstr(log, lie->said) : strstr(log, "damaged") != NULL)
			fail_msg("%s:\n%s", lie->name, log);
		assert_in_range(image_e2fsck(out, "-y"), 0, 1);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
		data = image_read(out, "/big", &len);
		assert_non_null(data);
		assert_true(len > 5000000);
		assert_int_equal(stack_differs(data, 5, 0, len), len);
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_sparse),
	    cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests_name("ext2: full volumes", tests, NULL, NULL);
}
