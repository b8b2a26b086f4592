// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

struct volume;

/*
 * The write gate, before every other lock (I2): each call that changes the volume enters it first and leaves it last,
 * so that an unmount, which closes it and waits until all have left, cuts none in half. Who comes while it is closed
 * sleeps until the unmount has ended. 0, or -EIO: unmounted. Nothing is locked then; counts as a lock held, and a
 * thread enters once. The caller has an inode of the volume referenced, or the volume from mount_root.
 */
int volume_write_begin(struct volume *vol);
void volume_write_end(struct volume *vol);

/* The volume at "/". NULL: none is mounted, or no more. */
struct volume *mount_root(void);
/* Wakes the thread that settles: something was unlinked for good. Any context. */
void mount_kick(void);
