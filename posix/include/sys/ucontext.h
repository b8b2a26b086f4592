// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What a handler of a signal sees, and may change, of the code that it interrupted. Names and layout of the registers
 * are those of Linux on RISC-V: __gregs[REG_PC] is where the code goes on, __gregs[n] register xn.
 */
#pragma once

#include <stddef.h>
#include <sys/_sigset.h>

#define REG_PC 0
#define REG_RA 1
#define REG_SP 2
#define REG_TP 4
#define REG_S0 8
#define REG_S1 9
#define REG_A0 10
#define REG_S2 18
#define REG_NARGS 8

#define MINSIGSTKSZ 2048
#define SIGSTKSZ 16384 // calls of the kernel run on the caller's stack

#define SS_ONSTACK 1
#define SS_DISABLE 2

typedef struct sigaltstack {
	void *ss_sp;
	int ss_flags;
	size_t ss_size;
} stack_t;

typedef unsigned long __riscv_mc_gp_state[32];

struct __riscv_mc_d_ext_state {
	unsigned long long __f[32];
	unsigned int __fcsr;
};

union __riscv_mc_fp_state {
	struct __riscv_mc_d_ext_state __d;
};

typedef struct mcontext_t {
	__riscv_mc_gp_state __gregs;
	union __riscv_mc_fp_state __fpregs;
} mcontext_t;

typedef struct ucontext_t {
	unsigned long uc_flags;
	struct ucontext_t *uc_link;
	stack_t uc_stack;
	__sigset_t uc_sigmask;
	mcontext_t uc_mcontext;
} ucontext_t;
