// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The clocks of a record. cairn says where its wall clock comes from; elsewhere the time itself must tell. */
#include <assert.h>
#include <time.h>

#include "maplog/internal.h"

uint64_t maplog_clock_ns(clockid_t clock)
{
	struct timespec now;
	int err = clock_gettime(clock, &now);

	assert(err == 0);
	return err ? 0 : (uint64_t)now.tv_sec * MAPLOG_NSEC + (uint64_t)now.tv_nsec;
}

#if __has_include(<cairn.h>)
#include <cairn.h>

enum maplog_clock maplog_clock_guess(uint64_t wall)
{
	static const enum maplog_clock clocks[] = {
	    [CAIRN_CLOCK_UNSET] = MAPLOG_CLOCK_UNSET,
	    [CAIRN_CLOCK_CARD] = MAPLOG_CLOCK_BOUND,
	    [CAIRN_CLOCK_DEVICE] = MAPLOG_CLOCK_RTC,
	    [CAIRN_CLOCK_SET] = MAPLOG_CLOCK_SET,
	};

	(void)wall;
	return clocks[cairn_clock_source()];
}
#else
#define WALL_2020 1577836800ull // seconds since 1970: before it, nobody set the clock

enum maplog_clock maplog_clock_guess(uint64_t wall)
{
	return wall < WALL_2020 * MAPLOG_NSEC ? MAPLOG_CLOCK_UNSET : MAPLOG_CLOCK_BOUND;
}
#endif
