// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The names that were looked up lately, and what they lead to, or that there is none (negative entries). A cache before
 * the directories of slow file systems: it holds a reference to each inode, is bounded, and gives back under pressure.
 * An entry is added and taken away with the directory's operation lock held, by whoever looks a name up or changes it,
 * so that it never says what the directory does not; finding takes no lock but a spinlock. None sleeps, unless said.
 */
#pragma once

#include "fs/inode.h"

/* True: known; *out is referenced, or NULL if there is no such name. */
bool dentry_find(struct inode *dir, const char *name, unsigned len, struct inode **out);
/* inode NULL: there is no such name. Without memory nothing is remembered. */
void dentry_add(struct inode *dir, const char *name, unsigned len, struct inode *inode);
void dentry_remove(struct inode *dir, const char *name, unsigned len);
/* All of a volume go. */
void dentry_forget(struct super *super);
/* All names in a directory go, which is being removed. */
void dentry_forget_dir(struct inode *dir);
/* At most so many, a share of memory. */
void dentry_init(void);
/* At most this many from now on, at least one. For tests. */
void dentry_limit(size_t max);
/* Figures for /proc and tests. */
struct dentry_stats {
	size_t entries, negative, max;
	uint64_t hits, misses;
};
void dentry_stats(struct dentry_stats *out);
