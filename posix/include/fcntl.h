// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, and what it lacks. */
#pragma once

#include_next <fcntl.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* picolibc has no bit for it, or O_SYNC's. */
#undef O_DSYNC
#define O_DSYNC 0x8000000
#undef O_RSYNC
#define O_RSYNC O_SYNC

/* Locks of an open file rather than the process; values are Linux's. */
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38

#define POSIX_FADV_NORMAL 0
#define POSIX_FADV_RANDOM 1
#define POSIX_FADV_SEQUENTIAL 2
#define POSIX_FADV_WILLNEED 3
#define POSIX_FADV_DONTNEED 4
#define POSIX_FADV_NOREUSE 5

#define FALLOC_FL_KEEP_SIZE 0x01
#define FALLOC_FL_PUNCH_HOLE 0x02
#define FALLOC_FL_COLLAPSE_RANGE 0x08
#define FALLOC_FL_ZERO_RANGE 0x10
#define FALLOC_FL_INSERT_RANGE 0x20
#define FALLOC_FL_UNSHARE_RANGE 0x40

#define SYNC_FILE_RANGE_WAIT_BEFORE 1
#define SYNC_FILE_RANGE_WRITE 2
#define SYNC_FILE_RANGE_WAIT_AFTER 4

int posix_fallocate(int fd, off_t offset, off_t len);		// returns the error number
int posix_fadvise(int fd, off_t offset, off_t len, int advice); // returns the error number
int fallocate(int fd, int mode, off_t offset, off_t len);
ssize_t readahead(int fd, off_t offset, size_t count);
int sync_file_range(int fd, off_t offset, off_t len, unsigned flags);

#ifdef __cplusplus
}
#endif
