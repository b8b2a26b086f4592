// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The serial driver on a model of the 16550 whose bytes take the time they take at 115200 baud: a register access
 * passes a microsecond. The model does what QEMU's never does: it overruns, and damages bytes. The code is included,
 * with its register accesses turned to the model.
 */
#include <stdlib.h>

#include "arch/io.h"

static uint8_t model_read(const volatile void *base, size_t off);
static void model_write(volatile void *base, size_t off, uint8_t v);
static uint32_t model_read32(const volatile void *base, size_t off);
static void model_write32(volatile void *base, size_t off, uint32_t v);
static volatile void *model_map(paddr_t pa, size_t len);
static int model_irq(uint32_t irq, void (*handler)(void *arg), void *arg, const char *name);

#define io_read8 model_read
#define io_write8 model_write
#define io_read32 model_read32
#define io_write32 model_write32
#define io_map model_map
#define irq_request model_irq
#include "drivers/serial/ns16550.c"

#include "arch/host/host.h"
#include "arch/irq.h"
#include "tests/host/dts.h"
#include "tests/host/harness.h"

#define BYTE_TIME 87 // microseconds: ten bits
#define LINE_MAX_LEN 200000

static struct {
	uint64_t now; // microseconds
	uint8_t ier, lcr, fcr, mcr;

	/* From the PC: bytes with the line status that each has; they come one after the other, asked for or not. */
	struct {
		uint8_t byte, status;
	} rx_line[LINE_MAX_LEN], rx_fifo[FIFO_SIZE];
	size_t rx_sent, rx_count;
	unsigned rx_held;
	uint64_t rx_next;
	bool overrun;
	unsigned overruns;

	/* To the PC. */
	uint8_t tx_line[LINE_MAX_LEN];
	size_t tx_count;
	unsigned tx_held;
	uint64_t tx_next;
	bool send_event; // the transmitter became empty, or its interrupt was enabled while it was

	/* DesignWare's: what its line control does while a character is under way, and interrupts of its own. */
	bool designware, busy_event, timeout_event;
	unsigned lcr_dropped;
} hw;

static void model_run(uint64_t until)
{
	for (; hw.now < until; hw.now++) {
		if (hw.rx_sent < hw.rx_count && hw.now >= hw.rx_next) {
			if (hw.rx_held == FIFO_SIZE) {
				hw.overrun = true;
				hw.overruns++;
			} else {
				hw.rx_fifo[hw.rx_held].byte = hw.rx_line[hw.rx_sent].byte;
				hw.rx_fifo[hw.rx_held++].status = hw.rx_line[hw.rx_sent].status;
			}
			hw.rx_sent++;
			hw.rx_next = hw.now + BYTE_TIME;
		}
		if (hw.tx_held && hw.now >= hw.tx_next) {
			hw.tx_next = hw.now + BYTE_TIME;
			hw.send_event = --hw.tx_held == 0;
		}
	}
}

static uint8_t model_read(const volatile void *base, size_t off)
{
	uint8_t v = 0;

	(void)base;
	model_run(hw.now + 1);
	switch (off) {
	case RBR:
		if (hw.timeout_event && !hw.rx_held) {
			hw.timeout_event = false;
			return 0;
		}
		assert_true(hw.rx_held > 0);
		v = hw.rx_fifo[0].byte;
		memmove(&hw.rx_fifo[0], &hw.rx_fifo[1], --hw.rx_held * sizeof(hw.rx_fifo[0]));
		return v;
	case IIR:
		v = hw.fcr & FCR_ENABLE ? IIR_FIFO : 0;
		return v | (hw.busy_event ? IIR_BUSY : hw.timeout_event ? IIR_TIMEOUT : 1);
	case LCR:
		return hw.lcr;
	case DW_USR:
		assert_true(hw.designware);
		hw.busy_event = false;
		return hw.tx_held > 0;
	case LSR:
		v = hw.rx_held ? LSR_READY | hw.rx_fifo[0].status : 0;
		v |= hw.overrun ? LSR_OVERRUN : 0;
		v |= hw.tx_held ? 0 : LSR_SEND | LSR_IDLE;
		hw.overrun = false;
		if (hw.rx_held)
			hw.rx_fifo[0].status = 0;
		return v;
	default:
		fail_msg("read of register %zu", off);
		return 0;
	}
}

static void model_write(volatile void *base, size_t off, uint8_t v)
{
	(void)base;
	model_run(hw.now + 1);
	switch (off) {
	case THR:
		assert_true(hw.tx_held < FIFO_SIZE && hw.tx_count < LINE_MAX_LEN);
		if (!hw.tx_held++)
			hw.tx_next = hw.now + BYTE_TIME;
		hw.tx_line[hw.tx_count++] = v;
		hw.send_event = false;
		break;
	case IER:
		if (v & ~hw.ier & IER_SEND)
			hw.send_event = !hw.tx_held;
		hw.ier = v;
		break;
	case LCR:
		if (hw.designware && hw.tx_held) {
			hw.busy_event = true;
			hw.lcr_dropped++;
		} else {
			hw.lcr = v;
		}
		break;
	case FCR:
		hw.fcr = v;
		break;
	case MCR:
		hw.mcr = v;
		break;
	default:
		fail_msg("write of register %zu", off);
	}
}

static uint32_t model_read32(const volatile void *base, size_t off)
{
	assert_int_equal(off % 4, 0);
	return model_read(base, off / 4);
}

static void model_write32(volatile void *base, size_t off, uint32_t v)
{
	assert_int_equal(off % 4, 0);
	model_write(base, off / 4, (uint8_t)v);
}

/* As hardware, but that the four-character time-out of a FIFO below its trigger comes at once. */
static bool model_interrupts(void)
{
	return (hw.ier & IER_RECEIVE && hw.rx_held) || (hw.ier & IER_SEND && hw.send_event) ||
	       (hw.ier & IER_LINE && hw.overrun) || hw.busy_event || hw.timeout_event;
}

/* ---- the console's side ---- */

static struct ns16550 uart;
static struct console_port *probed; // the driver's own, in its place
static uint8_t got[LINE_MAX_LEN];
static size_t got_count, errors_at[100];
static unsigned error_sum, error_count, rooms;

void console_receive(struct console_port *port, const uint8_t *buf, size_t len, unsigned errors)
{
	assert_ptr_equal(port, probed ? probed : &uart.port);
	assert_false(spin_held(&uart.lock));
	if (errors) {
		errors_at[error_count++ % array_size(errors_at)] = got_count;
		error_sum += errors;
	}
	memcpy(got + got_count, buf, len);
	got_count += len;
}

void console_port_room(struct console_port *port)
{
	assert_ptr_equal(port, probed ? probed : &uart.port);
	assert_false(spin_held(&uart.lock));
	rooms++;
}

int console_register(struct console_port *port)
{
	probed = port;
	return 0;
}

static volatile void *model_map(paddr_t pa, size_t len)
{
	return pa && len ? &hw : NULL;
}

static int model_irq(uint32_t irq, void (*handler)(void *arg), void *arg, const char *name)
{
	(void)name;
	return irq && handler && arg ? 0 : -EINVAL;
}

static void uart_make(bool started)
{
	hw.fcr = FCR_ENABLE;
	uart.width = 1;
	uart.fifo = FIFO_SIZE;
	spin_init(&uart.lock, "ns16550");
	if (started)
		ns16550_start(&uart.port);
}

/* Lets time pass; the hart takes interrupts some microseconds after they come. */
static void pass(uint64_t microseconds)
{
	uint64_t until = hw.now + microseconds;

	while (hw.now < until) {
		model_run(hw.now + 20);
		if (model_interrupts()) {
			unsigned long flags = irq_save();

			ns16550_irq(probed ? container_of(probed, struct ns16550, port) : &uart);
			irq_restore(flags);
		}
	}
}

static void send_to_board(size_t count)
{
	for (size_t i = 0; i < count; i++)
		hw.rx_line[hw.rx_count++].byte = (uint8_t)(i * 11 + (i >> 8));
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
	assert_int_equal(error_count + hw.overruns, 0);
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

		ns16550_write_polled(&uart.port, line, sizeof(line));
		irq_restore(flags);
		lines++;
		pass(1000);
	}
	pass(1000);
	got_check(20000);
	assert_int_equal(error_count + hw.overruns, 0);
	assert_true(lines > 50);
	assert_int_equal(hw.tx_count, lines * sizeof(line));
}

static void body_send(void *arg)
{
	static uint8_t data[5000];
	size_t sent = 0;

	(void)arg;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	uart_make(true);
	sent = ns16550_write(&uart.port, data, sizeof(data));
	assert_int_equal(sent, FIFO_SIZE);
	while (sent < sizeof(data)) {
		unsigned before = rooms;

		pass(FIFO_SIZE * BYTE_TIME + 100);
		assert_int_equal(rooms, before + 1);
		sent += ns16550_write(&uart.port, data + sent, sizeof(data) - sent);
	}
	pass(20 * FIFO_SIZE * BYTE_TIME);
	assert_int_equal(hw.tx_count, sizeof(data));
	assert_memory_equal(hw.tx_line, data, sizeof(data));
	assert_false(hw.ier & IER_SEND); // nobody waits any more
	/* The line is used to the full: what interrupts cost is a fraction of a byte for each FIFO. */
	assert_true(hw.now < (sizeof(data) + 25 * FIFO_SIZE) * BYTE_TIME * 11 / 10);

	/* Polled output goes behind what the FIFO has. */
	hw.tx_count = 0;
	assert_int_equal(ns16550_write(&uart.port, "first", 5), 5);
	ns16550_write_polled(&uart.port, "second, longer than the FIFO is", 31);
	assert_memory_equal(hw.tx_line, "firstsecond, longer than the FIFO is", 36);
	assert_int_equal(hw.tx_held, 0); // it has left the board
}

static void body_errors(void *arg)
{
	(void)arg;
	uart_make(true);
	send_to_board(100);
	hw.rx_line[10].status = LSR_PARITY;
	hw.rx_line[50].status = LSR_FRAMING;
	hw.rx_line[51].status = LSR_BREAK | LSR_FRAMING;
	pass(101 * BYTE_TIME);
	assert_int_equal(got_count, 97);
	assert_int_equal(error_sum, 3);
	assert_int_equal(errors_at[0], 10);
	assert_int_equal(errors_at[1], 49);
	assert_int_equal(errors_at[2], 49);
	assert_int_equal(got[10], (uint8_t)(11 * 11));
	assert_int_equal(got[49], (uint8_t)(52 * 11));
}

/* Before start they stay in the device; what it had to drop then is told. */
static void body_overrun(void *arg)
{
	(void)arg;
	uart_make(false);
	send_to_board(40);
	pass(41 * BYTE_TIME);
	assert_int_equal(got_count, 0);
	assert_int_equal(hw.overruns, 24);
	ns16550_start(&uart.port);
	pass(1000);
	got_check(16);
	assert_true(error_sum > 0);
}

/* Masked for so long that even the driver's ring is full: the loss is told, at its place, and counted. */
static void body_ring_full(void *arg)
{
	static char line[SERIAL_RX_SIZE + 1000];

	(void)arg;
	uart_make(true);
	send_to_board(SERIAL_RX_SIZE + 500);
	unsigned long flags = irq_save();

	ns16550_write_polled(&uart.port, line, sizeof(line));
	irq_restore(flags);
	pass(1000);
	got_check(SERIAL_RX_SIZE);
	assert_int_equal(error_sum, 500);
	assert_int_equal(error_count, 1);
	assert_int_equal(errors_at[0], SERIAL_RX_SIZE);
}

/* A panic while the driver's lock is held: out it goes. A line that is stuck does not stop the machine. */
static void body_stuck(void *arg)
{
	(void)arg;
	uart_make(true);
	host_clock_real();
	unsigned long flags = spin_lock(&uart.lock);

	ns16550_write_polled(&uart.port, "panic", 5);
	assert_memory_equal(hw.tx_line, "panic", 5);
	hw.tx_held = 16;
	hw.tx_next = UINT64_MAX;
	ns16550_write_polled(&uart.port, "more", 4);
	assert_int_equal(hw.tx_count, 5);
	spin_unlock(&uart.lock, flags);
}

/* The VisionFive 2's, as its tree describes it, while the firmware's last words are on their way. */
static void body_designware(void *arg)
{
	static struct dts tree;
	struct device dev = {
	    .fdt = &tree.fdt, .reg = {{0x10000000, 0x10000}}, .irq = {32}, .reg_count = 1, .irq_count = 1};
	uint64_t began = hw.now;

	(void)arg;
	assert_int_equal(dts_load(&tree, "../../board/visionfive2/visionfive2.dts"), 0);
	dev.node = fdt_by_path(&tree.fdt, "/soc/serial@10000000");
	hw.designware = true;
	hw.lcr = 0x80 | LCR_8N1; // the divisor's latch
	hw.tx_held = FIFO_SIZE;
	hw.tx_next = hw.now + BYTE_TIME;
	assert_int_equal(ns16550_probe(&dev), 0);
	assert_true(hw.lcr_dropped > 0 && hw.now - began >= FIFO_SIZE * BYTE_TIME); // it had to wait
	assert_int_equal(hw.lcr, LCR_8N1);
	assert_false(hw.busy_event);
	assert_true(probed->preferred);

	probed->start(probed);
	hw.busy_event = true; // somebody else's write
	pass(100);
	assert_false(hw.busy_event);
	hw.timeout_event = true; // of a FIFO that was emptied just before
	pass(100);
	assert_false(hw.timeout_event);
	send_to_board(1000);
	pass(1010 * BYTE_TIME);
	got_check(1000);
	assert_int_equal(probed->write(probed, "out", 3), 3);
	assert_memory_equal(hw.tx_line, "out", 3);
}

/* One that never takes it is no console. */
static void body_no_line_control(void *arg)
{
	struct ns16550 *u = &uart;

	(void)arg;
	host_clock_real();
	hw.designware = u->designware = true;
	u->width = 4;
	u->shift = 2;
	hw.tx_held = 1;
	hw.tx_next = UINT64_MAX;
	assert_false(lcr_set(u));
	assert_false(hw.busy_event);
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
TEST(errors)
TEST(overrun)
TEST(ring_full)
TEST(stuck)
TEST(designware)
TEST(no_line_control)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full_speed),
	    cmocka_unit_test(test_polled_beside),
	    cmocka_unit_test(test_send),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_overrun),
	    cmocka_unit_test(test_ring_full),
	    cmocka_unit_test(test_stuck),
	    cmocka_unit_test(test_designware),
	    cmocka_unit_test(test_no_line_control),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
