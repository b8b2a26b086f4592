// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What mmap's flags do and which it refuses: places, growing stacks, what may be locked. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PATH "/flags"
#define GUARD (256 * PAGE)
#define STACK_MAX (8ul << 20)
#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))
#define MMAP_FAILS(error, ...) (errno = 0, mmap(__VA_ARGS__) == MAP_FAILED && errno == (error))

static unsigned char *map(void *at, size_t size, int prot, int flags)
{
	unsigned char *p = mmap(at, size, prot, flags, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void unmap(void *p, size_t size)
{
	CHECK(munmap(p, size) == 0);
}

static int make(void)
{
	int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
	return fd;
}

static sigjmp_buf out;
static volatile int code;

static void leap(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	code = info->si_code;
	siglongjmp(out, 1);
}

/* The si_code of the SIGSEGV that a store to p gives; 0: none. */
static int store_at(volatile unsigned char *p)
{
	struct sigaction action = {.sa_sigaction = leap, .sa_flags = SA_SIGINFO}, before;

	code = 0;
	CHECK(sigaction(SIGSEGV, &action, &before) == 0);
	if (sigsetjmp(out, 1) == 0)
		*p = 1;
	CHECK(sigaction(SIGSEGV, &before, NULL) == 0);
	return code;
}

static void test_accepted(void)
{
	static const int flags[] = {
	    MAP_STACK,	  MAP_DENYWRITE, MAP_EXECUTABLE, MAP_NORESERVE, MAP_POPULATE, MAP_POPULATE | MAP_NONBLOCK,
	    MAP_NONBLOCK, MAP_LOCKED,	 MAP_FILE,	 MAP_32BIT,	MAP_GROWSDOWN};
	int fd = make();

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		unsigned char *p = map(NULL, 2 * PAGE, RW, ANON | flags[i]);

		p[0] = p[PAGE] = 1;
		unmap(p, 2 * PAGE);
		if (flags[i] == MAP_GROWSDOWN)
			continue;
		p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED_VALIDATE | flags[i], fd, PAGE);
		CHECK(p != MAP_FAILED);
		p[0] = p[PAGE] = 1;
		unmap(p, 2 * PAGE);
	}
	CHECK(close(fd) == 0 && unlink(PATH) == 0);
}

static void test_refused(void)
{
	int fd = make(), reader = open(PATH, O_RDONLY), writer = open(PATH, O_WRONLY), null = open("/dev/null", O_RDWR);
	const int unknown = 0x200000;

	CHECK(MMAP_FAILS(EOPNOTSUPP, NULL, PAGE, RW, MAP_SHARED_VALIDATE | unknown, fd, 0));
	CHECK(MMAP_FAILS(EINVAL, NULL, PAGE, RW, MAP_SHARED | unknown, fd, 0));
	CHECK(MMAP_FAILS(EINVAL, NULL, PAGE, RW, ANON | unknown, -1, 0));
	CHECK(MMAP_FAILS(EOPNOTSUPP, NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
	CHECK(MMAP_FAILS(EOPNOTSUPP, NULL, PAGE, RW, MAP_SHARED | MAP_SYNC, fd, 0));
	CHECK(MMAP_FAILS(EOPNOTSUPP, NULL, PAGE, RW, ANON | MAP_HUGETLB, -1, 0));
	CHECK(MMAP_FAILS(EINVAL, NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
	CHECK(MMAP_FAILS(EINVAL, NULL, PAGE, RW, 0x04 | MAP_ANONYMOUS, -1, 0));
	CHECK(MMAP_FAILS(EINVAL, NULL, PAGE, 0x10, ANON, -1, 0));
	CHECK(MMAP_FAILS(EINVAL, NULL, PAGE, RW, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0));
	CHECK(MMAP_FAILS(EINVAL, NULL, PAGE, RW, MAP_SHARED | MAP_GROWSDOWN, fd, 0));

	CHECK(MMAP_FAILS(EINVAL, NULL, 0, RW, ANON, -1, 0) && MMAP_FAILS(EINVAL, NULL, PAGE, RW, MAP_SHARED, fd, 7));
	CHECK(MMAP_FAILS(EINVAL, (void *)(1ul << 36 | 7), PAGE, RW, ANON | MAP_FIXED, -1, 0));
	CHECK(MMAP_FAILS(EINVAL, (void *)(1ul << 36 | 7), PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	CHECK(MMAP_FAILS(EOVERFLOW, NULL, PAGE, PROT_READ, MAP_SHARED, fd, -(off_t)PAGE));
	CHECK(MMAP_FAILS(EOVERFLOW, NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, INT64_MAX & ~(off_t)(PAGE - 1)));
	CHECK(MMAP_FAILS(ENOMEM, NULL, SIZE_MAX, PROT_READ, ANON, -1, 0));
	CHECK(MMAP_FAILS(ENOMEM, NULL, 1ul << 50, PROT_READ, ANON, -1, 0));
	CHECK(MMAP_FAILS(ENOMEM, (void *)-PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));
	CHECK(MMAP_FAILS(EPERM, (void *)PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));

	CHECK(MMAP_FAILS(EBADF, NULL, PAGE, PROT_READ, MAP_SHARED, 99, 0));
	CHECK(MMAP_FAILS(ENODEV, NULL, PAGE, PROT_READ, MAP_PRIVATE, null, 0));
	CHECK(MMAP_FAILS(EACCES, NULL, PAGE, RW, MAP_SHARED, reader, 0));
	CHECK(MMAP_FAILS(EACCES, NULL, PAGE, PROT_NONE, MAP_SHARED, writer, 0));
	CHECK(MMAP_FAILS(EACCES, NULL, PAGE, PROT_WRITE, MAP_PRIVATE, writer, 0));
	CHECK(close(fd) == 0 && close(reader) == 0 && close(writer) == 0 && close(null) == 0 && unlink(PATH) == 0);
}

static void test_hint(void)
{
	unsigned char *const hint = (unsigned char *)(1ul << 36), *p, *q;

	p = map(hint, 2 * PAGE, RW, ANON);
	CHECK(p == hint);
	q = map(hint + PAGE, PAGE, RW, ANON); // taken
	CHECK(q != hint + PAGE);
	unmap(q, PAGE);
	q = map(hint + 5 * PAGE + 123, PAGE, RW, ANON); // of the page
	CHECK(q == hint + 5 * PAGE);
	unmap(q, PAGE);
	q = map((void *)PAGE, PAGE, RW, ANON); // the lowest there is
	CHECK(q >= (unsigned char *)PAGE && q <= (unsigned char *)(1ul << 20));
	unmap(q, PAGE);
	q = map((void *)-PAGE, PAGE, RW, ANON);
	unmap(q, PAGE);
	CHECK(MMAP_FAILS(EEXIST, hint + PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	q = map(hint + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE);
	CHECK(q == hint + 2 * PAGE);
	unmap(hint, 3 * PAGE);
}

static void test_low(void)
{
	const size_t size = 256ul << 20;
	unsigned char *all[32], *const low_hint = (unsigned char *)(3ul << 30), *p;
	size_t n = 0;

	p = map(low_hint, PAGE, RW, ANON | MAP_32BIT);
	CHECK(p == low_hint);
	unmap(p, PAGE);
	p = map((void *)(1ul << 36), PAGE, RW, ANON | MAP_32BIT);
	CHECK((uintptr_t)p < 1ul << 32);
	unmap(p, PAGE);
	p = map((void *)(1ul << 36), PAGE, RW, ANON | MAP_32BIT | MAP_FIXED); // the place is given
	CHECK(p == (void *)(1ul << 36));
	unmap(p, PAGE);
	CHECK(MMAP_FAILS(ENOMEM, NULL, 4ul << 30, PROT_NONE, ANON | MAP_32BIT, -1, 0));
	while (n < 32 && (p = mmap(NULL, size, PROT_READ, ANON | MAP_32BIT, -1, 0)) != MAP_FAILED) {
		CHECK((uintptr_t)p + size <= 1ul << 32);
		all[n++] = p;
	}
	CHECK(n >= 10 && n < 16 && errno == ENOMEM);
	while (n > 0)
		unmap(all[--n], size);
}

static void test_locked(void)
{
	CHECK(MMAP_FAILS(EAGAIN, NULL, 1ul << 32, PROT_READ, ANON | MAP_LOCKED, -1, 0));
	CHECK(MMAP_FAILS(ENOMEM, NULL, 1ul << 32, RW, ANON, -1, 0));
}

static void test_grows(void)
{
	unsigned char *const base = (unsigned char *)(1ul << 36), *const top = base + STACK_MAX + GUARD;
	unsigned char *p = map(top - PAGE, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE);
	int fd = make();

	CHECK(store_at(p) == 0 && store_at(p - 1) == 0 && store_at(p - PAGE) == 0);
	CHECK(FAILS(msync(p - 2 * PAGE, PAGE, MS_ASYNC), ENOMEM)); // as far as was touched
	CHECK(store_at(p - 16 * PAGE) == 0 && msync(p - 16 * PAGE, 16 * PAGE, MS_ASYNC) == 0 &&
	      p[-9 * (long)PAGE] == 0);
	CHECK(write(fd, "k", 1) == 1 && pread(fd, p - 20 * PAGE, 1, 0) == 1 &&
	      p[-20 * (long)PAGE] == 'k');		  // the kernel's
	CHECK(store_at(base + GUARD - 1) == SEGV_MAPERR); // larger than it may be
	CHECK(store_at(base + GUARD) == 0 && base[GUARD + 5 * PAGE] == 0);
	CHECK(store_at(base + GUARD - 1) == SEGV_MAPERR);
	unmap(base + GUARD, STACK_MAX);
	CHECK(store_at(top - 1) == SEGV_MAPERR && close(fd) == 0 && unlink(PATH) == 0);

	/* Keeps away from what is below, unless nobody can access that. */
	p = map(top, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE);
	CHECK(map(top - GUARD - 2 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE) != MAP_FAILED);
	CHECK(store_at(top - PAGE) == 0 && store_at(top - PAGE - 1) == SEGV_MAPERR);
	CHECK(mprotect(top - GUARD - 2 * PAGE, PAGE, PROT_NONE) == 0 && store_at(top - GUARD - PAGE) == 0);
	CHECK(store_at(top - GUARD - PAGE - 1) == SEGV_ACCERR);
	unmap(top - GUARD - 2 * PAGE, GUARD + 3 * PAGE);

	/* No rights: it grows, and does not allow it. */
	p = map(top, PAGE, PROT_READ, ANON | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE);
	CHECK(store_at(p - PAGE) == SEGV_ACCERR && p[-(long)PAGE] == 0);
	unmap(top - PAGE, 2 * PAGE);
}

/* What mmap places by itself leaves it the room. */
static void test_grows_beside_others(void)
{
	unsigned char *p = map(NULL, PAGE, RW, ANON | MAP_GROWSDOWN), *others[100], *q;

	for (size_t i = 0; i < 100; i++)
		others[i] = map(NULL, (1 + i % 7) * PAGE, RW, ANON);
	CHECK(store_at(p + PAGE - STACK_MAX) == 0);
	q = map(p - GUARD + PAGE, PAGE, RW, ANON); // a hint into the guard is not taken
	CHECK(q != p - GUARD + PAGE);
	unmap(q, PAGE);
	for (size_t i = 0; i < 100; i++)
		unmap(others[i], (1 + i % 7) * PAGE);
	unmap(p + PAGE - STACK_MAX, STACK_MAX);
}

/* Growth is promised memory too: what there is not is refused. */
static void test_growth_is_charged(void)
{
	unsigned char *hogs[64], *p = map(NULL, PAGE, RW, ANON | MAP_GROWSDOWN);
	size_t sizes[64], n = 0, size = 64ul << 20;

	while (n < 64 && size >= PAGE) {
		hogs[n] = mmap(NULL, size, RW, ANON, -1, 0);
		if (hogs[n] == MAP_FAILED)
			size /= 2;
		else
			sizes[n++] = size;
	}
	CHECK(size < PAGE); // all is promised
	CHECK(store_at(p - PAGE) == SEGV_MAPERR);
	while (n > 0) {
		n--;
		unmap(hogs[n], sizes[n]);
	}
	CHECK(store_at(p - PAGE) == 0);
	unmap(p - PAGE, 2 * PAGE);
}

/* Each level asks the kernel for something, at another distance from the end of what there is so far. */
static unsigned descend(int fd, unsigned depth)
{
	volatile unsigned char frame[200];
	unsigned char byte = 0;

	frame[depth % sizeof(frame)] = (unsigned char)depth;
	CHECK(pwrite(fd, (const void *)&frame[depth % sizeof(frame)], 1, depth) == 1 &&
	      pread(fd, &byte, 1, depth) == 1);
	return depth ? descend(fd, depth - 1) + (frame[depth % sizeof(frame)] == byte) : 0;
}

static void *descend_thread(void *arg)
{
	CHECK(descend(*(int *)arg, 1000) == 1000);
	return NULL;
}

static void test_live_stack(void)
{
	const size_t size = 64 * 1024;
	unsigned char *p = map(NULL, size, RW, ANON | MAP_GROWSDOWN);
	pthread_attr_t attr;
	pthread_t thread;
	int fd = make();

	CHECK(pthread_attr_init(&attr) == 0 && pthread_attr_setstack(&attr, p, size) == 0);
	CHECK(pthread_create(&thread, &attr, descend_thread, &fd) == 0 && pthread_join(thread, NULL) == 0);
	CHECK(pthread_attr_destroy(&attr) == 0 && close(fd) == 0 && unlink(PATH) == 0);
	CHECK(msync(p - size, 2 * size, MS_ASYNC) == 0); // it did grow
	unmap(p + size - STACK_MAX, STACK_MAX);
}

TAP_MAIN({"flags that are accepted", test_accepted}, {"what is refused, and how", test_refused}, {"hints", test_hint},
	 {"below 4 GiB", test_low}, {"more than may be locked", test_locked}, {"a stack grows", test_grows},
	 {"a stack has room to grow", test_grows_beside_others}, {"growth is promised memory", test_growth_is_charged},
	 {"a thread's stack grows", test_live_stack})
