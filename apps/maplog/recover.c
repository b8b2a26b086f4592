// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Finding the end of the log when it is opened. Segments are ordered by generation; of each the header and the first
 * record are read. Since a segment is left only when the one before it is durable throughout, the end lies in one of
 * the last two that hold records, and only these are followed record by record. Whatever lies behind the end is never
 * returned, and the segments behind it are prepared anew. Runs before the log's threads exist; takes no locks.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "maplog/internal.h"

/* Moves the source to the start of another segment. */
static int source_switch(const char *dir, struct source *source, const struct segment *segment)
{
	source_close(source);
	return source_open(dir, segment, source);
}

int recover_skip(const char *dir, struct source *source, struct chain *place, const struct segment *later,
		 size_t later_count, struct chain_loss *loss)
{
	int found = chain_search(source, place, false, loss);

	for (size_t i = 0; i < later_count && found == 0; i++) {
		struct source other;
		struct chain_loss behind = {0};

		found = source_open(dir, &later[i], &other);
		if (found)
			return found;
		found = chain_search(&other, place, true, &behind);
		if (found > 0) {
			source_close(source);
			*source = other;
		} else {
			source_close(&other);
			loss->records += behind.records;
			loss->boot = behind.boot > loss->boot ? behind.boot : loss->boot;
		}
	}
	return found;
}

/* Fills in segment->first and segment->empty from the bytes where the first record starts. */
static int first_read(const char *dir, struct segment *segment)
{
	struct source source;
	struct record_header header;
	struct chain place = {.offset = MAPLOG_DATA};
	const uint8_t *payload;
	int status = source_open(dir, segment, &source);

	if (status)
		return status;
	source.step = MAPLOG_DATA;
	status = chain_step(&source, &place, &header, &payload);
	source_close(&source);
	segment->first = status == CHAIN_RECORD ? header.sequence : 0;
	segment->empty = status == CHAIN_END;
	return status < 0 ? status : 0;
}

/* The last segment that holds anything, and the last but one that holds a readable first record before it. */
static void scan_range(const struct maplog *log, size_t *start, size_t *newest)
{
	size_t i = log->count - 1;
	unsigned readable;

	while (i > 0 && log->segments[i].empty)
		i--;
	*newest = i;
	readable = log->segments[i].first != 0;
	while (i > 0 && readable < 2)
		readable += log->segments[--i].first != 0;
	*start = i;
}

struct scan {
	struct source source;
	size_t index; // of the source's segment
	struct chain place;
	struct chain_loss loss; // behind the end
	int end;		// how the chain ended: CHAIN_SEALED, CHAIN_END, CHAIN_BAD
};

static size_t index_of(const struct maplog *log, uint64_t generation)
{
	size_t i = 0;

	while (log->segments[i].generation != generation)
		i++;
	return i;
}

/* Follows the chain to its end. */
static int scan_run(struct maplog *log, struct scan *scan, size_t newest)
{
	struct record_header header;
	const uint8_t *payload;
	int err = source_open(log->dir, &log->segments[scan->index], &scan->source);

	while (!err) {
		uint64_t expected = scan->place.sequence;

		scan->end = chain_next(&scan->source, &scan->place, &header, &payload);
		if (scan->end < 0)
			return scan->end;
		if (scan->end == CHAIN_RECORD)
			continue;
		if (scan->end == CHAIN_SEALED && scan->index == newest)
			return 0;
		if (scan->end == CHAIN_SEALED) {
			err = source_switch(log->dir, &scan->source, &log->segments[++scan->index]);
			scan->place.offset = MAPLOG_DATA;
			continue;
		}
		scan->loss = (struct chain_loss){0};
		err = recover_skip(log->dir, &scan->source, &scan->place, &log->segments[scan->index + 1],
				   newest - scan->index, &scan->loss);
		if (err == 0)
			return 0;
		if (err < 0)
			return err;
		expected = expected ? expected : scan->place.sequence;
		log->stats.damaged_records += scan->place.sequence - expected;
		if (scan->place.sequence != expected && !log->options.read_only)
			maplog_report(log, "records %" PRIu64 " to %" PRIu64 " in %s are damaged and lost", expected,
				      scan->place.sequence - 1, log->segments[scan->index].name);
		scan->index = index_of(log, scan->source.generation);
		if (log->segments[scan->index].first == 0) {
			log->segments[scan->index].first = scan->place.sequence;
			log->segments[scan->index].start_bad = true;
		}
		err = 0;
	}
	return err;
}

static void torn_note(struct maplog *log, const struct scan *scan)
{
	const struct segment *segment = &log->segments[scan->index];
	uint64_t end = scan->place.offset + RECORD_HEADER;

	if (scan->end != CHAIN_BAD && scan->loss.records == 0)
		return;
	end = scan->loss.end > end ? scan->loss.end : end;
	log->stats.torn_bytes = end - scan->place.offset;
	log->stats.torn_records = scan->loss.records;
	log->stats.torn_generation = segment->generation;
	log->stats.torn_offset = scan->place.offset;
	if (log->options.read_only)
		return; // a reader tells it when it gets there
	maplog_report(log,
		      "the log ends torn in %s at byte %" PRIu64 ": %" PRIu64 " bytes, %" PRIu64
		      " whole records, never acknowledged, are dropped",
		      segment->name, scan->place.offset, log->stats.torn_bytes, scan->loss.records);
}

/* Segments from `keep` on hold nothing of the log. */
static int spares_split(struct maplog *log, size_t keep)
{
	size_t n = log->count - keep;

	log->spares = calloc(n + 1, sizeof(*log->spares));
	if (!log->spares)
		return -ENOMEM;
	if (n)
		memcpy(log->spares, log->segments + keep, n * sizeof(*log->spares));
	log->spare_count = n;
	log->count = keep;
	return 0;
}

/* What a process that ended without a power cut left in the page cache is only durable after this. */
static int scanned_sync(const struct maplog *log, size_t start, size_t end)
{
	int err = 0;

	for (size_t i = start; i <= end && !err; i++)
		err = segment_sync(log->dir, &log->segments[i]);
	return err;
}

static int segments_load(struct maplog *log)
{
	unsigned unreadable;
	int err = segment_list(log->dir, log->options.read_only, &log->segments, &log->count, &unreadable);

	if (err)
		return err;
	log->stats.damaged_segments = unreadable;
	if (unreadable)
		maplog_report(log,
			      "%u segment files have neither a readable header nor a number for a name: left alone",
			      unreadable);
	for (size_t i = 0; i < log->count && !err; i++) {
		struct segment *segment = &log->segments[i];

		if (segment->header_bad) {
			log->stats.damaged_segments++;
			maplog_report(log, "the header of %s is damaged", segment->name);
		}
		if (segment->short_file)
			maplog_report(log, "%s is shorter than its header says", segment->name);
		err = first_read(log->dir, segment);
	}
	return err;
}

int maplog_recover(struct maplog *log, struct chain *place)
{
	struct scan scan = {.source = SOURCE_NONE, .place = {.offset = MAPLOG_DATA}};
	size_t start, newest;
	uint64_t floor = 1;
	uint32_t floor_boot = 0;
	int err = segments_load(log);

	*place = scan.place;
	log->next_sequence = 1;
	log->next_generation = 1;
	if (err || log->count == 0)
		return err ? err : spares_split(log, 0);

	scan_range(log, &start, &newest);
	for (size_t i = 0; i < log->count; i++) {
		floor = log->segments[i].floor > floor ? log->segments[i].floor : floor;
		floor_boot = log->segments[i].floor_boot > floor_boot ? log->segments[i].floor_boot : floor_boot;
	}
	log->next_generation = log->segments[log->count - 1].generation + 1;
	scan.index = start;
	err = scan_run(log, &scan, newest);
	source_close(&scan.source);
	if (err)
		return err;

	torn_note(log, &scan);
	log->next_sequence = scan.place.sequence ? scan.place.sequence : floor;
	log->boot = scan.place.boot;
	log->boot = scan.loss.boot > log->boot ? scan.loss.boot : log->boot;
	log->boot = floor_boot > log->boot ? floor_boot : log->boot;
	if (scan.place.offset == MAPLOG_DATA)
		log->segments[scan.index].first = log->next_sequence;
	*place = scan.place;
	if (!log->options.read_only)
		err = scanned_sync(log, start, scan.index);
	return err ? err : spares_split(log, scan.index + 1);
}
