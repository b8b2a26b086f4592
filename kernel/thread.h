// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Threads. Each has two wired stacks: the one its code runs on, and a kernel stack for its traps (so that a page
 * fault works however little is left of the first). Life: created -> runnable <-> running <-> waiting -> dead ->
 * joined or reaped. Scheduling is preemptive, round robin in slices of 10 ms.
 */
#pragma once

#include <stdatomic.h>

#include "arch/context.h"
#include "kernel/wait.h"

#define KSTACK_SIZE (16 * 1024)	      // trap stack
#define THREAD_STACK_SIZE (64 * 1024) // default for kernel threads
#define THREAD_NAME_MAX 16

/* INTERRUPTIBLE: waiting, and sched_interrupt ends it. */
enum thread_state { THREAD_RUNNABLE, THREAD_RUNNING, THREAD_WAITING, THREAD_INTERRUPTIBLE, THREAD_DEAD };

struct thread {
	struct context context;
	vaddr_t kstack_base, kstack_top;
	vaddr_t stack_base, stack_top;
	void *tls; // thread pointer; block owned by the thread
	void *(*entry)(void *);
	void *arg;
	char name[THREAD_NAME_MAX];
	unsigned id;

	/* Guarded by the scheduler's lock. */
	enum thread_state state;
	struct list_node run_node;   // run queue
	struct list_node sleep_node; // sleepers, by wake_at
	nsec_t wake_at;
	nsec_t slice_end;
	atomic_bool interrupted; // set with that lock; read and cleared, relaxed, by the thread alone

	/* Guarded by the lock that the waiter gave up. */
	struct list_node wait_node; // in a waitq; alone once woken

	/* Own use of the thread only. */
	unsigned preempt_off; // nesting
	unsigned spin_depth;
	unsigned locks_held;  // mutexes and rwlocks: asserted 0 when the thread ends; a fault report says it
	unsigned fault_depth; // a fault may not nest: asserted
	unsigned calls;	      // of the kernel by the application, nested (posix/call.h)

	/* Guarded by the lock of the list of all threads (kernel/thread.c). */
	struct list_node all_node; // in that list; after the end of a detached thread: in the reaper's
	struct waitq join_waitq;
	bool dead, detached;
	void *result;

	void *posix; // posix/: its own record
};

/*
 * Where the structure lies: at the upper end of the thread's kernel stack, so that a thread needs no memory but its
 * two stacks and its TLS block. The first thread's is static.
 *
 * Makes a runnable thread on a stack of stack_size bytes (rounded up to pages) that calls entry(arg) and ends when
 * entry returns, with its value. 0, -ENOMEM. Sleeps for memory never: a failed create leaves nothing behind.
 */
int thread_create(const char *name, size_t stack_size, void *(*entry)(void *), void *arg, struct thread **out);
_Noreturn void thread_exit(void *result);
/* Waits for the end, frees the thread. -EDEADLK: self; -EINVAL: detached. */
int thread_join(struct thread *t, void **result);
/* The same; -EINTR when interrupted first, and nothing has happened. */
int thread_join_interruptible(struct thread *t, void **result);
int thread_detach(struct thread *t);
void thread_yield(void);

/* Sleeps until clock_now() >= deadline. */
void thread_sleep_until(nsec_t deadline);
/* The same, but -EINTR when interrupted first; else 0. */
int thread_sleep_interruptible(nsec_t deadline);

/*
 * Ends the thread's interruptible wait, or the next one it begins: until it clears t->interrupted again. Any context;
 * the thread exists. Only for threads that look at it on their way out of traps and calls (posix/signal.c).
 */
void thread_interrupt(struct thread *t);
bool thread_interrupted(void); // the current one; on the way out of a trap, interrupts masked

/* Thread context, no spinlock held, preemption on: for assertions (I1). */
bool thread_may_sleep(void);

/* Preemption off also keeps the thread on its hart. Nests. */
void preempt_disable(void);
void preempt_enable(void);

/* Called on the way out of a trap with interrupts masked: switches if another thread is due. */
void sched_preempt(void);

/* Turns the boot flow into the first thread and starts the idle thread. */
void sched_init(void);

/* Prints every thread, its state, what it waits for. Any context. */
void threads_print(void);
