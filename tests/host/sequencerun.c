// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Sequences of two operations, as they are carried out inside a run. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/host/sequence.h"
#include "tests/host/stack.h"

static const char *path_in(const char *top, const char *path)
{
	static char paths[2][64];
	static unsigned turn;
	char *buf = paths[turn++ % 2];

	(void)snprintf(buf, sizeof(paths[0]), "%s/%s", top, path);
	return buf;
}

/* Of an object's first name. */
static const char *path_of(const struct sequence_state *state, const char *top, unsigned object)
{
	static char path[16];
	size_t at = sizeof(path) - 1;

	for (unsigned i = 0; object != SEQUENCE_TOP; i++) {
		const struct sequence_name *n = &state->names[i % state->count];

		if (n->object != object)
			continue;
		path[--at] = n->name;
		path[--at] = '/';
		object = n->dir;
	}
	return path_in(top, path + at + (path[at] == '/'));
}

static void write_file(const char *path, unsigned tag, size_t from, size_t len)
{
	static uint8_t data[SEQUENCE_DATA];
	const int fd = stack_open(path, O_RDWR | O_CREAT);

	for (size_t i = 0; i < len; i++)
		data[i] = sequence_byte(tag, from + i);
	assert_int_equal(fs_pwrite(fd, data, len, (int64_t)from), len);
	assert_int_equal(fs_close(fd), 0);
}

void sequence_prepare(const char *top)
{
	assert_int_equal(fs_mkdir(AT_FDCWD, top, 0755), 0);
	for (unsigned i = 0; i < SEQUENCE_BEGINNING; i++) {
		const struct sequence_beginning *b = &sequence_beginning[i];

		if (b->type == SEQUENCE_DIR)
			assert_int_equal(fs_mkdir(AT_FDCWD, path_in(top, b->path), 0755), 0);
		else
			write_file(path_in(top, b->path), b->tag, 0, b->size);
	}
}

static void store(const char *path, unsigned tag, const struct sequence_op *op)
{
	const int fd = stack_open(path, O_RDWR);
	const size_t len = op->from + op->len;
	uint8_t *p = stack_map(fd, len, MAP_R | MAP_W, MAP_KIND_SHARED);

	for (size_t i = op->from; i < len; i++)
		assert_int_equal(harness_store(p + i, sequence_byte(tag, i), NULL), FAULT_OK);
	stack_unmap(p, len);
	assert_int_equal(fs_close(fd), 0);
}

static void change_file(const char *path, const struct sequence_op *op)
{
	static const int modes[] = {[SEQUENCE_FALLOC] = 0,
				    [SEQUENCE_PUNCH] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    [SEQUENCE_ZERO] = FALLOC_FL_ZERO_RANGE};
	const int fd = stack_open(path, O_RDWR);

	if (op->kind == SEQUENCE_TRUNCATE)
		assert_int_equal(fs_ftruncate(fd, op->len), 0);
	else
		assert_int_equal(fs_fallocate_mode(fd, modes[op->kind], op->from, op->len), 0);
	assert_int_equal(fs_close(fd), 0);
}

static int change_name(const struct sequence_op *op, const char *path, const char *other)
{
	char target[SEQUENCE_TARGET + 1] = "";

	switch (op->kind) {
	case SEQUENCE_MKDIR:
		return fs_mkdir(AT_FDCWD, path, 0755);
	case SEQUENCE_SYMLINK:
		memset(target, 't', op->len);
		return fs_symlink(target, AT_FDCWD, path);
	case SEQUENCE_LINK:
		return fs_link(AT_FDCWD, path, AT_FDCWD, other, 0);
	case SEQUENCE_UNLINK:
		return fs_unlink(AT_FDCWD, path, 0);
	case SEQUENCE_RMDIR:
		return fs_unlink(AT_FDCWD, path, AT_REMOVEDIR);
	default:
		return fs_rename(AT_FDCWD, path, AT_FDCWD, other, op->kind == SEQUENCE_EXCHANGE ? RENAME_EXCHANGE : 0);
	}
}

void sequence_operate(const struct sequence *s, const char *top, unsigned i)
{
	const struct sequence_op *op = s->op[i];
	const char *path = path_in(top, op->path);

	if (op->kind == SEQUENCE_WRITE || op->kind == SEQUENCE_CREATE)
		write_file(path, SEQUENCE_TAG + i, op->from, op->len);
	else if (op->kind == SEQUENCE_STORE)
		store(path, SEQUENCE_TAG + i, op);
	else if (sequence_is_data(op))
		change_file(path, op);
	else
		assert_int_equal(change_name(op, path, op->other ? path_in(top, op->other) : NULL), 0);
}

void sequence_persist(const struct sequence *s, const char *top, unsigned i)
{
	const enum sequence_persist call = s->persist[i];
	const struct sequence_state *state = &s->state[i + 1];
	const int object = call == SEQUENCE_FSYNC_DIR ? s->dir[i] : s->subject[i];
	const uint8_t *p;
	int fd;

	if (call == SEQUENCE_SYNC)
		assert_int_equal(fs_sync(), 0);
	if (call == SEQUENCE_SYNC || call == SEQUENCE_NOTHING)
		return;
	fd = stack_open(path_of(state, top, (unsigned)object),
			state->objects[object].type == SEQUENCE_DIR ? O_RDONLY | O_DIRECTORY : O_RDWR);
	if (call == SEQUENCE_MSYNC) {
		p = stack_map(fd, state->objects[object].size, MAP_R | MAP_W, MAP_KIND_SHARED);
		assert_int_equal(map_sync((vaddr_t)p, state->objects[object].size, true), 0);
		stack_unmap(p, state->objects[object].size);
	} else {
		assert_int_equal(fs_fsync(fd, call == SEQUENCE_FDATASYNC), 0);
	}
	assert_int_equal(fs_close(fd), 0);
}
