// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Segment files: listing, preparing, reading through a window, mapping. No locks; all may wait for the card. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maplog/format.h"

#define MAPLOG_DIR_MAX 256 // bytes, with the final 0
#define MAPLOG_NAME_MAX 32
#define MAPLOG_PATH_MAX (MAPLOG_DIR_MAX + MAPLOG_NAME_MAX)

struct segment {
	uint64_t generation;
	uint64_t bytes; // as the header says; the file may be shorter when damaged
	uint64_t first; // sequence at its first record; 0: none, or unreadable
	bool start_bad; // `first` is that of the first readable record, which is not at the start
	bool empty;	// nothing written yet: zeros where the first record goes
	uint64_t floor; // header's lower bounds
	uint32_t floor_boot;
	bool header_bad; // generation taken from the file's name
	bool short_file;
	char name[MAPLOG_NAME_MAX];
};

/* Path of a file in dir. */
void segment_path(const char *dir, const char *name, char path[MAPLOG_PATH_MAX]);

/* fsync of the directory itself. */
int segment_dir_sync(const char *dir);

/*
 * Makes the file of `segment` (generation, bytes, floors filled in; the name is set here): allocated, headed, durable
 * under its name. -ENOSPC and -EOPNOTSUPP leave nothing behind.
 */
int segment_create(const char *dir, struct segment *segment);

/* Heads an existing file anew for segment->generation and gives it the name of that generation. Durable on return. */
int segment_recycle(const char *dir, struct segment *segment);

/* Durable on return. */
int segment_remove(const char *dir, const struct segment *segment);

/* Puts right a short file, a damaged header, and the name if a power cut came between heading and renaming. */
int segment_repair(const char *dir, struct segment *segment);

int segment_sync(const char *dir, const struct segment *segment);

/*
 * All segments of the directory in order of generation; *list is the caller's to free. Files left by an interrupted
 * preparation are removed unless read_only. Files that cannot be told a generation are counted in *unreadable.
 */
int segment_list(const char *dir, bool read_only, struct segment **list, size_t *count, unsigned *unreadable);

/* Maps the file readable and writable. */
int segment_map(const char *dir, const struct segment *segment, uint8_t **base);

/* How many segments of *bytes (0: chosen) a log that has `used` bytes already may take by default. -ENOSPC: not two. */
int segment_budget(const char *dir, uint64_t used, uint32_t *bytes, uint32_t *count);

/* ---- reading through a window ---- */

struct source {
	int fd;
	uint32_t seed; // checksum of the generation
	uint64_t generation;
	uint64_t bytes;	     // of the segment
	uint64_t file_bytes; // of the file; beyond it zeros are read
	uint8_t *window;
	size_t capacity;
	size_t step;	// least to read at once
	uint64_t start; // the window holds file bytes [start, start + length)
	size_t length;
};

#define SOURCE_NONE ((struct source){.fd = -1})

int source_open(const char *dir, const struct segment *segment, struct source *source);
void source_close(struct source *source);
/* *out: `len` bytes at offset, inside the segment; valid until the next call. -EIO and others from the card, -ENOMEM.
 */
int source_get(struct source *source, uint64_t offset, size_t len, const uint8_t **out);
/* The file may have changed: the window is read anew. */
void source_forget(struct source *source);

uint32_t segment_seed(uint64_t generation);
