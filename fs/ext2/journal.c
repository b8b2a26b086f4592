// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A volume's journal as the mount finds it: its inode, where its blocks lie, and its superblock, every number checked
 * here and trusted after (I8). Blocks are mapped once, so that nobody reads an indirect block to write the log. Runs at
 * mount, alone, but for journal_super_write. Sleeps.
 */
#include "fs/ext2/journal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "lib/crc32.h"
#include "mm/kmalloc.h"

#define RUNS_MAX 4096u // pieces of a journal; its indirect blocks are some
#define RUNS_FIRST 16u

int journal_damaged(const struct volume *vol, const char *what, unsigned long value)
{
	log_error("ext2: %s: the journal is damaged: %s %lu; run e2fsck", vol->super.name, what, value);
	return -EUCLEAN;
}

static int read_block(const struct volume *vol, fsblk_t block, void *data)
{
	int err = blk_read(vol->super.dev, (sector_t)block * vol->sectors_per_block, data, vol->sectors_per_block);

	if (err)
		log_error("ext2: %s: block %u of the journal's cannot be read (%d)", vol->super.name, block, err);
	return err;
}

/* ---- where its blocks lie ---- */

struct run_list {
	struct journal_run *runs;
	unsigned count, room;
};

struct mapping {
	struct volume *vol;
	uint32_t next, end; // blocks of the journal: mapped so far, and how many there are
	struct run_list data, indirect;
	void *levels[3]; // an indirect block on each level, as far down as the walk is
};

static int list_add(struct volume *vol, struct run_list *list, uint32_t first, fsblk_t block)
{
	struct journal_run *last = list->count ? &list->runs[list->count - 1] : NULL, *grown;

	if (last && last->block + last->count == block) {
		last->count++;
		return 0;
	}
	if (list->count == RUNS_MAX) {
		log_error(
		    "ext2: %s: the journal lies in more than %u pieces; make it anew with tune2fs -O ^has_journal "
		    "and tune2fs -j",
		    vol->super.name, RUNS_MAX);
		return -ENOTSUP;
	}
	if (list->count == list->room) {
		grown = kmalloc(max_of(2 * list->room, RUNS_FIRST) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		if (list->count)
			memcpy(grown, list->runs, list->count * sizeof(*grown));
		kfree(list->runs);
		list->runs = grown;
		list->room = max_of(2 * list->room, RUNS_FIRST);
	}
	list->runs[list->count++] = (struct journal_run){.first = first, .count = 1, .block = block};
	return 0;
}

/* What lies below a block of the inode's tree; level 0: a block of the journal. Depth is at most three. */
static int map_tree(struct mapping *m, fsblk_t block, unsigned level)
{
	struct volume *vol = m->vol;
	const uint32_t *pointers;
	int err;

	if (!block)
		return journal_damaged(vol, "it has a hole at its block", m->next);
	if (!ext2_block_valid(vol, block))
		return journal_damaged(vol, "it points to block", block);
	if (level == 0)
		return list_add(vol, &m->data, m->next++, block);
	err = list_add(vol, &m->indirect, 0, block);
	if (!err)
		err = read_block(vol, block, m->levels[level - 1]);
	pointers = m->levels[level - 1];
	for (uint32_t i = 0; i < vol->pointers && m->next < m->end && !err; i++)
		err = map_tree(m, pointers[i], level - 1);
	return err;
}

static int map_inode(struct mapping *m, const struct ext2_inode *raw)
{
	int err = 0;

	for (unsigned i = 0; i < array_size(m->levels) && !err; i++) {
		m->levels[i] = kmalloc(m->vol->block_size);
		err = m->levels[i] ? 0 : -ENOMEM;
	}
	for (unsigned i = 0; i < EXT2_POINTERS && m->next < m->end && !err; i++)
		err = map_tree(m, raw->block[i], i < EXT2_DIRECT ? 0 : i - EXT2_DIRECT + 1);
	if (!err && m->next < m->end)
		err = journal_damaged(m->vol, "it is longer than a file can be, blocks", m->end);
	for (unsigned i = 0; i < array_size(m->levels); i++)
		kfree(m->levels[i]);
	return err;
}

/* In the card's order; they come nearly so. */
static void sort(struct journal_run *runs, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		const struct journal_run run = runs[i];
		unsigned at = i;

		for (; at > 0 && runs[at - 1].block > run.block; at--)
			runs[at] = runs[at - 1];
		runs[at] = run;
	}
}

/* All its blocks in one list, and none of them twice. */
static int own(struct volume *vol, const struct mapping *m)
{
	struct journal *j = vol->journal;

	j->owned_count = m->data.count + m->indirect.count;
	j->owned = kmalloc(j->owned_count * sizeof(*j->owned));
	if (!j->owned)
		return -ENOMEM;
	memcpy(j->owned, m->data.runs, m->data.count * sizeof(*j->owned));
	if (m->indirect.count)
		memcpy(j->owned + m->data.count, m->indirect.runs, m->indirect.count * sizeof(*j->owned));
	sort(j->owned, j->owned_count);
	for (unsigned i = 1; i < j->owned_count; i++) {
		if (j->owned[i - 1].block + j->owned[i - 1].count > j->owned[i].block)
			return journal_damaged(vol, "it has twice block", j->owned[i].block);
	}
	return 0;
}

static int map_blocks(struct volume *vol, const struct ext2_inode *raw)
{
	struct journal *j = vol->journal;
	struct mapping m = {.vol = vol, .end = j->maxlen};
	int err = map_inode(&m, raw);

	if (!err)
		err = own(vol, &m);
	j->runs = m.data.runs;
	j->run_count = m.data.count;
	kfree(m.indirect.runs);
	return err;
}

fsblk_t journal_map(const struct journal *j, uint32_t n, uint32_t *run)
{
	unsigned low = 0, high = j->run_count;
	const struct journal_run *r;

	assert(n < j->maxlen);
	while (high - low > 1) {
		const unsigned middle = low + (high - low) / 2;

		if (j->runs[middle].first <= n)
			low = middle;
		else
			high = middle;
	}
	r = &j->runs[low];
	if (run)
		*run = r->count - (n - r->first);
	return r->block + (n - r->first);
}

bool journal_owns(const struct journal *j, fsblk_t block)
{
	unsigned low = 0, high = j->owned_count;

	while (low < high) {
		const unsigned middle = low + (high - low) / 2;

		if (j->owned[middle].block > block)
			high = middle;
		else if (block - j->owned[middle].block < j->owned[middle].count)
			return true;
		else
			low = middle + 1;
	}
	return false;
}

/* ---- its superblock ---- */

static const struct {
	uint32_t bit;
	const char *name;
} incompat_names[] = {{JOURNAL_INCOMPAT_FAST_COMMIT, "fast_commit"}};

static int refuse(const struct volume *vol, const char *kind, uint32_t bits)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		const char *name = "unknown";

		if (!(bits & 1u << bit))
			continue;
		for (size_t i = 0; i < array_size(incompat_names) && *kind == 'i'; i++) {
			if (incompat_names[i].bit == 1u << bit)
				name = incompat_names[i].name;
		}
		log_error("ext2: %s: %s feature %s (bit %u) of the journal is not supported; run e2fsck on a PC, which "
			  "empties it",
			  vol->super.name, kind, name, bit);
	}
	return -ENOTSUP;
}

static uint32_t super_checksum(const struct journal_super *s)
{
	static const be32_t none;
	uint32_t crc = crc32c_raw(~0u, s, offsetof(struct journal_super, checksum));

	crc = crc32c_raw(crc, &none, sizeof(none));
	return crc32c_raw(crc, s->users, sizeof(s->users));
}

static int take_features(struct volume *vol, const struct journal_super *s)
{
	struct journal *j = vol->journal;
	const uint32_t incompat = be32_get(s->feature_incompat) & ~JOURNAL_INCOMPAT_KNOWN;
	const uint32_t ro_compat = be32_get(s->feature_ro_compat);

	if (!j->has_features)
		return 0;
	j->compat = be32_get(s->feature_compat);
	j->incompat = be32_get(s->feature_incompat);
	j->seed = crc32c_raw(~0u, s->uuid, sizeof(s->uuid));
	if (incompat)
		return refuse(vol, "incompat", incompat);
	if (ro_compat)
		return refuse(vol, "ro_compat", ro_compat);
	if (!journal_has_checksums(j))
		return 0;
	if ((j->compat & JOURNAL_COMPAT_CHECKSUM) ||
	    !(j->incompat & JOURNAL_INCOMPAT_CSUM_V2) == !(j->incompat & JOURNAL_INCOMPAT_CSUM_V3))
		return journal_damaged(vol, "it has checksums of two kinds, features", j->incompat);
	if (s->checksum_type != JOURNAL_CRC32C)
		return journal_damaged(vol, "type of checksums", s->checksum_type);
	if (be32_get(s->checksum) != super_checksum(s))
		return journal_damaged(vol, "checksum of its superblock", be32_get(s->checksum));
	return 0;
}

static int take_super(struct volume *vol, uint32_t blocks)
{
	struct journal *j = vol->journal;
	const struct journal_super *s = j->super_block;
	const uint32_t type = be32_get(s->header.type);
	int err;

	if (be32_get(s->header.magic) != JOURNAL_MAGIC)
		return journal_damaged(vol, "magic number", be32_get(s->header.magic));
	if (type != JOURNAL_SUPER_V1 && type != JOURNAL_SUPER_V2)
		return journal_damaged(vol, "type of its superblock", type);
	j->has_features = type == JOURNAL_SUPER_V2;
	err = take_features(vol, s);
	if (err)
		return err;
	if (be32_get(s->block_size) != vol->block_size)
		return journal_damaged(vol, "block size", be32_get(s->block_size));
	j->maxlen = be32_get(s->maxlen);
	j->first = be32_get(s->first);
	j->start = be32_get(s->start);
	j->sequence = be32_get(s->sequence);
	j->error = (int32_t)be32_get(s->error);
	if (j->maxlen > blocks)
		return journal_damaged(vol, "its file is too short for it, blocks", j->maxlen);
	if (j->maxlen < JOURNAL_BLOCKS_MIN)
		return journal_damaged(vol, "number of blocks", j->maxlen);
	if (j->first == 0 || j->first >= j->maxlen)
		return journal_damaged(vol, "first block of the log", j->first);
	if (j->start && (j->start < j->first || j->start >= j->maxlen))
		return journal_damaged(vol, "start of the log", j->start);
	return 0;
}

int journal_super_write(struct volume *vol, uint32_t start, uint32_t sequence, int error)
{
	struct journal *j = vol->journal;
	struct journal_super *s = j->super_block;

	j->start = start;
	j->sequence = sequence;
	j->error = error;
	s->start = be32_of(start);
	s->sequence = be32_of(sequence);
	s->error = be32_of((uint32_t)error);
	if (j->has_features) {
		s->feature_compat = be32_of(j->compat);
		s->feature_incompat = be32_of(j->incompat);
	}
	if (journal_has_checksums(j)) {
		s->checksum_type = JOURNAL_CRC32C;
		s->checksum = be32_of(super_checksum(s));
	}
	return blk_write(vol->super.dev, (sector_t)journal_map(j, 0, NULL) * vol->sectors_per_block, s,
			 vol->sectors_per_block);
}

/* ---- blocks of the log ---- */

unsigned journal_tag_size(const struct journal *j)
{
	unsigned size = j->incompat & JOURNAL_INCOMPAT_64BIT ? JOURNAL_TAG_SIZE_64BIT : JOURNAL_TAG_SIZE;

	if (j->incompat & JOURNAL_INCOMPAT_CSUM_V3)
		return sizeof(struct journal_tag3);
	return j->incompat & JOURNAL_INCOMPAT_CSUM_V2 ? size + JOURNAL_TAG_PAD_V2 : size;
}

uint32_t journal_block_checksum(const struct volume *vol, const void *block, const be32_t *field)
{
	static const be32_t none;
	const size_t at = (size_t)((const char *)field - (const char *)block), end = at + sizeof(none);
	uint32_t crc = crc32c_raw(vol->journal->seed, block, at);

	crc = crc32c_raw(crc, &none, sizeof(none));
	return crc32c_raw(crc, (const char *)block + end, vol->block_size - end);
}

uint32_t journal_data_checksum(const struct volume *vol, uint32_t sequence, const void *block)
{
	const be32_t number = be32_of(sequence);

	return crc32c_raw(crc32c_raw(vol->journal->seed, &number, sizeof(number)), block, vol->block_size);
}

/* ---- opening ---- */

/* The journal's inode, by way of a block of memory. */
static int read_inode(struct volume *vol, struct ext2_inode *raw, void *block)
{
	const struct ext2_super *s = &vol->es;
	uint32_t offset;
	int err;

	if (s->journal_dev) {
		log_error("ext2: %s: the journal is on another device (journal_dev), which is not supported; remove it "
			  "with tune2fs -O ^has_journal",
			  vol->super.name);
		return -ENOTSUP;
	}
	if (s->journal_inum == 0 || s->journal_inum > vol->inodes)
		return journal_damaged(vol, "inode number", s->journal_inum);
	err = read_block(vol, ext2_inode_place(vol, s->journal_inum, &offset), block);
	if (err)
		return err;
	memcpy(raw, (const char *)block + offset, EXT2_OLD_INODE_SIZE);
	if (!S_ISREG(raw->mode) || raw->links == 0)
		return journal_damaged(vol, "it is no file, mode", raw->mode);
	if (raw->flags & EXT2_FLAG_EXTENTS)
		return journal_damaged(vol, "it is mapped by extents, flags", raw->flags);
	return 0;
}

static int open_inode(struct volume *vol)
{
	struct journal *j = vol->journal;
	struct ext2_inode raw = {0};
	uint64_t blocks;
	int err;

	j->super_block = kmalloc(vol->block_size);
	if (!j->super_block)
		return -ENOMEM;
	err = read_inode(vol, &raw, j->super_block);
	if (err)
		return err;
	blocks = ((uint64_t)raw.size_high << 32 | raw.size) >> vol->block_shift;
	if (!blocks)
		return journal_damaged(vol, "size", raw.size);
	if (!ext2_block_valid(vol, raw.block[0]))
		return journal_damaged(vol, "it points to block", raw.block[0]);
	err = read_block(vol, raw.block[0], j->super_block);
	if (!err)
		err = take_super(vol, min_of(blocks, (uint64_t)vol->blocks));
	return err ? err : map_blocks(vol, &raw);
}

int journal_open(struct volume *vol)
{
	int err;

	vol->journal = kzalloc(sizeof(*vol->journal));
	err = vol->journal ? open_inode(vol) : -ENOMEM;
	if (err == -ENOMEM)
		log_error("ext2: %s: not enough memory for the journal", vol->super.name);
	if (err) {
		journal_close(vol->journal);
		vol->journal = NULL;
	}
	return err;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	kfree(j->runs);
	kfree(j->owned);
	kfree(j->super_block);
	kfree(j);
}
