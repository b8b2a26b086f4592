// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Atomic operations on one and two bytes, which this compiler calls for and whose library the toolchain lacks: carried
 * out on the aligned word around them. Sequentially consistent, whatever was asked for. Any context.
 */

#include <stdbool.h>
#include <stdint.h>

struct word {
	uint32_t *at;
	unsigned shift;
	uint32_t mask;
};

static struct word word_around(volatile void *p, unsigned size)
{
	uintptr_t address = (uintptr_t)p;
	unsigned shift = (address & 3) * 8;

	return (struct word){(uint32_t *)(address & ~(uintptr_t)3), shift, ((1u << size * 8) - 1) << shift};
}

static bool word_swap(struct word w, uint32_t *old, uint32_t value)
{
	uint32_t whole = (*old & ~w.mask) | (value << w.shift & w.mask);

	return __atomic_compare_exchange_n(w.at, old, whole, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#define ATOMIC_FETCH(size, type, name, expression)                                                                     \
	type __atomic_##name##_##size(volatile void *p, type value, int order);                                        \
	type __atomic_##name##_##size(volatile void *p, type value, int order)                                         \
	{                                                                                                              \
		struct word w = word_around(p, size);                                                                  \
		uint32_t old = __atomic_load_n(w.at, __ATOMIC_RELAXED);                                                \
		type was;                                                                                              \
                                                                                                                       \
		(void)order;                                                                                           \
		do {                                                                                                   \
			was = (type)(old >> w.shift);                                                                  \
		} while (!word_swap(w, &old, (type)(expression)));                                                     \
		return was;                                                                                            \
	}

#define ATOMIC_COMPARE(size, type)                                                                                     \
	bool __atomic_compare_exchange_##size(volatile void *p, void *expected, type value, bool weak, int success,    \
					      int failure);                                                            \
	bool __atomic_compare_exchange_##size(volatile void *p, void *expected, type value, bool weak, int success,    \
					      int failure)                                                             \
	{                                                                                                              \
		struct word w = word_around(p, size);                                                                  \
		uint32_t old = __atomic_load_n(w.at, __ATOMIC_SEQ_CST);                                                \
		type *was = expected;                                                                                  \
                                                                                                                       \
		(void)weak;                                                                                            \
		(void)success;                                                                                         \
		(void)failure;                                                                                         \
		while ((type)(old >> w.shift) == *was) {                                                               \
			if (word_swap(w, &old, value))                                                                 \
				return true;                                                                           \
		}                                                                                                      \
		*was = (type)(old >> w.shift);                                                                         \
		return false;                                                                                          \
	}

#define ATOMIC_ALL(size, type)                                                                                         \
	ATOMIC_FETCH(size, type, exchange, value)                                                                      \
	ATOMIC_FETCH(size, type, fetch_add, was + value)                                                               \
	ATOMIC_FETCH(size, type, fetch_sub, was - value)                                                               \
	ATOMIC_FETCH(size, type, fetch_and, was &value)                                                                \
	ATOMIC_FETCH(size, type, fetch_or, was | value)                                                                \
	ATOMIC_FETCH(size, type, fetch_xor, was ^ value)                                                               \
	ATOMIC_COMPARE(size, type)

ATOMIC_ALL(1, uint8_t)
ATOMIC_ALL(2, uint16_t)
