// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A simulated SD card or eMMC at the level of commands and data blocks, with knobs for what QEMU's cards never do:
 * be busy for long, fail, be taken out. Models of host controllers put it behind their registers; sim_slot (simslot.h)
 * is a host without registers. States and answers follow the SD Physical Layer Simplified Specification, sections
 * 4.2 to 4.10, and JESD84-B51 for eMMC.
 */
#pragma once

#include "lib/types.h"

enum simcard_kind { SIMCARD_SDSC1, SIMCARD_SDSC, SIMCARD_SDHC, SIMCARD_EMMC }; // SDSC1: of version 1, no CMD8

enum simcard_fault {
	SIMCARD_NO_ANSWER,  // the command is not heard
	SIMCARD_BAD_ANSWER, // the answer's CRC is wrong on the bus
	SIMCARD_BAD_DATA,   // CRC error in the nth data block of the command
	SIMCARD_NO_DATA,    // the nth data block does not come, or is not taken
	SIMCARD_BUSY,	    // busy for `busy` afterwards
	SIMCARD_ERROR,	    // the status has ERROR (bit 19)
	SIMCARD_REMOVED,    // taken out just before the command
	SIMCARD_REMOVED_MID // taken out before the nth data block
};

struct simcard {
	/* Set by the test before use. */
	enum simcard_kind kind;
	uint64_t blocks;      // of 512 bytes
	uint8_t *media;	      // programmed blocks: what survives
	uint32_t serial;      // of the CID
	bool cmd23;	      // SCR says so
	bool discard;	      // SSR says so
	bool write_protected; // TMP_WRITE_PROTECT in the CSD
	nsec_t write_busy, erase_busy;

	/* Faults: the command with this number (counted from 0 as `commands` does) and on, `times` times. */
	uint64_t fault_at;
	unsigned fault_times;
	enum simcard_fault fault;
	uint32_t fault_block;
	nsec_t busy;
	void (*on_command)(struct simcard *card, uint8_t index, uint32_t arg); // NULL, or sees each one that is heard

	/* Its own. */
	bool present;
	uint64_t commands, programmed; // heard; blocks
	uint32_t state;
	nsec_t busy_until;
	struct simcard_private *priv;
};

/* Puts a fresh card in, powered down. It forgets nothing on the media. */
void simcard_insert(struct simcard *card);
/* Blocks that were sent and not yet programmed are lost. */
void simcard_remove(struct simcard *card);

/*
 * Hears a command. 0 and the answer (as in struct sd_command), -ETIMEDOUT: none, -EILSEQ: damaged. With a data
 * command the blocks follow by the two calls below until all are through, or CMD12.
 */
int simcard_command(struct simcard *card, uint8_t index, uint32_t arg, uint32_t response[4]);
/* The next block of len bytes that the card sends or takes: 0, -ETIMEDOUT, -EILSEQ (bytes then are damaged). */
int simcard_read_block(struct simcard *card, void *data, uint32_t len);
int simcard_write_block(struct simcard *card, const void *data, uint32_t len);
/* True while DAT0 is low. */
bool simcard_busy(struct simcard *card);
