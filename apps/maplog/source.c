// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A segment read through a window, by pread and not through a mapping: a bad sector is then an error code for whoever
 * reads, not a signal. One thread at a time. May wait for the card.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maplog/segment.h"

#define WINDOW 32768u

int source_open(const char *dir, const struct segment *segment, struct source *source)
{
	char path[MAPLOG_PATH_MAX];
	struct stat st;
	int err;

	segment_path(dir, segment->name, path);
	*source = SOURCE_NONE;
	source->fd = open(path, O_RDONLY);
	if (source->fd < 0)
		return -errno;
	if (fstat(source->fd, &st)) {
		err = -errno;
		source_close(source);
		return err;
	}
	source->step = WINDOW;
	source->generation = segment->generation;
	source->seed = segment_seed(segment->generation);
	source->bytes = segment->bytes;
	source->file_bytes = (uint64_t)st.st_size;
	return 0;
}

void source_close(struct source *source)
{
	if (source->fd >= 0)
		(void)close(source->fd); // only ever read through
	free(source->window);
	*source = SOURCE_NONE;
}

void source_forget(struct source *source)
{
	source->length = 0;
}

static int window_fill(struct source *source, uint64_t offset, size_t want)
{
	size_t done = 0;

	source->length = 0;
	source->start = offset;
	while (done < want) {
		ssize_t n = pread(source->fd, source->window + done, want - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	memset(source->window + done, 0, want - done);
	source->length = want;
	return 0;
}

int source_get(struct source *source, uint64_t offset, size_t len, const uint8_t **out)
{
	size_t want = len > source->step ? len : source->step;
	int err;

	assert(offset + len <= source->bytes);
	if (offset < source->start || offset + len > source->start + source->length) {
		if (want > source->capacity) {
			uint8_t *grown = realloc(source->window, want);

			if (!grown)
				return -ENOMEM;
			source->window = grown;
			source->capacity = want;
		}
		if (want > source->bytes - offset)
			want = source->bytes - offset;
		err = window_fill(source, offset, want);
		if (err)
			return err;
	}
	*out = source->window + (offset - source->start);
	return 0;
}
