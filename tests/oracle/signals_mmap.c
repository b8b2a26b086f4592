// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What a handler is told of a fault on mapped memory, and what it may do about it: mend it, jump away, fault itself. */

#include "oracle.h"

static byte *area;		    // whose pages the handlers below mend
static volatile sig_atomic_t calls; // of a handler
static volatile sig_atomic_t blocked_within;
static siginfo_t last;
static sigjmp_buf back;

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	sigemptyset(&action.sa_mask);
	MUST(sigaction(sig, &action, NULL) == 0);
}

static bool is_blocked(int sig)
{
	sigset_t mask;

	MUST(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
	return sigismember(&mask, sig);
}

static const char *told(const byte *p)
{
	ptrdiff_t off = (byte *)last.si_addr - p;

	return text("%s %s, errno %s, at %td", last.si_signo == SIGSEGV ? "SIGSEGV" : "SIGBUS",
		    code_name(last.si_signo, last.si_code), error_name(last.si_errno), off);
}

static void note_and_jump(int sig, siginfo_t *info, void *context)
{
	(void)context;
	calls++;
	last = *info;
	blocked_within = is_blocked(sig);
	siglongjmp(back, sig);
}

/* The fault that access(p) gives, as a handler sees it. */
static const char *fault_of(const byte *base, void (*access)(byte *), byte *p)
{
	memset(&last, 0, sizeof(last));
	if (!sigsetjmp(back, 1)) {
		access(p);
		return "none";
	}
	return told(base);
}

static void load_byte(byte *p)
{
	(void)*(volatile byte *)p;
}

static void store_byte(byte *p)
{
	*(volatile byte *)p = 1;
}

static void store_word(byte *p)
{
	*(volatile uint64_t *)p = 1;
}

static void add_atomically(byte *p)
{
	__atomic_fetch_add((uint32_t *)p, 1, __ATOMIC_SEQ_CST);
}

static void what_is_told(void)
{
	int fd = fresh(1, 1);
	byte *forbidden = map(2, PROT_NONE, ANON, -1, 0), *reader = map(2, PROT_READ, ANON, -1, 0);
	byte *file = map(3, RW, MAP_SHARED, fd, 0), *private = map(3, RW, MAP_PRIVATE, fd, 0), *none = room(2);

	handle(SIGSEGV, note_and_jump, 0);
	handle(SIGBUS, note_and_jump, 0);
	check("told: load of nothing", "%s", fault_of(none, load_byte, none + 5));
	check("told: store into nothing", "%s", fault_of(none, store_byte, none + PAGE + 7));
	check("told: word stored into nothing", "%s", fault_of(none, store_word, none + 8));
	check("told: atomic in nothing", "%s", fault_of(none, add_atomically, none + 16));
	check("told: load without access", "%s", fault_of(forbidden, load_byte, forbidden + 4095));
	check("told: store without access", "%s", fault_of(forbidden, store_byte, forbidden + PAGE));
	check("told: store into what is read-only", "%s", fault_of(reader, store_byte, reader + 1));
	check("told: atomic in what is read-only", "%s", fault_of(reader, add_atomically, reader + 4));
	check("told: load beyond the end", "%s", fault_of(file, load_byte, file + PAGE + 3));
	check("told: store beyond the end", "%s", fault_of(file, store_byte, file + 2 * PAGE));
	check("told: atomic beyond the end", "%s", fault_of(file, add_atomically, file + 2 * PAGE + 4));
	check("told: load beyond the end, private", "%s", fault_of(private, load_byte, private + PAGE));
	check("told: store beyond the end, private", "%s", fault_of(private, store_byte, private + PAGE + 1));
	check("told: load of page zero", "%s", fault_of(NULL, load_byte, (byte *)16));
	check("told: good load", "%s", fault_of(file, load_byte, file));
	check("told: blocked in the handler", "%d", (int)blocked_within);
	STEPS("told: blocked after siglongjmp", text("%d", is_blocked(SIGSEGV)), text("%d", is_blocked(SIGBUS)));
	handle(SIGSEGV, note_and_jump, SA_NODEFER);
	check("told: with SA_NODEFER", "%s", fault_of(none, load_byte, none));
	check("told: blocked in such a handler", "%d", (int)blocked_within);
	check("calls of handlers", "%d", (int)calls);
}

/* ---- handlers that mend and return: the access is tried again ---- */

static void give_access(int sig, siginfo_t *info, void *context)
{
	byte *page = (byte *)((uintptr_t)info->si_addr & -PAGE);

	(void)sig;
	(void)context;
	calls++;
	if (mprotect(page, PAGE, RW))
		_exit(3);
}

static void map_page(int sig, siginfo_t *info, void *context)
{
	byte *page = (byte *)((uintptr_t)info->si_addr & -PAGE);

	(void)sig;
	(void)context;
	calls++;
	if (mmap(page, PAGE, RW, ANON | MAP_FIXED, -1, 0) != page)
		_exit(3);
	memset(page, 'm', PAGE);
}

static int grown_file;

static void grow_file(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	calls++;
	if (ftruncate(grown_file, (byte *)info->si_addr - area + 1))
		_exit(3);
}

static void mend(void)
{
	volatile byte *p = map(8, PROT_NONE, ANON, -1, 0);
	int value;

	calls = 0;
	handle(SIGSEGV, give_access, 0);
	for (size_t i = 0; i < 8; i++) {
		p[i * PAGE] = (byte)i; // faults once
		p[i * PAGE + 1] = 1;   // does not
	}
	check("mend: pages given access", "%d", (int)calls);
	check("mend: stored", "%s", runs(p + 7 * PAGE, 3));
	MUST(mprotect((void *)p, 8 * PAGE, PROT_READ) == 0); // a write barrier
	calls = 0;
	memset((byte *)p + PAGE, 'w', 2 * PAGE);
	STEPS("mend: write barrier: pages written", text("%d", (int)calls), runs(p + PAGE - 1, 2 * PAGE + 2));
	handle(SIGSEGV, map_page, 0);
	p = room(8);
	calls = 0;
	value = p[3] + p[2 * PAGE] + p[5 * PAGE];
	check("mend: pages made on demand", "%d, %d", value, (int)calls);
	p[2 * PAGE] = 's';
	check("mend: no more than once", "%02x, %d", p[2 * PAGE], (int)calls);
	p = area = map(8, RW, MAP_SHARED, grown_file = fresh(0, 0), 0);
	handle(SIGBUS, grow_file, 0);
	calls = 0;
	p[10] = 'a';
	p[3 * PAGE] = 'b';
	p[2 * PAGE] = 'c';
	STEPS("mend: a file that grows where it is touched", text("%ld", file_size(grown_file)),
	      text("%d", (int)calls));
	check("mend: the file", "%s", file_runs(grown_file, 2 * PAGE, 8 * PAGE));
}

/* ---- a handler that faults itself ---- */

static sigjmp_buf inner;
static byte *nowhere;

static void fault_within(int sig, siginfo_t *info, void *context)
{
	(void)context;
	calls++;
	if (calls == 1) {
		if (!sigsetjmp(inner, 1)) {
			load_byte(nowhere + 100);
			_exit(3);
		}
		last = *info;
		siglongjmp(back, sig);
	}
	last = *info;
	siglongjmp(inner, 1);
}

static void bus_within(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	last = *info;
	load_byte(nowhere); // SIGSEGV, which is mended
	siglongjmp(back, 1);
}

static void nested(void)
{
	byte *file = map(2, RW, MAP_SHARED, fresh(1, 1), 0);

	nowhere = room(1);
	calls = 0;
	handle(SIGSEGV, fault_within, SA_NODEFER);
	check("nested: the outer's fault is told when the inner was handled", "%s",
	      fault_of(nowhere, load_byte, nowhere + 8));
	check("nested: handlers run", "%d", (int)calls);
	calls = 0;
	handle(SIGSEGV, map_page, 0);
	handle(SIGBUS, bus_within, 0);
	check("nested: SIGSEGV mended within SIGBUS's handler", "%s", fault_of(file, store_byte, file + PAGE));
	check("nested: mended", "%d, %02x", (int)calls, nowhere[5]);
}

/* ---- the alternative stack ---- */

static volatile sig_atomic_t on_the_stack;
static stack_t stack;

static void look_at_stack(int sig, siginfo_t *info, void *context)
{
	byte here;
	uintptr_t at = (uintptr_t)&here;

	(void)context;
	on_the_stack = at >= (uintptr_t)stack.ss_sp && at < (uintptr_t)stack.ss_sp + stack.ss_size;
	last = *info;
	siglongjmp(back, sig);
}

static void alternative(void)
{
	byte *none;

	stack = (stack_t){.ss_sp = map(16, RW, ANON, -1, 0), .ss_size = 16 * PAGE};
	none = room(1);
	MUST(sigaltstack(&stack, NULL) == 0);
	handle(SIGSEGV, look_at_stack, SA_ONSTACK);
	check("stack: fault", "%s", fault_of(none, load_byte, none + 1));
	check("stack: the handler was on it", "%d", (int)on_the_stack);
	handle(SIGSEGV, look_at_stack, 0);
	check("stack: fault without the flag", "%s", fault_of(none, load_byte, none + 2));
	check("stack: the handler was on it, without the flag", "%d", (int)on_the_stack);
}

/* Left by siglongjmp many times: nothing is used up. */
static void often(void)
{
	byte *none = room(1);
	unsigned wrong = 0;

	catch_faults();
	for (int i = 0; i < 2000; i++)
		wrong += strcmp(i % 2 ? load(none) : store(none, 1), "SIGSEGV MAPERR") != 0;
	check("often: wrong", "%u", wrong);
}

static void reset_and_jump(int sig, siginfo_t *info, void *context)
{
	struct sigaction now;

	(void)context;
	last = *info;
	MUST(sigaction(sig, NULL, &now) == 0);
	calls = now.sa_handler == SIG_DFL;
	siglongjmp(back, sig);
}

static void flags(void)
{
	byte *none = room(1);

	handle(SIGSEGV, reset_and_jump, SA_RESETHAND);
	check("SA_RESETHAND: fault", "%s", fault_of(none, load_byte, none));
	check("SA_RESETHAND: the handler is gone", "%d", (int)calls);
}

int main(void)
{
	what_is_told();
	mend();
	nested();
	alternative();
	often();
	flags();
	return done();
}
