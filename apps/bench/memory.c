// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Costs of memory: what the first touch of a page costs, by kind, and what a mapping call costs by page. All file pages
 * are cached before they are measured, so no figure waits for the card. One case works on `rounds` pages at once;
 * mapping and unmapping them is not measured unless the figure is about that.
 */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define PAGE ((size_t)4096)
#define FILE_NAME "bench.tmp"
#define FILE_PAGES 256u // the most rounds that a case of a file may have
#define STRIDE 101u	// odd: all pages, none beside the one before
#define READ_WRITE (PROT_READ | PROT_WRITE)

static uint64_t milli_each(uint64_t begin, uint64_t operations)
{
	return (bench_now() - begin) * 1000 / operations;
}

static void must_not_fail(int result, const char *what)
{
	bench_must(result ? errno : 0, what);
}

static char *map(size_t pages, int prot, int flags, int fd, size_t first)
{
	char *at = mmap(NULL, pages * PAGE, prot, flags, fd, (off_t)(first * PAGE));

	bench_must(at == MAP_FAILED ? errno : 0, "mmap");
	return at;
}

static void unmap(char *at, size_t pages)
{
	must_not_fail(munmap(at, pages * PAGE), "munmap");
}

static char *map_anonymous(size_t pages)
{
	return map(pages, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void store_each(char *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		((volatile char *)at)[i * PAGE] = 1;
}

static void load_each(const char *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		(void)((const volatile char *)at)[i * PAGE];
}

/* A file of FILE_PAGES pages that has its blocks, is on the card and in the cache. Its name is gone already. */
static int file_open(void)
{
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *at;

	bench_must(fd < 0 ? errno : 0, "open");
	must_not_fail(unlink(FILE_NAME), "unlink");
	bench_must(posix_fallocate(fd, 0, FILE_PAGES * PAGE), "posix_fallocate");
	at = map(FILE_PAGES, READ_WRITE, MAP_SHARED, fd, 0);
	store_each(at, FILE_PAGES);
	must_not_fail(msync(at, FILE_PAGES * PAGE, MS_SYNC), "msync");
	unmap(at, FILE_PAGES);
	return fd;
}

/* What the closed file had is given back now, not while something is measured. */
static void file_close(int fd)
{
	must_not_fail(close(fd), "close");
	sync();
}

/* ---- private memory ---- */

static uint64_t fault_anon(unsigned rounds)
{
	char *at = map_anonymous(rounds);
	uint64_t begin = bench_now(), each;

	store_each(at, rounds);
	each = milli_each(begin, rounds);
	unmap(at, rounds);
	return each;
}

static uint64_t fault_anon_read(unsigned rounds)
{
	char *at = map_anonymous(rounds);
	uint64_t begin = bench_now(), each;

	load_each(at, rounds);
	each = milli_each(begin, rounds);
	unmap(at, rounds);
	return each;
}

/* ---- files ---- */

/* Each page in a mapping of its own, so that a fault maps no neighbours. */
static uint64_t fault_file(unsigned rounds)
{
	int fd = file_open();
	char *at[FILE_PAGES];
	uint64_t begin, each;

	for (unsigned i = 0; i < rounds; i++)
		at[i] = map(1, PROT_READ, MAP_SHARED, fd, i * STRIDE % FILE_PAGES);
	begin = bench_now();
	for (unsigned i = 0; i < rounds; i++)
		load_each(at[i], 1);
	each = milli_each(begin, rounds);
	for (unsigned i = 0; i < rounds; i++)
		unmap(at[i], 1);
	file_close(fd);
	return each;
}

static uint64_t touch_file(unsigned rounds, int flags, void touch(const char *at, size_t pages))
{
	int fd = file_open();
	char *at = map(rounds, READ_WRITE, flags, fd, 0);
	uint64_t begin = bench_now(), each;

	touch(at, rounds);
	each = milli_each(begin, rounds);
	unmap(at, rounds);
	file_close(fd);
	return each;
}

static void store_into(const char *at, size_t pages)
{
	store_each((char *)at, pages);
}

static uint64_t fault_file_around(unsigned rounds)
{
	return touch_file(rounds, MAP_SHARED, load_each);
}

static uint64_t fault_file_store(unsigned rounds)
{
	return touch_file(rounds, MAP_SHARED, store_into);
}

static uint64_t fault_copy(unsigned rounds)
{
	return touch_file(rounds, MAP_PRIVATE, store_into);
}

/* A page that msync has cleaned is shown read-only: the first store again. */
static uint64_t fault_file_restore(unsigned rounds)
{
	int fd = file_open();
	char *at = map(rounds, READ_WRITE, MAP_SHARED, fd, 0);
	uint64_t begin, each;

	store_each(at, rounds);
	must_not_fail(msync(at, rounds * PAGE, MS_SYNC), "msync");
	begin = bench_now();
	store_each(at, rounds);
	each = milli_each(begin, rounds);
	unmap(at, rounds);
	file_close(fd);
	return each;
}

/* ---- mapping calls ---- */

static uint64_t protect_page(unsigned rounds)
{
	char *at = map_anonymous(3);
	uint64_t begin, each;

	store_each(at, 3);
	begin = bench_now();
	for (unsigned i = 0; i < rounds; i += 2) {
		must_not_fail(mprotect(at + PAGE, PAGE, PROT_READ), "mprotect");
		must_not_fail(mprotect(at + PAGE, PAGE, READ_WRITE), "mprotect");
	}
	each = milli_each(begin, rounds);
	unmap(at, 3);
	return each;
}

/* Of many touched pages in one call: what each of them costs. */
static uint64_t protect_each(unsigned rounds)
{
	char *at = map_anonymous(rounds);
	uint64_t begin, each;

	store_each(at, rounds);
	begin = bench_now();
	must_not_fail(mprotect(at, rounds * PAGE, PROT_READ), "mprotect");
	each = milli_each(begin, rounds);
	unmap(at, rounds);
	return each;
}

static uint64_t unmap_each(unsigned rounds)
{
	char *at = map_anonymous(rounds);
	uint64_t begin;

	store_each(at, rounds);
	begin = bench_now();
	unmap(at, rounds);
	return milli_each(begin, rounds);
}

static uint64_t unmap_each_file(unsigned rounds)
{
	int fd = file_open();
	char *at = map(rounds, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t begin, each;

	load_each(at, rounds);
	begin = bench_now();
	unmap(at, rounds);
	each = milli_each(begin, rounds);
	file_close(fd);
	return each;
}

const struct bench_case memory_cases[] = {
    {"fault_anon", fault_anon, 512},
    {"fault_anon_read", fault_anon_read, 512},
    {"fault_file", fault_file, FILE_PAGES},
    {"fault_file_around", fault_file_around, FILE_PAGES},
    {"fault_file_store", fault_file_store, FILE_PAGES},
    {"fault_file_restore", fault_file_restore, FILE_PAGES},
    {"fault_copy", fault_copy, FILE_PAGES},
    {"protect_page", protect_page, 256},
    {"protect_each", protect_each, 512},
    {"unmap_each", unmap_each, 512},
    {"unmap_each_file", unmap_each_file, FILE_PAGES},
    {0},
};
