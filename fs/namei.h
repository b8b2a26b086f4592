// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* From a path to what it names. Paths without a leading slash start at the root too: there is one directory to be in.
 */
#pragma once

#include "fs/dev.h"
#include "fs/inode.h"

#define PATH_SIZE 4096 // with the NUL
#define LINKS_MAX 40   // symbolic links followed on one path

struct synth;

/* What a path leads to: an inode (referenced), a device, or a synthetic directory or file (fs/synth.h). */
struct node {
	struct inode *inode;
	struct chardev *device;
	const struct synth *synth;
};
void node_put(struct node *node);

/* The directory that a path's last name is in, and that name. */
struct last_name {
	struct inode *dir; // referenced
	unsigned len;
	bool slash; // one follows: it can only be a directory
	char name[EXT2_NAME_MAX + 1];
};

/*
 * path is kernel memory and is used as scratch: PATH_SIZE bytes. follow: also a symbolic link at the end. -ENOENT,
 * -ENOTDIR, -ELOOP, -ENAMETOOLONG, -ENODEV (nothing is mounted).
 */
int path_lookup(char *path, bool follow, struct node *out);
/*
 * The same up to the last name, which need not exist; follow: through a symbolic link there, to the name that it leads
 * to. -EEXIST: there is no last name (the root). -EROFS: it is in /dev or /proc. "." and "..", as last names, are
 * handed out.
 */
int path_parent(char *path, bool follow, struct last_name *out);

/* The path of the application in a buffer to be freed with kfree. -EFAULT, -ENAMETOOLONG, -ENOENT (empty), -ENOMEM. */
int path_copy(const char *path, char **out);
