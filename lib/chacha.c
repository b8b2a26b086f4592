// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* ChaCha20's block function, RFC 8439 section 2.3. */
#include "lib/chacha.h"

#define ROUNDS 20

static inline uint32_t rotate(uint32_t x, unsigned by)
{
	return x << by | x >> (32 - by);
}

static inline void quarter(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 7);
}

void chacha20_block(const uint32_t key[8], uint64_t counter, uint32_t out[16])
{
	uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	for (unsigned i = 0; i < 8; i++)
		state[4 + i] = key[i];
	state[12] = (uint32_t)counter;
	state[13] = (uint32_t)(counter >> 32);
	for (unsigned i = 0; i < 16; i++)
		out[i] = state[i];
	for (unsigned i = 0; i < ROUNDS; i += 2) {
		for (unsigned column = 0; column < 4; column++)
			quarter(out, column, 4 + column, 8 + column, 12 + column);
		for (unsigned row = 0; row < 4; row++)
			quarter(out, row, 4 + (row + 1) % 4, 8 + (row + 2) % 4, 12 + (row + 3) % 4);
	}
	for (unsigned i = 0; i < 16; i++)
		out[i] += state[i];
}
