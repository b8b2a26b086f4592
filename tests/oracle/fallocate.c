// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * fallocate: its modes on files with data, with holes and with mappings; what it refuses. How many blocks there are is
 * looked at after fsync and as a relation only. tmpfs has no ZERO_RANGE.
 */

#include "oracle.h"

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO FALLOC_FL_ZERO_RANGE
#define KEEP FALLOC_FL_KEEP_SIZE

static bool can_zero = true;

static const char *zeroing(const char *seen)
{
	return can_zero ? seen : "SKIP this file system has no ZERO_RANGE";
}

static const char *space_change(int fd, long before)
{
	long now;

	MUST(fsync(fd) == 0);
	now = file_space(fd);
	return now < before ? "less" : now > before ? "more" : "as before";
}

static void plain(void)
{
	int fd = fresh(2, 0x11);
	byte *p = map(8, RW, MAP_SHARED, fd, 0);

	STEPS("plain: grown", ret(fallocate(fd, 0, 0, 4 * PAGE)), text("%ld", file_size(fd)));
	check("plain: grown: contents", "%s", runs(p, 4 * PAGE));
	STEPS("plain: behind the end", ret(fallocate(fd, 0, 5 * PAGE + 10, 10)), text("%ld", file_size(fd)));
	STEPS("plain: behind the end: contents", file_runs(fd, 4 * PAGE, 3 * PAGE), load(p + 6 * PAGE));
	STEPS("plain: within", ret(fallocate(fd, 0, PAGE, 10)), text("%ld", file_size(fd)), runs(p, 2 * PAGE));
	MUST(fsync(fd) == 0);
	check("plain: space", "%s", file_space(fd) >= (long)(4 * PAGE + 10) ? "all that was asked for" : "less");
}

static void keep_size(void)
{
	int fd = fresh(4, 0);
	long before;

	MUST(fsync(fd) == 0);
	before = file_space(fd);
	STEPS("keep size: a hole within", ret(fallocate(fd, KEEP, 0, 4 * PAGE)), text("%ld", file_size(fd)));
	check("keep size: a hole within: space", "%s", space_change(fd, before));
	check("keep size: a hole within: contents", "%s", file_runs(fd, 0, 5 * PAGE));
	check("keep size: beyond the end", "%s", ret(fallocate(fd, KEEP, 4 * PAGE, 4 * PAGE)));
	check("keep size: over the end", "%s", ret(fallocate(fd, KEEP, 3 * PAGE, 4 * PAGE)));
	check("keep size: size", "%ld", file_size(fd));
	check("keep size: contents", "%s", file_runs(fd, 0, 9 * PAGE));
}

static void punch(void)
{
	int fd = fresh(8, 0x20);
	byte *p = map(8, RW, MAP_SHARED, fd, 0);
	long before;

	MUST(fsync(fd) == 0);
	before = file_space(fd);
	check("punch: two pages", "%s", ret(fallocate(fd, PUNCH, 2 * PAGE, 2 * PAGE)));
	check("punch: two pages: space", "%s", space_change(fd, before));
	check("punch: two pages: load", "%s", runs(p, 6 * PAGE));
	check("punch: two pages: read", "%s", file_runs(fd, 0, 6 * PAGE));
	STEPS("punch: part of a page", ret(fallocate(fd, PUNCH, 5 * PAGE + 100, 200)), runs(p + 5 * PAGE, PAGE));
	STEPS("punch: over a border", ret(fallocate(fd, PUNCH, 7 * PAGE - 10, 20)), runs(p + 6 * PAGE, 2 * PAGE));
	check("punch: a page and parts of two", "%s", ret(fallocate(fd, PUNCH, 5 * PAGE - 5, PAGE + 10)));
	check("punch: a page and parts of two: load", "%s", runs(p + 4 * PAGE, 3 * PAGE));
	STEPS("punch: a hole", ret(fallocate(fd, PUNCH, 2 * PAGE, 2 * PAGE)), load(p + 2 * PAGE));
	STEPS("punch: over the end", ret(fallocate(fd, PUNCH, 7 * PAGE + 100, 5 * PAGE)), text("%ld", file_size(fd)));
	check("punch: over the end: load", "%s", runs(p + 7 * PAGE, PAGE));
	STEPS("punch: beyond the end", ret(fallocate(fd, PUNCH, 20 * PAGE, PAGE)), text("%ld", file_size(fd)));
	STEPS("punch: store into the hole", store(p + 3 * PAGE, 's'), file_runs(fd, 3 * PAGE, 3));
	STEPS("punch: write into the hole", ret(pwrite(fd, "w", 1, 2 * PAGE)), load(p + 2 * PAGE));
	check("punch: all", "%s", ret(fallocate(fd, PUNCH, 0, 8 * PAGE)));
	MUST(fsync(fd) == 0);
	check("punch: all: space", "%s", file_space(fd) == 0 ? "none" : "some");
	check("punch: all: load", "%s", runs(p, 8 * PAGE));
	check("punch: all: size", "%ld", file_size(fd));
	MUST(msync(p, 8 * PAGE, MS_SYNC) == 0);
	check("punch: all: read after msync", "%s", file_runs(fd, 0, 8 * PAGE));
}

/* What each kind of mapping shows of a page that was punched. */
static void punch_and_mappings(void)
{
	int fd = fresh(4, 0x30);
	byte *p = map(4, RW, MAP_SHARED, fd, 0), *q = map(4, PROT_READ, MAP_SHARED, fd, 0);
	byte *copies = map(4, RW, MAP_PRIVATE, fd, 0), *private = map(4, RW, MAP_PRIVATE, fd, 0);

	memset(p, 0x41, 2 * PAGE); // dirty
	memset(copies, 0x42, PAGE);
	MUST(q[0] == 0x41 && private[0] == 0x41 && mlock(q, PAGE) == 0);
	check("punch, mapped", "%s", ret(fallocate(fd, PUNCH, 0, 2 * PAGE)));
	check("punch, mapped: shared", "%s", runs(p, 4 * PAGE));
	check("punch, mapped: another, locked", "%s", runs(q, 4 * PAGE));
	check("punch, mapped: private", "%s", runs(private, 4 * PAGE));
	check("punch, mapped: a private copy", "%s", runs(copies, 4 * PAGE));
	STEPS("punch, mapped: store in one, load in others", store(p, 's'), load(q), load(private), load(copies));
	MUST(munlock(q, PAGE) == 0);
}

static void zero(void)
{
	int fd = fresh(6, 0x50);
	byte *p = map(12, RW, MAP_SHARED, fd, 0), *copy = map(6, RW, MAP_PRIVATE, fd, 0);

	copy[PAGE] = 0x66;
	can_zero = !ON_LINUX || fallocate(fd, ZERO | KEEP, 0, 1) == 0 || errno != EOPNOTSUPP;
	MUST(pwrite(fd, "P", 1, 0) == 1);
	check("zero: two pages", "%s", zeroing(ret(fallocate(fd, ZERO, PAGE, 2 * PAGE))));
	check("zero: two pages: load", "%s", zeroing(runs(p, 4 * PAGE)));
	check("zero: two pages: read", "%s", zeroing(file_runs(fd, 0, 4 * PAGE)));
	check("zero: a private copy", "%s", zeroing(runs(copy + PAGE, PAGE)));
	check("zero: part of a page", "%s", zeroing(ret(fallocate(fd, ZERO, 3 * PAGE + 100, 200))));
	check("zero: part of a page: load", "%s", zeroing(runs(p + 3 * PAGE, PAGE)));
	check("zero: over a border", "%s", zeroing(ret(fallocate(fd, ZERO, 5 * PAGE - 10, 20))));
	check("zero: over a border: load", "%s", zeroing(runs(p + 4 * PAGE, 2 * PAGE)));
	check("zero: over the end, size kept", "%s",
	      zeroing(ret(fallocate(fd, ZERO | KEEP, 5 * PAGE + 100, 2 * PAGE))));
	check("zero: over the end, size kept: size", "%s", zeroing(text("%ld", file_size(fd))));
	check("zero: over the end, size kept: load", "%s", zeroing(runs(p + 5 * PAGE, PAGE)));
	check("zero: over the end", "%s", zeroing(ret(fallocate(fd, ZERO, 5 * PAGE + 50, 2 * PAGE))));
	check("zero: over the end: size", "%s", zeroing(text("%ld", file_size(fd))));
	check("zero: over the end: read", "%s", zeroing(file_runs(fd, 5 * PAGE, 3 * PAGE)));
	check("zero: behind the end", "%s", zeroing(ret(fallocate(fd, ZERO, 9 * PAGE, 100))));
	check("zero: behind the end: size", "%s", zeroing(text("%ld", file_size(fd))));
	check("zero: store, load", "%s", zeroing(can_zero ? store(p + PAGE, 's') : ""));
	check("zero: written", "%s", zeroing(file_runs(fd, PAGE, 2)));
	MUST(fsync(fd) == 0);
	check("zero: space", "%s", zeroing(file_space(fd) >= (long)(7 * PAGE) ? "all that was zeroed" : "less"));
}

static void errors(void)
{
	int fd = fresh(2, 0x11), reader = open("fallocate.data", O_RDONLY | O_CREAT, 0644);
	int null = open("/dev/null", O_RDWR), dir = open(".", O_RDONLY);

	MUST(reader >= 0 && null >= 0 && dir >= 0 && unlink("fallocate.data") == 0);
	for (int mode = 0; mode <= (int)PUNCH; mode++) {
		check(text("mode %d: length 0", mode), "%s", ret(fallocate(fd, mode, 0, 0)));
		check(text("mode %d: negative length", mode), "%s", ret(fallocate(fd, mode, 0, -1)));
		check(text("mode %d: negative offset", mode), "%s", ret(fallocate(fd, mode, -1, 1)));
		check(text("mode %d: end beyond all", mode), "%s", ret(fallocate(fd, mode, INT64_MAX, 1)));
		check(text("mode %d: no descriptor", mode), "%s", ret(fallocate(-1, mode, 0, 1)));
		check(text("mode %d: opened to read", mode), "%s", ret(fallocate(reader, mode, 0, 1)));
		check(text("mode %d: /dev/null", mode), "%s", ret(fallocate(null, mode, 0, 1)));
		check(text("mode %d: a directory", mode), "%s", ret(fallocate(dir, mode, 0, 1)));
	}
	check("punch without KEEP_SIZE", "%s", ret(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE)));
	check("punch and zero", "%s", ret(fallocate(fd, PUNCH | ZERO, 0, PAGE)));
	check("collapse and punch", "%s", ret(fallocate(fd, PUNCH | FALLOC_FL_COLLAPSE_RANGE, 0, PAGE)));
	check("collapse and insert", "%s",
	      ret(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE, 0, PAGE)));
	check("unknown mode", "%s", ret(fallocate(fd, 0x1000, 0, PAGE)));
	check("mode -1", "%s", ret(fallocate(fd, -1, 0, PAGE)));
	check("unknown mode, no descriptor", "%s", ret(fallocate(-1, 0x1000, 0, PAGE)));
	check("unknown mode, length 0", "%s", ret(fallocate(fd, 0x1000, 0, 0)));
	check("after all: size", "%ld", file_size(fd));
	check("collapse", "%s", ret(fallocate(fresh(2, 1), FALLOC_FL_COLLAPSE_RANGE, 0, PAGE)));
	check("insert", "%s", ret(fallocate(fresh(2, 1), FALLOC_FL_INSERT_RANGE, 0, PAGE)));
}

int main(void)
{
	catch_faults();
	plain();
	keep_size();
	punch();
	punch_and_mappings();
	zero();
	errors();
	return done();
}
