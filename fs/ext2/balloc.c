// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The block allocator: bitmaps, one block a group. At the goal if that is free, so that a file which grows stays
 * contiguous; else the first run that is long enough, from the goal on to the end of its group, from that group's
 * start, then in the other groups in turn; and if there is none anywhere, the first of the longest there are. What lies
 * in windows (window.c) is left alone until there is nothing else. The reserved blocks of the volume are not given out.
 *
 * No group is searched in vain twice: a search that fails has seen how long the group's longest run is, and until
 * blocks are freed there, nothing longer is looked for in it. So an allocation costs a look at the group's descriptors,
 * one bitmap, a word at a time, and on the average no more than that. A bitmap that cannot be read is left out.
 *
 * Runs inside a transaction, which is its lock. Sleeps on metadata I/O.
 */
#include <errno.h>

#include "fs/ext2/alloc.h"
#include "lib/bitmap.h"

uint32_t ext2_group_blocks(const struct volume *vol, uint32_t group)
{
	return min_of(vol->blocks_per_group, vol->blocks - ext2_group_start(vol, group));
}

static uint32_t group_of(const struct volume *vol, fsblk_t block)
{
	return (block - vol->first_block) / vol->blocks_per_group;
}

static uint32_t bit_of(const struct volume *vol, fsblk_t block)
{
	return (block - vol->first_block) % vol->blocks_per_group;
}

/* What a group begins with, if there is a superblock in it. */
static uint32_t group_head(const struct volume *vol, uint32_t group)
{
	return ext2_group_has_super(vol, group) ? 1 + vol->gdt_blocks + vol->es.reserved_gdt_blocks : 0;
}

static uint32_t itable_blocks(const struct volume *vol)
{
	return vol->inodes_per_group * vol->inode_size / vol->block_size;
}

static bool is_apart(fsblk_t first, uint32_t count, fsblk_t area, uint32_t blocks)
{
	return first < area ? area - first >= count : first - area >= blocks;
}

bool ext2_run_valid(struct volume *vol, fsblk_t first, uint32_t count)
{
	if (first < vol->first_block || first >= vol->blocks || count > vol->blocks - first)
		return false;
	while (count) {
		const uint32_t group = group_of(vol, first), bit = bit_of(vol, first);
		const uint32_t here = min_of(count, vol->blocks_per_group - bit);
		const struct ext2_group *g = ext2_group(vol, group);

		if (bit < group_head(vol, group) || !is_apart(first, here, g->block_bitmap, 1) ||
		    !is_apart(first, here, g->inode_bitmap, 1) ||
		    !is_apart(first, here, g->inode_table, itable_blocks(vol)))
			return false;
		first += here;
		count -= here;
	}
	return true;
}

bool ext2_block_valid(struct volume *vol, fsblk_t block)
{
	return ext2_run_valid(vol, block, 1);
}

uint32_t ext2_blocks_available(struct volume *vol)
{
	const struct ext2_super *s = &vol->es;

	return s->free_blocks > s->reserved_blocks ? s->free_blocks - s->reserved_blocks : 0;
}

fsblk_t ext2_blocks_goal(struct volume *vol, uint32_t ino)
{
	return ext2_group_start(vol, (ino - 1) / vol->inodes_per_group);
}

static void count_free(struct volume *vol, uint32_t group, int change)
{
	struct ext2_group *g = ext2_group(vol, group);

	g->free_blocks += change;
	vol->es.free_blocks += change;
	ext2_group_changed(vol, group);
}

/* As far as is known: no run of free blocks outside of windows is longer. */
static uint32_t longest_in(struct volume *vol, uint32_t group)
{
	return min_of(vol->alloc->groups[group].longest, ext2_group(vol, group)->free_blocks);
}

void ext2_run_returned(struct volume *vol, fsblk_t first, uint32_t count)
{
	struct group_hint *hint = &vol->alloc->groups[group_of(vol, first)];

	/* It may join one on either side. */
	hint->longest = min_of(2 * hint->longest + count, (uint32_t)UINT16_MAX);
}

/* ---- inside one bitmap, which is held: bits of the group ---- */

struct bits {
	struct volume *vol;
	uint32_t group, end;
	uint64_t *map;
	struct buffer *b;
};

struct bit_run {
	uint32_t first, count;
};

static int bits_get(struct txn *t, uint32_t group, struct bits *out)
{
	struct volume *vol = t->vol;
	struct group_hint *hint = &vol->alloc->groups[group];
	int err;

	*out = (struct bits){.vol = vol, .group = group, .end = ext2_group_blocks(vol, group)};
	err = buffer_get(vol->buffers, ext2_group(vol, group)->block_bitmap, &out->b);
	if (err) {
		if (hint->longest)
			log_error("ext2: %s: the block bitmap of group %u cannot be read (%d)", vol->super.dev->name,
				  group, err);
		hint->longest = 0;
		return err;
	}
	txn_access(t, out->b);
	out->map = out->b->data;
	return 0;
}

/* The first blocks of a free run that are in nobody's window. */
static struct bit_run outside_windows(const struct bits *bits, uint32_t from, uint32_t end)
{
	const fsblk_t start = ext2_group_start(bits->vol, bits->group);
	fsblk_t first = start + from;
	const uint32_t count = ext2_window_outside(bits->vol, &first, start + end);

	return (struct bit_run){first - start, count};
}

/* The first run of `length` in [from, end), or the longest, if that is more than *best. */
static void find_run(const struct bits *bits, uint32_t from, uint32_t end, uint32_t length, struct bit_run *best)
{
	while (from < end && best->count < length) {
		uint32_t first = bitmap_next_clear(bits->map, from, end);

		from = bitmap_next_set(bits->map, first, end);
		while (from - first > best->count && best->count < length) {
			const struct bit_run piece = outside_windows(bits, first, from);

			if (piece.count > best->count)
				*best = piece;
			first = piece.count ? piece.first + piece.count : from;
		}
	}
}

/* What begins right at the bit. */
static struct bit_run run_at(const struct bits *bits, uint32_t bit)
{
	const struct bit_run none = {0};
	struct bit_run run;

	if (bitmap_test(bits->map, bit))
		return none;
	run = outside_windows(bits, bit, bitmap_next_set(bits->map, bit, bits->end));
	return run.first == bit ? run : none;
}

/* Of the run, what lies in `count` blocks from `first` on: a sound bitmap has none of a metadata area free. */
static bool overlaps(const struct bits *bits, const struct bit_run *run, fsblk_t first, uint32_t count)
{
	const uint32_t area = first - ext2_group_start(bits->vol, bits->group);
	const uint32_t from = max_of(area, run->first), end = min_of(area + count, run->first + run->count);

	if (!count || from >= end)
		return false;
	(void)ext2_damaged_at(bits->vol, 0, ext2_group(bits->vol, bits->group)->block_bitmap,
			      "block bitmap of group %u has metadata block %u free", bits->group,
			      ext2_group_start(bits->vol, bits->group) + from);
	bitmap_set(bits->map, from, end - from);
	return true;
}

/* Free blocks on the bitmap that hold metadata are damage: marked used, and the search goes on. */
static bool is_sound(const struct bits *bits, const struct bit_run *run)
{
	struct volume *vol = bits->vol;
	const struct ext2_group *g = ext2_group(vol, bits->group);

	return !overlaps(bits, run, ext2_group_start(vol, bits->group), group_head(vol, bits->group)) &&
	       !overlaps(bits, run, g->block_bitmap, 1) && !overlaps(bits, run, g->inode_bitmap, 1) &&
	       !overlaps(bits, run, g->inode_table, itable_blocks(vol));
}

/* A count of what is not there is set right, or each search would come here again. */
static void check_any_free(const struct bits *bits)
{
	const uint32_t counted = ext2_group(bits->vol, bits->group)->free_blocks;

	if (bitmap_next_clear(bits->map, 0, bits->end) < bits->end)
		return;
	(void)ext2_damaged_at(bits->vol, 0, ext2_group(bits->vol, bits->group)->block_bitmap,
			      "group %u counts %u free blocks and has none", bits->group, counted);
	count_free(bits->vol, bits->group, -(int)counted);
}

/* Up to `want` of the run, which is free: how many. */
static uint32_t take(struct txn *t, const struct bits *bits, const struct bit_run *run, uint32_t want)
{
	const uint32_t free = ext2_group(t->vol, bits->group)->free_blocks;
	uint32_t count = min_of(want, run->count);

	count = min_of(count, free);
	if (count) {
		bitmap_set(bits->map, run->first, count);
		txn_dirty(t, bits->b, BUFFER_EARLY);
		count_free(t->vol, bits->group, -(int)count);
	}
	return count;
}

int ext2_run_take(struct txn *t, fsblk_t first, uint32_t want, uint32_t *count)
{
	struct bit_run run = {.first = bit_of(t->vol, first)};
	struct bits bits;
	int err = bits_get(t, group_of(t->vol, first), &bits);

	*count = 0;
	if (err)
		return err;
	run.count = bitmap_next_set(bits.map, run.first, min_of(run.first + want, bits.end)) - run.first;
	*count = take(t, &bits, &run, want);
	buffer_put(bits.b);
	return 0;
}

/* ---- all groups ---- */

static void found(struct run_search *s, const struct bits *bits, const struct bit_run *run)
{
	s->first = ext2_group_start(s->t->vol, bits->group) + run->first;
	s->count = min_of(run->count, s->length);
	s->taken = take(s->t, bits, run, min_of(s->want, s->count));
}

/* Right at the goal, however long: then it makes no new extent. s->taken says whether. */
static int alloc_at_goal(struct run_search *s)
{
	struct volume *vol = s->t->vol;
	struct bit_run run;
	struct bits bits;
	int err;

	if (!longest_in(vol, group_of(vol, s->goal)))
		return 0;
	err = bits_get(s->t, group_of(vol, s->goal), &bits);
	if (err)
		return err;
	do
		run = run_at(&bits, bit_of(vol, s->goal));
	while (run.count && !is_sound(&bits, &run));
	if (run.count)
		found(s, &bits, &run);
	buffer_put(bits.b);
	return 0;
}

/* s->taken says whether a run of the length was there. */
static int alloc_in_group(struct run_search *s, uint32_t group, uint32_t from)
{
	struct volume *vol = s->t->vol;
	struct bit_run run;
	struct bits bits;
	int err = bits_get(s->t, group, &bits);

	if (err)
		return err;
	do {
		run = (struct bit_run){0};
		find_run(&bits, from, bits.end, s->length, &run);
		find_run(&bits, 0, from, s->length, &run);
	} while (run.count && !is_sound(&bits, &run));
	if (run.count >= s->length)
		found(s, &bits, &run);
	else
		vol->alloc->groups[group].longest = run.count;
	if (!run.count)
		check_any_free(&bits);
	buffer_put(bits.b);
	return 0;
}

/* The length shrinks to what there is. The first error of a bitmap that could not be read. */
static int alloc_in_groups(struct run_search *s)
{
	struct volume *vol = s->t->vol;
	int first = 0;

	while (!s->taken) {
		uint32_t group = group_of(vol, s->goal), from = bit_of(vol, s->goal), longest = 0;

		for (uint32_t i = 0; i < vol->groups; i++)
			longest = max_of(longest, longest_in(vol, i));
		if (!longest)
			return first;
		s->length = min_of(s->length, longest);
		for (uint32_t i = 0; i < vol->groups && !s->taken; i++) {
			if (longest_in(vol, group) >= s->length) {
				int err = alloc_in_group(s, group, from);

				first = first ? first : err;
			}
			group = (group + 1) % vol->groups;
			from = 0;
		}
	}
	return 0;
}

/* Nothing outside of windows, as far as is known: now there are none, and nothing is known. */
static void forget_all(struct volume *vol)
{
	ext2_windows_steal(vol);
	for (uint32_t group = 0; group < vol->groups; group++)
		vol->alloc->groups[group].longest = UINT16_MAX;
}

static fsblk_t goal_inside(const struct volume *vol, fsblk_t goal)
{
	return goal < vol->first_block || goal >= vol->blocks ? vol->first_block : goal;
}

static int alloc_anywhere(struct run_search *s)
{
	int err = alloc_at_goal(s), other;

	if (s->taken)
		return 0;
	other = alloc_in_groups(s);
	return err ? err : other;
}

int ext2_run_alloc(struct run_search *s)
{
	int err;

	s->goal = goal_inside(s->t->vol, s->goal);
	s->taken = 0;
	err = alloc_anywhere(s);
	if (!s->taken) {
		forget_all(s->t->vol);
		s->length = s->want;
		err = alloc_anywhere(s);
	}
	return s->taken ? 0 : err ? err : -ENOSPC;
}

int ext2_blocks_alloc(struct txn *t, fsblk_t goal, uint32_t want, fsblk_t *first, uint32_t *count)
{
	const uint32_t length = min_of(want, ext2_blocks_available(t->vol));
	struct run_search s = {.t = t, .goal = goal, .length = length, .want = length};
	int err;

	err = s.want ? ext2_run_alloc(&s) : -ENOSPC;
	*first = s.first;
	*count = s.taken;
	return err;
}

/* The last block of the group that is free and in nobody's window. *block 0: there is none. */
static int alloc_last(struct txn *t, uint32_t group, fsblk_t *block)
{
	struct volume *vol = t->vol;
	const fsblk_t start = ext2_group_start(vol, group);
	struct bit_run run = {.count = 1};
	struct bits bits;
	uint32_t end;
	int err = bits_get(t, group, &bits);

	*block = 0;
	if (err)
		return err;
	for (end = bits.end; (run.first = bitmap_last_clear(bits.map, 0, end)) < end;) {
		const struct window *w = ext2_window_at(vol, start + run.first);

		if (w)
			end = w->first - start;
		else if (is_sound(&bits, &run))
			break;
	}
	if (run.first < end && take(t, &bits, &run, 1))
		*block = start + run.first;
	else
		vol->alloc->groups[group].longest = 0;
	if (!*block)
		check_any_free(&bits);
	buffer_put(bits.b);
	return 0;
}

static int alloc_last_in_groups(struct txn *t, fsblk_t goal, fsblk_t *block)
{
	struct volume *vol = t->vol;
	uint32_t group = group_of(vol, goal);
	int first = 0;

	*block = 0;
	for (uint32_t i = 0; i < vol->groups && !*block; i++) {
		if (longest_in(vol, group)) {
			int err = alloc_last(t, group, block);

			first = first ? first : err;
		}
		group = (group + 1) % vol->groups;
	}
	return first;
}

int ext2_block_alloc_apart(struct txn *t, fsblk_t goal, fsblk_t *block)
{
	int err;

	if (!ext2_blocks_available(t->vol))
		return -ENOSPC;
	goal = goal_inside(t->vol, goal);
	err = alloc_last_in_groups(t, goal, block);
	if (!*block) {
		forget_all(t->vol);
		err = alloc_last_in_groups(t, goal, block);
	}
	return *block ? 0 : err ? err : -ENOSPC;
}

int ext2_blocks_release(struct txn *t, fsblk_t first, uint32_t count)
{
	struct volume *vol = t->vol;
	const uint32_t group = group_of(vol, first);
	uint32_t cleared;
	struct buffer *b;
	int err = buffer_get(vol->buffers, ext2_group(vol, group)->block_bitmap, &b);

	if (err)
		return err;
	txn_access(t, b);
	cleared = bitmap_clear(b->data, bit_of(vol, first), count);
	if (cleared != count)
		(void)ext2_damaged_at(vol, 0, first, "blocks %u..%u were freed and some were free already", first,
				      first + count - 1);
	txn_dirty(t, b, BUFFER_EARLY);
	count_free(vol, group, (int)cleared);
	ext2_run_returned(vol, first, count);
	buffer_put(b);
	return 0;
}
