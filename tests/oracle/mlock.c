// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * mlock, munlock, mlockall, munlockall, MAP_LOCKED, MAP_POPULATE; and mincore, which shows what they do. Little is
 * locked, for a user of Linux may have but 64 KiB; mlockall needs more, and is skipped where that is not to be had.
 */

#include "oracle.h"

#define KERNEL_HALF ((void *)0xffffffff00000000)

/* '1' for each page that is there. */
static const char *resident(void *p, size_t pages)
{
	unsigned char vec[64];
	char line[65];

	memset(vec, 0xfe, sizeof(vec));
	if (mincore(p, pages * PAGE, vec))
		return error_name(errno);
	for (size_t i = 0; i < pages; i++)
		line[i] = vec[i] & 1 ? '1' : '0';
	line[pages] = '\0';
	return text("%s%s", line, vec[pages] == 0xfe ? "" : ", and written behind");
}

/* A Linux that does not let this user lock that much is no oracle here. */
static const char *allowed(const char *seen)
{
	return ON_LINUX && (!strcmp(seen, "ENOMEM") || !strcmp(seen, "EPERM")) ? "SKIP not allowed to lock that much"
									       : seen;
}

static void residency(void)
{
	byte *p = map(8, RW, ANON, -1, 0), *q;
	int fd = fresh(8, 0x11);

	check("untouched", "%s", resident(p, 8));
	p[PAGE] = 1;
	p[6 * PAGE] = 1;
	check("two stored", "%s", resident(p, 8));
	STEPS("DONTNEED of one", ret(madvise(p + PAGE, PAGE, MADV_DONTNEED)), resident(p, 8));
	check("populated", "%s", resident(map(8, RW, ANON | MAP_POPULATE, -1, 0), 8));
	check("populated, read-only", "%s", resident(map(8, PROT_READ, ANON | MAP_POPULATE, -1, 0), 8));
	check("locked from the first", "%s", resident(map(8, RW, ANON | MAP_LOCKED, -1, 0), 8));
	q = map(8, RW, MAP_SHARED, fd, 0);
	check("a file just written, not touched", "%s", resident(q, 8));
	q = map(8, RW, MAP_PRIVATE, fd, 0);
	check("the same, private", "%s", resident(q, 8));
	q[0] = 1;
	check("private, a copy made", "%s", resident(q, 8));
	q = map(4, RW, MAP_SHARED | MAP_POPULATE, fresh(4, 0), 0);
	check("a hole, populated", "%s", resident(q, 4));
	q = map(4, RW, MAP_SHARED, fresh(2, 0x11), 0);
	check("half beyond the end", "%s", resident(q, 4));
	MUST(mprotect(p, 8 * PAGE, PROT_NONE) == 0);
	check("without access", "%s", resident(p, 8));
	STEPS("advised POPULATE_READ", ret(madvise(q = map(4, RW, ANON, -1, 0), 4 * PAGE, MADV_POPULATE_READ)),
	      resident(q, 4));
	STEPS("advised POPULATE_WRITE", ret(madvise(q = map(4, RW, ANON, -1, 0), 2 * PAGE, MADV_POPULATE_WRITE)),
	      resident(q, 4));
}

static void mincore_errors(void)
{
	unsigned char vec[8];
	byte *p = map(4, RW, ANON, -1, 0);

	unmap(p + 2 * PAGE, 1);
	check("mincore: not at a page", "%s", ret(mincore(p + 1, PAGE, vec)));
	check("mincore: length 0", "%s", ret(mincore(p, 0, vec)));
	check("mincore: length 1", "%s", ret(mincore(p, 1, vec)));
	check("mincore: over a hole", "%s", ret(mincore(p, 4 * PAGE, vec)));
	check("mincore: from a hole", "%s", ret(mincore(p + 2 * PAGE, PAGE, vec)));
	check("mincore: length over the end of addresses", "%s", ret(mincore(p, -PAGE, vec)));
	check("mincore: in the kernel's half", "%s", ret(mincore(KERNEL_HALF, PAGE, vec)));
	check("mincore: nowhere to put it", "%s", ret(mincore(p, PAGE, p + 2 * PAGE)));
	check("mincore: NULL to put it", "%s", ret(mincore(p, PAGE, NULL)));
	check("mincore: not at a page, nowhere to put it", "%s", ret(mincore(p + 1, PAGE, NULL)));
}

static void locking(void)
{
	byte *p = map(4, RW, ANON, -1, 0), *q;
	int fd = fresh(4, 0x22);

	STEPS("mlock: one page of four", ret(mlock(p + PAGE, PAGE)), resident(p, 4));
	STEPS("mlock: in the middle of a page, one byte", ret(mlock(p + 2 * PAGE + 5, 1)), resident(p, 4));
	STEPS("mlock: two bytes over a border", ret(mlock(p + 3 * PAGE - 1, 2)), resident(p, 4));
	check("mlock: twice", "%s", ret(mlock(p + PAGE, PAGE)));
	STEPS("munlock: keeps them", ret(munlock(p, 4 * PAGE)), resident(p, 4));
	check("munlock: what is not locked", "%s", ret(munlock(p, 4 * PAGE)));
	STEPS("munlock: then DONTNEED", ret(madvise(p, 4 * PAGE, MADV_DONTNEED)), resident(p, 4));
	STEPS("mlock: read-only", ret(mlock(q = map(2, PROT_READ, ANON, -1, 0), 2 * PAGE)), resident(q, 2));
	STEPS("mlock: without access", ret(mlock(q = map(2, PROT_NONE, ANON, -1, 0), 2 * PAGE)), resident(q, 2));
	STEPS("mlock: a shared file", ret(mlock(q = map(4, RW, MAP_SHARED, fd, 0), 4 * PAGE)), resident(q, 4));
	STEPS("mlock: a shared file: store, read", store(q, 1), file_runs(fd, 0, 2));
	STEPS("mlock: a private file", ret(mlock(q = map(4, RW, MAP_PRIVATE, fd, 0), 4 * PAGE)), resident(q, 4));
	STEPS("mlock: a private file: written, load", ret(pwrite(fd, "w", 1, PAGE)), load(q + PAGE));
	MUST(munlock(q, 4 * PAGE) == 0);
	q = map(4, RW, MAP_SHARED, fresh(2, 0x33), 0);
	check("mlock: half beyond the end", "%s", ret(mlock(q, 4 * PAGE)));
	STEPS("mlock: half beyond the end: contents", load(q), load(q + 2 * PAGE));
	MUST(munmap(q, 4 * PAGE) == 0);
	q = map(2, RW, ANON | MAP_LOCKED, -1, 0);
	STEPS("locked: munmap", ret(munmap(q, PAGE)), load(q));
	STEPS("locked: mprotect", ret(mprotect(q + PAGE, PAGE, PROT_READ)), store(q + PAGE, 1));
	check("locked: DONTNEED", "%s", ret(madvise(q + PAGE, PAGE, MADV_DONTNEED)));
	q = map(2, RW, MAP_SHARED | MAP_LOCKED, fd, 0);
	STEPS("locked: truncated", ret(ftruncate(fd, PAGE)), load(q + PAGE));
	MUST(ftruncate(fd, 2 * PAGE) == 0);
	check("locked: extended", "%s", load(q + PAGE));
	MUST(munlockall() == 0);
}

static void errors(void)
{
	byte *p = map(4, RW, ANON, -1, 0), *free;

	unmap(p + 2 * PAGE, 1);
	free = p + 2 * PAGE;
	check("mlock: length 0", "%s", ret(mlock(p, 0)));
	check("mlock: length 0, nothing mapped", "%s", ret(mlock(free, 0)));
	check("mlock: nothing mapped", "%s", ret(mlock(free, PAGE)));
	check("mlock: over a hole", "%s", ret(mlock(p, 4 * PAGE)));
	check("mlock: up to a hole", "%s", ret(mlock(p, 2 * PAGE)));
	check("mlock: length over the end of addresses", "%s", allowed(ret(mlock(p, -PAGE))));
	check("mlock: in the kernel's half", "%s", ret(mlock(KERNEL_HALF, PAGE)));
	check("munlock: length 0", "%s", ret(munlock(p, 0)));
	check("munlock: nothing mapped", "%s", ret(munlock(free, PAGE)));
	check("munlock: over a hole", "%s", ret(munlock(p, 4 * PAGE)));
	check("munlock: in the middle of a page", "%s", ret(munlock(p + 5, 1)));
	check("munlock: length over the end of addresses", "%s", ret(munlock(p, -PAGE)));
	check("mlockall: flags 0", "%s", ret(mlockall(0)));
	check("mlockall: unknown flag", "%s", ret(mlockall(8)));
	check("mlockall: unknown flag and a known one", "%s", ret(mlockall(MCL_CURRENT | 8)));
	check("mlockall: ONFAULT alone", "%s", ret(mlockall(MCL_ONFAULT)));
	check("mlockall: flags -1", "%s", ret(mlockall(-1)));
	check("munlockall", "%s", ret(munlockall()));
	check("munlockall again", "%s", ret(munlockall()));
}

static bool may_lock_all(void)
{
	return !ON_LINUX || (mlockall(MCL_CURRENT | MCL_FUTURE) == 0 && munlockall() == 0);
}

static const char *if_may(bool may, const char *seen)
{
	return may ? seen : "SKIP not allowed to lock that much";
}

static void all(void)
{
	byte *p = map(4, RW, ANON, -1, 0), *q;
	bool may = may_lock_all();

	check("mlockall: current", "%s", allowed(ret(mlockall(MCL_CURRENT))));
	check("mlockall: current: resident", "%s", if_may(may, resident(p, 4)));
	check("mlockall: current: DONTNEED", "%s", if_may(may, ret(madvise(p, PAGE, MADV_DONTNEED))));
	q = map(4, RW, ANON, -1, 0);
	check("mlockall: current: mapped later", "%s", if_may(may, resident(q, 4)));
	check("munlockall after it", "%s", ret(munlockall()));
	STEPS("munlockall: DONTNEED", ret(madvise(p, PAGE, MADV_DONTNEED)), resident(p, 1));
	check("mlockall: future", "%s", allowed(ret(mlockall(MCL_FUTURE))));
	q = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
	check("mlockall: future: mapped later", "%s", if_may(may, resident(q, 4)));
	check("mlockall: future: mapped before", "%s", if_may(may, ret(madvise(p, PAGE, MADV_DONTNEED))));
	check("mlockall: future: no access", "%s", if_may(may, mapped(mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0))));
	check("munlockall after future", "%s", ret(munlockall()));
	q = map(4, RW, ANON, -1, 0);
	check("munlockall: mapped later", "%s", resident(q, 4));
	check("mlockall: current on fault", "%s", allowed(ret(mlockall(MCL_CURRENT | MCL_ONFAULT))));
	check("mlockall: current on fault: untouched", "%s", if_may(may, resident(q, 4)));
	q[PAGE] = 1;
	check("mlockall: current on fault: touched", "%s", if_may(may, resident(q, 4)));
	MUST(munlockall() == 0);
	check("mlockall: future on fault", "%s", allowed(ret(mlockall(MCL_FUTURE | MCL_ONFAULT))));
	q = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
	check("mlockall: future on fault: untouched", "%s", if_may(may, resident(q, 4)));
	check("munlockall at the end", "%s", ret(munlockall()));
}

int main(void)
{
	catch_faults();
	locking();
	errors();
	residency();
	mincore_errors();
	all();
	return done();
}
