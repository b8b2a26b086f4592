// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Descriptors, of files and of directories: opened in all ways, duplicated, closed. */
#include "tests/fsmodel/state.h"

struct descriptor *fd_pick(struct fsmodel *m, enum wanted wanted)
{
	for (size_t i = below(m, FDS), tries = 0; tries < FDS; tries++, i = (i + 1) % FDS) {
		struct descriptor *d = &m->fds[i];

		if (d->file && (wanted == ANY || is_dir(m, d->file->node) == (wanted == DIRS)))
			return d;
	}
	return NULL;
}

struct descriptor *fd_slot(struct fsmodel *m)
{
	for (size_t i = 0; i < FDS; i++)
		if (!m->fds[i].file)
			return &m->fds[i];
	return NULL;
}

void fd_install(struct fsmodel *m, struct descriptor *d, int fd, unsigned node, int flags)
{
	struct description *file = m->files;

	while (file->refs)
		file++;
	memset(file, 0, sizeof(*file));
	file->refs = 1;
	file->node = node;
	file->flags = flags;
	m->nodes[node].users++;
	*d = (struct descriptor){fd, file};
}

void fd_drop(struct fsmodel *m, struct descriptor *d)
{
	struct description *file = d->file;

	d->file = NULL;
	if (--file->refs)
		return;
	m->nodes[file->node].users--;
	node_settle(m, file->node);
}

static void close_one(struct fsmodel *m, struct descriptor *d)
{
	/* It is closed also if it tells of an earlier failure. */
	if (expect(m, fs_close(d->fd), 0) != WRONG)
		fd_drop(m, d);
}

void fds_close_all(struct fsmodel *m)
{
	for (size_t i = 0; i < FDS && !m->failed; i++)
		if (m->fds[i].file)
			close_one(m, &m->fds[i]);
}

/* ---- operations ---- */

void op_close(struct fsmodel *m)
{
	struct descriptor *d = &m->fds[below(m, FDS)];

	if (!d->file)
		return;
	note(m, "%d", d->fd);
	close_one(m, d);
}

/* Streams of entries stay with one descriptor. */
void op_dup(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, FILES), *to = fd_slot(m);
	int fd;

	if (!d || !to)
		return;
	note(m, "%d", d->fd);
	fd = fs_dup(d->fd);
	if (fd < 0) {
		(void)expect(m, fd, 0);
		return;
	}
	*to = (struct descriptor){fd, d->file};
	d->file->refs++;
}

/* What an open of what is there comes to, before it is truncated. */
static int check_open(const struct fsmodel *m, unsigned node, int flags)
{
	if ((flags & O_CREAT) && is_dir(m, node))
		return -EISDIR;
	if ((flags & O_DIRECTORY) && !is_dir(m, node))
		return -ENOTDIR;
	if (is_link(m, node))
		return -ELOOP;
	if (is_dir(m, node) && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)))
		return -EISDIR;
	return 0;
}

static int model_open(const struct fsmodel *m, const struct target *t, int flags, struct place *p)
{
	const bool creates = flags & O_CREAT, nofollow = flags & O_NOFOLLOW || (creates && flags & O_EXCL);
	int err;

	if (creates && (flags & O_DIRECTORY))
		return -EINVAL;
	err = walk_last(m, t->at, t->path, !creates ? (nofollow ? FOLLOW_SLASH : FOLLOW_ALWAYS) : FOLLOW_CREATE, p);
	if (err)
		return err;
	if (!p->node && !creates)
		return -ENOENT;
	if (!p->node)
		return m->nodes[p->dir].links ? 0 : -ENOENT;
	if (creates && (flags & O_EXCL))
		return -EEXIST;
	if (!creates && p->slash && !is_dir(m, p->node))
		return -ENOTDIR;
	return check_open(m, p->node, flags);
}

/* O_CREAT does not follow a link at the end with O_EXCL or O_NOFOLLOW. */
static int model_open_last(const struct fsmodel *m, const struct target *t, int flags, struct place *p)
{
	struct place link;
	int err;

	if (!(flags & O_CREAT) || !(flags & (O_EXCL | O_NOFOLLOW)) || (flags & O_DIRECTORY))
		return model_open(m, t, flags, p);
	err = walk_last(m, t->at, t->path, FOLLOW_NEVER, &link);
	*p = link;
	if (err)
		return err;
	if (link.last == LAST_NAME && link.slash)
		return -EISDIR;
	if (!link.node)
		return m->nodes[link.dir].links ? 0 : -ENOENT;
	return flags & O_EXCL ? -EEXIST : check_open(m, link.node, flags);
}

static void opened(struct fsmodel *m, const struct target *t, int flags, mode_t mode, struct place *p, int fd)
{
	struct descriptor *d = fd_slot(m);

	if (!p->node) {
		p->node = node_make(m, S_IFREG | (mode & 0777));
		name_add(m, p->dir, p->name, p->len, p->node);
	} else if (flags & O_TRUNC) {
		content_resize(m, p->node, 0);
		touch_modify(m, p->node);
	}
	(void)t;
	fd_install(m, d, fd, p->node, flags);
}

static void open_path(struct fsmodel *m, struct target *t, int flags, mode_t mode)
{
	struct place p;
	int want, fd;

	if (!fd_slot(m) || !has_room(m, 0))
		return;
	/* After a call that has done a part, what there is must be read. */
	if ((m->config.full || m->config.faults) && (flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	want = model_open_last(m, t, flags, &p);
	if (want == -OUTSIDE)
		return;
	note(m, "%d \"%s\" flags %#x mode %#o", t->at, t->path, (unsigned)flags, mode);
	fd = fs_open(t->at, t->path, flags, mode);
	switch (expect(m, fd < 0 ? fd : 0, want)) {
	case AGREED:
		if (!want)
			opened(m, t, flags, mode, &p, fd);
		break;
	case EXCUSED:
		/* It may have been made, or cut short, all the same. */
		if (!want && !p.node)
			adopt_name(m, &p, NONE, NONE);
		else if (!want && flags & O_TRUNC)
			adopt_bytes(m, p.node, 0, NULL, m->nodes[p.node].size, 0);
		break;
	case WRONG:
		break;
	}
	if (m->failed || want || fd < 0)
		return;
	check_fd(m, fd_pick(m, ANY));
}

void op_create(struct fsmodel *m)
{
	static const int more[] = {0, 0, O_EXCL, O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW, O_EXCL | O_TRUNC, O_SYNC};
	struct target t;
	const int flags = O_CREAT | (chance(m, 5) ? (int)below(m, 2) : O_RDWR) | more[below(m, array_size(more))];

	if (draw_target(m, FRESH, &t))
		open_path(m, &t, flags, (mode_t)below(m, 4) == 0 ? (mode_t)below(m, 01000) : 0644);
}

void op_open(struct fsmodel *m)
{
	static const int more[] = {0,
				   0,
				   0,
				   O_TRUNC,
				   O_NOFOLLOW,
				   O_APPEND,
				   O_CREAT,
				   O_DIRECTORY,
				   O_DIRECTORY | O_NOFOLLOW,
				   O_DSYNC,
				   O_CREAT | O_TRUNC,
				   O_TRUNC | O_APPEND};
	struct target t;
	const bool dir = chance(m, 4);
	const int flags = (dir ? O_RDONLY : (int)below(m, 3)) |
			  (dir && chance(m, 2) ? O_DIRECTORY : more[below(m, array_size(more))]);

	if (draw_target(m, dir ? DIRS : chance(m, 4) ? ANY : FILES, &t))
		open_path(m, &t, flags, 0600);
}
