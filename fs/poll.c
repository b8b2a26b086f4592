// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Which descriptors are ready, and waiting until one is. What has no readiness of its own is ready always: regular
 * files, directories, blocks. Holds nothing while it waits; a descriptor that is closed meanwhile is POLLNVAL. Sleeps.
 */
#include "kernel/poll.h"

#include <errno.h>
#include <poll.h>

#include "fs/file.h"
#include "fs/fs.h"

#define ALWAYS (POLLERR | POLLHUP | POLLNVAL) // reported unasked

static short ready_of(int fd)
{
	struct file *file;
	short ready = POLLIN | POLLOUT;
	int err = file_get(fd, &file);

	if (err)
		return err == -EBADF ? POLLNVAL : POLLERR;
	if (file->ops && file->ops->poll)
		ready = file->ops->poll(file);
	(void)file_put(file); // an error that this last close finds has no one to be told to
	if (ready & POLLIN)
		ready |= POLLRDNORM;
	if (ready & POLLOUT)
		ready |= POLLWRNORM;
	return ready;
}

static int scan(struct pollfd *fds, unsigned count)
{
	int found = 0;

	for (unsigned i = 0; i < count; i++) {
		struct pollfd *fd = &fds[i];

		fd->revents = fd->fd < 0 ? 0 : ready_of(fd->fd) & (fd->events | ALWAYS);
		found += fd->revents != 0;
	}
	return found;
}

int fs_poll(struct pollfd *fds, unsigned count, nsec_t deadline)
{
	int found, err;

	do {
		uint64_t seen = poll_seen();

		found = scan(fds, count);
		err = found ? 0 : poll_wait(seen, deadline);
	} while (!found && !err);
	return err == -EINTR ? -EINTR : found;
}
