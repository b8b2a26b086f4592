// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Written at start and constant then; no lock. */
#include "kernel/cpu.h"

static struct cpu cpus[HARTS_MAX];
static bool known[HARTS_MAX];

void cpu_set(unsigned index, const struct cpu *cpu)
{
	cpus[index] = *cpu;
	known[index] = true;
}

bool cpu_get(unsigned index, struct cpu *out)
{
	if (index >= HARTS_MAX || !known[index])
		return false;
	*out = cpus[index];
	return true;
}
