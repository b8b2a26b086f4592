// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What the drivers of serial lines share: the ring of what has come in, and which line the device tree prefers. */
#pragma once

#include "drivers/console.h"
#include "drivers/driver.h"
#include "kernel/spinlock.h"

#define SERIAL_RX_SIZE 4096 // a power of two: what may come in while a polled write goes out

/* Guarded by the driver's lock. An item is a byte, or, with SERIAL_RX_ERROR, how many bytes were lost here. */
struct serial_rx {
	uint32_t in, out;
	unsigned lost; // not yet in the ring, which was full
	uint16_t item[SERIAL_RX_SIZE];
};

/* A byte that came, or one that was lost or damaged at this place. Any context, the driver's lock held. */
void serial_rx_byte_locked(struct serial_rx *rx, uint8_t byte);
void serial_rx_error_locked(struct serial_rx *rx);

/*
 * Hands the ring to the console, run by run, until it is empty. drain empties the device's FIFO into the ring and is
 * called with the lock held; the console without it. Interrupt context.
 */
void serial_rx_deliver(struct serial_rx *rx, struct console_port *port, struct spinlock *lock,
		       void (*drain)(struct console_port *port));

/* For polled writes, from a panic too: false if whoever holds the lock keeps it for 10 ms. Any context. */
bool serial_lock_patient(struct spinlock *lock, unsigned long *flags);

/* The tree's stdout-path names this device: a path or an alias, then perhaps a colon and settings. */
bool serial_is_stdout(const struct device *dev);
