// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * PRCI of SiFive's FU540 (FU540-C000 Manual, chapter 7) and FU740: the rates of the clocks of peripherals, as the boot
 * loader has set the PLLs. All run. Reads registers only; any context.
 */
#include <errno.h>

#include "arch/io.h"
#include "drivers/clk/clk.h"
#include "drivers/wired.h"

enum {
	REG_COREPLL = 0x04,
	REG_CORE_SELECT = 0x24, // bit 0: the oscillator goes around the PLL
	REG_SELECTED = 0x2c,	// FU540: bit 1: the bus is not slower than the cores
	REG_HFPCLKPLL = 0x50,	// FU740 from here on
	REG_HFPCLK_SELECT = 0x58,
	REG_HFPCLK_DIVIDER = 0x5c,
	REGS_SIZE = 0x60,
};
enum { FU540_TLCLK = 3, FU740_PCLK = 7 };
#define PLL_BYPASS (1u << 24)
#define TLCLK_UNDIVIDED 2u

struct prci {
	struct clk_provider provider;
	volatile void *regs;
	struct clk oscillator;
	bool fu740;
};

/* oscillator / (R + 1) * 2 (F + 1) / 2^Q */
static uint64_t pll_rate(const struct prci *p, size_t reg, uint64_t oscillator)
{
	const uint32_t pll = io_read32(p->regs, reg);

	if (pll & PLL_BYPASS)
		return oscillator;
	return oscillator * 2 * ((pll >> 6 & 0x1ff) + 1) / ((pll & 0x3f) + 1) >> (pll >> 15 & 7);
}

static uint64_t divider_of(const struct prci *p)
{
	if (p->fu740)
		return io_read32(p->regs, REG_HFPCLK_DIVIDER) + 2ull;
	return io_read32(p->regs, REG_SELECTED) & TLCLK_UNDIVIDED ? 1 : 2;
}

static int prci_rate(struct clk_provider *provider, uint32_t id, uint64_t *hz)
{
	const struct prci *p = container_of(provider, struct prci, provider);
	uint64_t oscillator, rate;
	bool around;
	int error = clk_rate(&p->oscillator, &oscillator);

	if (error || id != (p->fu740 ? FU740_PCLK : FU540_TLCLK))
		return error ? error : -EINVAL;
	around = io_read32(p->regs, p->fu740 ? REG_HFPCLK_SELECT : REG_CORE_SELECT) & 1;
	rate = around ? oscillator : pll_rate(p, p->fu740 ? REG_HFPCLKPLL : REG_COREPLL, oscillator);
	*hz = rate / divider_of(p);
	return *hz ? 0 : -EINVAL;
}

static const struct clk_ops prci_ops = {.rate = prci_rate};

static int prci_probe(const struct device *dev)
{
	struct prci *p = wired_alloc(sizeof(*p));
	int error;

	if (!p)
		return -ENOMEM;
	p->fu740 = fdt_is_compatible(dev->fdt, dev->node, "sifive,fu740-c000-prci");
	if (!dev->reg_count || dev->reg[0].len < REGS_SIZE)
		return -EINVAL;
	error = clk_get(dev, NULL, &p->oscillator); // hfclk
	if (error)
		return error;
	p->regs = io_map(dev->reg[0].pa, REGS_SIZE);
	if (!p->regs)
		return -ENOMEM;
	p->provider = (struct clk_provider){.name = dev->name, .fdt = dev->fdt, .node = dev->node, .ops = &prci_ops};
	clk_provider_add(&p->provider);
	return 0;
}

static const char *const compatible[] = {"sifive,fu540-c000-prci", "sifive,fu740-c000-prci", NULL};
const struct driver prci_driver = {.name = "prci", .compatible = compatible, .probe = prci_probe};
