// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Benchmark: a line `name value unit` for each repetition of each case, for a reader that takes medians. A case runs
 * once unreported before its repetitions, and its lines are printed after them, so that neither first-time work nor
 * output falls into what is measured; but those that take too long run once. An argument names a disk that may be
 * written over: then disks are measured too. The argument `boot` instead: what it took to come here, of a system whose
 * clocks begin with its own first instruction, as cairn's do. `log`, `fill`, `recover` instead: log.c. Status 0, or 1
 * with a line on standard error. One thread unless a case makes more.
 */

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPETITIONS 5

const char *bench_disk;

static uint64_t clock_read(clockid_t clock)
{
	struct timespec t;

	bench_must(clock_gettime(clock, &t) ? errno : 0, "clock_gettime");
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_now(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

void bench_must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(err));
	exit(EXIT_FAILURE);
}

/* Unless it runs once only, not what runs first. */
static void case_run(const struct bench_case *c, unsigned repetitions, const char *unit)
{
	uint64_t milli[REPETITIONS];

	milli[0] = c->measure(c->rounds);
	if (milli[0] == BENCH_IMPOSSIBLE) {
		fprintf(stderr, "bench: %s: not possible here\n", c->name);
		return;
	}
	for (unsigned i = 0; i < repetitions && repetitions > 1; i++)
		milli[i] = c->measure(c->rounds);
	for (unsigned i = 0; i < repetitions; i++)
		printf("%s %lu.%03lu %s\n", c->name, (unsigned long)(milli[i] / 1000), (unsigned long)(milli[i] % 1000),
		       unit);
}

/* mib: how much a pass moves; 0: what the case says. */
static void disks_run(const char *disk, unsigned mib)
{
	bench_disk = disk;
	for (const struct bench_disk_case *c = disk_cases; c->base.name; c++) {
		struct bench_case base = c->base;

		if (mib && strstr(c->unit, "/MiB"))
			base.rounds = mib;
		case_run(&base, 1, c->unit);
	}
}

static int end(void)
{
	bench_must(fflush(stdout) ? errno : 0, "standard output");
	return EXIT_SUCCESS;
}

static int boot_print(uint64_t time, uint64_t busy)
{
	printf("boot %llu.000 ns/op\nboot_cpu %llu.000 ns/op\n", (unsigned long long)time, (unsigned long long)busy);
	return end();
}

int main(int argc, char **argv)
{
	static const struct bench_case *const groups[] = {thread_cases, memory_cases, file_cases, map_cases};
	static const struct {
		const char *word;
		void (*run)(void);
	} logs[] = {{"log", log_run}, {"fill", log_fill}, {"recover", log_recover}};
	const uint64_t busy = clock_read(CLOCK_PROCESS_CPUTIME_ID), time = bench_now();

	if (argc == 2 && !strcmp(argv[1], "boot"))
		return boot_print(time, busy);
	for (unsigned i = 0; argc == 2 && i < sizeof(logs) / sizeof(logs[0]); i++) {
		if (!strcmp(argv[1], logs[i].word)) {
			logs[i].run();
			return end();
		}
	}
	if (argc == 4 && !strcmp(argv[1], "disks")) {
		disks_run(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
		return end();
	}
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (const struct bench_case *c = groups[i]; c->name; c++)
			case_run(c, REPETITIONS, "ns/op");
	}
	if (argc > 1)
		disks_run(argv[1], 0);
	for (const struct bench_case *c = slow_cases; c->name; c++)
		case_run(c, 1, "ns/op");
	return end();
}
