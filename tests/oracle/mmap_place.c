// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Where mappings come to lie: hints, fixed addresses, what they replace, and what splitting leaves of them. */

#include "oracle.h"

/* Anonymous pages, page i full of the byte first + i. */
static byte *numbered(size_t pages, byte first)
{
	byte *p = map(pages, RW, ANON, -1, 0);

	for (size_t i = 0; i < pages; i++)
		memset(p + i * PAGE, first + (int)i, PAGE);
	return p;
}

/* Where q lies, seen from p. */
static const char *place(const void *q, const byte *p)
{
	if (q == MAP_FAILED)
		return error_name(errno);
	return q == p ? "there" : q == p - PAGE ? "a page below" : q == p + PAGE ? "a page above" : "elsewhere";
}

/* First byte, or fault, of each page. */
static const char *pages_seen(const byte *p, size_t pages)
{
	char line[150] = "";

	for (size_t i = 0; i < pages; i++) {
		const char *one = load(p + i * PAGE);

		strcat(line, strncmp(one, "SIG", 3) ? one : one[3] == 'B' ? "bus" : strstr(one, "ACC") ? "acc" : "map");
		strcat(line, i + 1 < pages ? " " : "");
	}
	return text("%s", line);
}

static void hints(void)
{
	byte *p = room(8), *q;

	check("hint: free", "%s", place(mmap(p, PAGE, RW, ANON, -1, 0), p));
	check("hint: free, next to it", "%s", place(mmap(p + PAGE, PAGE, RW, ANON, -1, 0), p + PAGE));
	check("hint: in the middle of a page", "%s",
	      place(mmap(p + 3 * PAGE + 7, PAGE, RW, ANON, -1, 0), p + 3 * PAGE));
	memset(p, 0x11, PAGE);
	q = mmap(p, PAGE, RW, ANON, -1, 0);
	check("hint: taken", "%s", place(q, p));
	STEPS("hint: taken: what was there, what is new", load(p), load(q));
	q = mmap(p - PAGE, 2 * PAGE, RW, ANON, -1, 0);
	check("hint: half taken", "%s", place(q, p - PAGE));
	check("hint: half taken: what was there", "%s", load(p));
	check("hint: free, shared file", "%s",
	      place(mmap(p + 5 * PAGE, PAGE, RW, MAP_SHARED, fresh(1, 1), 0), p + 5 * PAGE));
	check("hint: free, private file", "%s",
	      place(mmap(p + 6 * PAGE, PAGE, RW, MAP_PRIVATE, fresh(1, 2), 0), p + 6 * PAGE));
	check("hint: contents", "%s", pages_seen(p, 8));
	q = mmap((void *)(INTPTR_MAX & -PAGE), PAGE, RW, ANON, -1, 0);
	STEPS("hint: beyond all addresses", mapped(q), load(q));
}

static void no_replace(void)
{
	byte *p = room(4);
	int flags = ANON | MAP_FIXED_NOREPLACE;

	check("not to replace: free", "%s", place(mmap(p + PAGE, PAGE, RW, flags, -1, 0), p + PAGE));
	check("not to replace: next to it", "%s", place(mmap(p + 2 * PAGE, PAGE, RW, flags, -1, 0), p + 2 * PAGE));
	check("not to replace: before it", "%s", place(mmap(p, PAGE, RW, flags, -1, 0), p));
	memset(p, 0x21, 3 * PAGE);
	check("not to replace: taken", "%s", place(mmap(p, PAGE, RW, flags, -1, 0), p));
	check("not to replace: over all", "%s", place(mmap(p - PAGE, 5 * PAGE, RW, flags, -1, 0), p - PAGE));
	STEPS("not to replace: nothing changed", pages_seen(p, 3), load(p - PAGE), load(p + 3 * PAGE));
	MUST(mprotect(p + PAGE, PAGE, PROT_NONE) == 0);
	check("not to replace: taken without access", "%s", place(mmap(p + PAGE, PAGE, RW, flags, -1, 0), p + PAGE));
	unmap(p + PAGE, 1);
	check("not to replace: in a hole", "%s", place(mmap(p + PAGE, PAGE, RW, flags, -1, 0), p + PAGE));
	check("not to replace: in a hole: contents", "%s", pages_seen(p, 3));
}

static void fixed(void)
{
	byte *p = numbered(8, 0x30);
	int fd = fresh(4, 0xa0), reader;

	check("fixed: the first page", "%s", place(mmap(p, PAGE, RW, ANON | MAP_FIXED, -1, 0), p));
	check("fixed: the first page: contents", "%s", pages_seen(p, 8));
	check("fixed: the last page", "%s", place(mmap(p + 7 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0), p + 7 * PAGE));
	check("fixed: the last page: contents", "%s", pages_seen(p, 8));
	check("fixed: in the middle", "%s",
	      place(mmap(p + 3 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0), p + 3 * PAGE));
	check("fixed: in the middle: contents", "%s", pages_seen(p, 8));
	check("fixed: a file in the middle", "%s",
	      place(mmap(p + PAGE, 4 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0), p + PAGE));
	check("fixed: a file in the middle: contents", "%s", pages_seen(p, 8));
	check("fixed: private pages over a file's", "%s",
	      place(mmap(p + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0), p + 2 * PAGE));
	check("fixed: private pages over a file's: contents", "%s", pages_seen(p, 8));
	check("fixed: no access over all", "%s", place(mmap(p, 8 * PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0), p));
	check("fixed: no access over all: contents", "%s", pages_seen(p, 8));
	unmap(p + 3 * PAGE, 2);
	check("fixed: over a hole and around it", "%s",
	      place(mmap(p + 2 * PAGE, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0), p + 2 * PAGE));
	check("fixed: over a hole and around it: contents", "%s", pages_seen(p, 8));
	check("fixed: the file kept what it had", "%s", file_runs(fd, 0, 4 * PAGE));

	MUST((reader = open("place.data", O_RDONLY | O_CREAT, 0644)) >= 0 && unlink("place.data") == 0);
	memset(p + 2 * PAGE, 0x3f, PAGE);
	check("fixed: refused with EBADF", "%s", mapped(mmap(p + 2 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, 99, 0)));
	check("fixed: refused with EACCES", "%s",
	      mapped(mmap(p + 2 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, reader, 0)));
	check("fixed: refused with EINVAL", "%s", mapped(mmap(p + 2 * PAGE, 0, RW, ANON | MAP_FIXED, -1, 0)));
	check("fixed: what was there when it was refused", "%s", load(p + 2 * PAGE));
}

/* A file's mapping that is split goes on showing the same pages of the file. */
static void split_file(void)
{
	int fd = fresh(8, 0x40);
	byte *p = map(8, RW, MAP_SHARED, fd, 0);

	unmap(p + 2 * PAGE, 1);
	check("split file: a page taken out", "%s", pages_seen(p, 8));
	MUST(mprotect(p + 5 * PAGE, PAGE, PROT_NONE) == 0);
	check("split file: a page protected", "%s", pages_seen(p, 8));
	memset(p + 6 * PAGE, 0x66, PAGE);
	memset(p + 3 * PAGE, 0x63, PAGE);
	check("split file: stores behind the cuts", "%s", file_runs(fd, 2 * PAGE, 5 * PAGE));
	MUST(mmap(p + 2 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 2 * PAGE) == p + 2 * PAGE &&
	     mprotect(p + 5 * PAGE, PAGE, RW) == 0);
	check("split file: made whole", "%s", pages_seen(p, 8));
	MUST(mprotect(p, 8 * PAGE, PROT_READ) == 0);
	STEPS("split file: whole: store in each", store(p, 1), store(p + 2 * PAGE, 1), store(p + 5 * PAGE, 1),
	      store(p + 7 * PAGE, 1));
	unmap(p, 2);
	unmap(p + 6 * PAGE, 2);
	check("split file: both ends taken", "%s", pages_seen(p, 8));
	MUST(mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 7 * PAGE) == p &&
	     mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE) == p + PAGE);
	check("split file: pages out of order", "%s", pages_seen(p, 8));
}

static void split_private(void)
{
	int fd = fresh(6, 0x50);
	byte *p = map(6, RW, MAP_PRIVATE, fd, 0);

	memset(p + PAGE, 0x91, PAGE);
	memset(p + 4 * PAGE, 0x94, PAGE);
	MUST(mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ) == 0);
	check("split private: copies and file", "%s", pages_seen(p, 6));
	unmap(p + 2 * PAGE, 2);
	check("split private: middle taken", "%s", pages_seen(p, 6));
	memset(p + 5 * PAGE, 0x95, PAGE);
	MUST(mmap(p + 2 * PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 2 * PAGE) == p + 2 * PAGE);
	check("split private: filled again", "%s", pages_seen(p, 6));
	check("split private: the file", "%s", file_runs(fd, 0, 6 * PAGE));
}

static void below_4_gib(void)
{
	byte *p = mmap(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0),
	     *q = mmap(NULL, 16 * PAGE, RW, ANON | MAP_32BIT, -1, 0);
	byte *far = room(1);
	int fd = fresh(1, 0x77);

	STEPS("32 bits: private", mapped(p), (uintptr_t)p >> 32 ? "above" : "below");
	STEPS("32 bits: another", mapped(q), (uintptr_t)(q + 16 * PAGE) >> 32 ? "above" : "below");
	STEPS("32 bits: usable", store(p, 1), store(q + 15 * PAGE, 1));
	p = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_32BIT, fd, 0);
	STEPS("32 bits: of a file", mapped(p), (uintptr_t)p >> 32 ? "above" : "below", load(p));
	p = mmap(far, PAGE, RW, ANON | MAP_32BIT | MAP_FIXED, -1, 0);
	check("32 bits: a fixed address is obeyed all the same", "%s", place(p, far));
	check("32 bits: without it, room is", "%s", (uintptr_t)map(1, RW, ANON, -1, 0) >> 32 ? "above" : "below");
	check("32 bits: more than 4 GiB", "%s", mapped(mmap(NULL, 5ul << 30, PROT_NONE, ANON | MAP_32BIT, -1, 0)));
}

/* Pages of alternating protection, so that none merges with its neighbour. */
static void many(void)
{
	enum { COUNT = 500 };
	byte *p = map(COUNT, RW, ANON, -1, 0);
	unsigned wrong = 0;

	for (size_t i = 0; i < COUNT; i++) {
		p[i * PAGE] = (byte)i;
		if (i % 2)
			MUST(mprotect(p + i * PAGE, PAGE, PROT_READ) == 0);
	}
	for (size_t i = 0; i < COUNT; i++)
		wrong += strcmp(store(p + i * PAGE + 1, 9), i % 2 ? "SIGSEGV ACCERR" : "stored") != 0;
	check("many: stores that were not as protected", "%u", wrong);
	for (size_t i = 0; i < COUNT; i += 3)
		unmap(p + i * PAGE, 1);
	for (size_t i = 0; i < COUNT; i++)
		wrong += strcmp(load(p + i * PAGE), i % 3 ? text("%02x", (byte)i) : "SIGSEGV MAPERR") != 0;
	check("many: loads that were wrong with every third taken", "%u", wrong);
	check("many: no access to all", "%s", ret(mprotect(p, COUNT * PAGE, PROT_NONE)));
	check("many: replaced at once", "%s", place(mmap(p, COUNT * PAGE, RW, ANON | MAP_FIXED, -1, 0), p));
	check("many: after that", "%s", runs(p, COUNT * PAGE));
	check("many: unmapped at once", "%s", ret(munmap(p, COUNT * PAGE)));
}

static void apart(void)
{
	byte *p[32];
	unsigned overlaps = 0;

	for (size_t i = 0; i < 32; i++) {
		p[i] = map(1 + i % 5, RW, ANON, -1, 0);
		memset(p[i], (int)i + 1, (1 + i % 5) * PAGE);
	}
	for (size_t i = 0; i < 32; i++)
		for (size_t at = 0; at < (1 + i % 5) * PAGE; at++)
			overlaps += p[i][at] != i + 1;
	check("anywhere: bytes that two mappings share", "%u", overlaps);
}

int main(void)
{
	catch_faults();
	hints();
	no_replace();
	fixed();
	split_file();
	split_private();
	many();
	apart();
	below_4_gib();
	return done();
}
