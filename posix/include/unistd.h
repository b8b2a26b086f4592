// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, and what it lacks. */
#pragma once

#include_next <unistd.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif

int syncfs(int fd);

#ifdef __cplusplus
}
#endif
