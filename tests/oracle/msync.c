// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* msync: flags, errors, parts that are not mapped, kinds of memory it does nothing for. */

#include "oracle.h"

static byte *file_pages(int *fd, size_t pages)
{
	*fd = fresh(pages, 0x10);
	return map(pages, RW, MAP_SHARED, *fd, 0);
}

static void flags(void)
{
	int fd;
	byte *p = file_pages(&fd, 2);

	for (int flags = 0; flags < 16; flags++) {
		p[0]++;
		check(text("flags %d", flags), "%s", ret(msync(p, 2 * PAGE, flags)));
	}
	check("flags 0x100", "%s", ret(msync(p, PAGE, 0x100)));
	check("flags -1", "%s", ret(msync(p, PAGE, -1)));
	STEPS("after all: load, read", load(p), file_runs(fd, 0, 1));
}

static void ranges(void)
{
	int fd;
	byte *p = file_pages(&fd, 8), *q = map(8, RW, MAP_SHARED, fd, 0);

	check("length 0", "%s", ret(msync(p, 0, MS_SYNC)));
	check("length 0, nothing mapped", "%s", ret(msync(room(1), 0, MS_SYNC)));
	check("length 1", "%s", ret(msync(p, 1, MS_SYNC)));
	check("not at a page", "%s", ret(msync(p + 1, PAGE, MS_SYNC)));
	check("not at a page, length 0", "%s", ret(msync(p + 1, 0, MS_SYNC)));
	check("the last byte alone", "%s", ret(msync(p + 7 * PAGE, PAGE, MS_SYNC)));
	check("longer than the mapping", "%s", ret(msync(p, 9 * PAGE, MS_SYNC)));
	check("length of all", "%s", ret(msync(p, SIZE_MAX, MS_SYNC)));
	check("length over the end of addresses", "%s", ret(msync(p, -PAGE, MS_SYNC)));
	check("in the kernel's half", "%s", ret(msync((void *)0xffffffff00000000, PAGE, MS_SYNC)));
	check("nothing mapped", "%s", ret(msync(room(1), PAGE, MS_SYNC)));
	check("nothing mapped, async", "%s", ret(msync(room(1), PAGE, MS_ASYNC)));
	check("nothing mapped, flags 0", "%s", ret(msync(room(1), PAGE, 0)));
	check("nothing mapped, invalidate", "%s", ret(msync(room(1), PAGE, MS_INVALIDATE)));
	check("nothing mapped, wrong flags", "%s", ret(msync(room(1), PAGE, MS_SYNC | MS_ASYNC)));
	unmap(p + 3 * PAGE, 1);
	memset(p, 0x77, 2 * PAGE);
	memset(p + 5 * PAGE, 0x77, PAGE);
	check("over a hole", "%s", ret(msync(p, 8 * PAGE, MS_SYNC)));
	check("over a hole, async", "%s", ret(msync(p, 8 * PAGE, MS_ASYNC)));
	check("up to a hole", "%s", ret(msync(p, 3 * PAGE, MS_SYNC)));
	check("from a hole", "%s", ret(msync(p + 3 * PAGE, 2 * PAGE, MS_SYNC)));
	check("behind a hole", "%s", ret(msync(p + 4 * PAGE, 4 * PAGE, MS_SYNC)));
	check("the hole", "%s", ret(msync(p + 3 * PAGE, PAGE, MS_SYNC)));
	check("seen by the other mapping", "%s", runs(q, 8 * PAGE));
}

static void kinds(void)
{
	int fd, reader;
	byte *p = file_pages(&fd, 4), *q;

	check("two mappings, side by side", "%s",
	      ret(mmap(p + 2 * PAGE, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fresh(2, 0x55), 0) == MAP_FAILED
		      ? -1
		      : msync(p, 4 * PAGE, MS_SYNC)));
	check("anonymous", "%s", ret(msync(map(1, RW, ANON, -1, 0), PAGE, MS_SYNC)));
	q = map(2, RW, MAP_PRIVATE, fd, 0);
	memset(q, 0x66, PAGE);
	check("private", "%s", ret(msync(q, 2 * PAGE, MS_SYNC)));
	check("private: the file", "%s", file_runs(fd, 0, PAGE));
	MUST(mprotect(p, PAGE, PROT_READ) == 0);
	check("read-only", "%s", ret(msync(p, PAGE, MS_SYNC)));
	p[PAGE] = 0x22;
	MUST(mprotect(p, 2 * PAGE, PROT_NONE) == 0);
	check("no access, and stored before", "%s", ret(msync(p, 2 * PAGE, MS_SYNC)));
	check("no access: the file", "%s", file_runs(fd, PAGE, 2));
	reader = open("msync.data", O_RDONLY | O_CREAT, 0644);
	MUST(reader >= 0 && truncate("msync.data", PAGE) == 0 && unlink("msync.data") == 0);
	check("of a file opened to read", "%s", ret(msync(map(1, PROT_READ, MAP_SHARED, reader, 0), PAGE, MS_SYNC)));
	q = map(4, RW, MAP_SHARED, fresh(1, 1), 0);
	check("beyond the end", "%s", ret(msync(q, 4 * PAGE, MS_SYNC)));
	check("wholly beyond the end", "%s", ret(msync(q + 2 * PAGE, 2 * PAGE, MS_SYNC)));
	q = map(4, RW, MAP_SHARED, fresh(4, 0), 0);
	check("a hole of the file", "%s", ret(msync(q, 4 * PAGE, MS_SYNC)));
	check("never touched", "%s", ret(msync(map(2, RW, MAP_SHARED, fd, 0), 2 * PAGE, MS_SYNC)));
}

static void invalidate(void)
{
	int fd;
	byte *p = file_pages(&fd, 4), *q = map(4, PROT_READ, MAP_SHARED, fd, 0);

	p[0] = 0x31;
	check("invalidate: call", "%s", ret(msync(p, 4 * PAGE, MS_INVALIDATE)));
	STEPS("invalidate: load in both", load(p), load(q));
	p[1] = 0x32;
	check("sync and invalidate: call", "%s", ret(msync(p, 4 * PAGE, MS_SYNC | MS_INVALIDATE)));
	STEPS("sync and invalidate: load, read", load(q + 1), file_runs(fd, 0, 3));
	MUST(pwrite(fd, "w", 1, 2) == 1);
	check("async and invalidate after a write: call", "%s", ret(msync(q, 4 * PAGE, MS_ASYNC | MS_INVALIDATE)));
	check("async and invalidate after a write: load", "%s", load(q + 2));
	MUST(mlock(p + PAGE, PAGE) == 0);
	check("locked: invalidate", "%s", ret(msync(p, 4 * PAGE, MS_INVALIDATE)));
	check("locked: sync and invalidate", "%s", ret(msync(p + PAGE, PAGE, MS_SYNC | MS_INVALIDATE)));
	check("locked: a page beside it", "%s", ret(msync(p, PAGE, MS_INVALIDATE)));
	check("locked: sync", "%s", ret(msync(p, 4 * PAGE, MS_SYNC)));
	check("locked: by the mapping that is not", "%s", ret(msync(q, 4 * PAGE, MS_INVALIDATE)));
	MUST(munlock(p + PAGE, PAGE) == 0);
	check("unlocked: invalidate", "%s", ret(msync(p, 4 * PAGE, MS_INVALIDATE)));
	MUST(mlock(p + PAGE, PAGE) == 0 && munmap(p, PAGE) == 0);
	check("locked behind a hole: invalidate", "%s", ret(msync(p, 4 * PAGE, MS_INVALIDATE)));
}

static void others(void)
{
	int fd = fresh(1, 1), null = open("/dev/null", O_RDWR);

	check("fsync", "%s", ret(fsync(fd)));
	check("fdatasync", "%s", ret(fdatasync(fd)));
	check("fsync of no descriptor", "%s", ret(fsync(99)));
	check("fdatasync of no descriptor", "%s", ret(fdatasync(-1)));
	check("fsync of /dev/null", "%s", ret(fsync(null)));
	MUST(close(fd) == 0 && close(null) == 0);
	fd = open(".", O_RDONLY);
	check("fsync of a directory", "%s", ret(fsync(fd)));
	MUST(close(fd) == 0 && (fd = open("msync.data", O_RDONLY | O_CREAT, 0644)) >= 0);
	check("fsync of what was opened to read", "%s", ret(fsync(fd)));
	MUST(close(fd) == 0 && unlink("msync.data") == 0);
}

int main(void)
{
	catch_faults();
	flags();
	ranges();
	kinds();
	invalidate();
	others();
	return done();
}
