// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * lseek: all its whences, errors, holes. What is data was written in whole pages, and has been written to the card, far
 * from what was not, so that no file system sees it otherwise. Offsets near the end of what one can hold are no check.
 */

#include "files.h"

#define MEGABYTE 1048576l

static const char *seek(int fd, off_t offset, int whence)
{
	return ret(lseek(fd, offset, whence));
}

static void positions(void)
{
	int fd = fresh(1, 'p');
	const off_t most = INT64_MAX;

	check("begins", "%s", seek(fd, 0, SEEK_CUR));
	check("set", "%s", seek(fd, 100, SEEK_SET));
	check("on", "%s", seek(fd, 50, SEEK_CUR));
	check("back", "%s", seek(fd, -150, SEEK_CUR));
	check("end", "%s", seek(fd, 0, SEEK_END));
	check("before the end", "%s", seek(fd, -96, SEEK_END));
	check("beyond the end", "%s", seek(fd, 1000, SEEK_END));
	STEPS("beyond the end: read", ret(read(fd, &(byte){0}, 1)), seek(fd, 0, SEEK_CUR));
	check("beyond the end: size", "%ld", file_size(fd));
	check("before the beginning", "%s", seek(fd, -1, SEEK_SET));
	check("before the beginning, from here", "%s", seek(fd, -100000, SEEK_CUR));
	check("before the beginning, from the end", "%s", seek(fd, -4097, SEEK_END));
	check("to the beginning, from the end", "%s", seek(fd, -4096, SEEK_END));
	MUST(lseek(fd, 5, SEEK_SET) == 5);
	check("overflow, from here", "%s", seek(fd, most, SEEK_CUR));
	check("overflow, from the end", "%s", seek(fd, most, SEEK_END));
	check("least", "%s", seek(fd, INT64_MIN, SEEK_SET));
	check("least, from here", "%s", seek(fd, INT64_MIN, SEEK_CUR));
	check("position after errors", "%s", seek(fd, 0, SEEK_CUR));
	check("whence 5", "%s", seek(fd, 0, 5));
	check("whence -1", "%s", seek(fd, 0, -1));
	check("whence of much", "%s", seek(fd, 0, INT32_MAX));
	check("far", "%s", seek(fd, 1l << 31, SEEK_SET));
	check("farther", "%s", seek(fd, 1l << 32, SEEK_CUR));
	STEPS("far: read", ret(read(fd, &(byte){0}, 1)), seek(fd, 0, SEEK_CUR));
	must_close(fd);
}

static void written_far(void)
{
	int fd = fresh(0, 0);
	const off_t far = (5l << 30) + 123;

	STEPS("written behind 5 GiB", seek(fd, far, SEEK_SET), ret(write(fd, "far", 3)), text("%ld", file_size(fd)));
	STEPS("read there", file_runs(fd, far - 2, 10), file_runs(fd, 1l << 32, 5));
	check("little space", "%s", file_space(fd) < MEGABYTE ? "yes" : "no");
	STEPS("cut to 4 GiB", ret(ftruncate(fd, 1l << 32)), text("%ld", file_size(fd)),
	      file_runs(fd, (1l << 32) - 2, 5));
	must_close(fd);
}

/* Pages 0 to 15 data, then a hole up to 1 MiB, data, and a hole up to the end at 4 MiB. */
static void holes(void)
{
	int fd = fresh(16, 'd');
	byte page[PAGE];

	memset(page, 'e', PAGE);
	for (size_t i = 0; i < 16; i++)
		MUST(pwrite(fd, page, PAGE, (off_t)(MEGABYTE + (long)(i * PAGE))) == (ssize_t)PAGE);
	MUST(ftruncate(fd, 4 * MEGABYTE) == 0 && fsync(fd) == 0);
	check("data at data", "%s", seek(fd, 0, SEEK_DATA));
	check("data within data", "%s", seek(fd, 12345, SEEK_DATA));
	check("hole from data", "%s", seek(fd, 12345, SEEK_HOLE));
	check("hole in a hole", "%s", seek(fd, 500000, SEEK_HOLE));
	check("data from a hole", "%s", seek(fd, 500000, SEEK_DATA));
	check("last byte of the first data", "%s", seek(fd, 16 * (off_t)PAGE - 1, SEEK_DATA));
	check("first byte of the hole: data", "%s", seek(fd, 16 * (off_t)PAGE, SEEK_DATA));
	check("first byte of the hole: hole", "%s", seek(fd, 16 * (off_t)PAGE, SEEK_HOLE));
	check("hole behind the second data", "%s", seek(fd, MEGABYTE, SEEK_HOLE));
	check("data behind all data", "%s", seek(fd, 2 * MEGABYTE, SEEK_DATA));
	check("position after that", "%s", seek(fd, 0, SEEK_CUR));
	check("hole behind all data", "%s", seek(fd, 3 * MEGABYTE + 1, SEEK_HOLE));
	check("data at the last byte", "%s", seek(fd, 4 * MEGABYTE - 1, SEEK_DATA));
	check("hole at the last byte", "%s", seek(fd, 4 * MEGABYTE - 1, SEEK_HOLE));
	check("data at the end", "%s", seek(fd, 4 * MEGABYTE, SEEK_DATA));
	check("hole at the end", "%s", seek(fd, 4 * MEGABYTE, SEEK_HOLE));
	check("data beyond the end", "%s", seek(fd, 5 * MEGABYTE, SEEK_DATA));
	check("hole beyond the end", "%s", seek(fd, 5 * MEGABYTE, SEEK_HOLE));
	check("data before the beginning", "%s", seek(fd, -1, SEEK_DATA));
	check("hole before the beginning", "%s", seek(fd, -1, SEEK_HOLE));
	check("hole's bytes", "%s", file_runs(fd, MEGABYTE - 10, 20));
	MUST(ftruncate(fd, 16 * (off_t)PAGE) == 0);
	check("all data: hole", "%s", seek(fd, 0, SEEK_HOLE));
	check("all data: data", "%s", seek(fd, 100, SEEK_DATA));
	must_close(fd);
}

/* What is stored and not yet on the card is data too. */
static void stored(void)
{
	int fd = fresh(0, 0);
	byte *p;

	MUST(ftruncate(fd, 4 * MEGABYTE) == 0);
	check("nothing: data", "%s", seek(fd, 0, SEEK_DATA));
	check("nothing: hole", "%s", seek(fd, 100, SEEK_HOLE));
	p = map(1024, RW, MAP_SHARED, fd, 0);
	memset(p + 2 * MEGABYTE, 's', 16 * PAGE);
	check("stored: data", "%s", seek(fd, 0, SEEK_DATA));
	check("stored: hole behind it", "%s", seek(fd, 2 * MEGABYTE, SEEK_HOLE));
	unmap(p, 1024);
	must_close(fd);
	fd = fresh(0, 0);
	check("empty: data", "%s", seek(fd, 0, SEEK_DATA));
	check("empty: hole", "%s", seek(fd, 0, SEEK_HOLE));
	must_close(fd);
}

static void no_files(void)
{
	int ends[2], dir = open(".", O_RDONLY);

	MUST(pipe(ends) == 0 && dir >= 0);
	for (int i = 0; i < 2; i++) {
		check(text("pipe's end %d", i), "%s", seek(ends[i], 0, SEEK_CUR));
		check(text("pipe's end %d: whence", i), "%s", seek(ends[i], 0, 77));
		check(text("pipe's end %d: data", i), "%s", seek(ends[i], 0, SEEK_DATA));
		STEPS(text("pipe's end %d: at an offset", i), ret(pread(ends[i], &(byte){0}, 1, 0)),
		      ret(pwrite(ends[i], "x", 1, 0)));
		must_close(ends[i]);
	}
	check("no descriptor", "%s", seek(-1, 0, SEEK_SET));
	check("no such descriptor", "%s", seek(99, 0, SEEK_SET));
	check("no such descriptor, whence", "%s", seek(99, 0, 77));
	check("folder: begins", "%s", seek(dir, 0, SEEK_CUR));
	check("folder: set", "%s", seek(dir, 0, SEEK_SET));
	check("folder: whence", "%s", seek(dir, 0, 77));
	must_close(dir);
}

int main(void)
{
	enter("seek");
	positions();
	written_far();
	holes();
	stored();
	no_files();
	return done();
}
