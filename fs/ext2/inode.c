// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Inodes on the card: finding, decoding with every check, encoding. Fields that are not understood (attributes,
 * versions) stay as they were. Storing runs inside a transaction. Sleeps on metadata I/O.
 */
#include <errno.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

#define EXT2_FLAG_EXTENTS 0x80000
#define EXT2_FLAG_INLINE_DATA 0x10000000

fsblk_t ext2_inode_place(struct volume *vol, uint32_t ino, uint32_t *offset)
{
	const uint32_t group = (ino - 1) / vol->inodes_per_group;
	const uint64_t at = (uint64_t)((ino - 1) % vol->inodes_per_group) * vol->inode_size;

	*offset = at % vol->block_size;
	return ext2_group(vol, group)->inode_table + at / vol->block_size;
}

/* The extra fields that this inode has room for. */
static bool has_extra(const struct volume *vol, const struct ext2_inode *raw, size_t end)
{
	return vol->inode_size > EXT2_OLD_INODE_SIZE && raw->extra_isize <= vol->inode_size - EXT2_OLD_INODE_SIZE &&
	       raw->extra_isize % 4 == 0 && EXT2_OLD_INODE_SIZE + raw->extra_isize >= (int)end;
}

#define HAS_EXTRA(vol, raw, field) has_extra(vol, raw, offsetof(struct ext2_inode, field) + sizeof((raw)->field))

static struct inode_time time_decode(uint32_t sec, uint32_t extra)
{
	uint32_t nsec = extra >> 2;

	return (struct inode_time){.sec = (int64_t)(int32_t)sec + ((int64_t)(extra & 3) << 32),
				   .nsec = nsec < 1000000000 ? nsec : 0};
}

static uint32_t time_extra(const struct inode_time *time)
{
	return time->nsec << 2 | (((uint64_t)time->sec - (uint64_t)(int64_t)(int32_t)time->sec) >> 32 & 3);
}

/* place: the block of the table. */
static int check(struct inode *inode, const struct ext2_inode *raw, fsblk_t place, bool orphan)
{
	struct volume *vol = ext2_volume(inode);

	if (raw->links == 0 && !orphan)
		return ext2_damaged_at(vol, inode->ino, place, "inode %u has a name and is free", inode->ino);
	if (raw->flags & (EXT2_FLAG_EXTENTS | EXT2_FLAG_INLINE_DATA))
		return ext2_damaged_at(vol, inode->ino, place,
				       "inode %u has extents or inline data, which this volume has not", inode->ino);
	/* Of an orphan, a part may be gone already; its size means nothing. */
	if (raw->links == 0)
		inode->size = 0;
	if (S_ISREG(raw->mode)) {
		if (inode->size > vol->super.size_max)
			return ext2_damaged_at(vol, inode->ino, place, "inode %u has the impossible size %llu",
					       inode->ino, (unsigned long long)inode->size);
	} else if (S_ISDIR(raw->mode)) {
		if ((inode->size == 0 && raw->links) || inode->size % vol->block_size ||
		    inode->size > vol->super.size_max)
			return ext2_damaged_at(vol, inode->ino, place,
					       "directory inode %u has the impossible size %llu", inode->ino,
					       (unsigned long long)inode->size);
	} else if (S_ISLNK(raw->mode)) {
		if ((inode->size == 0 && raw->links) || inode->size >= vol->block_size)
			return ext2_damaged_at(vol, inode->ino, place,
					       "symbolic link inode %u has the impossible size %llu", inode->ino,
					       (unsigned long long)inode->size);
	} else if (!S_ISCHR(raw->mode) && !S_ISBLK(raw->mode) && !S_ISFIFO(raw->mode) && !S_ISSOCK(raw->mode)) {
		return ext2_damaged_at(vol, inode->ino, place, "inode %u has the impossible mode %o", inode->ino,
				       raw->mode);
	}
	return 0;
}

static void decode(struct inode *inode, const struct ext2_inode *raw)
{
	const struct volume *vol = ext2_volume(inode);

	inode->mode = raw->mode;
	inode->uid = raw->uid | (uint32_t)raw->uid_high << 16;
	inode->gid = raw->gid | (uint32_t)raw->gid_high << 16;
	inode->links = raw->links;
	inode->flags = raw->flags & ~INODE_FIXED;
	ext2_node(inode)->generation = raw->generation;
	ext2_node(inode)->acl_block = raw->file_acl;
	inode->size = raw->size;
	if (S_ISREG(raw->mode))
		inode->size |= (uint64_t)raw->size_high << 32;
	ext2_node(inode)->size_stored = inode->size;
	inode->sectors = raw->blocks;
	memcpy(ext2_node(inode)->block, raw->block, sizeof(ext2_node(inode)->block));
	inode->atime = time_decode(raw->atime, HAS_EXTRA(vol, raw, atime_extra) ? raw->atime_extra : 0);
	inode->mtime = time_decode(raw->mtime, HAS_EXTRA(vol, raw, mtime_extra) ? raw->mtime_extra : 0);
	inode->ctime = time_decode(raw->ctime, HAS_EXTRA(vol, raw, ctime_extra) ? raw->ctime_extra : 0);
}

struct inode *ext2_inode_make(struct super *super)
{
	struct volume *vol = volume_of(super);
	struct ext2_node *node = kmalloc_wait(sizeof(*node));

	if (!node)
		return NULL;
	memset(node, 0, sizeof(*node));
	list_init(&node->drop_node);
	list_init(&node->orphan_node);
	mutex_init(&node->bmap_lock, "bmap");
	/* What an earlier life in memory wrote may be neither committed nor flushed. */
	atomic_store(&node->batch, atomic_load(&vol->txn.running));
	atomic_store(&node->writes, atomic_load(&vol->txn.writes));
	node->inode.ops = &ext2_inode_ops;
	return &node->inode;
}

int ext2_inode_load(struct inode *inode, bool orphan)
{
	struct volume *vol = ext2_volume(inode);
	const struct ext2_inode *raw;
	struct buffer *b;
	uint32_t offset;
	int err;

	if (inode->ino > vol->inodes || (inode->ino < vol->first_ino && inode->ino != EXT2_ROOT_INO))
		return ext2_damaged_at(vol, inode->ino, 0, "a name leads to inode %u, which no file can have",
				       inode->ino);
	err = buffer_get(vol->buffers, ext2_inode_place(vol, inode->ino, &offset), &b);
	if (err)
		return err;
	raw = (const struct ext2_inode *)((const char *)b->data + offset);
	decode(inode, raw);
	err = check(inode, raw, b->block, orphan);
	buffer_put(b);
	if (!err)
		pcache_object_init(&inode->object, S_ISREG(inode->mode) ? &ext2_data_ops : NULL,
				   S_ISREG(inode->mode) ? inode->size : 0);
	return err;
}

int ext2_inode_begin(struct txn *t, struct inode *inode, struct buffer **itable)
{
	uint32_t offset;
	int err = buffer_get(t->vol->buffers, ext2_inode_place(ext2_volume(inode), inode->ino, &offset), itable);

	if (!err)
		txn_access(t, *itable);
	return err;
}

/* As far as the fields go: to 2446, or whole seconds to 2038. In memory it is then what it is on the card. */
static void time_fit(struct inode_time *time, bool extra)
{
	const int64_t max = INT32_MAX + (extra ? 3ll << 32 : 0);

	if (time->sec < INT32_MIN || time->sec > max)
		*time = (struct inode_time){.sec = time->sec < 0 ? INT32_MIN : max};
	if (!extra)
		time->nsec = 0;
}

/* raw->links is set. */
static void encode_times(struct inode *inode, struct ext2_inode *raw)
{
	const struct volume *vol = ext2_volume(inode);
	unsigned long flags;

	flags = spin_lock(&inode->time_lock);
	time_fit(&inode->atime, HAS_EXTRA(vol, raw, atime_extra));
	time_fit(&inode->ctime, HAS_EXTRA(vol, raw, ctime_extra));
	time_fit(&inode->mtime, HAS_EXTRA(vol, raw, mtime_extra));
	raw->atime = inode->atime.sec;
	raw->ctime = inode->ctime.sec;
	raw->mtime = inode->mtime.sec;
	if (HAS_EXTRA(vol, raw, atime_extra))
		raw->atime_extra = time_extra(&inode->atime);
	if (HAS_EXTRA(vol, raw, ctime_extra))
		raw->ctime_extra = time_extra(&inode->ctime);
	if (HAS_EXTRA(vol, raw, mtime_extra))
		raw->mtime_extra = time_extra(&inode->mtime);
	/* A time that cannot be taken for the number of an orphan, whatever the clock says. */
	raw->dtime = raw->links ? 0 : min_of(max_of(inode->ctime.sec, (int64_t)vol->inodes + 1), (int64_t)UINT32_MAX);
	atomic_store_explicit(&inode->times_dirty, false, memory_order_relaxed);
	spin_unlock(&inode->time_lock, flags);
}

void ext2_inode_join(struct txn *t, struct inode *inode)
{
	atomic_store(&ext2_node(inode)->batch, atomic_load(&t->vol->txn.running));
}

void ext2_inode_store(struct txn *t, struct inode *inode, struct buffer *itable)
{
	struct volume *vol = ext2_volume(inode);
	struct ext2_inode *raw;
	uint32_t offset;

	(void)ext2_inode_place(vol, inode->ino, &offset);
	raw = (struct ext2_inode *)((char *)itable->data + offset);
	inode_take_stores(inode);
	raw->mode = inode->mode;
	raw->uid = inode->uid;
	raw->uid_high = inode->uid >> 16;
	raw->gid = inode->gid;
	raw->gid_high = inode->gid >> 16;
	raw->links = inode->links + ext2_node(inode)->links_pending;
	raw->flags = (raw->flags & INODE_FIXED) | (inode->flags & ~INODE_FIXED);
	raw->generation = ext2_node(inode)->generation;
	raw->file_acl = ext2_node(inode)->acl_block;
	raw->size = inode->size;
	if (S_ISREG(inode->mode))
		raw->size_high = inode->size >> 32;
	ext2_node(inode)->size_stored = inode->size;
	raw->blocks = inode->sectors;
	memcpy(raw->block, ext2_node(inode)->block, sizeof(raw->block));
	encode_times(inode, raw);
	if (atomic_load_explicit(&ext2_node(inode)->orphan, memory_order_relaxed))
		raw->dtime = ext2_orphan_next(inode);
	if (S_ISREG(inode->mode) && inode->size > INT32_MAX && !(vol->es.feature_ro_compat & EXT2_RO_LARGE_FILE)) {
		vol->es.feature_ro_compat |= EXT2_RO_LARGE_FILE;
		txn_super(t);
	}
	txn_dirty(t, itable, BUFFER_POINTER);
	ext2_inode_join(t, inode);
	buffer_put(itable);
}

int ext2_inode_check_free(struct inode *inode, struct buffer *itable)
{
	const struct ext2_inode *raw;
	uint32_t offset;

	(void)ext2_inode_place(ext2_volume(inode), inode->ino, &offset);
	raw = (const struct ext2_inode *)((const char *)itable->data + offset);
	if (raw->links == 0)
		return 0;
	return ext2_damaged_at(ext2_volume(inode), inode->ino, itable->block,
			       "inode %u is in use and free in its bitmap", inode->ino);
}

void ext2_inode_wipe(struct inode *inode, struct buffer *itable)
{
	const struct volume *vol = ext2_volume(inode);
	struct ext2_inode *raw;
	uint32_t offset, generation;

	(void)ext2_inode_place(ext2_volume(inode), inode->ino, &offset);
	raw = (struct ext2_inode *)((char *)itable->data + offset);
	generation = raw->generation + 1;
	memset(raw, 0, vol->inode_size);
	ext2_node(inode)->generation = generation;
	if (vol->inode_size > EXT2_OLD_INODE_SIZE) {
		raw->extra_isize = sizeof(*raw) - EXT2_OLD_INODE_SIZE;
		raw->crtime = inode->crtime.sec;
		raw->crtime_extra = time_extra(&inode->crtime);
	}
}

int ext2_inode_write(struct inode *inode)
{
	struct buffer *itable;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(inode), 1, 0);

	if (err)
		return err;
	err = ext2_inode_begin(&t, inode, &itable);
	if (!err)
		ext2_inode_store(&t, inode, itable);
	txn_end(&t);
	return err;
}

int ext2_inode_write_size(struct inode *inode)
{
	/* A change that is not yet over, or not seen here, is made durable by who makes it. */
	if (atomic_load_explicit(&inode->size, memory_order_relaxed) ==
	    atomic_load_explicit(&ext2_node(inode)->size_stored, memory_order_relaxed))
		return 0;
	return ext2_inode_write(inode);
}

int ext2_inode_write_times(struct inode *inode)
{
	inode_take_stores(inode);
	/* Cleared inside a transaction: whoever finds it so and then commits waits for that one to end. */
	if (!atomic_load_explicit(&inode->times_dirty, memory_order_relaxed))
		return 0;
	return ext2_inode_write(inode);
}

int ext2_write_out(struct inode *inode)
{
	struct volume *vol = ext2_volume(inode);
	int err = 0;

	if (S_ISREG(inode->mode))
		err = pcache_write_range(&inode->object, 0, PGIDX_MAX);
	if (!err && !atomic_load(&vol->super.read_only) && !atomic_load(&vol->super.dead))
		err = ext2_inode_write_times(inode);
	/* Once it is forgotten, nobody could be told that its writes were not made durable, or are zeros again. */
	if (!err && !atomic_load(&vol->super.dead))
		err = txn_commit_new(vol, inode->ino);
	if (!err && atomic_load(&ext2_node(inode)->writes) > atomic_load(&vol->txn.flushed))
		err = txn_flush(vol);
	return err;
}

bool ext2_keeps(const struct inode *inode)
{
	/* The list of unlinked ones has a reference. */
	return ext2_node(inode)->truncate_unfinished ||
	       atomic_load_explicit(&ext2_node(inode)->orphan, memory_order_relaxed);
}
