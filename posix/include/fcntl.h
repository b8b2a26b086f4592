// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, and what it lacks. */
#pragma once

#include_next <fcntl.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef O_DSYNC
#define O_DSYNC O_SYNC
#define O_RSYNC O_SYNC
#endif

int posix_fallocate(int fd, off_t offset, off_t len); // returns the error number

#ifdef __cplusplus
}
#endif
