// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A DW MSHC as the device tree has it: clocks, reset, slot, card detection. Its clocks may stand still, and then its
 * registers are not there: nothing is read before they run. At start; may sleep.
 */
#include <errno.h>

#include "arch/clock.h"
#include "arch/io.h"
#include "drivers/clk/clk.h"
#include "drivers/driver.h"
#include "drivers/irq.h"
#include "drivers/sd/dw_mmc.h"
#include "drivers/wired.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define RESET_TIME (NSEC_PER_MSEC / 100)
#define DIVIDED_MAX 510u // the most that the controller divides by
#define IDENTIFY_CLOCK 400000u

static bool has(const struct device *dev, const char *property)
{
	uint32_t len;

	return fdt_prop(dev->fdt, dev->node, property, &len);
}

/* ---- clocks and reset ---- */

static int optional(int error)
{
	return error == -ENOENT ? 0 : error;
}

static int bus_clock(const struct device *dev)
{
	struct clk clk;
	int error = clk_get(dev, "biu", &clk);

	return error ? optional(error) : clk_enable(&clk);
}

/* The tree says how fast, or nobody: then it is as the boot loader left it, unless that is too fast to divide. */
static int card_clock(const struct device *dev, struct dw_mmc *d)
{
	struct clk clk;
	uint64_t hz;
	int error = clk_get(dev, "ciu", &clk);

	if (error == -ENOENT)
		return fdt_prop_u32(dev->fdt, dev->node, "clock-frequency", 0, &d->ciu) && d->ciu ? 0 : -EINVAL;
	if (!error)
		error = clk_set_assigned(dev);
	if (!error)
		error = clk_enable(&clk);
	if (!error)
		error = clk_rate(&clk, &hz);
	if (!error && hz > DIVIDED_MAX * IDENTIFY_CLOCK) {
		error = clk_set_rate(&clk, DIVIDED_MAX * IDENTIFY_CLOCK);
		if (!error)
			error = clk_rate(&clk, &hz);
	}
	if (error)
		return error;
	if (!hz || hz > DIVIDED_MAX * IDENTIFY_CLOCK)
		return -EINVAL;
	d->ciu = (uint32_t)hz;
	return 0;
}

static int leave_reset(const struct device *dev)
{
	struct clk line;
	int error = reset_get(dev, 0, &line);

	if (error)
		return optional(error);
	error = reset_assert(&line);
	for (const nsec_t end = clock_now() + RESET_TIME; clock_now() < end;)
		continue;
	return error ? error : reset_deassert(&line);
}

static int power_up(const struct device *dev, struct dw_mmc *d)
{
	int error = bus_clock(dev);

	if (!error)
		error = card_clock(dev, d);
	if (!error)
		error = leave_reset(dev);
	if (error)
		log_error("%s: its clocks or its reset cannot be had (error %d): it cannot be used", dev->name, -error);
	return error == -ENODEV ? -EINVAL : error;
}

/* ---- the slot ---- */

/* The controller's registers do not say what it can. */
static void describe_slot(const struct device *dev, struct sd_host *host)
{
	host->widths = 1 | 4 | 8;
	host->clock_max = UINT32_MAX;
	host->removable = true;
	host->high_speed = has(dev, "cap-sd-highspeed") || has(dev, "cap-mmc-highspeed");
	sd_host_narrow(host, dev);
}

static int dw_mmc_probe(const struct device *dev)
{
	struct dw_mmc *d;
	uint32_t irq;
	int error;

	if (!dev->reg_count || dev->reg[0].len < DW_REGS_SIZE)
		return -EINVAL;
	d = wired_alloc(sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->name = dev->name;
	d->regs = io_map(dev->reg[0].pa, DW_REGS_SIZE);
	if (!d->regs)
		return -ENOMEM;
	irq = dev->irq_count ? dev->irq[0] : 0;
	d->has_irq = irq;
	(void)fdt_prop_u32(dev->fdt, dev->node, "fifo-depth", 0, &d->fifo_words);
	describe_slot(dev, &d->host);
	error = power_up(dev, d);
	if (error)
		return error;
	sd_pins_find(&d->pins, dev->fdt, dev->node, dev->name);
	error = dw_mmc_init(d);
	if (!error && irq)
		error = irq_request(irq, dw_mmc_irq, d, dev->name);
	if (error)
		return error;
	d->host.tells = sd_pins_watch(&d->pins, dw_mmc_slot_changed, d);
	return dw_mmc_add(d);
}

static const char *const compatible[] = {"starfive,jh7110-mmc", "snps,dw-mshc", "starfive,jh7110-sdio", NULL};
const struct driver dw_mmc_driver = {.name = "dw-mmc", .compatible = compatible, .probe = dw_mmc_probe};
