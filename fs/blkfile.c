// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Block devices as files, fs/blkfile.h. Pages go straight to and from the card, as many as lie side by side in one
 * request of a fixed pool; who finds none waits for one to end. The last page of a device may be cut by its end.
 *
 * Locks: blkfiles.mutex guards who has which device; opening and closing do I/O under it. pool.lock, a spinlock.
 */
#include "fs/blkfile.h"

#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "kernel/log.h"

#define FIRST_INO 0x10000u // those of other devices are below
#define REQUESTS 8
#define SEGMENTS 64

struct blkfile {
	struct synth row; // constant once it is shown, as is the next
	struct blkdev *dev;

	/* Guarded by blkfiles.mutex. */
	unsigned opens, writers;
	bool stored;  // it was open for writing, and is still mapped
	bool claimed; // mounted, or about to be

	atomic_uint maps; // who adds the first has it open

	atomic_uint_least64_t failures_told; // FLUSHes of the device that failed before its pages were told
};

static struct {
	struct mutex mutex;
	struct spinlock lock; // guards the count and the rows, which only become more
	struct blkfile files[BLKFILES_MAX];
	unsigned count;
} blkfiles = {.mutex = MUTEX_INIT(blkfiles.mutex, "block files"), .lock = SPINLOCK_INIT("block file rows")};

struct transfer {
	struct list_node node;
	struct blk_request request;
	struct blk_segment segments[SEGMENTS];
	struct page *pages[SEGMENTS];
};

static struct {
	struct spinlock lock;
	struct waitq waitq;
	struct list_node free;
	struct transfer transfers[REQUESTS];
} pool = {.lock = SPINLOCK_INIT("block file requests"), .waitq = WAITQ_INIT(pool.waitq)};

static struct blkfile *blkfile_of(struct pcache_object *obj)
{
	return container_of((const struct synth *)inode_of(obj)->private, struct blkfile, row);
}

/* ---- pages ---- */

static struct list_node *transfer_pop(void)
{
	unsigned long flags = spin_lock(&pool.lock);
	struct list_node *node = list_pop_front(&pool.free);

	spin_unlock(&pool.lock, flags);
	return node;
}

/* Transfers that are submitted together. */
struct transfer_list {
	struct blkfile *file;
	enum blk_priority priority;
	struct list_node requests;
};

/* Who waits for one has none that is not submitted. */
static struct transfer *transfer_take(struct transfer_list *list)
{
	struct list_node *node = transfer_pop();
	unsigned long flags;

	if (!node) {
		blk_submit_list(list->file->dev, &list->requests);
		flags = spin_lock(&pool.lock);
		while (!(node = list_pop_front(&pool.free)))
			waitq_wait(&pool.waitq, &pool.lock, &flags);
		spin_unlock(&pool.lock, flags);
	}
	return list_entry(node, struct transfer, node);
}

static void transfer_done(struct blk_request *request)
{
	struct transfer *t = request->arg;
	unsigned long flags;

	for (uint32_t i = 0; i < request->segment_count; i++) {
		if (request->op == BLK_READ)
			pcache_fill_done(t->pages[i], request->error, true);
		else
			pcache_write_done(t->pages[i], request->error);
	}
	flags = spin_lock(&pool.lock);
	list_push_front(&pool.free, &t->node);
	waitq_wake_one(&pool.waitq);
	spin_unlock(&pool.lock, flags);
}

/* At most SEGMENTS pages, side by side, none beyond the end. */
static void transfer_add(struct transfer_list *list, enum blk_op op, pgidx_t first, struct page **pages, size_t n)
{
	const struct blkfile *file = list->file;
	struct transfer *t = transfer_take(list);

	t->request = (struct blk_request){.op = op,
					  .priority = list->priority,
					  .sector = first * (PAGE_SIZE / SECTOR_SIZE),
					  .segments = t->segments,
					  .segment_count = (uint32_t)n,
					  .done = transfer_done,
					  .arg = t};
	for (size_t i = 0; i < n; i++) {
		const uint64_t start = (first + i) * PAGE_SIZE;
		const uint32_t len = (uint32_t)min_of(file->row.size - start, (uint64_t)PAGE_SIZE);

		if (op == BLK_READ)
			memset((char *)page_va(pages[i]) + len, 0, PAGE_SIZE - len);
		t->pages[i] = pages[i];
		t->segments[i] = (struct blk_segment){.pa = page_pa(pages[i]), .len = len};
		t->request.sectors += len / SECTOR_SIZE;
	}
	list_push_back(&list->requests, &t->request.node);
}

static void transfer_all(struct transfer_list *list, enum blk_op op, pgidx_t first, struct page **pages, size_t n)
{
	const size_t most = blk_piece_segments(list->file->dev, SEGMENTS);

	list_init(&list->requests);
	for (size_t i = 0, run; i < n; i += run) {
		run = min_of(n - i, most);
		transfer_add(list, op, first + i, pages + i, run);
	}
	blk_submit_list(list->file->dev, &list->requests);
}

static void fill(struct pcache_object *obj, pgidx_t first, struct page **pages, size_t n, bool awaited)
{
	struct transfer_list list = {.file = blkfile_of(obj), .priority = awaited ? BLK_URGENT : BLK_NORMAL};

	transfer_all(&list, BLK_READ, first, pages, n);
}

static void write(struct pcache_object *obj, pgidx_t first, struct page **pages, size_t n, bool awaited)
{
	struct transfer_list list = {.file = blkfile_of(obj), .priority = awaited ? BLK_NORMAL : BLK_BACKGROUND};

	transfer_all(&list, BLK_WRITE, first, pages, n);
}

/* All of it is there, as far as anybody may ask. */
static int reserve(struct pcache_object *obj, pgidx_t index, pgidx_t *end)
{
	(void)obj;
	(void)index;
	(void)end;
	return 0;
}

/* A FLUSH that failed, whoever asked for it, may have lost what was written here (I7). */
static int sync(struct pcache_object *obj)
{
	struct blkfile *file = blkfile_of(obj);
	int err = blk_flush(file->dev);
	const uint64_t failures = blk_flush_failures(file->dev);

	if (atomic_exchange(&file->failures_told, failures) != failures) {
		err = err ? err : -EIO;
		pcache_flush_failed(obj, err);
	}
	return err;
}

/* ---- who has it ---- */

/* Nobody has it any more: what was written goes to the card, and is forgotten. 0, or what kept it from that. */
static int leave(struct blkfile *file, struct pcache_object *obj)
{
	int err;

	file->stored = false;
	if (pcache_count(obj) == 0)
		return 0;
	err = pcache_sync_range(obj, 0, PGIDX_MAX);
	if (err)
		log_error("%s: what was written to /dev/%s is not on the card (%d)", file->dev->name, file->dev->name,
			  err);
	rwlock_lock_write(&obj->map_lock);
	pcache_remove(obj, 0, PGIDX_MAX);
	rwlock_unlock_write(&obj->map_lock);
	return err;
}

/* Of mappings. */
static void ref(struct pcache_object *obj, int delta)
{
	struct blkfile *file = blkfile_of(obj);

	if (atomic_fetch_add(&file->maps, (unsigned)delta) + (unsigned)delta == 0) {
		mutex_lock(&blkfiles.mutex);
		if (file->opens == 0 && atomic_load(&file->maps) == 0)
			(void)leave(file, obj); // which has said so
		mutex_unlock(&blkfiles.mutex);
	}
	inode_object_ref(obj, delta);
}

static const struct blkdev *whole(const struct blkdev *dev)
{
	return dev->parent ? dev->parent : dev;
}

static bool overlap(const struct blkdev *a, const struct blkdev *b)
{
	const sector_t from = a->parent ? a->start : 0, other = b->parent ? b->start : 0;

	return whole(a) == whole(b) && from < other + b->sectors && other < from + a->sectors;
}

/* One that has to do with the same sectors is written, or mounted. The mutex is held. */
static bool is_written(const struct blkdev *dev)
{
	for (unsigned i = 0; i < blkfiles.count; i++) {
		const struct blkfile *file = &blkfiles.files[i];

		if ((file->writers || file->stored) && overlap(file->dev, dev))
			return true;
	}
	return false;
}

static bool is_claimed(const struct blkdev *dev)
{
	for (unsigned i = 0; i < blkfiles.count; i++) {
		if (blkfiles.files[i].claimed && overlap(blkfiles.files[i].dev, dev))
			return true;
	}
	return false;
}

static int open(struct inode *inode, bool writable)
{
	struct blkfile *file = blkfile_of(&inode->object);
	int err = 0;

	mutex_lock(&blkfiles.mutex);
	if (writable && file->dev->read_only)
		err = -EROFS;
	else if (writable && is_claimed(file->dev))
		err = -EBUSY;
	if (!err) {
		file->opens++;
		file->writers += writable;
	}
	mutex_unlock(&blkfiles.mutex);
	return err;
}

static int close(struct inode *inode, bool writable)
{
	struct blkfile *file = blkfile_of(&inode->object);
	int err = 0;

	mutex_lock(&blkfiles.mutex);
	file->opens--;
	file->writers -= writable;
	file->stored |= writable && atomic_load(&file->maps);
	if (file->opens == 0 && atomic_load(&file->maps) == 0)
		err = leave(file, &inode->object);
	mutex_unlock(&blkfiles.mutex);
	return err;
}

static struct blkfile *file_find(const struct blkdev *dev)
{
	const struct synth *row;

	for (unsigned n = 0; (row = blkfile_nth(n)); n++) {
		if (row->device == dev)
			return &blkfiles.files[n];
	}
	return NULL;
}

int blkfile_claim(const struct blkdev *dev)
{
	struct blkfile *file = file_find(dev);
	int err = 0;

	if (!file)
		return 0; // more devices than are shown
	mutex_lock(&blkfiles.mutex);
	if (is_written(dev) || is_claimed(dev))
		err = -EBUSY;
	else
		file->claimed = true;
	mutex_unlock(&blkfiles.mutex);
	return err;
}

void blkfile_unclaim(const struct blkdev *dev)
{
	struct blkfile *file = file_find(dev);

	mutex_lock(&blkfiles.mutex);
	if (file)
		file->claimed = false;
	mutex_unlock(&blkfiles.mutex);
}

/* ---- the rows ---- */

static int sync_inode(struct inode *inode)
{
	return sync(&inode->object);
}

static const struct pcache_ops page_ops = {.fill = fill, .write = write, .reserve = reserve, .sync = sync, .ref = ref};
static const struct inode_ops inode_ops = {.open = open, .close = close, .sync = sync_inode};

static void add_locked(struct blkdev *dev)
{
	struct blkfile *file = &blkfiles.files[blkfiles.count];

	file->dev = dev;
	file->failures_told = blk_flush_failures(dev);
	file->row = (struct synth){.name = dev->name,
				   .ino = FIRST_INO + blkfiles.count,
				   .type = S_IFBLK,
				   .ops = &inode_ops,
				   .pages = &page_ops,
				   .device = dev,
				   .rdev = blkfile_rdev(blkfiles.count),
				   .size = align_down(dev->sectors, dev->block_size / SECTOR_SIZE) << SECTOR_SHIFT};
	blkfiles.count++;
}

const struct synth *blkfile_nth(unsigned n)
{
	unsigned long flags = spin_lock(&blkfiles.lock);
	struct blkdev *next;
	const struct synth *row;

	/* Devices that have been registered since the last look. */
	while (n >= blkfiles.count && blkfiles.count < BLKFILES_MAX &&
	       (next = blkdev_next(blkfiles.count ? blkfiles.files[blkfiles.count - 1].dev : NULL)))
		add_locked(next);
	row = n < blkfiles.count ? &blkfiles.files[n].row : NULL;
	spin_unlock(&blkfiles.lock, flags);
	return row;
}

void blkfiles_init(void)
{
	list_init(&pool.free);
	for (unsigned i = 0; i < REQUESTS; i++)
		list_push_back(&pool.free, &pool.transfers[i].node);
}
