// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* MAP_GROWSDOWN: a touch below the mapping makes it grow, down to a gap before the next mapping. */

#include "oracle.h"

#define ROOM 2048ul // pages free below the mapping

static byte *grows(size_t pages, int prot)
{
	byte *top = room(ROOM) + ROOM * PAGE, *at = top - pages * PAGE;
	byte *p = mmap(at, pages * PAGE, prot, ANON | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);

	MUST(p == at);
	return p;
}

static void one_by_one(void)
{
	byte *p = grows(2, RW);

	memset(p, 'm', 2 * PAGE);
	check("within: load", "%s", runs(p, 2 * PAGE));
	check("above it: load", "%s", load(p + 2 * PAGE));
	check("store just below", "%s", store(p - 1, 'a'));
	check("store just below: its page", "%s", runs(p - PAGE, 2 * PAGE));
	check("load of the next page below", "%s", load(p - PAGE - 1));
	check("store at the next page's beginning", "%s", store(p - 3 * PAGE, 'b'));
	for (size_t i = 4; i < 20; i++)
		check(text("page %zu below", i), "%s", store(p - i * PAGE + 8, (byte)i));
	check("contents", "%s", load(p - 10 * PAGE + 8));
	check("all of it, as one: mprotect", "%s", ret(mprotect(p - 19 * PAGE, 21 * PAGE, PROT_READ)));
	check("read-only: store within", "%s", store(p - 19 * PAGE, 1));
	check("read-only: load below", "%s", load(p - 20 * PAGE));
	check("read-only: store below", "%s", store(p - 21 * PAGE, 1));
	check("munmap of all", "%s", ret(munmap(p - 21 * PAGE, 23 * PAGE)));
	check("unmapped: load", "%s", load(p));
	check("unmapped: below", "%s", load(p - 22 * PAGE));
}

static void kinds(void)
{
	byte *p = grows(1, PROT_NONE);

	check("no access: load within", "%s", load(p));
	check("no access: load below", "%s", load(p - 1));
	p = grows(1, PROT_READ);
	check("to read: store below", "%s", store(p - 1, 1));
	check("to read: load below", "%s", load(p - PAGE));
	p = map(1, RW, ANON, -1, 0);
	MUST(munmap(p, PAGE) == 0);
	p = room(4) + PAGE;
	MUST(mmap(p, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
	check("without the flag: below", "%s", store(p - 1, 1));
}

static void cut(void)
{
	byte *p = grows(4, RW);

	memset(p, 'c', 4 * PAGE);
	unmap(p, 2);
	check("lower half unmapped: load", "%s", load(p + PAGE));
	check("lower half unmapped: it has grown again", "%s", runs(p + PAGE, 2 * PAGE));
	check("upper half stays", "%s", runs(p + 2 * PAGE, 2 * PAGE));
	unmap(p + 3 * PAGE, 1);
	check("top unmapped: load there", "%s", load(p + 3 * PAGE));
	STEPS("top unmapped: below it grows", store(p - PAGE, 'd'), load(p - PAGE));
}

/* It stops some way above the next mapping, so that a touch in the gap is a fault. How large the gap is, nobody says.
 */
static void gap(void)
{
	byte *p = grows(1, RW), *below = p - 1024 * PAGE;
	size_t first_fault = 0, grown = 0;

	MUST(mmap(below, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == below);
	memset(below, 'b', PAGE);
	for (size_t i = 1; i < 1024 && !first_fault; i++) {
		const char *seen = store(p - i * PAGE, 'g');

		if (!strcmp(seen, "stored"))
			grown++;
		else
			first_fault = i;
	}
	check("gap: it has grown", "%s", grown > 512 ? "more than half of the way" : text("%zu pages", grown));
	check("gap: a fault before it meets the other", "%s", first_fault ? "yes" : "no");
	check("gap: the fault", "%s", store(p - first_fault * PAGE, 1));
	check("gap: just above the other", "%s", store(below + PAGE, 1));
	check("gap: load just above the other", "%s", load(below + PAGE));
	check("gap: the other", "%s", runs(below, PAGE));
	unmap(below, 1);
	check("gap: the other is gone", "%s", store(p - first_fault * PAGE, 1));
}

static void calls(void)
{
	byte *p = grows(1, RW);
	int fd = fresh(1, 'f');

	check("read into the page below", "%s", ret(pread(fd, p - 10, 10, 0)));
	check("read into the page below: load", "%s", runs(p - 20, 40));
	check("write from the page below that", "%s", ret(pwrite(fd, p - PAGE - 10, 20, 0)));
	check("write from the page below that: file", "%s", file_runs(fd, 0, 30));
}

int main(void)
{
	catch_faults();
	one_by_one();
	kinds();
	cut();
	gap();
	calls();
	return done();
}
