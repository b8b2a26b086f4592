// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mounting and unmounting, and writing of the superblock and the descriptors. While mounted for writing the volume is
 * marked in use; a clean unmount takes the mark away. Sleeps.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/commit.h"
#include "fs/ext2/ext2.h"
#include "fs/ext2/journal.h"
#include "fs/ext2/zero.h"
#include "fs/fs.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"

const struct inode_ops ext2_inode_ops = {
    .lookup = ext2_lookup,
    .create = ext2_create,
    .link = ext2_link,
    .unlink = ext2_unlink,
    .rename = ext2_rename,
    .next_entry = ext2_next_entry,
    .readlink = ext2_readlink,
    .store = ext2_inode_write,
    .resize = ext2_resize,
    .fallocate = ext2_fallocate_mode,
    .next_data = ext2_next_data,
    .place = ext2_place,
    .grow = ext2_grow,
    .grow_end = ext2_grow_end,
    .sync = ext2_sync,
    .write_times = ext2_inode_write_times,
    .closed = ext2_windows_close,
};

void ext2_group_changed(struct volume *vol, uint32_t group)
{
	vol->group_dirty[group / (vol->block_size / sizeof(struct ext2_group))] = true;
	vol->super_dirty = true;
}

/* As far as the field goes, to 2106. */
static uint32_t wall_seconds(void)
{
	return min_of(time_wall() / NSEC_PER_SEC, (uint64_t)UINT32_MAX);
}

static int write_super_block(struct volume *vol)
{
	const struct ext2_super_place at = ext2_super_at(vol, EXT2_SUPER_OFFSET);

	(void)ext2_errors_take(vol);
	vol->es.write_time = wall_seconds();
	memcpy((char *)vol->super_block + at.offset, &vol->es, sizeof(vol->es));
	return blk_write(vol->super.dev, at.sector, vol->super_block, at.sectors);
}

int ext2_super_write(struct volume *vol, bool counts, bool *any)
{
	int err = 0;

	/* Of a volume that is being put right, nothing is replaced before that has succeeded. */
	if (vol->rescued)
		return 0;
	vol->super_urgent |= ext2_errors_take(vol);
	for (uint32_t i = 0; counts && i < vol->gdt_blocks && !err; i++) {
		sector_t sector = (sector_t)(vol->first_block + 1 + i) * vol->sectors_per_block;

		if (!vol->group_dirty[i])
			continue;
		*any = true;
		err = blk_write(vol->super.dev, sector, vol->group_blocks[i], vol->sectors_per_block);
	}
	if (!err && (vol->super_urgent || (counts && vol->super_dirty))) {
		*any = true;
		err = write_super_block(vol);
	}
	return err;
}

void ext2_super_clean(struct volume *vol, bool counts)
{
	if (vol->rescued)
		return;
	vol->super_urgent = false;
	if (counts) {
		vol->super_dirty = false;
		memset(vol->group_dirty, 0, vol->gdt_blocks * sizeof(*vol->group_dirty));
	}
}

/* What our mounts leave in the superblock and no other system's do. */
static void signature(const struct volume *vol, char *text)
{
	memset(text, 0, sizeof(vol->es.last_mounted));
	snprintf(text, sizeof(vol->es.last_mounted), "cairn, mount %u at %u", vol->es.mount_count, vol->es.mount_time);
}

static bool is_signed(const struct volume *vol)
{
	char text[sizeof(vol->es.last_mounted)];

	signature(vol, text);
	return !memcmp(text, vol->es.last_mounted, sizeof(text));
}

static int put_mark(struct volume *vol)
{
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	int err = write_super_block(vol);

	if (!err)
		err = blk_flush(vol->super.dev);
	if (!err && blk_flush_failures(vol->super.dev) != failures)
		err = -EIO; // another thread's, which may have lost it
	if (err)
		log_error("ext2: %s: the superblock cannot be written (%d)", vol->super.name, err);
	return err;
}

int ext2_errors_write(struct volume *vol)
{
	int err = 0;

	/* With a journal they go with a commit, or they would be undone by a replay. */
	if (is_journalled(vol))
		return txn_commit_super(vol);
	mutex_lock(&vol->txn.lock);
	if (vol->marked && !vol->rescued && ext2_errors_take(vol))
		err = put_mark(vol);
	vol->super_urgent |= err != 0;
	mutex_unlock(&vol->txn.lock);
	return err;
}

/* The mark of a volume in use, not yet on the card. */
static void prepare_mark(struct volume *vol)
{
	if (is_journalled(vol))
		vol->es.feature_incompat |= EXT2_INCOMPAT_RECOVER;
	else
		vol->es.state &= ~EXT2_STATE_VALID;
	vol->es.mount_count++;
	vol->es.mount_time = wall_seconds();
	if (vol->ours)
		signature(vol, vol->es.last_mounted);
}

/*
 * Takes it away, of what is damaged too: that has a mark of its own, as on Linux. It stays where changes were given up
 * because of damage.
 */
static int remove_mark(struct volume *vol)
{
	if (!vol->unnamed && !atomic_load(&vol->super.read_only))
		vol->es.state |= EXT2_STATE_VALID;
	if (!atomic_load(&vol->super.read_only))
		vol->es.feature_incompat &= ~EXT2_INCOMPAT_RECOVER;
	return put_mark(vol);
}

/* As Linux does when it mounts. */
static void warn(const struct volume *vol)
{
	const struct ext2_super *s = &vol->es;
	const char *const name = vol->super.name;

	if (s->state & EXT2_STATE_ERROR)
		log_warning("ext2: %s: has had errors (%u, the last at %u s), running e2fsck is recommended", name,
			    s->error_count, s->last_error.time);
	if ((int16_t)s->max_mount_count > 0 && s->mount_count >= s->max_mount_count)
		log_warning("ext2: %s: maximal mount count reached, running e2fsck is recommended", name);
	if (s->check_interval && (uint64_t)s->last_check + s->check_interval <= time_wall() / NSEC_PER_SEC)
		log_warning("ext2: %s: checktime reached, running e2fsck is recommended", name);
}

/* The superblock and all descriptors as they are now known to be. */
static int replace_damaged(struct volume *vol)
{
	if (!vol->rescued)
		return 0;
	mutex_lock(&vol->txn.lock);
	vol->rescued = false;
	vol->super_dirty = vol->super_urgent = true;
	memset(vol->group_dirty, true, vol->gdt_blocks * sizeof(*vol->group_dirty));
	mutex_unlock(&vol->txn.lock);
	return txn_commit_all(vol);
}

/* What was recounted is as good as new: from here on the journal sees to it. */
static int mark_clean(struct volume *vol)
{
	struct txn t;
	int err = txn_begin(&t, vol, 0, 0);

	if (err)
		return err;
	vol->es.state |= EXT2_STATE_VALID;
	txn_super(&t);
	txn_end(&t);
	return txn_commit(vol);
}

/*
 * Inodes without a name are removed only if the cut was our own: it is our order of writes that says that they are no
 * loss. A mount that finds others' and leaves none signs after that.
 */
static int make_writable(struct volume *vol)
{
	const bool unclean = vol->es.state != EXT2_STATE_VALID;
	int err = 0;

	/* What was rescued from backups is written as plain ext2: nobody knows what the journal is to it. */
	if (vol->journal && !vol->rescued && vol->journal->has_features)
		err = journal_commit_start(vol);
	else if (vol->journal)
		log_warning("ext2: %s: the journal is not written%s", vol->super.name,
			    vol->rescued ? "" : ": it is of the first version, see tune2fs -j");
	if (err)
		return err;
	vol->ours = !vol->recount && (!unclean || (is_signed(vol) && !(vol->es.state & EXT2_STATE_ERROR)));
	prepare_mark(vol);
	if (!vol->rescued)
		err = put_mark(vol);
	vol->marked = !err;
	if (!err && (unclean || vol->recount)) {
		log_warning("ext2: %s: was not unmounted%s; recounting from its inodes", vol->super.name,
			    vol->recount ? " or is damaged" : "");
		err = ext2_recover(vol, vol->ours);
	} else if (!err) {
		err = ext2_orphans_process(vol);
		if (err == -EUCLEAN && !atomic_load(&vol->super.read_only))
			err = ext2_recover(vol, false); // which finds them without the list
	}
	if (!err)
		err = replace_damaged(vol);
	if (!err && is_journalled(vol) && unclean && !vol->unnamed)
		err = mark_clean(vol);
	vol->indices = true;
	if (!err && !vol->ours && !vol->unnamed) {
		signature(vol, vol->es.last_mounted);
		err = is_journalled(vol) ? mark_clean(vol) : put_mark(vol);
	}
	return err;
}

static int ext2_super_sync(struct super *super)
{
	return volume_sync(volume_of(super));
}

static int ext2_super_settle(struct super *super)
{
	return atomic_load(&super->read_only) ? 0 : volume_settle(volume_of(super));
}

static int ext2_space(struct super *super, struct fs_space *out)
{
	struct volume *vol = volume_of(super);

	mutex_lock(&vol->txn.lock);
	*out = (struct fs_space){
	    .block_size = vol->block_size,
	    .blocks = vol->blocks,
	    .blocks_free = vol->es.free_blocks,
	    .blocks_avail = ext2_blocks_available(vol),
	    .inodes = vol->inodes,
	    .inodes_free = vol->es.free_inodes,
	};
	mutex_unlock(&vol->txn.lock);
	return 0;
}

static const struct super_ops ext2_super_ops = {
    .type = "ext2",
    .make = ext2_inode_make,
    .load = ext2_inode_load,
    .write_out = ext2_write_out,
    .keeps = ext2_keeps,
    .remove = ext2_inode_delete,
    .kick = ext2_settler_kick,
    .sync = ext2_super_sync,
    .settle = ext2_super_settle,
    .space = ext2_space,
    .unmount = ext2_unmount,
    .release = ext2_release,
};

static struct volume *volume_make(struct blkdev *dev, bool read_only)
{
	struct volume *vol = kzalloc(sizeof(*vol));

	if (!vol)
		return NULL;
	vol->super.ops = &ext2_super_ops;
	vol->super.dev = dev;
	vol->super.name = dev->name;
	super_init(&vol->super, read_only);
	txn_log_init(&vol->txn);
	list_init(&vol->orphans);
	mutex_init(&vol->settle_lock, "settle");
	spin_init(&vol->errors_lock, "ext2 errors");
	mutex_init(&vol->listing.lock, "listing");
	spin_init(&vol->settler.lock, "settler");
	waitq_init(&vol->settler.waitq);
	return vol;
}

/* What the superblock said of errors before the replay, if it knew more: those are not always in the journal. */
static void keep_errors(struct volume *vol, const struct ext2_super *before)
{
	struct ext2_super *s = &vol->es;

	s->state |= before->state & EXT2_STATE_ERROR;
	if (before->error_count <= s->error_count)
		return;
	s->error_count = before->error_count;
	s->first_error = before->first_error;
	s->last_error = before->last_error;
	s->first_error_time_high = before->first_error_time_high;
	s->last_error_time_high = before->last_error_time_high;
	s->first_error_code = before->first_error_code;
	s->last_error_code = before->last_error_code;
}

/* Layout and journal; what is replayed is read anew, and checked as if it had never been read. */
static int read_all(struct volume *vol, bool read_only, bool *replayed)
{
	struct ext2_super before;
	bool known;
	int err = ext2_layout_read(vol, read_only);

	if (!err && ext2_has_journal(vol))
		err = journal_open(vol);
	if (!err && vol->journal)
		err = journal_recover(vol, replayed);
	if (err || !*replayed)
		return err;
	before = vol->es;
	known = !vol->from_backup;
	journal_close(vol->journal);
	vol->journal = NULL;
	ext2_layout_free(vol);
	err = ext2_layout_read(vol, read_only);
	if (!err && ext2_has_journal(vol))
		err = journal_open(vol);
	if (!err && known)
		keep_errors(vol, &before);
	return err;
}

/*
 * After a replay, which is durable: the volume is in order. An error that the journal was given up with becomes the
 * volume's, as on Linux, and leaves the journal once that is durable.
 */
static int end_replay(struct volume *vol, bool replayed)
{
	struct journal *j = vol->journal;
	const int given_up = j ? j->error : 0;
	int err;

	if (given_up) {
		log_warning("ext2: %s: the journal was given up because of an error (%d)", vol->super.name, given_up);
		vol->es.state |= EXT2_STATE_ERROR;
	}
	vol->es.feature_incompat &= ~EXT2_INCOMPAT_RECOVER;
	if ((!replayed && !given_up) || vol->super.dev->read_only || vol->rescued)
		return 0;
	err = put_mark(vol);
	if (!err && given_up)
		err = journal_super_write(vol, j->start, j->sequence, 0);
	if (!err && given_up)
		err = blk_flush(vol->super.dev);
	return err;
}

static int get_root(struct volume *vol)
{
	int err = inode_get(&vol->super, EXT2_ROOT_INO, &vol->super.root);

	if (!err && !S_ISDIR(vol->super.root->mode))
		err = ext2_damaged_at(vol, EXT2_ROOT_INO, 0, "the root is no directory");
	return err;
}

int ext2_mount(struct blkdev *dev, bool read_only, struct super **out)
{
	struct volume *vol = volume_make(dev, read_only);
	bool replayed = false;
	int err;

	if (!vol)
		return -ENOMEM;
	err = read_all(vol, read_only, &replayed);
	if (!err)
		err = ext2_alloc_init(vol);
	if (!err)
		err = ext2_zero_init();
	if (!err)
		err = buffer_pool_make(dev, vol->block_size, vol->journal ? journal_buffers_least(vol) : 0,
				       ext2_io_failed, vol, &vol->buffers);
	if (err) {
		ext2_release(&vol->super);
		return err;
	}
	/* At least what it was when the volume was last written; the time of mounting may be from before it was set
	 * back. */
	time_set_wall((uint64_t)vol->es.write_time * NSEC_PER_SEC, CLOCK_FS);
	err = end_replay(vol, replayed);
	warn(vol);
	vol->indices = vol->es.state & EXT2_STATE_VALID;
	if (!err && !read_only)
		err = make_writable(vol);
	if (!err && !read_only && atomic_load(&vol->super.read_only))
		err = -EUCLEAN; // it turned out damaged and asks not to be written then
	if (!err)
		err = get_root(vol);
	if (!err)
		err = ext2_settler_start(vol);
	if (err) {
		ext2_release(&vol->super);
		return err;
	}
	ext2_witness_start(vol);
	log_info("ext2: %s: mounted%s, %u blocks of %u bytes, %u free", dev->name, read_only ? " read-only" : "",
		 vol->blocks, vol->block_size, vol->es.free_blocks);
	*out = &vol->super;
	return 0;
}

/* Inodes whose removed names could not be taken from the card any more. */
static void drop_waiting(struct volume *vol)
{
	struct list_node *const lists[] = {&vol->txn.unlinked, &vol->txn.droppable};

	for (size_t i = 0; i < array_size(lists); i++) {
		struct list_node *node;

		while ((node = list_pop_front(lists[i])))
			inode_put(&list_entry(node, struct ext2_node, drop_node)->inode);
	}
}

void ext2_release(struct super *super)
{
	struct volume *vol = volume_of(super);

	ext2_witness_stop(vol);
	atomic_store(&super->dead, true);
	drop_waiting(vol);
	inode_put(super->root);
	super->root = NULL;
	/* A failed mount leaves inodes of its own only. */
	(void)inodes_forget(super, true);
	buffer_pool_free(vol->buffers);
	ext2_layout_free(vol);
	journal_commit_free(vol);
	journal_close(vol->journal);
	kfree(vol->alloc);
	kfree(vol);
}

int ext2_unmount(struct super *super)
{
	struct volume *vol = volume_of(super);
	int err = ext2_settler_stop(vol);

	/* Also for the transactions of those inside, and their faults', this waits; then there are no others. */
	rwlock_lock_write(&super->gate);
	atomic_store(&vol->unmounting, true);
	if (!err && !atomic_load(&super->read_only)) {
		err = volume_sync(vol);
		if (!err)
			err = inodes_remove_unlinked(super);
		if (!err)
			err = inodes_visit(super, ext2_truncate_finish);
		if (!err)
			err = volume_sync(vol);
		if (!err)
			err = txn_checkpoint(vol);
		if (!err && is_journalled(vol))
			err = journal_commit_stop(vol);
	} else if (!err && txn_pending(vol)) {
		err = -EIO; // what was not committed when it became so was given up
	}
	atomic_store(&super->dead, true);
	if (!err && vol->marked && !(is_journalled(vol) && atomic_load(&super->read_only)))
		err = remove_mark(vol);
	if (!err)
		vol->marked = false;
	drop_waiting(vol);
	rwlock_unlock_write(&super->gate);
	if (err)
		log_error("ext2: %s: not unmounted cleanly (%d): the next mount recounts, or run e2fsck", super->name,
			  err);
	return err;
}
