// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mappings: one truth with read and write, private copies, errors, sizes beyond memory. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mappings.h"

#define PATH "/mapped"
#define MMAP_FAILS(error, ...) (errno = 0, mmap(__VA_ARGS__) == MAP_FAILED && errno == (error))

static void test_anonymous(void)
{
	size_t size = 64 * PAGE;
	unsigned char *p = mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && ((uintptr_t)p & (PAGE - 1)) == 0 && p != NULL);
	CHECK(is_all(p, size, 0)); // read first: the zero page
	memset(p, 0x5a, size);
	CHECK(is_all(p, size, 0x5a));
	CHECK(madvise(p, 8 * PAGE, MADV_DONTNEED) == 0 && is_all(p, 8 * PAGE, 0) && p[8 * PAGE] == 0x5a);
	CHECK(munmap(p + 8 * PAGE, 8 * PAGE) == 0); // a hole
	CHECK(p[16 * PAGE] == 0x5a && FAILS(msync(p, size, MS_SYNC), ENOMEM));
	CHECK(munmap(p, size) == 0 && munmap(p, size) == 0); // nothing there: no error
}

static void test_shared_is_the_file(void)
{
	int fd = file_make(PATH, 5 * PAGE);
	unsigned char *p = mmap(NULL, 5 * PAGE, RW, MAP_SHARED, fd, 0), *again;
	char buf[16];

	CHECK(p != MAP_FAILED && is_all(p, 5 * PAGE, 0));
	memcpy(p + PAGE - 3, "across", 6);
	CHECK(pread(fd, buf, 6, PAGE - 3) == 6 && memcmp(buf, "across", 6) == 0);
	CHECK(pwrite(fd, "written", 7, 3 * PAGE) == 7 && memcmp(p + 3 * PAGE, "written", 7) == 0);
	again = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE); // a page of it, elsewhere
	CHECK(again != MAP_FAILED && memcmp(again, "oss", 3) == 0);
	p[PAGE] = 'O';
	CHECK(again[0] == 'O');
	CHECK(msync(p, 5 * PAGE, MS_SYNC) == 0 && msync(p, PAGE, MS_ASYNC) == 0);
	CHECK(close(fd) == 0); // the mapping keeps the file
	p[4 * PAGE] = 'k';
	CHECK(munmap(p, 5 * PAGE) == 0 && munmap(again, PAGE) == 0);
	fd = open(PATH, O_RDONLY);
	CHECK(fd >= 0 && pread(fd, buf, 1, 4 * PAGE) == 1 && buf[0] == 'k');
	CHECK(pread(fd, buf, 6, PAGE - 3) == 6 && memcmp(buf, "acrOss", 6) == 0);
	file_drop(PATH, fd);
}

static void test_private(void)
{
	int fd = file_make(PATH, 2 * PAGE);
	unsigned char *p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
	char c;

	CHECK(p != MAP_FAILED && pwrite(fd, "f", 1, 0) == 1);
	CHECK(p[0] == 'f');
	p[0] = 'p';
	CHECK(pread(fd, &c, 1, 0) == 1 && c == 'f');
	CHECK(pwrite(fd, "g", 1, 0) == 1 && p[0] == 'p');
	CHECK(munmap(p, 2 * PAGE) == 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && p[0] == 'g' && munmap(p, PAGE) == 0);
	file_drop(PATH, fd);
}

static void test_tail(void)
{
	int fd = file_make(PATH, PAGE + 10);
	unsigned char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	char buf[PAGE];

	CHECK(p != MAP_FAILED && is_all(p + PAGE, PAGE, 0));
	memset(p + PAGE, 'x', PAGE); // past the end too: there it must not become part of the file
	CHECK(msync(p, 2 * PAGE, MS_SYNC) == 0 && ftruncate(fd, 2 * PAGE) == 0);
	CHECK(pread(fd, buf, PAGE, PAGE) == (ssize_t)PAGE && memcmp(buf, "xxxxxxxxxx\0\0", 12) == 0);
	CHECK(is_all((unsigned char *)buf + 10, PAGE - 10, 0));
	CHECK(munmap(p, 2 * PAGE) == 0);
	file_drop(PATH, fd);
}

static void test_errors(void)
{
	int fd = file_make(PATH, PAGE), reader = open(PATH, O_RDONLY), writer = open(PATH, O_WRONLY),
	    dir = open("/", O_RDONLY);
	int anon = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);

	CHECK(MMAP_FAILS(EINVAL, NULL, 0, RW, anon, -1, 0) && MMAP_FAILS(EINVAL, NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
	CHECK(MMAP_FAILS(EINVAL, NULL, PAGE, RW, MAP_SHARED, fd, 100) &&
	      MMAP_FAILS(EBADF, NULL, PAGE, RW, MAP_SHARED, 99, 0));
	CHECK(MMAP_FAILS(EINVAL, (void *)123, PAGE, RW, anon | MAP_FIXED, -1, 0));
	CHECK(MMAP_FAILS(EACCES, NULL, PAGE, RW, MAP_SHARED, reader, 0));
	CHECK(MMAP_FAILS(EACCES, NULL, PAGE, PROT_READ, MAP_SHARED, writer, 0));
	CHECK(MMAP_FAILS(ENODEV, NULL, PAGE, PROT_READ, MAP_SHARED, dir, 0));
	CHECK(MMAP_FAILS(EOPNOTSUPP, NULL, PAGE, RW, MAP_SHARED_VALIDATE | 0x8000000, fd, 0));
	CHECK(MMAP_FAILS(EOVERFLOW, NULL, PAGE, PROT_READ, MAP_SHARED, fd, INT64_MAX & ~(off_t)(PAGE - 1)));
	CHECK(MMAP_FAILS(ENOMEM, NULL, SIZE_MAX - PAGE, RW, anon, -1, 0) &&
	      MMAP_FAILS(ENOMEM, NULL, 1ul << 45, RW, anon, -1, 0));
	CHECK(p != MAP_FAILED && FAILS(mprotect(p, PAGE, RW), EACCES) &&
	      FAILS(mprotect(p + 1, PAGE, PROT_READ), EINVAL));
	CHECK(FAILS(msync(p + 1, PAGE, MS_SYNC), EINVAL) && FAILS(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL));
	CHECK(FAILS(munmap(p + 1, PAGE), EINVAL) && FAILS(munmap(p, 0), EINVAL));
	CHECK(MMAP_FAILS(EEXIST, p, PAGE, RW, anon | MAP_FIXED_NOREPLACE, -1, 0));
	CHECK(mmap(p, PAGE, RW, anon | MAP_FIXED, -1, 0) == p);
	p[0] = 1; // the old mapping is gone, this one is writable
	CHECK(munmap(p, PAGE) == 0 && close(reader) == 0 && close(writer) == 0 && close(dir) == 0);
	file_drop(PATH, fd);
}

static void test_protect(void)
{
	unsigned char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = file_make(PATH, 10);

	CHECK(p != MAP_FAILED);
	memset(p, 7, 4 * PAGE);
	CHECK(mprotect(p + PAGE, PAGE, PROT_NONE) == 0 && FAILS(write(fd, p + PAGE, 1), EFAULT));
	CHECK(mprotect(p + 2 * PAGE, PAGE, PROT_READ) == 0 && FAILS(pread(fd, p + 2 * PAGE, 1, 0), EFAULT));
	CHECK(write(fd, p + 2 * PAGE, 1) == 1 && p[0] == 7 && p[3 * PAGE] == 7);
	CHECK(mprotect(p, 4 * PAGE, RW) == 0 && is_all(p, 4 * PAGE, 7));
	p[PAGE] = p[2 * PAGE] = 8;
	CHECK(munmap(p, 4 * PAGE) == 0);
	file_drop(PATH, fd);
}

/* The kernel's copies meet the faults of the very page they work on. */
static void test_overlap(void)
{
	int fd = file_make(PATH, 4 * PAGE);
	char *p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED && pwrite(fd, "0123456789", 10, 0) == 10);
	CHECK(pwrite(fd, p, 10, 5) == 10 && memcmp(p, "01234", 5) == 0);
	CHECK(pread(fd, p + 2 * PAGE, 10, 0) == 10 && memcmp(p + 2 * PAGE, "01234", 5) == 0);
	CHECK(pwrite(fd, p, 2 * PAGE, PAGE) == (ssize_t)(2 * PAGE)); // not resident in part
	CHECK(pread(fd, p, 4 * PAGE, 0) == (ssize_t)(4 * PAGE));
	CHECK(munmap(p + PAGE, 3 * PAGE) == 0);
	CHECK(pwrite(fd, p + PAGE - 10, 20, 0) == 10 || errno == EFAULT); // ends where the mapping ends
	CHECK(munmap(p, PAGE) == 0);
	file_drop(PATH, fd);
}

static void test_msync(void)
{
	int fd = file_make(PATH, 4 * PAGE);
	unsigned char *p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED && close(fd) == 0);
	memset(p, 'm', 4 * PAGE);
	CHECK(msync(p, 4 * PAGE, MS_SYNC | MS_INVALIDATE) == 0 && p[PAGE] == 'm'); // nothing is lost by it
	CHECK(msync(p, 4 * PAGE, MS_ASYNC | MS_INVALIDATE) == 0 && msync(p, 4 * PAGE, MS_INVALIDATE) == 0);
	CHECK(msync(p, 0, MS_SYNC) == 0 && msync(p, 1, MS_SYNC) == 0 && msync(p, 4 * PAGE, 0) == 0);
	CHECK(FAILS(msync(p, PAGE, 8), EINVAL) && FAILS(msync(p, SIZE_MAX, MS_SYNC), ENOMEM));
	CHECK(munmap(p + PAGE, PAGE) == 0 && FAILS(msync(p, 4 * PAGE, MS_SYNC), ENOMEM));
	CHECK(FAILS(msync(p, 4 * PAGE, MS_SYNC | MS_INVALIDATE), ENOMEM));
	CHECK(mlock(p + 2 * PAGE, PAGE) == 0 && FAILS(msync(p, 4 * PAGE, MS_SYNC | MS_INVALIDATE), EBUSY));
	CHECK(FAILS(msync(p + 2 * PAGE, PAGE, MS_INVALIDATE), EBUSY) && msync(p + 2 * PAGE, PAGE, MS_SYNC) == 0);
	CHECK(munlock(p + 2 * PAGE, PAGE) == 0 && msync(p + 2 * PAGE, PAGE, MS_INVALIDATE) == 0);
	CHECK(munmap(p, 4 * PAGE) == 0 && unlink(PATH) == 0);
}

static uint64_t stamp(size_t page)
{
	return page * 0x9e3779b97f4a7c15u + 1;
}

/*
 * Larger than memory, which has 64 MiB (tests/conftest.py): written through the mapping, read back both ways. On
 * several harts, each of which every cleaned page waits for, larger only with the long effort; test_stress and
 * test_tenfold are.
 */
static void test_large(void)
{
	const bool one = sysconf(_SC_NPROCESSORS_ONLN) == 1;
	size_t pages = (size_t)tap_times(32, one ? 80 : 32, 160) * 256;
	int fd = file_make(PATH, pages * PAGE);
	char *p = mmap(NULL, pages * PAGE, RW, MAP_SHARED, fd, 0);
	size_t wrong = 0;
	uint64_t word;

	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	for (size_t i = 0; i < pages; i++)
		*(uint64_t *)(p + i * PAGE + i % 500 * 8) = stamp(i);
	CHECK(msync(p, pages * PAGE, MS_SYNC) == 0);
	for (size_t i = 0; i < pages; i++)
		wrong += *(uint64_t *)(p + i * PAGE + i % 500 * 8) != stamp(i);
	CHECK(wrong == 0);
	for (size_t i = 0; i < pages; i += 37)
		wrong += pread(fd, &word, 8, (off_t)(i * PAGE + i % 500 * 8)) != 8 || word != stamp(i);
	CHECK(wrong == 0);
	CHECK(munmap(p, pages * PAGE) == 0);
	file_drop(PATH, fd);
}

#define WORKERS 4
#define WORKER_PAGES 64

static char *common;

static void *work(void *arg)
{
	size_t mine = (size_t)arg;

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < WORKER_PAGES; i++)
			common[(i * WORKERS + mine) * PAGE + mine]++;
		CHECK(msync(common + mine * PAGE, PAGE, MS_SYNC) == 0);
	}
	return NULL;
}

static void test_threads(void)
{
	size_t size = WORKERS * WORKER_PAGES * PAGE;
	pthread_t threads[WORKERS];
	int fd = file_make(PATH, size);

	common = mmap(NULL, size, RW, MAP_SHARED, fd, 0);
	CHECK(common != MAP_FAILED);
	for (size_t i = 0; i < WORKERS; i++)
		CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
	for (size_t i = 0; i < WORKERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	for (size_t i = 0; i < WORKERS * WORKER_PAGES; i++)
		CHECK(common[i * PAGE + i % WORKERS] == 20);
	CHECK(munmap(common, size) == 0);
	file_drop(PATH, fd);
}

static void test_sbrk(void)
{
	char *base = sbrk(0), *p = sbrk(100000);

	CHECK(base != (void *)-1 && p == base && sbrk(0) == p + 100000);
	memset(p, 7, 100000);
	CHECK(FAILS((intptr_t)sbrk(1l << 40), ENOMEM) && FAILS((intptr_t)sbrk(INTPTR_MIN), ENOMEM));
	CHECK(is_all((unsigned char *)p, 100000, 7));
	CHECK(sbrk(-100000) == p + 100000 && sbrk(0) == base);
}

TAP_MAIN({"anonymous memory", test_anonymous}, {"a shared mapping is the file", test_shared_is_the_file},
	 {"private copies", test_private}, {"beyond the end of the file", test_tail}, {"errors", test_errors},
	 {"protection", test_protect}, {"msync", test_msync},
	 {"reads and writes from and to the mapped page", test_overlap}, {"larger than memory", test_large},
	 {"threads on one mapping", test_threads}, {"the end of the heap", test_sbrk})
