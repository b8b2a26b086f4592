// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Hashes of names, as the indices of directories are sorted by them: "legacy", half an MD4, and TEA. Each takes a
 * name's bytes as signed or as unsigned, which the superblock says; one that says neither is of a time when they were
 * what the processor's char was, nearly always signed. Pure; any context.
 */
#include <string.h>

#include "fs/ext2/dir.h"

static const uint32_t seed_default[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

static uint32_t byte_at(const char *name, unsigned i, bool is_unsigned)
{
	return is_unsigned ? (uint32_t)(unsigned char)name[i] : (uint32_t)(int32_t)(signed char)name[i];
}

static uint32_t hash_legacy(const char *name, unsigned len, bool is_unsigned)
{
	uint32_t last = 0x12a3fe2d, before = 0x37abe8f9;

	for (unsigned i = 0; i < len; i++) {
		uint32_t next = before + (last ^ byte_at(name, i, is_unsigned) * 7152373u);

		if (next & 0x80000000u)
			next -= 0x7fffffff;
		before = last;
		last = next;
	}
	return last << 1;
}

/* The next words of a name, big-endian, filled up with what is left of its length. */
static void name_words(const char *name, unsigned left, bool is_unsigned, uint32_t *words, unsigned count)
{
	const uint32_t fill = (left | left << 8) * 0x00010001u;

	for (unsigned w = 0; w < count; w++) {
		uint32_t word = fill;

		for (unsigned i = w * 4; i < min_of(w * 4 + 4, left); i++)
			word = (word << 8) + byte_at(name, i, is_unsigned);
		words[w] = word;
	}
}

static uint32_t rotate(uint32_t x, unsigned by)
{
	return x << by | x >> (32 - by);
}

static uint32_t md4_mix(unsigned round, uint32_t x, uint32_t y, uint32_t z)
{
	switch (round) {
	case 0:
		return z ^ (x & (y ^ z));
	case 1:
		return (x & y) + ((x ^ y) & z);
	default:
		return x ^ y ^ z;
	}
}

/* MD4's three rounds with half of its words. */
static void half_md4(uint32_t *state, const uint32_t *words)
{
	static const uint32_t add[3] = {0, 0x5a827999, 0x6ed9eba1};
	static const uint8_t order[3][8] = {
	    {0, 1, 2, 3, 4, 5, 6, 7}, {1, 3, 5, 7, 0, 2, 4, 6}, {3, 7, 2, 6, 1, 5, 0, 4}};
	static const uint8_t shifts[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
	uint32_t s[4];

	memcpy(s, state, sizeof(s));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 8; i++) {
			uint32_t *to = &s[-i % 4];

			*to += md4_mix(round, s[(1 - i) % 4], s[(2 - i) % 4], s[(3 - i) % 4]) + words[order[round][i]] +
			       add[round];
			*to = rotate(*to, shifts[round][i % 4]);
		}
	}
	for (unsigned i = 0; i < 4; i++)
		state[i] += s[i];
}

static void tea(uint32_t *state, const uint32_t *words)
{
	uint32_t x = state[0], y = state[1], sum = 0;

	for (unsigned i = 0; i < 16; i++) {
		sum += 0x9e3779b9;
		x += ((y << 4) + words[0]) ^ (y + sum) ^ ((y >> 5) + words[1]);
		y += ((x << 4) + words[2]) ^ (x + sum) ^ ((x >> 5) + words[3]);
	}
	state[0] += x;
	state[1] += y;
}

uint32_t ext2_dir_hash(const struct volume *vol, unsigned version, const char *name, unsigned len)
{
	const bool is_unsigned = vol->es.flags & EXT2_SUPER_UNSIGNED_HASH;
	const unsigned step = version == EXT2_HASH_TEA ? 16 : 32;
	uint32_t state[4], words[8], hash;

	memcpy(state, vol->es.hash_seed, sizeof(state));
	if (!(state[0] | state[1] | state[2] | state[3]))
		memcpy(state, seed_default, sizeof(state));
	if (version == EXT2_HASH_LEGACY) {
		hash = hash_legacy(name, len, is_unsigned);
	} else {
		for (unsigned at = 0; at < len; at += step) {
			name_words(name + at, len - at, is_unsigned, words, step / 4);
			if (version == EXT2_HASH_TEA)
				tea(state, words);
			else
				half_md4(state, words);
		}
		hash = state[version == EXT2_HASH_TEA ? 0 : 1];
	}
	/* Bit 0 has a meaning of its own, and the greatest value stands for the end. */
	return min_of(hash & ~1u, 0xfffffffcu);
}

static bool comes_before(const struct dir_name *a, const struct dir_name *b)
{
	return a->hash != b->hash ? a->hash < b->hash : a->at < b->at;
}

/* The heap below i is one but for i itself. */
static void sift_down(struct dir_name *names, size_t i, size_t count)
{
	const struct dir_name name = names[i];

	for (size_t child; (child = 2 * i + 1) < count; i = child) {
		if (child + 1 < count && comes_before(&names[child], &names[child + 1]))
			child++;
		if (!comes_before(&name, &names[child]))
			break;
		names[i] = names[child];
	}
	names[i] = name;
}

void ext2_dir_sort(struct dir_name *names, size_t count)
{
	for (size_t i = count / 2; i > 0; i--)
		sift_down(names, i - 1, count);
	while (count > 1) {
		const struct dir_name last = names[--count];

		names[count] = names[0];
		names[0] = last;
		sift_down(names, 0, count);
	}
}
