// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* mremap: growing where it is, moving, shrinking; with what the pages hold. */

#include "oracle.h"

/* Anonymous pages, page i full of first + i, with room free above and below. */
static byte *numbered(size_t pages, byte first)
{
	byte *p = room(16);

	MUST(mmap(p, pages * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
	for (size_t i = 0; i < pages; i++)
		memset(p + i * PAGE, first + (int)i, PAGE);
	return p;
}

static byte *file_at_room(size_t pages, int flags, int fd, size_t first_page)
{
	byte *p = room(16);

	MUST(mmap(p, pages * PAGE, RW, flags | MAP_FIXED, fd, (off_t)(first_page * PAGE)) == p);
	return p;
}

static const char *where(const void *q, const void *p)
{
	return q == MAP_FAILED ? error_name(errno) : q == p ? "same" : "moved";
}

static void grow(void)
{
	byte *p = numbered(2, 0x10), *q;
	int fd = fresh(4, 0x20);

	check("grow: same size", "%s", where(mremap(p, 2 * PAGE, 2 * PAGE, 0), p));
	check("grow: in place", "%s", where(mremap(p, 2 * PAGE, 4 * PAGE, 0), p));
	check("grow: in place: contents", "%s", runs(p, 4 * PAGE));
	check("grow: store at the end", "%s", store(p + 4 * PAGE - 1, 1));
	check("grow: behind it", "%s", load(p + 4 * PAGE));
	check("grow: size that is no page's", "%s", where(mremap(p, 4 * PAGE, 4 * PAGE + 1, 0), p));
	check("grow: size that is no page's: contents", "%s", runs(p + 4 * PAGE, PAGE));
	q = p + 6 * PAGE;
	MUST(mmap(q, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) == q);
	check("grow: up to a neighbour", "%s", where(mremap(p, 5 * PAGE, 6 * PAGE, 0), p));
	check("grow: no room", "%s", where(mremap(p, 6 * PAGE, 7 * PAGE, 0), p));
	check("grow: no room: nothing changed", "%s", runs(p, 3 * PAGE));
	p = file_at_room(1, MAP_SHARED, fd, 1);
	check("grow: a shared file", "%s", where(mremap(p, PAGE, 3 * PAGE, 0), p));
	check("grow: a shared file: contents", "%s", runs(p, 3 * PAGE));
	STEPS("grow: a shared file: store, read", store(p + 2 * PAGE, 0x55), file_runs(fd, 3 * PAGE, 2));
	STEPS("grow: beyond the end of the file", where(mremap(p, 3 * PAGE, 5 * PAGE, 0), p), load(p + 3 * PAGE));
	MUST(ftruncate(fd, 5 * PAGE) == 0);
	check("grow: and the file after it", "%s", load(p + 3 * PAGE));
	p = file_at_room(2, MAP_PRIVATE, fd, 0);
	memset(p, 0x99, PAGE);
	STEPS("grow: a private file", where(mremap(p, 2 * PAGE, 3 * PAGE, 0), p), runs(p, 3 * PAGE));
	p = numbered(2, 0x30);
	MUST(mprotect(p, 2 * PAGE, PROT_READ) == 0);
	STEPS("grow: read-only", where(mremap(p, 2 * PAGE, 3 * PAGE, 0), p), load(p + 2 * PAGE),
	      store(p + 2 * PAGE, 1));
	p = numbered(4, 0x40);
	check("grow: the first half of it", "%s", where(mremap(p, 2 * PAGE, 3 * PAGE, 0), p));
	STEPS("grow: its second half", where(mremap(p + 2 * PAGE, 2 * PAGE, 4 * PAGE, 0), p + 2 * PAGE),
	      runs(p, 6 * PAGE));
}

static void shrink(void)
{
	byte *p = numbered(4, 0x10);
	int fd = fresh(4, 0x20);

	check("shrink", "%s", where(mremap(p, 4 * PAGE, 3 * PAGE, 0), p));
	STEPS("shrink: contents", runs(p, 3 * PAGE), load(p + 3 * PAGE));
	check("shrink: to a byte", "%s", where(mremap(p, 3 * PAGE, 1, 0), p));
	STEPS("shrink: to a byte: contents", runs(p, PAGE), load(p + PAGE));
	STEPS("shrink, then grow", where(mremap(p, PAGE, 4 * PAGE, 0), p), runs(p, 4 * PAGE));
	p = numbered(4, 0x30);
	STEPS("shrink: its first half", where(mremap(p, 2 * PAGE, PAGE, 0), p), load(p + PAGE), load(p + 2 * PAGE));
	p = file_at_room(4, MAP_SHARED, fd, 0);
	memset(p + 3 * PAGE, 0x66, PAGE);
	STEPS("shrink: a file, dirty", where(mremap(p, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE), p),
	      file_runs(fd, 3 * PAGE, PAGE));
	p = numbered(4, 0x40);
	unmap(p + 2 * PAGE, 1);
	STEPS("shrink: over a hole", where(mremap(p, 4 * PAGE, PAGE, 0), p), load(p), load(p + 3 * PAGE));
}

static void move(void)
{
	byte *p = numbered(3, 0x10), *q, *wall = p + 3 * PAGE;
	int fd = fresh(4, 0x20);

	MUST(mmap(wall, PAGE, RW, ANON | MAP_FIXED | MAP_NORESERVE, -1, 0) == wall &&
	     mprotect(wall, PAGE, PROT_READ) == 0);
	p[PAGE] = 0x77;
	q = mremap(p, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
	check("move", "%s", where(q, p));
	check("move: contents", "%s", runs(q, 5 * PAGE));
	STEPS("move: the old place", load(p), load(p + 2 * PAGE));
	check("move: the wall", "%s", load(wall));
	check("move: store in what is new", "%s", store(q + 4 * PAGE, 1));
	p = file_at_room(2, MAP_SHARED, fd, 1);
	memset(p, 0x61, PAGE);
	MUST(mmap(p + 2 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + 2 * PAGE);
	q = mremap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	STEPS("move: a shared file", where(q, p), runs(q, 3 * PAGE), load(p));
	STEPS("move: a shared file: store, read", store(q + PAGE, 0x62), file_runs(fd, PAGE, 2 * PAGE));
	STEPS("move: a shared file: written, load", ret(pwrite(fd, "w", 1, 3 * PAGE)), load(q + 2 * PAGE));
	check("move: a shared file: msync", "%s", ret(msync(q, 3 * PAGE, MS_SYNC)));
	p = file_at_room(3, MAP_PRIVATE, fd, 0);
	memset(p + PAGE, 0x63, PAGE);
	MUST(mmap(p + 3 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + 3 * PAGE);
	q = mremap(p, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	STEPS("move: a private file", where(q, p), runs(q, 4 * PAGE));
	STEPS("move: a private file: written, load of copy and page", ret(pwrite(fd, "x", 1, PAGE)),
	      ret(pwrite(fd, "y", 1, 0)), load(q + PAGE));
	p = numbered(2, 0x50);
	MUST(mprotect(p, 2 * PAGE, PROT_NONE) == 0 &&
	     mmap(p + 2 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + 2 * PAGE);
	q = mremap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	STEPS("move: without access", where(q, p), load(q));
	MUST(mprotect(q, 3 * PAGE, RW) == 0);
	check("move: without access: contents", "%s", runs(q, 3 * PAGE));
}

static void move_to(void)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED, fd = fresh(4, 0x20);
	byte *p = numbered(3, 0x10), *to = room(8);

	check("to: free place", "%s", mremap(p, 3 * PAGE, 3 * PAGE, flags, to) == to ? "there" : error_name(errno));
	STEPS("to: free place: contents", runs(to, 3 * PAGE), load(p));
	p = numbered(3, 0x30);
	check("to: a taken place", "%s",
	      mremap(p, 2 * PAGE, 2 * PAGE, flags, to + PAGE) == to + PAGE ? "there" : error_name(errno));
	check("to: a taken place: contents", "%s", runs(to, 3 * PAGE));
	STEPS("to: what was not moved", load(p + PAGE), load(p + 2 * PAGE));
	p = numbered(2, 0x40);
	check("to: and grown", "%s", mremap(p, 2 * PAGE, 4 * PAGE, flags, to) == to ? "there" : error_name(errno));
	STEPS("to: and grown: contents", runs(to, 4 * PAGE), load(p));
	p = numbered(4, 0x50);
	check("to: and shrunk", "%s", mremap(p, 4 * PAGE, PAGE, flags, to) == to ? "there" : error_name(errno));
	check("to: and shrunk: contents", "%s", runs(to, 4 * PAGE));
	STEPS("to: and shrunk: the old place", load(p), load(p + 3 * PAGE));
	p = file_at_room(3, MAP_SHARED, fd, 1);
	check("to: the middle page of a file", "%s",
	      mremap(p + PAGE, PAGE, PAGE, flags, to + 2 * PAGE) == to + 2 * PAGE ? "there" : error_name(errno));
	STEPS("to: the middle page: contents", load(p), load(p + PAGE), load(p + 2 * PAGE), load(to + 2 * PAGE));
	STEPS("to: the middle page: store, read", store(to + 2 * PAGE, 0x7e), file_runs(fd, 2 * PAGE, 2));
	p = numbered(1, 0x60);
	check("to: just above itself", "%s",
	      mremap(p, PAGE, PAGE, flags, p + PAGE) == p + PAGE ? "there" : error_name(errno));
	STEPS("to: just above itself: contents", load(p), load(p + PAGE));
}

/* Some C libraries hand the kernel the new address in any case. */
static void keep_the_old(void)
{
	int flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP, fd = fresh(3, 0x20);
	byte *p = numbered(3, 0x10), *q = mremap(p, 3 * PAGE, 3 * PAGE, flags, NULL), *to;

	check("DONTUNMAP", "%s", where(q, p));
	STEPS("DONTUNMAP: contents, the old place", runs(q, 3 * PAGE), runs(p, 3 * PAGE));
	STEPS("DONTUNMAP: stores in both", store(p, 1), store(q, 2), load(p), load(q));
	p = numbered(2, 0x30);
	to = room(4);
	check("DONTUNMAP to a place", "%s",
	      mremap(p, 2 * PAGE, 2 * PAGE, flags | MREMAP_FIXED, to) == to ? "there" : error_name(errno));
	STEPS("DONTUNMAP to a place: contents, the old place", runs(to, 2 * PAGE), runs(p, 2 * PAGE));
	p = file_at_room(3, MAP_SHARED, fd, 0);
	q = mremap(p, 3 * PAGE, 3 * PAGE, flags, NULL);
	check("DONTUNMAP of a shared file", "%s", where(q, p));
	STEPS("DONTUNMAP of a shared file: both", runs(q, 3 * PAGE), runs(p, 3 * PAGE));
	STEPS("DONTUNMAP of a shared file: store, load", store(p, 0x41), load(q));
	p = file_at_room(3, MAP_PRIVATE, fd, 0);
	memset(p + PAGE, 0x99, PAGE);
	q = mremap(p, 3 * PAGE, 3 * PAGE, flags, NULL);
	check("DONTUNMAP of a private file", "%s", where(q, p));
	STEPS("DONTUNMAP of a private file: copy, file", load(q + PAGE), load(p + PAGE));
}

/* A second mapping of the same pages. */
static void old_size_0(void)
{
	int fd = fresh(3, 0x20);
	byte *p = file_at_room(3, MAP_SHARED, fd, 0), *q = mremap(p, 0, 3 * PAGE, MREMAP_MAYMOVE), *to = room(4);

	check("old size 0", "%s", where(q, p));
	STEPS("old size 0: both", runs(q, 3 * PAGE), runs(p, 3 * PAGE));
	STEPS("old size 0: store, load", store(q + PAGE, 0x41), load(p + PAGE));
	q = mremap(p + PAGE, 0, PAGE, MREMAP_MAYMOVE);
	STEPS("old size 0: from the middle", where(q, p + PAGE), load(q));
	check("old size 0: to a place", "%s",
	      mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to ? "there" : error_name(errno));
	check("old size 0: to a place: contents", "%s", runs(to, 2 * PAGE));
	unmap(p, 3);
	check("old size 0: the first unmapped", "%s", load(q));
}

/* Grown again and again, as realloc does. */
static void again_and_again(void)
{
	byte *p = map(1, RW, ANON, -1, 0);
	unsigned wrong = 0;
	size_t pages = 1;

	p[0] = 1;
	for (; pages < 256; pages *= 2) {
		byte *q = mremap(p, pages * PAGE, 2 * pages * PAGE, MREMAP_MAYMOVE);

		MUST(q != MAP_FAILED);
		p = q;
		for (size_t i = 0; i < pages; i++)
			wrong += p[i * PAGE] != (byte)(i + 1);
		for (size_t i = pages; i < 2 * pages; i++)
			p[i * PAGE] = (byte)(i + 1);
	}
	check("doubled to 256 pages: pages that were wrong", "%u", wrong);
	p = mremap(p, pages * PAGE, PAGE, MREMAP_MAYMOVE);
	check("shrunk to one", "%s", runs(p, 2));
	check("and unmapped", "%s", ret(munmap(p, PAGE)));
}

int main(void)
{
	catch_faults();
	grow();
	shrink();
	move();
	move_to();
	keep_the_old();
	old_size_0();
	again_and_again();
	return done();
}
