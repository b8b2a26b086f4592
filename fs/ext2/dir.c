// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Directories: blocks of entries, each with its length to the next, checked one by one before use (I8). Indexed
 * directories are read as the linear ones that they also are; a name put into one takes the index flag away, and e2fsck
 * -D can make it again. Directory blocks are metadata, in the buffers.
 *
 * A cut may leave any of a block's sectors as they were before the batch. So one change to the entries is one to a
 * sector: a name lies in one, with the entry that it is cut from, and what it leaves is never joined to an entry of
 * another; and a name that comes back within the batch that removed it is put into the same one, or waits for the
 * commit, so that it is not found twice.
 *
 * Locks: the directory's operation lock held. Changes run inside a transaction. Sleeps on metadata I/O.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "lib/crc32.h"

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
	const struct volume *vol = ext2_volume(dir);
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
	*err = ext2_damaged(ext2_volume(dir), "directory inode %u: entry at %u of block %u %s", dir->ino, offset,
			    b->block, wrong);
	return NULL;
}

static int dir_block(struct inode *dir, uint32_t lblk, struct buffer **out)
{
	fsblk_t block;
	uint32_t run;
	int err = ext2_bmap(dir, lblk, 1, &block, &run);

	*out = NULL;
	if (!err && !block)
		err = ext2_damaged(ext2_volume(dir), "directory inode %u has a hole at block %u", dir->ino, lblk);
	return err ? err : buffer_get(ext2_volume(dir)->buffers, block, out);
}

static uint32_t dir_blocks(const struct inode *dir)
{
	return dir->size >> ext2_volume(dir)->block_shift;
}

int ext2_dir_find(struct inode *dir, const char *name, unsigned len, struct ext2_slot *slot)
{
	for (uint32_t lblk = 0; lblk < dir_blocks(dir); lblk++) {
		struct ext2_dirent *e;
		struct buffer *b;
		int err = dir_block(dir, lblk, &b);

		if (err)
			return err;
		for (uint32_t at = 0; at < ext2_volume(dir)->block_size; at += e->rec_len) {
			e = entry_at(dir, b, at, &err);
			if (!e) {
				buffer_put(b);
				return err;
			}
			if (!e->ino || name_len(ext2_volume(dir), e) != len || memcmp(e->name, name, len))
				continue;
			*slot = (struct ext2_slot){.block = b->block,
						   .offset = at,
						   .ino = e->ino,
						   .type = ext2_volume(dir)->filetype ? e->type : EXT2_FT_UNKNOWN};
			buffer_put(b);
			return 0;
		}
		buffer_put(b);
	}
	return -ENOENT;
}

static uint32_t sector_of(uint32_t offset)
{
	return offset / SECTOR_SIZE;
}

/* Where the room in an entry begins, as an offset in the block like `at`, where the entry lies. */
static uint32_t room_start(const struct volume *vol, const struct ext2_dirent *e, uint32_t at)
{
	return at + (e->ino ? EXT2_DIRENT_SIZE(name_len(vol, e)) : 0);
}

/* A name fits into the entry by a change of one sector. */
static bool has_room(const struct volume *vol, const struct ext2_dirent *e, uint32_t at, unsigned len)
{
	const uint32_t start = room_start(vol, e, at), end = start + EXT2_DIRENT_SIZE(len);
	const uint32_t changed = e->ino ? at + offsetof(struct ext2_dirent, rec_len) : at;

	return end <= at + e->rec_len && sector_of(changed) == sector_of(end - 1);
}

/* The room in the entry goes on into another sector, where a name fits: *split is where that begins. */
static bool can_split(const struct volume *vol, const struct ext2_dirent *e, uint32_t at, unsigned len, uint32_t *split)
{
	const uint32_t start = e->ino ? room_start(vol, e, at) : at + EXT2_DIRENT_SIZE(1);

	*split = align_up(start, (uint32_t)SECTOR_SIZE);
	return *split + EXT2_DIRENT_SIZE(len) <= at + e->rec_len;
}

/*
 * The block and entry with room for a name: the block held, or *out NULL if there is none. split: with room in a sector
 * that no entry begins in yet, and there.
 */
static int find_room(struct inode *dir, unsigned len, struct buffer **out, uint32_t *offset, uint32_t *split)
{
	for (uint32_t lblk = 0; lblk < dir_blocks(dir); lblk++) {
		struct ext2_dirent *e;
		struct buffer *b;
		int err = dir_block(dir, lblk, &b);

		if (err)
			return err;
		for (uint32_t at = 0; at < ext2_volume(dir)->block_size; at += e->rec_len) {
			e = entry_at(dir, b, at, &err);
			if (!e) {
				buffer_put(b);
				return err;
			}
			if (split ? can_split(ext2_volume(dir), e, at, len, split)
				  : has_room(ext2_volume(dir), e, at, len)) {
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

/* Empty entries from the beginnings of sectors, the first at `at`, to `end`. */
static void fill_empty(void *data, uint32_t at, uint32_t end)
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

/* One step of cutting an entry at the sectors in its room: what comes behind it, or the entry itself. */
static int split_step(struct inode *dir, fsblk_t block, uint32_t at, uint32_t split, bool shorten)
{
	struct ext2_dirent *e;
	struct buffer *b;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(dir), 1, 0);

	if (err)
		return err;
	err = buffer_get(ext2_volume(dir)->buffers, block, &b);
	if (!err) {
		e = (struct ext2_dirent *)((char *)b->data + at);
		txn_access(&t, b);
		if (shorten)
			e->rec_len = split - at;
		else
			fill_empty(b->data, split, at + e->rec_len);
		txn_dirty(&t, b, BUFFER_NAME);
		buffer_put(b);
	}
	txn_end(&t);
	return err;
}

/*
 * Makes room out of room that others left across sectors. -ENOSPC: there is none. Entries of others cross sectors too:
 * commits first, so that none that is still there on the card has its end in that room.
 */
static int split_room(struct inode *dir, unsigned len)
{
	uint32_t at, split;
	struct buffer *b;
	fsblk_t block;
	int err = find_room(dir, len, &b, &at, &split);

	if (err || !b)
		return err ? err : -ENOSPC;
	block = b->block;
	buffer_put(b);
	err = txn_commit(ext2_volume(dir));
	if (!err)
		err = split_step(dir, block, at, split, false);
	/* The entry may end where others begin only once they are there. */
	if (!err)
		err = txn_commit(ext2_volume(dir));
	return err ? err : split_step(dir, block, at, split, true);
}

static uint32_t name_hash(const struct inode *dir, const char *name, unsigned len)
{
	return crc32_ieee(crc32_ieee(0, &dir->ino, sizeof(dir->ino)), name, len);
}

/* Remembers where a name was. Inside the transaction that removes it. */
static void note_removed(struct inode *dir, const struct ext2_slot *slot, const char *name, unsigned len)
{
	struct names_removed *removed = &ext2_volume(dir)->removed;
	const uint64_t running = atomic_load(&ext2_volume(dir)->txn.running);

	if (removed->batch != running)
		removed->count = 0;
	removed->batch = running;
	if (removed->count < NAMES_REMOVED_MAX)
		removed->names[removed->count] = (struct name_removed){
		    .hash = name_hash(dir, name, len), .block = slot->block, .sector = sector_of(slot->offset)};
	removed->count++;
}

/* Was this name in another sector when the running batch began? It may have been. */
static bool was_elsewhere(struct inode *dir, const char *name, unsigned len, fsblk_t block, uint32_t offset)
{
	const struct names_removed *removed = &ext2_volume(dir)->removed;
	const uint32_t hash = name_hash(dir, name, len);

	if (removed->batch != atomic_load(&ext2_volume(dir)->txn.running))
		return false;
	for (uint32_t i = 0; i < min_of(removed->count, NAMES_REMOVED_MAX); i++) {
		const struct name_removed *r = &removed->names[i];

		if (r->hash == hash && (r->block != block || r->sector != sector_of(offset)))
			return true;
	}
	return removed->count > NAMES_REMOVED_MAX;
}

int ext2_dir_make_room(struct inode *dir, const char *name, unsigned len)
{
	struct buffer *b = NULL;
	uint32_t offset, run;
	fsblk_t block;
	int err = 0;

	/* The inode is on the card before any block that its index does not know. */
	if (dir->flags & EXT2_FLAG_INDEX) {
		dir->flags &= ~EXT2_FLAG_INDEX;
		err = ext2_inode_write(dir);
	}
	if (!err)
		err = find_room(dir, len, &b, &offset, NULL);
	if (err)
		return err;
	if (b) {
		block = b->block;
		buffer_put(b);
		return was_elsewhere(dir, name, len, block, offset) ? txn_commit(ext2_volume(dir)) : 0;
	}
	err = split_room(dir, len);
	if (err != -ENOSPC)
		return err;
	if (dir->size + ext2_volume(dir)->block_size > INT32_MAX)
		return -ENOSPC;
	err = ext2_bmap_alloc(dir, dir_blocks(dir), 1, dir->size + ext2_volume(dir)->block_size, &run);
	/* The directory must not reach, on the card, a new block with names of inodes that are not there yet. */
	return err ? err : txn_commit(ext2_volume(dir));
}

void ext2_dir_init_block(struct volume *vol, void *data)
{
	fill_empty(data, 0, vol->block_size);
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
	fill_empty(data, SECTOR_SIZE, vol->block_size);
}

int ext2_dir_add(struct txn *t, struct inode *dir, const char *name, unsigned len, uint32_t ino, mode_t mode)
{
	struct ext2_dirent *e;
	struct buffer *b;
	uint32_t offset;
	int err = find_room(dir, len, &b, &offset, NULL);

	if (err)
		return err;
	if (!b)
		return -ENOSPC;
	txn_access(t, b);
	e = (struct ext2_dirent *)((char *)b->data + offset);
	if (e->ino) {
		uint32_t used = EXT2_DIRENT_SIZE(name_len(ext2_volume(dir), e)), rest = e->rec_len - used;

		e->rec_len = used;
		e = (struct ext2_dirent *)((char *)e + used);
		e->rec_len = rest;
	}
	entry_fill(ext2_volume(dir), e, name, len, ino, mode);
	txn_dirty(t, b, BUFFER_NAME);
	buffer_put(b);
	return 0;
}

int ext2_dir_remove(struct txn *t, struct inode *dir, const struct ext2_slot *slot)
{
	struct ext2_dirent *e, *before = NULL;
	struct buffer *b;
	int err = buffer_get(t->vol->buffers, slot->block, &b);

	if (err)
		return err;
	for (uint32_t at = 0;; at += e->rec_len) {
		e = entry_at(dir, b, at, &err);
		if (!e || at >= slot->offset)
			break;
		before = sector_of(at + offsetof(struct ext2_dirent, rec_len)) == sector_of(slot->offset) ? e : NULL;
	}
	if (!err) {
		txn_access(t, b);
		note_removed(dir, slot, e->name, name_len(ext2_volume(dir), e));
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

int ext2_dir_next(struct inode *dir, uint64_t *offset, struct ext2_name *entry)
{
	const struct volume *vol = ext2_volume(dir);

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
		for (uint32_t at = 0; at < ext2_volume(dir)->block_size && !err; at += e->rec_len) {
			e = entry_at(dir, b, at, &err);
			if (!e)
				break;
			if (e->ino)
				err = visit(arg, &(struct ext2_slot){b->block, at, e->ino, e->type}, e->name,
					    name_len(ext2_volume(dir), e));
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
