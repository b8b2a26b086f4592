// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Calls on descriptors, over fs/fs.h. Thin: what a call means is decided there. Those that POSIX says so of are
 * cancellation points. What waits for the world (a pipe's other end, the console, another's lock) is ended by a request
 * or a signal; what the card answers soon is not, and a request that comes later waits until it has returned. All may
 * sleep.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

#include "fs/fs.h"
#include "posix/call.h"
#include "posix/locks.h"
#include "posix/result.h"
#include "posix/user.h"

/* A fifo waits for its other end. */
static int open_at(int at, const char *path, int flags, mode_t mode)
{
	return (int)result_posix(KERNEL_CALL_RESTART(fs_open(at, path, flags, mode)));
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return open_at(at, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
	return open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int pipe2(int fds[2], int flags)
{
	int made[2];
	int err = KERNEL_CALL(fs_pipe(made, flags));

	if (!err && user_copy(fds, made, sizeof(made))) {
		(void)KERNEL_CALL(fs_close(made[0])); // nothing was written
		(void)KERNEL_CALL(fs_close(made[1]));
		err = -EFAULT;
	}
	return (int)result_posix(err);
}

int pipe(int fds[2])
{
	return pipe2(fds, 0);
}

int close(int fd)
{
	pthread_testcancel();
	return (int)result_posix(KERNEL_CALL(fs_close(fd)));
}

ssize_t read(int fd, void *buf, size_t n)
{
	return result_posix(KERNEL_CALL_RESTART(fs_read(fd, buf, n)));
}

ssize_t write(int fd, const void *buf, size_t n)
{
	return result_written(KERNEL_CALL_RESTART(fs_write(fd, buf, n)));
}

ssize_t pread(int fd, void *buf, size_t n, off_t offset)
{
	pthread_testcancel();
	return result_posix(KERNEL_CALL(fs_pread(fd, buf, n, offset)));
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
	pthread_testcancel();
	return result_posix(KERNEL_CALL(fs_pwrite(fd, buf, n, offset)));
}

off_t lseek(int fd, off_t offset, int whence)
{
	return result_posix(KERNEL_CALL(fs_lseek(fd, offset, whence)));
}

int ftruncate(int fd, off_t size)
{
	return (int)result_posix(KERNEL_CALL(fs_ftruncate(fd, size)));
}

int truncate(const char *path, off_t size)
{
	return (int)result_posix(KERNEL_CALL(fs_truncate(path, size)));
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
	int err = KERNEL_CALL(fs_fallocate(fd, offset, len));

	if (err)
		process_stop_if_ending(); // as result_posix
	return -err;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	pthread_testcancel();
	return (int)result_posix(KERNEL_CALL(fs_fallocate_mode(fd, mode, offset, len)));
}

int posix_fadvise(int fd, off_t offset, off_t len, int advice)
{
	int err = KERNEL_CALL(fs_fadvise(fd, offset, len, advice));

	if (err)
		process_stop_if_ending(); // as result_posix
	return -err;
}

ssize_t readahead(int fd, off_t offset, size_t count)
{
	return result_posix(KERNEL_CALL(fs_readahead(fd, offset, count)));
}

int sync_file_range(int fd, off_t offset, off_t len, unsigned flags)
{
	pthread_testcancel();
	return (int)result_posix(KERNEL_CALL(fs_sync_range(fd, offset, len, flags)));
}

int fsync(int fd)
{
	pthread_testcancel();
	return (int)result_posix(KERNEL_CALL(fs_fsync(fd, false)));
}

int fdatasync(int fd)
{
	pthread_testcancel();
	return (int)result_posix(KERNEL_CALL(fs_fsync(fd, true)));
}

void sync(void)
{
	/* POSIX's sync cannot fail; what failed stays dirty and is reported to fsync. */
	(void)KERNEL_CALL(fs_sync());
}

int syncfs(int fd)
{
	return (int)result_posix(KERNEL_CALL(fs_syncfs(fd)));
}

int dup(int fd)
{
	return (int)result_posix(KERNEL_CALL(fs_dup(fd)));
}

/* With both the same it only looks whether that is open. */
static int dup_onto(int fd, int to)
{
	int r = fd == to ? fs_fcntl(fd, F_GETFD, 0) : fs_dup3(fd, to, 0);

	return r < 0 ? r : to;
}

int dup2(int fd, int to)
{
	return (int)result_posix(KERNEL_CALL(dup_onto(fd, to)));
}

int dup3(int fd, int to, int flags)
{
	return (int)result_posix(KERNEL_CALL(fs_dup3(fd, to, flags)));
}

int fcntl(int fd, int command, ...)
{
	struct flock *lock = NULL;
	bool locks = false;
	int number = 0, r;
	va_list ap;

	va_start(ap, command);
	switch (command) {
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		lock = va_arg(ap, struct flock *);
		locks = true;
		break;
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
	case F_SETFD:
	case F_SETFL:
		number = va_arg(ap, int);
		break;
	default:
		break;
	}
	va_end(ap);
	r = locks ? fcntl_lock(fd, command, lock) : KERNEL_CALL(fs_fcntl(fd, command, number));
	return (int)result_posix(r);
}
