// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * read and write whose buffer is a mapping of the file that they read or write: other pages, the same page, the very
 * same bytes, and what is not there until the call itself makes it. Where source and target overlap but are not the
 * same, the outcome is undefined, and so no check.
 */

#include "oracle.h"

static void to_other_pages(int flags, const char *kind)
{
	int fd = fresh(4, 'a');
	byte *p = map(4, RW, flags, fd, 0);

	check(text("%s: page 0 written to 2", kind), "%s", ret(pwrite(fd, p, PAGE, 2 * PAGE)));
	check(text("%s: page 0 written to 2: file", kind), "%s", file_runs(fd, 0, 4 * PAGE));
	check(text("%s: page 0 written to 2: load", kind), "%s", runs(p, 4 * PAGE));
	check(text("%s: page 3 read into 1", kind), "%s", ret(pread(fd, p + PAGE, PAGE, 3 * PAGE)));
	check(text("%s: page 3 read into 1: file", kind), "%s", file_runs(fd, 0, 4 * PAGE));
	check(text("%s: page 3 read into 1: load", kind), "%s", runs(p, 4 * PAGE));
	check(text("%s: two pages written to two", kind), "%s", ret(pwrite(fd, p, 2 * PAGE, 2 * PAGE)));
	check(text("%s: two pages written to two: file", kind), "%s", file_runs(fd, 0, 4 * PAGE));
}

static void in_the_same_page(int flags, const char *kind)
{
	int fd = fresh(2, 'a');
	byte *p = map(2, RW, flags, fd, 0);

	memset(p, 'A', 100);
	MUST(pwrite(fd, "FFFFFFFF", 8, 1000) == 8);
	check(text("%s: same page, apart, written", kind), "%s", ret(pwrite(fd, p, 100, 2000)));
	check(text("%s: same page, apart, written: file", kind), "%s", file_runs(fd, 0, PAGE));
	check(text("%s: same page, apart, read", kind), "%s", ret(pread(fd, p + 3000, 8, 1000)));
	check(text("%s: same page, apart, read: load", kind), "%s", runs(p + 2900, 300));
	check(text("%s: the very same bytes written", kind), "%s", ret(pwrite(fd, p + 100, 200, 100)));
	check(text("%s: the very same bytes read", kind), "%s", ret(pread(fd, p + 500, 200, 500)));
	check(text("%s: the very same page written", kind), "%s", ret(pwrite(fd, p, PAGE, 0)));
	check(text("%s: the very same page read", kind), "%s", ret(pread(fd, p, PAGE, 0)));
	check(text("%s: both pages read into themselves", kind), "%s", ret(pread(fd, p, 2 * PAGE, 0)));
	check(text("%s: both pages written onto themselves", kind), "%s", ret(pwrite(fd, p, 2 * PAGE, 0)));
	check(text("%s: over the border, onto itself", kind), "%s", ret(pwrite(fd, p + PAGE - 50, 100, PAGE - 50)));
	check(text("%s: at the end: file", kind), "%s", file_runs(fd, 0, 2 * PAGE));
	check(text("%s: at the end: load", kind), "%s", runs(p, 2 * PAGE));
}

/* Neither source nor target is in memory before, or anywhere. */
static void holes(void)
{
	int fd = fresh(8, 0), same;
	byte *p = map(8, RW, MAP_SHARED, fd, 0), c;

	check("hole written to a hole", "%s", ret(pwrite(fd, p, PAGE, 4 * PAGE)));
	check("hole read into a hole", "%s", ret(pread(fd, p + PAGE, PAGE, 5 * PAGE)));
	check("hole written onto itself", "%s", ret(pwrite(fd, p + 2 * PAGE + 10, 100, 2 * PAGE + 10)));
	check("hole read into itself", "%s", ret(pread(fd, p + 3 * PAGE + 10, 100, 3 * PAGE + 10)));
	check("holes: file", "%s", file_runs(fd, 0, 8 * PAGE));
	check("a byte written into a hole from the page before it", "%s",
	      ret(pwrite(fd, p + 7 * PAGE - 1, 2, 7 * PAGE)));
	same = open("self.data", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(same >= 0 && unlink("self.data") == 0 && pwrite(same, "s", 1, 3 * PAGE) == 1);
	p = map(4, RW, MAP_SHARED, same, 0);
	check("the rest of a page written from itself", "%s", ret(pwrite(same, p + 3 * PAGE, 1, 3 * PAGE + 1)));
	check("the rest of a page written from itself: file", "%s", file_runs(same, 3 * PAGE, 10));
	check("read of one byte into another", "%s", ret(pread(same, p, 1, 3 * PAGE)));
	check("read of one byte into another: file", "%s", file_runs(same, 0, 2));
	MUST(pread(same, &c, 1, 0) == 1 && c == 's');
}

static void over_the_end(void)
{
	int fd = fresh(2, 'a');
	byte *p = map(6, RW, MAP_SHARED, fd, 0);

	check("end: written behind it from a page", "%s", ret(pwrite(fd, p, PAGE, 2 * PAGE)));
	STEPS("end: grown", text("%ld", file_size(fd)), runs(p + 2 * PAGE, PAGE));
	check("end: written from the page that is beyond it", "%s", ret(pwrite(fd, p + 4 * PAGE, 10, 3 * PAGE)));
	check("end: size after that", "%ld", file_size(fd));
	check("end: written from the page that the write itself makes", "%s",
	      ret(pwrite(fd, p + 3 * PAGE, 10, 3 * PAGE)));
	check("end: size after that too", "%ld", file_size(fd));
	check("end: read into a page beyond it", "%s", ret(pread(fd, p + 4 * PAGE, 10, 0)));
	check("end: read over it into itself", "%s", ret(pread(fd, p, 6 * PAGE, 0)));
	check("end: read of nothing into a page beyond it", "%s", ret(pread(fd, p + 4 * PAGE, 10, 5 * PAGE)));
	check("end: written from pages over it", "%s", ret(pwrite(fd, p + 2 * PAGE, 2 * PAGE, 0)));
	check("end: file", "%s", file_runs(fd, 0, 6 * PAGE));
}

static void appending(void)
{
	int fd = open("self.data", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644);
	byte *p;

	MUST(fd >= 0 && unlink("self.data") == 0 && write(fd, "abc", 3) == 3);
	p = map(2, RW, MAP_SHARED, fd, 0);
	for (int i = 0; i < 5; i++)
		check(text("doubled %d times", i + 1), "%s", ret(write(fd, p, (size_t)file_size(fd))));
	check("doubled: size", "%ld", file_size(fd));
	check("doubled: end", "%s", runs(p + 90, 10));
}

static void by_position(void)
{
	int fd = fresh(3, 'x'), copy;
	byte *p = map(3, RW, MAP_SHARED, fd, 0);

	STEPS("read moves the position", ret(read(fd, p + 2 * PAGE, 100)), ret(lseek(fd, 0, SEEK_CUR)));
	STEPS("write moves the position", ret(write(fd, p + PAGE, 100)), ret(lseek(fd, 0, SEEK_CUR)));
	check("position: file", "%s", file_runs(fd, 0, 3 * PAGE));
	copy = dup(fd);
	STEPS("through dup", ret(write(copy, p + 2 * PAGE, 100)), ret(lseek(fd, 0, SEEK_CUR)));
	check("through dup: file", "%s", file_runs(fd, 0, 3 * PAGE));
}

int main(void)
{
	catch_faults();
	to_other_pages(MAP_SHARED, "shared");
	to_other_pages(MAP_PRIVATE, "private");
	in_the_same_page(MAP_SHARED, "shared");
	in_the_same_page(MAP_PRIVATE, "private");
	holes();
	over_the_end();
	appending();
	by_position();
	return done();
}
