// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Reading and writing several buffers at once; files.c's rules. */

#include <sys/uio.h>

#include "fs/fs.h"
#include "posix/call.h"
#include "posix/result.h"

ssize_t readv(int fd, const struct iovec *iov, int count)
{
	return result_posix(KERNEL_CALL_RESTART(fs_readv(fd, iov, count)));
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	return result_written(KERNEL_CALL_RESTART(fs_writev(fd, iov, count)));
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	pthread_testcancel();
	return result_posix(KERNEL_CALL(fs_preadv(fd, iov, count, offset)));
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	pthread_testcancel();
	return result_posix(KERNEL_CALL(fs_pwritev(fd, iov, count, offset)));
}
