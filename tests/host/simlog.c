// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Power cuts from a recording. A write is durable at a cut if some FLUSH had ended before the cut and started after the
 * write ended; without a volatile cache (no FLUSH in use) the recording has none, and nothing counts as durable.
 */
#include "tests/host/simlog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/host/host.h"

struct simlog {
	uint8_t *base, *bytes; // the base image; the recording
	size_t base_len, len;
	const struct simlog_entry **entries;
	size_t count, losses;
};

static uint8_t *file_read(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	long size;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) < 0)
		host_die(path);
	data = malloc((size_t)size + 1);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size || fclose(f) != 0)
		host_die(path);
	*len = (size_t)size;
	return data;
}

struct simlog *simlog_open(const char *record, const char *base_image)
{
	struct simlog *log = calloc(1, sizeof(*log));

	if (!log)
		host_die("malloc");
	log->base = file_read(base_image, &log->base_len);
	log->bytes = file_read(record, &log->len);
	log->entries = calloc(log->len / sizeof(struct simlog_entry) + 1, sizeof(log->entries[0]));
	if (!log->entries)
		host_die("malloc");
	for (size_t at = 0; at < log->len;) {
		const struct simlog_entry *entry = (const void *)(log->bytes + at);

		log->entries[log->count++] = entry;
		log->losses += entry->kind == SIMLOG_LOSS;
		at += sizeof(*entry) + (size_t)entry->sectors * SECTOR_SIZE;
	}
	return log;
}

void simlog_close(struct simlog *log)
{
	free(log->base);
	free(log->bytes);
	free(log->entries);
	free(log);
}

uint64_t simlog_end(const struct simlog *log)
{
	return log->count ? log->entries[log->count - 1]->ended + 1 : 1;
}

size_t simlog_flushes(const struct simlog *log)
{
	size_t flushes = 0;

	for (size_t i = 0; i < log->count; i++)
		flushes += log->entries[i]->kind == SIMLOG_FLUSH;
	return flushes;
}

uint64_t simlog_boundary(const struct simlog *log, uint64_t tick)
{
	uint64_t found = 0;

	for (size_t i = 0; i < log->count && log->entries[i]->ended < tick; i++)
		if (log->entries[i]->kind != SIMLOG_WRITE)
			found = log->entries[i]->ended;
	return found;
}

bool simlog_fact(const struct simlog *log, uint64_t tick, uint64_t *fact)
{
	bool found = false;

	for (size_t i = 0; i < log->count && log->entries[i]->ended < tick; i++) {
		const struct simlog_entry *entry = log->entries[i];

		if (entry->kind == SIMLOG_MARK && (!found || entry->sector > *fact)) {
			*fact = entry->sector;
			found = true;
		}
	}
	return found;
}

uint64_t simlog_marked(const struct simlog *log, uint64_t fact)
{
	for (size_t i = 0; i < log->count; i++)
		if (log->entries[i]->kind == SIMLOG_MARK && log->entries[i]->sector == fact)
			return log->entries[i]->ended + 1;
	return 0;
}

/* Writes that ended before this tick are durable at the cut: the latest start of a FLUSH that ended before it. */
static uint64_t durable_before(const struct simlog *log, uint64_t tick)
{
	uint64_t start = 0;

	for (size_t i = 0; i < log->count && log->entries[i]->ended < tick; i++)
		if (log->entries[i]->kind == SIMLOG_FLUSH)
			start = max_of(start, log->entries[i]->started);
	return start;
}

/* Gone at the cut: a loss before it took the write. */
static bool is_lost(const struct simlog *log, const struct simlog_entry *write, uint64_t tick)
{
	for (size_t i = 0; log->losses && i < log->count && log->entries[i]->ended < tick; i++) {
		const uint64_t loss = log->entries[i]->ended;

		if (log->entries[i]->kind == SIMLOG_LOSS && write->ended < loss &&
		    write->ended >= durable_before(log, loss))
			return true;
	}
	return false;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Of a volatile write, by seed: nothing, all, or each sector for itself. */
static void write_maybe(uint8_t *image, const struct simlog_entry *entry, uint64_t *random)
{
	const uint8_t *data = (const uint8_t *)(entry + 1);
	unsigned choice = next_random(random) % 3;

	for (uint32_t i = 0; i < entry->sectors; i++)
		if (choice == 1 || (choice == 2 && next_random(random) % 2))
			memcpy(image + (entry->sector + i) * SECTOR_SIZE, data + (size_t)i * SECTOR_SIZE, SECTOR_SIZE);
}

void simlog_cut(const struct simlog *log, uint64_t tick, uint64_t seed, const char *path)
{
	uint64_t durable = durable_before(log, tick), random = seed * 0x9e3779b97f4a7c15u | 1;
	uint8_t *image = malloc(log->base_len);
	FILE *f = fopen(path, "wb");

	if (!image || !f)
		host_die(path);
	memcpy(image, log->base, log->base_len);
	for (size_t i = 0; i < log->count; i++) {
		const struct simlog_entry *entry = log->entries[i];

		if (entry->kind != SIMLOG_WRITE || entry->started >= tick || is_lost(log, entry, tick))
			continue;
		if (entry->ended < durable || seed == 1)
			memcpy(image + entry->sector * SECTOR_SIZE, entry + 1, (size_t)entry->sectors * SECTOR_SIZE);
		else if (seed > 1)
			write_maybe(image, entry, &random);
	}
	if (fwrite(image, 1, log->base_len, f) != log->base_len || fclose(f) != 0)
		host_die(path);
	free(image);
}
