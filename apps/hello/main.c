// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The smallest application: says what it was started with, and writes a file through a pointer. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GREETING "written through a pointer, read through a descriptor"

/* 0, or a message to stderr and 1. */
static int round_trip(const char *path)
{
	char text[sizeof(GREETING)] = "";
	char *map = MAP_FAILED;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	int failed = fd < 0 || posix_fallocate(fd, 0, sizeof(GREETING));

	if (!failed)
		map = mmap(NULL, sizeof(GREETING), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	failed |= map == MAP_FAILED;
	if (!failed) {
		strcpy(map, GREETING);
		failed = msync(map, sizeof(GREETING), MS_SYNC) || munmap(map, sizeof(GREETING)) ||
			 pread(fd, text, sizeof(text), 0) != (ssize_t)sizeof(text);
	}
	if (failed)
		perror(path);
	else
		printf("%s: %s\n", path, text);
	if (fd >= 0 && close(fd))
		failed = 1;
	return failed;
}

int main(int argc, char **argv)
{
	printf("hello from cairn\n");
	for (int i = 0; i < argc; i++)
		printf("argv[%d] = \"%s\"\n", i, argv[i]);
	return round_trip("/hello.txt");
}
