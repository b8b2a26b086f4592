// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The root volume, its write gate, and the thread beside it: every COMMIT_INTERVAL it commits what has gathered and
 * gives back what was unlinked, sooner when a file without names is closed. Sleeps.
 */
#include "fs/mount.h"

#include <errno.h>

#include "arch/clock.h"
#include "fs/ext2/ext2.h"
#include "fs/fs.h"
#include "fs/synth.h"
#include "kernel/thread.h"
#include "kernel/time.h"

#define COMMIT_INTERVAL (5 * NSEC_PER_SEC)

static struct volume volume;

static struct {
	struct spinlock lock;
	struct waitq waitq;
	bool mounted, kicked, stop;
	struct thread *thread;
} root = {.lock = SPINLOCK_INIT("mount"), .waitq = WAITQ_INIT(root.waitq)};

struct volume *mount_root(void)
{
	unsigned long flags = spin_lock(&root.lock);
	struct volume *vol = root.mounted ? &volume : NULL;

	spin_unlock(&root.lock, flags);
	return vol;
}

void mount_kick(void)
{
	unsigned long flags = spin_lock(&root.lock);

	root.kicked = true;
	waitq_wake_all(&root.waitq);
	spin_unlock(&root.lock, flags);
}

int volume_write_begin(struct volume *vol)
{
	rwlock_lock_read(&vol->gate);
	if (!atomic_load(&vol->dead))
		return 0;
	rwlock_unlock_read(&vol->gate);
	return -EIO;
}

void volume_write_end(struct volume *vol)
{
	rwlock_unlock_read(&vol->gate);
}

/* Waits for work: true, or the end: false. */
static bool settler_wait(void)
{
	const nsec_t deadline = clock_now() + COMMIT_INTERVAL;
	unsigned long flags = spin_lock(&root.lock);
	bool stop;

	while (!root.stop && !root.kicked) {
		if (waitq_wait_until(&root.waitq, &root.lock, &flags, deadline))
			break;
	}
	root.kicked = false;
	stop = root.stop;
	spin_unlock(&root.lock, flags);
	return !stop;
}

static void *settler(void *arg)
{
	(void)arg;
	while (settler_wait()) {
		int err;

		if (atomic_load(&volume.read_only))
			continue;
		err = inodes_visit(&volume, ext2_inode_write_times);
		if (!err)
			err = volume_settle(&volume);
		if (!err)
			err = txn_commit(&volume);
		if (err)
			log_debug("ext2: %s: commit: %d", volume.dev->name, err);
	}
	return NULL;
}

int fs_init(void)
{
	inodes_init();
	proc_init();
	return ext2_data_init();
}

int fs_mount_root(struct blkdev *dev, bool read_only)
{
	int err;

	if (mount_root())
		return -EBUSY;
	if (volume.super_block) {
		if (inodes_forget_all())
			return -EBUSY; // open files of the last mount
		ext2_release(&volume);
	}
	err = ext2_mount(&volume, dev, read_only);
	if (err)
		return err;
	root.stop = false;
	err = thread_create("fs", THREAD_STACK_SIZE, settler, NULL, &root.thread);
	if (err) {
		(void)ext2_unmount(&volume);
		ext2_release(&volume);
		return err;
	}
	root.mounted = true;
	log_info("ext2: %s: mounted%s, %u blocks of %u bytes, %u free", dev->name, read_only ? " read-only" : "",
		 volume.blocks, volume.block_size, volume.super.free_blocks);
	return 0;
}

int fs_unmount_all(void)
{
	unsigned long flags;
	int err;

	if (!mount_root())
		return 0;
	flags = spin_lock(&root.lock);
	root.stop = true;
	waitq_wake_all(&root.waitq);
	spin_unlock(&root.lock, flags);
	err = thread_join(root.thread, NULL);
	if (!err)
		err = ext2_unmount(&volume);
	flags = spin_lock(&root.lock);
	root.mounted = false;
	spin_unlock(&root.lock, flags);
	(void)inodes_forget_all(); // those still open keep theirs, and find the volume dead
	if (err)
		log_error("ext2: %s: not unmounted cleanly (%d): the next mount recounts, or run e2fsck",
			  volume.dev->name, err);
	return err;
}

int fs_sync(void)
{
	struct volume *vol = mount_root();
	int err = vol ? volume_write_begin(vol) : 0;

	if (vol && !err) {
		err = volume_sync(vol);
		volume_write_end(vol);
	}
	return err;
}

int fs_space(struct fs_space *out)
{
	struct volume *vol = mount_root();
	int err = 0;

	if (!vol)
		return -ENODEV;
	/* What was deleted counts as free. */
	if (!atomic_load(&vol->read_only)) {
		err = volume_write_begin(vol);
		if (!err) {
			err = volume_settle(vol);
			volume_write_end(vol);
		}
	}
	if (err)
		return err;
	mutex_lock(&vol->txn.lock);
	*out = (struct fs_space){
	    .block_size = vol->block_size,
	    .blocks = vol->blocks,
	    .blocks_free = vol->super.free_blocks,
	    .blocks_avail = ext2_blocks_available(vol),
	    .inodes = vol->inodes,
	    .inodes_free = vol->super.free_inodes,
	};
	mutex_unlock(&vol->txn.lock);
	return 0;
}
