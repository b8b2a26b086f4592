// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Pages in memory: mlock and its family, MAP_POPULATE, MAP_LOCKED, mincore. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PATH "/locked"
#define FAILS(error, call) (errno = 0, (call) == -1 && errno == (error))

static int file_make(size_t pages)
{
	int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)(pages * PAGE)) == 0);
	return fd;
}

static void file_drop(int fd)
{
	CHECK(close(fd) == 0 && unlink(PATH) == 0);
}

static char *map(size_t pages, int prot, int flags, int fd)
{
	char *p = mmap(NULL, pages * PAGE, prot, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static size_t resident(char *p, size_t pages)
{
	unsigned char in[64];
	size_t count = 0;

	CHECK(pages <= sizeof(in) && mincore(p, pages * PAGE, in) == 0);
	for (size_t i = 0; i < pages; i++)
		count += in[i] & 1;
	return count;
}

static void test_mincore(void)
{
	unsigned char in[600];
	char *p = map(600, RW, ANON, -1);

	p[0] = p[300 * PAGE] = p[599 * PAGE] = 1;
	memset(in, 9, sizeof(in));
	CHECK(mincore(p, 599 * PAGE + 1, in) == 0 && in[0] == 1 && in[1] == 0 && in[300] == 1 && in[599] == 1);
	CHECK(FAILS(EINVAL, mincore(p + 1, PAGE, in)) && FAILS(EFAULT, mincore(p, PAGE, (unsigned char *)8)));
	CHECK(mincore(p, 0, NULL) == 0 && FAILS(ENOMEM, mincore(p, SIZE_MAX, in)));
	CHECK(FAILS(ENOMEM, mincore(p, 1ul << 45, in)));
	/* The answer may be in what is asked about, and in what is not there yet. */
	CHECK(mincore(p, 100 * PAGE, (unsigned char *)p + PAGE) == 0 && p[PAGE] == 1 && p[PAGE + 1] == 0);
	CHECK(munmap(p + 400 * PAGE, PAGE) == 0);
	memset(in, 9, sizeof(in));
	CHECK(FAILS(ENOMEM, mincore(p, 600 * PAGE, in)) && in[399] == 0 && in[400] == 9); // up to the hole
	CHECK(mprotect(p, PAGE, PROT_READ) == 0 && FAILS(EFAULT, mincore(p, 10 * PAGE, (unsigned char *)p)));
	CHECK(munmap(p, 600 * PAGE) == 0);
}

static void test_mlock(void)
{
	int fd = file_make(8);
	char *p = map(10, RW, MAP_SHARED, fd), *q = map(8, RW, ANON, -1);

	CHECK(mlock(p + 100, 7 * PAGE) == 0 && resident(p, 8) == 8);
	CHECK(mlock(q, 8 * PAGE) == 0 && resident(q, 8) == 8);
	CHECK(FAILS(ENOMEM, mlock(p, 10 * PAGE))); // beyond the end of the file
	CHECK(FAILS(EINVAL, madvise(p, PAGE, MADV_DONTNEED)) && munlock(p, 10 * PAGE) == 0);
	CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0);
	CHECK(mprotect(q, PAGE, PROT_NONE) == 0 && FAILS(ENOMEM, mlock(q, PAGE)));
	CHECK(FAILS(EINVAL, mlock(p, -2 * PAGE)) && FAILS(EINVAL, munlock(p, -2 * PAGE)) && mlock(NULL, 0) == 0);
	CHECK(FAILS(ENOMEM, mlock(NULL, 1)) && munmap(q + 4 * PAGE, PAGE) == 0 && FAILS(ENOMEM, munlock(q, 8 * PAGE)));
	CHECK(FAILS(ENOMEM, mlock(q, 1ul << 45)));
	CHECK(munmap(p, 10 * PAGE) == 0 && munmap(q, 8 * PAGE) == 0);
	file_drop(fd);
}

static void test_mlockall(void)
{
	char *p, *q;

	CHECK(FAILS(EINVAL, mlockall(0)) && FAILS(EINVAL, mlockall(8)) && FAILS(EINVAL, mlockall(MCL_ONFAULT)));
	p = map(8, RW, ANON, -1);
	CHECK(mlockall(MCL_CURRENT) == 0 && resident(p, 8) == 8 && FAILS(EINVAL, madvise(p, PAGE, MADV_DONTNEED)));
	CHECK(mlockall(MCL_FUTURE) == 0);
	q = map(8, RW, ANON, -1);
	CHECK(resident(q, 8) == 8 && FAILS(EINVAL, madvise(q, PAGE, MADV_DONTNEED)) && munmap(q, 8 * PAGE) == 0);
	q = malloc(300000);
	CHECK(q);
	free(q);
	CHECK(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0);
	q = map(8, RW, ANON, -1);
	CHECK(resident(q, 8) == 0 && FAILS(EINVAL, madvise(q, PAGE, MADV_DONTNEED)));
	CHECK(munlockall() == 0 && madvise(q, PAGE, MADV_DONTNEED) == 0 && madvise(p, PAGE, MADV_DONTNEED) == 0);
	CHECK(munmap(q, 8 * PAGE) == 0 && munmap(p, 8 * PAGE) == 0);
	q = map(8, RW, ANON, -1);
	CHECK(resident(q, 8) == 0 && munmap(q, 8 * PAGE) == 0);
}

static void test_populate(void)
{
	int fd = file_make(32);
	char *p = map(40, RW, MAP_SHARED | MAP_POPULATE, fd), *q;

	CHECK(resident(p, 32) == 32 && resident(p + 32 * PAGE, 8) == 0);
	q = map(32, RW, MAP_PRIVATE | MAP_POPULATE | MAP_NONBLOCK, fd);
	CHECK(resident(q, 32) == 32 && q[31 * PAGE] == 0);
	CHECK(munmap(q, 32 * PAGE) == 0);
	q = map(8, RW, ANON | MAP_LOCKED, -1);
	CHECK(resident(q, 8) == 8 && FAILS(EINVAL, madvise(q, PAGE, MADV_DONTNEED)) && munmap(q, 8 * PAGE) == 0);
	CHECK(mmap(NULL, 100ul << 20, RW, ANON | MAP_LOCKED | MAP_NORESERVE, -1, 0) == MAP_FAILED && errno == EAGAIN);
	CHECK(munmap(p, 40 * PAGE) == 0);
	file_drop(fd);
}

TAP_MAIN({"mincore", test_mincore}, {"mlock", test_mlock}, {"mlockall", test_mlockall},
	 {"MAP_POPULATE and MAP_LOCKED", test_populate})
