// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * SiFive's SPI controller (FU540-C000 Manual, chapter 19), one device on chip select 0, mode 0, eight bits, all moved
 * by the CPU through FIFOs of eight. The caller's lock guards all but sifive_spi_init.
 */
#pragma once

#include "drivers/clk/clk.h"

struct sifive_spi {
	volatile void *regs;
	uint64_t clock; // Hz, of the controller

	/* Of the transfer under way. */
	const uint8_t *out; // NULL: ones
	uint8_t *in;	    // NULL: what comes is dropped
	size_t sent, got, len;
};

#define SIFIVE_SPI_FIFO 8

/* Takes registers and clock of the node, and makes it idle. 0, -EINVAL, -ENOMEM; clk_get's errors. */
int sifive_spi_init(struct sifive_spi *spi, const struct device *dev);
/* The clock is at most hz from now on; what it is. */
uint32_t sifive_spi_set_clock(struct sifive_spi *spi, uint32_t hz);
/* Holds the chip select, or lets it go. */
void sifive_spi_select(struct sifive_spi *spi, bool select);
/* Transfers run without a chip select: for the clocks before a card's first command. */
void sifive_spi_unselected(struct sifive_spi *spi);
/* Begins to move len bytes each way. Memory stays until it has ended, or sifive_spi_stop. */
void sifive_spi_begin(struct sifive_spi *spi, const uint8_t *out, uint8_t *in, size_t len);
/* Moves what can be moved, and sets the water mark for the rest; true: all has been moved, and the interrupt is off. */
bool sifive_spi_pump(struct sifive_spi *spi);
/* Forgets the transfer under way, and what the FIFOs hold. */
void sifive_spi_stop(struct sifive_spi *spi);
