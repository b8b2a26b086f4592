// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What belongs to a hart. On RISC-V it is reached through sscratch (arch/riscv/entry.S knows the offsets of the
 * first fields); tp is the thread's TLS pointer and moves with the thread. Valid only while the caller cannot be
 * moved: interrupts masked or preemption off. thread_self() is safe at any time.
 */
#pragma once

#include "arch/irq.h"
#include "lib/types.h"

struct thread;

#define HARTS_MAX 8

struct hart {
	vaddr_t kstack_base; // of the current thread: lowest valid address
	vaddr_t kstack_top;  // of the current thread
	vaddr_t emergency_top;
	uint64_t scratch[4]; // for trap entry, interrupts masked
	struct thread *current;
	struct thread *idle;
	uint64_t id;	// the firmware's number
	unsigned index; // 0 .. HARTS_MAX - 1; 0 is the hart that booted
	uint32_t irq_depth;
	bool need_resched; // set by interrupts and wake-ups, read on the way out of a trap; this hart only
};

/*
 * struct hart *hart_self(void):     the one that runs this
 * struct thread *thread_self(void): its thread, NULL before there is one
 */
#include <arch_hart.h>

struct hart *hart_at(unsigned index);

/* Interrupts a hart, this one included: trap_soft there, once it unmasks interrupts. Any context. */
void hart_interrupt(struct hart *hart);

/* One round of waiting for another hart in a loop: leaves it what harts share. Any context. */
void hart_relax(void);

/* The other harts stop for good, wherever they are: for reports and the end. Any context. */
void harts_stop(void);
