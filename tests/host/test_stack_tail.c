// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What is stored beyond the end of a file, in its last page: it never reaches the card, whenever it is stored, so it is
 * zeros for whoever extends the file, here or elsewhere, and for who maps it anew.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/buffer.h"
#include "fs/ext2/ext2.h"
#include "kernel/thread.h"
#include "tests/host/stack.h"

static const unsigned blocks[] = {1024, 2048, 4096};
static const size_t file_sizes[] = {1, 100, 511, 1000, 1023, 1024, 1025, 2048, 3000, 4095, 4097, 50001, 53248 + 1500};

struct variant {
	uint64_t seed;
	size_t size; // of the file
};

/* Each with the disk taking a write's bytes when it starts, when it ends, or now one and now the other. */
static void each(void (*body)(void *arg), bool all_sizes)
{
	const char *out = image_path("tail-out");
	const size_t thin = harness_effort() == EFFORT_QUICK ? 4 : 1;

	for (size_t b = 0; b < array_size(blocks); b++) {
		char name[32];

		snprintf(name, sizeof(name), "tail-%u", blocks[b]);
		const char *image = stack_image(name, "2M", blocks[b], 10);

		for (size_t i = 0; i < array_size(file_sizes); i += all_sizes ? thin : thin + 2) {
			for (uint64_t seed = 0; seed < (all_sizes ? 1 : 4); seed++) {
				struct variant v = {seed, file_sizes[i]};

				harness_run(&(struct harness){.frames = 512,
							      .seed = seed,
							      .disk = {.image = image, .seed = seed, .save = out}},
					    body, &v);
				assert_int_equal(image_e2fsck(out, "-n"), 0);
			}
		}
	}
}

/* What the card has behind byte `size` of the file, up to the end of that block. */
static void check_card(int fd, size_t size)
{
	static uint8_t block[4096];
	struct pcache_object *object;
	struct pcache_errors *errors;
	struct inode *inode;
	bool readable, writable;
	uint32_t run;
	fsblk_t where;

	assert_int_equal(fs_object(fd, &object, &errors, &readable, &writable), 0);
	inode = inode_of(object);
	assert_int_equal(ext2_bmap(inode, (size - 1) >> ext2_volume(inode)->block_shift, 1, &where, &run), 0);
	assert_int_not_equal(where, 0);
	simdisk_peek((sector_t)where * ext2_volume(inode)->sectors_per_block, block,
		     ext2_volume(inode)->sectors_per_block);
	assert_int_equal(block[(size - 1) % ext2_volume(inode)->block_size], 0x11);
	for (size_t at = size % ext2_volume(inode)->block_size; at && at < ext2_volume(inode)->block_size; at++)
		assert_int_equal(block[at], 0);
	object->ops->ref(object, -1);
	pcache_errors_put(errors);
}

static size_t page_end(size_t size)
{
	return align_up(size, PAGE_SIZE);
}

/* A file of 0x11, mapped, and behind its end other bytes. */
static uint8_t *make(size_t size, int *fd)
{
	uint8_t *p;

	harness_start();
	*fd = stack_open("/f", O_RDWR | O_CREAT);
	assert_int_equal(fs_ftruncate(*fd, (int64_t)size), 0);
	p = stack_map(*fd, page_end(size), MAP_R | MAP_W, MAP_KIND_SHARED);
	memset(p, 0x11, size);
	memset(p + size, 0xee, page_end(size) - size);
	return p;
}

static void end(int fd, const uint8_t *p, size_t size)
{
	stack_unmap(p, page_end(size));
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void check_zeros(int fd, const uint8_t *p, size_t from, size_t to)
{
	static uint8_t buf[65536];

	assert_int_equal(fs_pread(fd, buf, to - from, (int64_t)from), to - from);
	for (size_t i = 0; i < to - from; i++)
		assert_true(buf[i] == 0 && p[from + i] == 0);
}

/* ---- written, mapped anew, extended ---- */

static void written_body(void *arg)
{
	const size_t size = ((const struct variant *)arg)->size;
	uint8_t *p, *again;
	int fd;

	p = make(size, &fd);
	assert_int_equal(map_sync((vaddr_t)p, page_end(size), true), 0);
	check_card(fd, size);
	assert_int_equal(fs_sync(), 0);
	check_card(fd, size);
	/* Stored once more, and seen by nobody who comes later. */
	memset(p + size, 0xdd, page_end(size) - size);
	again = stack_map(fd, page_end(size), MAP_R, MAP_KIND_SHARED);
	for (size_t at = size; at < page_end(size); at++)
		assert_int_equal(again[at], 0);
	assert_int_equal(again[size - 1], 0x11);
	stack_unmap(again, page_end(size));
	/* Evicted and read again. */
	stack_unmap(p, page_end(size));
	assert_int_equal(fs_sync(), 0);
	(void)pcache_drop_clean();
	p = stack_map(fd, page_end(size), MAP_R, MAP_KIND_SHARED);
	for (size_t at = size; at < page_end(size); at++)
		assert_int_equal(p[at], 0);
	end(fd, p, size);
}

static void test_written(void **state)
{
	(void)state;
	each(written_body, true);
}

static void extended_body(void *arg)
{
	const size_t size = ((const struct variant *)arg)->size, to = page_end(size) + 3 * PAGE_SIZE + 7;
	uint8_t *p;
	int fd;

	p = make(size, &fd);
	stack_unmap(p, page_end(size));
	p = stack_map(fd, to, MAP_R | MAP_W, MAP_KIND_SHARED);
	for (unsigned way = 0; way < 5; way++) {
		if (page_end(size) > size)
			memset(p + size, 0xc0 + way, page_end(size) - size);
		if (way == 4)
			assert_int_equal(map_sync((vaddr_t)p, page_end(size), false), 0); // in the midst of a write
		switch (way) {
		case 0:
			assert_int_equal(fs_ftruncate(fd, (int64_t)to), 0);
			break;
		case 1:
			assert_int_equal(fs_pwrite(fd, "", 1, (int64_t)to - 1), 1);
			break;
		case 2:
			assert_int_equal(fs_fallocate(fd, (int64_t)size, (int64_t)(to - size)), 0);
			break;
		case 3:
			assert_int_equal(fs_fallocate_mode(fd, FALLOC_FL_ZERO_RANGE, (int64_t)to - 9, 9), 0);
			break;
		default:
			assert_int_equal(fs_ftruncate(fd, (int64_t)to), 0);
		}
		check_zeros(fd, p, size, to);
		assert_int_equal(fs_ftruncate(fd, (int64_t)size), 0);
	}
	assert_int_equal(map_sync((vaddr_t)p, page_end(size), true), 0);
	check_card(fd, size);
	stack_unmap(p, to);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_extended(void **state)
{
	(void)state;
	each(extended_body, true);
}

/* ---- stored while it is being written ---- */

static uint8_t *synced_map;
static size_t synced_len;

static void *sync_map(void *arg)
{
	assert_int_equal(map_sync((vaddr_t)synced_map, synced_len, true), 0);
	return arg;
}

static void held_body(void *arg)
{
	const size_t size = ((const struct variant *)arg)->size;
	struct thread *sync;
	uint8_t *p;
	int fd;

	p = make(size, &fd);
	assert_int_equal(map_sync((vaddr_t)p, page_end(size), true), 0);
	for (unsigned i = 0; i < 8; i++) {
		const uint64_t writes = simdisk_count(1u << BLK_WRITE);

		p[size - 1] = 0x11; // dirty
		synced_map = p;
		synced_len = page_end(size);
		simdisk_hold(true);
		assert_int_equal(thread_create("sync", THREAD_STACK_SIZE, sync_map, NULL, &sync), 0);
		for (unsigned turn = 0; turn < 20; turn++)
			thread_yield();
		assert_int_equal(simdisk_count(1u << BLK_WRITE), writes);
		/* The write has begun: entries are narrow, and this store goes on at once (P4). */
		memset(p + size, 0xee, page_end(size) - size);
		simdisk_hold(false);
		assert_int_equal(thread_join(sync, NULL), 0);
		assert_true(simdisk_count(1u << BLK_WRITE) > writes);
		check_card(fd, size);
	}
	end(fd, p, size);
}

static void test_held(void **state)
{
	(void)state;
	each(held_body, false);
}

/* ---- by several threads, with more files than there are copies ---- */

#define FILES 5

static struct {
	uint8_t *map;
	int fd;
} files[FILES];
static atomic_bool ended;

static void *store_beyond(void *arg)
{
	const size_t size = *(const size_t *)arg;

	for (unsigned i = 0; !atomic_load(&ended); i++) {
		uint8_t *p = files[i % FILES].map;

		p[size - 1] = 0x11;
		memset(p + size, (int)i | 1, page_end(size) - size);
		assert_int_equal(fs_pwrite(files[i % FILES].fd, "\x11", 1, (int64_t)size - 1), 1);
	}
	return NULL;
}

static void threads_body(void *arg)
{
	size_t size = ((const struct variant *)arg)->size;
	struct thread *t[2];
	char path[16];

	harness_start();
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "/f%u", i);
		files[i].fd = stack_open(path, O_RDWR | O_CREAT);
		assert_int_equal(fs_ftruncate(files[i].fd, (int64_t)size), 0);
		files[i].map = stack_map(files[i].fd, page_end(size), MAP_R | MAP_W, MAP_KIND_SHARED);
		memset(files[i].map, 0x11, size);
	}
	atomic_store(&ended, false);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(thread_create("store", THREAD_STACK_SIZE, store_beyond, &size, &t[i]), 0);
	for (unsigned i = 0; i < 40; i++) {
		if (i % 4 == 0)
			assert_int_equal(fs_sync(), 0);
		else
			assert_int_equal(map_sync((vaddr_t)files[i % FILES].map, page_end(size), true), 0);
		check_card(files[i % 4 ? i % FILES : 0].fd, size);
	}
	atomic_store(&ended, true);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	for (unsigned i = 0; i < FILES; i++) {
		stack_unmap(files[i].map, page_end(size));
		assert_int_equal(fs_close(files[i].fd), 0);
	}
	assert_int_equal(harness_stop(), 0);
}

static void test_threads(void **state)
{
	(void)state;
	each(threads_body, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_written),
	    cmocka_unit_test(test_extended),
	    cmocka_unit_test(test_held),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("stack: beyond the end of the file", tests, NULL, NULL);
}
