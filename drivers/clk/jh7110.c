// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Clocks and resets of the JH7110's system domain (SYSCRG), as far as card controllers, the console and the watchdog
 * need them. A clock has one register: a gate, a choice of parents, a divider. Rates are computed from what the
 * registers say, from the oscillator of the tree on. The second PLL is set up in the system controller, whose registers
 * lie behind these.
 *
 * Mainline trees have one node for clocks and resets; the vendor's have two over the same registers, with the same
 * numbers. The lock guards changes of registers; nothing sleeps.
 */
#include <errno.h>

#include "arch/clock.h"
#include "arch/io.h"
#include "drivers/clk/clk.h"
#include "drivers/wired.h"
#include "kernel/spinlock.h"
#include "kernel/time.h"

#define CRG_SIZE 0x10000 // of the clock generator, behind which the system controller lies
#define SYSCON_SIZE 0x1000
#define CLOCK_GATE (1u << 31)
#define CLOCK_PARENT(value) (((value) >> 24) & 63u)
#define CLOCK_DIVIDER 0xffffffu
#define RESET_ASSERT(id) (0x2f8 + (id) / 32 * 4)
#define RESET_STATUS(id) (0x308 + (id) / 32 * 4) // 1: released
#define RESETS 128
#define RESET_LIMIT (10 * NSEC_PER_MSEC)

enum { PLL2_CONTROL = 0x2c, PLL2_FRACTION = 0x30, PLL2_PREDIVIDER = 0x34 }; // of the system controller
#define PLL_INTEGER (3u << 15)						    // no fraction: both of its parts are off
#define PLL_FEEDBACK(control) (((control) >> 17) & 0xfffu)
#define PLL_FRACTION_BITS 24
#define PLL_POSTDIVIDER(fraction) (((fraction) >> 28) & 3u) // as a power of two
#define PLL_PREDIVIDER 63u

enum {
	BUS_ROOT = 5,
	AXI_CFG0 = 7,
	STG_AXIAHB = 8,
	AHB0 = 9,
	APB_BUS = 11,
	APB0 = 12,
	SDIO0_AHB = 91,
	SDIO1_AHB = 92,
	SDIO0_SDCARD = 93,
	SDIO1_SDCARD = 94,
	WDT_APB = 122,
	WDT_CORE = 123,
	UART0_APB = 145,
	UART0_CORE = 146,
	CLOCKS = 190,
	OSC = CLOCKS, // not in this domain
	PLL2,
	NONE
};

static const struct crg_clock {
	uint8_t id, parent, other; // other: chosen by 1
	bool gated;
	uint8_t divider_max; // 0: none
} clocks[] = {
    {BUS_ROOT, OSC, PLL2, false, 0},	      {AXI_CFG0, BUS_ROOT, NONE, false, 3},
    {STG_AXIAHB, AXI_CFG0, NONE, false, 2},   {AHB0, STG_AXIAHB, NONE, true, 0},
    {APB_BUS, STG_AXIAHB, NONE, false, 8},    {APB0, APB_BUS, NONE, true, 0},
    {SDIO0_AHB, AHB0, NONE, true, 0},	      {SDIO1_AHB, AHB0, NONE, true, 0},
    {SDIO0_SDCARD, AXI_CFG0, NONE, true, 15}, {SDIO1_SDCARD, AXI_CFG0, NONE, true, 15},
    {WDT_APB, APB0, NONE, true, 0},	      {WDT_CORE, OSC, NONE, true, 0},
    {UART0_APB, APB0, NONE, true, 0},	      {UART0_CORE, OSC, NONE, true, 0},
};

struct crg {
	struct clk_provider provider;
	volatile void *regs, *syscon;
	struct clk osc; // provider NULL: the tree has none
	struct spinlock lock;
};

static struct crg *crg_of(struct clk_provider *provider)
{
	return container_of(provider, struct crg, provider);
}

static const struct crg_clock *clock_of(uint32_t id)
{
	for (size_t i = 0; i < array_size(clocks); i++)
		if (clocks[i].id == id)
			return &clocks[i];
	return NULL;
}

static uint32_t parent_of(struct crg *crg, const struct crg_clock *clock)
{
	if (clock->other == NONE)
		return clock->parent;
	return CLOCK_PARENT(io_read32(crg->regs, 4u * clock->id)) == 1 ? clock->other : clock->parent;
}

/* ---- rates ---- */

static int osc_rate(struct crg *crg, uint64_t *hz)
{
	return crg->osc.provider ? clk_rate(&crg->osc, hz) : -EINVAL;
}

/* osc * (feedback + fraction / 2^24) / predivider / 2^postdivider */
static int pll2_rate(struct crg *crg, uint64_t *hz)
{
	const uint32_t control = io_read32(crg->syscon, PLL2_CONTROL), fraction = io_read32(crg->syscon, PLL2_FRACTION),
		       predivider = io_read32(crg->syscon, PLL2_PREDIVIDER) & PLL_PREDIVIDER;
	uint64_t osc, times;
	int error = osc_rate(crg, &osc);

	if (error)
		return error;
	if (!predivider || osc > UINT32_MAX / 2)
		return -EINVAL;
	times = (uint64_t)PLL_FEEDBACK(control) << PLL_FRACTION_BITS;
	if ((control & PLL_INTEGER) != PLL_INTEGER)
		times += fraction & ((1u << PLL_FRACTION_BITS) - 1);
	/* 36 bits by at most 26: the oscillator's last bits go first. */
	*hz = (times * (osc >> 4) >> (PLL_FRACTION_BITS - 4)) / predivider >> PLL_POSTDIVIDER(fraction);
	return 0;
}

static int crg_rate(struct clk_provider *provider, uint32_t id, uint64_t *hz)
{
	struct crg *crg = crg_of(provider);
	uint64_t divider = 1;

	for (unsigned depth = 0; depth <= array_size(clocks); depth++) {
		const struct crg_clock *clock = clock_of(id);

		if (id == OSC || id == PLL2) {
			int error = id == OSC ? osc_rate(crg, hz) : pll2_rate(crg, hz);

			*hz = error ? 0 : *hz / divider;
			return error;
		}
		if (!clock)
			return -EINVAL;
		if (clock->divider_max) {
			const uint32_t n = io_read32(crg->regs, 4u * id) & CLOCK_DIVIDER;

			if (!n)
				return -EINVAL;
			divider *= n;
		}
		id = parent_of(crg, clock);
	}
	return -EINVAL;
}

static void change(struct crg *crg, uint32_t off, uint32_t mask, uint32_t value)
{
	unsigned long flags = spin_lock(&crg->lock);

	io_write32(crg->regs, off, (io_read32(crg->regs, off) & ~mask) | value);
	spin_unlock(&crg->lock, flags);
}

static int crg_set_rate(struct clk_provider *provider, uint32_t id, uint64_t hz)
{
	struct crg *crg = crg_of(provider);
	const struct crg_clock *clock = clock_of(id);
	uint64_t parent, divider;
	int error;

	if (id >= CLOCKS || !clock || !clock->divider_max || !hz)
		return -EINVAL;
	error = crg_rate(provider, parent_of(crg, clock), &parent);
	if (error)
		return error;
	divider = max_of((parent + hz - 1) / hz, (uint64_t)1);
	if (divider > clock->divider_max)
		return -EINVAL;
	change(crg, 4 * id, CLOCK_DIVIDER, (uint32_t)divider);
	return 0;
}

/* ---- gates and resets ---- */

static int crg_enable(struct clk_provider *provider, uint32_t id)
{
	struct crg *crg = crg_of(provider);
	const struct crg_clock *chain[array_size(clocks)];
	unsigned length = 0;

	while (id < CLOCKS) {
		chain[length] = clock_of(id);
		if (!chain[length] || length + 1 == array_size(chain))
			return -EINVAL;
		id = parent_of(crg, chain[length++]);
	}
	if (!length)
		return -EINVAL;
	while (length--)
		if (chain[length]->gated)
			change(crg, 4u * chain[length]->id, CLOCK_GATE, CLOCK_GATE);
	return 0;
}

static int crg_reset(struct clk_provider *provider, uint32_t id, bool asserted)
{
	struct crg *crg = crg_of(provider);
	const nsec_t deadline = clock_now() + RESET_LIMIT;
	const uint32_t bit = 1u << id % 32;

	if (id >= RESETS)
		return -EINVAL;
	change(crg, RESET_ASSERT(id), bit, asserted ? bit : 0);
	while (!(io_read32(crg->regs, RESET_STATUS(id)) & bit) != asserted)
		if (clock_now() >= deadline)
			return -EIO;
	return 0;
}

static const struct clk_ops crg_ops = {
    .rate = crg_rate, .set_rate = crg_set_rate, .enable = crg_enable, .reset = crg_reset};

static int crg_probe(const struct device *dev)
{
	struct crg *crg = wired_alloc(sizeof(*crg));

	if (!crg)
		return -ENOMEM;
	if (!dev->reg_count || dev->reg[0].len < CRG_SIZE)
		return -EINVAL;
	crg->regs = io_map(dev->reg[0].pa, CRG_SIZE);
	crg->syscon = io_map(dev->reg[0].pa + CRG_SIZE, SYSCON_SIZE);
	if (!crg->regs || !crg->syscon)
		return -ENOMEM;
	crg->provider = (struct clk_provider){.name = dev->name, .fdt = dev->fdt, .node = dev->node, .ops = &crg_ops};
	if (clk_get(dev, "osc", &crg->osc))
		crg->osc.provider = NULL; // resets alone need none
	spin_init(&crg->lock, "jh7110 crg");
	clk_provider_add(&crg->provider);
	return 0;
}

static const char *const compatible[] = {"starfive,jh7110-syscrg", "starfive,jh7110-clkgen", "starfive,jh7110-reset",
					 NULL};
const struct driver jh7110_crg_driver = {.name = "jh7110-crg", .compatible = compatible, .probe = crg_probe};
