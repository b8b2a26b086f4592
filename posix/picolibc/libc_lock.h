// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Every lock of the C library's is taken by these, which count: cairn_try must not be left over one (posix/try.c). */
#pragma once

#include <pthread.h>

#include "posix/thread.h"

/* Neither can fail: the mutex is normal or recursive, and is held 2^32 times over by nobody. */
static inline void libc_lock(pthread_mutex_t *mutex)
{
	(void)pthread_mutex_lock(mutex);
	posix_self()->libc_locks++;
}

static inline void libc_unlock(pthread_mutex_t *mutex)
{
	posix_self()->libc_locks--;
	(void)pthread_mutex_unlock(mutex);
}
