// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/types.h"

/*
 * Turns the machine off, or parks the hart after saying that power may be removed when it cannot. Nothing is
 * synced: the caller has done that. status reaches whoever started the machine where it can (host build, QEMU with
 * semihosting); elsewhere the console has carried it already. Any context.
 */
_Noreturn void power_off(int status);
/* The same, but the machine starts anew; it is turned off or parks where it cannot. */
_Noreturn void power_reset(int status);
