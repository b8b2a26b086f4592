// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Reading forwards. A reader keeps its place between two records and reads the files through a window of its own, never
 * beyond what is published (or durable, as asked), so it needs the log's lock only to learn how far that is and to keep
 * the segments it reads from being recycled during the call. Sleeps.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maplog/internal.h"

/* Index of the first segment of at least this generation; log->count if there is none. */
static size_t segment_at_locked(const struct maplog *log, uint64_t generation)
{
	size_t i = 0;

	while (i < log->count && log->segments[i].generation < generation)
		i++;
	return i;
}

static void reader_place(struct maplog_reader *reader, const struct segment *segment)
{
	source_close(&reader->source);
	reader->source.generation = segment->generation; // opened when it is read
	reader->place = (struct chain){.offset = MAPLOG_DATA, .sequence = segment->start_bad ? 0 : segment->first};
}

int maplog_reader_open(struct maplog *log, uint64_t sequence, unsigned flags, struct maplog_reader **out)
{
	struct maplog_reader *reader = calloc(1, sizeof(*reader));
	size_t at = 0;

	if (!reader)
		return -ENOMEM;
	if (flags & ~(unsigned)MAPLOG_READ_DURABLE) {
		free(reader);
		return -EINVAL;
	}
	reader->log = log;
	reader->from = sequence;
	reader->flags = flags;
	reader->source = SOURCE_NONE;
	pthread_mutex_lock(&log->lock);
	for (size_t i = 0; i < log->count; i++)
		if (log->segments[i].first && log->segments[i].first <= sequence)
			at = i;
	if (log->count)
		reader_place(reader, &log->segments[at]);
	reader->next = log->readers;
	log->readers = reader;
	pthread_mutex_unlock(&log->lock);
	*out = reader;
	return 0;
}

void maplog_reader_close(struct maplog_reader *reader)
{
	struct maplog *log = reader->log;
	struct maplog_reader **link;

	pthread_mutex_lock(&log->lock);
	for (link = &log->readers; *link != reader; link = &(*link)->next)
		;
	*link = reader->next;
	pthread_mutex_unlock(&log->lock);
	source_close(&reader->source);
	free(reader);
}

const struct maplog_gap *maplog_reader_gap(const struct maplog_reader *reader)
{
	return &reader->gap;
}

/* ---- how far to read ---- */

static uint64_t limit_now(const struct maplog_reader *reader)
{
	if (reader->log->options.read_only)
		return UINT64_MAX;
	/* Acquire: pairs with the release stores of append and commit; the bytes up to there can be read. */
	return reader->flags & MAPLOG_READ_DURABLE ? maplog_durable(reader->log) : maplog_published(reader->log);
}

static bool has_next(const struct maplog_reader *reader, uint64_t limit)
{
	uint64_t next = reader->place.sequence > reader->from ? reader->place.sequence : reader->from;

	return limit > 0 && limit >= next;
}

/* 1: there is something to read. 0: not within the time. */
static int limit_wait_locked(struct maplog_reader *reader, int timeout_ms)
{
	struct maplog *log = reader->log;
	uint64_t deadline = 0;
	bool in_time = timeout_ms != 0;

	if (timeout_ms > 0)
		deadline = maplog_clock_ns(CLOCK_MONOTONIC) + (uint64_t)timeout_ms * (MAPLOG_NSEC / 1000);
	while (!has_next(reader, limit_now(reader))) {
		if (log->error || (log->stopped && limit_now(reader) == maplog_published(log)))
			return -ECANCELED;
		if (!in_time)
			return 0;
		in_time = maplog_wait_locked(log, deadline);
	}
	return 1;
}

/* The reader's segment was recycled: on to the oldest that is left. */
static int recycled_locked(struct maplog_reader *reader)
{
	const struct segment *oldest = &reader->log->segments[0];
	uint64_t first = reader->place.sequence > reader->from ? reader->place.sequence : reader->from;

	if (reader->source.generation >= oldest->generation)
		return 0;
	reader->gap = (struct maplog_gap){
	    .kind = MAPLOG_GAP_RECYCLED,
	    .first = first,
	    .next = oldest->first,
	    .generation = reader->source.generation,
	};
	reader_place(reader, oldest);
	return oldest->first > first ? -EBADMSG : 0;
}

/* 1: go on, and the segments from reader->busy on stay. */
static int read_begin(struct maplog_reader *reader, int timeout_ms)
{
	struct maplog *log = reader->log;
	uint64_t limit;
	int status;

	if (log->options.read_only)
		return log->count > 0 && !reader->ended;
	pthread_mutex_lock(&log->lock);
	status = limit_wait_locked(reader, timeout_ms);
	if (status > 0 && recycled_locked(reader) < 0)
		status = -EBADMSG;
	if (status > 0) {
		limit = limit_now(reader);
		if (limit != reader->limit)
			source_forget(&reader->source);
		reader->limit = limit;
		reader->busy = reader->source.generation;
	}
	pthread_mutex_unlock(&log->lock);
	return status;
}

static void read_end(struct maplog_reader *reader)
{
	struct maplog *log = reader->log;

	if (log->options.read_only)
		return;
	pthread_mutex_lock(&log->lock);
	reader->busy = 0;
	if (log->prepare_state == PREPARE_WANTED)
		pthread_cond_signal(&log->prepare); // may wait for this reader
	pthread_mutex_unlock(&log->lock);
}

/* ---- stepping ---- */

/* The segments behind the reader's, in a copy of its own. */
static int later_copy(struct maplog_reader *reader, struct segment **later, size_t *count)
{
	struct maplog *log = reader->log;
	size_t at;

	pthread_mutex_lock(&log->lock);
	at = segment_at_locked(log, reader->source.generation + 1);
	*count = log->count - at;
	*later = calloc(*count + 1, sizeof(**later));
	if (*later)
		memcpy(*later, log->segments + at, *count * sizeof(**later));
	pthread_mutex_unlock(&log->lock);
	return *later ? 0 : -ENOMEM;
}

/* To the start of the next segment: 1, or 0 if there is none. */
static int reader_next_segment(struct maplog_reader *reader)
{
	struct maplog *log = reader->log;
	struct chain place = reader->place;
	bool found;
	size_t at;

	pthread_mutex_lock(&log->lock);
	at = segment_at_locked(log, reader->source.generation + 1);
	found = at < log->count;
	if (found)
		reader_place(reader, &log->segments[at]);
	pthread_mutex_unlock(&log->lock);
	if (found) {
		reader->place.sequence = place.sequence;
		reader->place.boot = place.boot;
	}
	return found;
}

static int reader_source(struct maplog_reader *reader)
{
	struct maplog *log = reader->log;
	struct segment segment;

	if (reader->source.fd >= 0)
		return 0;
	pthread_mutex_lock(&log->lock);
	segment = log->segments[segment_at_locked(log, reader->source.generation)];
	pthread_mutex_unlock(&log->lock);
	return source_open(log->dir, &segment, &reader->source);
}

/* Nothing that can be read follows a break. Read-only: the log's end. Live: on behind everything published. */
static int reader_broken(struct maplog_reader *reader, int status, const struct chain_loss *loss)
{
	struct maplog *log = reader->log;
	uint64_t end = reader->place.offset + RECORD_HEADER;

	end = loss->end > end ? loss->end : end;
	reader->gap.bytes = end - reader->place.offset;
	if (log->options.read_only) {
		reader->ended = true;
		return status == CHAIN_BAD || loss->records ? -EBADMSG : 0;
	}
	pthread_mutex_lock(&log->lock);
	reader_place(reader, &log->tail.segment);
	reader->place.offset = log->tail.end;
	reader->gap.kind = MAPLOG_GAP_DAMAGE;
	reader->gap.next = reader->place.sequence = log->next_sequence;
	pthread_mutex_unlock(&log->lock);
	return -EBADMSG;
}

/* The chain breaks at the reader's place. 1: nothing is missing, go on. Otherwise as maplog_read. */
static int reader_skip(struct maplog_reader *reader, int status)
{
	struct chain place = reader->place;
	struct chain_loss loss = {0};
	struct segment *later;
	size_t count;
	int found = later_copy(reader, &later, &count);

	if (found)
		return found;
	reader->gap = (struct maplog_gap){
	    .kind = MAPLOG_GAP_TORN,
	    .first = place.sequence,
	    .generation = reader->source.generation,
	    .offset = place.offset,
	};
	found = recover_skip(reader->log->dir, &reader->source, &place, later, count, &loss);
	free(later);
	if (found < 0)
		return found;
	if (found == 0)
		return reader_broken(reader, status, &loss);
	if (reader->gap.generation == reader->source.generation)
		reader->gap.bytes = place.offset - reader->gap.offset;
	reader->gap.kind = MAPLOG_GAP_DAMAGE;
	reader->gap.next = place.sequence;
	reader->place = place;
	return reader->gap.first == 0 || place.sequence == reader->gap.first ? 1 : -EBADMSG;
}

#define STEP_AGAIN 2

static int read_step(struct maplog_reader *reader, struct maplog_record *record)
{
	struct record_header h;
	const uint8_t *payload;
	int status = reader_source(reader);

	if (status)
		return status;
	status = chain_next(&reader->source, &reader->place, &h, &payload);
	if (status == CHAIN_RECORD) {
		*record = (struct maplog_record){
		    .sequence = h.sequence,
		    .durable = h.durable,
		    .monotonic_ns = h.monotonic_ns,
		    .wall_offset_ns = h.wall_offset_ns,
		    .boot = h.boot,
		    .length = h.length,
		    .flags = h.flags,
		    .clock = h.clock,
		    .data = payload,
		};
		return 1;
	}
	if (status < 0)
		return status;
	if (status == CHAIN_SEALED && reader_next_segment(reader))
		return STEP_AGAIN;
	if (status == CHAIN_SEALED && reader->log->options.read_only) {
		reader->ended = true;
		return 0;
	}
	status = reader_skip(reader, status);
	return status == 1 ? STEP_AGAIN : status;
}

int maplog_read(struct maplog_reader *reader, struct maplog_record *record, int timeout_ms)
{
	int status;

	do {
		status = read_begin(reader, timeout_ms);
		if (status <= 0)
			return status;
		do
			status = read_step(reader, record);
		while (status == STEP_AGAIN);
		read_end(reader);
	} while (status == 1 && record->sequence < reader->from);
	return status;
}
