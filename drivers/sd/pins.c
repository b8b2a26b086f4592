// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* See the header. Nothing sleeps; no lock: the providers have theirs. */
#include "drivers/sd/pins.h"

#include <errno.h>

#include "kernel/log.h"

enum { GPIOS_DETECT, GPIOS_PROTECT }; // places in `gpios`

static int find(const struct fdt *fdt, fdt_node_t node, const char *property, unsigned place, struct gpio *pin)
{
	const int error = gpio_get(fdt, node, property, 0, pin);

	return error == -ENOENT ? gpio_get(fdt, node, "gpios", place, pin) : error;
}

void sd_pins_find(struct sd_pins *pins, const struct fdt *fdt, fdt_node_t node, const char *name)
{
	int error = find(fdt, node, "cd-gpios", GPIOS_DETECT, &pins->detect);
	uint32_t len;

	pins->detects = !error;
	if (error && error != -ENOENT)
		log_warning("%s: no card detection (error %d): a card is asked for", name, -error);
	if (fdt_prop(fdt, node, "disable-wp", &len))
		return;
	error = find(fdt, node, "wp-gpios", GPIOS_PROTECT, &pins->protect);
	pins->protects = !error;
	if (error && error != -ENOENT)
		log_warning("%s: the switch for write protection cannot be read (error %d)", name, -error);
}

unsigned sd_pins_state(const struct sd_pins *pins)
{
	const unsigned state = pins->protects && gpio_active(&pins->protect) ? SD_STATE_LOCKED : 0;

	if (!pins->detects)
		return state;
	return state | SD_STATE_KNOWN | (gpio_active(&pins->detect) ? SD_STATE_PRESENT : 0);
}

bool sd_pins_empty(const struct sd_pins *pins)
{
	return pins->detects && !gpio_active(&pins->detect);
}

bool sd_pins_watch(struct sd_pins *pins, void (*changed)(void *arg), void *arg)
{
	pins->watch = (struct gpio_watch){.changed = changed, .arg = arg};
	return pins->detects && !gpio_watch(&pins->detect, &pins->watch);
}
