// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Comparing what is seen with the model: attributes, bytes, and the whole tree, read through descriptors. */
#include <stdio.h>

#include "tests/fsmodel/state.h"

static int compare(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

/* It is this one, perhaps without its part of a second. */
static bool is_stamp(const struct fsmodel *m, const struct timespec *from, const struct timespec *to,
		     const struct timespec *seen)
{
	if (compare(seen, from) >= 0 && compare(seen, to) <= 0)
		return true;
	return m->config.coarse_times && !seen->tv_nsec && seen->tv_sec >= from->tv_sec && seen->tv_sec <= to->tv_sec;
}

/* Once it was seen, it is known. */
static bool check_stamp(const struct fsmodel *m, struct stamp *s, const struct timespec *seen)
{
	if (!is_stamp(m, &s->from, &s->to, seen) && !(s->or_old && is_stamp(m, &s->old, &s->old, seen)))
		return false;
	*s = (struct stamp){.from = *seen, .to = *seen};
	return true;
}

static void check_time(struct fsmodel *m, const char *what, struct stamp *s, const struct timespec *seen)
{
	const struct stamp before = *s;

	if (!check_stamp(m, s, seen))
		fail(m, "%s is %lld.%09ld, not in %lld.%09ld to %lld.%09ld", what, (long long)seen->tv_sec,
		     seen->tv_nsec, (long long)before.from.tv_sec, before.from.tv_nsec, (long long)before.to.tv_sec,
		     before.to.tv_nsec);
}

void check_ino(struct fsmodel *m, unsigned node, uint64_t ino)
{
	struct node *n = &m->nodes[node];

	if (n->ino) {
		if (n->ino != ino)
			fail(m, "the inode number is %llu, and was %llu", (unsigned long long)ino,
			     (unsigned long long)n->ino);
		return;
	}
	for (unsigned i = ROOT; i < m->nodes_end; i++)
		if (m->nodes[i].mode && m->nodes[i].ino == ino)
			fail(m, "two files have the inode number %llu", (unsigned long long)ino);
	n->ino = ino;
}

/* Blocks of 512 bytes: none without contents, and a limit with what may lead there. */
static void check_blocks(struct fsmodel *m, unsigned node, uint64_t blocks)
{
	const struct node *n = &m->nodes[node];
	uint64_t pages = 0;

	if (!is_file(m, node) || m->config.linux_fs || m->config.in_memory)
		return;
	for (unsigned i = n->pages; i; i = m->pages[i].next)
		pages++;
	if (!blocks && content_nonzero(m, node, 0) != UINT64_MAX)
		fail(m, "it has bytes and no sectors");
	/* Each page may have three indirect blocks of its own; what calls that failed got for holes may stay. */
	if (blocks > pages * 4 * 8 && !m->excused)
		fail(m, "it has %llu sectors, for %llu pages", (unsigned long long)blocks, (unsigned long long)pages);
}

void check_stat(struct fsmodel *m, unsigned node, const struct stat *st)
{
	struct node *n = &m->nodes[node];
	const unsigned links = node == ROOT ? n->links + m->root_links : n->links;

	check_ino(m, node, st->st_ino);
	if (!same(m, "st_mode", st->st_mode, n->mode) || !same(m, "st_nlink", (long)st->st_nlink, links) ||
	    !same(m, "st_uid", st->st_uid, n->uid) || !same(m, "st_gid", st->st_gid, n->gid))
		return;
	if (!S_ISDIR(n->mode))
		(void)same(m, "st_size", st->st_size, (long)n->size);
	else if (!m->config.linux_fs && !m->config.in_memory && (st->st_size <= 0 || st->st_size % 1024))
		fail(m, "a directory of %lld bytes", (long long)st->st_size);
	check_blocks(m, node, (uint64_t)st->st_blocks);
	check_time(m, "mtime", &n->mtime, &st->st_mtim);
	check_time(m, "ctime", &n->ctime, &st->st_ctim);
	if (!m->config.linux_fs)
		check_time(m, "atime", &n->atime, &st->st_atim);
}

void check_fd(struct fsmodel *m, const struct descriptor *d)
{
	struct stat st;
	int err;

	if (!d || m->failed)
		return;
	err = fs_fstat(d->fd, &st);
	if (err)
		fail(m, "fstat of %d: %s", d->fd, strerror(-err));
	else
		check_stat(m, d->file->node, &st);
}

void check_bytes(struct fsmodel *m, unsigned node, uint64_t at, const uint8_t *seen, size_t n)
{
	content_read(m, node, at, m->other, n);
	if (!memcmp(seen, m->other, n))
		return;
	for (size_t i = 0; i < n; i++) {
		if (seen[i] != m->other[i]) {
			fail(m, "byte %#llx of node %u is %02x, not %02x", (unsigned long long)(at + i), node, seen[i],
			     m->other[i]);
			return;
		}
	}
}

/* ---- the whole tree ---- */

/* Each part that has contents, and some bytes behind it. */
static void check_contents(struct fsmodel *m, unsigned node, int fd)
{
	const uint64_t size = m->nodes[node].size;
	uint64_t at = 0;

	while (!m->failed && (at = content_next(m, node, at, true)) < size) {
		const uint64_t behind = min_of(content_next(m, node, at, false) + PAGE, size);
		const uint64_t end = min_of(behind, at + IO_MAX);
		const long got = fs_pread(fd, m->buf, end - at, (int64_t)at);

		if (!same(m, "the length read", got, (long)(end - at)))
			return;
		check_bytes(m, node, at, m->buf, end - at);
		at = end;
	}
	if (!m->failed)
		(void)same(m, "what is read at the end", fs_pread(fd, m->buf, 1, (int64_t)size), 0);
}

static void check_node(struct fsmodel *m, int at, const struct name *e);

static void check_dir(struct fsmodel *m, unsigned dir, int fd)
{
	read_whole_dir(m, dir, fd);
	for (unsigned i = m->nodes[dir].names; i && !m->failed; i = m->names[i].next)
		check_node(m, fd, &m->names[i]);
}

static void check_link(struct fsmodel *m, int at, const struct name *e)
{
	const long got = fs_readlink(at, e->text, (char *)m->buf, PATH_BYTES);

	if (same(m, "a link's length", got, (long)m->nodes[e->node].size))
		check_bytes(m, e->node, 0, m->buf, (size_t)got);
}

static void check_opened(struct fsmodel *m, int at, const struct name *e)
{
	const int fd = fs_open(at, e->text, O_RDONLY, 0);

	if (fd < 0) {
		fail(m, "open \"%s\": %s", e->text, strerror(-fd));
		return;
	}
	if (is_dir(m, e->node))
		check_dir(m, e->node, fd);
	else
		check_contents(m, e->node, fd);
	if (!m->failed)
		(void)same(m, "close", fs_close(fd), 0);
}

static void check_node(struct fsmodel *m, int at, const struct name *e)
{
	struct stat st;
	const int err = fs_stat(at, e->text, &st, AT_SYMLINK_NOFOLLOW);

	if (err) {
		fail(m, "\"%s\": %s", e->text, strerror(-err));
		return;
	}
	check_stat(m, e->node, &st);
	if (m->failed)
		fprintf(stderr, "# that was \"%s\"\n", e->text);
	else if (is_link(m, e->node))
		check_link(m, at, e);
	else
		check_opened(m, at, e);
}

void check_everything(struct fsmodel *m)
{
	char path[PATH_BYTES];
	int fd;

	for (size_t i = 0; i < FDS && !m->failed; i++)
		check_fd(m, m->fds[i].file ? &m->fds[i] : NULL);
	(void)path_to(m, ROOT, path, sizeof(path));
	fd = fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0) {
		fail(m, "open %s: %s", path, strerror(-fd));
		return;
	}
	check_dir(m, ROOT, fd);
	if (!m->failed)
		(void)same(m, "close", fs_close(fd), 0);
}

void op_verify(struct fsmodel *m)
{
	note(m, "%s", "");
	check_everything(m);
}
