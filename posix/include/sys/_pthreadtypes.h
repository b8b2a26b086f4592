// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The types of <pthread.h>, which <sys/types.h> shows too. The words are posix/'s: use the calls. */
#pragma once

#include <stdint.h>

typedef struct thread *pthread_t;

typedef struct {
	unsigned long stack_size;
	int detach_state;
} pthread_attr_t;

typedef struct {
	int type;
} pthread_mutexattr_t;

typedef struct {
	uint32_t state; // 0 free, 1 held, 2 held and perhaps waited for
	int type;
	unsigned depth; // recursive: times held beyond the first
	void *owner;
} pthread_mutex_t;

typedef struct {
	unsigned long clock;
} pthread_condattr_t;

typedef struct {
	uint32_t sequence; // changes with every signal
	uint32_t waiters;
	unsigned long clock;
} pthread_cond_t;

typedef unsigned pthread_key_t;

typedef struct {
	uint32_t state; // 0 not yet, 1 being done, 2 done
} pthread_once_t;
