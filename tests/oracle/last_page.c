// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The page that the end of the file lies in, and those behind it. Behind the end are zeros, what is stored there never
 * becomes part of the file, and the next page is SIGBUS. Until lately Linux showed what had been stored behind the end
 * when the file was extended without a writeback between; such a Linux is no oracle for that.
 */

#include "oracle.h"

/* One page full of 'f', cut to size. */
static int sized(size_t size)
{
	byte page[PAGE];
	int fd = fresh(0, 0);

	memset(page, 'f', PAGE);
	for (size_t at = 0; at < size; at += PAGE)
		MUST(pwrite(fd, page, PAGE, (off_t)at) == (ssize_t)PAGE);
	MUST(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static const char *without_old_stores(const char *seen)
{
	return ON_LINUX && strstr(seen, "78") ? "SKIP this file system shows what was stored behind the end" : seen;
}

static void at_size(size_t size)
{
	size_t first = (size - 1) / PAGE * PAGE, behind = first + PAGE; // of the last page, of the one behind it
	size_t size_in_it = size - first;
	int fd = sized(size);
	byte *p = map(4, RW, MAP_SHARED, fd, 0);

	check(text("%zu: the last page", size), "%s", runs(p + first, PAGE));
	check(text("%zu: its last byte", size), "%s", load(p + first + PAGE - 1));
	check(text("%zu: behind it: load", size), "%s", load(p + behind));
	check(text("%zu: behind it: store", size), "%s", store(p + behind, 1));
	check(text("%zu: two behind it: load", size), "%s", load(p + behind + PAGE));
	if (size_in_it < PAGE)
		memset(p + first + size_in_it, 'x', PAGE - size_in_it);
	check(text("%zu: read of it after stores behind the end", size), "%s", file_runs(fd, (off_t)first, PAGE));
	check(text("%zu: msync", size), "%s", ret(msync(p, behind, MS_SYNC)));
	check(text("%zu: size after that", size), "%ld", file_size(fd));
	check(text("%zu: read after that", size), "%s", file_runs(fd, (off_t)first, PAGE));
	MUST(ftruncate(fd, (off_t)behind + 10) == 0);
	check(text("%zu: extended after msync: load", size), "%s", without_old_stores(runs(p + first, PAGE)));
	check(text("%zu: extended after msync: read", size), "%s",
	      without_old_stores(file_runs(fd, (off_t)first, PAGE)));
	check(text("%zu: extended: the page behind", size), "%s", runs(p + behind, PAGE));
	check(text("%zu: extended: two behind", size), "%s", load(p + behind + PAGE));
	unmap(p, 4);
	MUST(close(fd) == 0);
}

/* Stores behind the end and no writeback before the file grows, by each way of growing. */
static void grown(const char *how)
{
	int fd = sized(100);
	byte *p = map(2, RW, MAP_SHARED, fd, 0);

	memset(p + 100, 'x', PAGE - 100);
	if (!strcmp(how, "ftruncate"))
		MUST(ftruncate(fd, 200) == 0);
	else if (!strcmp(how, "write behind a gap"))
		MUST(pwrite(fd, "w", 1, 150) == 1);
	else if (!strcmp(how, "write in the next page"))
		MUST(pwrite(fd, "w", 1, PAGE + 5) == 1);
	else if (!strcmp(how, "write at the end"))
		MUST(pwrite(fd, "w", 1, 100) == 1);
	else
		MUST(posix_fallocate(fd, 0, 200) == 0);
	check(text("stored behind the end, grown by %s: size", how), "%ld", file_size(fd));
	check(text("stored behind the end, grown by %s: read", how), "%s",
	      without_old_stores(file_runs(fd, 0, 2 * PAGE)));
	check(text("stored behind the end, grown by %s: load to the end", how), "%s",
	      without_old_stores(runs(p, file_size(fd) > 4096 ? PAGE : (size_t)file_size(fd))));
}

static void shrunk_in_the_page(void)
{
	int fd = sized(2000);
	byte *p = map(1, RW, MAP_SHARED, fd, 0);

	MUST(p[0] == 'f' && ftruncate(fd, 1000) == 0);
	check("shrunk: load", "%s", runs(p, PAGE));
	MUST(ftruncate(fd, 3000) == 0);
	check("shrunk and extended: load", "%s", runs(p, PAGE));
	check("shrunk and extended: read", "%s", file_runs(fd, 0, PAGE));
	memset(p, 'g', 3000);
	MUST(ftruncate(fd, 1) == 0 && ftruncate(fd, PAGE) == 0);
	check("stored, shrunk to 1 and extended", "%s", runs(p, PAGE));
	memset(p, 'h', PAGE);
	MUST(ftruncate(fd, 0) == 0);
	check("stored, shrunk to nothing", "%s", load(p));
	MUST(ftruncate(fd, PAGE) == 0);
	check("shrunk to nothing and extended", "%s", runs(p, PAGE));
}

static void write_over_the_end(void)
{
	int fd = sized(100);
	byte *p = map(2, RW, MAP_SHARED, fd, 0), line[200];

	memset(line, 'w', sizeof(line));
	check("written over the end", "%s", ret(pwrite(fd, line, 200, 50)));
	check("written over the end: load", "%s", runs(p, PAGE));
	check("written over the page", "%s", ret(pwrite(fd, line, 200, PAGE - 100)));
	check("written over the page: load", "%s", runs(p + 200, 2 * PAGE - 200));
	check("written over the page: size", "%ld", file_size(fd));
	check("read over the end", "%s", ret(pread(fd, line, 200, PAGE + 50)));
	check("read at the end", "%s", ret(pread(fd, line, 200, PAGE + 100)));
	check("read behind the end", "%s", ret(pread(fd, line, 200, 10 * PAGE)));
}

/* Stores behind the end that are written back with the page, seen by who opens the file anew. */
static void closed_and_opened(void)
{
	int fd = open("last.data", O_RDWR | O_CREAT | O_TRUNC, 0644);
	byte *p;

	MUST(fd >= 0 && write(fd, "end", 3) == 3);
	p = map(1, RW, MAP_SHARED, fd, 0);
	strcpy((char *)p + 3, "xxxx");
	MUST(msync(p, PAGE, MS_SYNC) == 0 && munmap(p, PAGE) == 0 && fsync(fd) == 0 && close(fd) == 0);
	fd = open("last.data", O_RDWR);
	STEPS("opened again: size, bytes", text("%ld", file_size(fd)), file_runs(fd, 0, 10));
	MUST(ftruncate(fd, 10) == 0);
	check("opened again, extended", "%s", without_old_stores(file_runs(fd, 0, 20)));
	MUST(close(fd) == 0 && unlink("last.data") == 0);
}

int main(void)
{
	static const size_t sizes[] = {1, 100, 1023, 1024, 1025, 4095, 4096, 4097, 8191};

	catch_faults();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		at_size(sizes[i]);
	grown("ftruncate");
	grown("write behind a gap");
	grown("write in the next page");
	grown("write at the end");
	grown("posix_fallocate");
	shrunk_in_the_page();
	write_over_the_end();
	closed_and_opened();
	return done();
}
