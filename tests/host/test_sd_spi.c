// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * SD cards in SPI mode on a model of SiFive's controller: bytes, checksums, tokens and busy, by interrupt and polled;
 * and all that the card can do wrong comes up as it should.
 */
#include "drivers/sd/spi_host.c"

#include "kernel/bootargs.h"
#include "lib/fdt.h"
#include "tests/host/sdstack.h"
#include "tests/host/simspi.h"

static struct simspi sim;
static const char *const ways[] = {"", "sd.transfer=polled"};
static const char *bootargs;

/* Half a gigahertz, as the FU540 has it. */
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

static int attach(struct simcard *card, bool knows)
{
	static struct spi_host s;
	const struct device dev = {.name = "spi", .reg = {{SIMSPI_PA, 4096}}, .reg_count = 1};
	int error;

	(void)knows;
	bootargs_set(bootargs, strlen(bootargs));
	simspi_init(&sim, card);
	error = sifive_spi_init(&s.spi, &dev);
	assert_int_equal(error, 0);
	spi_host_init(&s, "spi", CLOCK_MAX);
	error = irq_request(SIMSPI_IRQ, spi_irq, &s, "spi");
	return error ? error : sd_host_add(&s.host);
}

static void body(void *arg)
{
	sdcase_make(*(const enum simcard_kind *)arg);
	sdcase_start(attach);
	assert_true(sim.clocks * 8 >= 74);
	assert_true(sim.crc_on);
	/* 20 MHz at most: 500 MHz / (2 * (12 + 1)). */
	assert_int_equal(sim.divider, 12);
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
	assert_int_equal(sdcase_card.multi_writes, SDCASE_PLACES);
}

static void test_works(void **state)
{
	(void)state;
	for (unsigned i = 0; i < array_size(ways); i++) {
		bootargs = ways[i];
		for (enum simcard_kind kind = SIMCARD_SDSC1; kind <= SIMCARD_SDHC; kind++)
			harness_run(&(struct harness){0}, body, &kind);
	}
}

static void test_faults(void **state)
{
	(void)state;
	for (unsigned i = 0; i < array_size(ways); i++) {
		bootargs = ways[i];
		sdcase_card_faults(&(struct sdcase){.name = i ? "SPI, polled" : "SPI",
						    .attach = attach,
						    .kind = i ? SIMCARD_SDSC : SIMCARD_SDHC,
						    .polled = i});
	}
}

/* Bytes take time, and the interrupt comes for each half of the FIFO. What nobody asked for is in it at first. */
static void body_slow(void *arg)
{
	const unsigned bytes = 2 * SDCASE_PLACES * SDCASE_LEN * SECTOR_SIZE;
	unsigned before;

	(void)arg;
	sim.slow = true;
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	for (unsigned i = 0; i < 3; i++)
		sim.rx[sim.rx_count++] = 0xfe;
	before = sim.interrupts;
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
	/* One for each half of the FIFO, a few more for commands and checksums; fewer where who serves it is late. */
	if (!*bootargs)
		assert_in_range(sim.interrupts - before, bytes / SIFIVE_SPI_FIFO,
				bytes / (SIFIVE_SPI_FIFO / 2) * 11 / 10);
}

static void test_slow(void **state)
{
	(void)state;
	for (unsigned i = 0; i < array_size(ways); i++) {
		bootargs = ways[i];
		harness_run(&(struct harness){0}, body_slow, NULL);
	}
	bootargs = "";
	sim.slow = true;
	sdcase_faults(&(struct sdcase){
	    .name = "SPI, slow", .attach = attach, .kind = SIMCARD_SDHC, .fault = SIMCARD_BAD_DATA, .for_good = false});
	sim.slow = false;
}

/* ---- damaged tokens ---- */

static void body_token(void *arg)
{
	struct blkdev_stats stats;
	unsigned pending;

	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	sdcase_use(1);
	sim.bad_token = *(const uint8_t *)arg;
	assert_int_equal(blk_read(sdcase_dev, sdcase_at(0), sdcase_buf, SDCASE_LEN), 0);
	assert_true(sdcase_matches(sdcase_buf, 1, 0));
	assert_int_equal(sim.bad_token, 0); // it was used
	sdcase_fill(2, 0);
	sim.bad_response = 0xf3; // not one of the three that there are
	assert_int_equal(blk_write(sdcase_dev, sdcase_at(0), sdcase_buf, SDCASE_LEN), 0);
	assert_int_equal(sim.bad_response, 0);
	assert_true(sdcase_matches(sdcase_card.media + 512 * sdcase_at(0), 2, 0));
	blk_stats(sdcase_dev, &stats, &pending);
	assert_int_equal(stats.troubles[BLK_DAMAGED], 2);
	assert_int_equal(stats.troubles[BLK_DEVICE_ERROR], 0);
	assert_int_equal(stats.retries, 0);
}

static void test_tokens(void **state)
{
	static const uint8_t tokens[] = {0x7e, 0xfa, 0x20, 0xfc};

	(void)state;
	bootargs = "";
	for (size_t i = 0; i < array_size(tokens); i++)
		harness_run(&(struct harness){0}, body_token, (void *)&tokens[i]);
}

static void test_mapped(void **state)
{
	(void)state;
	bootargs = "";
	sdstack_mapped(attach, SIMCARD_SDHC, true);
}

static void test_checksums(void **state)
{
	(void)state;
	assert_int_equal(crc7(0, "\x40\0\0\0\0", 5) << 1 | 1, 0x95);	 // CMD0
	assert_int_equal(crc7(0, "\x48\0\0\x01\xaa", 5) << 1 | 1, 0x87); // CMD8
	assert_int_equal(crc16(0, "123456789", 9), 0x31c3);
	assert_int_equal(crc16(crc16(0, "1234", 4), "56789", 5), 0x31c3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_checksums), cmocka_unit_test(test_works),
					   cmocka_unit_test(test_mapped),    cmocka_unit_test(test_slow),
					   cmocka_unit_test(test_tokens),    cmocka_unit_test(test_faults)};

	return cmocka_run_group_tests_name("SD by SPI", tests, NULL, NULL);
}
