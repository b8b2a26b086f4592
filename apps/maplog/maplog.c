// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Opening, closing and appending. An append copies the record into the mapped tail under the log's lock and publishes
 * its sequence; it waits for the card only if it needs the next segment before that is prepared, or while the segment
 * before the tail is not durable yet. open and close sleep; append sleeps on the lock and in the cases named.
 */
#include "maplog/maplog.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "maplog/crc32c.h"
#include "maplog/internal.h"

void maplog_report(const struct maplog *log, const char *format, ...)
{
	char line[256];
	va_list args;

	if (!log->options.report)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	log->options.report(log->options.report_arg, line);
}

bool maplog_wait_locked(struct maplog *log, uint64_t deadline)
{
	struct timespec at = {.tv_sec = (time_t)(deadline / MAPLOG_NSEC), .tv_nsec = (long)(deadline % MAPLOG_NSEC)};
	int err;

	log->waiters++;
	err = deadline ? pthread_cond_timedwait(&log->changed, &log->lock, &at)
		       : pthread_cond_wait(&log->changed, &log->lock);
	log->waiters--;
	assert(err == 0 || err == ETIMEDOUT);
	return err != ETIMEDOUT;
}

/* ---- extents ---- */

int extent_map(struct maplog *log, struct extent *extent, const struct segment *segment)
{
	*extent = (struct extent){
	    .segment = *segment,
	    .seed = segment_seed(segment->generation),
	    .end = MAPLOG_DATA,
	    .synced = MAPLOG_DATA,
	};
	return segment_map(log->dir, segment, &extent->base);
}

void extent_unmap(struct extent *extent)
{
	int err = extent->base ? munmap(extent->base, extent->segment.bytes) : 0;

	assert(err == 0);
	(void)err;
	*extent = (struct extent){0};
}

/* ---- appending ---- */

/* So that the end of the log shows as zeros, in a recycled segment too. A fresh page is not made dirty for it. */
static void slot_clear(uint8_t *slot)
{
	static const uint8_t zeros[RECORD_HEADER];

	if (memcmp(slot, zeros, RECORD_HEADER) != 0)
		memset(slot, 0, RECORD_HEADER);
}

void record_write_locked(struct maplog *log, enum record_kind kind, const void *data, uint32_t len, unsigned flags)
{
	struct extent *tail = &log->tail;
	uint8_t *at = tail->base + tail->end;
	uint64_t size = record_size(len), now = maplog_clock_ns(CLOCK_MONOTONIC),
		 wall = maplog_clock_ns(CLOCK_REALTIME);
	struct record_header h = {
	    .length = len,
	    .sequence = log->next_sequence,
	    .boot = log->boot,
	    .kind = (uint8_t)kind,
	    .flags = (uint8_t)flags,
	    .clock = (uint8_t)(log->clock == MAPLOG_CLOCK_GUESS ? maplog_clock_guess(wall) : log->clock),
	    .monotonic_ns = now,
	    .wall_offset_ns = (int64_t)(wall - now),
	    .durable = atomic_load_explicit(&log->durable, memory_order_relaxed),
	};

	assert(size <= tail_room(log));
	h.crc = maplog_crc32c(tail->seed, (uint8_t *)&h + sizeof(h.crc), RECORD_HEADER - sizeof(h.crc));
	if (kind == RECORD_DATA) {
		h.crc = maplog_crc32c(h.crc, data, len);
		memcpy(at + RECORD_HEADER, data, len);
		memset(at + RECORD_HEADER + len, 0, size - RECORD_HEADER - len);
	}
	if (tail_room(log) - size >= RECORD_HEADER)
		slot_clear(at + size);
	memcpy(at, &h, RECORD_HEADER);
	tail->end += size;
	if (log->waiting_bytes == 0)
		log->waiting_since = now;
	log->waiting_bytes += size;
}

void tail_roll_locked(struct maplog *log)
{
	assert(log->next.base && !log->previous.base);
	if (log->tail.base) {
		uint64_t room = tail_room(log);

		if (room >= RECORD_HEADER)
			record_write_locked(log, RECORD_PAD, NULL, (uint32_t)(room - RECORD_HEADER), 0);
		log->previous = log->tail;
	}
	log->tail = log->next;
	log->next = (struct extent){0};
	log->tail.segment.first = log->next_sequence;
	log->tail.segment.empty = false;
	log->segments[log->count++] = log->tail.segment;
	log->prepare_state = PREPARE_WANTED;
	pthread_cond_signal(&log->prepare);
}

/* Waits until a segment with room can be the tail. May return with the tail changed by another thread. */
static int tail_make_room_locked(struct maplog *log)
{
	uint64_t generation = log->tail.segment.generation;
	bool asked = false;

	if (log->previous.base || log->prepare_state != PREPARE_READY)
		log->stats.waits++;
	while (log->previous.base || log->prepare_state != PREPARE_READY) {
		if (log->prepare_state == PREPARE_FAILED && asked) {
			if (log->prepare_error == -ENOSPC && log->options.policy == MAPLOG_STOP)
				log->stopped = -ENOSPC;
			return log->prepare_error;
		}
		if (log->prepare_state == PREPARE_FAILED)
			log->prepare_state = PREPARE_WANTED;
		asked = true;
		log->hurry = true;
		pthread_cond_signal(&log->prepare);
		pthread_cond_signal(&log->work);
		(void)maplog_wait_locked(log, 0);
		if (log->error || log->stopped)
			return log->error ? log->error : log->stopped;
		if (log->tail.segment.generation != generation)
			return 0;
	}
	tail_roll_locked(log);
	return 0;
}

int maplog_append(struct maplog *log, const void *data, size_t len, unsigned flags, uint64_t *sequence)
{
	uint64_t before;
	int err = 0;

	if (log->options.read_only)
		return -EROFS;
	if (len > maplog_record_max(log))
		return -EMSGSIZE;
	if (flags & ~(unsigned)(MAPLOG_MORE | MAPLOG_CONT | MAPLOG_NO_NEWLINE))
		return -EINVAL;
	pthread_mutex_lock(&log->lock);
	do
		err = log->error ? log->error : log->stopped;
	while (!err && tail_room(log) < record_size((uint32_t)len) && (err = tail_make_room_locked(log)) == 0);
	if (!err) {
		before = log->waiting_bytes;
		record_write_locked(log, RECORD_DATA, data, (uint32_t)len, flags);
		log->stats.appended++;
		log->stats.appended_bytes += len;
		if (sequence)
			*sequence = log->next_sequence;
		atomic_store_explicit(&log->published, log->next_sequence++, memory_order_release);
		if (before == 0 ||
		    (before < log->options.group_bytes && log->waiting_bytes >= log->options.group_bytes) ||
		    ahead_due_locked(log))
			pthread_cond_signal(&log->work);
		if (log->waiters)
			pthread_cond_broadcast(&log->changed);
	}
	pthread_mutex_unlock(&log->lock);
	return err;
}

size_t maplog_record_max(const struct maplog *log)
{
	return log->options.segment_bytes / 4;
}

uint64_t maplog_published(const struct maplog *log)
{
	return atomic_load_explicit(&log->published, memory_order_acquire);
}

uint64_t maplog_durable(const struct maplog *log)
{
	return atomic_load_explicit(&log->durable, memory_order_acquire);
}

void maplog_set_clock(struct maplog *log, enum maplog_clock clock)
{
	pthread_mutex_lock(&log->lock);
	log->clock = clock;
	pthread_mutex_unlock(&log->lock);
}

void maplog_stats(struct maplog *log, struct maplog_stats *out)
{
	pthread_mutex_lock(&log->lock);
	*out = log->stats;
	out->published = maplog_published(log);
	out->durable = maplog_durable(log);
	for (size_t i = 0; i < log->count && out->oldest == 0; i++)
		out->oldest = log->segments[i].first;
	if (out->oldest > out->published)
		out->oldest = 0;
	out->boot = log->boot;
	out->segments = (uint32_t)(log->count + log->spare_count + (log->next.base != NULL));
	out->segments_max = log->options.segments;
	out->segment_bytes = log->options.segment_bytes;
	out->error = log->error;
	pthread_mutex_unlock(&log->lock);
}

/* ---- opening and closing ---- */

/* Fills in defaults that need not know the file system. */
static int options_check(struct maplog_options *o)
{
	if (o->group_bytes == 0)
		o->group_bytes = 64 << 10;
	if (o->delay_ms == 0)
		o->delay_ms = 100;
	if (o->ahead_bytes == 0)
		o->ahead_bytes = 256 << 10;
	if (o->commit_align == 0)
		o->commit_align = MAPLOG_ALIGN;
	if (o->segment_bytes % MAPLOG_SEGMENT_UNIT != 0 || o->segment_bytes > MAPLOG_SEGMENT_MAX || o->segments == 1 ||
	    o->ahead_bytes > MAPLOG_SEGMENT_MAX || (unsigned)o->policy > MAPLOG_STOP ||
	    (unsigned)o->clock > MAPLOG_CLOCK_SET ||
	    (o->commit_align != MAPLOG_ALIGN && o->commit_align != 512 && o->commit_align != 4096))
		return -EINVAL;
	return 0;
}

static int directory_make(const char *dir)
{
	char parent[MAPLOG_PATH_MAX];

	if (mkdir(dir, 0755))
		return errno == EEXIST ? 0 : -errno;
	segment_path(dir, "..", parent);
	return segment_dir_sync(parent);
}

static int sizes_choose(struct maplog *log)
{
	struct maplog_options *o = &log->options;
	uint64_t used = 0;
	uint32_t count;
	int err;

	if (o->segment_bytes && o->segments)
		return 0;
	for (size_t i = 0; i < log->count; i++)
		used += log->segments[i].bytes;
	for (size_t i = 0; i < log->spare_count; i++)
		used += log->spares[i].bytes;
	err = segment_budget(log->dir, used, &o->segment_bytes, &count);
	if (!err && o->segments == 0)
		o->segments = count;
	return err;
}

/* Whether the last segment can go on from `place`. If not, the boot record of a new one tells that nothing is missing.
 */
static bool tail_serves(const struct maplog *log, const struct chain *place)
{
	const struct segment *last = &log->segments[log->count - 1];

	return last->bytes == log->options.segment_bytes && place->offset % log->options.commit_align == 0 &&
	       last->bytes - place->offset >= RECORD_HEADER;
}

static int tail_take(struct maplog *log, const struct chain *place)
{
	struct segment *last = &log->segments[log->count - 1];
	int err = segment_repair(log->dir, last);

	if (!err)
		err = extent_map(log, &log->tail, last);
	if (!err)
		log->tail.end = log->tail.synced = place->offset;
	return err;
}

/* A last segment that cannot go on and holds no data is a spare too. */
static void tail_spare(struct maplog *log)
{
	if (log->count < 2 || log->segments[log->count - 1].first != log->next_sequence)
		return;
	memmove(log->spares + 1, log->spares, log->spare_count++ * sizeof(*log->spares));
	log->spares[0] = log->segments[--log->count];
}

/*
 * At most one spare stays, and it gets its new generation before any other segment does. Otherwise one that holds torn
 * records could come to lie between two segments of the log.
 */
static int spares_thin(struct maplog *log)
{
	int err = 0;

	while (!err && log->spare_count > 1)
		err = segment_remove(log->dir, &log->spares[--log->spare_count]);
	return err;
}

/* From recovery to a log that can be appended to: a boot record is durable. No other thread yet. */
static int writer_start(struct maplog *log, const struct chain *place)
{
	struct segment *room;
	bool serves;
	int err;

	log->boot++;
	room = realloc(log->segments, (log->count + log->spare_count + log->options.segments + 1) * sizeof(*room));
	if (!room)
		return -ENOMEM;
	log->segments = room;
	serves = log->count && tail_serves(log, place);
	if (!serves)
		tail_spare(log);
	err = spares_thin(log);
	if (!err && serves)
		err = tail_take(log, place);
	if (err)
		return err;
	pthread_mutex_lock(&log->lock);
	if (!log->tail.base) {
		err = prepare_next_locked(log, false);
		if (!err)
			tail_roll_locked(log);
	}
	if (!err) {
		record_write_locked(log, RECORD_BOOT, NULL, 0, 0);
		err = commit_group_locked(log);
	}
	pthread_mutex_unlock(&log->lock);
	return err;
}

static int threads_start(struct maplog *log)
{
	int err = -pthread_create(&log->committer, NULL, commit_thread, log);

	if (err)
		return err;
	err = -pthread_create(&log->preparer, NULL, prepare_thread, log);
	if (err) {
		pthread_mutex_lock(&log->lock);
		log->closing = true;
		pthread_cond_signal(&log->work);
		pthread_mutex_unlock(&log->lock);
		pthread_join(log->committer, NULL);
	}
	log->threads_running = !err;
	return err;
}

static int sync_init(struct maplog *log)
{
	pthread_condattr_t monotonic;
	int err = -pthread_condattr_init(&monotonic);

	if (!err)
		err = -pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	if (!err)
		err = -pthread_mutex_init(&log->lock, NULL);
	if (!err)
		err = -pthread_cond_init(&log->work, &monotonic);
	if (!err)
		err = -pthread_cond_init(&log->prepare, &monotonic);
	if (!err)
		err = -pthread_cond_init(&log->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return err;
}

static void log_free(struct maplog *log)
{
	extent_unmap(&log->previous);
	extent_unmap(&log->tail);
	extent_unmap(&log->next);
	pthread_cond_destroy(&log->changed);
	pthread_cond_destroy(&log->prepare);
	pthread_cond_destroy(&log->work);
	pthread_mutex_destroy(&log->lock);
	free(log->segments);
	free(log->spares);
	free(log);
}

int maplog_open(const char *dir, const struct maplog_options *options, struct maplog **out)
{
	struct maplog *log = calloc(1, sizeof(*log));
	struct chain place;
	int err;

	if (!log)
		return -ENOMEM;
	if (options)
		log->options = *options;
	err = strlen(dir) < sizeof(log->dir) ? options_check(&log->options) : -ENAMETOOLONG;
	if (!err)
		err = sync_init(log);
	if (err) {
		free(log);
		return err;
	}
	memcpy(log->dir, dir, strlen(dir) + 1);
	log->clock = log->options.clock;
	if (!log->options.read_only)
		err = directory_make(dir);
	if (!err)
		err = maplog_recover(log, &place);
	if (!err) {
		atomic_store_explicit(&log->published, log->next_sequence - 1, memory_order_relaxed);
		atomic_store_explicit(&log->durable, log->next_sequence - 1, memory_order_relaxed);
	}
	if (!err && !log->options.read_only) {
		err = sizes_choose(log);
		if (!err)
			err = writer_start(log, &place);
		if (!err)
			err = threads_start(log);
	}
	if (err)
		log_free(log);
	else
		*out = log;
	return err;
}

int maplog_close(struct maplog *log)
{
	int err;

	assert(!log->readers);
	if (log->threads_running) {
		pthread_mutex_lock(&log->lock);
		log->closing = true;
		pthread_cond_signal(&log->work);
		pthread_cond_signal(&log->prepare);
		pthread_mutex_unlock(&log->lock);
		pthread_join(log->preparer, NULL);
		pthread_join(log->committer, NULL);
	}
	err = log->error;
	log_free(log);
	return err;
}
