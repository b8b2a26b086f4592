// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The inode allocator. A file goes to its directory's group, a directory to a group with more than its share of
 * free inodes and the most free blocks. Runs inside a transaction, which is its lock. Sleeps on metadata I/O.
 */
#include <errno.h>

#include "fs/ext2/ext2.h"

static uint32_t group_for_directory(struct volume *vol, uint32_t parent_group)
{
	const uint32_t share = vol->es.free_inodes / vol->groups;
	uint32_t best = parent_group;
	uint32_t most = 0;

	for (uint32_t i = 0; i < vol->groups; i++) {
		const struct ext2_group *g = ext2_group(vol, i);

		if (g->free_inodes && g->free_inodes >= share && g->free_blocks > most) {
			best = i;
			most = g->free_blocks;
		}
	}
	return best;
}

/* First free inode of the group, or inodes_per_group. Reserved ones are never free. */
static uint32_t find_free(struct volume *vol, const uint8_t *map, uint32_t group)
{
	uint32_t bit = group == 0 ? vol->first_ino - 1 : 0;

	for (; bit < vol->inodes_per_group; bit++) {
		if (!(map[bit / 8] & 1u << bit % 8))
			break;
	}
	return bit;
}

static void count_free(struct volume *vol, uint32_t group, int change, bool directory)
{
	struct ext2_group *g = ext2_group(vol, group);

	g->free_inodes += change;
	if (directory)
		g->used_dirs -= change;
	vol->es.free_inodes += change;
	ext2_group_changed(vol, group);
}

int ext2_inode_alloc(struct txn *t, uint32_t parent, bool directory, uint32_t *ino)
{
	struct volume *vol = t->vol;
	uint32_t group = (parent - 1) / vol->inodes_per_group;

	if (directory)
		group = group_for_directory(vol, group);
	for (uint32_t i = 0; i < vol->groups; i++, group = (group + 1) % vol->groups) {
		struct buffer *b;
		uint32_t bit;
		int err;

		if (!ext2_group(vol, group)->free_inodes)
			continue;
		err = buffer_get(vol->buffers, ext2_group(vol, group)->inode_bitmap, &b);
		if (err)
			return err;
		bit = find_free(vol, b->data, group);
		if (bit == vol->inodes_per_group) {
			(void)ext2_damaged(vol, "group %u counts %u free inodes and has none", group,
					   ext2_group(vol, group)->free_inodes);
			buffer_put(b);
			continue;
		}
		txn_access(t, b);
		((uint8_t *)b->data)[bit / 8] |= 1u << bit % 8;
		txn_dirty(t, b, BUFFER_EARLY);
		buffer_put(b);
		count_free(vol, group, -1, directory);
		*ino = group * vol->inodes_per_group + bit + 1;
		return 0;
	}
	return -ENOSPC;
}

int ext2_inode_release(struct txn *t, uint32_t ino, bool directory)
{
	struct volume *vol = t->vol;
	const uint32_t group = (ino - 1) / vol->inodes_per_group, bit = (ino - 1) % vol->inodes_per_group;
	struct buffer *b;
	uint8_t *map;
	int err = buffer_get(vol->buffers, ext2_group(vol, group)->inode_bitmap, &b);

	if (err)
		return err;
	map = b->data;
	if (map[bit / 8] & 1u << bit % 8) {
		txn_access(t, b);
		map[bit / 8] &= ~(1u << bit % 8);
		txn_dirty(t, b, BUFFER_EARLY);
		count_free(vol, group, 1, directory);
	} else {
		(void)ext2_damaged(vol, "inode %u was freed and was free already", ino);
	}
	buffer_put(b);
	return 0;
}
