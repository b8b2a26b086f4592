// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Making groups of records durable. One thread sleeps until enough bytes wait, the oldest of them has waited long
 * enough, or somebody asks; then it syncs the written part of the mapping, without the lock, while appends go on. A
 * write error ends the log: after it nobody can say which pages reached the card, so no later success is believed. The
 * same thread keeps the pages ahead of the tail resident and locked.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "maplog/internal.h"

/* Fills the tail up to a multiple of commit_align, so that what becomes durable now is never written again. */
static void unit_fill_locked(struct maplog *log)
{
	uint64_t align = log->options.commit_align;
	uint64_t room = align - 1 - (log->tail.end + align - 1) % align;

	if (room > 0 && room < RECORD_HEADER)
		room += align;
	if (room > 0 && room <= tail_room(log))
		record_write_locked(log, RECORD_PAD, NULL, (uint32_t)(room - RECORD_HEADER), 0);
}

/* Syncs file bytes [from, to) of an extent; nothing locked. */
static int extent_sync(const struct extent *extent, uint64_t from, uint64_t to)
{
	if (from == to)
		return 0;
	from -= from % MAPLOG_SEGMENT_UNIT;
	return msync(extent->base + from, to - from, MS_SYNC) ? -errno : 0;
}

/* Makes everything written so far durable. The lock is released meanwhile. */
int commit_group_locked(struct maplog *log)
{
	struct extent previous, tail;
	uint64_t target, slot;
	int err = 0;

	if (log->waiting_bytes)
		unit_fill_locked(log);
	previous = log->previous;
	tail = log->tail;
	target = log->next_sequence - 1;
	slot = tail_room(log) < RECORD_HEADER ? tail_room(log) : RECORD_HEADER;
	log->waiting_bytes = 0;
	log->hurry = false;
	log->committing = target;
	pthread_mutex_unlock(&log->lock);

	if (previous.base)
		err = extent_sync(&previous, previous.synced, previous.segment.bytes);
	if (!err)
		err = extent_sync(&tail, tail.synced, tail.end + slot);

	pthread_mutex_lock(&log->lock);
	if (!err) {
		/* The tail may have become the previous one meanwhile, but only if there was none. */
		if (previous.base)
			extent_unmap(&log->previous);
		if (log->tail.base == tail.base)
			log->tail.synced = tail.end;
		else
			log->previous.synced = tail.end;
		log->stats.commits++;
		/* Pairs with the acquire load in maplog_durable. */
		atomic_store_explicit(&log->durable, target, memory_order_release);
		pthread_cond_signal(&log->prepare); // may wait for this to recycle a segment
	} else {
		log->error = err;
	}
	pthread_cond_broadcast(&log->changed);
	return err;
}

/* ---- pages ahead of the tail ---- */

/* True if the system has no such call, or grants no more: that only costs speed. */
static bool is_refusal(int err)
{
	return err == ENOSYS || err == EPERM || err == ENOMEM || err == EAGAIN || err == EINVAL || err == EOPNOTSUPP;
}

int pages_make_resident(uint8_t *from, size_t len, struct residency *refused)
{
	if (!refused->lock) {
		if (mlock(from, len) == 0)
			return 0;
		if (!is_refusal(errno))
			return -errno;
		refused->lock = true;
	}
	if (!refused->advise)
		refused->advise = madvise(from, len, MADV_WILLNEED) != 0;
	return 0;
}

void residency_note_locked(struct maplog *log, const struct residency *refused)
{
	log->stats.degraded += (unsigned)(refused->lock && !log->refused.lock);
	log->stats.degraded += (unsigned)(refused->advise && !log->refused.advise);
	log->refused.lock |= refused->lock;
	log->refused.advise |= refused->advise;
}

/* The lock is released meanwhile. Only this thread unmaps what was the tail, so its pages stay. */
static void lock_ahead_locked(struct maplog *log)
{
	struct extent *tail = &log->tail;
	struct residency refused = log->refused;
	uint64_t from = tail->locked > tail->end ? tail->locked : tail->end - tail->end % MAPLOG_SEGMENT_UNIT;
	uint64_t to = tail->end + log->options.ahead_bytes + MAPLOG_SEGMENT_UNIT - 1;
	uint64_t behind = tail->synced - tail->synced % MAPLOG_SEGMENT_UNIT, unlock_from = tail->unlocked;
	uint8_t *base = tail->base;
	int err = 0;

	to -= to % MAPLOG_SEGMENT_UNIT;
	to = to < tail->segment.bytes ? to : tail->segment.bytes;
	tail->locked = to;
	tail->unlocked = behind;
	pthread_mutex_unlock(&log->lock);
	if (!refused.lock && behind > unlock_from && munlock(base + unlock_from, behind - unlock_from))
		err = is_refusal(errno) ? 0 : -errno;
	if (!err)
		err = pages_make_resident(base + from, to - from, &refused);
	pthread_mutex_lock(&log->lock);
	residency_note_locked(log, &refused);
	if (err && !log->error) {
		log->error = err;
		pthread_cond_broadcast(&log->changed);
	}
}

/* ---- the thread ---- */

static bool commit_due_locked(const struct maplog *log, uint64_t now)
{
	if (log->error || log->waiting_bytes == 0)
		return false;
	return log->closing || log->hurry || log->waiting_bytes >= log->options.group_bytes ||
	       (log->options.delay_ms != UINT32_MAX &&
		now >= log->waiting_since + log->options.delay_ms * (MAPLOG_NSEC / 1000));
}

/* Until there may be something to do. */
static void work_wait_locked(struct maplog *log)
{
	uint64_t at = log->waiting_since + log->options.delay_ms * (MAPLOG_NSEC / 1000);
	struct timespec deadline = {.tv_sec = (time_t)(at / MAPLOG_NSEC), .tv_nsec = (long)(at % MAPLOG_NSEC)};
	int err;

	if (log->error || log->waiting_bytes == 0 || log->options.delay_ms == UINT32_MAX)
		err = pthread_cond_wait(&log->work, &log->lock);
	else
		err = pthread_cond_timedwait(&log->work, &log->lock, &deadline);
	assert(err == 0 || err == ETIMEDOUT);
	(void)err;
}

void *commit_thread(void *arg)
{
	struct maplog *log = arg;

	pthread_mutex_lock(&log->lock);
	for (;;) {
		if (commit_due_locked(log, maplog_clock_ns(CLOCK_MONOTONIC)))
			(void)commit_group_locked(log); // its error is log->error, told to everybody
		else if (log->closing)
			break;
		else if (!log->error && ahead_due_locked(log))
			lock_ahead_locked(log);
		else
			work_wait_locked(log);
	}
	pthread_mutex_unlock(&log->lock);
	return NULL;
}

/* ---- waiting for it ---- */

static int durable_wait_locked(struct maplog *log, uint64_t sequence)
{
	if (log->committing < sequence) {
		log->hurry = true;
		pthread_cond_signal(&log->work);
	}
	while (atomic_load_explicit(&log->durable, memory_order_relaxed) < sequence && !log->error)
		(void)maplog_wait_locked(log, 0);
	return atomic_load_explicit(&log->durable, memory_order_relaxed) < sequence ? log->error : 0;
}

int maplog_commit(struct maplog *log, uint64_t sequence)
{
	int err;

	if (log->options.read_only)
		return -EROFS;
	if (sequence > maplog_published(log))
		return -EINVAL;
	pthread_mutex_lock(&log->lock);
	err = durable_wait_locked(log, sequence);
	pthread_mutex_unlock(&log->lock);
	return err;
}

int maplog_brownout(struct maplog *log)
{
	int err;

	if (log->options.read_only)
		return -EROFS;
	pthread_mutex_lock(&log->lock);
	log->stopped = -ECANCELED;
	pthread_cond_broadcast(&log->changed);
	err = durable_wait_locked(log, maplog_published(log));
	pthread_mutex_unlock(&log->lock);
	return err;
}
