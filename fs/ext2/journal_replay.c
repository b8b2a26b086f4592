// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Replay of a journal, as JBD2 does it, in four walks over the log. The first finds its end: the first block that is no
 * header of the transaction that ought to go on there. The second gathers what is revoked. The third checks each
 * logged block, and finds out which is the newest of the same block of the volume; nothing has been written yet when
 * anything is found wrong. The fourth writes these, each once, in any order.
 *
 * Only when they are durable the journal is said to be empty, and only when that is durable, the volume to be in order:
 * who is cut off in between begins again, with the same result.
 *
 * Where a checksum is wrong in a transaction that has a commit block, it is left to that block's time what it means, as
 * on Linux: if it is from before the last transaction's, the block is of an earlier life of the card, and the log ends
 * there; else the journal is damaged, and the mount is refused. A commit block may be torn at a sector: what is behind
 * its fields does not count.
 *
 * Runs at mount, alone. Sleeps. Memory: a window of the log, and 16 bytes or so for each block that it names.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "fs/ext2/journal_log.h"
#include "fs/ext2/journal_table.h"
#include "lib/crc32.h"
#include "mm/kmalloc.h"

#define WRITES_MAX (LOG_WINDOW / 1024) // blocks of a window

struct replay {
	struct volume *vol;
	struct log_reader reader;
	struct journal_table table;
	uint32_t end; // sequence after that of the last transaction that was committed
	uint32_t revoked, written;

	/* Blocks of the window that are being written. */
	struct spinlock lock; // guards pending
	struct waitq waitq;
	unsigned pending;
	unsigned count;
	struct replay_write {
		struct blk_request request;
		struct blk_segment segment;
	} writes[WRITES_MAX];
};

/* ---- the end of the log ---- */

struct scan {
	struct log_cursor cursor;
	uint64_t time;	 // of the last commit, seconds since 1970
	uint32_t crc;	 // v1: of the transaction so far
	bool doubtful;	 // a header of this transaction is not what it was
	bool incomplete; // async_commit: a transaction is, of which the commit block is there
};

static int scan_descriptor(struct replay *r, struct scan *scan)
{
	struct volume *vol = r->vol;
	struct log_tags tags = {0};
	struct log_tag tag;
	void *block;
	int err = 0;

	scan->doubtful |= !log_tail_right(&r->reader);
	if (!(vol->journal->compat & JOURNAL_COMPAT_CHECKSUM)) {
		log_skip(&r->reader, &scan->cursor);
		return 0;
	}
	scan->crc = crc32_be_raw(scan->crc, r->reader.header, vol->block_size);
	while (!err && log_next_tag(&r->reader, &tags, &tag)) {
		err = log_read(&r->reader, scan->cursor.at, UINT32_MAX, &block);
		if (!err)
			scan->crc = crc32_be_raw(scan->crc, block, vol->block_size);
		log_step(vol, &scan->cursor);
	}
	return err;
}

/* With v2 or v3: the whole block's, or that of its fields alone with zeros behind them. */
static bool commit_checksum_right(const struct replay *r)
{
	const struct volume *vol = r->vol;
	struct journal_commit *commit = r->reader.header;
	const uint32_t said = be32_get(commit->checksum[0]);

	if (said == journal_block_checksum(vol, commit, &commit->checksum[0]))
		return true;
	memset(commit + 1, 0, vol->block_size - sizeof(*commit));
	return said == journal_block_checksum(vol, commit, &commit->checksum[0]);
}

static bool commit_right(const struct replay *r, uint32_t crc)
{
	const struct journal *j = r->vol->journal;
	const struct journal_commit *commit = r->reader.header;
	const uint32_t said = be32_get(commit->checksum[0]);

	if (journal_has_checksums(j))
		return commit_checksum_right(r);
	if (!(j->compat & JOURNAL_COMPAT_CHECKSUM))
		return true;
	if (commit->checksum_type == JOURNAL_CRC32 && commit->checksum_size == JOURNAL_CRC32_SIZE)
		return said == crc;
	return commit->checksum_type == 0 && commit->checksum_size == 0 && said == 0;
}

/* *stale: it is of another life, and the log ended before it. */
static int scan_commit(struct replay *r, struct scan *scan, bool *stale)
{
	const struct journal_commit *commit = r->reader.header;
	const uint64_t time = be64_get(commit->seconds);
	const bool right = !scan->doubtful && commit_right(r, scan->crc);
	const bool async = r->vol->journal->incompat & JOURNAL_INCOMPAT_ASYNC_COMMIT;

	*stale = !right && time < scan->time;
	if (*stale)
		return 0;
	if (scan->incomplete || (!right && (scan->doubtful || !async)))
		return journal_damaged(r->vol, "checksum in transaction",
				       scan->incomplete ? r->end : scan->cursor.sequence);
	if (!right) {
		scan->incomplete = true;
		r->end = scan->cursor.sequence;
	}
	scan->time = time;
	scan->crc = ~0u;
	scan->cursor.sequence++;
	return 0;
}

static int find_end(struct replay *r)
{
	struct scan scan = {.cursor = log_start(r->vol), .crc = ~0u};
	enum journal_block_type type;
	bool stale = false;
	int err;

	do {
		err = log_next(&r->reader, &scan.cursor, &type);
		if (!err && type == JOURNAL_DESCRIPTOR)
			err = scan_descriptor(r, &scan);
		else if (!err && type == JOURNAL_REVOKE)
			scan.doubtful |= !log_tail_right(&r->reader);
		else if (!err && type == JOURNAL_COMMIT)
			err = scan_commit(r, &scan, &stale);
	} while (!err && type && !stale);
	if (!scan.incomplete)
		r->end = scan.cursor.sequence;
	return err;
}

/* ---- what is in it ---- */

/* Calls `visit` for each header but commit blocks, which moves the cursor behind what belongs to it. */
static int walk(struct replay *r, int (*visit)(struct replay *r, struct log_cursor *c, enum journal_block_type type))
{
	struct log_cursor cursor = log_start(r->vol);
	enum journal_block_type type;
	int err = 0;

	while (cursor.sequence != r->end && !err) {
		err = log_next(&r->reader, &cursor, &type);
		if (!err && !type)
			err =
			    journal_damaged(r->vol, "it reads otherwise the second time, transaction", cursor.sequence);
		else if (!err && type == JOURNAL_COMMIT)
			cursor.sequence++;
		else if (!err)
			err = visit(r, &cursor, type);
	}
	return err;
}

static int note_revoked(struct replay *r, uint64_t block, uint32_t sequence)
{
	struct journal_entry *entry;
	int err;

	r->revoked++;
	if (block >= r->vol->blocks)
		return 0; // it can be in no tag either
	err = journal_table_add(&r->table, (fsblk_t)block, &entry);
	if (err)
		return err;
	entry->revoked = true;
	entry->revoked_by = sequence; // walked in order: none is older
	return 0;
}

static int gather_revoked(struct replay *r, struct log_cursor *c, enum journal_block_type type)
{
	const struct volume *vol = r->vol;
	const struct journal_revoke *head = r->reader.header;
	const unsigned width = vol->journal->incompat & JOURNAL_INCOMPAT_64BIT ? sizeof(be64_t) : sizeof(be32_t);
	const uint32_t size = be32_get(head->size);
	int err = 0;

	if (type == JOURNAL_DESCRIPTOR) {
		log_skip(&r->reader, c);
		return 0;
	}
	if (size > vol->block_size - journal_tail_size(vol->journal))
		return journal_damaged(vol, "a revoke block of bytes", size);
	for (uint32_t at = sizeof(*head); at + width <= size && !err; at += width) {
		const char *record = (const char *)head + at;

		err = note_revoked(
		    r, width == sizeof(be64_t) ? be64_get(*(const be64_t *)record) : be32_get(*(const be32_t *)record),
		    c->sequence);
	}
	return err;
}

/* One that is not revoked. */
static int check_tag(struct replay *r, const struct log_tag *tag, uint32_t at, uint32_t sequence)
{
	struct volume *vol = r->vol;
	struct journal_entry *entry;
	uint32_t checksum;
	void *block;
	int err;

	if (tag->impossible || tag->block < vol->first_block || tag->block >= vol->blocks ||
	    journal_owns(vol->journal, tag->block))
		return journal_damaged(vol, "it has contents for block", tag->block);
	if (journal_has_checksums(vol->journal)) {
		err = log_read(&r->reader, at, UINT32_MAX, &block);
		if (err)
			return err;
		checksum = journal_data_checksum(vol, sequence, block);
		if (!(vol->journal->incompat & JOURNAL_INCOMPAT_CSUM_V3))
			checksum &= 0xffff;
		if (checksum != tag->checksum)
			return journal_damaged(vol, "checksum of its contents for block", tag->block);
	}
	err = journal_table_add(&r->table, tag->block, &entry);
	if (err)
		return err;
	entry->at = at;
	entry->escaped = tag->flags & JOURNAL_TAG_ESCAPED;
	return 0;
}

static int check_tags(struct replay *r, struct log_cursor *c, enum journal_block_type type)
{
	struct log_tags tags = {0};
	struct log_tag tag;
	int err = 0;

	while (!err && type == JOURNAL_DESCRIPTOR && log_next_tag(&r->reader, &tags, &tag)) {
		const uint32_t at = c->at;
		const struct journal_entry *entry = tag.impossible ? NULL : journal_table_find(&r->table, tag.block);

		log_step(r->vol, c);
		if (!entry || !entry->revoked || (int32_t)(c->sequence - entry->revoked_by) > 0)
			err = check_tag(r, &tag, at, c->sequence);
	}
	return err;
}

/* ---- writing ---- */

static void write_done(struct blk_request *request)
{
	struct replay *r = request->arg;
	unsigned long flags = spin_lock(&r->lock);

	r->pending--;
	waitq_wake_all(&r->waitq);
	spin_unlock(&r->lock, flags);
}

/* All that was gathered. */
static int write_out(struct replay *r)
{
	struct list_node requests = LIST_INIT(requests);
	unsigned long flags;
	int err = 0;

	r->pending = r->count;
	for (unsigned i = 0; i < r->count; i++)
		list_push_back(&requests, &r->writes[i].request.node);
	blk_submit_list(r->vol->super.dev, &requests);
	flags = spin_lock(&r->lock);
	while (r->pending)
		waitq_wait(&r->waitq, &r->lock, &flags);
	spin_unlock(&r->lock, flags);
	for (unsigned i = 0; i < r->count && !err; i++) {
		const struct blk_request *request = &r->writes[i].request;

		err = request->error;
		if (err)
			log_error("ext2: %s: block %llu cannot be written as the journal has it (%d)",
				  r->vol->super.name, (unsigned long long)(request->sector / r->vol->sectors_per_block),
				  err);
	}
	r->written += r->count;
	r->count = 0;
	return err;
}

/*
 * What the log has as the volume's superblock may be from before the mark: who is cut off while the rest is still to be
 * written must find it.
 */
static void keep_mark(const struct volume *vol, const struct journal_entry *entry, void *block)
{
	struct ext2_super *s = (struct ext2_super *)((char *)block + EXT2_SUPER_OFFSET % vol->block_size);

	if (entry->block == EXT2_SUPER_OFFSET / vol->block_size)
		s->feature_incompat |= EXT2_INCOMPAT_RECOVER;
}

static int write_newest(struct replay *r, const struct journal_entry *entry)
{
	struct volume *vol = r->vol;
	struct replay_write *w;
	void *block;
	int err = 0;

	if (!log_in_window(&r->reader, entry->at))
		err = write_out(r);
	if (!err)
		err = log_read(&r->reader, entry->at, UINT32_MAX, &block);
	if (err)
		return err;
	if (entry->escaped)
		*(be32_t *)block = be32_of(JOURNAL_MAGIC);
	keep_mark(vol, entry, block);
	w = &r->writes[r->count++];
	w->segment = (struct blk_segment){.pa = va_to_pa(block), .len = vol->block_size};
	w->request = (struct blk_request){.op = BLK_WRITE,
					  .sector = (sector_t)entry->block * vol->sectors_per_block,
					  .sectors = vol->sectors_per_block,
					  .segments = &w->segment,
					  .segment_count = 1,
					  .done = write_done,
					  .arg = r};
	return 0;
}

static int write_tags(struct replay *r, struct log_cursor *c, enum journal_block_type type)
{
	struct log_tags tags = {0};
	struct log_tag tag;
	int err = 0;

	while (!err && type == JOURNAL_DESCRIPTOR && log_next_tag(&r->reader, &tags, &tag)) {
		const struct journal_entry *entry = journal_table_find(&r->table, tag.block);

		if (entry && entry->at == c->at)
			err = write_newest(r, entry);
		log_step(r->vol, c);
	}
	return err ? err : write_out(r); // the next header may go where these are
}

/* ---- all of it ---- */

static int flush(const struct volume *vol, uint64_t failures)
{
	int err = blk_flush(vol->super.dev);

	if (!err && blk_flush_failures(vol->super.dev) != failures)
		err = -EIO; // another thread's, which may have lost what was written
	return err;
}

static int replay(struct replay *r)
{
	struct volume *vol = r->vol;
	const struct journal *j = vol->journal;
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	int err = find_end(r);

	if (!err)
		err = walk(r, gather_revoked);
	if (!err)
		err = walk(r, check_tags);
	if (!err)
		err = walk(r, write_tags);
	if (!err)
		err = flush(vol, failures);
	if (err)
		return err;
	log_info("ext2: %s: journal replayed: %u transactions, %u blocks written, %u revoked", vol->super.name,
		 r->end - j->sequence, r->written, r->revoked);
	/* One number further, as JBD2: what is in the log behind its end can never be its continuation. */
	err = journal_super_write(vol, 0, r->end + 1, j->error);
	return err ? err : flush(vol, failures);
}

static int replay_all(struct volume *vol)
{
	struct replay *r = kzalloc(sizeof(*r));
	int err = r ? log_reader_init(&r->reader, vol) : -ENOMEM;

	if (!err) {
		r->vol = vol;
		spin_init(&r->lock, "journal replay");
		waitq_init(&r->waitq);
		err = replay(r);
	}
	if (r) {
		journal_table_free(&r->table);
		log_reader_free(&r->reader);
	}
	kfree(r);
	if (err == -ENOMEM)
		log_error("ext2: %s: not enough memory to replay the journal; run e2fsck on a PC", vol->super.name);
	else if (err)
		log_error("ext2: %s: the journal could not be replayed (%d), and is kept", vol->super.name, err);
	return err;
}

int journal_recover(struct volume *vol, bool *replayed)
{
	struct journal *j = vol->journal;

	/* A backup of the superblock is from before there was anything to be replayed. */
	*replayed = (vol->es.feature_incompat & EXT2_INCOMPAT_RECOVER) || (vol->from_backup && j->start);
	if (*replayed && vol->super.dev->read_only) {
		log_error("ext2: %s: its journal is to be replayed, and the device is read-only: take the card's lock "
			  "off, or run e2fsck on a PC",
			  vol->super.name);
		return -EROFS;
	}
	if (*replayed)
		return j->start ? replay_all(vol) : 0;
	/* What is in the log is of no use, as the volume was written without it; nor may it ever look like more of what
	 * comes next. It has fewer transactions than blocks. */
	if (j->start)
		j->sequence += j->maxlen;
	j->start = 0;
	return 0;
}
