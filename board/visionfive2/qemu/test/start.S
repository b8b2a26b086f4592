// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright the cairn authors

    .section .text.start
    .globl _start
_start:
    csrr t0, mhartid
    li   t1, 1
    bne  t0, t1, 2f
    la   t0, trap
    csrw mtvec, t0
    la   sp, stack_top
    la   t0, __bss_start
    la   t1, __bss_end
1:  bgeu t0, t1, 3f
    sd   zero, 0(t0)
    addi t0, t0, 8
    j    1b
3:  call main
2:  wfi
    j    2b
    .balign 4
trap:
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    call trapped
    j 2b
    .bss
    .balign 16
    .space 65536
stack_top:
