// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What a mutex with PTHREAD_PRIO_INHERIT is: an object of the kernel's, which knows who waits for whom. */
#pragma once

#include "posix/clock.h"
#include "posix/thread.h"

struct pi_mutex;

/* NULL: no memory. */
struct pi_mutex *pi_mutex_make(void);
/* EBUSY, if it is held; else it is gone. */
int pi_mutex_destroy(struct pi_mutex *m);

/* 0; EBUSY: somebody has it. */
int pi_mutex_trylock(struct pi_mutex *m);
/* 0; ETIMEDOUT: the deadline is past (NULL: there is none). Sleeps; no lock held. */
int pi_mutex_lock(struct pi_mutex *m, const struct deadline *deadline);
/* The calling thread holds it. */
void pi_mutex_unlock(struct pi_mutex *m);

/* The thread ends: what it still holds stays held, by nobody. */
void pi_mutexes_abandon(struct posix_thread *self);

/* The wall clock was set: deadlines on it are looked at anew. */
void pi_mutexes_clock_set(void);
