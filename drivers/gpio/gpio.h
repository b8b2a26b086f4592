// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Pins that are read. A provider is a node of the device tree that others name in properties like `cd-gpios`; its
 * driver announces it and stands before its users in board/drivers.c.
 */
#pragma once

#include "drivers/driver.h"

struct gpio_provider;

/* A pin's change told to its user; the user's memory, in place for good. */
struct gpio_watch {
	void (*changed)(void *arg); // interrupt context; the level is read from the pin
	void *arg;

	uint32_t pin;		 // the provider's
	struct gpio_watch *next; // the list's; constant once it is in that
};

struct gpio_ops {
	/* Makes it an input. 0, -EINVAL: no such pin. */
	int (*input)(struct gpio_provider *provider, uint32_t pin);
	/* Of an input. Any context. */
	bool (*level)(struct gpio_provider *provider, uint32_t pin);
	/* Both edges of an input. 0; -EOPNOTSUPP: the provider has no interrupt. */
	int (*watch)(struct gpio_provider *provider, uint32_t pin, struct gpio_watch *watch);
};

/* The provider's driver fills the first four and keeps it in place for good. */
struct gpio_provider {
	const char *name;
	const struct fdt *fdt;
	fdt_node_t node;
	const struct gpio_ops *ops;

	struct gpio_watch *watches; // guarded by the driver's lock
	struct gpio_provider *next; // the list's; constant once announced
};

void gpio_provider_add(struct gpio_provider *provider);
/* For drivers: from now on the watch is one of the pin's. The driver's lock held. */
void gpio_watch_add_locked(struct gpio_provider *provider, uint32_t pin, struct gpio_watch *watch);
/*
 * For drivers: tells those of `watches`, the list as it was under the lock, whose pins have changed; a bit a pin. The
 * lock not held.
 */
void gpio_changed(struct gpio_watch *watches, const uint32_t *pins);

struct gpio {
	struct gpio_provider *provider;
	uint32_t pin;
	bool active_low;
};

/*
 * Pin i of those that the node names in `property`, made an input. 0; -ENOENT: the tree names none; -ENODEV: no driver
 * serves it; -EINVAL: the tree makes no sense, or there is no such pin. At start.
 */
int gpio_get(const struct fdt *fdt, fdt_node_t node, const char *property, unsigned i, struct gpio *gpio);
/* Any context. */
bool gpio_active(const struct gpio *gpio);
/* From now on each change of the pin calls watch->changed. As the operation above; at start. */
int gpio_watch(const struct gpio *gpio, struct gpio_watch *watch);
