// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What a cut may leave of a sequence. The names are those of a state that the volume may be in: with a journal one
 * state, for a batch holds all changes of names, sizes and blocks in their order; on plain ext2 each name for itself.
 * Contents are in no order with these: what was written and not yet synced is there or not, byte for byte; what
 * was cut off or punched never comes back.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/host/sequence.h"
#include "tests/host/stack.h"

#define LISTED_MAX 12u

struct check {
	const struct sequence *s;
	const struct sequence_promise *promise;
	unsigned done;
	bool whole;
	unsigned lo, hi; // states that it may be in
	bool seen[SEQUENCE_OBJECTS];
	char said[256]; // what was wrong
};

static bool __attribute__((format(printf, 2, 3))) wrong(struct check *c, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(c->said, sizeof(c->said), format, ap);
	va_end(ap);
	return false;
}

static const struct sequence_contents *contents(const struct check *c, unsigned state, unsigned object)
{
	return &c->s->state[state].objects[object];
}

/* The operation changes this file's contents or size. */
static bool changes(const struct check *c, unsigned t, unsigned object)
{
	return sequence_is_data(c->s->op[t - 1]) && c->s->subject[t - 1] == (int)object;
}

/* Sizes as they may be: a truncation or preallocation comes with the state, a write when it is synced. */
static bool check_size(struct check *c, const char *path, unsigned object, uint64_t size)
{
	uint32_t least = contents(c, 0, object)->size, most = least;

	for (unsigned t = 1; t <= c->done; t++) {
		const uint32_t after = contents(c, t, object)->size;
		const bool written = changes(c, t, object) && c->s->op[t - 1]->kind == SEQUENCE_WRITE;

		if (after == contents(c, t - 1, object)->size)
			continue;
		if (written ? c->promise->data[object] >= t : t <= c->lo)
			least = most = after;
		else if (written || t <= c->hi) {
			least = min_of(least, after);
			most = max_of(most, after);
		}
	}
	return (size >= least && size <= most) ||
	       wrong(c, "%s has %llu bytes, not %u..%u", path, (unsigned long long)size, least, most);
}

static bool check_byte(const struct check *c, unsigned object, uint32_t i, uint8_t value)
{
	uint8_t allowed[3] = {contents(c, 0, object)->data[i]};
	unsigned count = 1;

	for (unsigned t = 1; t <= c->done; t++) {
		const struct sequence_op *op = c->s->op[t - 1];
		const bool cut = op->kind == SEQUENCE_TRUNCATE;

		if (!changes(c, t, object) || op->kind == SEQUENCE_FALLOC ||
		    (cut ? i < op->len : i - op->from >= op->len))
			continue;
		if (cut ? t <= c->lo : c->promise->data[object] >= t)
			count = 0;
		else if (cut && t > c->hi)
			continue;
		allowed[count++] = contents(c, t, object)->data[i];
	}
	return memchr(allowed, value, count) != NULL;
}

static bool check_file(struct check *c, const char *path, unsigned object, const struct stat *st)
{
	static uint8_t data[SEQUENCE_DATA + 1];
	long n;
	int fd;

	if (!S_ISREG(st->st_mode))
		return wrong(c, "%s is no file", path);
	if (!check_size(c, path, object, (uint64_t)st->st_size))
		return false;
	fd = stack_open(path, O_RDONLY);
	n = fs_read(fd, data, sizeof(data));
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(n, st->st_size);
	for (uint32_t i = 0; i < n; i++)
		if (!check_byte(c, object, i, data[i]))
			return wrong(c, "%s has %#x at %u", path, data[i], i);
	return true;
}

static bool check_link(struct check *c, const char *path, enum sequence_type type, const struct stat *st)
{
	char target[SEQUENCE_TARGET + 1];
	long n;

	if (!S_ISLNK(st->st_mode))
		return wrong(c, "%s is no link", path);
	n = fs_readlink(AT_FDCWD, path, target, sizeof(target));
	assert_true(n >= 0);
	for (long i = 0; i < n; i++)
		if (target[i] != 't')
			n = 0;
	return n == sequence_target_len(type) || wrong(c, "the link %s leads elsewhere", path);
}

static bool check_dir(struct check *c, const char *path, unsigned object);

static bool check_object(struct check *c, const char *path, unsigned object)
{
	enum sequence_type type = SEQUENCE_NONE;
	struct stat st;

	for (unsigned t = c->lo; t <= c->hi && type == SEQUENCE_NONE; t++)
		type = contents(c, t, object)->type;
	assert_int_equal(fs_stat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	if (type == SEQUENCE_FILE ? !check_file(c, path, object, &st)
	    : type == SEQUENCE_DIR
		? (!S_ISDIR(st.st_mode) && !wrong(c, "%s is no directory", path)) || !check_dir(c, path, object)
		: !check_link(c, path, type, &st))
		return false;
	c->seen[object] = true;
	return true;
}

/* It is what some state has under this name. Of several that look the same, each may be it. */
static bool check_name(struct check *c, const char *path, unsigned dir, char name)
{
	bool good = false;
	int before = -1;

	(void)wrong(c, "%s should not be there", path);
	for (unsigned t = c->whole ? c->lo : c->promise->old; t <= c->hi; t++) {
		const int object = sequence_look_up(&c->s->state[t], dir, name);

		if (object >= 0 && object != before)
			good |= check_object(c, path, (unsigned)object);
		before = object;
	}
	return good;
}

/* An exchange may be under way. */
static bool exchanges(const struct check *c, unsigned *t)
{
	for (*t = (c->whole ? c->lo : c->promise->old) + 1; *t <= c->hi; ++*t)
		if (c->s->op[*t - 1]->kind == SEQUENCE_EXCHANGE)
			return true;
	return false;
}

/* The third name of a file that changes places (fs/ext2/rename.c). */
static bool check_third(struct check *c, const char *path)
{
	unsigned t;

	(void)wrong(c, "%s should not be there", path);
	return exchanges(c, &t) && check_object(c, path, (unsigned)c->s->subject[t - 1]);
}

/* This name was being changed to lead to a directory, or away from one. */
static bool moves_directory(const struct check *c, unsigned dir, char name)
{
	for (unsigned t = c->promise->old + 1; t <= c->hi && !c->whole; t++) {
		const enum sequence_kind kind = c->s->op[t - 1]->kind;

		if ((kind == SEQUENCE_EXCHANGE || kind == SEQUENCE_RENAME) &&
		    contents(c, t, (unsigned)c->s->subject[t - 1])->type == SEQUENCE_DIR &&
		    sequence_look_up(&c->s->state[t - 1], dir, name) != sequence_look_up(&c->s->state[t], dir, name))
			return true;
	}
	return false;
}

/*
 * Nothing has the name: some state has it so. Or, on plain ext2, a directory had two names after the cut, of which the
 * mount took this one; what it led to before was replaced.
 */
static bool check_missing(struct check *c, const char *path, unsigned dir, char name)
{
	for (unsigned t = c->lo; t <= c->hi; t++)
		if (sequence_look_up(&c->s->state[t], dir, name) < 0)
			return true;
	return moves_directory(c, dir, name) || wrong(c, "%s/%c is missing", path, name);
}

#define PATH_LEN 128u

static void join(char *at, const char *path, const char *name)
{
	assert_in_range(snprintf(at, PATH_LEN, "%s/%s", path, name), 1, PATH_LEN - 1);
}

static unsigned list(const char *path, char names[][64])
{
	const int fd = stack_open(path, O_RDONLY | O_DIRECTORY);
	struct fs_dirent entry;
	unsigned count = 0;
	int r;

	while ((r = fs_readdir(fd, &entry)) > 0) {
		if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
			continue;
		assert_true(count < LISTED_MAX);
		(void)snprintf(names[count++], 64, "%.63s", entry.name);
	}
	assert_int_equal(r, 0);
	assert_int_equal(fs_close(fd), 0);
	return count;
}

static bool check_dir(struct check *c, const char *path, unsigned object)
{
	char names[LISTED_MAX][64], at[PATH_LEN];
	bool there['f' + 1] = {false};
	const unsigned count = list(path, names);

	for (unsigned i = 0; i < count; i++) {
		const char name = names[i][0];

		join(at, path, names[i]);
		if (names[i][1] ? !check_third(c, at) : !check_name(c, at, object, name))
			return false;
		if (!names[i][1])
			there[(unsigned char)name] = true;
	}
	for (char name = 'a'; name <= 'f'; name++)
		if (!there[(unsigned char)name] && !check_missing(c, path, object, name))
			return false;
	return true;
}

static bool has_name(const struct sequence_state *state, unsigned object)
{
	for (unsigned i = 0; i < state->count; i++)
		if (state->names[i].object == object)
			return true;
	return false;
}

/* What each of the states has is somewhere. */
static bool check_seen(struct check *c)
{
	for (unsigned object = SEQUENCE_A; object < SEQUENCE_OBJECTS; object++) {
		bool has = true;

		for (unsigned t = c->lo; t <= c->hi; t++)
			has &= has_name(&c->s->state[t], object);
		if (has && !c->seen[object])
			return wrong(c, "object %u is lost", object);
	}
	return true;
}

static bool check_states(struct check *c, const char *top, unsigned lo, unsigned hi)
{
	c->lo = lo;
	c->hi = hi;
	c->said[0] = 0;
	memset(c->seen, 0, sizeof(c->seen));
	return check_dir(c, top, SEQUENCE_TOP) && check_seen(c);
}

/* Each file has as many links as names. */
struct links {
	unsigned count;
	struct {
		uint64_t ino, links;
		unsigned names;
	} files[2 * LISTED_MAX];
};

static void count_links(struct links *l, const char *path)
{
	char names[LISTED_MAX][64], at[PATH_LEN];
	const unsigned count = list(path, names);

	for (unsigned i = 0; i < count; i++) {
		struct stat st;
		unsigned f = 0;

		join(at, path, names[i]);
		assert_int_equal(fs_stat(AT_FDCWD, at, &st, AT_SYMLINK_NOFOLLOW), 0);
		if (S_ISDIR(st.st_mode)) {
			count_links(l, at);
			continue;
		}
		while (f < l->count && l->files[f].ino != st.st_ino)
			f++;
		assert_true(f < array_size(l->files));
		l->count = max_of(l->count, f + 1);
		l->files[f].ino = st.st_ino;
		l->files[f].links = st.st_nlink;
		l->files[f].names++;
	}
}

void sequence_check(const struct sequence *s, const char *top, const struct sequence_promise *promise, unsigned done,
		    bool whole)
{
	struct check c = {.s = s, .promise = promise, .done = done, .whole = whole};
	struct links l = {0};
	bool good = !whole && check_states(&c, top, promise->names, done);
	char all[600] = "";

	for (unsigned t = promise->names; t <= done && whole && !good; t++) {
		const size_t at = strlen(all);

		good = check_states(&c, top, t, t);
		(void)snprintf(all + at, sizeof(all) - at, "\n  after %u: %s", t, c.said);
	}
	if (!good)
		fail_msg("%s: %s: of %u operations %u are promised: %s", top, sequence_text(s), done, promise->names,
			 whole ? all : c.said);
	count_links(&l, top);
	for (unsigned i = 0; i < l.count; i++)
		if (l.files[i].links != l.files[i].names)
			fail_msg("%s: %s: %u names, %llu links", top, sequence_text(s), l.files[i].names,
				 (unsigned long long)l.files[i].links);
}
