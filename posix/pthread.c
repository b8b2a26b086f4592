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
#include "posix/call.h"
#include "posix/keys.h"
#include "posix/thread.h"

#define STACK_SIZE_DEFAULT (256 * 1024)

/* What a thread begins with, and what posix/ keeps of it. Belongs to the thread and, until it is made, its maker. */
struct start {
	struct posix_thread posix;
	atomic_uint owners;
	void *(*function)(void *);
	void *arg;
};

static struct start first = {.owners = 2}; // never freed
static atomic_uint live_threads = 1;

static void start_put(struct start *start)
{
	/* What one owner wrote is seen by the other, which frees. */
	if (atomic_fetch_sub_explicit(&start->owners, 1, memory_order_acq_rel) == 1)
		kfree(start);
}

void posix_first_thread(void)
{
	signal_thread_add(&first.posix);
	first.posix.thread = thread_self();
	thread_self()->posix = &first.posix;
}

void pthread_exit(void *value)
{
	struct posix_thread *self = posix_self();

	keys_destroy();
	if (atomic_fetch_sub(&live_threads, 1) == 1)
		exit(0);
	(void)call_begin(); // for good
	signal_thread_remove(self);
	thread_self()->posix = NULL;
	start_put(container_of(self, struct start, posix));
	thread_exit(value);
}

static void *thread_main(void *arg)
{
	struct start *start = arg;

	thread_self()->posix = &start->posix;
	(void)call_end(call_begin()); // for signals that came before it ran
	pthread_exit(start->function(start->arg));
}

static int create(void *(*function)(void *), void *arg, size_t stack_size, bool detached, struct thread **out)
{
	struct start *start = kmalloc(sizeof(*start));
	int err;

	if (!start)
		return EAGAIN;
	*start = (struct start){.owners = 2, .function = function, .arg = arg};
	signal_thread_add(&start->posix);
	atomic_fetch_add(&live_threads, 1);
	err = thread_create("pthread", stack_size, thread_main, start, &start->posix.thread);
	*out = start->posix.thread;
	if (err) {
		atomic_fetch_sub(&live_threads, 1);
		signal_thread_remove(&start->posix);
		start_put(start);
	}
	start_put(start);
	if (err)
		return EAGAIN;
	return detached ? -thread_detach(*out) : 0;
}

int pthread_create(pthread_t *restrict out, const pthread_attr_t *restrict attr, void *(*function)(void *),
		   void *restrict arg)
{
	size_t stack_size = attr ? attr->stack_size : STACK_SIZE_DEFAULT;
	bool detached = attr && attr->detach_state == PTHREAD_CREATE_DETACHED;
	struct thread *t;
	int err = KERNEL_CALL(create(function, arg, stack_size, detached, &t));

	if (!err)
		*out = t;
	return err;
}

int pthread_join(pthread_t thread, void **value)
{
	void *result;
	int err;

	do
		err = KERNEL_CALL(thread_join_interruptible(thread, &result));
	while (err == -EINTR); // handlers have run, and the wait goes on
	if (!err && value)
		*value = result;
	return -err;
}

int pthread_detach(pthread_t thread)
{
	return -KERNEL_CALL(thread_detach(thread));
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
