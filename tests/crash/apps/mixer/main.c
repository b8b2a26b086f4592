// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The power-cut test's second workload: `mixer COUNT SEED`. Operations of all kinds on a small tree, each printed as a
 * line `NUMBER VERB ...` from which the test knows what may be on the card. Contents are cells of 512 bytes, each full
 * of one number that says which operation wrote it, and where. When a call that makes something durable has returned,
 * its number is stored into /ack and written without a FLUSH (sync_file_range): a recorded write that holds it proves
 * that the call had returned before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CELL 512u
#define CELLS_MAX 120u // more than the direct blocks of a file have, whatever the block size
#define PAGE 4096u
#define DIRS 4u	 // the first is always there
#define FILES 6u // in each
#define HELD 3u	 // files that are open without a name

struct slot {
	bool exists;
	unsigned cells;
};

static struct slot slots[DIRS * FILES];
static bool dirs[DIRS] = {true};
static int held[HELD] = {-1, -1, -1};
static int ack;
static unsigned op;
static unsigned recent; // slot that was written last
static uint32_t state;

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "mixer: %u: %s: %s\n", op, what, strerror(errno));
	exit(EXIT_FAILURE);
}

static unsigned random_below(unsigned n)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

static const char *dir_path(unsigned dir)
{
	static const char *const paths[DIRS] = {"/mix", "/mix/d1", "/mix/d2", "/mix/d3"};

	return paths[dir];
}

static const char *slot_path(unsigned slot)
{
	static char paths[2][32];
	static unsigned next;
	char *path = paths[next++ % 2];

	snprintf(path, sizeof(paths[0]), "%s/f%u", dir_path(slot / FILES), slot % FILES);
	return path;
}

static int slot_open(unsigned slot)
{
	int fd = open(slot_path(slot), O_RDWR);

	must(fd >= 0, slot_path(slot));
	return fd;
}

static void close_fd(int fd)
{
	must(close(fd) == 0, "close");
}

/* Number and cell are told by each 8 bytes. */
static void fill(void *to, unsigned at, unsigned cells)
{
	uint64_t *words = to;

	for (unsigned i = 0; i < cells * (CELL / sizeof(*words)); i++)
		words[i] = UINT64_C(0xc5a1) << 48 | (uint64_t)op << 16 | (at + i / (CELL / sizeof(*words)));
}

static void acknowledge(void)
{
	uint64_t words[CELL / sizeof(uint64_t)];

	for (unsigned i = 0; i < CELL / sizeof(uint64_t); i++)
		words[i] = UINT64_C(0xacc1) << 48 | op;
	must(pwrite(ack, words, CELL, 0) == CELL, "/ack");
	must(sync_file_range(ack, 0, CELL,
			     SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0,
	     "sync_file_range");
}

/* ---- operations on a slot; false: not possible now, and nothing was done ---- */

static bool do_create(unsigned slot)
{
	if (slots[slot].exists || !dirs[slot / FILES])
		return false;
	int fd = open(slot_path(slot), O_CREAT | O_EXCL | O_RDWR, 0644);

	must(fd >= 0, "create");
	close_fd(fd);
	slots[slot] = (struct slot){.exists = true};
	printf("%u create %s\n", op, slot_path(slot));
	return true;
}

static void write_cells(unsigned slot, unsigned at, unsigned cells)
{
	static uint64_t data[CELLS_MAX * CELL / sizeof(uint64_t)];
	int fd = slot_open(slot);

	fill(data, at, cells);
	must(pwrite(fd, data, (size_t)cells * CELL, (off_t)at * CELL) == (ssize_t)(cells * CELL), "pwrite");
	close_fd(fd);
	if (at + cells > slots[slot].cells)
		slots[slot].cells = at + cells;
	recent = slot;
	printf("%u write %s %u %u\n", op, slot_path(slot), at, cells);
}

static bool do_append(unsigned slot)
{
	const unsigned cells = 1 + random_below(random_below(4) ? 6 : 40);

	if (!slots[slot].exists || slots[slot].cells + cells > CELLS_MAX)
		return false;
	write_cells(slot, slots[slot].cells, cells);
	return true;
}

static bool do_write(unsigned slot)
{
	if (!slots[slot].exists || !slots[slot].cells)
		return false;
	const unsigned at = random_below(slots[slot].cells), left = slots[slot].cells - at;

	write_cells(slot, at, 1 + random_below(left < 12 ? left : 12));
	return true;
}

/* Stores into a mapping, or makes it durable. */
static bool mapped(unsigned slot, bool storing)
{
	if (!slots[slot].exists || !slots[slot].cells)
		return false;
	const unsigned at = random_below(slots[slot].cells), left = slots[slot].cells - at;
	const unsigned cells = 1 + random_below(left < 12 ? left : 12), before = at % (PAGE / CELL);
	const size_t size = (size_t)(before + cells) * CELL;
	int fd = slot_open(slot);
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(at - before) * CELL);

	must(map != MAP_FAILED, "mmap");
	recent = slot;
	if (storing)
		fill(map + before * CELL, at, cells);
	else
		must(msync(map, size, MS_SYNC) == 0, "msync");
	must(munmap(map, size) == 0, "munmap");
	close_fd(fd);
	if (storing)
		printf("%u write %s %u %u\n", op, slot_path(slot), at, cells);
	else
		printf("%u msync %s %u %u\n", op, slot_path(slot), at - before, before + cells);
	return true;
}

static bool do_store(unsigned slot)
{
	return mapped(slot, true);
}

static bool do_msync(unsigned slot)
{
	if (!mapped(slot, false))
		return false;
	acknowledge();
	return true;
}

static bool do_truncate(unsigned slot)
{
	if (!slots[slot].exists)
		return false;
	const unsigned cells = random_below(random_below(3) ? slots[slot].cells + 1 : CELLS_MAX);

	must(truncate(slot_path(slot), (off_t)cells * CELL) == 0, "truncate");
	slots[slot].cells = cells;
	printf("%u truncate %s %u\n", op, slot_path(slot), cells);
	return true;
}

static bool do_fallocate(unsigned slot)
{
	const unsigned cells = 1 + random_below(CELLS_MAX);

	if (!slots[slot].exists)
		return false;
	int fd = slot_open(slot), err = posix_fallocate(fd, 0, (off_t)cells * CELL);

	errno = err;
	must(err == 0, "posix_fallocate");
	close_fd(fd);
	if (cells > slots[slot].cells)
		slots[slot].cells = cells;
	printf("%u truncate %s %u\n", op, slot_path(slot), slots[slot].cells);
	return true;
}

static bool do_rename(unsigned slot)
{
	const unsigned to = random_below(DIRS * FILES);

	if (!slots[slot].exists || !dirs[to / FILES] || to == slot)
		return false;
	must(rename(slot_path(slot), slot_path(to)) == 0, "rename");
	slots[to] = slots[slot];
	slots[slot].exists = false;
	printf("%u rename %s %s\n", op, slot_path(slot), slot_path(to));
	return true;
}

static bool do_unlink(unsigned slot)
{
	if (!slots[slot].exists)
		return false;
	if (random_below(2)) { // it goes when it is closed, or with the mount after the cut
		int *fd = &held[random_below(HELD)];

		if (*fd >= 0)
			close_fd(*fd);
		*fd = slot_open(slot);
	}
	must(unlink(slot_path(slot)) == 0, "unlink");
	slots[slot].exists = false;
	printf("%u unlink %s\n", op, slot_path(slot));
	return true;
}

static bool sync_slot(unsigned slot, int (*sync_fd)(int fd))
{
	if (!slots[slot].exists)
		return false;
	int fd = slot_open(slot);

	must(sync_fd(fd) == 0, "fsync or fdatasync");
	close_fd(fd);
	printf("%u fsync %s\n", op, slot_path(slot));
	acknowledge();
	return true;
}

static bool do_fsync(unsigned slot)
{
	return sync_slot(slot, fsync);
}

static bool do_fdatasync(unsigned slot)
{
	return sync_slot(slot, fdatasync);
}

/* ---- operations on the slot's directory ---- */

static bool do_mkdir(unsigned slot)
{
	const unsigned dir = slot / FILES;

	if (dirs[dir])
		return false;
	must(mkdir(dir_path(dir), 0755) == 0, "mkdir");
	dirs[dir] = true;
	printf("%u mkdir %s\n", op, dir_path(dir));
	return true;
}

/* Empties it first, an operation for each name. */
static bool do_rmdir(unsigned slot)
{
	const unsigned dir = slot / FILES;

	if (dir == 0 || !dirs[dir])
		return false;
	for (unsigned i = dir * FILES; i < (dir + 1) * FILES; i++) {
		if (slots[i].exists)
			return do_unlink(i);
	}
	must(rmdir(dir_path(dir)) == 0, "rmdir");
	dirs[dir] = false;
	printf("%u rmdir %s\n", op, dir_path(dir));
	return true;
}

static bool do_fsync_dir(unsigned slot)
{
	const unsigned dir = slot / FILES;

	if (!dirs[dir])
		return false;
	int fd = open(dir_path(dir), O_RDONLY);

	must(fd >= 0 && fsync(fd) == 0, "fsync of a directory");
	close_fd(fd);
	printf("%u fsyncdir %s\n", op, dir_path(dir));
	acknowledge();
	return true;
}

static bool do_sync(unsigned slot)
{
	(void)slot;
	sync();
	printf("%u sync\n", op);
	acknowledge();
	return true;
}

static bool (*const operations[])(unsigned slot) = {
    do_create, do_create,   do_create, do_create,    do_append, do_append, do_append, do_append,    do_append,
    do_write,  do_write,    do_store,  do_store,     do_store,	do_msync,  do_msync,  do_fsync,	    do_fsync,
    do_fsync,  do_truncate, do_rename, do_rename,    do_rename, do_unlink, do_unlink, do_mkdir,	    do_mkdir,
    do_rmdir,  do_rmdir,    do_sync,   do_fsync_dir, do_mkdir,	do_create, do_append, do_fdatasync, do_fallocate,
};

int main(int argc, char **argv)
{
	const unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 200;

	state = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
	ack = open("/ack", O_CREAT | O_RDWR, 0644);
	must(ack >= 0, "/ack");
	must(mkdir(dir_path(0), 0755) == 0, dir_path(0));
	must(pwrite(ack, &(char[CELL]){0}, CELL, 0) == CELL, "/ack");
	sync();
	printf("0 mkdir %s\n", dir_path(0));
	acknowledge();
	for (op = 1; op <= count;)
		op += operations[random_below(sizeof(operations) / sizeof(operations[0]))](
		    random_below(3) ? random_below(DIRS * FILES) : recent);
	must(fflush(stdout) == 0, "standard output");
	return EXIT_SUCCESS;
}
