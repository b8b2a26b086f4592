// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Calls on names: making, removing, renaming, links, where the application is. Thin: what a call means is decided in
 * fs/. Results for the application are filled in kernel memory and copied, so that a bad pointer is EFAULT. May sleep.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fs.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"
#include "posix/call.h"
#include "posix/result.h"
#include "posix/user.h"

int mkdirat(int at, const char *path, mode_t mode)
{
	return (int)result_posix(KERNEL_CALL(fs_mkdir(at, path, mode)));
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int mkfifoat(int at, const char *path, mode_t mode)
{
	return (int)result_posix(KERNEL_CALL(fs_mkfifo(at, path, mode)));
}

int mkfifo(const char *path, mode_t mode)
{
	return mkfifoat(AT_FDCWD, path, mode);
}

int unlinkat(int at, const char *path, int flags)
{
	return (int)result_posix(KERNEL_CALL(fs_unlink(at, path, flags)));
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char *path)
{
	int err = KERNEL_CALL(fs_unlink(AT_FDCWD, path, 0));

	if (err == -EISDIR)
		err = KERNEL_CALL(fs_unlink(AT_FDCWD, path, AT_REMOVEDIR));
	return (int)result_posix(err);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	return (int)result_posix(KERNEL_CALL(fs_rename(from_at, from, to_at, to, flags)));
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
	return renameat2(from_at, from, to_at, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
	return (int)result_posix(KERNEL_CALL(fs_link(from_at, from, to_at, to, flags)));
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int symlinkat(const char *target, int at, const char *path)
{
	return (int)result_posix(KERNEL_CALL(fs_symlink(target, at, path)));
}

int symlink(const char *target, const char *path)
{
	return symlinkat(target, AT_FDCWD, path);
}

ssize_t readlinkat(int at, const char *restrict path, char *restrict buf, size_t size)
{
	return result_posix(KERNEL_CALL(fs_readlink(at, path, buf, size)));
}

ssize_t readlink(const char *restrict path, char *restrict buf, size_t size)
{
	return readlinkat(AT_FDCWD, path, buf, size);
}

/* ---- where the application is ---- */

int chdir(const char *path)
{
	return (int)result_posix(KERNEL_CALL(fs_chdir(path)));
}

int fchdir(int fd)
{
	return (int)result_posix(KERNEL_CALL(fs_fchdir(fd)));
}

/* A path into the application's memory. */
static int path_out(const char *path, char *buf, size_t size)
{
	const size_t len = strlen(path) + 1;

	return len > size ? -ERANGE : user_copy(buf, path, len);
}

static int cwd_out(char *buf, size_t size)
{
	char *own;
	int err;

	/* It may be longer than a path can be that a call is given. */
	for (size_t room = PATH_MAX;; room *= 2) {
		own = kmalloc_wait(room);
		if (!own)
			return -ENOMEM;
		err = fs_getcwd(own, room);
		if (err != -ENAMETOOLONG || room >= size)
			break;
		kfree(own);
	}
	if (err == -ENAMETOOLONG)
		err = -ERANGE;
	if (!err)
		err = path_out(own, buf, size);
	kfree(own);
	return err;
}

char *getcwd(char *buf, size_t size)
{
	size_t room = size || buf ? size : PATH_MAX;
	char *made = NULL;
	int err;

	if (buf && size == 0) {
		(void)result_posix(-EINVAL);
		return NULL;
	}
	do {
		free(made);
		made = buf ? NULL : malloc(room);
		if (!buf && !made)
			return NULL;
		err = KERNEL_CALL(cwd_out(buf ? buf : made, room));
		room *= 2;
	} while (err == -ERANGE && size == 0);
	if (!err)
		return buf ? buf : made;
	free(made);
	(void)result_posix(err);
	return NULL;
}

char *get_current_dir_name(void)
{
	return getcwd(NULL, 0);
}

static int real_path_out(const char *path, char *buf)
{
	char *own = kmalloc_wait(PATH_MAX);
	int err;

	if (!own)
		return -ENOMEM;
	err = fs_realpath(path, own);
	if (!err)
		err = path_out(own, buf, PATH_MAX);
	kfree(own);
	return err;
}

char *realpath(const char *restrict path, char *restrict resolved)
{
	char *made;
	int err;

	if (!path) {
		(void)result_posix(-EINVAL);
		return NULL;
	}
	made = resolved ? NULL : malloc(PATH_MAX);
	if (!resolved && !made)
		return NULL;
	err = KERNEL_CALL(real_path_out(path, made ? made : resolved));
	if (!err)
		return made ? made : resolved;
	free(made);
	(void)result_posix(err);
	return NULL;
}
