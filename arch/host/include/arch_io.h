// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/types.h"

/* Registers are a model's (tests/host/simio.h); whoever touches one without a model aborts. */
uint8_t arch_read8(const volatile void *at);
uint16_t arch_read16(const volatile void *at);
uint32_t arch_read32(const volatile void *at);
void arch_write8(volatile void *at, uint8_t v);
void arch_write16(volatile void *at, uint16_t v);
void arch_write32(volatile void *at, uint32_t v);
