// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Reading, writing and seeking, at offsets up to the greatest that a file can have. */
#include <stdio.h>
#include <unistd.h>

#include "tests/fsmodel/state.h"

/* Where blocks begin to be found by other ways, for some block size; and beyond 31 and 32 bits. */
static const uint64_t regions[] = {
    0, 0, 0, 0, 40960, 262144, 4243456, 67371008, 1u << 31u, 1ull << 32u, (1ull << 32u) + 77777};

uint64_t draw_at(struct fsmodel *m, unsigned node)
{
	const uint64_t size = m->nodes[node].size, most = m->config.size_max;
	uint64_t at;

	switch (below(m, 8)) {
	case 0:
		return size;
	case 1:
		return size > 5000 ? size - below(m, 5000) : below(m, size + 1);
	case 2:
		/* Beyond what a file can have, too. */
		return most && chance(m, 6) ? most - below(m, 20000) + (chance(m, 3) ? 20000 : 0) : below(m, 100000);
	case 3:
		at = regions[below(m, array_size(regions))] + below(m, 90000);
		break;
	case 4:
		at = regions[below(m, array_size(regions))] + below(m, 20) * PAGE;
		break;
	default:
		at = below(m, 90000);
		break;
	}
	return most ? min_of(at, most) : at;
}

size_t draw_len(struct fsmodel *m)
{
	switch (below(m, 12)) {
	case 0:
		return below(m, IO_MAX);
	case 1:
		return below(m, 3) * PAGE;
	default:
		return below(m, 6000);
	}
}

static void fill(struct fsmodel *m, size_t n)
{
	uint64_t x = draw(m);

	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		m->buf[i] = (uint8_t)(x >> 56);
	}
}

static bool reads(const struct description *file)
{
	return (file->flags & O_ACCMODE) != O_WRONLY;
}

static bool writes(const struct description *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY;
}

/* ---- reading ---- */

static long model_read(const struct fsmodel *m, const struct description *file, uint64_t at, size_t n)
{
	const uint64_t size = m->nodes[file->node].size;

	if (!reads(file))
		return -EBADF;
	if (is_dir(m, file->node))
		return -EISDIR;
	return at >= size ? 0 : (long)min_of((uint64_t)n, size - at);
}

static void read_fd(struct fsmodel *m, struct descriptor *d, bool positioned)
{
	struct description *file = d->file;
	const uint64_t at = positioned ? draw_at(m, file->node) : file->offset;
	const size_t n = draw_len(m);
	const long want = model_read(m, file, at, n);
	long got;

	note(m, "%d %zu bytes at %#llx", d->fd, n, (unsigned long long)at);
	memset(m->buf, 0xa5, n);
	got = positioned ? fs_pread(d->fd, m->buf, n, (int64_t)at) : fs_read(d->fd, m->buf, n);
	/* Less, where a part cannot be read. */
	if (got > 0 && got < want && m->config.faults)
		m->excused++;
	else if (expect(m, got, want) != AGREED)
		return;
	if (got <= 0)
		return;
	check_bytes(m, file->node, at, m->buf, (size_t)got);
	if (!positioned)
		file->offset += (uint64_t)got;
}

void op_read(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, FILES);

	if (d)
		read_fd(m, d, false);
}

void op_pread(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, chance(m, 20) ? ANY : FILES);

	if (d)
		read_fd(m, d, true);
}

/* ---- writing ---- */

static long model_write(const struct fsmodel *m, const struct description *file, uint64_t at, size_t n)
{
	if (!writes(file))
		return -EBADF;
	if (n && m->config.size_max && at >= m->config.size_max)
		return -EFBIG;
	if (n && m->config.size_max)
		return (long)min_of((uint64_t)n, m->config.size_max - at);
	return (long)n;
}

static void wrote(struct fsmodel *m, struct description *file, uint64_t at, size_t n, bool positioned)
{
	if (!n)
		return;
	if (at + n > m->nodes[file->node].size)
		m->nodes[file->node].size = at + n;
	content_write(m, file->node, at, m->buf, n);
	touch_modify(m, file->node);
	if (!positioned)
		file->offset = at + n;
}

static void write_fd(struct fsmodel *m, struct descriptor *d, bool positioned)
{
	struct description *file = d->file;
	const uint64_t size = m->nodes[file->node].size, asked = positioned ? draw_at(m, file->node) : file->offset;
	const uint64_t at = file->flags & O_APPEND ? size : asked;
	const size_t n = draw_len(m);
	const long want = model_write(m, file, at, n);
	long got;

	if (!has_room(m, n + 2 * (size_t)PAGE))
		return;
	fill(m, n);
	note(m, "%d %zu bytes at %#llx", d->fd, n, (unsigned long long)at);
	got = positioned ? fs_pwrite(d->fd, m->buf, n, (int64_t)asked) : fs_write(d->fd, m->buf, n);
	if (got > 0 && got < want && (m->config.full || m->config.faults)) {
		m->excused++;
		wrote(m, file, at, (size_t)got, positioned);
		check_fd(m, d);
		return;
	}
	switch (expect(m, got, want)) {
	case AGREED:
		if (got > 0)
			wrote(m, file, at, (size_t)got, positioned);
		break;
	case EXCUSED:
		/*
		 * No byte was written for want of space, but a hole may have got some of the blocks that it takes.
		 * Where a transfer failed, a synchronous write may have been one.
		 */
		if (want > 0 && m->config.faults)
			adopt_bytes(m, file->node, at, m->buf, (uint64_t)want, max_of(size, at + (uint64_t)want));
		else if (want > 0 && at < size)
			content_touch(m, file->node, at, min_of((uint64_t)want, size - at));
		break;
	case WRONG:
		break;
	}
	if (!m->failed && !positioned && got <= 0 && m->config.faults)
		file->offset = (uint64_t)fs_lseek(d->fd, 0, SEEK_CUR);
	check_fd(m, d);
}

void op_write(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, FILES);

	if (d)
		write_fd(m, d, false);
}

void op_pwrite(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, FILES);

	if (d)
		write_fd(m, d, true);
}

/* ---- seeking ---- */

void op_seek(struct fsmodel *m)
{
	static const int ways[] = {SEEK_SET, SEEK_SET, SEEK_CUR, SEEK_END};
	struct descriptor *d = fd_pick(m, FILES);
	const int whence = ways[below(m, array_size(ways))];
	int64_t by, want;

	if (!d)
		return;
	by = (int64_t)draw_at(m, d->file->node);
	if (whence != SEEK_SET)
		by = (int64_t)below(m, 30000) - 20000;
	want = whence == SEEK_SET   ? by
	       : whence == SEEK_CUR ? (int64_t)d->file->offset + by
				    : (int64_t)m->nodes[d->file->node].size + by;
	if (want < 0 || (m->config.size_max && (uint64_t)want > m->config.size_max))
		want = -EINVAL;
	note(m, "%d by %lld whence %d", d->fd, (long long)by, whence);
	if (expect(m, fs_lseek(d->fd, by, whence), want) == AGREED && want >= 0)
		d->file->offset = (uint64_t)want;
}

/*
 * Everything before it is zeros; it is not beyond the first byte that is none, nor in a page that nobody touched: ext4
 * writes zeros to the latter, too.
 */
static void check_data(struct fsmodel *m, unsigned node, uint64_t from, int64_t got)
{
	const uint64_t size = m->nodes[node].size, nonzero = content_nonzero(m, node, from);
	const uint64_t touched = content_next(m, node, from, true);

	if (got < 0) {
		if (got != -ENXIO || nonzero < size)
			fail(m, "there is data at %#llx", (unsigned long long)nonzero);
	} else if ((uint64_t)got < from || (uint64_t)got > nonzero || (uint64_t)got >= size ||
		   (!m->config.linux_fs && (uint64_t)got < min_of(touched, size))) {
		fail(m, "data at %#llx: touched from %#llx, not zero from %#llx", (unsigned long long)got,
		     (unsigned long long)touched, (unsigned long long)nonzero);
	}
}

/* It is not beyond the first page that nobody touched; the block there, if it is not the end, is zeros. */
static void check_hole(struct fsmodel *m, unsigned node, uint64_t from, int64_t got)
{
	const uint64_t size = m->nodes[node].size;
	const uint64_t untouched = m->config.linux_fs ? size : content_next(m, node, from, false);

	if (got < 0 || (uint64_t)got < from || (uint64_t)got > min_of(untouched, size))
		fail(m, "a hole at %#llx: nobody touched %#llx", (unsigned long long)got,
		     (unsigned long long)untouched);
	else if ((uint64_t)got < size && content_nonzero(m, node, (uint64_t)got) <= ((uint64_t)got | 1023))
		fail(m, "a hole at %#llx, where data is", (unsigned long long)got);
}

void op_seek_data(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, FILES);
	const bool hole = chance(m, 2);
	uint64_t from;
	int64_t got;

	if (!d)
		return;
	from = draw_at(m, d->file->node);
	note(m, "%d %s from %#llx", d->fd, hole ? "hole" : "data", (unsigned long long)from);
	got = fs_lseek(d->fd, (int64_t)from, hole ? SEEK_HOLE : SEEK_DATA);
	if (got == -EIO && m->config.faults)
		return;
	if (from >= m->nodes[d->file->node].size)
		(void)expect(m, got, -ENXIO);
	else if (hole)
		check_hole(m, d->file->node, from, got);
	else
		check_data(m, d->file->node, from, got);
	if (got >= 0)
		d->file->offset = (uint64_t)got;
}
