// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * File data between the page cache and the card: the page cache's view of an inode. Transfers go straight from and to
 * page frames; runs of blocks adjacent on the card become one request, whatever the block size. A page's parts
 * under way are counted in page->io_pending; the last one to end tells the cache.
 *
 * What a page has beyond the file's end is never written: the block that the end lies in goes to the card from a copy
 * with zeros there, since stores into the page go on meanwhile, and are the application's own affair.
 *
 * Requests are a fixed pool of DATA_REQUESTS, copies one of DATA_TAILS. Who finds none waits for one to end; who waits
 * has no request that is not submitted, so their holders wait for the device only. Those of one call are submitted
 * together, so that neighbours become one command, however many a request has room for. Starting transfers sleeps
 * (look-ups read indirect blocks); ends come from interrupts.
 */
#include <errno.h>
#include <string.h>

#include "arch/page.h"
#include "fs/ext2/ext2.h"

#define DATA_REQUESTS 32
#define DATA_SEGMENTS 64
#define DATA_TAILS 2
#define RESERVE_AHEAD 256u // pages beside one whose blocks are looked for

/* A block as it is written: up to the file's end, then zeros. */
struct tail {
	struct list_node node;
	struct page *frame; // constant
};

struct data_request {
	struct list_node node;
	struct inode *inode;
	uint64_t eof;	   // bytes; what a page holds beyond is zeroed after a read
	struct tail *tail; // which it writes from, or NULL
	bool is_new;	   // a write to blocks that are to be told of its end
	struct blk_request request;
	struct blk_segment segments[DATA_SEGMENTS];
	struct page *pages[DATA_SEGMENTS];
};

static struct {
	struct spinlock lock; // guards the lists
	struct waitq waitq, tails_waitq;
	struct list_node free, tails_free;
	struct data_request requests[DATA_REQUESTS];
	struct tail tails[DATA_TAILS];
} pool = {.lock = SPINLOCK_INIT("data requests"),
	  .waitq = WAITQ_INIT(pool.waitq),
	  .tails_waitq = WAITQ_INIT(pool.tails_waitq)};

int ext2_data_init(void)
{
	list_init(&pool.free);
	for (unsigned i = 0; i < DATA_REQUESTS; i++)
		list_push_back(&pool.free, &pool.requests[i].node);
	list_init(&pool.tails_free);
	for (unsigned i = 0; i < DATA_TAILS; i++) {
		if (!pool.tails[i].frame)
			pool.tails[i].frame = frame_alloc();
		if (!pool.tails[i].frame)
			return -ENOMEM;
		list_push_back(&pool.tails_free, &pool.tails[i].node);
	}
	return 0;
}

/* NULL: none is free. */
static struct data_request *request_try(void)
{
	unsigned long flags = spin_lock(&pool.lock);
	struct list_node *node = list_pop_front(&pool.free);

	spin_unlock(&pool.lock, flags);
	return node ? list_entry(node, struct data_request, node) : NULL;
}

static struct data_request *request_take(void)
{
	unsigned long flags = spin_lock(&pool.lock);
	struct list_node *node;

	while (!(node = list_pop_front(&pool.free)))
		waitq_wait(&pool.waitq, &pool.lock, &flags);
	spin_unlock(&pool.lock, flags);
	return list_entry(node, struct data_request, node);
}

static void request_give(struct data_request *r)
{
	unsigned long flags = spin_lock(&pool.lock);

	list_push_front(&pool.free, &r->node);
	waitq_wake_one(&pool.waitq);
	if (r->tail) {
		list_push_front(&pool.tails_free, &r->tail->node);
		waitq_wake_one(&pool.tails_waitq);
	}
	spin_unlock(&pool.lock, flags);
}

static struct tail *tail_take(void)
{
	unsigned long flags = spin_lock(&pool.lock);
	struct list_node *node;

	while (!(node = list_pop_front(&pool.tails_free)))
		waitq_wait(&pool.tails_waitq, &pool.lock, &flags);
	spin_unlock(&pool.lock, flags);
	return list_entry(node, struct tail, node);
}

/*
 * Takes a block out of a page as the device would: stores into it may go on, and each word is from before or after one.
 * That is no race to be found.
 */
__attribute__((no_sanitize("thread"))) static void tail_fill(struct tail *tail, const char *block, uint32_t size,
							     uint32_t used)
{
	const volatile uint64_t *from = (const volatile uint64_t *)block;
	uint64_t *to = page_va(tail->frame);

	for (uint32_t i = 0; i < size / sizeof(*to); i++)
		to[i] = from[i];
	memset((char *)to + used, 0, size - used);
}

/*
 * ---- parts of a page: io_pending is a count, and one bit that fill_done is told of ----
 *
 * The count is of who may end the page: the transfers of its parts, and who adds them. Where one transfer takes the
 * whole page, that alone.
 */

#define PART_BACKED 0x8000u

static void page_begin(struct page *page, uint16_t backed)
{
	page->io_error = 0;
	/* Seen by page_part_done. */
	__atomic_store_n(&page->io_pending, 1 | backed, __ATOMIC_RELEASE);
}

static void page_add_part(struct page *page)
{
	__atomic_fetch_add(&page->io_pending, 1, __ATOMIC_RELAXED);
}

static bool page_part_done(struct page *page, int err)
{
	if (err)
		__atomic_store_n(&page->io_error, (int16_t)err, __ATOMIC_RELAXED);
	/* Who is the last adds no more: nobody changes the count. Acquire: of the others' releases below. */
	if ((__atomic_load_n(&page->io_pending, __ATOMIC_ACQUIRE) & ~PART_BACKED) == 1)
		return true;
	return (__atomic_sub_fetch(&page->io_pending, 1, __ATOMIC_ACQ_REL) & ~PART_BACKED) == 0;
}

static void fill_part_done(struct page *page, uint64_t eof, int err)
{
	const uint64_t start = page->index * PAGE_SIZE;
	bool backed;

	if (!page_part_done(page, err))
		return;
	if (start + PAGE_SIZE > eof)
		memset((char *)page_va(page) + (eof - start), 0, start + PAGE_SIZE - eof);
	backed = page->io_pending & PART_BACKED;
	pcache_fill_done(page, page->io_error, backed);
}

static void write_part_done(struct page *page, int err)
{
	if (page_part_done(page, err))
		pcache_write_done(page, page->io_error);
}

/* Before the cache hears of its pages: who then asks for a FLUSH must see it counted (I7). */
static void count_write(struct inode *inode)
{
	atomic_store(&ext2_node(inode)->writes, atomic_fetch_add(&ext2_volume(inode)->txn.writes, 1) + 1);
}

static void data_done(struct blk_request *request)
{
	struct data_request *r = request->arg;

	if (r->is_new) {
		const struct volume *vol = ext2_volume(r->inode);

		new_blocks_written(ext2_volume(r->inode), request->sector / vol->sectors_per_block,
				   request->sectors / vol->sectors_per_block, request->error);
	}
	if (request->op == BLK_WRITE)
		count_write(r->inode);
	for (uint32_t i = 0; i < request->segment_count; i++) {
		if (request->op == BLK_READ)
			fill_part_done(r->pages[i], r->eof, request->error);
		else
			write_part_done(r->pages[i], request->error);
	}
	request_give(r);
}

/* ---- building requests ---- */

struct transfer {
	struct inode *inode;
	enum blk_op op;
	enum blk_priority priority;
	uint64_t eof;
	uint32_t segments;	      // of a request at most
	struct data_request *request; // being filled: the last of the next, or NULL
	struct list_node requests;    // not submitted yet

	uint32_t end; // block behind the last page
	struct {
		uint32_t lblk, count; // of the file; none: 0
		fsblk_t block;
	} run; // the last that was found. It stays true: who takes blocks away waits for the pages of the transfer
};

static void transfer_begin(struct transfer *t, pgidx_t end)
{
	list_init(&t->requests);
	t->end = (uint32_t)min_of(end << (PAGE_SHIFT - ext2_volume(t->inode)->block_shift), (pgidx_t)UINT32_MAX);
}

static void transfer_submit(struct transfer *t)
{
	blk_submit_list(ext2_volume(t->inode)->super.dev, &t->requests);
	t->request = NULL;
}

static struct data_request *transfer_request(struct transfer *t, sector_t sector)
{
	struct data_request *r = request_try();

	if (!r) {
		transfer_submit(t);
		r = request_take();
	}
	r->inode = t->inode;
	r->eof = t->eof;
	r->tail = NULL;
	r->is_new = false;
	r->request = (struct blk_request){.op = t->op,
					  .priority = t->priority,
					  .sector = sector,
					  .segments = r->segments,
					  .done = data_done,
					  .arg = r};
	list_push_back(&t->requests, &r->request.node);
	return r;
}

static void transfer_add(struct transfer *t, struct page *page, paddr_t pa, uint32_t len, sector_t sector)
{
	struct volume *vol = ext2_volume(t->inode);
	struct data_request *r = t->request;

	if (!r || r->request.segment_count == t->segments || r->request.sector + r->request.sectors != sector)
		r = t->request = transfer_request(t, sector);
	if (t->op == BLK_WRITE && new_blocks_open(&vol->txn.new_blocks))
		r->is_new |= new_blocks_begin(vol, sector / vol->sectors_per_block, len >> vol->block_shift);
	if (r->is_new)
		r->request.priority = BLK_NORMAL; // a commit may wait for it
	r->pages[r->request.segment_count] = page;
	r->segments[r->request.segment_count++] = (struct blk_segment){.pa = pa, .len = len};
	r->request.sectors += len / SECTOR_SIZE;
}

/* The page's block at `offset`, which the file's end cuts. */
static void transfer_add_tail(struct transfer *t, struct page *page, uint32_t offset, sector_t sector)
{
	const uint32_t size = ext2_volume(t->inode)->block_size;
	struct tail *tail;

	transfer_submit(t);
	tail = tail_take();
	tail_fill(tail, (const char *)page_va(page) + offset, size, t->eof % size);
	page_add_part(page);
	transfer_add(t, page, page_pa(tail->frame), size, sector);
	t->request->tail = tail;
	transfer_submit(t);
}

/*
 * As ext2_bmap, for the next `max` blocks; asks for all that the transfer may go on with, or, where that has damage, no
 * further than needed.
 */
static int transfer_find(struct transfer *t, uint32_t lblk, uint32_t max, fsblk_t *block, uint32_t *run)
{
	const uint32_t passed = lblk - t->run.lblk;
	int err = 0;

	if (passed < t->run.count) {
		*block = t->run.block + passed;
		*run = t->run.count - passed;
	} else {
		err = ext2_bmap(t->inode, lblk, max_of(t->end - lblk, max), block, run);
		if (err)
			err = ext2_bmap(t->inode, lblk, max, block, run);
		if (err)
			return err;
		t->run.lblk = lblk;
		t->run.block = *block;
		t->run.count = *block ? *run : 0; // a hole may be filled meanwhile
	}
	*run = min_of(*run, max);
	return 0;
}

/* Blocks of one page that lie in the file. *holes: some are not on the card; a fill makes them zeros. */
static int transfer_page(struct transfer *t, struct page *page, bool *holes)
{
	const struct volume *vol = ext2_volume(t->inode);
	const uint64_t start = page->index * PAGE_SIZE, end = min_of(t->eof, start + PAGE_SIZE);
	const uint32_t last = (end + vol->block_size - 1) >> vol->block_shift;
	const uint32_t whole = t->op == BLK_WRITE ? end >> vol->block_shift : last; // a tail is written from a copy
	uint32_t lblk = start >> vol->block_shift;

	*holes = false;
	while (lblk < last) {
		const uint32_t offset = ((uint64_t)lblk << vol->block_shift) - start;
		fsblk_t block;
		uint32_t run;
		int err = transfer_find(t, lblk, lblk < whole ? whole - lblk : 1, &block, &run);
		const sector_t sector = (sector_t)block * vol->sectors_per_block;

		if (err)
			return err;
		if (block && t->op == BLK_READ && new_blocks_unwritten(ext2_volume(t->inode), block, &run)) {
			memset((char *)page_va(page) + offset, 0, run << vol->block_shift);
		} else if (block && lblk < whole) {
			page_add_part(page);
			transfer_add(t, page, page_pa(page) + offset, run << vol->block_shift, sector);
		} else if (block) {
			transfer_add_tail(t, page, offset, sector);
		} else {
			*holes = true;
			if (t->op == BLK_READ)
				memset((char *)page_va(page) + offset, 0, run << vol->block_shift);
		}
		lblk += run;
	}
	return 0;
}

/*
 * A page that lies in the file and in the run that was found last as a whole; false if it does not, or might be
 * unwritten. What most pages of a sequential pass are: nothing is counted, since the transfer alone ends it.
 */
static bool transfer_whole(struct transfer *t, struct page *page)
{
	struct volume *vol = ext2_volume(t->inode);
	const uint32_t blocks = PAGE_SIZE >> vol->block_shift;
	const uint64_t passed = (page->index << (PAGE_SHIFT - vol->block_shift)) - t->run.lblk;

	if (passed >= t->run.count || blocks > t->run.count - passed || (page->index + 1) * PAGE_SIZE > t->eof ||
	    (t->op == BLK_READ && new_blocks_open(&vol->txn.new_blocks)))
		return false;
	page_begin(page, t->op == BLK_READ ? PART_BACKED : 0);
	transfer_add(t, page, page_pa(page), PAGE_SIZE, (sector_t)(t->run.block + passed) * vol->sectors_per_block);
	return true;
}

static void data_fill(struct pcache_object *obj, pgidx_t first, struct page **pages, size_t n, bool awaited)
{
	struct inode *inode = inode_of(obj);
	struct transfer t = {.inode = inode,
			     .op = BLK_READ,
			     .priority = awaited ? BLK_URGENT : BLK_NORMAL,
			     .segments = blk_piece_segments(ext2_volume(inode)->super.dev, DATA_SEGMENTS),
			     .eof = obj->size};

	transfer_begin(&t, first + n);
	for (size_t i = 0; i < n; i++) {
		const bool dead = atomic_load(&ext2_volume(inode)->super.dead);
		bool holes;
		int err;

		if (!dead && transfer_whole(&t, pages[i]))
			continue;
		page_begin(pages[i], 0);
		err = dead ? -EIO : transfer_page(&t, pages[i], &holes);
		if (!err && !holes)
			__atomic_fetch_or(&pages[i]->io_pending, PART_BACKED, __ATOMIC_RELAXED);
		fill_part_done(pages[i], t.eof, err);
	}
	transfer_submit(&t);
}

static void data_write(struct pcache_object *obj, pgidx_t first, struct page **pages, size_t n, bool awaited)
{
	struct inode *inode = inode_of(obj);
	/*
	 * Without map_lock. A page becomes dirty, under the page lock, after the size that has it was set; and who cuts
	 * the file waits for the transfers of what goes.
	 */
	struct transfer t = {.inode = inode,
			     .op = BLK_WRITE,
			     .priority = awaited ? BLK_NORMAL : BLK_BACKGROUND,
			     .segments = blk_piece_segments(ext2_volume(inode)->super.dev, DATA_SEGMENTS),
			     .eof = atomic_load_explicit(&obj->size, memory_order_relaxed)};

	transfer_begin(&t, first + n);
	for (size_t i = 0; i < n; i++) {
		bool holes;
		int err = 0;

		if (atomic_load(&ext2_volume(inode)->super.dead))
			err = -EIO;
		else if (atomic_load(&ext2_volume(inode)->super.read_only))
			err = -EROFS;
		else if (transfer_whole(&t, pages[i]))
			continue;
		page_begin(pages[i], 0);
		if (!err && pages[i]->index * PAGE_SIZE < t.eof)
			err = transfer_page(&t, pages[i], &holes);
		write_part_done(pages[i], err);
	}
	transfer_submit(&t);
}

static int data_reserve(struct pcache_object *obj, pgidx_t index, pgidx_t *end_page)
{
	struct inode *inode = inode_of(obj);
	const struct volume *vol = ext2_volume(inode);
	const unsigned shift = PAGE_SHIFT - vol->block_shift;
	const uint64_t start = index * PAGE_SIZE, end = min_of(obj->size, start + PAGE_SIZE);
	const uint32_t first = start >> vol->block_shift, behind = (end + vol->block_size - 1) >> vol->block_shift;
	const uint32_t more = (uint32_t)min_of(*end_page - index - 1, (pgidx_t)RESERVE_AHEAD) << shift;
	uint32_t reached, run;
	fsblk_t block;
	int err;

	if (atomic_load(&vol->super.dead))
		return -EIO;
	if (atomic_load(&vol->super.read_only))
		return -EROFS;
	/* Most often it has its blocks, and was not read since it is written over: no transaction. */
	err = ext2_bmap(inode, first, behind - first + more, &block, &run);
	if (err && more) // which need not concern this page
		err = ext2_bmap(inode, first, behind - first, &block, &run);
	*end_page = index + 1;
	if (err)
		return err;
	if (block && run >= behind - first) {
		*end_page = max_of(*end_page, (pgidx_t)(first + run) >> shift);
		return 0;
	}
	return ext2_bmap_alloc_range(inode, first, behind, end, EXT2_PAGE, &reached);
}

int ext2_write_new_of(struct inode *inode)
{
	const unsigned shift = PAGE_SHIFT - ext2_volume(inode)->block_shift;
	struct ext2_node *node = ext2_node(inode);
	pgidx_t first, last;
	bool any;

	if (!S_ISREG(inode->mode))
		return 0;
	mutex_lock(&node->bmap_lock);
	any = node->new_in == atomic_load(&ext2_volume(inode)->txn.running);
	first = node->new_first >> shift;
	last = node->new_last >> shift;
	mutex_unlock(&node->bmap_lock);
	if (any)
		(void)pcache_write_range(&inode->object, first, last);
	return 0;
}

void ext2_write_new(struct volume *vol)
{
	if (new_blocks_open(&vol->txn.new_blocks))
		(void)inodes_visit(&vol->super, ext2_write_new_of); // which does not fail
}

int ext2_sync(struct inode *inode)
{
	struct volume *vol = ext2_volume(inode);
	int err;

	if (atomic_load(&vol->super.dead))
		return -EIO;
	err = ext2_inode_write_size(inode);
	if (!err && atomic_load(&ext2_node(inode)->batch) == atomic_load(&vol->txn.running))
		ext2_write_new(vol);
	if (!err)
		err = txn_commit_batch(vol, atomic_load(&ext2_node(inode)->batch));
	if (!err && atomic_load(&ext2_node(inode)->writes) > atomic_load(&vol->txn.flushed))
		err = txn_flush(vol);
	if (err)
		(void)txn_zero_again(vol); // now, so that the next try's data comes after; else a commit does
	return err;
}

static int data_sync(struct pcache_object *obj)
{
	return ext2_sync(inode_of(obj));
}

const struct pcache_ops ext2_data_ops = {
    .fill = data_fill,
    .write = data_write,
    .reserve = data_reserve,
    .sync = data_sync,
    .ref = inode_object_ref,
};
