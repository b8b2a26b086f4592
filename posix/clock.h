// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <time.h>

#include "lib/types.h"

/* A point of time that is waited for: of the wall clock, wherever that is set to meanwhile, or of clock_now(). */
struct deadline {
	bool wall;
	uint64_t ns;
};

/* An absolute time on the clock as a deadline. 0 or a positive error number: EINVAL. */
int clock_deadline(clockid_t clock, const struct timespec *ts, struct deadline *deadline);

/* So much from now as a point of clock_now(). 0 or a positive error number: EINVAL. */
int clock_deadline_after(const struct timespec *ts, nsec_t *deadline);

/* The same as a point of clock_now(), as the wall clock stands. Any context. */
nsec_t deadline_now(const struct deadline *deadline);
