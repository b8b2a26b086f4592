// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What mmap, munmap and mprotect refuse, and with which error; and which flags are taken without effect. */

#include "oracle.h"

#define TRY(name, ...) check("mmap: " name, "%s", mapped(mmap(__VA_ARGS__)))
#define KERNEL_HALF ((void *)0xffffffff00000000)

static void lengths_and_offsets(int fd)
{
	TRY("length 0", NULL, 0, RW, ANON, -1, 0);
	TRY("length 0 of a file", NULL, 0, RW, MAP_SHARED, fd, 0);
	TRY("length 1", NULL, 1, RW, ANON, -1, 0);
	TRY("length of all addresses", NULL, SIZE_MAX, RW, ANON, -1, 0);
	TRY("length of all pages but one", NULL, SIZE_MAX - PAGE, RW, ANON, -1, 0);
	TRY("length of half the addresses", NULL, 1ul << 63, PROT_NONE, ANON, -1, 0);
	TRY("length of more than any machine's", NULL, 1ul << 56, PROT_NONE, ANON, -1, 0);
	TRY("file, length of all pages but one", NULL, SIZE_MAX - PAGE, PROT_READ, MAP_SHARED, fd, 0);
	TRY("offset 1", NULL, PAGE, PROT_READ, MAP_SHARED, fd, 1);
	TRY("offset 512", NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 512);
	TRY("offset 4095", NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 4095);
	TRY("anonymous, offset 1", NULL, PAGE, RW, ANON, -1, 1);
	TRY("anonymous, offset of a page", NULL, PAGE, RW, ANON, -1, PAGE);
	TRY("anonymous and shared, offset of a page", NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, PAGE);
	TRY("beyond the end of the file", NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100 * PAGE);
	TRY("beyond the end of the file, privately", NULL, PAGE, RW, MAP_PRIVATE, fd, 100 * PAGE);
	TRY("longer than the file", NULL, 100 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	TRY("the last page of offsets", NULL, PAGE, PROT_READ, MAP_SHARED, fd, INT64_MAX & -PAGE);
	TRY("over the last page of offsets", NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, INT64_MAX & -PAGE);
	TRY("privately over the last page of offsets", NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, INT64_MAX & -PAGE);
	TRY("negative offset", NULL, PAGE, PROT_READ, MAP_SHARED, fd, -(off_t)PAGE);
}

static void descriptors(int fd)
{
	int reader = open("errors.data", O_RDONLY), writer = open("errors.data", O_WRONLY), dir = open(".", O_RDONLY);
	int closed = dup(fd), null = open("/dev/null", O_RDWR);

	MUST(reader >= 0 && writer >= 0 && dir >= 0 && null >= 0 && close(closed) == 0);
	TRY("no descriptor", NULL, PAGE, RW, MAP_SHARED, -1, 0);
	TRY("no such descriptor", NULL, PAGE, RW, MAP_PRIVATE, 99, 0);
	TRY("a closed descriptor", NULL, PAGE, PROT_READ, MAP_PRIVATE, closed, 0);
	TRY("anonymous, with a descriptor", NULL, PAGE, RW, ANON, fd, 0);
	TRY("anonymous, with a closed descriptor", NULL, PAGE, RW, ANON, closed, 0);
	TRY("read-only file, shared to read", NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
	TRY("read-only file, shared to write", NULL, PAGE, RW, MAP_SHARED, reader, 0);
	TRY("read-only file, shared to write only", NULL, PAGE, PROT_WRITE, MAP_SHARED, reader, 0);
	TRY("read-only file, validated, to write", NULL, PAGE, RW, MAP_SHARED_VALIDATE, reader, 0);
	TRY("read-only file, private to write", NULL, PAGE, RW, MAP_PRIVATE, reader, 0);
	TRY("read-only file, no access", NULL, PAGE, PROT_NONE, MAP_SHARED, reader, 0);
	TRY("write-only file, shared to write", NULL, PAGE, PROT_WRITE, MAP_SHARED, writer, 0);
	TRY("write-only file, shared to read", NULL, PAGE, PROT_READ, MAP_SHARED, writer, 0);
	TRY("write-only file, private", NULL, PAGE, PROT_READ, MAP_PRIVATE, writer, 0);
	TRY("write-only file, no access", NULL, PAGE, PROT_NONE, MAP_SHARED, writer, 0);
	TRY("a directory", NULL, PAGE, PROT_READ, MAP_SHARED, dir, 0);
	TRY("a directory, private", NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0);
	TRY("/dev/null", NULL, PAGE, PROT_READ, MAP_PRIVATE, null, 0);
	TRY("/dev/null, shared", NULL, PAGE, RW, MAP_SHARED, null, 0);
	MUST(close(reader) == 0 && close(writer) == 0 && close(dir) == 0 && close(null) == 0);
}

static void flags(int fd)
{
	int unknown = 0x800000;

	TRY("no type", NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0);
	TRY("no type, of a file", NULL, PAGE, PROT_READ, 0, fd, 0);
	TRY("type 4", NULL, PAGE, PROT_READ, 4, fd, 0);
	TRY("type 15", NULL, PAGE, PROT_READ, MAP_TYPE, fd, 0);
	TRY("validated", NULL, PAGE, RW, MAP_SHARED_VALIDATE, fd, 0);
	TRY("validated, of no file", NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0);
	TRY("validated, unknown flag", NULL, PAGE, RW, MAP_SHARED_VALIDATE | unknown, fd, 0);
	TRY("validated, MAP_SYNC", NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
	TRY("validated, with known flags", NULL, PAGE, RW,
	    MAP_SHARED_VALIDATE | MAP_POPULATE | MAP_NONBLOCK | MAP_NORESERVE | MAP_DENYWRITE | MAP_STACK, fd, 0);
	TRY("shared, MAP_DENYWRITE", NULL, PAGE, RW, MAP_SHARED | MAP_DENYWRITE, fd, 0);
	TRY("shared, MAP_EXECUTABLE", NULL, PAGE, RW, MAP_SHARED | MAP_EXECUTABLE, fd, 0);
	TRY("private, MAP_STACK", NULL, PAGE, RW, ANON | MAP_STACK, -1, 0);
	TRY("private, MAP_NORESERVE", NULL, PAGE, RW, ANON | MAP_NORESERVE, -1, 0);
	TRY("shared, MAP_NORESERVE", NULL, PAGE, RW, MAP_SHARED | MAP_NORESERVE, fd, 0);
	TRY("private, MAP_POPULATE", NULL, PAGE, RW, ANON | MAP_POPULATE, -1, 0);
	TRY("no access, MAP_POPULATE", NULL, PAGE, PROT_NONE, ANON | MAP_POPULATE, -1, 0);
	TRY("beyond the end, MAP_POPULATE", NULL, PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 100 * PAGE);
	TRY("shared, MAP_NONBLOCK", NULL, PAGE, RW, MAP_SHARED | MAP_NONBLOCK, fd, 0);
	TRY("shared, MAP_LOCKED", NULL, PAGE, RW, MAP_SHARED | MAP_LOCKED, fd, 0);
	TRY("MAP_FILE", NULL, PAGE, PROT_READ, MAP_SHARED | MAP_FILE, fd, 0);
	TRY("MAP_GROWSDOWN", NULL, PAGE, RW, ANON | MAP_GROWSDOWN, -1, 0);
	TRY("MAP_GROWSDOWN, shared", NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	TRY("MAP_GROWSDOWN of a shared file", NULL, PAGE, RW, MAP_SHARED | MAP_GROWSDOWN, fd, 0);
	TRY("MAP_GROWSDOWN of a private file", NULL, PAGE, RW, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0);
	TRY("MAP_HUGETLB of a file", NULL, PAGE, RW, MAP_SHARED | MAP_HUGETLB, fd, 0);
	TRY("private, unknown flag", NULL, PAGE, RW, ANON | unknown, -1, 0);
	TRY("shared, unknown flag", NULL, PAGE, RW, MAP_SHARED | unknown, fd, 0);
	TRY("unknown protection", NULL, PAGE, PROT_READ | 0x10000, ANON, -1, 0);
}

static void addresses(void)
{
	byte *p = room(4), *there = mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);

	MUST(there == p + PAGE);
	TRY("fixed, not at a page", p + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	TRY("fixed, half a page off", p + 2048, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	TRY("not to replace, not at a page", p + 1, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	TRY("not to replace, taken", there, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	TRY("not to replace, first page taken", there, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	TRY("not to replace, last page taken", p, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	TRY("not to replace, middle page taken", p, 3 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	TRY("not to replace, fixed too, taken", there, PAGE, RW, ANON | MAP_FIXED | MAP_FIXED_NOREPLACE, -1, 0);
	TRY("hint not at a page", p + 1, PAGE, RW, ANON, -1, 0);
	TRY("hint in the kernel's half", KERNEL_HALF, PAGE, RW, ANON, -1, 0);
	TRY("fixed in the kernel's half", KERNEL_HALF, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	TRY("not to replace in the kernel's half", KERNEL_HALF, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	TRY("fixed at the last page", (void *)-PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	TRY("fixed over the last page", (void *)-PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	TRY("fixed, from here to the kernel's half", p, (uintptr_t)KERNEL_HALF - (uintptr_t)p, PROT_NONE,
	    ANON | MAP_FIXED, -1, 0);
	check("what was there is there still", "%s", store(there, 1));
}

#define UNMAP(name, ...) check("munmap: " name, "%s", ret(munmap(__VA_ARGS__)))

static void munmap_errors(void)
{
	byte *p = map(8, RW, ANON, -1, 0), *free = room(4);

	UNMAP("length 0", p, 0);
	UNMAP("not at a page", p + 1, PAGE);
	UNMAP("length of all pages", p, SIZE_MAX);
	UNMAP("length over the end of addresses", p, -PAGE);
	UNMAP("into the kernel's half", p, (uintptr_t)KERNEL_HALF - (uintptr_t)p);
	UNMAP("of the kernel", KERNEL_HALF, PAGE);
	UNMAP("the last page", (void *)-PAGE, PAGE);
	check("after what was refused", "%s", store(p + 7 * PAGE, 1));
	UNMAP("nothing mapped", free, 4 * PAGE);
	UNMAP("length 1 is a page", p, 1);
	STEPS("after length 1", load(p), load(p + PAGE));
	UNMAP("length of a page and a byte is two", p + PAGE, PAGE + 1);
	STEPS("after a page and a byte", load(p + 2 * PAGE), load(p + 3 * PAGE));
	UNMAP("a hole in the middle", p + 5 * PAGE, PAGE);
	UNMAP("over the hole", p + 4 * PAGE, 3 * PAGE);
	STEPS("after over the hole", load(p + 4 * PAGE), load(p + 6 * PAGE), load(p + 3 * PAGE), load(p + 7 * PAGE));
	UNMAP("again", p + 4 * PAGE, 3 * PAGE);
	UNMAP("all", p, 8 * PAGE);
}

#define PROTECT(name, ...) check("mprotect: " name, "%s", ret(mprotect(__VA_ARGS__)))

static void mprotect_errors(int fd)
{
	byte *p = map(8, RW, ANON, -1, 0), *free = room(4), *shared;
	int reader = open("errors.data", O_RDONLY);

	MUST(reader >= 0);
	PROTECT("length 0", p, 0, PROT_NONE);
	PROTECT("length 0, not at a page", p + 1, 0, PROT_NONE);
	PROTECT("length 0, nothing mapped", free, 0, PROT_NONE);
	PROTECT("not at a page", p + 1, PAGE, PROT_NONE);
	PROTECT("unknown protection", p, PAGE, PROT_READ | 0x10000);
	PROTECT("length of all pages", p, SIZE_MAX, PROT_NONE);
	PROTECT("length over the end of addresses", p, -PAGE, PROT_NONE);
	PROTECT("of the kernel", KERNEL_HALF, PAGE, PROT_READ);
	PROTECT("nothing mapped", free, PAGE, PROT_READ);
	check("after what was refused: store", "%s", store(p, 1));
	unmap(p + 4 * PAGE, 1);
	PROTECT("over a hole", p + 2 * PAGE, 4 * PAGE, PROT_NONE);
	STEPS("over a hole: before it", load(p + 2 * PAGE), load(p + 3 * PAGE));
	check("over a hole: behind it", "%s", load(p + 5 * PAGE));
	PROTECT("beginning in a hole", p + 4 * PAGE, 2 * PAGE, PROT_NONE);
	check("beginning in a hole: behind it", "%s", load(p + 5 * PAGE));
	PROTECT("length 1 is a page", p, 1, PROT_NONE);
	STEPS("length 1: the page and the next", load(p + PAGE - 1), load(p + PAGE));
	shared = mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, reader, 0);
	MUST(shared == p);
	PROTECT("a read-only file's, to write", p, PAGE, RW);
	PROTECT("a read-only file's, to write only", p, PAGE, PROT_WRITE);
	PROTECT("a read-only file's, to read", p, PAGE, PROT_READ);
	PROTECT("a read-only file's, no access", p, PAGE, PROT_NONE);
	PROTECT("a private one and a read-only file's, to write", p, 2 * PAGE, RW);
	MUST(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, reader, 0) == p);
	PROTECT("a read-only file's, private, to write", p, PAGE, RW);
	shared = map(1, PROT_READ, MAP_SHARED, fd, 0);
	PROTECT("a file's, to write", shared, PAGE, RW);
	MUST(close(reader) == 0);
	PROTECT("a file's of which the descriptor is closed, to write", shared, PAGE, RW);
}

/* The first half is changed though the second cannot be. */
static void protect_as_far_as_possible(void)
{
	int reader = open("errors.data", O_RDONLY);
	byte *p = map(2, PROT_READ, ANON, -1, 0);

	MUST(reader >= 0 && mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, reader, 0) == p + PAGE);
	PROTECT("second page cannot", p, 2 * PAGE, RW);
	check("second page cannot: the first", "%s", store(p, 1));
	MUST(close(reader) == 0);
}

int main(void)
{
	int fd = open("errors.data", O_RDWR | O_CREAT | O_TRUNC, 0644);

	catch_faults();
	MUST(fd >= 0 && ftruncate(fd, 2 * PAGE) == 0);
	lengths_and_offsets(fd);
	descriptors(fd);
	flags(fd);
	addresses();
	munmap_errors();
	mprotect_errors(fd);
	protect_as_far_as_possible();
	return done();
}
