// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * New blocks of files' data, until the batch that made them is durable: see newblocks.h. Runs in the order of blocks; a
 * block is in one at most, since what is freed is not given out again in the same batch (I10).
 *
 * Lock: new_blocks.lock, a spinlock and a leaf, beside the transaction.
 */
#include "fs/ext2/newblocks.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"

void new_blocks_init(struct new_blocks *n)
{
	n->count = 0;
	n->zeros = 0;
	spin_init(&n->lock, "new blocks");
	waitq_init(&n->waitq);
	atomic_store(&n->open, 0);
}

bool new_blocks_room(const struct new_blocks *n)
{
	return n->count + NEW_BLOCKS_AT_ONCE / NEW_RUN_BLOCKS < NEW_RUNS_MAX;
}

bool new_blocks_of(const struct new_blocks *n, uint32_t ino)
{
	for (unsigned i = 0; i < n->count; i++)
		if (n->runs[i].ino == ino)
			return true;
	return false;
}

/* ---- runs ---- */

static uint64_t low_bits(uint32_t count)
{
	return count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
}

static bool is_open(const struct new_run *run)
{
	return run->unwritten | run->under_way;
}

/* The first that ends behind the block. */
static unsigned find_locked(const struct new_blocks *n, fsblk_t block)
{
	unsigned low = 0, high = n->count;

	while (low < high) {
		const unsigned middle = (low + high) / 2;

		if (n->runs[middle].first + n->runs[middle].count <= block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Of a run that lies, in part, among these blocks: its bits of them. */
static uint64_t bits_in(const struct new_run *run, fsblk_t first, uint32_t count)
{
	const fsblk_t from = max_of(first, run->first), to = min_of(first + count, run->first + run->count);

	return is_open(run) ? low_bits(to - from) << (from - run->first) : 0;
}

static void run_set_locked(struct new_blocks *n, struct new_run *run, uint64_t unwritten, uint64_t under_way)
{
	const bool before = is_open(run);

	run->unwritten = unwritten;
	run->under_way = under_way;
	if (is_open(run) != before)
		atomic_fetch_add_explicit(&n->open, before ? -1u : 1u, memory_order_relaxed);
}

/* To the run that these blocks continue, if it has room for them, or by themselves. */
static void add_locked(struct new_blocks *n, uint32_t ino, fsblk_t first, uint32_t count, bool written)
{
	const unsigned at = find_locked(n, first);
	struct new_run *run = at ? &n->runs[at - 1] : NULL;
	uint64_t bits;

	if (!run || run->ino != ino || run->first + run->count != first ||
	    (run->count + count > NEW_RUN_BLOCKS && (!written || is_open(run)))) {
		assert(n->count < NEW_RUNS_MAX);
		run = &n->runs[at];
		memmove(run + 1, run, (n->count++ - at) * sizeof(*run));
		*run = (struct new_run){.ino = ino, .first = first};
	}
	bits = written ? 0 : low_bits(count) << run->count;
	run->count += count;
	run_set_locked(n, run, run->unwritten | bits, run->under_way);
}

static void remember_failures(struct volume *vol)
{
	if (!vol->txn.new_blocks.count)
		vol->txn.new_blocks.failures = blk_flush_failures(vol->super.dev);
}

void new_blocks_add(struct volume *vol, uint32_t ino, fsblk_t first, uint32_t count)
{
	struct new_blocks *n = &vol->txn.new_blocks;

	assert(count <= NEW_BLOCKS_AT_ONCE);
	remember_failures(vol);
	while (count) {
		const uint32_t piece = min_of(count, NEW_RUN_BLOCKS);
		const unsigned long flags = spin_lock(&n->lock);

		add_locked(n, ino, first, piece, false);
		spin_unlock(&n->lock, flags);
		first += piece;
		count -= piece;
	}
}

int new_blocks_add_zeros(struct volume *vol, uint32_t ino, fsblk_t first, uint32_t count)
{
	struct new_blocks *n = &vol->txn.new_blocks;
	unsigned long flags;
	int err;

	remember_failures(vol);
	err = ext2_blocks_zero(vol, first, count);
	if (err)
		return err;
	flags = spin_lock(&n->lock);
	add_locked(n, ino, first, count, true);
	spin_unlock(&n->lock, flags);
	return 0;
}

/* ---- pages' transfers ---- */

bool new_blocks_begin(struct volume *vol, fsblk_t first, uint32_t count)
{
	struct new_blocks *n = &vol->txn.new_blocks;
	unsigned long flags;
	bool any = false;

	if (!new_blocks_open(n))
		return false;
	flags = spin_lock(&n->lock);
	while (n->zeros && first < n->zeroing + n->zeros && n->zeroing < first + count)
		waitq_wait(&n->waitq, &n->lock, &flags);
	for (unsigned i = find_locked(n, first); i < n->count && n->runs[i].first < first + count; i++) {
		struct new_run *run = &n->runs[i];
		const uint64_t bits = run->unwritten & bits_in(run, first, count);

		any |= bits != 0;
		run_set_locked(n, run, run->unwritten & ~bits, run->under_way | bits);
	}
	spin_unlock(&n->lock, flags);
	return any;
}

void new_blocks_written(struct volume *vol, fsblk_t first, uint32_t count, int err)
{
	struct new_blocks *n = &vol->txn.new_blocks;
	unsigned long flags = spin_lock(&n->lock);

	for (unsigned i = find_locked(n, first); i < n->count && n->runs[i].first < first + count; i++) {
		struct new_run *run = &n->runs[i];
		const uint64_t bits = run->under_way & bits_in(run, first, count);

		run_set_locked(n, run, run->unwritten | (err ? bits : 0), run->under_way & ~bits);
	}
	waitq_wake_all(&n->waitq);
	spin_unlock(&n->lock, flags);
}

static bool is_unwritten_locked(const struct new_blocks *n, fsblk_t block)
{
	const struct new_run *run = &n->runs[find_locked(n, block)];

	return run < &n->runs[n->count] && run->first <= block && run->unwritten & bits_in(run, block, 1);
}

bool new_blocks_unwritten(struct volume *vol, fsblk_t first, uint32_t *count)
{
	struct new_blocks *n = &vol->txn.new_blocks;
	uint32_t alike = 1;
	unsigned long flags;
	bool unwritten;

	if (!new_blocks_open(n))
		return false;
	flags = spin_lock(&n->lock);
	unwritten = is_unwritten_locked(n, first);
	while (alike < *count && is_unwritten_locked(n, first + alike) == unwritten)
		alike++;
	spin_unlock(&n->lock, flags);
	*count = alike;
	return unwritten;
}

/* ---- commits ---- */

void new_blocks_drop(struct new_blocks *n, fsblk_t first, uint32_t count)
{
	unsigned long flags = spin_lock(&n->lock);

	for (unsigned i = find_locked(n, first); i < n->count && n->runs[i].first < first + count; i++) {
		struct new_run *run = &n->runs[i];

		run_set_locked(n, run, run->unwritten & ~bits_in(run, first, count), run->under_way);
	}
	spin_unlock(&n->lock, flags);
}

/* The next unwritten blocks of a run become the ones that zeros are written onto. */
static bool choose_zeroing(struct new_blocks *n, struct new_run *run)
{
	unsigned long flags = spin_lock(&n->lock);
	unsigned from = 0, count = 0;

	if (run->unwritten) {
		from = (unsigned)__builtin_ctzll(run->unwritten);
		while (from + count < run->count && run->unwritten >> (from + count) & 1)
			count++;
	}
	n->zeroing = run->first + from;
	n->zeros = count;
	spin_unlock(&n->lock, flags);
	return count != 0;
}

static void end_zeroing(struct new_blocks *n, struct new_run *run, int err)
{
	unsigned long flags = spin_lock(&n->lock);

	if (!err)
		run_set_locked(n, run, run->unwritten & ~(low_bits(n->zeros) << (n->zeroing - run->first)),
			       run->under_way);
	n->zeros = 0;
	waitq_wake_all(&n->waitq);
	spin_unlock(&n->lock, flags);
}

static int zero_run(struct volume *vol, struct new_run *run)
{
	struct new_blocks *n = &vol->txn.new_blocks;
	int err = 0;

	while (!err && choose_zeroing(n, run)) {
		err = ext2_blocks_zero(vol, n->zeroing, n->zeros);
		if (err && !vol->txn.failing)
			log_error("ext2: %s: new blocks %u to %u of inode %u cannot be written (%d)", vol->super.name,
				  n->zeroing, n->zeroing + n->zeros - 1, run->ino, err);
		end_zeroing(n, run, err);
	}
	return err;
}

static void wait_under_way(struct new_blocks *n, const struct new_run *run)
{
	unsigned long flags = spin_lock(&n->lock);

	while (run->under_way)
		waitq_wait(&n->waitq, &n->lock, &flags);
	spin_unlock(&n->lock, flags);
}

/* All are on the card then: a write that fails makes blocks unwritten again. */
static int write_unwritten(struct volume *vol)
{
	struct new_blocks *n = &vol->txn.new_blocks;
	int err = 0;

	if (!new_blocks_open(n))
		return 0; // nor will be: only the transaction adds some
	for (unsigned i = 0; i < n->count && !err; i++)
		err = zero_run(vol, &n->runs[i]);
	for (unsigned i = 0; i < n->count && !err; i++) {
		wait_under_way(n, &n->runs[i]);
		err = zero_run(vol, &n->runs[i]);
	}
	return err;
}

int new_blocks_again(struct volume *vol)
{
	struct new_blocks *n = &vol->txn.new_blocks;
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	int err;

	if (!n->count || failures == n->failures)
		return 0;
	err = write_unwritten(vol);
	for (unsigned i = 0; i < n->count && !err; i++) {
		const struct new_run *run = &n->runs[i];

		err = ext2_blocks_zero(vol, run->first, run->count);
		/* Also after an error: some of it may be on the card. */
		if (err || i + 1 == n->count || run[1].ino != run->ino)
			ext2_file_flush_failed(vol, run->ino, -EIO);
	}
	if (!err)
		n->failures = failures;
	return err;
}

int new_blocks_finish(struct volume *vol)
{
	int err = new_blocks_again(vol);

	return err ? err : write_unwritten(vol);
}

void new_blocks_forget(struct new_blocks *n)
{
	unsigned long flags = spin_lock(&n->lock);

	assert(!new_blocks_open(n));
	n->count = 0;
	spin_unlock(&n->lock, flags);
}
