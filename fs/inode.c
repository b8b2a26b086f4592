// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The inodes in memory: a hash of all, an LRU of those without references (at most INODES_IDLE_MAX, so that a file
 * opened again finds its pages), and in each volume a list of the doomed (no links, no references) that are to be
 * removed.
 *
 * Lock: cache.lock, a spinlock, guards all of that and the busy flags. Loading and throwing out are done outside of it
 * with `busy` set. inode_ref and inode_put never sleep; the rest does.
 */
#include "fs/inode.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

#define HASH_SIZE 1024
#define INODES_IDLE_MAX 128
#define TRIM_BATCH 16u

static struct {
	struct spinlock lock;
	struct waitq waitq; // an inode is no longer busy
	struct list_node hash[HASH_SIZE];
	struct list_node idle; // oldest first
	unsigned idle_count;
	atomic_uint idle_max; // when there are more, the oldest are thrown out; relaxed
} cache = {.lock = SPINLOCK_INIT("inodes"), .waitq = WAITQ_INIT(cache.waitq)};

void inodes_init(void)
{
	for (unsigned i = 0; i < HASH_SIZE; i++)
		list_init(&cache.hash[i]);
	list_init(&cache.idle);
	cache.idle_count = 0;
	inodes_idle_limit(INODES_IDLE_MAX + TRIM_BATCH - 1);
}

void inodes_idle_limit(unsigned max)
{
	atomic_store_explicit(&cache.idle_max, max, memory_order_relaxed);
}

static struct list_node *hash_of(const struct super *super, uint32_t ino)
{
	return &cache.hash[(ino + super->id * 257) % HASH_SIZE];
}

static struct inode *peek_locked(const struct super *super, uint32_t ino)
{
	list_for_each (hash_of(super, ino), it) {
		struct inode *inode = list_entry(it, struct inode, hash_node);

		if (inode->ino == ino && inode->super == super)
			return inode;
	}
	return NULL;
}

/* The inode by number; waits while it is busy. */
static struct inode *find_locked(const struct super *super, uint32_t ino, unsigned long *flags)
{
	struct inode *inode;

	while ((inode = peek_locked(super, ino)) && inode->busy)
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
	unsigned long flags;

	if (!inode)
		return;
	flags = spin_lock(&cache.lock);
	assert(inode->refs > 0);
	/* Got once more while it was doomed, it still is in that list. */
	if (--inode->refs == 0 && !inode->doomed) {
		if (inode->links == 0) {
			inode->doomed = true;
			list_push_back(&inode->super->doomed, &inode->lru_node);
			inode->super->ops->kick(inode->super);
		} else {
			list_push_back(&cache.idle, &inode->lru_node);
			cache.idle_count++;
		}
	}
	spin_unlock(&cache.lock, flags);
}

void inode_object_ref(struct pcache_object *object, int delta)
{
	struct inode *inode = inode_of(object);

	atomic_fetch_add(&inode->super->users, (unsigned)delta);
	if (delta > 0)
		inode_ref(inode);
	else
		inode_put(inode);
}

static void insert_locked(struct inode *inode)
{
	list_push_front(hash_of(inode->super, inode->ino), &inode->hash_node);
	inode->super->inodes++;
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
	inode->super->inodes--;
	waitq_wake_all(&cache.waitq);
	spin_unlock(&cache.lock, flags);
	kfree(inode);
}

/* Nothing of it has to be written before it is forgotten. Nobody has it. */
static bool is_clean(struct inode *inode)
{
	return atomic_load_explicit(&inode->links, memory_order_relaxed) &&
	       !atomic_load_explicit(&inode->times_dirty, memory_order_relaxed) &&
	       !atomic_load(&inode->object.stored) &&
	       atomic_load_explicit(&inode->object.dirty_count, memory_order_relaxed) == 0 &&
	       !inode->super->ops->keeps(inode);
}

/* The oldest idle ones, each with a reference: how many. None if there are not enough for it to be worth while. */
static unsigned take_oldest(struct inode **batch)
{
	const unsigned max = atomic_load_explicit(&cache.idle_max, memory_order_relaxed);
	unsigned long flags = spin_lock(&cache.lock);
	unsigned n = 0;

	while (cache.idle_count && (n || cache.idle_count > max) && n < TRIM_BATCH) {
		batch[n] = list_entry(list_first(&cache.idle), struct inode, lru_node);
		ref_locked(batch[n++]);
	}
	spin_unlock(&cache.lock, flags);
	return n;
}

/* Drops the reference, and forgets it if nothing has to be written and nobody else has it. */
static void put_and_forget(struct inode *inode)
{
	unsigned long flags = spin_lock(&cache.lock);
	const bool gone = inode->refs == 1 && is_clean(inode);

	inode->busy = gone;
	spin_unlock(&cache.lock, flags);
	if (gone) {
		pcache_object_destroy(&inode->object);
		inode_free(inode);
	} else {
		inode_put(inode);
	}
}

/*
 * Throws the oldest idle inodes out if there are too many, several at once, since their writes go together then and
 * share the FLUSH that each must see. What cannot be written stays, and its own files hear of it.
 */
static void trim(void)
{
	struct inode *batch[TRIM_BATCH];
	const unsigned n = take_oldest(batch);

	for (unsigned i = 0; i < n; i++) {
		if (inode_has_pages(batch[i]))
			pcache_write_start(&batch[i]->object, 0, PGIDX_MAX);
	}
	for (unsigned i = 0; i < n; i++) {
		if (batch[i]->super->ops->write_out(batch[i]))
			inode_put(batch[i]);
		else
			put_and_forget(batch[i]);
	}
}

struct inode *inode_make(struct super *super)
{
	struct inode *inode;

	trim();
	inode = super->ops->make(super);
	if (!inode)
		return NULL;
	inode->super = super;
	inode->refs = 1;
	inode->busy = true;
	list_init(&inode->hash_node);
	list_init(&inode->lru_node);
	list_init(&inode->dentries);
	list_init(&inode->locks);
	mutex_init(&inode->lock, "inode");
	spin_init(&inode->time_lock, "inode times");
	return inode;
}

static int get(struct super *super, uint32_t ino, bool orphan, struct inode **out)
{
	struct inode *inode, *fresh;
	unsigned long flags;
	int err;

	*out = NULL;
	flags = spin_lock(&cache.lock);
	inode = find_locked(super, ino, &flags);
	if (inode)
		ref_locked(inode);
	spin_unlock(&cache.lock, flags);
	if (inode) {
		*out = inode;
		return 0;
	}
	fresh = inode_make(super);
	if (!fresh)
		return -ENOMEM;
	fresh->ino = ino;
	flags = spin_lock(&cache.lock);
	inode = find_locked(super, ino, &flags);
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
	err = super->ops->load(fresh, orphan);
	if (err) {
		inode_free(fresh);
		return err;
	}
	not_busy(fresh);
	*out = fresh;
	return 0;
}

int inode_get(struct super *super, uint32_t ino, struct inode **out)
{
	return get(super, ino, false, out);
}

int inode_get_orphan(struct super *super, uint32_t ino, struct inode **out)
{
	return get(super, ino, true, out);
}

bool inode_add(struct inode *inode, uint32_t ino, const struct pcache_ops *ops)
{
	struct inode *last;
	unsigned long flags;

	inode->ino = ino;
	pcache_object_init(&inode->object, ops, 0);
	flags = spin_lock(&cache.lock);
	/* The number's last user may be on its way out. Any other may itself wait for this transaction. */
	while ((last = peek_locked(inode->super, ino)) && last->busy && last->removed)
		waitq_wait(&cache.waitq, &cache.lock, &flags);
	if (!last) {
		inode->busy = false;
		insert_locked(inode);
	}
	spin_unlock(&cache.lock, flags);
	return !last;
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

void inode_touch_new(struct inode *inode)
{
	inode_touch(inode, true);
	inode->atime = inode->crtime = inode->mtime;
}

void inode_inherit(struct inode *inode, const struct inode *dir)
{
	if (!(dir->mode & S_ISGID))
		return;
	inode->gid = dir->gid;
	if (S_ISDIR(inode->mode))
		inode->mode |= S_ISGID;
}

void inode_take_stores(struct inode *inode)
{
	if (atomic_load(&inode->object.stored) && atomic_exchange(&inode->object.stored, false))
		inode_touch(inode, true);
}

bool inodes_doomed(struct super *super)
{
	unsigned long flags = spin_lock(&cache.lock);
	bool any = !list_empty(&super->doomed);

	spin_unlock(&cache.lock, flags);
	return any;
}

int inodes_remove_doomed(struct super *super)
{
	int first = 0;

	for (;;) {
		unsigned long flags = spin_lock(&cache.lock);
		struct list_node *node = list_pop_front(&super->doomed);
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
		err = inode->removed ? 0 : super->ops->remove(inode);
		if (!err) {
			pcache_object_destroy(&inode->object);
			inode_free(inode);
			continue;
		}
		/* It stays an orphan, held for ever: the next mount, or e2fsck, deletes it. */
		log_error("%s: %s: inode %u could not be deleted (%d)", super->ops->type, super->name, inode->ino, err);
		flags = spin_lock(&cache.lock);
		inode->refs = 1;
		inode->stuck = true;
		inode->doomed = false;
		spin_unlock(&cache.lock, flags);
		not_busy(inode);
		first = first ? first : err;
	}
}

int inodes_visit(struct super *super, int (*visit)(struct inode *inode))
{
	int err = 0;

	for (unsigned i = 0; i < HASH_SIZE && !err; i++) {
		struct inode *held = NULL;
		unsigned long flags = spin_lock(&cache.lock);

		for (struct list_node *it = cache.hash[i].next; it != &cache.hash[i] && !err;) {
			struct inode *inode = list_entry(it, struct inode, hash_node);

			if (inode->super != super || inode->busy || inode->doomed) {
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

static int remove_unlinked(struct inode *inode)
{
	int err = 0;

	mutex_lock(&inode->lock);
	if (inode->links == 0 && !inode->removed) {
		err = inode->super->ops->remove(inode);
		inode->removed = !err;
	}
	mutex_unlock(&inode->lock);
	return err;
}

int inodes_remove_unlinked(struct super *super)
{
	return inodes_visit(super, remove_unlinked);
}

/* Unreferenced, of a dead volume. What is still dirty could not be written, or was stored after the last sync. */
static void drop_pages(struct inode *inode)
{
	struct pcache_object *object = &inode->object;

	rwlock_lock_write(&object->map_lock);
	pcache_remove(object, 0, PGIDX_MAX);
	rwlock_unlock_write(&object->map_lock);
}

static void forget(struct inode *inode, bool dead)
{
	if (dead && inode_has_pages(inode))
		drop_pages(inode);
	pcache_object_destroy(&inode->object);
	inode_free(inode);
}

int inodes_forget(struct super *super, bool dead)
{
	bool left = false;

	for (unsigned i = 0; i < HASH_SIZE; i++) {
		for (;;) {
			unsigned long flags = spin_lock(&cache.lock);
			struct inode *gone = NULL;

			list_for_each (&cache.hash[i], it) {
				struct inode *inode = list_entry(it, struct inode, hash_node);

				if (inode->super != super)
					continue;
				if (inode->refs == inode->stuck && !inode->busy && (dead || !super->ops->keeps(inode)))
					gone = inode;
				else
					left = true;
			}
			if (gone) {
				gone->busy = true;
				cache.idle_count -= !gone->doomed && !gone->stuck;
				list_remove(&gone->lru_node);
			}
			spin_unlock(&cache.lock, flags);
			if (!gone)
				break;
			forget(gone, dead);
		}
	}
	return left ? -EBUSY : 0;
}

void inodes_visit_locked(struct super *super, uint32_t ino, void (*visit)(struct inode *inode, int arg), int arg)
{
	const unsigned first = ino ? (unsigned)(hash_of(super, ino) - cache.hash) : 0;
	unsigned long flags = spin_lock(&cache.lock);

	for (unsigned i = first; i < (ino ? first + 1 : HASH_SIZE); i++) {
		list_for_each (&cache.hash[i], it) {
			struct inode *inode = list_entry(it, struct inode, hash_node);

			if (inode->super == super && !inode->busy && (!ino || inode->ino == ino))
				visit(inode, arg);
		}
	}
	spin_unlock(&cache.lock, flags);
}

size_t inodes_shrink(size_t max)
{
	size_t count = 0;

	while (count < max) {
		unsigned long flags = spin_lock(&cache.lock);
		struct inode *found = NULL;

		list_for_each (&cache.idle, it) {
			struct inode *inode = list_entry(it, struct inode, lru_node);

			if (inode->object.page_count || !is_clean(inode))
				continue;
			found = inode;
			break;
		}
		if (found) {
			ref_locked(found);
			found->busy = true;
		}
		spin_unlock(&cache.lock, flags);
		if (!found)
			break;
		pcache_object_destroy(&found->object);
		inode_free(found);
		count++;
	}
	return count;
}
