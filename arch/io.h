// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Device registers. Accesses are volatile, of the width named, little endian, ordered among themselves on one
 * device. Order against memory with arch/barrier.h.
 */
#pragma once

#include <arch_io.h>

#include "lib/types.h"

/* Maps a device window for good; overlapping requests share pages. NULL: out of window space or page tables. */
volatile void *io_map(paddr_t pa, size_t len);

static inline uint8_t io_read8(const volatile void *base, size_t off)
{
	return arch_read8((const volatile char *)base + off);
}

static inline uint16_t io_read16(const volatile void *base, size_t off)
{
	return arch_read16((const volatile char *)base + off);
}

static inline uint32_t io_read32(const volatile void *base, size_t off)
{
	return arch_read32((const volatile char *)base + off);
}

static inline void io_write8(volatile void *base, size_t off, uint8_t v)
{
	arch_write8((volatile char *)base + off, v);
}

static inline void io_write16(volatile void *base, size_t off, uint16_t v)
{
	arch_write16((volatile char *)base + off, v);
}

static inline void io_write32(volatile void *base, size_t off, uint32_t v)
{
	arch_write32((volatile char *)base + off, v);
}
