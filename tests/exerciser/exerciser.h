// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A random-operation tester in the manner of the classic file-system exerciser: one file, a model of it in memory, and
 * operations drawn by seed, each of whose effects is compared with the model at once. It uses the POSIX and Linux calls
 * alone, so the same source runs on the board, on the host build and on Linux, where it proves the model.
 *
 * What an operation does is drawn from the seed and its number, not from those before it: leaving some out keeps the
 * others as they were, as far as the state that they find is the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "words.h"

#define EXERCISER_DROPS_MAX 256

struct exerciser_config {
	const char *path; // of the file, which is made anew
	uint64_t seed;
	unsigned long ops;
	unsigned pages;	     // of the file at its greatest
	unsigned arena;	     // pages of addresses that mappings are made in
	unsigned lock_pages; // locked in memory at most
	unsigned threads;    // that work at once, on bytes of their own, without changing the file's size; 0: one alone
	uint64_t base;	     // bytes of the file before those that are used, a hole
	bool scarce;	     // mappings may be refused for want of memory
	bool quiet;	     // no report
	unsigned seconds;    // after which no operation begins any more; 0: no limit
	uint64_t left_out;   // kinds of operations, by bit
	struct word_span drop[EXERCISER_DROPS_MAX]; // operations that are not carried out, by number
	unsigned drops;
	bool trace;		   // prints each operation as it begins
	unsigned long *progress;   // number of the operation that runs, of the first thread; NULL: nobody looks
	void (*drop_caches)(void); // of what may be dropped; NULL: there is no way to
	uint8_t *data;		   // for the model, pages * 4096 bytes; NULL: malloced
	const char *replay;	   // the command that arguments are added to
};

struct exerciser_result {
	unsigned long failed_at; // number of the operation, the first is 1; 0: all went well
	unsigned long ops;	 // begun, by all threads
	uint64_t size;		 // of the file, without what lies before base
	uint64_t kinds;		 // of operations that were carried out and not refused, by bit
};
/* Names of the kinds in a set, into a static buffer. */
const char *exerciser_names(uint64_t kinds);
/* The kinds that such a run should have carried out. */
uint64_t exerciser_expected(const struct exerciser_config *config);

#define EXERCISER_DEFAULT                                                                                              \
	{                                                                                                              \
		.path = "/exerciser", .seed = 1, .ops = 1000, .pages = 40, .arena = 64, .lock_pages = 16,              \
		.replay = "exerciser"                                                                                  \
	}

/*
 * Takes a word: seed=N ops=N pages=N arena=N lock=N threads=N base=N scarce=0|1 trace=0|1 seconds=N path=PATH,
 * skip=KIND,..., only=KIND,..., drop=N-M,N,... False: it is none of them. The word must stay.
 */
bool exerciser_option(struct exerciser_config *config, const char *word);

/* Prints what went wrong; leaves the file closed and nothing mapped unless it failed. */
struct exerciser_result exerciser_run(const struct exerciser_config *config);
