// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * picolibc's locks, all in one object, so that its own, which do nothing, are never linked (nothing in it tries a
 * lock). Recursive or not, each is a recursive mutex. Sleeps; thread context.
 */

#include <sys/lock.h>

#include <pthread.h>
#include <stdlib.h>

#include "posix/picolibc/libc_lock.h"

struct __lock {
	pthread_mutex_t mutex;
};

struct __lock __lock___libc_recursive_mutex = {PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP};

void __retarget_lock_init(_LOCK_T *lock)
{
	*lock = malloc(sizeof(**lock));
	/* The call cannot fail, and sharing a recursive lock is only slower. */
	if (*lock)
		**lock = (struct __lock){PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP};
	else
		*lock = &__lock___libc_recursive_mutex;
}

void __retarget_lock_close(_LOCK_T lock)
{
	if (lock != &__lock___libc_recursive_mutex)
		free(lock);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
	libc_lock(&lock->mutex);
}

void __retarget_lock_release(_LOCK_T lock)
{
	libc_unlock(&lock->mutex);
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
	__retarget_lock_init(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
	__retarget_lock_close(lock);
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
	__retarget_lock_acquire(lock);
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
	__retarget_lock_release(lock);
}
