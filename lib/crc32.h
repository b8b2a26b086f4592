// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/types.h"

/* CRC-32 of IEEE 802.3 (polynomial 0x04C11DB7, reflected), as GPT uses it. Start with 0, or go on from a result. */
uint32_t crc32_ieee(uint32_t crc, const void *data, size_t len);
