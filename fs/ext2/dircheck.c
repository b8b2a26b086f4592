// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The index of a directory after an unclean stop: does it know each block once, and has each leaf the names that the
 * index says? A cut while it grew (dirgrow.c) leaves it otherwise, and then some names twice, with the same inode.
 * Changes nothing. Memory: a bit a block, and if something is wrong, 24 bytes a name. Runs at mount. Sleeps.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/dir.h"
#include "mm/kmalloc.h"

struct check {
	struct inode *dir;
	uint8_t *seen;
	uint32_t seen_count;
	bool sound, continued; // a hash goes on in another leaf
	/* The names, in the order of the directory. */
	struct place {
		fsblk_t block;
		uint32_t lblk, offset, ino;
	} * places;
	struct dir_name *names; // by hash, at: the number of the place
	uint32_t count, max;
};

static void see(struct check *c, uint32_t lblk)
{
	c->sound = c->sound && !(c->seen[lblk / 8] & 1u << lblk % 8);
	c->seen[lblk / 8] |= 1u << lblk % 8;
	c->seen_count++;
}

static int check_leaf(struct check *c, const struct dx_path *path)
{
	const struct volume *vol = ext2_volume(c->dir);
	struct ext2_dirent *e;
	struct buffer *b;
	int err = ext2_dir_block(c->dir, path->leaf, &b);

	if (err)
		return err;
	for (uint32_t at = 0; at < vol->block_size; at += e->rec_len) {
		uint32_t hash;

		e = ext2_dirent_at(c->dir, b, at, &err);
		if (!e)
			break;
		if (!e->ino)
			continue;
		hash = ext2_dir_hash(vol, path->version, e->name, ext2_dirent_len(vol, e));
		c->sound = c->sound && hash >= (path->start & ~1u) && (path->last || hash < path->end);
	}
	buffer_put(b);
	return err;
}

static int check_tree(struct check *c)
{
	struct dx_path path = {.hash = 0};
	int err = ext2_dx_probe(c->dir, NULL, 0, &path);

	c->sound = true;
	see(c, 0);
	while (!err && c->sound) {
		if (path.levels && path.frames[1].at == 0)
			see(c, path.frames[1].lblk);
		see(c, path.leaf);
		c->sound = c->sound && (path.last || path.start < path.end || (path.start == path.end && path.end & 1));
		c->continued |= !path.last && path.end & 1;
		if (c->sound)
			err = check_leaf(c, &path);
		if (err || path.last)
			break;
		err = ext2_dx_next(c->dir, &path);
	}
	c->sound = c->sound && !err && c->seen_count == ext2_dir_blocks(c->dir);
	if (err == -EUCLEAN && ext2_node(c->dir)->unindexed)
		err = 0;
	return err;
}

static int visit_count(void *arg, const struct ext2_slot *slot, const char *name, unsigned len)
{
	struct check *c = arg;

	(void)slot;
	(void)name;
	(void)len;
	c->max++;
	return 0;
}

static int visit_note(void *arg, const struct ext2_slot *slot, const char *name, unsigned len)
{
	struct check *c = arg;

	c->places[c->count] = (struct place){slot->block, slot->lblk, slot->offset, slot->ino};
	c->names[c->count] = (struct dir_name){
	    .hash = ext2_dir_hash(ext2_volume(c->dir), EXT2_HASH_HALF_MD4, name, len), .at = c->count};
	c->count++;
	return 0;
}

/* The name at a place, and its length. */
static int read_name(struct check *c, const struct place *place, char *name, unsigned *len)
{
	const struct ext2_dirent *e;
	struct buffer *b;
	int err = buffer_get(ext2_volume(c->dir)->buffers, place->block, &b);

	if (err)
		return err;
	e = (const struct ext2_dirent *)((const char *)b->data + place->offset);
	*len = ext2_dirent_len(ext2_volume(c->dir), e);
	memcpy(name, e->name, *len);
	buffer_put(b);
	return 0;
}

static int same_name(struct check *c, const struct place *a, const struct place *b, bool *same)
{
	char name_a[EXT2_NAME_MAX], name_b[EXT2_NAME_MAX];
	unsigned len_a, len_b;
	int err = read_name(c, a, name_a, &len_a);

	if (!err)
		err = read_name(c, b, name_b, &len_b);
	if (err)
		return err;
	*same = len_a == len_b && !memcmp(name_a, name_b, len_a);
	return 0;
}

/* Of names of one hash, those that are there before with the same inode. */
static int note_twins(struct check *c, uint32_t first, uint32_t end, struct dir_twins *twins)
{
	int err = 0;

	for (uint32_t i = first + 1; i < end; i++) {
		const struct place *place = &c->places[c->names[i].at];
		bool same = false;

		for (uint32_t j = first; j < i && !same && !err; j++) {
			const struct place *other = &c->places[c->names[j].at];

			if (other->ino == place->ino)
				err = same_name(c, other, place, &same);
		}
		if (err)
			return err;
		if (same)
			twins->places[twins->count++] = (struct dir_name){.hash = place->lblk, .at = place->offset};
	}
	return 0;
}

static int find_twins(struct check *c, struct dir_twins *twins)
{
	int err = ext2_dir_visit(c->dir, visit_count, c);

	if (err)
		return err;
	c->places = kmalloc((c->max + 1) * sizeof(*c->places));
	c->names = kmalloc((c->max + 1) * sizeof(*c->names));
	twins->places = kmalloc((c->max + 1) * sizeof(*twins->places));
	if (!c->places || !c->names || !twins->places)
		return -ENOMEM;
	err = ext2_dir_visit(c->dir, visit_note, c);
	if (!err)
		ext2_dir_sort(c->names, c->count);
	for (uint32_t i = 0, end; i < c->count && !err; i = end) {
		for (end = i + 1; end < c->count && c->names[end].hash == c->names[i].hash; end++)
			;
		err = note_twins(c, i, end, twins);
	}
	ext2_dir_sort(twins->places, twins->count);
	return err;
}

int ext2_dir_check(struct inode *dir, struct dir_twins *twins, bool *sound)
{
	struct check c = {.dir = dir};
	int err;

	*twins = (struct dir_twins){.count = 0};
	*sound = true;
	if (!(dir->flags & EXT2_FLAG_INDEX) || !(ext2_volume(dir)->es.feature_compat & EXT2_COMPAT_DIR_INDEX))
		return 0;
	c.seen = kzalloc(ext2_dir_blocks(dir) / 8 + 1);
	if (!c.seen)
		return -ENOMEM;
	err = check_tree(&c);
	if (!err && (!c.sound || c.continued))
		err = find_twins(&c, twins);
	*sound = c.sound;
	kfree(c.seen);
	kfree(c.places);
	kfree(c.names);
	return err;
}
