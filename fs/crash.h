// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /var/crash: where a panic keeps the end of the log. The file has one size and one form: units of CRASH_UNIT bytes,
 * little-endian, each with a mark and its number, so that what is read back, on the card and on a PC, is known to be of
 * it (tools/crash.py).
 */
#pragma once

#include "lib/types.h"

#define CRASH_PATH "/var/crash"
#define CRASH_UNITS 68u
#define CRASH_UNIT 1024u
#define CRASH_SIZE (CRASH_UNITS * CRASH_UNIT)
#define CRASH_MARK "cairn 1\n"
#define CRASH_TEXT (CRASH_UNIT - 32)

struct crash_unit {
	char mark[8];
	uint32_t index;
	uint32_t length; // of its text; 0: none
	uint64_t time;	 // seconds since 1970 of the panic, the same in all units of one
	uint64_t unused;
	char text[CRASH_TEXT];
};

/*
 * Makes the file if the root is mounted for writing and has room; looks where it lies; from then on a panic writes
 * there, around the file system, and the file cannot be changed. What keeps it from that is said; nothing else depends
 * on it. Once, at start; sleeps.
 */
void crash_prepare(void);
/* For a panic (panic_set_keep): puts the end of the log there, if it was prepared. Never sleeps. */
void crash_keep(void);
/* The file is the file system's again. Sleeps. */
void crash_forget(void);
