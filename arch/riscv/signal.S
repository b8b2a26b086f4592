// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The steps around a handler of a signal that run on the application's stack: sp is the frame of signal.c. The
 * floating-point registers are saved here, where they still hold what the interrupted code had in them.
 */
#include "arch/riscv/asm.h"

	.macro	each_float op
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\op	f\n, SIGNAL_FLOAT+8*\n(sp)
	.endr
	.endm

	.text
	.option	norvc
/* a0 to a2: the handler's arguments, t0: the handler */
	.globl	signal_enter, signal_return
signal_enter:
	each_float fsd
	frcsr	t1
	sw	t1, SIGNAL_FCSR(sp)
	jalr	t0
	each_float fld
	lw	t1, SIGNAL_FCSR(sp)
	fscsr	t1
signal_return:
	ebreak

/* enum signal_outcome signal_trap(void) */
	.globl	signal_trap
signal_trap:
	ebreak
	ret
