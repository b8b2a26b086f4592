// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Directories inside: entries of a block (dir.c), hashes of names (dirhash.c), the index (dirindex.c), how it grows
 * (dirgrow.c), is made anew (dirbuild.c) and checked (dircheck.c). The operation lock of the directory is held.
 */
#pragma once

#include "fs/ext2/ext2.h"

#define DIR_NAMES_MAX (4096 / EXT2_DIRENT_SIZE(1)) // in a block

static inline uint32_t sector_of(uint32_t offset)
{
	return offset / SECTOR_SIZE;
}

/* ---- dir.c ---- */
static inline unsigned ext2_dirent_len(const struct volume *vol, const struct ext2_dirent *e)
{
	return vol->filetype ? e->name_len : e->name_len | (unsigned)e->type << 8;
}
static inline uint32_t ext2_dir_blocks(const struct inode *dir)
{
	return dir->size >> ext2_volume(dir)->block_shift;
}
/* The entry at offset of a block, or NULL with *err set: nothing of it, or of what follows, is to be believed. */
struct ext2_dirent *ext2_dirent_at(struct inode *dir, const struct buffer *b, uint32_t offset, int *err);
/* A block of the directory, held. */
int ext2_dir_block(struct inode *dir, uint32_t lblk, struct buffer **out);
/* The name in this block, which is held: -ENOENT. */
int ext2_dir_find_in(struct inode *dir, uint32_t lblk, const struct buffer *b, const char *name, unsigned len,
		     struct ext2_slot *slot);
/* Takes an entry away, with the one before it in the block or NULL: by changes of its sector. True: they are one now.
 */
bool ext2_dirent_remove(const void *block, struct ext2_dirent *before, struct ext2_dirent *e);
/* Empty entries from the beginnings of sectors, the first at `at`, to `end`. */
void ext2_dir_fill_empty(void *data, uint32_t at, uint32_t end);

/* A block being filled with names, none across sectors; it holds no entries before (ext2_dir_init_block). */
struct dir_pack {
	char *data;
	uint32_t size, sector, used;
	struct ext2_dirent *last;
};
/* A copy of the entry with its name, as far as there is room. */
bool ext2_dir_pack(struct dir_pack *p, const struct ext2_dirent *e, unsigned len);

/* ---- dirroom.c ---- */
/* Where a name fits by a change of one sector, once ext2_dir_make_room was there: the block, held, and the entry. */
int ext2_dir_room(struct inode *dir, const char *name, unsigned len, struct buffer **out, uint32_t *offset);
/* Remembers where a name was. Inside the transaction that removes it. */
void ext2_dir_removed(struct inode *dir, const struct ext2_slot *slot, const char *name, unsigned len);
/* The same for any number of names, by those that move them. */
void ext2_dir_moved(struct inode *dir);

/* ---- dirhash.c ---- */
/* A name by its hash, and where it is: the caller's own numbers. */
struct dir_name {
	uint32_t hash, at;
};
/* By hash, then by place. */
void ext2_dir_sort(struct dir_name *names, size_t count);
/* The hash of a name by a version below EXT2_HASH_VERSIONS, bit 0 clear. */
uint32_t ext2_dir_hash(const struct volume *vol, unsigned version, const char *name, unsigned len);

/* ---- dirindex.c ---- */
struct dx_frame {
	uint32_t lblk;
	uint32_t at, count, limit; // entry taken; of the node
	uint32_t start, end;	   // hashes as in the index, of that entry and the next one
	bool last;		   // there is no next one
};

/* The way to a leaf. */
struct dx_path {
	unsigned version, levels;
	struct dx_frame frames[EXT2_DX_LEVELS];
	uint32_t hash;		   // looked for
	uint32_t leaf, start, end; // taken last, and from where to where
	bool last;
};

/* The version that new indices have, or EXT2_HASH_VERSIONS: none can be made. */
unsigned ext2_dx_version(const struct volume *vol);
/* Says why the index is of no use; it is not looked at any more. -EUCLEAN, as all here then. */
int ext2_dx_unusable(struct inode *dir, uint32_t lblk, const char *why);
/* To the leaf where the name is or would be; name NULL: to that of path->hash. */
int ext2_dx_probe(struct inode *dir, const char *name, unsigned len, struct dx_path *path);
/* To the one behind it: path->last is false. */
int ext2_dx_next(struct inode *dir, struct dx_path *path);
/* Names of the hash may be in the leaf behind it too. */
static inline bool ext2_dx_continues(const struct dx_path *path)
{
	return !path->last && (path->end & ~1u) == path->hash;
}
int ext2_dx_find(struct inode *dir, const char *name, unsigned len, struct ext2_slot *slot);
/* The entries of a node, its head as the first. root: it is block 0. */
static inline struct ext2_dx_entry *ext2_dx_entries(void *data, bool root)
{
	return (struct ext2_dx_entry *)((char *)data +
					(root ? EXT2_DX_ROOT + sizeof(struct ext2_dx_root) : EXT2_DX_NODE));
}
static inline uint32_t ext2_dx_limit(const struct volume *vol, bool root)
{
	const uint32_t head = root ? EXT2_DX_ROOT + sizeof(struct ext2_dx_root) : EXT2_DX_NODE;

	return (vol->block_size - head) / sizeof(struct ext2_dx_entry);
}

/* ---- dirgrow.c ---- */
/* One step towards more room in the leaf that the path leads to; then it is looked for anew. Commits. -ENOSPC. */
int ext2_dx_grow(struct inode *dir, const struct dx_path *path);
/* Makes it a linear directory: what its index says is of no account any more. */
int ext2_dir_drop_index(struct inode *dir);

/* ---- dirbuild.c ---- */
/*
 * Gives the directory an index of all its names, in new blocks, in one step. Commits. -EOPNOTSUPP: it stays as it is,
 * and must go on so.
 */
int ext2_dir_build(struct inode *dir);

/* ---- dircheck.c ---- */
/* Names that are there once more, with the same inode, by block of the directory and offset in it: in that order. */
struct dir_twins {
	struct dir_name *places; // kfree's
	uint32_t count;
};
/* Is the index what it should be? True of a directory without one. -EUCLEAN only where its blocks are damaged. */
int ext2_dir_check(struct inode *dir, struct dir_twins *twins, bool *sound);
