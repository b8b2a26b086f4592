// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What passes over a file cost the disk: `io MIB THREADS PAGES` makes a file of so many MiB, drops what is cached,
 * reads all of it by loads and stores into all of it, then has threads fault its pages in, out of order, and checks
 * what all of them see. After each pass it prints the disk's lines of /proc/diskio and /proc/diskstats.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)
#define THREADS_MAX 16

static size_t length, pages_each;
static const uint64_t *shared;

static void must(int good, const char *what)
{
	if (good)
		return;
	printf("io: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The first line of the file that begins with the word, behind some numbers. */
static void show(const char *pass, const char *path, const char *word)
{
	char line[512];
	FILE *file = fopen(path, "r");

	must(file != NULL, path);
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, word)) {
			printf("%s %s %s", pass, path, line);
			break;
		}
	}
	must(fclose(file) == 0, path);
}

static void show_both(const char *pass)
{
	const char *disk = access("/dev/vda", F_OK) == 0 ? "vda " : "mmcblk0 ";

	show(pass, "/proc/diskio", disk);
	show(pass, "/proc/diskstats", disk);
}

static void drop(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	must(fd >= 0 && write(fd, "1\n", 2) == 2 && close(fd) == 0, "drop_caches");
}

static int make(void)
{
	int fd = open("/io", O_RDWR | O_CREAT | O_TRUNC, 0644);
	uint64_t *p;

	must(fd >= 0, "/io");
	must((errno = posix_fallocate(fd, 0, (off_t)length)) == 0, "posix_fallocate");
	p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED, "mmap");
	for (size_t at = 0; at < length; at += PAGE)
		p[at / sizeof(*p)] = at * 7 + 1;
	must(msync(p, length, MS_SYNC) == 0 && munmap(p, length) == 0, "msync");
	return fd;
}

static void passes(int fd)
{
	uint64_t *p;

	drop();
	show_both("begin");
	p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED, "mmap");
	for (size_t at = 0; at < length; at += PAGE)
		must(p[at / sizeof(*p)] == at * 7 + 1, "what was read");
	show_both("read");
	for (size_t at = 0; at < length; at += PAGE)
		p[at / sizeof(*p)] = at * 7 + 1;
	must(msync(p, length, MS_SYNC) == 0, "msync");
	show_both("written");
	must(munmap(p, length) == 0, "munmap");
}

/* So many pages, out of order, from a place of the thread's own on. */
static void *fault(void *arg)
{
	const size_t pages = length / PAGE;

	for (size_t i = 0, at = (uintptr_t)arg % pages; i < pages_each; i++, at = (at + 389) % pages)
		must(shared[at * PAGE / sizeof(*shared)] == at * PAGE * 7 + 1, "what was faulted in");
	return NULL;
}

static void threads(int fd, unsigned count)
{
	pthread_t thread[THREADS_MAX];

	drop();
	shared = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
	must(shared != MAP_FAILED && madvise((void *)shared, length, MADV_RANDOM) == 0, "mmap");
	for (uintptr_t i = 0; i < count; i++)
		must((errno = pthread_create(&thread[i], NULL, fault, (void *)(i * 1000))) == 0, "pthread_create");
	for (unsigned i = 0; i < count; i++)
		must((errno = pthread_join(thread[i], NULL)) == 0, "pthread_join");
	show_both("threads");
}

int main(int argc, char **argv)
{
	int fd;

	must(argc == 4, "usage: io MIB THREADS PAGES");
	length = (size_t)atoi(argv[1]) * MIB;
	pages_each = (size_t)atoi(argv[3]);
	fd = make();
	passes(fd);
	threads(fd, (unsigned)atoi(argv[2]) % (THREADS_MAX + 1));
	must(close(fd) == 0, "close");
	puts("done");
	return 0;
}
