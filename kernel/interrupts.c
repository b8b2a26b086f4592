// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Counts of interrupts. Each is a hart's own, read by others at any moment; no lock. */
#include "kernel/interrupts.h"

#include <stdatomic.h>

#include "arch/hart.h"

static atomic_ulong counts[INTERRUPT_KINDS][HARTS_MAX];		   // relaxed
static bool (*source)(unsigned after, struct interrupt_info *out); // constant once there is a second thread

void interrupts_set_source(bool (*next)(unsigned after, struct interrupt_info *out))
{
	source = next;
}

bool interrupts_next(unsigned after, struct interrupt_info *out)
{
	return source && source(after, out);
}

void interrupt_count(enum interrupt_kind kind)
{
	atomic_fetch_add_explicit(&counts[kind][hart_self()->index], 1, memory_order_relaxed);
}

unsigned long interrupt_counted(enum interrupt_kind kind, unsigned hart)
{
	return atomic_load_explicit(&counts[kind][hart], memory_order_relaxed);
}
