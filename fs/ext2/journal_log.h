// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Reading a journal's log: blocks by way of a window, block after block, and what descriptors say. At mount; sleeps. */
#pragma once

#include "fs/ext2/journal.h"

#define LOG_WINDOW (64u << 10) // bytes

/* Where a walk over the log is. */
struct log_cursor {
	uint32_t at;	   // block of the journal
	uint32_t sequence; // of the transaction that it is in
	uint32_t passed;   // blocks so far
};

struct log_reader {
	struct volume *vol;
	void *header; // the descriptor, revoke or commit block that the walk is at: block_size bytes

	/* Adjacent blocks of the journal, [first, first + count). */
	uint8_t *window;
	uint32_t first, count;
};

struct log_tag {
	fsblk_t block;
	bool impossible; // its number does not fit
	unsigned flags;
	uint32_t checksum;
};

/* The tags of the reader's header: zeros at the beginning. */
struct log_tags {
	unsigned offset;
	bool ended;
};

int log_reader_init(struct log_reader *r, struct volume *vol); // 0, -ENOMEM
void log_reader_free(struct log_reader *r);

struct log_cursor log_start(const struct volume *vol);
/* One block further. */
void log_step(const struct volume *vol, struct log_cursor *c);
bool log_in_window(const struct log_reader *r, uint32_t n);
/*
 * Block n of the journal, in the window until another is read that is not there; up to `ahead` blocks are read at once.
 * 0, or the transfer's error, which was said.
 */
int log_read(struct log_reader *r, uint32_t n, uint32_t ahead, void **block);
/*
 * The header at the cursor, which moves behind it. *type 0: the log ends, no header of this transaction is there.
 * -EUCLEAN: the log is longer than the journal.
 */
int log_next(struct log_reader *r, struct log_cursor *c, enum journal_block_type *type);
/* The next tag of the descriptor; false: there are no more. */
bool log_next_tag(const struct log_reader *r, struct log_tags *tags, struct log_tag *tag);
/* Moves behind the blocks that the descriptor names. */
void log_skip(struct log_reader *r, struct log_cursor *c);
/* The checksum at the header's end is right, or there is none. */
bool log_tail_right(const struct log_reader *r);
