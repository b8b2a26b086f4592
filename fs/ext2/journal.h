// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A volume's journal: where its blocks lie and what its superblock says (journal.c), and its replay at the mount
 * (journal_replay.c, journal_log.c, journal_table.c).
 */
#pragma once

#include "fs/ext2/journal_format.h"
#include "lib/types.h"

struct volume;

/* Blocks of the journal that are adjacent on the card. */
struct journal_run {
	uint32_t first; // of the journal
	uint32_t count;
	fsblk_t block;
};

struct journal {
	/* Constant once it is open. */
	struct journal_run *runs; // all blocks of the journal, in its order
	unsigned run_count;
	struct journal_run *owned; // the same and its indirect blocks, in the card's order; `first` is of no use
	unsigned owned_count;
	uint32_t maxlen;   // blocks of the journal
	uint32_t first;	   // block of the log, which is [first, maxlen)
	uint32_t seed;	   // of checksums v2 and v3
	bool has_features; // the superblock is of version 2
	void *super_block; // the block that it lies in, as it was written last; guarded by the transaction

	/* Guarded by the transaction. */
	uint32_t compat, incompat; // features; a change comes onto the card with the next superblock
	uint32_t start;		   // of the log's first transaction; 0: it is empty
	uint32_t sequence;	   // of that transaction, or of the next one to be written if the log is empty
	int error;		   // as it was given up, negative errno
};

/*
 * Finds and checks the journal of a volume that has one (I8): volume.journal. Reads only the journal's inode, its
 * indirect blocks and its superblock. -ENOTSUP: on another device, or with features that are not known; -EUCLEAN: it
 * is damaged; -EIO; -ENOMEM. Each said. At mount, after the layout; sleeps.
 */
int journal_open(struct volume *vol);
/* Says what is wrong with it, and the number that shows it: -EUCLEAN. */
int journal_damaged(const struct volume *vol, const char *what, unsigned long value);
/* Gives the memory back. NULL is fine. */
void journal_close(struct journal *j);

/* Where block n of the journal lies; *run: how many of it from there on are adjacent, or NULL. n < maxlen. */
fsblk_t journal_map(const struct journal *j, uint32_t n, uint32_t *run);
/* The block of the volume is one of the journal's, or one of its indirect ones. */
bool journal_owns(const struct journal *j, fsblk_t block);

/* Checksums of v2 or v3 are in its blocks. */
static inline bool journal_has_checksums(const struct journal *j)
{
	return j->incompat & (JOURNAL_INCOMPAT_CSUM_V2 | JOURNAL_INCOMPAT_CSUM_V3);
}

/* Bytes of a tag in a descriptor, without a UUID behind it. */
unsigned journal_tag_size(const struct journal *j);
/* Bytes at the end of descriptor and revoke blocks that a checksum takes. */
static inline unsigned journal_tail_size(const struct journal *j)
{
	return journal_has_checksums(j) ? sizeof(struct journal_tail) : 0;
}

/* The checksum of a block of the log whose field for it is at `field`; it is taken as zeros. */
uint32_t journal_block_checksum(const struct volume *vol, const void *block, const be32_t *field);
/* Of a logged block, as it is in the log: what tag3 has, and its lower half a tag of v2. */
uint32_t journal_data_checksum(const struct volume *vol, uint32_t sequence, const void *block);

/*
 * Writes the journal's superblock and remembers what it says; no FLUSH. error: 0, or a negative errno with which the
 * journal was given up. 0, or the write's error: then it says anew what it says. Holder of txn.lock, or the mount.
 * Sleeps.
 */
int journal_super_write(struct volume *vol, uint32_t start, uint32_t sequence, int error);

/* ---- journal_replay.c ---- */
/*
 * For the mount, before anything of the volume is cached or believed but its layout: if the volume says that its
 * journal is to be replayed (or its superblock is a backup's, and the log is not empty), that is done, durable, and the
 * journal empty. *replayed: the layout is to be read anew, and that mark then to be taken from the superblock. Else
 * nothing is written, and the log is taken for empty. 0; -EROFS: the device cannot be written; -EUCLEAN: the journal is
 * damaged, nothing has been written then; -ENOMEM: the same; the transfers' errors. Each said. What failed or was cut
 * off can be begun again. Sleeps.
 */
int journal_recover(struct volume *vol, bool *replayed);
