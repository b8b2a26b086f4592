// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The harts' records, this hart's found through sscratch, and the stacks that traps of the boot flow use. */

#include "arch/hart.h"

#include <stddef.h>

#include "arch/irq.h"
#include "arch/riscv/riscv.h"
#include "arch/trap.h"

#define BOOT_KSTACK_SIZE (16 * 1024)

_Static_assert(offsetof(struct hart, kstack_base) == HART_KSTACK_BASE, "asm.h");
_Static_assert(offsetof(struct hart, kstack_top) == HART_KSTACK_TOP, "asm.h");
_Static_assert(offsetof(struct hart, emergency_top) == HART_EMERGENCY_TOP, "asm.h");
_Static_assert(offsetof(struct hart, scratch) == HART_SCRATCH, "asm.h");
_Static_assert(offsetof(struct hart, id) == HART_ID, "asm.h");
_Static_assert(sizeof(struct hart) == HART_SIZE, "asm.h");

/* entry.S has the boot stack of the first. */
struct hart harts[HARTS_MAX];
static _Alignas(PAGE_SIZE) uint8_t boot_kstack[BOOT_KSTACK_SIZE];
static _Alignas(16) uint8_t boot_emergency[EMERGENCY_STACK_SIZE];

struct hart *hart_at(unsigned index)
{
	return &harts[index];
}

/* Zihintpause's pause: a fence that does nothing on harts that do not know it. */
void hart_relax(void)
{
	__asm__ volatile(".4byte 0x0100000f");
}

/* Called by entry.S once the high half is there; returns the boot flow's thread pointer. */
void *hart_boot(uint64_t id, uint64_t time)
{
	harts[0].id = id;
	harts[0].kstack_base = (vaddr_t)boot_kstack;
	harts[0].kstack_top = (vaddr_t)boot_kstack + sizeof(boot_kstack);
	harts[0].emergency_top = (vaddr_t)boot_emergency + sizeof(boot_emergency);
	clock_set_boot(time);
	return tls_boot();
}

void hart_init(void)
{
	csr_write(sie, SIE_TIMER | SIE_EXTERNAL | SIE_SOFT);
}

/* Called by entry.S on the emergency stack. External interrupts go to the first hart alone (drivers/irq/plic.c). */
void hart_started(void)
{
	csr_write(sie, SIE_TIMER | SIE_SOFT);
	sched_hart_enter();
}
