// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The image's first bytes: the RISC-V Linux boot image header, which is also the first instruction, and the way from
 * a loader's hand (a0 hart id, a1 device tree, MMU off, any place aligned to 4 KiB) into the high half. Until satp is
 * written everything is reached relative to the program counter, so symbols mean physical places.
 */
#include "arch/riscv/asm.h"

	.section .image_entry, "ax"
	.option norvc
	.globl _start
_start:
	j	entry
	nop
	.dword	0x200000		// wanted distance from the start of RAM
	.dword	image_size		// with bss and boot tables
	.dword	0			// flags: little endian
	.word	2			// header version 0.2
	.word	0
	.dword	0
	.ascii	"RISCV\0\0\0"
	.ascii	"RSC\x05"
	.word	0

	.option rvc
entry:
	csrw	sie, zero
	csrci	sstatus, SSTATUS_SIE
	lla	t0, entered
	li	t1, 1
	amoswap.w.aqrl t1, t1, (t0)
	bnez	t1, entered_again
	mv	s3, a0
	mv	s1, a1
	rdtime	s2
	.option push
	.option norelax
	lla	gp, __global_pointer$
	.option pop

	lla	t0, image_bss
	lla	t1, image_pool
0:	.irp	at, 0, 8, 16, 24, 32, 40, 48, 56
	sd	zero, \at(t0)
	.endr
	addi	t0, t0, 64
	bltu	t0, t1, 0b

	lla	sp, boot_stack_top
	lla	a0, _start
	mv	a1, s1
	call	map_boot		// a0: value for satp

	/* The low half maps nothing, so the fetch after the switch faults, and the fault lands in the high half. */
	lla	t0, high_address
	ld	t0, 0(t0)
	csrw	stvec, t0
	sfence.vma
	csrw	satp, a0
	sfence.vma
	unimp

	.balign	4
high:
	.option push
	.option norelax
	lla	gp, __global_pointer$
	.option pop
	lla	t0, trap_entry
	csrw	stvec, t0
	lla	sp, boot_stack_top
	lla	tp, harts
	csrw	sscratch, tp
	li	t0, SSTATUS_FS
	csrc	sstatus, t0
	li	t0, SSTATUS_FS_INITIAL
	csrs	sstatus, t0
	mv	fp, zero
	mv	ra, zero
	mv	a0, s3
	mv	a1, s2
	call	hart_boot
	mv	tp, a0			// the boot flow's thread-local storage
	mv	a0, s1
	call	board_main
	unimp

	/*
	 * Firmware may send a hart that hart_start has started here: OpenSBI before 1.2 lets it go before it has written
	 * where to. It is known by its number.
	 */
entered_again:
	lla	t0, harts
	lla	t1, harts_address
	ld	a1, 0(t1)
	li	t1, HARTS_MAX
0:	ld	t2, HART_EMERGENCY_TOP(t0)
	beqz	t2, 1f			// no hart was started with this record
	ld	t2, HART_ID(t0)
	beq	t2, a0, hart_entry
1:	addi	t0, t0, HART_SIZE
	addi	a1, a1, HART_SIZE
	addi	t1, t1, -1
	bnez	t1, 0b
2:	wfi
	j	2b

	/* A further hart, started by hart_start (smp.c): a0 its number, a1 its struct hart; again with the MMU off. */
	.balign	4
	.globl	hart_entry
hart_entry:
	csrw	sie, zero
	csrci	sstatus, SSTATUS_SIE
	mv	s1, a1
	lla	t0, hart_high_address
	ld	t0, 0(t0)
	csrw	stvec, t0
	lla	t0, pt_root
	srli	t0, t0, 12
	li	t1, 8 << 60		// Sv39
	or	t0, t0, t1
	sfence.vma
	csrw	satp, t0
	sfence.vma
	unimp

	.balign	4
hart_high:
	.option push
	.option norelax
	lla	gp, __global_pointer$
	.option pop
	lla	t0, trap_entry
	csrw	stvec, t0
	csrw	sscratch, s1
	ld	sp, HART_EMERGENCY_TOP(s1)
	li	t0, SSTATUS_FS
	csrc	sstatus, t0
	li	t0, SSTATUS_FS_INITIAL
	csrs	sstatus, t0
	fence.i				// code that others wrote before fences reached this hart
	mv	tp, zero		// no thread yet
	mv	fp, zero
	mv	ra, zero
	call	hart_started
	unimp

	.section .rodata.high_address, "a"
	.balign	8
high_address:
	.dword	high
hart_high_address:
	.dword	hart_high
harts_address:
	.dword	harts

	.section .data.entered, "aw"
	.balign	4
entered:
	.word	0

	.section .bss.boot_stack, "aw", @nobits
	.balign	16
	.space	32768
boot_stack_top:
