// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The application's allocator. Each block has a 16-byte header before it. Small ones come from free lists, one for each
 * size class with a lock of its own, refilled from a heap that grows by map_sbrk and is never given back; classes are
 * an eighth of a power of two apart. Each thread keeps a few free blocks of each class up to CACHED_SIZE to itself, so
 * that threads on several harts seldom meet at a lock; they go back when there are many, and when the thread ends. From
 * the threshold on (128 KiB, mallopt), a block is a mapping of its own, returned whole by free. A block that was freed
 * twice, or whose header was overwritten, ends the program with a message. Thread context; may sleep. Nothing here
 * touches a retargeted C library lock.
 */

#include <malloc.h>

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/log.h"
#include "lib/types.h"
#include "mm/map.h"
#include "posix/picolibc/libc_lock.h"
#include "posix/process.h"

#define ALIGNMENT 16
#define SMALL_MAX (1024 * 1024) // largest class, header included
#define SMALL_STEP 16		// up to here classes are 16 apart
#define SMALL_STEP_END 128
#define CLASS_COUNT (SMALL_STEP_END / SMALL_STEP + 8 * 13)
#define REFILL_MIN 4096
#define REFILL_MAX (64 * 1024)
#define MMAP_THRESHOLD_DEFAULT (128 * 1024)
#define CACHED_SIZE 512
#define CACHED_CLASSES (SMALL_STEP_END / SMALL_STEP + 8 * 2) // those of at most CACHED_SIZE
#define CACHED_MAX 16u					     // blocks of a class

enum block_kind {
	BLOCK_SMALL = 0x5a11b10c,
	BLOCK_MAPPED = 0x3a99ed01, // its mapping starts at the header
	BLOCK_INNER = 0x11117e12,  // aligned inside another, whose header lies `offset` before this one
	BLOCK_FREE = 0x0f4eed00,
};

struct header {
	uint32_t kind;	// enum block_kind
	uint32_t class; // of a small one
	size_t extent;	// mapped: length of the mapping; inner: offset
};
_Static_assert(sizeof(struct header) == ALIGNMENT, "keeps blocks aligned");

struct free_block {
	struct header header;
	struct free_block *next;
};

static struct size_class {
	pthread_mutex_t lock; // guards the rest
	struct free_block *free;
	char *fresh, *fresh_end; // of the last refill: not yet handed out
} classes[CLASS_COUNT];

static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER; // serialises growing
static _Atomic size_t mmap_threshold = MMAP_THRESHOLD_DEFAULT;

/* The smallest class that holds size bytes, header included, size <= SMALL_MAX. */
static unsigned class_of(size_t size)
{
	unsigned log2;

	if (size <= SMALL_STEP_END)
		return (unsigned)((size - 1) / SMALL_STEP);
	log2 = 63 - (unsigned)__builtin_clzl(size - 1);
	return SMALL_STEP_END / SMALL_STEP + (log2 - 7) * 8 + (unsigned)((size - 1) >> (log2 - 3) & 7);
}

static size_t class_size(unsigned class)
{
	unsigned above = class - SMALL_STEP_END / SMALL_STEP;

	if (class < SMALL_STEP_END / SMALL_STEP)
		return (class + 1) * SMALL_STEP;
	return ((size_t)8 + above % 8 + 1) << (above / 8 + 4);
}

static _Noreturn void die(const char *what, const void *p)
{
	log_error("%s: %p: the program is ended", what, p);
	abort();
}

static struct header *header_of(void *p)
{
	struct header *h = (struct header *)p - 1;

	if ((uintptr_t)p % ALIGNMENT)
		die("free or realloc of what malloc did not return", p);
	if (h->kind == BLOCK_INNER)
		h = (struct header *)((char *)h - h->extent);
	if (h->kind == BLOCK_FREE)
		die("free or realloc of a block that is free", p);
	if (h->kind != BLOCK_MAPPED && (h->kind != BLOCK_SMALL || h->class >= CLASS_COUNT))
		die("free or realloc of what malloc did not return, or its header was overwritten", p);
	return h;
}

/* Fresh memory for the class, whose lock is held. Contents are zero. */
static bool class_refill_locked(struct size_class *c, size_t size)
{
	size_t want =
	    align_up(min_of(max_of(size * 8, (size_t)REFILL_MIN), max_of((size_t)REFILL_MAX, size)), PAGE_SIZE);
	vaddr_t start;

	libc_lock(&heap_lock);
	start = map_sbrk((intptr_t)want);
	libc_unlock(&heap_lock);
	if (!start)
		return false;
	c->fresh = (char *)start;
	c->fresh_end = c->fresh + want;
	return true;
}

/* ---- what a thread keeps ---- */

static _Thread_local struct {
	struct {
		struct free_block *first;
		unsigned count;
	} of[CACHED_CLASSES];
} cache;

static void cache_put(unsigned class, struct free_block *block)
{
	block->next = cache.of[class].first;
	cache.of[class].first = block;
	cache.of[class].count++;
}

static struct free_block *cache_take(unsigned class)
{
	struct free_block *block = cache.of[class].first;

	if (block) {
		cache.of[class].first = block->next;
		cache.of[class].count--;
	}
	return block;
}

/* All but `keep` of them go back. */
static void cache_trim(unsigned class, unsigned keep)
{
	struct size_class *c = &classes[class];

	libc_lock(&c->lock);
	while (cache.of[class].count > keep) {
		struct free_block *block = cache_take(class);

		block->next = c->free;
		c->free = block;
	}
	libc_unlock(&c->lock);
}

void malloc_thread_end(void)
{
	for (unsigned class = 0; class < CACHED_CLASSES; class ++) {
		if (cache.of[class].count)
			cache_trim(class, 0);
	}
}

/* ---- small blocks ---- */

static struct free_block *block_take_locked(struct size_class *c, size_t size)
{
	struct free_block *block = c->free;

	if (block) {
		c->free = block->next;
	} else if ((size_t)(c->fresh_end - c->fresh) >= size) {
		block = (struct free_block *)c->fresh;
		c->fresh += size;
	}
	return block;
}

/* One block, and half a cache of them for the next calls. */
static struct free_block *block_get(unsigned class)
{
	const bool keeps = class < CACHED_CLASSES;
	const size_t size = class_size(class);
	struct size_class *c = &classes[class];
	struct free_block *block = keeps ? cache_take(class) : NULL, *more;

	if (block)
		return block;
	libc_lock(&c->lock);
	block = block_take_locked(c, size);
	if (!block && class_refill_locked(c, size))
		block = block_take_locked(c, size);
	while (keeps && cache.of[class].count < CACHED_MAX / 2 && (more = block_take_locked(c, size))) {
		more->header.kind = BLOCK_FREE;
		cache_put(class, more);
	}
	libc_unlock(&c->lock);
	return block;
}

static void *small_alloc(size_t size)
{
	unsigned class = class_of(size);
	struct free_block *block = block_get(class);
	struct header *h = &block->header;

	if (!block)
		return NULL;
	*h = (struct header){.kind = BLOCK_SMALL, .class = class};
	return h + 1;
}

static void *mapped_alloc(size_t size)
{
	size_t len = align_up(size, PAGE_SIZE);
	struct header *h = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (h == MAP_FAILED)
		return NULL;
	*h = (struct header){.kind = BLOCK_MAPPED, .extent = len};
	return h + 1;
}

/* malloc under a name that the compiler knows nothing about: it would turn calloc into a call of calloc. */
static void *allocate(size_t size)
{
	void *p = NULL;

	if (size <= PTRDIFF_MAX - PAGE_SIZE) {
		size = align_up(max_of(size, (size_t)1), ALIGNMENT) + sizeof(struct header);
		p = size - sizeof(struct header) < mmap_threshold && size <= SMALL_MAX ? small_alloc(size)
										       : mapped_alloc(size);
	}
	if (!p)
		errno = ENOMEM;
	return p;
}

static void block_put(unsigned class, struct free_block *block)
{
	struct size_class *c = &classes[class];

	libc_lock(&c->lock);
	block->next = c->free;
	c->free = block;
	libc_unlock(&c->lock);
}

void *malloc(size_t size)
{
	return allocate(size);
}

void free(void *p)
{
	int saved = errno;
	struct header *h;
	unsigned class;

	if (!p)
		return;
	h = header_of(p);
	if (h->kind == BLOCK_MAPPED) {
		if (munmap(h, h->extent))
			die("free: the mapping cannot be removed", p);
		errno = saved;
		return;
	}
	h->kind = BLOCK_FREE;
	class = h->class;
	if (class < CACHED_CLASSES) {
		cache_put(class, (struct free_block *)h);
		if (cache.of[class].count > CACHED_MAX)
			cache_trim(class, CACHED_MAX / 2);
	} else {
		block_put(class, (struct free_block *)h);
	}
	errno = saved;
}

size_t malloc_usable_size(void *p)
{
	struct header *h;
	char *end;

	if (!p)
		return 0;
	h = header_of(p);
	end = (char *)h + (h->kind == BLOCK_MAPPED ? h->extent : class_size(h->class));
	return (size_t)(end - (char *)p);
}

void *calloc(size_t count, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	p = allocate(total);
	if (p && ((struct header *)p - 1)->kind != BLOCK_MAPPED) // a new mapping is zero
		memset(p, 0, total);
	return p;
}

/* In place while the block is large enough and not more than twice too large. */
void *realloc(void *p, size_t size)
{
	size_t usable;
	void *moved;

	if (!p)
		return malloc(size);
	usable = malloc_usable_size(p);
	if (size <= usable && (size >= usable / 2 || usable <= SMALL_STEP_END))
		return p;
	moved = malloc(size);
	if (!moved)
		return NULL;
	memcpy(moved, p, min_of(size, usable));
	free(p);
	return moved;
}

void *reallocarray(void *p, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, total);
}

/* A larger block, in which an aligned one with a header that leads back to its own. */
void *memalign(size_t alignment, size_t size)
{
	char *p, *aligned;
	struct header *outer;

	if (alignment == 0 || (alignment & (alignment - 1))) {
		errno = EINVAL;
		return NULL;
	}
	if (alignment <= ALIGNMENT)
		return malloc(size);
	if (alignment > PTRDIFF_MAX / 2 || size > PTRDIFF_MAX / 2) {
		errno = ENOMEM;
		return NULL;
	}
	p = malloc(size + alignment);
	if (!p)
		return NULL;
	aligned = (char *)align_up((uintptr_t)p, alignment);
	if (aligned == p)
		return p;
	outer = (struct header *)p - 1;
	((struct header *)aligned)[-1] = (struct header){
	    .kind = BLOCK_INNER,
	    .extent = (size_t)(aligned - (char *)(outer + 1)),
	};
	return aligned;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	int saved = errno;
	void *p;

	if (alignment < sizeof(void *) || (alignment & (alignment - 1)))
		return EINVAL;
	p = memalign(alignment, size);
	errno = saved;
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

int mallopt(int parameter, int value)
{
	if (parameter != M_MMAP_THRESHOLD || value < 0 || value > SMALL_MAX / 2)
		return 0;
	mmap_threshold = (size_t)value;
	return 1;
}
