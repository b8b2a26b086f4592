// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mounting, and what file systems say of themselves and their limits. May sleep. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "arch/page.h"
#include "fs/fs.h"
#include "posix/call.h"
#include "posix/result.h"
#include "posix/user.h"

int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
{
	return (int)result_posix(KERNEL_CALL(fs_mount(source, target, type, flags, data)));
}

int umount2(const char *target, int flags)
{
	return (int)result_posix(KERNEL_CALL(fs_umount(target, flags)));
}

int umount(const char *target)
{
	return umount2(target, 0);
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
	st.f_namemax = NAME_MAX;
	return (int)result_posix(user_put(out, st));
}

int statvfs(const char *restrict path, struct statvfs *restrict out)
{
	struct fs_space space = {0};

	return statvfs_out(KERNEL_CALL(fs_space(AT_FDCWD, path, &space)), &space, out);
}

int fstatvfs(int fd, struct statvfs *out)
{
	struct fs_space space = {0};

	return statvfs_out(KERNEL_CALL(fs_fspace(fd, &space)), &space, out);
}

/* The same of every file: what differs by file system is the least of them. */
static long limit(int name)
{
	switch (name) {
	case _PC_LINK_MAX:
		return 32000; // ext2's
	case _PC_MAX_CANON:
	case _PC_MAX_INPUT:
		return 255;
	case _PC_PATH_MAX:
	case _PC_SYMLINK_MAX:
		return PATH_MAX;
	case _PC_NAME_MAX:
		return NAME_MAX;
	case _PC_PIPE_BUF:
		return PIPE_BUF;
	case _PC_CHOWN_RESTRICTED:
	case _PC_NO_TRUNC:
	case _PC_SYNC_IO:
	case _PC_2_SYMLINKS:
		return 1;
	case _PC_VDISABLE:
		return 0;
	case _PC_FILESIZEBITS:
		return 64;
	default:
		return result_posix(-EINVAL);
	}
}

long pathconf(const char *path, int name)
{
	return access(path, F_OK) ? -1 : limit(name);
}

long fpathconf(int fd, int name)
{
	return KERNEL_CALL(fs_fcntl(fd, F_GETFD, 0)) < 0 ? result_posix(-EBADF) : limit(name);
}
