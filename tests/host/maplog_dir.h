// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* For the tests of maplog on Linux files: a directory of its own for each test, records that can be recognised. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maplog/maplog.h"
#include "maplog/segment.h"

#define KIB 1024u

/* Options of a log so small that a test goes through many segments, and durable only on demand. */
#define SMALL_LOG(count)                                                                                               \
	.segment_bytes = 64 * KIB, .segments = (count), .delay_ms = UINT32_MAX, .group_bytes = UINT32_MAX,             \
	.ahead_bytes = 16 * KIB

static inline int dir_make(void **state)
{
	char *dir = strdup("/tmp/maplog-test-XXXXXX");

	assert_non_null(dir);
	assert_non_null(mkdtemp(dir));
	*state = dir;
	return 0;
}

static inline void dir_empty(const char *dir)
{
	char command[MAPLOG_PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'/*", dir);
	assert_int_equal(system(command), 0);
}

static inline int dir_remove(void **state)
{
	dir_empty(*state);
	assert_int_equal(rmdir(*state), 0);
	free(*state);
	return 0;
}

static inline void dir_copy(const char *from, const char *to)
{
	char command[3 * MAPLOG_PATH_MAX];

	snprintf(command, sizeof(command), "rm -rf '%s' && cp -r '%s' '%s'", to, from, to);
	assert_int_equal(system(command), 0);
}

/* A repeatable stream of numbers. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* The bytes of the record with this tag. */
static inline void payload_fill(uint8_t *data, size_t len, uint64_t tag)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)random_next(&tag);
}

static inline bool payload_is(const void *data, size_t len, uint64_t tag)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		if (p[i] != (uint8_t)random_next(&tag))
			return false;
	return true;
}

static inline struct maplog *log_open(const char *dir, const struct maplog_options *options)
{
	struct maplog *log = NULL;

	assert_int_equal(maplog_open(dir, options, &log), 0);
	return log;
}

static inline uint64_t log_append(struct maplog *log, size_t len, uint64_t tag)
{
	static __thread uint8_t data[256 * KIB];
	uint64_t sequence = 0;

	assert_true(len <= sizeof(data));
	payload_fill(data, len, tag);
	assert_int_equal(maplog_append(log, data, len, 0, &sequence), 0);
	return sequence;
}

static inline struct maplog_reader *reader_open(struct maplog *log, uint64_t from, unsigned flags)
{
	struct maplog_reader *reader = NULL;

	assert_int_equal(maplog_reader_open(log, from, flags, &reader), 0);
	return reader;
}

/* Path of the newest segment file. */
static inline void segment_newest(const char *dir, char path[MAPLOG_PATH_MAX], struct segment *out)
{
	struct segment *list;
	size_t count, i;
	unsigned unreadable;

	assert_int_equal(segment_list(dir, true, &list, &count, &unreadable), 0);
	for (i = count; i > 0; i--) { // the one prepared ahead is empty
		struct source source;
		const uint8_t *bytes;
		uint32_t crc;

		assert_int_equal(source_open(dir, &list[i - 1], &source), 0);
		assert_int_equal(source_get(&source, MAPLOG_DATA, sizeof(crc), &bytes), 0);
		memcpy(&crc, bytes, sizeof(crc));
		source_close(&source);
		if (crc != 0)
			break;
	}
	assert_true(i > 0);
	*out = list[i - 1];
	segment_path(dir, out->name, path);
	free(list);
}
