// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The tree in memory: nodes, the names that lead to them, and what changes of it do to counts and time stamps. All of
 * it lies in one piece of memory and points by index, so that another process may read it.
 */
#include "tests/fsmodel/state.h"

bool is_dir(const struct fsmodel *m, unsigned node)
{
	return S_ISDIR(m->nodes[node].mode);
}

bool is_file(const struct fsmodel *m, unsigned node)
{
	return S_ISREG(m->nodes[node].mode);
}

bool is_link(const struct fsmodel *m, unsigned node)
{
	return S_ISLNK(m->nodes[node].mode);
}

/* ---- time ---- */

void touch(struct fsmodel *m, struct stamp *stamp)
{
	*stamp = (struct stamp){.from = m->before};
	fsmodel_now(&stamp->to, false);
}

void touch_change(struct fsmodel *m, unsigned node)
{
	touch(m, &m->nodes[node].ctime);
}

void touch_modify(struct fsmodel *m, unsigned node)
{
	touch_change(m, node);
	m->nodes[node].mtime = m->nodes[node].ctime;
}

void touch_perhaps(struct fsmodel *m, struct stamp *stamp)
{
	const bool known = stamp->from.tv_sec == stamp->to.tv_sec && stamp->from.tv_nsec == stamp->to.tv_nsec;

	if (!stamp->or_old && known) {
		stamp->old = stamp->from;
		stamp->from = m->before;
		stamp->or_old = true;
	}
	fsmodel_now(&stamp->to, false);
}

/* ---- nodes ---- */

unsigned node_make(struct fsmodel *m, mode_t mode)
{
	unsigned i = ROOT;
	struct node *n;

	while (i < NODES && m->nodes[i].mode)
		i++;
	if (i == NODES) {
		fail(m, "the model has too few nodes");
		return ROOT;
	}
	n = &m->nodes[i];
	*n = (struct node){.mode = mode, .id = word_mix(m->number * 64 + ++m->made)};
	touch_modify(m, i);
	n->atime = n->mtime;
	m->nodes_free--;
	m->nodes_end = i >= m->nodes_end ? i + 1 : m->nodes_end;
	return i;
}

void node_settle(struct fsmodel *m, unsigned node)
{
	struct node *n = &m->nodes[node];

	if (n->links || n->users)
		return;
	content_drop(m, node, 0, UINT64_MAX);
	n->mode = 0;
	m->nodes_free++;
}

/* ---- names ---- */

static uint32_t hash_of(const char *text, unsigned len)
{
	uint32_t hash = 2166136261u;

	for (unsigned i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * 16777619u;
	return hash;
}

unsigned name_find(const struct fsmodel *m, unsigned dir, const char *text, unsigned len)
{
	const uint32_t hash = hash_of(text, len);

	for (unsigned i = m->nodes[dir].names; i; i = m->names[i].next) {
		const struct name *e = &m->names[i];

		if (e->hash == hash && e->len == len && !memcmp(e->text, text, len))
			return i;
	}
	return NONE;
}

/* It counts for the node, and a directory's ".." for the parent. */
static void attach(struct fsmodel *m, unsigned dir, unsigned node)
{
	struct node *n = &m->nodes[node];

	if (is_dir(m, node)) {
		n->links = 2 + (n->links > 2 ? n->links - 2 : 0);
		n->parent = dir;
		m->nodes[dir].links++;
	} else {
		n->links++;
	}
}

static void detach(struct fsmodel *m, unsigned dir, unsigned node)
{
	if (is_dir(m, node))
		m->nodes[dir].links--;
	else
		m->nodes[node].links--;
}

void name_add(struct fsmodel *m, unsigned dir, const char *text, unsigned len, unsigned node)
{
	const unsigned i = m->free_name ? m->free_name : m->names_end;
	struct name *e = &m->names[i];

	if (i == NAMES) {
		fail(m, "the model has too few names");
		return;
	}
	if (m->free_name)
		m->free_name = e->next;
	else
		m->names_end++;
	*e = (struct name){.dir = dir,
			   .next = m->nodes[dir].names,
			   .node = node,
			   .len = len,
			   .hash = hash_of(text, len),
			   .born = ++m->now};
	memcpy(e->text, text, len);
	m->nodes[dir].names = i;
	m->nodes[dir].count++;
	m->names_free--;
	attach(m, dir, node);
	touch_modify(m, dir);
	for (unsigned f = 0; f < FDS; f++) /* the number has another meaning now */
		m->files[f].seen[i / 8] &= (uint8_t) ~(1u << i % 8);
}

void name_remove(struct fsmodel *m, unsigned name)
{
	struct name *e = &m->names[name];
	const unsigned dir = e->dir, node = e->node;
	unsigned *at = &m->nodes[dir].names;

	while (*at != name)
		at = &m->names[*at].next;
	*at = e->next;
	e->dir = NONE;
	e->next = m->free_name;
	m->free_name = name;
	m->names_free++;
	m->nodes[dir].count--;
	m->nodes[dir].removed = ++m->now;
	detach(m, dir, node);
	touch_modify(m, dir);
	touch_change(m, node);
}

void name_lead(struct fsmodel *m, unsigned name, unsigned node)
{
	struct name *e = &m->names[name];

	detach(m, e->dir, e->node);
	e->node = node;
	attach(m, e->dir, node);
	touch_modify(m, e->dir);
}

bool is_below(const struct fsmodel *m, unsigned node, unsigned above)
{
	while (node != above && node != ROOT)
		node = m->nodes[node].parent;
	return node == above;
}

unsigned depth(const struct fsmodel *m, unsigned dir)
{
	unsigned n = 0;

	for (; dir != ROOT; dir = m->nodes[dir].parent)
		n++;
	return n;
}

bool has_room(const struct fsmodel *m, size_t bytes)
{
	return m->nodes_free > 8 && m->names_free > 8 && m->pages_free > bytes / PAGE + 8;
}
