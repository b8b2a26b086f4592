// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What all mounted file systems have, and the write gate, fs/mount.h. Sleeps, but for super_init. */
#include "fs/super.h"

#include <errno.h>

#include "fs/mount.h"

static atomic_uint last_id; // relaxed: it stands for itself

void super_init(struct super *super, bool read_only)
{
	super->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
	rwlock_init(&super->gate, "write gate");
	mutex_init(&super->names_lock, "names");
	list_init(&super->doomed);
	atomic_store(&super->read_only, read_only);
}

int super_write_begin(struct super *super)
{
	rwlock_lock_read(&super->gate);
	if (!atomic_load(&super->dead))
		return 0;
	rwlock_unlock_read(&super->gate);
	return -EIO;
}

void super_write_end(struct super *super)
{
	rwlock_unlock_read(&super->gate);
}

int super_sync(struct super *super)
{
	int err = super_write_begin(super);

	if (err)
		return err;
	err = super->ops->sync(super);
	super_write_end(super);
	return err;
}
