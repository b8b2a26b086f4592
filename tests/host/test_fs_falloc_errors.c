// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Holes and zeros while the nth transfer fails, for every n until n is not reached. A call that fails leaves each byte
 * of its range as it was last stored, or zero, and all others as they were; what was acknowledged is on the card; an
 * unmount that says yes leaves what was read on the card, and nothing for e2fsck to find.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "tests/host/stack.h"

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO FALLOC_FL_ZERO_RANGE
#define LEN (700 * 1024 + 100)
#define N_MAX 3000

static struct shared {
	struct simdisk_fault fault;
	unsigned block;
	uint64_t fired;
	unsigned told;
	bool stopped;
	uint8_t expected[LEN];
} * shared;

static void arm(bool on)
{
	shared->fired += simdisk_fired();
	if (shared->fired && shared->fault.count == 1)
		on = false;
	simdisk_fail(on ? &shared->fault : &(struct simdisk_fault){.ops = 0});
}

/* Takes over the zeros that a failed call made in [from, to). */
static void check(int fd, size_t from, size_t to)
{
	static uint8_t data[LEN];

	assert_int_equal(fs_pread(fd, data, LEN, 0), LEN);
	for (size_t at = 0; at < LEN; at++) {
		if (at >= from && at < to && data[at] == 0)
			shared->expected[at] = 0;
		if (data[at] != shared->expected[at])
			fail_msg("byte %zu is %#x, not %#x", at, data[at], shared->expected[at]);
	}
}

static void store_some(uint8_t *p, size_t from, size_t to, unsigned step)
{
	for (size_t at = from; at < to; at += 700) {
		const uint8_t value = stack_byte(step + 2, at);

		if (harness_store(p + at, value, NULL) == FAULT_OK)
			shared->expected[at] = value;
	}
}

static void work(int fd, uint8_t *p)
{
	static const struct {
		int mode;
		size_t at, len;
	} calls[] = {{PUNCH, 3000, 9000}, {PUNCH, 11000, 300000},  {ZERO, 5000, 60000},		 {ZERO, 290000, 100000},
		     {PUNCH, 1500, 200},  {PUNCH, 280000, 400000}, {ZERO, 600000, LEN - 600000}, {PUNCH, 0, LEN}};

	for (unsigned i = 0; i < array_size(calls); i++) {
		const size_t at = calls[i].at, end = at + calls[i].len;
		int err;

		store_some(p, at > 5000 ? at - 5000 : 0, min_of(end + 5000, (size_t)LEN), i);
		err = fs_fallocate_mode(fd, calls[i].mode, (int64_t)at, (int64_t)calls[i].len);
		arm(false);
		if (!err)
			memset(shared->expected + at, 0, calls[i].len);
		shared->told += err != 0;
		check(fd, at, err ? end : at);
		arm(true);
		if (i % 2)
			shared->told += fs_fsync(fd, true) != 0;
		if (i % 3 == 0)
			(void)pcache_drop_clean();
	}
}

static void body(void *arg)
{
	uint8_t *p;
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/f", O_RDWR | O_CREAT);
	stack_fill(shared->expected, 1, 0, LEN);
	assert_int_equal(fs_write(fd, shared->expected, LEN), LEN);
	assert_int_equal(fs_sync(), 0);
	p = stack_map(fd, LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	simdisk_fail(&shared->fault);
	work(fd, p);
	store_some(p, 100000, 400000, 20);
	stack_unmap(p, LEN);
	shared->told += fs_close(fd) != 0;
	shared->stopped = harness_stop() == 0;
	arm(false);
}

static bool run(const struct harness *h, uint64_t n)
{
	const char *log;
	uint8_t *data;
	size_t len;
	int status;

	shared->fault.from = n;
	shared->fired = shared->told = 0;
	shared->stopped = false;
	status = harness_status(h, body, NULL, &log);
	if (status)
		fail_msg("n = %llu: status %d\n%s", (unsigned long long)n, status, log);
	if (image_e2fsck(h->disk.save, shared->stopped ? "-n" : "-y") > !shared->stopped)
		fail_msg("n = %llu: e2fsck is not content\n%s", (unsigned long long)n, log);
	data = image_read(h->disk.save, "/f", &len);
	assert_non_null(data);
	assert_int_equal(len, LEN);
	if (shared->stopped && memcmp(data, shared->expected, LEN))
		fail_msg("n = %llu: the unmount said yes, and the card has something else", (unsigned long long)n);
	free(data);
	if (!shared->fired)
		assert_true(shared->told == 0 && shared->stopped);
	return shared->fired;
}

static void loop(unsigned block, unsigned buffers, size_t cache, unsigned ops, uint64_t count, uint64_t step)
{
	const char *image = image_path("falloc-errors");
	struct harness h = {.frames = 2048,
			    .fs_buffers = buffers,
			    .cache_pages = cache,
			    .disk = {.image = image, .save = image_path("falloc-errors-out"), .lose_writes = true}};
	uint64_t n = 1, runs = 0;
	char options[32];

	if (!shared)
		shared = harness_shared(sizeof(*shared));
	snprintf(options, sizeof(options), "-b %u -N 64", block);
	image_mke2fs(image, "3M", options);
	shared->fault = (struct simdisk_fault){.ops = ops, .count = count};
	shared->block = block;
	if (harness_effort() == EFFORT_QUICK)
		step *= 5;
	for (; run(&h, n); n += step, runs++)
		assert_true(n < N_MAX);
	print_message("block %u, %u buffers, %zu pages, ops %#x: %llu failed\n", block, buffers, cache, ops,
		      (unsigned long long)runs);
	assert_true(runs > 0);
}

static void test_reads(void **state)
{
	(void)state;
	loop(1024, BUFFERS_MIN, 8, 1u << BLK_READ, 1, 3);
	loop(2048, BUFFERS_MIN, 8, 1u << BLK_READ, UINT64_MAX, 7);
	loop(4096, BUFFERS_MIN, 8, 1u << BLK_READ, 1, 3);
}

static void test_writes(void **state)
{
	(void)state;
	loop(1024, 0, 0, 1u << BLK_WRITE, 1, 7);
	loop(2048, BUFFERS_MIN, 8, 1u << BLK_WRITE, UINT64_MAX, 31);
	loop(4096, BUFFERS_MIN, 8, 1u << BLK_WRITE, 1, 17);
}

/* With pages for all: of what is evicted, a failed FLUSH can only be told. */
static void test_flushes(void **state)
{
	(void)state;
	loop(1024, 0, 0, 1u << BLK_FLUSH, 1, 1);
	loop(2048, BUFFERS_MIN, 0, 1u << BLK_FLUSH, 1, 15);
	loop(4096, 0, 0, 1u << BLK_FLUSH, UINT64_MAX, 1);
}

/* The pages of what a failed punch has given back are holes: who stores there gets blocks anew. */
static void punch_half(void *arg)
{
	static uint8_t data[100 * 1024];
	uint8_t byte = 0x77;
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	assert_int_equal(fs_pread(fd, data, sizeof(data), 600 * 1024), sizeof(data));
	assert_int_equal(fs_pwrite(fd, &byte, 1, 610 * 1024), 1);
	assert_int_equal(fs_fsync(fd, false), 0);
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_READ, .from = 1, .count = UINT64_MAX});
	assert_int_equal(fs_fallocate_mode(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 272 * 1024, 428 * 1024),
			 -EIO);
	assert_true(simdisk_fired() > 0);
	simdisk_fail(&(struct simdisk_fault){0});
	byte = 0x99;
	assert_int_equal(fs_pwrite(fd, &byte, 1, 610 * 1024), 1);
	assert_int_equal(fs_fsync(fd, false), 0);
	(void)pcache_drop_clean();
	byte = 0;
	assert_int_equal(fs_pread(fd, &byte, 1, 610 * 1024), 1);
	assert_int_equal(byte, 0x99);
	assert_int_equal(fs_close(fd), 0);
}

static void test_punch_half(void **state)
{
	(void)state;
	harness_run(
	    &(struct harness){.frames = 2048, .disk = {.image = stack_image("falloc_half", "16M", 1024, 700 * 1024)}},
	    punch_half, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reads),
	    cmocka_unit_test(test_writes),
	    cmocka_unit_test(test_flushes),
	    cmocka_unit_test(test_punch_half),
	};

	return cmocka_run_group_tests_name("fs: fallocate, the nth transfer fails", tests, NULL, NULL);
}
