// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * <stdio.h> over cairn's streams, in place of picolibc's functions of the same names; its printf and scanf engines are
 * used as they are, called through the linker's --wrap so that a whole call holds the stream. Streams that are not ours
 * (strings, fmemopen, a user's own) go by their byte functions, without a lock. Sleeps; thread context.
 */

#include <stdio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/log.h"
#include "posix/picolibc/stream.h"

int __real_vfprintf(FILE *f, const char *format, va_list ap);
int __wrap_vfprintf(FILE *f, const char *format, va_list ap);
int __real_vfscanf(FILE *f, const char *format, va_list ap);
int __wrap_vfscanf(FILE *f, const char *format, va_list ap);

/* Bytes out, from whatever kind of stream. */
static size_t any_write(FILE *f, const char *p, size_t n)
{
	struct stream *s = stream_of(f);
	size_t done = 0;

	if (s) {
		stream_begin(s);
		done = stream_write(s, p, n);
		return stream_end(s) ? 0 : done;
	}
	if (!(f->flags & __SWR))
		return 0;
	while (done < n && f->put(p[done], f) >= 0)
		done++;
	return done;
}

/* A byte in; one that was pushed back comes first. Ours: begun already. */
static int any_getc(FILE *f)
{
	struct stream *s = stream_of(f);
	int c;

	if (s)
		return stream_getc(s);
	if (!(f->flags & __SRD))
		return EOF;
	c = (int)f->unget;
	if (c) {
		f->unget = 0;
		return c - 1;
	}
	c = f->get(f);
	if (c < 0) {
		f->flags |= c == _FDEV_EOF ? __SEOF : __SERR;
		return EOF;
	}
	return (unsigned char)c;
}

void flockfile(FILE *f)
{
	if (stream_of(f))
		stream_begin(stream_of(f));
}

int ftrylockfile(FILE *f)
{
	return stream_of(f) ? pthread_mutex_trylock(&stream_of(f)->lock) : 0;
}

void funlockfile(FILE *f)
{
	if (stream_of(f))
		(void)stream_end(stream_of(f)); // nothing is due: each call inside has ended its own
}

int fputc(int c, FILE *f)
{
	char byte = (char)c;

	return any_write(f, &byte, 1) ? (unsigned char)c : EOF;
}

int(putc)(int c, FILE *f)
{
	return fputc(c, f);
}

int putc_unlocked(int c, FILE *f)
{
	return fputc(c, f);
}

int(putchar)(int c)
{
	return fputc(c, stdout);
}

int putchar_unlocked(int c)
{
	return fputc(c, stdout);
}

size_t fwrite(const void *p, size_t size, size_t count, FILE *f)
{
	size_t n;

	if (size == 0 || count == 0)
		return 0;
	if (__builtin_mul_overflow(size, count, &n)) {
		errno = EOVERFLOW;
		return 0;
	}
	return any_write(f, p, n) / size;
}

int fputs(const char *text, FILE *f)
{
	size_t n = strlen(text);

	return any_write(f, text, n) == n ? 0 : EOF;
}

int puts(const char *text)
{
	int err;

	flockfile(stdout);
	err = fputs(text, stdout) || fputc('\n', stdout) == EOF;
	funlockfile(stdout);
	return err ? EOF : 0;
}

int __wrap_vfprintf(FILE *f, const char *format, va_list ap)
{
	struct stream *s = stream_of(f);
	int n;

	if (!s)
		return __real_vfprintf(f, format, ap);
	stream_begin(s);
	n = __real_vfprintf(f, format, ap);
	return stream_end(s) ? EOF : n;
}

int __wrap_vfscanf(FILE *f, const char *format, va_list ap)
{
	int n;

	flockfile(f);
	n = __real_vfscanf(f, format, ap);
	funlockfile(f);
	return n;
}

int vdprintf(int fd, const char *restrict format, va_list ap)
{
	struct stream s = {
	    .file = FDEV_SETUP_STREAM(stream_put, stream_get, stream_flush_hook, _FDEV_SETUP_WRITE),
	    .lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
	    .fd = fd,
	    .buffering = BUFFER_NONE,
	};

	return __wrap_vfprintf(&s.file, format, ap);
}

int dprintf(int fd, const char *restrict format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vdprintf(fd, format, ap);
	va_end(ap);
	return n;
}

int fgetc(FILE *f)
{
	int c;

	flockfile(f);
	c = any_getc(f);
	funlockfile(f);
	return c;
}

int(getc)(FILE *f)
{
	return fgetc(f);
}

int getc_unlocked(FILE *f)
{
	return any_getc(f);
}

int(getchar)(void)
{
	return fgetc(stdin);
}

int getchar_unlocked(void)
{
	return any_getc(stdin);
}

int ungetc(int c, FILE *f)
{
	int result = EOF;

	flockfile(f);
	if (c != EOF && (f->flags & __SRD) && f->unget == 0) {
		f->unget = (__ungetc_t)(unsigned char)c + 1;
		f->flags &= (uint8_t)~__SEOF;
		result = (unsigned char)c;
	}
	funlockfile(f);
	return result;
}

size_t fread(void *p, size_t size, size_t count, FILE *f)
{
	struct stream *s = stream_of(f);
	char *out = p;
	size_t n, done = 0;
	int c;

	if (size == 0 || count == 0)
		return 0;
	if (__builtin_mul_overflow(size, count, &n)) {
		errno = EOVERFLOW;
		return 0;
	}
	flockfile(f);
	if (s)
		done = stream_read(s, out, n);
	else
		while (done < n && (c = any_getc(f)) != EOF)
			out[done++] = (char)c;
	funlockfile(f);
	return done / size;
}

char *fgets(char *text, int size, FILE *f)
{
	int n = 0, c = 0;

	flockfile(f);
	while (n < size - 1 && c != '\n' && (c = any_getc(f)) != EOF)
		text[n++] = (char)c;
	funlockfile(f);
	if (n == 0 || (c == EOF && ferror(f)))
		return NULL;
	text[n] = '\0';
	return text;
}

static bool line_grow(char **line, size_t *size, size_t want)
{
	size_t larger = max_of(want, *size * 2 + 120);
	char *moved;

	if (*line && want <= *size)
		return true;
	moved = realloc(*line, larger);
	if (!moved)
		return false;
	*line = moved;
	*size = larger;
	return true;
}

ssize_t getdelim(char **restrict line, size_t *restrict size, int delimiter, FILE *restrict f)
{
	size_t n = 0;
	int c = EOF;
	bool room;

	flockfile(f);
	while ((room = line_grow(line, size, n + 2)) && (c = any_getc(f)) != EOF) {
		(*line)[n++] = (char)c;
		if (c == delimiter)
			break;
	}
	funlockfile(f);
	if (!room || n == 0 || (c == EOF && ferror(f)))
		return -1;
	(*line)[n] = '\0';
	return (ssize_t)n;
}

ssize_t getline(char **restrict line, size_t *restrict size, FILE *restrict f)
{
	return getdelim(line, size, '\n', f);
}
