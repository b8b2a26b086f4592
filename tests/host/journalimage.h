// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The journal of an image, read and made by hand: the test's own walk of the inode, its own descriptors, revokes and
 * commits, and mistakes where they are asked for.
 */
#pragma once

#include "fs/ext2/format.h"
#include "fs/ext2/journal_format.h"
#include "lib/types.h"

#define JOURNALIMAGE_BLOCKS 4096u

struct journalimage {
	const char *path;
	uint8_t *data; // of the whole image
	size_t size;
	uint32_t block_size;
	uint32_t place[JOURNALIMAGE_BLOCKS]; // of the journal's blocks
	uint32_t maxlen;
	uint32_t compat, incompat;
	uint32_t at;	   // block of the journal that is written next
	uint32_t sequence; // of the transaction that is being made
	uint32_t crc;	   // v1: of it so far
};

/* A block that a transaction has: contents of block_size bytes, taken as they are to be on the card. */
struct journalimage_block {
	uint32_t block, block_high;
	const void *data;
};

/* Into memory, with the features that its journal has. Fails the test if there is no journal. */
void journalimage_open(struct journalimage *ji, const char *path);
/* Back into the file, with a superblock that is right but for what the test changed after the last _start. */
void journalimage_save(struct journalimage *ji);
/* Drops what was changed. */
void journalimage_drop(struct journalimage *ji);

void *journalimage_block(struct journalimage *ji, uint32_t n);	// of the journal
void *journalimage_fs(struct journalimage *ji, uint32_t block); // of the volume
struct journal_super *journalimage_super(struct journalimage *ji);
struct ext2_inode *journalimage_inode(struct journalimage *ji); // the journal's

/* The features from now on, and the log's beginning, empty so far; the volume says that it is to be replayed. */
void journalimage_start(struct journalimage *ji, uint32_t compat, uint32_t incompat, uint32_t start, uint32_t sequence);
/* Parts of the transaction under way. */
void journalimage_descriptor(struct journalimage *ji, const struct journalimage_block *blocks, unsigned count);
void journalimage_revoke(struct journalimage *ji, const uint32_t *blocks, unsigned count);
/* Ends it; the next one has the next number. */
void journalimage_commit(struct journalimage *ji, uint64_t seconds);
/* The superblock's checksum. */
void journalimage_seal(struct journalimage *ji);
/* Makes the block's checksum, whose field is at this offset, right again. */
void journalimage_reseal(struct journalimage *ji, void *block, size_t field);
