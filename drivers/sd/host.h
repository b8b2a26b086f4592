// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Between the card protocol and a host controller. The protocol (command.c and its neighbours) decides which command
 * goes out and what its answer means; a host carries out one command at a time and knows nothing of cards. One thread,
 * the card's, calls the operations, one after the other, and sleeps in them until the controller interrupts; where
 * nobody may sleep (start-up before interrupts, panic) the same code polls.
 */
#pragma once

#include "drivers/block/blkdev.h"
#include "kernel/facts.h"
#include "kernel/wait.h"
#include "lib/types.h"

/* Kinds of answer (SD Physical Layer Simplified Specification, section 4.9). */
enum sd_answer {
	SD_NONE,
	SD_R1,
	SD_R1B, // R1, then the card holds DAT0 while it is busy; the host waits for its end unless told not to
	SD_R2,	// 136 bits: CID or CSD
	SD_R3,	// OCR, without a CRC
	SD_R6,	// RCA
	SD_R7,	// CMD8's echo
};

/* The data of a command: whole blocks, to or from a list of segments in the order of memory. */
struct sd_data {
	bool write;
	bool stop;	     // more than one block without CMD23: the host sends CMD12 behind the last one
	uint32_t block_size; // bytes: 512, or what a register has (8, 16, 64)
	uint32_t blocks;
	const struct blk_segment *segments;
	uint32_t segment_count;
};

struct sd_command {
	uint8_t index;
	bool app; // it follows APP_CMD; for messages
	enum sd_answer answer;
	uint32_t arg;
	const struct sd_data *data; // NULL: none
	nsec_t limit;		    // for the answer, all data and the end of busy, from the start
	/*
	 * Set by the host when it answered: [0] alone, but R2: [0] is bits 127..96, [3] is 31..0 with the CRC's place
	 * zero. SPI: R1 and R2 of SPI are given as the native R1; a command that the card calls illegal had no answer.
	 */
	uint32_t response[4];
	uint32_t stop_response; // CMD12's, where data.stop
	uint32_t cpu_bytes;	// of the data, moved by the CPU; the rest by DMA
};

enum sd_timing { SD_IDENTIFY, SD_DEFAULT_SPEED, SD_HIGH_SPEED };

/* What the bus is set to. */
struct sd_ios {
	bool power;
	uint32_t clock; // Hz at most; 0: off. The host finds what its tree of clocks gives
	uint8_t width;	// 1, 4, 8
	enum sd_timing timing;
};

enum sd_transfer { SD_DMA, SD_PIO, SD_POLLED }; // who moves the words, and who says that they are there

struct device;
struct sd_host;
struct sd_card;

struct sd_host_ops {
	/*
	 * Carries out a command with its data, and CMD12 where asked for. 0: it answered, and the data passed;
	 * -ETIMEDOUT: no answer, or the data or busy's end did not come in time; -EILSEQ: a CRC or framing error of
	 * answer or data; -EIO: the controller's own failure; -ENODEV: no card. The answer's status bits are the
	 * caller's. After an error of a command with data only reset may follow. The card's thread, nothing locked; may
	 * sleep (sd_host_wait).
	 */
	int (*execute)(struct sd_host *host, struct sd_command *cmd);
	/* Sets power, clock, width and timing; 0, -EIO, -EOPNOTSUPP (a width, timing or clock it has not). As execute.
	 */
	int (*configure)(struct sd_host *host, const struct sd_ios *ios);
	/*
	 * Ends what is under way and makes command and data lines ready again, with the bus as it was configured. After
	 * it the controller touches no memory of an earlier command. 0, -EIO: it does not come back. As execute.
	 */
	int (*reset)(struct sd_host *host);
	/* SD_STATE_ bits as of now; never sleeps. Any context. */
	unsigned (*state)(struct sd_host *host);
	/* Acknowledges and notes what the controller reports: its interrupt's work, for who polls. Never sleeps. */
	void (*poll)(struct sd_host *host);
};

#define SD_STATE_KNOWN 1u   // the two below are from a switch or pin, not guesses
#define SD_STATE_PRESENT 2u // a card is in the slot
#define SD_STATE_LOCKED 4u  // its write-protect switch is on

#define SD_REGISTERS_SIZE 140

struct sd_host {
	/* The controller's driver's, before sd_host_add; constant then. */
	const char *name; // of its node or PCI place, for messages
	const struct sd_host_ops *ops;
	void *driver;
	bool spi;		    // speaks SPI: other bring-up, one line, CRC to be switched on
	bool removable;		    // false: soldered, eMMC
	bool tells;		    // calls sd_host_card_changed where it knows; else an empty slot is looked at
	bool no_sd, no_mmc;	    // what the slot is not for
	uint8_t widths;		    // of the bus: 1, 4 and 8 or'ed
	bool high_speed;	    // SD_HIGH_SPEED can be configured
	uint32_t clock_max;	    // Hz
	uint32_t max_blocks;	    // of one command
	uint32_t max_segments;	    // of one command's data, at most BLK_SEGMENTS_MAX
	uint32_t max_segment_bytes; // 0: any
	paddr_t reach;		    // last byte of memory that its DMA reaches; 0: any
	/* What it uses: what the boot argument sd.transfer= asks for, as far as it can. The card's thread changes it
	 * between DMA and PIO, between commands, if it began with DMA. */
	enum sd_transfer transfer;
	char registers[SD_REGISTERS_SIZE]; // what the controller says of itself, and its clock

	struct spinlock lock; // guards the driver's record of what the controller reported, and
	struct sd_card *card; // from sd_host_add on
	struct waitq waitq;   // the card's thread, for that
};

/* What the boot argument sd.transfer= asks for; SD_DMA without it. */
enum sd_transfer sd_transfer_wanted(void);
/*
 * For hosts: sleeps, or polls, until done(host) says so or the clock passes the deadline, and the controller, looked at
 * once more, has nothing to report; done is called with host->lock held. 0, -ETIMEDOUT. The card's thread.
 */
int sd_host_wait(struct sd_host *host, bool (*done)(struct sd_host *host), nsec_t deadline);
/* Lets time pass, until then. The card's thread. */
void sd_host_sleep(struct sd_host *host, nsec_t until);
/* For a host's interrupt handler, once it has noted something under host->lock: wakes who waits. Any context. */
void sd_host_wake(struct sd_host *host);
/* For a host that learns of a card put in or taken out: the card's thread looks. Any context. */
void sd_host_card_changed(struct sd_host *host);

/* Takes from what the controller can (lines, clock, kinds of card) what the slot's node does not have. At start. */
void sd_host_narrow(struct sd_host *host, const struct device *dev);
/* Makes lock and queue: before interrupts of the controller are let through. */
void sd_host_init(struct sd_host *host);
/*
 * Announces a slot, made by sd_host_init: looks for a card, and makes the block device (mmcblk0, ...) and the
 * card's thread. A slot that is empty, or whose card cannot be used, is reported and watched. 0, -ENOMEM, -EINVAL
 * (limits). May sleep.
 */
int sd_host_add(struct sd_host *host);
