// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Pages that are to be in memory: mlock and its family, populating mappings, and mincore, over fake files. */
#include <errno.h>
#include <string.h>

#include "arch/clock.h"
#include "kernel/time.h"
#include "mm/map.h"
#include "mm/reclaim.h"
#include "mm/vma.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define PAGES 32
#define RW (MAP_R | MAP_W)

static int try_map(struct map_request req, struct fakefile *file, size_t pages, uint8_t **out)
{
	vaddr_t va = 0;
	int err;

	req.len = pages * PAGE_SIZE;
	req.max_prot = RW | MAP_X;
	req.object = file ? &file->object : NULL;
	err = map_create(&req, &va);
	*out = (uint8_t *)va;
	return err;
}

static uint8_t *map_request(struct map_request req, struct fakefile *file, size_t pages)
{
	uint8_t *p;

	assert_int_equal(try_map(req, file, pages, &p), 0);
	return p;
}

static uint8_t *map(struct fakefile *file, size_t pages, enum map_prot prot, enum map_kind kind)
{
	return map_request((struct map_request){.prot = prot, .kind = kind}, file, pages);
}

static void unmap(const uint8_t *p, size_t pages)
{
	assert_int_equal(map_remove((vaddr_t)p, pages * PAGE_SIZE), 0);
}

static int lock(const uint8_t *p, size_t pages)
{
	return map_lock((vaddr_t)p, pages * PAGE_SIZE, true);
}

static int unlock(const uint8_t *p, size_t pages)
{
	return map_lock((vaddr_t)p, pages * PAGE_SIZE, false);
}

static int protect(const uint8_t *p, size_t pages, enum map_prot prot)
{
	return map_protect((vaddr_t)p, pages * PAGE_SIZE, prot);
}

static size_t resident(const uint8_t *p, size_t pages)
{
	unsigned char in[256];
	size_t count = 0;

	assert_int_equal(map_in_core((vaddr_t)p, pages, in), pages);
	for (size_t i = 0; i < pages; i++)
		count += in[i];
	return count;
}

static uint64_t fills(void)
{
	struct pcache_stats stats;

	pcache_stats(&stats);
	return stats.fills;
}

static size_t frames_at_start;

static void start(void)
{
	harness_start_mm();
	frames_at_start = frame_free_count();
}

static void end(void)
{
	assert_int_equal(space.locked, 0);
	assert_int_equal(frame_free_count(), frames_at_start);
}

static void run(size_t frames, void (*body)(void *))
{
	harness_run(&(struct harness){.frames = frames}, body, NULL);
}

/* Evicts what can be: what is left is pinned or locked. */
static void evict_all(void)
{
	while (reclaim(1000) > 0)
		;
}

/* ---- mlock ---- */
static void mlock_body(void *arg)
{
	struct fakefile *file, *holes;
	uint8_t *p, *q;

	(void)arg;
	start();
	/* Whatever may be touched is fetched: to read what is shared, as a copy what is private and writable. */
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	holes = fakefile_make(PAGES * PAGE_SIZE, true);
	p = map(holes, PAGES, RW, MAP_KIND_SHARED);
	assert_int_equal(lock(p, PAGES), 0);
	assert_int_equal(resident(p, PAGES), PAGES);
	assert_int_equal(holes->fail[FAKE_RESERVE].seen, 0); // no hole was filled
	assert_false(atomic_load(&holes->object.stored));
	unmap(p, PAGES);
	p = map(file, PAGES, MAP_W, MAP_KIND_PRIVATE);
	q = map(NULL, PAGES, MAP_X, MAP_KIND_ANON);
	assert_int_equal(lock(p, PAGES), 0);
	assert_int_equal(lock(q, PAGES), 0);
	assert_int_equal(space.anon_frames, PAGES);
	assert_int_equal(resident(q, PAGES), PAGES);
	assert_int_equal(space.locked, 2 * PAGES);
	assert_int_equal(lock(p, PAGES), 0); // does not stack
	assert_int_equal(space.locked, 2 * PAGES);
	assert_int_equal(unlock(p + 4 * PAGE_SIZE, 4), 0);
	assert_int_equal(space.locked, 2 * PAGES - 4);
	unmap(p, PAGES);
	unmap(q, PAGES);

	/* What cannot be had: beyond the end, without rights, unmapped. */
	p = map(file, PAGES + 2, RW, MAP_KIND_SHARED);
	assert_int_equal(lock(p, PAGES + 1), -ENOMEM);
	assert_int_equal(space.locked, PAGES + 1); // locked all the same
	assert_int_equal(resident(p, PAGES + 1), PAGES);
	assert_int_equal(unlock(p, PAGES + 2), 0);
	assert_int_equal(protect(p, 1, 0), 0);
	assert_int_equal(lock(p, 1), -ENOMEM);
	unmap(p + 2 * PAGE_SIZE, 1);
	assert_int_equal(unlock(p, 4), -ENOMEM);
	assert_int_equal(space.locked, 1);
	assert_int_equal(lock(p + PAGE_SIZE, 3), -ENOMEM);
	assert_int_equal(space.locked, 1);
	fakefile_fail(file, FAKE_FILL, 0, 1000, -EIO);
	assert_int_equal(unlock(p, 2), 0);
	(void)pcache_drop_clean();
	evict_all();
	assert_int_equal(lock(p + 4 * PAGE_SIZE, 1), -ENOMEM);
	fakefile_fail(file, FAKE_FILL, 0, 0, 0);
	unmap(p, PAGES + 2);
	fakefile_free(file);
	fakefile_free(holes);
	end();
}

static void test_mlock(void **state)
{
	(void)state;
	run(0, mlock_body);
}

static void no_memory_body(void *arg)
{
	struct map_request req = {.prot = RW, .kind = MAP_KIND_ANON, .noreserve = true};
	uint8_t *p, *q, *all;
	int error = 0;

	(void)arg;
	start();
	p = map_request(req, NULL, 50);
	all = map_request(req, NULL, 400); // more than there is: promised to nobody
	for (size_t i = 0; i < 400 && !error; i++)
		(void)harness_store(all + i * PAGE_SIZE, 1, &error);
	assert_int_equal(error, ENOMEM);
	assert_int_equal(lock(p, 50), -EAGAIN);
	assert_int_equal(unlock(p, 50), 0);
	unmap(all, 400);
	assert_int_equal(lock(p, 250), -ENOMEM); // a hole
	unmap(p, 50);
	req.locked = true;
	assert_int_equal(try_map(req, NULL, 200, &q), -EAGAIN); // more than half of memory
	p = map_request(req, NULL, 60);
	assert_int_equal(resident(p, 60), 60);
	assert_int_equal(space.anon_frames, 60);
	unmap(p, 60);
	end();
}

static void test_no_memory(void **state)
{
	(void)state;
	run(256, no_memory_body);
}

/* Locked pages of a file stay, whatever is done to the mapping's rights and whoever else needs memory. */
static void resident_body(void *arg)
{
	struct fakefile *file;
	const uint8_t *other;
	uint8_t *p;
	uint64_t before;

	(void)arg;
	start();
	file = fakefile_make(400 * PAGE_SIZE, false);
	p = map(file, PAGES, RW, MAP_KIND_SHARED);
	other = map(file, 400, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(lock(p, PAGES), 0);
	for (int round = 0; round < 3; round++) {
		static const enum map_prot prots[] = {RW, MAP_R, 0};

		assert_int_equal(protect(p, PAGES, prots[round]), 0);
		for (size_t i = PAGES; i < 400; i++)
			assert_int_equal(other[i * PAGE_SIZE], fakefile_byte(i * PAGE_SIZE));
		evict_all();
		assert_int_equal(resident(p, PAGES), PAGES);
	}
	assert_int_equal(protect(p, PAGES, RW), 0);
	before = fills();
	for (size_t i = 0; i < PAGES; i++)
		p[i * PAGE_SIZE] = 1;
	assert_int_equal(fills(), before);
	assert_int_equal(map_sync((vaddr_t)p, PAGES * PAGE_SIZE, true), 0);
	assert_int_equal(unlock(p, PAGES), 0);
	evict_all();
	assert_int_equal(resident(p, PAGES), 0);
	unmap(p, PAGES);
	unmap(other, 400);

	/* A locked private copy is in memory; the file's page behind it need not be. */
	p = map(file, PAGES, MAP_R, MAP_KIND_PRIVATE);
	assert_int_equal(lock(p, PAGES), 0);
	evict_all();
	assert_int_equal(file->object.page_count, PAGES);
	assert_int_equal(protect(p, PAGES / 2, RW), 0); // copied at once
	assert_int_equal(space.anon_frames, PAGES / 2);
	evict_all();
	assert_int_equal(file->object.page_count, PAGES / 2);
	unmap(p, PAGES);
	fakefile_free(file);
	end();
}

static void test_resident(void **state)
{
	(void)state;
	run(160, resident_body);
}

/* Stores into locked, populated, backed pages go on while the card hangs, also while the pages are written (P4). */
static void no_waiting_body(void *arg)
{
	struct fakefile *file;
	struct pcache_stats stats;
	nsec_t before;
	uint8_t *p;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map_request((struct map_request){.prot = RW, .kind = MAP_KIND_SHARED, .locked = true}, file, PAGES);
	evict_all();
	file->hold = true;
	before = clock_now();
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < PAGES; i++)
			p[i * PAGE_SIZE + round] = 1;
		if (round == 0)
			assert_int_equal(map_sync((vaddr_t)p, PAGES * PAGE_SIZE, false), 0);
		evict_all();
	}
	assert_true(clock_now() - before < 10 * NSEC_PER_MSEC);
	pcache_stats(&stats);
	assert_int_equal(stats.writing, PAGES);
	fakefile_release(file);
	assert_int_equal(map_sync((vaddr_t)p, PAGES * PAGE_SIZE, true), 0);
	unmap(p, PAGES);
	fakefile_free(file);
	end();
}

static void test_no_waiting(void **state)
{
	(void)state;
	run(0, no_waiting_body);
}

/* ---- mlockall ---- */
static void mlockall_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p, *q, *none;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(NULL, 10, RW, MAP_KIND_ANON);
	none = map(NULL, 10, 0, MAP_KIND_ANON);
	q = map(file, PAGES, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(map_lock_all(MAP_LOCK_CURRENT), 0); // what has no rights does not make it fail
	assert_int_equal(space.locked, 20 + PAGES);
	assert_int_equal(resident(p, 10) + resident(q, PAGES), 10 + PAGES);
	unmap(p, 10);
	p = map(NULL, 10, RW, MAP_KIND_ANON);
	assert_int_equal(resident(p, 10), 0);
	assert_int_equal(map_lock_all(0), 0);
	assert_int_equal(space.locked, 0);

	assert_int_equal(map_lock_all(MAP_LOCK_FUTURE), 0);
	assert_int_equal(space.locked, 0);
	unmap(p, 10);
	p = map(NULL, 10, RW, MAP_KIND_ANON);
	assert_int_equal(space.locked, 10);
	assert_int_equal(resident(p, 10), 10);
	assert_int_equal(try_map((struct map_request){.kind = MAP_KIND_ANON}, NULL, 5000, &none), -EAGAIN);
	assert_int_equal(map_sbrk(5000 * PAGE_SIZE), 0);
	assert_int_not_equal(map_sbrk(PAGE_SIZE), 0);
	assert_int_equal(space.locked, 11);
	assert_int_not_equal(map_sbrk(-(intptr_t)PAGE_SIZE), 0);

	/* On a fault, and not before; then it stays. */
	assert_int_equal(map_lock_all(MAP_LOCK_CURRENT | MAP_LOCK_FUTURE | MAP_LOCK_ON_FAULT), 0);
	unmap(q, PAGES);
	evict_all();
	q = map(file, PAGES, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(resident(q, PAGES), 0);
	assert_int_equal(map_advise((vaddr_t)q, PAGES * PAGE_SIZE, MAP_ADV_RANDOM), 0);
	assert_int_equal(q[3 * PAGE_SIZE], fakefile_byte(3 * PAGE_SIZE));
	evict_all();
	assert_int_equal(resident(q, PAGES), 1);
	assert_int_equal(lock(q, 2), 0); // now these are wanted at once
	assert_int_equal(resident(q, PAGES), 3);
	assert_int_equal(map_lock_all(MAP_LOCK_CURRENT), 0); // forgets the future
	assert_int_equal(resident(q, PAGES), PAGES);
	unmap(p, 10);
	p = map(NULL, 10, RW, MAP_KIND_ANON);
	assert_int_equal(resident(p, 10), 0);
	assert_int_equal(lock(p, 10), 0);
	q = (uint8_t *)map(NULL, 5000, 0, MAP_KIND_ANON);
	assert_int_equal(map_lock_all(MAP_LOCK_CURRENT | MAP_LOCK_FUTURE), -ENOMEM); // and nothing has changed
	unmap(q, 5000);
	q = map(NULL, 1, RW, MAP_KIND_ANON);
	assert_int_equal(resident(q, 1), 0);
	assert_int_equal(map_lock_all(0), 0);
	assert_int_equal(map_remove(MMAP_MIN, MMAP_MAX - MMAP_MIN), 0);
	evict_all();
	fakefile_free(file);
	end();
}

static void test_mlockall(void **state)
{
	(void)state;
	run(4096, mlockall_body);
}

/* ---- populating ---- */
static void populate_body(void *arg)
{
	struct map_request req = {.prot = RW, .kind = MAP_KIND_SHARED, .populate = true};
	struct fakefile *file;
	struct pcache_stats stats;
	uint8_t *p;

	(void)arg;
	start();
	file = fakefile_make(200 * PAGE_SIZE, false);
	file->delay = NSEC_PER_MSEC;
	p = map_request(req, file, 202); // beyond the end there is nothing: no error
	assert_int_equal(resident(p, 202), 200);
	assert_true(clock_now() < 40 * NSEC_PER_MSEC); // by runs, not by page
	pcache_check(&file->object);
	assert_false(atomic_load(&file->object.stored));
	unmap(p, 202);

	/* Only what is cached. */
	assert_int_equal(pcache_drop_clean(), 200);
	file->delay = 0;
	p = map(file, 200, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(map_advise((vaddr_t)p, 200 * PAGE_SIZE, MAP_ADV_RANDOM), 0);
	for (size_t i = 5; i < 200; i += 10)
		assert_int_equal(p[i * PAGE_SIZE], fakefile_byte(i * PAGE_SIZE));
	unmap(p, 200);
	pcache_stats(&stats);
	req.cached_only = true;
	p = map_request(req, file, 200);
	assert_int_equal(fills(), stats.fills);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(!pte_is_none(pt_get((vaddr_t)p + i * PAGE_SIZE)), i % 10 == 5);
	pcache_check(&file->object);
	unmap(p, 200);

	req = (struct map_request){.prot = RW, .kind = MAP_KIND_PRIVATE, .populate = true};
	p = map_request(req, file, 10);
	assert_int_equal(space.anon_frames, 10);
	unmap(p, 10);
	req.kind = MAP_KIND_ANON;
	p = map_request(req, NULL, 10);
	assert_int_equal(space.anon_frames, 10);
	unmap(p, 10);
	req.prot = MAP_R;
	p = map_request(req, NULL, 10);
	assert_int_equal(space.anon_frames, 0);
	assert_int_equal(resident(p, 10), 10);
	unmap(p, 10);
	fakefile_fail(file, FAKE_FILL, 0, 1000, -EIO);
	(void)pcache_drop_clean();
	req = (struct map_request){.prot = RW, .kind = MAP_KIND_SHARED, .populate = true, .locked = true};
	p = map_request(req, file, 200); // an I/O error is for later
	fakefile_fail(file, FAKE_FILL, 0, 0, 0);
	assert_int_equal(p[0], fakefile_byte(0));
	unmap(p, 200);
	(void)pcache_drop_clean();
	fakefile_free(file);
	end();
}

static void test_populate(void **state)
{
	(void)state;
	run(0, populate_body);
}

/* ---- mincore ---- */
static void in_core_body(void *arg)
{
	unsigned char in[PAGES];
	struct fakefile *file;
	uint8_t *p, *q;
	uint8_t byte;

	(void)arg;
	start();
	p = map(NULL, 5, RW, MAP_KIND_ANON);
	assert_int_equal(harness_load(p, &byte, NULL), FAULT_OK); // the zero page
	p[PAGE_SIZE] = p[2 * PAGE_SIZE] = 1;
	assert_int_equal(protect(p + 2 * PAGE_SIZE, 1, 0), 0);
	assert_int_equal(map_in_core((vaddr_t)p, 5, in), 5);
	assert_memory_equal(in, "\1\1\1\0\0", 5);
	unmap(p + 3 * PAGE_SIZE, 1);
	assert_int_equal(map_in_core((vaddr_t)p, 5, in), 3);
	assert_int_equal(map_in_core((vaddr_t)p + 3 * PAGE_SIZE, 1, in), 0);
	unmap(p, 5);

	file = fakefile_make(8 * PAGE_SIZE, false);
	p = map(file, 8, RW, MAP_KIND_SHARED);
	q = map(file, 8, RW, MAP_KIND_PRIVATE);
	assert_int_equal(map_advise((vaddr_t)p, 8 * PAGE_SIZE, MAP_ADV_RANDOM), 0);
	p[2 * PAGE_SIZE] = 1;
	assert_int_equal(map_in_core((vaddr_t)q, 8, in), 8); // cached, if not through this mapping
	assert_memory_equal(in, "\0\0\1\0\0\0\0\0", 8);
	q[2 * PAGE_SIZE] = 2;
	unmap(p, 8);
	assert_int_equal(pcache_write_all(), 0);
	(void)pcache_drop_clean();
	assert_int_equal(resident(q, 8), 1); // the copy
	file->hold = true;
	assert_int_equal(map_advise((vaddr_t)q, 8 * PAGE_SIZE, MAP_ADV_WILLNEED), 0);
	assert_int_equal(resident(q, 8), 1); // not there yet
	fakefile_release(file);
	assert_int_equal(resident(q, 8), 8);
	unmap(q, 8);
	fakefile_free(file);
	end();
}

static void test_in_core(void **state)
{
	(void)state;
	run(0, in_core_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mlock),      cmocka_unit_test(test_no_memory), cmocka_unit_test(test_resident),
	    cmocka_unit_test(test_no_waiting), cmocka_unit_test(test_mlockall),	 cmocka_unit_test(test_populate),
	    cmocka_unit_test(test_in_core),
	};

	return cmocka_run_group_tests_name("pages in memory", tests, NULL, NULL);
}
