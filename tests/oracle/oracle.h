// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A program that runs on cairn and on Linux and says what it sees: one line a check, "name = observation", no
 *judgement. test_oracle.py compares the two. A name is used once in a program and has no " = " in it. An observation is
 *the same in each run: errors and signals by name, contents, addresses only as relations.
 *
 *	int main(void)
 *	{
 *		check("load behind the end", "%s", load(p + PAGE));
 *		return done();
 *	}
 *
 * One call with effects in a check: the order of arguments is the compiler's; STEPS is for more. The texts of ret, load
 * and the like live until RING more of them were made. Each thread may load, store and jump.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RING 16

typedef unsigned char byte;

#ifdef __riscv
#define RETURN_CODE "\x82\x80" // c.jr ra
#else
#define RETURN_CODE "\xc3"
#endif

#ifdef __linux__
#define ON_LINUX true
#else
#define ON_LINUX false
#endif

static unsigned checks_done;

static inline void __attribute__((format(printf, 2, 3))) check(const char *name, const char *format, ...)
{
	va_list ap;

	printf("%s = ", name);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	checks_done++;
}

/* A check of up to seven observations, which are made one after the other: STEPS("store, load", store(p, 1), load(q)).
 */
#define STEPS(name, ...)                                                                                               \
	do {                                                                                                           \
		steps_line[0] = '\0';                                                                                  \
		STEPS_COUNT(__VA_ARGS__, 7, 6, 5, 4, 3, 2, 1)(__VA_ARGS__);                                            \
		check(name, "%s", steps_line);                                                                         \
	} while (0)
#define STEPS_COUNT(a, b, c, d, e, f, g, count, ...) STEPS_NAME(count)
#define STEPS_NAME(count) STEPS_##count
#define STEPS_1(a) step(a)
#define STEPS_2(a, ...) STEPS_1(a), STEPS_1(__VA_ARGS__)
#define STEPS_3(a, ...) STEPS_1(a), STEPS_2(__VA_ARGS__)
#define STEPS_4(a, ...) STEPS_1(a), STEPS_3(__VA_ARGS__)
#define STEPS_5(a, ...) STEPS_1(a), STEPS_4(__VA_ARGS__)
#define STEPS_6(a, ...) STEPS_1(a), STEPS_5(__VA_ARGS__)
#define STEPS_7(a, ...) STEPS_1(a), STEPS_6(__VA_ARGS__)

static char steps_line[512];

static inline void step(const char *seen)
{
	size_t used = strlen(steps_line);

	snprintf(steps_line + used, sizeof(steps_line) - used, "%s%s", used ? ", " : "", seen);
}

/* The program got to its end; main returns this. */
static inline int done(void)
{
	printf("1..%u\n", checks_done);
	return 0;
}

/* What only prepares a check must work. */
#define MUST(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			printf("%s:%d: %s (errno %s)\n", __FILE__, __LINE__, #what, error_name(errno));                \
			fflush(stdout);                                                                                \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static inline char *text(const char *format, ...)
{
	static _Thread_local char ring[RING][160];
	static _Thread_local unsigned next;
	char *line = ring[next++ % RING];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(ring[0]), format, ap);
	va_end(ap);
	return line;
}

static inline const char *error_name(int error)
{
#define NAME(error)                                                                                                    \
	case error:                                                                                                    \
		return #error;
	switch (error) {
	case 0:
		return "0";
		NAME(EACCES)
		NAME(EAGAIN)
		NAME(EBADF)
		NAME(EBUSY)
		NAME(EDEADLK)
		NAME(EEXIST)
		NAME(EFAULT)
		NAME(EFBIG)
		NAME(EINTR)
		NAME(EINVAL)
		NAME(EIO)
		NAME(EISDIR)
		NAME(ELOOP)
		NAME(EMFILE)
		NAME(EMLINK)
		NAME(ENAMETOOLONG)
		NAME(ENFILE)
		NAME(ENODEV)
		NAME(ENOENT)
		NAME(ENOLCK)
		NAME(ENOMEM)
		NAME(ENOSPC)
		NAME(ENOSYS)
		NAME(ENOTDIR)
		NAME(ENOTEMPTY)
		NAME(ENOTTY)
		NAME(ENXIO)
		NAME(EOPNOTSUPP)
		NAME(EOVERFLOW)
		NAME(EPERM)
		NAME(EPIPE)
		NAME(ERANGE)
		NAME(EROFS)
		NAME(ESPIPE)
		NAME(ESRCH)
		NAME(ETXTBSY)
		NAME(EXDEV)
	}
#undef NAME
	return text("errno %d", error);
}

/* Of a call that says -1 and sets errno. */
static inline const char *ret(long value)
{
	int error = errno;

	return value == -1 ? error_name(error) : text("%ld", value);
}

static inline const char *mapped(const void *p)
{
	int error = errno;

	return p == MAP_FAILED ? error_name(error) : (uintptr_t)p % PAGE ? "not at a page" : "mapped";
}

/* ---- accesses that may fault ---- */

static _Thread_local sigjmp_buf fault_back;
static _Thread_local const volatile void *volatile fault_expected; // NULL: no access of ours
static _Thread_local char fault_text[64];

static inline const char *code_name(int sig, int code)
{
	if (sig == SIGSEGV)
		return code == SEGV_MAPERR ? "MAPERR" : code == SEGV_ACCERR ? "ACCERR" : "other";
	return code == BUS_ADRERR ? "ADRERR" : "other";
}

static inline void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!fault_expected) { // the program's own mistake
		signal(sig, SIG_DFL);
		return;
	}
	snprintf(fault_text, sizeof(fault_text), "%s %s%s%s%s", sig == SIGSEGV ? "SIGSEGV" : "SIGBUS",
		 code_name(sig, info->si_code), info->si_errno ? " " : "",
		 info->si_errno ? error_name(info->si_errno) : "",
		 info->si_addr == (const void *)fault_expected ? "" : " elsewhere");
	siglongjmp(fault_back, 1);
}

static inline void catch_faults(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	MUST(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
}

/* The byte there in hexadecimal, or the fault. */
static inline const char *load(const volatile void *p)
{
	if (sigsetjmp(fault_back, 1)) {
		fault_expected = NULL;
		return text("%s", fault_text);
	}
	fault_expected = p;
	byte value = *(const volatile byte *)p;
	fault_expected = NULL;
	return text("%02x", value);
}

/* "stored", or the fault. */
static inline const char *store(volatile void *p, byte value)
{
	if (sigsetjmp(fault_back, 1)) {
		fault_expected = NULL;
		return text("%s", fault_text);
	}
	fault_expected = p;
	*(volatile byte *)p = value;
	fault_expected = NULL;
	return "stored";
}

/* Makes p a function for jump. */
static inline void put_code(byte *p)
{
	memcpy(p, RETURN_CODE, sizeof(RETURN_CODE) - 1);
	__builtin___clear_cache((char *)p, (char *)p + sizeof(RETURN_CODE));
}

/* "returned", or the fault. */
static inline const char *jump(const void *p)
{
	void (*function)(void);

	memcpy(&function, &p, sizeof(function));
	if (sigsetjmp(fault_back, 1)) {
		fault_expected = NULL;
		return text("%s", fault_text);
	}
	fault_expected = p;
	function();
	fault_expected = NULL;
	return "returned";
}

/* ---- contents ---- */

/* "n x VALUE" for each run of equal bytes, up to six of them. */
static inline const char *runs(const volatile void *at, size_t n)
{
	const volatile byte *p = at;
	char line[160];
	size_t used = 0;

	line[0] = '\0';
	for (size_t i = 0, count = 0, from; i < n && count < 6; count++) {
		for (from = i; i < n && p[i] == p[from]; i++)
			;
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%zu x %02x", from ? ", " : "", i - from,
					 p[from]);
		if (i < n && count == 5)
			snprintf(line + used, sizeof(line) - used, ", and more");
	}
	return text("%s", line);
}

/* The same of a file, read with pread; its end is seen. */
static inline const char *file_runs(int fd, off_t from, size_t n)
{
	byte *copy = malloc(n + 1);
	ssize_t got;
	const char *line;

	MUST(copy);
	got = pread(fd, copy, n, from);
	line = got < 0 ? error_name(errno) : got == 0 ? "nothing" : runs(copy, (size_t)got);
	free(copy);
	return line;
}

static inline long file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : (long)st.st_size;
}

/* Bytes allocated. */
static inline long file_space(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : (long)st.st_blocks * 512;
}

/* ---- files and mappings ---- */

#define FILE_NAME "oracle.data"

/* A new file without a name, of pages pages: page i holds the byte first + i, or nothing was written if first is 0. */
static inline int fresh(size_t pages, byte first)
{
	byte page[PAGE];
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0644);

	MUST(fd >= 0 && ftruncate(fd, (off_t)(pages * PAGE)) == 0 && unlink(FILE_NAME) == 0);
	for (size_t i = 0; first && i < pages; i++) {
		memset(page, first + (int)i, PAGE);
		MUST(pwrite(fd, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE);
	}
	return fd;
}

static inline byte *map(size_t pages, int prot, int flags, int fd, size_t first_page)
{
	void *p = mmap(NULL, pages * PAGE, prot, flags, fd, (off_t)(first_page * PAGE));

	MUST(p != MAP_FAILED);
	return p;
}

static inline void unmap(void *p, size_t pages)
{
	MUST(munmap(p, pages * PAGE) == 0);
}

/* Pages of address space where nothing is mapped, with as much free room on both sides as well. */
static inline byte *room(size_t pages)
{
	byte *p = map(3 * pages, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	unmap(p, 3 * pages);
	return p + pages * PAGE;
}
