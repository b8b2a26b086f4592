// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Threads and mappings: what one thread changes, the others see at once, whole, and nothing of anybody else's is lost.
 * Who comes first is open, so what is counted are outcomes that no order explains.
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "oracle.h"

#define THREADS 4
#define ROUNDS 100 // what another hart remembers is fenced by the firmware, slowly in QEMU

static byte *shared;
static atomic_bool stop;
static atomic_uint wrong, faults;
static atomic_uint turn; // who goes on: each side waits for its number

static void take_turn(unsigned mine)
{
	while (atomic_load(&turn) != mine)
		sched_yield();
}

static void give_turn(unsigned next)
{
	atomic_store(&turn, next);
}

static void start(pthread_t *threads, unsigned count, void *(*run)(void *))
{
	atomic_store(&stop, false);
	atomic_store(&wrong, 0);
	atomic_store(&faults, 0);
	for (unsigned i = 0; i < count; i++)
		MUST(pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i) == 0);
}

static void join(const pthread_t *threads, unsigned count)
{
	atomic_store(&stop, true);
	for (unsigned i = 0; i < count; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
}

/* ---- MAP_FIXED over what others read ---- */

static void *read_on(void *arg)
{
	while (!atomic_load(&stop)) {
		const char *seen = load(shared + (uintptr_t)arg * PAGE);

		if (!strncmp(seen, "SIG", 3))
			atomic_fetch_add(&faults, 1);
		else if (strcmp(seen, "aa") && strcmp(seen, "bb") && strcmp(seen, "00"))
			atomic_fetch_add(&wrong, 1);
		sched_yield();
	}
	return arg;
}

static void replaced(void)
{
	pthread_t threads[THREADS];
	int fd[2] = {fresh(THREADS, 0), fresh(THREADS, 0)};

	for (int i = 0; i < 2; i++)
		memset(map(THREADS, RW, MAP_SHARED, fd[i], 0), i ? 0xbb : 0xaa, THREADS * PAGE);
	shared = map(THREADS, PROT_READ, MAP_SHARED, fd[0], 0);
	start(threads, THREADS, read_on);
	for (int i = 0; i < ROUNDS; i++) {
		int flags = (i % 3 == 2 ? MAP_ANONYMOUS : 0) | (i % 5 ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED;

		if (flags & MAP_ANONYMOUS)
			flags = ANON | MAP_FIXED;
		MUST(mmap(shared, THREADS * PAGE, PROT_READ, flags, flags & MAP_ANONYMOUS ? -1 : fd[i % 2], 0) ==
		     shared);
		sched_yield();
	}
	join(threads, THREADS);
	check("replaced while read: faults", "%u", atomic_load(&faults));
	check("replaced while read: bytes of neither", "%u", atomic_load(&wrong));
	unmap(shared, THREADS);
}

/* ---- one changes, the other touches afterwards ---- */

static char seen_by_other[8][160];

static void *touch_in_turn(void *arg)
{
	for (unsigned i = 0; i < 8; i++) {
		take_turn(2 * i + 1);
		snprintf(seen_by_other[i], sizeof(seen_by_other[i]), "%s", i % 2 ? load(shared) : store(shared, 0x60));
		give_turn(2 * i + 2);
	}
	return arg;
}

static void in_turn(unsigned i)
{
	give_turn(2 * i + 1);
	take_turn(2 * i + 2);
}

static void changed(void)
{
	pthread_t thread;
	int fd = fresh(1, 0x11);

	shared = map(1, RW, ANON, -1, 0);
	give_turn(0);
	start(&thread, 1, touch_in_turn);
	in_turn(0);
	check("changed: writable: store", "%s", seen_by_other[0]);
	in_turn(1);
	MUST(mprotect(shared, PAGE, PROT_READ) == 0);
	in_turn(2);
	check("changed: made read-only: store", "%s", seen_by_other[2]);
	in_turn(3);
	check("changed: made read-only: load", "%s", seen_by_other[3]);
	MUST(mprotect(shared, PAGE, PROT_NONE) == 0);
	in_turn(4);
	check("changed: no access: store", "%s", seen_by_other[4]);
	MUST(mmap(shared, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0) == shared);
	in_turn(5);
	check("changed: a file in its place: load", "%s", seen_by_other[5]);
	MUST(ftruncate(fd, 0) == 0);
	in_turn(6);
	check("changed: truncated: store", "%s", seen_by_other[6]);
	unmap(shared, 1);
	in_turn(7);
	check("changed: unmapped: load", "%s", seen_by_other[7]);
	join(&thread, 1);
}

/* ---- all touch the same page first ---- */

static void *count_up(void *arg)
{
	for (unsigned page = 0; page < 64; page++)
		for (unsigned i = 0; i < 50; i++)
			__atomic_fetch_add((uint32_t *)(shared + page * PAGE + i * 8), 1, __ATOMIC_RELAXED);
	return arg;
}

static void *own_bytes(void *arg)
{
	for (unsigned page = 0; page < 64; page++)
		for (unsigned i = (unsigned)(uintptr_t)arg; i < PAGE; i += THREADS)
			shared[page * PAGE + i] = (byte)(i % 251 + 1);
	return arg;
}

static void first_touch(const char *kind, int flags, int fd)
{
	pthread_t threads[THREADS];
	unsigned lost = 0, bad = 0;

	shared = map(64, RW, flags, fd, 0);
	start(threads, THREADS, count_up);
	join(threads, THREADS);
	for (unsigned page = 0; page < 64; page++)
		for (unsigned i = 0; i < 50; i++)
			lost += *(uint32_t *)(shared + page * PAGE + i * 8) != THREADS;
	check(text("%s: counts that were lost", kind), "%u", lost);
	unmap(shared, 64);
	shared = map(64, RW, flags, fd, 0);
	start(threads, THREADS, own_bytes);
	join(threads, THREADS);
	for (unsigned i = 0; i < 64 * PAGE; i++)
		bad += shared[i] != (byte)(i % PAGE % 251 + 1);
	check(text("%s: bytes that were lost", kind), "%u", bad);
	unmap(shared, 64);
}

/* ---- each its own mappings ---- */

static void *map_and_unmap(void *arg)
{
	byte mine = (byte)((uintptr_t)arg + 1);

	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t pages = 1 + i % 7;
		byte *p = mmap(NULL, pages * PAGE, RW, ANON, -1, 0);

		if (p == MAP_FAILED) {
			atomic_fetch_add(&wrong, 1);
			continue;
		}
		for (size_t at = 0; at < pages; at++) {
			atomic_fetch_add(&wrong, p[at * PAGE] != 0);
			p[at * PAGE] = mine;
		}
		sched_yield();
		for (size_t at = 0; at < pages; at++)
			atomic_fetch_add(&wrong, p[at * PAGE] != mine);
		atomic_fetch_add(&wrong, munmap(p, pages * PAGE) != 0);
	}
	return arg;
}

static void *fault_often(void *arg)
{
	byte *p = shared + 2 * (uintptr_t)arg * PAGE; // a page, and one without access

	for (unsigned i = 0; i < ROUNDS; i++) {
		atomic_fetch_add(&wrong, strcmp(store(p + i % PAGE, (byte)i), "stored") != 0);
		atomic_fetch_add(&wrong, strcmp(load(p + PAGE + i % PAGE), "SIGSEGV ACCERR") != 0);
	}
	return arg;
}

static void each_its_own(void)
{
	pthread_t threads[THREADS];

	start(threads, THREADS, map_and_unmap);
	join(threads, THREADS);
	check("mapped and unmapped by all: wrong", "%u", atomic_load(&wrong));
	shared = map(2 * THREADS, RW, ANON, -1, 0);
	for (unsigned i = 0; i < THREADS; i++)
		MUST(mprotect(shared + (2 * i + 1) * PAGE, PAGE, PROT_NONE) == 0);
	start(threads, THREADS, fault_often);
	join(threads, THREADS);
	check("faults of all at a time: wrong", "%u", atomic_load(&wrong));
	unmap(shared, 2 * THREADS);
}

/* ---- truncation while others store ---- */

static void *store_on(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		const char *seen = store(shared + (i++ % 4) * PAGE + 10, 0xdd);

		if (!strncmp(seen, "SIGBUS ADRERR", 13))
			atomic_fetch_add(&faults, 1);
		else if (strcmp(seen, "stored"))
			atomic_fetch_add(&wrong, 1);
		if (i % 16 == 0)
			sched_yield();
	}
	return arg;
}

static void truncated(void)
{
	pthread_t threads[2];
	int fd = fresh(4, 0);
	unsigned shown = 0;

	shared = map(4, RW, MAP_SHARED, fd, 0);
	start(threads, 2, store_on);
	for (unsigned i = 0; i < ROUNDS; i++) {
		byte first;

		MUST(ftruncate(fd, PAGE) == 0);
		shown += pread(fd, &first, 1, PAGE) != 0;
		sched_yield();
		MUST(ftruncate(fd, 4 * PAGE) == 0);
		sched_yield();
	}
	MUST(ftruncate(fd, PAGE) == 0);
	join(threads, 2);
	check("truncated while stored into: other faults", "%u", atomic_load(&wrong));
	check("truncated while stored into: reads behind the end", "%u", shown);
	MUST(ftruncate(fd, 4 * PAGE) == 0);
	check("truncated while stored into: extended at the end", "%s", runs(shared + PAGE, 3 * PAGE));
	check("truncated while stored into: size", "%ld", file_size(fd));
	unmap(shared, 4);
}

/* ---- calls into a buffer that comes and goes ---- */

static int source;

static void *read_into(void *arg)
{
	while (!atomic_load(&stop)) {
		ssize_t got = pread(source, shared, 3 * PAGE, 0);

		if (got == -1 && errno == EFAULT)
			atomic_fetch_add(&faults, 1);
		else if (got <= 0 || got > (ssize_t)(3 * PAGE))
			atomic_fetch_add(&wrong, 1);
		sched_yield();
	}
	return arg;
}

static void comes_and_goes(void)
{
	pthread_t threads[2];

	source = fresh(3, 0x31);
	shared = map(3, RW, ANON, -1, 0);
	start(threads, 2, read_into);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unmap(shared + (i % 3) * PAGE, 1);
		sched_yield();
		MUST(mmap(shared + (i % 3) * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == shared + (i % 3) * PAGE);
		MUST(mprotect(shared, 3 * PAGE, i % 2 ? RW : PROT_READ) == 0);
		sched_yield();
	}
	join(threads, 2);
	check("buffer comes and goes: other errors", "%u", atomic_load(&wrong));
	MUST(mprotect(shared, 3 * PAGE, RW) == 0);
	check("buffer comes and goes: read at the end", "%s", ret(pread(source, shared, 3 * PAGE, 0)));
	check("buffer comes and goes: bytes", "%s", runs(shared, 3 * PAGE));
	unmap(shared, 3);
}

/* ---- advice and copies ---- */

static void *look_on(void *arg)
{
	while (!atomic_load(&stop)) {
		byte value = *(volatile byte *)(shared + 5);

		atomic_fetch_add(&wrong, value != 0 && value != 0xee);
		*(volatile byte *)(shared + 5) = 0xee;
	}
	return arg;
}

static void advised(void)
{
	pthread_t threads[2];

	shared = map(1, RW, ANON, -1, 0);
	start(threads, 2, look_on);
	for (unsigned i = 0; i < ROUNDS; i++) {
		MUST(madvise(shared, PAGE, MADV_DONTNEED) == 0);
		sched_yield();
	}
	join(threads, 2);
	check("DONTNEED while stored into: other values", "%u", atomic_load(&wrong));
	unmap(shared, 1);
}

static byte *copies;

static void *store_shared(void *arg)
{
	for (unsigned i = 0; i < 64; i++)
		*(volatile byte *)(shared + i * PAGE + 1) = 0xf1;
	return arg;
}

static void *store_private(void *arg)
{
	for (unsigned i = 0; i < 64; i++)
		*(volatile byte *)(copies + i * PAGE + 2) = 0xf2;
	return arg;
}

static void copied(void)
{
	pthread_t one, two;
	int fd = fresh(64, 0x50);
	unsigned in_file = 0, in_copies = 0, began_wrong = 0;

	shared = map(64, RW, MAP_SHARED, fd, 0);
	copies = map(64, RW, MAP_PRIVATE, fd, 0);
	MUST(pthread_create(&one, NULL, store_shared, NULL) == 0 &&
	     pthread_create(&two, NULL, store_private, NULL) == 0);
	MUST(pthread_join(one, NULL) == 0 && pthread_join(two, NULL) == 0);
	for (unsigned i = 0; i < 64; i++) {
		in_file += shared[i * PAGE + 1] == 0xf1 && shared[i * PAGE + 2] != 0xf2;
		in_copies += copies[i * PAGE + 2] == 0xf2;
		began_wrong += copies[i * PAGE + 1] != 0xf1 && copies[i * PAGE + 1] != (byte)(0x50 + i);
	}
	check("copied while shared is stored into: pages of the file that are right", "%u", in_file);
	check("copied while shared is stored into: copies that are right", "%u", in_copies);
	check("copied while shared is stored into: copies that began as neither", "%u", began_wrong);
}

int main(void)
{
	catch_faults();
	changed();
	replaced();
	first_touch("anonymous", ANON, -1);
	first_touch("shared file", MAP_SHARED, fresh(64, 0));
	first_touch("private file", MAP_PRIVATE, fresh(64, 0));
	each_its_own();
	truncated();
	comes_and_goes();
	advised();
	copied();
	first_touch("shared memory", MAP_SHARED | MAP_ANONYMOUS, -1);
	return done();
}
