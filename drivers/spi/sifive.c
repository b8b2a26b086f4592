// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * See the header. At most as many bytes are under way as the receive FIFO holds, so nothing is lost however late the
 * interrupt is served; it comes when half of them are there, while the other half is still being sent. Does not sleep.
 */
#include "drivers/spi/sifive.h"

#include <errno.h>

#include "arch/io.h"
#include "kernel/log.h"

enum {
	REG_DIVIDER = 0x00,
	REG_MODE = 0x04,
	REG_CS_ID = 0x10,
	REG_CS_DEFAULT = 0x14,
	REG_CS_MODE = 0x18,
	REG_FORMAT = 0x40,
	REG_TX = 0x48,
	REG_RX = 0x4c,
	REG_TX_MARK = 0x50,
	REG_RX_MARK = 0x54,
	REG_FLASH = 0x60,
	REG_IRQ_ENABLE = 0x70,
	REGS_SIZE = 0x78,
};
enum { CS_AUTO = 0, CS_HOLD = 2, CS_OFF = 3 };
enum { IRQ_RX = 2 };
#define FORMAT_8_BITS 0x80000u // one line, most significant bit first, what comes is kept
#define RX_EMPTY (1u << 31)
#define DIVIDER_MAX 0xfffu

int sifive_spi_init(struct sifive_spi *spi, const struct device *dev)
{
	struct clk clk;
	int error;

	if (!dev->reg_count || dev->reg[0].len < REGS_SIZE)
		return -EINVAL;
	error = clk_get(dev, NULL, &clk);
	if (!error)
		error = clk_enable(&clk);
	if (!error)
		error = clk_rate(&clk, &spi->clock);
	if (error) {
		log_error("%s: its clock is not known (error %d)", dev->name, -error);
		return error;
	}
	spi->regs = io_map(dev->reg[0].pa, REGS_SIZE);
	if (!spi->regs)
		return -ENOMEM;
	io_write32(spi->regs, REG_IRQ_ENABLE, 0);
	io_write32(spi->regs, REG_FLASH, 0); // registers, not a memory window
	io_write32(spi->regs, REG_MODE, 0);
	io_write32(spi->regs, REG_CS_ID, 0);
	io_write32(spi->regs, REG_CS_DEFAULT, 1); // inactive: high
	io_write32(spi->regs, REG_CS_MODE, CS_AUTO);
	io_write32(spi->regs, REG_FORMAT, FORMAT_8_BITS);
	sifive_spi_stop(spi);
	return 0;
}

/* clock / (2 * (divider + 1)), rounded down. */
uint32_t sifive_spi_set_clock(struct sifive_spi *spi, uint32_t hz)
{
	uint64_t divider = (spi->clock + 2 * (uint64_t)hz - 1) / (2 * (uint64_t)hz);

	divider = divider ? min_of(divider - 1, (uint64_t)DIVIDER_MAX) : 0;
	io_write32(spi->regs, REG_DIVIDER, (uint32_t)divider);
	return (uint32_t)(spi->clock / (2 * (divider + 1)));
}

void sifive_spi_select(struct sifive_spi *spi, bool select)
{
	io_write32(spi->regs, REG_CS_MODE, select ? CS_HOLD : CS_AUTO);
}

void sifive_spi_unselected(struct sifive_spi *spi)
{
	io_write32(spi->regs, REG_CS_MODE, CS_OFF);
}

/* What nobody asked for, of a loader or of a transfer that was given up, would be taken for an answer. */
static void drain(struct sifive_spi *spi)
{
	for (unsigned i = 0; i < 2 * SIFIVE_SPI_FIFO && !(io_read32(spi->regs, REG_RX) & RX_EMPTY); i++)
		continue;
}

void sifive_spi_begin(struct sifive_spi *spi, const uint8_t *out, uint8_t *in, size_t len)
{
	drain(spi);
	spi->out = out;
	spi->in = in;
	spi->sent = spi->got = 0;
	spi->len = len;
}

static void receive(struct sifive_spi *spi)
{
	while (spi->got < spi->sent) {
		const uint32_t word = io_read32(spi->regs, REG_RX);

		if (word & RX_EMPTY)
			return;
		if (spi->in)
			spi->in[spi->got] = (uint8_t)word;
		spi->got++;
	}
}

/* Goes on while bytes come: they do where the clock is fast for who serves the interrupt. */
bool sifive_spi_pump(struct sifive_spi *spi)
{
	size_t under_way, before;

	do {
		before = spi->sent;
		receive(spi);
		for (; spi->sent < spi->len && spi->sent - spi->got < SIFIVE_SPI_FIFO; spi->sent++)
			io_write32(spi->regs, REG_TX, spi->out ? spi->out[spi->sent] : 0xff);
	} while (spi->sent != before);
	under_way = spi->sent - spi->got;
	/* Raised while there are more than the mark. */
	if (under_way)
		io_write32(spi->regs, REG_RX_MARK,
			   (uint32_t)(spi->sent < spi->len ? SIFIVE_SPI_FIFO / 2 : under_way) - 1);
	io_write32(spi->regs, REG_IRQ_ENABLE, under_way ? IRQ_RX : 0);
	return !under_way;
}

void sifive_spi_stop(struct sifive_spi *spi)
{
	io_write32(spi->regs, REG_IRQ_ENABLE, 0);
	sifive_spi_begin(spi, NULL, NULL, 0);
}
