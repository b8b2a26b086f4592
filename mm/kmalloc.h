// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Kernel heap: wired memory in the linear map, never faults. Size classes over frames. Thread context (takes a
 * spinlock, never sleeps, never reclaims: NULL when no frame is free). Not used on the writeback path after mount.
 */
#pragma once

#include "lib/types.h"

void *kmalloc(size_t size); // contents undefined; aligned to 16 bytes
void *kzalloc(size_t size);
void kfree(void *p);	   // NULL is fine
size_t kmalloc_used(void); // frames
