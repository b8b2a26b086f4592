// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* cairn_try, as the delivery of signals sees it (posix/try.c). */
#pragma once

#include <signal.h>

#include "arch/trap.h"

/*
 * A fault of the application's own code, about to become this signal: if it is in a cairn_try, the trap leads out of
 * that. False: it is in none, or no fault of an access. Thread context, in a trap, interrupts on; may fault and sleep.
 */
bool try_leave(struct trap_frame *tf, int sig, const siginfo_t *info);
