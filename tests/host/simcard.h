// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A simulated SD card or eMMC at the level of commands and data blocks, with knobs for what QEMU's cards never do: be
 * busy for long, fail, be taken out. Models of host controllers put it behind their registers; simslot.h is a host
 * without registers. States and answers follow the SD Physical Layer Simplified Specification, sections 4.2 to 4.10,
 * and JESD84-B51 for eMMC.
 */
#pragma once

#include "lib/types.h"

#define SIMCARD_GROUP 32 // blocks
#define SIMCARD_ERASED 0xe5

enum simcard_kind { SIMCARD_SDSC1, SIMCARD_SDSC, SIMCARD_SDHC, SIMCARD_EMMC }; // SDSC1: of version 1, no CMD8

enum simcard_fault {
	SIMCARD_NO_ANSWER,   // the command is not heard
	SIMCARD_BAD_ANSWER,  // it is carried out, but the answer's CRC is wrong on the bus
	SIMCARD_BAD_DATA,    // CRC error in a data block
	SIMCARD_NO_DATA,     // a data block does not come, or is not taken
	SIMCARD_BUSY,	     // busy for longer afterwards
	SIMCARD_ERROR,	     // the status has ERROR (bit 19), and a write does not happen
	SIMCARD_REMOVED,     // taken out just before the command
	SIMCARD_REMOVED_MID, // taken out before a data block
	SIMCARD_FAULTS
};

struct simcard {
	/* The test's. */
	enum simcard_kind kind;
	uint64_t blocks; // of 512 bytes
	uint8_t *media;	 // what survives
	uint32_t serial; // of the CID
	bool cmd23;	 // SCR says so
	bool discard;	 // SSR says so
	bool write_protected;
	bool erase_groups; // no single blocks: SDSC with ERASE_BLK_EN 0; eMMC without TRIM. SIMCARD_GROUP each
	bool old;	   // eMMC: before DISCARD
	uint8_t
	    partition;	// eMMC: PARTITION_CONFIG as a loader left it; data of another than the user area fail the test
	uint32_t lines; // that are connected; 0: all
	nsec_t write_busy; // after each write

	/* The commands numbered fault_at and on, `fault_times` of them; data blocks from fault_block on. */
	uint64_t fault_at, fault_times;
	enum simcard_fault fault;
	uint32_t fault_block;
	nsec_t fault_busy;

	/* The host's: told when the card was put in or taken out. */
	void (*slot_changed)(void *host);
	void *host;

	/* Its own; may be read. */
	bool present;
	bool selected;	   // by CMD7, since it was put in
	uint64_t commands; // heard or not
	uint64_t fired;	   // faults
	uint32_t width, timing;
	uint64_t multi_reads, multi_writes, stops, counts;
	uint64_t erased, erases, erase_longest; // blocks, commands, blocks of one
	uint32_t erase_arg;			// the last one's
	struct simcard_state *s;
};

/* Puts the card in, powered down. It forgets nothing on the media. */
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
/* CSD, or CID, as it is in SPI mode without an answer of 136 bits. */
void simcard_register(const struct simcard *card, bool cid, uint32_t words[4]);
/* While DAT0 is low; until when. */
bool simcard_busy(struct simcard *card);
nsec_t simcard_busy_until(const struct simcard *card);
