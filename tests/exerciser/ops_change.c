// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Operations on ranges of the file: blocks taken and given back, zeros, and what is said about the cache. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "state.h"

/* 0, or EOPNOTSUPP where the file system has no such thing. */
static bool changed(struct exerciser *x, int fd, int mode, uint64_t at, size_t len)
{
	const int got = fallocate(fd, mode, (off_t)(x->config.base + at), (off_t)len);

	if (got < 0 && errno == EOPNOTSUPP) {
		note_result(x, -EOPNOTSUPP);
		refused(x);
		return false;
	}
	return expect(x, "fallocate", got, 0);
}

void op_punch(struct exerciser *x)
{
	const struct descriptor *d = fd_writer(x);
	uint64_t at;
	size_t len;

	pick_write(x, &at, &len);
	NOTE(x, (long)at, (long)len, d->fd);
	if (changed(x, d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len))
		model_zero(x, at, len);
}

void op_zero(struct exerciser *x)
{
	const struct descriptor *d = fd_writer(x);
	const bool keep_size = chance(x, 2);
	uint64_t at;
	size_t len;

	pick_write(x, &at, &len);
	NOTE(x, (long)at, (long)len, keep_size, d->fd);
	if (!changed(x, d->fd, FALLOC_FL_ZERO_RANGE | (keep_size ? FALLOC_FL_KEEP_SIZE : 0), at, len))
		return;
	model_zero(x, at, len);
	if (!keep_size && at + len > x->size)
		model_resize(x, at + len);
}

/* Blocks behind the end of the file, for a format that can have them. */
void op_keep(struct exerciser *x)
{
	const struct descriptor *d = fd_writer(x);
	const uint64_t at = pick_at(x);
	const size_t len = pick_len(x, at);

	NOTE(x, (long)at, (long)len, d->fd);
	(void)changed(x, d->fd, FALLOC_FL_KEEP_SIZE, at, len); // nothing of it is seen
}

void op_sync_range(struct exerciser *x)
{
	const struct descriptor *d = fd_any(x);
	const uint64_t at = pick_at(x);
	const size_t len = pick_len(x, at);
	const unsigned flags = (unsigned)below(x, 8); // any of the three

	NOTE(x, (long)at, (long)len, flags, d->fd);
	expect(x, "sync_file_range", sync_file_range(d->fd, (off_t)(x->config.base + at), (off_t)len, flags), 0);
}

void op_fadvise(struct exerciser *x)
{
	static const int advices[] = {POSIX_FADV_NORMAL,   POSIX_FADV_RANDOM,	POSIX_FADV_SEQUENTIAL,
				      POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED, POSIX_FADV_DONTNEED};
	const struct descriptor *d = fd_any(x);
	const uint64_t at = pick_at(x);
	const size_t len = chance(x, 4) ? 0 : pick_len(x, at);
	const int advice = advices[below(x, sizeof(advices) / sizeof(*advices))];
	int err;

	NOTE(x, (long)at, (long)len, advice, d->fd);
	err = posix_fadvise(d->fd, (off_t)(x->config.base + at), (off_t)len, advice);
	note_result(x, -err);
	if (err)
		fail(x, "posix_fadvise: %s", strerror(err));
}

void op_readahead(struct exerciser *x)
{
	const struct descriptor *d = fd_reader(x);
	const uint64_t at = pick_at(x);
	const size_t len = pick_len(x, at);

	NOTE(x, (long)at, (long)len, d->fd);
	expect(x, "readahead", readahead(d->fd, (off_t)(x->config.base + at), len), 0);
}
