// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The journal of ext3 and ext4 on the card, as JBD2 keeps it. All numbers are big-endian. The journal is an inode's
 * blocks: its superblock, then the log, a ring: each transaction is descriptor blocks, each with the blocks that its
 * tags name behind it, revoke blocks, and a commit block. A logged block that begins with the magic number has zeros
 * there, and its tag says so.
 *
 * Checksums: with v2 and v3, CRC-32C from a seed that is the one of the journal's UUID; in a block of the log over all
 * of it with the checksum's field as zeros.
 */
#pragma once

#include <assert.h>

#include "lib/endian.h"

#define JOURNAL_MAGIC 0xc03b3998u
#define JOURNAL_BLOCKS_MIN 1024u // of a journal
#define JOURNAL_CRC32C 4	 // superblock.checksum_type

enum journal_block_type {
	JOURNAL_DESCRIPTOR = 1,
	JOURNAL_COMMIT = 2,
	JOURNAL_SUPER_V1 = 3, // without features and what follows them
	JOURNAL_SUPER_V2 = 4,
	JOURNAL_REVOKE = 5,
};

enum {
	JOURNAL_COMPAT_CHECKSUM = 0x1, // v1: of whole transactions, in their commit blocks

	JOURNAL_INCOMPAT_REVOKE = 0x1,
	JOURNAL_INCOMPAT_64BIT = 0x2,
	JOURNAL_INCOMPAT_ASYNC_COMMIT = 0x4, // commit blocks may have overtaken what they commit
	JOURNAL_INCOMPAT_CSUM_V2 = 0x8,
	JOURNAL_INCOMPAT_CSUM_V3 = 0x10,
	JOURNAL_INCOMPAT_FAST_COMMIT = 0x20,
};

#define JOURNAL_INCOMPAT_KNOWN                                                                                         \
	(JOURNAL_INCOMPAT_REVOKE | JOURNAL_INCOMPAT_64BIT | JOURNAL_INCOMPAT_ASYNC_COMMIT | JOURNAL_INCOMPAT_CSUM_V2 | \
	 JOURNAL_INCOMPAT_CSUM_V3)

struct journal_header {
	be32_t magic;
	be32_t type;
	be32_t sequence; // of the transaction
};
static_assert(sizeof(struct journal_header) == 12, "journal block");

struct journal_super {
	struct journal_header header; // its sequence is of no use
	be32_t block_size;
	be32_t maxlen;	 // blocks of the journal, this one included
	be32_t first;	 // block of the log
	be32_t sequence; // of the first transaction that the log has, or is to have
	be32_t start;	 // where that begins; 0: the log is empty
	be32_t error;	 // why it was given up: a negative errno
	/* Version 2. */
	be32_t feature_compat, feature_incompat, feature_ro_compat;
	uint8_t uuid[16];
	be32_t users_count;
	be32_t dynamic_super;
	be32_t max_transaction, max_trans_data; // blocks; unused
	uint8_t checksum_type;
	uint8_t pad1[3];
	be32_t fast_commit_blocks;
	be32_t head; // where a log that is empty would go on; a hint
	be32_t pad2[40];
	be32_t checksum; // of these 1024 bytes, with zeros here
	uint8_t users[48][16];
};
static_assert(sizeof(struct journal_super) == 1024, "journal superblock");
static_assert(offsetof(struct journal_super, uuid) == 0x30, "journal superblock");
static_assert(offsetof(struct journal_super, checksum_type) == 0x50, "journal superblock");
static_assert(offsetof(struct journal_super, checksum) == 0xfc, "journal superblock");

enum {
	JOURNAL_TAG_ESCAPED = 1,
	JOURNAL_TAG_SAME_UUID = 2, // else a UUID follows the tag
	JOURNAL_TAG_DELETED = 4,   // unused
	JOURNAL_TAG_LAST = 8,
};

#define JOURNAL_UUID_SIZE 16u

/* Of a descriptor: from the header on. How many bytes it has says journal.tag_size: */
struct journal_tag {
	be32_t block;
	be16_t checksum; // v2: the lower half of what tag3 has
	be16_t flags;
	be32_t block_high; // with 64bit
};
#define JOURNAL_TAG_SIZE 8u
#define JOURNAL_TAG_SIZE_64BIT 12u
#define JOURNAL_TAG_PAD_V2 2u // more, with v2

/* With v3. */
struct journal_tag3 {
	be32_t block;
	be32_t flags;
	be32_t block_high; // with 64bit
	be32_t checksum;   // of the big-endian sequence and the block as it is logged
};
static_assert(sizeof(struct journal_tag) == JOURNAL_TAG_SIZE_64BIT, "journal tag");
static_assert(sizeof(struct journal_tag3) == 16, "journal tag");

/* With v2 and v3 the end of descriptor and revoke blocks. */
struct journal_tail {
	be32_t checksum;
};

/* Numbers of blocks follow, of four bytes or with 64bit eight. */
struct journal_revoke {
	struct journal_header header;
	be32_t size; // bytes of the block that are used, this included
};
static_assert(sizeof(struct journal_revoke) == 16, "journal revoke block");

struct journal_commit {
	struct journal_header header;
	uint8_t checksum_type, checksum_size; // of v1: JOURNAL_CRC32 and 4, or there is none; else 0
	uint8_t pad[2];
	be32_t checksum[8]; // the first is used
	be64_t seconds;	    // since 1970
	be32_t nanoseconds;
};
static_assert(sizeof(struct journal_commit) == 60, "journal commit block");

#define JOURNAL_CRC32 1
#define JOURNAL_CRC32_SIZE 4
