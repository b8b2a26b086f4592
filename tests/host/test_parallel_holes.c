// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Holes and cuts beside stores, on several harts that run at once: what was stored before is gone, what is stored after
 * stays, nothing old comes back. Built with the address sanitizer and with the thread sanitizer.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/blkdev.h"
#include "kernel/thread.h"
#include "tests/host/stack.h"

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define STORERS 3

static unsigned rounds;
static atomic_uint working;
static int shared_fd;

static void start(struct thread **t, void *(*entry)(void *), uintptr_t arg)
{
	assert_int_equal(thread_create("worker", THREAD_STACK_SIZE, entry, (void *)arg, t), 0);
}

static void on_small_card(void (*body)(void *), unsigned quick, unsigned usual, unsigned more)
{
	const enum harness_effort effort = harness_effort();
	const char *image = image_path("small"), *out = image_path("small-out");

	rounds = effort == EFFORT_QUICK ? quick : effort == EFFORT_LONG ? more : usual;
	for (unsigned harts = 2; harts <= 4; harts += effort == EFFORT_QUICK ? 2 : 1) {
		image_mke2fs(image, "4M", harts % 2 ? "-b 4096" : "-b 1024");
		harness_run(&(struct harness){.frames = 2048,
					      .harts = harts,
					      .seed = harts,
					      .preempt_in = 50,
					      .disk = {.image = image, .save = out, .seed = harts}},
			    body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

/* ---- holes ---- */
#define HOLE_FROM (PAGE_SIZE / 2)
#define HOLE_TO (5 * PAGE_SIZE + PAGE_SIZE / 2)

static uint8_t *holed;
static atomic_uint holes_seen; // stores that a hole took away

static uint8_t load(size_t at)
{
	uint8_t value = 0;

	assert_int_equal(harness_load(holed + at, &value, NULL), FAULT_OK);
	return value;
}

static void store(size_t at, uint8_t value)
{
	assert_int_equal(harness_store(holed + at, value, NULL), FAULT_OK);
}

/*
 * Bytes of its own, in the hole's first and last page and between, and outside in those pages. A hole is one step: who
 * finds the second of two stores gone finds the first gone as well.
 */
static void *store_beside_holes(void *arg)
{
	const size_t mine = (uintptr_t)arg * 8;

	/* Also until a hole has come between two stores, which the scheduler decides. */
	for (unsigned i = 0; i < 200 * rounds || !atomic_load(&holes_seen); i++) {
		const uint8_t value = (uint8_t)(1 + i % 255);
		const unsigned a = i * 7 % 6, b = (a + 1 + i % 5) % 6;
		const size_t first = max_of(a * PAGE_SIZE, HOLE_FROM) + mine;
		const size_t second = max_of(b * PAGE_SIZE, HOLE_FROM) + mine;
		const size_t outside = (i % 2 ? HOLE_FROM - 64 : HOLE_TO) + mine;
		uint8_t found, before;

		store(outside, value);
		store(first, value);
		store(second, value);
		found = load(second);
		before = load(first);
		assert_true(found == value || (found == 0 && before == 0));
		assert_true(before == value || before == 0);
		atomic_fetch_add(&holes_seen, before == 0);
		assert_int_equal(load(outside), value);
		thread_yield(); // where the hart takes interrupts
	}
	atomic_fetch_sub(&working, 1);
	return NULL;
}

static void *punch_holes(void *arg)
{
	for (unsigned i = 0; atomic_load(&working); i++) {
		assert_int_equal(fs_fallocate_mode(shared_fd, PUNCH, HOLE_FROM, HOLE_TO - HOLE_FROM), 0);
		if (i % 4 == 0)
			assert_int_equal(map_sync((vaddr_t)holed, 8 * PAGE_SIZE, i % 8), 0);
		if (i % 16 == 0)
			(void)pcache_drop_clean();
		thread_yield();
	}
	return arg;
}

static void holes_body(void *arg)
{
	struct thread *t[STORERS + 1];
	uint8_t *back = malloc(8 * PAGE_SIZE);

	(void)arg;
	harness_start();
	shared_fd = stack_open("/holed", O_CREAT | O_RDWR);
	assert_int_equal(fs_ftruncate(shared_fd, 8 * PAGE_SIZE), 0);
	holed = stack_map(shared_fd, 8 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	atomic_store(&working, STORERS);
	for (uintptr_t i = 0; i < STORERS; i++)
		start(&t[i], store_beside_holes, i);
	start(&t[STORERS], punch_holes, 0);
	for (unsigned i = 0; i <= STORERS; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	assert_int_equal(fs_pread(shared_fd, back, 8 * PAGE_SIZE, 0), 8 * PAGE_SIZE);
	assert_memory_equal(back, holed, 8 * PAGE_SIZE);
	stack_unmap(holed, 8 * PAGE_SIZE);
	assert_int_equal(fs_close(shared_fd), 0);
	assert_int_equal(harness_stop(), 0);
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), 0);
	shared_fd = stack_open("/holed", O_RDONLY);
	holed = stack_map(shared_fd, 8 * PAGE_SIZE, MAP_R, MAP_KIND_SHARED);
	assert_memory_equal(back, holed, 8 * PAGE_SIZE);
	stack_unmap(holed, 8 * PAGE_SIZE);
	free(back);
	assert_int_equal(fs_close(shared_fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_holes(void **state)
{
	(void)state;
	on_small_card(holes_body, 5, 20, 200);
}

/* ---- cuts ---- */
#define CUT_PAGES 6
#define CUT_LEN (CUT_PAGES * PAGE_SIZE)
#define CUT_AT (2 * PAGE_SIZE + 100)

static uint8_t *cut_shared;
static atomic_uint phase;	  // counts the times that the file was made short, while it is; 1 ..
static atomic_bool is_short;	  // between the end of one call and the beginning of the next
static atomic_uint seen[STORERS]; // the phase whose store this one has done
static atomic_uint refused;	  // stores

/*
 * Stores the phase, into the shared page and into a private copy. While the file is short that is refused. What an
 * earlier phase stored is not to be seen any more.
 */
static void *store_beside_cuts(void *arg)
{
	const unsigned self = (unsigned)(uintptr_t)arg;
	const size_t at = (3 + self % 3) * PAGE_SIZE + self * 16;
	uint8_t *own = stack_map(shared_fd, CUT_LEN, MAP_R | MAP_W, MAP_KIND_PRIVATE), value;

	while (atomic_load(&working)) {
		const unsigned now = atomic_load(&phase);
		const bool was_short = atomic_load(&is_short);
		int result, copied, loaded = harness_load(own + at, &value, NULL);
		bool stayed_short;

		assert_true(loaded == FAULT_ADRERR || value == 0 || value == (uint8_t)now);
		result = harness_store(cut_shared + at, (uint8_t)now, NULL);
		copied = harness_store(own + at, (uint8_t)now, NULL);
		stayed_short = was_short && atomic_load(&is_short) && atomic_load(&phase) == now;
		assert_true(result == FAULT_OK || result == FAULT_ADRERR);
		assert_true(copied == FAULT_OK || copied == FAULT_ADRERR);
		if (stayed_short)
			assert_true(loaded == FAULT_ADRERR && result == FAULT_ADRERR && copied == FAULT_ADRERR);
		atomic_fetch_add(&refused, result == FAULT_ADRERR);
		atomic_store(&seen[self], now);
		thread_yield(); // where the hart takes interrupts
	}
	stack_unmap(own, CUT_LEN);
	return NULL;
}

/* Nothing of an earlier phase is in the file, now that it is long again. */
static void check_cut(unsigned now)
{
	static uint8_t buf[CUT_LEN];

	assert_int_equal(fs_pread(shared_fd, buf, CUT_LEN, 0), CUT_LEN);
	for (size_t at = CUT_AT; at < CUT_LEN; at++)
		if (buf[at] != 0 && buf[at] != (uint8_t)now)
			fail_msg("byte %zu is %u in phase %u", at, buf[at], now);
}

static void cuts_body(void *arg)
{
	struct thread *t[STORERS];
	uint8_t value;

	(void)arg;
	harness_start();
	shared_fd = stack_open("/cut", O_CREAT | O_RDWR);
	assert_int_equal(fs_ftruncate(shared_fd, CUT_LEN), 0);
	cut_shared = stack_map(shared_fd, CUT_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	atomic_store(&phase, 1);
	atomic_store(&is_short, false);
	atomic_store(&working, 1);
	atomic_store(&refused, 0);
	for (uintptr_t i = 0; i < STORERS; i++) {
		atomic_store(&seen[i], 0);
		start(&t[i], store_beside_cuts, i);
	}
	for (unsigned i = 0; i < 10 * rounds; i++) {
		unsigned now;

		assert_int_equal(fs_ftruncate(shared_fd, CUT_AT), 0);
		atomic_store(&is_short, true);
		now = atomic_fetch_add(&phase, 1) + 1;
		assert_int_equal(harness_load(cut_shared + 3 * PAGE_SIZE + 1000, &value, NULL), FAULT_ADRERR);
		for (unsigned s = 0; s < STORERS; s++)
			while (atomic_load(&seen[s]) != now)
				thread_yield(); // its stores of earlier phases are over
		atomic_store(&is_short, false);
		if (i % 3 == 0)
			assert_int_equal(fs_fallocate(shared_fd, CUT_AT, CUT_LEN - CUT_AT), 0);
		else
			assert_int_equal(fs_ftruncate(shared_fd, CUT_LEN), 0);
		check_cut(now);
		if (i % 4 == 0)
			assert_int_equal(map_sync((vaddr_t)cut_shared, CUT_LEN, i % 8), 0);
	}
	atomic_store(&working, 0);
	for (unsigned i = 0; i < STORERS; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	assert_true(atomic_load(&refused) > 0);
	stack_unmap(cut_shared, CUT_LEN);
	assert_int_equal(fs_close(shared_fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_cuts(void **state)
{
	(void)state;
	on_small_card(cuts_body, 3, 10, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_holes),
	    cmocka_unit_test(test_cuts),
	};

	return cmocka_run_group_tests_name("harts in parallel: holes and cuts", tests, NULL, NULL);
}
