// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The time CSR and the hart's timer: stimecmp where hart and firmware grant it, else a firmware call. Any context;
 * arming with interrupts masked.
 */

#include "arch/clock.h"

#include <errno.h>

#include "arch/riscv/riscv.h"

#define NS 1000000000ull

static uint64_t clock_boot; // the time CSR at the first instruction
static uint64_t clock_hz = 10000000;
static uint64_t clock_scale; // nanoseconds of a tick, times 2^32
static bool has_stimecmp, has_sbi_time;

void clock_set_boot(uint64_t time)
{
	clock_boot = time;
	clock_scale = (NS << 32) / clock_hz;
}

int clock_init(const struct fdt *fdt)
{
	fdt_node_t cpus = fdt_by_path(fdt, "/cpus");
	uint32_t hz = 0;

	if (cpus < 0 || !fdt_prop_u32(fdt, cpus, "timebase-frequency", 0, &hz) || hz == 0)
		return -EINVAL;
	clock_hz = hz;
	clock_scale = (NS << 32) / hz;
	has_sbi_time = sbi_probe(SBI_TIME);
	has_stimecmp = clock_probe_stimecmp(UINT64_MAX);
	clock_arm(UINT64_MAX);
	return 0;
}

nsec_t clock_now(void)
{
	return (nsec_t)((unsigned __int128)(csr_read(time) - clock_boot) * clock_scale >> 32);
}

void clock_arm(nsec_t deadline)
{
	uint64_t ticks = UINT64_MAX;

	/* Rounded up: a timer that fired a tick early would be armed again for nothing. */
	if (deadline / NS < UINT64_MAX / clock_hz / 2)
		ticks = clock_boot + deadline / NS * clock_hz + (deadline % NS * clock_hz + NS - 1) / NS;
	if (has_stimecmp)
		csr_write(0x14d, ticks);
	else if (has_sbi_time)
		(void)sbi_call(SBI_TIME, 0, ticks, 0);
	else
		(void)sbi_call(SBI_SET_TIMER, 0, ticks, 0);
}
