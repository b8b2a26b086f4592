// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Segment files on the file system. A new one is made under a temporary name and renamed once its blocks and header are
 * durable, so a name ending in .seg always has both. Recycling changes the one sector that holds the generation: from
 * that instant every record in the file is invalid, whatever the file is called; the rename only tidies up.
 */
#include "maplog/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "maplog/crc32c.h"

#define DEFAULT_BYTES (1u << 20)
#define DEFAULT_MOST 64u

void segment_path(const char *dir, const char *name, char path[MAPLOG_PATH_MAX])
{
	snprintf(path, MAPLOG_PATH_MAX, "%s/%s", dir, name);
}

uint32_t segment_seed(uint64_t generation)
{
	return maplog_crc32c(0, &generation, sizeof(generation));
}

static void segment_name(uint64_t generation, const char *suffix, char name[MAPLOG_NAME_MAX])
{
	snprintf(name, MAPLOG_NAME_MAX, "%010" PRIu64 "%s", generation, suffix);
}

static int file_sync_and_close(int fd, int err)
{
	if (!err && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int segment_dir_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return -errno;
	return file_sync_and_close(fd, 0);
}

static int pwrite_all(int fd, const void *data, size_t len, off_t offset)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The header is one sector: whole or absent. */
static int header_write(int fd, const struct segment *segment)
{
	union {
		struct segment_header header;
		uint8_t bytes[512];
	} sector = {.header = {
			.version = MAPLOG_VERSION,
			.data = MAPLOG_DATA,
			.generation = segment->generation,
			.bytes = segment->bytes,
			.sequence = segment->floor,
			.boot = segment->floor_boot,
		    }};

	memcpy(sector.header.magic, MAPLOG_MAGIC, sizeof(sector.header.magic));
	sector.header.crc = maplog_crc32c(0, &sector.header, offsetof(struct segment_header, crc));
	return pwrite_all(fd, &sector, sizeof(sector), 0);
}

static int rename_and_sync(const char *dir, const char *from, const char *to)
{
	char from_path[MAPLOG_PATH_MAX], to_path[MAPLOG_PATH_MAX];

	segment_path(dir, from, from_path);
	segment_path(dir, to, to_path);
	if (rename(from_path, to_path))
		return -errno;
	return segment_dir_sync(dir);
}

int segment_create(const char *dir, struct segment *segment)
{
	char temporary[MAPLOG_NAME_MAX], path[MAPLOG_PATH_MAX];
	int fd, err;

	segment_name(segment->generation, MAPLOG_NEW_SUFFIX, temporary);
	segment_name(segment->generation, MAPLOG_SUFFIX, segment->name);
	segment_path(dir, temporary, path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		return -errno;
	err = -posix_fallocate(fd, 0, (off_t)segment->bytes);
	if (!err)
		err = header_write(fd, segment);
	err = file_sync_and_close(fd, err);
	if (!err)
		err = rename_and_sync(dir, temporary, segment->name);
	if (err)
		(void)unlink(path); // the first error is the one to tell; open removes what is left
	return err;
}

int segment_recycle(const char *dir, struct segment *segment)
{
	static const uint8_t zeros[RECORD_HEADER];
	char old[MAPLOG_NAME_MAX], path[MAPLOG_PATH_MAX];
	int fd, err;

	memcpy(old, segment->name, sizeof(old));
	segment_path(dir, old, path);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	err = -posix_fallocate(fd, 0, (off_t)segment->bytes); // a damaged file may be short or have holes
	if (!err)
		err = header_write(fd, segment);
	if (!err)
		err = pwrite_all(fd, zeros, sizeof(zeros), MAPLOG_DATA); // empty at a glance
	err = file_sync_and_close(fd, err);
	if (err)
		return err;
	segment_name(segment->generation, MAPLOG_SUFFIX, segment->name);
	segment->header_bad = segment->short_file = segment->start_bad = false;
	segment->first = 0;
	segment->empty = true;
	return rename_and_sync(dir, old, segment->name);
}

int segment_remove(const char *dir, const struct segment *segment)
{
	char path[MAPLOG_PATH_MAX];

	segment_path(dir, segment->name, path);
	return unlink(path) ? -errno : segment_dir_sync(dir);
}

static int header_repair(const char *dir, struct segment *segment)
{
	char path[MAPLOG_PATH_MAX];
	int fd, err = 0;

	segment_path(dir, segment->name, path);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	if (segment->short_file)
		err = -posix_fallocate(fd, 0, (off_t)segment->bytes);
	if (!err && segment->header_bad)
		err = header_write(fd, segment);
	err = file_sync_and_close(fd, err);
	if (!err)
		segment->header_bad = segment->short_file = false;
	return err;
}

int segment_repair(const char *dir, struct segment *segment)
{
	char old[MAPLOG_NAME_MAX];
	int err = 0;

	if (segment->header_bad || segment->short_file)
		err = header_repair(dir, segment);
	memcpy(old, segment->name, sizeof(old));
	segment_name(segment->generation, MAPLOG_SUFFIX, segment->name);
	if (err || strcmp(old, segment->name) == 0)
		return err;
	return rename_and_sync(dir, old, segment->name);
}

int segment_sync(const char *dir, const struct segment *segment)
{
	char path[MAPLOG_PATH_MAX];
	int fd;

	segment_path(dir, segment->name, path);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	return file_sync_and_close(fd, 0);
}

int segment_map(const char *dir, const struct segment *segment, uint8_t **base)
{
	char path[MAPLOG_PATH_MAX];
	int fd, err = 0;
	void *at;

	segment_path(dir, segment->name, path);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	at = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		err = -errno;
	if (close(fd) && !err) {
		err = -errno;
		(void)munmap(at, segment->bytes);
	}
	if (!err)
		*base = at;
	return err;
}

int segment_budget(const char *dir, uint64_t used, uint32_t *bytes, uint32_t *count)
{
	struct statvfs space;
	uint64_t half;

	if (statvfs(dir, &space))
		return -errno;
	half = ((uint64_t)space.f_bavail * space.f_frsize + used) / 2;
	if (*bytes == 0)
		*bytes = half >= 4ull * DEFAULT_BYTES ? DEFAULT_BYTES : MAPLOG_SEGMENT_UNIT;
	if (half / *bytes < 2)
		return -ENOSPC;
	*count = half / *bytes < DEFAULT_MOST ? (uint32_t)(half / *bytes) : DEFAULT_MOST;
	return 0;
}

/* ---- listing ---- */

static bool header_valid(const struct segment_header *header)
{
	return memcmp(header->magic, MAPLOG_MAGIC, sizeof(header->magic)) == 0 && header->version == MAPLOG_VERSION &&
	       header->data == MAPLOG_DATA && header->generation > 0 && header->bytes >= MAPLOG_SEGMENT_UNIT &&
	       header->bytes <= MAPLOG_SEGMENT_MAX && header->bytes % MAPLOG_SEGMENT_UNIT == 0 &&
	       header->sequence < UINT64_MAX / 2 && header->boot < UINT32_MAX / 2 &&
	       header->crc == maplog_crc32c(0, header, offsetof(struct segment_header, crc));
}

/* 1: known. 0: neither the header nor the name tells what it is. */
static int segment_identify(const char *dir, const char *name, struct segment *segment)
{
	struct segment_header header = {0};
	char path[MAPLOG_PATH_MAX];
	struct stat st;
	ssize_t n;
	int fd;

	segment_path(dir, name, path);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	n = fstat(fd, &st) ? -1 : pread(fd, &header, sizeof(header), 0);
	if (n < 0) {
		int err = -errno;

		(void)close(fd); // nothing was written through it
		return err;
	}
	if (close(fd))
		return -errno;

	*segment = (struct segment){0};
	memcpy(segment->name, name, strlen(name) + 1);
	if (n == sizeof(header) && header_valid(&header)) {
		segment->generation = header.generation;
		segment->bytes = header.bytes;
		segment->floor = header.sequence;
		segment->floor_boot = header.boot;
	} else {
		segment->header_bad = true;
		segment->generation = strtoull(name, NULL, 10);
		segment->bytes = (uint64_t)st.st_size / MAPLOG_SEGMENT_UNIT * MAPLOG_SEGMENT_UNIT;
		if (segment->generation == 0 || segment->generation > UINT64_MAX / 2 || segment->bytes == 0 ||
		    segment->bytes > MAPLOG_SEGMENT_MAX)
			return 0;
	}
	segment->short_file = (uint64_t)st.st_size < segment->bytes;
	return 1;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n > k && n < MAPLOG_NAME_MAX && strcmp(name + n - k, suffix) == 0;
}

static int by_generation(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->generation < y->generation ? -1 : x->generation > y->generation;
}

/* One directory entry into the list. */
static int list_add(const char *dir, const char *name, bool read_only, struct segment **list, size_t *count,
		    unsigned *unreadable)
{
	char path[MAPLOG_PATH_MAX];
	struct segment *grown;
	int known;

	if (has_suffix(name, MAPLOG_NEW_SUFFIX) && !read_only) {
		segment_path(dir, name, path);
		return unlink(path) ? -errno : 0;
	}
	if (!has_suffix(name, MAPLOG_SUFFIX))
		return 0;
	grown = realloc(*list, (*count + 1) * sizeof(**list));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	known = segment_identify(dir, name, &grown[*count]);
	if (known < 0)
		return known;
	*count += (size_t)known;
	*unreadable += !known;
	return 0;
}

int segment_list(const char *dir, bool read_only, struct segment **list, size_t *count, unsigned *unreadable)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	size_t kept = 0;
	int err = 0;

	*list = NULL;
	*count = 0;
	*unreadable = 0;
	if (!stream)
		return -errno;
	while (!err && (errno = 0, entry = readdir(stream)))
		err = list_add(dir, entry->d_name, read_only, list, count, unreadable);
	if (!err)
		err = -errno;
	if (closedir(stream) && !err)
		err = -errno;
	if (err) {
		free(*list);
		*list = NULL;
		return err;
	}
	if (*count == 0)
		return 0;
	qsort(*list, *count, sizeof(**list), by_generation);
	/* A power cut in the middle of a rename may leave two names for one segment: the first serves. */
	for (size_t i = 0; i < *count; i++)
		if (kept == 0 || (*list)[i].generation != (*list)[kept - 1].generation)
			(*list)[kept++] = (*list)[i];
	*count = kept;
	return 0;
}
