// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The registers of a SiFive SPI controller with a simulated card in SPI mode behind them (SD Physical Layer Simplified
 * Specification, chapter 7): it answers byte by byte, checks both checksums once CRC_ON_OFF said so, and damages them
 * where the card's fault says so. Bytes take no time, and what is sent is received at once; or, `slow`, they are
 * shifted one after the other at the divider's rate. What is sent to a full FIFO, or would be received into one, fails
 * the test, and so does a change of clock or chip select while bytes are under way.
 */
#pragma once

#include "arch/host/host.h"
#include "tests/host/simcard.h"
#include "tests/host/simio.h"

#define SIMSPI_PA 0x10050000
#define SIMSPI_IRQ 6

struct simspi {
	struct simcard *card;
	bool slow;
	uint8_t bad_token, bad_response; // in the place of the next one; 0: none

	/* Its own. */
	struct sim_window window;
	uint32_t divider, cs_mode, rx_mark, irq_enable;
	uint8_t rx[8];
	unsigned rx_count;
	uint8_t tx[8]; // slow: still to be shifted
	unsigned tx_count;
	struct host_event event;
	bool irq;	     // the line's level
	unsigned interrupts; // how often it rose
	unsigned clocks;     // bytes without chip select since the start
	bool app, crc_on, busy_shown;
	uint8_t frame[6];
	unsigned frame_len;
	/* What the card will say, byte by byte; then 0xff, or 0 while it is busy. */
	uint8_t out[1100];
	unsigned out_at, out_len;
	enum { SIMSPI_IDLE, SIMSPI_READ, SIMSPI_WRITE } phase;
	bool multiple, fails; // the card's ERROR, which is told where the data goes
	uint32_t block_len;
	uint8_t block[515]; // token's data and checksum
	unsigned block_at;
	bool in_block;
};

void simspi_init(struct simspi *s, struct simcard *card);
