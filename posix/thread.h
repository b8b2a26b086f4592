// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What posix/ keeps of a thread of the application: struct thread.posix. The kernel's own threads have none. */
#pragma once

#include <signal.h>

#include "lib/list.h"
#include "lib/types.h"

struct thread;

struct posix_thread {
	struct thread *thread; // NULL until it is made; does not change after

	/* Guarded by the lock of posix/signal.c. Sets have bit n - 1 for signal n. */
	struct list_node node;
	uint64_t mask;	     // blocked
	uint64_t pending;    // sent to this thread
	uint64_t waited;     // what sigwait waits for
	uint64_t saved_mask; // sigsuspend's: the mask to return to, if mask_saved
	bool mask_saved;

	stack_t altstack; // own use of the thread only
};

/* The calling thread's; NULL: of the kernel. */
struct posix_thread *posix_self(void);

/* Makes the calling thread the first of the application's. Once. */
void posix_first_thread(void);

/* Enters a thread that is about to be made, with the signal mask of the calling one. */
void signal_thread_add(struct posix_thread *t);
/* The thread ends, or was not made. */
void signal_thread_remove(struct posix_thread *t);
