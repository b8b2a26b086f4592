// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* DMA is coherent on every board so far (QEMU, HiFive, VisionFive 2): nothing to do. */

#include "arch/cache.h"

void dma_sync_for_device(paddr_t pa, size_t len, enum dma_dir dir)
{
	(void)pa;
	(void)len;
	(void)dir;
}

void dma_sync_for_cpu(paddr_t pa, size_t len, enum dma_dir dir)
{
	(void)pa;
	(void)len;
	(void)dir;
}
