// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * maplog: a durable log of records in memory-mapped segment files, in plain POSIX C. docs/maplog.md has the format and
 * what survives what.
 *
 *	struct maplog *log;
 *	uint64_t sequence;
 *	int err = maplog_open("/log", NULL, &log);
 *	err = maplog_append(log, "hello", 5, 0, &sequence); // published: readers see it
 *	err = maplog_commit(log, sequence);		    // durable: a power cut no longer takes it
 *	err = maplog_close(log);
 *
 * Calls return 0 or a count, or a negative errno. A log is for one process at a time; within it every call on an open
 * log may be made by any thread, except maplog_close, which must be the last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct maplog;
struct maplog_reader;

/* What to do when the log may not grow: `segments` files exist, or the file system is full. */
enum maplog_policy {
	MAPLOG_RECYCLE, // the oldest segment makes room; what it held is lost and counted
	MAPLOG_REFUSE,	// the append fails with -ENOSPC; later ones try again
	MAPLOG_STOP,	// as refuse, and every later append fails too until the log is opened anew
};

/* How far to trust the wall clock of a record. The sequence orders records, not time. */
enum maplog_clock {
	MAPLOG_CLOCK_GUESS, // for options only: as cairn says; on Linux UNSET before 2020, else BOUND
	MAPLOG_CLOCK_UNSET, // counts from 1970 at power-on
	MAPLOG_CLOCK_BOUND, // plausible, of unknown source: at best a lower bound
	MAPLOG_CLOCK_RTC,   // read from a clock device
	MAPLOG_CLOCK_SET,   // set from outside
};

/* Record flags, kept with the record. The first two belong to whoever splits long units into parts. */
enum maplog_flags {
	MAPLOG_MORE = 1,       // a part; the next record goes on
	MAPLOG_CONT = 2,       // a part; goes on from the previous record
	MAPLOG_NO_NEWLINE = 4, // a line that had no newline at its end
};

/* Zero in a field asks for its default. */
struct maplog_options {
	uint32_t segment_bytes; // a multiple of 64 KiB, at most 1 GiB; default 1 MiB, less on a small file system
	uint32_t segments; // greatest number of segment files, at least 2; default: half of the free space, at most 64
	uint32_t group_bytes;  // a group is made durable once this many bytes wait; default 64 KiB
	uint32_t delay_ms;     // ... or once its oldest record has waited this long; default 100, UINT32_MAX: never
	uint32_t commit_align; // a durable unit of this many bytes is never written again: 8 (default), 512, 4096
	uint32_t ahead_bytes;  // file bytes kept resident and locked ahead of the tail; default 256 KiB
	enum maplog_policy policy;
	bool read_only;		 // nothing is written, no threads; append and commit fail with -EROFS
	enum maplog_clock clock; // quality of CLOCK_REALTIME; default: guessed

	/* One line, without newline, for each damage found and each degradation. Called from open, by the caller. */
	void (*report)(void *arg, const char *line);
	void *report_arg;
};

struct maplog_stats {
	uint64_t oldest;    // sequence of the oldest record kept; 0 while there is none
	uint64_t published; // sequence of the newest record; 0 while there is none
	uint64_t durable;   // newest record that a power cut cannot take
	uint32_t boot;	    // number of this opening, from 1; read-only: of the newest record
	uint32_t segments;  // segment files in use, the prepared one included
	uint32_t segments_max;
	uint32_t segment_bytes;

	uint64_t appended;	 // records, since open
	uint64_t appended_bytes; // payload
	uint64_t commits;	 // groups made durable
	uint64_t recycled;	 // records lost to recycling, since open
	uint64_t waits;		 // appends that had to wait for a segment
	uint64_t degraded;	 // mlock or madvise calls refused: appends may wait for the card

	/* Found by open. */
	uint64_t torn_bytes;	   // after the last whole record, never acknowledged, dropped
	uint64_t torn_records;	   // whole records among them
	uint64_t torn_generation;  // where: segment,
	uint64_t torn_offset;	   // ... byte
	uint64_t damaged_records;  // acknowledged earlier, no longer readable, within the segments scanned
	uint64_t damaged_segments; // files whose header is unreadable

	int error; // negative errno that ended the log, or 0
};

/*
 * Opens the log in directory `dir`, made if missing (not its parents), and recovers it: the sequence continues after
 * the last whole record. Blocks for reading at most three segments, for one small durable write, and for making a
 * segment where none goes on. `options` may be NULL. The caller owns the result and ends it with maplog_close.
 *
 * -EINVAL: an option out of range. -ENOSPC: no room for two segments. -EROFS, -EIO and others: from the file system.
 */
int maplog_open(const char *dir, const struct maplog_options *options, struct maplog **out);

/* Makes everything durable, ends the threads, frees the log. Readers must be closed. Returns the log's first error. */
int maplog_close(struct maplog *log);

/*
 * Appends `len` bytes, with `flags` (enum maplog_flags), as one record and publishes it; *sequence (may be NULL) gets
 * its number. Does not wait for the card as long as a prepared segment is at hand; where it must, it blocks.
 *
 * -EMSGSIZE: longer than maplog_record_max. -ENOSPC: see enum maplog_policy. -ECANCELED: after maplog_brownout. -EROFS.
 * Any other: the card failed; if it failed a write, the log takes no more records until it is opened anew.
 */
int maplog_append(struct maplog *log, const void *data, size_t len, unsigned flags, uint64_t *sequence);

/* Longest payload of one record, bytes: a quarter of a segment. */
size_t maplog_record_max(const struct maplog *log);

/*
 * Blocks until record `sequence` (at most the newest published) is durable, starting its group at once.
 * Negative errno: it is not known to be durable, and never will be by this opening.
 */
int maplog_commit(struct maplog *log, uint64_t sequence);

/*
 * The supply fails, or the end has come: appends end for good with -ECANCELED, no segment is prepared or recycled any
 * more, then as maplog_commit for all that is published.
 */
int maplog_brownout(struct maplog *log);

/* The wall clock was set or lost: its quality for records from here on. */
void maplog_set_clock(struct maplog *log, enum maplog_clock clock);

/* Newest published and newest durable sequence, 0 for none. Never block. */
uint64_t maplog_published(const struct maplog *log);
uint64_t maplog_durable(const struct maplog *log);

void maplog_stats(struct maplog *log, struct maplog_stats *out);

/* ---- reading ---- */

struct maplog_record {
	uint64_t sequence;	// from 1, without gaps
	uint64_t durable;	// newest durable sequence when this record was appended
	uint64_t monotonic_ns;	// since that boot's start
	int64_t wall_offset_ns; // add to monotonic_ns: nanoseconds since 1970-01-01 UTC
	uint32_t boot;
	uint32_t length;  // bytes at data
	uint8_t flags;	  // enum maplog_flags
	uint8_t clock;	  // enum maplog_clock
	const void *data; // the reader's; valid until its next call
};

/* Why records are missing between two that were read. */
enum maplog_gap_kind {
	MAPLOG_GAP_DAMAGE,   // unreadable though once durable: the medium or a hand changed them
	MAPLOG_GAP_TORN,     // the log's end: written when the power went, never acknowledged
	MAPLOG_GAP_RECYCLED, // the reader was slower than recycling
};

struct maplog_gap {
	enum maplog_gap_kind kind;
	uint64_t first, next;	// sequences first .. next - 1 are missing; TORN: next is 0
	uint64_t generation;	// segment
	uint64_t offset, bytes; // place and length of what is unreadable
};

enum maplog_reader_flags {
	MAPLOG_READ_DURABLE = 1, // only durable records
};

/* Starts at `sequence`, or at the oldest record kept if that is newer (0: the oldest). Ended with maplog_reader_close.
 */
int maplog_reader_open(struct maplog *log, uint64_t sequence, unsigned flags, struct maplog_reader **out);
void maplog_reader_close(struct maplog_reader *reader);

/*
 * The next record: 1 and *record. 0: none within timeout_ms (0: at once, -1: waits without end; a read-only log never
 * waits). -EBADMSG: records are missing here, maplog_reader_gap says which; the next call goes on behind them.
 * -ECANCELED: end of a log that ended by error or brown-out, once everything published is read. Others: the file
 * system's. One thread at a time for each reader.
 */
int maplog_read(struct maplog_reader *reader, struct maplog_record *record, int timeout_ms);

/* The gap that the last maplog_read reported. */
const struct maplog_gap *maplog_reader_gap(const struct maplog_reader *reader);
