// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What a slot's node in the device tree says of it. No lock; does not sleep. */
#include "drivers/driver.h"
#include "drivers/sd/host.h"

static bool has(const struct device *dev, const char *property)
{
	uint32_t len;

	return fdt_prop(dev->fdt, dev->node, property, &len);
}

void sd_host_narrow(struct sd_host *host, const struct device *dev)
{
	uint32_t width = 1, max = 0;

	(void)fdt_prop_u32(dev->fdt, dev->node, "bus-width", 0, &width);
	(void)fdt_prop_u32(dev->fdt, dev->node, "max-frequency", 0, &max);
	host->widths &= 1 | (width >= 4 ? 4 : 0) | (width >= 8 ? 8 : 0);
	if (max)
		host->clock_max = min_of(host->clock_max, max);
	host->removable = host->removable && !has(dev, "non-removable");
	host->no_sd = has(dev, "no-sd");
	host->no_mmc = has(dev, "no-mmc");
}
