// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Masking of interrupts by sstatus.SIE. */

#include "arch/irq.h"

#include "arch/riscv/riscv.h"

bool irq_enabled(void)
{
	return csr_read(sstatus) & SSTATUS_SIE;
}

void irq_enable(void)
{
	csr_set(sstatus, SSTATUS_SIE);
}
