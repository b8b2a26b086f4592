// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A simulated DesignWare MSHC behind tests/host/simio.h, with a simulated card on its bus, and the parts of a JH7110
 * around it: clock generator, system controller, pins. It takes time for everything, and fails the test for what a
 * driver may not do: registers that are handed over written meanwhile, registers of a controller without clock or in
 * reset, a FIFO read empty or filled beyond its end, descriptors that make no sense or do not add up, a divider changed
 * while the card's clock runs, rates that the card cannot take.
 */
#pragma once

#include "arch/host/host.h"
#include "tests/host/simcard.h"
#include "tests/host/simio.h"

enum simdw_fault {
	SIMDW_LOCKED,	     // HLE: the command's start is lost
	SIMDW_FIFO_ERROR,    // FRUN in the midst of data
	SIMDW_STARVED,	     // HTO
	SIMDW_START_BIT,     // SBE in the midst of data that is read
	SIMDW_BUS_ERROR,     // the DMA's, in the midst of data
	SIMDW_NO_DESCRIPTOR, // the DMA stops in the midst of data
	SIMDW_SILENT,	     // nothing is reported, and start stays
	SIMDW_STOP_UNHEARD,  // no answer to the stop that is sent by itself
	SIMDW_DMA_LATE,	     // no fault: the DMA ends long after the card
	SIMDW_FAULTS
};

#define SIMDW_FIFO_MAX 64

struct simdw {
	/* The test's. */
	struct simcard *card;
	bool wide;	     // 64-bit descriptors
	bool no_dma;	     // the DMA was left out
	bool wide_fifo;	     // words of 64 bits
	bool old;	     // a version with its FIFO at 0x100
	uint32_t fifo_words; // depth
	bool vendor_clocks;  // as a loader leaves them that used another rate: 198 MHz
	/* Commands with data numbered fault_at and on, fault_times of them. */
	uint64_t fault_at, fault_times;
	enum simdw_fault fault;

	/* Its own; may be read. */
	uint64_t commands, data_commands, fired, interrupts_lost;
	uint64_t dma_bytes, cpu_bytes, resets;
	uint32_t card_hz;

	struct sim_window window, crg, syscon, pins;
	struct simdw_state *s;
};

#define SIMDW_PA 0x16020000u
#define SIMDW_IRQ 75u

/*
 * Sets it up as after power-on, clocks off, and puts it where board/visionfive2/visionfive2.dts says. Pin 41 says
 * whether a card is in.
 */
void simdw_init(struct simdw *dw);
