// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/dts.h"

#include <stdio.h>
#include <string.h>

/* One that is compiled. */
static int load_blob(struct dts *dts, const char *path)
{
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	dts->size = fread(dts->blob, 1, sizeof(dts->blob), file);
	return fclose(file) || fdt_open(&dts->fdt, dts->blob, dts->size, dts->nodes, DTS_NODES_MAX);
}

int dts_load(struct dts *dts, const char *source)
{
	const size_t len = strlen(source);
	char command[256];
	FILE *dtc;

	if (len > 4 && !strcmp(source + len - 4, ".dtb"))
		return load_blob(dts, source);

	snprintf(command, sizeof(command), "dtc -q -I dts -O dtb -o - tests/host/%s", source);
	dtc = popen(command, "r");
	if (!dtc)
		return -1;
	dts->size = fread(dts->blob, 1, sizeof(dts->blob), dtc);
	return pclose(dtc) || fdt_open(&dts->fdt, dts->blob, dts->size, dts->nodes, DTS_NODES_MAX);
}

struct device dts_device(const struct dts *dts, const char *path)
{
	struct device dev = {.fdt = &dts->fdt, .node = fdt_by_path(&dts->fdt, path), .name = path};
	uint32_t parent;

	while (dev.reg_count < DEVICE_REGS_MAX &&
	       !fdt_reg(&dts->fdt, dev.node, dev.reg_count, &dev.reg[dev.reg_count].pa, &dev.reg[dev.reg_count].len))
		dev.reg_count++;
	while (dev.irq_count < DEVICE_IRQS_MAX &&
	       !fdt_irq(&dts->fdt, dev.node, dev.irq_count, &parent, &dev.irq[dev.irq_count]))
		dev.irq_count++;
	return dev;
}
