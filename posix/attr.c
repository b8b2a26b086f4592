// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What files are, and changes of that: stat, access, modes, owners, times. What a call means is decided in fs/attr.c.
 * There is one user, 0, who may all that anybody may. May sleep.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

#include "fs/fs.h"
#include "posix/call.h"
#include "posix/result.h"
#include "posix/user.h"

static int stat_out(int err, const struct stat *st, struct stat *out)
{
	return (int)result_posix(err ? err : user_put(out, *st));
}

int fstatat(int at, const char *restrict path, struct stat *restrict out, int flags)
{
	struct stat st;

	return stat_out(KERNEL_CALL(fs_stat(at, path, &st, flags)), &st, out);
}

int stat(const char *restrict path, struct stat *restrict out)
{
	return fstatat(AT_FDCWD, path, out, 0);
}

int lstat(const char *restrict path, struct stat *restrict out)
{
	return fstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}

int fstat(int fd, struct stat *out)
{
	struct stat st;

	return stat_out(KERNEL_CALL(fs_fstat(fd, &st)), &st, out);
}

int faccessat(int at, const char *path, int mode, int flags)
{
	return (int)result_posix(KERNEL_CALL(fs_access(at, path, mode, flags)));
}

int access(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, 0);
}

/* ---- modes and owners ---- */

static int set(int at, const char *path, const struct fs_attr *attr, int flags)
{
	return (int)result_posix(KERNEL_CALL(fs_setattr(at, path, attr, flags)));
}

static int fset(int fd, const struct fs_attr *attr)
{
	return (int)result_posix(KERNEL_CALL(fs_fsetattr(fd, attr)));
}

mode_t umask(mode_t mask)
{
	return KERNEL_CALL(fs_umask(mask));
}

int fchmodat(int at, const char *path, mode_t mode, int flags)
{
	return set(at, path, &(struct fs_attr){.what = FS_ATTR_MODE, .mode = mode}, flags);
}

int chmod(const char *path, mode_t mode)
{
	return fchmodat(AT_FDCWD, path, mode, 0);
}

int fchmod(int fd, mode_t mode)
{
	return fset(fd, &(struct fs_attr){.what = FS_ATTR_MODE, .mode = mode});
}

int fchownat(int at, const char *path, uid_t owner, gid_t group, int flags)
{
	return set(at, path, &(struct fs_attr){.what = FS_ATTR_OWNER, .uid = owner, .gid = group}, flags);
}

int chown(const char *path, uid_t owner, gid_t group)
{
	return fchownat(AT_FDCWD, path, owner, group, 0);
}

int lchown(const char *path, uid_t owner, gid_t group)
{
	return fchownat(AT_FDCWD, path, owner, group, AT_SYMLINK_NOFOLLOW);
}

int fchown(int fd, uid_t owner, gid_t group)
{
	return fset(fd, &(struct fs_attr){.what = FS_ATTR_OWNER, .uid = owner, .gid = group});
}

uid_t getuid(void)
{
	return 0;
}

uid_t geteuid(void)
{
	return 0;
}

gid_t getgid(void)
{
	return 0;
}

gid_t getegid(void)
{
	return 0;
}

/* ---- times ---- */

/* The application's pair of times; NULL: now. */
static int times_get(const struct timespec *times, struct fs_attr *attr)
{
	struct timespec copy[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	int err = times ? user_copy(copy, times, sizeof(copy)) : 0;

	*attr = (struct fs_attr){.what = FS_ATTR_TIMES, .atime = copy[0], .mtime = copy[1]};
	return err;
}

static int timevals_get(const struct timeval *times, struct fs_attr *attr)
{
	struct timeval copy[2];
	int err;

	if (!times)
		return times_get(NULL, attr);
	err = user_copy(copy, times, sizeof(copy));
	if (err)
		return err;
	for (unsigned i = 0; i < 2; i++)
		if (copy[i].tv_usec < 0 || copy[i].tv_usec >= 1000000)
			return -EINVAL;
	*attr = (struct fs_attr){
	    .what = FS_ATTR_TIMES,
	    .atime = {.tv_sec = copy[0].tv_sec, .tv_nsec = copy[0].tv_usec * 1000},
	    .mtime = {.tv_sec = copy[1].tv_sec, .tv_nsec = copy[1].tv_usec * 1000},
	};
	return 0;
}

int utimensat(int at, const char *path, const struct timespec times[2], int flags)
{
	const char *volatile given = path; // the host's header promises that it is not NULL
	struct fs_attr attr;
	int err = given ? times_get(times, &attr) : -EINVAL;

	return err ? (int)result_posix(err) : set(at, path, &attr, flags);
}

int futimens(int fd, const struct timespec times[2])
{
	struct fs_attr attr;
	int err = times_get(times, &attr);

	return err ? (int)result_posix(err) : fset(fd, &attr);
}

static int utimes_at(int at, const char *path, const struct timeval times[2], int flags)
{
	struct fs_attr attr;
	int err = timevals_get(times, &attr);

	return err ? (int)result_posix(err) : set(at, path, &attr, flags);
}

int utimes(const char *path, const struct timeval times[2])
{
	return utimes_at(AT_FDCWD, path, times, 0);
}

int lutimes(const char *path, const struct timeval times[2])
{
	return utimes_at(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

int futimes(int fd, const struct timeval times[2])
{
	struct fs_attr attr;
	int err = timevals_get(times, &attr);

	return err ? (int)result_posix(err) : fset(fd, &attr);
}

int utime(const char *path, const struct utimbuf *times)
{
	struct fs_attr attr;
	struct utimbuf copy;
	int err;

	(void)times_get(NULL, &attr); // cannot fail
	if (times) {
		err = user_get(&copy, times);
		if (err)
			return (int)result_posix(err);
		attr.atime = (struct timespec){.tv_sec = copy.actime};
		attr.mtime = (struct timespec){.tv_sec = copy.modtime};
	}
	return set(AT_FDCWD, path, &attr, 0);
}
