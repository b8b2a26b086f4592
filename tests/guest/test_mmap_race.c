// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mapping calls beside threads that use the very addresses: what is replaced by MAP_FIXED is there at every moment, as
 * the old mapping or as the new one, and a stack that several threads make grow grows for all of them. A fault that
 * is not served ends the program.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PATH "/raced"
#define PAGES 16u
#define USERS 3

static unsigned char *area;
static atomic_bool done;
static atomic_uint loads, stores;

/* With more harts than a PC has processors each shootdown waits until the PC has let each of them run. */
static unsigned rounds_of_calls(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) > 2)
		return tap_is_quick() ? 20 : 60;
	return tap_is_quick() ? 500 : 1000;
}

static unsigned next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* What any of the mappings may show: zeros, the file's bytes, what users stored. */
static bool is_possible(unsigned char byte)
{
	return byte == 0 || byte == 'f' || byte == 's';
}

static void *use(void *arg)
{
	uint32_t random = (uint32_t)(uintptr_t)arg;

	while (!atomic_load(&done)) {
		volatile unsigned char *p = area + next(&random) % PAGES * PAGE + next(&random) % PAGE;

		if (next(&random) % 4 == 0) {
			*p = 's';
			atomic_fetch_add_explicit(&stores, 1, memory_order_relaxed);
		} else {
			CHECK(is_possible(*p));
			atomic_fetch_add_explicit(&loads, 1, memory_order_relaxed);
		}
	}
	return NULL;
}

/* Some pages anew: zeros, the file or private copies of it. */
static void replace(int fd, uint32_t *random)
{
	const unsigned pages = 1 + next(random) % 6, at = next(random) % (PAGES - pages + 1);
	unsigned char *p = area + at * PAGE;
	const off_t offset = (off_t)(at * PAGE);

	switch (next(random) % 3) {
	case 0:
		CHECK(mmap(p, pages * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
		break;
	case 1:
		CHECK(mmap(p, pages * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, offset) == p);
		break;
	default:
		CHECK(mmap(p, pages * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, offset) == p);
	}
}

static void test_replace(void)
{
	static unsigned char fill[PAGES * PAGE];
	const unsigned rounds = rounds_of_calls();
	pthread_t users[USERS];
	uint32_t random = 1;
	int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0644);

	memset(fill, 'f', sizeof(fill));
	CHECK(fd >= 0 && write(fd, fill, sizeof(fill)) == (ssize_t)sizeof(fill));
	area = mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0);
	CHECK(area != MAP_FAILED);
	atomic_store(&done, false);
	for (size_t i = 0; i < USERS; i++)
		CHECK(pthread_create(&users[i], NULL, use, (void *)(i + 1)) == 0);
	for (unsigned i = 0; i < rounds || !atomic_load(&loads) || !atomic_load(&stores); i++)
		replace(fd, &random);
	atomic_store(&done, true);
	for (size_t i = 0; i < USERS; i++)
		CHECK(pthread_join(users[i], NULL) == 0);
	printf("# %u loads and %u stores meanwhile\n", atomic_load(&loads), atomic_load(&stores));
	CHECK(munmap(area, PAGES * PAGE) == 0 && close(fd) == 0 && unlink(PATH) == 0);
}

/* Protection of pages beside, in the same mapping, splits it and joins it again under the users. */
static void test_split(void)
{
	const unsigned rounds = rounds_of_calls();
	pthread_t users[USERS];
	uint32_t random = 2;

	area = mmap(NULL, (PAGES + 4) * PAGE, RW, ANON, -1, 0);
	CHECK(area != MAP_FAILED);
	area += 2 * PAGE;
	atomic_store(&done, false);
	for (size_t i = 0; i < USERS; i++)
		CHECK(pthread_create(&users[i], NULL, use, (void *)(i + 1)) == 0);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned char *p = area + next(&random) % PAGES * PAGE;

		/* More rights than before, and back: no user ever lacks one. */
		CHECK(mprotect(p, PAGE, RW | PROT_EXEC) == 0 && mprotect(p, PAGE, RW) == 0);
		CHECK(mprotect(area - PAGE, PAGE, PROT_NONE) == 0 && munmap(area + PAGES * PAGE, PAGE) == 0);
		CHECK(mprotect(area - PAGE, PAGE, RW) == 0);
		CHECK(mmap(area + PAGES * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == area + PAGES * PAGE);
	}
	atomic_store(&done, true);
	for (size_t i = 0; i < USERS; i++)
		CHECK(pthread_join(users[i], NULL) == 0);
	CHECK(munmap(area - 2 * PAGE, (PAGES + 4) * PAGE) == 0);
}

#define DEPTH 400u // pages

static pthread_barrier_t begin;

static void *make_grow(void *arg)
{
	const size_t self = (size_t)arg;

	for (unsigned depth = 1; depth < DEPTH; depth += 1 + depth % 3) {
		volatile unsigned char *p = area - depth * PAGE + 8 * self;

		if (depth % 50 == 1)
			pthread_barrier_wait(&begin); // so that nobody has made it all
		*p = (unsigned char)(depth + self);
		CHECK(*p == (unsigned char)(depth + self));
	}
	return NULL;
}

static void test_grow(void)
{
	pthread_t users[USERS];

	area = mmap(NULL, PAGE, RW, ANON | MAP_GROWSDOWN, -1, 0);
	CHECK(area != MAP_FAILED && pthread_barrier_init(&begin, NULL, USERS) == 0);
	for (size_t i = 0; i < USERS; i++)
		CHECK(pthread_create(&users[i], NULL, make_grow, (void *)i) == 0);
	for (size_t i = 0; i < USERS; i++)
		CHECK(pthread_join(users[i], NULL) == 0);
	for (unsigned depth = 1; depth < DEPTH; depth += 1 + depth % 3)
		for (size_t i = 0; i < USERS; i++)
			CHECK(area[8 * i - depth * PAGE] == (unsigned char)(depth + i));
	CHECK(munmap(area - DEPTH * PAGE, (DEPTH + 1) * PAGE) == 0 && pthread_barrier_destroy(&begin) == 0);
}

TAP_MAIN({"what is replaced is always there", test_replace}, {"what is split and joined is always there", test_split},
	 {"threads make a mapping grow together", test_grow})
