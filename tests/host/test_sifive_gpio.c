// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * SiFive's GPIO controller on a model of its registers, by itself and as what tells of the card in a slot in SPI mode:
 * put in, taken out, in the midst of a transfer too, and its switch for write protection.
 */
#include <errno.h>
#include <string.h>

#include "arch/clock.h"
#include "drivers/clk/clk.h"
#include "drivers/gpio/gpio.h"
#include "kernel/bootargs.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/dts.h"
#include "tests/host/sdstack.h"
#include "tests/host/simspi.h"

extern const struct driver sifive_gpio_driver, spi_sd_driver;

enum { PINS = 16, CARD_DETECT = 15, LOCK = 3, FIRST_IRQ = 23 };
enum {
	VALUE = 0,
	IN = 1,
	OUT = 2,
	RISE_IE = 6,
	RISE_IP,
	FALL_IE,
	FALL_IP,
	HIGH_IE,
	HIGH_IP,
	LOW_IE,
	LOW_IP,
	REGS = 0x11
};

/* What is outside drives every pin. */
static struct {
	struct sim_window window;
	uint32_t regs[REGS], outside;
} pins;
static struct simspi spi;
static struct dts tree;
static const char *slot;

/* ---- the model ---- */

static uint32_t value(void)
{
	return pins.outside & pins.regs[IN];
}

static void update(uint32_t before)
{
	const uint32_t now = value();

	pins.regs[RISE_IP] |= now & ~before;
	pins.regs[FALL_IP] |= before & ~now;
	pins.regs[HIGH_IP] |= now;
	pins.regs[LOW_IP] |= ~now & 0xffff;
	for (unsigned i = 0; i < PINS; i++) {
		bool irq = false;

		for (unsigned kind = RISE_IE; kind <= LOW_IE; kind += 2)
			irq |= pins.regs[kind] & pins.regs[kind + 1] & 1u << i;
		sim_irq_set(FIRST_IRQ + i, irq);
	}
}

static void drive(unsigned pin, bool high)
{
	const uint32_t before = value();

	pins.outside = (pins.outside & ~(1u << pin)) | (uint32_t)high << pin;
	update(before);
}

static uint32_t pins_read(struct sim_window *window, size_t off, unsigned width)
{
	(void)window;
	assert_int_equal(width, 4);
	return off / 4 == VALUE ? value() : pins.regs[off / 4];
}

static void pins_write(struct sim_window *window, size_t off, uint32_t written, unsigned width)
{
	const uint32_t before = value();
	const unsigned reg = (unsigned)off / 4;

	(void)window;
	assert_int_equal(width, 4);
	assert_int_not_equal(reg, VALUE);
	if (reg == RISE_IP || reg == FALL_IP || reg == HIGH_IP || reg == LOW_IP)
		pins.regs[reg] &= ~written;
	else
		pins.regs[reg] = written;
	update(before);
}

/* As nobody sane leaves it: everything is an output that interrupts. */
static void power_on(void)
{
	memset(pins.regs, 0xff, sizeof(pins.regs));
	pins.regs[IN] = 0;
	pins.outside = 0xfff0;
	pins.window = (struct sim_window){
	    .pa = 0x10060000, .len = 0x1000, .read = pins_read, .write = pins_write, .model = &pins};
	sim_window_add(&pins.window);
}

static int probe(const struct driver *driver, const char *path)
{
	const struct device device = dts_device(&tree, path);

	return driver->probe(&device);
}

/* ---- by itself ---- */

static void count(void *arg)
{
	++*(unsigned *)arg;
}

static void turn(unsigned pin)
{
	drive(pin, !(pins.outside >> pin & 1));
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
}

static void body_pins(void *arg)
{
	unsigned first = 0, second = 0, other = 0;
	struct gpio_watch watches[] = {
	    {.changed = count, .arg = &first}, {.changed = count, .arg = &second}, {.changed = count, .arg = &other}};
	const fdt_node_t node = fdt_by_path(&tree.fdt, "/slot-with-a-switch/mmc");
	struct gpio detect, lock;

	(void)arg;
	power_on();
	assert_int_equal(gpio_get(&tree.fdt, node, "gpios", 0, &detect), -ENODEV);
	assert_int_equal(probe(&sifive_gpio_driver, "/gpio@10060000"), 0);
	for (unsigned i = RISE_IE; i <= LOW_IE; i += 2)
		assert_int_equal(pins.regs[i], 0);
	assert_int_equal(gpio_get(&tree.fdt, node, "gpios", 0, &detect), 0);
	assert_int_equal(gpio_get(&tree.fdt, node, "gpios", 1, &lock), 0);
	assert_int_equal(gpio_get(&tree.fdt, node, "gpios", 2, &lock), -ENOENT);
	assert_int_equal(pins.regs[IN], 1u << CARD_DETECT | 1u << LOCK);
	assert_int_equal(pins.regs[OUT], ~pins.regs[IN]); // others are their users'
	assert_false(gpio_active(&detect) || gpio_active(&lock));
	turn(CARD_DETECT); // nobody hears of it, later either
	assert_true(gpio_active(&detect));
	assert_int_equal(gpio_watch(&detect, &watches[0]), 0);
	assert_int_equal(gpio_watch(&detect, &watches[1]), 0);
	assert_int_equal(gpio_watch(&lock, &watches[2]), 0);
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	assert_int_equal(first + second + other, 0);
	turn(CARD_DETECT);
	assert_false(gpio_active(&detect));
	turn(CARD_DETECT);
	turn(LOCK);
	assert_true(gpio_active(&lock));
	turn(7);
	assert_int_equal(first, 2);
	assert_int_equal(second, 2);
	assert_int_equal(other, 1);
	assert_int_equal(detect.provider->ops->input(detect.provider, PINS), -EINVAL);
}

/* A controller whose node names no interrupt for the pin. */
static void body_no_interrupt(void *arg)
{
	const fdt_node_t node = fdt_by_path(&tree.fdt, "/slot-with-a-switch/mmc");
	struct device device = dts_device(&tree, "/gpio@10060000");
	struct gpio_watch watch = {.changed = count, .arg = &device.irq_count};
	struct gpio detect;

	(void)arg;
	power_on();
	device.irq_count = CARD_DETECT;
	assert_int_equal(sifive_gpio_driver.probe(&device), 0);
	assert_int_equal(gpio_get(&tree.fdt, node, "gpios", 0, &detect), 0);
	assert_int_equal(gpio_watch(&detect, &watch), -EOPNOTSUPP);
	device.reg[0].len = 0x40;
	assert_int_equal(sifive_gpio_driver.probe(&device), -EINVAL);
}

static void test_pins(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_pins, NULL);
	harness_run(&(struct harness){0}, body_no_interrupt, NULL);
}

/* ---- a slot ---- */

/* Half a gigahertz, as behind PRCI. */
int clk_get(const struct device *dev, const char *name, struct clk *clk)
{
	(void)dev;
	(void)name;
	*clk = (struct clk){0};
	return 0;
}

int clk_enable(const struct clk *clk)
{
	(void)clk;
	return 0;
}

int clk_rate(const struct clk *clk, uint64_t *hz)
{
	(void)clk;
	*hz = 500000000;
	return 0;
}

static void card_moved(void *host)
{
	(void)host;
	drive(CARD_DETECT, !sdcase_card.present);
}

static int attach(struct simcard *card, bool knows)
{
	power_on();
	bootargs_set("", 0);
	simspi_init(&spi, card);
	card->slot_changed = card_moved;
	card_moved(NULL);
	assert_int_equal(probe(&sifive_gpio_driver, "/gpio@10060000"), 0);
	return probe(&spi_sd_driver, knows ? slot : "/slot-without");
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* Nobody asks for anything: the pin alone tells. */
static void body_slot(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	simcard_remove(&sdcase_card);
	assert_int_equal(attach(&sdcase_card, true), 0);
	assert_null(blkdev_find("mmcblk0"));
	assert_int_equal(sdcase_card.commands, 0); // an empty slot is not asked
	simcard_insert(&sdcase_card);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	sdcase_dev = blkdev_find("mmcblk0");
	assert_non_null(sdcase_dev);
	assert_false(sdcase_dev->read_only);
	sdcase_use(1);
	simcard_remove(&sdcase_card);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	simcard_insert(&sdcase_card);
	sdcase_told = 0;
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

static void test_slot(void **state)
{
	const char *log;

	(void)state;
	slot = "/slot-of-the-board";
	assert_int_equal(harness_status(&(struct harness){0}, body_slot, NULL, &log), 0);
	assert_int_equal(count_of(log, "no card in the slot"), 1);
	assert_int_equal(count_of(log, "the card is gone"), 1);
	assert_int_equal(count_of(log, "the card is back"), 1);
}

/* In the midst of the data, or while they are awaited: the pin tells at once what silence tells after seconds. */
static void body_pulled(void *silent)
{
	spi.slow = true;
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	sdcase_use(1);
	if (*(const bool *)silent) {
		sdcase_card.fault = SIMCARD_NO_DATA;
		sdcase_card.fault_at = sdcase_card.commands;
		sdcase_card.fault_times = 1;
	}
	sdcase_pull(NSEC_PER_MSEC); // the whole takes three
	assert_int_equal(sdcase_card.fired, *(const bool *)silent);
}

static void test_pulled(void **state)
{
	(void)state;
	slot = "/slot-of-the-board";
	for (unsigned silent = 0; silent < 2; silent++)
		harness_run(&(struct harness){0}, body_pulled, &(bool){silent});
	for (enum simcard_fault fault = SIMCARD_REMOVED; fault <= SIMCARD_REMOVED_MID; fault++)
		for (unsigned for_good = 0; for_good < 2; for_good++)
			sdcase_faults(&(struct sdcase){.name = "SPI with a pin",
						       .attach = attach,
						       .kind = SIMCARD_SDHC,
						       .fault = fault,
						       .for_good = for_good});
}

static void body_locked(void *arg)
{
	slot = arg;
	sdcase_make(SIMCARD_SDHC);
	assert_int_equal(attach(&sdcase_card, true), 0);
	sdcase_dev = blkdev_find("mmcblk0");
	assert_non_null(sdcase_dev);
	assert_false(sdcase_dev->read_only);
	sdcase_use(1);
	sdcase_check();
	/* The switch can be moved while the card is out. */
	simcard_remove(&sdcase_card);
	drive(LOCK, true);
	simcard_insert(&sdcase_card);
	assert_int_equal(blk_read(sdcase_dev, 0, sdcase_buf, 1), 0);
	assert_int_equal(blk_write(sdcase_dev, 0, sdcase_buf, 1), -EROFS);
	drive(LOCK, false);
	(void)blk_flush(sdcase_dev);
	sdcase_told = 0;
	sdcase_use(2);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

/* From the start. */
static void body_read_only(void *arg)
{
	slot = arg;
	sdcase_make(SIMCARD_SDHC);
	power_on();
	simspi_init(&spi, &sdcase_card);
	drive(LOCK, true);
	drive(CARD_DETECT, false);
	assert_int_equal(probe(&sifive_gpio_driver, "/gpio@10060000"), 0);
	assert_int_equal(probe(&spi_sd_driver, slot), 0);
	sdcase_dev = blkdev_find("mmcblk0");
	assert_non_null(sdcase_dev);
	assert_true(sdcase_dev->read_only);
}

/* Pins that cannot be had: it is said, and the card is asked for. */
static void body_wrong(void *arg)
{
	(void)arg;
	slot = "/slot-wrong";
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	assert_false(sdcase_dev->read_only);
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

static void test_switch(void **state)
{
	static const char *const slots[] = {"/slot-with-a-switch", "/slot-by-names"};
	const char *log;

	(void)state;
	for (unsigned i = 0; i < array_size(slots); i++) {
		harness_run(&(struct harness){0}, body_locked, (void *)slots[i]);
		harness_run(&(struct harness){0}, body_read_only, (void *)slots[i]);
	}
	assert_int_equal(harness_status(&(struct harness){0}, body_wrong, NULL, &log), 0);
	assert_int_equal(count_of(log, "no card detection (error 22)"), 1);
	assert_int_equal(count_of(log, "the switch for write protection cannot be read (error 22)"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_pins), cmocka_unit_test(test_slot),
					   cmocka_unit_test(test_pulled), cmocka_unit_test(test_switch)};

	if (dts_load(&tree, "unmatched.dts"))
		return 1;
	return cmocka_run_group_tests_name("SiFive GPIO", tests, NULL, NULL);
}
