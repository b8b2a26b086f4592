// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What cairn's allocator has beyond <stdlib.h>. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define M_MMAP_THRESHOLD (-3) // bytes from which a block is a mapping of its own: 0 to 512 KiB; 128 KiB without a call

void *memalign(size_t alignment, size_t size);
size_t malloc_usable_size(void *p);
int mallopt(int parameter, int value); // 1: taken, 0: unknown parameter or bad value

#ifdef __cplusplus
}
#endif
