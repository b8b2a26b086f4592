// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between the files of tmpfs: super.c (volumes), names.c (directories, links), data.c (regular files). */
#pragma once

#include "fs/inode.h"
#include "fs/tmpfs/tmpfs.h"
#include "lib/tree.h"
#include "mm/shm.h"

struct tmpfs {
	struct super super;
	struct list_node node;	// of those mounted; guarded by the list's mutex
	struct shm_limit pages; // of all files
	unsigned inodes_max;
	atomic_uint inodes;	  // relaxed: it stands for itself
	atomic_uint last_ino;	  // handed out; relaxed, the same
	struct mutex settle_lock; // held while what was deleted is freed, so that who waits for room waits for that

	/* Memory for inodes, entries and targets of links, promised in whole pages. */
	struct spinlock heap_lock;
	size_t heap_bytes, heap_pages; // guarded by it
};

struct tmpfs_node {
	struct inode inode;

	/* Guarded by the operation lock. Of a directory: */
	struct tree by_name, by_order; // struct tmpfs_entry
	uint64_t next_order;
	struct inode *parent; // alive as long as the directory has a name; NULL: it is unmounted
	/* Of a symbolic link; NULL: it is unmounted. */
	char *target;
};

/* A name. In the trees of its directory. */
struct tmpfs_entry {
	struct tree_node by_name;  // key: the name's hash
	struct tree_node by_order; // key: where readdir finds it, for as long as it is there
	struct inode *inode;	   // a reference
	unsigned len;
	char name[];
};

static inline struct tmpfs *tmpfs_of(struct super *super)
{
	return container_of(super, struct tmpfs, super);
}

static inline struct tmpfs_node *tmpfs_node(struct inode *inode)
{
	return container_of(inode, struct tmpfs_node, inode);
}

/* ---- super.c ---- */
/* kmalloc_wait and kfree with a promise. -ENOSPC: there is none, -ENOMEM. */
int tmpfs_alloc(struct tmpfs *fs, size_t size, void **out);
void tmpfs_free(struct tmpfs *fs, void *p, size_t size);
/* A new inode of this mode and type, with one link (a directory: two) and a reference. -ENOSPC, -ENOMEM. */
int tmpfs_node_make(struct tmpfs *fs, mode_t mode, const char *target, struct inode **out);

/* ---- names.c ---- */
extern const struct inode_ops tmpfs_names_ops; // of all but regular files
/* Takes all names out of a directory, and their references with them. Locked, or nobody has it. */
void tmpfs_dir_clear(struct inode *dir);
int tmpfs_store(struct inode *inode);
int tmpfs_sync(struct inode *inode);

/* ---- data.c ---- */
extern const struct inode_ops tmpfs_file_ops;
extern const struct pcache_ops tmpfs_data_ops;
/* All pages go. Nothing locked. */
void tmpfs_data_drop(struct inode *inode);

/* ---- options.c ---- */
struct tmpfs_options {
	size_t pages;
	unsigned inodes;
	mode_t mode; // of the root
};
/* Text as tmpfs_mount has it; what it does not say are the defaults. -EINVAL. */
int tmpfs_options_parse(const char *text, struct tmpfs_options *out);
