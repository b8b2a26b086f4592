// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* mremap over fake files and private memory: what is where afterwards, what is counted, and that a failure changes
 * nothing. */
#include <errno.h>
#include <string.h>

#include "arch/pt.h"
#include "kernel/mutex.h"
#include "kernel/thread.h"
#include "mm/map.h"
#include "mm/reclaim.h"
#include "mm/vma.h"
#include "tests/host/fakefile.h"
#include "tests/host/harness.h"

#define PAGES 16
#define RW (MAP_R | MAP_W)
#define FAR (1ul << 31) // another leaf table

static uint8_t *map_request(struct map_request req, struct fakefile *file, size_t pages)
{
	vaddr_t va = 0;

	req.len = pages * PAGE_SIZE;
	req.max_prot = RW;
	req.object = file ? &file->object : NULL;
	assert_int_equal(map_create(&req, &va), 0);
	return (uint8_t *)va;
}

static uint8_t *map(struct fakefile *file, size_t pages, enum map_kind kind)
{
	return map_request((struct map_request){.prot = RW, .kind = kind}, file, pages);
}

static void unmap(const uint8_t *p, size_t pages)
{
	assert_int_equal(map_remove((vaddr_t)p, pages * PAGE_SIZE), 0);
}

/* Pages, not bytes; the place in *out. */
static int remap_to(const uint8_t *p, size_t old, size_t new, struct map_remap how, uint8_t **out)
{
	vaddr_t at = 0;
	int err;

	how.old = (vaddr_t)p;
	how.old_len = old * PAGE_SIZE;
	how.new_len = new *PAGE_SIZE;
	err = map_remap(&how, &at);
	*out = (uint8_t *)at;
	return err;
}

static uint8_t *remap(const uint8_t *p, size_t old, size_t new, struct map_remap how)
{
	uint8_t *q;

	assert_int_equal(remap_to(p, old, new, how, &q), 0);
	return q;
}

static int fails(const uint8_t *p, size_t old, size_t new, struct map_remap how)
{
	uint8_t *q;

	return remap_to(p, old, new, how, &q);
}

#define MAY_MOVE ((struct map_remap){.may_move = true})
#define FIXED(at) ((struct map_remap){.may_move = true, .fixed = true, .addr = (vaddr_t)(at)})
#define KEEP_OLD ((struct map_remap){.may_move = true, .keep_old = true})

static int loads(const uint8_t *p)
{
	uint8_t byte;

	return harness_load(p, &byte, NULL);
}

static size_t frames_at_start;

static void start(void)
{
	harness_start_mm();
	frames_at_start = frame_free_count();
}

static void end(void)
{
	assert_int_equal(frame_free_count(), frames_at_start);
	assert_int_equal(pt_table_count(), 0);
}

static void run(void (*body)(void *))
{
	harness_run(&(struct harness){0}, body, NULL);
}

static void stamp(uint8_t *p, size_t pages, uint8_t with)
{
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE_SIZE] = (uint8_t)(with + i);
}

static void check_stamp(const uint8_t *p, size_t pages, uint8_t with)
{
	for (size_t i = 0; i < pages; i++)
		assert_int_equal(p[i * PAGE_SIZE], (uint8_t)(with + i));
}

/* ---- in place ---- */
static void in_place_body(void *arg)
{
	struct map_info info;
	uint8_t *p, *wall;

	(void)arg;
	start();
	p = map(NULL, PAGES, MAP_KIND_ANON);
	stamp(p, PAGES, 1);
	assert_ptr_equal(remap(p, PAGES, PAGES, (struct map_remap){0}), p);
	assert_ptr_equal(remap(p, PAGES, 2 * PAGES, (struct map_remap){0}), p);
	assert_true(map_lookup((vaddr_t)p, &info) && info.end == (vaddr_t)p + 2 * PAGES * PAGE_SIZE); // one mapping
	check_stamp(p, PAGES, 1);
	assert_int_equal(p[(2 * PAGES - 1) * PAGE_SIZE], 0);
	assert_ptr_equal(remap(p, 2 * PAGES, 4, (struct map_remap){0}), p);
	check_stamp(p, 4, 1);
	assert_int_equal(loads(p + 4 * PAGE_SIZE), FAULT_MAPERR);

	/* What is asked for may be the end of a mapping; what is in the way keeps it from growing. */
	assert_ptr_equal(remap(p + 3 * PAGE_SIZE, 1, 3, (struct map_remap){0}), p + 3 * PAGE_SIZE);
	wall = map_request((struct map_request){.addr = (vaddr_t)p + 8 * PAGE_SIZE, .kind = MAP_KIND_ANON}, NULL, 1);
	assert_ptr_equal(wall, p + 8 * PAGE_SIZE);
	assert_int_equal(fails(p, 6, 9, (struct map_remap){0}), -ENOMEM);
	assert_int_equal(fails(p, 5, 8, (struct map_remap){0}), -ENOMEM); // from the middle there is no growing
	assert_ptr_equal(remap(p, 6, 8, (struct map_remap){0}), p);
	check_stamp(p, 4, 1);
	/* Shrinking needs only the first byte to be mapped. */
	unmap(p + PAGE_SIZE, 1);
	assert_ptr_equal(remap(p, 9, 1, (struct map_remap){0}), p);
	assert_int_equal(loads(wall), FAULT_MAPERR);
	unmap(p, PAGES);
	end();
}

static void test_in_place(void **state)
{
	(void)state;
	run(in_place_body);
}

/* ---- moves ---- */
/* Private frames move as they are: none is taken, none freed, those of pages without rights included. */
static void anon_move_body(void *arg)
{
	size_t frames, tables;
	uint8_t *p, *q, *wall;

	(void)arg;
	start();
	p = map(NULL, PAGES, MAP_KIND_ANON);
	wall = map_request((struct map_request){.kind = MAP_KIND_ANON}, NULL, 1);
	stamp(p, PAGES / 2, 1);
	assert_int_equal(loads(p + (PAGES - 1) * PAGE_SIZE), FAULT_OK); // the zero page
	assert_int_equal(map_protect((vaddr_t)p, PAGES * PAGE_SIZE, 0), 0);
	frames = frame_free_count();
	tables = pt_table_count();
	assert_int_equal(fails(p, PAGES, PAGES + 4, (struct map_remap){0}), -ENOMEM);
	q = remap(p, PAGES, PAGES + 4, MAY_MOVE);
	assert_ptr_not_equal(q, p);
	assert_int_equal(frame_free_count(), frames);
	assert_int_equal(loads(p), FAULT_MAPERR);
	assert_int_equal(loads(q), FAULT_ACCERR);
	assert_int_equal(map_protect((vaddr_t)q, (PAGES + 4) * PAGE_SIZE, RW), 0);
	check_stamp(q, PAGES / 2, 1);
	for (size_t i = PAGES / 2; i < PAGES + 4; i++)
		assert_int_equal(q[i * PAGE_SIZE], 0);

	/* The middle of it, far away and shorter; the old tables go with the old place. */
	p = remap(q + 2 * PAGE_SIZE, 6, 4, FIXED(q + FAR));
	assert_ptr_equal(p, q + FAR);
	check_stamp(p, 4, 3);
	check_stamp(q, 2, 1);
	for (size_t i = 2; i < 8; i++)
		assert_int_equal(loads(q + i * PAGE_SIZE), FAULT_MAPERR);
	assert_int_equal(q[8 * PAGE_SIZE], 0);
	assert_int_equal(pt_table_count(), tables + 1);
	unmap(wall, 1);
	unmap(q, PAGES + 4);
	assert_int_equal(pt_table_count(), 1);
	/* Back, and longer: what was added is zeros. */
	q = remap(p, 4, PAGES, FIXED(q));
	check_stamp(q, 4, 3);
	assert_int_equal(q[4 * PAGE_SIZE], 0);
	assert_int_equal(pt_table_count(), 1);
	unmap(q, PAGES);
	end();
}

static void test_anon_move(void **state)
{
	(void)state;
	run(anon_move_body);
}

/* Across the border of leaf tables, and to places at every distance from it. */
static void tables_body(void *arg)
{
	const size_t pages = 1100;
	uint8_t *p;

	(void)arg;
	start();
	p = map(NULL, pages, MAP_KIND_ANON);
	for (size_t i = 0; i < pages; i += 7)
		p[i * PAGE_SIZE] = (uint8_t)i;
	for (size_t step = 0; step < 12; step++) {
		uint8_t *q = remap(p, pages, pages, FIXED(p + FAR + step * 97 * PAGE_SIZE));

		for (size_t i = 0; i < pages; i += 7)
			assert_int_equal(q[i * PAGE_SIZE], (uint8_t)i);
		assert_in_range(pt_table_count(), 3, 4);
		p = q;
	}
	unmap(p, pages);
	end();
}

static void test_tables(void **state)
{
	(void)state;
	run(tables_body);
}

static void file_move_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p, *q, *again;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(file, PAGES, MAP_KIND_SHARED);
	stamp(p, PAGES, 1);
	q = remap(p + 4 * PAGE_SIZE, 4, 6, MAY_MOVE);
	pcache_check(&file->object);
	check_stamp(q, 6, 5); // longer by what follows in the file
	assert_int_equal(loads(p + 5 * PAGE_SIZE), FAULT_MAPERR);
	q[0] = 99;
	again = remap(q, 0, 4, MAY_MOVE); // the same pages, twice
	assert_ptr_not_equal(again, q);
	assert_int_equal(again[0], 99);
	again[PAGE_SIZE] = 98;
	assert_int_equal(q[PAGE_SIZE], 98);
	pcache_check(&file->object);
	assert_int_equal(map_sync((vaddr_t)q, 6 * PAGE_SIZE, true), 0);
	assert_int_equal(file->synced[4 * PAGE_SIZE], 99);
	assert_int_equal(file->synced[5 * PAGE_SIZE], 98);
	assert_int_equal(p[8 * PAGE_SIZE], 9);
	assert_int_equal(fails(q, 0, 4, (struct map_remap){0}), -ENOMEM);
	/* Beyond the end of the file it may be mapped, and not touched. */
	q = remap(q, 6, 2 * PAGES, MAY_MOVE);
	assert_int_equal(loads(q + 11 * PAGE_SIZE), FAULT_OK);
	assert_int_equal(loads(q + 12 * PAGE_SIZE), FAULT_ADRERR);
	unmap(q, 2 * PAGES);
	unmap(again, 4);
	unmap(p, PAGES);
	assert_int_equal(file->refs, 0);
	assert_int_equal(pcache_write_all(), 0);

	/* Private copies move, the file's own pages are shown again. */
	p = map(file, PAGES, MAP_KIND_PRIVATE);
	p[2 * PAGE_SIZE] = 77;
	assert_int_equal(p[3 * PAGE_SIZE], 4);
	q = remap(p, PAGES, PAGES, FIXED(p + FAR));
	assert_int_equal(q[2 * PAGE_SIZE], 77);
	assert_int_equal(q[3 * PAGE_SIZE], 4);
	assert_int_equal(fails(q, 0, 4, MAY_MOVE), -EINVAL);
	pcache_check(&file->object);
	unmap(q, PAGES);
	fakefile_free(file);
	end();
}

static void test_file_move(void **state)
{
	(void)state;
	run(file_move_body);
}

static void keep_old_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p, *q;

	(void)arg;
	start();
	p = map(NULL, PAGES, MAP_KIND_ANON);
	stamp(p, PAGES, 1);
	q = remap(p + 4 * PAGE_SIZE, 4, 4, KEEP_OLD);
	check_stamp(q, 4, 5);
	check_stamp(p, 4, 1);
	for (size_t i = 4; i < 8; i++)
		assert_int_equal(p[i * PAGE_SIZE], 0);
	check_stamp(p + 8 * PAGE_SIZE, PAGES - 8, 9);
	stamp(p, PAGES, 100);
	check_stamp(q, 4, 5);
	unmap(p, PAGES);
	unmap(q, 4);

	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(file, PAGES, MAP_KIND_PRIVATE);
	p[0] = (uint8_t)~fakefile_byte(0);
	q = remap(p, PAGES, PAGES, KEEP_OLD);
	assert_int_equal(p[0], fakefile_byte(0)); // the file's again
	assert_int_equal(q[0], (uint8_t)~fakefile_byte(0));
	unmap(p, PAGES);
	unmap(q, PAGES);
	p = map(file, PAGES, MAP_KIND_SHARED);
	p[0] = 9;
	q = remap(p, PAGES, PAGES, KEEP_OLD);
	assert_int_equal(q[0], 9);
	p[1] = 8;
	assert_int_equal(q[1], 8);
	pcache_check(&file->object);
	unmap(p, PAGES);
	unmap(q, PAGES);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	end();
}

static void test_keep_old(void **state)
{
	(void)state;
	run(keep_old_body);
}

static void fixed_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p, *q;

	(void)arg;
	start();
	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map(NULL, PAGES, MAP_KIND_ANON);
	q = map(file, PAGES, MAP_KIND_SHARED);
	stamp(p, PAGES, 1);
	stamp(q, PAGES, 100);
	/* Into the middle of another mapping, which goes on around it; all of it is in use. */
	assert_ptr_equal(remap(p, 4, 4, FIXED(q + 4 * PAGE_SIZE)), q + 4 * PAGE_SIZE);
	check_stamp(q, 4, 100);
	check_stamp(q + 4 * PAGE_SIZE, 4, 1);
	check_stamp(q + 8 * PAGE_SIZE, PAGES - 8, 108);
	pcache_check(&file->object);
	/* Into its own other half. */
	assert_ptr_equal(remap(p + 4 * PAGE_SIZE, 4, 4, FIXED(p + 12 * PAGE_SIZE)), p + 12 * PAGE_SIZE);
	check_stamp(p + 8 * PAGE_SIZE, 4, 9);
	check_stamp(p + 12 * PAGE_SIZE, 4, 5);
	/* Onto another part of the same object, and of the pages' own kind. */
	assert_ptr_equal(remap(q, 2, 2, FIXED(q + 10 * PAGE_SIZE)), q + 10 * PAGE_SIZE);
	check_stamp(q + 10 * PAGE_SIZE, 2, 100);
	pcache_check(&file->object);
	unmap(q, PAGES);
	unmap(p, PAGES);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	end();
}

static void test_fixed(void **state)
{
	(void)state;
	run(fixed_body);
}

/* ---- errors, and what they leave ---- */
static void errors_body(void *arg)
{
	struct fakefile *file;
	uint8_t *p, *q;

	(void)arg;
	start();
	p = map(NULL, PAGES, MAP_KIND_ANON);
	q = map_request((struct map_request){.addr = (vaddr_t)p + FAR, .prot = RW, .kind = MAP_KIND_ANON}, NULL, 4);
	stamp(p, PAGES, 1);
	stamp(q, 4, 50);
	assert_int_equal(fails(p + 1, 1, 2, MAY_MOVE), -EINVAL);
	assert_int_equal(fails(p, 1, 0, MAY_MOVE), -EINVAL);
	assert_int_equal(fails(p, 0, 1, MAY_MOVE), -EINVAL); // private
	assert_int_equal(fails(p, 1, 1, (struct map_remap){.fixed = true, .addr = (vaddr_t)q}), -EINVAL);
	assert_int_equal(fails(p, 1, 1, (struct map_remap){.keep_old = true}), -EINVAL);
	assert_int_equal(fails(p, 2, 1, KEEP_OLD), -EINVAL);
	assert_int_equal(fails(p, 2, 2, FIXED(q + 1)), -EINVAL);
	assert_int_equal(fails(p, 2, 2, FIXED(p + PAGE_SIZE)), -EINVAL);
	assert_int_equal(fails(p, 2, 2, FIXED(p)), -EINVAL);
	assert_int_equal(fails(p, 2, 1, FIXED(p + PAGE_SIZE)), -EINVAL);
	assert_int_equal(fails(p, 2, 4, FIXED(p - 2 * PAGE_SIZE)), -EINVAL);
	assert_int_equal(fails(p, 2, 2, FIXED(MMAP_MAX - PAGE_SIZE)), -EINVAL);
	assert_int_equal(fails(p, 2, 2, FIXED(MMAP_MIN - PAGE_SIZE)), -EINVAL);
	assert_int_equal(fails(p, SIZE_MAX / PAGE_SIZE, 2, MAY_MOVE), -EINVAL);
	assert_int_equal(fails(q + 4 * PAGE_SIZE, 1, 2, MAY_MOVE), -EFAULT);
	assert_int_equal(fails(q + 4 * PAGE_SIZE, 2, 1, MAY_MOVE), -EFAULT);
	assert_int_equal(fails(q, 5, 6, MAY_MOVE), -EFAULT);
	assert_int_equal(fails(q, 5, 5, FIXED(q + FAR)), -EFAULT);
	assert_int_equal(fails(p, 1, (MMAP_MAX - MMAP_MIN) / PAGE_SIZE + 1, MAY_MOVE), -ENOMEM);
	assert_int_equal(fails(p, PAGES, SIZE_MAX / PAGE_SIZE, MAY_MOVE), -ENOMEM);
	assert_int_equal(map_protect((vaddr_t)p + PAGE_SIZE, PAGE_SIZE, MAP_R), 0);
	assert_int_equal(fails(p, 2, 3, MAY_MOVE), -EFAULT); // two mappings
	assert_int_equal(fails(p, 4, 2, FIXED(q)), -EFAULT);
	check_stamp(p, PAGES, 1);
	check_stamp(q, 4, 50);
	unmap(p, PAGES);
	unmap(q, 4);

	file = fakefile_make(PAGES * PAGE_SIZE, false);
	p = map_request((struct map_request){.prot = RW,
					     .kind = MAP_KIND_SHARED,
					     .offset = align_down((uint64_t)INT64_MAX, PAGE_SIZE) - PAGE_SIZE},
			file, 1);
	assert_int_equal(fails(p, 1, 2, MAY_MOVE), -EINVAL); // beyond what an offset can be
	unmap(p, 1);
	fakefile_free(file);
	end();
}

static void test_errors(void **state)
{
	(void)state;
	run(errors_body);
}

static void commit_body(void *arg)
{
	uint8_t *p, *q, *wall;
	size_t most;

	(void)arg;
	start();
	p = map(NULL, PAGES, MAP_KIND_ANON);
	wall = map_request((struct map_request){.kind = MAP_KIND_ANON}, NULL, 1);
	stamp(p, PAGES, 1);
	assert_int_equal(space.committed, PAGES);
	p = remap(p, PAGES, PAGES + 5, MAY_MOVE);
	assert_int_equal(space.committed, PAGES + 5);
	q = remap(p, 8, 8, KEEP_OLD);
	assert_int_equal(space.committed, PAGES + 5 + 8);
	unmap(q, 8);
	most = frame_total();
	assert_int_equal(fails(p, PAGES + 5, most, MAY_MOVE), -ENOMEM);
	assert_int_equal(fails(p, PAGES + 5, most, (struct map_remap){0}), -ENOMEM);
	assert_int_equal(fails(p + 4 * PAGE_SIZE, 4, most, MAY_MOVE), -ENOMEM);
	assert_int_equal(space.committed, PAGES + 5);
	check_stamp(p + 8 * PAGE_SIZE, PAGES - 8, 9);
	p = remap(p, PAGES + 5, 2, MAY_MOVE);
	assert_int_equal(space.committed, 2);
	q = map(NULL, 4, MAP_KIND_ANON);
	assert_ptr_equal(remap(p, 2, 2, FIXED(q + PAGE_SIZE)), q + PAGE_SIZE);
	assert_int_equal(space.committed, 4);
	assert_int_equal(map_protect((vaddr_t)q, PAGE_SIZE, MAP_R), 0); // stays promised
	p = remap(q, 1, 9, MAY_MOVE);
	assert_int_equal(space.committed, 12);
	unmap(p, 9);
	unmap(q, 4);
	unmap(wall, 1);
	p = map_request((struct map_request){.prot = RW, .kind = MAP_KIND_ANON, .noreserve = true}, NULL, PAGES);
	p = remap(p, PAGES, most, MAY_MOVE); // without a promise
	unmap(p, most);
	assert_int_equal(space.committed, 0);
	end();
}

static void test_commit(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 512}, commit_body, NULL);
}

/* Locked memory stays so, grows by what may be locked, and is there at once. */
static void locked_body(void *arg)
{
	struct pcache_stats before, after;
	struct fakefile *file;
	uint8_t *p, *q;

	(void)arg;
	start();
	file = fakefile_make(64 * PAGE_SIZE, false);
	p = map(file, 4, MAP_KIND_SHARED);
	assert_int_equal(map_lock((vaddr_t)p, 4 * PAGE_SIZE, true), 0);
	q = remap(p, 4, 8, FIXED(p + FAR));
	pcache_stats(&before);
	assert_true(before.pages >= 8);
	(void)reclaim(1000);
	for (size_t i = 0; i < 8; i++)
		q[i * PAGE_SIZE] = 1;
	pcache_stats(&after);
	assert_int_equal(after.fills, before.fills);
	assert_int_equal(space.locked, 8);
	assert_int_equal(fails(q, 8, 200, MAY_MOVE), -EAGAIN); // more than half of memory
	assert_int_equal(space.locked, 8);
	p = remap(q, 8, 8, KEEP_OLD);
	assert_int_equal(map_advise((vaddr_t)q, 8 * PAGE_SIZE, MAP_ADV_DONTNEED), 0); // it is locked no more
	assert_int_equal(map_advise((vaddr_t)p, 8 * PAGE_SIZE, MAP_ADV_DONTNEED), -EINVAL);
	unmap(q, 8);
	q = remap(p, 0, 4, MAY_MOVE);
	assert_int_equal(space.locked, 12);
	unmap(q, 4);
	unmap(p, 8);
	assert_int_equal(space.locked, 0);
	assert_int_equal(pcache_write_all(), 0);
	fakefile_free(file);
	end();
}

static void test_locked(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 256}, locked_body, NULL);
}

/* No frame for a table: all is as it was, and what needs none goes on working. */
static void no_table_body(void *arg)
{
	struct list_node taken = LIST_INIT(taken), *node;
	struct page *page;
	uint8_t *p, *q;

	(void)arg;
	start();
	p = map(NULL, 2 * PAGES, MAP_KIND_ANON);
	stamp(p, PAGES, 1);
	q = map_request((struct map_request){.addr = (vaddr_t)p + FAR, .prot = RW, .kind = MAP_KIND_ANON}, NULL, PAGES);
	while ((page = frame_alloc_normal()))
		list_push_back(&taken, &page->lru);
	assert_int_equal(fails(p, PAGES, PAGES, FIXED(q)), -ENOMEM);
	assert_int_equal(fails(p, PAGES, PAGES, FIXED(p + 2 * FAR)), -ENOMEM);
	assert_int_equal(loads(q), FAULT_OK);
	check_stamp(p, PAGES, 1);
	assert_ptr_equal(remap(p + PAGES * PAGE_SIZE, PAGES, PAGES, FIXED(q)), q); // shows nothing, and needs no table
	while ((node = list_pop_front(&taken)))
		frame_free(list_entry(node, struct page, lru));
	check_stamp(p, PAGES, 1);
	assert_int_equal(loads(p + PAGES * PAGE_SIZE), FAULT_MAPERR);
	assert_int_equal(loads(q), FAULT_OK);
	assert_ptr_equal(remap(p, PAGES, PAGES, FIXED(q)), q);
	check_stamp(q, PAGES, 1);
	assert_int_equal(loads(p), FAULT_MAPERR);
	unmap(q, PAGES);
	end();
}

static void test_no_table(void **state)
{
	(void)state;
	run(no_table_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_place),  cmocka_unit_test(test_anon_move), cmocka_unit_test(test_tables),
	    cmocka_unit_test(test_file_move), cmocka_unit_test(test_keep_old),	cmocka_unit_test(test_fixed),
	    cmocka_unit_test(test_errors),    cmocka_unit_test(test_commit),	cmocka_unit_test(test_locked),
	    cmocka_unit_test(test_no_table),
	};

	return cmocka_run_group_tests_name("mremap", tests, NULL, NULL);
}
