// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the disk gives, through a file and as a raw device: the same passes over both, nothing of them cached before.
 * The raw device is the one that the program is given, whose contents go; where caches cannot be dropped no case is
 * possible. Times are waiting and all; `cpu` is what the processor did meanwhile. Reads at random are by as
 * many threads as the name says, each waiting for its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define FILE_NAME "disk.tmp"
#define MIB ((size_t)1 << 20)
#define BLOCK ((size_t)4096)
#define THREADS_MAX 16u
#define STRIDE 389u

enum measure { TIME, CPU, COMMANDS };

static char buffer[MIB];

static uint64_t cpu_now(void)
{
	struct timespec t;

	bench_must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) ? errno : 0, "the processor's time");
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Commands of all disks. 0: this system does not say. */
static uint64_t commands_now(void)
{
	FILE *file = fopen("/proc/diskio", "r");
	unsigned long long reads, writes, total = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %llu %llu", &reads, &writes) == 2)
			total += reads + writes;
	if (file)
		bench_must(fclose(file) ? errno : 0, "/proc/diskio");
	return total;
}

static uint64_t measure_now(enum measure what)
{
	return what == TIME ? bench_now() : what == CPU ? cpu_now() : commands_now();
}

/* False: this system does not let us. */
static int drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY), good;

	if (fd < 0)
		return 0;
	good = write(fd, "1\n", 2) == 2;
	bench_must(close(fd) ? errno : 0, "drop_caches");
	return good;
}

static void transfer_all(int fd, size_t size, int writing)
{
	for (size_t at = 0; at < size; at += MIB) {
		ssize_t n = writing ? pwrite(fd, buffer, MIB, (off_t)at) : pread(fd, buffer, MIB, (off_t)at);

		bench_must(n == (ssize_t)MIB ? 0 : n < 0 ? errno : EIO, "pread or pwrite");
	}
	bench_must(writing && fdatasync(fd) ? errno : 0, "fdatasync");
}

/* Of so many MiB, with its blocks, on the card, nothing of it cached; -1: not possible. */
static int disk_open(int raw, unsigned mib)
{
	struct stat st;
	int fd;

	if (raw && (stat(bench_disk, &st) || !S_ISBLK(st.st_mode)))
		return -1;
	fd = raw ? open(bench_disk, O_RDWR) : open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 && raw)
		return -1;
	bench_must(fd < 0 ? errno : 0, FILE_NAME);
	bench_must(!raw && unlink(FILE_NAME) ? errno : 0, FILE_NAME);
	memset(buffer, 0x5a, sizeof(buffer));
	transfer_all(fd, mib * MIB, 1);
	sync();
	if (drop_caches())
		return fd;
	bench_must(close(fd) ? errno : 0, "close");
	return -1;
}

/* Thousandths of the measure for a MiB. */
static uint64_t pass(int raw, int writing, enum measure what, unsigned mib)
{
	int fd = disk_open(raw, mib);
	uint64_t begin = measure_now(what), each;

	if (fd < 0 || (what == COMMANDS && begin == 0)) {
		bench_must(fd >= 0 && close(fd) ? errno : 0, "close");
		return BENCH_IMPOSSIBLE;
	}
	transfer_all(fd, mib * MIB, writing);
	each = (measure_now(what) - begin) * 1000 / mib;
	bench_must(close(fd) ? errno : 0, "close");
	return each;
}

/* The same into a file that has no blocks yet. */
static uint64_t disk_append(unsigned mib)
{
	int fd = disk_open(0, mib);
	uint64_t begin, each;

	if (fd < 0)
		return BENCH_IMPOSSIBLE;
	bench_must(ftruncate(fd, 0) ? errno : 0, "ftruncate");
	sync();
	begin = bench_now();
	transfer_all(fd, mib * MIB, 1);
	each = (bench_now() - begin) * 1000 / mib;
	bench_must(close(fd) ? errno : 0, "close");
	return each;
}

#define PASS(name, raw, writing, what)                                                                                 \
	static uint64_t name(unsigned mib)                                                                             \
	{                                                                                                              \
		return pass(raw, writing, what, mib);                                                                  \
	}

PASS(disk_read, 0, 0, TIME)
PASS(disk_read_raw, 1, 0, TIME)
PASS(disk_write, 0, 1, TIME)
PASS(disk_write_raw, 1, 1, TIME)
PASS(disk_read_cpu, 0, 0, CPU)
PASS(disk_write_cpu, 0, 1, CPU)
PASS(disk_read_raw_cpu, 1, 0, CPU)
PASS(disk_write_raw_cpu, 1, 1, CPU)
PASS(disk_read_commands, 0, 0, COMMANDS)
PASS(disk_write_commands, 0, 1, COMMANDS)

/* ---- at random ---- */

struct reader {
	pthread_t thread;
	int fd;
	unsigned first, count, blocks;
};

static void *read_some(void *arg)
{
	const struct reader *r = arg;
	char block[BLOCK];

	for (unsigned i = r->first; i < r->first + r->count; i++) {
		const off_t at = (off_t)(i * STRIDE % r->blocks * BLOCK);
		ssize_t n = pread(r->fd, block, BLOCK, at);

		bench_must(n == (ssize_t)BLOCK ? 0 : n < 0 ? errno : EIO, "pread");
	}
	return NULL;
}

/* Each of so many reads is of a block that no other reads. */
static uint64_t random_reads(unsigned depth, unsigned reads)
{
	struct reader reader[THREADS_MAX];
	const unsigned mib = 16, blocks = mib * (unsigned)(MIB / BLOCK);
	int fd = disk_open(0, mib);
	uint64_t begin, each;

	if (fd < 0)
		return BENCH_IMPOSSIBLE;
	bench_must(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), "posix_fadvise");
	begin = bench_now();
	for (unsigned i = 0; i < depth; i++) {
		reader[i] =
		    (struct reader){.fd = fd, .first = i * (reads / depth), .count = reads / depth, .blocks = blocks};
		bench_must(pthread_create(&reader[i].thread, NULL, read_some, &reader[i]), "pthread_create");
	}
	for (unsigned i = 0; i < depth; i++)
		bench_must(pthread_join(reader[i].thread, NULL), "pthread_join");
	each = (bench_now() - begin) * 1000 / reads;
	bench_must(close(fd) ? errno : 0, "close");
	return each;
}

static uint64_t disk_random_1(unsigned reads)
{
	return random_reads(1, reads);
}

static uint64_t disk_random_4(unsigned reads)
{
	return random_reads(4, reads);
}

static uint64_t disk_random_16(unsigned reads)
{
	return random_reads(16, reads);
}

const struct bench_disk_case disk_cases[] = {
    {{"disk_read", disk_read, 32}, "ns/MiB"},
    {{"disk_read_raw", disk_read_raw, 32}, "ns/MiB"},
    {{"disk_write", disk_write, 32}, "ns/MiB"},
    {{"disk_write_raw", disk_write_raw, 32}, "ns/MiB"},
    {{"disk_append", disk_append, 32}, "ns/MiB"},
    {{"disk_read_cpu", disk_read_cpu, 32}, "ns/MiB"},
    {{"disk_write_cpu", disk_write_cpu, 32}, "ns/MiB"},
    {{"disk_read_raw_cpu", disk_read_raw_cpu, 32}, "ns/MiB"},
    {{"disk_write_raw_cpu", disk_write_raw_cpu, 32}, "ns/MiB"},
    {{"disk_read_commands", disk_read_commands, 32}, "commands/MiB"},
    {{"disk_write_commands", disk_write_commands, 32}, "commands/MiB"},
    {{"disk_random_1", disk_random_1, 2048}, "ns/op"},
    {{"disk_random_4", disk_random_4, 2048}, "ns/op"},
    {{"disk_random_16", disk_random_16, 2048}, "ns/op"},
    {{0}, 0},
};
