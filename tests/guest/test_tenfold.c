// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A file ten times as large as memory, mapped shared: four threads store into each of its pages once, all over the
 * file, in an order that the seed gives; it is read back by read and through the mapping, all over again. No store may
 * fail, though memory and the card's queue are full all the time.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

#define PAGE 4096ul
#define WORDS (PAGE / sizeof(uint64_t))
#define THREADS 4
#define ORDER_BITS 16 // pages that an order can have

static const unsigned seed = 20;
static uint64_t *map;
static unsigned pages; // of the file
static atomic_uint taken;
static atomic_uint wrong;

/* A permutation of the numbers of ORDER_BITS bits; each step can be undone. */
static unsigned mix(unsigned n, unsigned key)
{
	const unsigned mask = (1u << ORDER_BITS) - 1;

	for (unsigned i = 0; i < 3; i++) {
		n = (n + key) & mask;
		n ^= n >> 9;
		n = n * 0x9e3b5u & mask;
		n ^= n >> 7;
	}
	return n;
}

/* The pages in the order of the key: each once. False: none is left. */
static bool next_page(unsigned key, unsigned *page)
{
	unsigned n;

	while ((n = atomic_fetch_add(&taken, 1)) < 1u << ORDER_BITS) {
		*page = mix(n, key);
		if (*page < pages)
			return true;
	}
	return false;
}

static uint64_t word_of(unsigned page, unsigned word)
{
	return (page + 1) * 0x9e3779b97f4a7c15u ^ (uint64_t)seed << 48 ^ word * 0x100000001b3u;
}

static void check_page(const uint64_t *p, unsigned page, const char *how)
{
	for (unsigned i = 0; i < WORDS; i++) {
		if (p[i] != word_of(page, i) && atomic_fetch_add(&wrong, 1) < 10) {
			printf("# seed %u: by %s: page %u word %u is %#llx\n", seed, how, page, i,
			       (unsigned long long)p[i]);
			break;
		}
	}
}

static void *fill(void *arg)
{
	unsigned page;

	(void)arg;
	while (next_page(seed, &page)) {
		for (unsigned i = 0; i < WORDS; i++)
			map[page * WORDS + i] = word_of(page, i);
	}
	return NULL;
}

static void *look(void *arg)
{
	unsigned page;

	(void)arg;
	while (next_page(seed + 1, &page))
		check_page(map + page * WORDS, page, "mapping");
	return NULL;
}

static void by_all(void *(*work)(void *))
{
	pthread_t threads[THREADS];

	atomic_store(&taken, 0);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Several harts on a busy PC make it slow: who waits for another waits until the PC lets that run. */
static bool is_short(void)
{
	return tap_is_quick() || (sysconf(_SC_NPROCESSORS_ONLN) > 1 && strcmp(tap_effort, "long") != 0);
}

static void test_tenfold(void)
{
	static uint64_t buf[16 * WORDS];
	int fd = open("/tenfold", O_RDWR | O_CREAT | O_TRUNC, 0644);

	pages = (is_short() ? 40u : 160u) << 8; // memory is 16 MiB, tests/conftest.py
	CHECK(fd >= 0 && ftruncate(fd, (off_t)(pages * PAGE)) == 0);
	map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	by_all(fill);
	for (unsigned page = 0; page < pages; page += 16) {
		CHECK(read(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf));
		for (unsigned i = 0; i < 16; i++)
			check_page(buf + i * WORDS, page + i, "read");
	}
	by_all(look);
	CHECK(atomic_load(&wrong) == 0);
	CHECK(munmap(map, pages * PAGE) == 0 && close(fd) == 0);
}

TAP_MAIN({"a file larger than RAM, written all over by four threads", test_tenfold})
