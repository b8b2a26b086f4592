// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Serial line of the 16550 kind, named ttyS0, ttyS1... in the order of probing. The firmware has set its speed, which
 * stays. Received bytes go from the FIFO into a ring of the driver's as soon as anybody is here, also while a polled
 * write keeps interrupts masked, and from there to the console in the interrupt.
 *
 * ns16550.lock guards the registers and the ring. It nests inside the console's; the console is called without it.
 * The polled path gives up waiting for the lock (a panic may have come while it was held), and writes all the same.
 */
#include "drivers/serial/ns16550.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/io.h"
#include "drivers/console.h"
#include "drivers/irq.h"
#include "drivers/wired.h"
#include "kernel/log.h"
#include "kernel/spinlock.h"
#include "kernel/time.h"

enum { RBR = 0, THR = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };
enum { IER_RECEIVE = 1, IER_SEND = 2, IER_LINE = 4 };
enum { FCR_ENABLE = 1, FCR_TRIGGER_4 = 0x40, IIR_FIFO = 0xc0 };
enum { LCR_8N1 = 3, MCR_DTR_RTS_OUT2 = 0x0b };
enum { LSR_READY = 1, LSR_OVERRUN = 2, LSR_PARITY = 4, LSR_FRAMING = 8, LSR_BREAK = 16, LSR_SEND = 32, LSR_IDLE = 64 };

#define FIFO_SIZE 16
#define RX_SIZE 4096	 // a power of two: what may come in while a polled write goes out
#define RX_ERROR 0x8000u // in the ring: bytes were lost or damaged here, how many is in the low bits
#define LOCK_PATIENCE (10 * NSEC_PER_MSEC)
#define SEND_PATIENCE NSEC_PER_SEC // for a FIFO to empty: 16 bytes take 0.5 s at 300 baud

struct ns16550 {
	struct console_port port;
	char name[8];
	volatile void *regs;
	uint32_t shift, width;
	unsigned fifo; // bytes that the transmitter takes when it is empty

	struct spinlock lock; // guards the registers and the rest
	uint8_t ier;
	bool send_waits; // the console has more than the FIFO took
	uint32_t rx_in, rx_out;
	unsigned rx_lost; // not yet in the ring, which was full
	uint16_t rx[RX_SIZE];
};

static unsigned lines_found;

static uint8_t reg_read(const struct ns16550 *u, unsigned reg)
{
	size_t off = (size_t)reg << u->shift;

	return u->width == 4 ? (uint8_t)io_read32(u->regs, off) : io_read8(u->regs, off);
}

static void reg_write(const struct ns16550 *u, unsigned reg, uint8_t v)
{
	size_t off = (size_t)reg << u->shift;

	if (u->width == 4)
		io_write32(u->regs, off, v);
	else
		io_write8(u->regs, off, v);
}

static void ier_set_locked(struct ns16550 *u, uint8_t ier)
{
	if (ier != u->ier)
		reg_write(u, IER, u->ier = ier);
}

/* ---- receiving ---- */

static void rx_put_locked(struct ns16550 *u, uint16_t item)
{
	if (u->rx_lost && u->rx_in - u->rx_out < RX_SIZE) {
		u->rx[u->rx_in++ % RX_SIZE] = (uint16_t)(RX_ERROR | min_of(u->rx_lost, 0x7fffu));
		u->rx_lost = 0;
	}
	if (u->rx_in - u->rx_out < RX_SIZE)
		u->rx[u->rx_in++ % RX_SIZE] = item;
	else
		u->rx_lost += item & RX_ERROR ? item & ~RX_ERROR : 1;
}

/*
 * Empties the FIFO into the ring. The line status belongs to the byte that is read next. Bounded, since a device that
 * has gone away reads as all ones.
 */
static void rx_drain_locked(struct ns16550 *u)
{
	uint8_t status;

	for (unsigned n = 0; n < RX_SIZE && (status = reg_read(u, LSR)) & (LSR_READY | LSR_OVERRUN); n++) {
		if (status & LSR_READY) {
			uint8_t byte = reg_read(u, RBR);

			rx_put_locked(u, status & (LSR_PARITY | LSR_FRAMING | LSR_BREAK) ? RX_ERROR | 1 : byte);
		}
		if (status & LSR_OVERRUN)
			rx_put_locked(u, RX_ERROR | 1);
	}
}

/* A run of the ring for the console: bytes, or one error. False: empty. */
static bool rx_take_locked(struct ns16550 *u, uint8_t *buf, size_t size, size_t *len, unsigned *errors)
{
	*len = *errors = 0;
	while (u->rx_in != u->rx_out && *len < size) {
		uint16_t item = u->rx[u->rx_out % RX_SIZE];

		if (item & RX_ERROR) {
			if (*len)
				break;
			u->rx_out++;
			*errors = item & ~RX_ERROR;
			break;
		}
		u->rx_out++;
		buf[(*len)++] = (uint8_t)item;
	}
	if (u->rx_in == u->rx_out && !*len && !*errors && u->rx_lost) {
		*errors = u->rx_lost;
		u->rx_lost = 0;
	}
	return *len || *errors;
}

static void ns16550_irq(void *arg)
{
	struct ns16550 *u = arg;
	uint8_t buf[64];
	size_t len;
	unsigned errors;
	bool more, room;

	do {
		unsigned long flags = spin_lock(&u->lock);

		rx_drain_locked(u);
		more = rx_take_locked(u, buf, sizeof(buf), &len, &errors);
		spin_unlock(&u->lock, flags);
		if (more)
			console_receive(&u->port, buf, len, errors);
	} while (more);

	unsigned long flags = spin_lock(&u->lock);

	room = u->send_waits && reg_read(u, LSR) & LSR_SEND;
	if (room) {
		u->send_waits = false;
		ier_set_locked(u, u->ier & (uint8_t)~IER_SEND);
	}
	spin_unlock(&u->lock, flags);
	if (room)
		console_port_room(&u->port);
}

static void ns16550_start(struct console_port *port)
{
	struct ns16550 *u = container_of(port, struct ns16550, port);
	unsigned long flags = spin_lock(&u->lock);

	ier_set_locked(u, u->ier | IER_RECEIVE | IER_LINE);
	spin_unlock(&u->lock, flags);
}

/* ---- sending ---- */

static size_t ns16550_write(struct console_port *port, const void *buf, size_t len)
{
	struct ns16550 *u = container_of(port, struct ns16550, port);
	const uint8_t *p = buf;
	unsigned long flags = spin_lock(&u->lock);
	size_t n = 0;

	if (reg_read(u, LSR) & LSR_SEND)
		while (n < len && n < u->fifo)
			reg_write(u, THR, p[n++]);
	if (n < len) {
		u->send_waits = true;
		ier_set_locked(u, u->ier | IER_SEND);
	}
	spin_unlock(&u->lock, flags);
	return n;
}

/* Waits for a bit of the line status, emptying the receive FIFO meanwhile. False: the line is stuck. */
static bool send_wait(struct ns16550 *u, uint8_t bit, bool receive)
{
	nsec_t deadline = clock_now() + SEND_PATIENCE;

	while (!(reg_read(u, LSR) & bit)) {
		if (receive)
			rx_drain_locked(u);
		if (clock_now() > deadline)
			return false;
	}
	return true;
}

static void ns16550_write_polled(struct console_port *port, const void *buf, size_t len)
{
	struct ns16550 *u = container_of(port, struct ns16550, port);
	const uint8_t *p = buf;
	nsec_t deadline = clock_now() + LOCK_PATIENCE;
	unsigned long flags = 0;
	bool locked, good = true;

	while (!(locked = spin_trylock(&u->lock, &flags)) && clock_now() < deadline)
		;
	bool receiving = locked && u->ier & IER_RECEIVE;

	for (size_t n = 0; n < len && good; n++) {
		if (n % u->fifo == 0)
			good = send_wait(u, LSR_SEND, receiving);
		if (good)
			reg_write(u, THR, p[n]);
	}
	if (good)
		send_wait(u, LSR_IDLE, receiving);
	if (locked) {
		/* What was received meanwhile is for the interrupt to deliver: one comes as the FIFO is empty. */
		if (u->rx_in != u->rx_out) {
			u->send_waits = true;
			ier_set_locked(u, u->ier | IER_SEND);
		}
		spin_unlock(&u->lock, flags);
	}
}

/* ---- probe ---- */

/* The tree's stdout-path: a path or an alias, then perhaps a colon and settings. */
static bool is_stdout(const struct device *dev)
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

static int ns16550_probe(const struct device *dev)
{
	uint32_t shift = 0, width = 1;

	fdt_prop_u32(dev->fdt, dev->node, "reg-shift", 0, &shift);
	fdt_prop_u32(dev->fdt, dev->node, "reg-io-width", 0, &width);
	if (!dev->reg_count || !dev->irq_count || shift > 4 || (width != 1 && width != 4) ||
	    (width == 4 && shift < 2) || dev->reg[0].len < ((uint64_t)LSR << shift) + width)
		return -EINVAL;
	struct ns16550 *u = wired_alloc(sizeof(*u));
	volatile void *regs = io_map(dev->reg[0].pa, dev->reg[0].len);

	if (!u || !regs)
		return -ENOMEM;
	u->regs = regs;
	u->shift = shift;
	u->width = width;
	spin_init(&u->lock, "ns16550");
	snprintf(u->name, sizeof(u->name), "ttyS%u", lines_found % 100);
	u->port = (struct console_port){
	    .name = u->name,
	    .write_polled = ns16550_write_polled,
	    .write = ns16550_write,
	    .start = ns16550_start,
	    .preferred = is_stdout(dev),
	};
	reg_write(u, IER, 0);
	reg_write(u, LCR, LCR_8N1);
	reg_write(u, FCR, FCR_ENABLE | FCR_TRIGGER_4);
	u->fifo = (reg_read(u, IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_SIZE : 1;
	reg_write(u, MCR, MCR_DTR_RTS_OUT2);
	int error = irq_request(dev->irq[0], ns16550_irq, u, u->name);

	if (error)
		return error;
	lines_found++;
	return console_register(&u->port);
}

static const char *const ns16550_compatible[] = {"ns16550a", "ns16550", NULL};
const struct driver ns16550_driver = {.name = "ns16550", .compatible = ns16550_compatible, .probe = ns16550_probe};
