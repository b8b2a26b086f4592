// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* How often each interrupt came, for reports. Any context. */
#pragma once

#include "lib/types.h"

/* An external one. */
struct interrupt_info {
	unsigned number; // the controller's
	const char *chip, *name;
	unsigned long count; // all on the hart that booted
};

/*
 * The interrupt controller says what it has: the first number in use above `after`; false: none. Once, at its probe;
 * it is called in thread context.
 */
void interrupts_set_source(bool (*next)(unsigned after, struct interrupt_info *out));
/* What it says; false, too, without one. */
bool interrupts_next(unsigned after, struct interrupt_info *out);

/* A hart's own. In the interrupt. */
enum interrupt_kind { INTERRUPT_TIMER, INTERRUPT_SOFT, INTERRUPT_KINDS };
void interrupt_count(enum interrupt_kind kind);
unsigned long interrupt_counted(enum interrupt_kind kind, unsigned hart);
