// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * One thing that the kernel needs is not to be had, for every n: the nth read, write or FLUSH of the card fails, the
 * nth allocation finds no memory, or all reads or allocations from the nth on; in each call and access that mappings
 * are made for.
 *
 * Each run does the same to a file three times: once well, so that caches are warm; once with the failure; once well.
 * What the failure came to is looked at: the caller is told with the right error, or it is done; trying again, with the
 * world well, does it; each open file learns once of what could not be written. Then contents are compared, what is
 * allocated is what it was after the first time, and the card is what e2fsck and the test expect.
 */
#include "posix/host_names.h"

#undef exit
#undef main

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/pt.h"
#include "fs/fs.h"
#include "mm/kmalloc.h"
#include "mm/vma.h"
#include "posix/process.h"
#include "tests/host/allocfail.h"
#include "tests/host/faultcases.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/stack.h"

#define DATA_LEN (64 * 1024 + 123)
#define N_MAX 400

/* What a run tells its test. */
struct outcome {
	uint64_t fired;
	int result;
};

static struct outcome *outcome;
static const struct fault_case *the_case;
static unsigned kind;
static uint64_t nth;
static int other; // another open file of /new

/* ---- one time ---- */
static void begin_round(void)
{
	fault_fd = open("/new", O_RDWR | O_CREAT | O_TRUNC, 0644);
	other = open("/new", O_RDWR);
	assert_true(fault_fd >= 0 && other >= 0);
	memset(fault_file->want, 0, sizeof(fault_file->want));
	stack_fill(fault_file->want, 2, 0, HOLE * PAGE);
	fault_file->size = PAGES * PAGE;
	assert_int_equal(write(fault_fd, fault_file->want, HOLE * PAGE), HOLE * PAGE);
	assert_int_equal(ftruncate(fault_fd, PAGES * PAGE), 0);
	assert_int_equal(fsync(fault_fd), 0);
	fault_map = mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fault_fd, 0);
	assert_ptr_not_equal(fault_map, MAP_FAILED);
	(void)pcache_drop_clean(); // all of it
	for (size_t page = RESIDENT; page < RESIDENT + 4; page++)
		assert_int_equal(fault_load(fault_map + page * PAGE, fault_file->want[page * PAGE]), 0);
	if (the_case->prepare)
		the_case->prepare();
}

static void check_file_by_call(void)
{
	static uint8_t buf[GREATEST * PAGE];
	struct stat st;

	assert_int_equal(fstat(fault_fd, &st), 0);
	assert_int_equal(st.st_size, fault_file->size);
	assert_int_equal(pread(fault_fd, buf, sizeof(buf), 0), fault_file->size);
	assert_memory_equal(buf, fault_file->want, fault_file->size);
}

static void check_contents(void)
{
	check_file_by_call();
	assert_memory_equal(fault_map, fault_file->want, min_of(fault_file->size, PAGES * PAGE));
}

/* In memory, through the fault_map, and on the card everything is as it should be. */
static void end_round(void)
{
	if (the_case->undo)
		the_case->undo();
	check_contents();
	assert_int_equal(munmap(fault_map, PAGES * PAGE), 0);
	assert_int_equal(fsync(fault_fd), 0);
	(void)pcache_drop_clean(); // all of it
	check_file_by_call();
	assert_int_equal(close(fault_fd), 0);
	assert_int_equal(close(other), 0);
	assert_int_equal(fs_sync(), 0);
	(void)pcache_drop_clean(); // all of it
}

static void act_well(void)
{
	const int err = the_case->act();

	if (err)
		fail_msg("%s, with everything well: %s", the_case->name, strerror(err));
	if (the_case->effect)
		the_case->effect();
}

static void arm(void)
{
	const unsigned op = kind & CARD ? BLK_READ : kind == WRITES ? BLK_WRITE : BLK_FLUSH;
	const uint64_t count = kind & (NO_READS | NO_MEMORY) ? UINT64_MAX : 1;

	if (kind & MEMORY)
		allocfail_arm(nth, count);
	else
		simdisk_fail(&(struct simdisk_fault){.ops = 1u << op, .from = nth, .count = count});
}

static void disarm(void)
{
	if (kind & MEMORY) {
		outcome->fired = allocfail_fired();
		allocfail_disarm();
	} else {
		outcome->fired = simdisk_fired();
		simdisk_fail(&(struct simdisk_fault){0});
	}
}

static unsigned errors_recorded(void)
{
	struct pcache_object *object;
	struct pcache_errors *seen;
	bool readable, writable;
	unsigned count;

	assert_int_equal(fs_object(other, &object, &seen, &readable, &writable), 0);
	count = atomic_load(&object->write_errseq);
	object->ops->ref(object, -1);
	pcache_errors_put(seen);
	return count;
}

/* What came of it: told with the right error, or done in spite of it. */
static void check_result(int err)
{
	const int read_error = the_case->read_error ? the_case->read_error : EIO;
	const int right = kind & MEMORY ? ENOMEM : kind & CARD ? read_error : EIO;

	if (!outcome->fired)
		assert_int_equal(err, 0);
	else if (err && err != right && err != SHORT && !(kind & MEMORY && err == the_case->memory_error))
		fail_msg("%s: %s; expected %s", the_case->name, strerror(err), strerror(right));
	else if (!err && the_case->told & kind)
		fail_msg("%s says that all is well", the_case->name);
}

static void act_badly(void)
{
	const unsigned errors = errors_recorded();
	bool recorded;
	int err;

	arm();
	err = the_case->act();
	disarm();
	outcome->result = err;
	check_result(err);
	recorded = errors_recorded() != errors;
	if (recorded && !(kind & DATA))
		fail_msg("%s: nothing was written, and yet an error is recorded", the_case->name);
	act_well();
	/* Each open file learns of it once, the one that was told by its own call perhaps not again. */
	assert_int_equal(error_of(fsync(other)), recorded ? EIO : 0);
	assert_int_equal(error_of(fsync(other)), 0);
	err = error_of(fsync(fault_fd));
	assert_true(err == 0 || (err == EIO && recorded));
	assert_int_equal(error_of(fsync(fault_fd)), 0);
}

/* ---- what is allocated ---- */
struct allocated {
	size_t frames, heap, pieces, committed, locked, private, tables, mappings;
};

static struct allocated count_allocated(void)
{
	struct allocated now = {.frames = frame_total() - frame_free_count(),
				.heap = kmalloc_used(),
				.pieces = allocfail_pieces(),
				.committed = space.committed,
				.locked = space.locked,
				.private = space.anon_frames,
				.tables = pt_table_count()};

	for (const struct vma *vma = vma_next_locked(0); vma; vma = vma_following_locked(vma))
		now.mappings++;
	return now;
}

static void check_allocated(const struct allocated *before)
{
	const struct allocated now = count_allocated();

	assert_int_equal(now.committed, before->committed);
	assert_int_equal(now.locked, before->locked);
	assert_int_equal(now.private, before->private);
	assert_int_equal(now.mappings, before->mappings);
	assert_int_equal(now.tables, before->tables);
	assert_int_equal(now.pieces, before->pieces);
	assert_int_equal(now.heap, before->heap);
	assert_int_equal(now.frames, before->frames);
}

static void body(void *arg)
{
	struct allocated before;

	(void)arg;
	harness_start();
	process_begin();
	fault_catch();
	begin_round();
	act_well();
	end_round();
	before = count_allocated();
	begin_round();
	act_badly();
	end_round();
	begin_round();
	act_well();
	end_round();
	check_allocated(&before);
	assert_int_equal(harness_stop(), 0);
}

/* ---- all of them ---- */
static void check_file(const char *out, const char *path, const uint8_t *right, size_t right_len)
{
	size_t len;
	uint8_t *data = image_read(out, path, &len);

	assert_non_null(data);
	assert_int_equal(len, right_len);
	assert_memory_equal(data, right, len);
	free(data);
}

static void share(void)
{
	outcome = outcome ? outcome : harness_shared(sizeof(*outcome));
	fault_file = fault_file ? fault_file : harness_shared(sizeof(*fault_file));
}

static bool run(unsigned block)
{
	static uint8_t data[DATA_LEN];
	char name[32];
	const char *out = image_path("faults-out"), *log;

	snprintf(name, sizeof(name), "faults-%u", block);
	const struct harness h = {
	    .frames = 512,
	    .disk = {.image = stack_image(name, "4M", block, DATA_LEN), .save = out, .lose_writes = kind == FLUSHES}};
	const int status = harness_status(&h, body, NULL, &log);

	if (status)
		fail_msg("%s, kind %#x, n = %llu, block %u: status %d\n%s", the_case->name, kind,
			 (unsigned long long)nth, block, status, log);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
	check_file(out, "/new", fault_file->want, fault_file->size);
	stack_fill(data, 1, 0, DATA_LEN);
	check_file(out, "/data", data, DATA_LEN);
	return outcome->fired > 0;
}

static void run_kind(unsigned block, unsigned *told)
{
	*told = 0;
	for (nth = 1; run(block); nth++) {
		*told += outcome->result != 0;
		assert_true(nth < N_MAX);
	}
	if (the_case->fires & kind && nth == 1)
		fail_msg("%s: nothing of the kind %#x was there to fail", the_case->name, kind);
	if (the_case->needs_nothing && nth > 1)
		fail_msg("%s needed something (kind %#x)", the_case->name, kind);
	if (the_case->fires & kind & (NO_READS | NO_MEMORY) && *told == 0)
		fail_msg("%s was never told (kind %#x)", the_case->name, kind);
}

static void test_faults(void **state)
{
	const unsigned first = harness_effort() == EFFORT_QUICK ? 4096 : 1024;

	(void)state;
	share();
	for (unsigned block = first; block <= 4096; block *= harness_effort() == EFFORT_LONG ? 2 : 8) {
		for (the_case = fault_cases; the_case < fault_cases + fault_case_count; the_case++) {
			print_message("block %u, %s:", block, the_case->name);
			for (kind = READS; kind <= NO_MEMORY; kind *= 2) {
				unsigned told;

				run_kind(block, &told);
				print_message(" %llu/%u", (unsigned long long)nth - 1, told);
			}
			print_message(" failures/told (read, write, flush, allocation, all reads, all allocations)\n");
		}
	}
}

/* ---- a card without room ---- */
/* Leaves not a block; gives the length of the file that has them. */
static void fill_card(int file)
{
	static uint8_t block[1024];
	off_t at = 0;

	while (pwrite(file, block, sizeof(block), at) == (ssize_t)sizeof(block))
		at += (off_t)sizeof(block);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(fsync(file), 0);
	while (pwrite(file, block, sizeof(block), at) == (ssize_t)sizeof(block)) // what the commit gave back
		at += (off_t)sizeof(block);
	assert_int_equal(errno, ENOSPC);
}

static int act_named(const char *name)
{
	return fault_case_named(name)->act();
}

static void full_body(void *arg)
{
	int filler;

	(void)arg;
	harness_start();
	process_begin();
	fault_catch();
	begin_round();
	assert_int_equal(posix_fallocate(fault_fd, HOLE * PAGE, PAGE), 0); // a page of the hole is prepared
	filler = open("/filler", O_RDWR | O_CREAT, 0644);
	assert_true(filler >= 0);
	fill_card(filler);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(act_named("store to a hole"), ENOSPC);
		assert_int_equal(fault_load(fault_map + (HOLE + 3) * PAGE + 9, 0), 0);
		assert_int_equal(act_named("write behind the end"), ENOSPC);
		assert_int_equal(act_named("posix_fallocate"), ENOSPC);
		check_contents();
	}
	assert_int_equal(fault_store(fault_map + HOLE * PAGE + 5, 0x21), 0);
	fault_file->want[HOLE * PAGE + 5] = 0x21;
	assert_int_equal(act_named("store to a resident page"), 0);
	fault_case_named("store to a resident page")->effect();
	assert_int_equal(act_named("msync"), 0);
	assert_int_equal(ftruncate(filler, 0), 0);
	assert_int_equal(act_named("store to a hole"), 0);
	fault_case_named("store to a hole")->effect();
	assert_int_equal(act_named("write behind the end"), 0);
	fault_case_named("write behind the end")->effect();
	assert_int_equal(act_named("msync"), 0);
	/* What a deleted file had is there for the next store, though nobody has synced. */
	fill_card(filler);
	assert_int_equal(fault_store(fault_map + (HOLE + 5) * PAGE + 9, 0x22), ENOSPC);
	assert_int_equal(close(filler), 0);
	assert_int_equal(unlink("/filler"), 0);
	assert_int_equal(fault_store(fault_map + (HOLE + 5) * PAGE + 9, 0x22), 0);
	fault_file->want[(HOLE + 5) * PAGE + 9] = 0x22;
	end_round();
	assert_int_equal(harness_stop(), 0);
}

/* ENOSPC reaches whoever stores, a prepared range has its room, and nothing is an error that a sync reports. */
static void test_full(void **state)
{
	static const struct fault_case none = {.name = "a full card"};

	(void)state;
	share();
	the_case = &none;
	for (unsigned block = 1024; block <= 4096; block *= 2) {
		const char *image = image_path("full"), *out = image_path("full-out");
		char options[32];

		snprintf(options, sizeof(options), "-b %u", block);
		image_mke2fs(image, "1M", options);
		harness_run(&(struct harness){.frames = 512, .disk = {.image = image, .save = out}}, full_body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
		check_file(out, "/new", fault_file->want, fault_file->size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_faults), cmocka_unit_test(test_full)};

	return cmocka_run_group_tests_name("the nth read, write, flush, allocation fails", tests, NULL, NULL);
}
