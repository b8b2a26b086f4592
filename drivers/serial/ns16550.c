// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Serial line of the 16550 kind, named ttyS0, ttyS1... in the order of probing: the plain one, DesignWare's and
 * Microchip's MMUART, their registers spaced as the device tree says. The firmware has set its speed, which stays.
 * Received bytes go from the FIFO into a ring of the driver's as soon as anybody is here, also while a polled write
 * keeps interrupts masked, and from there to the console in the interrupt.
 *
 * ns16550.lock guards the registers and the ring. It nests inside the console's; the console is called without it.
 * The polled path gives up waiting for the lock (a panic may have come while it was held), and writes all the same.
 */
#include "drivers/serial/ns16550.h"

#include <errno.h>
#include <stdio.h>

#include "arch/clock.h"
#include "arch/io.h"
#include "drivers/irq.h"
#include "drivers/serial/serial.h"
#include "drivers/wired.h"
#include "kernel/time.h"

enum { RBR = 0, THR = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, DW_USR = 31 };
enum { IER_RECEIVE = 1, IER_SEND = 2, IER_LINE = 4 };
enum { FCR_ENABLE = 1, FCR_TRIGGER_4 = 0x40, IIR_FIFO = 0xc0 };
enum { IIR_CAUSE = 0x0f, IIR_BUSY = 7, IIR_TIMEOUT = 12 };
enum { LCR_8N1 = 3, MCR_DTR_RTS_OUT2 = 0x0b };
enum { LSR_READY = 1, LSR_OVERRUN = 2, LSR_PARITY = 4, LSR_FRAMING = 8, LSR_BREAK = 16, LSR_SEND = 32, LSR_IDLE = 64 };

#define FIFO_SIZE 16
#define SEND_PATIENCE NSEC_PER_SEC // for a FIFO to empty: 16 bytes take 0.5 s at 300 baud

struct ns16550 {
	struct console_port port;
	char name[8];
	volatile void *regs;
	uint32_t shift, width;
	bool designware;
	unsigned fifo; // bytes that the transmitter takes when it is empty

	struct spinlock lock; // guards the registers and the rest
	uint8_t ier;
	bool send_waits; // the console has more than the FIFO took
	struct serial_rx rx;
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

/*
 * Empties the FIFO into the ring. The line status belongs to the byte that is read next. Bounded, since a device that
 * has gone away reads as all ones.
 */
static void rx_drain_locked(struct console_port *port)
{
	struct ns16550 *u = container_of(port, struct ns16550, port);
	uint8_t status;

	for (unsigned n = 0; n < SERIAL_RX_SIZE && (status = reg_read(u, LSR)) & (LSR_READY | LSR_OVERRUN); n++) {
		if (status & LSR_READY) {
			uint8_t byte = reg_read(u, RBR);

			if (status & (LSR_PARITY | LSR_FRAMING | LSR_BREAK))
				serial_rx_error_locked(&u->rx);
			else
				serial_rx_byte_locked(&u->rx, byte);
		}
		if (status & LSR_OVERRUN)
			serial_rx_error_locked(&u->rx);
	}
}

/*
 * DesignWare's two interrupts that nothing else takes back: the line control was written while a character was under
 * way, and a time-out of a FIFO that somebody has emptied meanwhile.
 */
static void dw_interrupt_clear(struct ns16550 *u)
{
	unsigned long flags = spin_lock(&u->lock);
	uint8_t cause = reg_read(u, IIR) & IIR_CAUSE;

	if (cause == IIR_BUSY)
		(void)reg_read(u, DW_USR);
	else if (cause == IIR_TIMEOUT && !(reg_read(u, LSR) & (LSR_READY | LSR_BREAK)))
		(void)reg_read(u, RBR);
	spin_unlock(&u->lock, flags);
}

static void ns16550_irq(void *arg)
{
	struct ns16550 *u = arg;

	serial_rx_deliver(&u->rx, &u->port, &u->lock, rx_drain_locked);
	if (u->designware)
		dw_interrupt_clear(u);

	unsigned long flags = spin_lock(&u->lock);
	bool room = u->send_waits && reg_read(u, LSR) & LSR_SEND;

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
			rx_drain_locked(&u->port);
		if (clock_now() > deadline)
			return false;
	}
	return true;
}

static void ns16550_write_polled(struct console_port *port, const void *buf, size_t len)
{
	struct ns16550 *u = container_of(port, struct ns16550, port);
	const uint8_t *p = buf;
	unsigned long flags = 0;
	bool locked = serial_lock_patient(&u->lock, &flags), good = true;
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
		if (u->rx.in != u->rx.out) {
			u->send_waits = true;
			ier_set_locked(u, u->ier | IER_SEND);
		}
		spin_unlock(&u->lock, flags);
	}
}

/* ---- probe ---- */

/*
 * Eight bits, no parity, one stop bit. The firmware may still be sending, and DesignWare's UART drops what is written
 * to its line control meanwhile, so it is asked what it has. False: it never took it.
 */
static bool lcr_set(struct ns16550 *u)
{
	nsec_t deadline = clock_now() + SEND_PATIENCE;

	while (reg_read(u, LCR) != LCR_8N1) {
		if (clock_now() > deadline)
			return false;
		reg_write(u, LCR, LCR_8N1);
		if (u->designware && reg_read(u, LCR) != LCR_8N1)
			(void)reg_read(u, DW_USR);
	}
	return true;
}

static int ns16550_probe(const struct device *dev)
{
	uint32_t shift = 0, width = 1;
	bool designware = fdt_is_compatible(dev->fdt, dev->node, "snps,dw-apb-uart");

	fdt_prop_u32(dev->fdt, dev->node, "reg-shift", 0, &shift);
	fdt_prop_u32(dev->fdt, dev->node, "reg-io-width", 0, &width);
	if (!dev->reg_count || !dev->irq_count || shift > 4 || (width != 1 && width != 4) ||
	    (width == 4 && shift < 2) || dev->reg[0].len < ((uint64_t)(designware ? DW_USR : LSR) << shift) + width)
		return -EINVAL;
	struct ns16550 *u = wired_alloc(sizeof(*u));
	volatile void *regs = io_map(dev->reg[0].pa, dev->reg[0].len);

	if (!u || !regs)
		return -ENOMEM;
	u->regs = regs;
	u->shift = shift;
	u->width = width;
	u->designware = designware;
	spin_init(&u->lock, "ns16550");
	snprintf(u->name, sizeof(u->name), "ttyS%u", lines_found % 100);
	u->port = (struct console_port){
	    .name = u->name,
	    .write_polled = ns16550_write_polled,
	    .write = ns16550_write,
	    .start = ns16550_start,
	    .preferred = serial_is_stdout(dev),
	};
	if (!lcr_set(u)) // first: with the divisor's latch open, others are no registers of theirs
		return -EBUSY;
	reg_write(u, IER, 0);
	reg_write(u, FCR, FCR_ENABLE | FCR_TRIGGER_4);
	u->fifo = (reg_read(u, IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_SIZE : 1;
	reg_write(u, MCR, MCR_DTR_RTS_OUT2);
	int error = irq_request(dev->irq[0], ns16550_irq, u, u->name);

	if (error)
		return error;
	lines_found++;
	return console_register(&u->port);
}

static const char *const ns16550_compatible[] = {"ns16550a", "ns16550", "snps,dw-apb-uart", NULL};
const struct driver ns16550_driver = {.name = "ns16550", .compatible = ns16550_compatible, .probe = ns16550_probe};
