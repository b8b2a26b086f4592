// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Signals that a thread's own instruction is: what the handler is told, what it may do, what is left behind. */

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define PAGE 4096ul
#define WILD ((volatile char *)0x123456789000)
#define READ_ONLY "constant"

static volatile int caught;
static siginfo_t seen;
static sigjmp_buf back;

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	CHECK(sigaction(sig, &action, NULL) == 0);
	caught = 0;
}

static char *map(size_t pages, int prot)
{
	char *p = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A shared mapping of a new file, which is unlinked. */
static char *map_file(off_t size, size_t pages, int *fd)
{
	char *p;

	*fd = open("/fault", O_CREAT | O_RDWR | O_TRUNC, 0644);
	CHECK(*fd >= 0 && ftruncate(*fd, size) == 0 && unlink("/fault") == 0);
	p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static void leave(int sig, siginfo_t *info, void *context)
{
	(void)context;
	seen = *info;
	caught++;
	siglongjmp(back, sig);
}

/* The signal that a store there is; 0: none. */
static int store_signal(volatile char *at)
{
	int sig = sigsetjmp(back, 1);

	if (sig == 0)
		*at = 1;
	return sig;
}

static int load_signal(const volatile char *at)
{
	int sig = sigsetjmp(back, 1);

	if (sig == 0)
		(void)*at;
	return sig;
}

/* Jumps there: nothing is left of where it came from but the stack. */
static int jump_signal(const void *to)
{
	int sig = sigsetjmp(back, 1);

	if (sig == 0)
		((void (*)(void))(uintptr_t)to)();
	return sig;
}

static bool seen_is(int sig, int code, const volatile void *addr)
{
	return seen.si_signo == sig && seen.si_code == code && seen.si_addr == addr;
}

static void test_segv_info(void)
{
	char *p = map(1, PROT_READ), *none = map(1, PROT_NONE);

	handle(SIGSEGV, leave, 0);
	CHECK(store_signal(NULL) == SIGSEGV && seen_is(SIGSEGV, SEGV_MAPERR, NULL));
	CHECK(load_signal(WILD) == SIGSEGV && seen_is(SIGSEGV, SEGV_MAPERR, WILD));
	CHECK(store_signal(p + 17) == SIGSEGV && seen_is(SIGSEGV, SEGV_ACCERR, p + 17));
	CHECK(load_signal(p + 17) == 0);
	CHECK(load_signal(none) == SIGSEGV && seen_is(SIGSEGV, SEGV_ACCERR, none));
	CHECK(store_signal((char *)(uintptr_t)READ_ONLY) == SIGSEGV && seen.si_code == SEGV_ACCERR);
	CHECK(store_signal((char *)0xffffffbffffff000) == SIGSEGV);
	CHECK(munmap(p, PAGE) == 0 && munmap(none, PAGE) == 0);
	CHECK(load_signal(p) == SIGSEGV && seen_is(SIGSEGV, SEGV_MAPERR, p));
	CHECK(caught == 7 && seen.si_errno == 0);
	p = map(1, PROT_READ | PROT_WRITE);
	CHECK(jump_signal(p) == SIGSEGV && seen_is(SIGSEGV, SEGV_ACCERR, p));
	CHECK(jump_signal(NULL) == SIGSEGV && seen_is(SIGSEGV, SEGV_MAPERR, NULL));
	CHECK(jump_signal(READ_ONLY) == SIGSEGV && seen.si_code == SEGV_ACCERR);
	CHECK(munmap(p, PAGE) == 0);
}

static void test_bus_info(void)
{
	int fd;
	char *p = map_file(100, 2, &fd);

	handle(SIGBUS, leave, 0);
	CHECK(store_signal(p + 50) == 0 && store_signal(p + 200) == 0); // the rest of the last page is there
	CHECK(store_signal(p + PAGE) == SIGBUS && seen_is(SIGBUS, BUS_ADRERR, p + PAGE) && seen.si_errno == 0);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(load_signal(p) == SIGBUS && seen_is(SIGBUS, BUS_ADRERR, p));
	CHECK(munmap(p, 2 * PAGE) == 0 && close(fd) == 0);
}

/* A hole of a file on a full card: a store finds no block. The last test, for the card is free again only later. */
static void test_bus_errno(void)
{
	static char block[65536];
	int fd = open("/full", O_CREAT | O_RDWR | O_TRUNC, 0644), hole;
	char *p = map_file((off_t)(1024 * PAGE), 1024, &hole);
	size_t page = 0;
	int sig = 0;

	CHECK(fd >= 0 && posix_fallocate(fd, 0, 0x7fffffffffff) != 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	CHECK(errno == ENOSPC);
	handle(SIGBUS, leave, 0);
	for (volatile size_t i = 0; i < 1024 && sig == 0; i++) { // what is left is less than a block of the loop
		sig = store_signal(p + i * PAGE);
		page = i;
	}
	CHECK(sig == SIGBUS && seen_is(SIGBUS, BUS_ADRERR, p + page * PAGE) && seen.si_errno == ENOSPC);
	CHECK(munmap(p, 1024 * PAGE) == 0 && close(hole) == 0 && close(fd) == 0 && unlink("/full") == 0);
}

static void skip_instruction(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t pc = uc->uc_mcontext.__gregs[REG_PC];

	CHECK(info->si_addr == (void *)pc && info->si_signo == sig);
	seen = *info;
	caught++;
	uc->uc_mcontext.__gregs[REG_PC] = pc + 4;
	uc->uc_mcontext.__gregs[REG_A0] = 4711;
}

/* The handler sees the registers and changes them. */
static void test_ill_and_trap(void)
{
	register long a0 __asm__("a0") = 1;
	long got;

	handle(SIGILL, skip_instruction, 0);
	__asm__ volatile(".option push; .option norvc; csrrw zero, 0xc00, zero; .option pop" : "+r"(a0));
	got = a0;
	CHECK(got == 4711 && caught == 1 && seen.si_code == ILL_ILLOPC);
	handle(SIGTRAP, skip_instruction, 0);
	a0 = 2;
	__asm__ volatile(".option push; .option norvc; ebreak; .option pop" : "+r"(a0));
	got = a0;
	CHECK(got == 4711 && caught == 1 && seen.si_code == TRAP_BRKPT);
}

static void test_fpe(void)
{
	long quotient;

	handle(SIGFPE, leave, 0);
	__asm__ volatile("div %0, %1, zero" : "=r"(quotient) : "r"(7l)); // does not trap on RISC-V
	CHECK(quotient == -1);
	if (sigsetjmp(back, 1) == 0)
		CHECK(raise(SIGFPE) != 0);
	CHECK(caught == 1 && seen.si_signo == SIGFPE && seen.si_code == SI_USER);
}

/* ---- many times ---- */

static size_t lines_of_zeroes(char *p)
{
	size_t sum = 0;

	for (size_t i = 0; i < PAGE; i++)
		sum += p[i] == 0;
	return sum;
}

/* Nothing of the kernel's is left over: it would run out of stack, of pins, or stop at a lock. */
static void test_leave_many_times(void)
{
	int rounds = tap_times(5000, 5000, 20000), fd;
	char *p = map_file((off_t)PAGE, 2, &fd);

	handle(SIGSEGV, leave, 0);
	for (volatile int i = 0; i < rounds; i++)
		CHECK(store_signal(WILD) == SIGSEGV);
	handle(SIGBUS, leave, 0);
	for (volatile int i = 0; i < rounds; i++)
		CHECK(load_signal(p + PAGE + i % PAGE) == SIGBUS);
	CHECK(caught == rounds);
	CHECK(lines_of_zeroes(p) == PAGE && msync(p, PAGE, MS_SYNC) == 0);
	CHECK(munmap(p, 2 * PAGE) == 0 && close(fd) == 0);
}

static char *repaired;

static void repair_by_mprotect(int sig, siginfo_t *info, void *context)
{
	(void)context;
	CHECK(sig == SIGSEGV && info->si_code == SEGV_ACCERR);
	CHECK(mprotect((void *)((uintptr_t)info->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE) == 0);
	caught++;
}

static void repair_by_mmap(int sig, siginfo_t *info, void *context)
{
	char *page = (char *)((uintptr_t)info->si_addr & ~(PAGE - 1));

	(void)context;
	CHECK(sig == SIGSEGV);
	CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	page[0] = 42; // and this fault is served
	caught++;
}

static void test_repair_and_return(void)
{
	repaired = map(64, PROT_NONE);
	handle(SIGSEGV, repair_by_mprotect, 0);
	for (int i = 0; i < 32; i++) {
		repaired[(size_t)i * PAGE] = (char)i;
		CHECK(repaired[(size_t)i * PAGE] == (char)i);
	}
	CHECK(caught == 32 && munmap(repaired, 64 * PAGE) == 0);
	handle(SIGSEGV, repair_by_mmap, 0);
	for (int i = 0; i < 64; i++)
		CHECK(repaired[(size_t)i * PAGE] == 42);
	CHECK(caught == 64 && munmap(repaired, 64 * PAGE) == 0);
}

/* ---- registers ---- */

static void scramble(int sig, siginfo_t *info, void *context)
{
	volatile double x = 3.5;

	(void)sig;
	(void)context;
	caught++;
	CHECK(fesetround(FE_UPWARD) == 0 && feraiseexcept(FE_DIVBYZERO) == 0);
	for (int i = 0; i < 50; i++)
		x = x * 1.5 + (double)i;
	__asm__ volatile(
	    "fmv.d.x f0, %0; fmv.d.x f1, %0; fmv.d.x f2, %0; fmv.d.x f10, %0; fmv.d.x f11, %0; fmv.d.x f31, %0" ::"r"(
		-1l)
	    : "f0", "f1", "f2", "f10", "f11", "f31");
	CHECK(mprotect((void *)((uintptr_t)info->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE) == 0);
}

/* Fills every register that is free, stores at `at`, and counts those that hold something else afterwards. */
static long registers_lost(volatile char *at)
{
	long lost;

	__asm__ volatile(
	    "li t6, 77; li t5, 76; li t4, 75; li t3, 74; li s11, 73; li s10, 72; li s9, 71; li s8, 70; li s7, 69\n"
	    "li a7, 68; li a6, 67; li a5, 66; li a4, 65; li a3, 64; li t2, 63; li t1, 62; li t0, 61\n"
	    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	    "li a2, 1000+\\n\n fmv.d.x f\\n, a2\n"
	    ".endr\n"
	    "li a2, 60\n"
	    "sb zero, 0(%[at])\n"
	    "xori t6, t6, 77; xori t5, t5, 76; xori t4, t4, 75; xori t3, t3, 74; xori s11, s11, 73; xori s10, s10, 72\n"
	    "xori s9, s9, 71; xori s8, s8, 70; xori s7, s7, 69; xori a7, a7, 68; xori a6, a6, 67; xori a5, a5, 66\n"
	    "xori a4, a4, 65; xori a3, a3, 64; xori t2, t2, 63; xori t1, t1, 62; xori t0, t0, 61; xori a2, a2, 60\n"
	    "or t6, t6, t5; or t6, t6, t4; or t6, t6, t3; or t6, t6, s11; or t6, t6, s10; or t6, t6, s9\n"
	    "or t6, t6, s8; or t6, t6, s7; or t6, t6, a7; or t6, t6, a6; or t6, t6, a5; or t6, t6, a4\n"
	    "or t6, t6, a3; or t6, t6, t2; or t6, t6, t1; or t6, t6, t0; or t6, t6, a2\n"
	    "snez %[lost], t6\n"
	    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	    "li a2, 1000+\\n\n fmv.x.d a3, f\\n\n xor a3, a3, a2\n snez a3, a3\n add %[lost], %[lost], a3\n"
	    ".endr\n"
	    : [lost] "=&r"(lost)
	    : [at] "r"(at)
	    : "memory", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a2", "a3", "a4", "a5", "a6", "a7", "s7", "s8", "s9",
	      "s10", "s11", "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13",
	      "f14", "f15", "f16", "f17", "f18", "f19", "f20", "f21", "f22", "f23", "f24", "f25", "f26", "f27", "f28",
	      "f29", "f30", "f31");
	return lost;
}

static void *registers_of_thread(void *arg)
{
	char *p = map(1, PROT_READ);

	(void)arg; // a thread that has not used floating point before: its handler must not leave a rounding mode
	CHECK(mprotect(p, PAGE, PROT_READ) == 0);
	*(volatile char *)p = 1;
	CHECK(fegetround() == FE_TONEAREST && fetestexcept(FE_ALL_EXCEPT) == 0);
	CHECK(munmap(p, PAGE) == 0);
	return NULL;
}

static void test_registers(void)
{
	char *p = map(1, PROT_READ);
	pthread_t thread;

	handle(SIGSEGV, scramble, 0);
	CHECK(fesetround(FE_DOWNWARD) == 0 && feclearexcept(FE_ALL_EXCEPT) == 0);
	CHECK(registers_lost(p) == 0 && caught == 1);
	CHECK(fegetround() == FE_DOWNWARD && fetestexcept(FE_ALL_EXCEPT) == 0);
	CHECK(fesetround(FE_TONEAREST) == 0 && munmap(p, PAGE) == 0);
	CHECK(pthread_create(&thread, NULL, registers_of_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
	CHECK(caught == 2);
}

static void see_float(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	uc->uc_mcontext.__fpregs.__d.__f[10] += uc->uc_mcontext.__fpregs.__d.__f[18]; // fa0, fs2
	uc->uc_mcontext.__fpregs.__d.__fcsr = FE_UPWARD << 5;
	CHECK(mprotect((void *)((uintptr_t)info->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE) == 0);
}

static void test_float_in_context(void)
{
	char *p = map(1, PROT_READ);
	long sum;

	handle(SIGSEGV, see_float, 0);
	__asm__ volatile("fmv.d.x fa0, %[a]; fmv.d.x fs2, %[b]; sb zero, 0(%[p]); fmv.x.d %[sum], fa0"
			 : [sum] "=r"(sum)
			 : [a] "r"(1234l), [b] "r"(4321l), [p] "r"(p)
			 : "fa0", "fs2", "memory");
	CHECK(sum == 5555 && fegetround() == FE_UPWARD);
	CHECK(fesetround(FE_TONEAREST) == 0 && munmap(p, PAGE) == 0);
}

/* ---- nesting ---- */

static sigjmp_buf inner;

static void leave_inner(int sig)
{
	siglongjmp(inner, sig);
}

static void fault_inside(int sig, siginfo_t *info, void *context)
{
	char *p = map(2, PROT_READ | PROT_WRITE);
	int fd, inner_sig;
	char *file = map_file((off_t)PAGE, 1, &fd);

	(void)context;
	p[0] = 1; // served
	file[0] = 1;
	inner_sig = sigsetjmp(inner, 1);
	if (inner_sig == 0) {
		struct sigaction action = {.sa_handler = leave_inner};

		CHECK(ftruncate(fd, 0) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
		file[0] = 2;
	}
	CHECK(inner_sig == SIGBUS && sig == SIGSEGV && info->si_addr == WILD);
	CHECK(munmap(p, 2 * PAGE) == 0 && munmap(file, PAGE) == 0 && close(fd) == 0);
	caught++;
	siglongjmp(back, sig);
}

static void test_fault_in_handler(void)
{
	handle(SIGSEGV, fault_inside, 0);
	for (volatile int i = 0; i < 100; i++)
		CHECK(store_signal(WILD) == SIGSEGV);
	CHECK(caught == 100);
}

static void fault_again(int sig, siginfo_t *info, void *context)
{
	(void)context;
	(void)info;
	if (++caught < 10)
		*WILD = 1;
	siglongjmp(back, sig);
}

static void test_same_fault_nested(void)
{
	handle(SIGSEGV, fault_again, SA_NODEFER);
	CHECK(store_signal(WILD) == SIGSEGV && caught == 10);
}

static void test_resethand(void)
{
	struct sigaction old;

	handle(SIGSEGV, leave, SA_RESETHAND);
	CHECK(store_signal(WILD) == SIGSEGV && caught == 1);
	CHECK(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
}

/* ---- calls of the kernel ---- */

static void test_efault_is_no_signal(void)
{
	int fd = open("/efault", O_CREAT | O_RDWR | O_TRUNC, 0644);
	char *none = map(1, PROT_NONE);
	char byte = 1;

	handle(SIGSEGV, leave, 0);
	if (sigsetjmp(back, 1) == 0) {
		CHECK(fd >= 0 && write(fd, &byte, 1) == 1);
		errno = 0;
		CHECK(write(fd, (const char *)(uintptr_t)WILD, 1) == -1 && errno == EFAULT);
		errno = 0;
		CHECK(pread(fd, none, 1, 0) == -1 && errno == EFAULT);
		errno = 0;
		CHECK(open((const char *)(uintptr_t)WILD, O_RDONLY) == -1 && errno == EFAULT);
		errno = 0;
		CHECK(fstat(fd, (struct stat *)none) == -1 && errno == EFAULT);
		errno = 0;
		CHECK(stat("/efault", (struct stat *)none) == -1 && errno == EFAULT);
	}
	CHECK(caught == 0 && close(fd) == 0 && unlink("/efault") == 0 && munmap(none, PAGE) == 0);
}

/* ---- stacks ---- */

static volatile int frames_left = 1 << 30; // volatile: the compiler must not see that this is a loop

static int overflow(volatile char *above)
{
	volatile char frame[1024];

	frame[0] = above ? above[0] : 1;
	return frames_left-- ? overflow(frame) + frame[0] : 0;
}

static char alternate[SIGSTKSZ];

static void leave_alternate(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	char here;
	stack_t stack;

	CHECK(&here >= alternate && &here < alternate + sizeof(alternate));
	CHECK(uc->uc_stack.ss_sp == alternate && uc->uc_stack.ss_flags == 0);
	CHECK(sigaltstack(NULL, &stack) == 0 && stack.ss_flags == SS_ONSTACK);
	errno = 0;
	CHECK(sigaltstack(&stack, NULL) == -1 && errno == EPERM);
	leave(sig, info, context);
}

static void *overflow_often(void *arg)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, old;

	(void)arg;
	CHECK(sigaltstack(&stack, &old) == 0 && old.ss_flags == SS_DISABLE);
	for (volatile int i = 0; i < 20; i++)
		if (sigsetjmp(back, 1) == 0)
			CHECK(overflow(NULL) == 1);
	CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == 0 && old.ss_sp == alternate);
	stack.ss_flags = SS_DISABLE;
	CHECK(sigaltstack(&stack, NULL) == 0);
	return NULL;
}

static void test_stack_overflow(void)
{
	pthread_t thread;

	handle(SIGSEGV, leave_alternate, SA_ONSTACK);
	CHECK(pthread_create(&thread, NULL, overflow_often, NULL) == 0 && pthread_join(thread, NULL) == 0);
	CHECK(caught == 20 && seen.si_code == SEGV_ACCERR);
}

static void test_altstack_arguments(void)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = MINSIGSTKSZ - 1};

	errno = 0;
	CHECK(sigaltstack(&stack, NULL) == -1 && errno == ENOMEM);
	stack.ss_flags = 77;
	errno = 0;
	CHECK(sigaltstack(&stack, NULL) == -1 && errno == EINVAL);
}

/* Loads with the stack pointer so many bytes above the end of the stack. */
static char load_with_stack(const char *at, uintptr_t sp)
{
	char value;

	__asm__ volatile("mv t0, sp\n"
			 "mv sp, %[sp]\n"
			 "lb %[value], 0(%[at])\n"
			 "mv sp, t0\n"
			 : [value] "=r"(value)
			 : [sp] "r"(sp), [at] "r"(at)
			 : "t0", "memory");
	return value;
}

/* 300 bytes of stack are left, and the page of the file is not resident: read(2) would need far more. */
static void test_fault_on_300_bytes(void)
{
	const int pages = 64;
	int fd = open("/pages", O_CREAT | O_RDWR | O_TRUNC, 0644);
	char block[PAGE], *stack = malloc(PTHREAD_STACK_MIN);
	const char *p;

	for (int i = 0; i < pages; i++) {
		memset(block, i + 1, sizeof(block));
		CHECK(write(fd, block, sizeof(block)) == (ssize_t)sizeof(block));
	}
	CHECK(fsync(fd) == 0 && stack);
	p = mmap(NULL, (size_t)pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && madvise((void *)(uintptr_t)p, (size_t)pages * PAGE, MADV_RANDOM) == 0);
	memset(stack, 0x5a, PTHREAD_STACK_MIN);
	for (int i = 0; i < pages; i += 7)
		CHECK(load_with_stack(p + (size_t)i * PAGE, ((uintptr_t)stack + 300) & ~15ul) == i + 1);
	for (int i = 0; i < PTHREAD_STACK_MIN; i++)
		if (stack[i] != 0x5a) {
			CHECK(!"the fault has used the application's stack");
			break;
		}
	CHECK(munmap((void *)(uintptr_t)p, (size_t)pages * PAGE) == 0 && close(fd) == 0 && unlink("/pages") == 0);
	free(stack);
}

/* ---- threads ---- */

#define THREADS 4

static _Thread_local sigjmp_buf own_back;
static _Thread_local uintptr_t own_address;
static _Thread_local int own_count;

static void leave_own(int sig, siginfo_t *info, void *context)
{
	(void)context;
	CHECK((uintptr_t)info->si_addr == own_address);
	own_count++;
	siglongjmp(own_back, sig);
}

static int rounds_of_thread(void)
{
	return tap_times(1000, 1000, 4000);
}

static void *fault_in_thread(void *arg)
{
	for (volatile int i = 0; i < rounds_of_thread(); i++) {
		own_address = (uintptr_t)WILD + (uintptr_t)arg * 0x10000000 + (uintptr_t)i;
		if (sigsetjmp(own_back, 1) == 0)
			*(volatile char *)own_address = 1;
		if (i % 16 == 0)
			sched_yield();
	}
	CHECK(own_count == rounds_of_thread());
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[THREADS];

	handle(SIGSEGV, leave_own, 0);
	for (intptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, fault_in_thread, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

TAP_MAIN({"siginfo of SIGSEGV", test_segv_info}, {"siginfo of SIGBUS", test_bus_info},
	 {"SIGILL, SIGTRAP, and registers changed", test_ill_and_trap}, {"SIGFPE is only raised", test_fpe},
	 {"siglongjmp, many times", test_leave_many_times}, {"handlers that repair", test_repair_and_return},
	 {"registers over a handler", test_registers}, {"floating point in the context", test_float_in_context},
	 {"other faults in a handler", test_fault_in_handler},
	 {"the same fault in its handler", test_same_fault_nested}, {"SA_RESETHAND", test_resethand},
	 {"EFAULT is no signal", test_efault_is_no_signal},
	 {"stack overflow on an alternate stack", test_stack_overflow},
	 {"sigaltstack's arguments", test_altstack_arguments},
	 {"a fault with 300 bytes of stack", test_fault_on_300_bytes}, {"each thread's own faults", test_threads},
	 {"the errno behind SIGBUS", test_bus_errno})
