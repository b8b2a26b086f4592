// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* MAP_SHARED with MAP_ANONYMOUS, and /dev/zero: memory without a file. */

#include "oracle.h"

static void shared(void)
{
	byte *p = map(4, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *q = map(4, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = fresh(2, 'f');

	check("zeros", "%s", runs(p, 4 * PAGE));
	check("stores", "%s", store(p + PAGE, 'a'));
	check("another one", "%s", runs(q, 4 * PAGE));
	check("msync", "%s", ret(msync(p, 4 * PAGE, MS_SYNC)));
	check("DONTNEED", "%s", ret(madvise(p, 4 * PAGE, MADV_DONTNEED)));
	check("DONTNEED keeps it", "%s", load(p + PAGE));
	check("FREE", "%s", ret(madvise(p, 4 * PAGE, MADV_FREE)));
	check("FREE keeps it", "%s", load(p + PAGE));
	check("written to a file", "%s", ret(pwrite(fd, p + PAGE, 10, 0)));
	check("read from a file", "%s", ret(pread(fd, p + 2 * PAGE, PAGE, PAGE)));
	check("read from a file: load", "%s", runs(p + 2 * PAGE, 2 * PAGE));
	MUST(mprotect(p, 4 * PAGE, PROT_READ) == 0);
	STEPS("read-only: store, load", store(p + PAGE, 'b'), load(p + PAGE));
	MUST(mprotect(p, 4 * PAGE, PROT_NONE) == 0);
	check("no access: load", "%s", load(p + PAGE));
	MUST(mprotect(p, 4 * PAGE, RW) == 0);
	check("access again", "%s", runs(p, 4 * PAGE));
	unmap(p + PAGE, 1);
	STEPS("a page taken out", load(p), load(p + PAGE), load(p + 2 * PAGE));
	check("msync over the hole", "%s", ret(msync(p, 4 * PAGE, MS_SYNC)));
	unmap(p, 4);
	check("unmapped", "%s", load(p));
	check("with a descriptor, which is not looked at", "%s",
	      mapped(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANON, 99, 0)));
	check("fixed over another", "%s",
	      mmap(q + PAGE, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == q + PAGE ? "there" : "no");
	STEPS("fixed over another: zeros between", store(q, 'c'), store(q + 2 * PAGE, 'd'), runs(q, 3 * PAGE));
	check("populated", "%s", runs(map(4, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0), 4 * PAGE));
	check("no access from the first", "%s", load(map(1, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)));
	check("read-only from the first", "%s", store(map(1, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0), 1));
}

/* The same pages twice: what mremap of old size 0 is for. */
static void twice(void)
{
	byte *p = map(4, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *q;

	memset(p + PAGE, '1', PAGE);
	q = mremap(p, 0, 4 * PAGE, MREMAP_MAYMOVE);
	STEPS("twice", mapped(q), q == p ? "same address" : "another");
	if (q == MAP_FAILED)
		return;
	check("twice: contents", "%s", runs(q, 4 * PAGE));
	STEPS("twice: store, load", store(q, 'q'), load(p));
	STEPS("twice: store in what was untouched, load", store(p + 3 * PAGE, 'p'), load(q + 3 * PAGE));
	MUST(mprotect(q, PAGE, PROT_READ) == 0);
	STEPS("twice: the one read-only: store, store in the other, load", store(q, 'x'), store(p, 'y'), load(q));
	STEPS("twice: DONTNEED of one, load", ret(madvise(q, 4 * PAGE, MADV_DONTNEED)), load(q + PAGE));
	unmap(p, 4);
	check("twice: the first unmapped", "%s", runs(q, 4 * PAGE));
}

static void zero_calls(int fd)
{
	byte buf[64];

	memset(buf, 'b', sizeof(buf));
	check("/dev/zero: read", "%s", ret(read(fd, buf, 32)));
	check("/dev/zero: read: bytes", "%s", runs(buf, 64));
	check("/dev/zero: pread at an offset", "%s", ret(pread(fd, buf, 32, 1 << 20)));
	check("/dev/zero: write", "%s", ret(write(fd, buf, 32)));
	STEPS("/dev/zero: read after write", ret(read(fd, buf, 1)), runs(buf, 1));
	check("/dev/zero: read of nothing", "%s", ret(read(fd, buf, 0)));
}

static void zero_private(int fd)
{
	byte *p = map(3, RW, MAP_PRIVATE, fd, 0), *q = map(3, RW, MAP_PRIVATE, fd, 1);

	check("/dev/zero private", "%s", runs(p, 3 * PAGE));
	STEPS("/dev/zero private: store, load", store(p + PAGE, 'a'), runs(p, 3 * PAGE));
	check("/dev/zero private: another", "%s", runs(q, 3 * PAGE));
	STEPS("/dev/zero private: DONTNEED", ret(madvise(p, 3 * PAGE, MADV_DONTNEED)), runs(p, 3 * PAGE));
	check("/dev/zero private: msync", "%s", ret(msync(p, 3 * PAGE, MS_SYNC)));
	check("/dev/zero private: at a large offset", "%s", load(map(1, RW, MAP_PRIVATE, fd, 1 << 20)));
	check("/dev/zero private: read-only", "%s", store(map(1, PROT_READ, MAP_PRIVATE, fd, 0), 1));
}

static void zero_shared(int fd)
{
	byte *p = map(3, RW, MAP_SHARED, fd, 0), *q = map(3, RW, MAP_SHARED, fd, 0);
	byte *far = map(1, RW, MAP_SHARED, fd, 100);

	check("/dev/zero shared", "%s", runs(p, 3 * PAGE));
	STEPS("/dev/zero shared: store, load", store(p + PAGE, 'a'), runs(p, 3 * PAGE));
	check("/dev/zero shared: another mapping is other memory", "%s", runs(q, 3 * PAGE));
	STEPS("/dev/zero shared: DONTNEED keeps it", ret(madvise(p, 3 * PAGE, MADV_DONTNEED)), load(p + PAGE));
	check("/dev/zero shared: msync", "%s", ret(msync(p, 3 * PAGE, MS_SYNC)));
	STEPS("/dev/zero shared: at an offset", load(far), store(far + PAGE - 1, 1));
	STEPS("/dev/zero shared: read of the device", ret(read(fd, q, 1)), load(q));
}

static void zero_rights(void)
{
	int reader = open("/dev/zero", O_RDONLY), writer = open("/dev/zero", O_WRONLY);

	MUST(reader >= 0 && writer >= 0);
	check("/dev/zero to read: private and writable", "%s", mapped(mmap(NULL, PAGE, RW, MAP_PRIVATE, reader, 0)));
	check("/dev/zero to read: shared and writable", "%s", mapped(mmap(NULL, PAGE, RW, MAP_SHARED, reader, 0)));
	check("/dev/zero to read: shared", "%s", mapped(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0)));
	check("/dev/zero to write", "%s", mapped(mmap(NULL, PAGE, RW, MAP_SHARED, writer, 0)));
	check("/dev/zero, offset 1", "%s", mapped(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, reader, 1)));
	check("/dev/zero: ftruncate", "%s", ret(ftruncate(writer, PAGE)));
	MUST(close(reader) == 0 && close(writer) == 0);
}

int main(void)
{
	int fd = open("/dev/zero", O_RDWR);

	catch_faults();
	MUST(fd >= 0);
	zero_calls(fd);
	zero_rights();
	zero_private(fd);
	zero_shared(fd);
	shared();
	twice();
	return done();
}
