// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A journal's log as it is read: the ring, its headers, and the tags of descriptors. Nothing that it says is believed
 * further than here: sizes are the block's, a walk passes no more blocks than the log has. Runs at mount, alone.
 * Sleeps.
 */
#include "fs/ext2/journal_log.h"

#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "mm/kmalloc.h"

int log_reader_init(struct log_reader *r, struct volume *vol)
{
	*r = (struct log_reader){.vol = vol, .header = kmalloc(vol->block_size), .window = kmalloc(LOG_WINDOW)};
	return r->header && r->window ? 0 : -ENOMEM;
}

void log_reader_free(struct log_reader *r)
{
	kfree(r->header);
	kfree(r->window);
}

struct log_cursor log_start(const struct volume *vol)
{
	return (struct log_cursor){.at = vol->journal->start, .sequence = vol->journal->sequence};
}

void log_step(const struct volume *vol, struct log_cursor *c)
{
	c->passed++;
	c->at++;
	if (c->at == vol->journal->maxlen)
		c->at = vol->journal->first;
}

bool log_in_window(const struct log_reader *r, uint32_t n)
{
	return n - r->first < r->count;
}

int log_read(struct log_reader *r, uint32_t n, uint32_t ahead, void **block)
{
	struct volume *vol = r->vol;
	uint32_t run;
	fsblk_t at;
	int err;

	if (!log_in_window(r, n)) {
		at = journal_map(vol->journal, n, &run);
		r->first = n;
		ahead = min_of(ahead, LOG_WINDOW >> vol->block_shift);
		r->count = min_of(run, ahead);
		err = blk_read(vol->super.dev, (sector_t)at * vol->sectors_per_block, r->window,
			       r->count * vol->sectors_per_block);
		if (err) {
			log_error("ext2: %s: the journal cannot be read at its block %u, block %u (%d)",
				  vol->super.name, n, at, err);
			r->count = 0;
			return err;
		}
	}
	*block = r->window + ((size_t)(n - r->first) << vol->block_shift);
	return 0;
}

int log_next(struct log_reader *r, struct log_cursor *c, enum journal_block_type *type)
{
	const struct volume *vol = r->vol;
	const struct journal_header *header;
	void *block;
	int err = log_read(r, c->at, 1, &block);

	*type = 0;
	if (err)
		return err;
	header = block;
	if (be32_get(header->magic) != JOURNAL_MAGIC || be32_get(header->sequence) != c->sequence)
		return 0;
	if (c->passed >= vol->journal->maxlen - vol->journal->first)
		return journal_damaged(vol, "its log goes round in transaction", c->sequence);
	memcpy(r->header, block, vol->block_size);
	switch (be32_get(header->type)) {
	case JOURNAL_DESCRIPTOR:
	case JOURNAL_COMMIT:
	case JOURNAL_REVOKE:
		*type = be32_get(header->type);
		log_step(vol, c);
	}
	return 0;
}

static struct log_tag tag_at(const struct journal *j, const uint8_t *at)
{
	struct journal_tag3 v3;
	struct journal_tag old = {0};
	struct log_tag tag;
	uint32_t high = 0;

	if (j->incompat & JOURNAL_INCOMPAT_CSUM_V3) {
		memcpy(&v3, at, sizeof(v3));
		tag = (struct log_tag){
		    .block = be32_get(v3.block), .flags = be32_get(v3.flags), .checksum = be32_get(v3.checksum)};
		high = be32_get(v3.block_high);
	} else {
		memcpy(&old, at, min_of((size_t)journal_tag_size(j), sizeof(old)));
		tag = (struct log_tag){
		    .block = be32_get(old.block), .flags = be16_get(old.flags), .checksum = be16_get(old.checksum)};
		if (j->incompat & JOURNAL_INCOMPAT_64BIT)
			high = be32_get(old.block_high);
	}
	tag.impossible = (j->incompat & JOURNAL_INCOMPAT_64BIT) && high;
	return tag;
}

bool log_next_tag(const struct log_reader *r, struct log_tags *tags, struct log_tag *tag)
{
	const struct journal *j = r->vol->journal;
	const unsigned size = journal_tag_size(j), end = r->vol->block_size - journal_tail_size(j);

	if (!tags->offset)
		tags->offset = sizeof(struct journal_header);
	if (tags->ended || tags->offset + size > end)
		return false;
	*tag = tag_at(j, (const uint8_t *)r->header + tags->offset);
	tags->offset += size;
	if (!(tag->flags & JOURNAL_TAG_SAME_UUID))
		tags->offset += JOURNAL_UUID_SIZE;
	tags->ended = tag->flags & JOURNAL_TAG_LAST;
	return true;
}

void log_skip(struct log_reader *r, struct log_cursor *c)
{
	struct log_tags tags = {0};
	struct log_tag tag;

	while (log_next_tag(r, &tags, &tag))
		log_step(r->vol, c);
}

bool log_tail_right(const struct log_reader *r)
{
	const struct volume *vol = r->vol;
	const be32_t *field = (const be32_t *)((const char *)r->header + vol->block_size - sizeof(struct journal_tail));

	return !journal_has_checksums(vol->journal) ||
	       be32_get(*field) == journal_block_checksum(vol, r->header, field);
}
