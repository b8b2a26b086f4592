// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Keeping the log of a panic, fs/crash.h. All that a panic needs is made ready at the start: the text's memory, and the
 * runs of sectors. It asks nobody, takes no lock that could be held for good, and gives up in time.
 *
 * Runs are believed only if they lie in the device, do not overlap, and each unit in them, read from the device, has
 * its mark: a block that another file has as well has that file's data. A reference to the inode keeps the blocks while
 * the file is unlinked by a card's damage; INODE_FIXED keeps everybody from changing it.
 *
 * Locks: none; crash.armed is atomic. crash_prepare and crash_forget sleep, the panic's part never does.
 */
#include "fs/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/page.h"
#include "drivers/block/blkdev.h"
#include "fs/fs.h"
#include "fs/namei.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "mm/frame.h"
#include "mm/kmalloc.h"

#define RUNS_MAX 16u
#define PATIENCE (10 * NSEC_PER_SEC)
#define ROOM 64u // the file may be one part in so many of what is free

struct run {
	sector_t sector;
	uint32_t sectors;
};

_Static_assert(sizeof(struct crash_unit) == CRASH_UNIT, "as it lies on the card");

static struct {
	atomic_bool armed; // release pairs with the panic's acquire: the rest is constant meanwhile
	struct blkdev *dev;
	struct inode *inode;	  // referenced
	struct crash_unit *units; // the file's contents, wired
	struct run runs[RUNS_MAX];
	unsigned run_count;
} crash;

/* ---- the panic ---- */

/*
 * The text, len bytes that end where the units' memory does or before, spread over the units. It lies so far behind
 * that no unit reaches the text of the next.
 */
static char *units_text(void)
{
	return (char *)crash.units + CRASH_SIZE - CRASH_UNITS * CRASH_TEXT;
}

static void units_make(size_t len, uint64_t time)
{
	const char *text = units_text();

	for (uint32_t i = 0; i < CRASH_UNITS; i++) {
		struct crash_unit *unit = &crash.units[i];
		const size_t from = min_of((size_t)i * CRASH_TEXT, len);
		const uint32_t length = (uint32_t)min_of(len - from, (size_t)CRASH_TEXT);

		memmove(unit->text, text + from, length);
		memset(unit->text + length, 0, CRASH_TEXT - length); // behind it there is no more text
		memcpy(unit->mark, CRASH_MARK, sizeof(unit->mark));
		unit->index = i;
		unit->length = length;
		unit->time = time;
		unit->unused = 0;
	}
}

static int runs_transfer(enum blk_op op, nsec_t deadline)
{
	char *at = (char *)crash.units;
	int err = 0;

	for (unsigned i = 0; i < crash.run_count && !err; i++) {
		const struct run *run = &crash.runs[i];

		if (deadline)
			err = blk_run_polled(crash.dev, op, run->sector, at, run->sectors, deadline);
		else
			err = blk_read(crash.dev, run->sector, at, run->sectors);
		at += (size_t)run->sectors << SECTOR_SHIFT;
	}
	return err;
}

void crash_keep(void)
{
	const nsec_t deadline = clock_now() + PATIENCE;
	int err;

	/* Pairs with the release when it was armed. Once: a panic in here finds it taken. */
	if (!atomic_exchange_explicit(&crash.armed, false, memory_order_acquire))
		return;
	log_error("keeping this in " CRASH_PATH);
	units_make(log_copy(units_text(), (size_t)CRASH_UNITS * CRASH_TEXT), time_wall() / NSEC_PER_SEC);
	err = runs_transfer(BLK_WRITE, deadline);
	if (!err)
		err = blk_run_polled(crash.dev, BLK_FLUSH, 0, NULL, 0, deadline);
	if (err)
		log_error("could not keep it (error %d)", -err);
}

/* ---- the start ---- */

static int take_memory(void)
{
	struct page *page = frame_alloc_contig(CRASH_SIZE / PAGE_SIZE, PAGE_SIZE);

	if (!page)
		return -ENOMEM;
	crash.units = page_va(page);
	return 0;
}

static void give_memory(void)
{
	for (size_t at = 0; at < CRASH_SIZE; at += PAGE_SIZE)
		frame_free(pa_to_page(va_to_pa((char *)crash.units + at)));
	crash.units = NULL;
}

/* 0: it may be made, -EEXIST: it is there, -EROFS, -ENOSPC. */
static int has_room(void)
{
	struct fs_space space;
	struct stat st;
	int err = fs_space(AT_FDCWD, "/", &space);

	if (err || space.read_only)
		return err ? err : -EROFS;
	if (fs_stat(AT_FDCWD, CRASH_PATH, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return space.blocks_avail * space.block_size / ROOM >= CRASH_SIZE ? 0 : -ENOSPC;
}

static int file_fill(int fd)
{
	long done;

	units_make(0, 0);
	done = fs_write(fd, crash.units, CRASH_SIZE);
	if (done < 0)
		return (int)done;
	return done == CRASH_SIZE ? fs_fsync(fd, false) : -ENOSPC;
}

/* The first time. */
static int file_make(void)
{
	int err = fs_mkdir(AT_FDCWD, "/var", 0755), fd, closed;

	if (err && err != -EEXIST)
		return err;
	fd = fs_open(AT_FDCWD, CRASH_PATH, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return fd;
	err = file_fill(fd);
	closed = fs_close(fd);
	err = err ? err : closed;
	if (err && fs_unlink(AT_FDCWD, CRASH_PATH, 0))
		log_warning(CRASH_PATH " is not whole, and cannot be removed");
	return err;
}

static bool overlaps(const struct run *a, const struct run *b)
{
	return a->sector < b->sector + b->sectors && b->sector < a->sector + a->sectors;
}

/* -EUCLEAN: it cannot lie there. -E2BIG: in too many pieces. */
static int run_add(uint64_t at, uint64_t len)
{
	const struct run run = {.sector = at >> SECTOR_SHIFT, .sectors = (uint32_t)(len >> SECTOR_SHIFT)};

	if (run.sector > crash.dev->sectors || run.sectors > crash.dev->sectors - run.sector)
		return -EUCLEAN;
	for (unsigned i = 0; i < crash.run_count; i++)
		if (overlaps(&crash.runs[i], &run))
			return -EUCLEAN;
	if (crash.run_count == RUNS_MAX)
		return -E2BIG;
	crash.runs[crash.run_count++] = run;
	return 0;
}

static int find_runs(struct inode *inode)
{
	uint64_t at, len;
	int err = 0;

	crash.run_count = 0;
	for (uint64_t offset = 0; offset < CRASH_SIZE && !err; offset += len) {
		err = inode->ops->place(inode, offset, &at, &len);
		if (err)
			break;
		len = min_of(len, CRASH_SIZE - offset);
		err = run_add(at, len);
	}
	return err;
}

static int check_units(void)
{
	int err = runs_transfer(BLK_READ, 0);

	for (uint32_t i = 0; i < CRASH_UNITS && !err; i++)
		if (memcmp(crash.units[i].mark, CRASH_MARK, sizeof(crash.units[i].mark)) || crash.units[i].index != i)
			err = -EUCLEAN;
	return err;
}

static int lookup(struct inode **out)
{
	char *path;
	int err = path_copy(CRASH_PATH, &path);

	if (err)
		return err;
	err = path_lookup(AT_FDCWD, path, false, out);
	kfree(path);
	return err;
}

static int arm(struct inode *inode)
{
	int err;

	crash.dev = inode->super->dev;
	if (!S_ISREG(inode->mode) || !inode->ops->place || !crash.dev || inode_size(inode) != CRASH_SIZE)
		return -EUCLEAN;
	mutex_lock(&inode->lock);
	inode->flags |= INODE_FIXED; // from here on it lies where it lies
	mutex_unlock(&inode->lock);
	err = find_runs(inode);
	if (!err)
		err = check_units();
	if (err) {
		mutex_lock(&inode->lock);
		inode->flags &= ~INODE_FIXED;
		mutex_unlock(&inode->lock);
		return err;
	}
	crash.inode = inode;
	atomic_store_explicit(&crash.armed, true, memory_order_release);
	return 0;
}

void crash_prepare(void)
{
	struct inode *inode;
	int room = has_room(), err;

	if (room == -EROFS || room == -ENOSPC)
		return;
	err = take_memory();
	if (!err && room != -EEXIST)
		err = file_make();
	if (!err)
		err = lookup(&inode);
	if (!err) {
		err = arm(inode);
		if (err)
			inode_put(inode);
	}
	if (err) {
		log_warning("a panic will not be kept in " CRASH_PATH " (error %d)%s", -err,
			    err == -EUCLEAN ? ": it is not as it was made, remove it" : "");
		if (crash.units)
			give_memory();
	}
}

void crash_forget(void)
{
	struct inode *inode = crash.inode;

	if (!atomic_exchange(&crash.armed, false) || !inode)
		return;
	crash.inode = NULL;
	mutex_lock(&inode->lock);
	inode->flags &= ~INODE_FIXED;
	mutex_unlock(&inode->lock);
	inode_put(inode);
}
