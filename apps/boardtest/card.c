// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The card under a scratch file: written, made durable, read back with nothing of it cached, and compared; with times,
 * commands, who moved the bytes, and interrupts. A slot that began with DMA does it all a second time by the CPU.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "boardtest.h"

#define SCRATCH "/boardtest.tmp"
#define PIECE ((size_t)1 << 20)
#define BLOCK ((size_t)4096)
#define SYNCS 32u
#define READS 64u
#define COLUMNS 18u // of /proc/diskio
enum { READ_COMMANDS, WRITE_COMMANDS, ERRORS = 5, RETRIES, RESETS, DMA_BYTES = 10, CPU_BYTES };

static char disk[32]; // the root's: "mmcblk0"
static uint32_t piece[PIECE / sizeof(uint32_t)];

/* What is counted of the disk. */
struct counts {
	unsigned long long column[COLUMNS], interrupts;
};

static uint64_t now_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t))
		failed("clock_gettime", errno);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- what the kernel counts ---- */

/* The disk that the root's device is, or is a part of. */
static int find_disk(void)
{
	FILE *file = fopen("/proc/mounts", "r");
	char line[512], device[64] = "", name[32];

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "/dev/%63s / ", device) != 1)
		continue;
	if (file)
		(void)fclose(file); // only read
	file = fopen("/proc/diskio", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%31s", name) == 1 && !strncmp(device, name, strlen(name)))
			strcpy(disk, name);
	if (file)
		(void)fclose(file); // only read
	return disk[0] ? 0 : -1;
}

static void read_columns(struct counts *counts)
{
	FILE *file = fopen("/proc/diskio", "r");
	const size_t len = strlen(disk);
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		char *at = line + len;

		if (strncmp(line, disk, len) || *at != ' ')
			continue;
		for (unsigned i = 0; i < COLUMNS; i++)
			counts->column[i] = strtoull(at, &at, 10);
	}
	if (!file || fclose(file))
		failed("/proc/diskio", errno);
}

/* External ones, all together: the console is quiet meanwhile. */
static void count_interrupts(struct counts *counts)
{
	FILE *file = fopen("/proc/interrupts", "r");
	unsigned long long count;
	unsigned number;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " %u: %llu", &number, &count) == 2)
			counts->interrupts += count;
	if (!file || fclose(file))
		failed("/proc/interrupts", errno);
}

static struct counts counts_now(void)
{
	struct counts counts = {{0}, 0};

	read_columns(&counts);
	count_interrupts(&counts);
	return counts;
}

static void report_counts(const char *what, const struct counts *before, size_t size, uint64_t us)
{
	const int by_cpu = !strncmp(what, "pio", 3) || !strncmp(what, "polled", 6);
	const struct counts after = counts_now();
	unsigned long long d[COLUMNS];

	for (unsigned i = 0; i < COLUMNS; i++)
		d[i] = after.column[i] - before->column[i];
	report(
	    what,
	    "%zu KiB in %llu ms, %llu KiB/s; %llu commands, %llu bytes by DMA, %llu by the CPU, %llu interrupts, %llu "
	    "errors, %llu retries",
	    size / 1024, (unsigned long long)(us / 1000),
	    (unsigned long long)((uint64_t)size * 1000000 / 1024 / (us ? us : 1)), d[READ_COMMANDS] + d[WRITE_COMMANDS],
	    d[DMA_BYTES], d[CPU_BYTES], after.interrupts - before->interrupts, d[ERRORS], d[RETRIES] + d[RESETS]);
	if (d[ERRORS])
		failed(what, EIO);
	if (d[by_cpu ? CPU_BYTES : DMA_BYTES] < size || (d[by_cpu ? DMA_BYTES : CPU_BYTES] && strncmp(what, "disk", 4)))
		failed("the bytes did not go that way", 0);
}

/* ---- choosing ---- */

static int write_word(const char *path, const char *word)
{
	const int fd = open(path, O_WRONLY);
	const int good = fd >= 0 && write(fd, word, strlen(word)) == (ssize_t)strlen(word);

	return (fd >= 0 && close(fd)) || !good ? -1 : 0;
}

/* The way that the card's data goes, as /proc/board has it. 0: the disk is no card. */
static int read_way(char way[16])
{
	FILE *file = fopen("/proc/board", "r");
	char line[512], pattern[64];
	int found = 0;

	snprintf(pattern, sizeof(pattern), "%s: transfer %%15s", disk);
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, pattern, way) == 1;
	if (file)
		(void)fclose(file); // only read
	return found;
}

static int choose_way(const char *way)
{
	char word[64];

	snprintf(word, sizeof(word), "%s %s", disk, way);
	return write_word("/proc/board", word);
}

/* ---- the passes ---- */

/* Each word of the file is another one, and another one in each round. */
static void fill(size_t at, uint32_t round)
{
	for (size_t i = 0; i < PIECE / sizeof(*piece); i++)
		piece[i] = (uint32_t)(at / sizeof(*piece) + i) * 2654435761u ^ round << 24;
}

static int is_filled(size_t at, uint32_t round)
{
	for (size_t i = 0; i < PIECE / sizeof(*piece); i++)
		if (piece[i] != ((uint32_t)(at / sizeof(*piece) + i) * 2654435761u ^ round << 24))
			return 0;
	return 1;
}

static void name_of(char *name, size_t size, const char *way, const char *what)
{
	snprintf(name, size, "%s %s", way, what);
}

static void write_all(int fd, size_t size, uint32_t round, const char *way)
{
	struct counts before;
	uint64_t begin;
	char name[32];

	name_of(name, sizeof(name), way, "write");
	before = counts_now();
	begin = now_us();
	for (size_t at = 0; at < size; at += PIECE) {
		fill(at, round);
		if (pwrite(fd, piece, PIECE, (off_t)at) != (ssize_t)PIECE)
			failed(name, errno);
	}
	if (fdatasync(fd))
		failed(name, errno);
	report_counts(name, &before, size, now_us() - begin);
}

static void read_all(int fd, size_t size, uint32_t round, const char *way)
{
	struct counts before;
	uint64_t begin;
	char name[32];

	name_of(name, sizeof(name), way, "read back");
	if (write_word("/proc/sys/vm/drop_caches", "1\n"))
		failed("drop_caches", errno);
	before = counts_now();
	begin = now_us();
	for (size_t at = 0; at < size; at += PIECE) {
		if (pread(fd, piece, PIECE, (off_t)at) != (ssize_t)PIECE)
			failed(name, errno);
		else if (!is_filled(at, round))
			failed(name, 0);
	}
	report_counts(name, &before, size, now_us() - begin);
	if (counts_now().column[READ_COMMANDS] == before.column[READ_COMMANDS])
		failed("nothing was read from the card", 0);
}

static int compare_times(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void report_times(const char *way, const char *what, uint64_t *us, unsigned count)
{
	char name[32];

	qsort(us, count, sizeof(*us), compare_times);
	name_of(name, sizeof(name), way, what);
	report(name, "%u times, us: least %llu, half under %llu, most %llu", count, (unsigned long long)us[0],
	       (unsigned long long)us[count / 2], (unsigned long long)us[count - 1]);
}

/* A block, and that it is durable. */
static void time_syncs(int fd, const char *way)
{
	uint64_t us[SYNCS];

	for (unsigned i = 0; i < SYNCS; i++) {
		const uint64_t begin = now_us();

		if (pwrite(fd, piece, BLOCK, (off_t)(i * BLOCK)) != (ssize_t)BLOCK || fdatasync(fd))
			failed("a block and fdatasync", errno);
		us[i] = now_us() - begin;
	}
	report_times(way, "4 KiB and fdatasync", us, SYNCS);
}

static void time_reads(int fd, size_t size, const char *way)
{
	const size_t blocks = size / BLOCK;
	uint64_t us[READS];

	if (posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) || write_word("/proc/sys/vm/drop_caches", "1\n"))
		failed("drop_caches", errno);
	for (size_t i = 0; i < READS; i++) {
		const uint64_t begin = now_us();

		if (pread(fd, piece, BLOCK, (off_t)(i * 97 % blocks * BLOCK)) != (ssize_t)BLOCK)
			failed("a block at random", errno);
		us[i] = now_us() - begin;
	}
	report_times(way, "4 KiB at random", us, READS);
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL))
		failed("posix_fadvise", errno);
}

static void test_way(int fd, size_t size, uint32_t round, const char *way)
{
	write_all(fd, size, round, way);
	read_all(fd, size, round, way);
	time_reads(fd, size, way);
	time_syncs(fd, way);
}

void card_test(size_t size)
{
	char first[16] = "disk";
	const int fd = find_disk() ? -1 : open(SCRATCH, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int card;

	if (fd < 0) {
		failed(disk[0] ? SCRATCH : "the root is on no disk", disk[0] ? errno : 0);
		return;
	}
	card = read_way(first);
	report("scratch", "%zu MiB in %s on %s", size >> 20, SCRATCH, disk);
	test_way(fd, size, 1, first);
	if (card && !strcmp(first, "dma")) {
		if (choose_way("pio"))
			failed("a card without DMA", errno);
		test_way(fd, size, 2, "pio");
		if (choose_way(first))
			failed("a card with DMA again", errno);
		write_all(fd, size, 3, "dma again");
		read_all(fd, size, 3, "dma again");
	}
	if (close(fd) || unlink(SCRATCH))
		failed(SCRATCH, errno);
}
