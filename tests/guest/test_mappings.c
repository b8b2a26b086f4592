// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Very many mappings: what a call or a fault costs does not grow with their number, but for the logarithm. Each cost is
 * measured with FEW mappings and with all of them in the same run; the least of several batches counts, since whatever
 * else runs on the PC only adds. The kernel has 256 bytes and, of what is touched, a page and its share of a page table
 * for each: 64 MiB of memory are enough for 100,000.
 */

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define PAGE 4096ul
#define FEW 1000u
#define BATCHES 9
#define BATCH 50
#define GROWTH_MAX                                                                                                     \
	8 // of costs, from FEW to all: the logarithm doubles, caches do the rest; in proportion it were 20 to 100
#define FILE_PAGES (1u << 17) // so many that each mapping has a page of its own
#define PATH "/many"
#define CONTROL_PATH "/few"

static unsigned all_mappings(void)
{
	return tap_is_quick() ? 20 * FEW : 100 * FEW;
}

static uint64_t now(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t batch(void (*work)(unsigned number), unsigned i)
{
	const uint64_t begin = now();

	for (unsigned k = i * BATCH; k < (i + 1) * BATCH; k++)
		work(k);
	return now() - begin;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Least time of a batch of `work`, each with other numbers; first once unmeasured, so that all were touched before. */
static uint64_t least(void (*work)(unsigned number))
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < 2 * BATCHES; i++) {
		const uint64_t time = batch(work, i % BATCHES);

		best = i < BATCHES ? best : lesser(best, time);
	}
	return best;
}

static void check_growth(const char *what, uint64_t few, unsigned few_count, uint64_t many)
{
	printf("# %s: %llu ns with %u mappings, %llu ns with %u\n", what, (unsigned long long)few / BATCH, few_count,
	       (unsigned long long)many / BATCH, all_mappings());
	CHECK(many <= few * GROWTH_MAX);
}

/* ---- anonymous: two unlike pages, then a page left free ---- */
static unsigned char *area;

static unsigned char *anonymous_at(unsigned i)
{
	return area + (i / 2 * 3 + i % 2) * PAGE;
}

static void anonymous_map(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		unsigned char *at = anonymous_at(i);

		if (mmap(at, PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at) {
			CHECK(!"mmap");
			return;
		}
	}
}

/* Fits behind all of them only. */
static void map_and_unmap(unsigned number)
{
	unsigned char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)number;
	CHECK(p != MAP_FAILED && munmap(p, 2 * PAGE) == 0);
}

static void touch(unsigned number)
{
	volatile unsigned char *p = anonymous_at(number * 2 % FEW);

	CHECK(madvise((void *)p, PAGE, MADV_DONTNEED) == 0 && *p == 0);
}

static void protect_and_back(unsigned number)
{
	unsigned char *p = anonymous_at((number * 2 + 1) % FEW);

	CHECK(mprotect(p, PAGE, PROT_NONE) == 0 && mprotect(p, PAGE, PROT_READ) == 0);
}

static void replace(unsigned number)
{
	unsigned char *p = anonymous_at((number * 2 + 1) % FEW);

	CHECK(munmap(p, PAGE) == 0);
	CHECK(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p);
}

static void sync_nothing(unsigned number)
{
	CHECK(msync(anonymous_at(number % FEW), PAGE, MS_SYNC) == 0);
}

static const struct {
	const char *what;
	void (*work)(unsigned number);
} anonymous_costs[] = {{"mmap and munmap", map_and_unmap},
		       {"fault", touch},
		       {"mprotect and back", protect_and_back},
		       {"munmap and mmap in place", replace},
		       {"msync", sync_nothing}};

#define COSTS (sizeof(anonymous_costs) / sizeof(*anonymous_costs))

static void test_anonymous(void)
{
	const size_t size = (size_t)all_mappings() * 2 * PAGE;
	uint64_t few[COSTS];

	area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); // a place for all of them
	CHECK(area != MAP_FAILED && munmap(area, size) == 0);
	anonymous_map(0, FEW);
	for (size_t i = 0; i < COSTS; i++)
		few[i] = least(anonymous_costs[i].work);
	anonymous_map(FEW, all_mappings());
	for (size_t i = 0; i < COSTS; i++)
		check_growth(anonymous_costs[i].what, few[i], FEW, least(anonymous_costs[i].work));
	for (unsigned i = 0; i < all_mappings(); i += 97)
		CHECK(*(volatile unsigned char *)anonymous_at(i) == 0);
	CHECK(munmap(area, size) == 0);
}

/* ---- one file, a page a mapping, all over it ---- */
static unsigned char *control; // of another file, in one mapping

static unsigned file_page(unsigned i)
{
	return i * 40503u % FILE_PAGES; // odd: no page twice
}

static int file_make(const char *path, size_t pages)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)(pages * PAGE)) == 0);
	return fd;
}

static void file_map(int fd)
{
	for (unsigned i = 0; i < all_mappings(); i++) {
		unsigned char *at = area + i * PAGE;

		if (mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
			 (off_t)file_page(i) * (off_t)PAGE) != at) {
			CHECK(!"mmap");
			return;
		}
	}
}

static void store_and_sync_at(unsigned char *p)
{
	p[1]++;
	CHECK(msync(p, PAGE, MS_SYNC) == 0);
}

/* The page's entry is looked for by way of the file when it is written. */
static void store_and_sync(unsigned number)
{
	store_and_sync_at(area + number % FEW * PAGE);
}

static void store_and_sync_control(unsigned number)
{
	store_and_sync_at(control + number % FEW * PAGE);
}

/* Both are limited by the card, whose speed is the PC's of the moment: so their batches take turns. */
static void compare_syncs(void)
{
	uint64_t few = least(store_and_sync_control), many = least(store_and_sync);

	for (unsigned i = 0; i < BATCHES; i++) {
		few = lesser(few, batch(store_and_sync_control, i));
		many = lesser(many, batch(store_and_sync, i));
	}
	check_growth("store and msync", few, 1, many);
}

static void test_file(void)
{
	const size_t size = (size_t)all_mappings() * PAGE;
	int fd = file_make(PATH, FILE_PAGES), control_fd = file_make(CONTROL_PATH, FEW);
	unsigned stamp = 0;

	control = mmap(NULL, FEW * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, control_fd, 0);
	area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(control != MAP_FAILED && area != MAP_FAILED && munmap(area, size) == 0);
	file_map(fd);
	compare_syncs();
	for (unsigned i = 0; i < all_mappings(); i += 1009) {
		*(unsigned *)(area + i * PAGE + 16) = i + 1;
		CHECK(pread(fd, &stamp, sizeof(stamp), (off_t)file_page(i) * (off_t)PAGE + 16) == sizeof(stamp) &&
		      stamp == i + 1);
	}
	CHECK(ftruncate(fd, 0) == 0); // takes each page from its mapping
	CHECK(munmap(area, size) == 0 && munmap(control, FEW * PAGE) == 0);
	CHECK(close(fd) == 0 && close(control_fd) == 0 && unlink(PATH) == 0 && unlink(CONTROL_PATH) == 0);
}

TAP_MAIN({"costs with many anonymous mappings", test_anonymous}, {"costs with many mappings of one file", test_file})
