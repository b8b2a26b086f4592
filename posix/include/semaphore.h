// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Unnamed semaphores. Calls return 0, or -1 with errno set. sem_post may be called in a signal handler. */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "sys/_pthreadlimits.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
	uint64_t state; // lower half: value; upper half: threads in a waiting call
} sem_t;

int sem_init(sem_t *sem, int shared, unsigned value);
int sem_destroy(sem_t *sem);
int sem_wait(sem_t *sem);
int sem_trywait(sem_t *sem);
int sem_timedwait(sem_t *__restrict sem, const struct timespec *__restrict deadline);
int sem_clockwait(sem_t *__restrict sem, clockid_t clock, const struct timespec *__restrict deadline);
int sem_post(sem_t *sem);
int sem_getvalue(sem_t *__restrict sem, int *__restrict value);

#ifdef __cplusplus
}
#endif
