// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Attributes of threads: what pthread_create is asked for. Sleeps never; calls return a positive error number. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "arch/page.h"
#include "kernel/thread.h"

#define STACK_SIZE_DEFAULT (256 * 1024)
#define STACK_ALIGNMENT 16

_Static_assert(sizeof(((pthread_attr_t *)0)->name) == THREAD_NAME_MAX, "the same names fit");

int pthread_attr_init(pthread_attr_t *attr)
{
	*attr = (pthread_attr_t){
	    .stack_size = STACK_SIZE_DEFAULT,
	    .guard_size = PAGE_SIZE,
	    .detach_state = PTHREAD_CREATE_JOINABLE,
	    .inherit_sched = PTHREAD_INHERIT_SCHED,
	    .policy = SCHED_OTHER,
	    .name = "pthread",
	};
	return 0;
}

int pthread_attr_destroy(pthread_attr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_attr_setstack(pthread_attr_t *attr, void *addr, size_t size)
{
	vaddr_t start = (vaddr_t)addr;

	if (size < PTHREAD_STACK_MIN || start + size < start || !addr)
		return EINVAL;
	if (start % STACK_ALIGNMENT || size % STACK_ALIGNMENT)
		return EINVAL;
	attr->stack = addr;
	attr->stack_size = size;
	return 0;
}

int pthread_attr_getstack(const pthread_attr_t *restrict attr, void **restrict addr, size_t *restrict size)
{
	*addr = attr->stack;
	*size = attr->stack_size;
	return 0;
}

int pthread_attr_setstacksize(pthread_attr_t *attr, size_t size)
{
	if (size < PTHREAD_STACK_MIN)
		return EINVAL;
	attr->stack_size = size;
	return 0;
}

int pthread_attr_getstacksize(const pthread_attr_t *restrict attr, size_t *restrict size)
{
	*size = attr->stack_size;
	return 0;
}

int pthread_attr_setguardsize(pthread_attr_t *attr, size_t size)
{
	attr->guard_size = size;
	return 0;
}

int pthread_attr_getguardsize(const pthread_attr_t *restrict attr, size_t *restrict size)
{
	*size = attr->guard_size;
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

int pthread_attr_setname_np(pthread_attr_t *attr, const char *name)
{
	if (strlen(name) >= sizeof(attr->name))
		return ERANGE;
	strcpy(attr->name, name);
	return 0;
}

int pthread_attr_getname_np(const pthread_attr_t *attr, char *name, size_t size)
{
	return snprintf(name, size, "%s", attr->name) < (int)size ? 0 : ERANGE;
}

int pthread_attr_setinheritsched(pthread_attr_t *attr, int inherit)
{
	if (inherit != PTHREAD_INHERIT_SCHED && inherit != PTHREAD_EXPLICIT_SCHED)
		return EINVAL;
	attr->inherit_sched = inherit;
	return 0;
}

int pthread_attr_getinheritsched(const pthread_attr_t *restrict attr, int *restrict inherit)
{
	*inherit = attr->inherit_sched;
	return 0;
}

int pthread_attr_setschedpolicy(pthread_attr_t *attr, int policy)
{
	if (policy != SCHED_OTHER && policy != SCHED_FIFO && policy != SCHED_RR)
		return EINVAL;
	attr->policy = policy;
	return 0;
}

int pthread_attr_getschedpolicy(const pthread_attr_t *restrict attr, int *restrict policy)
{
	*policy = attr->policy;
	return 0;
}

int pthread_attr_setschedparam(pthread_attr_t *restrict attr, const struct sched_param *restrict param)
{
	if (param->sched_priority < 0 || param->sched_priority >= THREAD_PRIORITIES)
		return EINVAL;
	attr->priority = param->sched_priority;
	return 0;
}

int pthread_attr_getschedparam(const pthread_attr_t *restrict attr, struct sched_param *restrict param)
{
	*param = (struct sched_param){.sched_priority = attr->priority};
	return 0;
}

int pthread_attr_setscope(pthread_attr_t *attr, int scope)
{
	(void)attr; // all compete with all
	return scope == PTHREAD_SCOPE_SYSTEM ? 0 : scope == PTHREAD_SCOPE_PROCESS ? ENOTSUP : EINVAL;
}

int pthread_attr_getscope(const pthread_attr_t *restrict attr, int *restrict scope)
{
	(void)attr;
	*scope = PTHREAD_SCOPE_SYSTEM;
	return 0;
}
