// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The recording of a simulated disk: entries in the order of their ends, a write's data behind it. */
#pragma once

#include "lib/types.h"

enum simlog_kind { SIMLOG_WRITE, SIMLOG_FLUSH, SIMLOG_MARK, SIMLOG_LOSS };

/* A loss: what was written before it, and is not durable then, is gone. */
struct simlog_entry {
	uint32_t kind;
	uint32_t sectors;	 // write: of data that follow
	uint64_t started, ended; // ticks
	sector_t sector;	 // mark: the fact
};

struct simlog;

/* In the test's own process. */
struct simlog *simlog_open(const char *record, const char *base_image);
void simlog_close(struct simlog *log);

/* One more than the last tick. */
uint64_t simlog_end(const struct simlog *log);
size_t simlog_flushes(const struct simlog *log);
/* The last tick before `tick` at which a FLUSH ended or a mark was made; 0: none. For walking back over the cuts. */
uint64_t simlog_boundary(const struct simlog *log, uint64_t tick);
/* The greatest fact marked before the tick; false: none. */
bool simlog_fact(const struct simlog *log, uint64_t tick, uint64_t *fact);

/* The tick behind the first mark of this fact; 0: none. */
uint64_t simlog_marked(const struct simlog *log, uint64_t fact);

/*
 * Writes to path what the disk may hold after a cut just before `tick`: every write that a FLUSH made durable which had
 * ended by then, and of the other writes started by then a subset by seed, torn at 512 bytes. Seed 0: none of them;
 * 1: all of them, whole.
 */
void simlog_cut(const struct simlog *log, uint64_t tick, uint64_t seed, const char *path);
