// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* sstatus.SIE is bit 1. */
#pragma once

static inline unsigned long irq_save(void)
{
	unsigned long status;

	__asm__ volatile("csrrci %0, sstatus, 2" : "=r"(status)::"memory");
	return status & 2;
}

static inline void irq_restore(unsigned long flags)
{
	__asm__ volatile("csrs sstatus, %0" ::"r"(flags) : "memory");
}
