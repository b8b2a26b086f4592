// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Beside the volume's users: every COMMIT_INTERVAL a thread commits what has gathered and gives back what was unlinked,
 * sooner when a file without names is closed.
 *
 * What follows a commit: links whose names are gone from the card are taken from their inodes, files without any are
 * deleted, and with the next commit their blocks are free. Called by that thread, by sync and unmount, and where
 * space is short.
 *
 * Locks: volume.settle_lock, one at a time; then as each step says. Called with nothing locked. Sleeps.
 */
#include <errno.h>

#include "arch/clock.h"
#include "fs/ext2/ext2.h"
#include "kernel/thread.h"
#include "kernel/time.h"

#define COMMIT_INTERVAL (5 * NSEC_PER_SEC)

int volume_sync(struct volume *vol)
{
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	int err = txn_zero_again(vol), first = err; // due zeros before the data

	err = pcache_write_all();
	first = first ? first : err;
	/* If it became so, what was not committed was given up. */
	if (atomic_load(&vol->super.read_only))
		return first ? first : txn_pending(vol) ? -EIO : 0;
	err = inodes_visit(&vol->super, ext2_inode_write_times);
	first = first ? first : err;
	err = volume_settle(vol);
	first = first ? first : err;
	err = txn_commit_all(vol);
	first = first ? first : err;
	if (atomic_load(&vol->txn.writes) > atomic_load(&vol->txn.flushed)) {
		err = txn_flush(vol);
		first = first ? first : err;
	}
	/* Another thread may have been told of a FLUSH that lost what was written here. */
	if (!first && blk_flush_failures(vol->super.dev) != failures)
		first = -EIO;
	return first;
}

static int drop_links(struct inode *inode)
{
	struct buffer *itable;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(inode), 1, 0);

	if (err)
		return err;
	err = ext2_inode_begin(&t, inode, &itable);
	if (!err) {
		ext2_node(inode)->links_pending = 0;
		if (inode->links == 0)
			err = ext2_orphan_add(&t, inode, itable);
		else
			ext2_inode_store(&t, inode, itable);
	}
	txn_end(&t);
	return err;
}

/* Links whose names are gone from the card. */
static int drop_all(struct volume *vol)
{
	int err = 0;

	while (!err) {
		struct list_node *node;
		struct inode *inode;
		bool again;

		mutex_lock(&vol->txn.lock);
		node = list_pop_front(&vol->txn.droppable);
		mutex_unlock(&vol->txn.lock);
		if (!node)
			break;
		inode = &list_entry(node, struct ext2_node, drop_node)->inode;
		mutex_lock(&inode->lock);
		/* It may be in the list for the running batch again; then all of it waits for that. */
		mutex_lock(&vol->txn.lock);
		again = !list_empty(&ext2_node(inode)->drop_node);
		mutex_unlock(&vol->txn.lock);
		if (!again)
			err = drop_links(inode);
		if (err) {
			mutex_lock(&vol->txn.lock);
			list_push_front(&vol->txn.droppable, &ext2_node(inode)->drop_node);
			mutex_unlock(&vol->txn.lock);
		}
		mutex_unlock(&inode->lock);
		if (!err)
			inode_put(inode);
	}
	return err;
}

int volume_settle(struct volume *vol)
{
	int err = 0;

	mutex_lock(&vol->settle_lock);
	while (!err && (txn_frees_pending(vol) || inodes_doomed(&vol->super))) {
		err = txn_commit(vol);
		if (!err)
			err = drop_all(vol);
		if (!err)
			err = inodes_remove_doomed(&vol->super);
	}
	mutex_unlock(&vol->settle_lock);
	return err;
}

/* ---- the thread ---- */

/* Waits for work: true, or the end: false. */
static bool settler_wait(struct volume *vol)
{
	const nsec_t deadline = clock_now() + COMMIT_INTERVAL;
	unsigned long flags = spin_lock(&vol->settler.lock);
	bool stop;

	while (!vol->settler.stop && !vol->settler.kicked) {
		if (waitq_wait_until(&vol->settler.waitq, &vol->settler.lock, &flags, deadline))
			break;
	}
	vol->settler.kicked = false;
	stop = vol->settler.stop;
	spin_unlock(&vol->settler.lock, flags);
	return !stop;
}

static void *settler(void *arg)
{
	struct volume *vol = arg;

	while (settler_wait(vol)) {
		int err = 0;

		if (!atomic_load(&vol->super.read_only)) {
			/* It has references meanwhile: who syncs waits, so that what was deleted is gone then. */
			mutex_lock(&vol->settle_lock);
			ext2_write_new(vol);
			mutex_unlock(&vol->settle_lock);
			err = inodes_visit(&vol->super, ext2_inode_write_times);
			if (!err)
				err = volume_settle(vol);
			if (!err)
				err = txn_commit(vol);
		}
		if (!err)
			err = ext2_errors_write(vol);
		if (err)
			log_debug("ext2: %s: commit: %d", vol->super.name, err);
	}
	return NULL;
}

static void settler_tell(struct volume *vol, bool stop)
{
	unsigned long flags = spin_lock(&vol->settler.lock);

	vol->settler.kicked = true;
	vol->settler.stop |= stop;
	waitq_wake_all(&vol->settler.waitq);
	spin_unlock(&vol->settler.lock, flags);
}

int ext2_settler_start(struct volume *vol)
{
	return thread_create("ext2", THREAD_STACK_SIZE, settler, vol, &vol->settler.thread);
}

int ext2_settler_stop(struct volume *vol)
{
	settler_tell(vol, true);
	return thread_join(vol->settler.thread, NULL);
}

void ext2_settler_kick(struct super *super)
{
	settler_tell(volume_of(super), false);
}

/* ---- failed FLUSHes ---- */

static void tell_written(struct inode *inode, int err)
{
	struct volume *vol = ext2_volume(inode);

	if (S_ISREG(inode->mode) && atomic_load(&ext2_node(inode)->writes) > atomic_load(&vol->txn.flushed))
		pcache_flush_failed(&inode->object, err);
}

static void tell(struct inode *inode, int err)
{
	if (S_ISREG(inode->mode))
		pcache_flush_failed(&inode->object, err);
}

void ext2_flush_failed(struct volume *vol, int err)
{
	inodes_visit_locked(&vol->super, 0, tell_written, err);
}

void ext2_file_flush_failed(struct volume *vol, uint32_t ino, int err)
{
	inodes_visit_locked(&vol->super, ino, tell, err);
}
