// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The clocks of SiFive's FU540 and FU740 from registers as boot loaders leave them, against rates computed by hand:
 * PLLs on, bypassed and gone around, and the dividers behind them.
 */
#include <errno.h>

#include "drivers/clk/clk.h"
#include "tests/host/dts.h"
#include "tests/host/harness.h"
#include "tests/host/simio.h"

extern const struct driver prci_driver;

#define OSCILLATOR 26000000u
#define PLL(r, f, q) ((r) | (f) << 6 | (q) << 15 | 1u << 25 | 1u << 31)
#define BYPASS (1u << 24)
enum { CORE_PLL = 1, CORE_SELECT = 9, SELECTED = 11, PERIPHERAL_PLL = 20, PERIPHERAL_SELECT = 22, DIVIDER = 23 };

static struct dts tree;

struct prci_model {
	struct sim_window window;
	uint32_t regs[0x400];
};
static struct prci_model fu540, fu740;

static uint32_t prci_read(struct sim_window *window, size_t off, unsigned width)
{
	assert_int_equal(width, 4);
	return ((struct prci_model *)window->model)->regs[off / 4];
}

static void prci_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	(void)window;
	fail_msg("%u bytes at %zx are written (%x): the clocks are the loader's", width, off, value);
}

static void add(struct prci_model *model, paddr_t pa, const char *path)
{
	const struct device dev = dts_device(&tree, path);

	model->window =
	    (struct sim_window){.pa = pa, .len = 0x1000, .read = prci_read, .write = prci_write, .model = model};
	sim_window_add(&model->window);
	assert_int_equal(prci_driver.probe(&dev), 0);
}

static struct clk clock_of(const char *path)
{
	const struct device dev = dts_device(&tree, path);
	struct clk clk;

	assert_int_equal(clk_get(&dev, NULL, &clk), 0);
	assert_int_equal(clk_enable(&clk), 0);
	assert_int_equal(clk_set_rate(&clk, 1000000), -EOPNOTSUPP);
	return clk;
}

static uint64_t rate_of(const char *path)
{
	const struct clk clk = clock_of(path);
	uint64_t hz = 0;

	assert_int_equal(clk_rate(&clk, &hz), 0);
	return hz;
}

static void body_fu540(void *arg)
{
	(void)arg;
	add(&fu540, 0x10000000, "/clock-controller@10000000");
	/* 26 MHz * 2 * 77 / 4: 1001 MHz, of which the bus has half, or all. */
	fu540.regs[CORE_PLL] = PLL(0u, 76u, 2u);
	assert_int_equal(rate_of("/spi-unleashed"), 500500000);
	fu540.regs[SELECTED] = 2;
	assert_int_equal(rate_of("/spi-unleashed"), 1001000000);
	fu540.regs[SELECTED] = 0;
	fu540.regs[CORE_PLL] = PLL(1u, 58u, 3u); // 26 / 2 * 2 * 59 / 8
	assert_int_equal(rate_of("/spi-unleashed"), 95875000);
	fu540.regs[CORE_PLL] |= BYPASS;
	assert_int_equal(rate_of("/spi-unleashed"), OSCILLATOR / 2);
	fu540.regs[CORE_PLL] = PLL(0u, 76u, 2u);
	fu540.regs[CORE_SELECT] = 1;
	assert_int_equal(rate_of("/spi-unleashed"), OSCILLATOR / 2);
}

static void body_fu740(void *arg)
{
	(void)arg;
	add(&fu740, 0x20000000, "/clock-controller@20000000");
	/* 26 MHz * 2 * 80 / 16: 260 MHz, of which peripherals have half. What the FU540 goes by does not count. */
	fu740.regs[CORE_PLL] = PLL(0u, 76u, 2u);
	fu740.regs[CORE_SELECT] = 1;
	fu740.regs[SELECTED] = 2;
	fu740.regs[PERIPHERAL_PLL] = PLL(0u, 79u, 4u);
	assert_int_equal(rate_of("/spi-unmatched"), 130000000);
	fu740.regs[DIVIDER] = 2;
	assert_int_equal(rate_of("/spi-unmatched"), 65000000);
	fu740.regs[PERIPHERAL_PLL] |= BYPASS;
	assert_int_equal(rate_of("/spi-unmatched"), OSCILLATOR / 4);
	fu740.regs[PERIPHERAL_PLL] = PLL(0u, 79u, 4u);
	fu740.regs[PERIPHERAL_SELECT] = 1;
	assert_int_equal(rate_of("/spi-unmatched"), OSCILLATOR / 4);
}

/* Each knows the one clock that peripherals are given. */
static void body_wrong(void *arg)
{
	struct clk clk;
	uint64_t hz;

	(void)arg;
	add(&fu540, 0x10000000, "/clock-controller@10000000");
	add(&fu740, 0x20000000, "/clock-controller@20000000");
	clk = clock_of("/wrong-unleashed");
	assert_int_equal(clk_rate(&clk, &hz), -EINVAL);
	clk = clock_of("/wrong-unmatched");
	assert_int_equal(clk_rate(&clk, &hz), -EINVAL);
}

static void test_rates(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_fu540, NULL);
	harness_run(&(struct harness){0}, body_fu740, NULL);
}

static void test_wrong(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_wrong, NULL);
}

static int load(void **state)
{
	(void)state;
	return dts_load(&tree, "prci.dts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates), cmocka_unit_test(test_wrong)};

	return cmocka_run_group_tests_name("PRCI", tests, load, NULL);
}
