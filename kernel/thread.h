// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Threads. Each has two wired stacks: the one its code runs on, and a kernel stack for its traps (so that a page
 * fault works however little is left of the first). Life: created -> runnable <-> running <-> waiting -> dead ->
 * joined or reaped. Scheduling is preemptive, by priority, round robin in slices of 10 ms among equals, on all harts.
 */
#pragma once

#include <stdatomic.h>

#include "arch/context.h"
#include "kernel/time.h"
#include "kernel/wait.h"

/* What all harts have run, and waited, since they came up: the kernel and interrupts included. Any context. */
void sched_times(nsec_t *busy, nsec_t *idle);

#define KSTACK_SIZE (16 * 1024)	      // trap stack
#define THREAD_STACK_SIZE (64 * 1024) // default for kernel threads
#define THREAD_NAME_MAX 16
#define SLICE_NS (10 * NSEC_PER_MSEC)

/* Priorities are 0 .. THREAD_PRIORITIES - 1, the highest; a new thread has 0. */
#define THREAD_PRIORITIES 32

/* INTERRUPTIBLE: waiting, and thread_interrupt ends it. */
enum thread_state { THREAD_RUNNABLE, THREAD_RUNNING, THREAD_WAITING, THREAD_INTERRUPTIBLE, THREAD_DEAD };

struct runqueue;

struct thread {
	struct context context;
	vaddr_t kstack_base, kstack_top;
	vaddr_t stack_base, stack_top;
	size_t stack_guard; // bytes below stack_base where nothing is mapped; 0: the stack is the creator's
	void *tls;	    // thread pointer; block owned by the thread
	void *(*entry)(void *);
	void *arg;
	char name[THREAD_NAME_MAX];
	unsigned id;

	/*
	 * The run queue that the thread belongs to, whose lock guards the fields below. Changed under that lock, or,
	 * while it is ready and in no queue, by who has it in hand.
	 */
	_Atomic(struct runqueue *) rq;
	enum thread_state state;     // stored atomically, relaxed, for reports
	atomic_uint priority;	     // read by anybody, relaxed
	atomic_bool unsliced;	     // runs until it waits, yields, or somebody of higher priority is ready; relaxed
	struct list_node run_node;   // run queue; alone unless ready
	struct list_node sleep_node; // sleepers, by wake_at
	nsec_t wake_at;		     // stored atomically, relaxed, for reports
	nsec_t slice_end;
	nsec_t left_at;		 // when it last stopped running; stored atomically, relaxed, for reports
	unsigned hart;		 // index of the one that it runs or ran on; HARTS_MAX: none yet; stored as the above
	atomic_bool interrupted; // set under that lock; read and cleared, relaxed, by the thread alone

	/* Guarded by the lock of kernel/pi.c. */
	unsigned base_priority;
	struct list_node pi_held; // struct pi.node: what it holds and others wait for
	struct pi *pi_waits;	  // what it waits for

	/* Guarded by the lock that the waiter gave up. */
	struct list_node wait_node; // in a waitq; alone once woken

	/* Written by the thread only, by wait_note_set; a report may read it at any moment. */
	struct wait_note note;

	/* Own use of the thread only. */
	unsigned preempt_off; // nesting
	unsigned spin_depth;
	unsigned locks_held;  // mutexes and rwlocks: asserted 0 when the thread ends; stored as the above, for reports
	unsigned fault_depth; // a fault may not nest: asserted
	struct lockcheck_held held;
	unsigned calls;	   // of the kernel by the application, nested (posix/call.h)
	vaddr_t grown_end; // of the application's stack if it is a mapping that grows down, else 0 (posix/call.h)

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

/* What a thread's code is to run on. */
struct thread_stack {
	vaddr_t base; // 0: from the kernel; else memory that never faults, which stays the caller's
	size_t size;  // bytes; from the kernel: rounded up to pages
	size_t guard; // bytes below a stack from the kernel where nothing is mapped: rounded up to pages, one at least
};

/* thread_create in two steps: what thread_make made runs when thread_start, which cannot fail, is called. */
int thread_make(const char *name, const struct thread_stack *stack, void *(*entry)(void *), void *arg,
		struct thread **out);
void thread_start(struct thread *t);
_Noreturn void thread_exit(void *result);
/* Waits for the end, frees the thread. -EDEADLK: self; -EINVAL: detached. */
int thread_join(struct thread *t, void **result);
int thread_detach(struct thread *t);
void thread_yield(void);

/* Sleeps until clock_now() >= deadline. */
void thread_sleep_until(nsec_t deadline);

/*
 * Ends the thread's interruptible wait, or the next one it begins: until it clears t->interrupted again. Any context;
 * the thread exists. Only for threads that look at it on their way out of traps and calls (posix/signal.c).
 */
void thread_interrupt(struct thread *t);
bool thread_interrupted(void); // the current one; on the way out of a trap, interrupts masked

/* Thread context, no spinlock held, preemption on: for assertions (I1). */
bool thread_may_sleep(void);

/* A thread, for reports: what it was at some moment. */
struct thread_info {
	unsigned id;
	char name[THREAD_NAME_MAX];
	enum thread_state state;
	unsigned priority, hart; // HARTS_MAX: it has not run yet
	unsigned locks;		 // mutexes and rwlocks that it holds
	const char *waits_kind;	 // for what it waits: kind, "queue" of it is not said;
	const char *waits_name;	 // NULL: for nothing that has a name
};
/* The first with an id above; false: there is none. Thread context. */
bool thread_info_next(unsigned id, struct thread_info *out);

/* Preemption off also keeps the thread on its hart. Nests. */
void preempt_disable(void);
void preempt_enable(void);

/* Called on the way out of a trap with interrupts masked: switches if another thread is due. */
void sched_preempt(void);

/* The thread's own priority; it runs with a higher one while it holds what others wait for (kernel/pi.h). */
void thread_set_priority(struct thread *t, unsigned priority);
/* From its next turn on: no slices, or slices of 10 ms among those of its priority, which every thread begins with. */
static inline void thread_set_unsliced(struct thread *t, bool unsliced)
{
	atomic_store_explicit(&t->unsliced, unsliced, memory_order_relaxed);
}
/* With which it runs, as of now. */
static inline unsigned thread_priority(const struct thread *t)
{
	return atomic_load_explicit(&t->priority, memory_order_relaxed);
}

/* The calling thread has taken, or given up, mutexes or rwlocks. */
static inline void thread_locks_add(struct thread *self, int n)
{
	__atomic_store_n(&self->locks_held, self->locks_held + (unsigned)n, __ATOMIC_RELAXED);
}

/* Turns the boot flow into the first thread and makes the idle thread of its hart. */
void sched_init(void);

/* Harts that run threads. */
unsigned harts_online(void);

/* Makes the idle thread of a further hart, before that is started; the indexes follow one another. 0, -ENOMEM. */
struct hart;
int sched_hart_add(struct hart *hart);

/*
 * Prints every thread, its state and since when, what it waits for, the locks it holds, its backtrace. Any context: it
 * waits for no lock but the log's, and after log_emergency for none. kernel/report.c.
 */
void threads_print(void);
