// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Sequences of two operations: which there are, what they make of the files, and what is promised after them. */
#include "tests/host/sequence.h"

#include <stdio.h>
#include <string.h>

#define SHORT_TARGET 20u
#define LONG_TARGET SEQUENCE_TARGET // it has a block of its own

static const struct sequence_op ops[] = {
    {SEQUENCE_CREATE, "c", NULL, 0, 0},
    {SEQUENCE_CREATE, "d/c", NULL, 0, 0},
    {SEQUENCE_MKDIR, "c", NULL, 0, 0},
    {SEQUENCE_MKDIR, "d/c", NULL, 0, 0},
    {SEQUENCE_SYMLINK, "c", NULL, 0, SHORT_TARGET},
    {SEQUENCE_SYMLINK, "d/c", NULL, 0, LONG_TARGET},
    {SEQUENCE_WRITE, "a", NULL, 0, 1500},
    {SEQUENCE_WRITE, "a", NULL, 2500, 5000},
    {SEQUENCE_WRITE, "a", NULL, 20000, 2000},
    {SEQUENCE_WRITE, "c", NULL, 0, 3000},
    {SEQUENCE_STORE, "a", NULL, 100, 2000},
    {SEQUENCE_STORE, "a", NULL, 5000, 3000},
    {SEQUENCE_STORE, "c", NULL, 0, 600},
    {SEQUENCE_FALLOC, "a", NULL, 0, 9000},
    {SEQUENCE_FALLOC, "c", NULL, 0, 9000},
    {SEQUENCE_TRUNCATE, "a", NULL, 0, 0},
    {SEQUENCE_TRUNCATE, "a", NULL, 0, 700},
    {SEQUENCE_TRUNCATE, "a", NULL, 0, 9000},
    {SEQUENCE_PUNCH, "a", NULL, 500, 2000},
    {SEQUENCE_ZERO, "a", NULL, 0, 1024},
    {SEQUENCE_LINK, "a", "c", 0, 0},
    {SEQUENCE_LINK, "a", "d/c", 0, 0},
    {SEQUENCE_UNLINK, "a", NULL, 0, 0},
    {SEQUENCE_UNLINK, "c", NULL, 0, 0},
    {SEQUENCE_UNLINK, "e/f", NULL, 0, 0},
    {SEQUENCE_RMDIR, "c", NULL, 0, 0},
    {SEQUENCE_RMDIR, "d", NULL, 0, 0},
    {SEQUENCE_RMDIR, "e", NULL, 0, 0},
    {SEQUENCE_RENAME, "a", "b", 0, 0},
    {SEQUENCE_RENAME, "a", "c", 0, 0},
    {SEQUENCE_RENAME, "a", "d/c", 0, 0},
    {SEQUENCE_RENAME, "b", "a", 0, 0},
    {SEQUENCE_RENAME, "c", "a", 0, 0},
    {SEQUENCE_RENAME, "c", "d", 0, 0},
    {SEQUENCE_RENAME, "d", "c", 0, 0},
    {SEQUENCE_RENAME, "d", "e/c", 0, 0},
    {SEQUENCE_EXCHANGE, "a", "b", 0, 0},
    {SEQUENCE_EXCHANGE, "a", "e/f", 0, 0},
    {SEQUENCE_EXCHANGE, "d", "e", 0, 0},
};

static const char *const kinds[] = {"create", "mkdir", "symlink", "write",  "store", "falloc", "truncate",
				    "punch",  "zero",  "link",	  "unlink", "rmdir", "rename", "exchange"};
static const char *const persists[SEQUENCE_PERSISTS] = {"-",	 "fsync", "fdatasync",
							"msync", "sync",  "fsync of the directory"};

/* ---- what files hold ---- */

uint8_t sequence_byte(unsigned tag, size_t at)
{
	return (uint8_t)(1 + (tag * 41 + at + (at >> 9) * 7) % 255);
}

static void fill(uint8_t *data, unsigned tag, size_t from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = sequence_byte(tag, from + i);
}

const struct sequence_beginning sequence_beginning[] = {
    {SEQUENCE_A, SEQUENCE_TOP, "a", SEQUENCE_FILE, 3000, 0}, {SEQUENCE_B, SEQUENCE_TOP, "b", SEQUENCE_FILE, 700, 1},
    {SEQUENCE_D, SEQUENCE_TOP, "d", SEQUENCE_DIR, 0, 0},     {SEQUENCE_E, SEQUENCE_TOP, "e", SEQUENCE_DIR, 0, 0},
    {SEQUENCE_F, SEQUENCE_E, "e/f", SEQUENCE_FILE, 500, 2},
};

static void begin(struct sequence_state *state)
{
	memset(state, 0, sizeof(*state));
	state->objects[SEQUENCE_TOP].type = SEQUENCE_DIR;
	for (unsigned i = 0; i < SEQUENCE_BEGINNING; i++) {
		const struct sequence_beginning *b = &sequence_beginning[i];
		struct sequence_contents *o = &state->objects[b->object];

		state->names[state->count++] = (struct sequence_name){b->dir, b->path[strlen(b->path) - 1], b->object};
		o->type = b->type;
		o->size = b->size;
		fill(o->data, b->tag, 0, o->size);
	}
}

unsigned sequence_target_len(enum sequence_type type)
{
	return type == SEQUENCE_LONG_LINK ? LONG_TARGET : SHORT_TARGET;
}

/* ---- what operations do ---- */

/* Its place among the names, or how many there are. */
static unsigned find(const struct sequence_state *state, unsigned dir, char name)
{
	unsigned i = 0;

	while (i < state->count && (state->names[i].dir != dir || state->names[i].name != name))
		i++;
	return i;
}

int sequence_look_up(const struct sequence_state *state, unsigned dir, char name)
{
	const unsigned i = find(state, dir, name);

	return i < state->count ? (int)state->names[i].object : -1;
}

/* Where a path leads; dir < 0: there is no such directory. */
struct place {
	int dir, object;
	char name;
	enum sequence_type type;
};

static struct place locate(const struct sequence_state *state, const char *path)
{
	struct place p = {.dir = SEQUENCE_TOP, .object = -1};

	for (; path && p.dir >= 0; path = path[1] ? path + 2 : NULL) {
		if (p.name) {
			p.dir = p.object;
			if (p.dir < 0 || state->objects[p.dir].type != SEQUENCE_DIR)
				return (struct place){.dir = -1, .object = -1};
		}
		p.name = path[0];
		p.object = sequence_look_up(state, (unsigned)p.dir, p.name);
	}
	p.type = p.object < 0 ? SEQUENCE_NONE : state->objects[p.object].type;
	return p;
}

static bool is_empty(const struct sequence_state *state, int dir)
{
	for (unsigned i = 0; i < state->count; i++)
		if ((int)state->names[i].dir == dir)
			return false;
	return true;
}

/* `object` is the directory `dir`, or above it. */
static bool is_above(const struct sequence_state *state, int object, int dir)
{
	for (unsigned i = 0; dir != object && dir != SEQUENCE_TOP; i++)
		if ((int)state->names[i % state->count].object == dir)
			dir = (int)state->names[i % state->count].dir;
	return dir == object;
}

static void name_add(struct sequence_state *state, struct place at, int object)
{
	state->names[state->count++] = (struct sequence_name){(unsigned)at.dir, at.name, (unsigned)object};
}

static void name_remove(struct sequence_state *state, struct place at)
{
	const unsigned i = find(state, (unsigned)at.dir, at.name);

	state->names[i] = state->names[--state->count];
}

static bool make(struct sequence_state *state, const struct sequence_op *op, struct place p, unsigned object)
{
	struct sequence_contents *o = &state->objects[object];

	if (p.object >= 0)
		return false;
	o->type = op->kind == SEQUENCE_CREATE  ? SEQUENCE_FILE
		  : op->kind == SEQUENCE_MKDIR ? SEQUENCE_DIR
		  : op->len == LONG_TARGET     ? SEQUENCE_LONG_LINK
					       : SEQUENCE_SHORT_LINK;
	name_add(state, p, (int)object);
	return true;
}

static bool change(struct sequence_contents *o, const struct sequence_op *op, unsigned tag)
{
	const uint32_t end = op->from + op->len;
	const bool inside = end <= o->size;

	switch (op->kind) {
	case SEQUENCE_WRITE:
	case SEQUENCE_STORE:
		if (op->kind == SEQUENCE_STORE && !inside)
			return false;
		fill(o->data + op->from, tag, op->from, op->len);
		o->size = max_of(o->size, end);
		return true;
	case SEQUENCE_FALLOC:
		o->size = max_of(o->size, end);
		return true;
	case SEQUENCE_TRUNCATE:
		if (o->size == op->len)
			return false;
		memset(o->data + op->len, 0, SEQUENCE_DATA - op->len);
		o->size = op->len;
		return true;
	default:
		memset(o->data + op->from, 0, op->len);
		return inside;
	}
}

static bool rename_to(struct sequence_state *state, struct place p, struct place q)
{
	if (p.object < 0 || q.dir < 0 || p.object == q.object || is_above(state, p.object, q.dir))
		return false;
	if (q.object >= 0) {
		if ((p.type == SEQUENCE_DIR) != (q.type == SEQUENCE_DIR) || !is_empty(state, q.object))
			return false;
		name_remove(state, q);
	}
	name_remove(state, p);
	name_add(state, q, p.object);
	return true;
}

static bool exchange(struct sequence_state *state, struct place p, struct place q)
{
	if (p.object < 0 || q.object < 0 || p.object == q.object || is_above(state, p.object, q.dir) ||
	    is_above(state, q.object, p.dir))
		return false;
	state->names[find(state, (unsigned)p.dir, p.name)].object = (unsigned)q.object;
	state->names[find(state, (unsigned)q.dir, q.name)].object = (unsigned)p.object;
	return true;
}

/* Takes the state on; false: the call would fail, or change nothing. */
static bool apply(struct sequence_state *state, const struct sequence_op *op, unsigned i)
{
	const struct place p = locate(state, op->path), q = op->other ? locate(state, op->other) : p;

	if (p.dir < 0)
		return false;
	switch (op->kind) {
	case SEQUENCE_CREATE:
	case SEQUENCE_MKDIR:
	case SEQUENCE_SYMLINK:
		return make(state, op, p, SEQUENCE_NEW + i);
	case SEQUENCE_LINK:
		if (p.type != SEQUENCE_FILE || q.dir < 0 || q.object >= 0)
			return false;
		name_add(state, q, p.object);
		return true;
	case SEQUENCE_UNLINK:
	case SEQUENCE_RMDIR:
		if (p.object < 0 || (p.type == SEQUENCE_DIR) != (op->kind == SEQUENCE_RMDIR) ||
		    !is_empty(state, p.object))
			return false;
		name_remove(state, p);
		return true;
	case SEQUENCE_RENAME:
		return rename_to(state, p, q);
	case SEQUENCE_EXCHANGE:
		return exchange(state, p, q);
	default:
		return p.type == SEQUENCE_FILE && change(&state->objects[p.object], op, SEQUENCE_TAG + i);
	}
}

bool sequence_is_data(const struct sequence_op *op)
{
	return op->kind >= SEQUENCE_WRITE && op->kind <= SEQUENCE_ZERO;
}

static bool has_name(const struct sequence_state *state, int object)
{
	for (unsigned i = 0; i < state->count; i++)
		if ((int)state->names[i].object == object)
			return true;
	return false;
}

/* What it was about, before and after. */
static void note(struct sequence *s, unsigned i)
{
	const struct sequence_op *op = s->op[i];
	const struct sequence_state *before = &s->state[i], *after = &s->state[i + 1];
	const struct place p = locate(before, op->path), q = op->other ? locate(before, op->other) : p;
	const int object = p.object < 0 ? (int)(SEQUENCE_NEW + i) : p.object;

	s->subject[i] = has_name(after, object) ? object : -1;
	s->dir[i] = sequence_is_data(op) ? -1 : op->kind == SEQUENCE_EXCHANGE ? p.dir : q.dir;
	s->other_dir[i] = sequence_is_data(op) ? -1 : op->kind == SEQUENCE_EXCHANGE ? q.dir : p.dir;
	memset(s->touched[i], 0, sizeof(s->touched[i]));
	if (sequence_is_data(op)) {
		s->touched[i][object] =
		    after->objects[object].size != before->objects[object].size || op->kind == SEQUENCE_PUNCH;
		return;
	}
	s->touched[i][object] = s->touched[i][p.dir] = s->touched[i][q.dir] = true;
	if (q.object >= 0)
		s->touched[i][q.object] = true;
}

static bool can_persist(const struct sequence *s, unsigned i)
{
	const int subject = s->subject[i];
	const struct sequence_contents *o = subject < 0 ? NULL : &s->state[i + 1].objects[subject];

	switch (s->persist[i]) {
	case SEQUENCE_FSYNC:
		return o && (o->type == SEQUENCE_FILE || o->type == SEQUENCE_DIR);
	case SEQUENCE_FDATASYNC:
		return o && o->type == SEQUENCE_FILE;
	case SEQUENCE_MSYNC:
		return o && o->type == SEQUENCE_FILE && o->size;
	case SEQUENCE_FSYNC_DIR:
		return s->dir[i] >= 0;
	default:
		return true;
	}
}

/* ---- by number ---- */

unsigned sequence_count(void)
{
	return array_size(ops) * array_size(ops) * SEQUENCE_PERSISTS * (SEQUENCE_PERSISTS - 1);
}

bool sequence_make(struct sequence *s, unsigned number)
{
	const unsigned persist = number / (array_size(ops) * array_size(ops));

	s->op[0] = &ops[number % array_size(ops)];
	s->op[1] = &ops[number / array_size(ops) % array_size(ops)];
	s->persist[0] = (enum sequence_persist)(persist % SEQUENCE_PERSISTS);
	s->persist[1] =
	    (enum sequence_persist)(1 + persist / SEQUENCE_PERSISTS); // the second is always followed by one
	begin(&s->state[0]);
	for (unsigned i = 0; i < 2; i++) {
		s->state[i + 1] = s->state[i];
		if (!apply(&s->state[i + 1], s->op[i], i))
			return false;
		note(s, i);
		if (!can_persist(s, i))
			return false;
	}
	return true;
}

const char *sequence_text(const struct sequence *s)
{
	static char text[256];
	size_t at = 0;

	for (unsigned i = 0; i < 2; i++) {
		const struct sequence_op *op = s->op[i];

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %s %s %u+%u, %s%s", kinds[op->kind], op->path,
				       op->other ? op->other : "", op->from, op->len, persists[s->persist[i]],
				       i ? "" : "; ");
	}
	return text;
}

/* Names up to operation t: with `old`, those that it took away as well. */
static void promise_names(struct sequence_promise *promise, unsigned t, bool old)
{
	if (t > promise->names)
		promise->old = t - 1;
	promise->names = max_of(promise->names, t);
	if (old)
		promise->old = max_of(promise->old, t);
}

/* On plain ext2 a rename takes the old name away in a batch of its own, after the file is in one with the new name. */
static bool half_synced(const struct sequence *s, unsigned p, unsigned t)
{
	const enum sequence_kind kind = s->op[t - 1]->kind;

	return (kind == SEQUENCE_RENAME || kind == SEQUENCE_EXCHANGE) &&
	       (s->persist[p - 1] != SEQUENCE_FSYNC_DIR || s->other_dir[t - 1] != s->dir[t - 1]);
}

struct sequence_promise sequence_promised(const struct sequence *s, unsigned operations)
{
	struct sequence_promise promise = {0};

	for (unsigned p = 1; p <= operations; p++) {
		const enum sequence_persist call = s->persist[p - 1];
		const int object = call == SEQUENCE_FSYNC_DIR ? s->dir[p - 1] : s->subject[p - 1];

		for (unsigned o = 0; o < SEQUENCE_OBJECTS && call == SEQUENCE_SYNC; o++)
			promise.data[o] = p;
		if (call == SEQUENCE_SYNC)
			promise_names(&promise, p, true);
		if (call == SEQUENCE_SYNC || call == SEQUENCE_NOTHING)
			continue;
		if (call != SEQUENCE_FSYNC_DIR)
			promise.data[object] = p;
		for (unsigned t = 1; t <= p; t++)
			if (s->touched[t - 1][object])
				promise_names(&promise, t, !half_synced(s, p, t));
	}
	return promise;
}
