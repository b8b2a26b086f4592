// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Saved execution state of a thread that does not run, and the stacks it needs. On RISC-V the callee-saved
 * registers; on the host a Linux thread that waits for the baton.
 */
#pragma once

#include "lib/types.h"
#include <arch_context.h> // struct context

/*
 * Prepares a context that, when first switched to, calls entry(arg) on the stack [stack_base, stack_top) with the
 * thread pointer tls, interrupts masked. entry never returns.
 */
void context_init(struct context *ctx, void (*entry)(void *), void *arg, vaddr_t stack_base, vaddr_t stack_top,
		  void *tls);

/* Gives back what context_init took outside the struct. Only for a context that will never run again. */
void context_free(struct context *ctx);

/* Saves into from, continues to. Interrupts are masked; the scheduler's spinlock is held across the switch. */
void context_switch(struct context *from, struct context *to);

/*
 * Wired stacks, below each a guard where nothing is mapped. Both sizes are in bytes, a multiple of the page size but 0.
 * Returns 0 and the bounds, or -ENOMEM. May take frames; does not sleep.
 */
int stack_alloc(size_t size, size_t guard, vaddr_t *base, vaddr_t *top);
void stack_free(vaddr_t base, vaddr_t top, size_t guard);

/*
 * Thread-local storage block for a new thread, initialised from the image's template; the value for the thread
 * pointer. NULL: no memory. On the host, where the C library does this itself, a token.
 */
void *tls_create(void);
void tls_destroy(void *tls);
