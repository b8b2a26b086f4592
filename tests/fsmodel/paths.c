// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Drawing paths: absolute, from the current directory, from a directory's descriptor; with detours, through links, with
 * slashes where they may be; names of all lengths, most of which come again and again.
 *
 * Of what is there, that is picked whose identity mixed with one random number is least: so taking others away does not
 * change the choice.
 */
#include <stdio.h>

#include "tests/fsmodel/state.h"

/* ---- picking what is there ---- */

static bool is_wanted(const struct fsmodel *m, unsigned node, enum wanted wanted)
{
	switch (wanted) {
	case FILES:
		return is_file(m, node);
	case DIRS:
		return is_dir(m, node);
	case SYMLINKS:
		return is_link(m, node);
	default:
		return true;
	}
}

unsigned pick_name(struct fsmodel *m, enum wanted wanted)
{
	const uint64_t salt = draw(m);
	uint64_t least = UINT64_MAX;
	unsigned found = NONE;

	for (unsigned i = 1; i < m->names_end; i++) {
		const struct name *e = &m->names[i];
		uint64_t rank;

		if (!e->dir || !is_wanted(m, e->node, wanted))
			continue;
		rank = word_mix(salt ^ e->hash ^ m->nodes[e->dir].id);
		if (rank <= least) {
			least = rank;
			found = i;
		}
	}
	return found;
}

unsigned pick_dir(struct fsmodel *m)
{
	const uint64_t salt = draw(m);
	uint64_t least = UINT64_MAX;
	unsigned found = ROOT;

	for (unsigned i = ROOT; i < m->nodes_end; i++) {
		const struct node *n = &m->nodes[i];
		uint64_t rank;

		if (!S_ISDIR(n->mode) || !n->links)
			continue;
		rank = word_mix(salt ^ n->id);
		if (rank <= least) {
			least = rank;
			found = i;
		}
	}
	return found;
}

/* ---- names ---- */

/* The kth name: the same whenever it is asked for. */
static void name_of(struct fsmodel *m, uint64_t k, char *buf)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-+=~,.:;@%";
	uint64_t random = word_mix(k + 77);
	const unsigned shape = word_draw(&random) % 10;
	const unsigned len = 1 + (unsigned)(word_draw(&random) % (shape == 0 ? NAME_LEN_MAX : shape < 4 ? 3 : 24));

	(void)m;
	for (unsigned i = 0; i < len; i++)
		buf[i] = letters[word_draw(&random) % (i == 0 ? 36 : sizeof(letters) - 1)];
	buf[len] = 0;
}

static void draw_name(struct fsmodel *m, char *buf)
{
	const unsigned names = m->config.names ? m->config.names : 60;

	if (chance(m, 150)) {
		memset(buf, 'n', NAME_LEN_MAX + 1);
		buf[NAME_LEN_MAX + 1] = 0;
	} else if (chance(m, 8)) {
		name_of(m, names + below(m, 20 * names), buf);
	} else {
		name_of(m, below(m, names), buf);
	}
}

/* ---- writing paths ---- */

struct writer {
	struct fsmodel *m;
	struct target *t;
	size_t len;
	unsigned dir; // where it has come to
	bool too_long;
};

static void put(struct writer *w, const char *text)
{
	const size_t n = strlen(text);

	if (w->len + n + 1 > sizeof(w->t->path)) {
		w->too_long = true;
		return;
	}
	memcpy(w->t->path + w->len, text, n + 1);
	w->len += n;
}

static void put_slash(struct writer *w)
{
	if (w->len && w->t->path[w->len - 1] != '/')
		put(w, "/");
	if (chance(w->m, 24))
		put(w, "/");
	if (chance(w->m, 24))
		put(w, "./");
}

/* Into something in the directory, and back. */
static void put_detour(struct writer *w)
{
	unsigned i = w->m->nodes[w->dir].names;

	for (uint64_t n = below(w->m, 5); i && n; n--)
		i = w->m->names[i].next;
	if (!i || w->len == 0)
		return;
	put(w, w->m->names[i].text);
	put(w, "/../");
}

static void put_down(struct writer *w, unsigned to)
{
	unsigned parent, i;

	if (to == w->dir)
		return;
	parent = w->m->nodes[to].parent;
	put_down(w, parent);
	for (i = w->m->nodes[parent].names; i && w->m->names[i].node != to;)
		i = w->m->names[i].next;
	if (w->len)
		put_slash(w);
	if (chance(w->m, 30))
		put_detour(w);
	put(w, w->m->names[i].text);
	w->dir = to;
}

/* From w->dir, which has a name. */
static void put_path(struct writer *w, unsigned to)
{
	while (!is_below(w->m, to, w->dir)) {
		if (w->len)
			put_slash(w);
		put(w, "..");
		w->dir = w->m->nodes[w->dir].parent;
	}
	put_down(w, to);
}

/* Where the path starts: the current directory, a descriptor's, or the root. False: in one that was removed. */
static bool put_start(struct writer *w)
{
	struct fsmodel *m = w->m;
	const uint64_t way = below(m, 5);
	struct descriptor *d = way == 3 ? fd_pick(m, DIRS) : NULL;

	w->t->at = d ? d->fd : AT_FDCWD;
	if (way < 2 || (way == 3 && !d)) {
		put(w, m->config.prefix);
		put(w, "/");
		w->dir = ROOT;
		return true;
	}
	w->dir = d ? d->file->node : m->cwd;
	return m->nodes[w->dir].links;
}

/* A name of the directory that is there, or any. */
static void put_last(struct writer *w, const char *name)
{
	char any[NAME_LEN_MAX + 2];

	if (w->len)
		put_slash(w);
	if (!name) {
		draw_name(w->m, any);
		w->m->long_name |= strlen(any) > NAME_LEN_MAX;
		name = any;
	}
	put(w, name);
	if (chance(w->m, 16))
		put(w, chance(w->m, 2) ? "/" : "/.");
}

/* What hardly anybody would ask for. */
static void put_odd(struct writer *w)
{
	static const char *const odd[] = {"", ".", "..", "./", "../", "..//.", "/"};
	const uint64_t which = below(w->m, 10);

	if (which < 7) {
		if (*w->m->config.prefix && which == 6)
			put(w, w->m->config.prefix);
		put(w, odd[which]);
	} else if (which == 7) {
		put_path(w, pick_dir(w->m));
		put(w, w->len ? "/.." : "..");
	} else if (which == 8) {
		while (w->len < PATH_BYTES + below(w->m, 3) - 2)
			put(w, w->len % 2 ? "." : "/");
		w->m->long_name = true;
	} else {
		put_path(w, pick_dir(w->m));
		put(w, w->len ? "/." : ".");
	}
}

/* Through a link that leads to a directory, perhaps. */
static void put_through(struct writer *w, unsigned link)
{
	put_path(w, w->m->names[link].dir);
	if (w->len)
		put_slash(w);
	put(w, w->m->names[link].text);
	put_last(w, NULL);
}

bool draw_target(struct fsmodel *m, enum wanted wanted, struct target *t)
{
	struct writer w = {.m = m, .t = t};
	const uint64_t way = below(m, 40);
	unsigned name = NONE;

	t->path[0] = 0;
	if (way == 0 || !put_start(&w)) {
		if (way == 0 && put_start(&w))
			put_odd(&w);
		else
			put_last(&w, NULL);
		return !w.too_long;
	}
	if (way < 4 && (name = pick_name(m, SYMLINKS))) {
		put_through(&w, name);
		return !w.too_long;
	}
	if (wanted != FRESH ? way < 34 : way > 37)
		name = pick_name(m, wanted == FRESH ? ANY : wanted);
	put_path(&w, name ? m->names[name].dir : pick_dir(m));
	put_last(&w, name ? m->names[name].text : NULL);
	return !w.too_long;
}

void draw_link_target(struct fsmodel *m, char *buf, size_t size)
{
	struct target t = {0};
	struct writer w = {.m = m, .t = &t};
	const uint64_t way = below(m, 8);
	size_t len = 0;

	if (way == 0) {
		/* Long, and leading nowhere, or where its slashes and dots lead. */
		const size_t most = min_of(size - 1, (size_t)m->config.block_size + 1);
		const size_t n = chance(m, 3) ? 55 + below(m, 10) : 1 + below(m, most);

		while (len < n)
			buf[len] = len % 2 ? '/' : '.', len++;
		buf[len] = 0;
		return;
	}
	w.dir = pick_dir(m);
	if (way < 4) {
		put(&w, m->config.prefix);
		put(&w, "/");
		w.dir = ROOT;
	}
	put_path(&w, pick_dir(m));
	if (way % 2)
		put_last(&w, NULL);
	if (!w.len)
		put(&w, ".");
	snprintf(buf, size, "%s", w.too_long ? "." : t.path);
}
