// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Starting the rooms above the scheduler, inside a run. A room that does not start fails the run. */
#include "fs/buffer.h"
#include "fs/fs.h"
#include "mm/map.h"
#include "mm/pcache.h"
#include "tests/host/harness.h"

void harness_start_mm(void)
{
	assert_int_equal(pcache_init(), 0);
	assert_int_equal(map_init(), 0);
	if (harness_config()->cache_pages)
		pcache_limit(harness_config()->cache_pages);
}

void harness_start(void)
{
	struct blkdev *disk = harness_start_disk(), *partition = blkdev_next(disk);

	harness_start_mm();
	buffer_cache_init(harness_config()->fs_buffers);
	assert_int_equal(fs_init(), 0);
	assert_int_equal(fs_mount_root(partition ? partition : disk, disk->read_only), 0);
}

int harness_stop(void)
{
	return fs_unmount_all();
}
