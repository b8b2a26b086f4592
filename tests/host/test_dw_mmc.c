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
#include "tests/host/harness.h"
#include "tests/host/simdw.h"

extern const struct driver jh7110_crg_driver, jh7110_gpio_driver, dw_mmc_driver;

#define BLOCKS 4096
#define LEN 64 // sectors of a transfer
#define PLACES 4
#define MMC "/soc/mmc@16020000"
#define CRG "/soc/clock-controller@13020000"

static struct dts tree; // the board's, as each run finds it
static struct simcard card;
static struct simdw dw;
static struct blkdev *dev;
static char *buf;

struct way {
	const char *name, *bootargs;
	bool wide, no_dma, old, by_cpu;
};
static const struct way ways[] = {
    {"DMA, 32 bits", "", false, false, false, false},
    {"DMA, 64 bits", "", true, false, false, false},
    {"no DMA", "", false, true, false, true},
    {"CPU", "sd.transfer=pio", false, false, false, true},
    {"polled", "sd.transfer=polled", true, false, false, true},
    {"old FIFO", "sd.transfer=pio", false, false, true, true},
};

static void make_card(enum simcard_kind kind, const struct way *way)
{
	card = (struct simcard){.kind = kind,
				.blocks = BLOCKS,
				.media = calloc(BLOCKS, 512),
				.serial = 77,
				.cmd23 = kind >= SIMCARD_SDHC,
				.write_busy = 300000};
	assert_non_null(card.media);
	simcard_insert(&card);
	dw = (struct simdw){
	    .card = &card, .wide = way->wide, .no_dma = way->no_dma, .old = way->old, .detect_wired = true};
	bootargs_set(way->bootargs, strlen(way->bootargs));
	buf = wired_alloc(LEN * SECTOR_SIZE);
	assert_non_null(buf);
}

static int probe(const struct driver *driver, const char *path)
{
	const struct device device = dts_device(&tree, path);

	return driver->probe(&device);
}

static int add_slot(void)
{
	int error;

	simdw_init(&dw);
	assert_int_equal(probe(&jh7110_crg_driver, CRG), 0);
	assert_int_equal(probe(&jh7110_gpio_driver, "/soc/pinctrl@13040000"), 0);
	error = probe(&dw_mmc_driver, MMC);
	dev = blkdev_find("mmcblk0");
	return error;
}

static void fill(unsigned round, unsigned place)
{
	for (unsigned i = 0; i < LEN * SECTOR_SIZE; i++)
		buf[i] = (char)(i * 7 + i / 512 + round * 31 + place * 5);
}

static bool matches(const void *data, unsigned round, unsigned place)
{
	const char *p = data;

	for (unsigned i = 0; i < LEN * SECTOR_SIZE; i++)
		if (p[i] != (char)(i * 7 + i / 512 + round * 31 + place * 5))
			return false;
	return true;
}

static sector_t place_at(unsigned place)
{
	return 100 + place * 300;
}

/* ---- as it should be ---- */

struct variant {
	enum simcard_kind kind;
	const struct way *way;
};

static void body_works(void *arg)
{
	const struct variant *v = arg;
	uint64_t by_dma, by_cpu;

	make_card(v->kind, v->way);
	assert_int_equal(add_slot(), 0);
	assert_non_null(dev);
	assert_int_equal(dev->sectors, BLOCKS);
	assert_int_equal(card.width, 4);
	assert_int_equal(card.timing, 1);
	assert_int_equal(dw.card_hz, 49500000);
	assert_int_equal(dev->reach, v->way->by_cpu || v->way->wide ? 0 : UINT32_MAX);
	for (unsigned place = 0; place < PLACES; place++) {
		fill(1, place);
		assert_int_equal(blk_write(dev, place_at(place), buf, LEN), 0);
	}
	assert_int_equal(blk_flush(dev), 0);
	by_dma = dw.dma_bytes;
	by_cpu = dw.cpu_bytes;
	for (unsigned place = 0; place < PLACES; place++) {
		assert_true(matches(card.media + 512 * place_at(place), 1, place));
		memset(buf, 0, LEN * SECTOR_SIZE);
		assert_int_equal(blk_read(dev, place_at(place), buf, LEN), 0);
		assert_true(matches(buf, 1, place));
	}
	/* Each byte goes one way only. */
	assert_int_equal(dw.dma_bytes - by_dma, v->way->by_cpu ? 0 : PLACES * LEN * SECTOR_SIZE);
	assert_int_equal(dw.cpu_bytes - by_cpu, v->way->by_cpu ? PLACES * LEN * SECTOR_SIZE : 0);
	/* One command a transfer, which the controller stops by itself where the card is not told the count. */
	assert_int_equal(card.multi_writes, PLACES);
	assert_int_equal(card.multi_reads, PLACES);
	assert_int_equal(card.stops, card.cmd23 ? 0 : 2 * PLACES);
	assert_int_equal(blk_read(dev, BLOCKS - 1, buf, 1), 0);
	assert_int_equal(blk_write(dev, 7, buf, 1), 0);
	assert_memory_equal(card.media + 7 * 512, buf, 512);
}

static void test_works(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(ways); i++)
		for (enum simcard_kind kind = SIMCARD_SDSC1; kind <= SIMCARD_SDHC; kind++)
			harness_run(&(struct harness){0}, body_works, &(struct variant){kind, &ways[i]});
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

static void use_by(const char *way, unsigned round)
{
	const bool by_cpu = !strcmp(way, "pio");
	const uint64_t by_dma = dw.dma_bytes, by_hand = dw.cpu_bytes;
	const struct facts *facts = slot_facts();
	char line[FACT_SIZE], want[32];

	assert_int_equal(facts->set(facts, way), 0);
	fill(round, 0);
	assert_int_equal(blk_write(dev, 100, buf, LEN), 0);
	memset(buf, 0, LEN * SECTOR_SIZE);
	assert_int_equal(blk_read(dev, 100, buf, LEN), 0);
	assert_true(matches(buf, round, 0) && matches(card.media + 512 * 100, round, 0));
	assert_int_equal(dw.dma_bytes - by_dma, by_cpu ? 0 : 2 * LEN * SECTOR_SIZE);
	assert_int_equal(dw.cpu_bytes - by_hand, by_cpu ? 2 * LEN * SECTOR_SIZE : 0);
	snprintf(want, sizeof(want), "transfer %s", way);
	assert_true(facts->line(facts, 1, line));
	assert_string_equal(line, want);
}

/* The slot as it is told of, and the way of its data chosen while it works. */
static void body_facts(void *arg)
{
	const struct facts *facts;
	char line[FACT_SIZE];

	(void)arg;
	make_card(SIMCARD_SDHC, &ways[0]);
	assert_int_equal(add_slot(), 0);
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
	make_card(SIMCARD_SDHC, &ways[3]);
	assert_int_equal(add_slot(), 0);
	facts = slot_facts();
	assert_int_equal(facts->set(facts, "dma"), -EINVAL);
	use_by("pio", 1);
}

static void test_facts(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_facts, NULL);
	harness_run(&(struct harness){0}, body_facts_pio, NULL);
}

/* The last word comes long after the card has ended. */
static void body_late(void *arg)
{
	(void)arg;
	make_card(SIMCARD_SDHC, &ways[0]);
	dw.fault = SIMDW_DMA_LATE;
	dw.fault_times = UINT64_MAX;
	assert_int_equal(add_slot(), 0);
	fill(1, 0);
	assert_int_equal(blk_write(dev, 100, buf, LEN), 0);
	memset(buf, 0, LEN * SECTOR_SIZE);
	assert_int_equal(blk_read(dev, 100, buf, LEN), 0);
	assert_true(matches(buf, 1, 0));
	assert_true(dw.fired > 1);
}

static void test_late(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_late, NULL);
}

/* ---- what the tree says ---- */

static void without(const char *path, const char *property)
{
	assert_int_equal(fdt_nop_property(tree.blob, fdt_path_offset(tree.blob, path), property), 0);
}

static void use_once(void)
{
	assert_non_null(dev);
	fill(1, 0);
	assert_int_equal(blk_write(dev, 100, buf, LEN), 0);
	assert_true(matches(card.media + 512 * 100, 1, 0));
}

/* As a vendor's tree and loader: no rate asked for, and another one set. */
static void body_loader_rate(void *arg)
{
	(void)arg;
	without(MMC, "assigned-clocks");
	without(MMC, "assigned-clock-rates");
	make_card(SIMCARD_SDHC, &ways[0]);
	dw.vendor_clocks = true;
	assert_int_equal(add_slot(), 0);
	assert_int_equal(dw.card_hz, 49500000); // a quarter of 198 MHz
	use_once();
}

/* 396 MHz cannot be divided down to 400 kHz by the controller. */
static void body_too_fast(void *arg)
{
	(void)arg;
	without(MMC, "assigned-clocks");
	without(MMC, "assigned-clock-rates");
	make_card(SIMCARD_SDHC, &ways[0]);
	simdw_init(&dw);
	dw.crg.write(&dw.crg, 4 * 94, 1, 4);
	assert_int_equal(probe(&jh7110_crg_driver, CRG), 0);
	assert_int_equal(probe(&jh7110_gpio_driver, "/soc/pinctrl@13040000"), 0);
	assert_int_equal(probe(&dw_mmc_driver, MMC), 0);
	dev = blkdev_find("mmcblk0");
	assert_int_equal(dw.card_hz, 49500000);
	use_once();
}

/* The vendor's trees leave it out; the machine is known. */
static void body_no_interrupt(void *arg)
{
	const bool known = *(const bool *)arg;

	without(MMC, "interrupts");
	if (!known)
		without("/", "compatible");
	make_card(SIMCARD_SDHC, &ways[0]);
	assert_int_equal(add_slot(), 0);
	use_once();
	assert_int_equal(dw.dma_bytes > 0, known);
	assert_int_equal(dw.cpu_bytes > 0, !known); // polled
}

static void body_no_clocks(void *arg)
{
	(void)arg;
	make_card(SIMCARD_SDHC, &ways[0]);
	simdw_init(&dw);
	assert_int_equal(probe(&dw_mmc_driver, MMC), -EINVAL); // nobody serves them: registers stay untouched
}

/* No detection: a card is asked for. */
static void body_no_pin(void *arg)
{
	const bool empty = *(const bool *)arg;

	without(MMC, "cd-gpios");
	make_card(SIMCARD_SDHC, &ways[0]);
	if (empty)
		simcard_remove(&card);
	assert_int_equal(add_slot(), 0);
	assert_int_equal(!dev, empty);
	if (dev)
		use_once();
}

static void body_one_line(void *arg)
{
	(void)arg;
	without(MMC, "bus-width");
	without(MMC, "cap-sd-highspeed");
	without(MMC, "fifo-depth"); // then what the register says
	make_card(SIMCARD_SDHC, &ways[3]);
	dw.fifo_words = 16;
	assert_int_equal(add_slot(), 0);
	assert_int_equal(card.width, 1);
	assert_int_equal(dw.card_hz, 24750000);
	use_once();
}

static void test_tree(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_loader_rate, NULL);
	harness_run(&(struct harness){0}, body_too_fast, NULL);
	harness_run(&(struct harness){0}, body_no_interrupt, &(bool){true});
	harness_run(&(struct harness){0}, body_no_interrupt, &(bool){false});
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
	make_card(SIMCARD_SDHC, &ways[0]);
	simdw_init(&dw);
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
	assert_int_equal(reset_get(&mmc, "reset", &line), 0);
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
	make_card(SIMCARD_SDHC, &ways[0]);
	simdw_init(&dw);
	mmc = dts_device(&tree, MMC);
	assert_int_equal(gpio_get(&mmc, "cd-gpios", &pin), -ENODEV);
	assert_int_equal(gpio_get(&mmc, "wp-gpios", &pin), -ENOENT);
	assert_int_equal(probe(&jh7110_gpio_driver, "/soc/pinctrl@13040000"), 0);
	assert_int_equal(gpio_get(&mmc, "cd-gpios", &pin), 0);
	assert_int_equal(pin.pin, 41);
	assert_true(gpio_active(&pin));
	assert_int_equal(gpio_watch(&pin, &watch), 0);
	simdw_slot(&dw, false);
	assert_false(gpio_active(&pin));
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	assert_int_equal(changes, 1);
	simdw_slot(&dw, true);
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

/* What a step must have left: 0 no idea, else the round. */
static struct {
	unsigned written, flushed;
} places[PLACES];

static unsigned told;

/* A failed write leaves the place unknown until the next that works. */
static void use(unsigned round)
{
	for (unsigned place = 0; place < PLACES; place++) {
		fill(round, place);
		places[place].flushed = 0;
		if (blk_write(dev, place_at(place), buf, LEN)) {
			places[place].written = 0;
			told++;
		} else {
			places[place].written = round;
		}
	}
	if (blk_flush(dev)) {
		told++;
		return;
	}
	for (unsigned place = 0; place < PLACES; place++)
		places[place].flushed = places[place].written;
}

static void check(void)
{
	for (unsigned place = 0; place < PLACES; place++) {
		if (places[place].flushed)
			assert_true(matches(card.media + 512 * place_at(place), places[place].flushed, place));
		memset(buf, 0, LEN * SECTOR_SIZE);
		if (blk_read(dev, place_at(place), buf, LEN))
			told++;
		else if (places[place].written)
			assert_true(matches(buf, places[place].written, place));
	}
}

struct step {
	const struct way *way;
	bool of_card; // the fault is the card's, else the controller's
	unsigned fault;
	uint64_t at, times;
	bool wired;
	/* Out. */
	uint64_t commands, data_commands, fired;
	unsigned told;
};

static void body_fault(void *arg)
{
	struct step *step = arg;

	make_card(SIMCARD_SDSC, step->way);
	dw.detect_wired = step->wired;
	if (!step->wired)
		without(MMC, "cd-gpios");
	if (step->of_card) {
		card.fault = step->fault;
		card.fault_at = step->at;
		card.fault_times = step->times;
		card.fault_block = LEN / 2;
		card.fault_busy = step->times == 1 ? 3 * NSEC_PER_SEC : 30 * NSEC_PER_SEC;
	} else {
		dw.fault = step->fault;
		dw.fault_at = step->at;
		dw.fault_times = step->times;
	}
	(void)add_slot(); // what cannot be used was said
	if (dev) {
		use(1);
		check();
		use(2);
		check();
	}
	step->commands = card.commands;
	step->data_commands = dw.data_commands;
	step->fired = card.fired + dw.fired;
	step->told = told;
	/* All is well again, and so must be the rest. */
	card.fault_times = dw.fault_times = 0;
	if (!card.present)
		simdw_slot(&dw, true);
	if (!dev)
		return;
	(void)blk_flush(dev);
	told = 0;
	use(3);
	check();
	assert_int_equal(told, 0);
	for (unsigned place = 0; place < PLACES; place++)
		assert_true(matches(card.media + 512 * place_at(place), 3, place));
}

static void faults(const struct way *way, bool of_card, unsigned fault, bool for_good)
{
	static struct step *step;
	const enum harness_effort effort = harness_effort();
	const unsigned every = effort == EFFORT_QUICK ? 13 : effort == EFFORT_LONG ? 1 : 9;
	unsigned runs = 0, failed_calls = 0;
	uint64_t fired = 0, end;

	if (!step)
		step = harness_shared(sizeof(*step));
	*step = (struct step){.way = way, .wired = true};
	harness_run(&(struct harness){0}, body_fault, step);
	assert_int_equal(step->told, 0);
	end = of_card ? step->commands : step->data_commands;
	for (uint64_t at = 0; at < end; at += of_card ? every : (every + 2) / 3) {
		*step = (struct step){.way = way,
				      .of_card = of_card,
				      .fault = fault,
				      .at = at,
				      .times = for_good ? UINT64_MAX / 2 : 1,
				      .wired = at % 2};
		harness_run(&(struct harness){.seconds = 120}, body_fault, step);
		runs++;
		fired += step->fired;
		failed_calls += step->told;
	}
	print_message("%s, %s %u%s: %u runs, %llu faults, %u calls were told\n", way->name,
		      of_card ? "card's fault" : "fault", fault, for_good ? " for good" : "", runs,
		      (unsigned long long)fired, failed_calls);
	assert_true(fired >= runs);
	/* What happens once is mended without a word, unless the card was out or says that it failed. */
	if (!for_good && (!of_card || fault < SIMCARD_ERROR))
		assert_true(failed_calls <= runs / 4);
	if (for_good && !of_card && fault != SIMDW_DMA_LATE && fault != SIMDW_STOP_UNHEARD)
		assert_true(failed_calls > 0);
}

static bool applies(const struct way *way, enum simdw_fault fault)
{
	const bool of_dma = fault == SIMDW_BUS_ERROR || fault == SIMDW_NO_DESCRIPTOR || fault == SIMDW_DMA_LATE;

	return !of_dma || !way->by_cpu;
}

static void test_controller_once(void **state)
{
	(void)state;
	for (enum simdw_fault fault = 0; fault < SIMDW_FAULTS; fault++)
		for (size_t i = 0; i < array_size(ways); i += harness_effort() == EFFORT_LONG ? 1 : 3)
			if (applies(&ways[i], fault))
				faults(&ways[i], false, fault, false);
}

static void test_controller_for_good(void **state)
{
	(void)state;
	for (enum simdw_fault fault = 0; fault < SIMDW_FAULTS; fault++)
		if (applies(&ways[1], fault))
			faults(&ways[1], false, fault, true);
}

static void test_card_once(void **state)
{
	(void)state;
	for (enum simcard_fault fault = 0; fault < SIMCARD_FAULTS; fault++)
		for (size_t i = 0; i < array_size(ways); i += harness_effort() == EFFORT_LONG ? 1 : 3)
			faults(&ways[i], true, fault, false);
}

static void test_card_for_good(void **state)
{
	(void)state;
	for (enum simcard_fault fault = 0; fault < SIMCARD_FAULTS; fault++)
		faults(&ways[fault % 2 ? 0 : 3], true, fault, true);
}

/* ---- out and in ---- */

static struct host_event pull;

static void pull_out(struct host_event *event)
{
	(void)event;
	simdw_slot(&dw, false);
}

/* The pin tells at once what the card's silence tells after a while. */
static void body_pulled(void *arg)
{
	nsec_t start;

	(void)arg;
	make_card(SIMCARD_SDHC, &ways[0]);
	assert_int_equal(add_slot(), 0);
	use(1);
	pull.fire = pull_out;
	start = clock_now();
	host_event_post(&pull, start + 100000); // in the midst of the data
	assert_int_equal(blk_read(dev, place_at(0), buf, LEN), -ENODEV);
	assert_true(clock_now() - start < 100 * NSEC_PER_MSEC);
	assert_int_equal(blk_write(dev, place_at(0), buf, LEN), -ENODEV);
	simdw_slot(&dw, true);
	(void)blk_flush(dev);
	use(2);
	check();
	assert_int_equal(told, 0);
}

static void body_empty(void *arg)
{
	(void)arg;
	make_card(SIMCARD_SDHC, &ways[0]);
	simcard_remove(&card);
	assert_int_equal(add_slot(), 0);
	assert_null(dev);
	simdw_slot(&dw, true);
	while (!(dev = blkdev_find("mmcblk0")))
		thread_yield();
	use(1);
	check();
	assert_int_equal(told, 0);
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
	    cmocka_unit_test(test_works),
	    cmocka_unit_test(test_facts),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_around),
	    cmocka_unit_test(test_controller_once),
	    cmocka_unit_test(test_controller_for_good),
	    cmocka_unit_test(test_card_once),
	    cmocka_unit_test(test_card_for_good),
	    cmocka_unit_test(test_exchange),
	};

	return cmocka_run_group_tests_name("DesignWare MSHC", tests, load, NULL);
}
