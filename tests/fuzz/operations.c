// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Operations on whatever the card holds. Each may fail, and ends. Few names, so that operations meet; some files stay
 * open over what happens to their names.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/fs.h"
#include "mm/pcache.h"
#include "mm/reclaim.h"
#include "tests/fuzz/fuzz.h"

#define HELD 4
#define ENTRIES_MAX 300

struct operation {
	uint8_t kind, a, b, c;
};

static const char *const paths[] = {
    "/small",	    "/large",
    "/deep",	    "/dir",
    "/dir/a",	    "/dir/sub",
    "/dir/sub/b",   "/fast",
    "/slow",	    "/many",
    "/many/7",	    "/many/fresh",
    "/index",	    "/index/name-23",
    "/index/fresh", "/attributes",
    "/device",	    "/fifo",
    "/hard",	    "/new",
    "/new/x",	    "/new/sub",
    "/dir/sub/new", "/lost+found",
    "/dir/..",	    "/a-name-that-is-as-long-as-fits-well-into-a-sector-of-a-directory-and-then-some-more",
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static const int64_t offsets[] = {0,	 1,	511,	1023,	  1024,	      4095,	   4096,       12287,
				  12288, 65536, 274432, 67383296, 1073741824, 17247252000, 0x7fffffff, 0xffffffffff};
static uint8_t memory[8192];
static const char long_target[] = "/dir/../dir/../dir/../dir/../dir/../dir/../dir/../dir/../dir/../small";
static int held[HELD] = {-1, -1, -1, -1};

static const char *path(uint8_t i)
{
	return paths[i % PATHS];
}

static int64_t offset(uint8_t i)
{
	return offsets[i % 16];
}

static void end(int fd)
{
	if (fd >= 0)
		(void)fs_close(fd);
}

/* A fifo's other end is not waited for. */
static int open_any(const char *name, int flags)
{
	return fs_open(AT_FDCWD, name, flags | O_NONBLOCK, 0644);
}

static void read_all(const char *name)
{
	int fd = open_any(name, O_RDONLY);
	long n = 1;

	for (unsigned i = 0; fd >= 0 && i < 16 && n > 0; i++)
		n = fs_read(fd, memory, sizeof(memory));
	end(fd);
}

static void list(const char *name, bool stat_them)
{
	int fd = open_any(name, O_RDONLY);
	struct fs_dirent entry;
	char full[600];
	struct stat st;

	for (unsigned i = 0; fd >= 0 && i < ENTRIES_MAX && fs_readdir(fd, &entry) > 0; i++) {
		snprintf(full, sizeof(full), "%s/%s", name, entry.name);
		if (stat_them)
			(void)fs_stat(AT_FDCWD, full, &st, i % 2 ? 0 : AT_SYMLINK_NOFOLLOW);
	}
	end(fd);
}

static void change_file(const struct operation *op, int fd)
{
	switch (op->kind % 7) {
	case 0:
		(void)fs_pread(fd, memory, 1 + op->c * 32u, offset(op->b));
		break;
	case 1:
		(void)fs_pwrite(fd, memory, 1 + op->c * 32u, offset(op->b));
		break;
	case 2:
		(void)fs_ftruncate(fd, offset(op->b) + op->c);
		break;
	case 3:
		(void)fs_fallocate_mode(fd, op->c % 2, offset(op->b), 1 + op->c * 128);
		break;
	case 4:
		(void)fs_fallocate_mode(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset(op->b),
					1 + op->c * 1024);
		break;
	case 5:
		(void)fs_fsync(fd, op->c % 2);
		break;
	case 6:
		(void)fs_lseek(fd, offset(op->b), op->c % 3);
		(void)fs_write(fd, memory, op->c);
		break;
	}
}

static void on_file(const struct operation *op)
{
	int fd = open_any(path(op->a), op->c % 8 ? O_RDWR : O_RDWR | O_CREAT);

	if (fd >= 0)
		change_file(op, fd);
	end(fd);
}

static void hold(const struct operation *op)
{
	int *slot = &held[op->c % HELD];

	end(*slot);
	*slot = op->b % 4 ? open_any(path(op->a), O_RDWR) : -1;
}

static void name_it(const struct operation *op)
{
	struct stat st;

	switch (op->kind % 12) {
	case 0:
		end(open_any(path(op->a), O_RDWR | O_CREAT | (op->c % 2 ? O_TRUNC : O_EXCL)));
		break;
	case 1:
		(void)fs_mkdir(AT_FDCWD, path(op->a), 0755);
		break;
	case 2:
		(void)fs_unlink(AT_FDCWD, path(op->a), 0);
		break;
	case 3:
		(void)fs_unlink(AT_FDCWD, path(op->a), AT_REMOVEDIR);
		break;
	case 4:
		(void)fs_rename(AT_FDCWD, path(op->a), AT_FDCWD, path(op->b), op->c % 3);
		break;
	case 5:
		(void)fs_stat(AT_FDCWD, path(op->a), &st, op->c % 2 ? 0 : AT_SYMLINK_NOFOLLOW);
		break;
	case 6:
		list(path(op->a), op->c % 2);
		break;
	case 7:
		read_all(path(op->a));
		break;
	case 8:
		(void)fs_link(AT_FDCWD, path(op->a), AT_FDCWD, path(op->b), op->c % 2 ? AT_SYMLINK_FOLLOW : 0);
		break;
	case 9:
		(void)fs_symlink(op->c % 2 ? path(op->b) : long_target, AT_FDCWD, path(op->a));
		break;
	case 10:
		(void)fs_readlink(AT_FDCWD, path(op->a), (char *)memory, 1 + op->c * 20u);
		break;
	case 11:
		(void)fs_setattr(AT_FDCWD, path(op->a), &(struct fs_attr){.what = FS_ATTR_MODE, .mode = op->b * 16u},
				 0);
		break;
	}
}

/* Many names in one directory, and some of them away. */
static void crowd(const struct operation *op)
{
	char name[300];

	for (unsigned i = 0; i < op->b % 64; i++) {
		snprintf(name, sizeof(name), "%s/%0*u", path(op->a), 1 + op->c % 200, i * 7919u % 64);
		if (i % 3 == 2)
			(void)fs_unlink(AT_FDCWD, name, 0);
		else
			end(open_any(name, O_RDWR | O_CREAT));
	}
}

/* All that can be forgotten is. */
static void forget(void)
{
	(void)pcache_drop_clean();
	(void)reclaim_shrink(SIZE_MAX / 2);
}

static void operate(const struct operation *op)
{
	struct fs_space space;

	switch (op->kind / 12 % 8) {
	case 0:
	case 1:
	case 2:
		name_it(op);
		break;
	case 3:
	case 4:
		on_file(op);
		break;
	case 5:
		hold(op);
		break;
	case 6:
		if (held[op->a % HELD] >= 0)
			change_file(op, held[op->a % HELD]);
		break;
	default:
		if (op->kind % 4 == 0)
			crowd(op);
		else if (op->kind % 4 == 1)
			(void)fs_sync();
		else if (op->kind % 4 == 2)
			forget();
		else
			(void)fs_space(AT_FDCWD, "/", &space);
	}
}

/* One of each, on everything. */
static void operate_all(void)
{
	for (unsigned i = 0; i < FUZZ_OPERATIONS_MAX; i++)
		operate(&(struct operation){(uint8_t)(i * 13), (uint8_t)(i * 5), (uint8_t)(i * 7), (uint8_t)(i * 3)});
}

void fuzz_operate(const uint8_t *operations, size_t count)
{
	if (!count)
		operate_all();
	for (size_t i = 0; i < count && i < FUZZ_OPERATIONS_MAX; i++) {
		struct operation op;

		memcpy(&op, operations + i * sizeof(op), sizeof(op));
		operate(&op);
	}
}

void fuzz_look_around(void)
{
	list("/", true);
	for (unsigned i = 0; i < PATHS; i++) {
		int fd = open_any(paths[i], O_RDONLY);
		struct fs_dirent entry;

		if (fd >= 0 && fs_read(fd, memory, sizeof(memory)) < 0) {
			for (unsigned n = 0; n < ENTRIES_MAX && fs_readdir(fd, &entry) > 0; n++)
				;
		}
		end(fd);
	}
}

void fuzz_close_all(void)
{
	for (unsigned i = 0; i < HELD; i++) {
		end(held[i]);
		held[i] = -1;
	}
}
