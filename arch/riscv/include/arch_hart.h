// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

static inline struct hart *hart_self(void)
{
	struct hart *hart;

	__asm__ volatile("csrr %0, sscratch" : "=r"(hart));
	return hart;
}

/* Two steps, hart and then its thread: masked, so that the thread cannot go on elsewhere between them. */
static inline struct thread *thread_self(void)
{
	unsigned long flags = irq_save();
	struct thread *self = hart_self()->current;

	irq_restore(flags);
	return self;
}
