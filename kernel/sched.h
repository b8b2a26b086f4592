// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The scheduler's inside, for kernel/ only: thread.c makes threads, wait.c blocks and wakes them, time.c brings the
 * timer. Locks: kernel/sched.c.
 */
#pragma once

#include "kernel/thread.h"
#include "kernel/time.h"

#define NEVER UINT64_MAX

/* The current thread's state becomes `state` and another runs; `outer` (held) is given up as soon as no wake-up can be
 * lost. Returns when the thread runs again: with nothing held, interrupts as in `flags`. wake_at NEVER: no time-out.
 * THREAD_INTERRUPTIBLE: at once if the thread is interrupted already. */
void sched_block(enum thread_state state, nsec_t wake_at, struct spinlock *outer, unsigned long flags);

/* Makes a new or waiting thread runnable; nothing if it is runnable already. */
void sched_wake(struct thread *t);

/* The fields of a new thread that are the scheduler's: it waits, and belongs to this hart. */
void sched_adopt(struct thread *t);

/* First step of a new thread: gives up the run queue's lock, which came with the switch, and unmasks interrupts. */
void sched_entered(void);

/* Waits until the thread, which is as good as dead, has left its stack for good. */
void sched_wait_left(struct thread *t);

/* The priority with which a thread runs: for kernel/pi.c. */
void sched_set_priority(struct thread *t, unsigned priority);

/* Timer interrupt. */
void sched_timer(nsec_t now);

/* thread.c: the list of all threads, for reports that wait for no lock; false: somebody holds it. */
bool threads_trylock(unsigned long *flags);
void threads_unlock(unsigned long flags);
/* The first whose id is above; NULL: none. */
const struct thread *threads_next_locked(unsigned id);
bool threads_has_locked(const struct thread *t);
/* thread.c: enters the boot flow into the list of all threads, starts the reaper. */
void thread_init(struct thread *boot);
