// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The board, its firmware and its processors in the words of /proc/board. At start; sleeps never. */

#include "board/facts.h"

#include <stdio.h>
#include <string.h>

#include "arch/firmware.h"
#include "arch/hart.h"
#include "kernel/facts.h"

static const struct fdt *tree;

/* ---- the device tree's ---- */

static bool tree_line(const struct facts *facts, unsigned n, char text[FACT_SIZE])
{
	static const char *const names[] = {"model", "compatible"};
	const fdt_node_t cpus = fdt_by_path(tree, "/cpus");
	const char *value = n < array_size(names) ? fdt_prop_string(tree, FDT_ROOT, names[n]) : NULL;
	uint32_t hz = 0;

	(void)facts;
	if (n < array_size(names)) {
		snprintf(text, FACT_SIZE, "%s %s", names[n], value ? value : "(none)");
		return true;
	}
	if (n > array_size(names))
		return false;
	(void)(cpus >= 0 && fdt_prop_u32(tree, cpus, "timebase-frequency", 0, &hz));
	snprintf(text, FACT_SIZE, "time base %u Hz, started by hart %llu", (unsigned)hz,
		 (unsigned long long)hart_at(0)->id);
	return true;
}

/* ---- the firmware's ---- */

/* As the SBI specification numbers them. */
static const char *const implementations[] = {"BBL", "OpenSBI", "Xvisor", "KVM", "RustSBI", "Diosix", "Coffer"};

static void describe_firmware(char text[FACT_SIZE])
{
	struct firmware f;

	firmware_identify(&f);
	snprintf(text, FACT_SIZE, "SBI %u.%u, %s (%lu), its version %#lx", (unsigned)(f.specification >> 24 & 0x7f),
		 (unsigned)(f.specification & 0xffffff),
		 f.implementation < array_size(implementations) ? implementations[f.implementation] : "unknown",
		 f.implementation, f.version);
	if (f.implementation == 1) // OpenSBI's are its major and minor
		snprintf(text + strlen(text), FACT_SIZE - strlen(text), " (%lu.%lu)", f.version >> 16,
			 f.version & 0xffff);
}

static void list_extensions(char text[FACT_SIZE])
{
	const char *name;
	size_t len = (size_t)snprintf(text, FACT_SIZE, "extensions");

	for (unsigned n = 0; (name = firmware_extension_nth(n)) && len < FACT_SIZE; n++)
		if (firmware_has(n))
			len += (size_t)snprintf(text + len, FACT_SIZE - len, " %s", name);
}

static bool firmware_line(const struct facts *facts, unsigned n, char text[FACT_SIZE])
{
	struct firmware f;

	(void)facts;
	switch (n) {
	case 0:
		describe_firmware(text);
		return true;
	case 1:
		list_extensions(text);
		return true;
	case 2:
		firmware_identify(&f);
		snprintf(text, FACT_SIZE, "mvendorid %#lx marchid %#lx mimpid %#lx", f.vendor, f.architecture,
			 f.machine);
		return true;
	default:
		return false;
	}
}

void board_facts_add(const struct fdt *fdt)
{
	static struct facts board = {.name = "board", .line = tree_line},
			    firmware = {.name = "firmware", .line = firmware_line};

	tree = fdt;
	facts_add(&board);
	facts_add(&firmware);
}
