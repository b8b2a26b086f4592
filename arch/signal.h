// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Handlers of signals: a frame on one of the application's stacks holds all that the thread was about, and the trap
 * returns into the handler; the handler's return is a trap again (trap_signal_return), which takes the frame off.
 * Thread context, interrupts on; what reads or writes the application's stack may fault and so sleep.
 */
#pragma once

#include <signal.h>

#include "arch/trap.h"

/* Signal number and si_code of an exception that is no page fault. Any context. */
void signal_of_trap(const struct trap_frame *tf, int *sig, int *code);

/*
 * Writes a frame below `top`, with mask and stack in its ucontext, and makes the trap go on in handler. 0, or -EFAULT:
 * the stack cannot be written there, or the frame would begin below `limit`; the trap is as it was.
 */
int signal_frame_push(struct trap_frame *tf, vaddr_t top, vaddr_t limit, const siginfo_t *info, const sigset_t *mask,
		      const stack_t *stack, void (*handler)(int, siginfo_t *, void *));

/* The trap goes on as the frame says that the handler returned to. 0, or -EFAULT: there is none. */
int signal_frame_pop(struct trap_frame *tf, sigset_t *mask);

/* What has run at the end of a call: no handler, or a first one that had SA_RESTART, or had not. */
enum signal_outcome { SIGNAL_NONE, SIGNAL_RESTART, SIGNAL_EINTR };

/*
 * A trap that brings nothing but trap_signal_poll, which says the outcome by trap_frame_set_result. Handlers have run
 * when it returns.
 */
enum signal_outcome signal_trap(void);
void trap_frame_set_result(struct trap_frame *tf, enum signal_outcome outcome);

/* The trap goes on in function(arg), which does not return, on the stack that is free from `stack` down. */
void trap_frame_call(struct trap_frame *tf, void (*function)(void *), void *arg, vaddr_t stack);
