// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What each trap is, and who serves it. An interrupt is served with interrupts masked. A page fault in the half of the
 * address space that mmap hands out is a call of the thread: interrupts on, may sleep. Everything runs on the thread's
 * kernel stack, so either may end in another thread's turn.
 */

#include "arch/trap.h"

#include <stddef.h>

#include "arch/riscv/riscv.h"
#include "arch/signal.h"

_Static_assert(offsetof(struct trap_frame, status) == TRAP_STATUS, "asm.h");
_Static_assert(offsetof(struct trap_frame, cause) == TRAP_CAUSE, "asm.h");
_Static_assert(offsetof(struct trap_frame, value) == TRAP_VALUE, "asm.h");
_Static_assert(offsetof(struct trap_frame, fcsr) == TRAP_FCSR, "asm.h");
_Static_assert(offsetof(struct trap_frame, ft) == TRAP_FT, "asm.h");
_Static_assert(offsetof(struct trap_frame, fa) == TRAP_FA, "asm.h");
_Static_assert(offsetof(struct trap_frame, record) == TRAP_RECORD, "asm.h");
_Static_assert(sizeof(struct trap_frame) == TRAP_SIZE, "asm.h");

#define CAUSE_INTERRUPT (1ul << 63)

enum interrupt { INTERRUPT_SOFT = 1, INTERRUPT_TIMER = 5, INTERRUPT_EXTERNAL = 9 };
enum cause { CAUSE_BREAKPOINT = 3, CAUSE_FETCH_PAGE = 12, CAUSE_LOAD_PAGE = 13, CAUSE_STORE_PAGE = 15 };

/* A row of uaccess.S: in [from, to) a fault that is not served goes on at fixup; serve 0: none is. */
struct fault_row {
	uint64_t from, to, fixup, serve;
};
extern const struct fault_row fault_rows[], fault_rows_end[];

static const struct fault_row *fault_row_of(vaddr_t pc)
{
	for (const struct fault_row *row = fault_rows; row < fault_rows_end; row++) {
		if (pc >= row->from && pc < row->to)
			return row;
	}
	return NULL;
}

static void interrupt(enum interrupt number)
{
	struct hart *hart = hart_self();

	hart->irq_depth++;
	switch (number) {
	case INTERRUPT_SOFT:
		csr_clear(sip, SIE_SOFT);
		smp_stop_if_told();
		trap_soft();
		break;
	case INTERRUPT_TIMER:
		trap_timer();
		break;
	case INTERRUPT_EXTERNAL:
		trap_irq();
		break;
	}
	hart->irq_depth--;
}

static enum fault_result serve_page_fault(const struct trap_frame *tf, int *error)
{
	enum fault_access access = tf->cause == CAUSE_LOAD_PAGE	   ? FAULT_READ
				   : tf->cause == CAUSE_STORE_PAGE ? FAULT_WRITE
								   : FAULT_EXEC;
	enum fault_result result;

	csr_set(sstatus, SSTATUS_SIE);
	result = trap_page_fault(tf->value, access, error);
	csr_clear(sstatus, SSTATUS_SIE);
	return result;
}

/* The breakpoints of signal.S. False: another one. */
static bool serve_breakpoint(struct trap_frame *tf)
{
	bool poll = tf->x[0] == (vaddr_t)signal_trap;

	if (!poll && tf->x[0] != (vaddr_t)signal_return)
		return false;
	csr_set(sstatus, SSTATUS_SIE);
	if (poll) {
		tf->x[0] += 4;
		trap_signal_poll(tf);
	} else {
		trap_signal_return(tf);
	}
	csr_clear(sstatus, SSTATUS_SIE);
	return true;
}

static void exception(struct trap_frame *tf, const struct fault_row *row)
{
	bool page_fault =
	    tf->cause == CAUSE_FETCH_PAGE || tf->cause == CAUSE_LOAD_PAGE || tf->cause == CAUSE_STORE_PAGE;
	bool unmasked = tf->status & SSTATUS_SPIE;
	enum fault_result result = FAULT_OK;
	int error = 0;

	if (page_fault && tf->value < LINEAR_BASE && unmasked && (!row || row->serve)) {
		result = serve_page_fault(tf, &error);
		if (result == FAULT_OK)
			return;
	}
	/* Application memory touched with interrupts masked is our mistake, not a short count. */
	if (row && (unmasked || !row->serve)) {
		tf->x[0] = row->fixup;
		return;
	}
	if (!unmasked)
		trap_kernel(tf, (unsigned)tf->cause, tf->value);
	if (tf->cause == CAUSE_BREAKPOINT && serve_breakpoint(tf))
		return;
	if (page_fault && tf->value >= LINEAR_BASE)
		result = FAULT_KERNEL;
	csr_set(sstatus, SSTATUS_SIE);
	trap_fault(tf, (unsigned)tf->cause, tf->value, result, error);
	csr_clear(sstatus, SSTATUS_SIE);
}

/* Interrupts masked; unmasked while a signal is looked at, so again until none has come meanwhile. */
static void signals_deliver(struct trap_frame *tf)
{
	const struct hart *hart = hart_self();
	bool nested = tf->x[2] >= hart->kstack_base && tf->x[2] <= hart->kstack_top;
	bool more = (tf->status & SSTATUS_SPIE) && !nested;

	while (more && thread_interrupted()) {
		csr_set(sstatus, SSTATUS_SIE);
		more = trap_signal(tf);
		csr_clear(sstatus, SSTATUS_SIE);
	}
}

void trap_handle(struct trap_frame *tf)
{
	struct hart *hart = hart_self();
	bool is_interrupt = tf->cause & CAUSE_INTERRUPT;
	const struct fault_row *row = is_interrupt ? NULL : fault_row_of(tf->x[0]);

	/* On the emergency stack nothing goes on but the report's own look-ups. */
	if (((vaddr_t)tf < hart->kstack_base || (vaddr_t)tf >= hart->kstack_top) && !(row && !row->serve))
		trap_kernel(tf, (unsigned)tf->cause, tf->value);
	if (is_interrupt)
		interrupt((enum interrupt)(tf->cause & ~CAUSE_INTERRUPT));
	else
		exception(tf, row);

	hart = hart_self(); // a fault that slept may have moved
	if (hart->need_resched && hart->irq_depth == 0 && (tf->status & SSTATUS_SPIE))
		sched_preempt();
	signals_deliver(tf);
}

vaddr_t trap_frame_pc(const struct trap_frame *tf)
{
	return tf->x[0];
}

vaddr_t trap_frame_sp(const struct trap_frame *tf)
{
	return tf->x[2];
}

vaddr_t trap_frame_fp(const struct trap_frame *tf)
{
	return tf->x[8];
}
