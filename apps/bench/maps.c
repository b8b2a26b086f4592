// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Costs of mappings: with few of them, and with a crowd of 100,000 one-page mappings, each with a page beside it left
 * free, that is made once and stays. Linux allows fewer unless vm.max_map_count is raised; what needs the crowd is then
 * not measured. One thread.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#include "bench.h"

#define PAGE 4096ul
#define CROWD 100000u

static void *map_new(size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	bench_must(p == MAP_FAILED ? errno : 0, "mmap");
	return p;
}

static void unmap(void *p, size_t size)
{
	bench_must(munmap(p, size) ? errno : 0, "munmap");
}

/* Two pages: no gap of the crowd's has room for them. */
static uint64_t mmap_munmap(unsigned rounds)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < rounds; i++)
		unmap(map_new(2 * PAGE, PROT_READ), 2 * PAGE);
	return (bench_now() - begin) * 1000 / rounds;
}

/* First stores into pages. */
static uint64_t fault_anon(unsigned rounds)
{
	volatile unsigned char *p = map_new(rounds * PAGE, PROT_READ | PROT_WRITE);
	uint64_t begin = bench_now(), milli;

	for (unsigned i = 0; i < rounds; i++)
		p[i * PAGE] = 1;
	milli = (bench_now() - begin) * 1000 / rounds;
	unmap((void *)p, rounds * PAGE);
	return milli;
}

/* False if the system has no room for so many. */
static bool crowd_is_there(void)
{
	static bool made;
	unsigned char *area;

	if (made)
		return true;
	area = map_new(2 * CROWD * PAGE, PROT_READ);
	for (unsigned i = 0; i < CROWD; i++) {
		if (munmap(area + (2 * i + 1) * PAGE, PAGE) == 0)
			continue;
		bench_must(errno == ENOMEM ? 0 : errno, "munmap");
		unmap(area, 2 * CROWD * PAGE);
		return false;
	}
	made = true;
	return true;
}

static uint64_t mmap_munmap_100k(unsigned rounds)
{
	return crowd_is_there() ? mmap_munmap(rounds) : BENCH_IMPOSSIBLE;
}

static uint64_t fault_anon_100k(unsigned rounds)
{
	return crowd_is_there() ? fault_anon(rounds) : BENCH_IMPOSSIBLE;
}

const struct bench_case map_cases[] = {
    {"mmap_munmap", mmap_munmap, 2000},
    {"mmap_munmap_100k", mmap_munmap_100k, 2000},
    {"fault_anon_100k", fault_anon_100k, 2000},
    {0},
};
