// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mappings and faults over fake files: what the application sees, with little memory and with every operation failing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/host/host.h"
#include "arch/pt.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/map.h"
#include "mm/usercopy.h"
#include "mm/vma.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define PAGES 40
#define RW (MAP_R | MAP_W)

static int try_map(struct fakefile *file, size_t len, enum map_prot prot, enum map_kind kind, uint8_t **out)
{
	struct map_request req = {
	    .len = len, .prot = prot, .max_prot = RW | MAP_X, .kind = kind, .object = file ? &file->object : NULL};
	vaddr_t va = 0;
	int err = map_create(&req, &va);

	*out = (uint8_t *)va;
	return err;
}

static uint8_t *map(struct fakefile *file, size_t len, enum map_prot prot, enum map_kind kind)
{
	uint8_t *p;

	assert_int_equal(try_map(file, len, prot, kind, &p), 0);
	return p;
}

static uint8_t *map_at(const uint8_t *at, size_t len, enum map_prot prot)
{
	struct map_request req = {
	    .addr = (vaddr_t)at, .len = len, .prot = prot, .max_prot = RW, .kind = MAP_KIND_ANON, .fixed = true};
	vaddr_t va;

	assert_int_equal(map_create(&req, &va), 0);
	return (uint8_t *)va;
}

static void unmap(const uint8_t *p, size_t len)
{
	assert_int_equal(map_remove((vaddr_t)p, len), 0);
}

static int protect(const uint8_t *p, size_t len, enum map_prot prot)
{
	return map_protect((vaddr_t)p, len, prot);
}

static int sync_map(const uint8_t *p, size_t len)
{
	return map_sync((vaddr_t)p, len, true);
}

/* The result of an access to a byte that nobody else needs. */
static int loads(const uint8_t *p)
{
	uint8_t byte;

	return harness_load(p, &byte, NULL);
}

static int stores(uint8_t *p)
{
	return harness_store(p, 1, NULL);
}

static size_t frames_at_start;

static void start(void)
{
	harness_start_mm();
	frames_at_start = frame_free_count();
}

/* Everything is unmapped and freed: every frame is back. */
static void end(void)
{
	assert_int_equal(frame_free_count(), frames_at_start);
	assert_int_equal(pt_table_count(), 0);
}

/* ---- shared files ---- */
static void shared_body(void *arg)
{
	struct fakefile *file, *short_file;
	const uint8_t *q;
	uint8_t *p;
	int error = 7;
	uint8_t byte;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE - 100, false);
	p = map(file, PAGES * PAGE_SIZE, RW, MAP_KIND_SHARED);
	q = map(file, PAGES * PAGE_SIZE, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(file->refs, 2);
	for (size_t at = 0; at < PAGES * PAGE_SIZE - 100; at += 777)
		assert_int_equal(p[at], fakefile_byte(at));
	p[5] = 0xaa;
	p[9 * PAGE_SIZE] = 0xbb;
	assert_int_equal(q[5], 0xaa);
	pcache_check(&file->object);
	assert_int_equal(stores((uint8_t *)q), FAULT_ACCERR);
	assert_int_equal(file->data[5], fakefile_byte(5));
	assert_int_equal(sync_map(p, PAGE_SIZE), 0);
	assert_int_equal(file->synced[5], 0xaa);
	assert_int_not_equal(file->synced[9 * PAGE_SIZE], 0xbb);
	p[5] = 0xcc; // narrowed by the write: faults, and is dirty again
	pcache_check(&file->object);
	unmap(p, PAGES * PAGE_SIZE);
	assert_int_equal(loads(p), FAULT_MAPERR);
	assert_int_equal(q[5], 0xcc);
	assert_true(atomic_load(&file->object.stored));
	assert_int_equal(pcache_write_all(), 0);
	assert_int_equal(file->data[5], 0xcc);
	unmap(q, PAGES * PAGE_SIZE);

	/* Beyond the last page there is nothing; the rest of the last page is zeros. */
	short_file = fakefile_make(PAGE_SIZE + 10, false);
	p = map(short_file, 4 * PAGE_SIZE, RW, MAP_KIND_SHARED);
	assert_int_equal(p[PAGE_SIZE + 10], 0);
	assert_int_equal(harness_load(p + 2 * PAGE_SIZE, &byte, &error), FAULT_ADRERR);
	assert_int_equal(error, 0);
	assert_int_equal(stores(p + 3 * PAGE_SIZE), FAULT_ADRERR);
	unmap(p, 4 * PAGE_SIZE);
	fakefile_free(short_file);
	fakefile_free(file);
	end();
}

static void test_shared(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, shared_body, NULL);
}

/* The page is clean once written: no entry lets a store through unseen, whatever fault-around mapped. */
static void dirty_tracking_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p, *q;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, true);
	p = map(file, PAGES * PAGE_SIZE, RW, MAP_KIND_SHARED);
	q = map(file, PAGES * PAGE_SIZE, RW, MAP_KIND_SHARED);
	for (unsigned round = 1; round < 30; round++) {
		for (size_t i = 0; i < PAGES; i++)
			(i % 2 ? p : q)[i * PAGE_SIZE + i] = (uint8_t)(round + i);
		for (size_t i = 0; i < PAGES; i++)
			(i % 2 ? q : p)[i * PAGE_SIZE + i + 100] = (uint8_t)(round + i);
		pcache_check(&file->object);
		assert_int_equal(sync_map(round % 2 ? p : q, PAGES * PAGE_SIZE), 0);
		pcache_check(&file->object);
		for (size_t i = 0; i < PAGES; i++) {
			assert_int_equal(file->synced[i * PAGE_SIZE + i], (uint8_t)(round + i));
			assert_int_equal(file->synced[i * PAGE_SIZE + i + 100], (uint8_t)(round + i));
		}
		if (round % 3 == 0)
			(void)pcache_drop_clean();
	}
	unmap(p, PAGES * PAGE_SIZE);
	unmap(q, PAGES * PAGE_SIZE);
	fakefile_free(file);
	end();
}

static void test_dirty_tracking(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, dirty_tracking_body, NULL);
}

struct storer {
	uint8_t *p;
	uint8_t *model;
	struct fakefile *file;
	unsigned id, rounds;
};

/* Owns the bytes whose number modulo 4 is its id; maps for itself now and then, syncs now and then. */
static void *storer_thread(void *arg)
{
	struct storer *s = arg;
	const size_t size = s->file->object.size;
	unsigned state = s->id + 1;

	for (unsigned i = 0; i < s->rounds; i++) {
		size_t at = ((size_t)rand_r(&state) % (size / 4)) * 4 + s->id;

		if (rand_r(&state) % 2) {
			s->p[at] = (uint8_t)i;
			s->model[at] = (uint8_t)i;
		} else {
			assert_int_equal(s->p[at], s->model[at]);
		}
		if (i % 400 == 100)
			assert_int_equal(
			    map_sync((vaddr_t)s->p + at / PAGE_SIZE * PAGE_SIZE, PAGE_SIZE, i % 800 == 100), 0);
		if (i % 400 == 300) {
			unmap(s->p, size);
			s->p = map(s->file, size, RW, MAP_KIND_SHARED);
		}
	}
	return NULL;
}

/* Four threads, four mappings, a file larger than memory. Nothing stored is lost. */
static void storers_body(void *arg)
{
	const size_t size = 300 * PAGE_SIZE;
	struct storer storer[4];
	struct thread *t[4];
	struct fakefile *file;

	(void)arg;
	harness_start_mm();
	file = fakefile_make(size, false);
	file->delay = 50000;
	file->shuffled = true;
	for (unsigned i = 0; i < 4; i++) {
		storer[i] = (struct storer){map(file, size, RW, MAP_KIND_SHARED), malloc(size), file, i, 1500};
		assert_non_null(storer[i].model);
		memcpy(storer[i].model, file->data, size);
		assert_int_equal(thread_create("storer", 0, storer_thread, &storer[i], &t[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	pcache_check(&file->object);
	assert_int_equal(sync_map(storer[0].p, size), 0);
	for (size_t at = 0; at < size; at++)
		assert_int_equal(file->synced[at], storer[at % 4].model[at]);
	for (unsigned i = 0; i < 4; i++)
		unmap(storer[i].p, size);
	fakefile_free(file);
	assert_int_equal(pt_table_count(), 0);
}

static void test_storers(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		harness_run(&(struct harness){.frames = 64, .seed = seed}, storers_body, NULL);
		harness_run(&(struct harness){.frames = 2048, .cache_pages = 8, .seed = seed}, storers_body, NULL);
		harness_run(&(struct harness){.frames = 8192, .seed = seed}, storers_body, NULL);
	}
}

/* A store into a resident backed page goes on while the page is written and while the card hangs (P4). */
static void no_waiting_body(void *arg)
{
	struct fakefile *file;
	struct pcache_stats stats;
	uint8_t *p;
	nsec_t before;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(file, PAGES * PAGE_SIZE, RW, MAP_KIND_SHARED);
	for (size_t i = 0; i < PAGES; i++)
		p[i * PAGE_SIZE] = 1;
	file->hold = true;
	assert_int_equal(map_sync((vaddr_t)p, PAGES * PAGE_SIZE, false), 0);
	pcache_stats(&stats);
	assert_int_equal(stats.writing, PAGES);
	before = clock_now();
	for (size_t i = 0; i < PAGES; i++)
		p[i * PAGE_SIZE] = 2;
	assert_true(clock_now() - before < 10 * NSEC_PER_MSEC);
	pcache_stats(&stats);
	assert_int_equal(stats.dirty, PAGES);
	assert_int_equal(stats.writing, PAGES);
	fakefile_release(file);
	assert_int_equal(sync_map(p, PAGES * PAGE_SIZE), 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(file->synced[i * PAGE_SIZE], 2);
	unmap(p, PAGES * PAGE_SIZE);
	fakefile_free(file);
	end();
}

static void test_no_waiting(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, no_waiting_body, NULL);
}

static void locked_body(void *arg)
{
	struct fakefile *file;
	struct pcache_stats before, after;
	const uint8_t *q;
	uint8_t *p;

	(void)arg;
	start();
	file = fakefile_make(200 * PAGE_SIZE, false);
	p = map(file, 200 * PAGE_SIZE, RW, MAP_KIND_SHARED);
	assert_int_equal(map_advise((vaddr_t)p, 200 * PAGE_SIZE, MAP_ADV_RANDOM), 0);
	assert_int_equal(map_lock((vaddr_t)p + 5 * PAGE_SIZE, 10 * PAGE_SIZE, true), 0);
	q = map(file, 200 * PAGE_SIZE, MAP_R, MAP_KIND_SHARED);
	for (int round = 0; round < 3; round++)
		for (size_t i = 20; i < 200; i++)
			assert_int_equal(q[i * PAGE_SIZE], fakefile_byte(i * PAGE_SIZE));
	pcache_stats(&before);
	for (size_t i = 5; i < 15; i++)
		p[i * PAGE_SIZE] = 1;
	pcache_stats(&after);
	assert_int_equal(after.fills, before.fills);
	assert_int_equal(map_lock((vaddr_t)p, 200 * PAGE_SIZE, true), -ENOMEM); // more than half of memory
	assert_int_equal(map_lock((vaddr_t)p + 5 * PAGE_SIZE, 10 * PAGE_SIZE, false), 0);
	unmap(p, 200 * PAGE_SIZE);
	unmap(q, 200 * PAGE_SIZE);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	end();
}

static void test_locked(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 96}, locked_body, NULL);
}

/* ---- errors ---- */
/* One pass over a file with the nth operation of a kind failing. What was served is right, and durable in the end. */
struct nth {
	enum fake_op op;
	uint64_t n, count;
	uint64_t *fired; // out
};

static void nth_body(void *arg)
{
	const struct nth *nth = arg;
	const size_t size = 100 * PAGE_SIZE;
	uint8_t *model = malloc(size), *p, byte;
	struct fakefile *file;
	int error, told = 0;

	harness_start_mm();
	file = fakefile_make(size, false);
	file->delay = 10000;
	file->shuffled = true;
	for (pgidx_t i = 0; i < 100; i += 3) { // holes
		file->backed[i] = false;
		memset(file->data + i * PAGE_SIZE, 0, PAGE_SIZE);
	}
	assert_non_null(model);
	memcpy(model, file->data, size);
	fakefile_fail(file, nth->op, nth->n, nth->count, -EIO);
	p = map(file, size, RW, MAP_KIND_SHARED);
	assert_int_equal(map_advise((vaddr_t)p, size, MAP_ADV_RANDOM), 0); // nothing fails without being asked for
	for (size_t i = 0; i < 100; i++) {
		size_t at = i * 37 % 100 * PAGE_SIZE + i;
		int result = harness_load(p + at, &byte, &error);

		if (result == FAULT_OK) {
			assert_int_equal(byte, model[at]);
		} else {
			assert_int_equal(result, FAULT_ADRERR);
			assert_true(error == EIO || (error == ENOMEM && nth->op == FAKE_WRITE));
			told++;
		}
		result = harness_store(p + at, (uint8_t)(i + 1), &error);
		if (result == FAULT_OK) {
			model[at] = (uint8_t)(i + 1);
		} else {
			assert_int_equal(result, FAULT_ADRERR);
			assert_true(error == EIO || error == ENOMEM);
			told++;
		}
		if (i % 25 == 24)
			told += sync_map(p, size) != 0;
	}
	pcache_check(&file->object);
	told += sync_map(p, size) != 0;
	*nth->fired = file->fail[nth->op].fired;
	assert_true(*nth->fired || !told);
	if (nth->op != FAKE_WRITE || nth->count > 1) // the background may have healed a single failed write
		assert_true(told || !*nth->fired);
	fakefile_fail(file, nth->op, 0, 0, 0);
	thread_sleep_until(clock_now() + NSEC_PER_MSEC); // for what is still to end with an error
	assert_int_equal(sync_map(p, size), 0);
	assert_memory_equal(file->synced, model, size);
	(void)pcache_drop_clean();
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(p[i * PAGE_SIZE], model[i * PAGE_SIZE]);
	unmap(p, size);
	fakefile_free(file);
}

static void nth_all(enum fake_op op, uint64_t count, size_t least)
{
	static const struct harness harness[] = {{.frames = 64}, {.frames = 64, .seed = 3}, {.frames = 4096}};
	uint64_t *fired = harness_shared(sizeof(*fired));

	for (size_t h = 0; h < array_size(harness); h++) {
		const uint64_t step = harness_effort() == EFFORT_QUICK ? 7 : harness_effort() == EFFORT_LONG ? 1 : 3;
		uint64_t n = 1 - step;

		do {
			n += step;
			harness_run(&harness[h], nth_body, &(struct nth){op, n, count, fired});
		} while (*fired);
		assert_true(n > least);
	}
}

static void test_nth_fill_fails(void **state)
{
	(void)state;
	nth_all(FAKE_FILL, 1, 90);
}

static void test_nth_write_fails(void **state)
{
	(void)state;
	nth_all(FAKE_WRITE, 1, 90);
}

static void test_writes_fail_from_nth(void **state)
{
	(void)state;
	nth_all(FAKE_WRITE, UINT64_MAX / 2, 90);
}

static void test_nth_reserve_fails(void **state)
{
	(void)state;
	nth_all(FAKE_RESERVE, 1, 30);
}

static void test_nth_sync_fails(void **state)
{
	(void)state;
	nth_all(FAKE_SYNC, 1, 4);
}

/* ---- private files ---- */
static void private_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p, *q;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(file, PAGES * PAGE_SIZE, RW, MAP_KIND_PRIVATE);
	q = map(file, PAGES * PAGE_SIZE, RW, MAP_KIND_SHARED);
	assert_int_equal(p[0], fakefile_byte(0));
	p[1] = 0xaa; // shown already
	p[5 * PAGE_SIZE + 1] = 0xbb;
	assert_int_equal(p[0], fakefile_byte(0));
	assert_int_equal(q[1], fakefile_byte(1));
	q[2] = 0xcc;
	q[6 * PAGE_SIZE] = 0xdd;
	assert_int_equal(p[2], fakefile_byte(2)); // copied before
	assert_int_equal(p[6 * PAGE_SIZE], 0xdd); // not copied yet
	assert_int_equal(sync_map(p, PAGES * PAGE_SIZE), 0);
	assert_int_equal(file->data[1], fakefile_byte(1));
	assert_int_equal(protect(p, 2 * PAGE_SIZE, 0), 0);
	assert_int_equal(loads(p), FAULT_ACCERR);
	assert_int_equal(protect(p, 2 * PAGE_SIZE, MAP_R), 0);
	assert_int_equal(p[1], 0xaa); // the copy was held
	assert_int_equal(stores(p), FAULT_ACCERR);
	assert_int_equal(protect(p, 2 * PAGE_SIZE, RW), 0);
	p[1] = 0xab;
	assert_int_equal(p[1], 0xab);
	assert_int_equal(map_advise((vaddr_t)p, PAGE_SIZE, MAP_ADV_DONTNEED), 0);
	assert_int_equal(p[1], fakefile_byte(1)); // back to the file's
	assert_int_equal(p[2], 0xcc);

	/* Truncation takes copies away too. */
	rwlock_lock_write(&file->object.map_lock);
	file->object.size = 3 * PAGE_SIZE;
	pcache_remove(&file->object, 3, PGIDX_MAX);
	rwlock_unlock_write(&file->object.map_lock);
	assert_int_equal(loads(p + 5 * PAGE_SIZE), FAULT_ADRERR);
	assert_int_equal(loads(q + 6 * PAGE_SIZE), FAULT_ADRERR);
	assert_int_equal(p[2], 0xcc);
	unmap(p, PAGES * PAGE_SIZE);
	unmap(q, PAGES * PAGE_SIZE);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	end();
}

static void test_private(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, private_body, NULL);
}

/* ---- anonymous memory ---- */
static void anon_body(void *arg)
{
	size_t used;
	uint8_t *p;

	(void)arg;
	start();
	p = map(NULL, 100 * PAGE_SIZE, RW, MAP_KIND_ANON);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(p[i * PAGE_SIZE], 0);
	used = frames_at_start - frame_free_count();
	assert_true(used < 5); // all zeros are one page
	for (size_t i = 0; i < 100; i++)
		p[i * PAGE_SIZE + 1] = (uint8_t)(i + 1);
	assert_int_equal(frames_at_start - frame_free_count(), used + 100);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(p[i * PAGE_SIZE + 1], i + 1);
	assert_int_equal(map_advise((vaddr_t)p, 50 * PAGE_SIZE, MAP_ADV_DONTNEED), 0);
	assert_int_equal(frames_at_start - frame_free_count(), used + 50);
	assert_int_equal(p[1], 0);
	assert_int_equal(p[50 * PAGE_SIZE + 1], 51);

	/* A hole in the middle; the parts live on. */
	unmap(p + 60 * PAGE_SIZE, 10 * PAGE_SIZE);
	assert_int_equal(loads(p + 65 * PAGE_SIZE), FAULT_MAPERR);
	assert_int_equal(p[59 * PAGE_SIZE + 1], 60);
	assert_int_equal(p[70 * PAGE_SIZE + 1], 71);
	assert_int_equal(protect(p + 55 * PAGE_SIZE, 10 * PAGE_SIZE, MAP_R), -ENOMEM); // into the hole
	assert_int_equal(map_sync((vaddr_t)p, 100 * PAGE_SIZE, true), -ENOMEM);
	assert_ptr_equal(map_at(p + 60 * PAGE_SIZE, 10 * PAGE_SIZE, RW), p + 60 * PAGE_SIZE);
	assert_int_equal(p[60 * PAGE_SIZE + 1], 0);

	unmap(p, 100 * PAGE_SIZE);
	end();
}

static void test_anon(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, anon_body, NULL);
}

/* mmap, munmap and mprotect at random against a model of rights and contents, page by page. */
#define MODEL_PAGES 48

static void random_body(void *arg)
{
	struct {
		bool mapped;
		enum map_prot prot;
		uint8_t value;
	} model[MODEL_PAGES] = {0};
	uint8_t *base;

	(void)arg;
	start();
	srand((unsigned)harness_config()->seed);
	base = map(NULL, MODEL_PAGES * PAGE_SIZE, RW, MAP_KIND_ANON);
	unmap(base, MODEL_PAGES * PAGE_SIZE);
	for (int i = 0; i < 4000; i++) {
		size_t first = (size_t)rand() % MODEL_PAGES, n = 1 + (size_t)rand() % (MODEL_PAGES - first);
		static const enum map_prot prots[] = {0, MAP_R, RW};
		enum map_prot prot = prots[rand() % 3];
		uint8_t *p = base + first * PAGE_SIZE;
		bool whole = true, accessible = true, lock = rand() % 2;
		int error;

		for (size_t k = first; k < first + n; k++) {
			whole &= model[k].mapped;
			accessible &= model[k].prot != 0;
		}
		switch (rand() % 8) {
		case 0:
			map_at(p, n * PAGE_SIZE, prot);
			for (size_t k = first; k < first + n; k++) {
				model[k].mapped = true;
				model[k].prot = prot;
				model[k].value = 0;
			}
			break;
		case 1:
			unmap(p, n * PAGE_SIZE);
			for (size_t k = first; k < first + n; k++)
				model[k].mapped = false;
			break;
		case 2:
			assert_int_equal(protect(p, n * PAGE_SIZE, prot), whole ? 0 : -ENOMEM);
			for (size_t k = first; whole && k < first + n; k++)
				model[k].prot = prot;
			break;
		case 3:
			assert_int_equal(map_lock((vaddr_t)p, n * PAGE_SIZE, lock),
					 whole && (accessible || !lock) ? 0 : -ENOMEM);
			if (whole)
				assert_int_equal(map_lock((vaddr_t)p, n * PAGE_SIZE, false), 0);
			break;
		default: {
			bool writes = rand() % 2;
			uint8_t value = (uint8_t)rand();
			int expected = !model[first].mapped				 ? FAULT_MAPERR
				       : !(model[first].prot & (writes ? MAP_W : MAP_R)) ? FAULT_ACCERR
											 : FAULT_OK;

			if (writes) {
				assert_int_equal(harness_store(p + 17, value, &error), expected);
				if (expected == FAULT_OK)
					model[first].value = value;
			} else {
				assert_int_equal(harness_load(p + 17, &value, &error), expected);
				if (expected == FAULT_OK)
					assert_int_equal(value, model[first].value);
			}
		}
		}
	}
	unmap(base, MODEL_PAGES * PAGE_SIZE);
	end();
}

static void test_random_calls(void **state)
{
	(void)state;
	const uint64_t seeds = harness_effort() == EFFORT_QUICK ? 1 : 6;

	for (uint64_t seed = 1; seed <= seeds; seed++)
		harness_run(&(struct harness){.frames = 512, .seed = seed}, random_body, NULL);
}

/* Private memory is promised when mapped; without a promise it may not be there later. */
static void commit_body(void *arg)
{
	struct map_request req = {
	    .len = 400 * PAGE_SIZE, .prot = RW, .max_prot = RW, .kind = MAP_KIND_ANON, .noreserve = true};
	struct map_request fixed = {
	    .len = 140 * PAGE_SIZE, .prot = RW, .max_prot = RW, .kind = MAP_KIND_ANON, .fixed = true};
	uint8_t *p, *q;
	vaddr_t va;
	size_t n;
	int error;

	(void)arg;
	start();
	assert_int_equal(try_map(NULL, 400 * PAGE_SIZE, RW, MAP_KIND_ANON, &p), -ENOMEM);
	p = map(NULL, 100 * PAGE_SIZE, RW, MAP_KIND_ANON);
	assert_int_equal(try_map(NULL, 140 * PAGE_SIZE, RW, MAP_KIND_ANON, &q), -ENOMEM);
	fixed.addr = (vaddr_t)p; // what it replaces is given up
	assert_int_equal(map_create(&fixed, &va), 0);
	assert_int_equal(space.committed, 140);
	unmap(p, 140 * PAGE_SIZE);
	assert_int_equal(space.committed, 0);
	p = map(NULL, 100 * PAGE_SIZE, RW, MAP_KIND_ANON);
	q = map(NULL, 140 * PAGE_SIZE, MAP_R, MAP_KIND_ANON); // costs nothing
	assert_int_equal(protect(q, 140 * PAGE_SIZE, RW), -ENOMEM);
	assert_int_equal(protect(q, 20 * PAGE_SIZE, RW), 0);
	memset(p, 1, 100 * PAGE_SIZE);
	memset(q, 1, 20 * PAGE_SIZE);
	unmap(p, 100 * PAGE_SIZE);
	unmap(q, 140 * PAGE_SIZE);
	assert_int_equal(map_create(&req, &va), 0);
	for (n = 0; n < 400; n++)
		if (harness_store((uint8_t *)va + n * PAGE_SIZE, 1, &error) != FAULT_OK)
			break;
	assert_in_range(n, 150, 250);
	assert_int_equal(error, ENOMEM);
	unmap((uint8_t *)va, 400 * PAGE_SIZE);
	end();
}

static void test_commit(void **state)
{
	const char *log;

	(void)state;
	assert_int_equal(harness_status(&(struct harness){.frames = 256}, commit_body, NULL, &log), 0);
	assert_non_null(strstr(log, "MAP_NORESERVE"));
	assert_non_null(strstr(log, "mprotect: no memory for 560 KiB more"));
}

/* A page and its table with one frame above the reserve: neither is given back for the other without end. */
static void last_frame_body(void *arg)
{
	struct list_node taken = LIST_INIT(taken), *node;
	struct page *page;
	uint8_t *p;

	(void)arg;
	start();
	p = map(NULL, PAGE_SIZE, RW, MAP_KIND_ANON);
	while (frame_free_count() > frame_reserve() + 1 && (page = frame_alloc_normal()))
		list_push_back(&taken, &page->lru);
	assert_int_equal(frame_free_count(), frame_reserve() + 1);
	assert_int_equal(pt_table_count(), 0);
	assert_int_equal(stores(p), FAULT_OK);
	while ((node = list_pop_front(&taken)))
		frame_free(list_entry(node, struct page, lru));
	unmap(p, PAGE_SIZE);
	end();
}

static void test_last_frame(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 256, .seconds = 10}, last_frame_body, NULL);
}

static void heap_body(void *arg)
{
	vaddr_t base, old;

	(void)arg;
	start();
	base = map_sbrk(0);
	assert_int_equal(map_sbrk(100), base);
	memset((void *)base, 1, 100);
	for (unsigned i = 0; i < 50; i++) {
		old = map_sbrk(1000);
		assert_int_equal(old, base + 100 + i * 1000);
		memset((void *)old, (int)i, 1000);
	}
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(*(uint8_t *)(base + 100 + i * 1000 + 999), i);
	assert_int_equal(map_sbrk(1 << 30), 0); // more than there is
	assert_int_equal(map_sbrk(-(50000 + 101)), 0);
	assert_int_equal(map_sbrk(-(50000 + 100)), base + 50100);
	assert_int_equal(loads((uint8_t *)base), FAULT_MAPERR);
	end();
}

static void test_heap(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, heap_body, NULL);
}

static void requests_body(void *arg)
{
	struct map_request bad = {.len = PAGE_SIZE, .prot = RW, .max_prot = MAP_R, .kind = MAP_KIND_ANON};
	struct map_info info;
	struct fakefile *file;
	uint8_t *p, *q;
	vaddr_t va;

	(void)arg;
	start();
	assert_int_equal(map_create(&bad, &va), -EACCES);
	bad.max_prot = RW;
	bad.len = 0;
	assert_int_equal(map_create(&bad, &va), -EINVAL);
	bad.len = SIZE_MAX;
	assert_int_equal(map_create(&bad, &va), -ENOMEM);
	bad.len = PAGE_SIZE;
	bad.offset = 100;
	assert_int_equal(map_create(&bad, &va), -EINVAL);
	bad.offset = (uint64_t)INT64_MAX + 1;
	assert_int_equal(map_create(&bad, &va), -EOVERFLOW);
	bad.offset = 0;
	bad.fixed = true;
	bad.addr = MMAP_MIN - PAGE_SIZE;
	assert_int_equal(map_create(&bad, &va), -EPERM);
	bad.addr = MMAP_MAX - PAGE_SIZE;
	bad.len = 2 * PAGE_SIZE;
	assert_int_equal(map_create(&bad, &va), -ENOMEM);
	bad.addr = MMAP_MIN + 1;
	assert_int_equal(map_create(&bad, &va), -EINVAL);
	assert_int_equal(map_remove(MMAP_MIN + 1, PAGE_SIZE), -EINVAL);
	assert_int_equal(map_remove(MMAP_MIN, SIZE_MAX), -EINVAL);
	assert_int_equal(map_remove(MMAP_MIN, 0), -EINVAL);

	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(file, PAGES * PAGE_SIZE, MAP_R, MAP_KIND_SHARED);
	bad = (struct map_request){
	    .addr = (vaddr_t)p, .len = PAGE_SIZE, .prot = RW, .max_prot = RW, .kind = MAP_KIND_ANON, .noreplace = true};
	assert_int_equal(map_create(&bad, &va), -EEXIST);
	bad.noreplace = false; // a hint: taken if free
	assert_int_equal(map_create(&bad, &va), 0);
	assert_int_not_equal(va, p);
	unmap((uint8_t *)va, PAGE_SIZE);
	bad.addr = (vaddr_t)p + (1 << 30);
	assert_int_equal(map_create(&bad, &va), 0);
	assert_int_equal(va, bad.addr);
	unmap((uint8_t *)va, PAGE_SIZE);

	unmap(p + PAGE_SIZE, PAGE_SIZE);
	assert_true(map_lookup((vaddr_t)p + 2 * PAGE_SIZE + 5, &info));
	assert_int_equal(info.start, p + 2 * PAGE_SIZE);
	assert_int_equal(info.offset, 2 * PAGE_SIZE);
	assert_ptr_equal(info.object, &file->object);
	assert_false(map_lookup((vaddr_t)p + PAGE_SIZE, &info));
	q = map(NULL, PAGE_SIZE, RW, MAP_KIND_ANON);
	assert_ptr_equal(q, p + PAGE_SIZE); // the lowest gap
	unmap(q, PAGE_SIZE);
	unmap(p, PAGES * PAGE_SIZE);
	assert_int_equal(file->refs, 0);
	fakefile_free(file);
	end();
}

static void test_requests(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, requests_body, NULL);
}

/* ---- the world changes while a fault waits for the card ---- */
struct waiter {
	uint8_t *p;
	int result;
	uint8_t byte;
};

static void *waiter_thread(void *arg)
{
	struct waiter *w = arg;

	w->result = harness_load(w->p, &w->byte, NULL);
	return NULL;
}

static void changes_body(void *arg)
{
	struct fakefile *file, *other;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	other = fakefile_make(PAGES * PAGE_SIZE, true);
	for (int kind = 0; kind < 5; kind++) {
		struct map_request req = {.len = PAGE_SIZE,
					  .prot = MAP_R,
					  .max_prot = MAP_R,
					  .kind = MAP_KIND_SHARED,
					  .object = &other->object,
					  .fixed = true};
		uint8_t *p = map(file, PAGES * PAGE_SIZE, RW, MAP_KIND_SHARED);
		struct waiter w = {.p = p + 3 * PAGE_SIZE};
		struct thread *t;
		vaddr_t va;

		file->hold = true;
		assert_int_equal(thread_create("waiter", 0, waiter_thread, &w, &t), 0);
		thread_sleep_until(clock_now() + NSEC_PER_MSEC);
		switch (kind) {
		case 0:
			unmap(p, PAGES * PAGE_SIZE);
			break;
		case 1:
			req.addr = (vaddr_t)w.p;
			assert_int_equal(map_create(&req, &va), 0);
			break;
		case 2:
			assert_int_equal(protect(p, PAGES * PAGE_SIZE, 0), 0);
			break;
		case 3:
			unmap(p, 2 * PAGE_SIZE); // beside it
			break;
		default:
			assert_int_equal(map_advise((vaddr_t)p, PAGES * PAGE_SIZE, MAP_ADV_DONTNEED), 0);
		}
		fakefile_release(file);
		assert_int_equal(thread_join(t, NULL), 0);
		assert_int_equal(w.result, kind == 0 ? FAULT_MAPERR : kind == 2 ? FAULT_ACCERR : FAULT_OK);
		if (w.result == FAULT_OK)
			assert_int_equal(w.byte, kind == 1 ? 0 : fakefile_byte(3 * PAGE_SIZE));
		unmap(p, PAGES * PAGE_SIZE);
		pcache_check(&file->object);
		(void)pcache_drop_clean();
	}
	fakefile_free(file);
	fakefile_free(other);
	end();
}

static void test_changes_under_a_fault(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, changes_body, NULL);
}

/* Threads that read never see the gap while others replace the mapping under them. */
static atomic_bool replacing;

static void *reader_thread(void *arg)
{
	const volatile uint8_t *p = arg;
	uint64_t reads = 0;

	while (atomic_load(&replacing)) {
		uint8_t byte = p[reads % 8 * PAGE_SIZE];

		assert_true(byte == 0 || byte == fakefile_byte(reads % 8 * PAGE_SIZE));
		reads++;
		if (reads % 16 == 0)
			thread_yield();
	}
	return NULL;
}

static void replace_body(void *arg)
{
	struct fakefile *file;
	struct thread *t[3];
	uint8_t *p;

	(void)arg;
	start();
	file = fakefile_make(8 * PAGE_SIZE, false);
	p = map(file, 8 * PAGE_SIZE, MAP_R, MAP_KIND_SHARED);
	atomic_store(&replacing, true);
	for (size_t i = 0; i < array_size(t); i++)
		assert_int_equal(thread_create("reader", 0, reader_thread, p, &t[i]), 0);
	for (int i = 0; i < 300; i++) {
		struct map_request req = {.addr = (vaddr_t)p + (vaddr_t)(i % 4) * PAGE_SIZE,
					  .len = 4 * PAGE_SIZE,
					  .prot = MAP_R,
					  .max_prot = MAP_R,
					  .kind = i % 2 ? MAP_KIND_SHARED : MAP_KIND_ANON,
					  .object = i % 2 ? &file->object : NULL,
					  .offset = (uint64_t)(i % 4) * PAGE_SIZE,
					  .fixed = true};
		vaddr_t va;

		assert_int_equal(map_create(&req, &va), 0);
		thread_yield();
	}
	atomic_store(&replacing, false);
	for (size_t i = 0; i < array_size(t); i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	unmap(p, 8 * PAGE_SIZE);
	fakefile_free(file);
	assert_int_equal(pt_table_count(), 0);
}

static void test_replacing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		harness_run(&(struct harness){.seed = seed, .preempt_in = 4}, replace_body, NULL);
}

/* ---- pinned application pages ---- */
static void pin_body(void *arg)
{
	struct fakefile *file;
	struct user_pin pin;
	uint8_t *p, kernel[100];

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(file, PAGES * PAGE_SIZE, RW, MAP_KIND_SHARED);
	assert_int_equal(user_pin(p + 100, 10000, &pin), 0);
	assert_int_equal(pin.len, PAGE_SIZE - 100);
	assert_int_equal(*(uint8_t *)pin.kva, fakefile_byte(100));
	user_unpin(&pin);

	/* The mapping goes, the pin stays; the frame of a private page too. */
	assert_int_equal(user_pin(p, 1, &pin), 0);
	unmap(p, PAGES * PAGE_SIZE);
	assert_int_equal(file->refs, 1);
	assert_int_equal(*(uint8_t *)pin.kva, fakefile_byte(0));
	user_unpin(&pin);
	assert_int_equal(file->refs, 0);
	p = map(NULL, PAGE_SIZE, RW, MAP_KIND_ANON);
	p[0] = 5;
	assert_int_equal(user_pin(p, 1, &pin), 0);
	unmap(p, PAGE_SIZE);
	assert_int_equal(*(uint8_t *)pin.kva, 5);
	user_unpin(&pin);

	/* Truncated under the pin. */
	p = map(file, PAGES * PAGE_SIZE, RW, MAP_KIND_SHARED);
	assert_int_equal(user_pin(p + 9 * PAGE_SIZE, 1, &pin), 0);
	rwlock_lock_write(&file->object.map_lock);
	pcache_remove(&file->object, 9, PGIDX_MAX);
	rwlock_unlock_write(&file->object.map_lock);
	assert_int_equal(*(uint8_t *)pin.kva, fakefile_byte(9 * PAGE_SIZE));
	user_unpin(&pin);

	assert_int_equal(user_pin(kernel, sizeof(kernel), &pin), 0);
	assert_ptr_equal(pin.kva, kernel);
	assert_int_equal(pin.len, sizeof(kernel));
	user_unpin(&pin);
	assert_int_equal(user_pin(NULL, 1, &pin), -EFAULT);
	assert_int_equal(user_pin((void *)16, 1, &pin), -EFAULT);
	assert_int_equal(user_pin(p + PAGES * PAGE_SIZE, 1, &pin), -EFAULT);
	assert_int_equal(protect(p, PAGE_SIZE, 0), 0);
	assert_int_equal(user_pin(p, 1, &pin), -EFAULT);
	fakefile_fail(file, FAKE_FILL, 1, 1, -EIO);
	assert_int_equal(user_pin(p + 20 * PAGE_SIZE, 1, &pin), -EFAULT);
	assert_int_equal(file->fail[FAKE_FILL].fired, 1);
	unmap(p, PAGES * PAGE_SIZE);
	fakefile_free(file);
	end();
}

static void test_pins(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, pin_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shared),
	    cmocka_unit_test(test_dirty_tracking),
	    cmocka_unit_test(test_storers),
	    cmocka_unit_test(test_no_waiting),
	    cmocka_unit_test(test_locked),
	    cmocka_unit_test(test_nth_fill_fails),
	    cmocka_unit_test(test_nth_write_fails),
	    cmocka_unit_test(test_writes_fail_from_nth),
	    cmocka_unit_test(test_nth_reserve_fails),
	    cmocka_unit_test(test_nth_sync_fails),
	    cmocka_unit_test(test_private),
	    cmocka_unit_test(test_anon),
	    cmocka_unit_test(test_random_calls),
	    cmocka_unit_test(test_commit),
	    cmocka_unit_test(test_last_frame),
	    cmocka_unit_test(test_heap),
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_changes_under_a_fault),
	    cmocka_unit_test(test_replacing),
	    cmocka_unit_test(test_pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
