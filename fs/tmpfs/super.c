// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Volumes of tmpfs, their inodes, and what their memory is promised from. An inode stays in memory by the references of
 * its names. One without names or users is freed by a thread of high priority, or by who lacks space.
 *
 * Locks: volumes.mutex guards the list of those mounted, and keeps them so while the thread is at them; a volume's
 * settle_lock, heap_lock. Sleeps for memory.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "fs/tmpfs/node.h"
#include "kernel/thread.h"
#include "mm/kmalloc.h"
#include "mm/map.h"
#include "mm/reclaim.h"

static struct {
	struct mutex mutex;
	struct list_node list;

	/* Guarded by lock. */
	struct spinlock lock;
	struct waitq waitq;
	bool kicked;
} volumes = {.mutex = MUTEX_INIT(volumes.mutex, "tmpfs volumes"),
	     .list = LIST_INIT(volumes.list),
	     .lock = SPINLOCK_INIT("settler"),
	     .waitq = WAITQ_INIT(volumes.waitq)};

/* ---- memory ---- */

static size_t pages_for(size_t bytes)
{
	return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

static bool heap_charge(struct tmpfs *fs, size_t size)
{
	unsigned long flags = spin_lock(&fs->heap_lock);
	const size_t more = pages_for(fs->heap_bytes + size) - fs->heap_pages;
	const bool fits = more == 0 || commit_try(more);

	if (fits) {
		fs->heap_bytes += size;
		fs->heap_pages += more;
	}
	spin_unlock(&fs->heap_lock, flags);
	return fits;
}

static void heap_uncharge(struct tmpfs *fs, size_t size)
{
	unsigned long flags = spin_lock(&fs->heap_lock);
	size_t less;

	fs->heap_bytes -= size;
	less = fs->heap_pages - pages_for(fs->heap_bytes);
	fs->heap_pages -= less;
	if (less)
		commit_release(less);
	spin_unlock(&fs->heap_lock, flags);
}

int tmpfs_alloc(struct tmpfs *fs, size_t size, void **out)
{
	if (!heap_charge(fs, size))
		return -ENOSPC;
	*out = kmalloc_wait(size);
	if (*out)
		return 0;
	heap_uncharge(fs, size);
	return -ENOMEM;
}

void tmpfs_free(struct tmpfs *fs, void *p, size_t size)
{
	if (!p)
		return;
	kfree(p);
	heap_uncharge(fs, size);
}

/* ---- inodes ---- */

static struct inode *make(struct super *super)
{
	struct tmpfs_node *node = kmalloc_wait(sizeof(*node));

	(void)super;
	if (!node)
		return NULL;
	memset(node, 0, sizeof(*node));
	return &node->inode;
}

/* Counts one more, and promises its memory. */
static bool take_inode(struct tmpfs *fs)
{
	if (atomic_fetch_add_explicit(&fs->inodes, 1, memory_order_relaxed) < fs->inodes_max &&
	    heap_charge(fs, sizeof(struct tmpfs_node)))
		return true;
	atomic_fetch_sub_explicit(&fs->inodes, 1, memory_order_relaxed);
	return false;
}

static void give_inode(struct tmpfs *fs)
{
	heap_uncharge(fs, sizeof(struct tmpfs_node));
	atomic_fetch_sub_explicit(&fs->inodes, 1, memory_order_relaxed);
}

static int fresh_inode(struct tmpfs *fs, struct inode **out)
{
	struct inode *inode;

	if (!take_inode(fs))
		return -ENOSPC;
	inode = inode_make(&fs->super);
	if (!inode) {
		give_inode(fs);
		return -ENOMEM;
	}
	*out = inode;
	return 0;
}

/* Under the next number that is free: they go round. */
static void number_inode(struct tmpfs *fs, struct inode *inode)
{
	const struct pcache_ops *pages = S_ISREG(inode->mode) ? &tmpfs_data_ops : NULL;
	uint32_t ino;

	do {
		ino = atomic_fetch_add_explicit(&fs->last_ino, 1, memory_order_relaxed) + 1;
	} while (ino == 0 || !inode_add(inode, ino, pages));
	if (pages)
		shm_object_init(&inode->object, &fs->pages);
}

int tmpfs_node_make(struct tmpfs *fs, mode_t mode, const char *target, struct inode **out)
{
	const size_t target_size = target ? strlen(target) + 1 : 0;
	void *copy = NULL;
	struct inode *inode;
	int err = target ? tmpfs_alloc(fs, target_size, &copy) : 0;

	if (err)
		return err;
	if (target)
		memcpy(copy, target, target_size);
	err = fresh_inode(fs, &inode);
	if (err) {
		tmpfs_free(fs, copy, target_size);
		return err;
	}
	inode->ops = S_ISREG(mode) ? &tmpfs_file_ops : &tmpfs_names_ops;
	inode->mode = (uint16_t)mode;
	inode->links = S_ISDIR(mode) ? 2 : 1;
	tmpfs_node(inode)->target = copy;
	if (target)
		inode->size = target_size - 1;
	inode_touch_new(inode);
	number_inode(fs, inode);
	*out = inode;
	return 0;
}

static void free_target(struct inode *inode)
{
	struct tmpfs_node *node = tmpfs_node(inode);

	tmpfs_free(tmpfs_of(inode->super), node->target, inode->size + 1);
	node->target = NULL;
}

/* It was made under a number of its own, and is never looked for by it when it is gone. */
static int load(struct inode *inode, bool orphan)
{
	(void)inode;
	(void)orphan;
	return -ENOENT;
}

static int write_out(struct inode *inode)
{
	(void)inode;
	return 0;
}

static bool keeps(const struct inode *inode)
{
	(void)inode;
	return false;
}

/* A directory without names has no entries. */
static int remove_inode(struct inode *inode)
{
	if (inode_has_pages(inode))
		tmpfs_data_drop(inode);
	free_target(inode);
	give_inode(tmpfs_of(inode->super));
	return 0;
}

/* ---- deleted ones ---- */

static void kick(struct super *super)
{
	unsigned long flags = spin_lock(&volumes.lock);

	(void)super; // all are looked at
	volumes.kicked = true;
	waitq_wake_all(&volumes.waitq);
	spin_unlock(&volumes.lock, flags);
}

static int settle(struct super *super)
{
	struct tmpfs *fs = tmpfs_of(super);
	int err;

	mutex_lock(&fs->settle_lock);
	err = inodes_remove_doomed(super);
	mutex_unlock(&fs->settle_lock);
	return err;
}

static void wait_for_kick(void)
{
	unsigned long flags = spin_lock(&volumes.lock);

	while (!volumes.kicked)
		waitq_wait(&volumes.waitq, &volumes.lock, &flags);
	volumes.kicked = false;
	spin_unlock(&volumes.lock, flags);
}

static void *settler(void *arg)
{
	(void)arg;
	for (;;) {
		wait_for_kick();
		mutex_lock(&volumes.mutex);
		list_for_each (&volumes.list, it)
			(void)settle(&list_entry(it, struct tmpfs, node)->super); // cannot fail here
		mutex_unlock(&volumes.mutex);
	}
	return NULL;
}

/* ---- volumes ---- */

static int sync_all(struct super *super)
{
	(void)super;
	return 0;
}

static int space(struct super *super, struct fs_space *out)
{
	struct tmpfs *fs = tmpfs_of(super);
	const size_t used = atomic_load_explicit(&fs->pages.used, memory_order_relaxed);
	const unsigned inodes = min_of(atomic_load_explicit(&fs->inodes, memory_order_relaxed), fs->inodes_max);
	struct map_stats map;
	size_t left;

	map_stats(&map);
	left = map.commit_limit - min_of(map.committed, map.commit_limit);
	left = min_of(left, fs->pages.max - used);
	*out = (struct fs_space){
	    .block_size = PAGE_SIZE,
	    .blocks = fs->pages.max,
	    .blocks_free = fs->pages.max - used,
	    .blocks_avail = left,
	    .inodes = fs->inodes_max,
	    .inodes_free = fs->inodes_max - inodes,
	};
	return 0;
}

/* What an inode holds on to; its pages go with it. */
static int let_go(struct inode *inode)
{
	mutex_lock(&inode->lock);
	if (S_ISDIR(inode->mode))
		tmpfs_dir_clear(inode);
	tmpfs_node(inode)->parent = NULL;
	free_target(inode);
	mutex_unlock(&inode->lock);
	return 0;
}

static int unmount(struct super *super)
{
	mutex_lock(&volumes.mutex);
	list_remove(&tmpfs_of(super)->node);
	mutex_unlock(&volumes.mutex);
	rwlock_lock_write(&super->gate);
	atomic_store(&super->dead, true);
	(void)inodes_visit(super, let_go); // cannot fail here,
	(void)settle(super);		   // nor there
	rwlock_unlock_write(&super->gate);
	return 0;
}

static void release(struct super *super)
{
	struct tmpfs *fs = tmpfs_of(super);

	inode_put(super->root);
	(void)inodes_forget(super, true); // a failed mount has none but its own
	assert(atomic_load(&fs->pages.used) == 0);
	commit_release(fs->heap_pages);
	kfree(fs);
}

static const struct super_ops super_ops = {
    .type = "tmpfs",
    .make = make,
    .load = load,
    .write_out = write_out,
    .keeps = keeps,
    .remove = remove_inode,
    .kick = kick,
    .sync = sync_all,
    .settle = settle,
    .space = space,
    .unmount = unmount,
    .release = release,
};

/* ---- mounting ---- */

static int make_root(struct tmpfs *fs, mode_t mode)
{
	int err = tmpfs_node_make(fs, S_IFDIR | mode, NULL, &fs->super.root);

	if (!err)
		tmpfs_node(fs->super.root)->parent = fs->super.root;
	return err;
}

int tmpfs_mount(const char *text, bool read_only, struct super **out)
{
	struct tmpfs_options options;
	int err = tmpfs_options_parse(text, &options);
	struct tmpfs *fs = err ? NULL : kmalloc_wait(sizeof(*fs));

	if (!fs)
		return err ? err : -ENOMEM;
	memset(fs, 0, sizeof(*fs));
	fs->super.ops = &super_ops;
	fs->super.name = "tmpfs";
	fs->super.block_size = PAGE_SIZE;
	fs->super.size_max = INT64_MAX;
	fs->pages.max = options.pages;
	fs->inodes_max = options.inodes;
	super_init(&fs->super, read_only);
	mutex_init(&fs->settle_lock, "settle");
	spin_init(&fs->heap_lock, "tmpfs heap");
	err = make_root(fs, options.mode);
	if (err) {
		release(&fs->super);
		return err;
	}
	mutex_lock(&volumes.mutex);
	list_push_back(&volumes.list, &fs->node);
	mutex_unlock(&volumes.mutex);
	*out = &fs->super;
	return 0;
}

int tmpfs_init(void)
{
	struct thread *thread;
	int err = thread_create("tmpfs", THREAD_STACK_SIZE, settler, NULL, &thread);

	if (!err)
		thread_set_priority(thread, THREAD_PRIORITIES - 1);
	return err;
}
