// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Files with holes: what they show, what a store into one allocates, and what posix_fallocate promises. How many blocks
 * a file has depends on the file system, so only relations are looked at, and after fsync.
 */

#include "oracle.h"

#define MEGABYTE (1ul << 20)

/* Bytes allocated, as a relation to size. */
static const char *space(int fd, size_t size)
{
	long allocated;

	MUST(fsync(fd) == 0);
	allocated = file_space(fd);
	return allocated == 0 ? "none" : (size_t)allocated < size ? "less" : "all";
}

static const char *after_loads(const char *seen)
{
	return ON_LINUX && strcmp(seen, "none") ? "SKIP this file system allocates what is loaded" : seen;
}

static void reading(void)
{
	int fd = fresh(0, 0);
	byte *p;

	MUST(ftruncate(fd, MEGABYTE) == 0);
	check("empty and large: space", "%s", space(fd, MEGABYTE));
	check("empty and large: read", "%s", file_runs(fd, MEGABYTE / 2, 2 * PAGE));
	p = map(MEGABYTE / PAGE, RW, MAP_SHARED, fd, 0);
	check("empty and large: load", "%s", runs(p, MEGABYTE));
	check("empty and large: space after the loads", "%s", after_loads(space(fd, MEGABYTE)));
	check("read of the last bytes", "%s", file_runs(fd, MEGABYTE - 3, 10));
	fd = fresh(MEGABYTE / PAGE, 0);
	MUST(pwrite(fd, "w", 1, MEGABYTE / 2 + 5) == 1);
	check("one byte written: space", "%s", space(fd, MEGABYTE));
	check("one byte written: read", "%s", file_runs(fd, MEGABYTE / 2, PAGE));
	p = map(MEGABYTE / PAGE, RW, MAP_SHARED, fd, 0);
	check("one byte written: load", "%s", runs(p, MEGABYTE));
}

static void storing(void)
{
	int fd = fresh(256, 0);
	byte *p = map(256, RW, MAP_SHARED, fd, 0);
	long before, between;

	check("store into a hole", "%s", store(p + 100 * PAGE + 7, 's'));
	check("store: space", "%s", space(fd, MEGABYTE));
	before = file_space(fd);
	check("store: read around it", "%s", file_runs(fd, 99 * PAGE, 3 * PAGE));
	check("another byte of that page", "%s", store(p + 100 * PAGE + 9, 't'));
	MUST(fsync(fd) == 0);
	between = file_space(fd);
	check("another byte of that page: space", "%s", between == before ? "as before" : "other");
	STEPS("stores into two more", store(p, 1), store(p + 255 * PAGE, 2));
	MUST(fsync(fd) == 0);
	check("stores into two more: space", "%s", file_space(fd) > between ? "more" : "not more");
	check("stores: the hole between", "%s", runs(p + 1, 100 * PAGE));
	check("load, then store in a hole", "%s", load(p + 50 * PAGE));
	check("load, then store: store", "%s", store(p + 50 * PAGE, 3));
	check("load, then store: read", "%s", file_runs(fd, 50 * PAGE, 2 * PAGE));
	check("read, then store in a hole", "%s", file_runs(fd, 60 * PAGE, 3));
	check("read, then store: store", "%s", store(p + 60 * PAGE + 1, 4));
	check("read, then store: read again", "%s", file_runs(fd, 60 * PAGE, 3));
	check("written within a hole's page", "%s", ret(pwrite(fd, "www", 3, 70 * PAGE + 2000)));
	check("written: load", "%s", runs(p + 70 * PAGE, PAGE));
	check("size", "%ld", file_size(fd));
}

static void seeking(void)
{
	int fd = fresh(0, 0);

	check("write far behind", "%s", ret(pwrite(fd, "far", 3, 5 * MEGABYTE)));
	check("write far behind: size", "%ld", file_size(fd));
	check("write far behind: space", "%s", space(fd, 5 * MEGABYTE));
	check("write far behind: read over its beginning", "%s", file_runs(fd, 5 * MEGABYTE - 3, 100));
	MUST(lseek(fd, 7 * MEGABYTE, SEEK_SET) == 7 * MEGABYTE);
	check("lseek behind the end: size", "%ld", file_size(fd));
	check("lseek behind the end: read", "%s", ret(read(fd, &(byte){0}, 1)));
	check("lseek behind the end: write", "%s", ret(write(fd, "x", 1)));
	check("lseek behind the end: size after write", "%ld", file_size(fd));
}

static void prepared(void)
{
	int fd = fresh(0, 0);
	byte *p;
	long before;

	check("posix_fallocate", "%s", error_name(posix_fallocate(fd, 0, 16 * PAGE)));
	check("posix_fallocate: size", "%ld", file_size(fd));
	check("posix_fallocate: space", "%s", space(fd, 16 * PAGE));
	check("posix_fallocate: read", "%s", file_runs(fd, 0, 17 * PAGE));
	p = map(17, RW, MAP_SHARED, fd, 0);
	check("posix_fallocate: load", "%s", runs(p, 16 * PAGE));
	check("posix_fallocate: behind it", "%s", load(p + 16 * PAGE));
	before = file_space(fd);
	memset(p, 's', 16 * PAGE);
	MUST(fsync(fd) == 0);
	check("posix_fallocate: stored, space", "%s", file_space(fd) == before ? "as before" : "other");
	check("again over what is there", "%s", error_name(posix_fallocate(fd, PAGE, 2 * PAGE)));
	check("again: contents", "%s", file_runs(fd, 0, 16 * PAGE));
	check("again: size", "%ld", file_size(fd));
	check("over the end", "%s", error_name(posix_fallocate(fd, 15 * PAGE, 3 * PAGE + 5)));
	check("over the end: size", "%ld", file_size(fd));
	check("over the end: contents", "%s", file_runs(fd, 15 * PAGE, 5 * PAGE));
	check("far behind", "%s", error_name(posix_fallocate(fd, MEGABYTE, 1)));
	check("far behind: size", "%ld", file_size(fd));
	check("far behind: space", "%s", space(fd, MEGABYTE));
	check("in a hole, not at blocks", "%s", error_name(posix_fallocate(fd, 100 * PAGE + 5, 10)));
	check("in a hole: size", "%ld", file_size(fd));
	check("within the size: contents", "%s", file_runs(fd, 100 * PAGE, PAGE));
}

static void prepared_errors(void)
{
	int fd = fresh(1, 0x11), reader = open("holes.data", O_RDONLY | O_CREAT, 0644),
	    null = open("/dev/null", O_RDWR);

	MUST(reader >= 0 && null >= 0 && unlink("holes.data") == 0);
	check("error: length 0", "%s", error_name(posix_fallocate(fd, 0, 0)));
	check("error: length -1", "%s", error_name(posix_fallocate(fd, 0, -1)));
	check("error: offset -1", "%s", error_name(posix_fallocate(fd, -1, 1)));
	check("error: offset and length over all", "%s", error_name(posix_fallocate(fd, INT64_MAX, 1)));
	check("error: no descriptor", "%s", error_name(posix_fallocate(-1, 0, 1)));
	check("error: no such descriptor", "%s", error_name(posix_fallocate(99, 0, 1)));
	check("error: opened to read", "%s", error_name(posix_fallocate(reader, 0, 1)));
	check("error: /dev/null", "%s", error_name(posix_fallocate(null, 0, 1)));
	errno = EBUSY;
	MUST(posix_fallocate(99, 0, 1) == EBADF);
	check("error: errno is left alone", "%s", error_name(errno));
	STEPS("error: the file", text("%ld", file_size(fd)), file_runs(fd, 0, PAGE));
}

int main(void)
{
	catch_faults();
	reading();
	storing();
	seeking();
	prepared();
	prepared_errors();
	return done();
}
