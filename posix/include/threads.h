// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* C11's threads, the same objects as <pthread.h>'s. In place of picolibc's, which needs a header that it lacks. */
#pragma once

#include <time.h>

#include "sys/_pthreadtypes.h"

#ifdef __cplusplus
extern "C" {
#elif __STDC_VERSION__ < 202311L
#define thread_local _Thread_local
#endif

#define ONCE_FLAG_INIT                                                                                                 \
	{                                                                                                              \
		0                                                                                                      \
	}
#define TSS_DTOR_ITERATIONS 4

typedef pthread_t thrd_t;
typedef pthread_mutex_t mtx_t;
typedef pthread_cond_t cnd_t;
typedef pthread_key_t tss_t;
typedef pthread_once_t once_flag;
typedef int (*thrd_start_t)(void *);
typedef void (*tss_dtor_t)(void *);

enum { mtx_plain = 0, mtx_recursive = 1, mtx_timed = 2 };
enum { thrd_success, thrd_busy, thrd_error, thrd_nomem, thrd_timedout };

int thrd_create(thrd_t *thread, thrd_start_t start, void *arg);
thrd_t thrd_current(void);
int thrd_detach(thrd_t thread);
int thrd_equal(thrd_t a, thrd_t b);
void thrd_exit(int result) __attribute__((__noreturn__));
int thrd_join(thrd_t thread, int *result);
int thrd_sleep(const struct timespec *duration, struct timespec *remaining); // -1: interrupted; less: an error
void thrd_yield(void);

int mtx_init(mtx_t *mutex, int type);
void mtx_destroy(mtx_t *mutex);
int mtx_lock(mtx_t *mutex);
int mtx_timedlock(mtx_t *__restrict mutex, const struct timespec *__restrict deadline); // TIME_UTC
int mtx_trylock(mtx_t *mutex);
int mtx_unlock(mtx_t *mutex);

int cnd_init(cnd_t *cond);
void cnd_destroy(cnd_t *cond);
int cnd_wait(cnd_t *cond, mtx_t *mutex);
int cnd_timedwait(cnd_t *__restrict cond, mtx_t *__restrict mutex, const struct timespec *__restrict deadline);
int cnd_signal(cnd_t *cond);
int cnd_broadcast(cnd_t *cond);

int tss_create(tss_t *key, tss_dtor_t destructor);
void tss_delete(tss_t key);
void *tss_get(tss_t key);
int tss_set(tss_t key, void *value);

void call_once(once_flag *flag, void (*function)(void));

#ifdef __cplusplus
}
#endif
