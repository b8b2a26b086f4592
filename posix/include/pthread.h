// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Threads as POSIX.1-2017 has them, clockwait and clocklock of POSIX.1-2024, and some of the usual _np calls. Calls
 * return 0 or a positive error number and leave errno alone. There is one process: no fork. Synchronisation objects
 * are known by their address, so one in a page that is mapped twice is two.
 * Cancellation is deferred: a request, whatever the type, is acted upon in cancellation points only.
 */
#pragma once

#include <sched.h>
#include <sys/types.h>
#include <time.h>

#include "sys/_pthreadlimits.h"
#include "sys/_pthreadtypes.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PTHREAD_CREATE_JOINABLE 0
#define PTHREAD_CREATE_DETACHED 1

#define PTHREAD_MUTEX_NORMAL 0
#define PTHREAD_MUTEX_RECURSIVE 1
#define PTHREAD_MUTEX_ERRORCHECK 2
#define PTHREAD_MUTEX_DEFAULT PTHREAD_MUTEX_NORMAL

#define PTHREAD_CANCEL_ENABLE 0
#define PTHREAD_CANCEL_DISABLE 1
#define PTHREAD_CANCEL_DEFERRED 0
#define PTHREAD_CANCEL_ASYNCHRONOUS 1
#define PTHREAD_CANCELED ((void *)-1)

#define PTHREAD_INHERIT_SCHED 0
#define PTHREAD_EXPLICIT_SCHED 1
#define PTHREAD_SCOPE_SYSTEM 0
#define PTHREAD_SCOPE_PROCESS 1

#define PTHREAD_PRIO_NONE 0
#define PTHREAD_PRIO_INHERIT 1
#define PTHREAD_PRIO_PROTECT 2

#define PTHREAD_BARRIER_SERIAL_THREAD (-1)

#define PTHREAD_PROCESS_PRIVATE 0
#define PTHREAD_PROCESS_SHARED 1

#define PTHREAD_MUTEX_INITIALIZER                                                                                      \
	{                                                                                                              \
		0, PTHREAD_MUTEX_DEFAULT, 0, 0, 0                                                                      \
	}
#define PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP                                                                         \
	{                                                                                                              \
		0, PTHREAD_MUTEX_RECURSIVE, 0, 0, 0                                                                    \
	}
#define PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP                                                                        \
	{                                                                                                              \
		0, PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0                                                                   \
	}
#define PTHREAD_COND_INITIALIZER                                                                                       \
	{                                                                                                              \
		0, 0, CLOCK_REALTIME                                                                                   \
	}
#define PTHREAD_RWLOCK_INITIALIZER                                                                                     \
	{                                                                                                              \
		PTHREAD_MUTEX_INITIALIZER, 0, 0, 0, 0, 0                                                               \
	}
#define PTHREAD_ONCE_INIT                                                                                              \
	{                                                                                                              \
		0                                                                                                      \
	}

int pthread_create(pthread_t *__restrict thread, const pthread_attr_t *__restrict attr, void *(*start)(void *),
		   void *__restrict arg);
void pthread_exit(void *value) __attribute__((__noreturn__));
int pthread_join(pthread_t thread, void **value);
int pthread_detach(pthread_t thread);
pthread_t pthread_self(void);
int pthread_equal(pthread_t a, pthread_t b);
int pthread_setname_np(pthread_t thread, const char *name); // ERANGE: longer than 15 characters
int pthread_getname_np(pthread_t thread, char *name, size_t size);
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr); // as the thread is now

int pthread_attr_init(pthread_attr_t *attr);
int pthread_attr_destroy(pthread_attr_t *attr);
/*
 * The memory is readable, writable and private (malloc, or mmap without MAP_SHARED; or a static array), and stays so as
 * long as the thread lives: pthread_create faults it in, and gives EINVAL for any other.
 */
int pthread_attr_setstack(pthread_attr_t *attr, void *addr, size_t size);
int pthread_attr_getstack(const pthread_attr_t *__restrict attr, void **__restrict addr, size_t *__restrict size);
int pthread_attr_setstacksize(pthread_attr_t *attr, size_t size);
int pthread_attr_getstacksize(const pthread_attr_t *__restrict attr, size_t *__restrict size);
int pthread_attr_setguardsize(pthread_attr_t *attr, size_t size);
int pthread_attr_getguardsize(const pthread_attr_t *__restrict attr, size_t *__restrict size);
int pthread_attr_setdetachstate(pthread_attr_t *attr, int state);
int pthread_attr_getdetachstate(const pthread_attr_t *attr, int *state);
int pthread_attr_setname_np(pthread_attr_t *attr, const char *name); // ERANGE: longer than 15 characters
int pthread_attr_getname_np(const pthread_attr_t *attr, char *name, size_t size);

/* Policy and priority are looked at together by pthread_create: EINVAL. */
int pthread_attr_setinheritsched(pthread_attr_t *attr, int inherit);
int pthread_attr_getinheritsched(const pthread_attr_t *__restrict attr, int *__restrict inherit);
int pthread_attr_setschedpolicy(pthread_attr_t *attr, int policy);
int pthread_attr_getschedpolicy(const pthread_attr_t *__restrict attr, int *__restrict policy);
int pthread_attr_setschedparam(pthread_attr_t *__restrict attr, const struct sched_param *__restrict param);
int pthread_attr_getschedparam(const pthread_attr_t *__restrict attr, struct sched_param *__restrict param);
int pthread_attr_setscope(pthread_attr_t *attr, int scope);
int pthread_attr_getscope(const pthread_attr_t *__restrict attr, int *__restrict scope);
int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param);
int pthread_getschedparam(pthread_t thread, int *__restrict policy, struct sched_param *__restrict param);
int pthread_setschedprio(pthread_t thread, int priority);

int pthread_cancel(pthread_t thread);
int pthread_setcancelstate(int state, int *old);
int pthread_setcanceltype(int type, int *old);
void pthread_testcancel(void);

/* One handler of the thread's, in the frame of the function that pushed it. */
struct _pthread_cleanup {
	void (*function)(void *);
	void *arg;
	struct _pthread_cleanup *outer;
};
void _pthread_cleanup_push(struct _pthread_cleanup *cleanup);
void _pthread_cleanup_pop(int execute);
/* The two stand in one block, as POSIX has it. */
#define pthread_cleanup_push(function, arg)                                                                            \
	do {                                                                                                           \
	_pthread_cleanup_push(&(struct _pthread_cleanup){(function), (arg), 0})
#define pthread_cleanup_pop(execute)                                                                                   \
	_pthread_cleanup_pop(execute);                                                                                 \
	}                                                                                                              \
	while (0)

int pthread_mutexattr_init(pthread_mutexattr_t *attr);
int pthread_mutexattr_destroy(pthread_mutexattr_t *attr);
int pthread_mutexattr_settype(pthread_mutexattr_t *attr, int type);
int pthread_mutexattr_gettype(const pthread_mutexattr_t *__restrict attr, int *__restrict type);
int pthread_mutexattr_setprotocol(pthread_mutexattr_t *attr, int protocol); // not PTHREAD_PRIO_PROTECT: ENOTSUP
int pthread_mutexattr_getprotocol(const pthread_mutexattr_t *__restrict attr, int *__restrict protocol);
int pthread_mutexattr_setpshared(pthread_mutexattr_t *attr, int shared);
int pthread_mutexattr_getpshared(const pthread_mutexattr_t *__restrict attr, int *__restrict shared);
int pthread_mutex_init(pthread_mutex_t *__restrict mutex, const pthread_mutexattr_t *__restrict attr);
int pthread_mutex_destroy(pthread_mutex_t *mutex);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_trylock(pthread_mutex_t *mutex);
int pthread_mutex_timedlock(pthread_mutex_t *__restrict mutex, const struct timespec *__restrict deadline);
int pthread_mutex_clocklock(pthread_mutex_t *__restrict mutex, clockid_t clock,
			    const struct timespec *__restrict deadline);
int pthread_mutex_unlock(pthread_mutex_t *mutex);

int pthread_condattr_init(pthread_condattr_t *attr);
int pthread_condattr_destroy(pthread_condattr_t *attr);
int pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock);
int pthread_condattr_getclock(const pthread_condattr_t *__restrict attr, clockid_t *__restrict clock);
int pthread_condattr_setpshared(pthread_condattr_t *attr, int shared);
int pthread_condattr_getpshared(const pthread_condattr_t *__restrict attr, int *__restrict shared);
int pthread_cond_init(pthread_cond_t *__restrict cond, const pthread_condattr_t *__restrict attr);
int pthread_cond_destroy(pthread_cond_t *cond);
int pthread_cond_wait(pthread_cond_t *__restrict cond, pthread_mutex_t *__restrict mutex);
int pthread_cond_timedwait(pthread_cond_t *__restrict cond, pthread_mutex_t *__restrict mutex,
			   const struct timespec *__restrict deadline);
int pthread_cond_clockwait(pthread_cond_t *__restrict cond, pthread_mutex_t *__restrict mutex, clockid_t clock,
			   const struct timespec *__restrict deadline);
int pthread_cond_signal(pthread_cond_t *cond);
int pthread_cond_broadcast(pthread_cond_t *cond);

int pthread_rwlockattr_init(pthread_rwlockattr_t *attr);
int pthread_rwlockattr_destroy(pthread_rwlockattr_t *attr);
int pthread_rwlockattr_setpshared(pthread_rwlockattr_t *attr, int shared);
int pthread_rwlockattr_getpshared(const pthread_rwlockattr_t *__restrict attr, int *__restrict shared);
int pthread_rwlock_init(pthread_rwlock_t *__restrict rwlock, const pthread_rwlockattr_t *__restrict attr);
int pthread_rwlock_destroy(pthread_rwlock_t *rwlock);
int pthread_rwlock_rdlock(pthread_rwlock_t *rwlock);
int pthread_rwlock_tryrdlock(pthread_rwlock_t *rwlock);
int pthread_rwlock_timedrdlock(pthread_rwlock_t *__restrict rwlock, const struct timespec *__restrict deadline);
int pthread_rwlock_clockrdlock(pthread_rwlock_t *__restrict rwlock, clockid_t clock,
			       const struct timespec *__restrict deadline);
int pthread_rwlock_wrlock(pthread_rwlock_t *rwlock);
int pthread_rwlock_trywrlock(pthread_rwlock_t *rwlock);
int pthread_rwlock_timedwrlock(pthread_rwlock_t *__restrict rwlock, const struct timespec *__restrict deadline);
int pthread_rwlock_clockwrlock(pthread_rwlock_t *__restrict rwlock, clockid_t clock,
			       const struct timespec *__restrict deadline);
int pthread_rwlock_unlock(pthread_rwlock_t *rwlock);

int pthread_barrierattr_init(pthread_barrierattr_t *attr);
int pthread_barrierattr_destroy(pthread_barrierattr_t *attr);
int pthread_barrierattr_setpshared(pthread_barrierattr_t *attr, int shared);
int pthread_barrierattr_getpshared(const pthread_barrierattr_t *__restrict attr, int *__restrict shared);
int pthread_barrier_init(pthread_barrier_t *__restrict barrier, const pthread_barrierattr_t *__restrict attr,
			 unsigned count);
int pthread_barrier_destroy(pthread_barrier_t *barrier);
int pthread_barrier_wait(pthread_barrier_t *barrier);

int pthread_spin_init(pthread_spinlock_t *lock, int shared);
int pthread_spin_destroy(pthread_spinlock_t *lock);
int pthread_spin_lock(pthread_spinlock_t *lock);
int pthread_spin_trylock(pthread_spinlock_t *lock);
int pthread_spin_unlock(pthread_spinlock_t *lock);

int pthread_once(pthread_once_t *once, void (*init)(void));

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int pthread_key_delete(pthread_key_t key);
int pthread_setspecific(pthread_key_t key, const void *value);
void *pthread_getspecific(pthread_key_t key);

#ifdef __cplusplus
}
#endif
