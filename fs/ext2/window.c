// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Reservation windows, so that files which grow at the same time stay contiguous. A file that is allocated a
 * block behind one that it has seems to grow there, and gets a window behind that: free blocks which other allocations
 * leave alone until the file has taken them. Each is twice the one before, up to WINDOW_BYTES_MAX. A file may have
 * several, one for each place at which it grows. They go when the file is cut, or closed by who has written it, the
 * oldest when there are too many, and all of them when nothing else is free, so they never make a volume full.
 *
 * Guarded by the transaction, but ext2_windows_close, which is for any context. Sleeps on metadata I/O where it
 * allocates.
 */
#include <errno.h>

#include "fs/ext2/alloc.h"
#include "mm/kmalloc.h"

#define WINDOW_BYTES_MIN (64u * 1024)
#define WINDOW_BYTES_MAX (4u * 1024 * 1024) // as much as SD cards erase at a time
#define WINDOW_SHARE 8			    // of what is free, a window is no more than this part

#define for_each_window(alloc, w) for ((w) = (alloc)->windows; (w) < (alloc)->windows + WINDOWS_MAX; (w)++)

int ext2_alloc_init(struct volume *vol)
{
	vol->alloc = kzalloc(sizeof(*vol->alloc) + vol->groups * sizeof(vol->alloc->groups[0]));
	if (!vol->alloc)
		return -ENOMEM;
	for (uint32_t group = 0; group < vol->groups; group++)
		vol->alloc->groups[group].longest = UINT16_MAX; // not known
	return 0;
}

static uint32_t owner_of(const struct window *w)
{
	return atomic_load_explicit(&w->ino, memory_order_relaxed);
}

static void give_back(struct volume *vol, struct window *w)
{
	if (w->count)
		ext2_run_returned(vol, w->first, w->count);
	w->count = 0;
}

static void end_window(struct volume *vol, struct window *w)
{
	give_back(vol, w);
	atomic_store_explicit(&w->ino, 0, memory_order_relaxed);
}

/* ---- what others see of them ---- */

const struct window *ext2_window_at(const struct volume *vol, fsblk_t block)
{
	const struct window *w;

	for_each_window (vol->alloc, w) {
		if (block - w->first < w->count)
			return w;
	}
	return NULL;
}

uint32_t ext2_window_outside(const struct volume *vol, fsblk_t *first, fsblk_t end)
{
	const struct window *w;
	uint32_t before = end;

	while (*first < end && (w = ext2_window_at(vol, *first)))
		*first = w->first + w->count;
	if (*first >= end)
		return 0;
	for_each_window (vol->alloc, w) {
		if (w->count && w->first > *first)
			before = min_of(before, w->first);
	}
	return before - *first;
}

/* Those of files that were closed. */
static void sweep(struct volume *vol)
{
	struct window *w;

	for_each_window (vol->alloc, w) {
		if (owner_of(w) && atomic_load_explicit(&w->over, memory_order_relaxed))
			end_window(vol, w);
	}
}

void ext2_windows_steal(struct volume *vol)
{
	struct window *w;

	for_each_window (vol->alloc, w)
		give_back(vol, w);
}

void ext2_windows_drop(struct volume *vol, uint32_t ino)
{
	struct window *w;

	for_each_window (vol->alloc, w) {
		if (owner_of(w) == ino)
			end_window(vol, w);
	}
}

void ext2_windows_close(struct inode *inode)
{
	struct window *w;

	for_each_window (ext2_volume(inode)->alloc, w) {
		if (owner_of(w) == inode->ino)
			atomic_store_explicit(&w->over, true, memory_order_relaxed);
	}
}

/* ---- a file's own ---- */

static struct window *window_of(struct volume *vol, uint32_t ino, uint32_t lblk)
{
	struct window *w;

	for_each_window (vol->alloc, w) {
		if (owner_of(w) == ino && w->lblk == lblk)
			return w;
	}
	return NULL;
}

fsblk_t ext2_window_goal(struct volume *vol, uint32_t ino, uint32_t lblk)
{
	const struct window *w = window_of(vol, ino, lblk);

	return w ? w->first : 0;
}

/* How much is lost if it makes way for another. */
static unsigned worth(const struct window *w)
{
	return !owner_of(w) ? 0 : !w->size ? 1 : 2;
}

static bool goes_before(const struct window *w, const struct window *other)
{
	return worth(w) != worth(other) ? worth(w) < worth(other) : w->used < other->used;
}

/* One for a new place: if the file has many, one of its own; files that come and go take none from those that grow. */
static struct window *window_choose(struct volume *vol, uint32_t ino)
{
	struct window *w, *least = vol->alloc->windows, *own = NULL;
	unsigned owned = 0;

	for_each_window (vol->alloc, w) {
		if (owner_of(w) == ino) {
			owned++;
			if (!own || goes_before(w, own))
				own = w;
		}
		if (goes_before(w, least))
			least = w;
	}
	w = owned >= WINDOWS_PER_FILE ? own : least;
	end_window(vol, w);
	w->size = 0;
	atomic_store_explicit(&w->over, false, memory_order_relaxed);
	atomic_store_explicit(&w->ino, ino, memory_order_relaxed);
	return w;
}

/* After one of `size` blocks. */
static uint32_t next_size(const struct volume *vol, uint32_t size)
{
	const uint32_t least = WINDOW_BYTES_MIN >> vol->block_shift, most = WINDOW_BYTES_MAX >> vol->block_shift;

	return min_of(max_of(2 * size, least), most);
}

/* The next blocks from the window. 0: it has none, or they cannot be had. */
static uint32_t take_reserved(struct txn *t, struct window *w, uint32_t want)
{
	uint32_t count;

	if (!w->count)
		return 0;
	if (ext2_run_take(t, w->first, min_of(want, w->count), &count) || !count) {
		give_back(t->vol, w);
		return 0;
	}
	w->lblk += count;
	w->first += count;
	w->count -= count;
	return count;
}

int ext2_window_alloc(struct txn *t, uint32_t ino, uint32_t lblk, fsblk_t goal, bool follows, uint32_t want,
		      fsblk_t *first, uint32_t *count)
{
	struct volume *vol = t->vol;
	const uint32_t available = ext2_blocks_available(vol);
	struct run_search s = {.t = t, .goal = goal};
	uint32_t size = follows ? next_size(vol, 0) : 0;
	struct window *w;
	int err;

	s.want = min_of(want, available);
	if (!s.want)
		return -ENOSPC;
	sweep(vol);
	w = window_of(vol, ino, lblk);
	if (w) {
		w->used = ++vol->alloc->clock;
		*first = s.goal = w->first;
		*count = take_reserved(t, w, s.want);
		if (*count)
			return 0;
		size = next_size(vol, w->size);
	}
	s.length = max_of(s.want, min_of(size, available / WINDOW_SHARE));
	err = ext2_run_alloc(&s);
	if (err)
		return err;
	if (!w)
		w = window_choose(vol, ino);
	w->size = size;
	w->lblk = lblk + s.taken;
	w->first = s.first + s.taken;
	w->count = s.count - s.taken;
	w->used = ++vol->alloc->clock;
	*first = s.first;
	*count = s.taken;
	return 0;
}
