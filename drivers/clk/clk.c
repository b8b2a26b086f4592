// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Who serves a clock or a reset line: the list of providers, and the way from a user's node to one of them. The list
 * grows while drivers are probed, one after the other, and is constant afterwards: no lock. Nothing sleeps.
 * Oscillators (fixed-clock) have no registers and no driver: such a clock's number is its rate.
 */
#include "drivers/clk/clk.h"

#include <errno.h>

static struct clk_provider *providers;

void clk_provider_add(struct clk_provider *provider)
{
	provider->next = providers;
	providers = provider;
}

static int fixed_rate(struct clk_provider *provider, uint32_t id, uint64_t *hz)
{
	(void)provider;
	*hz = id;
	return 0;
}

static const struct clk_ops fixed_ops = {.rate = fixed_rate};
static struct clk_provider fixed_clocks = {.name = "fixed-clock", .ops = &fixed_ops};

/* Entry i of a list of references to providers; an identifier of no cells is 0. */
static int reference_get(const struct device *dev, const char *list, const char *cells, unsigned i, struct clk *clk)
{
	struct fdt_args args;
	int error = fdt_args(dev->fdt, dev->node, list, cells, i, &args);

	if (error)
		return error;
	if (args.count > 1)
		return -EINVAL;
	if (fdt_is_compatible(dev->fdt, args.node, "fixed-clock")) {
		clk->provider = &fixed_clocks;
		return fdt_prop_u32(dev->fdt, args.node, "clock-frequency", 0, &clk->id) ? 0 : -EINVAL;
	}
	for (struct clk_provider *p = providers; p; p = p->next)
		if (p->fdt == dev->fdt && p->node == args.node) {
			*clk = (struct clk){.provider = p, .id = args.count ? args.cells[0] : 0};
			return 0;
		}
	return -ENODEV;
}

int clk_get(const struct device *dev, const char *name, struct clk *clk)
{
	unsigned i = 0;

	if (name) {
		int error = fdt_prop_index(dev->fdt, dev->node, "clock-names", name, &i);

		if (error)
			return error;
	}
	return reference_get(dev, "clocks", "#clock-cells", i, clk);
}

int reset_get(const struct device *dev, unsigned i, struct clk *line)
{
	return reference_get(dev, "resets", "#reset-cells", i, line);
}

int clk_rate(const struct clk *clk, uint64_t *hz)
{
	return clk->provider->ops->rate(clk->provider, clk->id, hz);
}

int clk_set_rate(const struct clk *clk, uint64_t hz)
{
	const struct clk_ops *ops = clk->provider->ops;

	return ops->set_rate ? ops->set_rate(clk->provider, clk->id, hz) : -EOPNOTSUPP;
}

int clk_enable(const struct clk *clk)
{
	const struct clk_ops *ops = clk->provider->ops;

	return ops->enable ? ops->enable(clk->provider, clk->id) : 0;
}

static int reset_set(const struct clk *line, bool asserted)
{
	const struct clk_ops *ops = line->provider->ops;

	return ops->reset ? ops->reset(line->provider, line->id, asserted) : -EOPNOTSUPP;
}

int reset_assert(const struct clk *line)
{
	return reset_set(line, true);
}

int reset_deassert(const struct clk *line)
{
	return reset_set(line, false);
}

int clk_set_assigned(const struct device *dev)
{
	uint32_t hz;
	int result = 0;

	for (unsigned i = 0; fdt_prop_u32(dev->fdt, dev->node, "assigned-clock-rates", i, &hz); i++) {
		struct clk clk;
		int error = hz ? reference_get(dev, "assigned-clocks", "#clock-cells", i, &clk) : 0;

		if (hz && !error)
			error = clk_set_rate(&clk, hz);
		result = result ? result : error;
	}
	return result;
}
