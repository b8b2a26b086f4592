// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Several descriptors of the one file, opened in all ways and duplicated: which of them share an offset is part of the
 * model. In the first slot is always one for reading and writing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "state.h"

bool fds_open(struct exerciser *x, size_t slot, int flags)
{
	struct description *file = x->files;
	const int fd = open(x->config.path, flags);

	if (fd < 0) {
		fail(x, "open: %s", strerror(errno));
		return false;
	}
	while (file->refs)
		file++;
	*file = (struct description){.refs = 1, .flags = flags, .offset = 0};
	x->fds[slot] = (struct descriptor){fd, file};
	if (lseek(fd, (off_t)x->config.base, SEEK_SET) != (off_t)x->config.base)
		fail(x, "lseek to the beginning failed");
	return true;
}

void fds_close(struct exerciser *x, size_t slot)
{
	struct descriptor *d = &x->fds[slot];

	if (!d->file)
		return;
	expect(x, "close", close(d->fd), 0);
	d->file->refs--;
	d->file = NULL;
}

void fds_close_all(struct exerciser *x)
{
	for (size_t i = 0; i < FDS; i++)
		fds_close(x, i);
}

static struct descriptor *pick(struct exerciser *x, int not_flag)
{
	for (size_t i = below(x, FDS), tries = 0; tries < FDS; tries++, i = (i + 1) % FDS) {
		struct descriptor *d = &x->fds[i];

		if (d->file && (d->file->flags & O_ACCMODE) != not_flag)
			return d;
	}
	return NULL;
}

struct descriptor *fd_reader(struct exerciser *x)
{
	return pick(x, O_WRONLY);
}

struct descriptor *fd_writer(struct exerciser *x)
{
	return pick(x, O_RDONLY);
}

struct descriptor *fd_any(struct exerciser *x)
{
	return pick(x, -1);
}

/* ---- operations ---- */
static size_t free_slot(const struct exerciser *x)
{
	for (size_t i = 1; i < FDS; i++)
		if (!x->fds[i].file)
			return i;
	return 0;
}

void op_open(struct exerciser *x)
{
	static const int ways[] = {O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_APPEND};
	const int flags = ways[below(x, x->config.threads ? 3 : 4)];
	const size_t slot = free_slot(x);

	if (!slot)
		return;
	NOTE(x, flags, (long)slot);
	(void)fds_open(x, slot, flags);
}

void op_dup(struct exerciser *x)
{
	const struct descriptor *d = fd_any(x);
	const size_t slot = free_slot(x);
	int fd;

	if (!d || !slot)
		return;
	NOTE(x, d->fd, (long)slot);
	fd = dup(d->fd);
	if (fd < 0) {
		fail(x, "dup: %s", strerror(errno));
		return;
	}
	x->fds[slot] = (struct descriptor){fd, d->file};
	d->file->refs++;
}

void op_close(struct exerciser *x)
{
	const size_t slot = 1 + below(x, FDS - 1);

	if (!x->fds[slot].file)
		return;
	NOTE(x, x->fds[slot].fd, (long)slot);
	fds_close(x, slot);
}

/* All of them, so that the file may be forgotten unless something maps it. */
void op_reopen(struct exerciser *x)
{
	NOTE(x, 0);
	fds_close_all(x);
	if (x->config.drop_caches && chance(x, 2))
		x->config.drop_caches();
	(void)fds_open(x, 0, O_RDWR);
}
