// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What is cairn's own. */
#pragma once

#define CAIRN_VERSION "0.1"

/* Where the time of CLOCK_REALTIME comes from. */
enum cairn_clock {
	CAIRN_CLOCK_UNSET,  // nowhere: it counts from 1970 at the start
	CAIRN_CLOCK_CARD,   // the newest time found on the card: it may be behind
	CAIRN_CLOCK_DEVICE, // a clock device
	CAIRN_CLOCK_SET,    // clock_settime
};

enum cairn_clock cairn_clock_source(void);
