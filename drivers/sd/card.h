// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A card as the protocol knows it, between the files of drivers/sd. Everything but the block queue's record belongs to
 * who carries out commands: the probe until the card's thread runs, then that thread, in a panic who panics.
 */
#pragma once

#include "drivers/sd/host.h"
#include "kernel/facts.h"
#include "kernel/thread.h"

/* What the registers say, checked (regs.c). */
struct sd_csd {
	sector_t sectors;
	uint16_t classes;	// CCC
	uint32_t erase_sectors; // the unit that is erased at least
	bool erase_single;	// single sectors may be erased (ERASE_BLK_EN)
	bool write_protected;	// for good or until told otherwise
	uint32_t speed;		// Hz, TRAN_SPEED
	bool large;		// of a structure whose cards address sectors; SD
};

struct sd_scr {
	unsigned version; // SD_SPEC
	bool wide, cmd23; // 4 lines, SET_BLOCK_COUNT
};

struct sd_ssr {
	uint32_t au_sectors; // allocation unit; 0: not told
	bool discard;
};

struct sd_ext_csd {
	sector_t sectors;
	bool high_speed, cache; // 52 MHz; there is a cache
	bool trim, discard;	// of single sectors; else whole erase groups are erased
	uint8_t partition;	// PARTITION_CONFIG: which one commands reach
};

enum sd_kind { SD_CARD, SD_MMC };

#define SD_TAKEN_MAX 2 // requests that the block queue has handed over: the one under way and the next

struct sd_card {
	struct sd_host *host;
	struct blkdev blk;
	struct thread *thread;

	/* Of the card that is in the slot; all but cid go when it is brought up anew. */
	enum sd_kind kind;
	bool ready; // it is in the state of transfers, as far as is known
	bool bytes; // addresses are bytes, not sectors: SDSC, small MMC
	bool cmd23, cached;
	sector_t erase_unit; // what is discarded begins and ends at multiples of it; 0: nothing can be
	uint32_t erase_arg;  // CMD38's
	uint16_t rca;
	uint32_t cid[4]; // of the card that the device was made for
	struct sd_csd csd;
	struct sd_scr scr;
	struct sd_ssr ssr;
	struct sd_ext_csd ext;
	struct sd_ios ios;
	unsigned slow; // 0: as fast as both can; 1: no high speed; 2: one line too
	/* Bits by command, of the application class [1]: the errors of its status have been told of. */
	uint64_t said[2];
	/* What was said last of the slot: 0: it works, -ENODEV, -EXDEV: another, -ESTALE: changed, -EIO: useless. */
	int told;
	uint8_t *buf;		    // PAGE_SIZE, for registers
	struct facts facts;	    // facts.c's; constant once the slot is announced,
	enum sd_transfer first_way; // as is this: how it was announced

	nsec_t deadline; // of the request that is carried out: no command goes on beyond it

	struct spinlock lock; // guards all below
	struct waitq work;    // the thread: something below changed
	struct waitq idle;    // who resets: there is nothing to do
	struct blk_request *taken[SD_TAKEN_MAX];
	unsigned count;
	bool working;		 // on one of them, or just ended it
	bool changed;		 // the slot says that a card came or went
	bool giving_up;		 // requests end with -EIO until there are none
	enum sd_transfer way;	 // of the next request's data
	char text[2][FACT_SIZE]; // of the card and its bus; empty: none has come up
};

#define SD_DISCARD_SECTORS 65536u	  // of one request, 32 MiB; the card is asked for less at a time
#define SD_BUSY_LIMIT (10 * NSEC_PER_SEC) // cards are busy for seconds now and then

/* ---- command.c ---- */

/* Bits of the card status (SD Physical Layer Simplified Specification, section 4.10.1). */
#define SD_STATUS_READY (1u << 8)
#define SD_STATUS_APP (1u << 5)
#define SD_STATUS_ILLEGAL (1u << 22)
#define SD_STATUS_STATE(status) (((status) >> 9) & 15u)
enum {
	SD_STATE_IDLE,
	SD_STATE_READY,
	SD_STATE_IDENT,
	SD_STATE_STANDBY,
	SD_STATE_TRANSFER,
	SD_STATE_DATA,
	SD_STATE_RECEIVE,
	SD_STATE_PROGRAM
};

enum sd_index {
	SD_GO_IDLE = 0,
	MMC_SEND_OP_COND = 1,
	SD_ALL_SEND_CID = 2,
	SD_SEND_RCA = 3, // MMC: sets it
	SD_SWITCH = 6,
	SD_SELECT = 7,
	SD_SEND_IF_COND = 8, // MMC: SEND_EXT_CSD
	SD_SEND_CSD = 9,
	SD_SEND_CID = 10,
	SD_STOP = 12,
	SD_SEND_STATUS = 13,
	SD_SET_BLOCKLEN = 16,
	SD_READ = 17,
	SD_READ_MULTIPLE = 18,
	SD_SET_BLOCK_COUNT = 23,
	SD_WRITE = 24,
	SD_WRITE_MULTIPLE = 25,
	SD_ERASE_START = 32,
	SD_ERASE_END = 33,
	MMC_ERASE_START = 35,
	MMC_ERASE_END = 36,
	SD_ERASE = 38,
	SD_APP = 55,
	SD_READ_OCR = 58,   // SPI
	SD_CRC_ON_OFF = 59, // SPI
	/* After SD_APP. */
	ACMD_BUS_WIDTH = 6,
	ACMD_STATUS = 13,
	ACMD_PRE_ERASE = 23,
	ACMD_OP_COND = 41,
	ACMD_SCR = 51,
};

/* A command's name for messages. */
const char *sd_name(uint8_t index, bool app);
/* The errno of a status' error bits: 0, -EIO, -EROFS (write protection), -EINVAL (address or argument). */
int sd_status_error(uint32_t status);
/*
 * Carries out a command without data; the answer's first word in *response unless NULL. 0; the host's errors; or, for
 * R1 and R1B, the status' error, which alone is logged, once for each command.
 */
int sd_simple(struct sd_card *card, uint8_t index, uint32_t arg, enum sd_answer answer, uint32_t *response);
/* As sd_simple, with an answer of 136 bits. */
int sd_long(struct sd_card *card, uint8_t index, uint32_t arg, uint32_t response[4]);
/* The same for a command of the application class. */
int sd_app(struct sd_card *card, uint8_t index, uint32_t arg, enum sd_answer answer, uint32_t *response);
/* A register that comes as one block of data, into card->buf. */
int sd_register(struct sd_card *card, uint8_t index, bool app, uint32_t arg, uint32_t bytes);
/* A command's argument for a sector. */
uint32_t sd_address(const struct sd_card *card, sector_t sector);
/* CMD13. */
int sd_status(struct sd_card *card, uint32_t *status);
/* Carries out a command, until the request's deadline at most: the host's errors. */
int sd_execute(struct sd_card *card, struct sd_command *cmd);
/* Until it is in the state of transfers and ready for data: 0, -ETIMEDOUT, -EIO (its status says so). */
int sd_settle(struct sd_card *card, nsec_t limit);

/* ---- regs.c ---- */

/* Bits [high .. low] of a register of 128 bits, at most 32 of them; word 0 has bits 127 .. 96. */
uint32_t sd_bits(const uint32_t words[4], unsigned high, unsigned low);
/* 0, -EINVAL: a structure or numbers that no card has. */
int sd_csd_decode(const uint32_t words[4], struct sd_csd *out);
int mmc_csd_decode(const uint32_t words[4], struct sd_csd *out);
void sd_scr_decode(const uint8_t bytes[8], struct sd_scr *out);
void sd_ssr_decode(const uint8_t bytes[64], struct sd_ssr *out);
int mmc_ext_csd_decode(const uint8_t bytes[512], struct sd_ext_csd *out);

/* ---- bringup.c ---- */

/*
 * From power-on to the state of transfers, at the best speed that card and host have and `slow` allows. 0; -ENODEV: no
 * card, or not the one that the device was made for; else it cannot be used. Logs all but an empty slot. The card's
 * thread.
 */
int sd_bring_up(struct sd_card *card);
/* Writes a byte of EXT_CSD; makes the MMC's cache durable. As sd_simple. */
int mmc_switch(struct sd_card *card, uint8_t index, uint8_t value);
int mmc_flush_cache(struct sd_card *card);
/* The slot is empty, as far as that is known without asking a card. */
bool sd_slot_empty(const struct sd_card *card);
/* Its slot is empty: says so, once until it is back. */
void sd_card_gone(struct sd_card *card);

/* ---- facts.c ---- */

/* The slot has been named and its host's way of data chosen: it is in /proc/board from then on. */
void sd_facts_add(struct sd_card *card);
/* The card has come up. The card's thread. */
void sd_facts_note(struct sd_card *card, const uint32_t csd[4]);

/* ---- transfer.c ---- */

/* Carries out a request of the block queue; its error. The card's thread. */
int sd_carry_out(struct sd_card *card, struct blk_request *req);
