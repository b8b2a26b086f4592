// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The driver of SiFive's UART on a model of it whose bytes take the time they take at 115200 baud: a register access
 * passes a microsecond. The model loses what its FIFO has no room for, and says nothing of it, as the device does. The
 * code is included, with its register accesses turned to the model.
 */
#include <stdlib.h>

#include "arch/io.h"

static uint32_t model_read(const volatile void *base, size_t off);
static void model_write(volatile void *base, size_t off, uint32_t v);
static volatile void *model_map(paddr_t pa, size_t len);
static int model_irq(uint32_t irq, void (*handler)(void *arg), void *arg, const char *name);

#define io_read32 model_read
#define io_write32 model_write
#define io_map model_map
#define irq_request model_irq
#include "drivers/serial/sifive.c"

#include "arch/host/host.h"
#include "arch/irq.h"
#include "tests/host/dts.h"
#include "tests/host/harness.h"

#define BYTE_TIME 87 // microseconds: ten bits
#define FIFO_SIZE 8
#define LINE_MAX_LEN 200000
#define STOP_BITS 2u // TXCTRL, as the firmware may have set it

static struct {
	uint64_t now; // microseconds
	uint32_t txctrl, rxctrl, ie;

	/* From the PC: bytes one after the other, asked for or not. */
	uint8_t rx_line[LINE_MAX_LEN], rx_fifo[FIFO_SIZE];
	size_t rx_sent, rx_count;
	unsigned rx_held, lost;
	uint64_t rx_next;

	/* To the PC: the FIFO, and the byte that is being shifted out. */
	uint8_t tx_line[LINE_MAX_LEN];
	size_t tx_count;
	unsigned tx_held;
	bool shifting, stuck;
	uint64_t tx_next;
} hw;

static void model_run(uint64_t until)
{
	for (; hw.now < until; hw.now++) {
		if (hw.rx_sent < hw.rx_count && hw.now >= hw.rx_next) {
			if (hw.rx_held == FIFO_SIZE)
				hw.lost++;
			else
				hw.rx_fifo[hw.rx_held++] = hw.rx_line[hw.rx_sent];
			hw.rx_sent++;
			hw.rx_next = hw.now + BYTE_TIME;
		}
		if (hw.shifting && hw.now >= hw.tx_next)
			hw.shifting = false;
		if (!hw.shifting && hw.tx_held && !hw.stuck) {
			hw.tx_held--;
			hw.shifting = true;
			hw.tx_next = hw.now + BYTE_TIME;
		}
	}
}

static uint32_t model_pending(void)
{
	uint32_t tx_mark = hw.txctrl >> 16 & 7, rx_mark = hw.rxctrl >> 16 & 7;

	return (hw.tx_held < tx_mark ? INT_SEND : 0) | (hw.rx_held > rx_mark ? INT_RECEIVE : 0);
}

static uint32_t model_read(const volatile void *base, size_t off)
{
	uint32_t v;

	assert_ptr_equal(base, &hw);
	model_run(hw.now + 1);
	switch (off) {
	case TXDATA:
		return hw.tx_held == FIFO_SIZE ? TXDATA_FULL : 0;
	case RXDATA:
		if (!hw.rx_held)
			return RXDATA_EMPTY;
		v = hw.rx_fifo[0];
		memmove(&hw.rx_fifo[0], &hw.rx_fifo[1], --hw.rx_held);
		return v;
	case TXCTRL:
		return hw.txctrl;
	case IP:
		return model_pending();
	default:
		fail_msg("read of register %zu", off);
		return 0;
	}
}

static void model_write(volatile void *base, size_t off, uint32_t v)
{
	assert_ptr_equal(base, &hw);
	model_run(hw.now + 1);
	switch (off) {
	case TXDATA:
		assert_true(hw.txctrl & CTRL_ENABLE);
		assert_true(hw.tx_held < FIFO_SIZE && hw.tx_count < LINE_MAX_LEN);
		hw.tx_held++;
		hw.tx_line[hw.tx_count++] = (uint8_t)v;
		break;
	case TXCTRL:
		hw.txctrl = v;
		break;
	case RXCTRL:
		hw.rxctrl = v;
		break;
	case IE:
		hw.ie = v;
		break;
	default:
		fail_msg("write of register %zu", off);
	}
}

static bool model_interrupts(void)
{
	return hw.ie & model_pending();
}

/* ---- the console's side ---- */

static struct console_port *port;
static void (*handler)(void *arg);
static void *handler_arg;
static uint8_t got[LINE_MAX_LEN];
static size_t got_count, error_sum, error_at;
static unsigned rooms;

static struct sifive_uart *uart(void)
{
	return container_of(port, struct sifive_uart, port);
}

void console_receive(struct console_port *p, const uint8_t *buf, size_t len, unsigned errors)
{
	assert_ptr_equal(p, port);
	assert_false(spin_held(&uart()->lock));
	if (errors)
		error_at = got_count;
	error_sum += errors;
	memcpy(got + got_count, buf, len);
	got_count += len;
}

void console_port_room(struct console_port *p)
{
	assert_ptr_equal(p, port);
	assert_false(spin_held(&uart()->lock));
	rooms++;
}

int console_register(struct console_port *p)
{
	assert_null(port);
	port = p;
	return 0;
}

static volatile void *model_map(paddr_t pa, size_t len)
{
	assert_int_equal(pa, 0x10010000);
	assert_int_equal(len, 0x1000);
	return &hw;
}

static int model_irq(uint32_t irq, void (*function)(void *arg), void *arg, const char *name)
{
	assert_int_equal(irq, 4);
	assert_string_equal(name, "ttySIF0");
	handler = function;
	handler_arg = arg;
	return 0;
}

static void uart_make(bool started)
{
	static struct dts tree;
	struct device dev = {
	    .fdt = &tree.fdt, .reg = {{0x10010000, 0x1000}}, .irq = {4}, .reg_count = 1, .irq_count = 1};

	assert_int_equal(dts_load(&tree, "sifive_u.dts"), 0);
	dev.node = fdt_by_path(&tree.fdt, "/soc/serial@10010000");
	hw.txctrl = STOP_BITS | CTRL_MARK(5);
	hw.ie = INT_SEND | INT_RECEIVE;
	assert_int_equal(sifive_uart_probe(&dev), 0);
	assert_true(port->preferred); // the tree's stdout-path
	assert_int_equal(hw.ie, 0);
	assert_int_equal(hw.txctrl, STOP_BITS | CTRL_MARK(1) | CTRL_ENABLE);
	if (started)
		port->start(port);
}

/* Lets time pass; the hart takes interrupts some microseconds after they come. */
static void pass(uint64_t microseconds)
{
	uint64_t until = hw.now + microseconds;

	while (hw.now < until) {
		model_run(hw.now + 20);
		for (unsigned n = 0; model_interrupts(); n++) {
			unsigned long flags = irq_save();

			assert_true(n < 100); // it is taken back
			handler(handler_arg);
			irq_restore(flags);
		}
	}
}

static void send_to_board(size_t count)
{
	for (size_t i = 0; i < count; i++)
		hw.rx_line[hw.rx_count++] = (uint8_t)(i * 11 + (i >> 8));
	hw.rx_next = hw.now + BYTE_TIME;
}

static void got_check(size_t count)
{
	assert_int_equal(got_count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(got[i], (uint8_t)(i * 11 + (i >> 8)));
}

/* ---- tests ---- */

static void body_full_speed(void *arg)
{
	(void)arg;
	uart_make(true);
	send_to_board(20000);
	pass(20100 * BYTE_TIME);
	got_check(20000);
	assert_int_equal(error_sum + hw.lost, 0);
}

/* Kernel lines by polling keep interrupts masked for far longer than the FIFO lasts. */
static void body_polled_beside(void *arg)
{
	static char line[300];
	size_t lines = 0;

	(void)arg;
	memset(line, 'k', sizeof(line));
	uart_make(true);
	send_to_board(20000);
	while (hw.rx_sent < hw.rx_count) {
		unsigned long flags = irq_save();

		port->write_polled(port, line, sizeof(line));
		irq_restore(flags);
		lines++;
		pass(1000);
	}
	pass(1000);
	got_check(20000);
	assert_int_equal(error_sum + hw.lost, 0);
	assert_true(lines > 50);
	assert_int_equal(hw.tx_count, lines * sizeof(line));
	assert_int_equal(rooms, 0); // nobody waited for room
}

static void body_send(void *arg)
{
	static uint8_t data[5000];
	size_t sent = 0;

	(void)arg;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	uart_make(true);
	sent = port->write(port, data, sizeof(data));
	assert_true(sent >= FIFO_SIZE && sent <= FIFO_SIZE + 1);
	while (sent < sizeof(data)) {
		unsigned before = rooms;

		for (unsigned n = 0; rooms == before && n < 100; n++)
			pass(BYTE_TIME);
		assert_int_equal(rooms, before + 1);
		sent += port->write(port, data + sent, sizeof(data) - sent);
	}
	pass(20 * BYTE_TIME);
	assert_int_equal(hw.tx_count, sizeof(data));
	assert_memory_equal(hw.tx_line, data, sizeof(data));
	assert_false(hw.ie & INT_SEND);						     // nobody waits any more
	assert_true(hw.now < (sizeof(data) + 25 * FIFO_SIZE) * BYTE_TIME * 11 / 10); // the line is used to the full

	/* Polled output goes behind what the FIFO has. */
	hw.tx_count = 0;
	assert_int_equal(port->write(port, "first", 5), 5);
	port->write_polled(port, "second, longer than the FIFO is", 31);
	assert_memory_equal(hw.tx_line, "firstsecond, longer than the FIFO is", 36);
	assert_int_equal(hw.tx_held, 0); // the last byte is in the shift register, or has left
}

/* Before start they stay in the device. */
static void body_before_start(void *arg)
{
	(void)arg;
	uart_make(false);
	send_to_board(FIFO_SIZE);
	pass(20 * BYTE_TIME);
	assert_int_equal(got_count, 0);
	port->start(port);
	pass(100);
	got_check(FIFO_SIZE);
}

/* Masked for so long that even the driver's ring is full: the loss is told, at its place, and counted. */
static void body_ring_full(void *arg)
{
	static char line[SERIAL_RX_SIZE + 1000];

	(void)arg;
	uart_make(true);
	send_to_board(SERIAL_RX_SIZE + 500);
	unsigned long flags = irq_save();

	port->write_polled(port, line, sizeof(line));
	irq_restore(flags);
	pass(1000);
	got_check(SERIAL_RX_SIZE);
	assert_int_equal(error_sum, 500);
	assert_int_equal(error_at, SERIAL_RX_SIZE);
}

/* A panic while the driver's lock is held: out it goes. A line that is stuck does not stop the machine. */
static void body_stuck(void *arg)
{
	(void)arg;
	uart_make(true);
	host_clock_real();
	unsigned long flags = spin_lock(&uart()->lock);

	port->write_polled(port, "panic", 5);
	assert_memory_equal(hw.tx_line, "panic", 5);
	hw.stuck = true;
	hw.tx_held = FIFO_SIZE;
	port->write_polled(port, "more", 4);
	assert_int_equal(hw.tx_count, 5);
	spin_unlock(&uart()->lock, flags);
}

#define TEST(name)                                                                                                     \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		harness_run(&(struct harness){0}, body_##name, NULL);                                                  \
	}

TEST(full_speed)
TEST(polled_beside)
TEST(send)
TEST(before_start)
TEST(ring_full)
TEST(stuck)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full_speed),	 cmocka_unit_test(test_polled_beside), cmocka_unit_test(test_send),
	    cmocka_unit_test(test_before_start), cmocka_unit_test(test_ring_full),     cmocka_unit_test(test_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
