// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Frames of signals. The general registers of ucontext are those of a trap frame, the floating-point ones are filled in
 * and taken back by signal.S. The application's stack is reached through uaccess: may fault, and so sleep.
 */

#include "arch/signal.h"

#include <errno.h>
#include <stddef.h>

#include "arch/riscv/riscv.h"
#include "arch/uaccess.h"

struct signal_frame {
	ucontext_t uc;
	siginfo_t info;
};

_Static_assert(offsetof(struct signal_frame, uc.uc_mcontext.__fpregs.__d.__f) == SIGNAL_FLOAT, "asm.h");
_Static_assert(offsetof(struct signal_frame, uc.uc_mcontext.__fpregs.__d.__fcsr) == SIGNAL_FCSR, "asm.h");
_Static_assert(sizeof((struct trap_frame){0}.x) == sizeof(__riscv_mc_gp_state), "the same registers");

/* What comes before the registers. */
struct head {
	unsigned long flags;
	struct ucontext_t *link;
	stack_t stack;
	sigset_t mask;
};
_Static_assert(sizeof(struct head) == offsetof(ucontext_t, uc_mcontext), "ucontext_t");

enum { A0 = 10, A1 = 11, A2 = 12, T0 = 5, SP = 2 };

void signal_of_trap(const struct trap_frame *tf, int *sig, int *code)
{
	static const struct {
		int sig, code;
	} signals[] = {
	    [0] = {SIGBUS, BUS_ADRALN},	  // instruction address misaligned
	    [1] = {SIGSEGV, SEGV_ACCERR}, // access faults: no such memory, or the firmware's
	    [2] = {SIGILL, ILL_ILLOPC},	  [3] = {SIGTRAP, TRAP_BRKPT}, [4] = {SIGBUS, BUS_ADRALN},
	    [5] = {SIGSEGV, SEGV_ACCERR}, [6] = {SIGBUS, BUS_ADRALN},  [7] = {SIGSEGV, SEGV_ACCERR},
	};
	size_t cause = tf->cause < array_size(signals) ? tf->cause : 2;

	*sig = signals[cause].sig;
	*code = signals[cause].code;
}

int signal_frame_push(struct trap_frame *tf, vaddr_t top, vaddr_t limit, const siginfo_t *info, const sigset_t *mask,
		      const stack_t *stack, void (*handler)(int, siginfo_t *, void *))
{
	struct signal_frame *frame = (struct signal_frame *)align_down(top - sizeof(*frame), 16);
	const struct head head = {.stack = *stack, .mask = *mask};

	if (top < limit + sizeof(*frame) + 16 || uaccess_copy(&frame->uc, &head, sizeof(head)) ||
	    uaccess_copy(frame->uc.uc_mcontext.__gregs, tf->x, sizeof(tf->x)) ||
	    uaccess_copy(&frame->info, info, sizeof(*info)))
		return -EFAULT;
	tf->x[0] = (vaddr_t)signal_enter;
	tf->x[SP] = (vaddr_t)frame;
	tf->x[A0] = (uint64_t)info->si_signo;
	tf->x[A1] = (vaddr_t)&frame->info;
	tf->x[A2] = (vaddr_t)&frame->uc;
	tf->x[T0] = (vaddr_t)handler;
	return 0;
}

int signal_frame_pop(struct trap_frame *tf, sigset_t *mask)
{
	const struct signal_frame *frame = (const struct signal_frame *)tf->x[SP];
	__riscv_mc_gp_state x;

	if (uaccess_copy(mask, &frame->uc.uc_sigmask, sizeof(*mask)) ||
	    uaccess_copy(x, frame->uc.uc_mcontext.__gregs, sizeof(x)))
		return -EFAULT;
	for (size_t i = 0; i < array_size(x); i++)
		tf->x[i] = x[i];
	return 0;
}

void trap_frame_set_result(struct trap_frame *tf, enum signal_outcome outcome)
{
	tf->x[A0] = outcome;
}

void trap_frame_call(struct trap_frame *tf, void (*function)(void *), void *arg, vaddr_t stack)
{
	tf->x[0] = (vaddr_t)function;
	tf->x[SP] = align_down(stack, 16);
	tf->x[A0] = (vaddr_t)arg;
}
