// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Operations on the file by its descriptors. Offsets in the model are without what lies before base. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state.h"

static off_t in_file(const struct exerciser *x, uint64_t at)
{
	return (off_t)(x->config.base + at);
}

static long readable(const struct exerciser *x, uint64_t at, size_t len)
{
	if (at >= x->size)
		return 0;
	return (long)(len < x->size - at ? len : x->size - at);
}

void op_pread(struct exerciser *x)
{
	const struct descriptor *d = fd_reader(x);
	const uint64_t at = pick_at(x);
	const size_t len = pick_len(x, at);
	const int fd = x->config.threads && chance(x, 2) ? x->common_fd : d->fd;
	const long want = readable(x, at, len);

	NOTE(x, (long)at, (long)len, fd);
	if (expect(x, "pread", pread(fd, x->buf, len, in_file(x, at)), want))
		check_file(x, "pread", at, x->buf, (size_t)want);
}

void op_read(struct exerciser *x)
{
	const struct descriptor *d = fd_reader(x);
	const uint64_t at = d->file->offset;
	const size_t len = at < x->config.pages * PAGE ? pick_len(x, at) : 100;
	const long want = readable(x, at, len);

	NOTE(x, (long)at, (long)len, d->fd);
	if (!expect(x, "read", read(d->fd, x->buf, len), want))
		return;
	check_file(x, "read", at, x->buf, (size_t)want);
	d->file->offset += (uint64_t)want;
}

void op_pwrite(struct exerciser *x)
{
	const struct descriptor *d = fd_writer(x);
	const int fd = x->config.threads && chance(x, 2) ? x->common_fd : d->fd;
	uint64_t at;
	size_t len;

	pick_write(x, &at, &len);
	if (d->file->flags & O_APPEND && x->size + len > x->config.pages * PAGE)
		return;
	NOTE(x, (long)at, (long)len, fd, d->file->flags);
	make_pattern(x, x->buf, len);
	if (!expect(x, "pwrite", pwrite(fd, x->buf, len, in_file(x, at)), (long)len))
		return;
	/* As on Linux: at the end, whatever offset was given. */
	model_write(x, d->file->flags & O_APPEND ? x->size : at, x->buf, len);
}

void op_write(struct exerciser *x)
{
	const struct descriptor *d = fd_writer(x);
	uint64_t at = d->file->flags & O_APPEND ? x->size : d->file->offset;
	size_t len;

	if (at >= x->config.pages * PAGE)
		return;
	len = pick_len(x, at);
	if (x->config.threads)
		len = at < x->size ? own_run(x, at, len) : 0;
	if (!len)
		return;
	NOTE(x, (long)at, (long)len, d->fd, d->file->flags);
	make_pattern(x, x->buf, len);
	if (!expect(x, "write", write(d->fd, x->buf, len), (long)len))
		return;
	model_write(x, at, x->buf, len);
	d->file->offset = at + len;
}

void op_seek(struct exerciser *x)
{
	const struct descriptor *d = fd_any(x);
	const int whence = (int)below(x, 3); // SEEK_SET, SEEK_CUR, SEEK_END
	const uint64_t at = pick_at(x);
	const uint64_t from[] = {0, x->config.base + d->file->offset, x->config.base + x->size};

	NOTE(x, (long)at, whence, d->fd);
	if (expect(x, "lseek", lseek(d->fd, in_file(x, at) - (off_t)from[whence], whence), in_file(x, at)))
		d->file->offset = at;
}

void op_truncate(struct exerciser *x)
{
	const struct descriptor *d = fd_writer(x);
	uint64_t size = pick_at(x);

	if (chance(x, 20))
		size = 0;
	else if (chance(x, 20))
		size = x->config.pages * PAGE;
	NOTE(x, (long)size, d->fd);
	if (expect(x, "ftruncate", ftruncate(d->fd, in_file(x, size)), 0))
		model_resize(x, size);
}

void op_allocate(struct exerciser *x)
{
	const struct descriptor *d = fd_writer(x);
	const uint64_t at = pick_at(x);
	size_t len = pick_len(x, at);
	int err;

	if (x->config.threads)
		len = len < x->size - at ? len : x->size - at;
	NOTE(x, (long)at, (long)len, d->fd);
	err = posix_fallocate(d->fd, in_file(x, at), (off_t)len);
	note_result(x, -err);
	if (err)
		fail(x, "posix_fallocate: %s", strerror(err));
	else if (at + len > x->size)
		model_resize(x, at + len);
}

void op_fsync(struct exerciser *x)
{
	const struct descriptor *d = fd_any(x);
	const bool data_only = chance(x, 2);

	NOTE(x, data_only, d->fd);
	expect(x, data_only ? "fdatasync" : "fsync", data_only ? fdatasync(d->fd) : fsync(d->fd), 0);
}

/* What is clean goes, and comes back from the card. */
void op_drop(struct exerciser *x)
{
	NOTE(x, 0);
	if (chance(x, 2))
		expect(x, "fdatasync", fdatasync(x->fds[0].fd), 0);
	if (x->config.drop_caches)
		x->config.drop_caches();
}

void op_verify(struct exerciser *x)
{
	NOTE(x, 0);
	check_everything(x);
}
