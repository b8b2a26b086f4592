// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Costs of files: names, descriptors, reading and writing. What is read is cached and what is written over has its
 * blocks, so only the filling of new files waits for the card. One thread.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define BLOCK ((size_t)4096)
#define CHUNK ((size_t)65536)
#define FILE_NAME "bench.tmp"
#define FILE_BLOCKS 1024u
#define FILE_CHUNKS (FILE_BLOCKS * BLOCK / CHUNK)
#define STRIDE 389u // odd: all blocks, none beside the one before
#define FOLDER "bench.dir"
#define DEEP FOLDER "/two/three"

static uint64_t milli_each(uint64_t begin, uint64_t operations)
{
	return (bench_now() - begin) * 1000 / operations;
}

static void must_not_fail(int result, const char *what)
{
	bench_must(result ? errno : 0, what);
}

static int open_or_end(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	bench_must(fd < 0 ? errno : 0, path);
	return fd;
}

static void close_file(int fd)
{
	must_not_fail(close(fd), "close");
}

static void make_file(const char *path)
{
	close_file(open_or_end(path, O_WRONLY | O_CREAT | O_EXCL));
}

/* ---- many files ---- */

static const char *numbered(unsigned i)
{
	static char path[64];

	snprintf(path, sizeof(path), FOLDER "/file-%05u", i);
	return path;
}

static void make_files(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		make_file(numbered(i));
}

static void fill_files(unsigned count)
{
	static const char content[100];

	for (unsigned i = 0; i < count; i++) {
		int fd = open_or_end(numbered(i), O_WRONLY);

		bench_must(write(fd, content, sizeof(content)) == (ssize_t)sizeof(content) ? 0 : errno, "write");
		close_file(fd);
	}
}

static void remove_files(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		must_not_fail(unlink(numbered(i)), "unlink");
}

/* Nothing is left to do for the files before. */
static void make_folder(void)
{
	must_not_fail(mkdir(FOLDER, 0700), "mkdir");
	sync();
}

static void remove_folder(void)
{
	must_not_fail(rmdir(FOLDER), "rmdir");
}

enum life { CREATE, FILL, UNLINK, LIFE_STEPS };

static uint64_t life_each[LIFE_STEPS];

static void life_step(enum life step, void (*work)(unsigned count), unsigned rounds)
{
	uint64_t begin;

	sync(); // nothing is left to do for the steps before
	begin = bench_now();
	work(rounds);
	life_each[step] = milli_each(begin, rounds);
}

/* One life of the files gives all three figures, since making them takes so long; the cases after this say theirs. */
static uint64_t file_create(unsigned rounds)
{
	make_folder();
	make_files(rounds);
	remove_files(rounds); // the folder has its blocks
	life_step(CREATE, make_files, rounds);
	life_step(FILL, fill_files, rounds);
	life_step(UNLINK, remove_files, rounds);
	remove_folder();
	return life_each[CREATE];
}

static uint64_t file_fill(unsigned rounds)
{
	(void)rounds;
	return life_each[FILL];
}

static uint64_t file_unlink(unsigned rounds)
{
	(void)rounds;
	return life_each[UNLINK];
}

static uint64_t readdir_each(unsigned rounds)
{
	uint64_t begin, each;
	unsigned found = 0;
	DIR *dir;

	make_folder();
	make_files(rounds);
	dir = opendir(FOLDER);
	bench_must(dir ? 0 : errno, "opendir");
	begin = bench_now();
	while (readdir(dir))
		found++;
	each = milli_each(begin, found);
	bench_must(found == rounds + 2 ? 0 : EIO, "readdir");
	must_not_fail(closedir(dir), "closedir");
	remove_files(rounds);
	remove_folder();
	return each;
}

/* ---- names ---- */

static uint64_t stat_each(const char *path, unsigned rounds)
{
	struct stat st;
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < rounds; i++)
		must_not_fail(stat(path, &st), path);
	return milli_each(begin, rounds);
}

static uint64_t stat_1(unsigned rounds)
{
	uint64_t each;

	make_file(FILE_NAME);
	each = stat_each(FILE_NAME, rounds);
	must_not_fail(unlink(FILE_NAME), "unlink");
	return each;
}

static uint64_t stat_4(unsigned rounds)
{
	uint64_t each;

	make_folder();
	must_not_fail(mkdir(FOLDER "/two", 0700), "mkdir");
	must_not_fail(mkdir(DEEP, 0700), "mkdir");
	make_file(DEEP "/file");
	each = stat_each(DEEP "/file", rounds);
	must_not_fail(unlink(DEEP "/file"), "unlink");
	must_not_fail(rmdir(DEEP), "rmdir");
	must_not_fail(rmdir(FOLDER "/two"), "rmdir");
	remove_folder();
	return each;
}

static uint64_t stat_absent(unsigned rounds)
{
	struct stat st;
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < rounds; i++)
		bench_must(stat("absent", &st) == 0 ? EEXIST : errno == ENOENT ? 0 : errno, "stat");
	return milli_each(begin, rounds);
}

static uint64_t open_close(unsigned rounds)
{
	uint64_t begin, each;

	make_file(FILE_NAME);
	begin = bench_now();
	for (unsigned i = 0; i < rounds; i++)
		close_file(open_or_end(FILE_NAME, O_RDONLY));
	each = milli_each(begin, rounds);
	must_not_fail(unlink(FILE_NAME), "unlink");
	return each;
}

/* ---- reading and writing ---- */

typedef ssize_t transfer(int fd, void *buffer, size_t n, off_t offset);

static ssize_t put(int fd, void *buffer, size_t n, off_t offset)
{
	return pwrite(fd, buffer, n, offset);
}

static void move(transfer *call, int fd, size_t n, size_t at)
{
	static char buffer[CHUNK];
	ssize_t moved = call(fd, buffer, n, (off_t)(at * n));

	bench_must(moved == (ssize_t)n ? 0 : moved < 0 ? errno : EIO, "pread or pwrite");
}

/* A file of FILE_BLOCKS blocks that is on the card and in the cache. Its name is gone already. */
static int file_open(void)
{
	int fd = open_or_end(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC);

	must_not_fail(unlink(FILE_NAME), "unlink");
	bench_must(posix_fallocate(fd, 0, FILE_BLOCKS * BLOCK), "posix_fallocate");
	for (size_t i = 0; i < FILE_CHUNKS; i++)
		move(put, fd, CHUNK, i);
	must_not_fail(fsync(fd), "fsync");
	return fd;
}

/* Units of n bytes, each stride units behind the one before. */
static uint64_t transfer_each(transfer *call, size_t n, unsigned stride, unsigned rounds)
{
	int fd = file_open();
	unsigned units = (unsigned)(FILE_BLOCKS * BLOCK / n);
	uint64_t begin = bench_now(), each;

	for (unsigned i = 0; i < rounds; i++)
		move(call, fd, n, i * stride % units);
	each = milli_each(begin, rounds);
	close_file(fd);
	return each;
}

static uint64_t read_4k(unsigned rounds)
{
	return transfer_each(pread, BLOCK, 1, rounds);
}

static uint64_t read_4k_random(unsigned rounds)
{
	return transfer_each(pread, BLOCK, STRIDE, rounds);
}

static uint64_t write_4k(unsigned rounds)
{
	return transfer_each(put, BLOCK, 1, rounds);
}

static uint64_t write_4k_random(unsigned rounds)
{
	return transfer_each(put, BLOCK, STRIDE, rounds);
}

static uint64_t read_64k(unsigned rounds)
{
	return transfer_each(pread, CHUNK, 1, rounds);
}

static uint64_t write_64k(unsigned rounds)
{
	return transfer_each(put, CHUNK, 1, rounds);
}

const struct bench_case file_cases[] = {
    {"stat_1", stat_1, 2000},
    {"stat_4", stat_4, 2000},
    {"stat_absent", stat_absent, 2000},
    {"open_close", open_close, 2000},
    {"read_4k", read_4k, FILE_BLOCKS},
    {"read_4k_random", read_4k_random, FILE_BLOCKS},
    {"read_64k", read_64k, FILE_CHUNKS},
    {"write_4k", write_4k, FILE_BLOCKS},
    {"write_4k_random", write_4k_random, FILE_BLOCKS},
    {"write_64k", write_64k, FILE_CHUNKS},
    {"readdir_each", readdir_each, 1000},
    {0},
};

const struct bench_case slow_cases[] = {
    {"file_create", file_create, 10000},
    {"file_fill", file_fill, 10000},
    {"file_unlink", file_unlink, 10000},
    {0},
};
