// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Directory streams over a descriptor. A stream is used by one thread at a time, as POSIX allows; its entry lies in the
 * stream. May sleep.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fs.h"
#include "mm/kmalloc.h"
#include "posix/call.h"
#include "posix/result.h"

struct __dirstream {
	int fd;
	struct dirent entry;
};

static DIR *dir_make(int fd, int *err)
{
	struct stat st;
	DIR *dir;

	*err = fs_fstat(fd, &st);
	if (*err)
		return NULL;
	*err = -ENOTDIR;
	if (!S_ISDIR(st.st_mode))
		return NULL;
	*err = -ENOMEM;
	dir = kzalloc(sizeof(*dir));
	if (dir)
		dir->fd = fd;
	return dir;
}

DIR *fdopendir(int fd)
{
	int err;
	DIR *dir = KERNEL_CALL(dir_make(fd, &err));

	if (!dir)
		(void)result_posix(err);
	return dir;
}

static DIR *dir_open(const char *path, int *err)
{
	int fd = fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *dir;

	*err = fd;
	dir = fd < 0 ? NULL : dir_make(fd, err);
	if (!dir && fd >= 0)
		(void)fs_close(fd); // the error to report is the earlier one
	return dir;
}

DIR *opendir(const char *path)
{
	int err;
	DIR *dir = KERNEL_CALL(dir_open(path, &err));

	if (!dir)
		(void)result_posix(err);
	return dir;
}

struct dirent *readdir(DIR *dir)
{
	struct fs_dirent found;
	const int fd = dir->fd; // outside the call: a wild stream is a fault of the application's
	int r = KERNEL_CALL(fs_readdir(fd, &found));

	if (result_posix(r) <= 0)
		return NULL;
	dir->entry.d_ino = found.ino;
	dir->entry.d_off = found.next;
	dir->entry.d_reclen = (unsigned short)(offsetof(struct dirent, d_name) + strlen(found.name) + 1);
	dir->entry.d_type = found.type;
	strcpy(dir->entry.d_name, found.name);
	return &dir->entry;
}

void rewinddir(DIR *dir)
{
	const int fd = dir->fd;

	/* POSIX gives it no way to fail; a bad descriptor is reported by the next readdir. */
	(void)KERNEL_CALL(fs_lseek(fd, 0, SEEK_SET));
}

long telldir(DIR *dir)
{
	const int fd = dir->fd;

	return result_posix(KERNEL_CALL(fs_lseek(fd, 0, SEEK_CUR)));
}

void seekdir(DIR *dir, long at)
{
	const int fd = dir->fd;

	(void)KERNEL_CALL(fs_lseek(fd, at, SEEK_SET)); // as rewinddir
}

int dirfd(DIR *dir)
{
	return dir->fd;
}

static int dir_close(DIR *dir, int fd)
{
	kfree(dir);
	return fs_close(fd);
}

int closedir(DIR *dir)
{
	const int fd = dir->fd;

	return (int)result_posix(KERNEL_CALL(dir_close(dir, fd)));
}

/* ---- a directory as an array ---- */

int alphasort(const struct dirent **a, const struct dirent **b)
{
	return strcoll((*a)->d_name, (*b)->d_name);
}

static void array_free(struct dirent **list, int count)
{
	while (count-- > 0)
		free(list[count]);
	free(list);
}

/* One more of it; false: no memory. */
static bool array_add(struct dirent ***list, int count, const struct dirent *entry)
{
	struct dirent **longer = *list, *copy = malloc(sizeof(*copy));

	if (!copy)
		return false;
	if ((count & (count - 1)) == 0) // full at each power of two
		longer = realloc(*list, (count ? 2 * (size_t)count : 1) * sizeof(struct dirent *));
	if (!longer) {
		free(copy);
		return false;
	}
	*copy = *entry;
	*list = longer;
	longer[count] = copy;
	return true;
}

typedef int (*compare_fn)(const void *, const void *);

int scandir(const char *path, struct dirent ***out, int (*wanted)(const struct dirent *),
	    int (*compare)(const struct dirent **, const struct dirent **))
{
	DIR *dir = opendir(path);
	struct dirent **list = NULL, *entry;
	int count = 0, err = 0;

	if (!dir)
		return -1;
	errno = 0;
	while (!err && (entry = readdir(dir))) {
		if (wanted && !wanted(entry))
			continue;
		if (array_add(&list, count, entry))
			count++;
		else
			err = ENOMEM;
		errno = 0;
	}
	if (!err)
		err = errno;
	(void)closedir(dir); // nothing was written
	if (err) {
		array_free(list, count);
		errno = err;
		return -1;
	}
	if (compare && count)
		qsort(list, (size_t)count, sizeof(*list), (compare_fn)(void (*)(void))compare);
	*out = list;
	return count;
}
