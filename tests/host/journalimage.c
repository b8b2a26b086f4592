// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/journalimage.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crc32.h"
#include "tests/host/harness.h"

void *journalimage_fs(struct journalimage *ji, uint32_t block)
{
	assert_true((uint64_t)block * ji->block_size < ji->size);
	return ji->data + (size_t)block * ji->block_size;
}

static struct ext2_super *volume_super(struct journalimage *ji)
{
	return (struct ext2_super *)(ji->data + EXT2_SUPER_OFFSET);
}

struct ext2_inode *journalimage_inode(struct journalimage *ji)
{
	const struct ext2_super *s = volume_super(ji);
	const struct ext2_group *g = journalimage_fs(ji, s->first_data_block + 1);

	return (struct ext2_inode *)((uint8_t *)journalimage_fs(ji, g->inode_table) +
				     (size_t)(EXT2_JOURNAL_INO - 1) * s->inode_size);
}

static void walk(struct journalimage *ji, uint32_t block, unsigned level, uint32_t end)
{
	const uint32_t *pointers = journalimage_fs(ji, block);

	if (level == 0) {
		ji->place[ji->maxlen++] = block;
		return;
	}
	for (uint32_t i = 0; i < ji->block_size / 4 && ji->maxlen < end; i++)
		walk(ji, pointers[i], level - 1, end);
}

void journalimage_open(struct journalimage *ji, const char *path)
{
	const struct ext2_inode *inode;
	FILE *f = fopen(path, "rb");
	long size;
	uint32_t end;

	*ji = (struct journalimage){.path = path};
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	assert_true(size > 0);
	ji->size = (size_t)size;
	ji->data = malloc(ji->size);
	assert_non_null(ji->data);
	rewind(f);
	assert_int_equal(fread(ji->data, 1, ji->size, f), ji->size);
	assert_int_equal(fclose(f), 0);
	ji->block_size = 1024u << volume_super(ji)->log_block_size;
	inode = journalimage_inode(ji);
	end = inode->size / ji->block_size;
	assert_in_range(end, 1, JOURNALIMAGE_BLOCKS);
	for (unsigned i = 0; i < EXT2_POINTERS && ji->maxlen < end; i++)
		walk(ji, inode->block[i], i < EXT2_DIRECT ? 0 : i - EXT2_DIRECT + 1, end);
	assert_int_equal(ji->maxlen, end);
	assert_int_equal(be32_get(journalimage_super(ji)->header.magic), JOURNAL_MAGIC);
	ji->compat = be32_get(journalimage_super(ji)->feature_compat);
	ji->incompat = be32_get(journalimage_super(ji)->feature_incompat);
}

void journalimage_drop(struct journalimage *ji)
{
	free(ji->data);
	ji->data = NULL;
}

void journalimage_save(struct journalimage *ji)
{
	FILE *f = fopen(ji->path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(ji->data, 1, ji->size, f), ji->size);
	assert_int_equal(fclose(f), 0);
	journalimage_drop(ji);
}

void *journalimage_block(struct journalimage *ji, uint32_t n)
{
	assert_true(n < ji->maxlen);
	return journalimage_fs(ji, ji->place[n]);
}

struct journal_super *journalimage_super(struct journalimage *ji)
{
	return journalimage_block(ji, 0);
}

static bool has_checksums(const struct journalimage *ji)
{
	return ji->incompat & (JOURNAL_INCOMPAT_CSUM_V2 | JOURNAL_INCOMPAT_CSUM_V3);
}

static uint32_t seed(struct journalimage *ji)
{
	return crc32c_raw(~0u, journalimage_super(ji)->uuid, 16);
}

void journalimage_seal(struct journalimage *ji)
{
	struct journal_super *s = journalimage_super(ji);

	if (!has_checksums(ji))
		return;
	s->checksum_type = JOURNAL_CRC32C;
	s->checksum = be32_of(0);
	s->checksum = be32_of(crc32c_raw(~0u, s, sizeof(*s)));
}

void journalimage_start(struct journalimage *ji, uint32_t compat, uint32_t incompat, uint32_t start, uint32_t sequence)
{
	struct journal_super *s = journalimage_super(ji);

	ji->compat = compat;
	ji->incompat = incompat;
	ji->at = start;
	ji->sequence = sequence;
	ji->crc = ~0u;
	s->feature_compat = be32_of(compat);
	s->feature_incompat = be32_of(incompat);
	s->start = be32_of(start);
	s->sequence = be32_of(sequence);
	journalimage_seal(ji);
	volume_super(ji)->feature_incompat |= EXT2_INCOMPAT_RECOVER;
}

/* The next block of the log, as zeros. */
static void *next(struct journalimage *ji)
{
	void *block = journalimage_block(ji, ji->at);

	ji->at++;
	if (ji->at == ji->maxlen)
		ji->at = be32_get(journalimage_super(ji)->first);
	return memset(block, 0, ji->block_size);
}

static struct journal_header head(const struct journalimage *ji, enum journal_block_type type)
{
	return (struct journal_header){be32_of(JOURNAL_MAGIC), be32_of(type), be32_of(ji->sequence)};
}

void journalimage_reseal(struct journalimage *ji, void *block, size_t field)
{
	be32_t *checksum = (be32_t *)((uint8_t *)block + field);

	if (!has_checksums(ji))
		return;
	*checksum = be32_of(0);
	*checksum = be32_of(crc32c_raw(seed(ji), block, ji->block_size));
}

/* The block as it is logged. */
static bool put_data(struct journalimage *ji, uint8_t *to, const void *data)
{
	const bool escaped = be32_get(*(const be32_t *)data) == JOURNAL_MAGIC;

	memcpy(to, data, ji->block_size);
	if (escaped)
		memset(to, 0, sizeof(be32_t));
	return escaped;
}

static uint8_t *put_tag(struct journalimage *ji, uint8_t *at, const struct journalimage_block *b, const void *logged,
			unsigned flags)
{
	const be32_t number = be32_of(ji->sequence);
	const uint32_t crc = crc32c_raw(crc32c_raw(seed(ji), &number, 4), logged, ji->block_size);
	unsigned size = ji->incompat & JOURNAL_INCOMPAT_64BIT ? 12 : 8;

	if (ji->incompat & JOURNAL_INCOMPAT_CSUM_V3) {
		const struct journal_tag3 tag = {be32_of(b->block), be32_of(flags), be32_of(b->block_high),
						 be32_of(crc)};

		memcpy(at, &tag, sizeof(tag));
		size = sizeof(tag);
	} else {
		const bool v2 = ji->incompat & JOURNAL_INCOMPAT_CSUM_V2;
		const struct journal_tag tag = {be32_of(b->block), be16_of(v2 ? (uint16_t)crc : 0),
						be16_of((uint16_t)flags), be32_of(b->block_high)};

		memcpy(at, &tag, size);
		size += v2 ? 2 : 0;
	}
	return at + size;
}

void journalimage_descriptor(struct journalimage *ji, const struct journalimage_block *blocks, unsigned count)
{
	uint8_t *descriptor = next(ji), *at = descriptor + sizeof(struct journal_header);
	const struct journal_header header = head(ji, JOURNAL_DESCRIPTOR);
	const uint8_t *logged[512];

	assert_in_range(count, 1, array_size(logged));
	memcpy(descriptor, &header, sizeof(header));
	for (unsigned i = 0; i < count; i++) {
		uint8_t *to = next(ji);
		unsigned flags = put_data(ji, to, blocks[i].data) ? JOURNAL_TAG_ESCAPED : 0;

		flags |= i ? JOURNAL_TAG_SAME_UUID : 0;
		flags |= i + 1 == count ? JOURNAL_TAG_LAST : 0;
		at = put_tag(ji, at, &blocks[i], to, flags);
		if (i == 0) {
			memcpy(at, journalimage_super(ji)->uuid, JOURNAL_UUID_SIZE);
			at += JOURNAL_UUID_SIZE;
		}
		assert_true(at + 4 <= descriptor + ji->block_size);
		logged[i] = to;
	}
	journalimage_reseal(ji, descriptor, ji->block_size - 4);
	ji->crc = crc32_be_raw(ji->crc, descriptor, ji->block_size);
	for (unsigned i = 0; i < count; i++)
		ji->crc = crc32_be_raw(ji->crc, logged[i], ji->block_size);
}

void journalimage_revoke(struct journalimage *ji, const uint32_t *blocks, unsigned count)
{
	const bool wide = ji->incompat & JOURNAL_INCOMPAT_64BIT;
	uint8_t *block = next(ji), *at = block + sizeof(struct journal_revoke);
	const struct journal_revoke header = {head(ji, JOURNAL_REVOKE),
					      be32_of((uint32_t)(sizeof(header) + count * (wide ? 8 : 4)))};

	assert_true(sizeof(header) + count * 8 + 4 <= ji->block_size);
	memcpy(block, &header, sizeof(header));
	for (unsigned i = 0; i < count; i++) {
		const be32_t number = be32_of(blocks[i]);

		at += wide ? 4 : 0;
		memcpy(at, &number, sizeof(number));
		at += sizeof(number);
	}
	journalimage_reseal(ji, block, ji->block_size - 4);
}

void journalimage_commit(struct journalimage *ji, uint64_t seconds)
{
	struct journal_commit *c = next(ji);

	c->header = head(ji, JOURNAL_COMMIT);
	c->seconds = be64_of(seconds);
	if (ji->compat & JOURNAL_COMPAT_CHECKSUM) {
		c->checksum_type = JOURNAL_CRC32;
		c->checksum_size = JOURNAL_CRC32_SIZE;
		c->checksum[0] = be32_of(ji->crc);
	}
	journalimage_reseal(ji, c, offsetof(struct journal_commit, checksum));
	ji->crc = ~0u;
	ji->sequence++;
}
