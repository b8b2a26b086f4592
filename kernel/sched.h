// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The scheduler's inside, for kernel/ only: thread.c makes threads, wait.c blocks and wakes them, time.c brings the
 * timer. One spinlock guards the run queue, the sleepers and every thread's state; it is held across a switch, so
 * whoever takes it afterwards knows that the thread switched away from has left its stack.
 * Order: any other spinlock -> the scheduler's.
 */
#pragma once

#include "kernel/thread.h"
#include "kernel/time.h"

#define SLICE_NS (10 * NSEC_PER_MSEC)
#define NEVER UINT64_MAX

/* The current thread's state becomes `state` and another runs; `outer` (held) is given up as soon as no wake-up can be
 * lost. Returns when the thread runs again: with nothing held, interrupts as in `flags`. wake_at NEVER: no time-out.
 * THREAD_INTERRUPTIBLE: at once if the thread is interrupted already. */
void sched_block(enum thread_state state, nsec_t wake_at, struct spinlock *outer, unsigned long flags);

/* Makes a new or waiting thread runnable; nothing if it is runnable already. */
void sched_wake(struct thread *t);

/* First step of a new thread: gives up the scheduler's lock, which came with the switch, and unmasks interrupts. */
void sched_entered(void);

/* Waits until the thread, which is as good as dead, has left its stack for good. */
void sched_wait_left(struct thread *t);

/* Timer interrupt. */
void sched_timer(nsec_t now);

/* thread.c: a thread that has everything but a place in the run queue. */
int thread_make(const char *name, size_t stack_size, void *(*entry)(void *), void *arg, struct thread **out);
/* thread.c: enters the boot flow into the list of all threads, starts the reaper. */
void thread_init(struct thread *boot);
