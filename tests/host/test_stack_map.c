// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The road of a page fault through the whole stack, on ext2 images: mapping, coherence, eviction, errors. Every case
 * runs at each block size, with little memory and with plenty, with completions in order and by seed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/pt.h"
#include "fs/buffer.h"
#include "kernel/thread.h"
#include "tests/host/stack.h"

#define DATA_LEN (1024 * 1024 + 777)
#define DATA_PAGES ((DATA_LEN + PAGE_SIZE - 1) / PAGE_SIZE)

static const unsigned blocks[] = {1024, 2048, 4096};

static void matrix(void (*body)(void *arg))
{
	static const struct {
		size_t frames, cache;
		unsigned buffers;
		uint64_t seed;
	} sizes[] = {{8192, 0, 0, 0}, {80, 0, BUFFERS_MIN, 0}, {80, 0, BUFFERS_MIN, 7}, {2048, 8, BUFFERS_MIN, 8}};

	for (size_t b = 0; b < array_size(blocks); b++) {
		char name[32];

		snprintf(name, sizeof(name), "map-%u", blocks[b]);
		const char *image = stack_image(name, "8M", blocks[b], DATA_LEN), *out = image_path("map-out");

		for (size_t i = 0; i < array_size(sizes); i++) {
			harness_run(&(struct harness){.frames = sizes[i].frames,
						      .cache_pages = sizes[i].cache,
						      .fs_buffers = sizes[i].buffers,
						      .seed = sizes[i].seed,
						      .disk = {.image = image, .seed = sizes[i].seed, .save = out}},
				    body, NULL);
			assert_int_equal(image_e2fsck(out, "-n"), 0);
		}
	}
}

static void stop(void)
{
	assert_int_equal(harness_stop(), 0);
}

static void read_body(void *arg)
{
	int fd;
	const uint8_t *p;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDONLY);
	p = stack_map(fd, DATA_LEN, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(fs_close(fd), 0); // the mapping keeps the file
	for (size_t page = DATA_PAGES; page-- > 0;)
		assert_int_equal(p[page * PAGE_SIZE], stack_byte(1, page * PAGE_SIZE));
	assert_int_equal(stack_differs(p, 1, 0, DATA_LEN), DATA_LEN);
	for (size_t i = DATA_LEN; i < DATA_PAGES * PAGE_SIZE; i++)
		assert_int_equal(p[i], 0);
	stack_unmap(p, DATA_LEN);
	stop();
}

static void test_read(void **state)
{
	(void)state;
	matrix(read_body);
}

static void write_body(void *arg)
{
	uint8_t *p, buf[5000];
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/new", O_RDWR | O_CREAT);
	assert_int_equal(fs_fallocate(fd, 0, DATA_LEN), 0);
	p = stack_map(fd, DATA_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	for (size_t i = 0; i < DATA_LEN; i += 4093)
		assert_int_equal(p[i], 0);
	stack_fill(p, 2, 0, DATA_LEN);
	memset(p + DATA_LEN, 0xee, DATA_PAGES * PAGE_SIZE - DATA_LEN); // beyond the end: must not reach the card
	assert_int_equal(map_sync((vaddr_t)p, DATA_LEN, true), 0);
	for (size_t i = 0; i + sizeof(buf) <= DATA_LEN; i += 50021) {
		assert_int_equal(fs_pread(fd, buf, sizeof(buf), (int64_t)i), sizeof(buf));
		assert_int_equal(stack_differs(buf, 2, i, sizeof(buf)), sizeof(buf));
	}
	stack_unmap(p, DATA_LEN);
	assert_int_equal(fs_close(fd), 0);
	stop();
}

static void test_write(void **state)
{
	uint8_t *data;
	size_t len;

	(void)state;
	matrix(write_body);
	data = image_read(image_path("map-out"), "/new", &len);
	assert_non_null(data);
	assert_int_equal(len, DATA_LEN);
	assert_int_equal(stack_differs(data, 2, 0, len), len);
	free(data);
}

static void coherence_body(void *arg)
{
	uint8_t *p, *q, buf[64];
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	p = stack_map(fd, DATA_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	q = stack_map(fd, DATA_LEN, MAP_R, MAP_KIND_SHARED);
	for (size_t at = 100; at < DATA_LEN - 64; at += 37 * 1021) {
		memset(buf, (int)at, sizeof(buf));
		assert_int_equal(fs_pwrite(fd, buf, sizeof(buf), (int64_t)at), sizeof(buf));
		assert_memory_equal(p + at, buf, sizeof(buf));
		p[at + 1] ^= 0xff;
		assert_int_equal(q[at + 1], (uint8_t)~buf[1]);
		assert_int_equal(fs_pread(fd, buf, 2, (int64_t)at), 2);
		assert_int_equal(buf[1], p[at + 1]);
	}
	stack_unmap(p, DATA_LEN);
	stack_unmap(q, DATA_LEN);
	stop();
}

static void test_coherence(void **state)
{
	(void)state;
	matrix(coherence_body);
}

static void rights_body(void *arg)
{
	uint8_t *p, value;
	int fd, error;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	p = stack_map(fd, DATA_LEN + 3 * PAGE_SIZE, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(harness_load(p, &value, &error), FAULT_OK);
	assert_int_equal(value, stack_byte(1, 0));
	assert_int_equal(harness_store(p, 1, &error), FAULT_ACCERR);
	assert_int_equal(harness_load(p + DATA_PAGES * PAGE_SIZE, &value, &error), FAULT_ADRERR);
	assert_int_equal(map_protect((vaddr_t)p, PAGE_SIZE, MAP_R | MAP_W), 0);
	assert_int_equal(harness_store(p, 0x5a, &error), FAULT_OK);
	assert_int_equal(harness_store(p + PAGE_SIZE, 1, &error), FAULT_ACCERR);
	assert_int_equal(fs_pread(fd, &value, 1, 0), 1);
	assert_int_equal(value, 0x5a);
	stack_unmap(p, DATA_LEN + 3 * PAGE_SIZE);
	assert_int_equal(harness_load(p, &value, &error), FAULT_MAPERR);
	assert_int_equal(fs_pwrite(fd, p, 10, 0), -EFAULT);
	stop();
}

static void test_rights(void **state)
{
	(void)state;
	matrix(rights_body);
}

static void truncate_body(void *arg)
{
	uint8_t *p, value;
	int fd, error;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	p = stack_map(fd, DATA_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	memset(p, 0x77, 20 * PAGE_SIZE);
	assert_int_equal(fs_ftruncate(fd, 3 * PAGE_SIZE + 100), 0);
	assert_int_equal(p[3 * PAGE_SIZE + 99], 0x77);
	assert_int_equal(p[3 * PAGE_SIZE + 100], 0);
	assert_int_equal(harness_load(p + 4 * PAGE_SIZE, &value, &error), FAULT_ADRERR);
	assert_int_equal(fs_ftruncate(fd, 10 * PAGE_SIZE), 0);
	assert_int_equal(harness_load(p + 4 * PAGE_SIZE, &value, &error), FAULT_OK);
	assert_int_equal(value, 0); // old content must not come back
	assert_int_equal(harness_store(p + 9 * PAGE_SIZE, 3, &error), FAULT_OK);
	assert_int_equal(map_sync((vaddr_t)p, 10 * PAGE_SIZE, true), 0);
	stop();
}

static void test_truncate(void **state)
{
	(void)state;
	matrix(truncate_body);
}

static void private_body(void *arg)
{
	uint8_t *p, *anon, value;
	int fd, error;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDONLY);
	p = stack_map(fd, 4 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_PRIVATE);
	assert_int_equal(p[5000], stack_byte(1, 5000));
	p[5000] = (uint8_t)~p[5000];
	assert_int_equal(fs_pread(fd, &value, 1, 5000), 1);
	assert_int_equal(value, stack_byte(1, 5000));
	assert_int_equal(p[5001], stack_byte(1, 5001));
	assert_int_equal(p[5000], (uint8_t)~stack_byte(1, 5000));

	anon = stack_map(-1, 9 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_ANON);
	for (size_t i = 0; i < 9 * PAGE_SIZE; i += 1000)
		assert_int_equal(anon[i], 0);
	stack_fill(anon, 9, 0, 9 * PAGE_SIZE);
	stack_unmap(anon + 5 * PAGE_SIZE, 2 * PAGE_SIZE); // a hole splits the mapping
	assert_int_equal(harness_load(anon + 6 * PAGE_SIZE, &value, &error), FAULT_MAPERR);
	assert_int_equal(stack_differs(anon, 9, 0, 5 * PAGE_SIZE), 5 * PAGE_SIZE);
	assert_int_equal(stack_differs(anon + 7 * PAGE_SIZE, 9, 7 * PAGE_SIZE, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	stack_unmap(anon, 9 * PAGE_SIZE);
	stack_unmap(p, 4 * PAGE_SIZE);
	stop();
}

static void test_private(void **state)
{
	(void)state;
	matrix(private_body);
}

/* ---- a file of ten times RAM ---- */

#define BIG_FRAMES 640
#define BIG_LEN (10ul * BIG_FRAMES * PAGE_SIZE)

static void big_body(void *arg)
{
	uint8_t *p;
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/big", O_RDWR | O_CREAT);
	assert_int_equal(fs_ftruncate(fd, (int64_t)BIG_LEN), 0);
	p = stack_map(fd, BIG_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	for (uint64_t at = 0; at < BIG_LEN; at += PAGE_SIZE)
		stack_fill(p + at, 3, at, 64);
	for (uint64_t at = 0; at < BIG_LEN; at += PAGE_SIZE)
		assert_int_equal(stack_differs(p + at, 3, at, 64), 64);
	for (uint64_t n = 0, at = 1; n < 3000; n++) { // and in no order
		at = at * 6364136223846793005u + 1442695040888963407u;
		uint64_t page = (at >> 33) % (BIG_LEN / PAGE_SIZE) * PAGE_SIZE;

		assert_int_equal(stack_differs(p + page, 3, page, 64), 64);
		p[page + 100] = p[page];
	}
	assert_int_equal(map_sync((vaddr_t)p, BIG_LEN, true), 0);
	stack_unmap(p, BIG_LEN);
	stop();
}

static void test_bigger_than_ram(void **state)
{
	const char *image = stack_image("big", "64M", 4096, 100), *out = image_path("big-out");
	uint8_t *data;
	size_t len;

	(void)state;
	harness_run(&(struct harness){.frames = BIG_FRAMES, .disk = {.image = image, .save = out, .seed = 3}}, big_body,
		    NULL);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
	data = image_read(out, "/big", &len);
	assert_non_null(data);
	assert_int_equal(len, BIG_LEN);
	for (uint64_t at = 0; at < BIG_LEN; at += PAGE_SIZE)
		assert_int_equal(stack_differs(data + at, 3, at, 64), 64);
	free(data);
}

/* ---- a fault that waits for the card lets others run ---- */

static volatile unsigned turns;

static void *runner(void *arg)
{
	volatile bool *end = arg;

	while (!*end) {
		turns++;
		thread_yield();
	}
	return NULL;
}

static void *releaser(void *arg)
{
	(void)arg;
	thread_sleep_until(clock_now() + 5000000);
	turns = 0;
	thread_sleep_until(clock_now() + 5000000);
	assert_true(turns > 0);
	simdisk_hold(false);
	return NULL;
}

static void wait_body(void *arg)
{
	volatile bool end = false;
	struct thread *run, *release;
	const uint8_t *p;
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDONLY);
	p = stack_map(fd, DATA_LEN, MAP_R, MAP_KIND_SHARED);
	simdisk_hold(true);
	assert_int_equal(thread_create("run", THREAD_STACK_SIZE, runner, (void *)&end, &run), 0);
	assert_int_equal(thread_create("release", THREAD_STACK_SIZE, releaser, NULL, &release), 0);
	assert_int_equal(p[300000], stack_byte(1, 300000));
	end = true;
	assert_int_equal(thread_join(run, NULL), 0);
	assert_int_equal(thread_join(release, NULL), 0);
	stop();
}

static void test_waiting_fault(void **state)
{
	(void)state;
	harness_run(&(struct harness){.disk = {.image = stack_image("map-1024", "8M", 1024, DATA_LEN)}}, wait_body,
		    NULL);
}

/* The walk that ends each run of the debug build: it must see what it is for. */
static void check_body(void *arg)
{
	vaddr_t va;
	pte_t e;
	int fd;
	uint8_t *p;

	(void)arg;
	harness_start();
	fd = stack_open("/data", O_RDWR);
	p = stack_map(fd, DATA_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	va = (vaddr_t)p;
	p[0] = 1;
	assert_true(map_is_sound());
	assert_true(pte_rights(pt_get(va)) & PT_W);
	assert_int_equal(fs_fsync(fd, false), 0);
	e = pt_get(va);
	assert_false(pte_rights(e) & PT_W);
	assert_true(map_is_sound());
	(void)pt_exchange(va, pte_make(pte_pa(e), PT_R | PT_W)); // a clean page of a file
	assert_false(map_is_sound());
	(void)pt_exchange(va, e);
	assert_true(map_is_sound());
	stack_unmap(p, DATA_LEN);
	assert_int_equal(fs_close(fd), 0);
	stop();
}

static void test_check(void **state)
{
	(void)state;
	matrix(check_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_read),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_coherence),
	    cmocka_unit_test(test_rights),
	    cmocka_unit_test(test_truncate),
	    cmocka_unit_test(test_private),
	    cmocka_unit_test(test_bigger_than_ram),
	    cmocka_unit_test(test_waiting_fault),
	    cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests_name("stack: mapping", tests, NULL, NULL);
}
