// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Kernel heap. A size class cuts frames into equal pieces; a frame with free pieces is in its class's list and goes
 * back when all of them are free. What is larger than the largest class gets adjacent frames of its own. The frame's
 * descriptor says which: page.heap_class.
 *
 * One spinlock; order: any other spinlock -> it -> frames. Never sleeps.
 */

#include "mm/kmalloc.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/spinlock.h"
#include "mm/frame.h"

/* Bytes a piece, multiples of 16; those that are no powers of two waste less than 2 percent of a frame. */
static const uint16_t sizes[] = {16, 32, 48, 64, 96, 128, 192, 256, 336, 448, 576, 816, 1024, 1360, 2048};

#define CLASSES array_size(sizes)
#define CLASS_FRAMES CLASSES // whole frames, not pieces

static struct {
	struct spinlock lock;
	struct list_node partial[CLASSES]; // struct page.lru: frames with free pieces
	bool ready;
	atomic_size_t frames;
} heap = {.lock = SPINLOCK_INIT("kmalloc")};

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	while (class < CLASSES && sizes[class] < size)
		class ++;
	return class;
}

static void *frames_take(size_t size)
{
	size_t count = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	struct page *page = count == 1 ? frame_alloc_normal() : frame_alloc_contig(count, PAGE_SIZE);

	if (!page)
		return NULL;
	page->heap_class = CLASS_FRAMES;
	page->heap_frames = (uint32_t)count;
	atomic_fetch_add_explicit(&heap.frames, count, memory_order_relaxed);
	return page_va(page);
}

/* A frame cut into pieces, in its class's list. */
static struct page *class_grow_locked(unsigned class)
{
	struct page *page = frame_alloc_normal();
	char *start;

	if (!page)
		return NULL;
	start = page_va(page);
	page->heap_class = (uint16_t) class;
	page->heap_used = 0;
	page->heap_free = NULL;
	for (size_t at = PAGE_SIZE / sizes[class] * sizes[class]; at > 0;) {
		at -= sizes[class];
		*(void **)(start + at) = page->heap_free;
		page->heap_free = start + at;
	}
	list_push_front(&heap.partial[class], &page->lru);
	atomic_fetch_add_explicit(&heap.frames, 1, memory_order_relaxed);
	return page;
}

static void *piece_take(unsigned class)
{
	unsigned long flags = spin_lock(&heap.lock);
	struct list_node *node;
	struct page *page;
	void *piece = NULL;

	if (!heap.ready) {
		for (size_t i = 0; i < CLASSES; i++)
			list_init(&heap.partial[i]);
		heap.ready = true;
	}
	node = list_first(&heap.partial[class]);
	page = node ? list_entry(node, struct page, lru) : class_grow_locked(class);
	if (page) {
		piece = page->heap_free;
		page->heap_free = *(void **)piece;
		page->heap_used++;
		if (!page->heap_free)
			list_remove(&page->lru);
	}
	spin_unlock(&heap.lock, flags);
	return piece;
}

void *kmalloc(size_t size)
{
	unsigned class;

	if (size > SIZE_MAX / 2)
		return NULL;
	class = class_of(size);
	return class < CLASSES ? piece_take(class) : frames_take(size);
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

static void frames_give(struct page *page)
{
	size_t count = page->heap_frames;

	for (size_t i = 0; i < count; i++)
		frame_free(page + i);
	atomic_fetch_sub_explicit(&heap.frames, count, memory_order_relaxed);
}

void kfree(void *p)
{
	struct page *page;
	unsigned long flags;

	if (!p)
		return;
	page = pa_to_page(align_down(va_to_pa(p), PAGE_SIZE));
	assert(page && page->heap_class <= CLASS_FRAMES);
	if (page->heap_class == CLASS_FRAMES) {
		frames_give(page);
		return;
	}
	flags = spin_lock(&heap.lock);
	assert(page->heap_used > 0);
	if (!page->heap_free)
		list_push_front(&heap.partial[page->heap_class], &page->lru);
	*(void **)p = page->heap_free;
	page->heap_free = p;
	if (--page->heap_used > 0)
		page = NULL;
	else
		list_remove(&page->lru);
	spin_unlock(&heap.lock, flags);
	if (page) {
		frame_free(page);
		atomic_fetch_sub_explicit(&heap.frames, 1, memory_order_relaxed);
	}
}

size_t kmalloc_used(void)
{
	return atomic_load_explicit(&heap.frames, memory_order_relaxed);
}
