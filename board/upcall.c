// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What arch/ asks of mm/, arch/upcall.h. */

#include "arch/upcall.h"

#include "mm/frame.h"
#include "mm/kmalloc.h"

void *upcall_frame_take(void)
{
	struct page *page = frame_alloc_far();

	return page ? page_va(page) : NULL;
}

void upcall_frame_give(void *frame)
{
	frame_free(pa_to_page(va_to_pa(frame)));
}

void *upcall_memory_take(size_t size)
{
	return kmalloc(size);
}

void upcall_memory_give(void *memory)
{
	kfree(memory);
}
