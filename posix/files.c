// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * POSIX's file calls over fs/fs.h. Thin: what a call means is decided there. Structures for the application are filled
 * on the stack and copied, so that a bad pointer is EFAULT. Those that POSIX says so of are cancellation points: a
 * request that comes later waits until the call, which the card answers soon, has returned. All may sleep.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "arch/uaccess.h"
#include "fs/fs.h"
#include "posix/call.h"
#include "posix/result.h"
#include "posix/user.h"

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	pthread_testcancel();
	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return (int)result_posix(KERNEL_CALL(fs_open(AT_FDCWD, path, flags, mode)));
}

int creat(const char *path, mode_t mode)
{
	pthread_testcancel();
	return (int)result_posix(KERNEL_CALL(fs_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode)));
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
	pthread_testcancel();
	return result_posix(KERNEL_CALL(fs_write(fd, buf, n)));
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

static int truncate_path(const char *path, off_t size)
{
	int fd = fs_open(AT_FDCWD, path, O_WRONLY, 0);
	int err, close_err;

	if (fd < 0)
		return fd;
	err = fs_ftruncate(fd, size);
	close_err = fs_close(fd);
	return err ? err : close_err;
}

int truncate(const char *path, off_t size)
{
	return (int)result_posix(KERNEL_CALL(truncate_path(path, size)));
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

static int stat_out(int err, const struct stat *st, struct stat *out)
{
	return (int)result_posix(err ? err : user_put(out, *st));
}

int stat(const char *restrict path, struct stat *restrict out)
{
	struct stat st;

	return stat_out(KERNEL_CALL(fs_stat(AT_FDCWD, path, &st, 0)), &st, out);
}

int lstat(const char *restrict path, struct stat *restrict out)
{
	struct stat st;

	return stat_out(KERNEL_CALL(fs_stat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW)), &st, out);
}

int fstat(int fd, struct stat *out)
{
	struct stat st;

	return stat_out(KERNEL_CALL(fs_fstat(fd, &st)), &st, out);
}

int access(const char *path, int mode)
{
	return (int)result_posix(KERNEL_CALL(fs_access(AT_FDCWD, path, mode, 0)));
}

int mkdir(const char *path, mode_t mode)
{
	return (int)result_posix(KERNEL_CALL(fs_mkdir(AT_FDCWD, path, mode)));
}

int rmdir(const char *path)
{
	return (int)result_posix(KERNEL_CALL(fs_unlink(AT_FDCWD, path, AT_REMOVEDIR)));
}

int unlink(const char *path)
{
	return (int)result_posix(KERNEL_CALL(fs_unlink(AT_FDCWD, path, 0)));
}

int rename(const char *from, const char *to)
{
	return (int)result_posix(KERNEL_CALL(fs_rename(AT_FDCWD, from, AT_FDCWD, to, 0)));
}

int remove(const char *path)
{
	int err = KERNEL_CALL(fs_unlink(AT_FDCWD, path, 0));

	if (err == -EISDIR || err == -EPERM)
		err = KERNEL_CALL(fs_unlink(AT_FDCWD, path, AT_REMOVEDIR));
	return (int)result_posix(err);
}

int isatty(int fd)
{
	int r = KERNEL_CALL(fs_isatty(fd));

	return result_posix(r) > 0;
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

int fcntl(int fd, int command, ...)
{
	va_list ap;
	int arg;

	va_start(ap, command);
	arg = va_arg(ap, int); // of every command that is built
	va_end(ap);
	return (int)result_posix(KERNEL_CALL(fs_fcntl(fd, command, arg)));
}

/* There is one directory to stand in: the root. */
char *getcwd(char *buf, size_t size)
{
	static const char root[] = "/";
	int err = size == 0 ? -EINVAL : size < sizeof(root) ? -ERANGE : 0;

	if (!err && uaccess_copy(buf, root, sizeof(root)))
		err = -EFAULT;
	return result_posix(err) ? NULL : buf;
}

static int statvfs_out(int err, const struct fs_space *space, struct statvfs *out)
{
	struct statvfs st = {0};

	if (err)
		return (int)result_posix(err);
	st.f_bsize = st.f_frsize = space->block_size;
	st.f_blocks = space->blocks;
	st.f_bfree = space->blocks_free;
	st.f_bavail = space->blocks_avail;
	st.f_files = space->inodes;
	st.f_ffree = st.f_favail = space->inodes_free;
	st.f_fsid = space->id;
	st.f_flag = space->read_only ? ST_RDONLY : 0;
	st.f_namemax = 255;
	return (int)result_posix(user_put(out, st));
}

int statvfs(const char *restrict path, struct statvfs *restrict out)
{
	struct fs_space space;

	return statvfs_out(KERNEL_CALL(fs_space(AT_FDCWD, path, &space)), &space, out);
}

int fstatvfs(int fd, struct statvfs *out)
{
	struct fs_space space;

	return statvfs_out(KERNEL_CALL(fs_fspace(fd, &space)), &space, out);
}
