// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * void context_switch(struct context *from, struct context *to): the callee-saved registers, and the callee-saved FP
 * registers of a thread that has used FP (FS dirty).
 */
#include "arch/riscv/asm.h"

	.macro	each_s op, base
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	\op	s\n, CONTEXT_S+8*\n(\base)
	.endr
	.endm

	.macro	each_fs op, base
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	\op	fs\n, CONTEXT_FS+8*\n(\base)
	.endr
	.endm

	.text
	.globl	context_switch
context_switch:
	sd	ra, CONTEXT_RA(a0)
	sd	sp, CONTEXT_SP(a0)
	each_s	sd, a0
	sd	tp, CONTEXT_TP(a0)
	csrr	t0, sstatus
	li	t1, SSTATUS_FS
	and	t0, t0, t1
	sd	t0, CONTEXT_FS_STATE(a0)
	bne	t0, t1, 1f
	each_fs	fsd, a0
	frcsr	t2
	sd	t2, CONTEXT_FCSR(a0)

1:	ld	ra, CONTEXT_RA(a1)
	ld	sp, CONTEXT_SP(a1)
	each_s	ld, a1
	ld	tp, CONTEXT_TP(a1)
	ld	t2, CONTEXT_FS_STATE(a1)
	beq	t2, t1, 2f
	/* No FP state: the rounding mode is the default again, and FS goes back last, since the write dirties it. */
	fscsr	zero
	csrc	sstatus, t1
	csrs	sstatus, t2
	ret
2:	each_fs	fld, a1
	ld	t0, CONTEXT_FCSR(a1)
	fscsr	t0
	ret

/* First step of a new thread: context_init left entry in s1 and arg in s2. */
	.globl	context_start
context_start:
	mv	a0, s2
	mv	ra, zero
	jr	s1
