// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Transactions. On plain ext2 a commit writes the batch class by class with a FLUSH between classes that are both
 * there: bitmaps and new blocks, then inodes and indirect blocks, then names; so most commits cost two or three
 * FLUSHes, and an msync without metadata costs one. With a journal it is one write and two FLUSHes (fs/ext2/commit.h).
 * New blocks of data are written before all of that, as zeros at the least (fs/ext2/newblocks.h), so the first FLUSH
 * covers them (I6).
 *
 * Lock: log.lock, a mutex: the handle, or the commit. Below the object's map_lock, above bmap_lock and the buffers
 * (I2). A commit writes metadata and zeros, and waits for data writes that are under way. Sleeps. Allocates nothing.
 */
#include "fs/txn.h"

#include <assert.h>
#include <errno.h>

#include "fs/ext2/commit.h"
#include "fs/ext2/ext2.h"

void txn_log_init(struct txn_log *log)
{
	mutex_init(&log->lock, "txn");
	log->changed = log->failing = false;
	log->free_count = 0;
	new_blocks_init(&log->new_blocks);
	list_init(&log->unlinked);
	list_init(&log->droppable);
	atomic_store(&log->running, 1);
	/* What an earlier mount wrote counts as not flushed. */
	atomic_store(&log->writes, 1);
	atomic_store(&log->flushed, 0);
	atomic_store(&log->failures_told, blk_flush_failures(container_of(log, struct volume, txn)->super.dev));
	mutex_init(&log->flush_lock, "flush");
}

/*
 * A good FLUSH proves nothing about the writes that a failed one before it was to cover, whoever issued that. The count
 * is looked at before `flushed` is raised, which decides what inodes_flush_failed makes dirty again.
 */
int txn_flush(struct volume *vol)
{
	struct txn_log *log = &vol->txn;
	const uint64_t told = atomic_load(&log->failures_told), writes = atomic_load(&log->writes);
	int err = blk_flush(vol->super.dev);
	uint64_t failures;

	mutex_lock(&log->flush_lock);
	failures = blk_flush_failures(vol->super.dev);
	if (!err && failures != told)
		err = -EIO;
	if (failures != atomic_load(&log->failures_told)) {
		log_error("ext2: %s: FLUSH failed (%d): what was written since the last good one may be lost",
			  vol->super.name, err);
		ext2_flush_failed(vol, err);
		atomic_store(&log->failures_told, failures);
	}
	if (!err && atomic_load(&log->flushed) < writes)
		atomic_store(&log->flushed, writes);
	mutex_unlock(&log->flush_lock);
	return err;
}

/* FLUSH of a commit whose first write was submitted after `failures` was sampled: none of its writes may be lost. */
static int batch_flush(struct volume *vol, uint64_t failures)
{
	int err = txn_flush(vol);

	return !err && blk_flush_failures(vol->super.dev) != failures ? -EIO : err;
}

/* New blocks that the batch also frees need not be written. */
static int finish_new_blocks(struct volume *vol)
{
	for (unsigned i = 0; i < vol->txn.free_count; i++)
		if (vol->txn.frees[i].kind == TXN_FREE_BLOCKS)
			new_blocks_drop(&vol->txn.new_blocks, vol->txn.frees[i].first, vol->txn.frees[i].count);
	return new_blocks_finish(vol);
}

/*
 * A FLUSH stands before a class only where something is to be written on both sides of it. The superblock goes with the
 * first class: should the cut come right after it, a file at the head of the orphan list may not look like an orphan
 * yet, which does no harm; the other way round the list could begin with an inode that is gone.
 */
static int write_batch(struct volume *vol, bool counts)
{
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	bool unflushed = false;
	int err = finish_new_blocks(vol);

	if (!err)
		err = ext2_super_write(vol, counts, &unflushed);
	for (unsigned class = 0; class < BUFFER_CLASSES && !err; class ++) {
		if (!buffer_any(vol->buffers, class))
			continue;
		if (unflushed && class != BUFFER_EARLY) {
			err = batch_flush(vol, failures);
			/* Durable, whatever becomes of the rest: what is changed again has a class of its own. */
			for (unsigned done = 0; done < class && !err; done++)
				buffer_clean(vol->buffers, done);
		}
		if (!err)
			err = buffer_write(vol->buffers, class);
		unflushed = true;
	}
	if (!err)
		err = batch_flush(vol, failures);
	if (err)
		return err;
	for (unsigned class = 0; class < BUFFER_CLASSES; class ++)
		buffer_clean(vol->buffers, class);
	ext2_super_clean(vol, counts);
	new_blocks_forget(&vol->txn.new_blocks);
	return 0;
}

/*
 * What the batch took away is free now. On plain ext2 the batch has committed, and this is a change of the next one;
 * with a journal it is the last change of the batch.
 */
static int apply_frees(struct txn *t)
{
	struct txn_log *log = &t->vol->txn;
	int err = 0;

	while (log->free_count && !err) {
		struct txn_free *f = &log->frees[log->free_count - 1];

		/* One group at a time; so few buffers are dirty here that the next commit's first class is enough. */
		if (!is_journalled(t->vol) && buffer_pinned(t->vol->buffers) + 1 > buffer_pinned_max(t->vol->buffers)) {
			err = write_batch(t->vol, false);
			if (err)
				break;
		}
		t->credits = 1;
		if (f->kind == TXN_FREE_BLOCKS) {
			struct volume *vol = t->vol;
			uint32_t last = f->first + f->count - 1;
			uint32_t start = ext2_group_start(vol, (last - vol->first_block) / vol->blocks_per_group);
			uint32_t from = max_of(start, f->first);

			err = ext2_blocks_release(t, from, last - from + 1);
			if (!err)
				f->count = from - f->first;
		} else {
			err = ext2_inode_release(t, f->first, f->kind == TXN_FREE_DIRECTORY);
			f->count = 0;
		}
		if (!err && f->count == 0)
			log->free_count--;
	}
	return err;
}

static void say_frees(struct volume *vol, int err)
{
	if (err)
		log_error("ext2: %s: freed blocks could not be given back yet (%d)", vol->super.name, err);
}

/* The batch into the journal. One whose commit has begun is finished as it is. */
static int log_batch(struct volume *vol)
{
	struct txn t = {.vol = vol};
	int err = finish_new_blocks(vol);

	if (err)
		return err;
	/* Blocks whose bitmap cannot be read stay in the list until it can. */
	if (!journal_committing(vol))
		say_frees(vol, apply_frees(&t));
	err = journal_commit(vol);
	if (!err)
		new_blocks_forget(&vol->txn.new_blocks);
	return err;
}

static int commit_locked(struct volume *vol, bool counts)
{
	struct txn_log *log = &vol->txn;
	struct txn t = {.vol = vol};
	int err;

	if (!log->changed && !(counts && vol->super_dirty) && !log->free_count)
		return 0;
	if (!log->changed && !(counts && vol->super_dirty) && !is_journalled(vol))
		return apply_frees(&t); // those that could not be applied before
	err = is_journalled(vol) ? log_batch(vol) : write_batch(vol, counts);
	if (err && !log->failing && !atomic_load(&vol->super.read_only))
		log_error("ext2: %s: metadata could not be written (%d); it will be tried again", vol->super.name, err);
	else if (!err && log->failing)
		log_warning("ext2: %s: metadata can be written again", vol->super.name);
	log->failing = err != 0;
	if (err)
		return err;
	log->changed = false;
	atomic_fetch_add(&log->running, 1);
	while (!list_empty(&log->unlinked))
		list_push_back(&log->droppable, list_pop_front(&log->unlinked));
	/* Blocks whose bitmap cannot be read now stay in the list until it can. */
	if (!is_journalled(vol))
		say_frees(vol, apply_frees(&t));
	return 0;
}

int txn_commit(struct volume *vol)
{
	int err;

	mutex_lock(&vol->txn.lock);
	err = commit_locked(vol, false);
	mutex_unlock(&vol->txn.lock);
	return err;
}

int txn_order(struct volume *vol)
{
	return is_journalled(vol) ? 0 : txn_commit(vol);
}

int txn_checkpoint(struct volume *vol)
{
	int err = 0;

	mutex_lock(&vol->txn.lock);
	if (is_journalled(vol))
		err = commit_locked(vol, true);
	if (!err && is_journalled(vol))
		err = journal_checkpoint(vol);
	mutex_unlock(&vol->txn.lock);
	return err;
}

int txn_commit_super(struct volume *vol)
{
	int err;

	mutex_lock(&vol->txn.lock);
	vol->super_urgent |= ext2_errors_take(vol);
	vol->txn.changed |= vol->super_urgent;
	err = commit_locked(vol, false);
	mutex_unlock(&vol->txn.lock);
	return err;
}

int txn_commit_batch(struct volume *vol, uint64_t batch)
{
	int err = 0;

	if (batch < atomic_load(&vol->txn.running))
		return 0;
	mutex_lock(&vol->txn.lock);
	if (batch == atomic_load(&vol->txn.running))
		err = commit_locked(vol, false);
	mutex_unlock(&vol->txn.lock);
	return err;
}

int txn_commit_all(struct volume *vol)
{
	int err;

	mutex_lock(&vol->txn.lock);
	err = commit_locked(vol, true);
	mutex_unlock(&vol->txn.lock);
	return err;
}

int txn_commit_new(struct volume *vol, uint32_t ino)
{
	int err = 0;

	mutex_lock(&vol->txn.lock);
	if (new_blocks_of(&vol->txn.new_blocks, ino))
		err = commit_locked(vol, false);
	mutex_unlock(&vol->txn.lock);
	return err;
}

int txn_zero_again(struct volume *vol)
{
	int err;

	mutex_lock(&vol->txn.lock);
	err = new_blocks_again(vol);
	mutex_unlock(&vol->txn.lock);
	return err;
}

bool txn_failing(struct volume *vol)
{
	bool failing;

	mutex_lock(&vol->txn.lock);
	failing = vol->txn.failing;
	mutex_unlock(&vol->txn.lock);
	return failing;
}

bool txn_pending(struct volume *vol)
{
	bool pending;

	mutex_lock(&vol->txn.lock);
	pending = vol->txn.changed;
	mutex_unlock(&vol->txn.lock);
	return pending;
}

bool txn_frees_pending(struct volume *vol)
{
	bool pending;

	mutex_lock(&vol->txn.lock);
	pending = vol->txn.free_count || !list_empty(&vol->txn.unlinked) || !list_empty(&vol->txn.droppable);
	mutex_unlock(&vol->txn.lock);
	return pending;
}

static bool has_room(struct volume *vol, unsigned credits, unsigned frees)
{
	const unsigned pinned = buffer_pinned(vol->buffers) + credits;

	return pinned + journal_credits(vol, vol->txn.free_count + frees) <= buffer_pinned_max(vol->buffers) &&
	       vol->txn.free_count + frees <= TXN_FREES_MAX && new_blocks_room(&vol->txn.new_blocks);
}

/* The second commit on plain ext2 is for bitmaps that the first one's frees changed. */
static int make_room(struct volume *vol, unsigned credits, unsigned frees)
{
	int err = 0;

	if (is_journalled(vol) && !vol->txn.changed && !journal_has_room(vol))
		err = journal_checkpoint(vol); // a batch begins only where the log takes all of it
	for (unsigned i = 0; i < 2 && !err && !has_room(vol, credits, frees); i++)
		err = commit_locked(vol, false);
	if (!err && is_journalled(vol) && !has_room(vol, credits, frees))
		err = journal_checkpoint(vol);
	if (!err && !has_room(vol, credits, frees))
		err = -EIO; // frees that cannot be applied fill the list
	return err;
}

/* Takes the lock, unless there is an error. */
static int open_batch(struct volume *vol, unsigned credits, unsigned frees)
{
	int err = 0;

	mutex_lock(&vol->txn.lock);
	if (atomic_load(&vol->super.dead) || (atomic_load(&vol->unmounting) && !rwlock_owned_write(&vol->super.gate)))
		err = -EIO;
	else if (atomic_load(&vol->super.read_only))
		err = -EROFS;
	else if (is_journalled(vol) && journal_committing(vol))
		err = commit_locked(vol, false);
	if (!err)
		err = make_room(vol, credits, frees);
	if (err)
		mutex_unlock(&vol->txn.lock);
	return err;
}

int txn_op_begin(struct volume *vol)
{
	return is_journalled(vol) ? open_batch(vol, TXN_OP_CREDITS, TXN_OP_FREES) : 0;
}

void txn_op_end(struct volume *vol)
{
	if (is_journalled(vol))
		mutex_unlock(&vol->txn.lock);
}

int txn_begin(struct txn *t, struct volume *vol, unsigned credits, unsigned frees)
{
	assert(credits <= TXN_CREDITS);
	*t = (struct txn){.vol = vol, .credits = credits, .inside = mutex_owned(&vol->txn.lock)};
	assert(!t->inside || is_journalled(vol));
	return t->inside ? 0 : open_batch(vol, credits, frees);
}

void txn_access(struct txn *t, struct buffer *b)
{
	assert(mutex_owned(&t->vol->txn.lock));
	assert(buffer_held(b));
	(void)t;
	(void)b;
}

void txn_dirty(struct txn *t, struct buffer *b, enum buffer_class class)
{
	assert(mutex_owned(&t->vol->txn.lock));
	if (b->class == BUFFER_CLEAN) {
		assert(t->credits > 0);
		t->credits--;
	}
	buffer_set_dirty(b, class);
	t->vol->txn.changed = true;
}

static void free_later(struct txn *t, enum txn_free_kind kind, uint32_t first, uint32_t count)
{
	struct txn_log *log = &t->vol->txn;

	assert(log->free_count < TXN_FREES_MAX);
	log->frees[log->free_count++] = (struct txn_free){.kind = kind, .first = first, .count = count};
	log->changed = true;
}

void txn_free_blocks(struct txn *t, fsblk_t first, uint32_t count)
{
	struct txn_log *log = &t->vol->txn;
	struct txn_free *last = log->free_count ? &log->frees[log->free_count - 1] : NULL;

	log->changed = true;
	if (last && last->kind == TXN_FREE_BLOCKS && last->first + last->count == first)
		last->count += count;
	else if (last && last->kind == TXN_FREE_BLOCKS && first + count == last->first)
		*last = (struct txn_free){TXN_FREE_BLOCKS, first, last->count + count};
	else
		free_later(t, TXN_FREE_BLOCKS, first, count);
}

void txn_free_metadata(struct txn *t, fsblk_t block)
{
	if (buffer_forget(t->vol->buffers, block))
		journal_revoke(t->vol, block);
	txn_free_blocks(t, block, 1);
}

void txn_free_inode(struct txn *t, uint32_t ino, bool directory)
{
	free_later(t, directory ? TXN_FREE_DIRECTORY : TXN_FREE_FILE, ino, 1);
}

void txn_super(struct txn *t)
{
	t->vol->super_urgent = true;
	t->vol->txn.changed = true;
}

void txn_end(struct txn *t)
{
	if (!t->inside)
		mutex_unlock(&t->vol->txn.lock);
	t->vol = NULL;
}
