// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, and what it lacks. */
#pragma once

#include_next <time.h>

#ifndef CLOCK_PROCESS_CPUTIME_ID
#define CLOCK_PROCESS_CPUTIME_ID ((clockid_t)2)
#endif

#ifndef TIME_UTC
#define TIME_UTC 1

#ifdef __cplusplus
extern "C" {
#endif

int timespec_get(struct timespec *ts, int base); // base, or 0

#ifdef __cplusplus
}
#endif
#endif
