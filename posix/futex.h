// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Waiting for a word of application memory to change: what mutexes, condition variables and the rest are made of. The
 * word's address is the key, so a word mapped at two addresses is two words. Thread context, no lock held.
 */
#pragma once

#include <limits.h>

#include "kernel/wait.h"
#include "lib/types.h"
#include "posix/clock.h"

#define FUTEX_ALL UINT_MAX

struct posix_thread;

/*
 * Sleeps if *word is still expected, until woken. 0: woken; -EAGAIN: it was not expected, or look again; -ETIMEDOUT:
 * the deadline is past (NULL: there is none); -EINTR: a handler of a signal has run that does not restart calls. what:
 * for reports, the waiter's.
 */
int futex_wait(const uint32_t *word, uint32_t expected, const struct deadline *deadline, const struct wait_note *what);

/* The same in a cancellation point: also -EINTR, when a request to cancel the thread is there. It spends no wake-up. */
int futex_wait_cancel(const uint32_t *word, uint32_t expected, const struct deadline *deadline,
		      const struct wait_note *what);

/* Wakes up to count of the threads waiting for the word, longest first. The word itself is not touched. */
void futex_wake(const uint32_t *word, unsigned count);

/* The wall clock was set: deadlines on it are looked at anew. */
void futex_clock_set(void);

/* Ends the thread's futex_wait_cancel, if it is in one. The caller keeps the thread's record from going. */
void futex_interrupt(struct posix_thread *t);
