// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Who serves a pin: the list of providers, which grows while drivers are probed, one after the other, and is constant
 * afterwards: no lock. Who is told of a pin's changes, under each driver's own lock. Nothing sleeps.
 */
#include "drivers/gpio/gpio.h"

#include <errno.h>

#define FLAG_ACTIVE_LOW 1u // of the second cell, as all bindings with two have it

static struct gpio_provider *providers;

void gpio_provider_add(struct gpio_provider *provider)
{
	provider->next = providers;
	providers = provider;
}

void gpio_watch_add_locked(struct gpio_provider *provider, uint32_t pin, struct gpio_watch *watch)
{
	watch->pin = pin;
	watch->next = provider->watches;
	provider->watches = watch;
}

void gpio_changed(struct gpio_watch *watches, const uint32_t *pins)
{
	/* What is in the list stays, and what comes is put before it. */
	for (struct gpio_watch *w = watches; w; w = w->next)
		if (pins[w->pin / 32] >> w->pin % 32 & 1)
			w->changed(w->arg);
}

int gpio_get(const struct fdt *fdt, fdt_node_t node, const char *property, unsigned i, struct gpio *gpio)
{
	struct fdt_args args;
	int error = fdt_args(fdt, node, property, "#gpio-cells", i, &args);

	if (error)
		return error;
	if (args.count != 2)
		return -EINVAL;
	for (struct gpio_provider *p = providers; p; p = p->next)
		if (p->fdt == fdt && p->node == args.node) {
			*gpio = (struct gpio){
			    .provider = p, .pin = args.cells[0], .active_low = args.cells[1] & FLAG_ACTIVE_LOW};
			return p->ops->input(p, gpio->pin);
		}
	return -ENODEV;
}

bool gpio_active(const struct gpio *gpio)
{
	return gpio->provider->ops->level(gpio->provider, gpio->pin) != gpio->active_low;
}

int gpio_watch(const struct gpio *gpio, struct gpio_watch *watch)
{
	return gpio->provider->ops->watch(gpio->provider, gpio->pin, watch);
}
