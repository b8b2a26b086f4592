// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What mremap refuses, with which error, and that nothing has changed then. */

#include "oracle.h"

#define TRY(name, ...) check(name, "%s", mapped(mremap(__VA_ARGS__)))
#define KERNEL_HALF ((void *)0xffffffff00000000)

static void arguments(void)
{
	byte *p = map(4, RW, ANON, -1, 0), *to = room(8);
	int move = MREMAP_MAYMOVE, fixed = MREMAP_MAYMOVE | MREMAP_FIXED, keep = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;

	memset(p, 0x33, 4 * PAGE);
	TRY("old not at a page", p + 1, PAGE, 2 * PAGE, move);
	TRY("new size 0", p, PAGE, 0, move);
	TRY("new size 0, not to move", p, PAGE, 0, 0);
	TRY("unknown flag 8", p, PAGE, PAGE, 8);
	TRY("unknown flags", p, PAGE, PAGE, move | 0x100);
	TRY("flags -1", p, PAGE, PAGE, -1);
	TRY("fixed, not to move", p, PAGE, PAGE, MREMAP_FIXED, to);
	TRY("DONTUNMAP, not to move", p, PAGE, PAGE, MREMAP_DONTUNMAP, NULL);
	TRY("DONTUNMAP, grown", p, PAGE, 2 * PAGE, keep, NULL);
	TRY("DONTUNMAP, shrunk", p, 2 * PAGE, PAGE, keep, NULL);
	TRY("fixed, new not at a page", p, PAGE, PAGE, fixed, to + 1);
	TRY("fixed onto itself", p, PAGE, PAGE, fixed, p);
	TRY("fixed over its end", p, 2 * PAGE, 2 * PAGE, fixed, p + PAGE);
	TRY("fixed over its beginning", p + PAGE, 2 * PAGE, 2 * PAGE, fixed, p);
	TRY("fixed, grown over itself", p + 2 * PAGE, PAGE, 4 * PAGE, fixed, p);
	TRY("DONTUNMAP onto itself", p, PAGE, PAGE, keep | MREMAP_FIXED, p);
	TRY("fixed in the kernel's half", p, PAGE, PAGE, fixed, KERNEL_HALF);
	TRY("fixed at the last page", p, PAGE, PAGE, fixed, (void *)-PAGE);
	TRY("new size of all addresses", p, PAGE, SIZE_MAX, move);
	TRY("new size of all pages but one", p, PAGE, SIZE_MAX - PAGE, move);
	TRY("new size of half the addresses", p, PAGE, 1ul << 63, move);
	TRY("new size of more than any machine's", p, PAGE, 1ul << 56, move);
	TRY("new size of more than any machine's, not to move", p, PAGE, 1ul << 56, 0);
	check("what was there", "%s", runs(p, 4 * PAGE));
}

static void places(void)
{
	byte *p = map(4, RW, ANON, -1, 0), *file = map(2, RW, MAP_PRIVATE, fresh(2, 1), 0), *free = room(8), *q;
	int move = MREMAP_MAYMOVE;

	TRY("nothing mapped", free, PAGE, 2 * PAGE, move);
	TRY("nothing mapped, same size", free, PAGE, PAGE, 0);
	TRY("nothing mapped, shrunk", free, 2 * PAGE, PAGE, 0);
	TRY("of the kernel", KERNEL_HALF, PAGE, 2 * PAGE, move);
	TRY("private, old size 0", p, 0, PAGE, move);
	TRY("private file, old size 0", file, 0, PAGE, move);
	TRY("nothing mapped, old size 0", free, 0, PAGE, move);
	q = map(2, RW, MAP_SHARED, fresh(2, 1), 0);
	TRY("shared, old size 0, not to move", q, 0, PAGE, 0);
	TRY("longer than the mapping, grown", q, 4 * PAGE, 5 * PAGE, move);
	MUST(mprotect(p + 2 * PAGE, PAGE, PROT_READ) == 0);
	TRY("over two mappings, grown", p, 4 * PAGE, 5 * PAGE, move);
	check("over two mappings: as it was", "%s", store(p, 5));
	TRY("over two mappings, shrunk", p, 4 * PAGE, 2 * PAGE, 0);
	STEPS("over two mappings, shrunk: contents", load(p), load(p + 2 * PAGE));
	p = map(4, RW, ANON, -1, 0);
	unmap(p + 2 * PAGE, 1);
	TRY("over a hole, grown", p, 4 * PAGE, 5 * PAGE, move);
	STEPS("over a hole: as it was", load(p), load(p + 3 * PAGE));
	TRY("beginning in a hole", p + 2 * PAGE, 2 * PAGE, 3 * PAGE, move);
}

/* What lies behind must not be run over. */
static void no_room(void)
{
	byte *p = room(4), *q = p + 2 * PAGE;

	MUST(mmap(p, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p &&
	     mmap(q, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) == q);
	memset(p, 0x44, 2 * PAGE);
	TRY("no room, not to move", p, 2 * PAGE, 3 * PAGE, 0);
	STEPS("no room: contents", runs(p, 2 * PAGE), load(q));
	TRY("its first half, no room for that", p, PAGE, 2 * PAGE, 0);
	check("its first half: contents", "%s", runs(p, 2 * PAGE));
}

int main(void)
{
	catch_faults();
	arguments();
	places();
	no_room();
	return done();
}
