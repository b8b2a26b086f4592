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
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/stack.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define PAGES 24ul   // of /new
#define HOLE 16ul    // the first page in its hole
#define RESIDENT 5ul // a page that is in memory, and those beside it
#define GREATEST (PAGES + 8)
#define DATA_LEN (64 * 1024 + 123)
#define N_MAX 400
#define SHORT (-1) // a short count: why, the next call would say

enum { READS = 1, WRITES = 2, FLUSHES = 4, ALLOC = 8, NO_READS = 16, NO_MEMORY = 32 }; // NO_: from the nth on

struct fault_case {
	const char *name;
	int (*act)(void);      // 0 or an errno; may be repeated
	void (*prepare)(void); // before the failure is armed
	void (*effect)(void);  // on `want`
	void (*undo)(void);    // what act leaves behind, but for the file
	unsigned fires, told;  // the kinds that it must meet; those of which each is an error that it returns
	int read_error;	       // what it says of a read that failed; 0: EIO
};

/* What a run tells its test. */
struct outcome {
	uint64_t fired;
	int result;
	size_t size;
	uint8_t want[GREATEST * PAGE]; // what /new is to hold
};

static struct outcome *outcome;
static const struct fault_case *the_case;
static unsigned kind;
static uint64_t nth;

static int fd, other; // two open files of /new
static uint8_t *map;  // of all of it
static uint8_t *extra;

/* ---- accesses ---- */
static sigjmp_buf back;
static volatile int bus_error;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	bus_error = info->si_errno;
	if (sig != SIGBUS || info->si_code != BUS_ADRERR)
		abort();
	siglongjmp(back, 1);
}

static int load(const uint8_t *p, uint8_t expected)
{
	if (sigsetjmp(back, 1))
		return bus_error;
	assert_int_equal(*(const volatile uint8_t *)p, expected);
	return 0;
}

static int store(uint8_t *p, uint8_t value)
{
	if (sigsetjmp(back, 1))
		return bus_error;
	*(volatile uint8_t *)p = value;
	return 0;
}

static int error_of(long result)
{
	return result < 0 ? errno : 0;
}

/* ---- the cases ---- */
static void want_byte(size_t at, uint8_t value)
{
	outcome->want[at] = value;
}

static int load_absent(void)
{
	return load(map + 2 * PAGE + 7, outcome->want[2 * PAGE + 7]);
}

/* Another mapping, unless there is one already. */
static int map_extra(int prot, int flags, int file)
{
	extra = extra ? extra : mmap(NULL, PAGES * PAGE, prot, flags, file, 0);
	if (extra != MAP_FAILED)
		return 0;
	extra = NULL;
	return errno;
}

static int load_private(void)
{
	int err = map_extra(RW, MAP_PRIVATE, fd);

	return err ? err : load(extra + 2 * PAGE, outcome->want[2 * PAGE]);
}

static void undo_extra(void)
{
	if (extra)
		assert_int_equal(munmap(extra, PAGES * PAGE), 0);
	extra = NULL;
}

static int store_absent(void)
{
	return store(map + 2 * PAGE + 9, 0x5a);
}

static void effect_absent(void)
{
	want_byte(2 * PAGE + 9, 0x5a);
}

static int store_resident(void)
{
	return store(map + RESIDENT * PAGE + 9, 0x5b);
}

static void effect_resident(void)
{
	want_byte(RESIDENT * PAGE + 9, 0x5b);
}

static int store_hole(void)
{
	return store(map + (HOLE + 3) * PAGE + 9, 0x5c);
}

static void effect_hole(void)
{
	want_byte((HOLE + 3) * PAGE + 9, 0x5c);
}

static int store_private(void)
{
	int err = load_private();

	if (!err)
		err = store(extra + 2 * PAGE + 1, 0x11);
	if (!err)
		err = store(extra + RESIDENT * PAGE + 1, 0x12);
	if (!err)
		assert_int_equal(extra[2 * PAGE + 2], outcome->want[2 * PAGE + 2]);
	return err;
}

static int store_anonymous(void)
{
	int err = map_extra(RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	return err ? err : store(extra + 3 * PAGE, 0x13);
}

static int store_memory(void)
{
	int err = map_extra(RW, MAP_SHARED | MAP_ANONYMOUS, -1);

	return err ? err : store(extra + 3 * PAGE, 0x14);
}

/* Pages to write, in the file and in its hole. */
static void make_dirty(void)
{
	assert_int_equal(store_resident(), 0);
	assert_int_equal(store_hole(), 0);
	effect_resident();
	effect_hole();
}

static int call_msync(void)
{
	return error_of(msync(map, PAGES * PAGE, MS_SYNC));
}

static int call_fsync(void)
{
	return error_of(fsync(fd));
}

static int call_fdatasync(void)
{
	return error_of(fdatasync(fd));
}

static int call_read(void)
{
	uint8_t buf[2 * PAGE];
	ssize_t n = pread(fd, buf, sizeof(buf), PAGE + 100);

	assert_true(n <= 0 || memcmp(buf, outcome->want + PAGE + 100, (size_t)n) == 0);
	return n < 0 ? errno : n < (ssize_t)sizeof(buf) ? SHORT : 0;
}

static int call_write_at(size_t at, size_t len)
{
	static uint8_t buf[3 * PAGE];
	ssize_t n;

	memset(buf, 0x66, len);
	n = pwrite(fd, buf, len, (off_t)at);
	return n < 0 ? errno : n < (ssize_t)len ? SHORT : 0;
}

static void effect_write_at(size_t at, size_t len)
{
	memset(outcome->want + at, 0x66, len);
	outcome->size = max_of(outcome->size, at + len);
}

static int call_write(void)
{
	return call_write_at(PAGE + 100, 2 * PAGE);
}

static void effect_write(void)
{
	effect_write_at(PAGE + 100, 2 * PAGE);
}

static int call_append(void)
{
	return call_write_at((PAGES + 1) * PAGE + 100, 2 * PAGE);
}

static void effect_append(void)
{
	effect_write_at((PAGES + 1) * PAGE + 100, 2 * PAGE);
}

static int call_write_sync(void)
{
	int err, fd_sync = open("/new", O_RDWR | O_SYNC), close_err;
	uint8_t byte = 0x67;

	if (fd_sync < 0)
		return errno;
	err = error_of(pwrite(fd_sync, &byte, 1, HOLE * PAGE));
	close_err = error_of(close(fd_sync));
	return err ? err : close_err;
}

static void effect_write_sync(void)
{
	want_byte(HOLE * PAGE, 0x67);
}

static int call_shrink(void)
{
	return error_of(ftruncate(fd, 2 * PAGE + 1000));
}

static void effect_shrink(void)
{
	memset(outcome->want + 2 * PAGE + 1000, 0, GREATEST * PAGE - 2 * PAGE - 1000);
	outcome->size = 2 * PAGE + 1000;
}

static int call_grow(void)
{
	return error_of(ftruncate(fd, (PAGES + 5) * PAGE + 10));
}

static void effect_grow(void)
{
	outcome->size = (PAGES + 5) * PAGE + 10;
}

static int call_allocate(void)
{
	return posix_fallocate(fd, (HOLE + 1) * PAGE + 100, 10 * PAGE);
}

static void effect_allocate(void)
{
	outcome->size = (HOLE + 11) * PAGE + 100;
}

static int call_punch(void)
{
	return error_of(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE + 100, 3 * PAGE));
}

static void effect_punch(void)
{
	memset(outcome->want + PAGE + 100, 0, 3 * PAGE);
}

static int call_zero(void)
{
	return error_of(fallocate(fd, FALLOC_FL_ZERO_RANGE, PAGE + 100, 3 * PAGE));
}

static int call_mincore(void)
{
	unsigned char present[PAGES];

	return error_of(mincore(map, PAGES * PAGE, present));
}

static int call_mmap(void)
{
	return map_extra(PROT_READ, MAP_SHARED, fd);
}

/* In the middle of the map: three mappings are left, or two. */
static int call_munmap(void)
{
	return error_of(munmap(map + 9 * PAGE, 2 * PAGE));
}

static void undo_munmap(void)
{
	const uint8_t *p = mmap(map + 9 * PAGE, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 9 * PAGE);

	assert_ptr_equal(p, map + 9 * PAGE);
}

static int call_replace(void)
{
	return mmap(map + 9 * PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? errno
														: 0;
}

static int call_mprotect(void)
{
	return error_of(mprotect(map + 9 * PAGE, 2 * PAGE, PROT_READ));
}

static void undo_mprotect(void)
{
	assert_int_equal(mprotect(map, PAGES * PAGE, RW), 0);
}

/* Part of the middle moves away; done once, it is not there any more. */
static int call_mremap(void)
{
	if (!extra) {
		extra = mremap(map + 9 * PAGE, 2 * PAGE, PAGES * PAGE, MREMAP_MAYMOVE);
		if (extra == MAP_FAILED) {
			extra = NULL;
			return errno;
		}
	}
	return load(extra, outcome->want[9 * PAGE]);
}

static void undo_mremap(void)
{
	undo_extra();
	undo_munmap();
}

static int call_mlock(void)
{
	return error_of(mlock(map + PAGE, 4 * PAGE));
}

static void undo_mlock(void)
{
	assert_int_equal(munlock(map, PAGES * PAGE), 0);
}

#define DATA (WRITES | FLUSHES) // of which a sync tells
#define CARD (READS | NO_READS)
#define MEMORY (ALLOC | NO_MEMORY)

static const struct fault_case cases[] = {
    {.name = "load of an absent page", load_absent, .fires = CARD | MEMORY},
    {.name = "load of an absent page, private", load_private, .undo = undo_extra, .fires = CARD | MEMORY},
    {.name = "store to an absent page", store_absent, .effect = effect_absent, .fires = CARD | MEMORY},
    {.name = "store to a resident page", store_resident, .effect = effect_resident},
    {.name = "store to a hole", store_hole, .effect = effect_hole, .fires = MEMORY},
    {.name = "store to a private page", store_private, .undo = undo_extra, .fires = CARD | MEMORY},
    {.name = "store to anonymous memory", store_anonymous, .undo = undo_extra, .fires = MEMORY},
    {.name = "store to a memory object", store_memory, .undo = undo_extra, .fires = MEMORY},
    {.name = "msync", call_msync, .prepare = make_dirty, .fires = DATA, .told = DATA},
    {.name = "fsync", call_fsync, .prepare = make_dirty, .fires = DATA, .told = DATA},
    {.name = "fdatasync", call_fdatasync, .prepare = make_dirty, .fires = DATA, .told = DATA},
    {.name = "read", call_read, .fires = CARD | MEMORY},
    {.name = "write", call_write, .effect = effect_write, .fires = CARD | MEMORY},
    {.name = "write behind the end", call_append, .effect = effect_append, .fires = MEMORY},
    {.name = "write with O_SYNC",
     call_write_sync,
     .effect = effect_write_sync,
     .fires = DATA | MEMORY,
     .told = FLUSHES},
    {.name = "ftruncate to less", call_shrink, .effect = effect_shrink, .fires = CARD | MEMORY},
    {.name = "ftruncate to more", call_grow, .effect = effect_grow},
    {.name = "posix_fallocate", call_allocate, .effect = effect_allocate},
    {.name = "a hole is punched", call_punch, .effect = effect_punch, .fires = CARD | MEMORY},
    {.name = "zeros for a range", call_zero, .effect = effect_punch, .fires = CARD | MEMORY},
    {.name = "mincore", call_mincore},
    {.name = "mmap", call_mmap, .undo = undo_extra, .fires = MEMORY},
    {.name = "munmap", call_munmap, .undo = undo_munmap, .fires = MEMORY},
    {.name = "mmap of a place that is in use", call_replace, .undo = undo_munmap, .fires = MEMORY},
    {.name = "mprotect", call_mprotect, .undo = undo_mprotect, .fires = MEMORY},
    {.name = "mremap", call_mremap, .undo = undo_mremap, .fires = MEMORY},
    {.name = "mlock", call_mlock, .undo = undo_mlock, .read_error = ENOMEM, .fires = CARD | MEMORY},
};

/* ---- one time ---- */
static void begin_round(void)
{
	fd = open("/new", O_RDWR | O_CREAT | O_TRUNC, 0644);
	other = open("/new", O_RDWR);
	assert_true(fd >= 0 && other >= 0);
	memset(outcome->want, 0, sizeof(outcome->want));
	stack_fill(outcome->want, 2, 0, HOLE * PAGE);
	outcome->size = PAGES * PAGE;
	assert_int_equal(write(fd, outcome->want, HOLE * PAGE), HOLE * PAGE);
	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	assert_int_equal(fsync(fd), 0);
	map = mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	(void)pcache_drop_clean(); // all of it
	for (size_t page = RESIDENT; page < RESIDENT + 4; page++)
		assert_int_equal(load(map + page * PAGE, outcome->want[page * PAGE]), 0);
	if (the_case->prepare)
		the_case->prepare();
}

static void check_file_by_call(void)
{
	static uint8_t buf[GREATEST * PAGE];
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, outcome->size);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), outcome->size);
	assert_memory_equal(buf, outcome->want, outcome->size);
}

static void check_contents(void)
{
	check_file_by_call();
	assert_memory_equal(map, outcome->want, min_of(outcome->size, PAGES * PAGE));
}

/* In memory, through the map, and on the card everything is as it should be. */
static void end_round(void)
{
	if (the_case->undo)
		the_case->undo();
	check_contents();
	assert_int_equal(munmap(map, PAGES * PAGE), 0);
	assert_int_equal(fsync(fd), 0);
	(void)pcache_drop_clean(); // all of it
	check_file_by_call();
	assert_int_equal(close(fd), 0);
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
	else if (err && err != right && err != SHORT && !(err == EAGAIN && the_case->act == call_mlock))
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
	err = error_of(fsync(fd));
	assert_true(err == 0 || (err == EIO && recorded));
	assert_int_equal(error_of(fsync(fd)), 0);
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
	const struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
	struct allocated before;

	(void)arg;
	harness_start();
	process_begin();
	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
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
	check_file(out, "/new", outcome->want, outcome->size);
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
	if (!the_case->fires && the_case->act == store_resident && nth > 1)
		fail_msg("a store to a resident page needed something (kind %#x)", kind);
	if (the_case->fires & kind & (NO_READS | NO_MEMORY) && *told == 0)
		fail_msg("%s was never told (kind %#x)", the_case->name, kind);
}

static void test_faults(void **state)
{
	const unsigned first = harness_effort() == EFFORT_QUICK ? 4096 : 1024;

	(void)state;
	outcome = outcome ? outcome : harness_shared(sizeof(*outcome));
	for (unsigned block = first; block <= 4096; block *= harness_effort() == EFFORT_LONG ? 2 : 4) {
		for (the_case = cases; the_case < cases + array_size(cases); the_case++) {
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

static void full_body(void *arg)
{
	const struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
	int filler;

	(void)arg;
	harness_start();
	process_begin();
	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
	begin_round();
	assert_int_equal(posix_fallocate(fd, HOLE * PAGE, PAGE), 0); // a page of the hole is prepared
	filler = open("/filler", O_RDWR | O_CREAT, 0644);
	assert_true(filler >= 0);
	fill_card(filler);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(store_hole(), ENOSPC);
		assert_int_equal(load(map + (HOLE + 3) * PAGE + 9, 0), 0);
		assert_int_equal(call_append(), ENOSPC);
		assert_int_equal(call_allocate(), ENOSPC);
		check_contents();
	}
	assert_int_equal(store(map + HOLE * PAGE + 5, 0x21), 0);
	want_byte(HOLE * PAGE + 5, 0x21);
	assert_int_equal(store_resident(), 0);
	effect_resident();
	assert_int_equal(call_msync(), 0);
	assert_int_equal(ftruncate(filler, 0), 0);
	assert_int_equal(store_hole(), 0);
	effect_hole();
	assert_int_equal(call_append(), 0);
	effect_append();
	assert_int_equal(call_msync(), 0);
	assert_int_equal(close(filler), 0);
	end_round();
	assert_int_equal(harness_stop(), 0);
}

/* ENOSPC reaches whoever stores, a prepared range has its room, and nothing is an error that a sync reports. */
static void test_full(void **state)
{
	static const struct fault_case none = {.name = "a full card"};

	(void)state;
	outcome = outcome ? outcome : harness_shared(sizeof(*outcome));
	the_case = &none;
	for (unsigned block = 1024; block <= 4096; block *= 2) {
		const char *image = image_path("full"), *out = image_path("full-out");
		char options[32];

		snprintf(options, sizeof(options), "-b %u", block);
		image_mke2fs(image, "1M", options);
		harness_run(&(struct harness){.frames = 512, .disk = {.image = image, .save = out}}, full_body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
		check_file(out, "/new", outcome->want, outcome->size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_faults), cmocka_unit_test(test_full)};

	return cmocka_run_group_tests_name("the nth read, write, flush, allocation fails", tests, NULL, NULL);
}
