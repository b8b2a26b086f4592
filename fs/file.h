// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Open files, and the descriptors that stand for them. */
#pragma once

#include "fs/namei.h"

#define FDS_MAX 256

struct file {
	struct node node;	      // constant: what was opened
	int channel;		      // constant: of a device, which of its streams is written
	struct pcache_errors *errors; // constant: what it was told of a regular file's failed writes; else NULL
	atomic_int flags;	      // O_*
	atomic_uint refs;

	/* Guarded by lock, a mutex: read, write and seek keep the offset one. Before the inode's lock. */
	struct mutex lock;
	int64_t offset;
	struct readahead readahead;
};

/* 0, -ENOMEM, -EMFILE. Takes over the node. */
int file_open(const struct node *node, int flags, int *fd);
/* The open file behind a descriptor, referenced. -EBADF; -EIO: its volume is unmounted. */
int file_get(int fd, struct file **out);
/* The last one closes it, and is told if its time stamps cannot be written. Outside the write gate, which that enters.
 */
int file_put(struct file *file);

bool file_readable(const struct file *file);
bool file_writable(const struct file *file);
