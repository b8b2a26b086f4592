// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * CRC-32 by nibbles: tables of 64 bytes, fast enough for partition tables and journals of metadata. No state, no locks.
 */
#include "lib/crc32.h"

static const uint32_t ieee_table[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

static const uint32_t castagnoli_table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static const uint32_t ieee_be_table[16] = {
    0x00000000, 0x04c11db7, 0x09823b6e, 0x0d4326d9, 0x130476dc, 0x17c56b6b, 0x1a864db2, 0x1e475005,
    0x2608edb8, 0x22c9f00f, 0x2f8ad6d6, 0x2b4bcb61, 0x350c9b64, 0x31cd86d3, 0x3c8ea00a, 0x384fbdbd,
};

static uint32_t reflected(const uint32_t *table, uint32_t crc, const uint8_t *p, size_t len)
{
	while (len--) {
		crc ^= *p++;
		crc = table[crc & 15] ^ (crc >> 4);
		crc = table[crc & 15] ^ (crc >> 4);
	}
	return crc;
}

uint32_t crc32_ieee(uint32_t crc, const void *data, size_t len)
{
	return ~reflected(ieee_table, ~crc, data, len);
}

uint32_t crc32c_raw(uint32_t crc, const void *data, size_t len)
{
	return reflected(castagnoli_table, crc, data, len);
}

uint32_t crc32_be_raw(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--) {
		crc ^= (uint32_t)*p++ << 24;
		crc = ieee_be_table[crc >> 28] ^ (crc << 4);
		crc = ieee_be_table[crc >> 28] ^ (crc << 4);
	}
	return crc;
}
