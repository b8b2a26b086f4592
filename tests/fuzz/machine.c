// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The kernel under the fuzzer: the host build, with the block layer, the heap and the entry points of the metadata
 * buffers replaced by the linker (--wrap). A request ends before blk_submit returns, so no thread has to be switched
 * to; the heap is the C library's, and a buffer that nobody holds is poisoned, so that the address sanitizer sees
 * whoever reads beyond one or keeps one.
 */
#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/host/host.h"
#include "arch/irq.h"
#include "fs/buffer.h"
#include "fs/fs.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/pcache.h"
#include "tests/fuzz/fuzz.h"

#define FRAMES 2048
#define CARD_MAX (9u << 20)

static uint8_t card[CARD_MAX];
static struct blkdev dev = {
    .name = "fuzz",
    .has_flush = true,
    .max_segments = 16,
    .max_sectors = 1024,
    .block_size = 512,
    .lock = SPINLOCK_INIT("block queue"),
};
static unsigned complaints;

static struct buffer *seen[BUFFERS_MAX];
static unsigned seen_count;
static uint32_t seen_size;

void __wrap_blk_submit(struct blkdev *d, struct blk_request *req);
void __wrap_blk_submit_list(struct blkdev *d, struct list_node *requests);
int __wrap_blk_read(struct blkdev *d, sector_t sector, void *buf, uint32_t sectors);
int __wrap_blk_write(struct blkdev *d, sector_t sector, const void *buf, uint32_t sectors);
int __wrap_blk_flush(struct blkdev *d);
uint64_t __wrap_blk_flush_failures(struct blkdev *d);
void *__wrap_kmalloc(size_t size);
void *__wrap_kzalloc(size_t size);
void __wrap_kfree(void *p);

/* As a device transfers: no sanitizer looks. */
static void dma(void *to, const void *from, size_t len)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len)::"memory");
}

static bool is_inside(sector_t sector, uint32_t sectors)
{
	return sector <= dev.sectors && sectors <= dev.sectors - sector;
}

void __wrap_blk_submit(struct blkdev *d, struct blk_request *req)
{
	uint8_t *at = card + req->sector * SECTOR_SIZE;

	(void)d;
	req->error = req->op == BLK_FLUSH || is_inside(req->sector, req->sectors) ? 0 : -EIO;
	for (uint32_t i = 0; i < req->segment_count && !req->error && req->op != BLK_FLUSH; i++) {
		const struct blk_segment *segment = &req->segments[i];

		if (req->op == BLK_READ)
			dma(pa_to_va(segment->pa), at, segment->len);
		else if (req->op == BLK_WRITE)
			dma(at, pa_to_va(segment->pa), segment->len);
		at += segment->len;
	}
	req->done(req);
}

void __wrap_blk_submit_list(struct blkdev *d, struct list_node *requests)
{
	struct list_node *node;

	while ((node = list_pop_front(requests)))
		__wrap_blk_submit(d, list_entry(node, struct blk_request, node));
}

int __wrap_blk_read(struct blkdev *d, sector_t sector, void *buf, uint32_t sectors)
{
	(void)d;
	if (!is_inside(sector, sectors))
		return -EIO;
	memcpy(buf, card + sector * SECTOR_SIZE, (size_t)sectors * SECTOR_SIZE);
	return 0;
}

int __wrap_blk_write(struct blkdev *d, sector_t sector, const void *buf, uint32_t sectors)
{
	(void)d;
	if (!is_inside(sector, sectors))
		return -EIO;
	memcpy(card + sector * SECTOR_SIZE, buf, (size_t)sectors * SECTOR_SIZE);
	return 0;
}

int __wrap_blk_flush(struct blkdev *d)
{
	(void)d;
	return 0;
}

uint64_t __wrap_blk_flush_failures(struct blkdev *d)
{
	(void)d;
	return 0;
}

static long heap_used; // blocks; there is one hart

void *__wrap_kmalloc(size_t size)
{
	void *p = malloc(size);

	heap_used += p != NULL;
	return p;
}

void *__wrap_kzalloc(size_t size)
{
	void *p = calloc(1, size);

	heap_used += p != NULL;
	return p;
}

void __wrap_kfree(void *p)
{
	heap_used -= p != NULL;
	free(p);
}

long fuzz_heap_used(void)
{
	return heap_used;
}

/* ---- buffers ---- */

int __real_buffer_pool_make(struct blkdev *d, uint32_t block_size, unsigned least,
			    void (*failed)(void *arg, fsblk_t block, bool write, int err), void *arg,
			    struct buffer_pool **out);
int __wrap_buffer_pool_make(struct blkdev *d, uint32_t block_size, unsigned least,
			    void (*failed)(void *arg, fsblk_t block, bool write, int err), void *arg,
			    struct buffer_pool **out);
void __real_buffer_pool_free(struct buffer_pool *pool);
void __wrap_buffer_pool_free(struct buffer_pool *pool);
int __real_buffer_get(struct buffer_pool *pool, fsblk_t block, struct buffer **out);
int __wrap_buffer_get(struct buffer_pool *pool, fsblk_t block, struct buffer **out);
void __real_buffer_get_zeroed(struct buffer_pool *pool, fsblk_t block, struct buffer **out);
void __wrap_buffer_get_zeroed(struct buffer_pool *pool, fsblk_t block, struct buffer **out);
unsigned __real_buffer_list_dirty(struct buffer_pool *pool, struct buffer **list);
unsigned __wrap_buffer_list_dirty(struct buffer_pool *pool, struct buffer **list);
void __real_buffer_put(struct buffer *b);
void __wrap_buffer_put(struct buffer *b);

static void show(struct buffer *b)
{
	unsigned i = 0;

	while (i < seen_count && seen[i] != b)
		i++;
	if (i == seen_count)
		seen[seen_count++] = b;
	ASAN_UNPOISON_MEMORY_REGION(b->data, seen_size);
}

static void show_all(void)
{
	for (unsigned i = 0; i < seen_count; i++)
		ASAN_UNPOISON_MEMORY_REGION(seen[i]->data, seen_size);
}

static void hide_unused(void)
{
	for (unsigned i = 0; i < seen_count; i++) {
		if (!seen[i]->refs)
			ASAN_POISON_MEMORY_REGION(seen[i]->data, seen_size);
	}
}

/* One volume at a time. */
int __wrap_buffer_pool_make(struct blkdev *d, uint32_t block_size, unsigned least,
			    void (*failed)(void *arg, fsblk_t block, bool write, int err), void *arg,
			    struct buffer_pool **out)
{
	seen_size = block_size;
	return __real_buffer_pool_make(d, block_size, least, failed, arg, out);
}

void __wrap_buffer_pool_free(struct buffer_pool *pool)
{
	show_all();
	seen_count = 0;
	__real_buffer_pool_free(pool);
}

int __wrap_buffer_get(struct buffer_pool *pool, fsblk_t block, struct buffer **out)
{
	int err = __real_buffer_get(pool, block, out);

	if (!err)
		show(*out);
	return err;
}

void __wrap_buffer_get_zeroed(struct buffer_pool *pool, fsblk_t block, struct buffer **out)
{
	show_all();
	__real_buffer_get_zeroed(pool, block, out);
	show(*out);
	hide_unused();
}

/* A commit reads them without references. */
unsigned __wrap_buffer_list_dirty(struct buffer_pool *pool, struct buffer **list)
{
	const unsigned count = __real_buffer_list_dirty(pool, list);

	for (unsigned i = 0; i < count; i++)
		show(list[i]);
	return count;
}

void __wrap_buffer_put(struct buffer *b)
{
	__real_buffer_put(b);
	if (b && !b->refs)
		ASAN_POISON_MEMORY_REGION(b->data, seen_size);
}

/* ---- the rest of the machine ---- */

/* By hand: libFuzzer takes the C library's comparisons for something of the input's. */
static bool contains(const char *text, size_t len, const char *word, size_t word_len)
{
	for (size_t at = 0; at + word_len <= len; at++) {
		size_t same = 0;

		while (same < word_len && text[at + same] == word[same])
			same++;
		if (same == word_len)
			return true;
	}
	return false;
}

static void log_write(const char *text, size_t len)
{
	complaints += contains(text, len, "damaged", 7);
	if (getenv("CAIRN_FUZZ_LOG"))
		fwrite(text, 1, len, stderr);
}

unsigned fuzz_complaints(void)
{
	unsigned count = complaints;

	complaints = 0;
	return count;
}

void fuzz_machine_start(void)
{
	struct mem_range range;

	if (host_memory_init(FRAMES, &range.start, &range.end))
		host_die("memory");
	log_set_sink(log_write);
	host_stuck_hook = threads_print;
	frame_init(&range, 1);
	sched_init();
	irq_enable();
	if (pcache_init() || map_init() || fs_init())
		host_die("start");
}

uint8_t *fuzz_card_load(const struct fuzz_image *image)
{
	if (image->size > CARD_MAX)
		host_die("an image larger than the card");
	memcpy(card, image->data, image->size);
	dev.sectors = image->size / SECTOR_SIZE;
	return card;
}

struct blkdev *fuzz_card(void)
{
	return &dev;
}
