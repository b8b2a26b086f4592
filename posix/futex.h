// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Waiting for a word of application memory to change: what mutexes, condition variables and the rest are made of. The
 * word's address is the key, so a word mapped at two addresses is two words. Thread context, no lock held.
 */
#pragma once

#include "lib/types.h"

#define FUTEX_ALL UINT_MAX

/*
 * Sleeps if *word is still expected, until woken. 0: woken; -EAGAIN: it was not expected, or look again; -ETIMEDOUT:
 * clock_now() passed deadline (UINT64_MAX: never); -EINTR: a handler of a signal has run that does not restart calls.
 */
int futex_wait(const uint32_t *word, uint32_t expected, nsec_t deadline);

/* Wakes up to count of the threads waiting for the word, longest first. The word itself is not touched. */
void futex_wake(const uint32_t *word, unsigned count);
