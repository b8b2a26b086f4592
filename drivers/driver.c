// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Goes through the nodes once for each driver of the board's list, in the list's order, and probes every enabled node
 * that is compatible. What a node says, or the board's quirks say in its place, is converted here; a driver sees
 * numbers, not cells. Thread context, at start; no locks; may sleep where a probe does.
 */
#include "drivers/driver.h"

#include <errno.h>

#include "kernel/log.h"

static bool driver_matches(const struct driver *drv, const struct fdt *fdt, fdt_node_t node)
{
	for (const char *const *c = drv->compatible; *c; c++)
		if (fdt_is_compatible(fdt, node, *c))
			return true;
	return false;
}

static void device_describe(struct device *dev, const struct fdt *fdt, fdt_node_t node)
{
	uint32_t parent;

	*dev = (struct device){.fdt = fdt, .node = node, .name = fdt_name(fdt, node)};
	while (dev->reg_count < DEVICE_REGS_MAX &&
	       !fdt_reg(fdt, node, dev->reg_count, &dev->reg[dev->reg_count].pa, &dev->reg[dev->reg_count].len))
		dev->reg_count++;
	while (dev->irq_count < DEVICE_IRQS_MAX &&
	       !fdt_irq(fdt, node, dev->irq_count, &parent, &dev->irq[dev->irq_count]))
		dev->irq_count++;
}

static void device_complete(struct device *dev)
{
	if (dev->irq_count || !dev->reg_count)
		return;
	for (const struct device_quirk *q = board_quirks; q->board; q++)
		if (q->regs == dev->reg[0].pa && fdt_is_compatible(dev->fdt, FDT_ROOT, q->board))
			dev->irq[dev->irq_count++] = q->irq;
}

void drivers_probe(const struct fdt *fdt)
{
	for (const struct driver *const *drv = board_drivers; *drv; drv++) {
		for (fdt_node_t node = FDT_ROOT; node >= 0; node = fdt_next(fdt, node)) {
			struct device dev;

			if (!driver_matches(*drv, fdt, node) || !fdt_is_enabled(fdt, node))
				continue;
			device_describe(&dev, fdt, node);
			device_complete(&dev);
			int error = (*drv)->probe(&dev);

			if (error && error != -ENODEV)
				log_error("%s: %s cannot use it (error %d)", dev.name, (*drv)->name, -error);
		}
	}
}
