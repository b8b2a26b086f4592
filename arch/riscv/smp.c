// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Several harts: starting them (SBI HSM), interrupting them (SBI IPI), and making them forget page-table entries and
 * instructions (SBI RFENCE). The firmware serves fences in M-mode whatever the other hart has masked, so waiting for
 * one cannot deadlock with a hart that spins for a lock.
 *
 * A hart's bit in `started` is set before the hart runs, so from its first instruction on every fence reaches it; those
 * before are covered by the fence of its entry. Never sleeps.
 */

#include <errno.h>
#include <stdatomic.h>

#include "arch/cache.h"
#include "arch/context.h"
#include "arch/irq.h"
#include "arch/riscv/riscv.h"
#include "arch/upcall.h"

#define FENCE_PAGES_MAX 16 // beyond, all is forgotten

void hart_entry(void); // entry.S

static bool can_start;
static uint64_t base;		 // the firmware's number of the hart that is bit 0 of a mask
static atomic_ulong started;	 // harts that fences go to
static atomic_bool stopping;	 // the machine ends: who is interrupted parks
static atomic_ulong waiting;	 // harts in irq_wait
static atomic_ulong fences;	 // of entries, made so far
static atomic_ulong code_fences; // of instructions
static bool fence_whole;	 // erratum CIP-1200: a fence of one address may leave its entry

static unsigned long mask_of(const struct hart *hart)
{
	return 1ul << (hart->id - base);
}

void smp_init(void)
{
	unsigned long vendor = (unsigned long)sbi_call(SBI_BASE, 4, 0, 0).value;
	unsigned long arch = (unsigned long)sbi_call(SBI_BASE, 5, 0, 0).value;
	unsigned long version = (unsigned long)sbi_call(SBI_BASE, 6, 0, 0).value & 0xffffff;

	fence_whole = vendor == 0x489 && arch == 0x8000000000000007 && version <= 0x200630 && version != 0x1200626;
	can_start = sbi_probe(SBI_HSM) && sbi_probe(SBI_IPI) && sbi_probe(SBI_RFENCE);
	base = harts[0].id & ~63ul;
	atomic_store(&started, mask_of(&harts[0]));
}

int hart_start(struct hart *hart, uint64_t id)
{
	vaddr_t stack_base;
	paddr_t entry = image_start() + (paddr_t)((char *)hart_entry - image_text);
	struct sbi_result r;
	int err;

	if (!can_start || id - base >= 64)
		return -ENODEV;
	err = stack_alloc(EMERGENCY_STACK_SIZE, PAGE_SIZE, &stack_base, &hart->emergency_top);
	if (err)
		return err;
	hart->id = id;
	atomic_fetch_or(&started, mask_of(hart));
	r = sbi_call4(SBI_HSM, 0, id, entry, (unsigned long)hart, 0);
	if (!r.error)
		return 0;
	atomic_fetch_and(&started, ~mask_of(hart));
	stack_free(stack_base, hart->emergency_top, PAGE_SIZE);
	return -EIO;
}

void hart_interrupt(struct hart *hart)
{
	unsigned long flags = irq_save();

	if (hart == hart_self())
		csr_set(sip, SIE_SOFT);
	else if (sbi_call(SBI_IPI, 0, mask_of(hart), base).error)
		upcall_panic("the firmware does not interrupt hart %lu", (unsigned long)hart->id);
	irq_restore(flags);
}

void harts_stop(void)
{
	unsigned long flags = irq_save();
	unsigned long others = atomic_load(&started) & ~mask_of(hart_self());

	atomic_store(&stopping, true);
	/* A firmware that refuses leaves them running: what is reported may change under the report. */
	if (others)
		(void)sbi_call(SBI_IPI, 0, others, base);
	irq_restore(flags);
}

void smp_stop_if_told(void)
{
	while (atomic_load(&stopping))
		irq_wait();
}

/*
 * ---- fences ----
 *
 * A hart that waits for an interrupt is spared them: it touches nothing but its own stack and the image, and forgets
 * all it knows when it goes on, if there was a fence meanwhile. It first leaves `waiting` and then looks at `fences`;
 * who fences first counts, and then looks who waits. Both are sequentially consistent: one of the two sees the other.
 */
static void code_fence(void)
{
	__asm__ volatile("fence.i" ::: "memory");
}

void tlb_fence(vaddr_t va)
{
	if (fence_whole)
		tlb_fence_all();
	else
		__asm__ volatile("sfence.vma %0, zero" ::"r"(va) : "memory");
}

void tlb_fence_all(void)
{
	__asm__ volatile("sfence.vma" ::: "memory");
}

void irq_wait(void)
{
	const unsigned long self = mask_of(hart_self()), seen = atomic_load(&fences);
	const unsigned long code_seen = atomic_load(&code_fences);

	atomic_fetch_or(&waiting, self);
	/* Ends when an interrupt that sie lets through is pending, masked by sstatus or not. */
	__asm__ volatile("wfi" ::: "memory");
	atomic_fetch_and(&waiting, ~self);
	if (atomic_load(&fences) != seen)
		tlb_fence_all();
	if (atomic_load(&code_fences) != code_seen)
		code_fence();
}

/* Those that fences go to, once their count is raised. */
static unsigned long others_awake(void)
{
	return atomic_load(&started) & ~atomic_load(&waiting) & ~mask_of(hart_self());
}

void tlb_flush(vaddr_t from, vaddr_t to)
{
	const bool whole = fence_whole || to - from > FENCE_PAGES_MAX * PAGE_SIZE;
	unsigned long flags = irq_save(); // stays on this hart
	unsigned long others;

	for (vaddr_t va = from; va < to && !whole; va += PAGE_SIZE)
		tlb_fence(va);
	if (whole)
		tlb_fence_all();
	/* Whoever sees the count, and whomever the firmware interrupts after the fence, sees the entries as they are.
	 */
	atomic_fetch_add(&fences, 1);
	__asm__ volatile("fence rw, rw" ::: "memory");
	others = others_awake();
	if (others && sbi_call4(SBI_RFENCE, 1, others, base, whole ? 0 : from, whole ? -1ul : to - from).error)
		upcall_panic("the firmware does not fence the other harts");
	irq_restore(flags);
}

void tlb_flush_all(void)
{
	tlb_flush(0, -1ul);
}

void icache_sync(void)
{
	unsigned long flags = irq_save(); // stays on this hart
	unsigned long others;

	code_fence();
	atomic_fetch_add(&code_fences, 1);
	__asm__ volatile("fence rw, rw" ::: "memory"); // as in tlb_flush
	others = others_awake();
	if (others && sbi_call(SBI_RFENCE, 0, others, base).error)
		upcall_panic("the firmware does not fence the other harts");
	irq_restore(flags);
}

/*
 * Relaxed: who executes code here through an entry that was made before this look, and not seen, has been fenced by who
 * made the entry, and after it.
 */
void icache_follow(void)
{
	if (atomic_load_explicit(&code_fences, memory_order_relaxed))
		code_fence();
}
