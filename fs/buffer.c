// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The pools of metadata blocks. Size of each: one sixty-fourth of RAM, at most BUFFERS_MAX, taken when the volume is
 * mounted; nothing is allocated later. Who finds no free buffer waits for one to be put. That ends: a transaction
 * dirties at most buffer_pinned_max of them, so BUFFERS_KEPT stay for those who only look, each of whom holds one and
 * waits for nothing but the device while holding it.
 *
 * Lock: pool.lock guards the hash, the LRU and all states; it is never held across I/O. A failed read leaves nothing
 * cached; a failed write leaves the buffer dirty.
 */
#include "fs/buffer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "kernel/wait.h"
#include "mm/frame.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

#define HASH_SIZE 64

struct buffer_pool {
	struct spinlock lock;
	struct waitq waitq; // a buffer came free, or a transfer ended
	struct list_node hash[HASH_SIZE];
	struct list_node lru; // unreferenced, clean and at home, oldest first; those without a block at the front
	unsigned pinned;      // dirty or logged

	/* Constant. */
	struct blkdev *dev;
	void (*failed)(void *arg, fsblk_t block, bool write, int err);
	void *arg;
	uint32_t block_size;
	unsigned count, frame_count;
	struct page *frames[BUFFERS_MAX];
	struct buffer buffers[]; // count of them
};

static unsigned wanted; // by a test; set while no pool is made

void buffer_cache_init(unsigned count)
{
	assert(count == 0 || (count >= BUFFERS_MIN && count <= BUFFERS_MAX));
	wanted = count;
}

static unsigned pool_size(uint32_t block_size, unsigned least)
{
	size_t by_ram = frame_total() / 64 * (PAGE_SIZE / block_size);

	least = max_of(least, (unsigned)BUFFERS_MIN);
	return min_of(max_of(wanted ? wanted : by_ram, (size_t)least), (size_t)BUFFERS_MAX);
}

static void buffer_init(struct buffer_pool *pool, struct buffer *b, void *data)
{
	*b = (struct buffer){.data = data, .pool = pool, .class = BUFFER_CLEAN};
	list_init(&b->hash_node);
	list_push_back(&pool->lru, &b->lru_node);
}

int buffer_pool_make(struct blkdev *dev, uint32_t block_size, unsigned least,
		     void (*failed)(void *arg, fsblk_t block, bool write, int err), void *arg, struct buffer_pool **out)
{
	const unsigned per_frame = PAGE_SIZE / block_size, count = pool_size(block_size, least);
	struct buffer_pool *pool = kmalloc_wait(sizeof(*pool) + count * sizeof(pool->buffers[0]));

	if (!pool)
		return -ENOMEM;
	memset(pool, 0, sizeof(*pool));
	spin_init(&pool->lock, "buffers");
	waitq_init(&pool->waitq);
	list_init(&pool->lru);
	for (unsigned i = 0; i < HASH_SIZE; i++)
		list_init(&pool->hash[i]);
	pool->dev = dev;
	pool->failed = failed;
	pool->arg = arg;
	pool->block_size = block_size;
	for (pool->count = 0; pool->count < count; pool->count++) {
		const unsigned part = pool->count % per_frame;
		struct page *frame = part ? pool->frames[pool->frame_count - 1] : frame_alloc_normal();

		if (!frame) {
			buffer_pool_free(pool);
			return -ENOMEM;
		}
		if (!part)
			pool->frames[pool->frame_count++] = frame;
		buffer_init(pool, &pool->buffers[pool->count], (char *)page_va(frame) + part * block_size);
	}
	*out = pool;
	return 0;
}

void buffer_pool_free(struct buffer_pool *pool)
{
	for (unsigned i = 0; pool && i < pool->frame_count; i++)
		frame_free(pool->frames[i]);
	kfree(pool);
}

unsigned buffer_pinned_max(const struct buffer_pool *pool)
{
	return pool->count - BUFFERS_KEPT;
}

unsigned buffer_pinned(struct buffer_pool *pool)
{
	unsigned long flags = spin_lock(&pool->lock);
	unsigned pinned = pool->pinned;

	spin_unlock(&pool->lock, flags);
	return pinned;
}

static struct list_node *hash_of(struct buffer_pool *pool, fsblk_t block)
{
	return &pool->hash[block % HASH_SIZE];
}

static struct buffer *find_locked(struct buffer_pool *pool, fsblk_t block)
{
	list_for_each (hash_of(pool, block), it) {
		struct buffer *b = list_entry(it, struct buffer, hash_node);

		if (b->block == block)
			return b;
	}
	return NULL;
}

static void ref_locked(struct buffer *b)
{
	if (b->refs++ == 0)
		list_remove(&b->lru_node);
}

static bool is_pinned(const struct buffer *b)
{
	return b->class != BUFFER_CLEAN || b->logged;
}

/* Unreferenced, idle and clean buffers can be taken for another block. */
static void settle_locked(struct buffer *b)
{
	struct buffer_pool *pool = b->pool;

	if (b->refs || b->busy || is_pinned(b))
		return;
	list_remove(&b->lru_node);
	if (b->forgotten || !b->valid) {
		list_remove(&b->hash_node);
		list_push_front(&pool->lru, &b->lru_node);
	} else {
		list_push_back(&pool->lru, &b->lru_node);
	}
	waitq_wake_all(&pool->waitq);
}

static void set_state_locked(struct buffer *b, enum buffer_class class, bool logged)
{
	const bool was = is_pinned(b);

	b->class = class;
	b->logged = logged;
	b->pool->pinned += is_pinned(b) - was;
	if (was && !is_pinned(b))
		settle_locked(b);
}

static void transfer_done(struct blk_request *request)
{
	struct buffer *b = request->arg;
	struct buffer_pool *pool = b->pool;
	unsigned long flags = spin_lock(&pool->lock);

	b->error = request->error;
	b->busy = false;
	if (request->op == BLK_READ) {
		b->valid = request->error == 0;
		if (!b->valid && !b->forgotten) {
			b->forgotten = true;
			list_remove(&b->hash_node);
		}
	}
	settle_locked(b);
	waitq_wake_all(&pool->waitq);
	spin_unlock(&pool->lock, flags);
}

/* b is busy from here on. */
static void transfer_prepare(struct buffer *b, enum blk_op op)
{
	const uint32_t block_size = b->pool->block_size, sectors = block_size / SECTOR_SIZE;

	b->busy = true;
	b->segment = (struct blk_segment){.pa = va_to_pa(b->data), .len = block_size};
	b->request = (struct blk_request){.op = op,
					  .priority = op == BLK_READ ? BLK_URGENT : BLK_NORMAL,
					  .sector = (sector_t)b->block * sectors,
					  .sectors = sectors,
					  .segments = &b->segment,
					  .segment_count = 1,
					  .done = transfer_done,
					  .arg = b};
}

/* The referenced buffer of a block, as it is or new and neither valid nor busy. */
static struct buffer *get_locked(struct buffer_pool *pool, fsblk_t block, unsigned long *flags)
{
	for (;;) {
		struct buffer *b = find_locked(pool, block);
		struct list_node *oldest = list_first(&pool->lru);

		if (b) {
			ref_locked(b);
			return b;
		}
		if (oldest) {
			b = list_entry(oldest, struct buffer, lru_node);
			ref_locked(b);
			list_remove(&b->hash_node);
			b->block = block;
			b->valid = b->forgotten = false;
			b->error = 0;
			list_push_front(hash_of(pool, block), &b->hash_node);
			return b;
		}
		waitq_wait(&pool->waitq, &pool->lock, flags);
	}
}

static void put_locked(struct buffer *b)
{
	assert(b->refs > 0);
	b->refs--;
	settle_locked(b);
}

int buffer_get(struct buffer_pool *pool, fsblk_t block, struct buffer **out)
{
	unsigned long flags = spin_lock(&pool->lock);
	struct buffer *b = get_locked(pool, block, &flags);
	int err = 0;

	if (!b->valid && !b->busy) {
		transfer_prepare(b, BLK_READ);
		spin_unlock(&pool->lock, flags);
		blk_submit(pool->dev, &b->request);
		flags = spin_lock(&pool->lock);
	}
	while (!b->valid && b->busy)
		waitq_wait(&pool->waitq, &pool->lock, &flags);
	if (!b->valid) {
		err = b->error;
		assert(err < 0);
		put_locked(b);
		b = NULL;
	}
	spin_unlock(&pool->lock, flags);
	if (err)
		pool->failed(pool->arg, block, false, err);
	*out = b;
	return err;
}

void buffer_get_zeroed(struct buffer_pool *pool, fsblk_t block, struct buffer **out)
{
	unsigned long flags = spin_lock(&pool->lock);
	struct buffer *b = get_locked(pool, block, &flags);

	while (b->busy)
		waitq_wait(&pool->waitq, &pool->lock, &flags);
	if (b->forgotten) {
		/* A read of stale contents failed meanwhile. */
		b->forgotten = false;
		list_push_front(hash_of(pool, block), &b->hash_node);
	}
	memset(b->data, 0, pool->block_size);
	b->valid = true;
	spin_unlock(&pool->lock, flags);
	*out = b;
}

void buffer_put(struct buffer *b)
{
	unsigned long flags;

	if (!b)
		return;
	flags = spin_lock(&b->pool->lock);
	put_locked(b);
	spin_unlock(&b->pool->lock, flags);
}

bool buffer_held(const struct buffer *b)
{
	unsigned long flags = spin_lock(&b->pool->lock);
	const bool held = b->refs > 0 && b->valid;

	spin_unlock(&b->pool->lock, flags);
	return held;
}

bool buffer_forget(struct buffer_pool *pool, fsblk_t block)
{
	unsigned long flags = spin_lock(&pool->lock);
	struct buffer *b = find_locked(pool, block);
	bool logged = false;

	if (b) {
		logged = b->logged;
		b->forgotten = true;
		list_remove(&b->hash_node);
		set_state_locked(b, BUFFER_CLEAN, false);
		settle_locked(b);
	}
	spin_unlock(&pool->lock, flags);
	return logged;
}

void buffer_set_dirty(struct buffer *b, enum buffer_class class)
{
	struct buffer_pool *pool = b->pool;
	unsigned long flags = spin_lock(&pool->lock);

	assert(b->refs && b->valid && !b->forgotten && class < BUFFER_CLEAN);
	if (b->class == BUFFER_CLEAN) {
		set_state_locked(b, class, b->logged);
		assert(pool->pinned <= buffer_pinned_max(pool));
	}
	spin_unlock(&pool->lock, flags);
}

bool buffer_is_early(struct buffer *b)
{
	unsigned long flags = spin_lock(&b->pool->lock);
	const bool early = b->class == BUFFER_EARLY;

	spin_unlock(&b->pool->lock, flags);
	return early;
}

bool buffer_any(struct buffer_pool *pool, enum buffer_class class)
{
	unsigned long flags = spin_lock(&pool->lock);
	bool any = false;

	for (unsigned i = 0; i < pool->count && !any; i++)
		any = pool->buffers[i].class == class;
	spin_unlock(&pool->lock, flags);
	return any;
}

/* Of a class, or all logged ones if it is BUFFER_CLEAN. */
static bool is_of(const struct buffer *b, enum buffer_class class)
{
	return b->class == class && (class != BUFFER_CLEAN || b->logged);
}

static int write_all(struct buffer_pool *pool, enum buffer_class class)
{
	struct list_node requests = LIST_INIT(requests);
	unsigned long flags = spin_lock(&pool->lock);
	fsblk_t failed = 0;
	int err = 0;

	for (unsigned i = 0; i < pool->count; i++) {
		struct buffer *b = &pool->buffers[i];

		if (!is_of(b, class))
			continue;
		assert(!b->busy);
		transfer_prepare(b, BLK_WRITE);
		list_push_back(&requests, &b->request.node);
	}
	spin_unlock(&pool->lock, flags);
	blk_submit_list(pool->dev, &requests);
	flags = spin_lock(&pool->lock);
	for (unsigned i = 0; i < pool->count; i++) {
		struct buffer *b = &pool->buffers[i];

		while (is_of(b, class) && b->busy)
			waitq_wait(&pool->waitq, &pool->lock, &flags);
		if (is_of(b, class) && !err && b->error) {
			err = b->error;
			failed = b->block;
		}
	}
	spin_unlock(&pool->lock, flags);
	if (err)
		pool->failed(pool->arg, failed, true, err);
	return err;
}

int buffer_write(struct buffer_pool *pool, enum buffer_class class)
{
	return write_all(pool, class);
}

int buffer_write_logged(struct buffer_pool *pool)
{
	return write_all(pool, BUFFER_CLEAN);
}

void buffer_clean(struct buffer_pool *pool, enum buffer_class class)
{
	unsigned long flags = spin_lock(&pool->lock);

	for (unsigned i = 0; i < pool->count; i++) {
		if (pool->buffers[i].class == class)
			set_state_locked(&pool->buffers[i], BUFFER_CLEAN, false);
	}
	spin_unlock(&pool->lock, flags);
}

unsigned buffer_list_dirty(struct buffer_pool *pool, struct buffer **list)
{
	unsigned long flags = spin_lock(&pool->lock);
	unsigned count = 0;

	for (unsigned i = 0; i < pool->count; i++) {
		if (pool->buffers[i].class != BUFFER_CLEAN)
			list[count++] = &pool->buffers[i];
	}
	spin_unlock(&pool->lock, flags);
	return count;
}

void buffer_log_all(struct buffer_pool *pool)
{
	unsigned long flags = spin_lock(&pool->lock);

	for (unsigned i = 0; i < pool->count; i++) {
		if (pool->buffers[i].class != BUFFER_CLEAN)
			set_state_locked(&pool->buffers[i], BUFFER_CLEAN, true);
	}
	spin_unlock(&pool->lock, flags);
}

void buffer_clean_logged(struct buffer_pool *pool)
{
	unsigned long flags = spin_lock(&pool->lock);

	for (unsigned i = 0; i < pool->count; i++) {
		if (is_of(&pool->buffers[i], BUFFER_CLEAN))
			set_state_locked(&pool->buffers[i], BUFFER_CLEAN, false);
	}
	spin_unlock(&pool->lock, flags);
}
