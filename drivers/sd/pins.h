// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The pins of a card's slot that the device tree names: card detection, and the switch for write protection. */
#pragma once

#include "drivers/gpio/gpio.h"
#include "drivers/sd/host.h"

/* The host's, zeros before sd_pins_find; constant after sd_pins_watch. */
struct sd_pins {
	struct gpio detect, protect;
	bool detects, protects; // there is such a pin, and who serves it
	struct gpio_watch watch;
};

/*
 * Finds them in the slot's node, by `cd-gpios` and `wp-gpios`, or both in that order by `gpios`, as the binding of
 * SPI's slots has it. What is named and cannot be had is logged, under the host's name, and done without. At start.
 */
void sd_pins_find(struct sd_pins *pins, const struct fdt *fdt, fdt_node_t node, const char *name);
/* SD_STATE_ bits. Any context. */
unsigned sd_pins_state(const struct sd_pins *pins);
/* The slot is known to be empty. Any context. */
bool sd_pins_empty(const struct sd_pins *pins);
/* From now on a card that comes or goes calls changed(arg), in interrupt context; false: nobody would tell. At start.
 */
bool sd_pins_watch(struct sd_pins *pins, void (*changed)(void *arg), void *arg);
