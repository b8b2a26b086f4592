// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the drivers of serial lines share. The ring and its lock are the driver's; nothing here keeps state. Interrupt
 * context, or any; sleeps never.
 */
#include "drivers/serial/serial.h"

#include <string.h>

#include "arch/clock.h"
#include "kernel/time.h"

#define RX_ERROR 0x8000u // in the ring: bytes were lost or damaged here, how many is in the low bits
#define LOCK_PATIENCE (10 * NSEC_PER_MSEC)

static void rx_put_locked(struct serial_rx *rx, uint16_t item)
{
	if (rx->lost && rx->in - rx->out < SERIAL_RX_SIZE) {
		rx->item[rx->in++ % SERIAL_RX_SIZE] = (uint16_t)(RX_ERROR | min_of(rx->lost, 0x7fffu));
		rx->lost = 0;
	}
	if (rx->in - rx->out < SERIAL_RX_SIZE)
		rx->item[rx->in++ % SERIAL_RX_SIZE] = item;
	else
		rx->lost++;
}

void serial_rx_byte_locked(struct serial_rx *rx, uint8_t byte)
{
	rx_put_locked(rx, byte);
}

void serial_rx_error_locked(struct serial_rx *rx)
{
	rx_put_locked(rx, RX_ERROR | 1);
}

/* A run of the ring for the console: bytes, or one error. False: empty. */
static bool rx_take_locked(struct serial_rx *rx, uint8_t *buf, size_t size, size_t *len, unsigned *errors)
{
	*len = *errors = 0;
	while (rx->in != rx->out && *len < size) {
		uint16_t item = rx->item[rx->out % SERIAL_RX_SIZE];

		if (item & RX_ERROR) {
			if (*len)
				break;
			rx->out++;
			*errors = item & ~RX_ERROR;
			break;
		}
		rx->out++;
		buf[(*len)++] = (uint8_t)item;
	}
	if (rx->in == rx->out && !*len && !*errors && rx->lost) {
		*errors = rx->lost;
		rx->lost = 0;
	}
	return *len || *errors;
}

void serial_rx_deliver(struct serial_rx *rx, struct console_port *port, struct spinlock *lock,
		       void (*drain)(struct console_port *port))
{
	uint8_t buf[64];
	size_t len;
	unsigned errors;
	bool more;

	do {
		unsigned long flags = spin_lock(lock);

		drain(port);
		more = rx_take_locked(rx, buf, sizeof(buf), &len, &errors);
		spin_unlock(lock, flags);
		if (more)
			console_receive(port, buf, len, errors);
	} while (more);
}

bool serial_lock_patient(struct spinlock *lock, unsigned long *flags)
{
	nsec_t deadline = clock_now() + LOCK_PATIENCE;
	bool locked;

	while (!(locked = spin_trylock(lock, flags)) && clock_now() < deadline)
		;
	return locked;
}

bool serial_is_stdout(const struct device *dev)
{
	fdt_node_t chosen = fdt_by_path(dev->fdt, "/chosen");
	const char *path = chosen >= 0 ? fdt_prop_string(dev->fdt, chosen, "stdout-path") : NULL;
	char name[64];
	size_t len = path ? strcspn(path, ":") : 0;

	if (!len || len >= sizeof(name))
		return false;
	memcpy(name, path, len);
	name[len] = '\0';
	return fdt_by_path(dev->fdt, name) == dev->node;
}
