// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* cairn_try on the host build: faults that the card is the cause of, with their error numbers, and nothing left over.
 */
#include "posix/host_names.h"
#undef main

#include "posix/include/cairn.h"

#include <errno.h>
#include <string.h>

#include "fs/fs.h"
#include "mm/map.h"
#include "posix/process.h"
#include "posix/thread.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define PAGES 16
#define WILD ((char *)0x20000000)

static void begin(void)
{
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	process_begin();
}

static char *map(struct fakefile *file)
{
	struct map_request req = {.len = (PAGES + 1) * PAGE_SIZE,
				  .prot = MAP_R | MAP_W,
				  .max_prot = MAP_R | MAP_W,
				  .kind = MAP_KIND_SHARED,
				  .object = &file->object};
	vaddr_t va;

	assert_int_equal(map_create(&req, &va), 0);
	return (char *)va;
}

static void load(void *at)
{
	(void)*(volatile char *)at;
}

static void store(void *at)
{
	*(volatile char *)at = 1;
}

static void check_caught(void (*touch)(void *), void *at, enum cairn_fault_kind kind, int error)
{
	const struct cairn_fault *fault = cairn_try(touch, at);

	assert_non_null(fault);
	assert_int_equal(fault->kind, kind);
	assert_ptr_equal(fault->address, at);
	assert_int_equal(fault->error, error);
}

static void kinds_body(void *arg)
{
	struct fakefile *file, *holes;
	size_t frames;
	char *p, *q;

	(void)arg;
	begin();
	frames = frame_free_count();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	holes = fakefile_make(PAGES * PAGE_SIZE, true);
	p = map(file);
	q = map(holes);
	check_caught(store, WILD, CAIRN_FAULT_UNMAPPED, 0);
	check_caught(load, p + PAGES * PAGE_SIZE, CAIRN_FAULT_BUS, 0);
	fakefile_fail(file, FAKE_FILL, 1, 1, -EIO);
	check_caught(load, p, CAIRN_FAULT_BUS, EIO);
	assert_int_equal(file->fail[FAKE_FILL].fired, 1);
	assert_null(cairn_try(load, p));
	assert_int_equal((uint8_t)p[5], fakefile_byte(5));
	fakefile_fail(holes, FAKE_RESERVE, 1, 4, -ENOSPC); // each is tried again, once deleted files gave way
	check_caught(store, q + 3, CAIRN_FAULT_BUS, ENOSPC);
	check_caught(store, q + 3, CAIRN_FAULT_BUS, ENOSPC);
	assert_int_equal(holes->fail[FAKE_RESERVE].fired, 4);
	assert_int_equal(q[3], 0);
	assert_null(cairn_try(store, q + 3));
	assert_int_equal(q[3], 1);
	assert_int_equal(map_protect((vaddr_t)p, PAGE_SIZE, MAP_R), 0);
	check_caught(store, p + 1, CAIRN_FAULT_FORBIDDEN, 0);
	for (int i = 0; i < 10000; i++) {
		fakefile_fail(file, FAKE_FILL, 1, 1, -EIO);
		check_caught(load, i % 2 ? p + PAGES * PAGE_SIZE : p + 4 * PAGE_SIZE, CAIRN_FAULT_BUS, i % 2 ? 0 : EIO);
	}
	fakefile_fail(file, FAKE_FILL, 0, 0, 0);
	assert_null(cairn_try(load, p + 4 * PAGE_SIZE));
	assert_int_equal(posix_self()->thread->locks_held, 0);
	assert_int_equal(map_remove((vaddr_t)p, (PAGES + 1) * PAGE_SIZE), 0);
	assert_int_equal(map_remove((vaddr_t)q, (PAGES + 1) * PAGE_SIZE), 0);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	fakefile_free(holes);
	assert_int_equal(frame_free_count(), frames);
}

static void test_kinds(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, kinds_body, NULL);
}

/* Frames deep enough that the sanitizer would find what it knew of them in those that come after. */
static int fill_and_fault(int depth, volatile char *above)
{
	volatile char room[200];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = (char)depth;
	if (depth == 0)
		store(WILD);
	return (depth > 0 ? fill_and_fault(depth - 1, room) : 0) + above[0];
}

static int fill_only(int depth)
{
	char room[777];

	memset(room, depth, sizeof(room));
	return depth ? fill_only(depth - 1) + room[depth] : room[0];
}

static void deep(void *arg)
{
	char above = 0;

	(void)fill_and_fault(*(int *)arg, &above);
}

static jmp_buf out;

static void jump_out(void *arg)
{
	longjmp(out, *(int *)arg);
}

static void *deep_often(void *arg)
{
	struct posix_thread *self = posix_self();

	for (int depth = 1; depth < 100; depth++) {
		const struct cairn_fault *fault = cairn_try(deep, &depth);

		assert_non_null(fault);
		assert_ptr_equal(fault->address, WILD);
		assert_true(fill_only(depth) || depth);
		assert_null(self->tries);
	}
	return arg;
}

static void stacks_body(void *arg)
{
	pthread_t threads[4];
	int value = 7;

	(void)arg;
	begin();
	(void)deep_often(NULL);
	if (setjmp(out) == 0) {
		(void)cairn_try(jump_out, &value);
		fail_msg("it has jumped");
	}
	assert_null(posix_self()->tries);
	for (size_t i = 0; i < array_size(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, deep_often, NULL), 0);
	for (size_t i = 0; i < array_size(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void test_stacks(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, stacks_body, NULL);
	for (uint64_t seed = 1; seed <= 4; seed++)
		harness_run(&(struct harness){.seed = seed, .preempt_in = 4}, stacks_body, NULL);
}

static void store_locked(void *at)
{
	posix_self()->libc_locks++; // as a lock of the C library's
	store(at);
}

static void locked_body(void *arg)
{
	(void)arg;
	begin();
	(void)cairn_try(store_locked, WILD);
}

/* Not over a lock of the C library's. */
static void test_locked(void **state)
{
	(void)state;
	assert_int_equal(harness_status(&(struct harness){0}, locked_body, NULL, NULL), 128 + 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_stacks),
	    cmocka_unit_test(test_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
