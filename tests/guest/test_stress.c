// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Everything at once, on as many harts as there are: threads store, load, read, write and sync one file larger than
 * memory, each its own words of every page, through mappings that come and go at random addresses; take private copies
 * of it; make, cut, rename and delete files; use anonymous memory; and read from a file that another cuts meanwhile.
 * Whatever is stored is kept in private memory too, and compared. The seed of a failure is printed with it.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define THREADS 6
#define PAGES 9000 // 35 MiB, with 32 MiB of memory
#define WINDOW 24  // pages of a mapping that comes and goes
#define CUT_PAGES 64

struct worker {
	unsigned self;
	uint64_t random;
	uint32_t *model; // of the worker's word in each page
	unsigned made;	 // files so far
	uint32_t last;	 // value stored last
};

static int big, cut;
static unsigned char *whole; // mapping of all of big
static atomic_bool done;
static unsigned steps;

static uint64_t next(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static unsigned below(struct worker *w, unsigned n)
{
	return (unsigned)(next(w) >> 20) % n;
}

/* Where the worker's word lies in a page: another place in each, so that all parts of pages are used. */
static size_t place(const struct worker *w, unsigned page)
{
	return (page * 52 % 160 * THREADS + w->self) * sizeof(uint32_t);
}

static volatile uint32_t *word(const struct worker *w, unsigned char *base, unsigned page)
{
	return (volatile uint32_t *)(base + place(w, page));
}

static void fail_at(const struct worker *w, const char *what, unsigned page, uint32_t got)
{
	printf("# worker %u: %s: page %u holds %u, not %u\n", w->self, what, page, (unsigned)got,
	       (unsigned)w->model[page]);
	CHECK(!"contents");
}

static void expect(const struct worker *w, const char *what, unsigned page, uint32_t got)
{
	if (got != w->model[page])
		fail_at(w, what, page, got);
}

static void store_and_load(struct worker *w)
{
	for (unsigned i = 0; i < 8; i++) {
		unsigned page = below(w, PAGES);

		expect(w, "load", page, *word(w, whole + page * PAGE, page));
		*word(w, whole + page * PAGE, page) = w->model[page] = ++w->last;
		page = below(w, PAGES);
		expect(w, "load after store", page, *word(w, whole + page * PAGE, page));
	}
}

static void read_and_write(struct worker *w)
{
	unsigned page = below(w, PAGES);
	uint32_t value;

	CHECK(pread(big, &value, sizeof(value), (off_t)(page * PAGE + place(w, page))) == sizeof(value));
	expect(w, "read", page, value);
	w->model[page] = value = ++w->last;
	CHECK(pwrite(big, &value, sizeof(value), (off_t)(page * PAGE + place(w, page))) == sizeof(value));
	expect(w, "load after write", page, *word(w, whole + page * PAGE, page));
}

static void sync_some(struct worker *w)
{
	unsigned from = below(w, PAGES - 64);

	CHECK(msync(whole + from * PAGE, (1 + below(w, 64)) * PAGE, below(w, 2) ? MS_SYNC : MS_ASYNC) == 0);
}

/* Another view: stores through one are seen through the other, also in the middle of munmap and mprotect beside it. */
static void map_window(struct worker *w)
{
	const unsigned pages = 1 + below(w, WINDOW), first = below(w, PAGES - pages);
	unsigned char *p = mmap((void *)((1ul << 37) + below(w, 1u << 20) * PAGE), pages * PAGE, RW, MAP_SHARED, big,
				(off_t)(first * PAGE));

	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	for (unsigned i = 0; i < pages; i++) {
		expect(w, "window", first + i, *word(w, p + i * PAGE, first + i));
		*word(w, p + i * PAGE, first + i) = w->model[first + i] = ++w->last;
	}
	if (below(w, 2))
		CHECK(mprotect(p, pages * PAGE, PROT_READ) == 0);
	if (pages > 2)
		CHECK(munmap(p + PAGE, PAGE) == 0);
	for (unsigned i = 0; i < pages; i++) {
		if (i != 1 || pages <= 2)
			expect(w, "window again", first + i, *word(w, p + i * PAGE, first + i));
		expect(w, "through the other", first + i, *word(w, whole + (first + i) * PAGE, first + i));
	}
	CHECK(munmap(p, pages * PAGE) == 0);
}

/* A private copy keeps what it was given and does not reach the file. */
static void copy_window(struct worker *w)
{
	const unsigned pages = 1 + below(w, WINDOW), first = below(w, PAGES - pages);
	unsigned char *p = mmap(NULL, pages * PAGE, RW, MAP_PRIVATE, big, (off_t)(first * PAGE));

	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	for (unsigned i = 0; i < pages; i++) {
		expect(w, "copy", first + i, *word(w, p + i * PAGE, first + i));
		if (i % 2)
			*word(w, p + i * PAGE, first + i) = ~0u;
	}
	for (unsigned i = 0; i < pages; i++) {
		*word(w, whole + (first + i) * PAGE, first + i) = w->model[first + i] = ++w->last;
		if (i % 2)
			CHECK(*word(w, p + i * PAGE, first + i) == ~0u);
		else
			expect(w, "not copied", first + i, *word(w, p + i * PAGE, first + i));
	}
	CHECK(munmap(p, pages * PAGE) == 0);
}

static void anonymous(struct worker *w)
{
	const size_t pages = 1 + below(w, 64);
	unsigned char *p = mmap(NULL, pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint32_t value = ++w->last;

	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	for (size_t i = 0; i < pages; i++) {
		volatile uint32_t *at = (volatile uint32_t *)(p + i * PAGE) + i % 1000;

		CHECK(*at == 0);
		*at = value + i;
	}
	for (size_t i = 0; i < pages; i++)
		CHECK(((volatile uint32_t *)(p + i * PAGE))[i % 1000] == value + i);
	CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0 && *(volatile uint32_t *)p == 0);
	CHECK(munmap(p, pages * PAGE) == 0);
}

/* A file of the worker's own. */
static void files(struct worker *w)
{
	const size_t size = 1 + below(w, 40000), cut_to = below(w, (unsigned)size);
	unsigned char *data = malloc(size), *p;
	char path[32], other[32];
	int fd;

	snprintf(path, sizeof(path), "/w%u/%u", w->self, w->made);
	snprintf(other, sizeof(other), "/done/%u-%u", w->self, w->made++ % 8);
	memset(data, (int)(w->made | 1), size);
	fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0644);
	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	p = mmap(NULL, size, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && memcmp(p, data, size) == 0);
	p[size / 2] = data[size / 2] = 0;
	CHECK(pread(fd, data, size, 0) == (ssize_t)size && memcmp(p, data, size) == 0);
	CHECK(rename(path, other) == 0);
	CHECK(ftruncate(fd, (off_t)cut_to) == 0 && ftruncate(fd, (off_t)size) == 0);
	memset(data + cut_to, 0, size - cut_to);
	CHECK(memcmp(p, data, size) == 0);
	if (below(w, 4) == 0)
		CHECK(fsync(fd) == 0);
	CHECK(munmap(p, size) == 0 && close(fd) == 0);
	if (below(w, 2))
		CHECK(unlink(other) == 0);
	free(data);
}

/* The kernel reads from pages that may go away meanwhile: all of them, fewer, or none. Never something else. */
static void read_what_is_cut(struct worker *w)
{
	const size_t offset = below(w, CUT_PAGES - 4) * PAGE;
	unsigned char *p = mmap(NULL, CUT_PAGES * PAGE, RW, MAP_SHARED, cut, 0), back[3 * PAGE];
	char path[32];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/w%u/back", w->self);
	fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0644);
	CHECK(p != MAP_FAILED && fd >= 0);
	n = write(fd, p + offset, sizeof(back));
	CHECK(n >= 0 ? n <= (ssize_t)sizeof(back) : errno == EFAULT);
	CHECK(pread(fd, back, sizeof(back), 0) == (n < 0 ? 0 : n));
	for (ssize_t i = 0; i < n; i++)
		if (back[i] != 0 && back[i] != 0xc5) {
			CHECK(!"neither zero nor the file's");
			break;
		}
	n = pread(fd, p + offset, sizeof(back), 0);
	CHECK(n >= 0 || errno == EFAULT);
	CHECK(munmap(p, CUT_PAGES * PAGE) == 0 && close(fd) == 0);
}

static void *cutter(void *arg)
{
	static unsigned char fill[CUT_PAGES * PAGE];
	struct worker w = {.random = 99};

	(void)arg;
	memset(fill, 0xc5, sizeof(fill));
	while (!atomic_load(&done)) {
		CHECK(ftruncate(cut, (off_t)below(&w, CUT_PAGES * PAGE)) == 0);
		CHECK(pwrite(cut, fill, sizeof(fill), 0) == (ssize_t)sizeof(fill));
	}
	return NULL;
}

static void *worker(void *arg)
{
	static void (*const works[])(struct worker * w) = {
	    store_and_load, store_and_load, store_and_load, read_and_write, read_and_write, sync_some,
	    map_window,	    map_window,	    copy_window,    anonymous,	    files,	    read_what_is_cut,
	};
	struct worker *w = arg;
	const unsigned failed = tap_failures;

	for (unsigned step = 0; step < steps && tap_failures == failed; step++)
		works[below(w, sizeof(works) / sizeof(*works))](w);
	return NULL;
}

/* All of it, by a reader that shares nothing with the mappings of before. */
static void check_all(struct worker *workers)
{
	unsigned char page[PAGE];

	for (unsigned i = 0; i < PAGES; i++) {
		CHECK(pread(big, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE);
		for (unsigned t = 0; t < THREADS; t++)
			expect(&workers[t], "at the end", i, *word(&workers[t], page, i));
	}
}

static void run(uint64_t seed)
{
	static struct worker workers[THREADS];
	pthread_t threads[THREADS], cutting;
	char dir[16];

	printf("# seed %u\n", (unsigned)seed);
	big = open("/big", O_CREAT | O_TRUNC | O_RDWR, 0644);
	cut = open("/cut", O_CREAT | O_TRUNC | O_RDWR, 0644);
	CHECK(big >= 0 && cut >= 0 && ftruncate(big, PAGES * PAGE) == 0);
	whole = mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, big, 0);
	CHECK(whole != MAP_FAILED);
	CHECK(mkdir("/done", 0755) == 0 || errno == EEXIST);
	atomic_store(&done, false);
	for (unsigned i = 0; i < THREADS; i++) {
		snprintf(dir, sizeof(dir), "/w%u", i);
		CHECK(mkdir(dir, 0755) == 0 || errno == EEXIST);
		workers[i] = (struct worker){
		    .self = i, .random = seed * 0x9e3779b97f4a7c15u + i + 1, .model = calloc(PAGES, sizeof(uint32_t))};
		CHECK(workers[i].model != NULL);
	}
	if (atomic_load(&tap_failures))
		return;
	CHECK(pthread_create(&cutting, NULL, cutter, NULL) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, worker, &workers[i]) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	atomic_store(&done, true);
	CHECK(pthread_join(cutting, NULL) == 0);
	check_all(workers);
	CHECK(munmap(whole, PAGES * PAGE) == 0 && close(big) == 0 && close(cut) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		free(workers[i].model);
}

/* More harts than a PC has processors make it slow: each shootdown waits until the PC has let each of them run. */
static int times(int quick, int usual, int more)
{
	const long harts = sysconf(_SC_NPROCESSORS_ONLN);
	const int fewer = harts > 4 ? usual / 4 : harts > 2 ? usual / 3 : usual;

	return tap_times(quick, fewer, more);
}

static void test_stress(void)
{
	bool is_long = strcmp(tap_effort, "long") == 0;

	steps = (unsigned)times(60, 120, 250);
	for (uint64_t seed = 1; seed <= (is_long ? 20 : 1) && !atomic_load(&tap_failures); seed++)
		run(seed);
}

/* Harts that map, protect and unmap beside each other end in time: each shootdown waits for the others' harts. */
static void *map_and_unmap(void *arg)
{
	const int rounds = times(300, 800, 2000);

	(void)arg;
	for (int i = 0; i < rounds; i++) {
		volatile unsigned char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED);
		p[0] = p[PAGE] = p[3 * PAGE] = (unsigned char)i;
		CHECK(mprotect((void *)p, PAGE, PROT_READ) == 0 && p[0] == (unsigned char)i);
		CHECK(munmap((void *)p, 4 * PAGE) == 0);
	}
	return NULL;
}

static void test_shootdowns(void)
{
	pthread_t threads[THREADS];

	unsigned created = 0;

	while (created < THREADS && pthread_create(&threads[created], NULL, map_and_unmap, NULL) == 0)
		created++;
	CHECK(created == THREADS);
	while (created > 0)
		CHECK(pthread_join(threads[--created], NULL) == 0);
}

TAP_MAIN({"stress", test_stress}, {"all harts map and unmap", test_shootdowns})
