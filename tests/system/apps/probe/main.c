// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the system tests ask the machine to do, one verb a run: `probe VERB [ARGUMENT]`. Reports on standard output,
 * complaints on standard error; status 1 when something that should have worked did not.
 */
#include <cairn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define PAGE 4096

int fail(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Its arguments, each on a line with its length. */
static int show_args(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		printf("%zu:%s\n", strlen(argv[i]), argv[i]);
	return 0;
}

static int copy_input(void)
{
	static char buf[3000];
	ssize_t n;

	while ((n = read(0, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(1, buf + done, (size_t)(n - done));

			if (w < 0)
				return fail("write");
			done += w;
		}
	}
	return n < 0 ? fail("read") : 0;
}

/* Lines from stdio, as an interactive program has it. */
static int talk(void)
{
	char line[200];

	printf("tty %d\n", isatty(0));
	while (fgets(line, sizeof(line), stdin))
		printf("<%s>\n", strtok(line, "\n") ? line : "");
	puts("end");
	return 0;
}

_Noreturn static void hang(void)
{
	puts("hanging");
	fflush(stdout);
	for (;;)
		sleep(1);
}

static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static atomic_int held;

static void *take_two(void *arg)
{
	int first = arg != NULL;

	pthread_mutex_lock(&locks[first]);
	held++;
	while (held < 2)
		sched_yield();
	pthread_mutex_lock(&locks[1 - first]);
	return NULL;
}

__attribute__((used)) static void sleep_for_ever(void)
{
	for (;;)
		sleep(1);
}

/* Sleeps with a frame pointer that leads nowhere. */
static void *lose_frame(void *frame)
{
	__asm__ volatile("mv s0, %0\n\ttail sleep_for_ever" ::"r"(frame));
	__builtin_unreachable();
}

/* Two threads that wait for each other for ever, and some whose stacks cannot be followed. */
static int deadlock(void)
{
	static const uintptr_t nowhere[] = {0x123456789000, 0xffffffe000000010, 0xffffffbffffff000, 3};
	pthread_t other;

	for (size_t i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++)
		if (pthread_create(&other, NULL, lose_frame, (void *)nowhere[i]))
			return fail("thread");
	if (pthread_create(&other, NULL, take_two, NULL))
		return fail("thread");
	printf("locks %p %p\n", (void *)&locks[0], (void *)&locks[1]);
	fflush(stdout);
	take_two(&other);
	return 1;
}

/* /kept, with the text in it, on the card for good. */
int keep(const char *text)
{
	int fd = open("/kept", O_CREAT | O_WRONLY | O_TRUNC, 0644);

	if (fd < 0)
		return fail("open /kept");
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd))
		return fail("write /kept");
	return close(fd) ? fail("close /kept") : 0;
}

/*
 * Sets the wall clock if a time is given, makes /clock durable, and says "clock SECONDS SOURCE MTIME", the mtime of the
 * file as it is; then hangs if asked to.
 */
static int show_clock(const char *set, bool hanging)
{
	struct timespec now = {.tv_sec = atoll(set)};
	struct stat st;
	int fd;

	if (*set && clock_settime(CLOCK_REALTIME, &now))
		return fail("clock_settime");
	fd = open("/clock", O_CREAT | O_WRONLY, 0644);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) || fstat(fd, &st) || close(fd))
		return fail("/clock");
	if (clock_gettime(CLOCK_REALTIME, &now))
		return fail("clock_gettime");
	printf("clock %lld %d %lld\n", (long long)now.tv_sec, cairn_clock_source(), (long long)st.st_mtime);
	if (hanging)
		hang();
	return 0;
}

static volatile int frames_left = INT_MAX; // volatile: the compiler must not see that this is a loop

static int overflow_stack(volatile char *above)
{
	volatile char frame[1024];

	frame[0] = above ? above[0] : 1;
	return frames_left-- ? overflow_stack(frame) + frame[0] : 0;
}

static void *overflow_in_thread(void *arg)
{
	overflow_stack(NULL);
	return arg;
}

static int overflow_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err = pthread_attr_init(&attr);

	err = err ? err : pthread_attr_setname_np(&attr, "deep");
	err = err ? err : pthread_create(&thread, &attr, overflow_in_thread, NULL);
	return err ? err : pthread_join(thread, NULL);
}

_Noreturn void panic(const char *format, ...); // the kernel's; a call away, as everything in a unikernel

/* More of the kernel's, to be misused. */
static uint64_t spinlock[8]; // all zero is free
unsigned long spin_lock(void *lock);
size_t uaccess_copy(void *dst, const void *src, size_t n);

/*
 * Touches memory that is not resident, or is ("resident"), with a spinlock held: by a store, or by the kernel's copy.
 * Not inlined: the backtrace shall name it.
 */
__attribute__((noinline)) static int touch_locked(const char *how)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return fail("mmap");
	if (!strcmp(how, "resident"))
		page[0] = 1;
	(void)spin_lock(spinlock);
	if (strcmp(how, "store"))
		return (int)uaccess_copy(page, how, 2);
	page[0] = 1;
	return 1;
}

/*
 * Ends badly after having stored something that must survive. how: null, wild, high, constant, exec, stack, thread,
 * panic. Not inlined: the backtrace shall name it.
 */
__attribute__((noinline)) static int die(const char *how)
{
	static const char constant[] = "constant";
	static const char data[PAGE];

	if (keep("before the fault\n"))
		return 1;
	if (!strcmp(how, "stack"))
		return overflow_stack(NULL);
	if (!strcmp(how, "thread"))
		return overflow_thread();
	if (!strcmp(how, "panic"))
		panic("the application asked for it");
	if (!strcmp(how, "exec"))
		return ((int (*)(void))(uintptr_t)data)();
	uintptr_t to = !strcmp(how, "null")	  ? 0
		       : !strcmp(how, "wild")	  ? 0x123456789000
		       : !strcmp(how, "constant") ? (uintptr_t)constant
						  : 0xffffffbffffff000;
	*(volatile char *)to = 1;
	return 1;
}

/* Writes /full until the card is full: "full ERRNO BYTES", then that what is there reads back. */
static int fill(void)
{
	static char block[65536], back[65536];
	int fd = open("/full", O_CREAT | O_RDWR | O_TRUNC, 0644);
	off_t size = 0;
	ssize_t n;

	if (fd < 0)
		return fail("open /full");
	for (;; size += n) {
		memset(block, (int)(size / (ssize_t)sizeof(block)), sizeof(block));
		n = write(fd, block, sizeof(block));
		if (n <= 0)
			break;
	}
	printf("full %d %lld\n", errno, (long long)size);
	if (fsync(fd))
		return fail("fsync");
	for (off_t at = 0; at < size; at += n) {
		memset(block, (int)(at / (ssize_t)sizeof(block)), sizeof(block));
		n = pread(fd, back, sizeof(back), at);
		if (n <= 0 || memcmp(block, back, (size_t)n))
			return fail("read back");
	}
	return close(fd) ? fail("close") : 0;
}

/* The 64-bit number that word w of page p holds. */
static uint64_t pattern(uint64_t p, uint64_t w)
{
	return (p * 0x9e3779b97f4a7c15) ^ (w << 20) ^ p;
}

static int check_map(const uint64_t *map, size_t pages, size_t step)
{
	for (size_t p = 0; p < pages; p += step)
		for (size_t w = 0; w < PAGE / 8; w += 73)
			if (map[p * (PAGE / 8) + w] != pattern(p, w)) {
				printf("page %zu word %zu is %llx\n", p, w,
				       (unsigned long long)map[p * (PAGE / 8) + w]);
				return 1;
			}
	return 0;
}

/* Maps a file of so many MiB, fills it through the mapping, and reads it back by both roads. */
static int big(size_t mib)
{
	size_t size = mib << 20, pages = size / PAGE;
	int fd = open("/big", O_CREAT | O_RDWR | O_TRUNC, 0644);

	if (fd < 0)
		return fail("open /big");
	int error = posix_fallocate(fd, 0, (off_t)size);

	if (error) {
		errno = error;
		return fail("posix_fallocate");
	}
	uint64_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return fail("mmap");
	for (size_t p = 0; p < pages; p++)
		for (size_t w = 0; w < PAGE / 8; w++)
			map[p * (PAGE / 8) + w] = pattern(p, w);
	if (msync(map, size, MS_SYNC))
		return fail("msync");
	if (check_map(map, pages, 1) || check_map(map, pages, 977))
		return 1;
	for (size_t p = 0; p < pages; p += 1021) {
		uint64_t words[PAGE / 8];

		if (pread(fd, words, PAGE, (off_t)(p * PAGE)) != PAGE)
			return fail("pread");
		if (words[5] != pattern(p, 5) || words[511] != pattern(p, 511)) {
			printf("read: page %zu differs\n", p);
			return 1;
		}
	}
	if (munmap(map, size) || close(fd))
		return fail("munmap");
	printf("big %zu MiB good\n", mib);
	return 0;
}

/* Opens, writes in steps with fsync, and says how each call ended: "step N ERRNO". */
static int steps(int count)
{
	static char block[65536];
	int fd = open("/steps", O_CREAT | O_RDWR, 0644);

	if (fd < 0) {
		printf("open %d\n", errno);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		memset(block, 'a' + i % 26, sizeof(block));
		ssize_t n = write(fd, block, sizeof(block));

		printf("step %d %d\n", i, n < 0 ? errno : fsync(fd) ? errno : 0);
	}
	return close(fd) ? fail("close") : 0;
}

/* Reads a file to the end: "read ERRNO BYTES". */
static int read_file(const char *path)
{
	static char buf[65536];
	int fd = open(path, O_RDONLY);
	long long total = 0;
	ssize_t n;

	if (fd < 0) {
		printf("open %d\n", errno);
		return 1;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		total += n;
	printf("read %d %lld\n", n < 0 ? errno : 0, total);
	return close(fd) ? fail("close") : 0;
}

/* A complaint: the call must work as long as the process lives. */
static void must(int r, const char *what)
{
	if (r < 0)
		fail(what);
}

static void change_mapped(int fd, unsigned i)
{
	char *map = mmap(NULL, 30 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		fail("mmap");
		return;
	}
	for (unsigned page = 10; page < 30; page += 3)
		map[page * PAGE + i % PAGE] = 1; // into holes
	if (i % 3 == 0)
		must(msync(map, 30 * PAGE, MS_SYNC), "msync");
	must(munmap(map, 30 * PAGE), "munmap");
}

/* Changes files in every way for as long as it may. */
static void *change_files(void *arg)
{
	static char block[30000];
	const unsigned self = (unsigned)(uintptr_t)arg;
	char path[32], other[32];

	for (unsigned i = 0;; i++) {
		snprintf(path, sizeof(path), "/busy%u-%u", self, i % 5);
		snprintf(other, sizeof(other), "/other%u-%u", self, i % 3);
		int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);

		must(fd, "open");
		must((int)write(fd, block, sizeof(block)), "write");
		must(ftruncate(fd, 30 * PAGE), "ftruncate");
		must(i % 4 == 1	  ? unlink(path)
		     : i % 4 == 2 ? rename(path, other)
				  : fsync(fd),
		     "unlink, rename or fsync");
		change_mapped(fd, i);
		must((int)pwrite(fd, block, sizeof(block), 40 * PAGE), "pwrite");
		must(close(fd), "close");
		snprintf(other, sizeof(other), "/dir%u", self);
		must(i % 2 ? rmdir(other) : mkdir(other, 0755), "mkdir or rmdir");
	}
	return NULL;
}

/* So many directories, each with a file that has its only byte so far from its beginning. */
static int spread(unsigned count, off_t at)
{
	char path[32], c;

	for (unsigned i = 0; i < count; i++) {
		int fd;

		snprintf(path, sizeof(path), "/d%u", i);
		must(mkdir(path, 0755), "mkdir");
		strcat(path, "/far");
		fd = open(path, O_CREAT | O_RDWR, 0644);
		must(fd, "open");
		must((int)pwrite(fd, "x", 1, at), "pwrite");
		must(fsync(fd), "fsync");
		must(close(fd), "close");
	}
	for (unsigned i = 0; i < count; i++) {
		struct stat st;
		int fd;

		snprintf(path, sizeof(path), "/d%u/far", i);
		fd = open(path, O_RDONLY);
		must(fd, "open");
		must(fstat(fd, &st), "fstat");
		if (st.st_size != at + 1 || pread(fd, &c, 1, at) != 1 || c != 'x')
			return fail(path);
		must(close(fd), "close");
	}
	printf("spread %u\n", count);
	return 0;
}

/* Ends, well or by die(how), after so many ms, while threads change files. */
static int busy(int ms, const char *how)
{
	for (uintptr_t self = 0; self < 4; self++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, change_files, (void *)self))
			return fail("pthread_create");
	}
	usleep((useconds_t)ms * 1000);
	return *how ? die(how) : 7;
}

static atomic_bool reading;

static void *read_on(void *arg)
{
	char c;

	atomic_store(&reading, true);
	while (read(0, &c, 1) == 1)
		;
	return arg;
}

/* Ends a thread that waits for input which does not come. */
static int cancel_reader(void)
{
	pthread_t thread;
	void *result;

	if (pthread_create(&thread, NULL, read_on, NULL))
		return fail("pthread_create");
	while (!atomic_load(&reading))
		sched_yield();
	usleep(100000); // it waits by now, most likely; if not, it is ended before
	if (pthread_cancel(thread) || pthread_join(thread, &result))
		return 1;
	puts(result == PTHREAD_CANCELED ? "cancelled" : "returned");
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "", *argument = argc > 2 ? argv[2] : "";

	if (!strcmp(verb, "args"))
		return show_args(argc - 2, argv + 2);
	if (!strcmp(verb, "status"))
		return atoi(argument);
	if (!strcmp(verb, "cat"))
		return copy_input();
	if (!strcmp(verb, "talk"))
		return talk();
	if (!strcmp(verb, "terminal"))
		return terminal();
	if (!strcmp(verb, "restart"))
		return restart();
	if (!strcmp(verb, "hang"))
		hang();
	if (!strcmp(verb, "deadlock"))
		return deadlock();
	if (!strcmp(verb, "cancel-reader"))
		return cancel_reader();
	if (!strcmp(verb, "clock"))
		return show_clock(argument, argc > 3);
	if (!strcmp(verb, "cards"))
		return two_cards(argument);
	if (!strcmp(verb, "keep"))
		return keep(argument);
	if (!strcmp(verb, "touch-locked"))
		return touch_locked(argument);
	if (!strcmp(verb, "die"))
		return die(argument);
	if (!strcmp(verb, "signal"))
		return end_by_signal(argument);
	if (!strcmp(verb, "interrupt"))
		return be_interrupted(argument);
	if (!strcmp(verb, "fill"))
		return fill();
	if (!strcmp(verb, "big"))
		return big((size_t)atoi(argument));
	if (!strcmp(verb, "steps"))
		return steps(atoi(argument));
	if (!strcmp(verb, "busy"))
		return busy(atoi(argument), argc > 3 ? argv[3] : "");
	if (!strcmp(verb, "spread"))
		return spread((unsigned)atoi(argument), argc > 3 ? atoll(argv[3]) : 0);
	if (!strcmp(verb, "read"))
		return read_file(argument);
	fprintf(stderr, "probe: no verb %s\n", verb);
	return 2;
}
