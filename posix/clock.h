// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <time.h>

#include "lib/types.h"

/* An absolute time on the clock as a point of clock_now(). 0 or a positive error number: EINVAL. */
int clock_deadline(clockid_t clock, const struct timespec *ts, nsec_t *deadline);

/* So much from now. 0 or a positive error number: EINVAL. */
int clock_deadline_after(const struct timespec *ts, nsec_t *deadline);
