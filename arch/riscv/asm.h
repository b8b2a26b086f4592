// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Numbers that assembly shares with C. trap.c and context.c assert those that are offsets. */
#pragma once

#define SSTATUS_SIE 0x2
#define SSTATUS_SPIE 0x20
#define SSTATUS_SPP 0x100
#define SSTATUS_FS 0x6000 // 0 off, 1 initial, 2 clean, 3 dirty
#define SSTATUS_FS_INITIAL 0x2000

#define SIE_SOFT 0x2
#define SIE_TIMER 0x20
#define SIE_EXTERNAL 0x200

#define CSR_STIMECMP 0x14d

/* struct hart */
#define HART_KSTACK_BASE 0
#define HART_KSTACK_TOP 8
#define HART_EMERGENCY_TOP 16
#define HART_SCRATCH 24
#define HART_ID 72
#define HART_SIZE 96
#define HARTS_MAX 8

/* struct trap_frame */
#define TRAP_STATUS 256
#define TRAP_CAUSE 264
#define TRAP_VALUE 272
#define TRAP_FCSR 280
#define TRAP_FT 288
#define TRAP_FA 384
#define TRAP_RECORD 448
#define TRAP_SIZE 464

/* struct context */
#define CONTEXT_RA 0
#define CONTEXT_SP 8
#define CONTEXT_S 16
#define CONTEXT_TP 112
#define CONTEXT_FS_STATE 120
#define CONTEXT_FCSR 128
#define CONTEXT_FS 136

/* struct signal_frame */
#define SIGNAL_FLOAT 304
#define SIGNAL_FCSR 560

#define EMERGENCY_STACK_SIZE 8192
/* Room below a trap's frame without which the handler does not begin on the kernel stack. */
#define KSTACK_RESERVE 2048
