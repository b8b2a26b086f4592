// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What posix/ keeps of a thread beside the kernel's structure, and cancellation inside posix/. A request is a flag of
 * the thread's; whoever sets it ends the wait that the thread is in, if that is one that may be ended.
 *
 *	pthread_testcancel();			// a cancellation point that does not wait for long
 *
 *	err = futex_wait_cancel(word, ...);	// one that waits
 *	if (err == -EINTR) {
 *		...take back what the wait has done...
 *		pthread_testcancel();		// does not return, unless...
 *	}
 */
#pragma once

#include <signal.h>
#include <stdatomic.h>

#include "kernel/thread.h"
#include "lib/list.h"
#include "lib/tree.h"

struct futex_waiter;
struct try_point;
struct _pthread_cleanup;

struct posix_thread {
	/* Constant. */
	struct thread *thread;
	void *(*function)(void *);
	void *arg;
	bool adopted; // not made by pthread_create: the record lies in its TLS block, the kernel keeps the thread

	/* Guarded by the lock of posix/pthread.c. */
	struct tree_node handle_node;	       // key: `thread`, among those that may be joined or have not ended
	bool detached;			       // nobody will join it
	struct posix_thread *joiner, *joining; // who waits for its end, and for whose end it waits
	void *result;			       // once ended
	int policy, priority;		       // its own; SCHED_OTHER: 0

	uint32_t ended; // set under that lock, release; a futex

	/* Guarded by the lock of posix/signal.c. Sets have bit n - 1 for signal n. */
	struct list_node signal_node; // among the threads of the application
	uint64_t mask;		      // blocked
	uint64_t pending;	      // sent to this thread
	uint64_t waited;	      // what sigwait waits for
	uint64_t saved_mask;	      // sigsuspend's: the mask to return to, if mask_saved
	bool mask_saved;

	/* Own use of the thread only. */
	struct _pthread_cleanup *cleanup; // innermost handler
	int cancel_state, cancel_type;
	unsigned cancel_deferred; // nesting
	unsigned read_locks;	  // rwlocks held for reading
	bool takes_signals;	  // from signal_thread_add to signal_thread_remove: code of the application's
	unsigned handled;	  // counts the signals that handlers took
	stack_t altstack;
	struct list_node pi_held; // struct pi_mutex.held_node
	struct try_point *tries;  // innermost cairn_try that it is in (posix/try.c)
	unsigned libc_locks;	  // of the C library that it holds

	atomic_bool cancel_requested; // relaxed; against a wait that begins ordered by wait_lock
	struct spinlock wait_lock;    // guards the next; order: the lock of posix/pthread.c -> it -> a futex's
	struct futex_waiter *waiter;  // of the wait that a request ends, else NULL
};

/* The calling thread's; made now if the thread is the kernel's. Never NULL. Thread context. */
struct posix_thread *posix_self(void);

/* Is it a thread that runs, or has ended and may still be joined? Takes the lock of posix/pthread.c. */
bool pthread_is_known(pthread_t thread);

/* Enters a thread that is about to run the application's code, with the signal mask of the calling one. */
void signal_thread_add(struct posix_thread *t);
/* The thread runs none any more. */
void signal_thread_remove(struct posix_thread *t);

/* May a request be acted upon now? The thread's own question. */
bool cancel_enabled(const struct posix_thread *self);
/* Is there one? */
bool cancel_requested(const struct posix_thread *t);

/* The calling thread is to end in the next cancellation point. */
bool cancel_due(void);

/* From defer to allow nothing is a cancellation point: for code that holds locks. Nests. Thread context. */
void cancel_defer(void);
void cancel_allow(void);

/* May the policy have this priority? */
bool priority_is_valid(int policy, int priority);

/* Calls the handlers that are still pushed, innermost first. */
void cleanup_run_all(struct posix_thread *self);
