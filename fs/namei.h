// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* From a path to what it names. */
#pragma once

#include "fs/inode.h"

#define PATH_SIZE 4096 // with the NUL
#define LINKS_MAX 40   // symbolic links followed on one path

/* The directory that a path's last name is in, and that name. */
struct last_name {
	struct inode *dir; // referenced
	unsigned len;
	bool slash; // one follows: it can only be a directory
	char name[NAME_BYTES_MAX + 1];
};

/*
 * path is kernel memory and is used as scratch: PATH_SIZE bytes. at: the descriptor of the directory that it starts in
 * unless it starts with a slash; AT_FDCWD: the current one. follow: also a symbolic link at the end. The inode is
 * referenced. -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EBADF.
 */
int path_lookup(int at, char *path, bool follow, struct inode **out);
/*
 * The same up to the last name, which need not exist; follow: through a symbolic link there, to the name that it leads
 * to. -EEXIST: there is no last name (the root). "." and "..", as last names, are handed out.
 */
int path_parent(int at, char *path, bool follow, struct last_name *out);

/* The path of the application in a buffer to be freed with kfree. -EFAULT, -ENAMETOOLONG, -ENOENT (empty), -ENOMEM. */
int path_copy(const char *path, char **out);

/* What the name is in the directory, mounts not looked at. -ENOENT. Takes the directory's lock. */
int name_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out);

/* The directory above, mounts crossed; of the root itself. Takes over the reference. */
int dir_above(struct inode *dir, struct inode **out);
/* The current directory, referenced; and another one, whose reference is taken over. */
struct inode *cwd_get(void);
void cwd_set(struct inode *dir);
/* The path from the root to a directory, into size bytes. -ENOENT: it was removed, -ENAMETOOLONG. */
int dir_path(struct inode *dir, char *buf, size_t size);
void namei_init(void);
