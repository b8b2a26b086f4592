// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Entry and exit of every trap. sscratch holds this hart's struct hart but for the few instructions until the thread
 * pointer is saved. The frame goes to the thread's kernel stack, which is wired; a trap that finds itself there
 * already stays and nests. If what is left of that stack would not hold the handler, or the stack pointer has left it
 * through its guard page, the frame goes to the hart's emergency stack and the handler reports.
 */
#include "arch/riscv/asm.h"

	.macro	each_x op
	.irp	n, 1, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\op	x\n, 8*\n(sp)
	.endr
	.endm

	.macro	each_f op
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	\op	ft\n, TRAP_FT+8*\n(sp)
	.endr
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	\op	fa\n, TRAP_FA+8*\n(sp)
	.endr
	.endm

	.text
	.balign	4
	.globl	trap_entry
trap_entry:
	csrrw	tp, sscratch, tp
	sd	t0, HART_SCRATCH(tp)
	sd	t1, HART_SCRATCH+8(tp)
	sd	sp, HART_SCRATCH+16(tp)

	ld	t0, HART_KSTACK_TOP(tp)
	bgtu	sp, t0, .Lelsewhere
	ld	t0, HART_KSTACK_BASE(tp)
	bltu	sp, t0, .Lbelow
	sub	t1, sp, t0
	li	t0, TRAP_SIZE + KSTACK_RESERVE
	bgeu	t1, t0, .Lhave_stack
.Lbad_stack:
	ld	sp, HART_EMERGENCY_TOP(tp)
	j	.Lhave_stack
.Lbelow:
	sub	t0, t0, sp
	li	t1, 4096		// the guard page
	bleu	t0, t1, .Lbad_stack
.Lelsewhere:
	ld	t0, HART_EMERGENCY_TOP(tp)
	sub	t0, t0, sp
	li	t1, EMERGENCY_STACK_SIZE
	bltu	t0, t1, .Lhave_stack	// a look-up by the report itself
	ld	sp, HART_KSTACK_TOP(tp)
.Lhave_stack:
	andi	sp, sp, -16
	addi	sp, sp, -TRAP_SIZE
	ld	t0, HART_SCRATCH(tp)
	ld	t1, HART_SCRATCH+8(tp)
	each_x	sd
	sd	gp, 8*3(sp)
	sd	fp, 8*8(sp)
	ld	t0, HART_SCRATCH+16(tp)
	sd	t0, 8*2(sp)
	csrrw	t0, sscratch, tp
	sd	t0, 8*4(sp)
	mv	tp, t0
	csrr	t0, sepc
	csrr	t1, sstatus
	csrr	t2, scause
	csrr	t3, stval
	sd	t0, 0(sp)
	sd	t1, TRAP_STATUS(sp)
	sd	t2, TRAP_CAUSE(sp)
	sd	t3, TRAP_VALUE(sp)
	sd	fp, TRAP_RECORD(sp)
	sd	t0, TRAP_RECORD+8(sp)
	addi	fp, sp, TRAP_SIZE

	li	t2, SSTATUS_FS
	and	t1, t1, t2
	bne	t1, t2, 1f
	each_f	fsd
	frcsr	t0
	sd	t0, TRAP_FCSR(sp)
1:	mv	a0, sp
	call	trap_handle

	/* Interrupts are masked again. What the handler did to FP registers is undone only if they held a value. */
	ld	t1, TRAP_STATUS(sp)
	li	t2, SSTATUS_FS
	and	t0, t1, t2
	bne	t0, t2, 1f
	each_f	fld
	ld	t0, TRAP_FCSR(sp)
	fscsr	t0
1:	ld	t0, 0(sp)
	sc.d	zero, t0, 0(sp)		// no reservation of what ran before holds for what runs next
	csrw	sepc, t0
	csrw	sstatus, t1
	ld	fp, 8*8(sp)
	ld	tp, 8*4(sp)
	each_x	ld
	ld	sp, 8*2(sp)
	sret
