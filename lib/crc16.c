// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* See the header. A nibble at a time: a table of 16 words stays in the cache. No locks, does not sleep. */
#include "lib/crc16.h"

static const uint16_t nibbles[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
				     0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};

uint16_t crc16(uint16_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		crc = (uint16_t)(crc << 4 ^ nibbles[crc >> 12 ^ p[i] >> 4]);
		crc = (uint16_t)(crc << 4 ^ nibbles[crc >> 12 ^ (p[i] & 15)]);
	}
	return crc;
}

/* Bit by bit: a command has five bytes. */
uint8_t crc7(uint8_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 8; bit-- > 0;) {
			const bool one = (crc >> 6 ^ p[i] >> bit) & 1;

			crc = (uint8_t)((crc << 1 & 0x7f) ^ (one ? 0x09 : 0));
		}
	return crc;
}
