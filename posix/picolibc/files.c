// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Opening, closing and positioning of stdio streams, and the three that are always there. Open streams are in a list,
 * so that fflush(NULL) and exit find what has not been written. Order: the list's lock -> a stream's. Sleeps.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/log.h"
#include "posix/picolibc/libc_lock.h"
#include "posix/picolibc/stream.h"

#define STREAM(number, flags, mode)                                                                                    \
	{                                                                                                              \
		.file = FDEV_SETUP_STREAM(stream_put, stream_get, stream_flush_hook, flags),                           \
		.lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP, .fd = (number), .buffering = (mode)                    \
	}

static struct stream stream_stdin = STREAM(STDIN_FILENO, _FDEV_SETUP_READ, BUFFER_UNDECIDED);
struct stream stream_stdout = STREAM(STDOUT_FILENO, _FDEV_SETUP_WRITE, BUFFER_UNDECIDED);
static struct stream stream_stderr = STREAM(STDERR_FILENO, _FDEV_SETUP_WRITE, BUFFER_NONE);

FILE *const stdin = &stream_stdin.file;
FILE *const stdout = &stream_stdout.file;
FILE *const stderr = &stream_stderr.file;

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct stream *open_streams; // those of fopen and fdopen

static void list_add(struct stream *s)
{
	libc_lock(&list_lock);
	s->next = open_streams;
	open_streams = s;
	libc_unlock(&list_lock);
}

static void list_remove_stream(struct stream *s)
{
	libc_lock(&list_lock);
	for (struct stream **at = &open_streams; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	libc_unlock(&list_lock);
}

/* open's flags for fopen's mode; false: no such mode. *rw are the stream's flags. */
static bool mode_parse(const char *mode, int *flags, uint8_t *rw)
{
	bool plus = strchr(mode, '+') != NULL;

	switch (mode[0]) {
	case 'r':
		*flags = plus ? O_RDWR : O_RDONLY;
		break;
	case 'w':
		*flags = (plus ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
		break;
	case 'a':
		*flags = (plus ? O_RDWR : O_WRONLY) | O_CREAT | O_APPEND;
		break;
	default:
		errno = EINVAL;
		return false;
	}
	if (strchr(mode, 'x'))
		*flags |= O_EXCL;
	*rw = plus ? _FDEV_SETUP_RW : mode[0] == 'r' ? _FDEV_SETUP_READ : _FDEV_SETUP_WRITE;
	return true;
}

static FILE *stream_make(int fd, uint8_t rw, bool append)
{
	struct stream *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct stream)STREAM(fd, rw, BUFFER_UNDECIDED);
	s->append = append;
	list_add(s);
	return &s->file;
}

FILE *fdopen(int fd, const char *mode)
{
	int flags;
	uint8_t rw;

	if (!mode_parse(mode, &flags, &rw) || fcntl(fd, F_GETFL) < 0)
		return NULL;
	return stream_make(fd, rw, flags & O_APPEND);
}

FILE *fopen(const char *path, const char *mode)
{
	int flags, fd, saved;
	uint8_t rw;
	FILE *f;

	if (!mode_parse(mode, &flags, &rw))
		return NULL;
	fd = open(path, flags, 0666);
	if (fd < 0)
		return NULL;
	f = stream_make(fd, rw, flags & O_APPEND);
	if (!f) {
		saved = errno;
		(void)close(fd); // the error to report is the earlier one
		errno = saved;
	}
	return f;
}

/* The stream keeps its descriptor's number, so freopen(path, "w", stdout) redirects what writes to 1 as well. */
FILE *freopen(const char *path, const char *mode, FILE *f)
{
	struct stream *s = stream_of(f);
	int flags, fd;
	uint8_t rw;

	if (!s || !path) {
		errno = s ? EINVAL : EBADF; // changing only the mode is not built
		return NULL;
	}
	if (!mode_parse(mode, &flags, &rw))
		return NULL;
	fd = open(path, flags, 0666);
	if (fd < 0)
		return NULL;
	stream_begin(s);
	(void)stream_flush(s); // C: failure to flush is ignored
	s->start = s->end = 0;
	s->writing = s->flush_due = false;
	s->append = flags & O_APPEND;
	s->file.unget = 0;
	s->file.flags = rw;
	if (fd != s->fd && (dup2(fd, s->fd) < 0 || close(fd) < 0))
		f = NULL;
	(void)stream_end(s);
	return f;
}

int fclose(FILE *f)
{
	struct stream *s = stream_of(f);
	int err = 0, saved = 0;

	if (!s) {
		if (f->flush)
			err = f->flush(f);
		if (f->flags & __SCLOSE)
			err |= ((struct __file_close *)f)->close(f);
		return err ? EOF : 0;
	}
	list_remove_stream(s);
	stream_begin(s);
	err = stream_flush(s);
	saved = errno;
	s->start = s->end = 0;
	s->flush_due = false;
	if (close(s->fd) < 0 && !err) {
		err = EOF;
		saved = errno;
	}
	if (s->buffer_owned)
		free(s->buffer);
	(void)stream_end(s);
	if (s != &stream_stdin && s != &stream_stdout && s != &stream_stderr)
		free(s);
	if (err)
		errno = saved;
	return err;
}

static int flush_one(struct stream *s)
{
	int err;

	stream_begin(s);
	err = s->writing || s->start < s->end ? stream_flush(s) : 0;
	s->flush_due = false;
	return stream_end(s) | err;
}

static int flush_written(struct stream *s)
{
	return s->writing ? flush_one(s) : 0;
}

int fflush(FILE *f)
{
	int err;

	if (f)
		return stream_of(f) ? flush_one(stream_of(f)) : f->flush ? f->flush(f) : 0;
	err = flush_written(&stream_stdout) | flush_written(&stream_stderr);
	libc_lock(&list_lock);
	for (struct stream *s = open_streams; s; s = s->next)
		err |= flush_written(s);
	libc_unlock(&list_lock);
	return err;
}

/* After the functions of atexit. What cannot be written is lost, and said to be. */
static void __attribute__((destructor)) flush_at_exit(void)
{
	if (fflush(NULL))
		log_error("at exit, output of the application could not be written: %s", strerror(errno));
}

int setvbuf(FILE *f, char *buffer, int mode, size_t size)
{
	struct stream *s = stream_of(f);
	int err;

	if (!s || (mode != _IOFBF && mode != _IOLBF && mode != _IONBF)) {
		errno = EINVAL;
		return EOF;
	}
	stream_begin(s);
	err = stream_flush(s);
	if (!err)
		stream_set_buffer(s, buffer, (enum buffering)mode, size);
	return stream_end(s) | err;
}

int fseeko(FILE *f, off_t offset, int whence)
{
	struct stream *s = stream_of(f);
	int err;

	if (!s) {
		if (f->flags & __SEXT)
			return ((struct __file_ext *)f)->seek(f, offset, whence) < 0 ? EOF : 0;
		errno = ESPIPE;
		return EOF;
	}
	stream_begin(s);
	err = stream_flush(s);
	if (!err && lseek(s->fd, offset, whence) < 0)
		err = EOF;
	if (!err) {
		s->file.flags &= (uint8_t)~__SEOF;
		s->writing = false;
	}
	return stream_end(s) | err;
}

off_t ftello(FILE *f)
{
	struct stream *s = stream_of(f);
	off_t at;

	if (!s) {
		if (f->flags & __SEXT)
			return ((struct __file_ext *)f)->seek(f, 0, SEEK_CUR);
		errno = ESPIPE;
		return -1;
	}
	stream_begin(s);
	at = lseek(s->fd, 0, s->append && s->writing ? SEEK_END : SEEK_CUR);
	if (at >= 0)
		at += s->writing ? (off_t)(s->end - s->start) : -(off_t)(s->end - s->start) - (s->file.unget != 0);
	return stream_end(s) ? -1 : at;
}

int fseek(FILE *f, long offset, int whence)
{
	return fseeko(f, offset, whence);
}

long ftell(FILE *f)
{
	return ftello(f);
}

int fileno(FILE *f)
{
	if (stream_of(f))
		return stream_of(f)->fd;
	errno = EBADF;
	return -1;
}
