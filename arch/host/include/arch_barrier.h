// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <stdatomic.h>

/* Simulated devices run on the hart that they interrupt: only the compiler must keep the order. */
#define dma_wmb() atomic_signal_fence(memory_order_release)
#define dma_rmb() atomic_signal_fence(memory_order_acquire)
#define dma_mb() atomic_signal_fence(memory_order_seq_cst)
