// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The power-cut test's workload: `recorder COUNT SEGMENTS`. Record i says which sequence was durable when it was
 * appended, so that finding it among the writes of the card proves that the acknowledgement had been given before.
 * Now and then a file is written, synced and renamed into place, and the next record says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maplog/maplog.h"

#define SEGMENT_BYTES 65536
#define FILE_EVERY 40

static int fail(const char *what, int error)
{
	fprintf(stderr, "recorder: %s: %s\n", what, strerror(-error));
	return 1;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* /files/N, whole or absent at any time; durable when this returns 0. */
static int store_file(unsigned n)
{
	char text[64], path[32];
	int fd = open("/files/new", O_CREAT | O_WRONLY | O_TRUNC, 0644);

	if (fd < 0)
		return -errno;
	int len = snprintf(text, sizeof(text), "file %u, written whole\n", n);

	snprintf(path, sizeof(path), "/files/%u", n);
	if (write(fd, text, (size_t)len) != len || fsync(fd) || close(fd) || rename("/files/new", path))
		return -errno;
	fd = open("/files", O_RDONLY);
	if (fd < 0 || fsync(fd) || close(fd))
		return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 100, files = 0;
	struct maplog_options options = {
	    .segment_bytes = SEGMENT_BYTES,
	    .segments = argc > 2 ? (uint32_t)atoi(argv[2]) : 4,
	    .policy = MAPLOG_RECYCLE,
	};
	struct maplog *log;
	uint32_t seed = 1;
	char record[2048];
	int error = maplog_open("/log", &options, &log);

	if (error)
		return fail("maplog_open", error);
	if (mkdir("/files", 0755) && errno != EEXIST)
		return fail("mkdir /files", -errno);
	for (unsigned i = 1; i <= count; i++) {
		uint64_t sequence;
		int len = snprintf(record, sizeof(record), "[rec %08llu durable %08llu files %04u]",
				   (unsigned long long)maplog_published(log) + 1,
				   (unsigned long long)maplog_durable(log), files);
		size_t padding = next_random(&seed) % 1500;

		memset(record + len, '.', padding);
		error = maplog_append(log, record, (size_t)len + padding, 0, &sequence);
		if (!error && next_random(&seed) % 3 == 0)
			error = maplog_commit(log, sequence);
		if (error)
			return fail("append", error);
		if (i % FILE_EVERY == 0) {
			error = store_file(files + 1);
			if (error)
				return fail("store_file", error);
			files++;
		}
	}
	error = maplog_close(log);
	if (error)
		return fail("maplog_close", error);
	printf("recorded %u records, %u files\n", count, files);
	return 0;
}
