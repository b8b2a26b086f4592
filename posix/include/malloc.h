// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What cairn's allocator has beyond <stdlib.h>. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define M_MMAP_THRESHOLD (-3)

void *memalign(size_t alignment, size_t size);
size_t malloc_usable_size(void *p);
int mallopt(int parameter, int value); // 1: taken, 0: unknown parameter or bad value

#ifdef __cplusplus
}
#endif
