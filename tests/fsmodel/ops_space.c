// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* How long files are, and what they have blocks for. */
#include <stdio.h>

#include "tests/fsmodel/state.h"

static bool writes(const struct description *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY;
}

void op_truncate(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, chance(m, 30) ? ANY : FILES);
	uint64_t before, size;
	int want = 0;

	if (!d)
		return;
	before = m->nodes[d->file->node].size;
	size = before && chance(m, 2) ? below(m, before) : draw_at(m, d->file->node);
	if (!writes(d->file))
		want = -EINVAL;
	else if (m->config.size_max && size > m->config.size_max)
		want = -EFBIG;
	note(m, "%d to %#llx", d->fd, (unsigned long long)size);
	switch (expect(m, fs_ftruncate(d->fd, (int64_t)size), want)) {
	case AGREED:
		if (want)
			break;
		content_resize(m, d->file->node, size);
		touch_modify(m, d->file->node);
		break;
	case EXCUSED:
		if (!want && m->config.faults)
			adopt_bytes(m, d->file->node, size, NULL,
				    before > size ? min_of(before - size, (uint64_t)IO_MAX) : 0, size);
		break;
	case WRONG:
		break;
	}
	check_fd(m, d);
}

/* ---- fallocate ---- */

struct range {
	uint64_t at, len;
};

static int model_fallocate(const struct fsmodel *m, const struct descriptor *d, int mode, struct range r)
{
	const uint64_t block = m->config.block_size, size = m->nodes[d->file->node].size;

	if (!r.len)
		return -EINVAL;
	if (!writes(d->file))
		return -EBADF;
	if (m->config.size_max && r.at + r.len > m->config.size_max)
		return -EFBIG;
	/* No blocks behind the end: the format does not have them. */
	if (mode & FALLOC_FL_KEEP_SIZE && !(mode & FALLOC_FL_PUNCH_HOLE) && !m->config.linux_fs &&
	    align_up(r.at + r.len, block) > align_up(size, block))
		return -EOPNOTSUPP;
	return 0;
}

static void touch_allocated(struct fsmodel *m, unsigned node)
{
	touch_perhaps(m, &m->nodes[node].mtime);
	touch_perhaps(m, &m->nodes[node].ctime);
}

static void draw_range(struct fsmodel *m, const struct descriptor *d, struct range *r)
{
	r->at = draw_at(m, d->file->node);
	r->len = draw_len(m) * (chance(m, 3) ? 8 : 1);
	r->len = min_of(r->len, (uint64_t)IO_MAX);
}

static void allocate(struct fsmodel *m, int mode,
		     void (*done)(struct fsmodel *m, unsigned node, struct range r, bool keep))
{
	struct descriptor *d = fd_pick(m, FILES);
	const bool keep = mode & FALLOC_FL_KEEP_SIZE;
	uint64_t before;
	struct range r;
	int want;

	if (!d)
		return;
	draw_range(m, d, &r);
	if (!has_room(m, r.len + 2 * (size_t)PAGE))
		return;
	before = m->nodes[d->file->node].size;
	/* Linux has a limit for all files of a file system, and another for one with this format's tree of blocks. */
	if (m->config.linux_fs && m->config.size_max && r.at + r.len > m->config.size_max)
		return;
	want = model_fallocate(m, d, mode, r);
	note(m, "%d %#llx bytes at %#llx mode %d", d->fd, (unsigned long long)r.len, (unsigned long long)r.at, mode);
	switch (expect(m, fs_fallocate_mode(d->fd, mode, (int64_t)r.at, (int64_t)r.len), want)) {
	case AGREED:
		if (want)
			break;
		done(m, d->file->node, r, keep);
		touch_allocated(m, d->file->node);
		break;
	case EXCUSED:
		/* A part may be done. */
		if (want)
			break;
		adopt_bytes(m, d->file->node, r.at, NULL, r.len, keep ? before : max_of(before, r.at + r.len));
		if (!m->failed && r.at < m->nodes[d->file->node].size && !(mode & FALLOC_FL_PUNCH_HOLE))
			content_touch(m, d->file->node, r.at, min_of(r.len, m->nodes[d->file->node].size - r.at));
		break;
	case WRONG:
		break;
	}
	check_fd(m, d);
}

static void allocated(struct fsmodel *m, unsigned node, struct range r, bool keep)
{
	struct node *n = &m->nodes[node];

	if (!keep)
		n->size = max_of(n->size, r.at + r.len);
	if (!n->size)
		return;
	/* The block that the end lies in may be allocated by a range behind that. */
	r.at = min_of(r.at, n->size - 1);
	content_touch(m, node, r.at, min_of(r.len, n->size - r.at));
}

static void punched(struct fsmodel *m, unsigned node, struct range r, bool keep)
{
	const uint64_t size = m->nodes[node].size;

	(void)keep;
	content_zero(m, node, r.at, r.len);
	content_drop(m, node, r.at, r.at + r.len >= size ? align_up(size, (uint64_t)PAGE) : r.at + r.len);
}

static void zeroed(struct fsmodel *m, unsigned node, struct range r, bool keep)
{
	content_zero(m, node, r.at, r.len);
	allocated(m, node, r, keep);
}

void op_allocate(struct fsmodel *m)
{
	allocate(m, chance(m, 3) ? FALLOC_FL_KEEP_SIZE : 0, allocated);
}

void op_punch(struct fsmodel *m)
{
	allocate(m, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, punched);
}

void op_zero(struct fsmodel *m)
{
	if (!m->config.no_zero_range)
		allocate(m, FALLOC_FL_ZERO_RANGE | (chance(m, 3) ? FALLOC_FL_KEEP_SIZE : 0), zeroed);
}
