// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The other harts: those of the device tree's /cpus that are enabled and have an MMU. At start; sleeps never. */

#include "board/harts.h"

#include <errno.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "arch/riscv/riscv.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "kernel/time.h"

/* A hart for applications: hart 0 of the FU740 and the JH7110 is a monitor core without MMU. */
static bool hart_usable(const struct fdt *fdt, fdt_node_t cpu, uint64_t *id)
{
	const char *type = fdt_prop_string(fdt, cpu, "device_type");
	const char *mmu = fdt_prop_string(fdt, cpu, "mmu-type");
	uint32_t high, low;

	if (!type || strcmp(type, "cpu") != 0 || !mmu || !strcmp(mmu, "riscv,none") || !fdt_is_enabled(fdt, cpu) ||
	    !fdt_prop_u32(fdt, cpu, "reg", 0, &high))
		return false;
	*id = fdt_prop_u32(fdt, cpu, "reg", 1, &low) ? (uint64_t)high << 32 | low : high;
	return true;
}

static void describe(unsigned index, const struct fdt *fdt, fdt_node_t cpu, uint64_t id)
{
	const char *mmu = fdt_prop_string(fdt, cpu, "mmu-type");

	if (mmu && !strncmp(mmu, "riscv,", strlen("riscv,")))
		mmu += strlen("riscv,");
	cpu_set(index, &(struct cpu){.id = id, .isa = fdt_prop_string(fdt, cpu, "riscv,isa"), .mmu = mmu});
}

static int start(unsigned index, uint64_t id)
{
	struct hart *hart = hart_at(index);
	int err = 0;

	hart->index = index;
	if (!hart->idle) // else a hart before it did not start
		err = sched_hart_add(hart);
	return err ? err : hart_start(hart, id);
}

void harts_count(const struct fdt *fdt)
{
	fdt_node_t cpus = fdt_by_path(fdt, "/cpus");
	unsigned count = 0;
	uint64_t id;

	for (fdt_node_t cpu = cpus < 0 ? cpus : fdt_first_child(fdt, cpus); cpu >= 0; cpu = fdt_next_sibling(fdt, cpu))
		count += hart_usable(fdt, cpu, &id);
	if (count == 0)
		log_warning("no hart of the device tree can be used (device_type, reg, an mmu-type, a status that is "
			    "okay): the one that runs is alone");
	count = max_of(count, 1u);
	cpu_set_possible(min_of(count, (unsigned)HARTS_MAX));
}

void harts_start(const struct fdt *fdt)
{
	fdt_node_t cpus = fdt_by_path(fdt, "/cpus");
	nsec_t deadline = clock_now() + NSEC_PER_SEC;
	unsigned count = 1;

	for (fdt_node_t cpu = cpus < 0 ? cpus : fdt_first_child(fdt, cpus); cpu >= 0;
	     cpu = fdt_next_sibling(fdt, cpu)) {
		uint64_t id;
		int err;

		if (!hart_usable(fdt, cpu, &id))
			continue;
		if (id == hart_at(0)->id) {
			describe(0, fdt, cpu, id);
			continue;
		}
		err = count < HARTS_MAX ? start(count, id) : -E2BIG;
		if (err)
			log_warning("hart %llu is not used (error %d)", (unsigned long long)id, -err);
		else
			describe(count++, fdt, cpu, id);
	}
	/* Their number is the same for the application from its start. */
	while (harts_online() < count && clock_now() < deadline)
		thread_yield();
	if (harts_online() < count)
		log_warning("only %u of the %u harts that the firmware has started have come up", harts_online(),
			    count);
	log_info("harts: %u", harts_online());
}
