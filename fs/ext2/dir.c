// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Directories: blocks of entries, each with its length to the next, checked one by one before use (I8). Indexed
 * directories are read as the linear ones that they also are; a name put into one takes the index flag away, and e2fsck
 * -D can make it again. Directory blocks are metadata, in the buffers.
 *
 * Locks: the directory's operation lock held. Changes run inside a transaction. Sleeps on metadata I/O.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"

uint8_t ext2_file_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return EXT2_FT_REG;
	case S_IFDIR:
		return EXT2_FT_DIR;
	case S_IFCHR:
		return EXT2_FT_CHR;
	case S_IFBLK:
		return EXT2_FT_BLK;
	case S_IFIFO:
		return EXT2_FT_FIFO;
	case S_IFSOCK:
		return EXT2_FT_SOCK;
	case S_IFLNK:
		return EXT2_FT_LINK;
	}
	return EXT2_FT_UNKNOWN;
}

static unsigned name_len(const struct volume *vol, const struct ext2_dirent *e)
{
	return vol->filetype ? e->name_len : e->name_len | (unsigned)e->type << 8;
}

/* The entry at offset of a block, or NULL with *err set: nothing of it, or of what follows, is to be believed. */
static struct ext2_dirent *entry_at(struct inode *dir, const struct buffer *b, uint32_t offset, int *err)
{
	const struct volume *vol = dir->vol;
	struct ext2_dirent *e = (struct ext2_dirent *)((char *)b->data + offset);
	const char *wrong = NULL;

	if (vol->block_size - offset < sizeof(*e))
		wrong = "begins at the block's end";
	else if (e->rec_len < EXT2_DIRENT_SIZE(1) || e->rec_len % 4 || e->rec_len > vol->block_size - offset)
		wrong = "has an impossible length";
	else if (e->rec_len < EXT2_DIRENT_SIZE(name_len(vol, e)) || name_len(vol, e) > EXT2_NAME_MAX)
		wrong = "has a name longer than itself";
	else if (e->ino > vol->inodes)
		wrong = "names an impossible inode";
	else if (e->ino && name_len(vol, e) == 0)
		wrong = "has an empty name";
	if (!wrong)
		return e;
	*err =
	    ext2_damaged(dir->vol, "directory inode %u: entry at %u of block %u %s", dir->ino, offset, b->block, wrong);
	return NULL;
}

static int dir_block(struct inode *dir, uint32_t lblk, struct buffer **out)
{
	fsblk_t block;
	uint32_t run;
	int err = ext2_bmap(dir, lblk, 1, &block, &run);

	*out = NULL;
	if (!err && !block)
		err = ext2_damaged(dir->vol, "directory inode %u has a hole at block %u", dir->ino, lblk);
	return err ? err : buffer_get(block, out);
}

static uint32_t dir_blocks(const struct inode *dir)
{
	return dir->size >> dir->vol->block_shift;
}

int ext2_dir_find(struct inode *dir, const char *name, unsigned len, struct ext2_slot *slot)
{
	for (uint32_t lblk = 0; lblk < dir_blocks(dir); lblk++) {
		struct ext2_dirent *e;
		struct buffer *b;
		int err = dir_block(dir, lblk, &b);

		if (err)
			return err;
		for (uint32_t at = 0; at < dir->vol->block_size; at += e->rec_len) {
			e = entry_at(dir, b, at, &err);
			if (!e) {
				buffer_put(b);
				return err;
			}
			if (!e->ino || name_len(dir->vol, e) != len || memcmp(e->name, name, len))
				continue;
			*slot = (struct ext2_slot){.block = b->block,
						   .offset = at,
						   .ino = e->ino,
						   .type = dir->vol->filetype ? e->type : EXT2_FT_UNKNOWN};
			buffer_put(b);
			return 0;
		}
		buffer_put(b);
	}
	return -ENOENT;
}

/* Room in an entry beyond what it uses. */
static uint32_t slack(const struct volume *vol, const struct ext2_dirent *e)
{
	return e->rec_len - (e->ino ? EXT2_DIRENT_SIZE(name_len(vol, e)) : 0);
}

/* The block and entry with room for a name: the block held, or *out NULL if there is none. */
static int find_room(struct inode *dir, unsigned len, struct buffer **out, uint32_t *offset)
{
	for (uint32_t lblk = 0; lblk < dir_blocks(dir); lblk++) {
		struct ext2_dirent *e;
		struct buffer *b;
		int err = dir_block(dir, lblk, &b);

		if (err)
			return err;
		for (uint32_t at = 0; at < dir->vol->block_size; at += e->rec_len) {
			e = entry_at(dir, b, at, &err);
			if (!e) {
				buffer_put(b);
				return err;
			}
			if (slack(dir->vol, e) >= EXT2_DIRENT_SIZE(len)) {
				*out = b;
				*offset = at;
				return 0;
			}
		}
		buffer_put(b);
	}
	*out = NULL;
	return 0;
}

int ext2_dir_make_room(struct inode *dir, unsigned len)
{
	struct buffer *b;
	uint32_t offset, run;
	int err = find_room(dir, len, &b, &offset);

	if (err || b) {
		buffer_put(b);
		return err;
	}
	if (dir->size + dir->vol->block_size > INT32_MAX)
		return -ENOSPC;
	err = ext2_bmap_alloc(dir, dir_blocks(dir), 1, dir->size + dir->vol->block_size, &run);
	/* The directory must not reach, on the card, a new block with names of inodes that are not there yet. */
	return err ? err : txn_commit(dir->vol);
}

void ext2_dir_init_block(struct volume *vol, void *data)
{
	((struct ext2_dirent *)data)->rec_len = vol->block_size;
}

static void entry_fill(const struct volume *vol, struct ext2_dirent *e, const char *name, unsigned len, uint32_t ino,
		       mode_t mode)
{
	e->ino = ino;
	e->name_len = len;
	e->type = vol->filetype ? ext2_file_type(mode) : 0;
	memcpy(e->name, name, len);
}

void ext2_dir_init_first(struct volume *vol, void *data, uint32_t self, uint32_t parent)
{
	struct ext2_dirent *dot = data;
	struct ext2_dirent *dotdot = (struct ext2_dirent *)((char *)data + EXT2_DIRENT_SIZE(1));

	entry_fill(vol, dot, ".", 1, self, S_IFDIR);
	dot->rec_len = EXT2_DIRENT_SIZE(1);
	entry_fill(vol, dotdot, "..", 2, parent, S_IFDIR);
	dotdot->rec_len = vol->block_size - EXT2_DIRENT_SIZE(1);
}

int ext2_dir_add(struct txn *t, struct inode *dir, const char *name, unsigned len, uint32_t ino, mode_t mode)
{
	struct ext2_dirent *e;
	struct buffer *b;
	uint32_t offset;
	int err = find_room(dir, len, &b, &offset);

	if (err)
		return err;
	if (!b)
		return -ENOSPC;
	txn_access(t, b);
	e = (struct ext2_dirent *)((char *)b->data + offset);
	if (e->ino) {
		uint32_t used = EXT2_DIRENT_SIZE(name_len(dir->vol, e)), rest = e->rec_len - used;

		e->rec_len = used;
		e = (struct ext2_dirent *)((char *)e + used);
		e->rec_len = rest;
	}
	entry_fill(dir->vol, e, name, len, ino, mode);
	txn_dirty(t, b, BUFFER_NAME);
	buffer_put(b);
	dir->flags &= ~EXT2_FLAG_INDEX;
	return 0;
}

int ext2_dir_remove(struct txn *t, struct inode *dir, const struct ext2_slot *slot)
{
	struct ext2_dirent *e, *before = NULL;
	struct buffer *b;
	int err = buffer_get(slot->block, &b);

	if (err)
		return err;
	for (uint32_t at = 0;; at += e->rec_len) {
		e = entry_at(dir, b, at, &err);
		if (!e || at >= slot->offset)
			break;
		before = e;
	}
	if (!err) {
		txn_access(t, b);
		if (before)
			before->rec_len += e->rec_len;
		e->ino = 0;
		txn_dirty(t, b, BUFFER_NAME);
	}
	buffer_put(b);
	return err;
}

int ext2_dir_replace(struct txn *t, struct inode *dir, const struct ext2_slot *slot, uint32_t ino, mode_t mode)
{
	struct ext2_dirent *e;
	struct buffer *b;
	int err = buffer_get(slot->block, &b);

	if (err)
		return err;
	txn_access(t, b);
	e = (struct ext2_dirent *)((char *)b->data + slot->offset);
	e->ino = ino;
	if (dir->vol->filetype)
		e->type = ext2_file_type(mode);
	txn_dirty(t, b, BUFFER_NAME);
	buffer_put(b);
	return 0;
}

int ext2_dir_next(struct inode *dir, uint64_t *offset, struct ext2_name *entry)
{
	const struct volume *vol = dir->vol;

	while (*offset < dir->size) {
		const uint64_t start = align_down(*offset, (uint64_t)vol->block_size);
		struct ext2_dirent *e;
		struct buffer *b;
		int err = dir_block(dir, start >> vol->block_shift, &b);

		if (err)
			return err;
		/* From the block's start, since entries may have come and gone since the offset was handed out. */
		for (uint32_t at = 0; at < vol->block_size; at += e->rec_len) {
			e = entry_at(dir, b, at, &err);
			if (!e) {
				buffer_put(b);
				return err;
			}
			if (start + at < *offset || !e->ino)
				continue;
			entry->ino = e->ino;
			entry->len = name_len(vol, e);
			entry->type = vol->filetype ? e->type : EXT2_FT_UNKNOWN;
			memcpy(entry->name, e->name, entry->len);
			entry->name[entry->len] = 0;
			*offset = start + at + e->rec_len;
			buffer_put(b);
			return 1;
		}
		buffer_put(b);
		*offset = start + vol->block_size;
	}
	return 0;
}

int ext2_dir_visit(struct inode *dir,
		   int (*visit)(void *arg, const struct ext2_slot *slot, const char *name, unsigned len), void *arg)
{
	int err = 0;

	for (uint32_t lblk = 0; lblk < dir_blocks(dir) && !err; lblk++) {
		struct ext2_dirent *e;
		struct buffer *b;

		err = dir_block(dir, lblk, &b);
		for (uint32_t at = 0; at < dir->vol->block_size && !err; at += e->rec_len) {
			e = entry_at(dir, b, at, &err);
			if (!e)
				break;
			if (e->ino)
				err = visit(arg, &(struct ext2_slot){b->block, at, e->ino, e->type}, e->name,
					    name_len(dir->vol, e));
		}
		buffer_put(b);
	}
	return err;
}

int ext2_dir_is_empty(struct inode *dir)
{
	struct ext2_name entry;
	uint64_t offset = 0;
	int r;

	while ((r = ext2_dir_next(dir, &offset, &entry)) > 0) {
		if (strcmp(entry.name, ".") && strcmp(entry.name, ".."))
			return -ENOTEMPTY;
	}
	return r;
}
