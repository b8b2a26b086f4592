// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Advisory locks. What they are is fs/locks.c's; waiting for one is a cancellation point, and interruptible. */

#include "posix/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "fs/fs.h"
#include "posix/call.h"
#include "posix/result.h"
#include "posix/user.h"

static bool tests(int command)
{
	return command == F_GETLK || command == F_OFD_GETLK;
}

static int record_lock(int fd, int command, struct flock *fl)
{
	int err = KERNEL_CALL_RESTART(fs_record_lock(fd, command, fl));

	if (!err && tests(command) && fl->l_type != F_UNLCK && fl->l_pid == 0)
		fl->l_pid = getpid();
	return err;
}

int fcntl_lock(int fd, int command, struct flock *fl)
{
	struct flock copy;
	int err = KERNEL_CALL(fs_fcntl(fd, F_GETFD, 0)); // a bad descriptor goes before a bad pointer

	if (err >= 0)
		err = user_get(&copy, fl);
	if (!err)
		err = record_lock(fd, command, &copy);
	if (!err && tests(command))
		err = user_put(fl, copy);
	return err;
}

int flock(int fd, int operation)
{
	return (int)result_posix(KERNEL_CALL_RESTART(fs_flock(fd, operation)));
}

int lockf(int fd, int command, off_t len)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = len};
	int err;

	switch (command) {
	case F_LOCK:
		err = record_lock(fd, F_SETLKW, &fl);
		break;
	case F_TLOCK:
		err = record_lock(fd, F_SETLK, &fl);
		break;
	case F_ULOCK:
		fl.l_type = F_UNLCK;
		err = record_lock(fd, F_SETLK, &fl);
		break;
	case F_TEST:
		err = record_lock(fd, F_GETLK, &fl);
		if (!err && fl.l_type != F_UNLCK)
			err = -EACCES;
		break;
	default:
		err = -EINVAL;
	}
	return (int)result_posix(err);
}
