// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What the harts are, in the words of the device tree. */
#pragma once

#include "arch/hart.h"

struct cpu {
	uint64_t id;	       // the firmware's number
	const char *isa, *mmu; // NULL: it is not said; valid for ever
};

/* The hart with this index. At start, before the application. */
void cpu_set(unsigned index, const struct cpu *cpu);
/* How many harts may run, from before the drivers are probed on. */
void cpu_set_possible(unsigned count);
unsigned cpu_possible(void);
/* False: it is not known. */
bool cpu_get(unsigned index, struct cpu *out);
