// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Blocks prepared and punched under mappings, advice, ranges written: the calls at their POSIX edges, and in threads.
 */

#include <cairn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mappings.h"

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define PATH "/falloc"

static long blocks(int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	return st.st_blocks;
}

static void test_modes(void)
{
	int fd = file_make(PATH, 16 * PAGE);
	unsigned char *p = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, fd, 0);
	unsigned char *copy = mmap(NULL, 16 * PAGE, RW, MAP_PRIVATE, fd, 0);
	struct stat st;
	long full;

	CHECK(p != MAP_FAILED && copy != MAP_FAILED && blocks(fd) == 0);
	CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 16 * PAGE) == 0 && blocks(fd) >= 16 * 8);
	CHECK(FAILS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 17 * PAGE), EOPNOTSUPP));
	full = blocks(fd);
	memset(p, 'x', 16 * PAGE);
	copy[5 * PAGE] = 'c';
	CHECK(fallocate(fd, PUNCH, 2 * PAGE + 100, 6 * PAGE) == 0 && blocks(fd) == full - 5 * 8);
	CHECK(is_all(p, 2 * PAGE + 100, 'x') && is_all(p + 2 * PAGE + 100, 6 * PAGE, 0) &&
	      is_all(p + 8 * PAGE + 100, 8 * PAGE - 100, 'x'));
	CHECK(copy[5 * PAGE] == 'c' && copy[5 * PAGE + 1] == 'x' && copy[4 * PAGE] == 0);
	p[4 * PAGE] = 'y'; // a block again
	CHECK(blocks(fd) == full - 4 * 8 && msync(p, 16 * PAGE, MS_SYNC) == 0);
	CHECK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 10 * PAGE, 10 * PAGE) == 0 && is_all(p + 10 * PAGE, 6 * PAGE, 0));
	CHECK(fstat(fd, &st) == 0 && st.st_size == 20 * PAGE && blocks(fd) >= full);
	CHECK(FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE), EOPNOTSUPP) &&
	      FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE), EOPNOTSUPP) &&
	      FAILS(fallocate(fd, 0x4000, 0, PAGE), EOPNOTSUPP) && FAILS(fallocate(fd, 0, -1, PAGE), EINVAL) &&
	      FAILS(fallocate(fd, 0, 0, INT64_MAX), EFBIG) && FAILS(fallocate(99, 0, 0, PAGE), EBADF) &&
	      FAILS(fallocate(STDOUT_FILENO, 0, 0, PAGE), ENODEV));
	errno = 77; // posix_fallocate returns its error
	CHECK(posix_fallocate(STDOUT_FILENO, 0, PAGE) == ENODEV && posix_fallocate(fd, 0, 0) == EINVAL && errno == 77);
	CHECK(munmap(p, 16 * PAGE) == 0 && munmap(copy, 16 * PAGE) == 0);
	file_drop(PATH, fd);
}

static void test_advice(void)
{
	int fd = file_make(PATH, 64 * PAGE), writer = open(PATH, O_WRONLY);
	unsigned char *p = mmap(NULL, 64 * PAGE, RW, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED && writer >= 0);
	memset(p, 'a', 64 * PAGE);
	for (int advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE; advice++)
		CHECK(posix_fadvise(fd, 0, 0, advice) == 0);
	CHECK(munmap(p, 64 * PAGE) == 0);
	CHECK(sync_file_range(fd, 0, 0,
			      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0);
	CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 && readahead(fd, 0, 64 * PAGE) == 0);
	p = mmap(NULL, 64 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && is_all(p, 64 * PAGE, 'a') && munmap(p, 64 * PAGE) == 0);
	errno = 77;
	CHECK(posix_fadvise(fd, 0, 0, 99) == EINVAL && posix_fadvise(99, 0, 0, 0) == EBADF &&
	      posix_fadvise(fd, 0, -1, 0) == EINVAL && errno == 77);
	CHECK(FAILS(readahead(writer, 0, PAGE), EBADF) && FAILS(readahead(STDIN_FILENO, 0, PAGE), EINVAL));
	CHECK(FAILS(sync_file_range(fd, 0, 0, 8), EINVAL) && FAILS(sync_file_range(fd, -1, 0, 2), EINVAL) &&
	      FAILS(sync_file_range(STDOUT_FILENO, 0, 0, 2), ESPIPE) && FAILS(sync_file_range(99, 0, 0, 2), EBADF));
	CHECK(close(writer) == 0);
	file_drop(PATH, fd);
}

#define STORERS 3
#define FILE_PAGES 8ul

static volatile unsigned char *holed;
static atomic_bool punching;
static int holed_fd;

/* What a hole takes away was stored before it; it takes all of it. */
static void *store(void *arg)
{
	volatile unsigned char *mine = holed + (size_t)arg * 8;
	unsigned gone = 0;

	for (unsigned i = 0; atomic_load(&punching); i++) {
		const unsigned char value = (unsigned char)(1 + i % 255);
		volatile unsigned char *a = mine + (1 + i % 6) * PAGE, *b = mine + (1 + (i + 2) % 6) * PAGE;
		unsigned char first, second;

		mine[0] = value; // outside
		*a = value;
		*b = value;
		second = *b;
		first = *a;
		CHECK(second == value || (second == 0 && first == 0));
		CHECK(first == value || first == 0);
		CHECK(mine[0] == value);
		gone += first == 0;
	}
	return (void *)(uintptr_t)gone;
}

static void test_threads(void)
{
	const int rounds = tap_times(100, 300, 1000);
	pthread_t threads[STORERS];
	unsigned char back[PAGE];

	holed_fd = file_make(PATH, FILE_PAGES * PAGE);
	holed = mmap(NULL, FILE_PAGES * PAGE, RW, MAP_SHARED, holed_fd, 0);
	CHECK(holed != MAP_FAILED);
	atomic_store(&punching, true);
	for (size_t i = 0; i < STORERS; i++)
		CHECK(pthread_create(&threads[i], NULL, store, (void *)i) == 0);
	for (int i = 0; i < rounds; i++) {
		CHECK(fallocate(holed_fd, PUNCH, PAGE - 50, 6 * PAGE + 100) == 0);
		if (i % 10 == 0)
			CHECK(msync((void *)holed, FILE_PAGES * PAGE, i % 20 ? MS_ASYNC : MS_SYNC) == 0);
	}
	atomic_store(&punching, false);
	for (size_t i = 0; i < STORERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	for (size_t page = 0; page < FILE_PAGES; page++) {
		CHECK(pread(holed_fd, back, PAGE, (off_t)(page * PAGE)) == (ssize_t)PAGE);
		CHECK(memcmp(back, (unsigned char *)holed + page * PAGE, PAGE) == 0);
	}
	CHECK(munmap((void *)holed, FILE_PAGES * PAGE) == 0);
	file_drop(PATH, holed_fd);
}

/* ---- a full card: each thread's store that finds no block is its own fault ---- */

#define HOLE_PAGES 64ul

static unsigned char *hole;
static atomic_uint refused;
static atomic_bool room;

static void touch(void *arg)
{
	*(volatile unsigned char *)arg = 1;
}

static void *store_in_hole(void *arg)
{
	for (size_t page = (size_t)arg; page < HOLE_PAGES; page += STORERS) {
		const struct cairn_fault *fault = cairn_try(touch, hole + page * PAGE);

		CHECK(!fault || (fault->kind == CAIRN_FAULT_BUS && fault->error == ENOSPC &&
				 fault->address == hole + page * PAGE));
		CHECK(!fault || !atomic_load(&room));
		atomic_fetch_add(&refused, fault != NULL);
	}
	return NULL;
}

static void store_by_all(void)
{
	pthread_t threads[STORERS];

	atomic_store(&refused, 0);
	for (size_t i = 0; i < STORERS; i++)
		CHECK(pthread_create(&threads[i], NULL, store_in_hole, (void *)i) == 0);
	for (size_t i = 0; i < STORERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void test_no_space(void)
{
	int fd = file_make(PATH, 2 * HOLE_PAGES * PAGE), full = open("/full", O_CREAT | O_RDWR | O_TRUNC, 0644);
	off_t at = 0;

	CHECK(full >= 0 && posix_fallocate(fd, HOLE_PAGES * PAGE, HOLE_PAGES * PAGE) == 0);
	hole = mmap(NULL, 2 * HOLE_PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(hole != MAP_FAILED);
	for (off_t step = 64 << 20; step >= (off_t)PAGE;) {
		if (posix_fallocate(full, at, step) == 0)
			at += step;
		else
			step /= 2;
	}
	atomic_store(&room, false);
	store_by_all();
	CHECK(atomic_load(&refused) > HOLE_PAGES / 2);
	memset(hole + HOLE_PAGES * PAGE, 2, HOLE_PAGES * PAGE); // prepared
	CHECK(close(full) == 0 && unlink("/full") == 0);
	sync();
	atomic_store(&room, true);
	store_by_all();
	CHECK(atomic_load(&refused) == 0 && msync(hole, 2 * HOLE_PAGES * PAGE, MS_SYNC) == 0);
	CHECK(munmap(hole, 2 * HOLE_PAGES * PAGE) == 0);
	file_drop(PATH, fd);
}

TAP_MAIN({"fallocate", test_modes}, {"advice and ranges", test_advice}, {"holes beside stores", test_threads},
	 {"stores on a full card", test_no_space})
