// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* cairn_try: every kind of fault, nested, with signals and threads, and left in every way. */

#include <cairn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pthreads.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define WILD ((char *)0x123456789000)
#define READ_ONLY "constant"

static atomic_int handled;

static void handle_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	atomic_fetch_add(&handled, 1);
	pthread_exit((void *)"handler"); // of the thread: a test that expects none fails
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *))
{
	const struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	CHECK(sigaction(sig, &action, NULL) == 0);
}

/* Handlers that must not run. */
static void handle_faults(void)
{
	handle(SIGSEGV, handle_fault);
	handle(SIGBUS, handle_fault);
	handled = 0;
}

static void load(void *at)
{
	(void)*(volatile char *)at;
}

static void store(void *at)
{
	*(volatile char *)at = 1;
}

static void jump(void *at)
{
	((void (*)(void))(uintptr_t)at)();
}

static bool caught(void (*access)(void *), void *at, enum cairn_fault_kind kind, int error)
{
	const struct cairn_fault *fault = cairn_try(access, at);

	return fault && fault->kind == kind && fault->address == at && fault->error == error;
}

static char *map(size_t pages, int prot)
{
	char *p = mmap(NULL, pages * PAGE, prot, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A shared mapping of a new file, which is unlinked. */
static char *map_file(off_t size, size_t pages, int *fd)
{
	char *p;

	*fd = open("/try", O_CREAT | O_RDWR | O_TRUNC, 0644);
	CHECK(*fd >= 0 && ftruncate(*fd, size) == 0 && unlink("/try") == 0);
	p = mmap(NULL, pages * PAGE, RW, MAP_SHARED, *fd, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static void test_kinds(void)
{
	char *reader = map(1, PROT_READ), *none = map(1, PROT_NONE), *data = map(1, RW), *file;
	int fd;

	handle_faults();
	CHECK(cairn_try(store, data) == NULL && *data == 1);
	CHECK(caught(store, NULL, CAIRN_FAULT_UNMAPPED, 0) && caught(load, WILD, CAIRN_FAULT_UNMAPPED, 0));
	CHECK(caught(store, reader + 17, CAIRN_FAULT_FORBIDDEN, 0) && cairn_try(load, reader + 17) == NULL);
	CHECK(caught(load, none + 1, CAIRN_FAULT_FORBIDDEN, 0) && caught(jump, data, CAIRN_FAULT_FORBIDDEN, 0));
	CHECK(caught(jump, NULL, CAIRN_FAULT_UNMAPPED, 0));
	CHECK(caught(store, (void *)(uintptr_t)READ_ONLY, CAIRN_FAULT_FORBIDDEN, 0));
	CHECK(caught(store, (void *)0xffffffbffffff000, CAIRN_FAULT_UNMAPPED, 0) ||
	      caught(store, (void *)0xffffffbffffff000, CAIRN_FAULT_FORBIDDEN, 0));
	CHECK(munmap(reader, PAGE) == 0 && caught(load, reader, CAIRN_FAULT_UNMAPPED, 0));
	file = map_file(100, 2, &fd);
	CHECK(cairn_try(store, file + 200) == NULL && caught(store, file + PAGE, CAIRN_FAULT_BUS, 0));
	CHECK(ftruncate(fd, 0) == 0 && caught(load, file, CAIRN_FAULT_BUS, 0));
	CHECK(ftruncate(fd, 1) == 0 && cairn_try(load, file) == NULL);
	CHECK(munmap(file, 2 * PAGE) == 0 && close(fd) == 0);
	CHECK(munmap(none, PAGE) == 0 && munmap(data, PAGE) == 0 && handled == 0);
}

/* Nothing can be put in its place: the C library's own registers come back with the stack. */
static double half(double x)
{
	return x / 2;
}

static void test_registers(void)
{
	register long a __asm__("s5") = 5, b __asm__("s6") = 6;
	double x = half(3), y = half(7);

	__asm__ volatile("" : "+r"(a), "+r"(b), "+f"(x), "+f"(y));
	for (int i = 0; i < 10; i++) {
		CHECK(caught(store, WILD, CAIRN_FAULT_UNMAPPED, 0));
		__asm__ volatile("" : "+r"(a), "+r"(b), "+f"(x), "+f"(y));
		CHECK(a == 5 && b == 6 && x == 1.5 && y == 3.5);
	}
}

/* ---- nested ---- */

static volatile int after; // what has run after an inner call

static void inner_fault(void *arg)
{
	CHECK(caught(store, WILD, CAIRN_FAULT_UNMAPPED, 0));
	after++;
	if (arg)
		store(arg);
	after++;
}

static void deeper(void *arg)
{
	size_t depth = *(size_t *)arg;

	if (depth == 0) {
		store(WILD);
		return;
	}
	depth--;
	if (depth % 2)
		deeper(&depth); // in the same call
	else
		CHECK((cairn_try(deeper, &depth) != NULL) == (depth == 0));
	after++;
}

static void test_nested(void)
{
	size_t depth = 20;
	char *none = map(1, PROT_NONE);

	handle_faults();
	after = 0;
	CHECK(cairn_try(inner_fault, NULL) == NULL && after == 2);
	CHECK(caught(inner_fault, none, CAIRN_FAULT_FORBIDDEN, 0) && after == 3);
	after = 0;
	CHECK(cairn_try(deeper, &depth) == NULL && after == 20);
	CHECK(munmap(none, PAGE) == 0 && handled == 0);
}

/* ---- signals ---- */

static void try_in_handler(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	CHECK(sig == SIGUSR1 && caught(store, WILD, CAIRN_FAULT_UNMAPPED, 0));
	after++;
}

static void fault_in_handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	after++;
	store(WILD);
}

static void raise_usr1(void *arg)
{
	CHECK(raise(SIGUSR1) == 0);
	after += 10;
	(void)arg;
}

static bool is_blocked(int sig)
{
	sigset_t mask;

	return pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, sig);
}

static void block_and_fault(void *arg)
{
	sigset_t set;

	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR2) == 0 && pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	store(arg);
}

static void test_signals(void)
{
	handle_faults();
	after = 0;
	handle(SIGUSR1, try_in_handler);
	CHECK(raise(SIGUSR1) == 0 && after == 1);
	CHECK(cairn_try(raise_usr1, NULL) == NULL && after == 12); // the handler's own call, inside another
	handle(SIGUSR1, fault_in_handler);
	for (int i = 0; i < 100; i++) {
		after = 0;
		CHECK(cairn_try(raise_usr1, NULL) != NULL && after == 1); // left over the handler, which blocked it
		CHECK(!is_blocked(SIGUSR1));
	}
	CHECK(caught(block_and_fault, WILD, CAIRN_FAULT_UNMAPPED, 0) && !is_blocked(SIGUSR2));
	block_and_fault(&(char){0});
	CHECK(caught(store, WILD, CAIRN_FAULT_UNMAPPED, 0) && is_blocked(SIGUSR2)); // as before, not as at start
	CHECK(pthread_sigmask(SIG_SETMASK, &(sigset_t){0}, NULL) == 0 && handled == 0);
}

/* ---- left otherwise ---- */

static jmp_buf out;
static sigjmp_buf sig_out;

static void jump_out(void *arg)
{
	(void)arg;
	longjmp(out, 1);
}

static void jump_about(void *arg)
{
	jmp_buf here;

	if (setjmp(here) == 0)
		longjmp(here, 1); // inside: it is in the call as before
	store(arg);
}

static void jump_out_of_handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	siglongjmp(sig_out, 1);
}

/* As deep as what was left, so that nothing of it survives. */
static __attribute__((noinline)) void overwrite_stack(void)
{
	volatile char room[2048];

	memset((char *)room, 0x5a, sizeof(room));
	CHECK(room[100] == 0x5a);
}

static void expect_handler(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	atomic_fetch_add(&handled, 1);
	siglongjmp(sig_out, sig);
}

/* A fault outside any call is the handler's. */
static void check_outside(void)
{
	int before = handled;

	overwrite_stack();
	handle(SIGSEGV, expect_handler);
	if (sigsetjmp(sig_out, 1) == 0)
		store(WILD);
	CHECK(handled == before + 1);
	handle(SIGSEGV, handle_fault);
}

static void outer_jumps(void *arg)
{
	if (setjmp(out) == 0)
		CHECK(!cairn_try(jump_out, NULL) && !"it has jumped");
	overwrite_stack();
	store(arg); // in the outer call still
}

static void test_jumps(void)
{
	handle_faults();
	CHECK(caught(jump_about, WILD, CAIRN_FAULT_UNMAPPED, 0));
	if (setjmp(out) == 0)
		CHECK(!cairn_try(jump_out, NULL) && !"it has jumped");
	check_outside();
	handle(SIGUSR1, jump_out_of_handler);
	if (sigsetjmp(sig_out, 1) == 0)
		CHECK(!cairn_try(raise_usr1, NULL) && !"it has jumped");
	check_outside();
	CHECK(caught(outer_jumps, WILD, CAIRN_FAULT_UNMAPPED, 0));
	check_outside();
	CHECK(handled == 3);
}

/* ---- threads ---- */

static void fault_at_end(void *arg)
{
	(void)arg;
	store(WILD);
}

static void exit_thread(void *arg)
{
	pthread_cleanup_push(fault_at_end, NULL);
	if (arg)
		pthread_exit((void *)"exited");
	for (;;)
		pthread_testcancel();
	pthread_cleanup_pop(0);
}

static void *exit_in_try(void *arg)
{
	CHECK(!cairn_try(exit_thread, arg) && !"the thread has ended");
	return NULL;
}

static void push_and_fault(void *arg)
{
	pthread_cleanup_push(fault_at_end, NULL);
	store(arg);
	pthread_cleanup_pop(0);
}

static void *forget_cleanup(void *arg)
{
	CHECK(caught(push_and_fault, WILD, CAIRN_FAULT_UNMAPPED, 0));
	pthread_exit(arg);
}

/* The cleanup handler's fault is not the call's any more: SIGSEGV's handler ends the thread again. */
static void test_thread_ends(void)
{
	pthread_t thread;

	handle_faults();
	CHECK(join(start(exit_in_try, &thread)) != NULL && handled == 1);
	thread = start(exit_in_try, NULL);
	CHECK(pthread_cancel(thread) == 0);
	join(thread);
	CHECK(handled == 2);
	CHECK(join(start(forget_cleanup, &thread)) == &thread && handled == 2);
}

static void *fault_often(void *arg)
{
	char *none = map(1, PROT_NONE);

	for (int i = 0; i < tap_times(500, 1500, 5000); i++)
		if (!caught(i % 2 ? store : load, none + i % (int)PAGE, CAIRN_FAULT_FORBIDDEN, 0)) {
			CHECK(!"caught");
			break;
		}
	CHECK(munmap(none, PAGE) == 0);
	return arg;
}

#define THREADS 8

static void test_threads(void)
{
	pthread_t threads[THREADS];

	handle_faults();
	for (size_t i = 0; i < THREADS; i++)
		threads[i] = start(fault_often, NULL);
	for (size_t i = 0; i < THREADS; i++)
		join(threads[i]);
	CHECK(handled == 0);
}

/* ---- stacks ---- */

static void overflow(void *arg);
static void (*volatile overflow_unseen)(void *) = overflow; // the compiler would warn

static void overflow(void *arg)
{
	volatile char room[512];

	room[0] = 1;
	overflow_unseen(arg);
	room[1] = room[0];
}

static void *overflow_often(void *arg)
{
	for (int i = 0; i < 20; i++) {
		const struct cairn_fault *fault = cairn_try(overflow, NULL);

		CHECK(fault && fault->kind == CAIRN_FAULT_FORBIDDEN);
	}
	return fault_often(arg);
}

static void test_stacks(void)
{
	size_t size = 16 * PAGE;
	char *stack = map(17, RW);
	pthread_attr_t attr;

	handle_faults();
	CHECK(join(start(overflow_often, &attr)) == &attr);
	/* Of the application's own making, with a page below that it may not touch. */
	CHECK(mprotect(stack, PAGE, PROT_NONE) == 0);
	CHECK(pthread_attr_init(&attr) == 0 && pthread_attr_setstack(&attr, stack + PAGE, size) == 0);
	CHECK(join(start_with(&attr, overflow_often, &attr)) == &attr);
	CHECK(munmap(stack, 17 * PAGE) == 0 && handled == 0);
}

/* ---- many, and the last ---- */

static void test_many(void)
{
	int fd;
	char *p = map_file((off_t)PAGE, 2, &fd);

	handle_faults();
	for (int i = 0; i < 10000; i++)
		if (!caught(i % 2 ? store : load, p + PAGE, CAIRN_FAULT_BUS, 0) ||
		    cairn_try(store, p + i % (int)PAGE)) {
			CHECK(!"caught");
			break;
		}
	CHECK(msync(p, PAGE, MS_SYNC) == 0 && munmap(p, 2 * PAGE) == 0 && close(fd) == 0 && handled == 0);
}

struct range {
	char *from, *to;
};

/* A store a page until one is not served. */
static void fill(void *arg)
{
	const struct range *range = arg;

	for (char *p = range->from; p < range->to; p += PAGE)
		store(p);
}

/* A hole of a file on a full card. */
static void test_no_space(void)
{
	static char block[65536];
	int fd = open("/full", O_CREAT | O_RDWR | O_TRUNC, 0644), hole;
	char *p = map_file((off_t)(1024 * PAGE), 1024, &hole);
	const struct cairn_fault *fault;

	handle_faults();
	CHECK(fd >= 0 && posix_fallocate(fd, 0, 0x7fffffffffff) != 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	CHECK(errno == ENOSPC);
	fault = cairn_try(fill, &(struct range){p, p + 1024 * PAGE});
	CHECK(fault && fault->kind == CAIRN_FAULT_BUS && fault->error == ENOSPC);
	CHECK(fault && (char *)fault->address >= p && (char *)fault->address < p + 1024 * PAGE);
	CHECK(munmap(p, 1024 * PAGE) == 0 && close(hole) == 0 && close(fd) == 0 && unlink("/full") == 0);
	CHECK(handled == 0);
}

TAP_MAIN({"kinds", test_kinds}, {"registers", test_registers}, {"nested", test_nested}, {"signals", test_signals},
	 {"left by a jump", test_jumps}, {"left by the thread's end", test_thread_ends}, {"threads", test_threads},
	 {"stacks", test_stacks}, {"many", test_many}, {"no space", test_no_space})
