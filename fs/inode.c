// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The inodes in memory: a hash of all, an LRU of those without references (at most INODES_IDLE_MAX, so that a file
 * opened again finds its pages), a list of the doomed (no links, no references) for volume_settle to delete.
 *
 * Lock: cache.lock, a spinlock, guards all of that and the busy flags. Loading and throwing out are done outside of it
 * with `busy` set. inode_ref and inode_put never sleep; the rest does.
 */
#include "fs/inode.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "fs/mount.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

#define HASH_SIZE 128
#define INODES_IDLE_MAX 128

static struct {
	struct spinlock lock;
	struct waitq waitq; // an inode is no longer busy
	struct list_node hash[HASH_SIZE];
	struct list_node idle; // oldest first
	struct list_node doomed;
	unsigned idle_count;
} cache = {.lock = SPINLOCK_INIT("inodes"), .waitq = WAITQ_INIT(cache.waitq)};

void inodes_init(void)
{
	for (unsigned i = 0; i < HASH_SIZE; i++)
		list_init(&cache.hash[i]);
	list_init(&cache.idle);
	list_init(&cache.doomed);
	cache.idle_count = 0;
}

static struct list_node *hash_of(uint32_t ino)
{
	return &cache.hash[ino % HASH_SIZE];
}

struct inode *inode_make(struct volume *vol)
{
	struct inode *inode = kmalloc_wait(sizeof(*inode));

	if (!inode)
		return NULL;
	memset(inode, 0, sizeof(*inode));
	inode->vol = vol;
	inode->refs = 1;
	inode->busy = true;
	list_init(&inode->hash_node);
	list_init(&inode->lru_node);
	list_init(&inode->drop_node);
	list_init(&inode->orphan_node);
	mutex_init(&inode->lock, "inode");
	mutex_init(&inode->bmap_lock, "bmap");
	spin_init(&inode->time_lock, "inode times");
	/* What an earlier life in memory wrote may be neither committed nor flushed. */
	atomic_store(&inode->batch, atomic_load(&vol->txn.running));
	atomic_store(&inode->writes, atomic_load(&vol->txn.writes));
	return inode;
}

static struct inode *peek_locked(uint32_t ino)
{
	list_for_each (hash_of(ino), it) {
		struct inode *inode = list_entry(it, struct inode, hash_node);

		if (inode->ino == ino)
			return inode;
	}
	return NULL;
}

/* The inode by number; waits while it is busy. */
static struct inode *find_locked(uint32_t ino, unsigned long *flags)
{
	struct inode *inode;

	while ((inode = peek_locked(ino)) && inode->busy)
		waitq_wait(&cache.waitq, &cache.lock, flags);
	return inode;
}

static void ref_locked(struct inode *inode)
{
	if (inode->refs++ == 0 && !inode->doomed) {
		list_remove(&inode->lru_node);
		cache.idle_count--;
	}
}

struct inode *inode_ref(struct inode *inode)
{
	unsigned long flags = spin_lock(&cache.lock);

	ref_locked(inode);
	spin_unlock(&cache.lock, flags);
	return inode;
}

void inode_put(struct inode *inode)
{
	bool kick = false;
	unsigned long flags;

	if (!inode)
		return;
	flags = spin_lock(&cache.lock);
	assert(inode->refs > 0);
	/* Got once more while it was doomed, it still is in that list. */
	if (--inode->refs == 0 && !inode->doomed) {
		if (inode->links == 0) {
			inode->doomed = true;
			list_push_back(&cache.doomed, &inode->lru_node);
			kick = true;
		} else {
			list_push_back(&cache.idle, &inode->lru_node);
			cache.idle_count++;
		}
	}
	spin_unlock(&cache.lock, flags);
	if (kick)
		mount_kick();
}

static void insert_locked(struct inode *inode)
{
	list_push_front(hash_of(inode->ino), &inode->hash_node);
}

static void not_busy(struct inode *inode)
{
	unsigned long flags = spin_lock(&cache.lock);

	inode->busy = false;
	waitq_wake_all(&cache.waitq);
	spin_unlock(&cache.lock, flags);
}

/* Out of the hash and gone. It is busy, or nobody else has seen it. */
static void inode_free(struct inode *inode)
{
	unsigned long flags = spin_lock(&cache.lock);

	list_remove(&inode->hash_node);
	waitq_wake_all(&cache.waitq);
	spin_unlock(&cache.lock, flags);
	kfree(inode);
}

static int get(struct volume *vol, uint32_t ino, bool orphan, struct inode **out)
{
	struct inode *inode, *fresh;
	unsigned long flags;
	int err;

	*out = NULL;
	flags = spin_lock(&cache.lock);
	inode = find_locked(ino, &flags);
	if (inode)
		ref_locked(inode);
	spin_unlock(&cache.lock, flags);
	if (inode) {
		*out = inode;
		return 0;
	}
	(void)inodes_trim(INODES_IDLE_MAX); // what cannot be written stays, and its own files hear of it
	fresh = inode_make(vol);
	if (!fresh)
		return -ENOMEM;
	fresh->ino = ino;
	flags = spin_lock(&cache.lock);
	inode = find_locked(ino, &flags);
	if (inode)
		ref_locked(inode);
	else
		insert_locked(fresh);
	spin_unlock(&cache.lock, flags);
	if (inode) {
		kfree(fresh);
		*out = inode;
		return 0;
	}
	err = ext2_inode_load(fresh, orphan);
	if (err) {
		inode_free(fresh);
		return err;
	}
	pcache_object_init(&fresh->object, &ext2_data_ops, S_ISREG(fresh->mode) ? fresh->size : 0);
	not_busy(fresh);
	*out = fresh;
	return 0;
}

int inode_get(struct volume *vol, uint32_t ino, struct inode **out)
{
	return get(vol, ino, false, out);
}

int inode_get_orphan(struct volume *vol, uint32_t ino, struct inode **out)
{
	return get(vol, ino, true, out);
}

int inode_add(struct inode *inode, uint32_t ino)
{
	struct inode *last;
	unsigned long flags;

	inode->ino = ino;
	pcache_object_init(&inode->object, &ext2_data_ops, 0);
	flags = spin_lock(&cache.lock);
	/* The number's last user may be on its way out. Any other may itself wait for this transaction. */
	while ((last = peek_locked(ino)) && last->busy && last->deleted)
		waitq_wait(&cache.waitq, &cache.lock, &flags);
	if (!last) {
		inode->busy = false;
		insert_locked(inode);
	}
	spin_unlock(&cache.lock, flags);
	return last ? ext2_damaged(inode->vol, "inode %u is in use and free in its bitmap", ino) : 0;
}

static struct inode_time now(void)
{
	uint64_t ns = time_wall();

	return (struct inode_time){.sec = ns / NSEC_PER_SEC, .nsec = ns % NSEC_PER_SEC};
}

void inode_touch(struct inode *inode, bool modified)
{
	const struct inode_time time = now();
	unsigned long flags = spin_lock(&inode->time_lock);

	if (modified)
		inode->mtime = time;
	inode->ctime = time;
	atomic_store_explicit(&inode->times_dirty, true, memory_order_relaxed);
	spin_unlock(&inode->time_lock, flags);
}

void inode_take_stores(struct inode *inode)
{
	if (atomic_load(&inode->object.stored) && atomic_exchange(&inode->object.stored, false))
		inode_touch(inode, true);
}

bool inodes_doomed(void)
{
	unsigned long flags = spin_lock(&cache.lock);
	bool any = !list_empty(&cache.doomed);

	spin_unlock(&cache.lock, flags);
	return any;
}

int inodes_delete_doomed(struct volume *vol)
{
	int first = 0;

	(void)vol;
	for (;;) {
		unsigned long flags = spin_lock(&cache.lock);
		struct list_node *node = list_pop_front(&cache.doomed);
		struct inode *inode = node ? list_entry(node, struct inode, lru_node) : NULL;
		int err;

		if (inode && inode->refs) {
			/* Writeback, or an eviction, still has it: its last put brings it back here. */
			inode->doomed = false;
			spin_unlock(&cache.lock, flags);
			continue;
		}
		if (inode)
			inode->busy = true;
		spin_unlock(&cache.lock, flags);
		if (!inode)
			return first;
		err = inode->deleted ? 0 : ext2_inode_delete(inode);
		if (!err) {
			pcache_object_destroy(&inode->object);
			inode_free(inode);
			continue;
		}
		/* It stays an orphan, doomed and in no list: the next mount, or e2fsck, deletes it. */
		log_error("ext2: %s: inode %u could not be deleted (%d)", inode->vol->dev->name, inode->ino, err);
		not_busy(inode);
		first = first ? first : err;
	}
}

int inodes_visit(struct volume *vol, int (*visit)(struct inode *inode))
{
	int err = 0;

	(void)vol;
	for (unsigned i = 0; i < HASH_SIZE && !err; i++) {
		struct inode *held = NULL;
		unsigned long flags = spin_lock(&cache.lock);

		for (struct list_node *it = cache.hash[i].next; it != &cache.hash[i] && !err;) {
			struct inode *inode = list_entry(it, struct inode, hash_node);

			if (inode->busy || inode->doomed) {
				it = it->next;
				continue;
			}
			ref_locked(inode);
			spin_unlock(&cache.lock, flags);
			inode_put(held);
			held = inode; // keeps its place in the chain
			err = visit(inode);
			flags = spin_lock(&cache.lock);
			it = inode->hash_node.next;
		}
		spin_unlock(&cache.lock, flags);
		inode_put(held);
	}
	return err;
}

static int delete_unlinked(struct inode *inode)
{
	int err = 0;

	mutex_lock(&inode->lock);
	if (inode->links == 0 && !inode->deleted) {
		err = ext2_inode_delete(inode);
		inode->deleted = !err;
	}
	mutex_unlock(&inode->lock);
	return err;
}

int inodes_delete_unlinked(struct volume *vol)
{
	return inodes_visit(vol, delete_unlinked);
}

/* Unreferenced, of a dead volume. If that was unmounted well, what is dirty was stored after its last sync. */
static void forget(struct inode *inode)
{
	struct pcache_object *object = &inode->object;

	if (S_ISREG(inode->mode)) {
		if (object->dirty_count && inode->vol->marked)
			log_error("ext2: inode %u: %zu pages of %llu bytes could not be written and are lost",
				  inode->ino, object->dirty_count, (unsigned long long)object->size);
		rwlock_lock_write(&object->map_lock);
		pcache_remove(object, 0, PGIDX_MAX);
		rwlock_unlock_write(&object->map_lock);
	}
	pcache_object_destroy(object);
	inode_free(inode);
}

int inodes_forget_all(void)
{
	bool left = false;

	for (unsigned i = 0; i < HASH_SIZE; i++) {
		for (;;) {
			unsigned long flags = spin_lock(&cache.lock);
			struct inode *gone = NULL;

			list_for_each (&cache.hash[i], it) {
				struct inode *inode = list_entry(it, struct inode, hash_node);

				if (inode->refs == 0)
					gone = inode;
				else
					left = true;
			}
			if (gone) {
				gone->busy = true;
				cache.idle_count -= !gone->doomed;
				list_remove(&gone->lru_node);
			}
			spin_unlock(&cache.lock, flags);
			if (!gone)
				break;
			forget(gone);
		}
	}
	return left ? -EBUSY : 0;
}

void inodes_flush_failed(struct volume *vol, int err)
{
	const uint64_t flushed = atomic_load(&vol->txn.flushed);
	unsigned long flags = spin_lock(&cache.lock);

	for (unsigned i = 0; i < HASH_SIZE; i++) {
		list_for_each (&cache.hash[i], it) {
			struct inode *inode = list_entry(it, struct inode, hash_node);

			if (!inode->busy && S_ISREG(inode->mode) && atomic_load(&inode->writes) > flushed)
				pcache_flush_failed(&inode->object, err);
		}
	}
	spin_unlock(&cache.lock, flags);
}

void inode_flush_failed(struct volume *vol, uint32_t ino, int err)
{
	unsigned long flags = spin_lock(&cache.lock);
	struct inode *inode = peek_locked(ino);

	(void)vol;
	if (inode && !inode->busy && S_ISREG(inode->mode))
		pcache_flush_failed(&inode->object, err);
	spin_unlock(&cache.lock, flags);
}

/* Writes and forgets one idle inode. It has a reference of ours and is not busy. */
static int write_out(struct inode *inode)
{
	int err = 0;

	if (S_ISREG(inode->mode))
		err = pcache_write_range(&inode->object, 0, PGIDX_MAX);
	if (!err && !atomic_load(&inode->vol->read_only) && !atomic_load(&inode->vol->dead))
		err = ext2_inode_write_times(inode);
	/* Once it is forgotten, nobody could be told that its writes were not made durable, or are zeros again. */
	if (!err && !atomic_load(&inode->vol->dead))
		err = txn_commit_zeroed(inode->vol, inode->ino);
	if (!err && atomic_load(&inode->writes) > atomic_load(&inode->vol->txn.flushed))
		err = txn_flush(inode->vol);
	return err;
}

static bool idle_and_clean(struct inode *inode)
{
	return inode->refs == 1 && atomic_load_explicit(&inode->links, memory_order_relaxed) &&
	       !inode->truncate_unfinished && !atomic_load_explicit(&inode->times_dirty, memory_order_relaxed) &&
	       !atomic_load(&inode->object.stored) &&
	       atomic_load_explicit(&inode->object.dirty_count, memory_order_relaxed) == 0 &&
	       !atomic_load_explicit(&inode->orphan, memory_order_relaxed); // the list of unlinked ones has a reference
}

int inodes_trim(unsigned keep)
{
	int first = 0;

	for (;;) {
		unsigned long flags = spin_lock(&cache.lock);
		struct list_node *node = cache.idle_count > keep ? list_first(&cache.idle) : NULL;
		struct inode *inode = node ? list_entry(node, struct inode, lru_node) : NULL;
		bool gone = false;
		int err;

		if (inode)
			ref_locked(inode);
		spin_unlock(&cache.lock, flags);
		if (!inode)
			return first;
		err = write_out(inode);
		flags = spin_lock(&cache.lock);
		if (!err && idle_and_clean(inode)) {
			inode->busy = true;
			gone = true;
		}
		spin_unlock(&cache.lock, flags);
		if (gone) {
			pcache_object_destroy(&inode->object);
			inode_free(inode);
			continue;
		}
		inode_put(inode);
		if (err)
			return err;
		return first;
	}
}
