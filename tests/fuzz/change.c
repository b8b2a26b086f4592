// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Changes to metadata: where, by structure and number, and what, by value. What a change means depends on nothing but
 * the base image, so that the mutations of an input move in small steps. */
#include <string.h>

#include "fs/ext2/format.h"
#include "tests/fuzz/fuzz.h"

struct change {
	uint8_t place, how;
	uint16_t which, at;
	uint32_t value;
} __attribute__((packed));
static_assert(sizeof(struct change) == FUZZ_CHANGE_SIZE, "change");

static const struct ext2_super *super_of(const struct fuzz_image *image)
{
	return (const struct ext2_super *)(image->data + EXT2_SUPER_OFFSET);
}

static const struct ext2_group *group_of(const struct fuzz_image *image, uint32_t group)
{
	const uint64_t table = (super_of(image)->first_data_block + 1) * (uint64_t)image->block_size;

	return (const struct ext2_group *)(image->data + table) + group;
}

static uint32_t inode_size(const struct fuzz_image *image)
{
	return super_of(image)->rev_level ? super_of(image)->inode_size : EXT2_OLD_INODE_SIZE;
}

/* The byte of the image that the change begins at, and how many follow that are of the same kind. */
static uint64_t find_place(const struct fuzz_image *image, const struct change *c, uint32_t *room)
{
	const uint32_t group = c->which % image->groups, block = image->block_size;
	const struct ext2_group *g = group_of(image, group);
	uint64_t start;

	*room = block;
	switch (c->place % 8) {
	case 0:
		*room = offsetof(struct ext2_super, rest);
		start = EXT2_SUPER_OFFSET;
		break;
	case 1:
		*room = offsetof(struct ext2_group, pad);
		start = (uint64_t)((const uint8_t *)g - image->data);
		break;
	case 2:
		start = (uint64_t)g->block_bitmap * block;
		break;
	case 3:
		start = (uint64_t)g->inode_bitmap * block;
		break;
	case 4:
	case 5:
		*room = inode_size(image);
		start = (uint64_t)group_of(image, 0)->inode_table * block + c->which % 48 * inode_size(image);
		break;
	case 6:
		start = (uint64_t)image->blocks[c->which % image->count] * block;
		break;
	default:
		start = (uint64_t)c->which * block % image->size;
		break;
	}
	start += c->at % *room;
	*room -= c->at % *room;
	return start < image->size ? start : 0;
}

/* A number that means something where block numbers, inodes, lengths and counts are expected. */
static uint32_t likely(const struct fuzz_image *image, uint32_t value)
{
	const uint32_t numbers[] = {0,
				    1,
				    2,
				    11,
				    12,
				    0x7f,
				    0xff,
				    0x7fff,
				    0x8000,
				    0xffff,
				    0x7fffffff,
				    0x80000000,
				    0xffffffff,
				    image->block_size,
				    image->block_size - 1,
				    image->block_size - 8,
				    group_of(image, 0)->block_bitmap,
				    group_of(image, 0)->inode_bitmap,
				    group_of(image, 0)->inode_table,
				    super_of(image)->blocks_count,
				    super_of(image)->blocks_count - 1,
				    super_of(image)->inodes_count,
				    super_of(image)->inodes_count + 1};
	const uint32_t count = sizeof(numbers) / sizeof(numbers[0]);

	value %= count + image->count;
	return value < count ? numbers[value] : image->blocks[value - count];
}

void fuzz_change(const struct fuzz_image *image, uint8_t *card, const uint8_t *change)
{
	struct change c;
	uint32_t room, old = 0, value;
	uint64_t at;
	size_t width;

	memcpy(&c, change, sizeof(c));
	at = find_place(image, &c, &room);
	if (c.how % 8 == 7) {
		/* A whole block in the place of another. */
		const uint64_t from = (uint64_t)image->blocks[c.value % image->count] * image->block_size;

		at -= at % image->block_size;
		memcpy(card + at, image->data + from, image->block_size);
		return;
	}
	width = (size_t)1 << c.how / 8 % 3;
	if (width > room || at + width > image->size)
		width = 1;
	memcpy(&old, card + at, width);
	switch (c.how % 8) {
	case 0:
		value = c.value;
		break;
	case 1:
		value = old ^ 1u << c.value % 32;
		break;
	case 2:
		value = old + c.value % 64;
		break;
	case 3:
		value = old - c.value % 64;
		break;
	default:
		value = likely(image, c.value);
		break;
	}
	memcpy(card + at, &value, width);
}
