// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between posix/signal.c, which keeps what is pending and what shall be done about it, and what delivers. */
#pragma once

#include <signal.h>

#include "lib/types.h"
#include "posix/thread.h"

struct trap_frame;

struct signal_action {
	void (*handler)(int, siginfo_t *, void *); // or SIG_DFL, SIG_IGN
	uint64_t mask;
	int flags;
};

/* A handler to be run: the signal is no longer pending, the thread's mask is the handler's. */
struct signal_delivery {
	int sig;
	struct signal_action action;
	uint64_t old_mask; // to return to
};

/*
 * The next signal that the calling thread does not block. False: there is none, and the thread is not interrupted any
 * more. A signal without a handler that ends the application has done so.
 */
bool signal_next(struct posix_thread *self, const struct trap_frame *tf, struct signal_delivery *d);

/* The same for a signal that a trap of the calling thread is. False: it is blocked, or has no handler. */
bool signal_of_fault(struct posix_thread *self, int sig, struct signal_delivery *d);

/* The calling thread's mask, as a handler's return sets it. */
void signal_set_mask(struct posix_thread *self, uint64_t mask);

/*
 * For the time of a wait the calling thread's mask is another; until it is put back, which a handler's return does too.
 * swap: a signal that the mask lets through interrupts the wait at once. restore: does nothing without a swap; 0.
 */
void signal_mask_swap(uint64_t mask);
int signal_mask_restore(void);

/* Ends the application by a signal, with status 128 + sig. tf: where the thread was, for the report, or NULL. */
_Noreturn void signal_end(int sig, const struct trap_frame *tf);

uint64_t signal_bits(const sigset_t *set);
sigset_t signal_set(uint64_t bits);
