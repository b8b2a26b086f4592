// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Threads. Each has two wired stacks: the one its code runs on, and a kernel stack for its traps (so that a page
 * fault works however little is left of the first). Life: created -> runnable <-> running <-> waiting -> dead ->
 * joined or reaped. Scheduling is preemptive, round robin in slices of 10 ms.
 */
#pragma once

#include "arch/context.h"
#include "kernel/wait.h"

#define KSTACK_SIZE (16 * 1024)	      // trap stack
#define THREAD_STACK_SIZE (64 * 1024) // default for kernel threads
#define THREAD_NAME_MAX 16

enum thread_state { THREAD_RUNNABLE, THREAD_RUNNING, THREAD_WAITING, THREAD_DEAD };

struct thread {
	struct context context;
	vaddr_t kstack_base, kstack_top;
	vaddr_t stack_base, stack_top;
	void *tls; // thread pointer; block owned by the thread
	char name[THREAD_NAME_MAX];
	unsigned id;

	/* Guarded by the scheduler's lock. */
	enum thread_state state;
	struct list_node run_node;  // run queue
	struct list_node wait_node; // waitq or sleepers
	struct list_node sleep_node;
	nsec_t wake_at; // UINT64_MAX: no time-out
	bool timed_out;
	struct waitq *waiting_on;
	nsec_t slice_end;

	/* Own use of the thread only. */
	unsigned preempt_off; // nesting
	unsigned spin_depth;
	unsigned locks_held;  // mutexes and rwlocks: asserted 0 when the thread ends; a fault report says it
	unsigned fault_depth; // a fault may not nest: asserted
	void *uaccess_fixup;  // arch: where a copy helper goes on when its fault cannot be served

	/* Guarded by join_lock. */
	struct spinlock join_lock;
	struct waitq join_waitq;
	bool dead, detached;
	void *result;

	struct list_node all_node; // list of all threads, guarded by the list's lock
	void *posix;		   // posix/: its own record
};

/*
 * Makes a runnable thread on a stack of stack_size bytes (rounded up to pages) that calls entry(arg) and ends when
 * entry returns, with its value. 0, -ENOMEM. Sleeps for memory never: a failed create leaves nothing behind.
 */
int thread_create(const char *name, size_t stack_size, void *(*entry)(void *), void *arg, struct thread **out);
_Noreturn void thread_exit(void *result);
/* Waits for the end, frees the thread. -EDEADLK: self; -EINVAL: detached. */
int thread_join(struct thread *t, void **result);
int thread_detach(struct thread *t);
void thread_yield(void);

/* Sleeps until clock_now() >= deadline. */
void thread_sleep_until(nsec_t deadline);

/* Preemption off also keeps the thread on its hart. Nests. */
void preempt_disable(void);
void preempt_enable(void);

/* Called on the way out of a trap with interrupts masked: switches if another thread is due. */
void sched_preempt(void);

/* Turns the boot flow into the first thread and starts the idle thread. */
void sched_init(void);

/* Prints every thread, its state, what it waits for. Any context. */
void threads_print(void);
