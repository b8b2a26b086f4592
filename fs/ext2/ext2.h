// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * ext2 inside: the mounted volume and what its parts call of each other. Functions that take a struct txn run inside
 * that transaction; *_locked ones under the inode's bmap_lock.
 */
#pragma once

#include "drivers/block/blkdev.h"
#include "fs/buffer.h"
#include "fs/ext2/format.h"
#include "fs/inode.h"
#include "fs/txn.h"
#include "kernel/log.h"

#define NAMES_REMOVED_MAX 128u

/* Where the running batch removed names: more than fit are counted. */
struct names_removed {
	uint64_t batch;
	uint32_t count;
	struct name_removed {
		uint32_t hash;
		fsblk_t block;
		uint32_t sector; // of the block
	} names[NAMES_REMOVED_MAX];
};

/* Damage met, and metadata that could not be read or written. */
struct ext2_errors {
	uint32_t count;
	struct ext2_error {
		uint32_t time, ino, line;
		fsblk_t block;
		const char *func;
		uint8_t code; // EXT2_CODE_*
	} first, last;
};

#define LISTING_MAX 344u // names: what a block may have

/* The next names of a directory that is being listed, in order (dirlist.c). */
struct dir_listing {
	struct mutex lock; // below the operation lock of a directory; guards all
	uint64_t stamp;	   // of the directory they are of, while no name has come into that
	uint64_t from, upto;
	unsigned count;
	struct listed_name {
		uint64_t key;
		uint32_t ino, lblk, offset;
	} names[LISTING_MAX];
};

struct volume {
	struct super super;

	/* Constant while mounted. */
	struct buffer_pool *buffers;
	struct journal *journal; // NULL: there is none (journal.h)
	uint32_t block_size, block_shift, sectors_per_block;
	uint32_t pointers; // in an indirect block
	uint32_t blocks, first_block, blocks_per_group, groups, gdt_blocks;
	uint32_t inodes, inodes_per_group, inode_size, first_ino;
	bool filetype;
	bool dynamic;	  // revision 1: has features
	bool indices;	  // of directories are as they were left by who changed them last
	bool ours;	  // nobody else wrote since it was last clean
	bool recount;	  // counts or the orphan list are not to be believed
	bool from_backup; // the superblock is a backup's
	bool rescued;	  // the superblock or descriptors on the card are not yet as they are here
	uint32_t unnamed; // inodes that no name leads to were left to e2fsck: it stays marked as in use

	atomic_bool unmounting; // only the owner of the gate may begin a transaction
	atomic_uint damage_said;

	/* What the superblock's error fields do not say yet. */
	struct spinlock errors_lock;
	struct ext2_errors errors; // guarded by it

	/* Guarded by the transaction. */
	struct ext2_super es;		  // the card's
	void *super_block;		  // the block it lies in
	struct ext2_group **group_blocks; // gdt_blocks blocks of descriptors
	bool *group_dirty;
	struct ext2_alloc *alloc; // what the allocators remember
	bool super_dirty;	  // a count changed
	bool super_urgent;	  // the orphan list or a feature changed
	bool marked;		  // on the card as in use
	struct list_node orphans; // struct ext2_node.orphan_node, first as in the superblock
	struct txn_log txn;

	/* What only another system's mount or check changes; constant while it is set (witness.c). */
	struct {
		struct blk_witness blk;
		uint32_t mount_time, last_check;
		uint16_t mount_count;
		uint8_t uuid[16];
		char last_mounted[64];
	} witness;

	struct commit *commit; // into the journal; NULL: plain ext2. Constant while writing is possible

	struct names_removed removed; // guarded by super.names_lock
	struct dir_listing listing;
	/* One thread gives back at a time. Before any inode lock. */
	struct mutex settle_lock;

	/* The thread that commits and settles, settle.c. */
	struct {
		struct spinlock lock; // guards the flags
		struct waitq waitq;
		bool kicked, stop;
		struct thread *thread;
	} settler;
};

static inline struct volume *volume_of(struct super *super)
{
	return container_of(super, struct volume, super);
}

static inline struct volume *ext2_volume(const struct inode *inode)
{
	return volume_of(inode->super);
}

/* Commits go into a journal. */
static inline bool is_journalled(const struct volume *vol)
{
	return vol->commit != NULL;
}

/* What ext2 knows of an inode. */
struct ext2_node {
	struct inode inode;

	/* Changed inside a transaction, with the operation lock held unless said otherwise. */
	uint32_t generation, acl_block;
	uint64_t grown_to;	  // bytes: how far the write under way has blocks
	bool truncate_unfinished; // blocks beyond the end are left from a failed truncate; must go before it grows
	uint32_t links_pending; // still counted on the card, docs/design.md section 7: taken away after the next commit
	uint64_t named_in;	// batch in which it got a further name; guarded by super.names_lock
	struct list_node drop_node;
	struct list_node orphan_node; // in volume.orphans
	atomic_bool orphan;	      // it is there; relaxed outside of transactions
	/* inode.size as last encoded: another only while a change is under way, or after one failed. Relaxed without
	 * lock. */
	atomic_uint_least64_t size_stored;
	atomic_uint_least64_t batch;  // last batch with a change of this inode
	atomic_uint_least64_t writes; // txn_log.writes at the end of its last data write

	/* Of a directory; guarded by the operation lock. */
	bool unindexed; // its index is of no use, or could not be made
	bool listed;	// places of entries were handed out: it keeps them
	uint32_t room;	// its first block that may have room; a hint
	uint64_t stamp; // of the volume's listing if that is of it; 0: none

	/* Guarded by bmap_lock, and changed inside a transaction: faults allocate blocks too. */
	struct mutex bmap_lock;
	uint32_t block[EXT2_POINTERS];
	fsblk_t goal; // after the block allocated last; 0: none
	/* The last batch with new blocks that pages of the file are to be written to, and where in the file these are.
	 */
	uint64_t new_in;
	uint32_t new_first, new_last;
};

/* The same. */
static inline struct ext2_node *ext2_node(const struct inode *inode)
{
	return container_of(inode, struct ext2_node, inode);
}

/* ---- super.c ---- */
int ext2_mount(struct blkdev *dev, bool read_only, struct super **out);
/*
 * Everything to the card, the mark of a volume in use away. The write gate is closed meanwhile, and those who do not
 * pass it (stores into holes, look-ups that throw inodes out) are refused their transactions: each such one is whole or
 * has not begun. What is stored through mappings after the last sync is dropped. Memory stays for late callers, who
 * find the volume dead.
 */
int ext2_unmount(struct super *super);
/* The memory of an unmounted one. */
void ext2_release(struct super *super);
/* From now on a card that was changed elsewhere is known when it comes back (witness.c). The mount's last step. */
void ext2_witness_start(struct volume *vol);
void ext2_witness_stop(struct volume *vol);
void ext2_group_changed(struct volume *vol, uint32_t group);
/* Descriptors and superblock to the card; counts: also where only those changed. Holder of txn.lock. */
int ext2_super_write(struct volume *vol, bool counts, bool *any);
/* What that wrote is durable. */
void ext2_super_clean(struct volume *vol, bool counts);
/* What is not in the error fields yet comes onto the card, of a volume too that went read-only. 0, -EIO. */
int ext2_errors_write(struct volume *vol);

/* ---- damage.c: any context that may sleep ---- */
/*
 * Says what is damaged, remembers it for the superblock's error fields, and stops writing if the volume asks for that
 * (errors=). The inode and the block that it is about, 0: none. -EUCLEAN.
 */
#define ext2_damaged_at(vol, ino, block, ...) ext2_damage_note(vol, true, __func__, __LINE__, ino, block, __VA_ARGS__)
/* Of damage that the mount puts right: nothing is stopped. */
#define ext2_mended(vol, block, ...) ext2_damage_note(vol, false, __func__, __LINE__, 0, block, __VA_ARGS__)
int ext2_damage_note(struct volume *vol, bool stop, const char *func, unsigned line, uint32_t ino, fsblk_t block,
		     const char *format, ...) __attribute__((format(printf, 7, 8)));
/* The same for a metadata block that could not be read or written. */
void ext2_io_failed(void *vol, fsblk_t block, bool write, int err);
/* Brings what was noted into volume.super. True: there is something that the card does not say. Holder of txn.lock. */
bool ext2_errors_take(struct volume *vol);

/* ---- layout.c: superblock and descriptors as they are read ---- */
static inline bool ext2_has_journal(const struct volume *vol)
{
	return vol->dynamic && (vol->es.feature_compat & EXT2_COMPAT_HAS_JOURNAL);
}
/*
 * Reads and checks them, from their backups where the primary ones are damaged; sets what is constant in the volume.
 * -EINVAL: there is no ext2; -ENOTSUP, -EROFS: one that cannot be mounted, or written; -EUCLEAN; -EIO; -ENOMEM.
 */
int ext2_layout_read(struct volume *vol, bool read_only);
/* The memory; what was found damaged is forgotten. Another reading may follow. */
void ext2_layout_free(struct volume *vol);
/* Sets the volume's geometry by its superblock. 0, -EUCLEAN: *what is impossible, and its value; -ENOTSUP. */
int ext2_geometry_set(struct volume *vol, const char **what, unsigned long *value);
/* The groups of one block of descriptors can be where it says. */
bool ext2_descriptors_sound(struct volume *vol, uint32_t block);
struct ext2_group *ext2_group(struct volume *vol, uint32_t group);
bool ext2_group_has_super(const struct volume *vol, uint32_t group);
/* Where a superblock lies: the device's sectors that are read and written, and how far in. */
struct ext2_super_place {
	sector_t sector;
	uint32_t sectors, offset;
};
struct ext2_super_place ext2_super_at(const struct volume *vol, uint64_t byte);

/* ---- backup.c ---- */
/*
 * Looks where mke2fs puts them for a backup of a superblock that is wrong, as err and the words say; then the volume
 * has that, and its geometry. Else err: -EINVAL (no magic number), -EUCLEAN, or of reading it; or -ENOMEM.
 */
int ext2_backup_super(struct volume *vol, int err, const char *why, unsigned long value);
/* Reads this block of descriptors from a backup: 0, -EUCLEAN. */
int ext2_backup_descriptors(struct volume *vol, uint32_t block);

/* ---- settle.c ---- */
/*
 * Gives back what was unlinked: commits, drops links, deletes files without any, frees blocks. No lock held. 0 or the
 * first error.
 */
int volume_settle(struct volume *vol);
/* Time stamps too, then everything durable. -EIO also if any FLUSH of the device has failed meanwhile. */
int volume_sync(struct volume *vol);
/* The thread that commits every few seconds, and settles when it is kicked. 0, -ENOMEM. */
int ext2_settler_start(struct volume *vol);
int ext2_settler_stop(struct volume *vol);
void ext2_settler_kick(struct super *super);
/* A FLUSH failed: tells every file written since the last good one; or one file, whatever it has written. Neither
 * sleeps. */
void ext2_flush_failed(struct volume *vol, int err);
void ext2_file_flush_failed(struct volume *vol, uint32_t ino, int err);

/* ---- recover.c: a volume that was not unmounted ---- */
/*
 * Makes bitmaps, counts and links agree with the inodes and their names. What no name leads to is removed, or with
 * remove false kept and counted in volume.unnamed. 0, -EUCLEAN (two inodes claim a block, or the like: e2fsck's work),
 * -EIO, -ENOMEM.
 */
int ext2_recover(struct volume *vol, bool remove);
/* Finishes what is in the orphan list. */
int ext2_orphans_process(struct volume *vol);

/* ---- balloc.c ---- */
/* Inside the volume and not a bitmap, an inode table, a superblock or a descriptor. */
bool ext2_block_valid(struct volume *vol, fsblk_t block);
/* All of these are. */
bool ext2_run_valid(struct volume *vol, fsblk_t first, uint32_t count);
uint32_t ext2_group_blocks(const struct volume *vol, uint32_t group);
static inline fsblk_t ext2_group_start(const struct volume *vol, uint32_t group)
{
	return vol->first_block + group * vol->blocks_per_group;
}
/* 1 .. want adjacent blocks, at goal or else as near as can be. -ENOSPC, -EIO. One credit. */
int ext2_blocks_alloc(struct txn *t, fsblk_t goal, uint32_t want, fsblk_t *first, uint32_t *count);
/* One out of the way of what grows: from the end of the goal's group. -ENOSPC, -EIO. One credit. */
int ext2_block_alloc_apart(struct txn *t, fsblk_t goal, fsblk_t *block);
/* Blocks that nothing points to: free at once. One credit a group. */
int ext2_blocks_release(struct txn *t, fsblk_t first, uint32_t count);
fsblk_t ext2_blocks_goal(struct volume *vol, uint32_t ino);
/* Zeros onto the card, synchronously. Under the transaction. */
int ext2_blocks_zero(struct volume *vol, fsblk_t first, uint32_t count);
/* Free ones but those that the volume reserves, which nobody gets. */
uint32_t ext2_blocks_available(struct volume *vol);

/* ---- window.c ---- */
/* Once the group descriptors are known. 0, -ENOMEM; kfree takes vol->alloc back. */
int ext2_alloc_init(struct volume *vol);
/*
 * 1 .. want adjacent blocks for the file's block lblk and those behind it: where the file goes on if lblk is such a
 * place, else at goal or as near as can be. follows: the file has the block before, so it seems to grow there, and gets
 * a reservation window. -ENOSPC, -EIO. One credit.
 */
int ext2_window_alloc(struct txn *t, uint32_t ino, uint32_t lblk, fsblk_t goal, bool follows, uint32_t want,
		      fsblk_t *first, uint32_t *count);
/* Where the file goes on at lblk, or 0: not known. Under the transaction. */
fsblk_t ext2_window_goal(struct volume *vol, uint32_t ino, uint32_t lblk);
/* Gives back the file's windows: it is cut. Under the transaction. */
void ext2_windows_drop(struct volume *vol, uint32_t ino);
/* inode_ops.closed: the same, soon. Any context. */
void ext2_windows_close(struct inode *inode);

/* ---- ialloc.c ---- */
int ext2_inode_alloc(struct txn *t, const struct inode *parent, bool directory, uint32_t *ino); // one credit
int ext2_inode_release(struct txn *t, uint32_t ino, bool directory);				// one credit

/* ---- inode.c ---- */
/* Where an inode lies. ino is in range. */
fsblk_t ext2_inode_place(struct volume *vol, uint32_t ino, uint32_t *offset);
/* super_ops: make, load, write_out, keeps. */
struct inode *ext2_inode_make(struct super *super);
int ext2_inode_load(struct inode *inode, bool orphan);
int ext2_write_out(struct inode *inode);
bool ext2_keeps(const struct inode *inode);
extern const struct inode_ops ext2_inode_ops; // super.c
/* The block of the inode table, held: got before anything is changed so that storing cannot fail. One credit. */
int ext2_inode_begin(struct txn *t, struct inode *inode, struct buffer **itable);
/* Encodes the inode into it and puts it. */
void ext2_inode_store(struct txn *t, struct inode *inode, struct buffer *itable);
/* A transaction of its own for the above. */
int ext2_inode_write(struct inode *inode);
/* A change of the running batch is the inode's, though not in its table: who syncs it commits that. */
void ext2_inode_join(struct txn *t, struct inode *inode);
/* Only if the size in memory is not what was stored: a call that changed it could not. */
int ext2_inode_write_size(struct inode *inode);
/* Only if the time stamps in memory are newer. */
int ext2_inode_write_times(struct inode *inode);
/* -EUCLEAN: the number's last user is still there, though its bitmap says that there is none. */
int ext2_inode_check_free(struct inode *inode, struct buffer *itable);
/* Wipes what the number's last user left. For a fresh inode, before the first store. */
void ext2_inode_wipe(struct inode *inode, struct buffer *itable);

/* ---- bmap.c ---- */
/*
 * Block `lblk` of the file and how many follow it adjacent on the card, at most max: *run >= 1. *block 0: a hole of
 * *run blocks. -EIO, -EUCLEAN; never a hole instead.
 */
int ext2_bmap(struct inode *inode, uint32_t lblk, uint32_t max, fsblk_t *block, uint32_t *run);
int ext2_place(struct inode *inode, uint64_t offset, uint64_t *at, uint64_t *len); // inode_ops.place
/* What the card has of a new block of a file before anything points to it (I6): zeros, at once; or its page, if that is
 * written before the commit, which else writes zeros (fs/ext2/newblocks.h). */
enum ext2_contents { EXT2_ZEROS, EXT2_PAGE };
/*
 * Makes the hole at lblk into blocks; *run of them, at most max. Where there is no hole, *run is how far not. The size
 * on the card becomes the end of the last block or `size`, whichever is less, if that is more than it was.
 */
int ext2_bmap_alloc(struct inode *inode, uint32_t lblk, uint32_t max, uint64_t size, enum ext2_contents contents,
		    uint32_t *run);
/* The same for [first, end): *reached is where it ended, also with an error. */
int ext2_bmap_alloc_range(struct inode *inode, uint32_t first, uint32_t end, uint64_t size, enum ext2_contents contents,
			  uint32_t *reached);

/* How many blocks so many bytes take. */
static inline uint32_t ext2_blocks_of(const struct volume *vol, uint64_t size)
{
	return (size + vol->block_size - 1) >> vol->block_shift;
}

/* ---- unmap.c ---- */
/*
 * Takes blocks of [first, *end) away, in one transaction that leaves a legal file: those of the last leaf of the tree
 * that has any, or an indirect block that is empty. *end goes down to where the range is done with, *low to the first
 * block that went, which may be lower; *more: there may be others. The size on the card becomes `size` if it was more.
 * Nothing is written to the blocks any more when it returns. Operation lock held; no store adds blocks to the range:
 * map_lock owned, or nobody else has the inode.
 */
int ext2_unmap(struct inode *inode, uint32_t first, uint32_t *end, uint64_t size, uint32_t *low, bool *more);

/* ---- truncate.c ---- */
/* Gives back all blocks beyond `size`, which becomes the size on the card if that was more. Operation lock held,
 * object.map_lock owned or nobody else has the inode. */
int ext2_truncate_blocks(struct inode *inode, uint64_t size);
/* Changes the size either way, with everything it takes. Operation lock held, map_lock not. */
int ext2_resize(struct inode *inode, uint64_t size);
/* Makes ready for a larger size, which the caller then sets: map_lock owned. */
int ext2_extend_tail(struct inode *inode, uint64_t size);
/* Takes back blocks that were allocated beyond the end for nothing. map_lock owned. */
void ext2_extend_undo(struct inode *inode);
/* inode_ops: grow, grow_end. */
int ext2_grow(struct inode *inode, uint64_t at, size_t *len, uint64_t end);
int ext2_grow_end(struct inode *inode);
/* Finishes a truncation that failed, so that no file with a name stays in the orphan list. No lock held. */
int ext2_truncate_finish(struct inode *inode);
/* A file that has no links: blocks and the inode itself. Nobody else has it. */
int ext2_inode_delete(struct inode *inode);

/* ---- falloc.c: operation lock held, map_lock not. Also -EROFS, -EIO ---- */
/* inode_ops: fallocate, next_data. */
int ext2_fallocate_mode(struct inode *inode, int mode, uint64_t offset, uint64_t len);
int ext2_next_data(struct inode *inode, uint64_t *offset, bool hole);
/* Blocks for the range, and the size that goes with it; stores there need no others. -ENOSPC: a part of it may be done.
 * -EFBIG. */
int ext2_fallocate(struct inode *inode, uint64_t offset, uint64_t len);
/*
 * The same without changing the size. -EOPNOTSUPP: that would leave blocks beyond the end, which ext2 must not have;
 * nothing is changed.
 */
int ext2_fallocate_inside(struct inode *inode, uint64_t offset, uint64_t len);
/*
 * Makes the range a hole: whole blocks go, parts become zeros. For whoever maps, reads or writes the file it is one
 * step. After an error each byte is what it was, or zero.
 */
int ext2_punch(struct inode *inode, uint64_t offset, uint64_t len);
/* Makes the range zeros and allocates it. keep_size: as ext2_fallocate_inside. */
int ext2_zero_range(struct inode *inode, uint64_t offset, uint64_t len, bool keep_size);

/* ---- orphan.c ---- */
/* Two credits each (the predecessor changes too), counting the inode's own. */
int ext2_orphan_add(struct txn *t, struct inode *inode, struct buffer *itable);
int ext2_orphan_remove(struct txn *t, struct inode *inode);
uint32_t ext2_orphan_next(struct inode *inode);

/* ---- dir.c ---- */
struct ext2_slot {
	fsblk_t block;
	uint32_t lblk; // that block's, in the directory
	uint32_t offset;
	uint32_t ino;
	uint8_t type;
};
/* It has an index that may be used. */
bool ext2_dir_indexed(const struct inode *dir);
int ext2_dir_find(struct inode *dir, const char *name, unsigned len, struct ext2_slot *slot); // -ENOENT
/*
 * Room for this name, which the next ext2_dir_add finds. May commit. volume.names_lock held until that, so that no name
 * goes in between.
 */
int ext2_dir_make_room(struct inode *dir, const char *name, unsigned len);
/* These change one block each and leave the directory's inode to the caller. */
int ext2_dir_add(struct txn *t, struct inode *dir, const char *name, unsigned len, uint32_t ino, mode_t mode);
int ext2_dir_remove(struct txn *t, struct inode *dir, const struct ext2_slot *slot);
int ext2_dir_replace(struct txn *t, struct inode *dir, const struct ext2_slot *slot, uint32_t ino, mode_t mode);
int ext2_dir_is_empty(struct inode *dir); // 0, -ENOTEMPTY or an error
/* The entry at or after *offset, which moves past it: 1, 0 at the end, negative errno. 0 is the beginning; others are
 * what was found there, below 2^63. */
struct ext2_name {
	uint32_t ino;
	uint8_t type;
	unsigned len;
	char name[EXT2_NAME_MAX + 1];
};
int ext2_dir_next(struct inode *dir, uint64_t *offset, struct ext2_name *entry);
/* Calls visit for each entry in use, with a buffer held; stops at an error. The name is not terminated. */
int ext2_dir_visit(struct inode *dir,
		   int (*visit)(void *arg, const struct ext2_slot *slot, const char *name, unsigned len), void *arg);
void ext2_dir_init_block(struct volume *vol, void *data);
void ext2_dir_init_first(struct volume *vol, void *data, uint32_t self, uint32_t parent);
uint8_t ext2_file_type(mode_t mode);

/* ---- names.c, rename.c: inode_ops ---- */
int ext2_next_entry(struct inode *dir, uint64_t *offset, struct dir_entry *entry);
int ext2_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out);
int ext2_create(struct inode *dir, const char *name, unsigned len, mode_t mode, const char *target, struct inode **out);
int ext2_link(struct inode *dir, const char *name, unsigned len, struct inode *inode);
int ext2_unlink(struct inode *dir, const char *name, unsigned len, struct inode *victim);
int ext2_rename(const struct rename *r);
int ext2_readlink(struct inode *inode, char *buf, size_t size);
/* A subdirectory came (1) or went (-1). A count of 1 is "too many to count" (dir_nlink). */
void ext2_count_subdirectory(struct inode *dir, int change);
/* It takes no more: -EMLINK. */
bool ext2_subdirectories_full(const struct inode *dir);
/*
 * Before a name of it goes: a further one that the running batch has is on the card. A cut must not let the removal
 * through and the addition not. 0, or the commit's error.
 */
int ext2_names_commit(struct inode *inode);
/* It is a symbolic link whose target lies in the inode. */
bool ext2_link_is_short(const struct inode *inode);
/*
 * A name of the inode goes in this batch, and `links` of its count with it: with a journal at once, an inode without
 * any into the orphan list; on plain ext2 after the commit, by a list that takes a reference. The first may fail, for
 * *itable, which the second puts. One credit.
 */
int ext2_drop_begin(struct txn *t, struct inode *inode, struct buffer **itable);
void ext2_drop(struct txn *t, struct inode *inode, uint32_t links, struct buffer *itable);

/* ---- data.c ---- */
extern const struct pcache_ops ext2_data_ops;
int ext2_data_init(void);
/*
 * Writes the pages from the file's first new block of the batch to its last one, lest the commit write zeros there.
 * What fails stays dirty, and is told. Sleeps; below map_lock. 0.
 */
int ext2_write_new_of(struct inode *inode);
/* Of all files. Holds nothing. */
void ext2_write_new(struct volume *vol);
/* The metadata needed to find what was written, and a FLUSH if one is due. */
int ext2_sync(struct inode *inode);
