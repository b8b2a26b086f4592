// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What is mounted where. */
#pragma once

#include "fs/namei.h"

/*
 * The write gate, before every other lock (I2): each call that changes the volume enters it first and leaves it last,
 * so that an unmount, which closes it and waits until all have left, cuts none in half. Who comes while it is closed
 * sleeps until the unmount has ended. 0, or -EIO: unmounted. Nothing is locked then; counts as a lock held, and a
 * thread enters once. The caller has an inode of the volume referenced.
 */
int super_write_begin(struct super *super);
void super_write_end(struct super *super);

/* The directory at "/", referenced. Without a card it is an empty one. */
struct inode *mount_root(void);
/* What was mounted last on a name in the directory: its root, referenced; NULL: nothing. Does not sleep. */
struct inode *mount_find(struct inode *dir, const char *name, unsigned len);
/* Where the root of a mounted file system lies: the directory above, referenced. Of "/" itself. Does not sleep. */
struct inode *mount_above(const struct inode *root);
/* And the name that it is mounted on there, of NAME_BYTES_MAX + 1 bytes. False: it is "/", or unmounted. */
bool mount_name(const struct inode *root, char *name);
/* Everything that was changed is durable after it. -EIO: unmounted. */
int super_sync(struct super *super);

/* A mounted file system as it is shown: nth in order of mounting, false behind the last. */
struct mount_info {
	char device[32], type[16], path[PATH_SIZE];
	bool read_only;
};
bool mount_nth(unsigned n, struct mount_info *out);
/* The nth kind that mount(2) knows, and whether it needs a device; NULL behind the last. */
const char *mount_type_nth(unsigned n, bool *needs_device);

/*
 * Puts a file system in its place, over what is mounted there already. dir NULL: a name in the root, which hides what
 * the card has of that name; name NULL too: the root itself. Takes over nothing: dir is referenced anew. path is shown.
 * 0, -ENOMEM, -EBUSY (there is a root).
 */
int mount_add(struct super *super, struct inode *dir, const char *name, const char *path);

/* Who mounts or unmounts something locks all mounts, before all other locks of fs/. May sleep. */
void mounts_lock(void);
void mounts_unlock(void);
/* Locked: forgets what was unmounted with files open that are closed now. */
void mounts_release(void);
/* Mounts a tmpfs on /tmp, whatever the card has of that name. At start. 0, -ENOMEM. */
int mount_tmp(void);
