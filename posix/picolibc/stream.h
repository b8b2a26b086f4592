// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * cairn's stdio streams. picolibc's printf and scanf see the struct __file in front, with one function for a byte out
 *and one for a byte in; all else is ours. A public call holds the stream's lock from start to end, and so is atomic.
 *
 *	stream_begin(s);
 *	...stream_write, stream_getc...
 *	failed = stream_end(s);		// writes out what the buffering says must not wait
 */
#pragma once

#include <pthread.h>
#include <stdio.h>

#include "lib/types.h"

#define STREAM_BUFFER_SIZE 4096

enum buffering { BUFFER_FULL = _IOFBF, BUFFER_LINE = _IOLBF, BUFFER_NONE = _IONBF, BUFFER_UNDECIDED };

struct stream {
	struct __file file; // first: a FILE * is a pointer to it

	pthread_mutex_t lock; // recursive; guards the rest
	int fd;
	enum buffering buffering; // undecided: by isatty at first use
	bool writing;		  // the buffer holds output
	bool flush_due;		  // something of this call must not wait
	bool buffer_owned;	  // from malloc
	bool append;
	char *buffer; // NULL: not yet
	size_t size;
	size_t start, end; // bytes in the buffer: input not yet read, or output not yet written

	struct stream *next; // open streams, guarded by the list's lock
	char small[64];	     // buffer when there is no other
};

extern struct stream stream_stdout; // flushed before a terminal's input is waited for

/* One of ours, or NULL: a string's or a user's own. */
struct stream *stream_of(FILE *f);

int stream_put(char c, FILE *f);
int stream_get(FILE *f);
int stream_flush_hook(FILE *f);

void stream_begin(struct stream *s);
int stream_end(struct stream *s); // 0, or EOF: something could not be written

/* Between begin and end. */
size_t stream_write(struct stream *s, const char *p, size_t n); // how many were taken: fewer after an error
size_t stream_read(struct stream *s, char *p, size_t n);	// how many came: fewer at end or after an error
int stream_getc(struct stream *s);				// EOF: end or error
/* Bytes in the buffer, filled if empty: NULL at end or error. *n of them may be taken by stream_take. */
const char *stream_peek(struct stream *s, size_t *n);
void stream_take(struct stream *s, size_t n);
/* Output is written; input is forgotten and the descriptor set back to where the reader is, if it can be. 0 or EOF. */
int stream_flush(struct stream *s);
void stream_set_buffer(struct stream *s, char *buffer, enum buffering mode, size_t size);
