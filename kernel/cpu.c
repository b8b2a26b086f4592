// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Written at start and constant then; no lock. */
#include "kernel/cpu.h"

static struct cpu cpus[HARTS_MAX];
static bool known[HARTS_MAX];
static unsigned possible = 1;

void cpu_set(unsigned index, const struct cpu *cpu)
{
	cpus[index] = *cpu;
	known[index] = true;
}

void cpu_set_possible(unsigned count)
{
	possible = count;
}

unsigned cpu_possible(void)
{
	return possible;
}

bool cpu_get(unsigned index, struct cpu *out)
{
	if (index >= HARTS_MAX || !known[index])
		return false;
	*out = cpus[index];
	return true;
}
