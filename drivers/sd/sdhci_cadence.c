// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Cadence SD4HC around an SDHCI, as on the PolarFire SoC: registers of its own first, which are read and written by 32
 * bits, SDHCI's behind them. Its delay lines are left as the boot loader set them; up to 50 MHz no tuning is needed.
 */
#include <errno.h>

#include "arch/io.h"
#include "drivers/driver.h"
#include "drivers/irq.h"
#include "drivers/sd/sdhci.h"
#include "drivers/wired.h"

#define SDHCI_OFFSET 0x200
#define REGS_SIZE 0x300
enum { HRS06 = 0x18, HRS06_MODE = 7, HRS06_MODE_SD = 0 };

static int cadence_probe(const struct device *dev)
{
	struct sdhci *s = wired_alloc(sizeof(*s));
	volatile char *regs;
	uint32_t len;
	int error;

	if (!s)
		return -ENOMEM;
	if (!dev->reg_count || dev->reg[0].len < REGS_SIZE || !dev->irq_count)
		return -EINVAL;
	regs = io_map(dev->reg[0].pa, REGS_SIZE);
	if (!regs)
		return -ENOMEM;
	s->name = dev->name;
	s->regs = regs + SDHCI_OFFSET;
	s->soldered = fdt_prop(dev->fdt, dev->node, "non-removable", &len) != NULL;
	s->no_lock = fdt_prop(dev->fdt, dev->node, "disable-wp", &len) != NULL;
	io_write32(regs, HRS06, (io_read32(regs, HRS06) & ~(uint32_t)HRS06_MODE) | HRS06_MODE_SD);
	error = sdhci_init(s);
	if (error)
		return error;
	sd_host_narrow(&s->host, dev);
	error = irq_request(dev->irq[0], sdhci_irq, s, dev->name);
	return error ? error : sdhci_add(s);
}

static const char *const compatible[] = {"cdns,sd4hc", "microchip,mpfs-sd4hc", NULL};
const struct driver sdhci_cadence_driver = {.name = "sdhci-cadence", .compatible = compatible, .probe = cadence_probe};
