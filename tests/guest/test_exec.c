// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mappings that are executed: rights to the letter, and code that is what was stored before the fence. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/cachectl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pthreads.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define RWX (RW | PROT_EXEC)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

/* A function that returns the value, 0 to 2047. */
struct code {
	uint32_t load, ret;
};

static struct code code_of(unsigned value)
{
	return (struct code){0x00000513u | value << 20, 0x00008067u}; // li a0, value; ret
}

static void put_code(void *at, unsigned value)
{
	const struct code code = code_of(value);

	memcpy(at, &code, sizeof(code));
}

static void fence(void)
{
	__asm__ volatile("fence.i" ::: "memory");
}

static long run(const void *at)
{
	return ((long (*)(void))(uintptr_t)at)();
}

static siginfo_t seen;
static sigjmp_buf back;

static void leave(int sig, siginfo_t *info, void *context)
{
	(void)context;
	seen = *info;
	siglongjmp(back, sig);
}

static void catch (void)
{
	const struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};

	CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0 &&
	      sigaction(SIGILL, &action, NULL) == 0);
}

static int run_signal(const void *at)
{
	int sig = sigsetjmp(back, 1);

	if (sig == 0)
		(void)run(at);
	return sig;
}

static int load_signal(const volatile char *at)
{
	int sig = sigsetjmp(back, 1);

	if (sig == 0)
		(void)*at;
	return sig;
}

static int store_signal(volatile char *at)
{
	int sig = sigsetjmp(back, 1);

	if (sig == 0)
		*at = 1;
	return sig;
}

static bool seen_is(int code, const void *addr)
{
	return seen.si_code == code && seen.si_addr == addr;
}

static int make(size_t size)
{
	int fd = open("/exec", O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static void drop(int fd)
{
	CHECK(close(fd) == 0 && unlink("/exec") == 0);
}

/* Written, then executed, then written again. */
static void check_rewrites(char *p)
{
	for (unsigned i = 1; i < 20; i++) {
		put_code(p + 16, i);
		CHECK(mprotect(p, PAGE, RX) == 0);
		fence();
		CHECK(run(p + 16) == i && store_signal(p) == SIGSEGV && seen_is(SEGV_ACCERR, p));
		CHECK(mprotect(p, PAGE, RW) == 0);
		CHECK(run_signal(p + 16) == SIGSEGV && seen_is(SEGV_ACCERR, p + 16));
	}
	CHECK(mprotect(p, PAGE, RWX) == 0);
	for (unsigned i = 1; i < 20; i++) {
		put_code(p + 32, 100 + i);
		fence();
		CHECK(run(p + 32) == 100 + i);
	}
}

static void test_memory(void)
{
	char *p = mmap(NULL, PAGE, RW, ANON, -1, 0), *q = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *moved = mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0), *twin;

	catch ();
	CHECK(p != MAP_FAILED && q != MAP_FAILED && moved != MAP_FAILED);
	check_rewrites(p);
	check_rewrites(q);
	CHECK(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved) == moved && run(moved + 32) == 119);
	CHECK(run_signal(p + 32) == SIGSEGV && seen_is(SEGV_MAPERR, p + 32));
	put_code(moved + 32, 120);
	fence();
	CHECK(run(moved + 32) == 120);
	/* A second mapping of the same memory. */
	twin = mremap(q, 0, PAGE, MREMAP_MAYMOVE);
	CHECK(twin != MAP_FAILED && run(twin + 32) == 119);
	put_code(twin + 32, 121);
	fence();
	CHECK(run(q + 32) == 121);
	CHECK(munmap(moved, PAGE) == 0 && munmap(q, PAGE) == 0 && munmap(twin, PAGE) == 0);
}

static void test_file(void)
{
	int fd = make(3 * PAGE);
	struct code code = code_of(7);
	char *x, *w, *private;

	catch ();
	CHECK(pwrite(fd, &code, sizeof(code), 2 * PAGE) == (ssize_t)sizeof(code));
	x = mmap(NULL, 4 * PAGE, RX, MAP_SHARED, fd, 0);
	w = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0);
	private = mmap(NULL, 3 * PAGE, RWX, MAP_PRIVATE, fd, 0);
	CHECK(x != MAP_FAILED && w != MAP_FAILED && private != MAP_FAILED);
	CHECK(run(x + 2 * PAGE) == 7 && run(private + 2 * PAGE) == 7);
	for (unsigned i = 10; i < 30; i++) {
		if (i % 2) {
			put_code(w + 2 * PAGE, i);
		} else {
			code = code_of(i);
			CHECK(pwrite(fd, &code, sizeof(code), 2 * PAGE) == (ssize_t)sizeof(code));
		}
		if (i % 5 == 0)
			CHECK(msync(w, 3 * PAGE, MS_SYNC) == 0);
		fence();
		CHECK(run(x + 2 * PAGE) == i && run(private + 2 * PAGE) == i);
	}
	put_code(private + 2 * PAGE, 1000); // its own from here on
	put_code(w + 2 * PAGE, 2000);
	fence();
	CHECK(run(private + 2 * PAGE) == 1000 && run(x + 2 * PAGE) == 2000);

	/* One instruction in two pages, of which the second is not there yet. */
	CHECK(madvise(x, 3 * PAGE, MADV_DONTNEED) == 0);
	put_code(w + PAGE - 2, 1234);
	fence();
	CHECK(run(x + PAGE - 2) == 1234);
	CHECK(run_signal(x + 3 * PAGE) == SIGBUS && seen_is(BUS_ADRERR, x + 3 * PAGE));
	CHECK(ftruncate(fd, PAGE) == 0 && run_signal(x + 2 * PAGE) == SIGBUS && seen_is(BUS_ADRERR, x + 2 * PAGE));
	CHECK(ftruncate(fd, 3 * PAGE) == 0 && run_signal(x + 2 * PAGE) == SIGILL); // zeros
	CHECK(munmap(x, 4 * PAGE) == 0 && munmap(w, 3 * PAGE) == 0 && munmap(private, 3 * PAGE) == 0);
	drop(fd);
}

/* Each right alone, given later than the page was first touched. */
static void check_rights(char *p, int fd)
{
	CHECK(run(p) == 55 && load_signal(p) == SIGSEGV && seen_is(SEGV_ACCERR, p));
	CHECK(FAILS(write(fd, p, 8), EFAULT) && store_signal(p) == SIGSEGV && seen_is(SEGV_ACCERR, p));
	CHECK(mprotect(p, PAGE, RX) == 0 && load_signal(p) == 0 && run(p) == 55);
	CHECK(write(fd, p, 8) == 8);
	CHECK(mprotect(p, PAGE, PROT_READ) == 0 && run_signal(p) == SIGSEGV && seen_is(SEGV_ACCERR, p));
	CHECK(load_signal(p) == 0 && mprotect(p, PAGE, RX) == 0 && run(p) == 55);
	CHECK(mprotect(p, PAGE, PROT_NONE) == 0 && run_signal(p) == SIGSEGV && seen_is(SEGV_ACCERR, p));
	CHECK(mprotect(p, PAGE, PROT_EXEC) == 0 && run(p) == 55 && load_signal(p) == SIGSEGV);
	CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0 && load_signal(p) == SIGSEGV);
}

static void test_rights(void)
{
	int fd = make(PAGE), out = open("/exec.out", O_RDWR | O_CREAT | O_TRUNC, 0644);
	struct code code = code_of(55);
	int shares[] = {MAP_SHARED, MAP_PRIVATE};
	char *p, *zeros;

	catch ();
	CHECK(pwrite(fd, &code, sizeof(code), 0) == (ssize_t)sizeof(code));
	for (int i = 0; i < 2; i++) {
		p = mmap(NULL, PAGE, PROT_EXEC, shares[i], fd, 0);
		CHECK(p != MAP_FAILED);
		check_rights(p, out);
		CHECK(run(p) == 55 && munmap(p, PAGE) == 0); // it is the file's again
	}
	for (int i = 0; i < 2; i++) {
		p = mmap(NULL, PAGE, RW, shares[i] | MAP_ANONYMOUS, -1, 0);
		CHECK(p != MAP_FAILED);
		put_code(p, 55);
		CHECK(mprotect(p, PAGE, PROT_EXEC) == 0);
		check_rights(p, out);
		CHECK(munmap(p, PAGE) == 0);
	}
	/* The zero page: read, then executed, and the other way round. */
	zeros = mmap(NULL, 2 * PAGE, RX, ANON, -1, 0);
	CHECK(zeros != MAP_FAILED && load_signal(zeros) == 0 && run_signal(zeros) == SIGILL);
	CHECK(run_signal(zeros + PAGE) == SIGILL && load_signal(zeros + PAGE) == 0);
	CHECK(munmap(zeros, 2 * PAGE) == 0 && run_signal(zeros) == SIGSEGV && seen_is(SEGV_MAPERR, zeros));
	CHECK(close(out) == 0 && unlink("/exec.out") == 0);
	drop(fd);
}

/* ---- threads ---- */

#define WORKERS 6
#define MOVES 20

static char *code_x, *code_w; // two mappings of a page
static atomic_int begun, moves, published;
static atomic_int done[WORKERS]; // the last value published that the worker is through with

/* Stores, fences, and goes on elsewhere if it can, before it runs what it has stored. */
static void *write_and_move(void *arg)
{
	size_t at = 64 * (size_t)arg;
	int rounds = tap_times(100, 200, 500);
	int wanted = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? MOVES : 0;

	atomic_fetch_add(&begun, 1);
	wait_for(&begun, WORKERS);
	for (int i = 0; i < rounds || atomic_load(&moves) < wanted; i++) {
		unsigned value = (unsigned)(i * WORKERS + (int)(size_t)arg) % 2048;
		int cpu = sched_getcpu();

		put_code(code_w + at, value);
		fence();
		for (int tries = 0; tries < 3 && sched_getcpu() == cpu; tries++)
			sched_yield();
		atomic_fetch_add(&moves, sched_getcpu() != cpu);
		if (run(code_x + at) != value) {
			CHECK(!"old code");
			break;
		}
	}
	return NULL;
}

static void test_moving(void)
{
	pthread_t threads[WORKERS];
	int fd = make(PAGE);

	code_x = mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0);
	code_w = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(code_x != MAP_FAILED && code_w != MAP_FAILED);
	for (size_t i = 0; i < WORKERS; i++)
		threads[i] = start(write_and_move, (void *)i);
	for (size_t i = 0; i < WORKERS; i++)
		join(threads[i]);
	CHECK(munmap(code_x, PAGE) == 0 && munmap(code_w, PAGE) == 0);
	drop(fd);
}

/* Runs whatever was published last, on its own fence or on the writer's call for all. */
static void *run_published(void *arg)
{
	size_t self = (size_t)arg;
	int last = 0;

	while (last >= 0) {
		int value = atomic_load(&published);

		if (value == last) {
			sched_yield();
			continue;
		}
		last = value;
		if (value < 0)
			break;
		if (self % 2)
			fence();
		if (run(code_x + 64 * ((size_t)value % 32)) != value)
			CHECK(!"old code");
		atomic_store(&done[self], value);
	}
	return NULL;
}

/* Each value goes where another has been executed 32 values before. */
static void test_publishing(void)
{
	pthread_t threads[WORKERS];
	int fd = make(PAGE), rounds = tap_times(100, 200, 500);

	code_x = mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0);
	code_w = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(code_x != MAP_FAILED && code_w != MAP_FAILED);
	for (size_t i = 0; i < WORKERS; i++)
		threads[i] = start(run_published, (void *)i);
	for (int i = 1; i < rounds; i++) {
		struct code code = code_of((unsigned)i);
		off_t at = 64 * (i % 32);

		for (size_t j = 0; j < WORKERS; j++)
			wait_for(&done[j], i - 20); // nobody is in the code that goes
		if (i % 2)
			put_code(code_w + at, (unsigned)i);
		else
			CHECK(pwrite(fd, &code, sizeof(code), at) == (ssize_t)sizeof(code));
		CHECK(__riscv_flush_icache(code_x + at, code_x + at + 8, 0) == 0);
		atomic_store(&published, i);
		sched_yield();
	}
	atomic_store(&published, -1);
	for (size_t i = 0; i < WORKERS; i++)
		join(threads[i]);
	CHECK(__riscv_flush_icache(code_x, code_x + 8, SYS_RISCV_FLUSH_ICACHE_LOCAL) == 0);
	CHECK(FAILS(__riscv_flush_icache(code_x, code_x + 8, 2), EINVAL));
	CHECK(munmap(code_x, PAGE) == 0 && munmap(code_w, PAGE) == 0);
	drop(fd);
}

TAP_MAIN({"memory", test_memory}, {"files", test_file}, {"each right alone", test_rights},
	 {"a thread that fences and moves", test_moving}, {"code for other threads", test_publishing})
