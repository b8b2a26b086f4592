// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What cairn has of POSIX's options: picolibc's headers hide the prototypes without these. */
#pragma once

#include_next <sys/features.h>

#define _POSIX_TIMERS 200809L
#define _POSIX_MONOTONIC_CLOCK 200809L
#define _POSIX_CLOCK_SELECTION 200809L
#define _POSIX_THREADS 200809L
#define _POSIX_TIMEOUTS 200809L
#define _POSIX_THREAD_ATTR_STACKSIZE 200809L
#define _POSIX_THREAD_SAFE_FUNCTIONS 200809L
#define _POSIX_MAPPED_FILES 200809L
#define _POSIX_MEMORY_PROTECTION 200809L
#define _POSIX_MEMLOCK_RANGE 200809L
#define _POSIX_SYNCHRONIZED_IO 200809L
#define _POSIX_FSYNC 200809L
