// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The DesignWare host on simulated registers, with the JH7110's clocks, reset and pins as the board's tree names them:
 * each way of moving words with each kind of card; then every fault of the controller and of the card, once and for
 * good. What was acknowledged is on the card, nothing hangs, and a failure is told to who asked. The model fails the
 * test for what a driver may not do.
 */
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "drivers/clk/clk.h"
#include "drivers/gpio/gpio.h"
#include "drivers/sd/dw_mmc.h"
#include "drivers/wired.h"
#include "kernel/bootargs.h"
#include "kernel/facts.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/dts.h"
#include "tests/host/sdstack.h"
#include "tests/host/simdw.h"

extern const struct driver jh7110_crg_driver, jh7110_gpio_driver, dw_mmc_driver;

#define MMC "/soc/mmc@16020000"
#define CRG "/soc/clock-controller@13020000"

static struct dts tree; // the board's, as each run finds it
static struct simdw dw;

struct way {
	const char *name, *bootargs;
	bool wide, no_dma, old, by_cpu, polled;
};
enum { DMA_32, DMA_64 = 2, BY_CPU = 4 };
/* Without long runs, every other one is there for faults. */
static const struct way ways[] = {
    [DMA_32] = {"DMA, 32 bits", "", false, false, false, false, false},
    {"no DMA", "", false, true, false, true, false},
    [DMA_64] = {"DMA, 64 bits", "", true, false, false, false, false},
    {"polled", "sd.transfer=polled", true, false, false, true, true},
    [BY_CPU] = {"CPU", "sd.transfer=pio", false, false, false, true, false},
    {"old FIFO", "sd.transfer=pio", false, false, true, true, false},
};

static const struct way *way = &ways[DMA_32];

static int probe(const struct driver *driver, const char *path)
{
	const struct device device = dts_device(&tree, path);

	return driver->probe(&device);
}

static void power_on(void)
{
	dw.card = &sdcase_card;
	dw.wide = way->wide;
	dw.no_dma = way->no_dma;
	dw.old = way->old;
	simdw_init(&dw);
	bootargs_set(way->bootargs, strlen(way->bootargs));
}

static void without(const char *path, const char *property)
{
	assert_int_equal(fdt_nop_property(tree.blob, fdt_path_offset(tree.blob, path), property), 0);
}

/* The slot, and what it needs. */
static int add_slot(void)
{
	assert_int_equal(probe(&jh7110_crg_driver, CRG), 0);
	assert_int_equal(probe(&jh7110_gpio_driver, "/soc/pinctrl@13040000"), 0);
	return probe(&dw_mmc_driver, MMC);
}

/* knows: by the pin. */
static int attach(struct simcard *card, bool knows)
{
	assert_ptr_equal(card, &sdcase_card);
	if (!knows)
		without(MMC, "cd-gpios");
	power_on();
	return add_slot();
}

/* ---- as it should be ---- */

static void body_works(void *arg)
{
	uint64_t by_dma, by_cpu;

	sdcase_make(*(const enum simcard_kind *)arg);
	sdcase_start(attach);
	assert_int_equal(sdcase_dev->sectors, SDCASE_BLOCKS);
	assert_int_equal(sdcase_card.width, 4);
	assert_int_equal(sdcase_card.timing, 1);
	assert_int_equal(dw.card_hz, 49500000);
	assert_int_equal(sdcase_dev->reach, way->by_cpu || way->wide ? 0 : UINT32_MAX);
	by_dma = dw.dma_bytes;
	by_cpu = dw.cpu_bytes;
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
	/* Each byte goes one way only. */
	assert_int_equal(dw.dma_bytes - by_dma, way->by_cpu ? 0 : 2 * SDCASE_PLACES * SDCASE_LEN * SECTOR_SIZE);
	assert_int_equal(dw.cpu_bytes - by_cpu, way->by_cpu ? 2 * SDCASE_PLACES * SDCASE_LEN * SECTOR_SIZE : 0);
	/* One command a transfer, which the controller stops by itself where the card is not told the count. */
	assert_int_equal(sdcase_card.multi_writes, SDCASE_PLACES);
	assert_int_equal(sdcase_card.multi_reads, SDCASE_PLACES);
	assert_int_equal(sdcase_card.stops, sdcase_card.cmd23 ? 0 : 2 * SDCASE_PLACES);
	assert_int_equal(blk_read(sdcase_dev, SDCASE_BLOCKS - 1, sdcase_buf, 1), 0);
	assert_int_equal(blk_write(sdcase_dev, 7, sdcase_buf, 1), 0);
	assert_memory_equal(sdcase_card.media + 7 * 512, sdcase_buf, 512);
}

static void test_works(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(ways); i++) {
		way = &ways[i];
		for (enum simcard_kind kind = SIMCARD_SDSC1; kind <= SIMCARD_SDHC; kind++)
			harness_run(&(struct harness){0}, body_works, &kind);
	}
	way = &ways[DMA_32];
}

/* ---- /proc/board ---- */

static struct facts *slot_facts(void)
{
	struct facts *facts = facts_next(NULL);

	while (facts && strcmp(facts->name, "mmcblk0"))
		facts = facts_next(facts);
	assert_non_null(facts);
	return facts;
}

static void use_by(const char *transfer, unsigned round)
{
	const bool by_cpu = !strcmp(transfer, "pio");
	const uint64_t by_dma = dw.dma_bytes, by_hand = dw.cpu_bytes;
	const struct facts *facts = slot_facts();
	char line[FACT_SIZE], want[32];

	assert_int_equal(facts->set(facts, transfer), 0);
	sdcase_fill(round, 0);
	assert_int_equal(blk_write(sdcase_dev, 100, sdcase_buf, SDCASE_LEN), 0);
	memset(sdcase_buf, 0, SDCASE_LEN * SECTOR_SIZE);
	assert_int_equal(blk_read(sdcase_dev, 100, sdcase_buf, SDCASE_LEN), 0);
	assert_true(sdcase_matches(sdcase_buf, round, 0) && sdcase_matches(sdcase_card.media + 512 * 100, round, 0));
	assert_int_equal(dw.dma_bytes - by_dma, by_cpu ? 0 : 2 * SDCASE_LEN * SECTOR_SIZE);
	assert_int_equal(dw.cpu_bytes - by_hand, by_cpu ? 2 * SDCASE_LEN * SECTOR_SIZE : 0);
	snprintf(want, sizeof(want), "transfer %s", transfer);
	assert_true(facts->line(facts, 1, line));
	assert_string_equal(line, want);
}

/* The slot as it is told of, and the way of its data chosen while it works. */
static void body_facts(void *arg)
{
	const struct facts *facts;
	char line[FACT_SIZE];

	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	facts = slot_facts();
	assert_true(facts->line(facts, 0, line));
	assert_non_null(strstr(line, "mmc@16020000: DW MSHC, HCON "));
	assert_non_null(strstr(line, "card clock 49500000 Hz, FIFO of 32 words"));
	assert_true(facts->line(facts, 2, line));
	assert_memory_equal(line, "card CID ", 9);
	assert_non_null(strstr(line, ", SDHC, "));
	assert_true(facts->line(facts, 3, line));
	assert_string_equal(line, "bus 4 lines, at most 50000000 Hz, high speed");
	assert_false(facts->line(facts, 4, line));
	use_by("dma", 1);
	use_by("pio", 2);
	use_by("dma", 3);
	assert_int_equal(facts->set(facts, "polled"), -EINVAL);
	assert_int_equal(facts->set(facts, "dm"), -EINVAL);
}

/* One that began without DMA has no memory for it. */
static void body_facts_pio(void *arg)
{
	const struct facts *facts;

	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	facts = slot_facts();
	assert_int_equal(facts->set(facts, "dma"), -EINVAL);
	use_by("pio", 1);
}

static void test_facts(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_facts, NULL);
	way = &ways[BY_CPU];
	harness_run(&(struct harness){0}, body_facts_pio, NULL);
	way = &ways[DMA_32];
}

/* The last word comes long after the card has ended. */
static void body_late(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	dw.fault = SIMDW_DMA_LATE;
	dw.fault_times = UINT64_MAX;
	sdcase_start(attach);
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
	assert_true(dw.fired > 1);
}

static void test_late(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_late, NULL);
}

/* ---- what the tree says ---- */

static void use_once(void)
{
	sdcase_dev = blkdev_find("mmcblk0");
	assert_non_null(sdcase_dev);
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

/* As a vendor's tree and loader: no rate asked for, and another one set. */
static void body_loader_rate(void *arg)
{
	(void)arg;
	without(MMC, "assigned-clocks");
	without(MMC, "assigned-clock-rates");
	sdcase_make(SIMCARD_SDHC);
	dw.vendor_clocks = true;
	sdcase_start(attach);
	assert_int_equal(dw.card_hz, 49500000); // a quarter of 198 MHz
	use_once();
}

/* 396 MHz cannot be divided down to 400 kHz by the controller. */
static void body_too_fast(void *arg)
{
	(void)arg;
	without(MMC, "assigned-clocks");
	without(MMC, "assigned-clock-rates");
	sdcase_make(SIMCARD_SDHC);
	power_on();
	dw.crg.write(&dw.crg, 4 * 94, 1, 4);
	assert_int_equal(add_slot(), 0);
	assert_int_equal(dw.card_hz, 49500000);
	use_once();
}

static void body_no_interrupt(void *arg)
{
	(void)arg;
	without(MMC, "interrupts");
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	use_once();
	assert_int_equal(dw.dma_bytes, 0);
	assert_true(dw.cpu_bytes > 0); // polled
}

static void body_no_clocks(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	power_on();
	assert_int_equal(probe(&dw_mmc_driver, MMC), -EINVAL); // nobody serves them: registers stay untouched
}

/* No detection: a card is asked for. */
static void body_no_pin(void *arg)
{
	const bool empty = *(const bool *)arg;

	sdcase_make(SIMCARD_SDHC);
	if (empty)
		simcard_remove(&sdcase_card);
	assert_int_equal(attach(&sdcase_card, false), 0);
	assert_int_equal(!blkdev_find("mmcblk0"), empty);
	if (!empty)
		use_once();
}

static void body_one_line(void *arg)
{
	(void)arg;
	without(MMC, "bus-width");
	without(MMC, "cap-sd-highspeed");
	without(MMC, "fifo-depth"); // then what the register says
	sdcase_make(SIMCARD_SDHC);
	way = &ways[BY_CPU];
	dw.fifo_words = 16;
	sdcase_start(attach);
	assert_int_equal(sdcase_card.width, 1);
	assert_int_equal(dw.card_hz, 24750000);
	use_once();
}

/* Whose other pin is the card's switch. */
static void body_locked(void *arg)
{
	char *name = memmem(tree.blob, tree.size, "cd-gpios", sizeof("cd-gpios"));

	(void)arg;
	assert_non_null(name);
	memcpy(name, "wp", 2); // the pin is low, which is active
	without(MMC, "disable-wp");
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	assert_true(sdcase_dev->read_only);
	assert_int_equal(blk_write(sdcase_dev, 0, sdcase_buf, 1), -EROFS);
	assert_int_equal(blk_read(sdcase_dev, 0, sdcase_buf, 1), 0);
}

static void body_wide_fifo(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	dw.wide_fifo = true;
	assert_int_equal(attach(&sdcase_card, true), -EINVAL);
}

static void test_tree(void **state)
{
	const char *log;

	(void)state;
	harness_run(&(struct harness){0}, body_locked, NULL);
	assert_int_equal(harness_status(&(struct harness){0}, body_wide_fifo, NULL, &log), 0);
	assert_non_null(strstr(log, "FIFO is 64 bits wide"));
	harness_run(&(struct harness){0}, body_loader_rate, NULL);
	harness_run(&(struct harness){0}, body_too_fast, NULL);
	harness_run(&(struct harness){0}, body_no_interrupt, NULL);
	harness_run(&(struct harness){0}, body_no_clocks, NULL);
	harness_run(&(struct harness){0}, body_no_pin, &(bool){true});
	harness_run(&(struct harness){0}, body_no_pin, &(bool){false});
	harness_run(&(struct harness){0}, body_one_line, NULL);
}

/* ---- clocks and pins by themselves ---- */

static uint64_t rate_of(struct clk clk, uint32_t id)
{
	uint64_t hz = 0;

	clk.id = id;
	assert_int_equal(clk_rate(&clk, &hz), 0);
	return hz;
}

static void body_clocks(void *arg)
{
	struct device mmc;
	struct clk clk, line;
	uint64_t hz;

	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	power_on();
	assert_int_equal(probe(&jh7110_crg_driver, CRG), 0);
	mmc = dts_device(&tree, MMC);
	assert_int_equal(clk_get(&mmc, "ciu", &clk), 0);
	assert_int_equal(rate_of(clk, 5), 1188000000); // PLL 2
	assert_int_equal(rate_of(clk, 7), 396000000);
	assert_int_equal(rate_of(clk, 92), 198000000);
	assert_int_equal(rate_of(clk, 94), 49500000);
	assert_int_equal(rate_of(clk, 146), 24000000); // the console's, from the oscillator
	assert_int_equal(clk_set_rate(&clk, 100000000), 0);
	assert_int_equal(rate_of(clk, 94), 99000000);					// never faster than asked
	assert_int_equal(clk_set_rate(&clk, 400000), -EINVAL);				// the divider ends at 15
	assert_int_equal(clk_set_rate(&(struct clk){clk.provider, 92}, 1000), -EINVAL); // has none
	assert_int_equal(clk_rate(&(struct clk){clk.provider, 4000}, &hz), -EINVAL);
	assert_int_equal(clk_enable(&(struct clk){clk.provider, 191}), -EINVAL);
	assert_int_equal(dw.crg.read(&dw.crg, 4 * 92, 4) >> 31, 0);
	assert_int_equal(clk_enable(&(struct clk){clk.provider, 92}), 0);
	assert_int_equal(dw.crg.read(&dw.crg, 4 * 92, 4) >> 31, 1);
	assert_int_equal(dw.crg.read(&dw.crg, 4 * 9, 4) >> 31, 1); // and what it comes from
	/* The bus from the oscillator. */
	dw.crg.write(&dw.crg, 4 * 5, 0, 4);
	assert_int_equal(rate_of(clk, 7), 8000000);
	assert_int_equal(reset_get(&mmc, 0, &line), 0);
	assert_int_equal(reset_assert(&line), 0);
	assert_int_equal(dw.crg.read(&dw.crg, 0x300, 4), 2);
	assert_int_equal(reset_deassert(&line), 0);
	assert_int_equal(dw.crg.read(&dw.crg, 0x300, 4), 0);
	assert_int_equal(reset_assert(&(struct clk){line.provider, 128}), -EINVAL);
	assert_int_equal(reset_deassert(&(struct clk){line.provider, 3}), -EIO); // the model has no status of it
}

static unsigned changes;

static void count_change(void *arg)
{
	assert_ptr_equal(arg, &changes);
	changes++;
}

static void body_pins(void *arg)
{
	struct gpio_watch watch = {.changed = count_change, .arg = &changes};
	struct device mmc;
	struct gpio pin;

	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	power_on();
	mmc = dts_device(&tree, MMC);
	assert_int_equal(gpio_get(&tree.fdt, mmc.node, "cd-gpios", 0, &pin), -ENODEV);
	assert_int_equal(gpio_get(&tree.fdt, mmc.node, "wp-gpios", 0, &pin), -ENOENT);
	assert_int_equal(probe(&jh7110_gpio_driver, "/soc/pinctrl@13040000"), 0);
	assert_int_equal(gpio_get(&tree.fdt, mmc.node, "cd-gpios", 0, &pin), 0);
	assert_int_equal(pin.pin, 41);
	assert_true(gpio_active(&pin));
	assert_int_equal(gpio_watch(&pin, &watch), 0);
	simcard_remove(&sdcase_card);
	assert_false(gpio_active(&pin));
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	assert_int_equal(changes, 1);
	simcard_insert(&sdcase_card);
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	assert_int_equal(changes, 2);
	assert_int_equal(pin.provider->ops->input(pin.provider, 64), -EINVAL);
}

static void test_around(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_clocks, NULL);
	harness_run(&(struct harness){0}, body_pins, NULL);
}

/* ---- everything fails ---- */

static const struct sdcase_knobs controller = {
    .at = &dw.fault_at, .times = &dw.fault_times, .counted = &dw.data_commands, .fired = &dw.fired};

static bool applies(enum simdw_fault fault)
{
	const bool of_dma = fault == SIMDW_BUS_ERROR || fault == SIMDW_NO_DESCRIPTOR || fault == SIMDW_DMA_LATE;

	return !of_dma || !way->by_cpu;
}

static size_t stride(void)
{
	static const uint8_t strides[] = {[EFFORT_QUICK] = BY_CPU, [EFFORT_DEFAULT] = DMA_64, [EFFORT_LONG] = 1};

	return strides[harness_effort()];
}

static void test_controller(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(ways); i += stride()) {
		way = &ways[i];
		for (enum simdw_fault fault = 0; fault < SIMDW_FAULTS; fault++)
			for (unsigned for_good = 0; for_good < 2 && applies(fault); for_good++) {
				dw.fault = fault; // the runs inherit it
				sdcase_faults(&(struct sdcase){.name = way->name,
							       .attach = attach,
							       .kind = SIMCARD_SDSC,
							       .fault = (enum simcard_fault)fault,
							       .knobs = &controller,
							       .polled = way->polled,
							       .for_good = for_good});
			}
	}
	way = &ways[DMA_32];
}

static void test_card(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(ways); i += stride()) {
		way = &ways[i];
		sdcase_card_faults(
		    &(struct sdcase){.name = way->name, .attach = attach, .kind = SIMCARD_SDSC, .polled = way->polled});
	}
	way = &ways[DMA_32];
}

/* ---- files ---- */

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(ways); i++) {
		way = &ways[i];
		sdstack_mapped(attach, SIMCARD_SDHC, way->by_cpu);
		sdstack_panic(attach, SIMCARD_SDHC);
	}
	way = &ways[DMA_32];
}

/* ---- out and in ---- */

/* The pin tells at once what the card's silence tells after a while. */
static void body_pulled(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	sdcase_use(1);
	sdcase_pull(30000); // in the midst of the data
}

static void body_empty(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	simcard_remove(&sdcase_card);
	assert_int_equal(attach(&sdcase_card, true), 0);
	assert_null(blkdev_find("mmcblk0"));
	simcard_insert(&sdcase_card);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	use_once();
}

static void test_exchange(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_pulled, NULL);
	harness_run(&(struct harness){0}, body_empty, NULL);
}

static int load(void **state)
{
	(void)state;
	return dts_load(&tree, "../../board/visionfive2/visionfive2.dts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_works), cmocka_unit_test(test_facts),	   cmocka_unit_test(test_late),
	    cmocka_unit_test(test_tree),  cmocka_unit_test(test_around),   cmocka_unit_test(test_controller),
	    cmocka_unit_test(test_card),  cmocka_unit_test(test_exchange), cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests_name("DesignWare MSHC", tests, load, NULL);
}
