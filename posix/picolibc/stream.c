// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Buffers of the stdio streams. What a failed write left stays in the buffer, is tried again by the next flush, and
 * keeps new bytes out when the buffer is full. A byte pushed back lies in file.unget, plus one. Sleeps; thread context.
 */

#include "posix/picolibc/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "posix/picolibc/libc_lock.h"
#include "posix/thread.h"

struct stream *stream_of(FILE *f)
{
	return f->flush == stream_flush_hook ? (struct stream *)f : NULL;
}

/* What a stream calls would end the thread with the lock held. */
void stream_begin(struct stream *s)
{
	cancel_defer();
	libc_lock(&s->lock);
}

int stream_end(struct stream *s)
{
	int err = 0;

	if (s->flush_due) {
		s->flush_due = false;
		err = stream_flush(s);
	}
	libc_unlock(&s->lock);
	cancel_allow();
	return err;
}

static void buffer_prepare(struct stream *s)
{
	int saved = errno;

	if (s->buffering == BUFFER_UNDECIDED)
		s->buffering = isatty(s->fd) ? BUFFER_LINE : BUFFER_FULL;
	if (!s->buffer && s->buffering != BUFFER_NONE) {
		s->buffer = malloc(STREAM_BUFFER_SIZE);
		s->size = STREAM_BUFFER_SIZE;
		s->buffer_owned = s->buffer != NULL;
	}
	if (!s->buffer) {
		s->buffer = s->small;
		s->size = sizeof(s->small);
	}
	errno = saved;
}

void stream_set_buffer(struct stream *s, char *buffer, enum buffering mode, size_t size)
{
	if (s->buffer_owned)
		free(s->buffer);
	s->buffer_owned = false;
	s->buffering = mode;
	s->buffer = mode != BUFFER_NONE && size > 0 ? buffer : NULL;
	s->size = size;
	s->start = s->end = 0;
}

static int output_write(struct stream *s)
{
	while (s->start < s->end) {
		ssize_t n = write(s->fd, s->buffer + s->start, s->end - s->start);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			s->file.flags |= __SERR;
			memmove(s->buffer, s->buffer + s->start, s->end - s->start);
			s->end -= s->start;
			s->start = 0;
			return EOF;
		}
		s->start += (size_t)n;
	}
	s->start = s->end = 0;
	return 0;
}

/* The descriptor goes back to where the reader is; where it cannot, as on a terminal, the input stays. */
static int input_forget(struct stream *s)
{
	off_t ahead = (off_t)(s->end - s->start) + (s->file.unget != 0);
	int saved = errno;

	if (ahead > 0 && lseek(s->fd, -ahead, SEEK_CUR) < 0) {
		if (errno != ESPIPE)
			return EOF;
		errno = saved;
		return 0;
	}
	s->start = s->end = 0;
	s->file.unget = 0;
	return 0;
}

int stream_flush(struct stream *s)
{
	return s->writing ? output_write(s) : input_forget(s);
}

static bool output_begin(struct stream *s)
{
	if (!(s->file.flags & __SWR)) {
		errno = EBADF;
		s->file.flags |= __SERR;
		return false;
	}
	if (!s->writing) {
		if (stream_flush(s)) {
			s->file.flags |= __SERR;
			return false;
		}
		s->start = s->end = 0;
		s->file.unget = 0;
		s->writing = true;
	}
	buffer_prepare(s);
	s->flush_due |= s->buffering == BUFFER_NONE;
	return true;
}

size_t stream_write(struct stream *s, const char *p, size_t n)
{
	size_t done = 0, room;
	ssize_t r;

	if (!output_begin(s))
		return 0;
	while (done < n) {
		if (s->end == s->size && output_write(s))
			return done;
		if (s->end == 0 && n - done >= s->size) { // large, and nothing to keep in order with
			r = write(s->fd, p + done, n - done);
			if (r < 0 && errno == EINTR)
				continue;
			if (r < 0) {
				s->file.flags |= __SERR;
				return done;
			}
			done += (size_t)r;
			continue;
		}
		room = min_of(s->size - s->end, n - done);
		memcpy(s->buffer + s->end, p + done, room);
		s->flush_due |= s->buffering == BUFFER_LINE && memchr(p + done, '\n', room);
		s->end += room;
		done += room;
	}
	return done;
}

static bool input_begin(struct stream *s)
{
	if (!(s->file.flags & __SRD)) {
		errno = EBADF;
		s->file.flags |= __SERR;
		return false;
	}
	if (s->writing) {
		if (stream_flush(s))
			return false;
		s->writing = false;
	}
	buffer_prepare(s);
	return true;
}

/* One read into p. False at end or error, which is noted; both stay until clearerr. */
static size_t input_read(struct stream *s, char *p, size_t n)
{
	ssize_t r;

	if (s->file.flags & __SEOF)
		return 0;
	if (s->buffering != BUFFER_FULL && s != &stream_stdout && stream_stdout.buffering == BUFFER_LINE)
		(void)fflush(stdout); // its error is noted there
	r = read(s->fd, p, n);
	if (r > 0)
		return (size_t)r;
	s->file.flags |= r == 0 ? __SEOF : __SERR;
	return 0;
}

const char *stream_peek(struct stream *s, size_t *n)
{
	if (!input_begin(s))
		return NULL;
	if (s->start == s->end) {
		s->start = 0;
		s->end = input_read(s, s->buffer, s->buffering == BUFFER_NONE ? 1 : s->size);
	}
	*n = s->end - s->start;
	return *n ? s->buffer + s->start : NULL;
}

void stream_take(struct stream *s, size_t n)
{
	s->start += n;
}

int stream_getc(struct stream *s)
{
	const char *p;
	size_t n;
	int c = (int)s->file.unget;

	if (c) {
		s->file.unget = 0;
		return c - 1;
	}
	p = stream_peek(s, &n);
	if (!p)
		return EOF;
	stream_take(s, 1);
	return (unsigned char)*p;
}

size_t stream_read(struct stream *s, char *p, size_t n)
{
	size_t done = 0, part;
	const char *from;

	if (n > 0 && s->file.unget) {
		p[done++] = (char)(s->file.unget - 1);
		s->file.unget = 0;
	}
	while (done < n) {
		if (s->start == s->end && !s->writing && s->buffer && n - done >= s->size) {
			part = input_read(s, p + done, n - done);
			if (!part)
				break;
			done += part;
			continue;
		}
		from = stream_peek(s, &part);
		if (!from)
			break;
		part = min_of(part, n - done);
		memcpy(p + done, from, part);
		stream_take(s, part);
		done += part;
	}
	return done;
}

/* The three that picolibc calls, inside a call that has begun. */
int stream_put(char c, FILE *f)
{
	struct stream *s = (struct stream *)f;

	if (s->writing && s->end < s->size && s->buffering == BUFFER_FULL) {
		s->buffer[s->end++] = c;
		return (unsigned char)c;
	}
	return stream_write(s, &c, 1) ? (unsigned char)c : EOF;
}

int stream_get(FILE *f)
{
	int c = stream_getc((struct stream *)f);

	return c == EOF ? (f->flags & __SEOF ? _FDEV_EOF : _FDEV_ERR) : c;
}

int stream_flush_hook(FILE *f)
{
	return stream_flush((struct stream *)f);
}
