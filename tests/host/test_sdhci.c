// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * SDHCI on a model of its registers, by DMA with descriptors of both sizes, by the CPU, and polled: who moves the data
 * is counted by the model, and all that the card can do wrong comes up as it should.
 */
#include "drivers/sd/sdhci.h"

#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include "arch/cache.h"
#include "arch/clock.h"
#include "arch/io.h"
#include "arch/page.h"
#include "drivers/block/blkdev.h"
#include "drivers/irq.h"
#include "kernel/bootargs.h"
#include "kernel/facts.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/dts.h"
#include "tests/host/sdstack.h"
#include "tests/host/simsdhci.h"

static struct simsdhci sim;
static struct sdhci sdhci;

static struct mode {
	const char *bootargs;
	bool version3, dma;
} mode;

static const struct mode modes[] = {
    {"sd.transfer=dma", false, true},
    {"sd.transfer=dma", true, true},
    {"sd.transfer=pio", false, false},
    {"sd.transfer=polled", false, false},
};

/* Bytes that were handed to the controller, and taken back. */
static uint64_t to_device, to_cpu;

void __real_dma_sync_for_device(paddr_t pa, size_t len, enum dma_dir dir);
void __real_dma_sync_for_cpu(paddr_t pa, size_t len, enum dma_dir dir);
void __wrap_dma_sync_for_device(paddr_t pa, size_t len, enum dma_dir dir);
void __wrap_dma_sync_for_cpu(paddr_t pa, size_t len, enum dma_dir dir);

void __wrap_dma_sync_for_device(paddr_t pa, size_t len, enum dma_dir dir)
{
	to_device += len;
	__real_dma_sync_for_device(pa, len, dir);
}

void __wrap_dma_sync_for_cpu(paddr_t pa, size_t len, enum dma_dir dir)
{
	to_cpu += len;
	__real_dma_sync_for_cpu(pa, len, dir);
}

static int attach(struct simcard *card, bool knows)
{
	int error;

	bootargs_set(mode.bootargs, strlen(mode.bootargs));
	sim.knows = knows;
	sim.version3 = mode.version3;
	simsdhci_init(&sim, card);
	sdhci.name = "sdhci";
	sdhci.regs = io_map(SIMSDHCI_PA, 256);
	error = sdhci_init(&sdhci);
	if (!error)
		error = irq_request(SIMSDHCI_IRQ, sdhci_irq, &sdhci, "sdhci");
	return error ? error : sdhci_add(&sdhci);
}

static void body(void *arg)
{
	struct blkdev_stats stats;
	unsigned pending;

	sdcase_make(*(const enum simcard_kind *)arg);
	sdcase_start(attach);
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
	assert_int_equal(sdcase_card.timing, 1);
	/* 52 MHz by 2, which is the most that is not above 50. */
	assert_int_equal(sim.fastest, sdcase_card.kind == SIMCARD_EMMC ? 52000000 : 26000000);
	blk_stats(sdcase_dev, &stats, &pending);
	if (mode.dma) {
		assert_int_equal(sim.port_bytes, 0);
		assert_int_equal(stats.cpu_bytes, 0);
		/* All that it moves, registers too. */
		assert_int_equal(to_device, sim.dma_bytes);
		assert_int_equal(to_cpu, sim.dma_bytes);
		assert_true(stats.dma_bytes >= 2 * SDCASE_PLACES * SDCASE_LEN * SECTOR_SIZE);
	} else {
		assert_int_equal(sim.dma_bytes, 0);
		assert_int_equal(sim.tables, 0);
		assert_int_equal(stats.dma_bytes, 0);
	}
}

static void test_modes(void **state)
{
	(void)state;
	for (unsigned m = 0; m < array_size(modes); m++) {
		mode = modes[m];
		for (enum simcard_kind kind = SIMCARD_SDSC1; kind <= SIMCARD_EMMC; kind++)
			harness_run(&(struct harness){0}, body, &kind);
	}
}

/* Many segments, some of several pages. */
static void body_segments(void *arg)
{
	static struct blk_segment segments[BLK_SEGMENTS_MAX];
	static char want[SDCASE_LEN * SECTOR_SIZE];

	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	sdcase_fill(9, 0);
	memcpy(want, sdcase_buf, sizeof(want));
	for (unsigned i = 0; i < SDCASE_LEN; i++)
		segments[i] = (struct blk_segment){.pa = va_to_pa(sdcase_buf) + (SDCASE_LEN - 1 - i) * SECTOR_SIZE,
						   .len = SECTOR_SIZE};
	struct blk_request req = {
	    .op = BLK_WRITE, .sector = 40, .sectors = SDCASE_LEN, .segments = segments, .segment_count = SDCASE_LEN};
	bool done = false;

	req.arg = &done;
	req.done = sdcase_done;
	blk_submit(sdcase_dev, &req);
	sdcase_wait(&done);
	assert_int_equal(req.error, 0);
	for (unsigned i = 0; i < SDCASE_LEN; i++)
		assert_memory_equal(sdcase_card.media + 512 * (40 + i), want + (SDCASE_LEN - 1 - i) * SECTOR_SIZE,
				    SECTOR_SIZE);
}

static void test_segments(void **state)
{
	(void)state;
	for (unsigned m = 0; m < array_size(modes); m++) {
		mode = modes[m];
		harness_run(&(struct harness){0}, body_segments, NULL);
	}
}

static void test_mapped(void **state)
{
	(void)state;
	for (unsigned m = 0; m < array_size(modes); m++) {
		mode = modes[m];
		sdstack_mapped(attach, SIMCARD_SDHC, !mode.dma);
	}
}

/* ---- the slot's switch ---- */

/* Nobody asks for anything: the interrupt alone tells. */
static void body_slot(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	sdcase_card.present = false;
	assert_int_equal(attach(&sdcase_card, true), 0);
	assert_null(blkdev_find("mmcblk0"));
	simcard_insert(&sdcase_card);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	sdcase_dev = blkdev_find("mmcblk0");
	assert_non_null(sdcase_dev);
	sdcase_use(1);
	simcard_remove(&sdcase_card);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	simcard_insert(&sdcase_card);
	sdcase_told = 0;
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

/* The way of the data is chosen while the slot works; the bus is set anew in between. */
static void body_ways(void *arg)
{
	struct facts *facts;

	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	facts = facts_next(NULL);
	while (facts && strcmp(facts->name, "mmcblk0"))
		facts = facts_next(facts);
	assert_non_null(facts);
	assert_int_equal(facts->set(facts, "pio"), 0);
	simcard_remove(&sdcase_card);
	assert_int_equal(blk_read(sdcase_dev, 0, sdcase_buf, 1), -ENODEV);
	simcard_insert(&sdcase_card);
	assert_int_equal(blk_read(sdcase_dev, 0, sdcase_buf, 1), 0);
	assert_int_equal(facts->set(facts, "dma"), 0);
	sdcase_use(1);
	sdcase_check();
	assert_true(sim.tables > 0);
}

static void test_ways(void **state)
{
	(void)state;
	mode = modes[0];
	harness_run(&(struct harness){0}, body_ways, NULL);
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static void test_slot(void **state)
{
	const char *log;

	(void)state;
	for (unsigned m = 0; m < array_size(modes) - 1; m++) { // polled, nobody would look
		mode = modes[m];
		assert_int_equal(harness_status(&(struct harness){0}, body_slot, NULL, &log), 0);
		assert_int_equal(count_of(log, "the card is gone"), 1);
		assert_int_equal(count_of(log, "the card is back"), 1);
	}
}

/* ---- in Cadence's wrapper ---- */

extern const struct driver sdhci_cadence_driver;

static struct dts tree;
static uint32_t wrapper_mode = 5;

static uint32_t wrapper_read(struct sim_window *window, size_t off, unsigned width)
{
	(void)window;
	if (off >= 0x200)
		return sim.window.read(&sim.window, off - 0x200, width);
	assert_int_equal(off, 0x18);
	assert_int_equal(width, 4);
	return wrapper_mode;
}

static void wrapper_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	(void)window;
	if (off >= 0x200) {
		sim.window.write(&sim.window, off - 0x200, value, width);
		return;
	}
	assert_int_equal(off, 0x18);
	assert_int_equal(width, 4);
	wrapper_mode = value;
}

static int attach_wrapped(struct simcard *card, bool knows)
{
	static struct sim_window window = {
	    .pa = 0x20008000, .len = 0x1000, .read = wrapper_read, .write = wrapper_write};
	struct device dev = dts_device(&tree, "/soc/mmc@20008000");

	sim.knows = knows;
	simsdhci_init(&sim, card);
	sim_window_add(&window);
	assert_int_equal(dev.irq[0], 88);
	dev.irq[0] = SIMSDHCI_IRQ;
	return sdhci_cadence_driver.probe(&dev);
}

/* As the Icicle kit's tree has it; and a slot with less than the controller. */
static void body_wrapped(void *arg)
{
	const int node = fdt_path_offset(tree.blob, "/soc/mmc@20008000");
	const bool less = *(const bool *)arg;

	if (less) {
		assert_int_equal(fdt_setprop_inplace_u32(tree.blob, node, "max-frequency", 20000000), 0);
		assert_int_equal(fdt_nop_property(tree.blob, node, "bus-width"), 0);
	}
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach_wrapped);
	assert_int_equal(wrapper_mode, 0);
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
	assert_int_equal(sdcase_card.width, less ? 1 : 4);
	assert_int_equal(sim.fastest, less ? 13000000 : 26000000); // a quarter of 52 MHz, or half
}

static void test_wrapped(void **state)
{
	(void)state;
	mode = modes[0];
	assert_int_equal(dts_load(&tree, "../../board/icicle/icicle.dts"), 0);
	for (unsigned less = 0; less < 2; less++)
		harness_run(&(struct harness){0}, body_wrapped, &(bool){less});
}

static void test_faults(void **state)
{
	(void)state;
	for (unsigned m = 0; m < array_size(modes); m++) {
		mode = modes[m];
		sdcase_card_faults(&(struct sdcase){.name = mode.bootargs,
						    .attach = attach,
						    .kind = m % 2 ? SIMCARD_SDSC : SIMCARD_SDHC,
						    .polled = m == array_size(modes) - 1});
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_modes),   cmocka_unit_test(test_segments),
					   cmocka_unit_test(test_slot),	   cmocka_unit_test(test_ways),
					   cmocka_unit_test(test_wrapped), cmocka_unit_test(test_mapped),
					   cmocka_unit_test(test_faults)};

	return cmocka_run_group_tests_name("SDHCI", tests, NULL, NULL);
}
