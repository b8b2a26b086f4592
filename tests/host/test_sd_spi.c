// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * SD cards in SPI mode on a model of SiFive's controller: bytes, checksums, tokens and busy, by interrupt and polled;
 * and all that the card can do wrong comes up as it should.
 */
#include "drivers/sd/spi_host.c"

#include "kernel/bootargs.h"
#include "lib/fdt.h"
#include "tests/host/sdcase.h"
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
					   cmocka_unit_test(test_faults)};

	return cmocka_run_group_tests_name("SD by SPI", tests, NULL, NULL);
}
