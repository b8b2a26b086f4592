// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A file system in memory: /tmp. Names are trees of entries, each of which holds a reference to its inode, so that
 * this stays in memory; regular files are memory objects (mm/shm.h). All of it, data and names, is promised as private
 * memory is (mm/commit.c), so a full /tmp takes nothing that was promised to the application; what cannot be promised,
 * and what is beyond the size given at the mount, is -ENOSPC.
 */
#pragma once

#include "fs/super.h"

/*
 * options: those of mount(2) as text, "size=...,nr_inodes=...,mode=...", or NULL. A size is in bytes, with a k, m or g
 * behind it, or a % of RAM; without, half of RAM, and as many inodes as that has pages. -EINVAL, -ENOMEM.
 */
int tmpfs_mount(const char *options, bool read_only, struct super **out);
/* Starts the thread that frees what was deleted. 0, -ENOMEM. */
int tmpfs_init(void);
