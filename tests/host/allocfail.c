// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/allocfail.h"

#include "arch/hart.h"
#include "kernel/thread.h"
#include "mm/frame.h"
#include "mm/kmalloc.h"

/* The linker gives calls of NAME to __wrap_NAME, and calls of __real_NAME to NAME. */
struct page *__real_frame_alloc(void);
struct page *__real_frame_alloc_normal(void);
struct page *__real_frame_alloc_contig(size_t count, size_t align);
void *__real_kmalloc(size_t size);
void *__real_kzalloc(size_t size);
void __real_kfree(void *p);
struct page *__wrap_frame_alloc(void);
struct page *__wrap_frame_alloc_normal(void);
struct page *__wrap_frame_alloc_contig(size_t count, size_t align);
void *__wrap_kmalloc(size_t size);
void *__wrap_kzalloc(size_t size);
void __wrap_kfree(void *p);

/* Used by one thread; others look at the first field. */
static struct {
	struct thread *_Atomic whose;
	uint64_t from, count, seen, fired;
} state;
static atomic_size_t pieces;

void allocfail_arm(uint64_t from, uint64_t count)
{
	state.from = from;
	state.count = count;
	state.seen = state.fired = 0;
	atomic_store(&state.whose, thread_self());
}

void allocfail_disarm(void)
{
	atomic_store(&state.whose, NULL);
}

uint64_t allocfail_fired(void)
{
	return state.fired;
}

static bool is_due(void)
{
	struct thread *whose = atomic_load(&state.whose);

	if (!whose || whose != thread_self())
		return false;
	state.seen++;
	if (state.seen < state.from || state.seen - state.from >= state.count)
		return false;
	state.fired++;
	return true;
}

struct page *__wrap_frame_alloc(void)
{
	return is_due() ? NULL : __real_frame_alloc();
}

struct page *__wrap_frame_alloc_normal(void)
{
	return is_due() ? NULL : __real_frame_alloc_normal();
}

struct page *__wrap_frame_alloc_contig(size_t count, size_t align)
{
	return is_due() ? NULL : __real_frame_alloc_contig(count, align);
}

static void *counted(void *p)
{
	if (p)
		atomic_fetch_add(&pieces, 1);
	return p;
}

void *__wrap_kmalloc(size_t size)
{
	return is_due() ? NULL : counted(__real_kmalloc(size));
}

void *__wrap_kzalloc(size_t size)
{
	return is_due() ? NULL : counted(__real_kzalloc(size));
}

void __wrap_kfree(void *p)
{
	if (p)
		atomic_fetch_sub(&pieces, 1);
	__real_kfree(p);
}

size_t allocfail_pieces(void)
{
	return atomic_load(&pieces);
}
