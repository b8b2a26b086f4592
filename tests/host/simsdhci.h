// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The registers of an SDHCI with a simulated card behind them (SD Host Controller Simplified Specification 3.00). It is
 * strict: commands while it is inhibited, without power, without a clock or with one that is faster than the card was
 * told, descriptor tables that do not fit the transfer, and memory that is not RAM fail the test.
 */
#pragma once

#include "arch/host/host.h"
#include "tests/host/simcard.h"
#include "tests/host/simio.h"

#define SIMSDHCI_PA 0x40000000
#define SIMSDHCI_IRQ 33

struct simsdhci {
	struct simcard *card;
	bool knows;    // the slot has a switch
	bool version3; // with descriptors of 64 bits, if the driver wants them

	/* Its own. */
	struct sim_window window;
	uint32_t argument, mode, response[4], status, status_enable, signal_enable;
	uint16_t block_size, block_count, clock, auto_error;
	uint8_t control, power;
	uint32_t adma[2];
	uint8_t buffer[512];
	uint32_t at, left; // of the buffer; blocks of a transfer by the port
	bool transfer, port_write;
	uint32_t coming; // status bits that the event raises
	struct host_event event;
	bool posted;
	uint32_t fastest; // Hz
	uint64_t dma_bytes, port_bytes, tables;
};

void simsdhci_init(struct simsdhci *s, struct simcard *card);
