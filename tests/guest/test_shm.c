// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Memory that is shared and no file's: MAP_SHARED with MAP_ANONYMOUS, and /dev/zero. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mappings.h"
#include "pthreads.h"

#define MIB (1024ul * 1024)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)
#define MMAP_FAILS(error, ...) (errno = 0, mmap(__VA_ARGS__) == MAP_FAILED && errno == (error))

static sigjmp_buf back;

static void leave(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	siglongjmp(back, sig);
}

static int store_signal(volatile unsigned char *at)
{
	const struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
	int sig = sigsetjmp(back, 1);

	if (sig)
		return sig;
	CHECK(sigaction(SIGBUS, &action, NULL) == 0 && sigaction(SIGSEGV, &action, NULL) == 0);
	*at = 1;
	return 0;
}

static void test_anonymous(void)
{
	size_t size = 64 * PAGE;
	unsigned char *p = mmap(NULL, size, RW, SHARED, -1, 0);
	char byte = 0;
	int pipe = open("/shm", O_CREAT | O_RDWR | O_TRUNC, 0644);

	CHECK(p != MAP_FAILED && is_all(p, size, 0));
	memset(p, 0x5a, size);
	CHECK(madvise(p, size, MADV_DONTNEED) == 0 && is_all(p, size, 0x5a)); // nobody's copy: the contents stay
	CHECK(msync(p, size, MS_SYNC) == 0 && msync(p, size, MS_ASYNC | MS_INVALIDATE) == 0);
	CHECK(mprotect(p + PAGE, PAGE, PROT_NONE) == 0 && FAILS(write(pipe, p + PAGE, 1), EFAULT));
	CHECK(mprotect(p + PAGE, PAGE, PROT_READ) == 0 && store_signal(p + PAGE) == SIGSEGV);
	CHECK(write(pipe, p + PAGE, 1) == 1 && pread(pipe, &byte, 1, 0) == 1 && byte == 0x5a);
	CHECK(FAILS(pread(pipe, p + PAGE, 1, 0), EFAULT));
	CHECK(mprotect(p, size, RW) == 0 && is_all(p, size, 0x5a) && store_signal(p + PAGE) == 0);
	CHECK(pread(pipe, p + 2 * PAGE - 1, 1, 0) == 1 && pwrite(pipe, p + 3 * PAGE - 1, 2, 0) == 2);
	CHECK(munmap(p + 8 * PAGE, 8 * PAGE) == 0 && store_signal(p + 8 * PAGE) == SIGSEGV);
	CHECK(p[7 * PAGE] == 0x5a && p[16 * PAGE] == 0x5a && FAILS(msync(p, size, MS_SYNC), ENOMEM));
	CHECK(mmap(p, PAGE, RW, SHARED | MAP_FIXED, -1, 0) == p && p[0] == 0 && p[PAGE] == 1);
	CHECK(munmap(p, size) == 0 && close(pipe) == 0 && unlink("/shm") == 0);
	p = mmap(NULL, PAGE, PROT_READ, SHARED, -1, 7 * PAGE); // the offset means nothing
	CHECK(p != MAP_FAILED && p[5] == 0 && mprotect(p, PAGE, RW) == 0);
	p[5] = 1;
	CHECK(mlock(p, PAGE) == 0 && munlock(p, PAGE) == 0 && munmap(p, PAGE) == 0);
}

/* More than the machine has in all; and with no promise, more than it has at once. */
static void test_comes_back(void)
{
	int rounds = tap_times(20, 20, 100);
	unsigned char *p;

	for (int i = 0; i < rounds; i++) {
		p = mmap(NULL, 16 * MIB, RW, SHARED, -1, 0);
		CHECK(p != MAP_FAILED);
		if (p == MAP_FAILED)
			return;
		for (size_t at = 0; at < 16 * MIB; at += PAGE) {
			CHECK(p[at] == 0);
			p[at] = 1;
		}
		CHECK(munmap(p, 16 * MIB) == 0);
	}
	CHECK(MMAP_FAILS(ENOMEM, NULL, 4096 * MIB, PROT_READ, SHARED, -1, 0));
	p = mmap(NULL, 4096 * MIB, RW, SHARED | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED && store_signal(p + 4096 * MIB - 1) == 0 && munmap(p, 4096 * MIB) == 0);
}

static void test_dev_zero(void)
{
	int fd = open("/dev/zero", O_RDWR), reader = open("/dev/zero", O_RDONLY), writer = open("/dev/zero", O_WRONLY);
	int null = open("/dev/null", O_RDWR), console = open("/dev/console", O_RDWR);
	unsigned char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 10 * PAGE), *q;

	CHECK(p != MAP_FAILED && is_all(p, 4 * PAGE, 0));
	memset(p, 1, 4 * PAGE);
	CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0 && is_all(p, PAGE, 0) && p[PAGE] == 1);
	CHECK(munmap(p, 4 * PAGE) == 0);

	p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	q = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && q != MAP_FAILED && close(fd) == 0);
	memset(p, 1, 4 * PAGE);
	CHECK(is_all(q, 4 * PAGE, 0)); // each mapping is memory of its own
	CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0 && is_all(p, 4 * PAGE, 1));
	CHECK(munmap(p, 4 * PAGE) == 0 && munmap(q, 4 * PAGE) == 0);

	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
	CHECK(p != MAP_FAILED && p[0] == 0 && FAILS(mprotect(p, PAGE, RW), EACCES) && munmap(p, PAGE) == 0);
	p = mmap(NULL, PAGE, RW, MAP_PRIVATE, reader, 0);
	CHECK(p != MAP_FAILED && store_signal(p) == 0 && munmap(p, PAGE) == 0);
	p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED_VALIDATE, reader, 0);
	CHECK(p == MAP_FAILED && errno == EACCES && MMAP_FAILS(EACCES, NULL, PAGE, RW, MAP_SHARED, reader, 0));
	CHECK(MMAP_FAILS(EACCES, NULL, PAGE, PROT_WRITE, MAP_SHARED, writer, 0) &&
	      MMAP_FAILS(EACCES, NULL, PAGE, PROT_READ, MAP_PRIVATE, writer, 0));
	CHECK(MMAP_FAILS(EINVAL, NULL, PAGE, PROT_READ, MAP_SHARED, reader, 1));
	CHECK(MMAP_FAILS(ENODEV, NULL, PAGE, PROT_READ, MAP_SHARED, null, 0) &&
	      MMAP_FAILS(ENODEV, NULL, PAGE, PROT_READ, MAP_PRIVATE, console, 0));
	/* What is shared is as long as the mapping, and the offset counts in it. */
	fd = open("/dev/zero", O_RDWR);
	p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, PAGE);
	CHECK(p != MAP_FAILED && store_signal(p) == 0 && store_signal(p + PAGE) == SIGBUS);
	CHECK(munmap(p, 2 * PAGE) == 0 && close(fd) == 0);
	CHECK(close(reader) == 0 && close(writer) == 0 && close(null) == 0 && close(console) == 0);
}

/* ---- threads ---- */

#define WORKERS 4
#define COUNTERS 64

static atomic_uint *counters; // a page apart, so that most first touches meet

static void *count(void *arg)
{
	for (size_t i = 0; i < COUNTERS; i++)
		atomic_fetch_add(&counters[i * PAGE / sizeof(*counters)], 1);
	return arg;
}

static void test_threads(void)
{
	pthread_t workers[WORKERS];

	for (int round = 0; round < tap_times(3, 6, 20); round++) {
		counters = mmap(NULL, COUNTERS * PAGE, RW, SHARED, -1, 0);
		CHECK(counters != MAP_FAILED);
		for (size_t i = 0; i < WORKERS; i++)
			workers[i] = start(count, NULL);
		for (size_t i = 0; i < WORKERS; i++)
			join(workers[i]);
		for (size_t i = 0; i < COUNTERS; i++)
			CHECK(counters[i * PAGE / sizeof(*counters)] == WORKERS);
		CHECK(munmap(counters, COUNTERS * PAGE) == 0);
	}
}

static void *deep(void *arg)
{
	volatile char room[8 * PAGE];

	memset((char *)room, 7, sizeof(room));
	CHECK(room[17] == 7 && write(STDOUT_FILENO, (char *)room, 0) == 0);
	return arg;
}

/* Nothing takes its pages away, so a stack may lie there. */
static void test_stack(void)
{
	size_t size = 32 * PAGE;
	char *stack = mmap(NULL, size, RW, SHARED, -1, 0);
	pthread_attr_t attr;

	CHECK(stack != MAP_FAILED && pthread_attr_init(&attr) == 0 && pthread_attr_setstack(&attr, stack, size) == 0);
	CHECK(join(start_with(&attr, deep, &attr)) == &attr && munmap(stack, size) == 0);
}

TAP_MAIN({"shared anonymous memory", test_anonymous}, {"it is promised, and comes back", test_comes_back},
	 {"/dev/zero", test_dev_zero}, {"first touches by threads", test_threads}, {"a stack in it", test_stack})
