// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The words that describe a run of random operations, and the numbers that it draws. Shared by such testers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct word_span {
	unsigned long first, last;
};

/* "name=NUMBER". False: it is not that. */
bool word_number(const char *word, const char *name, unsigned long *value);
/* "N-M,N,..." added to the spans. False: it is not that, or there are more than max. */
bool word_spans(const char *text, struct word_span *spans, unsigned *count, unsigned max);
/* "NAME,NAME,..." by their places among `count` ones, as a set. False: one is not known. */
bool word_kinds(const char *names, const char *(*name_of)(size_t i), size_t count, uint64_t *set);
bool word_in_spans(unsigned long number, const struct word_span *spans, unsigned count);

/* Any change of x changes about half of the result's bits. */
static inline uint64_t word_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* The next random number of a state. */
static inline uint64_t word_draw(uint64_t *random)
{
	return word_mix(*random += 0x9e3779b97f4a7c15u);
}

/* The state that operation `number` begins with: it depends on nothing else. */
static inline uint64_t word_state(uint64_t seed, unsigned long number)
{
	return word_mix(word_mix(seed + 1) + number * 0x2545f4914f6cdd1du);
}
