// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the record store costs on a file system, and what it is made of: appending and committing records, msync and
 * fsync, and opening a log of 1 GiB that was not closed. Times are waiting and all, each call's by itself where a line
 * says which share of the calls took no longer. What was written is counted by /proc/diskio and /proc/diskstats, and
 * left out where there is no such file.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "maplog/maplog.h"

#define LOG_NAME "bench.log"
#define BIG_NAME "bench.big"
#define FILE_NAME "bench.sync"
#define RECORD 100u
#define CALLS 2000u	 // that wait for the card
#define CALLS_MAX 40000u // appends: as many as fill some segments, which are prepared meanwhile
#define PAGE 4096u
#define PAGES 256u
#define STRIDE 89u // odd: all pages, none beside the one before
#define BIG_SEGMENT (1u << 20)
#define BIG_SEGMENTS 1024u
#define BIG_RECORD 1000u

struct written {
	unsigned long long commands, sectors; // FLUSH is a command
};

static void must(int result, const char *what)
{
	bench_must(result < 0 ? -result : 0, what);
}

static void must_not_fail(int result, const char *what)
{
	bench_must(result ? errno : 0, what);
}

/* ---- what was written ---- */

static unsigned long long sectors_of(const char *disk)
{
	FILE *file = fopen("/proc/diskstats", "r");
	unsigned long long sectors = 0, found;
	char line[512], name[64];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %*s %63s %*s %*s %*s %*s %*s %*s %llu", name, &found) == 2 && !strcmp(name, disk))
			sectors = found;
	}
	if (file)
		must_not_fail(fclose(file), "/proc/diskstats");
	return sectors;
}

/* False: this system does not say. */
static int written_now(struct written *w)
{
	FILE *file = fopen("/proc/diskio", "r");
	unsigned long long writes, flushes;
	char line[512], name[64];

	*w = (struct written){0};
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %*s %llu %llu", name, &writes, &flushes) == 3) {
			w->commands += writes + flushes;
			w->sectors += sectors_of(name);
		}
	}
	must_not_fail(fclose(file), "/proc/diskio");
	return 1;
}

static void print_milli(const char *name, const char *what, uint64_t milli, const char *unit)
{
	printf("%s_%s %llu.%03llu %s\n", name, what, (unsigned long long)(milli / 1000),
	       (unsigned long long)(milli % 1000), unit);
}

/* ---- times of single calls ---- */

static uint64_t times[CALLS_MAX];

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_times(const char *name, unsigned count)
{
	qsort(times, count, sizeof(times[0]), by_size);
	print_milli(name, "p50", times[count / 2 - 1] * 1000, "ns/op");
	print_milli(name, "p99", times[count / 100 * 99 - 1] * 1000, "ns/op");
	print_milli(name, "p999", times[count / 1000 * 999 - 1] * 1000, "ns/op");
	print_milli(name, "max", times[count - 1] * 1000, "ns/op");
}

/* ---- records ---- */

/* each: every record is made durable by itself, and that is what a call's time is; else in groups. */
static void records(const char *name, int each)
{
	static const char record[RECORD];
	const unsigned count = each ? CALLS : CALLS_MAX;
	struct written before, after;
	struct maplog *log;
	uint64_t begin, sequence = 0;
	int told;

	must(maplog_open(LOG_NAME, NULL, &log), LOG_NAME);
	must(maplog_append(log, record, sizeof(record), 0, &sequence), "maplog_append");
	must(maplog_commit(log, sequence), "maplog_commit");
	told = written_now(&before);
	begin = bench_now();
	for (unsigned i = 0; i < count; i++) {
		const uint64_t start = bench_now();

		must(maplog_append(log, record, sizeof(record), 0, &sequence), "maplog_append");
		if (each)
			must(maplog_commit(log, sequence), "maplog_commit");
		times[i] = bench_now() - start;
	}
	must(maplog_commit(log, sequence), "maplog_commit");
	begin = bench_now() - begin;
	(void)written_now(&after); // as before
	must(maplog_close(log), "maplog_close");
	print_milli(name, "rate", (uint64_t)count * 1000000000u / (begin / 1000 + 1), "records/s");
	if (told) {
		print_milli(name, "bytes", (after.sectors - before.sectors) * 512 * 1000 / count, "bytes/record");
		print_milli(name, "commands", (after.commands - before.commands) * 1000 / count, "commands/record");
	}
	print_times(name, count);
}

/* ---- msync and fsync ---- */

enum sync_kind { SYNC_MAPPED, SYNC_WRITTEN, SYNC_GROWING };

/* Of one page each time, in a file that has its blocks and was written, or into one that grows. */
static void syncs(const char *name, enum sync_kind kind)
{
	static char page[PAGE];
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *map;

	bench_must(fd < 0 ? errno : 0, FILE_NAME);
	for (unsigned i = 0; i < PAGES && kind != SYNC_GROWING; i++)
		bench_must(write(fd, page, PAGE) == PAGE ? 0 : errno, "write");
	must_not_fail(fsync(fd), "fsync");
	map = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bench_must(map == MAP_FAILED ? errno : 0, "mmap");
	for (unsigned i = 0; i < CALLS; i++) {
		const size_t at = (size_t)(kind == SYNC_GROWING ? i : i * STRIDE % PAGES) * PAGE;

		if (kind == SYNC_MAPPED)
			map[at]++;
		else
			bench_must(pwrite(fd, page, PAGE, (off_t)at) == PAGE ? 0 : errno, "pwrite");
		times[i] = bench_now();
		must_not_fail(kind == SYNC_MAPPED ? msync(map + at, PAGE, MS_SYNC) : fsync(fd), "msync or fsync");
		times[i] = bench_now() - times[i];
	}
	must_not_fail(munmap(map, (size_t)PAGES * PAGE), "munmap");
	must_not_fail(close(fd), "close");
	must_not_fail(unlink(FILE_NAME), "unlink");
	print_times(name, CALLS);
}

void log_run(void)
{
	records("log_group", 0);
	records("log_each", 1);
	syncs("msync", SYNC_MAPPED);
	syncs("fsync", SYNC_WRITTEN);
	syncs("fsync_growing", SYNC_GROWING);
}

/* ---- recovery ---- */

static struct maplog *big_open(void)
{
	const struct maplog_options options = {.segment_bytes = BIG_SEGMENT, .segments = BIG_SEGMENTS};
	struct maplog *log;

	must(maplog_open(BIG_NAME, &options, &log), BIG_NAME);
	return log;
}

/* All segments but the last are full, and the log is not closed. */
void log_fill(void)
{
	static const char record[BIG_RECORD];
	struct maplog *log = big_open();
	struct maplog_stats stats;
	uint64_t sequence;

	do {
		must(maplog_append(log, record, sizeof(record), 0, &sequence), "maplog_append");
		maplog_stats(log, &stats);
	} while (stats.segments < BIG_SEGMENTS);
	must(maplog_commit(log, sequence), "maplog_commit");
}

void log_recover(void)
{
	const uint64_t begin = bench_now();
	struct maplog *log = big_open();
	const uint64_t took = bench_now() - begin;
	struct maplog_stats stats;

	maplog_stats(log, &stats);
	bench_must(stats.segments == BIG_SEGMENTS && stats.boot == 2 ? 0 : EIO, "the log that is to be recovered");
	print_milli("log", "recover", took * 1000, "ns/op");
	must(maplog_close(log), "maplog_close");
}
