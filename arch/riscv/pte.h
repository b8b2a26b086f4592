// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Sv39 page-table entries as the hardware sees them. */
#pragma once

#include <stdatomic.h>

#include "arch/irq.h"
#include "arch/page.h"

#define PTE_V 0x1ul
#define PTE_R 0x2ul
#define PTE_W 0x4ul
#define PTE_X 0x8ul
#define PTE_G 0x20ul
#define PTE_A 0x40ul
#define PTE_D 0x80ul
#define PTE_HELD 0x100ul // for software: with V clear, a frame that is kept without access
#define PTE_COUNT 512
#define PADDR_BITS 56

/* Bytes that an entry of a table of this level covers: 4 KiB, 2 MiB, 1 GiB. */
static inline uint64_t pte_span(unsigned level)
{
	return PAGE_SIZE << (9 * level);
}

static inline size_t pte_index(vaddr_t va, unsigned level)
{
	return va >> (PAGE_SHIFT + 9 * level) & (PTE_COUNT - 1);
}

static inline uint64_t pte_of(paddr_t pa)
{
	return pa >> PAGE_SHIFT << 10;
}

static inline paddr_t pte_address(uint64_t entry)
{
	return (entry >> 10 & ((1ul << 44) - 1)) << PAGE_SHIFT;
}

/* The lock of arch/'s own few tables: interrupts masked, nothing sleeps. Acquire pairs with the release of unlock. */
static inline unsigned long arch_lock(atomic_flag *lock)
{
	unsigned long flags = irq_save();

	while (atomic_flag_test_and_set_explicit(lock, memory_order_acquire))
		;
	return flags;
}

static inline void arch_unlock(atomic_flag *lock, unsigned long flags)
{
	atomic_flag_clear_explicit(lock, memory_order_release);
	irq_restore(flags);
}
