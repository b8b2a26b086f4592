// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The hart's monotonic counter and one-shot timer. kernel/time.c is the only user. */
#pragma once

#include "lib/types.h"

/* Nanoseconds since the kernel's first instruction; never goes back; same on all harts. Any context. */
nsec_t clock_now(void);

/* Arms the hart's timer for that point of clock_now (past: at once); UINT64_MAX disarms. Interrupts masked. */
void clock_arm(nsec_t deadline);
