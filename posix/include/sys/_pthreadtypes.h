// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The types of <pthread.h>, which <sys/types.h> shows too. The words are posix/'s: use the calls. */
#pragma once

#include <stdint.h>

typedef struct thread *pthread_t;

typedef struct {
	void *stack; // lowest address; NULL: the system's
	unsigned long stack_size;
	unsigned long guard_size;
	int detach_state;
	int inherit_sched;
	int policy;
	int priority;
	char name[16];
} pthread_attr_t;

typedef struct {
	int type;
	int shared;
	int protocol;
} pthread_mutexattr_t;

typedef struct {
	uint32_t state; // 0 free, 1 held, 2 held and perhaps waited for
	int type;
	unsigned depth; // recursive: times held beyond the first
	void *owner;
	struct pi_mutex *inheriting; // with PTHREAD_PRIO_INHERIT: in place of the state
} pthread_mutex_t;

typedef struct {
	unsigned long clock;
	int shared;
} pthread_condattr_t;

typedef struct {
	uint32_t sequence; // changes with every signal
	uint32_t waiters;
	unsigned long clock;
} pthread_cond_t;

typedef struct {
	int shared;
} pthread_rwlockattr_t;

typedef struct {
	pthread_mutex_t lock; // guards the rest; the next word changes under it
	uint32_t phase;	      // changes when waiting readers are let in, all at once
	unsigned readers, readers_waiting;
	void *writer;
	struct rwlock_writer *writers; // those who wait
} pthread_rwlock_t;

typedef struct {
	int shared;
} pthread_barrierattr_t;

typedef struct {
	pthread_mutex_t lock; // guards `arrived`; `round` changes under it
	uint32_t round;
	unsigned count, arrived;
	uint32_t inside; // threads that have not left the call
} pthread_barrier_t;

typedef struct {
	void *owner;
} pthread_spinlock_t;

typedef unsigned pthread_key_t;

typedef struct {
	uint32_t state; // 0 not yet, 1 being done, 2 done
} pthread_once_t;
