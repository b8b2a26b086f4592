// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Looking into the index of a directory: one or two levels of nodes sorted by hash above the blocks with the names. All
 * of a node is checked whenever it is read (I8). What is wrong with an index harms nothing, since its directory is a
 * linear one as well: that is said once, and then it is read as such.
 *
 * Locks: the directory's operation lock. Holds one buffer at a time. Sleeps on metadata I/O.
 */
#include <errno.h>

#include "fs/ext2/dir.h"

bool ext2_dir_indexed(const struct inode *dir)
{
	return dir->flags & EXT2_FLAG_INDEX && ext2_volume(dir)->es.feature_compat & EXT2_COMPAT_DIR_INDEX &&
	       ext2_volume(dir)->indices && !ext2_node(dir)->unindexed;
}

unsigned ext2_dx_version(const struct volume *vol)
{
	if (!(vol->es.feature_compat & EXT2_COMPAT_DIR_INDEX))
		return EXT2_HASH_VERSIONS;
	return min_of((unsigned)vol->es.def_hash_version, (unsigned)EXT2_HASH_VERSIONS);
}

int ext2_dx_unusable(struct inode *dir, uint32_t lblk, const char *why)
{
	log_warning("ext2: %s: directory inode %u: block %u of its index %s: goes on without; e2fsck -D makes it anew",
		    ext2_volume(dir)->super.dev->name, dir->ino, lblk, why);
	ext2_node(dir)->unindexed = true;
	return -EUCLEAN;
}

/* What comes before the entries, of a root or another node. NULL: as it should be. */
static const char *wrong_frame(const struct volume *vol, const void *data, bool root)
{
	const struct ext2_dirent *first = data, *second = (const struct ext2_dirent *)((const char *)data + 12);
	const struct ext2_dx_root *info = (const struct ext2_dx_root *)((const char *)data + EXT2_DX_ROOT);

	if (!root)
		return first->ino || first->rec_len != vol->block_size ? "is no node" : NULL;
	if (first->rec_len != 12 || second->rec_len != vol->block_size - 12 || info->zero ||
	    info->info_length != sizeof(*info) || info->flags & 1)
		return "is no root";
	if (info->hash_version >= EXT2_HASH_VERSIONS)
		return "has a hash that is not known";
	return info->levels >= EXT2_DX_LEVELS ? "has too many levels" : NULL;
}

static const char *wrong_entries(const struct inode *dir, const struct ext2_dx_entry *entries, bool root)
{
	const struct ext2_dx_head *head = (const struct ext2_dx_head *)entries;

	if (head->limit != ext2_dx_limit(ext2_volume(dir), root))
		return "has an impossible size";
	if (head->count == 0 || head->count > head->limit)
		return "has an impossible number of entries";
	for (unsigned i = 0; i < head->count; i++) {
		const uint32_t block = entries[i].block & EXT2_DX_BLOCK, hash = entries[i].hash;

		if (block == 0 || block >= ext2_dir_blocks(dir))
			return "points outside of it";
		if (i > 1 && (hash < entries[i - 1].hash || (hash == entries[i - 1].hash && !(hash & 1))))
			return "is not sorted";
	}
	return NULL;
}

/* The last entry whose hash is not above; the head's is below all. */
static uint32_t entry_of(const struct ext2_dx_entry *entries, uint32_t count, uint32_t hash)
{
	uint32_t low = 0, high = count;

	while (high - low > 1) {
		const uint32_t middle = low + (high - low) / 2;

		if (entries[middle].hash <= hash)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Takes an entry of the node at this level: what is below it begins and ends where it does. */
static void take_entry(struct dx_path *path, unsigned level, const struct ext2_dx_entry *entries, uint32_t at)
{
	struct dx_frame *frame = &path->frames[level];
	const struct dx_frame *above = level ? &path->frames[level - 1] : NULL;

	frame->at = at;
	frame->start = at ? entries[at].hash : above ? above->start : 0;
	if (at + 1 < frame->count) {
		frame->end = entries[at + 1].hash;
		frame->last = false;
	} else {
		frame->end = above ? above->end : 0;
		frame->last = !above || above->last;
	}
	path->leaf = entries[at].block & EXT2_DX_BLOCK;
	path->start = frame->start;
	path->end = frame->end;
	path->last = frame->last;
}

/* Takes the node at this level into the path: the entry for the hash, or with first the first one. */
static int take_node(struct inode *dir, struct dx_path *path, unsigned level, void *data, bool first)
{
	const struct ext2_dx_entry *entries = ext2_dx_entries(data, level == 0);
	const struct ext2_dx_head *head = (const struct ext2_dx_head *)entries;
	struct dx_frame *frame = &path->frames[level];
	const char *wrong = wrong_entries(dir, entries, level == 0);

	if (wrong)
		return ext2_dx_unusable(dir, frame->lblk, wrong);
	frame->count = head->count;
	frame->limit = head->limit;
	take_entry(path, level, entries, first ? 0 : entry_of(entries, head->count, path->hash));
	return 0;
}

/* From the node in path->leaf, which is at this level, down to the leaf. */
static int descend(struct inode *dir, struct dx_path *path, unsigned level, bool first)
{
	int err = 0;

	for (; level <= path->levels && !err; level++) {
		const char *wrong;
		struct buffer *b;

		path->frames[level].lblk = path->leaf;
		err = ext2_dir_block(dir, path->leaf, &b);
		if (err)
			return err;
		wrong = wrong_frame(ext2_volume(dir), b->data, false);
		err = wrong ? ext2_dx_unusable(dir, path->leaf, wrong) : take_node(dir, path, level, b->data, first);
		buffer_put(b);
	}
	return err;
}

int ext2_dx_probe(struct inode *dir, const char *name, unsigned len, struct dx_path *path)
{
	const struct ext2_dx_root *info;
	const char *wrong;
	struct buffer *b;
	int err = ext2_dir_block(dir, 0, &b);

	if (err)
		return err;
	wrong = wrong_frame(ext2_volume(dir), b->data, true);
	if (wrong) {
		buffer_put(b);
		return ext2_dx_unusable(dir, 0, wrong);
	}
	info = (const struct ext2_dx_root *)((const char *)b->data + EXT2_DX_ROOT);
	path->version = info->hash_version;
	path->levels = info->levels;
	path->frames[0].lblk = 0;
	if (name)
		path->hash = ext2_dir_hash(ext2_volume(dir), path->version, name, len);
	err = take_node(dir, path, 0, b->data, false);
	buffer_put(b);
	return err ? err : descend(dir, path, 1, false);
}

int ext2_dx_next(struct inode *dir, struct dx_path *path)
{
	unsigned level = path->levels;
	struct buffer *b;
	int err;

	while (level > 0 && path->frames[level].at + 1 == path->frames[level].count)
		level--;
	err = ext2_dir_block(dir, path->frames[level].lblk, &b);
	if (err)
		return err;
	/* Checked on the way here, and the lock has been held since. */
	take_entry(path, level, ext2_dx_entries(b->data, level == 0), path->frames[level].at + 1);
	buffer_put(b);
	return descend(dir, path, level + 1, true);
}

int ext2_dx_find(struct inode *dir, const char *name, unsigned len, struct ext2_slot *slot)
{
	struct dx_path path;
	int err = ext2_dx_probe(dir, name, len, &path);

	while (!err) {
		struct buffer *b;

		err = ext2_dir_block(dir, path.leaf, &b);
		if (!err)
			err = ext2_dir_find_in(dir, path.leaf, b, name, len, slot);
		buffer_put(b);
		if (err != -ENOENT || !ext2_dx_continues(&path))
			break;
		err = ext2_dx_next(dir, &path);
	}
	return err;
}
