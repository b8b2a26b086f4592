// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Masking of interrupts by sstatus.SIE. */

#include "arch/irq.h"

#include "arch/riscv/riscv.h"

unsigned long irq_save(void)
{
	unsigned long status;

	__asm__ volatile("csrrci %0, sstatus, %1" : "=r"(status) : "i"(SSTATUS_SIE) : "memory");
	return status & SSTATUS_SIE;
}

void irq_restore(unsigned long flags)
{
	csr_set(sstatus, flags);
}

bool irq_enabled(void)
{
	return csr_read(sstatus) & SSTATUS_SIE;
}

void irq_enable(void)
{
	csr_set(sstatus, SSTATUS_SIE);
}
