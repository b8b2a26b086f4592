// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * C11's threads in terms of POSIX's, whose objects they are: only arguments and results differ. A call that cannot say
 * that it failed ignores what POSIX says of undefined use. Sleeps where POSIX's does.
 */

#include <threads.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "mm/kmalloc.h"

_Static_assert(TSS_DTOR_ITERATIONS == PTHREAD_DESTRUCTOR_ITERATIONS, "the same keys");

static int result_of(int err)
{
	switch (err) {
	case 0:
		return thrd_success;
	case EBUSY:
		return thrd_busy;
	case ETIMEDOUT:
		return thrd_timedout;
	case ENOMEM:
		return thrd_nomem;
	default:
		return thrd_error;
	}
}

struct start {
	thrd_start_t function;
	void *arg;
};

static void *thread_main(void *arg)
{
	struct start start = *(struct start *)arg;

	kfree(arg);
	return (void *)(intptr_t)start.function(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *arg)
{
	struct start *start = kmalloc(sizeof(*start));
	int err;

	if (!start)
		return thrd_nomem;
	*start = (struct start){function, arg};
	err = pthread_create(thread, NULL, thread_main, start);
	if (err)
		kfree(start);
	return err == EAGAIN ? thrd_nomem : result_of(err); // nothing else runs short
}

thrd_t thrd_current(void)
{
	return pthread_self();
}

int thrd_detach(thrd_t thread)
{
	return result_of(pthread_detach(thread));
}

int thrd_equal(thrd_t a, thrd_t b)
{
	return pthread_equal(a, b);
}

void thrd_exit(int result)
{
	pthread_exit((void *)(intptr_t)result);
}

int thrd_join(thrd_t thread, int *result)
{
	void *value;
	int err = pthread_join(thread, &value);

	if (!err && result)
		*result = (int)(intptr_t)value;
	return result_of(err);
}

int thrd_sleep(const struct timespec *duration, struct timespec *remaining)
{
	int err = clock_nanosleep(CLOCK_MONOTONIC, 0, duration, remaining);

	return err == 0 ? 0 : err == EINTR ? -1 : -2;
}

void thrd_yield(void)
{
	(void)sched_yield(); // cannot fail
}

int mtx_init(mtx_t *mutex, int type)
{
	if (type & ~(mtx_recursive | mtx_timed))
		return thrd_error;
	*mutex =
	    type & mtx_recursive ? (mtx_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP : (mtx_t)PTHREAD_MUTEX_INITIALIZER;
	return thrd_success;
}

void mtx_destroy(mtx_t *mutex)
{
	(void)pthread_mutex_destroy(mutex);
}

int mtx_lock(mtx_t *mutex)
{
	return result_of(pthread_mutex_lock(mutex));
}

int mtx_timedlock(mtx_t *restrict mutex, const struct timespec *restrict deadline)
{
	return result_of(pthread_mutex_timedlock(mutex, deadline));
}

int mtx_trylock(mtx_t *mutex)
{
	return result_of(pthread_mutex_trylock(mutex));
}

int mtx_unlock(mtx_t *mutex)
{
	return result_of(pthread_mutex_unlock(mutex));
}

int cnd_init(cnd_t *cond)
{
	return result_of(pthread_cond_init(cond, NULL));
}

void cnd_destroy(cnd_t *cond)
{
	(void)pthread_cond_destroy(cond);
}

int cnd_wait(cnd_t *cond, mtx_t *mutex)
{
	return result_of(pthread_cond_wait(cond, mutex));
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict deadline)
{
	return result_of(pthread_cond_timedwait(cond, mutex, deadline));
}

int cnd_signal(cnd_t *cond)
{
	return result_of(pthread_cond_signal(cond));
}

int cnd_broadcast(cnd_t *cond)
{
	return result_of(pthread_cond_broadcast(cond));
}

int tss_create(tss_t *key, tss_dtor_t destructor)
{
	return result_of(pthread_key_create(key, destructor));
}

void tss_delete(tss_t key)
{
	(void)pthread_key_delete(key);
}

void *tss_get(tss_t key)
{
	return pthread_getspecific(key);
}

int tss_set(tss_t key, void *value)
{
	return result_of(pthread_setspecific(key, value));
}

void call_once(once_flag *flag, void (*function)(void))
{
	(void)pthread_once(flag, function); // cannot fail
}
