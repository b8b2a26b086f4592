// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * SiFive's UART, named ttySIF0, ttySIF1... in the order of probing. The firmware has set its speed, which stays. Both
 * FIFOs are eight bytes deep, and their water marks are what interrupts: one byte received, the transmitter's FIFO
 * empty. The device says neither that it lost a byte nor that one was damaged, and of the byte in its shift register
 * not when it has left.
 *
 * sifive_uart.lock guards the registers and the ring. It nests inside the console's; the console is called without it.
 * The polled path gives up waiting for the lock (a panic may have come while it was held), and writes all the same.
 */
#include "drivers/serial/sifive.h"

#include <errno.h>
#include <stdio.h>

#include "arch/clock.h"
#include "arch/io.h"
#include "drivers/irq.h"
#include "drivers/serial/serial.h"
#include "drivers/wired.h"
#include "kernel/time.h"

enum { TXDATA = 0x00, RXDATA = 0x04, TXCTRL = 0x08, RXCTRL = 0x0c, IE = 0x10, IP = 0x14, REGS_LEN = 0x1c };
#define TXDATA_FULL (1u << 31)
#define RXDATA_EMPTY (1u << 31)
#define CTRL_ENABLE 1u
#define CTRL_MARK(n) ((uint32_t)(n) << 16) // sending: interrupts with fewer in the FIFO; receiving: with more
#define CTRL_MARK_MASK CTRL_MARK(7)
enum { INT_SEND = 1, INT_RECEIVE = 2 };

#define DRAIN_MAX 64		   // bytes read at once: a device that has gone away never is empty
#define SEND_PATIENCE NSEC_PER_SEC // for room in a FIFO: eight bytes take 0.3 s at 300 baud

struct sifive_uart {
	struct console_port port;
	char name[10];
	volatile void *regs;

	struct spinlock lock; // guards the registers and the rest
	uint32_t ie;
	bool send_waits; // the console has more than the FIFO took
	struct serial_rx rx;
};

static unsigned lines_found;

static void ie_set_locked(struct sifive_uart *u, uint32_t ie)
{
	if (ie != u->ie)
		io_write32(u->regs, IE, u->ie = ie);
}

static void rx_drain_locked(struct console_port *port)
{
	struct sifive_uart *u = container_of(port, struct sifive_uart, port);
	uint32_t data;

	for (unsigned n = 0; n < DRAIN_MAX && !((data = io_read32(u->regs, RXDATA)) & RXDATA_EMPTY); n++)
		serial_rx_byte_locked(&u->rx, (uint8_t)data);
}

static void sifive_uart_irq(void *arg)
{
	struct sifive_uart *u = arg;

	serial_rx_deliver(&u->rx, &u->port, &u->lock, rx_drain_locked);

	unsigned long flags = spin_lock(&u->lock);
	bool room = u->ie & INT_SEND && io_read32(u->regs, IP) & INT_SEND;
	bool waits = room && u->send_waits;

	if (room) {
		u->send_waits = false;
		ie_set_locked(u, u->ie & ~(uint32_t)INT_SEND);
	}
	spin_unlock(&u->lock, flags);
	if (waits)
		console_port_room(&u->port);
}

static void sifive_uart_start(struct console_port *port)
{
	struct sifive_uart *u = container_of(port, struct sifive_uart, port);
	unsigned long flags = spin_lock(&u->lock);

	ie_set_locked(u, u->ie | INT_RECEIVE);
	spin_unlock(&u->lock, flags);
}

static size_t sifive_uart_write(struct console_port *port, const void *buf, size_t len)
{
	struct sifive_uart *u = container_of(port, struct sifive_uart, port);
	const uint8_t *p = buf;
	unsigned long flags = spin_lock(&u->lock);
	size_t n = 0;

	while (n < len && n < DRAIN_MAX && !(io_read32(u->regs, TXDATA) & TXDATA_FULL))
		io_write32(u->regs, TXDATA, p[n++]);
	if (n < len) {
		u->send_waits = true;
		ie_set_locked(u, u->ie | INT_SEND);
	}
	spin_unlock(&u->lock, flags);
	return n;
}

/* Waits until bits of a register are as wanted, emptying the receive FIFO meanwhile. False: the line is stuck. */
static bool send_wait(struct sifive_uart *u, size_t reg, uint32_t mask, uint32_t wanted, bool receive)
{
	nsec_t deadline = clock_now() + SEND_PATIENCE;

	while ((io_read32(u->regs, reg) & mask) != wanted) {
		if (receive)
			rx_drain_locked(&u->port);
		if (clock_now() > deadline)
			return false;
	}
	return true;
}

static void sifive_uart_write_polled(struct console_port *port, const void *buf, size_t len)
{
	struct sifive_uart *u = container_of(port, struct sifive_uart, port);
	const uint8_t *p = buf;
	unsigned long flags = 0;
	bool locked = serial_lock_patient(&u->lock, &flags), good = true;
	bool receiving = locked && u->ie & INT_RECEIVE;

	for (size_t n = 0; n < len && good; n++) {
		good = send_wait(u, TXDATA, TXDATA_FULL, 0, receiving);
		if (good)
			io_write32(u->regs, TXDATA, p[n]);
	}
	if (good)
		send_wait(u, IP, INT_SEND, INT_SEND, receiving);
	if (!locked)
		return;
	/* What was received meanwhile is for the interrupt to deliver: one comes, as the FIFO is empty. */
	if (u->rx.in != u->rx.out)
		ie_set_locked(u, u->ie | INT_SEND);
	spin_unlock(&u->lock, flags);
}

static int sifive_uart_probe(const struct device *dev)
{
	if (!dev->reg_count || !dev->irq_count || dev->reg[0].len < REGS_LEN)
		return -EINVAL;
	struct sifive_uart *u = wired_alloc(sizeof(*u));
	volatile void *regs = io_map(dev->reg[0].pa, dev->reg[0].len);

	if (!u || !regs)
		return -ENOMEM;
	u->regs = regs;
	spin_init(&u->lock, "sifive_uart");
	snprintf(u->name, sizeof(u->name), "ttySIF%u", lines_found % 100);
	u->port = (struct console_port){
	    .name = u->name,
	    .write_polled = sifive_uart_write_polled,
	    .write = sifive_uart_write,
	    .start = sifive_uart_start,
	    .preferred = serial_is_stdout(dev),
	};
	io_write32(regs, IE, 0);
	io_write32(regs, TXCTRL, (io_read32(regs, TXCTRL) & ~CTRL_MARK_MASK) | CTRL_MARK(1) | CTRL_ENABLE);
	io_write32(regs, RXCTRL, CTRL_MARK(0) | CTRL_ENABLE);
	int error = irq_request(dev->irq[0], sifive_uart_irq, u, u->name);

	if (error)
		return error;
	lines_found++;
	return console_register(&u->port);
}

static const char *const sifive_uart_compatible[] = {"sifive,uart0", NULL};
const struct driver sifive_uart_driver = {
    .name = "sifive_uart", .compatible = sifive_uart_compatible, .probe = sifive_uart_probe};
