// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The numbers that must not be mixed have types of their own. They are plain integers to the compiler; the
 * names say in every signature which space a number lives in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t paddr_t;  // physical address, bytes
typedef uintptr_t vaddr_t; // virtual address, bytes
typedef uint64_t sector_t; // 512-byte sector of a block device
typedef uint32_t fsblk_t;  // file-system block of a volume; 0 is no block
typedef uint64_t pgidx_t;  // page index in an object: byte offset / PAGE_SIZE
typedef uint64_t nsec_t;   // nanoseconds; as a point in time: since boot

#define SECTOR_SIZE 512u
#define SECTOR_SHIFT 9

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define array_size(a) (sizeof(a) / sizeof((a)[0]))
#define align_down(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define align_up(x, a) (((x) + ((__typeof__(x))(a)-1)) & ~((__typeof__(x))(a)-1))
#define min_of(a, b)                                                                                                   \
	({                                                                                                             \
		__typeof__(a) min_a_ = (a);                                                                            \
		__typeof__(b) min_b_ = (b);                                                                            \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                                     \
	})
#define max_of(a, b)                                                                                                   \
	({                                                                                                             \
		__typeof__(a) max_a_ = (a);                                                                            \
		__typeof__(b) max_b_ = (b);                                                                            \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                                     \
	})
