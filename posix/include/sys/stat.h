// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, and what it shows only to other systems. */
#pragma once

#include_next <sys/stat.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UTIME_NOW ((1l << 30) - 1l)
#define UTIME_OMIT ((1l << 30) - 2l)

int lstat(const char *__restrict path, struct stat *__restrict buf);

#ifdef __cplusplus
}
#endif
