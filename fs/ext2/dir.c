// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Directories: blocks of entries, each with its length to the next, checked one by one before use (I8). With an index
 * (dirindex.c) a name is looked for, and put, where its hash says; without, through all blocks, from the first that may
 * have room on. Directory blocks are metadata, in the buffers.
 *
 * A cut may leave any of a block's sectors as they were before the batch. So one change to the entries is one to a
 * sector: a name lies in one, with the entry that it is cut from, and what it leaves is never joined to an entry of
 * another. Where a name goes is decided in dirroom.c.
 *
 * Locks: the directory's operation lock held. Changes run inside a transaction. Sleeps on metadata I/O.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/dir.h"

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

struct ext2_dirent *ext2_dirent_at(struct inode *dir, const struct buffer *b, uint32_t offset, int *err)
{
	const struct volume *vol = ext2_volume(dir);
	struct ext2_dirent *e = (struct ext2_dirent *)((char *)b->data + offset);
	const char *wrong = NULL;

	if (vol->block_size - offset < sizeof(*e))
		wrong = "begins at the block's end";
	else if (e->rec_len < EXT2_DIRENT_SIZE(1) || e->rec_len % 4 || e->rec_len > vol->block_size - offset)
		wrong = "has an impossible length";
	else if (e->rec_len < EXT2_DIRENT_SIZE(ext2_dirent_len(vol, e)) || ext2_dirent_len(vol, e) > EXT2_NAME_MAX)
		wrong = "has a name longer than itself";
	else if (e->ino > vol->inodes)
		wrong = "names an impossible inode";
	else if (e->ino && ext2_dirent_len(vol, e) == 0)
		wrong = "has an empty name";
	if (!wrong)
		return e;
	*err = ext2_damaged(ext2_volume(dir), "directory inode %u: entry at %u of block %u %s", dir->ino, offset,
			    b->block, wrong);
	return NULL;
}

int ext2_dir_block(struct inode *dir, uint32_t lblk, struct buffer **out)
{
	fsblk_t block;
	uint32_t run;
	int err = ext2_bmap(dir, lblk, 1, &block, &run);

	*out = NULL;
	if (!err && !block)
		err = ext2_damaged(ext2_volume(dir), "directory inode %u has a hole at block %u", dir->ino, lblk);
	return err ? err : buffer_get(ext2_volume(dir)->buffers, block, out);
}

int ext2_dir_find_in(struct inode *dir, uint32_t lblk, const struct buffer *b, const char *name, unsigned len,
		     struct ext2_slot *slot)
{
	struct ext2_dirent *e;
	int err = -ENOENT;

	for (uint32_t at = 0; at < ext2_volume(dir)->block_size; at += e->rec_len) {
		e = ext2_dirent_at(dir, b, at, &err);
		if (!e)
			break;
		if (!e->ino || ext2_dirent_len(ext2_volume(dir), e) != len || memcmp(e->name, name, len))
			continue;
		*slot = (struct ext2_slot){.block = b->block,
					   .lblk = lblk,
					   .offset = at,
					   .ino = e->ino,
					   .type = ext2_volume(dir)->filetype ? e->type : EXT2_FT_UNKNOWN};
		return 0;
	}
	return err;
}

int ext2_dir_find(struct inode *dir, const char *name, unsigned len, struct ext2_slot *slot)
{
	/* These are in the first block, and nowhere in an index. */
	const bool dots = len <= 2 && !memcmp(name, "..", len);
	int err = -ENOENT;

	if (!dots && ext2_dir_indexed(dir)) {
		err = ext2_dx_find(dir, name, len, slot);
		if (err != -EUCLEAN || !ext2_node(dir)->unindexed)
			return err;
		err = -ENOENT;
	}
	for (uint32_t lblk = 0; lblk < (dots ? 1 : ext2_dir_blocks(dir)) && err == -ENOENT; lblk++) {
		struct buffer *b;

		err = ext2_dir_block(dir, lblk, &b);
		if (!err)
			err = ext2_dir_find_in(dir, lblk, b, name, len, slot);
		buffer_put(b);
	}
	return err;
}

void ext2_dir_fill_empty(void *data, uint32_t at, uint32_t end)
{
	while (at < end) {
		struct ext2_dirent *e = (struct ext2_dirent *)((char *)data + at);
		uint32_t next = at + SECTOR_SIZE;

		if (next + EXT2_DIRENT_SIZE(1) > end)
			next = end;
		e->ino = 0;
		e->rec_len = next - at;
		e->name_len = 0;
		e->type = 0;
		at = next;
	}
}

void ext2_dir_init_block(struct volume *vol, void *data)
{
	ext2_dir_fill_empty(data, 0, vol->block_size);
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
	dotdot->rec_len = SECTOR_SIZE - EXT2_DIRENT_SIZE(1);
	ext2_dir_fill_empty(data, SECTOR_SIZE, vol->block_size);
}

int ext2_dir_add(struct txn *t, struct inode *dir, const char *name, unsigned len, uint32_t ino, mode_t mode)
{
	struct ext2_dirent *e;
	struct buffer *b;
	uint32_t offset;
	int err = ext2_dir_room(dir, name, len, &b, &offset);

	if (err)
		return err;
	txn_access(t, b);
	e = (struct ext2_dirent *)((char *)b->data + offset);
	if (e->ino) {
		uint32_t used = EXT2_DIRENT_SIZE(ext2_dirent_len(ext2_volume(dir), e)), rest = e->rec_len - used;

		e->rec_len = used;
		e = (struct ext2_dirent *)((char *)e + used);
		e->rec_len = rest;
	}
	entry_fill(ext2_volume(dir), e, name, len, ino, mode);
	ext2_node(dir)->stamp = 0;
	txn_dirty(t, b, BUFFER_NAME);
	buffer_put(b);
	return 0;
}

bool ext2_dirent_remove(const void *block, struct ext2_dirent *before, struct ext2_dirent *e)
{
	const uint32_t at = (char *)e - (const char *)block;

	e->ino = 0;
	if (!before || sector_of((char *)&before->rec_len - (const char *)block) != sector_of(at))
		return false;
	before->rec_len += e->rec_len;
	return true;
}

bool ext2_dir_pack(struct dir_pack *p, const struct ext2_dirent *e, unsigned len)
{
	const uint32_t size = EXT2_DIRENT_SIZE(len);
	uint32_t sector = p->sector, used = p->used;
	struct ext2_dirent *to;

	if (used + size > SECTOR_SIZE) {
		sector += SECTOR_SIZE;
		used = 0;
	}
	if (sector + SECTOR_SIZE > p->size)
		return false;
	to = (struct ext2_dirent *)(p->data + sector + used);
	if (used)
		p->last->rec_len = (char *)to - (char *)p->last;
	memcpy(to, e, sizeof(*e) + len);
	memset(to->name + len, 0, size - sizeof(*e) - len);
	to->rec_len = SECTOR_SIZE - used;
	p->sector = sector;
	p->used = used + size;
	p->last = to;
	return true;
}

int ext2_dir_remove(struct txn *t, struct inode *dir, const struct ext2_slot *slot)
{
	struct ext2_dirent *e, *before = NULL;
	struct buffer *b;
	int err = buffer_get(t->vol->buffers, slot->block, &b);

	if (err)
		return err;
	for (uint32_t at = 0;; at += e->rec_len) {
		e = ext2_dirent_at(dir, b, at, &err);
		if (!e || at >= slot->offset)
			break;
		before = e;
	}
	if (!err) {
		txn_access(t, b);
		ext2_dir_removed(dir, slot, e->name, ext2_dirent_len(ext2_volume(dir), e));
		(void)ext2_dirent_remove(b->data, before, e);
		ext2_node(dir)->room = min_of(ext2_node(dir)->room, slot->lblk);
		txn_dirty(t, b, BUFFER_NAME);
	}
	buffer_put(b);
	return err;
}

int ext2_dir_replace(struct txn *t, struct inode *dir, const struct ext2_slot *slot, uint32_t ino, mode_t mode)
{
	struct ext2_dirent *e;
	struct buffer *b;
	int err = buffer_get(t->vol->buffers, slot->block, &b);

	if (err)
		return err;
	txn_access(t, b);
	e = (struct ext2_dirent *)((char *)b->data + slot->offset);
	e->ino = ino;
	if (ext2_volume(dir)->filetype)
		e->type = ext2_file_type(mode);
	txn_dirty(t, b, BUFFER_NAME);
	buffer_put(b);
	return 0;
}

int ext2_dir_visit(struct inode *dir,
		   int (*visit)(void *arg, const struct ext2_slot *slot, const char *name, unsigned len), void *arg)
{
	int err = 0;

	for (uint32_t lblk = 0; lblk < ext2_dir_blocks(dir) && !err; lblk++) {
		struct ext2_dirent *e;
		struct buffer *b;

		err = ext2_dir_block(dir, lblk, &b);
		for (uint32_t at = 0; at < ext2_volume(dir)->block_size && !err; at += e->rec_len) {
			e = ext2_dirent_at(dir, b, at, &err);
			if (!e)
				break;
			if (e->ino)
				err = visit(arg, &(struct ext2_slot){b->block, lblk, at, e->ino, e->type}, e->name,
					    ext2_dirent_len(ext2_volume(dir), e));
		}
		buffer_put(b);
	}
	return err;
}

static int visit_other(void *arg, const struct ext2_slot *slot, const char *name, unsigned len)
{
	(void)arg;
	(void)slot;
	return len <= 2 && !memcmp(name, "..", len) ? 0 : -ENOTEMPTY;
}

int ext2_dir_is_empty(struct inode *dir)
{
	return ext2_dir_visit(dir, visit_other, NULL);
}
