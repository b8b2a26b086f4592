// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* sbrk: growing, shrinking, what it holds, what it refuses. malloc stays away meanwhile. */

#include "oracle.h"

static void breaks(void)
{
	byte *start = sbrk(0), *p = sbrk(3 * PAGE);

	check("sbrk: returns the old break", "%s", p == start ? "yes" : "no");
	check("sbrk: grown by", "%td", (byte *)sbrk(0) - start);
	check("sbrk: zeros", "%s", runs(p, 3 * PAGE));
	memset(p, 1, 3 * PAGE);
	check("sbrk: kept", "%s", runs(p, 3 * PAGE));
	STEPS("sbrk: one byte", text("%td", (byte *)sbrk(1) - start), text("%td", (byte *)sbrk(0) - start));
	STEPS("sbrk: less", text("%td", (byte *)sbrk(-(intptr_t)PAGE - 1) - start),
	      text("%td", (byte *)sbrk(0) - start));
	check("sbrk: less: what is left", "%s", runs(p, 2 * PAGE));
	p = sbrk(PAGE);
	check("sbrk: grown again: zeros", "%s", runs((byte *)(((uintptr_t)p + PAGE - 1) & -PAGE), PAGE / 8));
	STEPS("sbrk: back to the start", text("%td", (byte *)sbrk(start - (byte *)sbrk(0)) - start),
	      text("%td", (byte *)sbrk(0) - start));
	errno = 0;
	check("sbrk: more than there is", "%s", sbrk(INTPTR_MAX) == (void *)-1 ? error_name(errno) : "a block");
	check("sbrk: break after that", "%td", (byte *)sbrk(0) - start);
	errno = 0;
	check("sbrk: below the beginning", "%s", sbrk(-INTPTR_MAX) == (void *)-1 ? error_name(errno) : "yes");
	check("sbrk: break after that too", "%td", (byte *)sbrk(0) - start);
}

int main(void)
{
	static char output[BUFSIZ];

	catch_faults();
	MUST(setvbuf(stdout, output, _IOFBF, sizeof(output)) == 0); // else its buffer would be below the break
	breaks();
	return done();
}
