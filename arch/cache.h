// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * DMA ownership of memory. Calls stand where a buffer changes hands, on every path, although all boards so far
 * are coherent and the calls cost nothing there.
 */
#pragma once

#include "lib/types.h"

enum dma_dir { DMA_TO_DEVICE, DMA_FROM_DEVICE };

void dma_sync_for_device(paddr_t pa, size_t len, enum dma_dir dir);
void dma_sync_for_cpu(paddr_t pa, size_t len, enum dma_dir dir);
