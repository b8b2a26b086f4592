// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Traps of the host build: SIGSEGV is a page fault, served on the alternate stack of the Linux thread as a call of the
 * cairn thread that it is (it may sleep: other contexts have stacks of their own). Other exceptions of the processor
 * have signals of their own. The two copy helpers are here
 * because the handler must know their instructions: a fault in them that cannot be served continues behind the
 * instruction.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "arch/hart.h"
#include "arch/host/host.h"
#include "arch/irq.h"
#include "arch/page.h"
#include "arch/signal.h"
#include "arch/trap.h"
#include "arch/uaccess.h"

bool (*host_fault_hook)(vaddr_t va, enum fault_access access, enum fault_result result, int error);

/* Plain instructions, so that neither compiler nor sanitizer adds accesses of its own. */
size_t uaccess_copy_raw(void *dst, const void *src, size_t n);
bool uaccess_peek_raw(const void *src, uint32_t *value);
extern const char uaccess_copy_at[], uaccess_copy_end[], uaccess_peek_at[], uaccess_peek_bad[];

__asm__(".text\n"
	"uaccess_copy_raw:\n"
	"	mov %rdx, %rcx\n"
	"uaccess_copy_at:\n"
	"	rep movsb\n"
	"uaccess_copy_end:\n"
	"	mov %rcx, %rax\n"
	"	ret\n"
	"uaccess_peek_raw:\n"
	"	mov $1, %eax\n"
	"uaccess_peek_at:\n"
	"	mov (%rdi), %ecx\n"
	"	mov %ecx, (%rsi)\n"
	"	ret\n"
	"uaccess_peek_bad:\n"
	"	xor %eax, %eax\n"
	"	ret\n");

size_t uaccess_copy(void *dst, const void *src, size_t n)
{
	assert(irq_enabled());
	return uaccess_copy_raw(dst, src, n);
}

long uaccess_strncpy(char *dst, const char *src, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t chunk = min_of(size - done, PAGE_SIZE - ((vaddr_t)(src + done) & PAGE_MASK));
		size_t missing = uaccess_copy(dst + done, src + done, chunk);
		const char *end = memchr(dst + done, 0, chunk - missing);

		if (end)
			return end - dst;
		if (missing)
			return -EFAULT;
		done += chunk;
	}
	return -ENAMETOOLONG;
}

bool uaccess_peek32(const void *src, uint32_t *value)
{
	return uaccess_peek_raw(src, value);
}

static enum fault_access access_of(const ucontext_t *uc)
{
	greg_t error = uc->uc_mcontext.gregs[REG_ERR]; // x86: bit 1 write, bit 4 instruction fetch

	if (error & 16)
		return FAULT_EXEC;
	return error & 2 ? FAULT_WRITE : FAULT_READ;
}

/* May this thread sleep in a fault now? If not, the access was the kernel's mistake. */
static bool may_fault(void)
{
	return thread_self() && irq_enabled() && hart_self()->irq_depth == 0;
}

static void fault_serve(struct trap_frame *tf, vaddr_t va, vaddr_t pc)
{
	enum fault_access access = access_of(tf->uc);
	enum fault_result result = FAULT_MAPERR;
	int error = 0;

	if (va >= MMAP_MIN && va < MMAP_MAX) {
		if (host_page_permits(va, access))
			return;
		if (!may_fault())
			trap_kernel(tf, SIGSEGV, va);
		result = trap_page_fault(va, access, &error);
		if (result == FAULT_OK)
			return;
	}
	if (pc == (vaddr_t)uaccess_copy_at) {
		tf->uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(vaddr_t)uaccess_copy_end;
		return;
	}
	if (host_fault_hook && host_fault_hook(va, access, result, error))
		return;
	if (!may_fault())
		trap_kernel(tf, SIGSEGV, va);
	trap_fault(tf, SIGSEGV, va, result, error);
}

static void other_serve(struct trap_frame *tf, vaddr_t va)
{
	if (!may_fault())
		trap_kernel(tf, (unsigned)tf->signal, va);
	trap_fault(tf, (unsigned)tf->signal, va, FAULT_OK, 0);
}

static void on_trap(int sig, siginfo_t *info, void *uc)
{
	struct trap_frame tf = {.uc = uc, .signal = sig, .code = info->si_code};
	vaddr_t pc = trap_frame_pc(&tf);
	int saved_errno = errno;

	/* What is served here is a call: a run-time that blocked signals for its handler would do so for all of it. */
	if (pthread_sigmask(SIG_SETMASK, &tf.uc->uc_sigmask, NULL))
		host_die("pthread_sigmask");
	if (pc == (vaddr_t)uaccess_peek_at) {
		tf.uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(vaddr_t)uaccess_peek_bad;
	} else if (pc == (vaddr_t)signal_trap) {
		tf.uc->uc_mcontext.gregs[REG_RIP]++;
		trap_signal_poll(&tf);
	} else if (pc == (vaddr_t)host_signal_return) {
		trap_signal_return(&tf);
	} else if (sig == SIGSEGV) {
		fault_serve(&tf, (vaddr_t)info->si_addr, pc);
	} else {
		other_serve(&tf, (vaddr_t)info->si_addr);
	}
	while (may_fault() && thread_interrupted() && trap_signal(&tf))
		;
	errno = saved_errno;
}

void host_traps_init(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

	for (size_t i = 0; i < array_size(signals); i++)
		if (sigaction(signals[i], &action, NULL) < 0)
			host_die("sigaction");
}
