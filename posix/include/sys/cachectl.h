// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Instructions that the application writes; names and values are Linux's. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#define SYS_RISCV_FLUSH_ICACHE_LOCAL 1ul // for the calling thread alone

/*
 * What was stored into [start, end) before is what all threads execute there from now on. A thread's own `fence.i` does
 * it for that thread, wherever it runs then. 0, or -1: EINVAL, a flag is unknown.
 */
int __riscv_flush_icache(void *start, void *end, unsigned long flags);

#ifdef __cplusplus
}
#endif
