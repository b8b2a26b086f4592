// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Random numbers for cryptography; values are Linux's. */
#pragma once

#include <sys/types.h>
#include <unistd.h> // getentropy

#ifdef __cplusplus
extern "C" {
#endif

#define GRND_NONBLOCK 1 // it never waits
#define GRND_RANDOM 2	// the numbers are the same
#define GRND_INSECURE 4

ssize_t getrandom(void *buf, size_t n, unsigned flags);

#ifdef __cplusplus
}
#endif
