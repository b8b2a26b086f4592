// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Calls that are handed a bad pointer: EFAULT or a short count, never a signal, and the call works the next time.
 * Only calls that the C library hands on without a look of its own.
 */

#include <dirent.h>
#include <sched.h>
#include <time.h>

#include "oracle.h"

static byte *nothing, *forbidden, *read_only, *beyond; // bad pointers; the second page of beyond is behind the end
static void *const kernel = (void *)0xffffffff80000000;

struct bad {
	const char *name;
	void *p;
};

static const struct bad *bad_pointers(void)
{
	static struct bad list[6];

	forbidden = map(2, PROT_NONE, ANON, -1, 0);
	read_only = map(2, PROT_READ, ANON, -1, 0);
	beyond = map(2, RW, MAP_SHARED, fresh(1, 'b'), 0);
	nothing = room(256); // however many blocks malloc maps meanwhile
	list[0] = (struct bad){"NULL", NULL};
	list[1] = (struct bad){"nothing", nothing};
	list[2] = (struct bad){"forbidden", forbidden};
	list[3] = (struct bad){"kernel", kernel};
	list[4] = (struct bad){"beyond the end", beyond + PAGE};
	return list;
}

static void transfers(const struct bad *bad)
{
	int fd = fresh(2, 'f');

	for (; bad->name; bad++) {
		check(text("read into %s", bad->name), "%s", ret(read(fd, bad->p, 10)));
		check(text("position after read into %s", bad->name), "%s", ret(lseek(fd, 0, SEEK_CUR)));
		check(text("write from %s", bad->name), "%s", ret(write(fd, bad->p, 10)));
		check(text("position after write from %s", bad->name), "%s", ret(lseek(fd, 0, SEEK_CUR)));
		check(text("pread into %s", bad->name), "%s", ret(pread(fd, bad->p, 2 * PAGE, 0)));
		check(text("pwrite from %s", bad->name), "%s", ret(pwrite(fd, bad->p, 2 * PAGE, 0)));
		check(text("pwrite behind the end from %s", bad->name), "%s", ret(pwrite(fd, bad->p, 10, 2 * PAGE)));
		check(text("read of nothing into %s", bad->name), "%s", ret(read(fd, bad->p, 0)));
		check(text("read at the end into %s", bad->name), "%s", ret(pread(fd, bad->p, 10, 2 * PAGE)));
	}
	check("read into what is read-only", "%s", ret(read(fd, read_only, 10)));
	check("write from what is read-only", "%s", ret(write(fd, read_only, 10)));
	STEPS("the file after all", text("%ld", file_size(fd)), file_runs(fd, 0, 3 * PAGE));
}

/* Names, structures. */
static void paths(const struct bad *bad)
{
	struct stat st;

	for (; bad->name; bad++) {
		const char *path = bad->p;

		check(text("open of %s", bad->name), "%s", ret(open(path, O_RDONLY)));
		check(text("open to create of %s", bad->name), "%s", ret(open(path, O_RDWR | O_CREAT, 0644)));
		check(text("stat of %s", bad->name), "%s", ret(stat(path, &st)));
		check(text("stat into %s", bad->name), "%s", ret(stat(".", bad->p)));
		check(text("unlink of %s", bad->name), "%s", ret(unlink(path)));
		check(text("mkdir of %s", bad->name), "%s", ret(mkdir(path, 0755)));
		check(text("rmdir of %s", bad->name), "%s", ret(rmdir(path)));
		check(text("rename of %s", bad->name), "%s", ret(rename(path, "pointers.new")));
		check(text("rename to %s", bad->name), "%s", ret(rename("pointers.data", path)));
		check(text("truncate of %s", bad->name), "%s", ret(truncate(path, 0)));
		check(text("access of %s", bad->name), "%s", ret(access(path, F_OK)));
		check(text("fstat into %s", bad->name), "%s", ret(fstat(0, bad->p)));
	}
	check("the file that should not be renamed", "%s", ret(access("pointers.data", F_OK)));
}

static void times(const struct bad *bad)
{
	struct timespec short_time = {.tv_nsec = 1};

	for (; bad->name; bad++) {
		check(text("nanosleep of %s", bad->name), "%s", ret(nanosleep(bad->p, NULL)));
		check(text("clock_nanosleep of %s", bad->name), "%s",
		      error_name(clock_nanosleep(CLOCK_MONOTONIC, 0, bad->p, NULL)));
	}
	check("nanosleep with a rest that is not wanted", "%s", ret(nanosleep(&short_time, kernel)));
}

/* What is NULL in these means that nothing is asked for. */
static void signals_and_scheduling(const struct bad *bad)
{
	stack_t stack;

	for (; bad->name; bad++) {
		check(text("sigprocmask into %s", bad->name), "%s", ret(sigprocmask(SIG_BLOCK, NULL, bad->p)));
		check(text("sigpending into %s", bad->name), "%s", ret(sigpending(bad->p)));
		check(text("sigaltstack of %s", bad->name), "%s", ret(sigaltstack(bad->p, NULL)));
		check(text("sigaltstack into %s", bad->name), "%s", ret(sigaltstack(NULL, bad->p)));
		check(text("sched_getparam into %s", bad->name), "%s", ret(sched_getparam(0, bad->p)));
		check(text("sched_rr_get_interval into %s", bad->name), "%s", ret(sched_rr_get_interval(0, bad->p)));
	}
	check("sigaltstack after all", "%s", ret(sigaltstack(NULL, &stack)));
	check("sigaltstack after all: flags", "%s", stack.ss_flags == SS_DISABLE ? "none" : "some");
}

/* The buffer is good to some point. */
static void short_counts(void)
{
	volatile size_t all = SIZE_MAX; // the compiler would not take it
	int fd = fresh(8, 'f'), to;
	byte *p = map(4, RW, ANON, -1, 0);

	memset(p, 'p', 4 * PAGE);
	unmap(p + 2 * PAGE, 2);
	check("short: read of three pages into two", "%s", ret(pread(fd, p, 3 * PAGE, 0)));
	check("short: read: bytes", "%s", runs(p, 2 * PAGE));
	check("short: read, not at pages", "%s", ret(pread(fd, p + 2 * PAGE - 100, 200, PAGE - 10)));
	check("short: read of one byte at the border", "%s", ret(pread(fd, p + 2 * PAGE, 1, 0)));
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	STEPS("short: read and position", ret(read(fd, p + PAGE, 4 * PAGE)), ret(lseek(fd, 0, SEEK_CUR)));
	memset(p, 'q', 2 * PAGE);
	to = fresh(0, 0);
	check("short: write of three pages from two", "%s", ret(pwrite(to, p, 3 * PAGE, 0)));
	STEPS("short: write: file", text("%ld", file_size(to)), file_runs(to, 0, 4 * PAGE));
	check("short: write of 200 bytes from 100", "%s", ret(pwrite(to, p + 2 * PAGE - 100, 200, 2 * PAGE)));
	STEPS("short: write of 200: file", text("%ld", file_size(to)), file_runs(to, 2 * PAGE, PAGE));
	check("short: write within the file", "%s", ret(pwrite(to, p + 2 * PAGE - 100, 200, 10)));
	STEPS("short: write within the file: file", text("%ld", file_size(to)), file_runs(to, 0, PAGE));
	check("short: write over the file's page, from 100 bytes", "%s",
	      ret(pwrite(to, p + 2 * PAGE - 100, 300, PAGE - 50)));
	check("short: write from the border", "%s", ret(pwrite(to, p + 2 * PAGE, 10, 0)));
	STEPS("short: write and position", ret(lseek(to, 0, SEEK_END)), ret(write(to, p + 2 * PAGE - 7, 100)));
	MUST(mprotect(p + PAGE, PAGE, PROT_NONE) == 0);
	check("short: read up to what is forbidden", "%s", ret(pread(fd, p, 2 * PAGE, 0)));
	check("short: write up to what is forbidden", "%s", ret(pwrite(to, p, 2 * PAGE, 0)));
	MUST(mprotect(p + PAGE, PAGE, PROT_READ) == 0);
	check("short: read up to what is read-only", "%s", ret(pread(fd, p, 2 * PAGE, 0)));
	check("short: write from what is read-only", "%s", ret(pwrite(to, p, 2 * PAGE, 0)));
	check("short: read up to what is beyond an end", "%s", ret(pread(fd, beyond, 2 * PAGE, 0)));
	check("short: write up to what is beyond an end", "%s", ret(pwrite(to, beyond, 2 * PAGE, 0)));
	check("short: bytes of another file's page", "%s", runs(beyond, PAGE));
	check("length over all addresses", "%s", ret(pread(fd, p, all, 0)));
	check("length of half the addresses", "%s", ret(pread(fd, p, all / 2 + 1, 0)));
	STEPS("negative offset", ret(pread(fd, p, 10, -1)), ret(pwrite(fd, p, 10, -1)));
}

static void others(void)
{
	int fd = fresh(1, 'f');
	byte *p = map(2, RW, ANON, -1, 0);
	DIR *dir = opendir(".");

	check("getcwd into NULL's neighbour", "%s", ret(getcwd((char *)16, 100) ? 0 : -1));
	check("getcwd into what is forbidden", "%s", ret(getcwd((char *)forbidden, 100) ? 0 : -1));
	check("getcwd of no room", "%s", ret(getcwd((char *)p, 0) ? 0 : -1));
	unmap(p + PAGE, 1);
	memset(p, 'n', PAGE);
	check("a name as long as a page", "%s", ret(open((char *)p, O_RDONLY)));
	check("a name that runs into nothing", "%s", ret(open((char *)p + PAGE - 20, O_RDONLY)));
	check("mincore into nothing", "%s", ret(mincore(p, PAGE, nothing)));
	check("mincore into what is read-only", "%s", ret(mincore(p, PAGE, read_only)));
	MUST(dir);
	check("a directory is read after all", "%s", readdir(dir) ? "yes" : "no");
	STEPS("a file is read after all", ret(pread(fd, p, PAGE, 0)), runs(p, PAGE));
	MUST(closedir(dir) == 0);
}

int main(void)
{
	const struct bad *bad = bad_pointers();
	int fd = open("pointers.data", O_RDWR | O_CREAT, 0644);

	catch_faults();
	MUST(fd >= 0 && close(fd) == 0);
	transfers(bad);
	paths(bad);
	times(bad);
	signals_and_scheduling(bad);
	short_counts();
	others();
	MUST(unlink("pointers.data") == 0);
	return done();
}
