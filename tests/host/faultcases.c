// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "posix/host_names.h"

#undef exit
#undef main

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/host/faultcases.h"
#include "tests/host/harness.h"

struct fault_file *fault_file;
int fault_fd;
uint8_t *fault_map;
static uint8_t *extra; // another mapping, that a case makes

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

void fault_catch(void)
{
	const struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};

	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

int fault_load(const uint8_t *p, uint8_t expected)
{
	if (sigsetjmp(back, 1))
		return bus_error;
	assert_int_equal(*(const volatile uint8_t *)p, expected);
	return 0;
}

int fault_store(uint8_t *p, uint8_t value)
{
	if (sigsetjmp(back, 1))
		return bus_error;
	*(volatile uint8_t *)p = value;
	return 0;
}

/* ---- the cases ---- */
static void want_byte(size_t at, uint8_t value)
{
	fault_file->want[at] = value;
}

static int load_absent(void)
{
	return fault_load(fault_map + 2 * PAGE + 7, fault_file->want[2 * PAGE + 7]);
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
	int err = map_extra(RW, MAP_PRIVATE, fault_fd);

	return err ? err : fault_load(extra + 2 * PAGE, fault_file->want[2 * PAGE]);
}

static void undo_extra(void)
{
	if (extra)
		assert_int_equal(munmap(extra, PAGES * PAGE), 0);
	extra = NULL;
}

static int store_absent(void)
{
	return fault_store(fault_map + 2 * PAGE + 9, 0x5a);
}

static void effect_absent(void)
{
	want_byte(2 * PAGE + 9, 0x5a);
}

static int store_resident(void)
{
	return fault_store(fault_map + RESIDENT * PAGE + 9, 0x5b);
}

static void effect_resident(void)
{
	want_byte(RESIDENT * PAGE + 9, 0x5b);
}

static int store_hole(void)
{
	return fault_store(fault_map + (HOLE + 3) * PAGE + 9, 0x5c);
}

static void effect_hole(void)
{
	want_byte((HOLE + 3) * PAGE + 9, 0x5c);
}

static int store_private(void)
{
	int err = load_private();

	if (!err)
		err = fault_store(extra + 2 * PAGE + 1, 0x11);
	if (!err)
		err = fault_store(extra + RESIDENT * PAGE + 1, 0x12);
	if (!err)
		assert_int_equal(extra[2 * PAGE + 2], fault_file->want[2 * PAGE + 2]);
	return err;
}

static int store_anonymous(void)
{
	int err = map_extra(RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	return err ? err : fault_store(extra + 3 * PAGE, 0x13);
}

static int store_memory(void)
{
	int err = map_extra(RW, MAP_SHARED | MAP_ANONYMOUS, -1);

	return err ? err : fault_store(extra + 3 * PAGE, 0x14);
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
	return error_of(msync(fault_map, PAGES * PAGE, MS_SYNC));
}

static int call_fsync(void)
{
	return error_of(fsync(fault_fd));
}

static int call_fdatasync(void)
{
	return error_of(fdatasync(fault_fd));
}

static int call_read(void)
{
	uint8_t buf[2 * PAGE];
	ssize_t n = pread(fault_fd, buf, sizeof(buf), PAGE + 100);

	assert_true(n <= 0 || memcmp(buf, fault_file->want + PAGE + 100, (size_t)n) == 0);
	return n < 0 ? errno : n < (ssize_t)sizeof(buf) ? SHORT : 0;
}

static int call_write_at(size_t at, size_t len)
{
	static uint8_t buf[3 * PAGE];
	ssize_t n;

	memset(buf, 0x66, len);
	n = pwrite(fault_fd, buf, len, (off_t)at);
	return n < 0 ? errno : n < (ssize_t)len ? SHORT : 0;
}

static void effect_write_at(size_t at, size_t len)
{
	memset(fault_file->want + at, 0x66, len);
	fault_file->size = max_of(fault_file->size, at + len);
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
	return error_of(ftruncate(fault_fd, 2 * PAGE + 1000));
}

static void effect_shrink(void)
{
	memset(fault_file->want + 2 * PAGE + 1000, 0, GREATEST * PAGE - 2 * PAGE - 1000);
	fault_file->size = 2 * PAGE + 1000;
}

static int call_grow(void)
{
	return error_of(ftruncate(fault_fd, (PAGES + 5) * PAGE + 10));
}

static void effect_grow(void)
{
	fault_file->size = (PAGES + 5) * PAGE + 10;
}

static int call_allocate(void)
{
	return posix_fallocate(fault_fd, (HOLE + 1) * PAGE + 100, 10 * PAGE);
}

static void effect_allocate(void)
{
	fault_file->size = (HOLE + 11) * PAGE + 100;
}

static int call_punch(void)
{
	return error_of(fallocate(fault_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE + 100, 3 * PAGE));
}

static void effect_punch(void)
{
	memset(fault_file->want + PAGE + 100, 0, 3 * PAGE);
}

static int call_zero(void)
{
	return error_of(fallocate(fault_fd, FALLOC_FL_ZERO_RANGE, PAGE + 100, 3 * PAGE));
}

static int call_mincore(void)
{
	unsigned char present[PAGES];

	return error_of(mincore(fault_map, PAGES * PAGE, present));
}

static int call_mmap(void)
{
	return map_extra(PROT_READ, MAP_SHARED, fault_fd);
}

/* In the middle of the map: three mappings are left, or two. */
static int call_munmap(void)
{
	return error_of(munmap(fault_map + 9 * PAGE, 2 * PAGE));
}

static void prepare_munmap_whole(void)
{
	assert_int_equal(map_extra(RW, MAP_PRIVATE | MAP_ANONYMOUS, -1), 0);
}

/* No mapping is cut: it takes no memory to give memory back. */
static int call_munmap_whole(void)
{
	undo_extra();
	return 0;
}

static void undo_munmap(void)
{
	const uint8_t *p = mmap(fault_map + 9 * PAGE, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fault_fd, 9 * PAGE);

	assert_ptr_equal(p, fault_map + 9 * PAGE);
}

static int call_replace(void)
{
	return mmap(fault_map + 9 * PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED
		   ? errno
		   : 0;
}

static int call_mprotect(void)
{
	return error_of(mprotect(fault_map + 9 * PAGE, 2 * PAGE, PROT_READ));
}

static void undo_mprotect(void)
{
	assert_int_equal(mprotect(fault_map, PAGES * PAGE, RW), 0);
}

/* Part of the middle moves away; done once, it is not there any more. */
static int call_mremap(void)
{
	if (!extra) {
		extra = mremap(fault_map + 9 * PAGE, 2 * PAGE, PAGES * PAGE, MREMAP_MAYMOVE);
		if (extra == MAP_FAILED) {
			extra = NULL;
			return errno;
		}
	}
	return fault_load(extra, fault_file->want[9 * PAGE]);
}

static void undo_mremap(void)
{
	undo_extra();
	undo_munmap();
}

static int call_mlock(void)
{
	return error_of(mlock(fault_map + PAGE, 4 * PAGE));
}

static void undo_mlock(void)
{
	assert_int_equal(munlock(fault_map, PAGES * PAGE), 0);
}

const struct fault_case fault_cases[] = {
    {.name = "load of an absent page", load_absent, .fires = CARD | MEMORY},
    {.name = "load of an absent page, private", load_private, .undo = undo_extra, .fires = CARD | MEMORY},
    {.name = "store to an absent page", store_absent, .effect = effect_absent, .fires = CARD | MEMORY},
    {.name = "store to a resident page", store_resident, .effect = effect_resident, .needs_nothing = true},
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
    {.name = "munmap of whole mappings", call_munmap_whole, .prepare = prepare_munmap_whole, .fires = ALLOC},
    {.name = "mmap of a place that is in use", call_replace, .undo = undo_munmap, .fires = MEMORY},
    {.name = "mprotect", call_mprotect, .undo = undo_mprotect, .fires = MEMORY},
    {.name = "mremap", call_mremap, .undo = undo_mremap, .fires = MEMORY},
    {.name = "mlock",
     call_mlock,
     .undo = undo_mlock,
     .read_error = ENOMEM,
     .memory_error = EAGAIN,
     .fires = CARD | MEMORY},
};
const size_t fault_case_count = array_size(fault_cases);

const struct fault_case *fault_case_named(const char *name)
{
	for (size_t i = 0; i < fault_case_count; i++)
		if (strcmp(fault_cases[i].name, name) == 0)
			return &fault_cases[i];
	fail_msg("no case %s", name);
	return NULL;
}
