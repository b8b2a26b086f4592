// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Inodes in memory. One struct inode for each file, directory, link, device or pipe that is open, mapped or was lately
 * used; it carries the page-cache object of what has pages. A file system embeds it at the beginning of its own.
 *
 * Life: inode_get loads it (or finds it) with a reference; inode_put drops one. Without references it stays in the
 * LRU with its pages, until others push it out. One with no links left is removed by its file system, in the open.
 */
#pragma once

#include <sys/stat.h>

#include "fs/super.h"
#include "mm/pcache.h"

#define NAME_BYTES_MAX 255 // of a name

/* What chattr calls i and a; the same bits in every file system. */
#define INODE_IMMUTABLE 0x10u
#define INODE_APPEND 0x20u
/* In memory only: where it lies is known elsewhere (fs/crash.c), so it stays as it is. */
#define INODE_FIXED 0x80000000u
#define INODE_FROZEN (INODE_IMMUTABLE | INODE_FIXED)

struct file;
struct file_ops;
struct rename;

struct inode_time {
	int64_t sec;
	uint32_t nsec;
};

/* An entry of a directory, as it is read. */
struct dir_entry {
	uint64_t ino;
	uint8_t type; // DT_* of <dirent.h>; 0: unknown
	unsigned len;
	char name[NAME_BYTES_MAX + 1]; // terminated
};

/*
 * What a kind of file system does with one of its inodes. NULL where it never does: -EPERM then. Names have 1 to 255
 * bytes without slash or NUL, need no terminator, and are not "." or "..". All may sleep. Of directories, and locked as
 * said, "locked" being the operation lock; names: super.names_lock is held as well.
 */
struct inode_ops {
	/* dir locked. -ENOENT. "..", too. */
	int (*lookup)(struct inode *dir, const char *name, unsigned len, struct inode **out);
	/*
	 * dir locked, names. A new file, directory, or symbolic link (target, terminated) of this mode and type; the
	 * name is not there.
	 */
	int (*create)(struct inode *dir, const char *name, unsigned len, mode_t mode, const char *target,
		      struct inode **out);
	/* dir and inode locked, names. One more name, which is not there. */
	int (*link)(struct inode *dir, const char *name, unsigned len, struct inode *inode);
	/* dir and victim locked, names. The name that leads to victim goes; a directory's is empty or -ENOTEMPTY. */
	int (*unlink)(struct inode *dir, const char *name, unsigned len, struct inode *victim);
	/* All inodes of it locked, names. */
	int (*rename)(const struct rename *r);
	/* dir locked. The entry at or after *offset, which moves past it: 1, 0 at the end, negative errno. */
	int (*next_entry)(struct inode *dir, uint64_t *offset, struct dir_entry *entry);

	/* Of a symbolic link: its target into `size` bytes, terminated; its length. Nothing locked. */
	int (*readlink)(struct inode *inode, char *buf, size_t size);

	/* mode, uid, gid or time stamps have changed in memory. Locked. */
	int (*store)(struct inode *inode);

	/*
	 * Of a regular file, locked. Changes the size either way; -EFBIG, -ENOSPC. fallocate: `mode` as in <fcntl.h>,
	 * with arguments that were checked against size_max. next_data: from *offset, inside the file, to the next
	 * byte that may be other than a hole, or is one: -ENXIO if there is none before the end.
	 */
	int (*resize)(struct inode *inode, uint64_t size);
	int (*fallocate)(struct inode *inode, int mode, uint64_t offset, uint64_t len);
	int (*next_data)(struct inode *inode, uint64_t *offset, bool hole);
	/* Where the byte at offset, inside the file, lies on the device, and how far it goes on there: -ENXIO: a hole.
	 */
	int (*place)(struct inode *inode, uint64_t offset, uint64_t *at, uint64_t *len);
	/*
	 * Before a write from `at` that goes beyond the end, map_lock owned: room for *len bytes there, less if it is
	 * short of space; `end` is where the whole call means to come to. The caller then raises object.size.
	 * grow_end: once it is done, or has failed; map_lock owned. Takes back what was got for nothing, stores the
	 * size.
	 */
	int (*grow)(struct inode *inode, uint64_t at, size_t *len, uint64_t end);
	int (*grow_end)(struct inode *inode);

	/* Metadata, and what was written, durable. fsync of what has no pages. Nothing locked. */
	int (*sync)(struct inode *inode);
	/* The time stamps, if they are newer in memory. Nothing locked, inside the gate. */
	int (*write_times)(struct inode *inode);
	/* An open file of it that could be written is no longer open. Inside the gate; does not sleep. */
	void (*closed)(struct inode *inode);

	/* Of a block device: an open file of it more, and less. Nothing locked. close: what kept it from being written.
	 */
	int (*open)(struct inode *inode, bool writable);
	int (*close)(struct inode *inode, bool writable);
};

struct rename {
	struct inode *from, *to; // directories; may be the same
	const char *name, *to_name;
	unsigned len, to_len;
	struct inode *inode, *victim; // victim: what the new name leads to now, or NULL
	bool exchange;		      // both names stay, and change places; victim is there
};

struct inode {
	struct super *super;
	const struct inode_ops *ops;
	const struct file_ops *file_ops; // of open files of it; NULL: a regular file, a directory or a link
	void *device;	     // whose it is; a struct blkdev of a block device; a pipe, guarded by lock, NULL: not open
	const void *private; // its file system's, constant
	uint32_t ino;

	/* Guarded by the inode cache's lock. */
	struct list_node hash_node, lru_node;
	unsigned refs;
	bool busy;    // being loaded or thrown out: others wait
	bool doomed;  // in the list of those to remove
	bool removed; // its contents are gone already
	bool stuck;   // it could not be removed: nobody has it, and refs is 1

	struct list_node locks;	   // advisory ones; guarded by fs/locks.c's lock
	struct list_node dentries; // names in it that were looked up; guarded by the dentry cache's lock
	atomic_uint mounts; // of a directory: how many are on names in it; relaxed: 0 for sure if one holds its lock

	/*
	 * Operation lock: held through each call that changes the file or, of a directory, reads it. Faults never take
	 * it. Before map_lock (I2); more than one only under super.names_lock.
	 */
	struct mutex lock;
	struct pcache_object object; // its ops are NULL where there are no pages; its size is the file's

	/* Changed with lock held; each may be read alone without it. */
	_Atomic(uint16_t) mode;
	atomic_uint uid, gid;
	uint32_t flags;	   // INODE_*
	uint64_t rdev;	   // st_rdev of a device
	atomic_uint links; // names; relaxed without lock: a hint
	/* Of a regular file as its file system last took it from object.size; of the others it is the size. */
	atomic_uint_least64_t size;
	atomic_uint_least64_t sectors; // 512-byte units that it takes

	/* Guarded by time_lock. */
	struct spinlock time_lock;
	struct inode_time atime, mtime, ctime, crtime;
	atomic_bool times_dirty; // newer than on the card; relaxed: without the lock it is a hint
};

static inline struct inode *inode_of(struct pcache_object *object)
{
	return container_of(object, struct inode, object);
}

/* It is a regular file with pages in the cache, or a block device. */
static inline bool inode_has_pages(const struct inode *inode)
{
	return inode->object.ops;
}

/* As of now. Any context. */
static inline uint64_t inode_size(const struct inode *inode)
{
	return atomic_load_explicit(inode_has_pages(inode) ? &inode->object.size : &inode->size, memory_order_relaxed);
}

/* 0, -EUCLEAN (no such inode, or a damaged one), -EIO, -ENOMEM. */
int inode_get(struct super *super, uint32_t ino, struct inode **out);
/* The same where no links are expected. */
int inode_get_orphan(struct super *super, uint32_t ino, struct inode **out);
/* The memory for a new one, before it has a number; kfree takes it back. NULL: none, even with eviction. */
struct inode *inode_make(struct super *super);
/*
 * It gets its freshly allocated number, the operations of its pages (NULL: it has none), and is found by it. False:
 * the number is in use.
 */
bool inode_add(struct inode *inode, uint32_t ino, const struct pcache_ops *ops);
struct inode *inode_ref(struct inode *inode);
/* Never sleeps. NULL is fine. */
void inode_put(struct inode *inode);
/* pcache_ops.ref: of mappings, which are users of the file system. */
void inode_object_ref(struct pcache_object *object, int delta);

/* mtime and ctime, or only ctime, are now. In memory. */
void inode_touch(struct inode *inode, bool modified);
/* atime too, for one that is new. */
void inode_touch_new(struct inode *inode);
/* A new one in a directory whose set-group-ID bit is set gets its group, and that bit if it is a directory. In memory.
 */
void inode_inherit(struct inode *inode, const struct inode *dir);
/* Takes over what stores through mappings owe the time stamps. */
void inode_take_stores(struct inode *inode);

/* Those of a volume without links or references: removed here. No lock held. 0 or the first error. */
int inodes_remove_doomed(struct super *super);
bool inodes_doomed(struct super *super);
/* Those without links that are still open or mapped, at unmount: their contents go, the struct stays for its users. */
int inodes_remove_unlinked(struct super *super);
/*
 * Forgets all of the volume that nobody references. dead: it is unmounted, and pages that could not be written are
 * named and dropped. -EBUSY: some are left.
 */
int inodes_forget(struct super *super, bool dead);

/* Calls visit for each inode of the volume in memory, with a reference and no lock; stops at an error. */
int inodes_visit(struct super *super, int (*visit)(struct inode *inode));
/* Calls visit for each inode of the volume, or the one with this number (0: all), under a spinlock. */
void inodes_visit_locked(struct super *super, uint32_t ino, void (*visit)(struct inode *inode, int arg), int arg);
/* Throws out unreferenced ones that have no pages and nothing to write, at most max: how many. */
size_t inodes_shrink(size_t max);
/* When there are more without references, the oldest are thrown out, several at once. For tests. */
void inodes_idle_limit(unsigned max);
void inodes_init(void);
