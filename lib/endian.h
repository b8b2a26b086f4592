// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Big-endian numbers as they lie on a medium, at any address: types of their own, so none is used unconverted. */
#pragma once

#include "lib/types.h"

typedef struct {
	uint8_t byte[2];
} be16_t;

typedef struct {
	uint8_t byte[4];
} be32_t;

typedef struct {
	be32_t high, low;
} be64_t;

static inline uint16_t be16_get(be16_t n)
{
	return (uint16_t)(n.byte[0] << 8 | n.byte[1]);
}

static inline be16_t be16_of(uint16_t n)
{
	return (be16_t){{(uint8_t)(n >> 8), (uint8_t)n}};
}

static inline uint32_t be32_get(be32_t n)
{
	return (uint32_t)n.byte[0] << 24 | (uint32_t)n.byte[1] << 16 | (uint32_t)n.byte[2] << 8 | n.byte[3];
}

static inline be32_t be32_of(uint32_t n)
{
	return (be32_t){{(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static inline uint64_t be64_get(be64_t n)
{
	return (uint64_t)be32_get(n.high) << 32 | be32_get(n.low);
}

static inline be64_t be64_of(uint64_t n)
{
	return (be64_t){be32_of((uint32_t)(n >> 32)), be32_of((uint32_t)n)};
}
