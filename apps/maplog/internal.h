// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The log as its own parts see it.
 *
 * Life of a segment: prepared (durable, empty, mapped, in `next`) -> tail (appends go there) -> previous (full, not yet
 * durable throughout) -> full (a file in `segments`) -> recycled, that is prepared again under a new generation.
 *
 * Threads: any number that append, commit and read; one that makes groups durable (commit.c); one that prepares
 * segments (prepare.c). One mutex; nobody holds it across a call that may wait for the card.
 *
 * Before a segment is left for the next one, the one before it must be durable throughout. So recovery need not look
 * further back than to the last segment but one.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "maplog/chain.h"
#include "maplog/maplog.h"
#include "maplog/segment.h"

/* A mapped segment that is written to. */
struct extent {
	struct segment segment;
	uint8_t *base; // NULL: none
	uint32_t seed;
	uint64_t end;	   // next record goes here
	uint64_t synced;   // durable up to here
	uint64_t locked;   // bytes before this were asked to be resident
	uint64_t unlocked; // ... and those before this need not be any more
};

/* What the system refuses of keeping pages resident. */
struct residency {
	bool lock, advise;
};

enum prepare_state {
	PREPARE_WANTED, // or under way
	PREPARE_READY,	// `next` is there
	PREPARE_FAILED, // prepare_error says why; an append that needs a segment asks again
};

struct maplog {
	char dir[MAPLOG_DIR_MAX];
	struct maplog_options options; // every default filled in

	pthread_mutex_t lock;
	pthread_cond_t work;	// for the committing thread
	pthread_cond_t prepare; // for the preparing thread
	pthread_cond_t changed; // for everybody else: published, durable, next, error

	/* lock must be held when using these: */
	struct segment *segments; // full ones, the previous and the tail, in order of generation
	size_t count;
	struct segment *spares; // found behind the tail by open: taken first
	size_t spare_count;
	struct extent previous, tail, next;
	enum prepare_state prepare_state;
	int prepare_error;
	bool disk_full;		  // a segment could not be allocated: grow no more
	uint64_t next_generation; // of the next segment prepared
	uint64_t next_sequence;	  // of the next data record
	uint32_t boot;
	enum maplog_clock clock;
	uint64_t waiting_bytes; // published, not durable
	uint64_t waiting_since; // monotonic ns of the oldest of them
	bool hurry;		// make what waits durable now
	uint64_t committing;	// newest sequence in a group that is under way or done
	unsigned waiters;	// threads waiting for `changed`
	struct maplog_reader *readers;
	bool closing;
	int stopped; // appends fail with this: brown-out, policy stop
	int error;   // first write error: never acknowledge anything again
	struct residency refused;
	struct maplog_stats stats;

	/* Written under lock, read by anyone. */
	_Atomic uint64_t published; // release store after the record's bytes; pairs with the acquire loads of readers
	_Atomic uint64_t durable;

	bool threads_running;
	pthread_t committer, preparer;
};

struct maplog_reader {
	struct maplog *log;
	uint64_t from;	// records before are skipped
	uint64_t limit; // records up to this one are in the file as the window shows it
	unsigned flags;
	struct source source;
	struct chain place; // in source.generation; sequence 0: not known yet
	struct maplog_gap gap;
	bool ended; // the torn end was told

	/* log->lock must be held when using these: */
	uint64_t busy; // reads in segments from this generation on: they are not recycled meanwhile. 0: not reading
	struct maplog_reader *next;
};

#define MAPLOG_NSEC 1000000000ull

uint64_t maplog_clock_ns(clockid_t clock);
/* How far to trust the wall clock, which shows so many ns since 1970. */
enum maplog_clock maplog_clock_guess(uint64_t wall);
/* Waits for `changed`; deadline in monotonic ns, 0: none. False at the deadline. */
bool maplog_wait_locked(struct maplog *log, uint64_t deadline);
void maplog_report(const struct maplog *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* maplog.c */
void record_write_locked(struct maplog *log, enum record_kind kind, const void *data, uint32_t len, unsigned flags);
/* Leaves the tail for `next`, which must be ready; the previous one must be gone. */
void tail_roll_locked(struct maplog *log);
static inline uint64_t tail_room(const struct maplog *log)
{
	return log->tail.base ? log->tail.segment.bytes - log->tail.end : 0;
}

int extent_map(struct maplog *log, struct extent *extent, const struct segment *segment);
void extent_unmap(struct extent *extent);

/* recover.c: fills segments, spares, sequences, boot; *place is the tail's end in the last of segments. */
int maplog_recover(struct maplog *log, struct chain *place);
/*
 * Finds where the log goes on behind a break at *place in `source`, there or in the segments of `later`. 1: source and
 * *place are there. 0: nowhere.
 */
int recover_skip(const char *dir, struct source *source, struct chain *place, const struct segment *later,
		 size_t later_count, struct chain_loss *loss);

/* commit.c */
int commit_group_locked(struct maplog *log);
/* 0, or the error that makes these pages unusable. No lock. */
int pages_make_resident(uint8_t *from, size_t len, struct residency *refused);
void residency_note_locked(struct maplog *log, const struct residency *refused);
static inline bool ahead_due_locked(const struct maplog *log)
{
	return log->tail.locked < log->tail.segment.bytes &&
	       log->tail.end + log->options.ahead_bytes / 2 > log->tail.locked &&
	       !(log->refused.lock && log->refused.advise);
}
void *commit_thread(void *log);

/* prepare.c: fills `next`. The lock is released meanwhile. Without `wait`, -ENOSPC if a segment cannot be recycled yet.
 */
int prepare_next_locked(struct maplog *log, bool wait);
void *prepare_thread(void *log);
