// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Commits into the journal. A batch becomes one transaction of the log: what it revokes, then descriptors, each with
 * the blocks that it names, written in one stretch; FLUSH; the commit block; FLUSH. From then on its buffers are
 * logged: they stay in memory, changed again or not, until a checkpoint writes them to their own places, after which
 * the log is empty. A checkpoint happens where nothing has changed since the last commit, so what is in memory is what
 * was committed. That is once the log or the pool is full, and at the end.
 *
 * What a commit has begun to write must not change any more: after the commit block, another attempt with other
 * contents could leave a transaction that is half the one and half the other. So where the card is away or a FLUSH
 * fails, the batch stays as it is, nothing is changed, and whoever comes next tries again. Any other error of writing
 * ends it (abort): the volume is read-only from then on, the journal's superblock says so for the next mount, and what
 * was not committed is given up.
 *
 * All of it runs with the transaction's lock held, and sleeps. The rest of the batch's rules: fs/txn.h.
 */
#pragma once

#include "fs/buffer.h"

struct volume;

/*
 * Takes the memory for commits; the journal is empty, as journal_open or a replay has found it. From then on
 * volume.journal is set. 0, -ENOMEM.
 */
int journal_commit_start(struct volume *vol);
/* After txn_checkpoint: the journal says that it is empty, durably. 0 or an error of that. */
int journal_commit_stop(struct volume *vol);
void journal_commit_free(struct volume *vol);

/* The least number of buffers that a volume's pool needs for it. */
unsigned journal_buffers_least(const struct volume *vol);
/* Buffers that a commit changes itself, with so many runs to be freed. 0 on plain ext2. */
unsigned journal_credits(const struct volume *vol, unsigned frees);
/* The log takes another batch of any size. */
bool journal_has_room(const struct volume *vol);
/* A commit has begun and has not ended: nothing may be changed before it has. */
bool journal_committing(const struct volume *vol);

/* The running batch frees this block, whose contents are in the log: a replay must not bring them back. */
void journal_revoke(struct volume *vol, fsblk_t block);
/* Makes all that is dirty a transaction of the log. 0; then nothing is dirty. */
int journal_commit(struct volume *vol);
/* Writes all that is logged to its own place; nothing is dirty. 0; then the log is empty. */
int journal_checkpoint(struct volume *vol);
