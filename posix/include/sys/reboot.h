// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The end of the machine; values are Linux's. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#define RB_AUTOBOOT 0x01234567
#define RB_POWER_OFF 0x4321fedc

/*
 * Unmounts all file systems, as _exit(0) does, and lets the firmware start the board anew (RB_AUTOBOOT) or turn it off
 * (RB_POWER_OFF). What is in the buffers of stdio is lost. Where the firmware cannot do it the board parks, after it
 * has said that power may be removed. Returns only with EINVAL: another command.
 */
int reboot(int command);

#ifdef __cplusplus
}
#endif
