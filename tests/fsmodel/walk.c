// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* From a path to what it names, in the model, as Linux does it. Nothing here is taken from the kernel's own walk. */
#include "tests/fsmodel/state.h"

struct walk {
	const struct fsmodel *m;
	unsigned at, links;
	char path[4 * PATH_BYTES]; // what is left begins at rest
	const char *rest;
};

/* A path that begins with a slash: within what is tested, or -OUTSIDE. */
static int walk_absolute(struct walk *w)
{
	const size_t len = strlen(w->m->config.prefix);

	if (strncmp(w->rest, w->m->config.prefix, len) != 0 || (w->rest[len] && w->rest[len] != '/'))
		return -OUTSIDE;
	w->rest += len;
	w->at = ROOT;
	return 0;
}

static int walk_start(struct walk *w, int at, const char *path)
{
	const size_t len = strlen(path);

	if (len >= PATH_BYTES)
		return -ENAMETOOLONG;
	if (!len)
		return -ENOENT;
	memcpy(w->path, path, len + 1);
	w->rest = w->path;
	if (*path == '/')
		return walk_absolute(w);
	w->at = w->m->cwd;
	if (at == AT_FDCWD)
		return 0;
	for (unsigned i = 0; i < FDS; i++) {
		if (w->m->fds[i].file && w->m->fds[i].fd == at) {
			w->at = w->m->fds[i].file->node;
			return is_dir(w->m, w->at) ? 0 : -ENOTDIR;
		}
	}
	return -EBADF;
}

/* The link's target takes its name's place. */
static int walk_link(struct walk *w, unsigned link)
{
	const struct node *n = &w->m->nodes[link];
	const bool more = *w->rest || w->rest[-1] == '/';
	static char rest[PATH_BYTES];

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (n->size + 1 + strlen(w->rest) + 1 > PATH_BYTES)
		return -OUTSIDE; // no path that a call could be given
	strcpy(rest, w->rest);
	content_read(w->m, link, 0, (uint8_t *)w->path, n->size);
	w->path[n->size] = 0;
	if (more)
		strcat(w->path, "/");
	strcat(w->path, rest);
	w->rest = w->path;
	return *w->path == '/' ? walk_absolute(w) : 0;
}

static int parent_of(const struct walk *w, unsigned *parent)
{
	*parent = w->at;
	if (w->at == ROOT)
		return *w->m->config.prefix ? -OUTSIDE : 0;
	if (!w->m->nodes[w->at].links)
		return w->m->config.linux_fs ? -OUTSIDE : -ENOENT;
	*parent = w->m->nodes[w->at].parent;
	return 0;
}

/* Takes the next name into out: 1, 0 if there is none. */
static int next_name(struct walk *w, struct place *out, bool *last)
{
	size_t len;

	w->rest += strspn(w->rest, "/");
	len = strcspn(w->rest, "/");
	if (!len)
		return 0;
	if (!is_dir(w->m, w->at))
		return -ENOTDIR;
	if (len > NAME_LEN_MAX)
		return -ENAMETOOLONG;
	memcpy(out->name, w->rest, len);
	out->name[len] = 0;
	out->len = (unsigned)len;
	out->slash = w->rest[len] == '/';
	w->rest += len;
	w->rest += strspn(w->rest, "/");
	*last = !*w->rest;
	return 1;
}

static int walk_names(struct walk *w, enum follow follow, struct place *out)
{
	bool last = false, dot, dotdot;
	int r;

	while ((r = next_name(w, out, &last)) > 0) {
		unsigned name, found;

		dot = !strcmp(out->name, ".");
		dotdot = !strcmp(out->name, "..");
		found = w->at;
		out->dir = w->at;
		if (dotdot)
			r = parent_of(w, &found);
		if (r < 0)
			return r;
		if (!dot && !dotdot) {
			if (last && out->slash && follow == FOLLOW_CREATE)
				return -EISDIR;
			name = w->m->nodes[w->at].links ? name_find(w->m, w->at, out->name, out->len) : NONE;
			found = name ? w->m->names[name].node : NONE;
			if (found && is_link(w->m, found) &&
			    (!last || follow >= FOLLOW_ALWAYS || (follow == FOLLOW_SLASH && out->slash))) {
				r = walk_link(w, found);
				if (r)
					return r;
				continue;
			}
		}
		if (last) {
			out->last = dot ? LAST_DOT : dotdot ? LAST_DOTDOT : LAST_NAME;
			out->node = found;
			return 0;
		}
		if (!found)
			return -ENOENT;
		w->at = found;
	}
	out->last = LAST_ROOT;
	out->dir = out->node = w->at;
	return r;
}

int walk_last(const struct fsmodel *m, int at, const char *path, enum follow follow, struct place *out)
{
	static struct walk w; // too large for a stack
	int err;

	w.m = m;
	w.links = 0;
	err = walk_start(&w, at, path);
	*out = (struct place){0};
	if (!err)
		err = walk_names(&w, follow, out);
	/* Where the tree is a part of another one, its root has a name there. */
	if (!err && out->last == LAST_ROOT && *m->config.prefix && (follow == FOLLOW_NEVER || follow == FOLLOW_CREATE))
		err = -OUTSIDE;
	return err;
}

int walk(const struct fsmodel *m, int at, const char *path, bool follow, unsigned *node)
{
	struct place p;
	int err = walk_last(m, at, path, follow ? FOLLOW_ALWAYS : FOLLOW_SLASH, &p);

	if (!err && !p.node)
		err = -ENOENT;
	if (!err && p.slash && !is_dir(m, p.node))
		err = -ENOTDIR;
	*node = p.node;
	return err;
}

bool path_to(const struct fsmodel *m, unsigned dir, char *buf, size_t size)
{
	char *start = buf + size - 1;
	const size_t prefix = strlen(m->config.prefix);

	*start = 0;
	while (dir != ROOT) {
		const unsigned parent = m->nodes[dir].parent;
		unsigned i = m->nodes[parent].names;

		while (i && m->names[i].node != dir)
			i = m->names[i].next;
		if (!i || (size_t)(start - buf) < m->names[i].len + 1 + prefix)
			return false;
		start -= m->names[i].len;
		memcpy(start, m->names[i].text, m->names[i].len);
		*--start = '/';
		dir = parent;
	}
	start -= prefix;
	memcpy(start, m->config.prefix, prefix);
	memmove(buf, start, strlen(start) + 1);
	if (!*buf)
		strcpy(buf, "/");
	return true;
}
