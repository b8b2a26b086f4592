// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What a trap hands up. Two functions are bound by the linker: the fault handler is mm's, the interrupt handler
 * drivers/irq's.
 */
#pragma once

#include "lib/types.h"
#include <arch_trap.h> // struct trap_frame: all registers at the trap

enum fault_access { FAULT_READ, FAULT_WRITE, FAULT_EXEC };

/* How a fault ended; anything but FAULT_OK becomes a signal, or the short count of a uaccess helper. */
enum fault_result {
	FAULT_OK,
	FAULT_MAPERR, // SIGSEGV, SEGV_MAPERR: no mapping there
	FAULT_ACCERR, // SIGSEGV, SEGV_ACCERR: mapping without the right
	FAULT_ADRERR, // SIGBUS, BUS_ADRERR: beyond the file's last page, I/O error, no space, no memory
	FAULT_KERNEL, // SIGSEGV, SEGV_ACCERR: in the kernel's half, where nothing is served (a guard page, or wild)
};

/*
 * Serves a page fault as a call of the current thread: interrupts on, may sleep. error is the errno behind
 * FAULT_ADRERR (positive), else 0. mm/fault.c.
 */
enum fault_result trap_page_fault(vaddr_t va, enum fault_access access, int *error);

/* External interrupt, interrupts masked. drivers/irq/. */
void trap_irq(void);

/* Timer interrupt, interrupts masked. kernel/time.c. */
void trap_timer(void);

/*
 * A trap that nothing served, as trap_fatal has it. Thread context, interrupts on. If the thread was in code of the
 * application that handles the signal, the trap leads to the handler when this returns; otherwise it does not return.
 * posix/signal_trap.c.
 */
void trap_fault(struct trap_frame *tf, unsigned cause, vaddr_t va, enum fault_result result, int error);

/* Whether a thread runs that shall look for signals on its way out of the trap. Interrupts masked. kernel/sched.c. */
bool thread_interrupted(void);

/*
 * On the way out of any trap, in thread context with interrupts on, when thread_interrupted says so: makes the trap
 * lead to the handler of a signal that waits for delivery. False: it was left as it is. The trap of signal_trap calls
 * poll instead, the one after a handler return. posix/signal_trap.c.
 */
bool trap_signal(struct trap_frame *tf);
void trap_signal_poll(struct trap_frame *tf);
void trap_signal_return(struct trap_frame *tf);

/*
 * A trap of the application that nothing served: a fault with its result, or another exception (access fault, illegal
 * instruction, misaligned access, breakpoint: result FAULT_OK, cause as the architecture numbers it). Thread context,
 * interrupts on. Reports, syncs, powers off with status 139. posix/fault.c.
 */
_Noreturn void trap_fatal(const struct trap_frame *tf, unsigned cause, vaddr_t va, enum fault_result result, int error);

/*
 * A fault in the kernel's half of the address space, or one taken with interrupts masked: a stack run over into its
 * guard page, a wild pointer of the application's (both as trap_fatal), or a mistake of the kernel's, a panic. Any
 * context. kernel/panic.c.
 */
_Noreturn void trap_kernel(const struct trap_frame *tf, unsigned cause, vaddr_t va);

/* hart_interrupt's interrupt, masked. kernel/sched.c. */
void trap_soft(void);

/* First C of a hart that was started, interrupts masked, on a stack that it leaves for good. kernel/sched.c. */
_Noreturn void sched_hart_enter(void);

/* On the way out of a trap, interrupts masked: lets another thread run if one is due. kernel/sched.c. */
void sched_preempt(void);

/* Where a trap frame was: for reports. */
vaddr_t trap_frame_pc(const struct trap_frame *tf);
vaddr_t trap_frame_sp(const struct trap_frame *tf);
vaddr_t trap_frame_fp(const struct trap_frame *tf);

/* Prints all registers, and a backtrace with symbols, to the log (emergency path, any context). */
void trap_frame_print(const struct trap_frame *tf);
void backtrace_print(vaddr_t pc, vaddr_t fp);
/* Of a thread that does not run, at most so many calls. Its stack may hold anything. */
struct context;
void backtrace_context(const struct context *ctx, unsigned depth_max);
/* Backtrace of the caller. */
void backtrace_here(void);
