// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Clocks and reset lines. A provider is a node of the device tree that others name in `clocks` and `resets`; its
 * driver announces it and stands before its users in board/drivers.c; oscillators (fixed-clock) need none. Nothing is
 * counted: a clock that somebody enabled runs for good. Rates are what the registers say now, never what the tree
 * wishes.
 */
#pragma once

#include "drivers/driver.h"

struct clk_provider;

/* May be called at once from several threads: a provider locks its registers. None sleeps. */
struct clk_ops {
	/* Hz. 0; -EINVAL: no such clock, or a divider that cannot be. */
	int (*rate)(struct clk_provider *provider, uint32_t id, uint64_t *hz);
	/* The fastest that is not above hz. 0; -EINVAL: no such clock, none so slow. NULL: rates are fixed. */
	int (*set_rate)(struct clk_provider *provider, uint32_t id, uint64_t hz);
	/* With the clocks that it comes from. 0; -EINVAL: no such clock. NULL: all run. */
	int (*enable)(struct clk_provider *provider, uint32_t id);
	/* Returns once the line has its level: 0; -EINVAL: no such line; -EIO: it stays. NULL: no lines. */
	int (*reset)(struct clk_provider *provider, uint32_t id, bool asserted);
};

/* The provider's driver fills the first four and keeps it in place for good. */
struct clk_provider {
	const char *name;
	const struct fdt *fdt;
	fdt_node_t node;
	const struct clk_ops *ops;

	struct clk_provider *next; // the list's; constant once announced
};

void clk_provider_add(struct clk_provider *provider);

struct clk {
	struct clk_provider *provider;
	uint32_t id;
};

/*
 * The clock that dev's node calls name, NULL: its first one; and its reset line number i, since many trees give these
 * no names. 0; -ENOENT: the tree has none; -ENODEV: no driver serves it; -EINVAL: the tree makes no sense. Any context
 * once the providers are there.
 */
int clk_get(const struct device *dev, const char *name, struct clk *clk);
int reset_get(const struct device *dev, unsigned i, struct clk *line);

/* As the operations above; -EOPNOTSUPP where the provider cannot change the rate, or has no lines. */
int clk_rate(const struct clk *clk, uint64_t *hz);
int clk_set_rate(const struct clk *clk, uint64_t hz);
int clk_enable(const struct clk *clk);
int reset_assert(const struct clk *line);
int reset_deassert(const struct clk *line);

/*
 * Sets the rates that dev's node asks for (assigned-clocks, assigned-clock-rates; a rate of 0 is no wish). 0, or the
 * first error; the other clocks are set all the same.
 */
int clk_set_assigned(const struct device *dev);
