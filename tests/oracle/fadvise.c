// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* posix_fadvise, readahead, sync_file_range: what they say, and that a file keeps its bytes whatever they are told. */

#include "oracle.h"

#define SYNC_ALL (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)

static void advise(void)
{
	static const struct {
		const char *name;
		int advice;
	} list[] = {{"NORMAL", POSIX_FADV_NORMAL},	   {"RANDOM", POSIX_FADV_RANDOM},
		    {"SEQUENTIAL", POSIX_FADV_SEQUENTIAL}, {"WILLNEED", POSIX_FADV_WILLNEED},
		    {"DONTNEED", POSIX_FADV_DONTNEED},	   {"NOREUSE", POSIX_FADV_NOREUSE}};
	int fd = fresh(4, 0x10);
	byte *p = map(4, RW, MAP_SHARED, fd, 0);

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		const char *name = list[i].name;
		int advice = list[i].advice;

		memset(p, (int)i + 1, 2 * PAGE);
		MUST(pwrite(fd, &(byte){(byte)(0x80 + i)}, 1, 3 * PAGE) == 1);
		check(text("%s: all", name), "%s", error_name(posix_fadvise(fd, 0, 0, advice)));
		check(text("%s: contents", name), "%s", runs(p, 4 * PAGE));
		check(text("%s: read", name), "%s", file_runs(fd, 0, 4 * PAGE));
		check(text("%s: part of a page", name), "%s", error_name(posix_fadvise(fd, 10, 100, advice)));
		check(text("%s: beyond the end", name), "%s", error_name(posix_fadvise(fd, 100 * PAGE, PAGE, advice)));
		check(text("%s: negative length", name), "%s", error_name(posix_fadvise(fd, 0, -1, advice)));
		check(text("%s: end beyond all", name), "%s",
		      error_name(posix_fadvise(fd, INT64_MAX, INT64_MAX, advice)));
		check(text("%s: no descriptor", name), "%s", error_name(posix_fadvise(-1, 0, 0, advice)));
		MUST(fsync(fd) == 0);
		check(text("%s: all, clean", name), "%s", error_name(posix_fadvise(fd, 0, 0, advice)));
		check(text("%s: contents after that", name), "%s", runs(p, 4 * PAGE));
	}
	check("unknown advice", "%s", error_name(posix_fadvise(fd, 0, 0, 6)));
	check("advice -1", "%s", error_name(posix_fadvise(fd, 0, 0, -1)));
	check("unknown advice, no descriptor", "%s", error_name(posix_fadvise(99, 0, 0, 6)));
	errno = EBUSY;
	MUST(posix_fadvise(99, 0, 0, POSIX_FADV_NORMAL) == EBADF);
	check("errno is left alone", "%s", error_name(errno));
}

static void special(void)
{
	int null = open("/dev/null", O_RDWR), fd = open("fadvise.data", O_WRONLY | O_CREAT, 0644);
	int reader = open("fadvise.data", O_RDONLY), dir = open(".", O_RDONLY);

	MUST(null >= 0 && fd >= 0 && reader >= 0 && dir >= 0 && unlink("fadvise.data") == 0);
	check("write-only: fadvise", "%s", error_name(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)));
	check("write-only: readahead", "%s", ret(readahead(fd, 0, PAGE)));
	check("write-only: sync_file_range", "%s", ret(sync_file_range(fd, 0, 0, SYNC_ALL)));
	check("read-only: fadvise", "%s", error_name(posix_fadvise(reader, 0, 0, POSIX_FADV_WILLNEED)));
	check("read-only: readahead", "%s", ret(readahead(reader, 0, PAGE)));
	check("read-only: sync_file_range", "%s", ret(sync_file_range(reader, 0, 0, SYNC_ALL)));
	check("/dev/null: fadvise", "%s", error_name(posix_fadvise(null, 0, 0, POSIX_FADV_NORMAL)));
	check("/dev/null: unknown advice", "%s", error_name(posix_fadvise(null, 0, 0, 99)));
	check("/dev/null: readahead", "%s", ret(readahead(null, 0, PAGE)));
	check("/dev/null: sync_file_range", "%s", ret(sync_file_range(null, 0, 0, SYNC_ALL)));
	check("directory: fadvise", "%s", error_name(posix_fadvise(dir, 0, 0, POSIX_FADV_NORMAL)));
	check("directory: readahead", "%s", ret(readahead(dir, 0, PAGE)));
	check("directory: sync_file_range", "%s", ret(sync_file_range(dir, 0, 0, 0)));
}

static void ahead(void)
{
	int fd = fresh(8, 0x20);

	check("readahead", "%s", ret(readahead(fd, 0, 8 * PAGE)));
	check("readahead: nothing", "%s", ret(readahead(fd, 0, 0)));
	check("readahead: in the middle", "%s", ret(readahead(fd, 100, 5000)));
	check("readahead: over the end", "%s", ret(readahead(fd, 7 * PAGE, 100 * PAGE)));
	check("readahead: beyond the end", "%s", ret(readahead(fd, 1000 * PAGE, PAGE)));
	check("readahead: no descriptor", "%s", ret(readahead(-1, 0, PAGE)));
	check("readahead: a hole", "%s", ret(readahead(fresh(8, 0), 0, 8 * PAGE)));
	check("readahead: position", "%s", ret(lseek(fd, 0, SEEK_CUR)));
	check("readahead: contents", "%s", file_runs(fd, 6 * PAGE, 3 * PAGE));
}

static void sync_range(void)
{
	int fd = fresh(8, 0x30);
	byte *p = map(8, RW, MAP_SHARED, fd, 0);

	for (unsigned flags = 0; flags < 8; flags++) {
		memset(p, (int)flags + 1, 8 * PAGE);
		check(text("sync_file_range %u", flags), "%s", ret(sync_file_range(fd, PAGE, 2 * PAGE, flags)));
		check(text("sync_file_range %u: to the end", flags), "%s", ret(sync_file_range(fd, PAGE, 0, flags)));
		check(text("sync_file_range %u: contents", flags), "%s", runs(p, 8 * PAGE));
	}
	check("sync_file_range: unknown flag", "%s", ret(sync_file_range(fd, 0, 0, 8)));
	check("sync_file_range: unknown flag and a known one", "%s", ret(sync_file_range(fd, 0, 0, 9)));
	check("sync_file_range: negative offset", "%s", ret(sync_file_range(fd, -1, 1, SYNC_ALL)));
	check("sync_file_range: negative length", "%s", ret(sync_file_range(fd, 0, -1, SYNC_ALL)));
	check("sync_file_range: end beyond all", "%s", ret(sync_file_range(fd, INT64_MAX, INT64_MAX, SYNC_ALL)));
	check("sync_file_range: beyond the end", "%s", ret(sync_file_range(fd, 100 * PAGE, PAGE, SYNC_ALL)));
	check("sync_file_range: part of a page", "%s", ret(sync_file_range(fd, 10, 10, SYNC_ALL)));
	check("sync_file_range: no descriptor", "%s", ret(sync_file_range(99, 0, 0, SYNC_ALL)));
	check("sync_file_range: unknown flag, no descriptor", "%s", ret(sync_file_range(99, 0, 0, 8)));
	check("sync_file_range: read", "%s", file_runs(fd, 0, 9 * PAGE));
}

int main(void)
{
	catch_faults();
	advise();
	special();
	ahead();
	sync_range();
	return done();
}
