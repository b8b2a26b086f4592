// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Registers and interrupts of simulated controllers: a driver's io_map finds a model here, its accesses are calls of
 * the model, and irq_request takes the handler that the model's interrupt line calls.
 */
#pragma once

#include "lib/types.h"

struct sim_window {
	paddr_t pa; // where the driver is told that it is
	size_t len;
	uint32_t (*read)(struct sim_window *window, size_t off, unsigned width);	      // bytes: 1, 2, 4
	void (*write)(struct sim_window *window, size_t off, uint32_t value, unsigned width); // the same
	void *model;

	struct sim_window *next; // the list's
};

/* The window stays the caller's, and in place until sim_io_clear. */
void sim_window_add(struct sim_window *window);
/* Forgets all windows and interrupt handlers. */
void sim_io_clear(void);

/*
 * The level of an interrupt line: while it is high, its handler is called, in interrupt context, again after each
 * return. A line that is still high after 1,000 calls in a row is a driver that does not acknowledge: the test fails.
 * Any context.
 */
void sim_irq_set(uint32_t irq, bool high);
