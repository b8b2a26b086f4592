// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The block allocator: bitmaps, one block a group. Near the goal first, so that a file which grows stays
 * contiguous; then the goal's group, then the others in turn. The reserved blocks of the volume are not given out.
 * Runs inside a transaction, which is its lock. Sleeps on metadata I/O.
 */
#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"
#include "fs/ext2/zero.h"

uint32_t ext2_group_blocks(const struct volume *vol, uint32_t group)
{
	return min_of(vol->blocks_per_group, vol->blocks - ext2_group_start(vol, group));
}

bool ext2_block_valid(struct volume *vol, fsblk_t block)
{
	uint32_t group, offset;
	const struct ext2_group *g;

	if (block < vol->first_block || block >= vol->blocks)
		return false;
	group = (block - vol->first_block) / vol->blocks_per_group;
	offset = (block - vol->first_block) % vol->blocks_per_group;
	if (ext2_group_has_super(vol, group) && offset < 1 + vol->gdt_blocks + vol->es.reserved_gdt_blocks)
		return false;
	g = ext2_group(vol, group);
	return block != g->block_bitmap && block != g->inode_bitmap &&
	       block - g->inode_table >= vol->inodes_per_group * vol->inode_size / vol->block_size;
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

static bool bit_get(const uint8_t *map, uint32_t bit)
{
	return map[bit / 8] & 1u << bit % 8;
}

static void bits_set(uint8_t *map, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		map[i / 8] |= 1u << i % 8;
}

static uint32_t run_length(const uint8_t *map, uint32_t first, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && !bit_get(map, first + n))
		n++;
	return n;
}

/* First of eight free in one byte, else the first free one; `bits` if there is none. */
static uint32_t find_free(const uint8_t *map, uint32_t from, uint32_t bits)
{
	for (uint32_t byte = (from + 7) / 8; byte < bits / 8; byte++) {
		if (map[byte] == 0)
			return byte * 8;
	}
	for (uint32_t bit = from; bit < bits; bit++) {
		if (bit % 8 == 0 && map[bit / 8] == 0xff)
			bit += 7;
		else if (!bit_get(map, bit))
			return bit;
	}
	return bits;
}

static void count_free(struct volume *vol, uint32_t group, int change)
{
	struct ext2_group *g = ext2_group(vol, group);

	g->free_blocks += change;
	vol->es.free_blocks += change;
	ext2_group_changed(vol, group);
}

/* Free blocks on the bitmap that hold metadata are damage: marked used, and the search goes on. */
static bool run_is_sound(struct volume *vol, uint8_t *map, uint32_t group, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		if (ext2_block_valid(vol, ext2_group_start(vol, group) + i))
			continue;
		(void)ext2_damaged(vol, "block bitmap of group %u has metadata block %u free", group,
				   ext2_group_start(vol, group) + i);
		bits_set(map, i, 1);
		return false;
	}
	return true;
}

/* 0 with *count 0: the group has none after all. */
static int alloc_in_group(struct txn *t, uint32_t group, uint32_t from, uint32_t want, uint32_t *first, uint32_t *count)
{
	struct volume *vol = t->vol;
	const uint32_t bits = ext2_group_blocks(vol, group);
	struct buffer *b;
	uint32_t bit;
	int err = buffer_get(vol->buffers, ext2_group(vol, group)->block_bitmap, &b);

	*count = 0;
	if (err)
		return err;
	txn_access(t, b);
	for (;;) {
		bit = bit_get(b->data, from) ? find_free(b->data, from, bits) : from;
		if (bit == bits && from > 0)
			bit = find_free(b->data, 0, bits);
		if (bit == bits)
			break;
		*count = run_length(b->data, bit, min_of(want, bits - bit));
		*count = min_of(*count, (uint32_t)ext2_group(vol, group)->free_blocks);
		if (run_is_sound(vol, b->data, group, bit, *count))
			break;
		*count = 0;
	}
	if (*count) {
		*first = bit;
		bits_set(b->data, bit, *count);
		txn_dirty(t, b, BUFFER_EARLY);
		count_free(vol, group, -(int)*count);
	} else {
		(void)ext2_damaged(vol, "group %u counts %u free blocks and has none", group,
				   ext2_group(vol, group)->free_blocks);
	}
	buffer_put(b);
	return 0;
}

int ext2_blocks_alloc(struct txn *t, fsblk_t goal, uint32_t want, fsblk_t *first, uint32_t *count)
{
	struct volume *vol = t->vol;
	uint32_t group, from;

	if (goal < vol->first_block || goal >= vol->blocks)
		goal = vol->first_block;
	want = min_of(want, ext2_blocks_available(vol));
	if (!want)
		return -ENOSPC;
	group = (goal - vol->first_block) / vol->blocks_per_group;
	from = (goal - vol->first_block) % vol->blocks_per_group;
	for (uint32_t i = 0; i < vol->groups; i++) {
		uint32_t bit = 0;
		int err;

		if (ext2_group(vol, group)->free_blocks) {
			err = alloc_in_group(t, group, from, want, &bit, count);
			if (err)
				return err;
			if (*count) {
				*first = ext2_group_start(vol, group) + bit;
				return 0;
			}
		}
		group = (group + 1) % vol->groups;
		from = 0;
	}
	return -ENOSPC;
}

int ext2_blocks_release(struct txn *t, fsblk_t first, uint32_t count)
{
	struct volume *vol = t->vol;
	const uint32_t group = (first - vol->first_block) / vol->blocks_per_group;
	const uint32_t from = (first - vol->first_block) % vol->blocks_per_group;
	uint32_t cleared = 0;
	struct buffer *b;
	uint8_t *map;
	int err = buffer_get(vol->buffers, ext2_group(vol, group)->block_bitmap, &b);

	if (err)
		return err;
	txn_access(t, b);
	map = b->data;
	for (uint32_t i = from; i < from + count; i++) {
		cleared += bit_get(map, i);
		map[i / 8] &= ~(1u << i % 8);
	}
	if (cleared != count)
		(void)ext2_damaged(vol, "blocks %u..%u were freed and some were free already", first,
				   first + count - 1);
	txn_dirty(t, b, BUFFER_EARLY);
	count_free(vol, group, (int)cleared);
	buffer_put(b);
	return 0;
}
