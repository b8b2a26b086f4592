// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Having the next segment at hand before the tail is full: one found spare, a new one, or the oldest recycled. The
 * log's lock is released around everything that may wait for the card. A segment is only recycled when the one after it
 * begins with a durable record, so that the sequence can always be found again, and when no reader is in it.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "maplog/internal.h"

enum prepare_way {
	WAY_CREATE,
	WAY_RECYCLE,
	WAY_REMOVE, // one too many, or of another size
	WAY_WAIT,   // until the oldest may be recycled
	WAY_NONE,
};

static bool oldest_free_locked(const struct maplog *log)
{
	uint64_t durable = atomic_load_explicit(&log->durable, memory_order_relaxed);
	const struct segment *oldest = &log->segments[0];

	/* Behind an unreadable first record the sequence has been found by reading: those are durable. */
	if (log->segments[1].first > durable || oldest->generation == log->previous.segment.generation)
		return false;
	for (const struct maplog_reader *r = log->readers; r; r = r->next)
		if (r->busy != 0 && r->busy <= oldest->generation)
			return false;
	return true;
}

/* The oldest segment leaves the log. */
static void oldest_take_locked(struct maplog *log, struct segment *out)
{
	uint64_t from = log->segments[0].first, to = log->segments[1].first;

	*out = log->segments[0];
	if (from && to > from)
		log->stats.recycled += to - from;
	memmove(log->segments, log->segments + 1, --log->count * sizeof(*log->segments));
}

static enum prepare_way way_choose_locked(struct maplog *log, struct segment *out)
{
	size_t total = log->count + log->spare_count;
	bool grow = total < log->options.segments && !log->disk_full;

	*out = (struct segment){.bytes = log->options.segment_bytes};
	if (log->spare_count) {
		*out = log->spares[--log->spare_count];
		return out->bytes == log->options.segment_bytes && total <= log->options.segments ? WAY_RECYCLE
												  : WAY_REMOVE;
	}
	if (grow)
		return WAY_CREATE;
	if (log->options.policy != MAPLOG_RECYCLE || log->count < 2)
		return WAY_NONE;
	if (!oldest_free_locked(log))
		return WAY_WAIT;
	oldest_take_locked(log, out);
	return out->bytes == log->options.segment_bytes && total <= log->options.segments ? WAY_RECYCLE : WAY_REMOVE;
}

/* The file work of one way, without the lock. */
static int way_go(struct maplog *log, enum prepare_way way, struct segment *segment, struct extent *next,
		  struct residency *refused)
{
	uint64_t ahead = log->options.ahead_bytes;
	int err;

	if (way == WAY_REMOVE)
		return segment_remove(log->dir, segment);
	err = way == WAY_CREATE ? segment_create(log->dir, segment) : segment_recycle(log->dir, segment);
	if (!err)
		err = extent_map(log, next, segment);
	if (err)
		return err;
	next->locked = ahead < segment->bytes ? ahead : segment->bytes;
	err = pages_make_resident(next->base, next->locked, refused);
	if (err)
		extent_unmap(next);
	return err;
}

int prepare_next_locked(struct maplog *log, bool wait)
{
	for (;;) {
		struct segment segment;
		struct extent next = {0};
		struct residency refused = log->refused;
		enum prepare_way way;
		int err;

		if (log->closing || log->stopped || log->error)
			return -ECANCELED;
		way = way_choose_locked(log, &segment);
		if (way == WAY_NONE || (way == WAY_WAIT && !wait))
			return -ENOSPC;
		if (way == WAY_WAIT) {
			pthread_cond_wait(&log->prepare, &log->lock);
			continue;
		}
		if (way != WAY_REMOVE)
			segment.generation = log->next_generation++;
		segment.floor = log->next_sequence;
		segment.floor_boot = log->boot;
		pthread_mutex_unlock(&log->lock);
		err = way_go(log, way, &segment, &next, &refused);
		pthread_mutex_lock(&log->lock);
		residency_note_locked(log, &refused);
		if (err == -ENOSPC && way == WAY_CREATE) {
			log->disk_full = log->options.policy == MAPLOG_RECYCLE;
			if (log->disk_full)
				continue;
		}
		if (err)
			return err;
		if (way != WAY_REMOVE) {
			log->next = next;
			log->prepare_state = PREPARE_READY;
			return 0;
		}
	}
}

void *prepare_thread(void *arg)
{
	struct maplog *log = arg;

	pthread_mutex_lock(&log->lock);
	while (!log->closing) {
		if (log->prepare_state == PREPARE_WANTED && !log->stopped && !log->error) {
			int err = prepare_next_locked(log, true);

			if (err) {
				log->prepare_state = PREPARE_FAILED;
				log->prepare_error = err;
			}
			pthread_cond_broadcast(&log->changed);
		} else {
			pthread_cond_wait(&log->prepare, &log->lock);
		}
	}
	pthread_mutex_unlock(&log->lock);
	return NULL;
}
