// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/types.h"

static inline uint8_t arch_read8(const volatile void *at)
{
	return *(const volatile uint8_t *)at;
}

static inline uint16_t arch_read16(const volatile void *at)
{
	return *(const volatile uint16_t *)at;
}

static inline uint32_t arch_read32(const volatile void *at)
{
	return *(const volatile uint32_t *)at;
}

static inline void arch_write8(volatile void *at, uint8_t v)
{
	*(volatile uint8_t *)at = v;
}

static inline void arch_write16(volatile void *at, uint16_t v)
{
	*(volatile uint16_t *)at = v;
}

static inline void arch_write32(volatile void *at, uint32_t v)
{
	*(volatile uint32_t *)at = v;
}
