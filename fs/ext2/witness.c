// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A card that was taken out may come back changed: another system mounted it, or checked it. Both leave that in the
 * superblock, in fields that we write when we mount and then no more. So a change is told from one that is under way by
 * us. What is written around the file system is not seen. Nothing sleeps.
 */
#include <string.h>

#include "drivers/block/blkdev.h"
#include "fs/ext2/ext2.h"

static_assert(offsetof(struct ext2_super, last_mounted) + 64 <= SECTOR_SIZE, "one sector tells");

static bool is_as_left(const struct blk_witness *witness, const void *data)
{
	const struct volume *vol = container_of(witness, struct volume, witness.blk);
	const struct ext2_super *es = data;

	return es->magic == EXT2_MAGIC && es->mount_time == vol->witness.mount_time &&
	       es->mount_count == vol->witness.mount_count && es->last_check == vol->witness.last_check &&
	       !memcmp(es->uuid, vol->witness.uuid, sizeof(es->uuid)) &&
	       !memcmp(es->last_mounted, vol->witness.last_mounted, sizeof(es->last_mounted));
}

void ext2_witness_start(struct volume *vol)
{
	const struct ext2_super *es = &vol->es;

	if (vol->rescued)
		return; // the card's is damaged
	vol->witness.blk = (struct blk_witness){.sector = EXT2_SUPER_OFFSET / SECTOR_SIZE, .same = is_as_left};
	vol->witness.mount_time = es->mount_time;
	vol->witness.mount_count = es->mount_count;
	vol->witness.last_check = es->last_check;
	memcpy(vol->witness.uuid, es->uuid, sizeof(es->uuid));
	memcpy(vol->witness.last_mounted, es->last_mounted, sizeof(es->last_mounted));
	blk_witness_set(vol->super.dev, &vol->witness.blk);
}

void ext2_witness_stop(struct volume *vol)
{
	blk_witness_set(vol->super.dev, NULL);
}
