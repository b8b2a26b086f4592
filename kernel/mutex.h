// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Sleeping locks: may be held across I/O. Thread context only, no spinlock held. */
#pragma once

#include "kernel/pi.h"
#include "kernel/wait.h"

struct thread;

struct mutex {
	struct spinlock lock; // guards the rest
	/* NULL: free. Stored atomically, relaxed: mutex_owned and reports read it without the lock. */
	struct thread *owner;
	bool starved; // a waiter was woken in vain: the next unlock hands the lock to the first of the queue
	struct waitq waitq;
	struct pi pi;
	struct lockclass class;
};

#define MUTEX_INIT(m, what)                                                                                            \
	{                                                                                                              \
		.lock = SPINLOCK_INNER_INIT(what), .waitq = WAITQ_INIT((m).waitq)                                      \
	}

void mutex_init(struct mutex *m, const char *name);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_owned(const struct mutex *m); // by the current thread

struct cond {
	struct spinlock lock; // guards waitq
	struct waitq waitq;
};

#define COND_INIT(c, what)                                                                                             \
	{                                                                                                              \
		.lock = SPINLOCK_INNER_INIT(what), .waitq = WAITQ_INIT((c).waitq)                                      \
	}

void cond_init(struct cond *c, const char *name);
/* Gives m up, waits, takes m again. Spurious returns are possible. */
void cond_wait(struct cond *c, struct mutex *m);
int cond_wait_until(struct cond *c, struct mutex *m, nsec_t deadline); // 0 or -ETIMEDOUT
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

/*
 * Many readers or one writer. A waiting writer keeps new readers out, so a reader must not take it twice; when a writer
 * leaves, all readers that waited go before the next writer. So neither side starves.
 */
struct rwlock {
	struct spinlock lock; // guards the rest
	unsigned readers;
	unsigned readers_waiting, writers_waiting;
	unsigned phase;	       // counts the times that a writer let the waiting readers in
	struct thread *writer; // stored atomically, relaxed, as mutex.owner
	struct waitq waitq_read, waitq_write;
	struct lockclass class;
};

#define RWLOCK_INIT(rw, what)                                                                                          \
	{                                                                                                              \
		.lock = SPINLOCK_INNER_INIT(what), .waitq_read = WAITQ_INIT((rw).waitq_read),                          \
		.waitq_write = WAITQ_INIT((rw).waitq_write)                                                            \
	}

void rwlock_init(struct rwlock *rw, const char *name);
void rwlock_lock_read(struct rwlock *rw);
bool rwlock_trylock_read(struct rwlock *rw);
void rwlock_unlock_read(struct rwlock *rw);
void rwlock_lock_write(struct rwlock *rw);
bool rwlock_trylock_write(struct rwlock *rw);
void rwlock_unlock_write(struct rwlock *rw);
bool rwlock_owned_write(const struct rwlock *rw);
