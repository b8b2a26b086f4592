// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The allocator: contents, alignment, edges, threads, memory given back. */

#include <cairn.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "tap.h"

#define SLOTS 300
#define MIB (1024 * 1024)
#define PAGE 4096ul

/* Calls that must fail, out of the compiler's sight: it would warn. */
static void *(*volatile realloc_unseen)(void *, size_t) = realloc;
static void *(*volatile calloc_unseen)(size_t, size_t) = calloc;
static void *(*volatile reallocarray_unseen)(void *, size_t, size_t) = reallocarray;

static bool is_filled(const unsigned char *p, size_t n, unsigned char with)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != with)
			return false;
	return true;
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Random calls; each block keeps a pattern that any overlap would damage. */
static void *churn(void *arg)
{
	struct {
		unsigned char *p;
		size_t n;
		unsigned char with;
	} slots[SLOTS] = {0};
	uint32_t state = 1 + (uint32_t)(intptr_t)arg;
	int rounds = tap_times(5000, 5000, 15000);

	for (int i = 0; i < rounds; i++) {
		__typeof__(slots[0]) *s = &slots[next_random(&state) % SLOTS];
		size_t n = next_random(&state) % (i % 100 ? 600 : 150000);
		unsigned char *p;

		if (s->p && !is_filled(s->p, s->n, s->with)) {
			CHECK(!"contents changed");
			break;
		}
		if (s->p && i % 3) {
			free(s->p);
			s->p = NULL;
			continue;
		}
		p = realloc(s->p, n);
		CHECK(p && (uintptr_t)p % 16 == 0 && malloc_usable_size(p) >= n);
		if (!p)
			break;
		CHECK(!s->p || is_filled(p, n < s->n ? n : s->n, s->with));
		s->p = p;
		s->n = n;
		s->with = (unsigned char)next_random(&state);
		memset(p, s->with, n);
	}
	for (int i = 0; i < SLOTS; i++)
		free(slots[i].p);
	return NULL;
}

static void test_churn(void)
{
	churn((void *)77);
}

static void test_threads(void)
{
	pthread_t threads[6];

	for (intptr_t i = 0; i < 6; i++)
		CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i * 1000)) == 0);
	for (int i = 0; i < 6; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void test_calloc(void)
{
	for (size_t n = 1; n < 300000; n = n * 3 + 1) {
		unsigned char *p = malloc(n);

		CHECK(p != NULL);
		memset(p, 0xaa, n);
		free(p);
		p = calloc(n, 1);
		CHECK(p && is_filled(p, n, 0));
		free(p);
	}
	errno = 0;
	CHECK(calloc_unseen(SIZE_MAX / 2, 3) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(reallocarray_unseen(NULL, SIZE_MAX / 2, 3) == NULL && errno == ENOMEM);
}

static void test_edges(void)
{
	volatile size_t huge = PTRDIFF_MAX;
	void *a = malloc(0), *b = malloc(0);

	CHECK(a && b && a != b);
	free(a);
	free(b);
	free(NULL);
	errno = 0;
	CHECK(malloc(huge) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(malloc(huge / 1024) == NULL && errno == ENOMEM);
	a = malloc(100);
	errno = 0;
	CHECK(realloc_unseen(a, huge) == NULL && errno == ENOMEM);
	memset(a, 1, 100); // still ours
	errno = 12345;
	free(a);
	CHECK(errno == 12345);
	CHECK(malloc_usable_size(NULL) == 0);
}

static void test_alignment(void)
{
	void *p = NULL;

	for (size_t alignment = 8; alignment <= 1 * MIB; alignment *= 2) {
		CHECK(posix_memalign(&p, alignment, 1000) == 0);
		CHECK((uintptr_t)p % alignment == 0 && malloc_usable_size(p) >= 1000);
		memset(p, 0x11, 1000);
		p = realloc(p, 5000);
		CHECK(p && is_filled(p, 1000, 0x11));
		free(p);
		p = aligned_alloc(alignment, alignment);
		CHECK(p && (uintptr_t)p % alignment == 0);
		free(p);
	}
	CHECK(posix_memalign(&p, 24, 1) == EINVAL);
	CHECK(posix_memalign(&p, 4, 1) == EINVAL);
	CHECK(posix_memalign(&p, 64, PTRDIFF_MAX) == ENOMEM);
}

/* Many times the machine's memory in all, and each piece is wholly used. */
static void test_large_comes_back(void)
{
	int rounds = tap_times(20, 20, 60);

	for (int i = 0; i < rounds; i++) {
		unsigned char *p = malloc(16 * MIB);

		CHECK(p != NULL);
		if (!p)
			return;
		for (size_t at = 0; at < 16 * MIB; at += 4096) {
			CHECK(p[at] == 0);
			p[at] = 1;
		}
		free(p);
	}
}

/* ---- mappings of their own ---- */

static void load(void *at)
{
	(void)*(volatile char *)at;
}

/* As a number, since the block may be free. */
static bool is_mapped(uintptr_t at)
{
	const struct cairn_fault *fault = cairn_try(load, (void *)at);

	CHECK(!fault || fault->kind == CAIRN_FAULT_UNMAPPED);
	return !fault;
}

/* A block that is a mapping, of which free leaves nothing. */
static void check_mapped(char *p, size_t size)
{
	uintptr_t base = (uintptr_t)p & ~(PAGE - 1), end = (uintptr_t)p + malloc_usable_size(p);

	CHECK(p && end % PAGE == 0 && end - (uintptr_t)p >= size && end - (uintptr_t)p < size + PAGE + 16);
	memset(p, 0x77, malloc_usable_size(p));
	free(p);
	for (uintptr_t at = base; at < end; at += PAGE)
		CHECK(!is_mapped(at));
}

static void test_threshold(void)
{
	const size_t threshold = 128 * 1024;
	char *p = malloc(threshold - 16), *small;
	uintptr_t at = (uintptr_t)p;

	free(p); // the largest that is none: its memory stays the heap's
	CHECK(is_mapped(at) && is_mapped(at + threshold - 17));
	for (size_t size = threshold; size < 40 * MIB; size = size * 3 + 1)
		check_mapped(malloc(size), size);
	p = calloc(threshold, 1);
	CHECK(is_filled((unsigned char *)p, threshold, 0));
	check_mapped(p, threshold);
	p = realloc(malloc(100), MIB); // grown into one
	check_mapped(p, MIB);
	p = malloc(4 * MIB);
	memset(p, 0x21, 4 * MIB);
	at = (uintptr_t)p;
	small = realloc(p, 100); // and shrunk out of one
	CHECK(small && is_filled((unsigned char *)small, 100, 0x21) && !is_mapped(at) && !is_mapped(at + 4 * MIB - 1));
	free(small);
	CHECK(posix_memalign((void **)&p, MIB, MIB) == 0);
	at = (uintptr_t)p;
	free(p);
	CHECK(at % MIB == 0 && !is_mapped(at - 1) && !is_mapped(at) && !is_mapped(at + MIB - 1));
}

static void test_mallopt(void)
{
	uintptr_t at;
	char *p;

	CHECK(mallopt(M_MMAP_THRESHOLD, -1) == 0 && mallopt(M_MMAP_THRESHOLD, INT_MAX) == 0);
	CHECK(mallopt(12345, 1) == 0);
	CHECK(mallopt(M_MMAP_THRESHOLD, 64 * 1024) == 1);
	check_mapped(malloc(64 * 1024), 64 * 1024);
	p = malloc(64 * 1024 - 16);
	at = (uintptr_t)p;
	free(p);
	CHECK(is_mapped(at));
	CHECK(mallopt(M_MMAP_THRESHOLD, 0) == 1);
	check_mapped(malloc(1), 1);
	CHECK(mallopt(M_MMAP_THRESHOLD, 512 * 1024) == 1);
	p = malloc(128 * 1024);
	at = (uintptr_t)p;
	CHECK(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1);
	free(p); // by what the block is, not by what it would be now
	CHECK(is_mapped(at));
}

TAP_MAIN({"contents survive", test_churn}, {"threads", test_threads}, {"calloc is zero", test_calloc},
	 {"edges", test_edges}, {"alignment", test_alignment}, {"large blocks come back", test_large_comes_back},
	 {"mappings of their own", test_threshold}, {"their threshold", test_mallopt})
