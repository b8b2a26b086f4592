// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * malloc's large blocks: mappings of their own, returned whole by free. glibc's threshold adapts itself until mallopt
 * has been called, and what the rest of its heap can hold it takes from there, so blocks are larger than that.
 */

#include <malloc.h>

#include "oracle.h"

#define KIB 1024ul
#define MIB (1024ul * KIB)

static const char *freed(void *p)
{
	uintptr_t page = ((uintptr_t)p + PAGE) & -PAGE; // of the middle, past the block's header

	free(p);
	return load((const byte *)page);
}

/* A block that the compiler knows nothing of. */
static byte *block(size_t size)
{
	void *volatile p = malloc(size);

	MUST(p);
	return p;
}

static void threshold(void)
{
	byte *p, *q;

	check("mallopt: M_MMAP_THRESHOLD of 128 KiB", "%d", mallopt(M_MMAP_THRESHOLD, 128 * KIB));
	for (size_t size = 256 * KIB; size <= 4 * MIB; size *= 2) {
		p = block(size);
		memset(p, 0x5a, size);
		check(text("%zu KiB: usable", size / KIB), "%s", runs(p, size));
		check(text("%zu KiB: usable size", size / KIB), "%s",
		      malloc_usable_size(p) >= size ? "enough" : "too small");
		check(text("%zu KiB: aligned", size / KIB), "%s", (uintptr_t)p % 16 ? "no" : "yes");
		check(text("%zu KiB: freed", size / KIB), "%s", freed(p));
	}
	p = block(260 * KIB);
	q = block(260 * KIB);
	memset(p, 1, 260 * KIB);
	memset(q, 2, 260 * KIB);
	check("two: the first freed", "%s", freed(p));
	check("two: the other", "%s", runs(q, 260 * KIB));
	check("two: the other freed", "%s", freed(q));
	check("mallopt: M_MMAP_THRESHOLD of 128 KiB again", "%d", mallopt(M_MMAP_THRESHOLD, 128 * KIB));
}

static void other_calls(void)
{
	void *(*volatile resize)(void *, size_t) =
	    realloc; // keeps a block that it cannot grow, which the compiler doubts
	volatile size_t half = SIZE_MAX / 2;
	byte *p = calloc(300, KIB);
	void *aligned = NULL;

	MUST(p);
	check("calloc: zeros", "%s", runs(p, 300 * KIB));
	memset(p, 7, 300 * KIB);
	p = realloc(p, 2 * MIB);
	MUST(p);
	check("realloc: grown: what was there", "%s", runs(p, 300 * KIB));
	memset(p, 8, 2 * MIB);
	p = realloc(p, 260 * KIB);
	check("realloc: shrunk: what was there", "%s", runs(p, 260 * KIB));
	p = realloc(p, 100);
	check("realloc: small: what was there", "%s", runs(p, 100));
	p = realloc(p, MIB);
	check("realloc: large again: what was there", "%s", runs(p, 100));
	check("realloc: freed", "%s", freed(p));
	check("calloc after free: zeros", "%s", runs(p = calloc(1, 300 * KIB), 300 * KIB));
	free(p);
	check("posix_memalign", "%s", error_name(posix_memalign(&aligned, 64 * KIB, 256 * KIB)));
	check("posix_memalign: aligned", "%s", (uintptr_t)aligned % (64 * KIB) ? "no" : "yes");
	memset(aligned, 9, 256 * KIB);
	check("posix_memalign: freed", "%s", freed(aligned));
	check("posix_memalign: not a power of two", "%s", error_name(posix_memalign(&aligned, 24, 10)));
	errno = 0;
	p = malloc(half);
	STEPS("half the addresses", p ? "a block" : "NULL", error_name(errno));
	errno = 0;
	p = calloc(half, 4);
	STEPS("calloc of more than there is", p ? "a block" : "NULL", error_name(errno));
	p = block(300 * KIB);
	memset(p, 3, 300 * KIB);
	errno = 0;
	STEPS("realloc of more than there is", resize(p, half) ? "a block" : "NULL", error_name(errno));
	check("realloc of more than there is: what was there", "%s", runs(p, 300 * KIB));
	errno = EBUSY;
	free(p);
	free(NULL);
	check("free leaves errno alone", "%s", error_name(errno));
}

/* Many at a time, in an order of their own. */
static void many(void)
{
	enum { COUNT = 40 };
	byte *p[COUNT];
	unsigned wrong = 0;

	for (size_t i = 0; i < COUNT; i++)
		memset(p[i] = block(256 * KIB + i * 1000), (int)i, 256 * KIB + i * 1000);
	for (size_t n = 0; n < COUNT; n++) {
		size_t i = n * 17 % COUNT;

		wrong += p[i][0] != i || p[i][256 * KIB + i * 1000 - 1] != i;
		wrong += strcmp(freed(p[i]), "SIGSEGV MAPERR") != 0;
	}
	check("many: wrong", "%u", wrong);
}

int main(void)
{
	catch_faults();
	threshold();
	other_calls();
	many();
	return done();
}
