// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The inode allocator. A file goes to its directory's group, or to one that all files of that directory are led to by
 * its number. Directories are placed as the Orlov allocator of Linux's ext2 does it: those at the root are spread over
 * the groups, the others stay near their parent as long as the group is not crowded. A bitmap that cannot be read is
 * left out. Runs inside a transaction, which is its lock. Sleeps on metadata I/O.
 */
#include <errno.h>

#include "fs/ext2/alloc.h"
#include "lib/bitmap.h"

#define NO_GROUP UINT32_MAX
#define INODE_COST 64u	// inodes and
#define BLOCK_COST 256u // blocks that a directory is thought to need at least
#define DEBT_MAX 255u

/* ---- groups ---- */

struct averages {
	uint32_t free_inodes, free_blocks; // a group
	uint32_t directories;		   // of the volume
};

static struct averages averages_of(struct volume *vol)
{
	struct averages a = {
	    .free_inodes = vol->es.free_inodes / vol->groups,
	    .free_blocks = vol->es.free_blocks / vol->groups,
	};

	for (uint32_t group = 0; group < vol->groups; group++)
		a.directories += ext2_group(vol, group)->used_dirs;
	return a;
}

/* For a directory at the root, or where chattr +T says so: of the groups that are not fuller than most, the one with
 * the fewest directories. */
static uint32_t group_spread(struct volume *vol, uint32_t from, const struct averages *a)
{
	uint32_t best = NO_GROUP, fewest = UINT32_MAX;

	for (uint32_t i = 0; i < vol->groups; i++) {
		const uint32_t group = (from + i) % vol->groups;
		const struct ext2_group *g = ext2_group(vol, group);

		if (g->free_inodes && g->free_inodes >= a->free_inodes && g->free_blocks >= a->free_blocks &&
		    g->used_dirs < fewest) {
			best = group;
			fewest = g->used_dirs;
		}
	}
	return best;
}

/* How many directories may be made in a group ahead of the files that are to come into them. */
static uint32_t debt_limit(const struct volume *vol, const struct averages *a)
{
	const uint32_t used = vol->blocks - min_of(vol->es.free_blocks, vol->blocks);
	const uint32_t directories = max_of(a->directories, 1u), blocks_each = max_of(used / directories, BLOCK_COST);
	uint32_t limit = min_of(vol->blocks_per_group / blocks_each, vol->inodes_per_group / INODE_COST);

	limit = min_of(limit, DEBT_MAX);
	return max_of(limit, 1u);
}

/* For a directory elsewhere: its parent's group or the next one that is not crowded. */
static uint32_t group_near(struct volume *vol, uint32_t from, const struct averages *a)
{
	const uint32_t most_directories = a->directories / vol->groups + vol->inodes_per_group / 16;
	const uint32_t inodes_slack = vol->inodes_per_group / 4, blocks_slack = vol->blocks_per_group / 4;
	const uint32_t most_debt = debt_limit(vol, a);

	for (uint32_t i = 0; i < vol->groups; i++) {
		const uint32_t group = (from + i) % vol->groups;
		const struct ext2_group *g = ext2_group(vol, group);

		if (g->free_inodes && vol->alloc->groups[group].debt < most_debt && g->used_dirs < most_directories &&
		    g->free_inodes + inodes_slack >= a->free_inodes && g->free_blocks + blocks_slack >= a->free_blocks)
			return group;
	}
	return NO_GROUP;
}

static uint32_t group_for_directory(struct volume *vol, const struct inode *parent)
{
	const bool top = parent->ino == EXT2_ROOT_INO || parent->flags & EXT2_FLAG_TOPDIR;
	const uint32_t from = (parent->ino - 1) / vol->inodes_per_group;
	const struct averages a = averages_of(vol);
	const uint32_t group = top ? group_spread(vol, from, &a) : group_near(vol, from, &a);

	if (group != NO_GROUP)
		return group;
	for (uint32_t i = 0; i < vol->groups; i++) {
		const struct ext2_group *g = ext2_group(vol, (from + i) % vol->groups);

		if (g->free_inodes && g->free_inodes >= a.free_inodes)
			return (from + i) % vol->groups;
	}
	return from;
}

static bool has_room(struct volume *vol, uint32_t group)
{
	const struct ext2_group *g = ext2_group(vol, group);

	return g->free_inodes && g->free_blocks;
}

/*
 * Beside its directory; else in a group that depends on the directory, so that its files stay together and those of
 * another directory of that group go elsewhere.
 */
static uint32_t group_for_file(struct volume *vol, const struct inode *parent)
{
	const uint32_t home = (parent->ino - 1) / vol->inodes_per_group;
	uint32_t group = (home + parent->ino) % vol->groups;

	if (has_room(vol, home))
		return home;
	for (uint32_t step = 1; step < vol->groups; step *= 2) {
		group = (group + step) % vol->groups;
		if (has_room(vol, group))
			return group;
	}
	return home;
}

/* ---- inodes ---- */

static void count_free(struct volume *vol, uint32_t group, int change, bool directory)
{
	struct ext2_group *g = ext2_group(vol, group);

	g->free_inodes += change;
	if (directory)
		g->used_dirs -= change;
	vol->es.free_inodes += change;
	ext2_group_changed(vol, group);
}

static void count_debt(struct group_hint *hint, bool directory)
{
	if (directory)
		hint->debt += hint->debt < DEBT_MAX;
	else
		hint->debt -= hint->debt > 0;
}

/* *ino 0: the group has none. Reserved ones are never free. */
static int alloc_in_group(struct txn *t, uint32_t group, uint32_t *ino)
{
	struct volume *vol = t->vol;
	const uint32_t end = vol->inodes_per_group, before = min_of(group * end, vol->first_ino - 1);
	struct buffer *b;
	uint32_t bit;
	int err = buffer_get(vol->buffers, ext2_group(vol, group)->inode_bitmap, &b);

	*ino = 0;
	if (err)
		return err;
	bit = bitmap_next_clear(b->data, vol->first_ino - 1 - before, end);
	if (bit < end) {
		txn_access(t, b);
		bitmap_set(b->data, bit, 1);
		txn_dirty(t, b, BUFFER_EARLY);
		*ino = group * vol->inodes_per_group + bit + 1;
	} else {
		/* Set right, or each search would come here again. */
		(void)ext2_damaged_at(vol, 0, b->block, "group %u counts %u free inodes and has none", group,
				      ext2_group(vol, group)->free_inodes);
		count_free(vol, group, -(int)ext2_group(vol, group)->free_inodes, false);
	}
	buffer_put(b);
	return 0;
}

int ext2_inode_alloc(struct txn *t, const struct inode *parent, bool directory, uint32_t *ino)
{
	struct volume *vol = t->vol;
	uint32_t group = directory ? group_for_directory(vol, parent) : group_for_file(vol, parent);
	int first = 0;

	for (uint32_t i = 0; i < vol->groups; i++, group = (group + 1) % vol->groups) {
		int err;

		if (!ext2_group(vol, group)->free_inodes)
			continue;
		err = alloc_in_group(t, group, ino);
		first = first ? first : err;
		if (!err && *ino) {
			count_free(vol, group, -1, directory);
			count_debt(&vol->alloc->groups[group], directory);
			return 0;
		}
	}
	return first ? first : -ENOSPC;
}

int ext2_inode_release(struct txn *t, uint32_t ino, bool directory)
{
	struct volume *vol = t->vol;
	const uint32_t group = (ino - 1) / vol->inodes_per_group, bit = (ino - 1) % vol->inodes_per_group;
	struct buffer *b;
	int err = buffer_get(vol->buffers, ext2_group(vol, group)->inode_bitmap, &b);

	if (err)
		return err;
	if (bitmap_test(b->data, bit)) {
		txn_access(t, b);
		(void)bitmap_clear(b->data, bit, 1); // it is set
		txn_dirty(t, b, BUFFER_EARLY);
		count_free(vol, group, 1, directory);
	} else {
		(void)ext2_damaged_at(vol, ino, 0, "inode %u was freed and was free already", ino);
	}
	buffer_put(b);
	return 0;
}
