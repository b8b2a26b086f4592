// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What recover.c and links.c share while a volume that was not unmounted is put right. */
#pragma once

#include "fs/ext2/ext2.h"

enum {
	FOUND_TYPE = 0x07,   // enum of EXT2_FT_*
	FOUND_LINKED = 0x08, // in use, with links
	FOUND_ORPHAN = 0x10, // in use without links, and not yet deleted
	FOUND_NAMED = 0x20,  // a directory that can be reached names it
	FOUND_TAIL = 0x40,   // a truncation was not finished, or an allocation
};

/* An inode. Reserved ones stay zeros. */
struct found {
	uint16_t surplus; // names less links, modulo 2^16
	uint8_t state;
} __attribute__((packed));

struct recovery {
	struct volume *vol;
	uint64_t **used;      // a bitmap for each group: blocks
	struct found **found; // an array for each group: inodes
	uint32_t directories; // of all linked inodes
	uint32_t ino;	      // being walked
	bool reserved;	      // it is one of the volume's own, which may have metadata blocks
	uint32_t blocks, end; // its blocks, indirect ones included, and the end of the last one of its own
	uint32_t leaked, missing;
	uint32_t newest;	  // time of a change of an inode, seconds since 1970, read as reaching to 2106
	struct list_node fixes;	  // entries of directories that are not as they ought to be
	struct list_node indices; // of directories, to be made anew
};

static inline struct found *recovery_found(struct recovery *rec, uint32_t ino)
{
	return &rec->found[(ino - 1) / rec->vol->inodes_per_group][(ino - 1) % rec->vol->inodes_per_group];
}

/* ---- links.c ---- */
/*
 * Counts the names of all inodes that can be reached from the root. Changes nothing. -EUCLEAN, -EIO, -ENOMEM: they
 * are not known.
 */
int ext2_names_count(struct recovery *rec);
/* Puts entries and links right, removes what has no name, or leaves it: volume.unnamed. */
int ext2_names_apply(struct recovery *rec, bool remove);
/* Frees what the count found to do. */
void ext2_names_forget(struct recovery *rec);
