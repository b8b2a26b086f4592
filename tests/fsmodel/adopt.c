// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * After a call that failed for want of space, or with the error of a transfer: the model learns what of it was done,
 * which must be something that the call may leave. What fails for want of space leaves names and attributes alone.
 */
#include <stdio.h>

#include "tests/fsmodel/state.h"

/* One of these, if it is not known yet. */
static unsigned node_of(const struct fsmodel *m, uint64_t ino, unsigned before, unsigned may_be)
{
	for (unsigned i = ROOT; i < m->nodes_end; i++)
		if (m->nodes[i].mode && m->nodes[i].ino == ino)
			return i;
	if (before && !m->nodes[before].ino)
		return before;
	return may_be && !m->nodes[may_be].ino ? may_be : NONE;
}

/* What the failed call has made. */
static unsigned adopt_fresh(struct fsmodel *m, const char *path, const struct stat *st)
{
	const unsigned node = node_make(m, st->st_mode);

	m->nodes[node].uid = st->st_uid;
	m->nodes[node].gid = st->st_gid;
	if (S_ISLNK(st->st_mode)) {
		const long len = fs_readlink(AT_FDCWD, path, (char *)m->buf, PATH_BYTES);

		if (!same(m, "the length of what was made", len, st->st_size))
			return NONE;
		content_write(m, node, 0, m->buf, (size_t)len);
		m->nodes[node].size = (uint64_t)len;
	}
	return node;
}

static void lead(struct fsmodel *m, const struct place *p, unsigned found)
{
	const unsigned name = name_find(m, p->dir, p->name, p->len), before = name ? m->names[name].node : NONE;

	if (!name)
		name_add(m, p->dir, p->name, p->len, found);
	else if (found)
		name_lead(m, name, found);
	else
		name_remove(m, name);
	if (before && is_dir(m, before) && before != found)
		m->nodes[before].links = 0;
	if (before)
		node_settle(m, before);
}

void adopt_name(struct fsmodel *m, const struct place *p, unsigned may_be, unsigned or_be)
{
	const unsigned name = name_find(m, p->dir, p->name, p->len), before = name ? m->names[name].node : NONE;
	static char path[2 * PATH_BYTES];
	unsigned found = NONE;
	struct stat st;
	int err;

	if (!m->nodes[p->dir].links || !path_to(m, p->dir, path, PATH_BYTES))
		return;
	snprintf(path + strlen(path), NAME_LEN_MAX + 2, "/%s", p->name);
	err = fs_stat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	if (err && err != -ENOENT) {
		fail(m, "after the failure, %s: %s", path, strerror(-err));
		return;
	}
	if (!err)
		found = node_of(m, st.st_ino, before, may_be);
	if (!err && !found && !before && !may_be && m->config.faults)
		found = adopt_fresh(m, path, &st);
	if (!err && !found)
		fail(m, "after the failure, %s is something else", path);
	if (m->config.faults) {
		touch_perhaps(m, &m->nodes[p->dir].mtime);
		touch_perhaps(m, &m->nodes[p->dir].ctime);
		if (before)
			touch_perhaps(m, &m->nodes[before].ctime);
	}
	if (m->failed || found == before)
		return;
	if (!m->config.faults || (found && before && found != may_be && found != or_be))
		fail(m, "the call failed, and %s leads to another inode", path);
	else
		lead(m, p, found);
}

/* A descriptor to read the file by; *own: it is made for this. -1: there is no way. */
static int reader_of(struct fsmodel *m, unsigned node, bool *own)
{
	static char path[2 * PATH_BYTES];

	*own = false;
	for (unsigned i = 0; i < FDS; i++) {
		const struct descriptor *d = &m->fds[i];

		if (d->file && d->file->node == node && (d->file->flags & O_ACCMODE) != O_WRONLY)
			return d->fd;
	}
	*own = true;
	for (unsigned i = 1; i < m->names_end; i++) {
		if (!m->names[i].dir || m->names[i].node != node || !path_to(m, m->names[i].dir, path, PATH_BYTES))
			continue;
		snprintf(path + strlen(path), NAME_LEN_MAX + 2, "/%s", m->names[i].text);
		return fs_open(AT_FDCWD, path, O_RDONLY, 0);
	}
	return -1;
}

/* Bytes of the range that the file has. */
static void adopt_range(struct fsmodel *m, int fd, unsigned node, uint64_t at, const uint8_t *written, uint64_t n)
{
	const long got = fs_pread(fd, m->other, n, (int64_t)at);
	static uint8_t old[IO_MAX + PAGE];

	if (!same(m, "the length read after the failure", got, (long)n))
		return;
	content_read(m, node, at, old, n);
	for (uint64_t i = 0; i < n; i++) {
		if (m->other[i] != old[i] && m->other[i] && (!written || m->other[i] != written[i])) {
			fail(m, "after the failure byte %#llx is %02x: neither %02x nor %02x nor 0",
			     (unsigned long long)(at + i), m->other[i], old[i], written ? written[i] : 0);
			return;
		}
	}
	content_write(m, node, at, m->other, n);
}

void adopt_bytes(struct fsmodel *m, unsigned node, uint64_t at, const uint8_t *written, uint64_t n, uint64_t size)
{
	struct node *file = &m->nodes[node];
	const uint64_t before = file->size;
	struct stat st;
	uint64_t now;
	bool own;
	int fd = reader_of(m, node, &own), err = fd < 0 ? fd : fs_fstat(fd, &st);

	if (err) {
		fail(m, "after the failure the file cannot be read: %d", err);
		return;
	}
	now = (uint64_t)st.st_size;
	if (now < min_of(before, size) || now > max_of(before, size)) {
		fail(m, "after the failure the size is %#llx", (unsigned long long)now);
		return;
	}
	if (now > before)
		content_resize(m, node, now);
	n = at < now ? min_of(n, now - at) : 0;
	if (n)
		adopt_range(m, fd, node, at, written, n);
	content_resize(m, node, now);
	touch_perhaps(m, &file->mtime);
	touch_perhaps(m, &file->ctime);
	if (own && !m->failed)
		(void)same(m, "close after the failure", fs_close(fd), 0);
}

void adopt_attr(struct fsmodel *m, const struct target *t, int flags, unsigned node)
{
	struct node *n = &m->nodes[node];
	struct stat st;
	const int err = fs_stat(t->at, t->path, &st, flags);

	if (err) {
		fail(m, "after the failure: %s", strerror(-err));
		return;
	}
	n->mode = (n->mode & S_IFMT) | (st.st_mode & 07777);
	n->uid = st.st_uid;
	n->gid = st.st_gid;
	n->atime = (struct stamp){.from = st.st_atim, .to = st.st_atim};
	n->mtime = (struct stamp){.from = st.st_mtim, .to = st.st_mtim};
	n->ctime = (struct stamp){.from = st.st_ctim, .to = st.st_ctim};
}
