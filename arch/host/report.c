// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Registers and backtraces of the host build, for reports. Any context. */
#include <dlfcn.h>
#include <stdio.h>

#include "arch/context.h"
#include "arch/trap.h"
#include "arch/upcall.h"

#define DEPTH_MAX 32

/* The sanitizers' run-time can name static functions too; it may be absent. */
void __sanitizer_symbolize_pc(void *pc, const char *format, char *out, size_t size) __attribute__((weak));

vaddr_t trap_frame_pc(const struct trap_frame *tf)
{
	return (vaddr_t)tf->uc->uc_mcontext.gregs[REG_RIP];
}

vaddr_t trap_frame_sp(const struct trap_frame *tf)
{
	return (vaddr_t)tf->uc->uc_mcontext.gregs[REG_RSP];
}

vaddr_t trap_frame_fp(const struct trap_frame *tf)
{
	return (vaddr_t)tf->uc->uc_mcontext.gregs[REG_RBP];
}

void trap_frame_print(const struct trap_frame *tf)
{
	static const struct {
		const char *name;
		int reg;
	} regs[] = {
	    {"rip", REG_RIP}, {"rsp", REG_RSP}, {"rbp", REG_RBP}, {"rax", REG_RAX}, {"rbx", REG_RBX}, {"rcx", REG_RCX},
	    {"rdx", REG_RDX}, {"rsi", REG_RSI}, {"rdi", REG_RDI}, {"r8 ", REG_R8},  {"r9 ", REG_R9},  {"r10", REG_R10},
	    {"r11", REG_R11}, {"r12", REG_R12}, {"r13", REG_R13}, {"r14", REG_R14}, {"r15", REG_R15}, {"err", REG_ERR},
	};

	for (size_t i = 0; i + 2 < array_size(regs); i += 3)
		upcall_print("  %s %016llx  %s %016llx  %s %016llx", regs[i].name,
			     tf->uc->uc_mcontext.gregs[regs[i].reg], regs[i + 1].name,
			     tf->uc->uc_mcontext.gregs[regs[i + 1].reg], regs[i + 2].name,
			     tf->uc->uc_mcontext.gregs[regs[i + 2].reg]);
	backtrace_print(trap_frame_pc(tf), trap_frame_fp(tf));
}

static void frame_print(vaddr_t pc)
{
	char text[256];
	Dl_info info;

	if (__sanitizer_symbolize_pc) {
		__sanitizer_symbolize_pc((void *)pc, "%f %s:%l", text, sizeof(text));
		upcall_print("  %016lx %s", pc, text);
	} else if (dladdr((void *)pc, &info) && info.dli_fname) {
		upcall_print("  %016lx %s+0x%lx", pc, info.dli_fname, pc - (vaddr_t)info.dli_fbase);
	} else {
		upcall_print("  %016lx", pc);
	}
}

/* Follows frame pointers while they go up by believable steps. */
static void chain_print(vaddr_t pc, vaddr_t fp, unsigned depth_max)
{
	frame_print(pc);
	for (unsigned i = 1; i < depth_max && fp && fp % sizeof(vaddr_t) == 0; i++) {
		const vaddr_t *frame = (const vaddr_t *)fp;

		if (frame[1] == 0)
			break;
		frame_print(frame[1]);
		if (frame[0] <= fp || frame[0] - fp > 64 * 1024)
			break;
		fp = frame[0];
	}
}

void backtrace_print(vaddr_t pc, vaddr_t fp)
{
	chain_print(pc, fp, DEPTH_MAX);
}

void backtrace_context(const struct context *ctx, unsigned depth_max)
{
	if (ctx->pc)
		chain_print(ctx->pc, ctx->fp, depth_max);
}

void backtrace_here(void)
{
	backtrace_print((vaddr_t)__builtin_return_address(0), *(vaddr_t *)__builtin_frame_address(0));
}
