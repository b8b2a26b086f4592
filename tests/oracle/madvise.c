// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Each advice with each kind of memory: what is said, and what the memory holds afterwards. What is freed by MADV_FREE
 * may go at once or later; both are right.
 */

#include "oracle.h"

#define PAGES 4ul

static const struct {
	const char *name;
	int advice;
} advices[] = {
    {"NORMAL", MADV_NORMAL},
    {"RANDOM", MADV_RANDOM},
    {"SEQUENTIAL", MADV_SEQUENTIAL},
    {"WILLNEED", MADV_WILLNEED},
    {"DONTNEED", MADV_DONTNEED},
    {"FREE", MADV_FREE},
    {"COLD", MADV_COLD},
    {"PAGEOUT", MADV_PAGEOUT},
    {"POPULATE_READ", MADV_POPULATE_READ},
    {"POPULATE_WRITE", MADV_POPULATE_WRITE},
};

#define ADVICES (sizeof(advices) / sizeof(*advices))

static byte *anonymous(void)
{
	byte *p = map(PAGES, RW, ANON, -1, 0);

	memset(p, 0xa1, PAGES * PAGE);
	return p;
}

static byte *untouched(void)
{
	return map(PAGES, RW, ANON, -1, 0);
}

static byte *without_access(void)
{
	byte *p = anonymous();

	MUST(mprotect(p, PAGES * PAGE, PROT_NONE) == 0);
	return p;
}

static byte *read_only(void)
{
	byte *p = anonymous();

	MUST(mprotect(p, PAGES * PAGE, PROT_READ) == 0);
	return p;
}

static byte *locked(void)
{
	byte *p = anonymous();

	MUST(mlock(p, PAGES * PAGE) == 0);
	return p;
}

static byte *shared_file(void)
{
	return map(PAGES, RW, MAP_SHARED, fresh(PAGES, 0xb0), 0);
}

static byte *shared_file_stored(void)
{
	byte *p = shared_file();

	memset(p, 0xc1, PAGES * PAGE);
	return p;
}

static byte *shared_file_to_read(void)
{
	return map(PAGES, PROT_READ, MAP_SHARED, fresh(PAGES, 0xb0), 0);
}

static byte *private_file(void)
{
	return map(PAGES, RW, MAP_PRIVATE, fresh(PAGES, 0xd0), 0);
}

static byte *private_copies(void)
{
	byte *p = private_file();

	memset(p, 0xe1, PAGES * PAGE);
	return p;
}

static byte *private_file_to_read(void)
{
	return map(PAGES, PROT_READ, MAP_PRIVATE, fresh(PAGES, 0xd0), 0);
}

static byte *half_beyond_the_end(void)
{
	return map(PAGES, RW, MAP_SHARED, fresh(PAGES / 2, 0xf0), 0);
}

static byte *holes(void)
{
	return map(PAGES, RW, MAP_SHARED, fresh(PAGES, 0), 0);
}

static byte *shared_memory(void)
{
	byte *p = map(PAGES, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	memset(p, 0x91, PAGES * PAGE);
	return p;
}

/* After MADV_FREE what is there may be what was there, or zeros. */
static const char *freed(const byte *p)
{
	const char *seen = load(p);

	return !strcmp(seen, "00") || !strcmp(seen, "a1") ? "old or zero" : seen;
}

static void with_all(const char *kind, byte *(*make)(void))
{
	for (size_t i = 0; i < ADVICES; i++) {
		byte *p = make();
		bool free = advices[i].advice == MADV_FREE;

		check(text("%s, %s", kind, advices[i].name), "%s", ret(madvise(p, PAGES * PAGE, advices[i].advice)));
		STEPS(text("%s, %s: contents, store, load", kind, advices[i].name), free ? freed(p) : load(p),
		      free ? freed(p + 3 * PAGE + 7) : load(p + 3 * PAGE + 7), store(p, 0x5a),
		      free ? "not here" : load(p));
		MUST(munmap(p, PAGES * PAGE) == 0);
	}
}

static void errors(void)
{
	static const int unknown[] = {-1, 5, 6, 7, 26, 50, 99, 255, 1000};
	byte *p = anonymous(), *free;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		check(text("advice %d", unknown[i]), "%s", ret(madvise(p, PAGE, unknown[i])));
	for (size_t i = 0; i < ADVICES; i++) {
		const char *name = advices[i].name;
		int advice = advices[i].advice;
		byte *q = anonymous();

		unmap(q + PAGE, 1);
		free = room(4);
		check(text("%s: not at a page", name), "%s", ret(madvise(p + 1, PAGE, advice)));
		check(text("%s: length 0", name), "%s", ret(madvise(p, 0, advice)));
		check(text("%s: length 0, nothing mapped", name), "%s", ret(madvise(free, 0, advice)));
		check(text("%s: length 1", name), "%s", ret(madvise(p, 1, advice)));
		check(text("%s: length of all pages but one", name), "%s", ret(madvise(p, -PAGE, advice)));
		check(text("%s: length of all", name), "%s", ret(madvise(p, SIZE_MAX, advice)));
		check(text("%s: nothing mapped", name), "%s", ret(madvise(free, PAGE, advice)));
		check(text("%s: over a hole", name), "%s", ret(madvise(q, PAGES * PAGE, advice)));
		check(text("%s: from a hole", name), "%s", ret(madvise(q + PAGE, 2 * PAGE, advice)));
		check(text("%s: kernel's half", name), "%s", ret(madvise((void *)0xffffffff00000000, PAGE, advice)));
	}
}

/* Before and behind a hole the advice is taken. */
static void around_a_hole(void)
{
	byte *p = anonymous();

	unmap(p + PAGE, 1);
	check("DONTNEED around a hole", "%s", ret(madvise(p, PAGES * PAGE, MADV_DONTNEED)));
	STEPS("DONTNEED around a hole: contents", load(p), load(p + PAGE), load(p + 2 * PAGE), load(p + 3 * PAGE));
	p = anonymous();
	check("DONTNEED of length 1", "%s", ret(madvise(p, 1, MADV_DONTNEED)));
	STEPS("DONTNEED of length 1: contents", load(p + PAGE - 1), load(p + PAGE));
	check("DONTNEED of the second page", "%s", ret(madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED)));
	check("DONTNEED of the second page: contents", "%s", runs(p, PAGES * PAGE));
	p = anonymous();
	MUST(mlock(p + 2 * PAGE, PAGE) == 0);
	check("DONTNEED with one page locked", "%s", ret(madvise(p, PAGES * PAGE, MADV_DONTNEED)));
	MUST(munlock(p, PAGES * PAGE) == 0);
	check("DONTNEED unlocked", "%s", ret(madvise(p, PAGES * PAGE, MADV_DONTNEED)));
	check("DONTNEED unlocked: contents", "%s", runs(p, PAGES * PAGE));
}

/* Of a file nothing is lost by any of them. */
static void the_file(void)
{
	int fd = fresh(PAGES, 0);
	byte *p = map(PAGES, RW, MAP_SHARED, fd, 0);

	for (size_t i = 0; i < ADVICES; i++) {
		memset(p, (int)i + 1, PAGES * PAGE);
		STEPS(text("file stored, %s, read", advices[i].name), ret(madvise(p, PAGES * PAGE, advices[i].advice)),
		      file_runs(fd, 0, PAGES * PAGE), runs(p, PAGES * PAGE));
	}
}

static void populate(void)
{
	int fd = fresh(PAGES, 0);
	byte *p = map(PAGES, RW, MAP_PRIVATE, fresh(PAGES, 0x21), 0), *q = map(PAGES, RW, MAP_SHARED, fd, 0);
	byte *mixed = anonymous();

	check("POPULATE_WRITE of a private file", "%s", ret(madvise(p, PAGES * PAGE, MADV_POPULATE_WRITE)));
	check("POPULATE_WRITE of a private file: contents", "%s", runs(p, PAGES * PAGE));
	check("POPULATE_WRITE of holes", "%s", ret(madvise(q, PAGES * PAGE, MADV_POPULATE_WRITE)));
	MUST(fsync(fd) == 0);
	check("POPULATE_WRITE of holes: space", "%s", file_space(fd) >= (long)(PAGES * PAGE) ? "all" : "less");
	check("POPULATE_WRITE of holes: contents", "%s", runs(q, PAGES * PAGE));
	MUST(mprotect(mixed + PAGE, PAGE, PROT_READ) == 0);
	check("POPULATE_WRITE over a read-only page", "%s", ret(madvise(mixed, PAGES * PAGE, MADV_POPULATE_WRITE)));
	check("POPULATE_READ over a read-only page", "%s", ret(madvise(mixed, PAGES * PAGE, MADV_POPULATE_READ)));
	MUST(mprotect(mixed + PAGE, PAGE, PROT_NONE) == 0);
	check("POPULATE_READ over a page without access", "%s", ret(madvise(mixed, PAGES * PAGE, MADV_POPULATE_READ)));
	MUST(mprotect(mixed + PAGE, PAGE, PROT_EXEC | PROT_READ) == 0);
	check("POPULATE_READ over a page to execute", "%s", ret(madvise(mixed, PAGES * PAGE, MADV_POPULATE_READ)));
}

/* posix_madvise returns the error and never loses what is there. */
static void posix(void)
{
	static const struct {
		const char *name;
		int advice;
	} list[] = {{"NORMAL", POSIX_MADV_NORMAL},
		    {"RANDOM", POSIX_MADV_RANDOM},
		    {"SEQUENTIAL", POSIX_MADV_SEQUENTIAL},
		    {"WILLNEED", POSIX_MADV_WILLNEED},
		    {"DONTNEED", POSIX_MADV_DONTNEED}};
	byte *p = anonymous();

	for (size_t i = 0; i < 5; i++) {
		check(text("posix %s", list[i].name), "%s", error_name(posix_madvise(p, PAGES * PAGE, list[i].advice)));
		check(text("posix %s: contents", list[i].name), "%s", runs(p, PAGES * PAGE));
	}
	check("posix, unknown", "%s", error_name(posix_madvise(p, PAGE, 99)));
	check("posix, not at a page", "%s", error_name(posix_madvise(p + 1, PAGE, POSIX_MADV_NORMAL)));
	check("posix, nothing mapped", "%s", error_name(posix_madvise(room(1), PAGE, POSIX_MADV_WILLNEED)));
	check("posix, length 0", "%s", error_name(posix_madvise(p, 0, POSIX_MADV_RANDOM)));
	errno = EBUSY;
	MUST(posix_madvise(p, PAGE, 99) == EINVAL);
	check("posix: errno is left alone", "%s", error_name(errno));
}

int main(void)
{
	catch_faults();
	errors();
	around_a_hole();
	the_file();
	populate();
	posix();
	with_all("anonymous", anonymous);
	with_all("untouched", untouched);
	with_all("without access", without_access);
	with_all("read-only", read_only);
	with_all("locked", locked);
	with_all("shared file", shared_file);
	with_all("shared file, stored", shared_file_stored);
	with_all("shared file to read", shared_file_to_read);
	with_all("private file", private_file);
	with_all("private copies", private_copies);
	with_all("private file to read", private_file_to_read);
	with_all("half beyond the end", half_beyond_the_end);
	with_all("holes", holes);
	with_all("shared memory", shared_memory);
	return done();
}
