// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Listing a directory, name by name, while names come and go: what is there all the time is found once. In a linear one
 * entries stay where they are, and an offset says how far the listing is. In an index they move; there names come in
 * the order of their hashes, so that a hash says it. A directory of one block may get an index at any time: it is
 * listed by hashes too, where the volume has indices. Which of the two an offset is it says itself, so a directory that
 * loses its index meanwhile is listed to the end by hashes, at the cost of reading all of it again and again.
 *
 * An offset by hashes: LIST_HASHED, plus 0 for ., 1 for .., 2 and more for names: 31 bits of hash, 28 of another, and 4
 * to tell names apart that are still the same. The names of a leaf, in that order, are kept with the volume: for
 * whoever listed last, and until a name comes into the directory.
 *
 * Locks: the directory's operation lock, then volume.listing.lock. Sleeps on metadata I/O.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/dir.h"
#include "lib/crc32.h"

#define LIST_HASHED (1ull << 32)
#define LIST_NAMES (LIST_HASHED + 2)
#define LIST_END ((uint64_t)INT64_MAX)
#define LIST_TWINS 15u

static void entry_set(const struct volume *vol, struct ext2_name *entry, const struct ext2_dirent *e)
{
	entry->ino = e->ino;
	entry->len = ext2_dirent_len(vol, e);
	entry->type = vol->filetype ? e->type : EXT2_FT_UNKNOWN;
	memcpy(entry->name, e->name, entry->len);
	entry->name[entry->len] = 0;
}

static int next_by_place(struct inode *dir, uint64_t *offset, struct ext2_name *entry)
{
	const struct volume *vol = ext2_volume(dir);

	ext2_node(dir)->listed = true;
	while (*offset < dir->size) {
		const uint64_t start = align_down(*offset, (uint64_t)vol->block_size);
		struct ext2_dirent *e;
		struct buffer *b;
		int err = ext2_dir_block(dir, start >> vol->block_shift, &b);

		if (err)
			return err;
		/* From the block's start, since entries may have come and gone since the offset was handed out. */
		for (uint32_t at = 0; at < vol->block_size; at += e->rec_len) {
			e = ext2_dirent_at(dir, b, at, &err);
			if (!e) {
				buffer_put(b);
				return err;
			}
			if (start + at < *offset || !e->ino)
				continue;
			entry_set(vol, entry, e);
			*offset = start + at + e->rec_len;
			buffer_put(b);
			return 1;
		}
		buffer_put(b);
		*offset = start + vol->block_size;
	}
	return 0;
}

/* ---- by hashes ---- */

static uint64_t key_of(uint32_t hash)
{
	return LIST_NAMES + ((uint64_t)(hash >> 1) << 32);
}

/* Puts a name where it belongs, if it is one of the first that there is room for; the others are left to later. */
static void insert(struct dir_listing *l, const struct listed_name *name, bool *more)
{
	unsigned low = 0, high = l->count;

	while (low < high) {
		const unsigned middle = (low + high) / 2;
		const struct listed_name *at = &l->names[middle];

		if (at->key < name->key || (at->key == name->key && at->ino < name->ino))
			low = middle + 1;
		else
			high = middle;
	}
	*more |= l->count == LISTING_MAX;
	if (low == LISTING_MAX)
		return;
	l->count = min_of(l->count, LISTING_MAX - 1);
	memmove(&l->names[low + 1], &l->names[low], (l->count - low) * sizeof(*name));
	l->names[low] = *name;
	l->count++;
}

static int gather_block(struct inode *dir, uint32_t lblk, unsigned version, struct dir_listing *l, bool *more)
{
	struct ext2_dirent *e;
	struct buffer *b;
	int err = ext2_dir_block(dir, lblk, &b);

	if (err)
		return err;
	for (uint32_t at = 0; at < ext2_volume(dir)->block_size; at += e->rec_len) {
		struct listed_name name = {.lblk = lblk, .offset = at};
		unsigned len;

		e = ext2_dirent_at(dir, b, at, &err);
		if (!e)
			break;
		len = ext2_dirent_len(ext2_volume(dir), e);
		if (!e->ino || (len <= 2 && !memcmp(e->name, "..", len)))
			continue;
		name.ino = e->ino;
		name.key = key_of(ext2_dir_hash(ext2_volume(dir), version, e->name, len)) +
			   (crc32_ieee(0, e->name, len) & ~LIST_TWINS);
		if (name.key + LIST_TWINS >= l->from)
			insert(l, &name, more);
	}
	buffer_put(b);
	return err;
}

/* The leaf that l->from lies in, with those behind it that begin with the same hash as it ends with. */
static int gather_leaf(struct inode *dir, struct dir_listing *l, bool *more)
{
	struct dx_path path = {.hash = (l->from - LIST_NAMES) >> 32 << 1};
	int err = ext2_dx_probe(dir, NULL, 0, &path);

	while (!err) {
		err = gather_block(dir, path.leaf, path.version, l, more);
		if (err || path.last || !(path.end & 1))
			break;
		err = ext2_dx_next(dir, &path);
	}
	l->upto = path.last ? LIST_END : key_of(path.end);
	return err;
}

static int gather_all(struct inode *dir, struct dir_listing *l, bool *more)
{
	int err = 0;

	for (uint32_t lblk = 0; lblk < ext2_dir_blocks(dir) && !err; lblk++)
		err = gather_block(dir, lblk, ext2_dx_version(ext2_volume(dir)), l, more);
	l->upto = LIST_END;
	return err;
}

/* The names from this offset on. */
static int listing_fill(struct inode *dir, struct dir_listing *l, uint64_t from)
{
	bool more = false;
	int err = -EUCLEAN;

	l->stamp++;
	ext2_node(dir)->stamp = 0;
	l->from = from;
	l->count = 0;
	if (ext2_dir_indexed(dir))
		err = gather_leaf(dir, l, &more);
	if (!err && !more && l->upto <= from)
		err = ext2_dx_unusable(dir, 0, "leads backwards");
	if (err == -EUCLEAN && !ext2_dir_indexed(dir)) {
		l->count = 0;
		more = false;
		err = gather_all(dir, l, &more);
	}
	if (err)
		return err;
	for (unsigned i = 1; i < l->count; i++) {
		const uint64_t before = l->names[i - 1].key;

		if ((before - LIST_NAMES) / (LIST_TWINS + 1) == (l->names[i].key - LIST_NAMES) / (LIST_TWINS + 1))
			l->names[i].key = before + 1;
	}
	if (more)
		l->upto = max_of(l->names[l->count - 1].key, from) + 1;
	ext2_node(dir)->stamp = l->stamp;
	return 0;
}

/* The first name at or behind the offset that is still there: 1, or 0: not in what is kept. */
static int listing_next(struct inode *dir, const struct dir_listing *l, uint64_t *offset, struct ext2_name *entry)
{
	for (unsigned i = 0; i < l->count; i++) {
		struct ext2_dirent *e;
		struct buffer *b;
		bool found;
		int err;

		if (l->names[i].key < *offset)
			continue;
		err = ext2_dir_block(dir, l->names[i].lblk, &b);
		if (err)
			return err;
		e = ext2_dirent_at(dir, b, l->names[i].offset, &err);
		found = e && e->ino;
		if (found)
			entry_set(ext2_volume(dir), entry, e);
		buffer_put(b);
		if (!e)
			return err;
		*offset = l->names[i].key + 1;
		if (found)
			return 1;
	}
	return 0;
}

static int next_name(struct inode *dir, uint64_t *offset, struct ext2_name *entry)
{
	struct dir_listing *l = &ext2_volume(dir)->listing;
	int r = 0;

	mutex_lock(&l->lock);
	while (r == 0 && *offset < LIST_END) {
		if (!ext2_node(dir)->stamp || ext2_node(dir)->stamp != l->stamp || *offset < l->from ||
		    *offset >= l->upto)
			r = listing_fill(dir, l, *offset);
		if (r == 0)
			r = listing_next(dir, l, offset, entry);
		if (r == 0)
			*offset = l->upto;
	}
	mutex_unlock(&l->lock);
	return r;
}

static int next_by_hash(struct inode *dir, uint64_t *offset, struct ext2_name *entry)
{
	const char *name = *offset == LIST_HASHED ? "." : "..";
	struct ext2_slot slot;
	int err;

	if (*offset >= LIST_NAMES)
		return next_name(dir, offset, entry);
	err = ext2_dir_find(dir, name, strlen(name), &slot);
	if (err && err != -ENOENT)
		return err;
	++*offset;
	if (err)
		return next_by_hash(dir, offset, entry);
	*entry = (struct ext2_name){.ino = slot.ino, .type = slot.type, .len = strlen(name)};
	memcpy(entry->name, name, entry->len);
	return 1;
}

int ext2_dir_next(struct inode *dir, uint64_t *offset, struct ext2_name *entry)
{
	const bool hashes = ext2_dx_version(ext2_volume(dir)) != EXT2_HASH_VERSIONS;

	if (*offset == 0 && hashes && (ext2_dir_indexed(dir) || ext2_dir_blocks(dir) == 1))
		*offset = LIST_HASHED;
	if (*offset < LIST_HASHED || !hashes)
		return next_by_place(dir, offset, entry);
	return next_by_hash(dir, offset, entry);
}
