// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Ordering between memory shared with a device and the device's registers. Between harts use C11 atomics.
 * Each use names in a comment what it pairs with on the device's side.
 */
#pragma once

#include <arch_barrier.h>

/*
 * dma_wmb():  writes to shared memory before it are seen by the device before writes after it (memory or MMIO).
 * dma_rmb():  reads from shared memory or MMIO before it are done before reads from shared memory after it.
 * dma_mb():   both, and write to read.
 */
