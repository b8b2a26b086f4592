// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Every protection with every kind of memory: what a load, a store and a jump meet; as mapped, and as changed by
 * mprotect from each to each. Whether a page that may only be executed can be read is the processor's business.
 */

#include "oracle.h"

#define PROTECTIONS 8
#define DATA 100 // where it is loaded and stored; code is at 0

enum kind { PRIVATE, SHARED, FILE_PRIVATE, FILE_SHARED, KINDS };

static const char *const kinds[] = {"anonymous", "anonymous shared", "private file", "shared file"};

static const char *prot_name(int prot)
{
	return text("%c%c%c", prot & PROT_READ ? 'r' : '-', prot & PROT_WRITE ? 'w' : '-',
		    prot & PROT_EXEC ? 'x' : '-');
}

static int code_file(void)
{
	int fd = fresh(1, 0);

	MUST(pwrite(fd, RETURN_CODE, sizeof(RETURN_CODE) - 1, 0) > 0 && pwrite(fd, "d", 1, DATA) == 1);
	return fd;
}

/* A page with code and data in it, with all rights. */
static byte *make(enum kind kind)
{
	int fd = kind >= FILE_PRIVATE ? code_file() : -1;
	byte *p = map(1, RWX, (kind % 2 ? MAP_SHARED : MAP_PRIVATE) | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	put_code(p);
	p[DATA] = 'd';
	if (fd >= 0)
		MUST(close(fd) == 0);
	return p;
}

static const char *load_allowed(const byte *p, int prot)
{
	return prot == PROT_EXEC ? "not looked at" : load(p + DATA);
}

/* Mapped so from the first; untouched before. */
static void as_mapped(enum kind kind)
{
	for (int prot = 0; prot < PROTECTIONS; prot++) {
		int fd = kind >= FILE_PRIVATE ? code_file() : -1;
		byte *p = map(1, prot, (kind % 2 ? MAP_SHARED : MAP_PRIVATE) | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
		const char *name = prot_name(prot);

		check(text("%s %s: load", kinds[kind], name), "%s", load_allowed(p, prot));
		check(text("%s %s: store", kinds[kind], name), "%s", store(p + DATA, 'e'));
		check(text("%s %s: load after the store", kinds[kind], name), "%s", load_allowed(p, prot));
		if (fd >= 0) { // an empty anonymous page is no code
			check(text("%s %s: jump", kinds[kind], name), "%s", jump(p));
			check(text("%s %s: the file", kinds[kind], name), "%s", file_runs(fd, DATA, 1));
			MUST(close(fd) == 0);
		}
		unmap(p, 1);
	}
}

/* All three after each change. What was stored stays. */
static void as_changed(enum kind kind)
{
	for (int from = 0; from < PROTECTIONS; from++) {
		byte *p = make(kind);

		for (int to = 0; to < PROTECTIONS; to++) {
			const char *loaded, *stored, *jumped;

			MUST(mprotect(p, PAGE, from) == 0 && mprotect(p, PAGE, to) == 0);
			loaded = load_allowed(p, to);
			stored = store(p + DATA, (byte)('e' + to));
			jumped = jump(p);
			check(text("%s, %s to %s", kinds[kind], prot_name(from), prot_name(to)),
			      "load %s, store %s, jump %s", loaded, stored, jumped);
		}
		MUST(mprotect(p, PAGE, PROT_READ) == 0);
		check(text("%s, from %s: kept at the end", kinds[kind], prot_name(from)), "%s", load(p + DATA));
		unmap(p, 1);
	}
}

int main(void)
{
	catch_faults();
	as_mapped(PRIVATE);
	as_mapped(FILE_PRIVATE);
	as_mapped(FILE_SHARED);
	as_changed(PRIVATE);
	as_changed(FILE_PRIVATE);
	as_changed(FILE_SHARED);
	as_mapped(SHARED);
	as_changed(SHARED);
	return done();
}
