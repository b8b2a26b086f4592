// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The chain of records in a segment: which bytes are a record, and which record may follow which. One set of rules for
 * recovery and for readers. No locks; all may wait for the card.
 */
#pragma once

#include "maplog/format.h"
#include "maplog/segment.h"

/* A place between two records. */
struct chain {
	uint64_t offset;
	uint64_t sequence; // of the next data record; 0: not known, any
	uint32_t boot;	   // of the records here; 0: not known, any
};

enum chain_status {
	CHAIN_RECORD = 1, // *header is the next record of any kind; the place has moved behind it
	CHAIN_SEALED,	  // no room for another header: goes on in the next segment
	CHAIN_END,	  // nothing was written here: zeros
	CHAIN_BAD,	  // neither
};

/* Steps over one record. *payload (of a data record) is valid until the source is read again. Negative errno: I/O. */
int chain_step(struct source *source, struct chain *place, struct record_header *header, const uint8_t **payload);

/* As chain_step, to the next data record. */
int chain_next(struct source *source, struct chain *place, struct record_header *header, const uint8_t **payload);

/* What lies behind a place where the chain breaks. */
struct chain_loss {
	uint64_t end;	  // byte behind the last whole record; 0: none
	uint64_t records; // whole data records that are not part of the log
	uint32_t boot;	  // highest boot number among them
};

/*
 * Looks behind a break at *place for records that prove it to be damage and not the log's end. A record proves it that
 * was written when `place->sequence` was durable already, or by a later opening, whose start was. 1: *place is where
 * the chain goes on. 0: no proof, *loss says what is there. With from_start only the chain at the segment's start is
 * followed, for segments behind the break.
 */
int chain_search(struct source *source, struct chain *place, bool from_start, struct chain_loss *loss);
