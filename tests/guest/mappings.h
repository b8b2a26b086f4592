// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What tests of mappings have in common. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

/* An empty file grown to `size`, and its end. */
static inline int file_make(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static inline void file_drop(const char *path, int fd)
{
	CHECK(close(fd) == 0 && unlink(path) == 0);
}

static inline bool is_all(const volatile unsigned char *p, size_t n, unsigned char with)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != with)
			return false;
	return true;
}
