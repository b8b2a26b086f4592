// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The numbers of <pthread.h> and <semaphore.h>, which <limits.h> shows too. */
#pragma once

#define PTHREAD_STACK_MIN 16384
#define PTHREAD_KEYS_MAX 128
#define PTHREAD_DESTRUCTOR_ITERATIONS 4
#define SEM_VALUE_MAX 0x7fffffff
