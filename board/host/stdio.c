// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * fopen and its kin for applications of the host build: streams of the host's C library over files of the card, so that
 * no application of cairn's reaches a file of the PC's. The stream's lock is the host's (docs/design.md section 10).
 * Sleeps as the calls below it do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "posix/process.h"
#include "posix/thread.h"

/* posix/, under the names of posix/host_names.h. */
int cairn_open(const char *path, int flags, ...);
ssize_t cairn_read(int fd, void *buf, size_t n);
ssize_t cairn_write(int fd, const void *buf, size_t n);
off_t cairn_lseek(int fd, off_t offset, int whence);
int cairn_close(int fd);

FILE *cairn_fdopen(int fd, const char *mode);
FILE *cairn_fopen(const char *path, const char *mode);
FILE *cairn_freopen(const char *path, const char *mode, FILE *stream);

static int fd_of(void *cookie)
{
	return (int)(intptr_t)cookie;
}

static ssize_t stream_read(void *cookie, char *buf, size_t n)
{
	ssize_t n_read;

	cancel_defer(); // the stream's lock is held
	n_read = cairn_read(fd_of(cookie), buf, n);
	cancel_allow();
	return n_read;
}

/* 0 is how a cookie stream is told of an error. */
static ssize_t stream_write(void *cookie, const char *buf, size_t n)
{
	ssize_t written;

	cancel_defer();
	written = cairn_write(fd_of(cookie), buf, n);
	cancel_allow();
	return written < 0 ? 0 : written;
}

static int stream_seek(void *cookie, off64_t *offset, int whence)
{
	off_t at = cairn_lseek(fd_of(cookie), *offset, whence);

	if (at < 0)
		return -1;
	*offset = at;
	return 0;
}

static int stream_close(void *cookie)
{
	int err;

	cancel_defer();
	err = cairn_close(fd_of(cookie));
	cancel_allow();
	return err;
}

FILE *cairn_fdopen(int fd, const char *mode)
{
	const cookie_io_functions_t functions = {stream_read, stream_write, stream_seek, stream_close};

	return fopencookie((void *)(intptr_t)fd, mode, functions);
}

/* Flags of a mode of fopen's; -1: it is none. */
static int flags_of(const char *mode)
{
	bool update = false;
	int flags;

	for (const char *c = mode; *c; c++)
		update |= *c == '+';
	flags = update ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
	switch (*mode) {
	case 'r':
		return flags;
	case 'w':
		return flags | O_CREAT | O_TRUNC;
	case 'a':
		return flags | O_CREAT | O_APPEND;
	default:
		return -1;
	}
}

FILE *cairn_fopen(const char *path, const char *mode)
{
	int flags = flags_of(mode), fd;
	FILE *stream;

	if (flags < 0) {
		errno = EINVAL;
		return NULL;
	}
	fd = cairn_open(path, flags, 0666);
	if (fd < 0)
		return NULL;
	stream = cairn_fdopen(fd, mode);
	if (!stream)
		(void)cairn_close(fd); // nothing was written: fdopen's errno is the one to tell
	return stream;
}

/* The host's library cannot put another file behind a stream that it has opened. */
FILE *cairn_freopen(const char *path, const char *mode, FILE *stream)
{
	(void)path;
	(void)mode;
	(void)fclose(stream); // as POSIX wants, whatever becomes of it
	errno = ENOTSUP;
	return NULL;
}

/* The host's allocator looks after its own threads. */
void malloc_thread_end(void)
{
}
