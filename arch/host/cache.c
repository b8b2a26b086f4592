// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* This machine keeps fetches and devices coherent: nothing to do. That fetches are asked for is counted, for tests. */
#include "arch/cache.h"

#include <assert.h>

#include "arch/host/host.h"
#include "arch/irq.h"

atomic_uint host_icache_syncs;

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

void icache_sync(void)
{
	assert(irq_enabled()); // under no spinlock
	atomic_fetch_add(&host_icache_syncs, 1);
}

void icache_follow(void)
{
}
