// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Room for names in directories. In one with an index there is one block for each name, which is split if it is full;
 * in a linear one it is the first with room, from where the last was found on, and when none has, the directory gets an
 * index or a block more. Names of others' making cross sectors: room is cut at sectors before it is used.
 *
 * A name that comes back within the batch that removed it is put into the same sector, or waits for the commit, so that
 * no cut leaves it twice.
 *
 * Locks: the directory's operation lock, volume.names_lock. Sleeps on metadata I/O.
 */
#include <errno.h>

#include "fs/ext2/dir.h"
#include "lib/crc32.h"

static uint32_t name_hash(const struct inode *dir, const char *name, unsigned len)
{
	return crc32_ieee(crc32_ieee(0, &dir->ino, sizeof(dir->ino)), name, len);
}

void ext2_dir_removed(struct inode *dir, const struct ext2_slot *slot, const char *name, unsigned len)
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

void ext2_dir_moved(struct inode *dir)
{
	struct names_removed *removed = &ext2_volume(dir)->removed;

	removed->batch = atomic_load(&ext2_volume(dir)->txn.running);
	removed->count = NAMES_REMOVED_MAX + 1;
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

/*
 * The name will go there; puts the buffer. A block that the last commit could not write still goes before all inodes:
 * no name may come into it before it is on the card.
 */
static int room_found(struct inode *dir, const char *name, unsigned len, struct buffer *b, uint32_t offset)
{
	struct volume *vol = ext2_volume(dir);
	const bool wait = was_elsewhere(dir, name, len, b->block, offset) || (buffer_is_early(b) && txn_failing(vol));

	buffer_put(b);
	return wait ? txn_order(vol) : 0;
}

/* Where the room in an entry begins, as an offset in the block like `at`, where the entry lies. */
static uint32_t room_start(const struct volume *vol, const struct ext2_dirent *e, uint32_t at)
{
	return at + (e->ino ? EXT2_DIRENT_SIZE(ext2_dirent_len(vol, e)) : 0);
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

/* The first entry of a block that a name fits into; with split, where it fits into what goes on into a new sector. */
static int find_room(struct inode *dir, const struct buffer *b, unsigned len, uint32_t *offset, uint32_t *split)
{
	const struct volume *vol = ext2_volume(dir);
	struct ext2_dirent *e;
	int err = -ENOSPC;

	for (uint32_t at = 0; at < vol->block_size; at += e->rec_len) {
		e = ext2_dirent_at(dir, b, at, &err);
		if (!e)
			break;
		*offset = at;
		if (split ? can_split(vol, e, at, len, split) : has_room(vol, e, at, len))
			return 0;
	}
	return err;
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
			ext2_dir_fill_empty(b->data, split, at + e->rec_len);
		txn_dirty(&t, b, BUFFER_NAME);
		buffer_put(b);
	}
	txn_end(&t);
	return err;
}

/*
 * Entries of others cross sectors too: commits first, so that none that is still there on the card has its end in the
 * room that is cut.
 */
static int split_room(struct inode *dir, uint32_t lblk, unsigned len)
{
	uint32_t at, split;
	struct buffer *b;
	fsblk_t block;
	int err = ext2_dir_block(dir, lblk, &b);

	if (err)
		return err;
	block = b->block;
	err = find_room(dir, b, len, &at, &split);
	buffer_put(b);
	if (!err)
		err = txn_order(ext2_volume(dir));
	if (!err)
		err = split_step(dir, block, at, split, false);
	/* The entry may end where others begin only once they are there. */
	if (!err)
		err = txn_order(ext2_volume(dir));
	return err ? err : split_step(dir, block, at, split, true);
}

/* Where ext2_dir_add puts a name, in a linear directory: -ENOSPC. */
static int linear_room(struct inode *dir, unsigned len, struct buffer **out, uint32_t *offset)
{
	int err = -ENOSPC;

	*out = NULL;
	for (uint32_t lblk = ext2_node(dir)->room; lblk < ext2_dir_blocks(dir) && err == -ENOSPC; lblk++) {
		struct buffer *b;

		err = ext2_dir_block(dir, lblk, &b);
		if (!err)
			err = find_room(dir, b, len, offset, NULL);
		if (err)
			buffer_put(b);
		else
			*out = b;
		ext2_node(dir)->room = lblk;
	}
	return err;
}

/* The same where the index says. */
static int indexed_room(struct inode *dir, const char *name, unsigned len, struct dx_path *path, struct buffer **out,
			uint32_t *offset)
{
	int err = ext2_dx_probe(dir, name, len, path);

	*out = NULL;
	if (!err)
		err = ext2_dir_block(dir, path->leaf, out);
	if (!err)
		err = find_room(dir, *out, len, offset, NULL);
	if (err) {
		buffer_put(*out);
		*out = NULL;
	}
	return err;
}

int ext2_dir_room(struct inode *dir, const char *name, unsigned len, struct buffer **out, uint32_t *offset)
{
	struct dx_path path;

	return ext2_dir_indexed(dir) ? indexed_room(dir, name, len, &path, out, offset)
				     : linear_room(dir, len, out, offset);
}

static int indexed_make_room(struct inode *dir, const char *name, unsigned len)
{
	struct dx_path path;
	uint32_t offset;
	struct buffer *b;
	int err;

	for (;;) {
		err = indexed_room(dir, name, len, &path, &b, &offset);
		if (err != -ENOSPC)
			break;
		err = split_room(dir, path.leaf, len);
		if (err == -ENOSPC)
			err = ext2_dx_grow(dir, &path);
		if (err)
			break;
	}
	if (err)
		return err;
	return room_found(dir, name, len, b, offset);
}

/* A block more, or an index instead. */
static int linear_grow(struct inode *dir)
{
	const uint64_t size = dir->size + ext2_volume(dir)->block_size;
	uint32_t run;
	int err = ext2_dir_build(dir);

	if (err != -EOPNOTSUPP)
		return err;
	if (size > INT32_MAX)
		return -ENOSPC;
	err = ext2_bmap_alloc(dir, ext2_dir_blocks(dir), 1, size, EXT2_PAGE, &run);
	/* The directory must not reach, on the card, a new block with names of inodes that are not there yet. */
	return err ? err : txn_order(ext2_volume(dir));
}

static int linear_make_room(struct inode *dir, const char *name, unsigned len)
{
	uint32_t offset, from = ext2_node(dir)->room;
	struct buffer *b;
	int err = linear_room(dir, len, &b, &offset);

	if (!err) {
		return room_found(dir, name, len, b, offset);
	}
	for (uint32_t lblk = from; lblk < ext2_dir_blocks(dir) && err == -ENOSPC; lblk++) {
		err = split_room(dir, lblk, len);
		if (!err)
			ext2_node(dir)->room = lblk;
	}
	return err;
}

int ext2_dir_make_room(struct inode *dir, const char *name, unsigned len)
{
	int err;

	do {
		err = 0;
		if (ext2_dir_indexed(dir)) {
			err = indexed_make_room(dir, name, len);
			if (err != -EUCLEAN || !ext2_node(dir)->unindexed)
				return err;
			err = 0;
		}
		/* The inode is on the card before any block that its index does not know. */
		if (dir->flags & EXT2_FLAG_INDEX)
			err = ext2_dir_drop_index(dir);
		if (!err)
			err = linear_make_room(dir, name, len);
		if (err != -ENOSPC)
			return err;
		err = linear_grow(dir);
	} while (!err);
	return err;
}
