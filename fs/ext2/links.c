// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Names against links, for a volume that was not unmounted. Inodes are written before the names that lead to them, and
 * links taken away after: so a cut leaves inodes that nothing names, whose making was never acknowledged, and links too
 * many. A directory that was being moved may have two names, one of which goes (either, as the move was not
 * acknowledged), and a .. that says the other. Of a directory whose index was growing that is made anew, and a name
 * that it has twice, with the same inode, is one. First everything is looked at, then changed: an entry that no cut can
 * leave changes nothing and refuses the mount. Runs at mount, alone. Sleeps.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/dir.h"
#include "fs/ext2/recover.h"
#include "mm/kmalloc.h"

#define REMOVED_AT_ONCE 64 // inodes in memory while they wait to be deleted

struct fix {
	struct list_node node;
	uint32_t dir;
	struct ext2_slot slot;
	uint32_t ino; // where it ought to lead, with that one's type; 0: it goes
};

/* A directory that was reached, and its place in the queue's order of the one that names it. */
struct reached {
	uint32_t ino, up;
};

struct walk {
	struct recovery *rec;
	struct reached *queue;
	uint32_t count, at; // reached, being read
	uint32_t entries;   // of that one, so far
	struct dir_twins twins;
	uint32_t twin; // of them, the next
};

static int note_fix(struct walk *w, const struct ext2_slot *slot, uint32_t ino)
{
	struct fix *fix = kmalloc(sizeof(*fix));

	if (!fix)
		return -ENOMEM;
	*fix = (struct fix){.dir = w->queue[w->at].ino, .slot = *slot, .ino = ino};
	list_push_back(&w->rec->fixes, &fix->node);
	return 0;
}

/* The index of the directory being read is to be made anew. */
static int note_index(struct walk *w)
{
	struct fix *fix = kmalloc(sizeof(*fix));

	if (!fix)
		return -ENOMEM;
	*fix = (struct fix){.dir = w->queue[w->at].ino};
	list_push_back(&w->rec->indices, &fix->node);
	return 0;
}

/* The directory being read lies below `ino`, or is it. */
static bool is_below(const struct walk *w, uint32_t ino)
{
	uint32_t i = w->at;

	while (i && w->queue[i].ino != ino)
		i = w->queue[i].up;
	return w->queue[i].ino == ino;
}

/* An entry leads to `ino`, as it ought to. */
static int count_name(struct walk *w, const struct ext2_slot *slot, uint32_t ino)
{
	struct found *found = recovery_found(w->rec, ino);

	found->surplus++;
	if (slot->ino == ino && (!w->rec->vol->filetype || slot->type == (found->state & FOUND_TYPE)))
		return 0;
	return note_fix(w, slot, ino);
}

/* Entries come in order, as these do. */
static bool is_twin(struct walk *w, const struct ext2_slot *slot)
{
	const struct dir_name *twin;

	if (w->twin == w->twins.count)
		return false;
	twin = &w->twins.places[w->twin];
	if (twin->hash != slot->lblk || twin->at != slot->offset)
		return false;
	w->twin++;
	return true;
}

static int visit(void *arg, const struct ext2_slot *slot, const char *name, unsigned len)
{
	struct walk *w = arg;
	struct volume *vol = w->rec->vol;
	const uint32_t dir = w->queue[w->at].ino, nth = w->entries++;
	const bool dots = len <= 2 && !memcmp(name, "..", len);
	struct found *found;

	if (is_twin(w, slot))
		return note_fix(w, slot, 0);
	if (nth < 2 ? !dots || len != nth + 1 : dots)
		return ext2_damaged_at(vol, dir, slot->block,
				       "directory inode %u does not begin with . and .., or has them twice", dir);
	if (nth == 1)
		return count_name(w, slot, w->queue[w->queue[w->at].up].ino);
	if (nth == 0 && slot->ino != dir)
		return ext2_damaged_at(vol, dir, slot->block, "directory inode %u has inode %u as .", dir, slot->ino);
	found = recovery_found(w->rec, slot->ino);
	if (!(found->state & FOUND_LINKED))
		return ext2_damaged_at(vol, dir, slot->block,
				       "directory inode %u: a name in block %u leads to inode %u, which is free", dir,
				       slot->block, slot->ino);
	if (nth == 0)
		return count_name(w, slot, dir);
	if ((found->state & FOUND_TYPE) == EXT2_FT_DIR) {
		if (is_below(w, slot->ino))
			return ext2_damaged_at(vol, dir, slot->block,
					       "directory inode %u leads back to inode %u, in which it lies", dir,
					       slot->ino);
		if (found->state & FOUND_NAMED)
			return note_fix(w, slot, 0);
		w->queue[w->count++] = (struct reached){.ino = slot->ino, .up = w->at};
	}
	found->state |= FOUND_NAMED;
	return count_name(w, slot, slot->ino);
}

static int read_directory(struct walk *w)
{
	struct volume *vol = w->rec->vol;
	const uint32_t ino = w->queue[w->at].ino;
	struct inode *dir;
	bool sound;
	int err = inode_get(&vol->super, ino, &dir);

	if (err)
		return err;
	w->entries = w->twin = 0;
	mutex_lock(&dir->lock);
	err = ext2_dir_check(dir, &w->twins, &sound);
	if (!err && !sound)
		err = note_index(w);
	if (!err)
		err = ext2_dir_visit(dir, visit, w);
	mutex_unlock(&dir->lock);
	kfree(w->twins.places);
	if (!err && w->entries < 2)
		err = ext2_damaged_at(vol, ino, 0, "directory inode %u does not begin with . and ..", ino);
	inode_put(dir);
	return err;
}

int ext2_names_count(struct recovery *rec)
{
	struct found *root = recovery_found(rec, EXT2_ROOT_INO);
	struct walk w = {.rec = rec, .count = 1};
	int err = 0;

	if (root->state != (FOUND_LINKED | EXT2_FT_DIR) && root->state != (FOUND_LINKED | FOUND_TAIL | EXT2_FT_DIR))
		return ext2_damaged_at(rec->vol, EXT2_ROOT_INO, 0, "the root is no directory");
	w.queue = kmalloc(rec->directories * sizeof(*w.queue)); // each is reached once, the root among them
	if (!w.queue)
		return -ENOMEM;
	w.queue[0] = (struct reached){.ino = EXT2_ROOT_INO, .up = 0};
	root->state |= FOUND_NAMED;
	for (; w.at < w.count && !err; w.at++)
		err = read_directory(&w);
	kfree(w.queue);
	return err;
}

void ext2_names_forget(struct recovery *rec)
{
	while (!list_empty(&rec->fixes))
		kfree(list_entry(list_pop_front(&rec->fixes), struct fix, node));
	while (!list_empty(&rec->indices))
		kfree(list_entry(list_pop_front(&rec->indices), struct fix, node));
}

static int apply_fix(struct volume *vol, const struct fix *fix)
{
	struct inode *dir, *inode = NULL;
	struct txn t;
	int err = inode_get(&vol->super, fix->dir, &dir);

	if (!err && fix->ino)
		err = inode_get(&vol->super, fix->ino, &inode);
	if (!err) {
		mutex_lock(&dir->lock);
		err = txn_begin(&t, vol, 1, 0);
		if (!err) {
			if (inode)
				err = ext2_dir_replace(&t, dir, &fix->slot, inode->ino, inode->mode);
			else
				err = ext2_dir_remove(&t, dir, &fix->slot);
			txn_end(&t);
		}
		mutex_unlock(&dir->lock);
	}
	inode_put(inode);
	inode_put(dir);
	return err;
}

static int make_index(struct volume *vol, uint32_t ino)
{
	struct inode *dir;
	int err = inode_get(&vol->super, ino, &dir);

	if (err)
		return err;
	mutex_lock(&dir->lock);
	ext2_node(dir)->unindexed = false;
	err = ext2_dir_build(dir);
	if (err == -EOPNOTSUPP)
		err = ext2_dir_drop_index(dir);
	mutex_unlock(&dir->lock);
	inode_put(dir);
	return err;
}

/* As a name's removal does: into the orphan list, then deleted by volume_settle. */
static int remove_unnamed(struct volume *vol, uint32_t ino)
{
	struct buffer *itable;
	struct inode *inode;
	struct txn t;
	int err = inode_get_orphan(&vol->super, ino, &inode);

	if (err)
		return err;
	mutex_lock(&inode->lock);
	err = txn_begin(&t, vol, 2, 0);
	if (!err) {
		err = ext2_inode_begin(&t, inode, &itable);
		if (!err) {
			inode->links = 0;
			err = ext2_orphan_add(&t, inode, itable);
		}
		txn_end(&t);
	}
	mutex_unlock(&inode->lock);
	inode_put(inode);
	return err;
}

/* The orphan list has led to it; a cut may have broken that. */
static int is_gone(struct volume *vol, uint32_t ino, bool *gone)
{
	const struct ext2_inode *raw;
	struct buffer *b;
	uint32_t offset;
	int err = buffer_get(vol->buffers, ext2_inode_place(vol, ino, &offset), &b);

	if (err)
		return err;
	raw = (const struct ext2_inode *)((const char *)b->data + offset);
	*gone = raw->dtime > vol->inodes;
	buffer_put(b);
	return 0;
}

static int correct_links(struct volume *vol, uint32_t ino, const struct found *found)
{
	const bool nlink = vol->es.feature_ro_compat & EXT2_RO_DIR_NLINK;
	struct inode *inode;
	int err = inode_get(&vol->super, ino, &inode);

	if (err)
		return err;
	mutex_lock(&inode->lock);
	/* One link of a directory: too many to count. */
	if (!nlink || !S_ISDIR(inode->mode) || inode->links != 1)
		inode->links = (uint16_t)(inode->links + found->surplus);
	err = ext2_inode_write(inode);
	if (!err && found->state & FOUND_TAIL)
		err = ext2_truncate_blocks(inode, inode->size);
	mutex_unlock(&inode->lock);
	inode_put(inode);
	return err;
}

struct tally {
	uint32_t removed, corrected;
};

static int apply(struct recovery *rec, uint32_t ino, bool remove, struct tally *tally)
{
	struct volume *vol = rec->vol;
	struct found *found = recovery_found(rec, ino);
	bool gone = false;
	int err = 0;

	if (found->state & FOUND_ORPHAN)
		err = is_gone(vol, ino, &gone);
	else if (!(found->state & FOUND_LINKED))
		gone = true;
	if (err || gone)
		return err;
	if (found->state & FOUND_LINKED && !(found->state & FOUND_NAMED) && !remove) {
		vol->unnamed++;
		return 0;
	}
	if (!(found->state & FOUND_NAMED)) {
		err = remove_unnamed(vol, ino);
		if (err == -EUCLEAN && !atomic_load(&vol->super.read_only)) {
			vol->unnamed++; // too damaged to be deleted
			return 0;
		}
		if (!err && ++tally->removed % REMOVED_AT_ONCE == 0)
			err = volume_settle(vol);
	} else if (found->surplus || found->state & FOUND_TAIL) {
		tally->corrected++;
		err = correct_links(vol, ino, found);
	}
	return err;
}

int ext2_names_apply(struct recovery *rec, bool remove)
{
	struct volume *vol = rec->vol;
	struct tally tally = {0};
	uint32_t fixes = 0, indices = 0;
	int err = 0;

	while (!list_empty(&rec->fixes) && !err) {
		struct fix *fix = list_entry(list_pop_front(&rec->fixes), struct fix, node);

		err = apply_fix(vol, fix);
		kfree(fix);
		fixes++;
	}
	/* Names before the counts that go down with them, as everywhere. */
	if (!err && fixes)
		err = txn_commit(vol);
	while (!list_empty(&rec->indices) && !err) {
		struct fix *fix = list_entry(list_pop_front(&rec->indices), struct fix, node);

		err = make_index(vol, fix->dir);
		kfree(fix);
		indices++;
	}
	for (uint32_t ino = vol->first_ino; ino <= vol->inodes && !err; ino++)
		err = apply(rec, ino, remove, &tally);
	if (!err)
		err = apply(rec, EXT2_ROOT_INO, remove, &tally);
	if (!err)
		err = volume_settle(vol);
	if (err)
		return err;
	if (fixes || indices || tally.removed || tally.corrected)
		log_info(
		    "ext2: %s: %u inodes without a name removed, %u links and ends set right, %u names, %u indices",
		    vol->super.name, tally.removed, tally.corrected, fixes, indices);
	if (vol->unnamed)
		log_warning(
		    "ext2: %s: %u inodes have no name: e2fsck puts them into lost+found; stays marked as in use",
		    vol->super.name, vol->unnamed);
	return txn_commit_all(vol);
}
