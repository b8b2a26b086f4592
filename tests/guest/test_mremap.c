// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* mremap: growing, shrinking, moving; what other harts see of it. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PATH "/remapped"
#define FAILS(error, ...) (errno = 0, mremap(__VA_ARGS__) == MAP_FAILED && errno == (error))
#define WORDS (PAGE / sizeof(uint64_t))

static uint64_t *map(size_t pages)
{
	uint64_t *p = mmap(NULL, pages * PAGE, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void number(uint64_t *p, size_t pages, uint64_t from)
{
	for (size_t i = 0; i < pages; i++)
		p[i * WORDS] = from + i;
}

static bool is_numbered(const uint64_t *p, size_t pages, uint64_t from)
{
	for (size_t i = 0; i < pages; i++)
		if (p[i * WORDS] != from + i)
			return false;
	return true;
}

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

static bool is_mapped(const void *p)
{
	int fd = open(PATH, O_RDWR | O_CREAT, 0644);
	bool mapped = write(fd, p, 1) == 1;

	CHECK(mapped || errno == EFAULT);
	file_drop(fd);
	return mapped;
}

static void test_private(void)
{
	uint64_t *p = map(8), *q, *target = map(1024 + 8);

	number(p, 8, 1);
	CHECK(mremap(p, 8 * PAGE, 4 * PAGE, 0) == p && is_numbered(p, 4, 1) && !is_mapped(p + 4 * WORDS));
	CHECK(mremap(p, 4 * PAGE, 8 * PAGE, 0) == p && is_numbered(p, 4, 1) && p[4 * WORDS] == 0);
	CHECK(mprotect(p + WORDS, PAGE, PROT_NONE) == 0 && mprotect(p + WORDS, PAGE, RW) == 0);
	q = mremap(p, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 1000 * WORDS);
	CHECK(q == target + 1000 * WORDS && is_numbered(q, 4, 1) && !is_mapped(p));
	CHECK(target[999 * WORDS] == 0 && target[1008 * WORDS] == 0);
	p = mremap(q, 8 * PAGE, 5000 * PAGE, MREMAP_MAYMOVE); // it cannot stay
	CHECK(p != MAP_FAILED && p != q && is_numbered(p, 4, 1) && p[4999 * WORDS] == 0 && !is_mapped(q));
	CHECK(munmap(p, 5000 * PAGE) == 0 && munmap(target, 1032 * PAGE) == 0);
}

static void test_file(void)
{
	int fd = file_make(8);
	uint64_t *p = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, fd, 0), *q, *again, word;

	CHECK(p != MAP_FAILED);
	number(p, 8, 1);
	q = mremap(p + 4 * WORDS, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p);
	CHECK(q == p && is_numbered(q, 4, 5)); // shows what follows in the file
	again = mremap(q, 0, 4 * PAGE, MREMAP_MAYMOVE);
	CHECK(again != MAP_FAILED && is_numbered(again, 4, 5));
	again[0] = 77;
	CHECK(q[0] == 77 && pread(fd, &word, 8, 4 * PAGE) == 8 && word == 77);
	CHECK(msync(again, 4 * PAGE, MS_SYNC) == 0);
	CHECK(munmap(again, 4 * PAGE) == 0 && munmap(p, 8 * PAGE) == 0);
	file_drop(fd);
}

static void test_dontunmap(void)
{
	uint64_t *p = map(4), *q;

	number(p, 4, 1);
	q = mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	CHECK(q != MAP_FAILED && q != p && is_numbered(q, 4, 1) && p[0] == 0 && p[3 * WORDS] == 0);
	number(p, 4, 9);
	CHECK(is_numbered(q, 4, 1) && munmap(p, 4 * PAGE) == 0 && munmap(q, 4 * PAGE) == 0);
}

static void test_errors(void)
{
	uint64_t *p = map(4), *q = map(4);
	const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;

	CHECK(FAILS(EINVAL, (char *)p + 1, PAGE, PAGE, 0) && FAILS(EINVAL, p, PAGE, 0, 0));
	CHECK(FAILS(EINVAL, p, PAGE, PAGE, 8) && FAILS(EINVAL, p, PAGE, PAGE, MREMAP_FIXED, q));
	CHECK(FAILS(EINVAL, p, PAGE, PAGE, MREMAP_DONTUNMAP) && FAILS(EINVAL, p, 0, PAGE, MREMAP_MAYMOVE));
	CHECK(FAILS(EINVAL, p, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	CHECK(FAILS(EINVAL, p, 2 * PAGE, 2 * PAGE, fixed, p + WORDS) &&
	      FAILS(EINVAL, p, PAGE, PAGE, fixed, (char *)q + 1));
	CHECK(mprotect(p + WORDS, PAGE, PROT_READ) == 0 && FAILS(EFAULT, p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE));
	CHECK(FAILS(ENOMEM, q, 4 * PAGE, 1ul << 40, MREMAP_MAYMOVE) && FAILS(ENOMEM, p, PAGE, 2 * PAGE, 0));
	CHECK(munmap(p, 4 * PAGE) == 0 && FAILS(EFAULT, p, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	CHECK(munmap(q, 4 * PAGE) == 0);
}

/* ---- beside other threads ---- */
#define SHARE_PAGES 24
#define SHARE_LEN (SHARE_PAGES * PAGE)

static uint64_t *added[2], *stage;
static atomic_bool moving;

/* Each to words of its own. Returns how many additions to each of both mappings. */
static void *add(void *arg)
{
	const size_t mine = (size_t)arg;
	uintptr_t count = 0;

	for (; atomic_load(&moving); count++) {
		const size_t at = count % SHARE_PAGES * WORDS + mine;

		/* One instruction on private memory, whose page may be another one after it; the shared page stays. */
		__atomic_fetch_add(&added[0][at], 1, __ATOMIC_RELAXED);
		*(volatile uint64_t *)&added[1][at] += 1;
	}
	return (void *)count;
}

static void *look_at_stage(void *arg)
{
	uint64_t last = 0;
	bool went_back = false;

	for (size_t i = 0; atomic_load(&moving); i++) {
		const uint64_t now = *(volatile uint64_t *)&stage[i % SHARE_PAGES * WORDS];

		went_back |= now < last;
		last = now;
	}
	CHECK(!went_back);
	return arg;
}

static uint64_t sum(const uint64_t *p)
{
	uint64_t all = 0;

	for (size_t i = 0; i < SHARE_PAGES; i++)
		all += p[i * WORDS + 1] + p[i * WORDS + 2];
	return all;
}

static void test_threads(void)
{
	const int keep = MREMAP_MAYMOVE | MREMAP_DONTUNMAP, fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	const time_t end = time(NULL) + tap_times(3, 4, 10);
	uint64_t moved = 0, turn = 0, count[3];
	int fd = file_make(SHARE_PAGES);
	pthread_t t[3];

	added[0] = map(SHARE_PAGES);
	added[1] = mmap(NULL, SHARE_LEN, RW, MAP_SHARED, fd, 0);
	stage = map(SHARE_PAGES);
	atomic_store(&moving, true);
	for (size_t i = 0; i < 3; i++)
		CHECK(pthread_create(&t[i], NULL, i == 2 ? look_at_stage : add, (void *)(i + 1)) == 0);
	while (turn < 5 || time(NULL) < end) {
		uint64_t *private = mremap(added[0], SHARE_LEN, SHARE_LEN, keep);
		uint64_t *shared = mremap(added[1], SHARE_LEN, SHARE_LEN, keep), *next = map(SHARE_PAGES);

		CHECK(private != MAP_FAILED && shared != MAP_FAILED);
		moved += sum(private);
		CHECK(munmap(private, SHARE_LEN) == 0 && munmap(shared, SHARE_LEN) == 0);
		turn++;
		for (size_t i = 0; i < SHARE_PAGES; i++)
			next[i * WORDS] = turn;
		CHECK(mremap(next, SHARE_LEN, SHARE_LEN, fixed, stage) == stage);
	}
	atomic_store(&moving, false);
	for (size_t i = 0; i < 3; i++)
		CHECK(pthread_join(t[i], (void **)&count[i]) == 0);
	printf("# %llu turns, %llu additions\n", (unsigned long long)turn, (unsigned long long)(count[0] + count[1]));
	CHECK(stage[0] == turn && count[0] > 0 && count[1] > 0);
	CHECK(moved + sum(added[0]) == count[0] + count[1] && sum(added[1]) == count[0] + count[1]);
	CHECK(munmap(added[0], SHARE_LEN) == 0 && munmap(added[1], SHARE_LEN) == 0 && munmap(stage, SHARE_LEN) == 0);
	file_drop(fd);
}

TAP_MAIN({"private memory", test_private}, {"a shared file", test_file}, {"the old place stays mapped", test_dontunmap},
	 {"errors", test_errors}, {"beside other threads", test_threads})
