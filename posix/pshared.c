// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The process-shared attribute: kept, and without effect, since there is one process. */

#include <errno.h>
#include <pthread.h>

static int shared_set(int *attr, int shared)
{
	if (shared != PTHREAD_PROCESS_PRIVATE && shared != PTHREAD_PROCESS_SHARED)
		return EINVAL;
	*attr = shared;
	return 0;
}

int pthread_mutexattr_setpshared(pthread_mutexattr_t *attr, int shared)
{
	return shared_set(&attr->shared, shared);
}

int pthread_mutexattr_getpshared(const pthread_mutexattr_t *restrict attr, int *restrict shared)
{
	*shared = attr->shared;
	return 0;
}

int pthread_condattr_setpshared(pthread_condattr_t *attr, int shared)
{
	return shared_set(&attr->shared, shared);
}

int pthread_condattr_getpshared(const pthread_condattr_t *restrict attr, int *restrict shared)
{
	*shared = attr->shared;
	return 0;
}

int pthread_rwlockattr_setpshared(pthread_rwlockattr_t *attr, int shared)
{
	return shared_set(&attr->shared, shared);
}

int pthread_rwlockattr_getpshared(const pthread_rwlockattr_t *restrict attr, int *restrict shared)
{
	*shared = attr->shared;
	return 0;
}

int pthread_barrierattr_setpshared(pthread_barrierattr_t *attr, int shared)
{
	return shared_set(&attr->shared, shared);
}

int pthread_barrierattr_getpshared(const pthread_barrierattr_t *restrict attr, int *restrict shared)
{
	*shared = attr->shared;
	return 0;
}
