// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The dentry cache: entries in a hash by directory and name, in a list by directory, and in one by age, where what was
 * found since it last came to the front gets a second chance. Each holds a reference to its directory and to what the
 * name leads to, dropped outside of the lock.
 *
 * Lock: dentries.lock, a spinlock, before the inode cache's. Nothing sleeps; memory comes from kmalloc alone.
 */
#include "fs/dentry.h"

#include <string.h>

#include "mm/kmalloc.h"
#include "mm/reclaim.h"

#define HASH_SIZE 1024
#define FRAMES_PER_DENTRY 16 // of RAM: with its inode one takes a third of a frame at most
#define DENTRIES_MIN 64u
#define SHRINK_BATCH 32u

struct dentry {
	struct list_node hash_node, dir_node, lru_node;
	struct inode *dir, *inode; // inode NULL: there is no such name
	uint32_t hash;
	bool used; // found since it last came to the front
	uint8_t len;
	char name[];
};

static struct {
	struct spinlock lock;
	struct list_node hash[HASH_SIZE];
	struct list_node lru; // oldest first
	struct dentry_stats stats;
	struct shrinker shrinker;
} dentries = {.lock = SPINLOCK_INIT("dentries")};

/* FNV-1a, begun with the directory. */
static uint32_t hash_name(const struct inode *dir, const char *name, unsigned len)
{
	uint32_t hash = 2166136261u ^ (dir->ino + dir->super->id * 0x9e3779b1u);

	for (unsigned i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619u;
	return hash;
}

static struct dentry *find_locked(const struct inode *dir, const char *name, unsigned len, uint32_t hash)
{
	list_for_each (&dentries.hash[hash % HASH_SIZE], it) {
		struct dentry *d = list_entry(it, struct dentry, hash_node);

		if (d->hash == hash && d->dir == dir && d->len == len && !memcmp(d->name, name, len))
			return d;
	}
	return NULL;
}

static void remove_locked(struct dentry *d)
{
	list_remove(&d->hash_node);
	list_remove(&d->dir_node);
	list_remove(&d->lru_node);
	dentries.stats.entries--;
	dentries.stats.negative -= !d->inode;
}

/* Out of all lists. */
static void release(struct dentry *d)
{
	if (!d)
		return;
	inode_put(d->inode);
	inode_put(d->dir);
	kfree(d);
}

bool dentry_find(struct inode *dir, const char *name, unsigned len, struct inode **out)
{
	const uint32_t hash = hash_name(dir, name, len);
	unsigned long flags = spin_lock(&dentries.lock);
	struct dentry *d = find_locked(dir, name, len, hash);

	*out = NULL;
	if (d) {
		d->used = true;
		*out = d->inode ? inode_ref(d->inode) : NULL;
		dentries.stats.hits++;
	} else {
		dentries.stats.misses++;
	}
	spin_unlock(&dentries.lock, flags);
	return d;
}

/* The oldest that was not found lately, out of all lists. */
static struct dentry *take_oldest_locked(void)
{
	for (;;) {
		struct list_node *node = list_first(&dentries.lru);
		struct dentry *d;

		if (!node)
			return NULL;
		d = list_entry(node, struct dentry, lru_node);
		if (!d->used) {
			remove_locked(d);
			return d;
		}
		d->used = false;
		list_remove(&d->lru_node);
		list_push_back(&dentries.lru, &d->lru_node);
	}
}

void dentry_add(struct inode *dir, const char *name, unsigned len, struct inode *inode)
{
	const uint32_t hash = hash_name(dir, name, len);
	struct dentry *d = kmalloc(sizeof(*d) + len), *old, *oldest = NULL;
	unsigned long flags;

	if (d) {
		*d = (struct dentry){.dir = inode_ref(dir), .hash = hash, .len = (uint8_t)len};
		d->inode = inode ? inode_ref(inode) : NULL;
		memcpy(d->name, name, len);
	}
	flags = spin_lock(&dentries.lock);
	old = find_locked(dir, name, len, hash);
	if (old)
		remove_locked(old);
	if (d) {
		if (dentries.stats.entries >= dentries.stats.max)
			oldest = take_oldest_locked();
		list_push_front(&dentries.hash[hash % HASH_SIZE], &d->hash_node);
		list_push_back(&dir->dentries, &d->dir_node);
		list_push_back(&dentries.lru, &d->lru_node);
		dentries.stats.entries++;
		dentries.stats.negative += !inode;
	}
	spin_unlock(&dentries.lock, flags);
	release(old);
	release(oldest);
}

void dentry_remove(struct inode *dir, const char *name, unsigned len)
{
	const uint32_t hash = hash_name(dir, name, len);
	unsigned long flags = spin_lock(&dentries.lock);
	struct dentry *d = find_locked(dir, name, len, hash);

	if (d)
		remove_locked(d);
	spin_unlock(&dentries.lock, flags);
	release(d);
}

void dentry_forget_dir(struct inode *dir)
{
	struct dentry *d;

	do {
		unsigned long flags = spin_lock(&dentries.lock);
		struct list_node *node = list_first(&dir->dentries);

		d = node ? list_entry(node, struct dentry, dir_node) : NULL;
		if (d)
			remove_locked(d);
		spin_unlock(&dentries.lock, flags);
		release(d);
	} while (d);
}

void dentry_forget(struct super *super)
{
	struct dentry *d;

	do {
		unsigned long flags = spin_lock(&dentries.lock);

		d = NULL;
		list_for_each (&dentries.lru, it) {
			d = list_entry(it, struct dentry, lru_node);
			if (d->dir->super == super)
				break;
			d = NULL;
		}
		if (d)
			remove_locked(d);
		spin_unlock(&dentries.lock, flags);
		release(d);
	} while (d);
}

static size_t shrink(size_t frames_wanted)
{
	const size_t before = frame_free_count();

	while (frame_free_count() < before + frames_wanted) {
		size_t count = 0;

		for (; count < SHRINK_BATCH; count++) {
			unsigned long flags = spin_lock(&dentries.lock);
			struct dentry *d = take_oldest_locked();

			spin_unlock(&dentries.lock, flags);
			if (!d)
				break;
			release(d);
		}
		if (count + inodes_shrink(SHRINK_BATCH) == 0)
			break;
	}
	return frame_free_count() - min_of(before, frame_free_count());
}

void dentry_stats(struct dentry_stats *out)
{
	unsigned long flags = spin_lock(&dentries.lock);

	*out = dentries.stats;
	spin_unlock(&dentries.lock, flags);
}

void dentry_limit(size_t max)
{
	unsigned long flags = spin_lock(&dentries.lock);
	bool over;

	dentries.stats.max = max;
	do {
		struct dentry *oldest = NULL;

		over = dentries.stats.entries > max;
		if (over)
			oldest = take_oldest_locked();
		spin_unlock(&dentries.lock, flags);
		release(oldest);
		flags = spin_lock(&dentries.lock);
	} while (over);
	spin_unlock(&dentries.lock, flags);
}

void dentry_init(void)
{
	for (unsigned i = 0; i < HASH_SIZE; i++)
		list_init(&dentries.hash[i]);
	list_init(&dentries.lru);
	dentries.stats = (struct dentry_stats){0};
	dentries.stats.max = max_of(frame_total() / FRAMES_PER_DENTRY, (size_t)DENTRIES_MIN);
	dentries.shrinker.shrink = shrink;
	shrinker_register(&dentries.shrinker);
}
