// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * How long a store takes while the card is slow: `storelatency HARTS MSYNCS`. A thread of the highest priority for each
 * hart stores into its own pages of a mapped log file, populated and locked, so that each store is into a resident
 * backed page (promise P4); two threads write these pages out all the time, by msync MS_SYNC and MS_ASYNC. It ends
 * after so many msyncs.
 *
 * The unit is the instruction: QEMU's -icount makes instret count those of all harts. A storing thread is displaced by
 * interrupts alone, but QEMU runs harts in turns, whose length is bounded by the next timer: `tick` keeps one near.
 * Prints histograms, one line a power of two, and figures.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "mm/pcache.h"

#define PAGE 4096ul
#define PAGES_EACH 16
#define HARTS 8
#define BUCKETS 40
#define REST_NS 200000 // between two rounds of stores, for the others
#define TICK_NS 50000
#define FAULT_MIN 200 // a store takes a few instructions, or hundreds: then it has faulted

struct histogram {
	uint64_t count[BUCKETS];
	uint64_t least, most, faults;
};

struct storer {
	pthread_t thread;
	volatile unsigned char *pages;
	struct histogram took;
};

static atomic_bool done;
static unsigned char *log_pages;
static size_t log_size;
static unsigned msyncs;

static uint64_t instructions(void)
{
	uint64_t count;

	__asm__ volatile("rdinstret %0" : "=r"(count)::"memory");
	return count;
}

static void note(struct histogram *h, uint64_t took)
{
	unsigned bucket = 63 - (unsigned)__builtin_clzll(took | 1);

	h->count[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
	h->most = took > h->most ? took : h->most;
	h->least = took < h->least ? took : h->least;
	h->faults += took >= FAULT_MIN;
}

static void add(struct histogram *to, const struct histogram *from)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		to->count[i] += from->count[i];
	to->most = from->most > to->most ? from->most : to->most;
	to->least = from->least < to->least ? from->least : to->least;
	to->faults += from->faults;
}

static void print(const char *name, const struct histogram *h)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		if (h->count[i])
			printf("%s 2^%u %llu\n", name, i, (unsigned long long)h->count[i]);
	printf("%s-least %llu\n%s-most %llu\n", name, (unsigned long long)h->least, name, (unsigned long long)h->most);
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void rest(long ns)
{
	if (nanosleep(&(struct timespec){.tv_nsec = ns}, NULL))
		fail("nanosleep");
}

static void *store(void *arg)
{
	struct storer *s = arg;

	for (unsigned round = 0; !atomic_load(&done); round++) {
		for (unsigned i = 0; i < PAGES_EACH; i++) {
			uint64_t before = instructions();

			s->pages[i * PAGE + round % PAGE] = (unsigned char)round;
			note(&s->took, instructions() - before);
		}
		rest(REST_NS);
	}
	return NULL;
}

static void *tick(void *arg)
{
	(void)arg;
	while (!atomic_load(&done))
		rest(TICK_NS);
	return NULL;
}

static void *sync_now(void *arg)
{
	struct histogram *took = arg;

	for (unsigned i = 0; i < msyncs; i++) {
		uint64_t before = instructions();

		if (msync(log_pages, log_size, MS_SYNC))
			fail("msync");
		note(took, instructions() - before);
	}
	atomic_store(&done, true);
	return NULL;
}

static void *sync_later(void *arg)
{
	(void)arg;
	while (!atomic_load(&done)) {
		if (msync(log_pages, log_size, MS_ASYNC))
			fail("msync");
		rest(10 * REST_NS);
	}
	return NULL;
}

static pthread_t start(void *(*entry)(void *), void *arg, int priority)
{
	struct sched_param param = {.sched_priority = priority};
	pthread_attr_t attr;
	pthread_t thread;

	if ((errno = pthread_attr_init(&attr)) ||
	    (errno = pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED)) ||
	    (errno = pthread_attr_setschedpolicy(&attr, priority ? SCHED_FIFO : SCHED_OTHER)) ||
	    (errno = pthread_attr_setschedparam(&attr, &param)) || (errno = pthread_create(&thread, &attr, entry, arg)))
		fail("thread");
	pthread_attr_destroy(&attr);
	return thread;
}

static void join(pthread_t thread)
{
	errno = pthread_join(thread, NULL);
	if (errno)
		fail("join");
}

static void make_log(unsigned harts)
{
	int fd = open("/log", O_CREAT | O_TRUNC | O_RDWR, 0644);

	log_size = harts * PAGES_EACH * PAGE;
	if (fd < 0 || (errno = posix_fallocate(fd, 0, (off_t)log_size)))
		fail("/log");
	log_pages = mmap(NULL, log_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (log_pages == MAP_FAILED || mlock(log_pages, log_size) || fsync(fd) || close(fd))
		fail("/log");
}

int main(int argc, char **argv)
{
	static struct storer storers[HARTS];
	static struct histogram stores = {.least = UINT64_MAX}, syncs = {.least = UINT64_MAX};
	const unsigned harts = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
	struct pcache_stats before, after;
	pthread_t others[3];

	msyncs = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	if (harts < 1 || harts > HARTS || !msyncs)
		return 2;
	make_log(harts);
	pcache_stats(&before);
	for (unsigned i = 0; i < harts; i++) {
		storers[i] = (struct storer){.pages = log_pages + i * PAGES_EACH * PAGE, .took.least = UINT64_MAX};
		storers[i].thread = start(store, &storers[i], sched_get_priority_max(SCHED_FIFO));
	}
	others[0] = start(sync_now, &syncs, 0);
	others[1] = start(sync_later, NULL, 0);
	others[2] = start(tick, NULL, 1);
	for (unsigned i = 0; i < harts; i++) {
		join(storers[i].thread);
		add(&stores, &storers[i].took);
	}
	for (unsigned i = 0; i < 3; i++)
		join(others[i]);
	pcache_stats(&after);
	print("store", &stores);
	print("msync", &syncs);
	printf("store-faults %llu\nwritten-pages %llu\nlog-pages %zu\n", (unsigned long long)stores.faults,
	       (unsigned long long)(after.writes - before.writes), log_size / PAGE);
	return 0;
}
