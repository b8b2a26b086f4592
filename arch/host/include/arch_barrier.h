// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <stdatomic.h>

#define dma_wmb() atomic_thread_fence(memory_order_release)
#define dma_rmb() atomic_thread_fence(memory_order_acquire)
#define dma_mb() atomic_thread_fence(memory_order_seq_cst)
