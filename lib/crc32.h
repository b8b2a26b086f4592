// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/types.h"

/* CRC-32 of IEEE 802.3 (polynomial 0x04C11DB7, reflected), as GPT uses it. Start with 0, or go on from a result. */
uint32_t crc32_ieee(uint32_t crc, const void *data, size_t len);

/*
 * The shift register alone, not inverted before and after, as ext4's journals use it: start with ~0, or go on from a
 * result. CRC-32C (polynomial 0x1EDC6F41, reflected), and CRC-32 with the polynomial above, most significant bit first.
 */
uint32_t crc32c_raw(uint32_t crc, const void *data, size_t len);
uint32_t crc32_be_raw(uint32_t crc, const void *data, size_t len);
