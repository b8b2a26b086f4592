// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Memory objects: one truth for all mappings, kept under pressure, promised as a whole, and given back with the last.
 */
#include <errno.h>
#include <string.h>

#include "arch/pt.h"
#include "kernel/thread.h"
#include "mm/map.h"
#include "mm/pcache_internal.h"
#include "mm/shm.h"
#include "mm/usercopy.h"
#include "mm/vma.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define PAGES 40
#define RW (MAP_R | MAP_W)

static struct pcache_object *make(size_t pages, bool noreserve)
{
	struct pcache_object *obj;

	assert_int_equal(shm_create(pages, noreserve, &obj), 0);
	return obj;
}

static void put(struct pcache_object *obj)
{
	obj->ops->ref(obj, -1);
}

static uint8_t *map(struct pcache_object *obj, pgidx_t from, size_t pages, enum map_prot prot)
{
	struct map_request req = {.len = pages * PAGE_SIZE,
				  .prot = prot,
				  .max_prot = RW | MAP_X,
				  .kind = MAP_KIND_SHARED,
				  .object = obj,
				  .offset = from * PAGE_SIZE};
	vaddr_t va;

	assert_int_equal(map_create(&req, &va), 0);
	return (uint8_t *)va;
}

static void unmap(const uint8_t *p, size_t pages)
{
	assert_int_equal(map_remove((vaddr_t)p, pages * PAGE_SIZE), 0);
}

static size_t frames_at_start;

static void start(void)
{
	harness_start_mm();
	frames_at_start = frame_free_count();
}

static void end(void)
{
	assert_int_equal(atomic_load(&cache_counts.memory), 0);
	assert_int_equal(frame_free_count(), frames_at_start);
	assert_int_equal(pt_table_count(), 0);
}

static bool is_all(const uint8_t *p, size_t n, uint8_t with)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != with)
			return false;
	return true;
}

static enum pt_rights shown(const uint8_t *p)
{
	return pte_rights(pt_get((vaddr_t)p));
}

static void coherent_body(void *arg)
{
	struct pcache_object *obj;
	struct pcache_stats stats;
	uint8_t *p, *q, *r, byte;
	int error = 7;

	(void)arg;
	start();
	obj = make(PAGES, false);
	p = map(obj, 0, PAGES, RW);
	q = map(obj, 10, PAGES - 10, RW);
	r = map(obj, 0, PAGES, MAP_R);
	put(obj);

	/* A load makes the page, of zeros, and the mapping's stores need no further fault. */
	assert_true(is_all(p, 3 * PAGE_SIZE, 0));
	assert_int_equal(shown(p), PT_R | PT_W);
	assert_int_equal(atomic_load(&cache_counts.memory), 3);
	for (size_t i = 0; i < PAGES; i++)
		p[i * PAGE_SIZE + i] = (uint8_t)(i + 1);
	assert_int_equal(q[5 * PAGE_SIZE + 15], 16);
	assert_int_equal(r[39 * PAGE_SIZE + 39], 40);
	assert_int_equal(shown(r + 39 * PAGE_SIZE), PT_R);
	q[3 * PAGE_SIZE] = 99;
	assert_int_equal(r[13 * PAGE_SIZE], 99);
	assert_int_equal(harness_store(r, 1, NULL), FAULT_ACCERR);
	pcache_check(obj);

	/* Nothing of it is the cache's, or dirty. */
	pcache_stats(&stats);
	assert_int_equal(stats.pages + stats.dirty + stats.writing + stats.fills, 0);
	assert_int_equal(atomic_load(&cache_counts.memory), PAGES);
	assert_int_equal(map_sync((vaddr_t)p, PAGES * PAGE_SIZE, true), 0);
	assert_int_equal(map_sync((vaddr_t)p, PAGES * PAGE_SIZE, false), 0);
	assert_int_equal(shown(p), PT_R | PT_W);

	assert_int_equal(map_advise((vaddr_t)p, PAGES * PAGE_SIZE, MAP_ADV_DONTNEED), 0);
	assert_true(pte_is_none(pt_get((vaddr_t)p)));
	assert_int_equal(p[20 * PAGE_SIZE + 20], 21);
	assert_int_equal(map_advise((vaddr_t)p, PAGES * PAGE_SIZE, MAP_ADV_WILLNEED), 0);

	assert_int_equal(map_protect((vaddr_t)p, 2 * PAGE_SIZE, 0), 0);
	assert_int_equal(harness_load(p + PAGE_SIZE, &byte, NULL), FAULT_ACCERR);
	assert_int_equal(map_protect((vaddr_t)p, 2 * PAGE_SIZE, MAP_R), 0);
	assert_int_equal(p[PAGE_SIZE + 1], 2);
	assert_int_equal(harness_store(p + PAGE_SIZE, 7, NULL), FAULT_ACCERR);
	assert_int_equal(map_protect((vaddr_t)p, 2 * PAGE_SIZE, RW), 0);
	p[PAGE_SIZE] = 77;
	assert_int_equal(r[PAGE_SIZE], 77);

	/* A hole in the middle; the pages of the parts stay the object's. */
	unmap(p + 4 * PAGE_SIZE, 4);
	assert_int_equal(harness_load(p + 5 * PAGE_SIZE, &byte, NULL), FAULT_MAPERR);
	assert_int_equal(p[8 * PAGE_SIZE + 8], 9);
	assert_int_equal(r[5 * PAGE_SIZE + 5], 6);
	unmap(p, PAGES);
	unmap(r, PAGES);
	assert_int_equal(q[29 * PAGE_SIZE + 39], 40);
	unmap(q, PAGES - 10);

	/* Behind the object's end, as behind a file's. */
	obj = make(2, false);
	p = map(obj, 1, 2, RW);
	put(obj);
	p[0] = 1;
	assert_int_equal(harness_store(p + PAGE_SIZE, 1, &error), FAULT_ADRERR);
	assert_int_equal(error, 0);
	unmap(p, 2);
	end();
}

static void test_coherent(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, coherent_body, NULL);
}

/* Far more file pages than memory go by; those of the object stay, entries and all. */
static void pressure_body(void *arg)
{
	struct map_request req = {.len = 300 * PAGE_SIZE, .prot = RW, .max_prot = RW, .kind = MAP_KIND_SHARED};
	struct pcache_object *obj;
	struct fakefile *file;
	vaddr_t va;
	uint8_t *p;

	(void)arg;
	start();
	obj = make(PAGES, false);
	p = map(obj, 0, PAGES, RW);
	put(obj);
	for (size_t i = 0; i < PAGES; i++)
		memset(p + i * PAGE_SIZE, (int)i + 1, PAGE_SIZE);
	file = fakefile_make(300 * PAGE_SIZE, true);
	req.object = &file->object;
	assert_int_equal(map_create(&req, &va), 0);
	for (size_t round = 0; round < 3; round++)
		for (size_t i = 0; i < 300; i++)
			((uint8_t *)va)[i * PAGE_SIZE + round] = (uint8_t)(i + round);
	for (size_t i = 0; i < PAGES; i++) {
		assert_int_equal(shown(p + i * PAGE_SIZE), PT_R | PT_W);
		assert_true(is_all(p + i * PAGE_SIZE, PAGE_SIZE, (uint8_t)(i + 1)));
	}
	assert_true(atomic_load(&cache_counts.evicted) > 300);
	pcache_check(obj);
	assert_int_equal(map_remove(va, 300 * PAGE_SIZE), 0);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	unmap(p, PAGES);
	end();
}

static void test_pressure(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 160}, pressure_body, NULL);
}

static void promise_body(void *arg)
{
	struct pcache_object *obj, *other;
	int result = FAULT_OK, error = 0;
	uint8_t *p;

	(void)arg;
	start();
	assert_int_equal(space.committed, 0);

	/* All of it is promised before a page is touched, whatever the mapping may do, until the last mapping is gone.
	 */
	obj = make(200, false);
	p = map(obj, 0, 200, MAP_R);
	put(obj);
	assert_int_equal(space.committed, 200);
	assert_int_equal(map_protect((vaddr_t)p, 200 * PAGE_SIZE, RW), 0);
	for (size_t i = 0; i < 200; i++)
		p[i * PAGE_SIZE] = 1;
	assert_int_equal(shm_create(200, false, &other), -ENOMEM);
	assert_int_equal(space.committed, 200);
	unmap(p, 20);
	assert_int_equal(space.committed, 200);
	unmap(p, 200);
	assert_int_equal(space.committed, 0);
	put(make(200, false));
	assert_int_equal(space.committed, 0);

	/* Without a promise it can be had, and a store finds out. */
	obj = make(frame_total(), true);
	p = map(obj, 0, frame_total(), RW);
	put(obj);
	assert_int_equal(space.committed, 0);
	for (size_t i = 0; i < frame_total() && result == FAULT_OK; i++)
		result = harness_store(p + i * PAGE_SIZE, 1, &error);
	assert_int_equal(result, FAULT_ADRERR);
	assert_int_equal(error, ENOMEM);
	unmap(p, frame_total());
	end();
}

static void test_promise(void **state)
{
	const char *log;

	(void)state;
	assert_int_equal(harness_status(&(struct harness){.frames = 400}, promise_body, NULL, &log), 0);
	assert_non_null(strstr(log, "mmap: no memory for 800 KiB more: 800 of"));
}

struct toucher {
	struct pcache_object *obj;
	unsigned id;
};

static void *toucher_thread(void *arg)
{
	const struct toucher *t = arg;
	uint8_t *p = map(t->obj, 0, PAGES, RW);

	for (unsigned round = 0; round < 20; round++) {
		for (size_t i = 0; i < PAGES; i++)
			p[i * PAGE_SIZE + t->id]++;
		if (round % 5 == t->id)
			assert_int_equal(map_advise((vaddr_t)p, PAGES * PAGE_SIZE, MAP_ADV_DONTNEED), 0);
	}
	unmap(p, PAGES);
	return NULL;
}

/* The first touches of a page by several threads make one page. */
static void racing_body(void *arg)
{
	struct toucher touchers[4];
	struct thread *t[4];
	uint8_t *p;

	(void)arg;
	start();
	for (unsigned i = 0; i < 4; i++)
		touchers[i] = (struct toucher){i ? touchers[0].obj : make(PAGES, false), i};
	p = map(touchers[0].obj, 0, PAGES, MAP_R);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(thread_create("toucher", 0, toucher_thread, &touchers[i], &t[i]), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_true(is_all(p + i * PAGE_SIZE, 4, 20));
	pcache_check(touchers[0].obj);
	put(touchers[0].obj);
	unmap(p, PAGES);
	assert_int_equal(atomic_load(&cache_counts.memory), 0);
}

static void test_racing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		harness_run(&(struct harness){.seed = seed, .preempt_in = 4}, racing_body, NULL);
	harness_run(&(struct harness){.harts = 3}, racing_body, NULL);
}

/* The kernel's copies, and memory that never faults. */
static void pinned_body(void *arg)
{
	struct pcache_object *obj;
	struct user_pin pin, again;
	uint8_t *p, *q;

	(void)arg;
	start();
	obj = make(4, false);
	p = map(obj, 0, 4, RW);
	q = map(obj, 0, 4, RW);
	put(obj);
	memcpy(p + 100, "0123456789", 10);
	assert_int_equal(user_pin(p + 100, 10, &pin), 0);
	assert_int_equal(user_pin(q + 102, 1, &again), 0);
	assert_int_equal(*(uint8_t *)again.kva, '2');
	user_unpin(&again);

	/* Unmapped and dead under the pin. */
	unmap(p, 4);
	assert_memory_equal(q + 100, "0123456789", 10);
	unmap(q, 4);
	assert_int_equal(atomic_load(&cache_counts.memory), 1);
	*(uint8_t *)pin.kva = 7;
	user_unpin(&pin);
	assert_int_equal(atomic_load(&cache_counts.memory), 0);

	obj = make(4, false);
	p = map(obj, 0, 4, RW);
	put(obj);
	assert_int_equal(map_wire((vaddr_t)p, 4 * PAGE_SIZE), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(shown(p + i * PAGE_SIZE), PT_R | PT_W);
	unmap(p, 4);
	end();
}

static void test_pinned(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, pinned_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_coherent), cmocka_unit_test(test_pressure), cmocka_unit_test(test_promise),
	    cmocka_unit_test(test_racing),   cmocka_unit_test(test_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
