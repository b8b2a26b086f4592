// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <string.h>

#include "mm/frame.h"

/*
 * Zeroed memory of the linear map, in whole frames, for good: what a driver takes at its probe, its devices may use
 * for DMA. NULL: none free.
 */
static inline void *wired_alloc(size_t bytes)
{
	size_t frames = (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
	struct page *page = frame_alloc_contig(frames, PAGE_SIZE);

	return page ? memset(page_va(page), 0, frames << PAGE_SHIFT) : NULL;
}
