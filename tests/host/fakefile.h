// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A file for tests of mm/ alone: a page-cache object over an array of bytes, with transfers that end at once or later
 * in interrupt context, in order or not, and whose nth operation fails. Inside a run only.
 */
#pragma once

#include "mm/pcache.h"

enum fake_op { FAKE_FILL, FAKE_WRITE, FAKE_RESERVE, FAKE_SYNC, FAKE_OPS };

struct fakefile {
	struct pcache_object object;
	pgidx_t pages;	 // of the array
	uint8_t *data;	 // what is on the card
	uint8_t *synced; // what was there at the last good sync
	bool *backed;

	nsec_t delay; // of each transfer; 0: it ends before the call returns
	nsec_t pace;  // instead of delay: one call's pages after another's, so long for each page, and end together
	nsec_t busy_until;
	bool shuffled;	// delays differ, and a write takes its bytes at its start or at its end
	bool hold;	// transfers do not end until fakefile_release
	int refs;	// by ref
	uint64_t fills; // calls, each of adjacent pages
	bool destroyed; // nothing may come any more

	/* Of the operations of a kind (pages, for transfers), those numbered from .. from+count-1 fail. */
	struct {
		uint64_t from, count, seen, fired;
		int error;
	} fail[FAKE_OPS];

	struct transfer *held;
};

/* All backed and filled with fakefile_byte unless `sparse`: then holes, which are zeros. */
struct fakefile *fakefile_make(uint64_t size, bool sparse);
void fakefile_free(struct fakefile *file); // pages must be clean, mappings gone
uint8_t fakefile_byte(uint64_t offset);

void fakefile_fail(struct fakefile *file, enum fake_op op, uint64_t from, uint64_t count, int error);
void fakefile_release(struct fakefile *file);
