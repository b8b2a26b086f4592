// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Frames of signals on the host: the registers that Linux handed to the trap lie in a frame on the application's
 * stack, with the extended state behind it, while the handler runs. Two instructions that only a kernel may execute
 * are the traps that bring us back (arch/host/trap.c).
 */
#include "arch/signal.h"

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <string.h>
#include <ucontext.h>

#include "arch/host/host.h"
#include "arch/uaccess.h"

#define RED_ZONE 128 // below the stack pointer, in use
#define FXSAVE_SIZE 512
#define FXSAVE_SOFTWARE 464 // where Linux says in it what follows
#define XSTATE_MAGIC 0x46505853
#define XSTATE_MAX 16384

struct signal_frame {
	ucontext_t uc;
	siginfo_t info;
	size_t state_size;
	uint8_t state[];
};

void signal_enter(void);

__asm__(".text\n"
	"signal_enter:\n"
	"	call *%rax\n"
	"host_signal_return:\n"
	"	hlt\n"
	".globl signal_trap, host_signal_return\n"
	"signal_trap:\n"
	"	hlt\n"
	"	ret\n");

void signal_of_trap(const struct trap_frame *tf, int *sig, int *code)
{
	*sig = tf->signal;
	*code = tf->code;
}

/* Bytes of the floating-point and vector registers. */
static size_t state_size(const uint8_t *state)
{
	struct {
		uint32_t magic, size;
	} software;

	memcpy(&software, state + FXSAVE_SOFTWARE, sizeof(software));
	return software.magic == XSTATE_MAGIC && software.size <= XSTATE_MAX ? software.size : FXSAVE_SIZE;
}

int signal_frame_push(struct trap_frame *tf, vaddr_t top, vaddr_t limit, const siginfo_t *info, const sigset_t *mask,
		      const stack_t *stack, void (*handler)(int, siginfo_t *, void *))
{
	greg_t *regs = tf->uc->uc_mcontext.gregs;
	struct signal_frame *frame, head = {.info = *info};
	const size_t size = state_size((const uint8_t *)tf->uc->uc_mcontext.fpregs);

	frame = (struct signal_frame *)align_down(top - RED_ZONE - sizeof(*frame) - size, 64);
	if ((vaddr_t)frame > top || (vaddr_t)frame < limit + RED_ZONE)
		return -EFAULT;
	memcpy(head.uc.uc_mcontext.gregs, regs, sizeof(head.uc.uc_mcontext.gregs));
	head.uc.uc_mcontext.fpregs = (fpregset_t)frame->state;
	head.uc.uc_sigmask = *mask;
	head.uc.uc_stack = *stack;
	head.state_size = size;
	if (uaccess_copy(frame, &head, sizeof(head)) || uaccess_copy(frame->state, tf->uc->uc_mcontext.fpregs, size))
		return -EFAULT;
	regs[REG_RIP] = (greg_t)(vaddr_t)signal_enter;
	regs[REG_RSP] = (greg_t)(vaddr_t)frame;
	regs[REG_RAX] = (greg_t)(vaddr_t)handler;
	regs[REG_RDI] = info->si_signo;
	regs[REG_RSI] = (greg_t)(vaddr_t)&frame->info;
	regs[REG_RDX] = (greg_t)(vaddr_t)&frame->uc;
	return 0;
}

int signal_frame_pop(struct trap_frame *tf, sigset_t *mask)
{
	const struct signal_frame *frame = (const struct signal_frame *)trap_frame_sp(tf);
	const size_t size = state_size((const uint8_t *)tf->uc->uc_mcontext.fpregs);
	struct signal_frame head;

	if (uaccess_copy(&head, frame, sizeof(head)) || head.state_size != size ||
	    uaccess_copy(tf->uc->uc_mcontext.fpregs, frame->state, size))
		return -EFAULT;
	/* Not those behind the instruction pointer: segments, and what the trap was. */
	memcpy(tf->uc->uc_mcontext.gregs, head.uc.uc_mcontext.gregs, (REG_RIP + 1) * sizeof(greg_t));
	tf->uc->uc_mcontext.gregs[REG_EFL] = head.uc.uc_mcontext.gregs[REG_EFL];
	*mask = head.uc.uc_sigmask;
	return 0;
}

void trap_frame_set_result(struct trap_frame *tf, enum signal_outcome outcome)
{
	tf->uc->uc_mcontext.gregs[REG_RAX] = outcome;
}

#define STACK_SPAN_MAX (8ul << 20) // beyond, it is another stack

void trap_frame_call(struct trap_frame *tf, void (*function)(void *), void *arg, vaddr_t stack)
{
	const vaddr_t left = trap_frame_sp(tf) - RED_ZONE;
	greg_t *regs = tf->uc->uc_mcontext.gregs;

	/* Functions that do not return do not take back what the address sanitizer knows of their frames. */
	if (left < stack && stack - left <= STACK_SPAN_MAX)
		ASAN_UNPOISON_MEMORY_REGION((void *)left, stack - left);
	regs[REG_RIP] = (greg_t)(vaddr_t)function;
	regs[REG_RSP] = (greg_t)(align_down(stack, 16) - sizeof(vaddr_t)); // as after a call
	regs[REG_RDI] = (greg_t)(vaddr_t)arg;
}
