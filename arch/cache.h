// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Who sees what in memory: devices, and the harts' instruction fetches. */
#pragma once

#include "lib/types.h"

/*
 * DMA ownership of memory. Calls stand where a buffer changes hands, on every path, although all boards so far
 * are coherent and the calls cost nothing there.
 */
enum dma_dir { DMA_TO_DEVICE, DMA_FROM_DEVICE };

void dma_sync_for_device(paddr_t pa, size_t len, enum dma_dir dir);
void dma_sync_for_cpu(paddr_t pa, size_t len, enum dma_dir dir);

/*
 * Instruction fetches of all harts see memory as it is when this is called, stores and DMA alike: before an entry is
 * made that lets code be executed. No spinlock held; does not sleep.
 */
void icache_sync(void);
/*
 * The hart begins to run a thread that it did not run last: what the thread's own fence of its fetches (`fence.i`) has
 * done for another hart is done for this one. Costs nothing before the first icache_sync. Interrupts masked.
 */
void icache_follow(void);
