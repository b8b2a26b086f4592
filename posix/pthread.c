// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * POSIX threads over the kernel's: pthread_t is the kernel's thread. The process ends, with status 0, when the last
 * thread that is an application's has ended by pthread_exit or by returning; main's thread counts as one.
 */

#include <pthread.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/hart.h"
#include "kernel/thread.h"
#include "mm/kmalloc.h"
#include "posix/keys.h"

#define STACK_SIZE_DEFAULT (256 * 1024)

struct start {
	void *(*function)(void *);
	void *arg;
};

static atomic_uint live_threads = 1;

void pthread_exit(void *value)
{
	keys_destroy();
	if (atomic_fetch_sub(&live_threads, 1) == 1)
		exit(0);
	thread_exit(value);
}

static void *thread_main(void *arg)
{
	struct start start = *(struct start *)arg;

	kfree(arg);
	pthread_exit(start.function(start.arg));
}

int pthread_create(pthread_t *restrict out, const pthread_attr_t *restrict attr, void *(*function)(void *),
		   void *restrict arg)
{
	size_t stack_size = attr ? attr->stack_size : STACK_SIZE_DEFAULT;
	bool detached = attr && attr->detach_state == PTHREAD_CREATE_DETACHED;
	struct start *start = kmalloc(sizeof(*start));
	struct thread *t;
	int err;

	if (!start)
		return EAGAIN;
	*start = (struct start){function, arg};
	atomic_fetch_add(&live_threads, 1);
	err = thread_create("pthread", stack_size, thread_main, start, &t);
	if (err) {
		atomic_fetch_sub(&live_threads, 1);
		kfree(start);
		return EAGAIN;
	}
	*out = t;
	return detached ? -thread_detach(t) : 0;
}

int pthread_join(pthread_t thread, void **value)
{
	return -thread_join(thread, value);
}

int pthread_detach(pthread_t thread)
{
	return -thread_detach(thread);
}

pthread_t pthread_self(void)
{
	return thread_self();
}

int pthread_equal(pthread_t a, pthread_t b)
{
	return a == b;
}

int pthread_setname_np(pthread_t thread, const char *name)
{
	if (strlen(name) >= sizeof(thread->name))
		return ERANGE;
	strcpy(thread->name, name);
	return 0;
}

int pthread_getname_np(pthread_t thread, char *name, size_t size)
{
	return snprintf(name, size, "%s", thread->name) < (int)size ? 0 : ERANGE;
}

int pthread_attr_init(pthread_attr_t *attr)
{
	*attr = (pthread_attr_t){.stack_size = STACK_SIZE_DEFAULT, .detach_state = PTHREAD_CREATE_JOINABLE};
	return 0;
}

int pthread_attr_destroy(pthread_attr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_attr_setstacksize(pthread_attr_t *attr, size_t size)
{
	if (size < (size_t)PTHREAD_STACK_MIN)
		return EINVAL;
	attr->stack_size = size;
	return 0;
}

int pthread_attr_getstacksize(const pthread_attr_t *restrict attr, size_t *restrict size)
{
	*size = attr->stack_size;
	return 0;
}

int pthread_attr_setdetachstate(pthread_attr_t *attr, int state)
{
	if (state != PTHREAD_CREATE_JOINABLE && state != PTHREAD_CREATE_DETACHED)
		return EINVAL;
	attr->detach_state = state;
	return 0;
}

int pthread_attr_getdetachstate(const pthread_attr_t *attr, int *state)
{
	*state = attr->detach_state;
	return 0;
}
