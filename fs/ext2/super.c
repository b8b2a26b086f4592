// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mounting and unmounting: the superblock and the group descriptors, every number of theirs checked here and trusted
 * after (I8). While mounted for writing the volume is marked in use; a clean unmount takes the mark away. Sleeps.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"
#include "fs/ext2/zero.h"
#include "fs/fs.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"

#define DAMAGE_SAID_MAX 32

const struct inode_ops ext2_inode_ops = {
    .lookup = ext2_lookup,
    .create = ext2_create,
    .link = ext2_link,
    .unlink = ext2_unlink,
    .rename = ext2_rename,
    .next_entry = ext2_next_entry,
    .readlink = ext2_readlink,
    .store = ext2_inode_write,
    .resize = ext2_resize,
    .fallocate = ext2_fallocate_mode,
    .next_data = ext2_next_data,
    .grow = ext2_grow,
    .grow_end = ext2_grow_end,
    .sync = ext2_sync,
    .write_times = ext2_inode_write_times,
    .closed = ext2_windows_close,
};

struct feature {
	uint32_t bit;
	const char *name;
};

static const struct feature incompat_names[] = {
    {0x1, "compression"},  {0x2, "filetype"},	    {0x4, "needs_recovery"}, {0x8, "journal_dev"},
    {0x10, "meta_bg"},	   {0x40, "extents"},	    {0x80, "64bit"},	     {0x100, "mmp"},
    {0x200, "flex_bg"},	   {0x400, "ea_inode"},	    {0x1000, "dirdata"},     {0x2000, "metadata_csum_seed"},
    {0x4000, "large_dir"}, {0x8000, "inline_data"}, {0x10000, "encrypt"},    {0x20000, "casefold"},
};

static const struct feature ro_names[] = {
    {0x4, "btree_dir"},		 {0x8, "huge_file"},	    {0x10, "uninit_bg"},
    {0x80, "snapshot"},		 {0x100, "quota"},	    {0x200, "bigalloc"},
    {0x400, "metadata_csum"},	 {0x800, "replica"},	    {0x1000, "read-only"},
    {0x2000, "project"},	 {0x4000, "shared_blocks"}, {0x8000, "verity"},
    {0x10000, "orphan_present"},
};

static void log_features(const struct blkdev *dev, const char *what, uint32_t bits, const struct feature *names,
			 size_t count)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		const char *name = "unknown";

		if (!(bits & 1u << bit))
			continue;
		for (size_t i = 0; i < count; i++) {
			if (names[i].bit == 1u << bit)
				name = names[i].name;
		}
		log_error("ext2: %s: feature %s (bit %u) %s", dev->name, name, bit, what);
	}
}

int ext2_damaged(struct volume *vol, const char *format, ...)
{
	const unsigned said = atomic_fetch_add(&vol->damage_said, 1);
	char text[128];
	va_list ap;

	if (said < DAMAGE_SAID_MAX) {
		va_start(ap, format);
		vsnprintf(text, sizeof(text), format, ap);
		va_end(ap);
		log_error("ext2: %s: damaged: %s; run e2fsck%s", vol->super.name, text,
			  said + 1 == DAMAGE_SAID_MAX ? " (no more of this is said)" : "");
	}
	atomic_store(&vol->damaged, true);
	if (vol->es.errors != EXT2_ERRORS_CONTINUE && !atomic_exchange(&vol->super.read_only, true))
		log_error("ext2: %s: is read-only from now on", vol->super.name);
	return -EUCLEAN;
}

struct ext2_group *ext2_group(struct volume *vol, uint32_t group)
{
	const uint32_t per_block = vol->block_size / sizeof(struct ext2_group);

	return &vol->group_blocks[group / per_block][group % per_block];
}

void ext2_group_changed(struct volume *vol, uint32_t group)
{
	vol->group_dirty[group / (vol->block_size / sizeof(struct ext2_group))] = true;
	vol->super_dirty = true;
}

static bool is_power_of(uint32_t n, uint32_t base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

bool ext2_group_has_super(const struct volume *vol, uint32_t group)
{
	if (!(vol->es.feature_ro_compat & EXT2_RO_SPARSE_SUPER) || group <= 1)
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

static int bad(const struct blkdev *dev, const char *what, unsigned long value)
{
	log_error("ext2: %s: damaged superblock: %s %lu; run e2fsck, or e2fsck -b with a backup of it", dev->name, what,
		  value);
	return -EUCLEAN;
}

static int check_geometry(struct volume *vol)
{
	const struct ext2_super *s = &vol->es;
	const struct blkdev *dev = vol->super.dev;
	const uint32_t bits = vol->block_size * 8;

	if (s->first_data_block != (vol->block_size == 1024))
		return bad(dev, "first block", s->first_data_block);
	if (s->blocks_count <= s->first_data_block + 8)
		return bad(dev, "number of blocks", s->blocks_count);
	if ((uint64_t)s->blocks_count * vol->sectors_per_block > dev->sectors) {
		log_error("ext2: %s: the file system has %llu sectors and the device %llu: the card is too small for "
			  "it, or the image was cut; if neither, run e2fsck",
			  dev->name, (unsigned long long)s->blocks_count * vol->sectors_per_block,
			  (unsigned long long)dev->sectors);
		return -EUCLEAN;
	}
	if (s->blocks_per_group == 0 || s->blocks_per_group > bits || s->blocks_per_group % 8)
		return bad(dev, "blocks per group", s->blocks_per_group);
	if (vol->inode_size < EXT2_OLD_INODE_SIZE || vol->inode_size > vol->block_size ||
	    (vol->inode_size & (vol->inode_size - 1)))
		return bad(dev, "inode size", vol->inode_size);
	if (s->inodes_per_group == 0 || s->inodes_per_group > bits ||
	    s->inodes_per_group % (vol->block_size / vol->inode_size))
		return bad(dev, "inodes per group", s->inodes_per_group);
	if ((uint64_t)s->inodes_per_group * vol->inode_size / vol->block_size >= s->blocks_per_group)
		return bad(dev, "inodes per group", s->inodes_per_group);
	if ((uint64_t)vol->groups * s->inodes_per_group != s->inodes_count)
		return bad(dev, "number of inodes", s->inodes_count);
	if (vol->first_ino < EXT2_OLD_FIRST_INO || vol->first_ino > s->inodes_per_group)
		return bad(dev, "first inode", vol->first_ino);
	if (s->reserved_gdt_blocks > vol->block_size / 4)
		return bad(dev, "reserved descriptor blocks", s->reserved_gdt_blocks);
	if (1 + vol->gdt_blocks + s->reserved_gdt_blocks >= s->blocks_per_group)
		return bad(dev, "number of groups", vol->groups);
	if (s->reserved_blocks > s->blocks_count)
		return bad(dev, "reserved blocks", s->reserved_blocks);
	return 0;
}

/* -EINVAL: no ext2 here. */
static int check_super(struct volume *vol, bool read_only)
{
	const struct ext2_super *s = &vol->es;
	const struct blkdev *dev = vol->super.dev;
	const bool dynamic = s->rev_level >= EXT2_REV_DYNAMIC;
	const uint32_t incompat = dynamic ? s->feature_incompat & ~EXT2_INCOMPAT_KNOWN : 0;
	const uint32_t ro = dynamic ? s->feature_ro_compat & ~EXT2_RO_KNOWN : 0;
	uint64_t p;

	if (incompat & EXT2_INCOMPAT_RECOVER)
		log_error("ext2: %s: its journal holds changes to be replayed; run e2fsck on a PC first", dev->name);
	log_features(dev, "is not supported; make the volume with mke2fs -t ext2", incompat & ~EXT2_INCOMPAT_RECOVER,
		     incompat_names, array_size(incompat_names));
	if (incompat)
		return -ENOTSUP;
	if (s->log_block_size > 2) {
		log_error("ext2: %s: blocks of 1024 << %u bytes are not supported; use mke2fs -b 1024, 2048 or 4096",
			  dev->name, s->log_block_size);
		return -ENOTSUP;
	}
	vol->block_size = 1024u << s->log_block_size;
	if (vol->block_size < dev->block_size) {
		log_error("ext2: %s: blocks of %u bytes on a device with sectors of %u; use mke2fs -b 4096", dev->name,
			  vol->block_size, dev->block_size);
		return -ENOTSUP;
	}
	vol->block_shift = 10 + s->log_block_size;
	vol->sectors_per_block = vol->block_size / SECTOR_SIZE;
	vol->pointers = vol->block_size / 4;
	vol->blocks = s->blocks_count;
	vol->first_block = s->first_data_block;
	vol->blocks_per_group = s->blocks_per_group;
	vol->inodes = s->inodes_count;
	vol->inodes_per_group = s->inodes_per_group;
	vol->inode_size = dynamic ? s->inode_size : EXT2_OLD_INODE_SIZE;
	vol->first_ino = dynamic ? s->first_ino : EXT2_OLD_FIRST_INO;
	vol->filetype = dynamic && (s->feature_incompat & EXT2_INCOMPAT_FILETYPE);
	if (vol->blocks_per_group && vol->blocks > vol->first_block) {
		vol->groups = (vol->blocks - vol->first_block - 1) / vol->blocks_per_group + 1;
		vol->gdt_blocks = (vol->groups - 1) / (vol->block_size / sizeof(struct ext2_group)) + 1;
	}
	p = vol->pointers;
	/* The tree's reach, and the 32-bit count of 512-byte units. */
	vol->super.size_max =
	    min_of((EXT2_DIRECT + p + p * p + p * p * p) << vol->block_shift, (uint64_t)UINT32_MAX << 9);
	vol->super.size_max = min_of(vol->super.size_max, (uint64_t)UINT32_MAX << vol->block_shift);
	log_features(dev, "is not supported for writing", ro, ro_names, array_size(ro_names));
	if (check_geometry(vol))
		return -EUCLEAN;
	if (!read_only && (ro || dev->read_only)) {
		log_error("ext2: %s: %s", dev->name,
			  ro ? "can be mounted read-only; to write, make the volume with mke2fs -t ext2"
			     : "the device is read-only: is the card's lock on?");
		return -EROFS;
	}
	return 0;
}

static int read_super(struct volume *vol)
{
	const uint32_t sectors = PAGE_SIZE / SECTOR_SIZE;
	int err;

	if (vol->super.dev->sectors < sectors) {
		log_error("ext2: %s: a device of %llu sectors holds no file system", vol->super.name,
			  (unsigned long long)vol->super.dev->sectors);
		return -EINVAL;
	}
	vol->super_block = kmalloc(PAGE_SIZE);
	if (!vol->super_block)
		return -ENOMEM;
	err = blk_read(vol->super.dev, 0, vol->super_block, sectors);
	if (err) {
		log_error("ext2: %s: the superblock cannot be read (%d)", vol->super.name, err);
		return err;
	}
	memcpy(&vol->es, (char *)vol->super_block + EXT2_SUPER_OFFSET, sizeof(vol->es));
	if (vol->es.magic != EXT2_MAGIC) {
		log_error("ext2: %s: no ext2 file system here; make one with mke2fs -t ext2", vol->super.name);
		return -EINVAL;
	}
	return 0;
}

static int check_group(struct volume *vol, uint32_t group)
{
	const struct ext2_group *g = ext2_group(vol, group);
	const uint32_t start = ext2_group_start(vol, group), blocks = ext2_group_blocks(vol, group);
	const uint32_t itable = vol->inodes_per_group * vol->inode_size / vol->block_size;
	const uint32_t head = ext2_group_has_super(vol, group) ? 1 + vol->gdt_blocks + vol->es.reserved_gdt_blocks : 0;
	const uint32_t bb = g->block_bitmap - start, ib = g->inode_bitmap - start, it = g->inode_table - start;

	if (bb < head || ib < head || it < head || bb >= blocks || ib >= blocks || it >= blocks ||
	    itable > blocks - it || bb == ib || bb - it < itable || ib - it < itable || g->free_blocks > blocks ||
	    g->free_inodes > vol->inodes_per_group) {
		log_error("ext2: %s: damaged descriptor of group %u; run e2fsck", vol->super.name, group);
		return -EUCLEAN;
	}
	return 0;
}

static int read_groups(struct volume *vol)
{
	uint64_t free_blocks = 0, free_inodes = 0;

	vol->group_blocks = kzalloc(vol->gdt_blocks * sizeof(*vol->group_blocks));
	vol->group_dirty = kzalloc(vol->gdt_blocks * sizeof(*vol->group_dirty));
	if (!vol->group_blocks || !vol->group_dirty)
		return -ENOMEM;
	for (uint32_t i = 0; i < vol->gdt_blocks; i++) {
		sector_t sector = (sector_t)(vol->first_block + 1 + i) * vol->sectors_per_block;
		int err;

		vol->group_blocks[i] = kmalloc(vol->block_size);
		if (!vol->group_blocks[i])
			return -ENOMEM;
		err = blk_read(vol->super.dev, sector, vol->group_blocks[i], vol->sectors_per_block);
		if (err) {
			log_error("ext2: %s: group descriptors cannot be read (%d)", vol->super.name, err);
			return err;
		}
	}
	for (uint32_t group = 0; group < vol->groups; group++) {
		int err = check_group(vol, group);

		if (err)
			return err;
		free_blocks += ext2_group(vol, group)->free_blocks;
		free_inodes += ext2_group(vol, group)->free_inodes;
	}
	vol->es.free_blocks = free_blocks;
	vol->es.free_inodes = free_inodes;
	return 0;
}

/* As far as the field goes, to 2106. */
static uint32_t wall_seconds(void)
{
	return min_of(time_wall() / NSEC_PER_SEC, (uint64_t)UINT32_MAX);
}

static int write_super_block(struct volume *vol)
{
	const bool own_block = vol->block_size == 1024;
	char *from = (char *)vol->super_block + (own_block ? EXT2_SUPER_OFFSET : 0);

	vol->es.write_time = wall_seconds();
	memcpy((char *)vol->super_block + EXT2_SUPER_OFFSET, &vol->es, sizeof(vol->es));
	return blk_write(vol->super.dev, own_block ? EXT2_SUPER_OFFSET / SECTOR_SIZE : 0, from, vol->sectors_per_block);
}

int ext2_super_write(struct volume *vol, bool counts, bool *any)
{
	int err = 0;

	if (atomic_load(&vol->damaged) && !(vol->es.state & EXT2_STATE_ERROR)) {
		vol->es.state |= EXT2_STATE_ERROR;
		vol->super_urgent = true;
	}
	for (uint32_t i = 0; counts && i < vol->gdt_blocks && !err; i++) {
		sector_t sector = (sector_t)(vol->first_block + 1 + i) * vol->sectors_per_block;

		if (!vol->group_dirty[i])
			continue;
		*any = true;
		err = blk_write(vol->super.dev, sector, vol->group_blocks[i], vol->sectors_per_block);
	}
	if (!err && (vol->super_urgent || (counts && vol->super_dirty))) {
		*any = true;
		err = write_super_block(vol);
	}
	return err;
}

void ext2_super_clean(struct volume *vol, bool counts)
{
	vol->super_urgent = false;
	if (counts) {
		vol->super_dirty = false;
		memset(vol->group_dirty, 0, vol->gdt_blocks * sizeof(*vol->group_dirty));
	}
}

static void free_memory(struct volume *vol)
{
	for (uint32_t i = 0; vol->group_blocks && i < vol->gdt_blocks; i++)
		kfree(vol->group_blocks[i]);
	kfree(vol->group_blocks);
	kfree(vol->group_dirty);
	kfree(vol->alloc);
	kfree(vol->super_block);
	vol->group_blocks = NULL;
	vol->group_dirty = NULL;
	vol->alloc = NULL;
	vol->super_block = NULL;
}

/* What our mounts leave in the superblock and no other system's do. */
static void signature(const struct volume *vol, char *text)
{
	memset(text, 0, sizeof(vol->es.last_mounted));
	snprintf(text, sizeof(vol->es.last_mounted), "cairn, mount %u at %u", vol->es.mount_count, vol->es.mount_time);
}

static bool is_signed(const struct volume *vol)
{
	char text[sizeof(vol->es.last_mounted)];

	signature(vol, text);
	return !memcmp(text, vol->es.last_mounted, sizeof(text));
}

static int put_mark(struct volume *vol)
{
	const uint64_t failures = blk_flush_failures(vol->super.dev);
	int err = write_super_block(vol);

	if (!err)
		err = blk_flush(vol->super.dev);
	if (!err && blk_flush_failures(vol->super.dev) != failures)
		err = -EIO; // another thread's, which may have lost it
	if (err)
		log_error("ext2: %s: the superblock cannot be written (%d)", vol->super.name, err);
	return err;
}

/* Writes the mark of a volume in use, or takes it away. */
static int mark(struct volume *vol, bool in_use)
{
	if (in_use) {
		vol->es.state &= ~EXT2_STATE_VALID;
		vol->es.mount_count++;
		vol->es.mount_time = wall_seconds();
		if (vol->ours)
			signature(vol, vol->es.last_mounted);
	} else if (atomic_load(&vol->damaged)) {
		vol->es.state |= EXT2_STATE_ERROR;
	} else if (!vol->unnamed) {
		vol->es.state |= EXT2_STATE_VALID;
	}
	return put_mark(vol);
}

/*
 * Inodes without a name are removed only if the cut was our own: it is our order of writes that says that they are no
 * loss. A mount that finds others' and leaves none signs after that.
 */
static int make_writable(struct volume *vol)
{
	const bool unclean = vol->es.state != EXT2_STATE_VALID;
	int err;

	vol->ours = !unclean || (is_signed(vol) && !(vol->es.state & EXT2_STATE_ERROR));
	err = mark(vol, true);
	vol->marked = !err;
	if (!err && unclean) {
		log_warning("ext2: %s: was not unmounted; recounting from its inodes", vol->super.name);
		err = ext2_recover(vol, vol->ours);
	} else if (!err) {
		err = ext2_orphans_process(vol);
	}
	vol->indices = true;
	if (!err && !vol->ours && !vol->unnamed) {
		signature(vol, vol->es.last_mounted);
		err = put_mark(vol);
	}
	return err;
}

static int ext2_super_sync(struct super *super)
{
	return volume_sync(volume_of(super));
}

static int ext2_super_settle(struct super *super)
{
	return atomic_load(&super->read_only) ? 0 : volume_settle(volume_of(super));
}

static int ext2_space(struct super *super, struct fs_space *out)
{
	struct volume *vol = volume_of(super);

	mutex_lock(&vol->txn.lock);
	*out = (struct fs_space){
	    .block_size = vol->block_size,
	    .blocks = vol->blocks,
	    .blocks_free = vol->es.free_blocks,
	    .blocks_avail = ext2_blocks_available(vol),
	    .inodes = vol->inodes,
	    .inodes_free = vol->es.free_inodes,
	};
	mutex_unlock(&vol->txn.lock);
	return 0;
}

static const struct super_ops ext2_super_ops = {
    .type = "ext2",
    .make = ext2_inode_make,
    .load = ext2_inode_load,
    .write_out = ext2_write_out,
    .keeps = ext2_keeps,
    .remove = ext2_inode_delete,
    .kick = ext2_settler_kick,
    .sync = ext2_super_sync,
    .settle = ext2_super_settle,
    .space = ext2_space,
    .unmount = ext2_unmount,
    .release = ext2_release,
};

static struct volume *volume_make(struct blkdev *dev, bool read_only)
{
	struct volume *vol = kzalloc(sizeof(*vol));

	if (!vol)
		return NULL;
	vol->super.ops = &ext2_super_ops;
	vol->super.dev = dev;
	vol->super.name = dev->name;
	super_init(&vol->super, read_only);
	txn_log_init(&vol->txn);
	list_init(&vol->orphans);
	mutex_init(&vol->settle_lock, "settle");
	mutex_init(&vol->listing.lock, "listing");
	spin_init(&vol->settler.lock, "settler");
	waitq_init(&vol->settler.waitq);
	return vol;
}

static int get_root(struct volume *vol)
{
	int err = inode_get(&vol->super, EXT2_ROOT_INO, &vol->super.root);

	if (!err && !S_ISDIR(vol->super.root->mode))
		err = ext2_damaged(vol, "the root is no directory");
	return err;
}

int ext2_mount(struct blkdev *dev, bool read_only, struct super **out)
{
	struct volume *vol = volume_make(dev, read_only);
	int err;

	if (!vol)
		return -ENOMEM;
	err = read_super(vol);
	if (!err)
		err = check_super(vol, read_only);
	if (!err)
		err = read_groups(vol);
	if (!err)
		err = ext2_alloc_init(vol);
	if (!err)
		err = ext2_zero_init();
	if (!err)
		err = buffer_pool_make(dev, vol->block_size, &vol->buffers);
	if (err) {
		ext2_release(&vol->super);
		return err;
	}
	atomic_store(&vol->damaged, (vol->es.state & EXT2_STATE_ERROR) != 0);
	/* At least what it was when the volume was last written; the time of mounting may be from before it was set
	 * back. */
	time_set_wall((uint64_t)vol->es.write_time * NSEC_PER_SEC, CLOCK_FS);
	vol->indices = vol->es.state & EXT2_STATE_VALID;
	if (!read_only)
		err = make_writable(vol);
	if (!err && !read_only && atomic_load(&vol->super.read_only))
		err = -EUCLEAN; // it turned out damaged and asks not to be written then
	if (!err)
		err = get_root(vol);
	if (!err)
		err = ext2_settler_start(vol);
	if (err) {
		ext2_release(&vol->super);
		return err;
	}
	log_info("ext2: %s: mounted%s, %u blocks of %u bytes, %u free", dev->name, read_only ? " read-only" : "",
		 vol->blocks, vol->block_size, vol->es.free_blocks);
	*out = &vol->super;
	return 0;
}

/* Inodes whose removed names could not be taken from the card any more. */
static void drop_waiting(struct volume *vol)
{
	struct list_node *const lists[] = {&vol->txn.unlinked, &vol->txn.droppable};

	for (size_t i = 0; i < array_size(lists); i++) {
		struct list_node *node;

		while ((node = list_pop_front(lists[i])))
			inode_put(&list_entry(node, struct ext2_node, drop_node)->inode);
	}
}

void ext2_release(struct super *super)
{
	struct volume *vol = volume_of(super);

	atomic_store(&super->dead, true);
	drop_waiting(vol);
	inode_put(super->root);
	super->root = NULL;
	/* A failed mount leaves inodes of its own only. */
	(void)inodes_forget(super, true);
	buffer_pool_free(vol->buffers);
	free_memory(vol);
	kfree(vol);
}

int ext2_unmount(struct super *super)
{
	struct volume *vol = volume_of(super);
	int err = ext2_settler_stop(vol);

	/* Also for the transactions of those inside, and their faults', this waits; then there are no others. */
	rwlock_lock_write(&super->gate);
	atomic_store(&vol->unmounting, true);
	if (!err && !atomic_load(&super->read_only)) {
		err = volume_sync(vol);
		if (!err)
			err = inodes_remove_unlinked(super);
		if (!err)
			err = inodes_visit(super, ext2_truncate_finish);
		if (!err)
			err = volume_sync(vol);
	}
	atomic_store(&super->dead, true);
	if (!err && vol->marked)
		err = mark(vol, false);
	if (!err)
		vol->marked = false;
	drop_waiting(vol);
	rwlock_unlock_write(&super->gate);
	if (err)
		log_error("ext2: %s: not unmounted cleanly (%d): the next mount recounts, or run e2fsck", super->name,
			  err);
	return err;
}
