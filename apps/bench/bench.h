// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What a file of cases and main.c share. Portable POSIX: the same source runs on cairn and on Linux. */
#pragma once

#include <stdint.h>

/*
 * Measures `rounds` rounds of one operation. Returns thousandths of a nanosecond for one, or that this system cannot do
 * it; does not return on failure.
 */
#define BENCH_IMPOSSIBLE UINT64_MAX
typedef uint64_t bench_measure(unsigned rounds);

struct bench_case {
	const char *name;
	bench_measure *measure;
	unsigned rounds;
};

struct bench_disk_case {
	struct bench_case base;
	const char *unit;
};

/* The last of each has no name. Those of disk_cases and slow_cases take too long to be repeated. */
extern const struct bench_case thread_cases[], memory_cases[], map_cases[], file_cases[], slow_cases[];
extern const struct bench_disk_case disk_cases[];

/* CLOCK_MONOTONIC in nanoseconds. It may tick coarsely: time many rounds. */
uint64_t bench_now(void);

/* The disk that disk_cases may write over; NULL: none, and they do not run. */
extern const char *bench_disk;

/* Costs of the record store, printed; making a log of 1 GiB, and opening it in a later run (log.c). */
void log_run(void);
void log_fill(void);
void log_recover(void);

/* Ends the program with status 1 and a line that names `what` if err, a positive error number, is not 0. */
void bench_must(int err, const char *what);
