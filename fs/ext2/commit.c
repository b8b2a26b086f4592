// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Commits into the journal and checkpoints: fs/ext2/commit.h says how they go. A transaction's blocks are written from
 * where they lie, the buffers' memory and that of control blocks, with few requests; only a block that begins like one
 * of the journal's own is written from a copy. The state is guarded by the transaction's lock. Sleeps. Allocates
 * nothing after the start.
 */
#include "fs/ext2/commit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"
#include "fs/ext2/journal.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"

#define CONTROL_MAX 12u // blocks of one transaction: descriptors, revoke blocks, the commit block
#define BLOCKS_MAX (BUFFERS_MAX + CONTROL_MAX)

/* Guarded by the transaction's lock. */
struct commit {
	uint32_t sequence; // of the running batch
	uint32_t head;	   // block of the journal where it goes
	uint32_t used;	   // how many before it hold what is not at home
	bool started;	   // the journal's superblock says where these begin
	bool committing;   // blocks are set, and may be on the card
	bool aborted;
	fsblk_t revoked[BUFFERS_MAX];
	unsigned revoked_count;

	/* One transaction: its blocks as they follow each other, the commit block last. */
	struct buffer *buffers[BUFFERS_MAX];
	void *blocks[BLOCKS_MAX];
	bool escaped[BLOCKS_MAX]; // begins with the journal's magic number: written with zeros instead
	unsigned count, control_count;
	void *control[CONTROL_MAX]; // a block each
	void *copy;		    // of one that is escaped

	struct blk_request request;
	struct blk_segment segments[BLK_SEGMENTS_MAX];
	struct spinlock lock; // guards done
	struct waitq waitq;
	bool done;
};

unsigned journal_buffers_least(const struct volume *vol)
{
	return TXN_OP_CREDITS + TXN_OP_FREES + vol->gdt_blocks + 1 + BUFFERS_KEPT;
}

unsigned journal_credits(const struct volume *vol, unsigned frees)
{
	return is_journalled(vol) ? min_of(frees, 2 * vol->groups) + vol->gdt_blocks + 1 : 0;
}

static uint32_t log_size(const struct journal *j)
{
	return j->maxlen - j->first;
}

bool journal_has_room(const struct volume *vol)
{
	return log_size(vol->journal) - vol->commit->used >= buffer_pinned_max(vol->buffers) + CONTROL_MAX;
}

bool journal_committing(const struct volume *vol)
{
	return vol->commit->committing;
}

void journal_revoke(struct volume *vol, fsblk_t block)
{
	struct commit *c = vol->commit;

	/* At most what the pool had logged when the batch began. */
	assert(c->revoked_count < BUFFERS_MAX);
	c->revoked[c->revoked_count++] = block;
}

/* ---- making a transaction ---- */

static void *add_control(struct volume *vol, uint32_t type)
{
	struct commit *c = vol->commit;
	struct journal_header *header;

	assert(c->control_count < CONTROL_MAX);
	header = c->control[c->control_count++];
	memset(header, 0, vol->block_size);
	*header = (struct journal_header){
	    .magic = be32_of(JOURNAL_MAGIC), .type = be32_of(type), .sequence = be32_of(c->sequence)};
	c->escaped[c->count] = false;
	c->blocks[c->count++] = header;
	return header;
}

/* How far a descriptor or revoke block goes: its checksum comes last, where the journal has them. */
static uint32_t control_end(const struct volume *vol)
{
	return vol->block_size - journal_tail_size(vol->journal);
}

static void seal(struct volume *vol, void *control)
{
	struct journal_tail *tail = (struct journal_tail *)((char *)control + control_end(vol));

	if (journal_has_checksums(vol->journal))
		tail->checksum = be32_of(journal_block_checksum(vol, control, &tail->checksum));
}

static void add_revokes(struct volume *vol)
{
	const uint32_t size = vol->journal->incompat & JOURNAL_INCOMPAT_64BIT ? sizeof(be64_t) : sizeof(be32_t);
	struct commit *c = vol->commit;
	unsigned i = 0;

	while (i < c->revoked_count) {
		struct journal_revoke *revoke = add_control(vol, JOURNAL_REVOKE);
		uint32_t at = sizeof(*revoke);

		for (; i < c->revoked_count && at + size <= control_end(vol); i++, at += size) {
			const be32_t block = be32_of(c->revoked[i]);

			/* Of eight bytes the last. */
			memcpy((char *)revoke + at + size - sizeof(block), &block, sizeof(block));
		}
		revoke->size = be32_of(at);
		seal(vol, revoke);
	}
}

/* In c->copy, as it will lie in the log. */
static const void *escape(struct volume *vol, const void *block)
{
	memcpy(vol->commit->copy, block, vol->block_size);
	memset(vol->commit->copy, 0, sizeof(uint32_t));
	return vol->commit->copy;
}

static void add_block(struct volume *vol, char *tag, const struct buffer *b, uint32_t flags)
{
	const struct journal *j = vol->journal;
	const void *logged = b->data;
	struct commit *c = vol->commit;
	uint32_t checksum = 0;

	c->escaped[c->count] = be32_get(*(const be32_t *)b->data) == JOURNAL_MAGIC;
	c->blocks[c->count] = b->data;
	if (c->escaped[c->count]) {
		flags |= JOURNAL_TAG_ESCAPED;
		logged = escape(vol, b->data);
	}
	c->count++;
	if (journal_has_checksums(j))
		checksum = journal_data_checksum(vol, c->sequence, logged);
	if (j->incompat & JOURNAL_INCOMPAT_CSUM_V3) {
		*(struct journal_tag3 *)tag = (struct journal_tag3){
		    .block = be32_of(b->block), .flags = be32_of(flags), .checksum = be32_of(checksum)};
	} else {
		const struct journal_tag t = {.block = be32_of(b->block),
					      .checksum = be16_of((uint16_t)checksum),
					      .flags = be16_of((uint16_t)flags)};

		memcpy(tag, &t, min_of((unsigned)sizeof(t), journal_tag_size(j)));
	}
}

/* Descriptors, each followed by the blocks that its tags name. */
static void add_buffers(struct volume *vol, unsigned buffers)
{
	const struct journal_super *super = (const struct journal_super *)vol->journal->super_block;
	const unsigned size = journal_tag_size(vol->journal);
	struct commit *c = vol->commit;
	unsigned i = 0;

	while (i < buffers) {
		char *descriptor = add_control(vol, JOURNAL_DESCRIPTOR);
		uint32_t at = sizeof(struct journal_header);

		for (bool first = true, last = false; !last; first = false, i++) {
			const uint32_t after = at + size + (first ? JOURNAL_UUID_SIZE : 0);

			last = i + 1 == buffers || after + size > control_end(vol);
			add_block(vol, descriptor + at, c->buffers[i],
				  (first ? 0 : JOURNAL_TAG_SAME_UUID) | (last ? JOURNAL_TAG_LAST : 0));
			if (first)
				memcpy(descriptor + at + size, super->uuid, JOURNAL_UUID_SIZE);
			at = after;
		}
		seal(vol, descriptor);
	}
}

static void add_commit(struct volume *vol)
{
	struct journal_commit *commit = add_control(vol, JOURNAL_COMMIT);
	const uint64_t now = time_wall();

	commit->seconds = be64_of(now / NSEC_PER_SEC);
	commit->nanoseconds = be32_of(now % NSEC_PER_SEC);
	if (journal_has_checksums(vol->journal))
		commit->checksum[0] = be32_of(journal_block_checksum(vol, commit, &commit->checksum[0]));
}

/* The superblock and the descriptors into buffers: a change like any other. */
static int stage_block(struct volume *vol, fsblk_t block, uint32_t offset, const void *data, uint32_t size)
{
	struct txn t = {.vol = vol, .credits = 1};
	struct buffer *b;
	int err = buffer_get(vol->buffers, block, &b);

	if (err)
		return err;
	txn_access(&t, b);
	memcpy((char *)b->data + offset, data, size);
	txn_dirty(&t, b, BUFFER_EARLY);
	buffer_put(b);
	return 0;
}

static int stage_super(struct volume *vol)
{
	int err = 0;

	vol->super_urgent |= ext2_errors_take(vol);
	for (uint32_t i = 0; i < vol->gdt_blocks && !err; i++) {
		if (vol->group_dirty[i])
			err = stage_block(vol, vol->first_block + 1 + i, 0, vol->group_blocks[i], vol->block_size);
	}
	if (!err && vol->super_urgent)
		err = stage_block(vol, EXT2_SUPER_OFFSET / vol->block_size, EXT2_SUPER_OFFSET % vol->block_size,
				  &vol->es, sizeof(vol->es));
	return err;
}

static int make_transaction(struct volume *vol)
{
	struct commit *c = vol->commit;
	unsigned buffers;
	int err = stage_super(vol);

	if (err)
		return err;
	buffers = buffer_list_dirty(vol->buffers, c->buffers);
	c->count = c->control_count = 0;
	if (!buffers && !c->revoked_count)
		return 0;
	add_revokes(vol);
	add_buffers(vol, buffers);
	add_commit(vol);
	return 0;
}

/* ---- writing it ---- */

static void write_done(struct blk_request *request)
{
	struct commit *c = request->arg;
	unsigned long flags = spin_lock(&c->lock);

	c->done = true;
	waitq_wake_all(&c->waitq);
	spin_unlock(&c->lock, flags);
}

/* Adjacent blocks of the card from c->segments. */
static int write_segments(struct volume *vol, fsblk_t first, uint32_t count)
{
	struct commit *c = vol->commit;
	unsigned long flags;

	c->done = false;
	c->request = (struct blk_request){.op = BLK_WRITE,
					  .sector = (sector_t)first * vol->sectors_per_block,
					  .sectors = count * vol->sectors_per_block,
					  .segments = c->segments,
					  .segment_count = count,
					  .done = write_done,
					  .arg = c};
	blk_submit(vol->super.dev, &c->request);
	flags = spin_lock(&c->lock);
	while (!c->done)
		waitq_wait(&c->waitq, &c->lock, &flags);
	spin_unlock(&c->lock, flags);
	return c->request.error;
}

static uint32_t log_place(const struct journal *j, uint32_t head, uint32_t offset)
{
	return j->first + (head - j->first + offset) % log_size(j);
}

/* The transaction's blocks [from, to). */
static int write_blocks(struct volume *vol, unsigned from, unsigned to)
{
	const struct journal *j = vol->journal;
	struct commit *c = vol->commit;
	int err = 0;

	while (from < to && !err) {
		const fsblk_t first = journal_map(j, log_place(j, c->head, from), NULL);
		uint32_t n = 0;
		bool copied = false; // there is one copy at a time

		while (from + n < to && n < BLK_SEGMENTS_MAX && !copied &&
		       journal_map(j, log_place(j, c->head, from + n), NULL) == first + n) {
			const void *data = c->blocks[from + n];

			copied = c->escaped[from + n];
			if (copied)
				data = escape(vol, data);
			c->segments[n++] = (struct blk_segment){.pa = va_to_pa((void *)data), .len = vol->block_size};
		}
		err = write_segments(vol, first, n);
		from += n;
	}
	return err;
}

/* FLUSH after writes before which `failures` was sampled. */
static int flush(struct volume *vol, uint64_t failures)
{
	int err = txn_flush(vol);

	return !err && blk_flush_failures(vol->super.dev) != failures ? -EIO : err;
}

/* Where the log begins, if the card's superblock of the journal does not say it. */
static int start_log(struct volume *vol, bool *broken)
{
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	struct commit *c = vol->commit;
	int err;

	if (c->started)
		return 0;
	err = journal_super_write(vol, c->head, c->sequence, 0);
	*broken = err && err != -ENODEV;
	if (!err)
		err = flush(vol, failures);
	c->started = !err;
	return err;
}

/* *broken: an error of writing, after which nothing more is tried. */
static int write_transaction(struct volume *vol, bool *broken)
{
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	struct commit *c = vol->commit;
	int err = start_log(vol, broken);

	if (err)
		return err;
	err = write_blocks(vol, 0, c->count - 1);
	*broken = err && err != -ENODEV;
	if (!err)
		err = flush(vol, failures);
	if (err)
		return err;
	err = write_blocks(vol, c->count - 1, c->count);
	*broken = err && err != -ENODEV;
	return err ? err : flush(vol, failures);
}

/* What was committed is in the log for the next mount; what was not is given up. */
static void journal_abort(struct volume *vol, int err)
{
	struct commit *c = vol->commit;

	c->aborted = true;
	atomic_store(&vol->super.read_only, true);
	log_error("ext2: %s: the journal cannot be written (%d): is read-only from now on", vol->super.name, err);
	/* Where neither can be written either, the next mount replays what there is all the same. */
	err = journal_super_write(vol, c->started ? vol->journal->start : 0,
				  c->started ? vol->journal->sequence : c->sequence, err);
	if (err)
		log_debug("ext2: %s: the journal's superblock cannot be written (%d)", vol->super.name, err);
}

int journal_commit(struct volume *vol)
{
	struct commit *c = vol->commit;
	bool broken = false;
	int err = 0;

	if (c->aborted)
		return -EIO;
	if (!c->committing)
		err = make_transaction(vol);
	if (err)
		return err;
	c->committing = c->count != 0;
	if (c->committing)
		err = write_transaction(vol, &broken);
	if (broken)
		journal_abort(vol, err);
	if (err)
		return err;
	c->head = log_place(vol->journal, c->head, c->count);
	c->used += c->count;
	c->sequence += c->committing;
	c->committing = false;
	c->count = c->revoked_count = 0;
	buffer_log_all(vol->buffers);
	ext2_super_clean(vol, true);
	return 0;
}

int journal_checkpoint(struct volume *vol)
{
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	struct commit *c = vol->commit;
	int err;

	assert(!c->committing);
	if (c->aborted)
		return -EIO;
	if (!c->used)
		return 0;
	err = buffer_write_logged(vol->buffers);
	if (!err)
		err = flush(vol, failures);
	if (err)
		return err;
	buffer_clean_logged(vol->buffers);
	c->used = 0;
	c->started = false;
	return 0;
}

/* ---- beginning and end ---- */

int journal_commit_start(struct volume *vol)
{
	struct commit *c = kzalloc(sizeof(*c));

	vol->commit = c;
	if (!c)
		return -ENOMEM;
	spin_init(&c->lock, "commit");
	waitq_init(&c->waitq);
	c->head = vol->journal->first;
	c->sequence = vol->journal->sequence;
	vol->journal->incompat |= JOURNAL_INCOMPAT_REVOKE; // on the card before the first transaction
	c->copy = kzalloc(vol->block_size);
	for (unsigned i = 0; i < CONTROL_MAX; i++) {
		c->control[i] = kzalloc(vol->block_size);
		if (!c->control[i])
			return -ENOMEM;
	}
	return c->copy ? 0 : -ENOMEM;
}

int journal_commit_stop(struct volume *vol)
{
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	int err;

	assert(!vol->commit->used && !vol->commit->committing);
	err = journal_super_write(vol, 0, vol->commit->sequence, 0);
	return err ? err : flush(vol, failures);
}

void journal_commit_free(struct volume *vol)
{
	struct commit *c = vol->commit;

	for (unsigned i = 0; c && i < CONTROL_MAX; i++)
		kfree(c->control[i]);
	if (c)
		kfree(c->copy);
	kfree(c);
	vol->commit = NULL;
}
