// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Executable mappings: an entry gives the right to execute only to who executes, and only after all harts were told to
 * fetch anew. The code is this machine's.
 */
#include <string.h>

#include "arch/host/host.h"
#include "arch/pt.h"
#include "mm/map.h"
#include "mm/pcache_internal.h"
#include "mm/shm.h"
#include "mm/usercopy.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define PAGES 8
#define RW (MAP_R | MAP_W)
#define RX (MAP_R | MAP_X)
#define RWX (RW | MAP_X)

static uint8_t *map(struct pcache_object *obj, enum map_prot prot, enum map_kind kind)
{
	struct map_request req = {.len = PAGES * PAGE_SIZE, .prot = prot, .max_prot = RWX, .kind = kind, .object = obj};
	vaddr_t va;

	assert_int_equal(map_create(&req, &va), 0);
	return (uint8_t *)va;
}

static void unmap(const uint8_t *p)
{
	assert_int_equal(map_remove((vaddr_t)p, PAGES * PAGE_SIZE), 0);
}

static void protect(const uint8_t *p, enum map_prot prot)
{
	assert_int_equal(map_protect((vaddr_t)p, PAGES * PAGE_SIZE, prot), 0);
}

/* mov $value, %eax; ret */
static void put_code(uint8_t *at, uint8_t value)
{
	const uint8_t code[] = {0xb8, value, 0, 0, 0, 0xc3};

	memcpy(at, code, sizeof(code));
}

static int run(const uint8_t *at)
{
	return ((int (*)(void))(uintptr_t)at)();
}

static enum pt_rights shown(const uint8_t *p)
{
	return pte_rights(pt_get((vaddr_t)p));
}

/* How often fetches were fenced since the last question. */
static unsigned syncs(void)
{
	return atomic_exchange(&host_icache_syncs, 0);
}

static void check_private(uint8_t *p)
{
	put_code(p, 1);
	put_code(p + PAGE_SIZE, 2);
	assert_int_equal(syncs(), 0);
	assert_int_equal(shown(p), RW);
	assert_int_equal(run(p), 1);
	assert_int_equal(syncs(), 1);
	assert_int_equal(shown(p), RWX);
	assert_int_equal(shown(p + PAGE_SIZE), RW);
	put_code(p, 3);
	assert_int_equal(run(p), 3);
	assert_int_equal(syncs(), 0);
	protect(p, RX);
	assert_int_equal(shown(p), RX);
	assert_int_equal(run(p + PAGE_SIZE), 2);
	assert_int_equal(syncs(), 1);
	assert_int_equal(shown(p + PAGE_SIZE), RX);

	/* Held without a right, then with one that was not there before. */
	protect(p, 0);
	assert_int_equal(shown(p), 0);
	protect(p, MAP_X);
	assert_int_equal(run(p), 3);
	assert_int_equal(shown(p), MAP_X);
	assert_int_equal(syncs(), 1);
	protect(p, RWX);
	put_code(p, 4);
	assert_int_equal(run(p), 4);
	assert_int_equal(shown(p), RWX);
}

static void anonymous_body(void *arg)
{
	struct pcache_object *obj;
	uint8_t *p;

	(void)arg;
	harness_start_mm();
	p = map(NULL, RWX, MAP_KIND_ANON);
	check_private(p);
	/* The zero page. */
	assert_int_equal(p[2 * PAGE_SIZE], 0);
	assert_int_equal(shown(p + 2 * PAGE_SIZE), MAP_R);
	unmap(p);
	assert_int_equal(shm_create(PAGES, false, &obj), 0);
	p = map(obj, RWX, MAP_KIND_SHARED);
	obj->ops->ref(obj, -1);
	put_code(p, 1);
	(void)syncs();
	assert_int_equal(shown(p), RW);
	assert_int_equal(run(p), 1);
	assert_int_equal(shown(p), RWX);
	assert_int_equal(syncs(), 1);
	unmap(p);
}

static void test_anonymous(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, anonymous_body, NULL);
}

static void file_body(void *arg)
{
	struct fakefile *file;
	uint8_t *x, *w, *p;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	put_code(file->data + PAGE_SIZE, 5);
	put_code(file->data + 2 * PAGE_SIZE, 6);
	x = map(&file->object, RX, MAP_KIND_SHARED);
	w = map(&file->object, RWX, MAP_KIND_SHARED);

	/* Reading maps around, and executes nothing; nor does executing one page make its neighbours so. */
	assert_int_equal(x[0], fakefile_byte(0));
	assert_int_equal(shown(x), MAP_R);
	assert_int_equal(run(x + PAGE_SIZE), 5);
	assert_int_equal(syncs(), 1);
	assert_int_equal(shown(x + PAGE_SIZE), RX);
	assert_int_equal(run(x + 2 * PAGE_SIZE), 6);
	assert_int_equal(syncs(), 1);
	for (size_t i = 3; i < PAGES; i++)
		assert_int_equal(shown(x + i * PAGE_SIZE) & MAP_X, 0);
	pcache_check(&file->object);

	/* Stored through another mapping, which is clean and executed in between. */
	put_code(w + PAGE_SIZE, 7);
	assert_int_equal(run(x + PAGE_SIZE), 7);
	assert_int_equal(run(w + PAGE_SIZE), 7);
	assert_int_equal(shown(w + PAGE_SIZE), RWX);
	assert_int_equal(map_sync((vaddr_t)w, PAGES * PAGE_SIZE, true), 0);
	assert_int_equal(shown(w + PAGE_SIZE), RX);
	assert_int_equal(run(w + PAGE_SIZE), 7);
	pcache_check(&file->object);
	put_code(w + PAGE_SIZE, 8);
	assert_int_equal(shown(w + PAGE_SIZE), RWX);
	assert_int_equal(run(x + PAGE_SIZE), 8);
	assert_int_equal(syncs(), 1);
	pcache_check(&file->object);

	/* A private mapping executes the file until it has a copy. */
	p = map(&file->object, RWX, MAP_KIND_PRIVATE);
	assert_int_equal(run(p + PAGE_SIZE), 8);
	assert_int_equal(shown(p + PAGE_SIZE), RX);
	assert_int_equal(syncs(), 1);
	put_code(p + PAGE_SIZE, 9);
	assert_int_equal(shown(p + PAGE_SIZE), RW);
	assert_int_equal(run(p + PAGE_SIZE), 9);
	assert_int_equal(syncs(), 1);
	assert_int_equal(run(x + PAGE_SIZE), 8);
	unmap(p);
	p = map(&file->object, RWX, MAP_KIND_PRIVATE);
	put_code(p, 1);
	(void)syncs();
	check_private(p);
	unmap(p);
	unmap(x);
	unmap(w);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
}

static void test_file(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, file_body, NULL);
}

/* A page that is shown for reading when the mapping becomes executable, and one for executing when it becomes readable.
 */
static void widened_body(void *arg)
{
	static const enum map_kind kinds[] = {MAP_KIND_SHARED, MAP_KIND_PRIVATE};
	struct fakefile *file;
	struct user_pin pin;
	uint8_t *p;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	put_code(file->data, 11);
	for (size_t i = 0; i < array_size(kinds); i++) {
		p = map(&file->object, MAP_R, kinds[i]);
		assert_int_equal(p[0], 0xb8);
		protect(p, RX);
		assert_int_equal(run(p), 11);
		unmap(p);
		p = map(&file->object, MAP_X, kinds[i]);
		assert_int_equal(run(p), 11);
		assert_int_equal(shown(p), MAP_X);
		protect(p, RX);
		assert_int_equal(user_pin(p, 1, &pin),
				 0); // this machine reads what it may execute: a fault is not sure
		user_unpin(&pin);
		assert_int_equal(shown(p), RX);
		unmap(p);
	}
	fakefile_free(file);
}

static void test_widened(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, widened_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_anonymous),
	    cmocka_unit_test(test_file),
	    cmocka_unit_test(test_widened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
