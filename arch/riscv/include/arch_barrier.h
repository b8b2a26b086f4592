// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#define dma_wmb() __asm__ volatile("fence ow, ow" ::: "memory")
#define dma_rmb() __asm__ volatile("fence ir, ir" ::: "memory")
#define dma_mb() __asm__ volatile("fence iorw, iorw" ::: "memory")
