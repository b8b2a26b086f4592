// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The copy helpers of arch/uaccess.h, and the table that tells the trap handler where each goes on when its fault
 * cannot be served. Words where both sides allow; after a fault the rest goes byte by byte, so that the count is exact
 * to the byte that could not be reached.
 */

/* One row of the table: [from, to) goes on at fixup; serve is 0 for look-ups that must not sleep. */
	.macro	fault_row from, to, fixup, serve
	.dword	\from, \to, \fixup, \serve
	.endm

	.text
/* size_t uaccess_copy_raw(void *dst, const void *src, size_t n) */
	.globl	uaccess_copy_raw
uaccess_copy_raw:
	add	a2, a1, a2		// end of source
	xor	t0, a0, a1
	andi	t0, t0, 7
.Lcopy_words:
	addi	t1, a2, -8
	bltu	t1, a1, .Lcopy_bytes	// fewer than 8 (or a range that wraps: byte by byte into its fault)
1:	andi	t1, a0, 7
	beqz	t1, 2f
	lbu	t2, 0(a1)
	sb	t2, 0(a0)
	addi	a1, a1, 1
	addi	a0, a0, 1
	j	1b
2:	bnez	t0, .Lcopy_shifted
	addi	t1, a2, -64
	bltu	t1, a1, 4f
3:	ld	t2, 0(a1)
	ld	t3, 8(a1)
	ld	t4, 16(a1)
	ld	t5, 24(a1)
	ld	t6, 32(a1)
	ld	a3, 40(a1)
	ld	a4, 48(a1)
	ld	a5, 56(a1)
	sd	t2, 0(a0)
	sd	t3, 8(a0)
	sd	t4, 16(a0)
	sd	t5, 24(a0)
	sd	t6, 32(a0)
	sd	a3, 40(a0)
	sd	a4, 48(a0)
	sd	a5, 56(a0)
	addi	a1, a1, 64
	addi	a0, a0, 64
	bleu	a1, t1, 3b
4:	addi	t1, a2, -8
5:	bltu	t1, a1, .Lcopy_bytes
	ld	t2, 0(a1)
	sd	t2, 0(a0)
	addi	a1, a1, 8
	addi	a0, a0, 8
	j	5b

/* dst is aligned, src is not: two aligned words of the source make one. None lies beyond the last byte's own word. */
.Lcopy_shifted:
	slli	t3, a1, 3
	andi	t3, t3, 56		// bits to drop from the lower word
	neg	t4, t3			// shift amounts count modulo 64
	andi	t5, a1, -8
	ld	t6, 0(t5)
	addi	t1, a2, -8
6:	bltu	t1, a1, .Lcopy_bytes
	ld	a3, 8(t5)
	srl	a4, t6, t3
	sll	a5, a3, t4
	or	a4, a4, a5
	sd	a4, 0(a0)
	mv	t6, a3
	addi	t5, t5, 8
	addi	a1, a1, 8
	addi	a0, a0, 8
	j	6b
.Lcopy_bytes:
	beq	a1, a2, 8f
7:	lbu	t2, 0(a1)
	sb	t2, 0(a0)
	addi	a1, a1, 1
	addi	a0, a0, 1
	bne	a1, a2, 7b
8:
.Lcopy_end:
	sub	a0, a2, a1
	ret

/* long uaccess_string(char *dst, const char *src, size_t size): its length, size if there was no NUL, -1 for a fault */
	.globl	uaccess_string
uaccess_string:
	mv	t0, zero
1:	beq	t0, a2, .Lstring_end
	add	t1, a1, t0
.Lstring_load:
	lbu	t2, 0(t1)
.Lstring_loaded:
	add	t1, a0, t0
	sb	t2, 0(t1)
	beqz	t2, .Lstring_end
	addi	t0, t0, 1
	j	1b
.Lstring_end:
	mv	a0, t0
	ret
.Lstring_fault:
	li	a0, -1
	ret

/* bool uaccess_peek32(const void *src, uint32_t *value) */
	.globl	uaccess_peek32
uaccess_peek32:
.Lpeek32_load:
	lwu	t0, 0(a0)
.Lpeek32_loaded:
	sw	t0, 0(a1)
	li	a0, 1
	ret

/* bool uaccess_peek64(const void *src, uint64_t *value) */
	.globl	uaccess_peek64
uaccess_peek64:
.Lpeek64_load:
	ld	t0, 0(a0)
.Lpeek64_loaded:
	sd	t0, 0(a1)
	li	a0, 1
	ret

/* bool clock_probe_stimecmp(uint64_t value): an illegal instruction unless hart and firmware let us have it */
	.globl	clock_probe_stimecmp
clock_probe_stimecmp:
.Lstimecmp_write:
	csrw	0x14d, a0
.Lstimecmp_written:
	li	a0, 1
	ret
.Lrefused:
	li	a0, 0
	ret

	.section .rodata.fault_rows, "a"
	.balign	8
	.globl	fault_rows, fault_rows_end
fault_rows:
	fault_row .Lcopy_words, .Lcopy_bytes, .Lcopy_bytes, 1
	fault_row .Lcopy_bytes, .Lcopy_end, .Lcopy_end, 1
	fault_row .Lstring_load, .Lstring_loaded, .Lstring_fault, 1
	fault_row .Lpeek32_load, .Lpeek32_loaded, .Lrefused, 0
	fault_row .Lpeek64_load, .Lpeek64_loaded, .Lrefused, 0
	fault_row .Lstimecmp_write, .Lstimecmp_written, .Lrefused, 0
fault_rows_end:
