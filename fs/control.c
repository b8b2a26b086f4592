// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Requests of <sys/ioctl.h>: those of any file, and what is left for its device to answer. Sleeps as that does. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>

#include "fs/file.h"
#include "fs/fs.h"

/* Of a regular file: how much is left to read. */
static int bytes_left(struct file *file, int *left)
{
	int64_t n;

	mutex_lock(&file->lock);
	n = (int64_t)inode_size(file->inode) - file->offset;
	mutex_unlock(&file->lock);
	*left = (int)min_of(max_of(n, (int64_t)0), (int64_t)INT_MAX);
	return 0;
}

int fs_ioctl(int fd, unsigned long request, void *arg)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (err)
		return err;
	if (request == FIONBIO)
		file_set_flags(file, O_NONBLOCK, *(const int *)arg ? O_NONBLOCK : 0);
	else if (request == FIONREAD && S_ISREG(file->inode->mode))
		err = bytes_left(file, arg);
	else if (file->ops && file->ops->control)
		err = file->ops->control(file, request, arg);
	else
		err = -ENOTTY;
	(void)file_put(file); // an error that this last close finds has no one to be told to
	return err;
}
