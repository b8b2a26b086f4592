// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Names come, go and move. What is checked, and in which order, is Linux's. */
#include <stdio.h>

#include "tests/fsmodel/state.h"

/* A failed call with one name. */
static void excused_name(struct fsmodel *m, const struct place *p, int want)
{
	if (!want)
		adopt_name(m, p, NONE, NONE);
}

/* ---- making ---- */

/* Where something new is to get its name. */
static int model_make(const struct fsmodel *m, const struct target *t, bool directory, struct place *p)
{
	const int err = walk_last(m, t->at, t->path, FOLLOW_NEVER, p);

	if (err)
		return err;
	if (p->last != LAST_NAME)
		return -EEXIST;
	if (!m->nodes[p->dir].links)
		return -ENOENT;
	if (p->node)
		return -EEXIST;
	return p->slash && !directory ? -ENOENT : 0;
}

void op_mkdir(struct fsmodel *m)
{
	const mode_t mode = chance(m, 4) ? (mode_t)below(m, 02000) : 0755;
	struct target t;
	struct place p;
	int want;

	if (!draw_target(m, FRESH, &t) || !has_room(m, 0))
		return;
	want = model_make(m, &t, true, &p);
	if (want == -OUTSIDE || (!want && depth(m, p.dir) >= DEPTH_MAX))
		return;
	note(m, "%d \"%s\" mode %#o", t.at, t.path, mode);
	switch (expect(m, fs_mkdir(t.at, t.path, mode), want)) {
	case AGREED:
		if (!want)
			name_add(m, p.dir, p.name, p.len, node_make(m, S_IFDIR | mode));
		break;
	case EXCUSED:
		excused_name(m, &p, want);
		break;
	case WRONG:
		break;
	}
}

static void made_link(struct fsmodel *m, const struct place *p, const char *target)
{
	const unsigned node = node_make(m, S_IFLNK | 0777);

	m->nodes[node].size = strlen(target);
	content_write(m, node, 0, (const uint8_t *)target, strlen(target));
	name_add(m, p->dir, p->name, p->len, node);
}

void op_symlink(struct fsmodel *m)
{
	static char target[2 * PATH_BYTES];
	struct target t;
	struct place p;
	int want;

	draw_link_target(m, target, sizeof(target));
	if (!draw_target(m, FRESH, &t) || !has_room(m, 2 * PAGE))
		return;
	want = model_make(m, &t, false, &p);
	if (want == -OUTSIDE)
		return;
	if (strlen(target) >= PATH_BYTES)
		want = -ENAMETOOLONG;
	else if (!want && strlen(target) >= m->config.block_size)
		want = -ENAMETOOLONG;
	note(m, "%d \"%s\" to %zu bytes \"%.300s\"", t.at, t.path, strlen(target), target);
	switch (expect(m, fs_symlink(target, t.at, t.path), want)) {
	case AGREED:
		if (!want)
			made_link(m, &p, target);
		break;
	case EXCUSED:
		excused_name(m, &p, want);
		break;
	case WRONG:
		break;
	}
}

void op_link(struct fsmodel *m)
{
	const int flags = chance(m, 3) ? AT_SYMLINK_FOLLOW : 0;
	struct target from, to;
	unsigned node;
	struct place p;
	int want, made;

	if (!draw_target(m, chance(m, 4) ? ANY : FILES, &from) || !draw_target(m, FRESH, &to) || !has_room(m, 0))
		return;
	want = walk(m, from.at, from.path, flags, &node);
	made = model_make(m, &to, false, &p);
	if (want == -OUTSIDE || made == -OUTSIDE)
		return;
	if (!want)
		want = made;
	if (!want && is_dir(m, node))
		want = -EPERM;
	else if (!want && !m->nodes[node].links)
		want = -ENOENT;
	note(m, "%d \"%s\" to %d \"%s\" flags %#x", from.at, from.path, to.at, to.path, (unsigned)flags);
	switch (expect(m, fs_link(from.at, from.path, to.at, to.path, flags), want)) {
	case AGREED:
		if (want)
			break;
		name_add(m, p.dir, p.name, p.len, node);
		touch_change(m, node);
		break;
	case EXCUSED:
		excused_name(m, &p, want);
		break;
	case WRONG:
		break;
	}
}

/* ---- taking away ---- */

static void removed(struct fsmodel *m, const struct place *p)
{
	if (is_dir(m, p->node))
		m->nodes[p->node].links = 0;
	name_remove(m, name_find(m, p->dir, p->name, p->len));
	node_settle(m, p->node);
}

static void remove_path(struct fsmodel *m, const struct target *t, const struct place *p, bool directory, int want)
{
	note(m, "%d \"%s\"", t->at, t->path);
	switch (expect(m, fs_unlink(t->at, t->path, directory ? AT_REMOVEDIR : 0), want)) {
	case AGREED:
		if (!want)
			removed(m, p);
		break;
	case EXCUSED:
		if (!want)
			adopt_name(m, p, p->node, NONE);
		break;
	case WRONG:
		break;
	}
}

void op_unlink(struct fsmodel *m)
{
	struct target t;
	struct place p;
	int want;

	if (!draw_target(m, chance(m, 8) ? ANY : chance(m, 4) ? SYMLINKS : FILES, &t))
		return;
	want = walk_last(m, t.at, t.path, FOLLOW_NEVER, &p);
	if (want == -OUTSIDE)
		return;
	if (!want && p.last != LAST_NAME)
		want = -EISDIR;
	else if (!want && !p.node)
		want = -ENOENT;
	else if (!want && is_dir(m, p.node))
		want = -EISDIR;
	else if (!want && p.slash)
		want = -ENOTDIR;
	remove_path(m, &t, &p, false, want);
}

void op_rmdir(struct fsmodel *m)
{
	static const int dots[] = {[LAST_DOT] = -EINVAL, [LAST_DOTDOT] = -ENOTEMPTY, [LAST_ROOT] = -EBUSY};
	struct target t;
	struct place p;
	int want;

	if (!draw_target(m, chance(m, 12) ? ANY : DIRS, &t))
		return;
	want = walk_last(m, t.at, t.path, FOLLOW_NEVER, &p);
	if (want == -OUTSIDE)
		return;
	if (!want && p.last != LAST_NAME)
		want = dots[p.last];
	else if (!want && !p.node)
		want = -ENOENT;
	else if (!want && !is_dir(m, p.node))
		want = -ENOTDIR;
	else if (!want && m->nodes[p.node].count)
		want = -ENOTEMPTY;
	remove_path(m, &t, &p, true, want);
}

/* ---- renaming ---- */

struct renaming {
	struct target from, to;
	struct place old, new;
	unsigned flags;
};

static int check_rename_slashes(const struct fsmodel *m, const struct renaming *r)
{
	const bool exchange = r->flags & RENAME_EXCHANGE;

	if (exchange && !is_dir(m, r->new.node) && r->new.slash)
		return -ENOTDIR;
	if (!is_dir(m, r->old.node) && (r->old.slash || (!exchange && r->new.slash)))
		return -ENOTDIR;
	return 0;
}

static int check_rename_types(const struct fsmodel *m, const struct renaming *r)
{
	const unsigned node = r->old.node, victim = r->new.node;
	const bool exchange = r->flags & RENAME_EXCHANGE;

	if (is_dir(m, node) && is_below(m, r->new.dir, node))
		return -EINVAL;
	if (victim && is_dir(m, victim) && is_below(m, r->old.dir, victim))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (!victim || exchange || node == victim)
		return 0;
	if (is_dir(m, node) != is_dir(m, victim))
		return is_dir(m, node) ? -ENOTDIR : -EISDIR;
	return is_dir(m, victim) && m->nodes[victim].count ? -ENOTEMPTY : 0;
}

static int model_rename(const struct fsmodel *m, struct renaming *r)
{
	int err;

	if (r->flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	err = walk_last(m, r->from.at, r->from.path, FOLLOW_NEVER, &r->old);
	if (!err)
		err = walk_last(m, r->to.at, r->to.path, FOLLOW_NEVER, &r->new);
	if (err)
		return err;
	if (r->old.last != LAST_NAME)
		return -EBUSY;
	if (r->new.last != LAST_NAME)
		return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (!r->old.node || !m->nodes[r->new.dir].links)
		return -ENOENT;
	if (r->new.node && (r->flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!r->new.node && (r->flags & RENAME_EXCHANGE))
		return -ENOENT;
	err = check_rename_slashes(m, r);
	return err ? err : check_rename_types(m, r);
}

static void renamed(struct fsmodel *m, const struct renaming *r)
{
	const unsigned node = r->old.node, victim = r->new.node;
	const unsigned from = name_find(m, r->old.dir, r->old.name, r->old.len);
	const unsigned to = name_find(m, r->new.dir, r->new.name, r->new.len);

	if (node == victim)
		return;
	if (r->flags & RENAME_EXCHANGE) {
		name_lead(m, from, victim);
		name_lead(m, to, node);
	} else {
		if (to)
			name_lead(m, to, node);
		else
			name_add(m, r->new.dir, r->new.name, r->new.len, node);
		name_remove(m, from);
		if (victim && is_dir(m, victim))
			m->nodes[victim].links = 0;
	}
	touch_change(m, node);
	if (!victim)
		return;
	touch_change(m, victim);
	node_settle(m, victim);
}

static void do_rename(struct fsmodel *m, struct renaming *r)
{
	const int want = model_rename(m, r);

	if (want == -OUTSIDE || !has_room(m, 0))
		return;
	if (!want && depth(m, r->new.dir) >= DEPTH_MAX)
		return;
	note(m, "%d \"%s\" to %d \"%s\" flags %#x", r->from.at, r->from.path, r->to.at, r->to.path, r->flags);
	switch (expect(m, fs_rename(r->from.at, r->from.path, r->to.at, r->to.path, r->flags), want)) {
	case AGREED:
		if (!want)
			renamed(m, r);
		break;
	case EXCUSED:
		if (want)
			break;
		adopt_name(m, &r->new, r->old.node, NONE);
		if (!m->failed)
			adopt_name(m, &r->old, r->new.node, NONE);
		break;
	case WRONG:
		break;
	}
}

void op_rename(struct fsmodel *m)
{
	const enum wanted what = chance(m, 3) ? DIRS : ANY;
	struct renaming r = {.flags = chance(m, 5) ? RENAME_NOREPLACE : 0};

	if (chance(m, 200))
		r.flags = RENAME_NOREPLACE | RENAME_EXCHANGE;
	if (draw_target(m, what, &r.from) && draw_target(m, chance(m, 3) ? what : FRESH, &r.to))
		do_rename(m, &r);
}

void op_exchange(struct fsmodel *m)
{
	struct renaming r = {.flags = RENAME_EXCHANGE};

	if (draw_target(m, ANY, &r.from) && draw_target(m, chance(m, 3) ? DIRS : ANY, &r.to))
		do_rename(m, &r);
}
