// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Files and directories with names of their own: the Xs of a template are replaced until the name is new. In place of
 * picolibc's, which has no mkdtemp, and temporary files in the current directory that stay. Sleeps.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/clock.h"

#define XS 6
#define TRIES 1000

/* Names differ from thread to thread and from boot to boot; whether one is new the file system decides. */
static void fill(char *xs)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static atomic_ulong count;
	uint64_t n = clock_now() + atomic_fetch_add(&count, 1) * 0x9e3779b97f4a7c15u;

	n = (n ^ n >> 31) * 0xbf58476d1ce4e5b9u;
	n ^= n >> 29;
	for (unsigned i = 0; i < XS; i++, n /= sizeof(digits) - 1)
		xs[i] = digits[n % (sizeof(digits) - 1)];
}

static char *xs_of(char *template, int suffix)
{
	const size_t len = strlen(template);
	char *xs;

	if (suffix >= 0 && len >= XS + (size_t)suffix) {
		xs = template + len - (size_t)suffix - XS;
		if (!memcmp(xs, "XXXXXX", XS))
			return xs;
	}
	errno = EINVAL;
	return NULL;
}

enum kind { FILE_OPEN, DIRECTORY, FREE_NAME };

/* A descriptor, or 0; -1 with errno. */
static int attempt(enum kind kind, const char *path, int flags)
{
	struct stat st;

	if (kind == FILE_OPEN)
		return open(path, (flags & ~O_ACCMODE) | O_RDWR | O_CREAT | O_EXCL, 0600);
	if (kind == DIRECTORY)
		return mkdir(path, 0700);
	if (lstat(path, &st) == 0)
		errno = EEXIST;
	return errno == ENOENT ? 0 : -1;
}

static int make(enum kind kind, char *template, int suffix, int flags)
{
	char *xs = xs_of(template, suffix);
	int r = -1;

	if (!xs)
		return -1;
	for (unsigned i = 0; i < TRIES && r < 0; i++) {
		fill(xs);
		r = attempt(kind, template, flags);
		if (r < 0 && errno != EEXIST)
			return -1;
	}
	return r;
}

int mkostemps(char *template, int suffix, int flags)
{
	return make(FILE_OPEN, template, suffix, flags);
}

int mkostemp(char *template, int flags)
{
	return mkostemps(template, 0, flags);
}

int mkstemps(char *template, int suffix)
{
	return mkostemps(template, suffix, 0);
}

int mkstemp(char *template)
{
	return mkostemps(template, 0, 0);
}

char *mkdtemp(char *template)
{
	return make(DIRECTORY, template, 0, 0) < 0 ? NULL : template;
}

/* Without a new name the template becomes the empty string. */
char *mktemp(char *template)
{
	if (make(FREE_NAME, template, 0, 0) < 0)
		*template = '\0';
	return template;
}

FILE *tmpfile(void)
{
	char name[] = "/tmp/tmpXXXXXX";
	int fd = mkstemp(name);
	FILE *stream;

	if (fd < 0)
		return NULL;
	stream = unlink(name) ? NULL : fdopen(fd, "w+");
	if (!stream)
		(void)close(fd); // the error to report is the earlier one
	return stream;
}
