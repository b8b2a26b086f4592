// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the tests of every SD host share: a simulated card, a workload of writes, FLUSHes and reads whose outcome is
 * known, and runs of it with a fault at one command after the other.
 */
#pragma once

#include "tests/host/harness.h"
#include "tests/host/simcard.h"

#define SDCASE_BLOCKS (5 * 1024) // no power of two, as real cards have
#define SDCASE_LEN 16		 // sectors of a transfer
#define SDCASE_PLACES 4

/* Inside a run. */
extern struct simcard sdcase_card;
extern struct blkdev *sdcase_dev; // mmcblk0
extern char *sdcase_buf;	  // SDCASE_LEN sectors
extern unsigned sdcase_told;	  // calls that failed

/* Puts the card behind a host and announces that: sd_host_add's result. knows: the host sees whether a card is in. */
typedef int sdcase_attach(struct simcard *card, bool knows);

void sdcase_make(enum simcard_kind kind);
/* Fails the test unless the card comes up. */
void sdcase_start(sdcase_attach *attach);
sector_t sdcase_at(unsigned place);
void sdcase_fill(unsigned round, unsigned place);
bool sdcase_matches(const void *data, unsigned round, unsigned place);
/* Writes all places with the round's pattern, and FLUSHes; reads them back, from the media too where that said so. */
void sdcase_use(unsigned round);
void sdcase_check(void);

/*
 * After sdcase_use(1): pulls the card so many ns after a read begins, where a pin tells at once; puts it back, and uses
 * it again.
 */
void sdcase_pull(nsec_t after);

/* A request's `done`, whose arg is a flag; and waiting for that. */
struct blk_request;
void sdcase_done(struct blk_request *req);
void sdcase_wait(const bool *done);

/* Where a fault is set: its first one, how many; what has been counted so far, and how many came. */
struct sdcase_knobs {
	uint64_t *at, *times;
	const uint64_t *counted, *fired;
};

struct sdcase {
	const char *name; // for the report
	sdcase_attach *attach;
	enum simcard_kind kind;
	enum simcard_fault fault;	  // the card's, or, with knobs,
	const struct sdcase_knobs *knobs; // one of the host's model
	bool for_good;			  // from the first one on; else once
	bool polled;			  // the CPU waits: seconds of virtual time are long
};

#define SDCASE_LIMIT (31 * NSEC_PER_SEC) // no call takes longer

/*
 * Outside: runs with the fault at one place after the other. What was acknowledged is there, no call takes long, and
 * once all is well again everything works. A fault that comes once fails no call but a FLUSH, unless the card
 * said that it failed. A card that is taken out is put in again as soon as somebody was told, or, for good, at the end.
 */
void sdcase_faults(const struct sdcase *what);
/* All that the card can do wrong, once and for good. */
void sdcase_card_faults(const struct sdcase *all);
