// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Directories: read as a whole, or entry by entry while they change; many names at once. */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/fsmodel/state.h"

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* One entry against the model: the name, or NONE with what is passed over. */
static unsigned check_entry(struct fsmodel *m, unsigned dir, const struct fs_dirent *entry)
{
	const bool dot = !strcmp(entry->name, ".");
	unsigned name, node;

	if (dir == ROOT && !strcmp(entry->name, "lost+found"))
		return NONE;
	if (is_dots(entry->name)) {
		if (dot || dir != ROOT)
			check_ino(m, dot ? dir : m->nodes[dir].parent, entry->ino);
		return NONE;
	}
	name = name_find(m, dir, entry->name, (unsigned)strlen(entry->name));
	if (!name)
		return NONE;
	node = m->names[name].node;
	check_ino(m, node, entry->ino);
	if (entry->type && entry->type != IFTODT(m->nodes[node].mode))
		fail(m, "\"%s\" has the type %u", entry->name, entry->type);
	return name;
}

/* What a whole reading has seen. */
static struct listing {
	int64_t next[NAMES];
	uint64_t ino[NAMES]; // not the names: there is too much of them
	unsigned count;
} listing;

void read_whole_dir(struct fsmodel *m, unsigned dir, int fd)
{
	unsigned names = 0, dots = 0;
	struct fs_dirent entry;
	uint8_t seen[NAMES / 8] = {0};
	int r = 0;

	listing.count = 0;
	while (!m->failed && (r = fs_readdir(fd, &entry)) > 0) {
		const unsigned i = check_entry(m, dir, &entry);

		listing.next[listing.count] = entry.next;
		listing.ino[listing.count++] = entry.ino;
		dots += is_dots(entry.name);
		if (is_dots(entry.name) || (dir == ROOT && !strcmp(entry.name, "lost+found")))
			continue;
		if (!i || seen[i / 8] & 1u << i % 8) {
			fail(m, "the directory has \"%s\"%s", entry.name, i ? " twice" : "");
			return;
		}
		seen[i / 8] |= (uint8_t)(1u << i % 8);
		names++;
	}
	if (!m->failed && same(m, "the end of the directory", r, 0) &&
	    same(m, "the number of names", names, m->nodes[dir].count))
		(void)same(m, "the number of dots", dots, 2);
}

/* From where an entry ended the next one follows, and from the beginning the first. */
static void check_seek(struct fsmodel *m, int fd)
{
	const unsigned i = (unsigned)below(m, listing.count);
	struct fs_dirent entry;
	int64_t to = i ? listing.next[i - 1] : 0;

	if (!same(m, "where the directory goes on", fs_lseek(fd, to, SEEK_SET), to) ||
	    !same(m, "reading on", fs_readdir(fd, &entry), 1))
		return;
	if (entry.ino != listing.ino[i])
		fail(m, "reading on at entry %u of %u, it is \"%s\"", i, listing.count, entry.name);
}

void op_list(struct fsmodel *m)
{
	const unsigned dir = pick_dir(m);
	static char path[PATH_BYTES];
	int fd;

	if (!path_to(m, dir, path, sizeof(path)))
		return;
	note(m, "\"%s\", %u names", path, m->nodes[dir].count);
	fd = fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0) {
		(void)expect(m, fd, 0);
		return;
	}
	if (!m->config.faults) {
		read_whole_dir(m, dir, fd);
		if (!m->failed)
			check_seek(m, fd);
	}
	if (!m->failed)
		(void)expect(m, fs_close(fd), 0);
}

/* ---- streams ---- */

static void begin(struct fsmodel *m, struct description *file)
{
	file->begun = true;
	file->ended = false;
	file->since = m->now;
	memset(file->seen, 0, sizeof(file->seen));
}

/* What was there at the beginning, and all the time, comes once. */
static void stream_entry(struct fsmodel *m, struct description *file, const struct fs_dirent *entry)
{
	const unsigned i = check_entry(m, file->node, entry);

	if (is_dots(entry->name) || (file->node == ROOT && !strcmp(entry->name, "lost+found")))
		return;
	if (!i) {
		/* Linux hands out what it has read ahead. */
		if (!m->config.linux_fs || m->nodes[file->node].removed <= file->since)
			fail(m, "\"%s\" is not there", entry->name);
		return;
	}
	if (file->seen[i / 8] & 1u << i % 8 && m->names[i].born <= file->since)
		fail(m, "\"%s\" comes twice", entry->name);
	file->seen[i / 8] |= (uint8_t)(1u << i % 8);
}

static void stream_end(struct fsmodel *m, struct description *file)
{
	file->ended = true;
	for (unsigned i = m->nodes[file->node].names; i && !m->failed; i = m->names[i].next)
		if (m->names[i].born <= file->since && !(file->seen[i / 8] & 1u << i % 8))
			fail(m, "\"%s\" has not come", m->names[i].text);
}

void op_next_entry(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, DIRS);
	const uint64_t n = 1 + below(m, chance(m, 8) ? 200 : 6);
	struct fs_dirent entry;
	int r = 1;

	if (!d || d->file->ended)
		return;
	note(m, "%d %llu times", d->fd, (unsigned long long)n);
	if (!d->file->begun)
		begin(m, d->file);
	for (uint64_t i = 0; i < n && r > 0 && !m->failed; i++) {
		r = fs_readdir(d->fd, &entry);
		if (r > 0)
			stream_entry(m, d->file, &entry);
	}
	if (r < 0)
		(void)expect(m, r, 0);
	else if (r == 0 && !m->failed)
		stream_end(m, d->file);
}

void op_rewind(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, DIRS);

	if (!d)
		return;
	note(m, "%d", d->fd);
	d->file->begun = d->file->ended = false;
	(void)expect(m, fs_lseek(d->fd, 0, SEEK_SET), 0);
}

/* ---- many names ---- */

static int open_dir(struct fsmodel *m, unsigned dir)
{
	static char path[PATH_BYTES];
	int fd;

	if (!path_to(m, dir, path, sizeof(path)))
		return -1;
	note(m, "in \"%s\", which has %u names", path, m->nodes[dir].count);
	fd = fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		(void)expect(m, fd, 0);
	return fd;
}

/* One of those that a burst makes; false: it did not come to be. */
static bool burst_one(struct fsmodel *m, unsigned dir, int at, const struct place *p, bool directory)
{
	int fd = directory ? fs_mkdir(at, p->name, 0700) : fs_open(at, p->name, O_CREAT | O_EXCL | O_WRONLY, 0600);

	switch (expect(m, fd < 0 ? fd : 0, p->node ? -EEXIST : 0)) {
	case AGREED:
		if (p->node)
			return true;
		name_add(m, dir, p->name, p->len, node_make(m, directory ? S_IFDIR | 0700 : S_IFREG | 0600));
		return directory || expect(m, fs_close(fd), 0) != WRONG;
	case EXCUSED:
		adopt_name(m, p, NONE, NONE);
		return false;
	case WRONG:
		break;
	}
	return false;
}

void op_burst(struct fsmodel *m)
{
	const unsigned dir = pick_dir(m), n = 1 + (unsigned)below(m, chance(m, 8) ? 400 : 60);
	const unsigned first = (unsigned)below(m, NAME_LEN_MAX);
	const bool directories = chance(m, 6);
	struct place p = {.dir = dir};
	int fd;

	if (m->nodes_free < n + 200 || m->names_free < n + 200 || depth(m, dir) >= DEPTH_MAX)
		return;
	fd = open_dir(m, dir);
	for (unsigned i = 0; fd >= 0 && i < n && !m->failed; i++) {
		unsigned name;

		/* Names of every length. */
		p.len = 1 + (first + i) % NAME_LEN_MAX;
		memset(p.name, 'a' + (int)(i % 26), sizeof(p.name));
		(void)snprintf(p.name, sizeof(p.name), "%u", (unsigned)below(m, 100000));
		p.name[strlen(p.name)] = '-';
		p.name[p.len] = 0;
		name = name_find(m, dir, p.name, p.len);
		p.node = name ? m->names[name].node : NONE;
		if (!burst_one(m, dir, fd, &p, directories))
			break;
	}
	if (fd >= 0 && !m->failed)
		(void)expect(m, fs_close(fd), 0);
}

void op_purge(struct fsmodel *m)
{
	const unsigned dir = pick_dir(m), one_in = 1 + (unsigned)below(m, 4);
	int fd = open_dir(m, dir);

	for (unsigned i = m->nodes[dir].names, next; fd >= 0 && i && !m->failed; i = next) {
		const unsigned node = m->names[i].node;
		struct place p = {.dir = dir, .node = node, .len = m->names[i].len};

		next = m->names[i].next;
		if (!chance(m, one_in) || (is_dir(m, node) && m->nodes[node].count))
			continue;
		strcpy(p.name, m->names[i].text);
		switch (expect(m, fs_unlink(fd, p.name, is_dir(m, node) ? AT_REMOVEDIR : 0), 0)) {
		case AGREED:
			if (is_dir(m, node))
				m->nodes[node].links = 0;
			name_remove(m, i);
			node_settle(m, node);
			break;
		case EXCUSED:
			adopt_name(m, &p, node, NONE);
			break;
		case WRONG:
			break;
		}
	}
	if (fd >= 0 && !m->failed)
		(void)expect(m, fs_close(fd), 0);
}
