// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * fallocate: what each mode gives for good and bad arguments, what it does to the block tree, to pages that are mapped,
 * and to the promise that a store into a prepared range finds its block. On blocks of 1, 2 and 4 KiB, with plenty of
 * memory and with as little as there can be.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "kernel/thread.h"
#include "tests/host/stack.h"

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define KEEP FALLOC_FL_KEEP_SIZE
#define ZERO FALLOC_FL_ZERO_RANGE
#define DATA_LEN (100 * 1024 + 777)
#define COPY_LEN (6 * PAGE_SIZE)

static unsigned block; // of the image of this run

static const struct {
	size_t frames, cache;
	unsigned buffers;
	uint64_t seed;
} sizes[] = {{4096, 0, 0, 0}, {80, 0, BUFFERS_MIN, 0}, {2048, 8, BUFFERS_MIN, 5}};

static void matrix(void (*body)(void *arg))
{
	const char *out = image_path("falloc-out");

	for (block = 1024; block <= 4096; block *= 2) {
		char name[32];

		snprintf(name, sizeof(name), "falloc-%u", block);
		for (size_t i = 0; i < array_size(sizes); i++) {
			harness_run(&(struct harness){.frames = sizes[i].frames,
						      .cache_pages = sizes[i].cache,
						      .fs_buffers = sizes[i].buffers,
						      .seed = sizes[i].seed,
						      .disk = {.image = stack_image(name, "8M", block, DATA_LEN),
							       .seed = sizes[i].seed,
							       .save = out}},
				    body, NULL);
			assert_int_equal(image_e2fsck(out, "-n"), 0);
		}
	}
}

static uint64_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fs_fstat(fd, &st), 0);
	return st.st_size;
}

static uint64_t blocks_of(int fd)
{
	struct stat st;

	assert_int_equal(fs_fstat(fd, &st), 0);
	return st.st_blocks * 512 / block;
}

static void stop(void)
{
	assert_int_equal(harness_stop(), 0);
}

/* ---- arguments ---- */

static void arguments(void *arg)
{
	int fd, ro, dir, null;

	(void)arg;
	harness_start();
	fd = stack_open("/f", O_RDWR | O_CREAT);
	ro = stack_open("/f", O_RDONLY);
	dir = stack_open("/", O_RDONLY);
	null = stack_open("/dev/null", O_RDWR);
	assert_int_equal(fs_ftruncate(fd, 10000), 0);
	/* The order of the checks is Linux's. */
	assert_int_equal(fs_fallocate_mode(99, -1, -1, -1), -EBADF);
	assert_int_equal(fs_fallocate_mode(fd, 0x1000, -1, 1), -EINVAL);
	assert_int_equal(fs_fallocate_mode(fd, 0, 0, 0), -EINVAL);
	assert_int_equal(fs_fallocate_mode(fd, 0, 0, -1), -EINVAL);
	assert_int_equal(fs_fallocate_mode(ro, 0x1000, 0, 1), -EOPNOTSUPP);
	for (int mode = 1; mode < 0x200; mode++) {
		if (mode != KEEP && mode != PUNCH && mode != ZERO && mode != (ZERO | KEEP))
			assert_int_equal(fs_fallocate_mode(fd, mode, 0, 4096), -EOPNOTSUPP);
	}
	assert_int_equal(fs_fallocate_mode(ro, 0, 0, 1), -EBADF);
	assert_int_equal(fs_fallocate_mode(ro, PUNCH, 0, 1), -EBADF);
	assert_int_equal(fs_fallocate_mode(dir, 0, 0, 1), -EBADF);
	assert_int_equal(fs_fallocate_mode(null, 0, 0, 1), -ENODEV);
	assert_int_equal(fs_fallocate_mode(null, PUNCH, 0, 1), -ENODEV);
	assert_int_equal(fs_fallocate_mode(fd, 0, INT64_MAX, 1), -EFBIG);
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, INT64_MAX - 100, 4096), -EFBIG);
	assert_int_equal(fs_fallocate_mode(fd, ZERO, 1ll << 50, 1), -EFBIG);
	assert_int_equal(fs_fallocate_mode(fd, KEEP, 1ll << 50, 1), -EFBIG);
	assert_int_equal(blocks_of(fd), 0);
	assert_int_equal(size_of(fd), 10000);

	/* Up to the end of the block that holds the file's end, not beyond. */
	const int64_t edge = align_up(10000, block);

	assert_int_equal(fs_fallocate_mode(fd, KEEP, 0, edge + 1), -EOPNOTSUPP);
	assert_int_equal(fs_fallocate_mode(fd, KEEP, edge, 1), -EOPNOTSUPP);
	assert_int_equal(fs_fallocate_mode(fd, ZERO | KEEP, 0, edge + 1), -EOPNOTSUPP);
	assert_int_equal(fs_fallocate_mode(fd, KEEP, 100000, 1), -EOPNOTSUPP);
	assert_int_equal(blocks_of(fd), 0);
	if (edge > 10000)
		assert_int_equal(fs_fallocate_mode(fd, KEEP, edge - 1, 1), 0);
	assert_int_equal(fs_fallocate_mode(fd, KEEP, 0, edge), 0);
	assert_int_equal(blocks_of(fd), edge / block);
	assert_int_equal(fs_fallocate_mode(fd, ZERO | KEEP, 5000, edge - 5000), 0);
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, 20000, 4096), 0); // beyond the end: nothing to do
	assert_int_equal(size_of(fd), 10000);
	assert_int_equal(fs_fallocate_mode(fd, ZERO, 9000, 11000), 0);
	assert_int_equal(size_of(fd), 20000);
	assert_int_equal(fs_fallocate_mode(fd, ZERO, 30000, 1), 0);
	assert_int_equal(size_of(fd), 30001);
	assert_int_equal(blocks_of(fd) < 30001 / block, 30000 / block > 20000 / block + 1); // between is a hole
	assert_int_equal(fs_ftruncate(fd, 0), 0);
	assert_int_equal(fs_fallocate_mode(fd, KEEP, 0, 1), -EOPNOTSUPP); // no block of it yet
	assert_int_equal(fs_close(fd), 0);

	/* A file that may only be appended to: blocks yes, other contents no. */
	fd = stack_open("/append", O_RDWR | O_APPEND);
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, 0, 1), -EPERM);
	assert_int_equal(fs_fallocate_mode(fd, ZERO, 0, 1), -EPERM);
	assert_int_equal(fs_fallocate_mode(fd, 0, 0, 5000), 0);
	assert_int_equal(fs_fallocate_mode(fd, KEEP, 0, 5000), 0);
	assert_int_equal(fs_close(fd), 0);
	stop();
}

static void test_arguments(void **state)
{
	const char *image = image_path("arguments"), *out = image_path("falloc-out");
	char options[32];

	(void)state;
	for (block = 1024; block <= 4096; block *= 2) {
		snprintf(options, sizeof(options), "-b %u", block);
		image_mke2fs(image, "2M", options);
		image_debugfs(image, "write /dev/null append\nset_inode_field append flags 0x20\n");
		harness_run(&(struct harness){.disk = {.image = image, .save = out}}, arguments, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

/* ---- the tree ---- */

#define PLACES 6
#define SPAN 24 // blocks at each place, in pages

/* Which blocks of the file are there: around each place SPAN of them. */
static struct {
	uint64_t start[PLACES];
	bool there[PLACES][SPAN];
} tree;

static bool *tree_block(uint64_t lblk)
{
	for (size_t i = 0; i < PLACES; i++)
		if (lblk >= tree.start[i] && lblk < tree.start[i] + SPAN)
			return &tree.there[i][lblk - tree.start[i]];
	return NULL;
}

/* Blocks that a file with these has, indirect ones included. */
static uint64_t tree_count(void)
{
	const uint64_t p = block / 4;
	uint64_t last[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX}, n = 0;

	for (size_t i = 0; i < PLACES; i++) {
		for (size_t b = 0; b < SPAN; b++) {
			uint64_t at = tree.start[i] + b, level = 1, span = p;

			if (!tree.there[i][b])
				continue;
			n++;
			if (at < 12)
				continue;
			for (at -= 12; at >= span; at -= span, span *= p)
				level++;
			/* A table is told by its level of tree and where it begins. */
			for (uint64_t l = 0, below = p; l < level; l++, below *= p) {
				uint64_t id = (at / below) << 2 | level;

				n += id != last[l];
				last[l] = id;
			}
		}
	}
	return n;
}

static uint64_t rng;

static uint64_t below(uint64_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (rng >> 33) % n;
}

static void tree_allocate(int fd, uint64_t first, uint64_t count)
{
	const uint64_t per_page = PAGE_SIZE / block;

	assert_int_equal(fs_fallocate(fd, (int64_t)(first * block), (int64_t)(count * block)), 0);
	for (uint64_t b = align_down(first, per_page); b < align_up(first + count, per_page); b++)
		if (tree_block(b))
			*tree_block(b) = true;
}

static void tree_punch(int fd, uint64_t from, uint64_t to)
{
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, (int64_t)from, (int64_t)(to - from)), 0);
	for (size_t i = 0; i < PLACES; i++)
		for (uint64_t b = 0; b < SPAN; b++)
			if ((tree.start[i] + b) * block >= from && (tree.start[i] + b + 1) * block <= to)
				tree.there[i][b] = false;
}

static void tree_body(void *arg)
{
	const uint64_t p = block / 4, triple = 12 + p + p * p;
	const uint64_t middle[PLACES] = {12, 12 + p, 12 + p + p, triple, triple + p, triple + p * p};
	struct fs_space before, after;
	int fd;

	(void)arg;
	rng = block;
	harness_start();
	assert_int_equal(fs_space(AT_FDCWD, "/", &before), 0);
	fd = stack_open("/tree", O_RDWR | O_CREAT);
	for (size_t i = 0; i < PLACES; i++)
		tree.start[i] = middle[i] - 12;
	memset(tree.there, 0, sizeof(tree.there));
	assert_int_equal(fs_ftruncate(fd, (int64_t)((middle[PLACES - 1] + SPAN) * block)), 0);
	for (unsigned step = 0; step < 200; step++) {
		const uint64_t place = tree.start[below(PLACES)], other = tree.start[below(PLACES)];
		const uint64_t at = place + below(SPAN - 1), len = 1 + below(place + SPAN - at);

		if (step % 3)
			tree_allocate(fd, at, len);
		else if (step % 2 && place < other)
			tree_punch(fd, at * block + below(2) * 7, (other + below(SPAN)) * block + below(2) * 7);
		else
			tree_punch(fd, at * block + below(2) * 7, (at + len) * block + below(2) * 7);
		if (blocks_of(fd) != tree_count())
			fail_msg("step %u: %llu blocks, not %llu", step, (unsigned long long)blocks_of(fd),
				 (unsigned long long)tree_count());
	}
	tree_punch(fd, 0, size_of(fd));
	assert_int_equal(blocks_of(fd), 0);
	assert_int_equal(fs_sync(), 0);
	assert_int_equal(fs_space(AT_FDCWD, "/", &after), 0);
	assert_int_equal(after.blocks_free, before.blocks_free);
	/* One more, so that e2fsck has something to look at. */
	for (size_t i = 0; i < PLACES; i++)
		tree_allocate(fd, tree.start[i], SPAN);
	tree_punch(fd, (tree.start[0] + 5) * block, (tree.start[5] + 14) * block);
	assert_int_equal(blocks_of(fd), tree_count());
	assert_int_equal(fs_close(fd), 0);
	stop();
}

static void test_tree(void **state)
{
	(void)state;
	matrix(tree_body);
}

/* ---- pages ---- */

/* The file as it should be, and everything that reads it. */
static uint8_t expected[DATA_LEN];

static void check_data(int fd, const uint8_t *p)
{
	static uint8_t buf[DATA_LEN];

	assert_memory_equal(p, expected, DATA_LEN);
	assert_int_equal(fs_pread(fd, buf, DATA_LEN, 0), DATA_LEN);
	assert_memory_equal(buf, expected, DATA_LEN);
}

static void pages_body(void *arg)
{
	static const struct {
		size_t at, len;
	} ranges[] = {{0, 1},	     {100, 900},   {1024, 1024},   {3000, 3000},      {5 * 4096, 4096},
		      {30000, 9999}, {2048, 2048}, {50000, 20000}, {DATA_LEN - 5, 5}, {DATA_LEN - 9000, 20000}};
	uint8_t *p, *copy, value;
	int fd, error;

	(void)arg;
	harness_start();
	stack_fill(expected, 1, 0, DATA_LEN);
	fd = stack_open("/data", O_RDWR);
	p = stack_map(fd, DATA_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	copy = stack_map(fd, COPY_LEN, MAP_R | MAP_W, MAP_KIND_PRIVATE);
	assert_int_equal(harness_store(copy + 5 * 4096 + 9, 0x77, &error), FAULT_OK);
	for (size_t i = 0; i < array_size(ranges); i++) {
		const size_t at = ranges[i].at, len = ranges[i].len, end = min_of(at + len, (size_t)DATA_LEN);
		const int mode = i % 3 == 2 && end == at + len ? ZERO : PUNCH;

		/* Dirty all round, a store beside the range and one in it. */
		for (size_t b = at ? at - 1 : 0; b < min_of(end + 1, (size_t)DATA_LEN); b += 500)
			p[b] = expected[b] = (uint8_t)(b + i + 1);
		if (i % 2)
			assert_int_equal(pcache_write_all(), 0);
		assert_int_equal(fs_fallocate_mode(fd, mode, (int64_t)at, (int64_t)len), 0);
		memset(expected + at, 0, end - at);
		check_data(fd, p);
		/* And after. */
		p[at] = expected[at] = 0xa0 + i;
		p[end - 1] = expected[end - 1] = 0xb0 + i;
		check_data(fd, p);
		assert_int_equal(harness_load(copy + 5 * 4096 + 9, &value, &error), FAULT_OK);
		assert_int_equal(value, 0x77); // a private copy stays
	}
	assert_int_equal(size_of(fd), DATA_LEN);
	stack_unmap(copy, COPY_LEN);
	stack_unmap(p, DATA_LEN);
	assert_int_equal(fs_close(fd), 0);
	stop();
	/* The same from the card, nothing in memory. */
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), 0);
	fd = stack_open("/data", O_RDONLY);
	p = stack_map(fd, DATA_LEN, MAP_R, MAP_KIND_SHARED);
	check_data(fd, p);
	stack_unmap(p, DATA_LEN);
	assert_int_equal(fs_close(fd), 0);
	stop();
}

static void test_pages(void **state)
{
	(void)state;
	matrix(pages_body);
}

/* ---- one step ---- */

#define STEP_AT ((uint64_t)block * 16) // behind the first indirect block
#define STEP_LEN (4 * PAGE_SIZE)

static uint8_t *step_map;
static bool step_released;

static void *step_punch(void *arg)
{
	/* From the middle of a page to the middle of another. */
	assert_int_equal(fs_fallocate_mode(*(int *)arg, PUNCH, (int64_t)STEP_AT + 100, STEP_LEN - 200), 0);
	assert_true(step_released);
	return NULL;
}

/* Whoever sees zeros sees all of them. */
static void *step_look(void *arg)
{
	const uint8_t last = step_map[STEP_AT + STEP_LEN - 300], first = step_map[STEP_AT + 300];
	const uint8_t middle = step_map[STEP_AT + 2 * PAGE_SIZE];

	assert_int_equal(last == 0, step_released);
	assert_true(last != 0 || (first == 0 && middle == 0));
	return arg;
}

/* The hole's metadata cannot be read before the disk is let go; what is done by then is not to be seen. */
static void step_body(void *arg)
{
	struct thread *punch, *look;
	int fd, other;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	other = stack_open("/other", O_RDWR | O_CREAT);
	step_released = false;
	step_map = stack_map(fd, DATA_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	for (uint64_t at = STEP_AT; at < STEP_AT + STEP_LEN; at += 100)
		step_map[at] = 7;
	/* As many other indirect blocks as there are buffers. */
	for (uint64_t i = 0; i < 2 * BUFFERS_MIN; i++)
		assert_int_equal(fs_fallocate(other, (int64_t)((12 + i * block / 4) * block), 1), 0);
	assert_int_equal(fs_sync(), 0);
	simdisk_hold(true);
	assert_int_equal(thread_create("punch", THREAD_STACK_SIZE, step_punch, &fd, &punch), 0);
	thread_yield();
	assert_int_equal(thread_create("look", THREAD_STACK_SIZE, step_look, NULL, &look), 0);
	for (unsigned i = 0; i < 100; i++)
		thread_yield();
	step_released = true;
	simdisk_hold(false);
	assert_int_equal(thread_join(punch, NULL), 0);
	assert_int_equal(thread_join(look, NULL), 0);
	assert_int_equal(step_map[STEP_AT + 200], 0);
	stack_unmap(step_map, DATA_LEN);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_close(other), 0);
	stop();
}

static void test_one_step(void **state)
{
	const char *out = image_path("falloc-out");

	(void)state;
	for (block = 1024; block <= 4096; block *= 2) {
		char name[32];

		snprintf(name, sizeof(name), "falloc-%u", block);
		harness_run(&(struct harness){.fs_buffers = BUFFERS_MIN,
					      .disk = {.image = stack_image(name, "8M", block, DATA_LEN), .save = out}},
			    step_body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

/* ---- a prepared range ---- */

/* Takes every block that the volume has left. */
static void fill_volume(void)
{
	int fd = stack_open("/filler", O_RDWR | O_CREAT);
	uint64_t at = 0;

	for (uint64_t step = 1 << 20; step >= block;) {
		if (fs_fallocate(fd, (int64_t)at, (int64_t)step) == 0)
			at += step;
		else
			step /= 2;
		at = max_of(at, size_of(fd));
	}
	assert_int_equal(fs_close(fd), 0);
}

static int store(uint8_t *p, uint64_t at)
{
	int error = 0, result = harness_store(p + at, 0x5a, &error);

	if (result == FAULT_OK)
		return 0;
	assert_int_equal(result, FAULT_ADRERR);
	return error;
}

#define PREPARED_LEN (200 * 1024)

/* Every second range of 3000 bytes, by each way to prepare one. */
static bool is_prepared(uint64_t at)
{
	return at / 3000 % 2;
}

static void prepare(int fd)
{
	for (uint64_t at = 9000, i = 0; at + 3000 <= PREPARED_LEN; at += 6000, i++)
		assert_int_equal(fs_fallocate_mode(fd,
						   i % 3 == 0	? 0
						   : i % 3 == 1 ? KEEP
								: ZERO | KEEP,
						   (int64_t)at, 3000),
				 0);
}

static void store_prepared(int fd)
{
	uint8_t *p = stack_map(fd, PREPARED_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);

	for (uint64_t at = 9000; at + 3000 <= PREPARED_LEN; at += 300)
		if (is_prepared(at))
			assert_int_equal(store(p, at), 0);
	/* What nobody prepared has nothing left to take. */
	assert_int_equal(store(p, 0), ENOSPC);
	stack_unmap(p, PREPARED_LEN);
}

static void prepared_body(void *arg)
{
	uint8_t *p, value;
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/prepared", O_RDWR | O_CREAT);
	assert_int_equal(fs_ftruncate(fd, PREPARED_LEN), 0);
	/* Some pages are cached as holes before. */
	p = stack_map(fd, PREPARED_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	for (uint64_t at = 0; at < PREPARED_LEN; at += 3 * PAGE_SIZE)
		assert_int_equal(harness_load(p + at, &value, NULL), FAULT_OK);
	prepare(fd);
	fill_volume();
	store_prepared(fd);

	/* A punched page may fail, until there is room again. */
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, 9000, 3 * PAGE_SIZE), 0);
	assert_int_equal(harness_load(p + 15000, &value, NULL), FAULT_OK);
	assert_int_equal(value, 0);
	assert_int_equal(fs_sync(), 0);
	fill_volume();
	assert_int_equal(store(p, 15000), ENOSPC);
	assert_int_equal(fs_unlink(AT_FDCWD, "/filler", 0), 0);
	assert_int_equal(fs_sync(), 0);
	assert_int_equal(store(p, 15000), 0);
	assert_int_equal(store(p, 0), 0);
	stack_unmap(p, PREPARED_LEN);
	assert_int_equal(fs_close(fd), 0);
	stop();
}

static void test_prepared(void **state)
{
	(void)state;
	matrix(prepared_body);
}

/* A store into a hole while the card takes no writes: who syncs hears of it, and the page is written once it does. */
static void write_errors(void *arg)
{
	uint8_t *p;
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/hole", O_RDWR | O_CREAT);
	assert_int_equal(fs_ftruncate(fd, 200 * PAGE_SIZE), 0);
	assert_int_equal(fs_sync(), 0);
	p = stack_map(fd, 200 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	for (size_t at = 20 * PAGE_SIZE; at < 200 * PAGE_SIZE; at += 100 * PAGE_SIZE) {
		simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_WRITE, .from = 1, .count = UINT64_MAX});
		assert_int_equal(store(p, at), 0);
		assert_int_equal(map_sync((vaddr_t)p, 200 * PAGE_SIZE, true), -EIO);
		assert_true(simdisk_fired() > 0);
		assert_int_equal(map_sync((vaddr_t)p, 200 * PAGE_SIZE, true), -EIO);
		simdisk_fail(&(struct simdisk_fault){.ops = 0});
		assert_int_equal(map_sync((vaddr_t)p, 200 * PAGE_SIZE, true), 0);
	}
	assert_int_equal(fs_pwrite(fd, "x", 1, 100 * PAGE_SIZE), 1); // an indirect block, whatever the block size
	stack_unmap(p, 200 * PAGE_SIZE);
	assert_int_equal(fs_close(fd), 0);
	stop();
}

/* And while it gives none: the error is the store's own, and nothing stays of it. */
static void read_errors(void *arg)
{
	const size_t at = 150 * PAGE_SIZE;
	uint8_t *p, value;
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/hole", O_RDWR);
	p = stack_map(fd, 200 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_READ, .from = 1, .count = UINT64_MAX});
	assert_int_equal(store(p, at), EIO);
	assert_true(simdisk_fired() > 0);
	simdisk_fail(&(struct simdisk_fault){.ops = 0});
	assert_int_equal(harness_load(p + 20 * PAGE_SIZE, &value, NULL), FAULT_OK);
	assert_int_not_equal(value, 0);
	assert_int_equal(harness_load(p + at, &value, NULL), FAULT_OK);
	assert_int_equal(value, 0);
	assert_int_equal(store(p, at), 0);
	stack_unmap(p, 200 * PAGE_SIZE);
	assert_int_equal(fs_close(fd), 0);
	stop();
}

static void test_store_errors(void **state)
{
	const char *between = image_path("falloc-between"), *out = image_path("falloc-out");

	(void)state;
	for (block = 1024; block <= 4096; block *= 2) {
		char name[32];

		snprintf(name, sizeof(name), "falloc-%u", block);
		harness_run(
		    &(struct harness){.disk = {.image = stack_image(name, "8M", block, DATA_LEN), .save = between}},
		    write_errors, NULL);
		harness_run(&(struct harness){.disk = {.image = between, .save = out}}, read_errors, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

static void prepare_and_cut(void *arg)
{
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/prepared", O_RDWR | O_CREAT);
	assert_int_equal(fs_ftruncate(fd, PREPARED_LEN), 0);
	assert_int_equal(fs_sync(), 0);
	prepare(fd);
	assert_int_equal(fs_fsync(fd, true), 0);
}

static void store_after_cut(void *arg)
{
	int fd;

	(void)arg;
	harness_start(); // recovers
	fd = stack_open("/prepared", O_RDWR);
	fill_volume();
	store_prepared(fd);
	assert_int_equal(fs_close(fd), 0);
	stop();
}

static void test_prepared_after_cut(void **state)
{
	const char *cut = image_path("falloc-cut"), *out = image_path("falloc-out");

	(void)state;
	for (block = 1024; block <= 4096; block *= 2) {
		char name[32];

		snprintf(name, sizeof(name), "falloc-%u", block);
		harness_run(&(struct harness){.disk = {.image = stack_image(name, "8M", block, DATA_LEN), .save = cut}},
			    prepare_and_cut, NULL);
		harness_run(&(struct harness){.disk = {.image = cut, .save = out}}, store_after_cut, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_arguments),	 cmocka_unit_test(test_one_step),
	    cmocka_unit_test(test_tree),	 cmocka_unit_test(test_pages),
	    cmocka_unit_test(test_prepared),	 cmocka_unit_test(test_prepared_after_cut),
	    cmocka_unit_test(test_store_errors),
	};

	return cmocka_run_group_tests_name("fs: fallocate", tests, NULL, NULL);
}
