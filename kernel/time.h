// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Wall clock over the monotonic clock of arch/clock.h. */
#pragma once

#include "lib/types.h"

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull

/* Where the wall clock's value came from, worst first; kept with each log record. */
enum clock_quality {
	CLOCK_UNSET, // counts from 1970-01-01 at boot
	CLOCK_FS,    // the newest time found on the file system: a lower bound
	CLOCK_RTC,   // read from a clock device
	CLOCK_SET,   // set by the application
};

/* Nanoseconds since 1970-01-01 UTC. Any context. */
uint64_t time_wall(void);
enum clock_quality time_quality(void);
/*
 * Sets the wall clock; the monotonic clock goes on as it was. CLOCK_SET is always taken. What an application set stays,
 * else CLOCK_FS, and CLOCK_RTC after it, are taken if they are ahead: the clock does not go back from one boot to the
 * next. Any context.
 */
void time_set_wall(uint64_t ns, enum clock_quality quality);
